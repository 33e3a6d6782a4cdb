// SPDX-License-Identifier: MIT
//
// The life of an instance from outside: waits, suspension, termination, purging, reuse of IDs,
// hubs.
package main

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/microsoft/durabletask-go/api"
	"github.com/microsoft/durabletask-go/task"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// code of an error that the SDK has wrapped.
func code(err error) codes.Code {
	for ; err != nil; err = errors.Unwrap(err) {
		if s, ok := status.FromError(err); ok {
			return s.Code()
		}
	}
	return codes.OK
}

// waiting has orchestrator Wait, which ends with the payload of event Go.
func waiting(h *hub) *hub {
	return h.orchestrator("Wait", func(c *task.OrchestrationContext) (any, error) {
		var value string
		err := c.WaitForSingleEvent("Go", -1).Await(&value)
		return value, err
	})
}

func addLifeCases() {
	addWaits()
	addSuspension()
	addTermination()
	addPurge()
	addReuse()
}

func addWaits() {
	add("an-unknown-instance-is-not-found", "2.6; 6.6 exists=false", func(h *hub) {
		_, err := h.client.FetchOrchestrationMetadata(h.ctx, "nobody")
		same("error", api.ErrInstanceNotFound, err)
		same("purge", api.ErrInstanceNotFound, h.client.PurgeOrchestrationState(h.ctx, "nobody"))
		same("raise", codes.NotFound, code(h.client.RaiseEvent(h.ctx, "nobody", "E")))
		same("terminate", codes.NotFound, code(h.client.TerminateOrchestration(h.ctx, "nobody")))
		same("suspend", codes.NotFound, code(h.client.SuspendOrchestration(h.ctx, "nobody", "")))
		same("resume", codes.NotFound, code(h.client.ResumeOrchestration(h.ctx, "nobody", "")))
	})

	add("a-wait-for-an-unknown-instance-sees-it-come", "2.7 unknown ID blocks, trap 26", func(h *hub) {
		h.orchestrator("Quick", func(c *task.OrchestrationContext) (any, error) {
			return "came", nil
		}).start()
		go func() {
			time.Sleep(700 * time.Millisecond)
			_, _ = h.client.ScheduleNewOrchestration(h.ctx, "Quick", api.WithInstanceID("to-come"))
		}()
		same("output", "came", output[string](h, "to-come"))
		_, err := h.client.WaitForOrchestrationCompletion(h.within(500*time.Millisecond), "never")
		holds("a time-out", isDeadline(err))
	}).waits(2)

	add("task-hubs-know-nothing-of-each-other", "2.2", func(h *hub) {
		other := newHub(h.target, "go-another-hub")
		defer other.close()
		for _, each := range []*hub{h, other} {
			name := each.name
			each.orchestrator("Where", func(c *task.OrchestrationContext) (any, error) {
				return name, nil
			}).start()
			each.run("Where", api.WithInstanceID("same-id"))
		}
		same("here", h.name, output[string](h, "same-id"))
		same("there", other.name, output[string](other, "same-id"))
		no(other.client.PurgeOrchestrationState(other.ctx, "same-id"))
		same("still here", api.RUNTIME_STATUS_COMPLETED, h.state("same-id").RuntimeStatus)
	})
}

func addSuspension() {
	add("a-suspended-instance-holds-its-events-until-resumed", "6.6 Go grpc SuspendResume", func(h *hub) {
		h.orchestrator("Listen", func(c *task.OrchestrationContext) (any, error) {
			for i := 0; i < 10; i++ {
				var value int
				if err := c.WaitForSingleEvent("MyEvent", 20*time.Second).Await(&value); err != nil {
					return nil, err
				}
				if value != i {
					return nil, fmt.Errorf("wanted %d, got %d", i, value)
				}
			}
			return true, nil
		}).start()
		id := h.run("Listen", api.WithInput(0))
		no(h.client.SuspendOrchestration(h.ctx, id, ""))
		for i := 0; i < 10; i++ {
			h.raise(id, "MyEvent", i)
		}
		_, err := h.client.WaitForOrchestrationCompletion(h.within(2*time.Second), id)
		holds("it does not end", isDeadline(err))
		state := h.state(id)
		same("status", api.RUNTIME_STATUS_SUSPENDED, state.RuntimeStatus)
		holds("it counts as running", state.IsRunning())
		no(h.client.ResumeOrchestration(h.ctx, id, "enough"))
		same("output", true, output[bool](h, id))
	}).waits(3)

	add("suspending-twice-and-resuming-twice-is-harmless", "6.6 suspend/resume no-ops, trap 29", func(h *hub) {
		waiting(h).start()
		id := h.run("Wait")
		no(h.client.ResumeOrchestration(h.ctx, id, "not suspended"))
		for i := 0; i < 2; i++ {
			no(h.client.SuspendOrchestration(h.ctx, id, "twice"))
			same("status", api.RUNTIME_STATUS_SUSPENDED, h.state(id).RuntimeStatus)
		}
		for i := 0; i < 2; i++ {
			no(h.client.ResumeOrchestration(h.ctx, id, "twice"))
		}
		h.until(id, api.RUNTIME_STATUS_RUNNING)
		h.raise(id, "Go", "fine")
		same("output", "fine", output[string](h, id))
		no(h.client.SuspendOrchestration(h.ctx, id, "ended"))
		no(h.client.ResumeOrchestration(h.ctx, id, "ended"))
		same("still", api.RUNTIME_STATUS_COMPLETED, h.state(id).RuntimeStatus)
	})

	add("a-timer-of-a-suspended-instance-waits", "3.12", func(h *hub) {
		h.orchestrator("Sleep", func(c *task.OrchestrationContext) (any, error) {
			return "woke", c.CreateTimer(time.Second).Await(nil)
		}).start()
		id := h.run("Sleep")
		h.until(id, api.RUNTIME_STATUS_RUNNING)
		no(h.client.SuspendOrchestration(h.ctx, id, ""))
		time.Sleep(2 * time.Second)
		same("status", api.RUNTIME_STATUS_SUSPENDED, h.state(id).RuntimeStatus)
		no(h.client.ResumeOrchestration(h.ctx, id, ""))
		same("output", "woke", output[string](h, id))
	}).waits(2)
}

func addTermination() {
	for _, recurse := range []bool{true, false} {
		add(fmt.Sprintf("termination-with-recursion-%v", recurse), "6.6 Go grpc Terminate_Recursive", func(h *hub) {
			var ran atomic.Int32
			h.orchestrator("Root", func(c *task.OrchestrationContext) (any, error) {
				var tasks []task.Task
				for i := 0; i < 5; i++ {
					tasks = append(tasks, c.CallSubOrchestrator("L1",
						task.WithSubOrchestrationInstanceID(fmt.Sprintf("%s-%d", c.ID, i))))
				}
				for _, each := range tasks {
					_ = each.Await(nil)
				}
				return nil, nil
			}).orchestrator("L1", func(c *task.OrchestrationContext) (any, error) {
				return nil, c.CallSubOrchestrator("L2", task.WithSubOrchestrationInstanceID(string(c.ID)+"-leaf")).Await(nil)
			}).orchestrator("L2", func(c *task.OrchestrationContext) (any, error) {
				if err := c.CreateTimer(4 * time.Second).Await(nil); err != nil {
					return nil, err
				}
				return nil, c.CallActivity("Count").Await(nil)
			}).activity("Count", func(c task.ActivityContext) (any, error) {
				ran.Add(1)
				return nil, nil
			}).start()
			id := h.run("Root", api.WithInstanceID("root"))
			for i := 0; i < 5; i++ {
				h.until(api.InstanceID(fmt.Sprintf("root-%d-leaf", i)), api.RUNTIME_STATUS_RUNNING)
			}
			text := fmt.Sprintf("Recursive = %v", recurse)
			no(h.client.TerminateOrchestration(h.ctx, id, api.WithOutput(text), api.WithRecursiveTerminate(recurse)))
			state := h.end(id)
			same("status", api.RUNTIME_STATUS_TERMINATED, state.RuntimeStatus)
			same("output", `"`+text+`"`, state.SerializedOutput)
			leaf := h.end("root-3-leaf")
			if recurse {
				same("leaf", api.RUNTIME_STATUS_TERMINATED, leaf.RuntimeStatus)
				same("output of the leaf", `"`+text+`"`, leaf.SerializedOutput)
				time.Sleep(4500 * time.Millisecond)
				same("activities that ran", int32(0), ran.Load())
				return
			}
			for i := 0; i < 5; i++ {
				h.completed(api.InstanceID(fmt.Sprintf("root-%d", i)))
			}
			same("activities that ran", int32(5), ran.Load())
			same("the root stays", api.RUNTIME_STATUS_TERMINATED, h.state(id).RuntimeStatus)
		}).waits(7)
	}

	add("recursive-termination-leaves-ended-children", "Go Test_TerminateOrchestration_Recursive_TerminateCompletedSubOrchestration",
		func(h *hub) {
			h.orchestrator("Child", func(c *task.OrchestrationContext) (any, error) { return "child", nil }).
				orchestrator("Root", func(c *task.OrchestrationContext) (any, error) {
					if err := c.CallSubOrchestrator("Child", task.WithSubOrchestrationInstanceID("the-child")).Await(nil); err != nil {
						return nil, err
					}
					return nil, c.WaitForSingleEvent("Never", -1).Await(nil)
				}).start()
			id := h.run("Root")
			same("child", "child", output[string](h, "the-child"))
			no(h.client.TerminateOrchestration(h.ctx, id, api.WithOutput("x"), api.WithRecursiveTerminate(true)))
			same("root", api.RUNTIME_STATUS_TERMINATED, h.end(id).RuntimeStatus)
			same("child", api.RUNTIME_STATUS_COMPLETED, h.state("the-child").RuntimeStatus)
		})

	add("pending-suspended-and-scheduled-ones-can-be-terminated", "3.13", func(h *hub) {
		waiting(h)
		pending := h.run("Wait")
		later := h.run("Wait", api.WithStartTime(time.Now().Add(time.Hour)))
		held := h.run("Wait")
		no(h.client.SuspendOrchestration(h.ctx, held, "hold"))
		h.start()
		for _, id := range []api.InstanceID{pending, later, held} {
			no(h.client.TerminateOrchestration(h.ctx, id, api.WithRawOutput(`{"raw" : 1}`)))
			state := h.end(id)
			same("status", api.RUNTIME_STATUS_TERMINATED, state.RuntimeStatus)
			same("output", `{"raw" : 1}`, state.SerializedOutput)
			no(h.client.TerminateOrchestration(h.ctx, id, api.WithOutput("again")))
			same("output stays", `{"raw" : 1}`, h.state(id).SerializedOutput)
		}
	})
}

func addPurge() {
	add("a-purged-instance-is-gone", "Go Test_PurgeCompletedOrchestration", func(h *hub) {
		waiting(h).start()
		id := h.run("Wait")
		h.until(id, api.RUNTIME_STATUS_RUNNING)
		same("not while it lives", api.ErrInstanceNotFound, h.client.PurgeOrchestrationState(h.ctx, id))
		h.raise(id, "Go", "x")
		h.completed(id)
		no(h.client.PurgeOrchestrationState(h.ctx, id))
		_, err := h.client.FetchOrchestrationMetadata(h.ctx, id)
		same("gone", api.ErrInstanceNotFound, err)
		same("again", api.ErrInstanceNotFound, h.client.PurgeOrchestrationState(h.ctx, id))
	})

	for _, recursive := range []bool{true, false} {
		add(fmt.Sprintf("purging-with-recursion-%v", recursive), "Go Test_PurgeOrchestration_Recursive", func(h *hub) {
			h.orchestrator("Tree", func(c *task.OrchestrationContext) (any, error) {
				if depth := input[int](c); depth > 0 {
					return nil, c.CallSubOrchestrator("Tree", task.WithSubOrchestratorInput(depth-1),
						task.WithSubOrchestrationInstanceID(string(c.ID)+"-c")).Await(nil)
				}
				return nil, nil
			}).start()
			h.completed(h.run("Tree", api.WithInput(2), api.WithInstanceID("t")))
			no(h.client.PurgeOrchestrationState(h.ctx, "t", api.WithRecursivePurge(recursive)))
			for _, id := range []api.InstanceID{"t", "t-c", "t-c-c"} {
				_, err := h.client.FetchOrchestrationMetadata(h.ctx, id)
				same(string(id)+" is gone", recursive || id == "t", errors.Is(err, api.ErrInstanceNotFound))
			}
		})
	}
}

func addReuse() {
	statuses := []api.OrchestrationStatus{api.RUNTIME_STATUS_RUNNING, api.RUNTIME_STATUS_COMPLETED, api.RUNTIME_STATUS_PENDING}
	policy := func(action api.CreateOrchestrationAction) api.NewOrchestrationOptions {
		return api.WithOrchestrationIdReusePolicy(&api.OrchestrationIdReusePolicy{Action: action, OperationStatus: statuses})
	}
	slow := func(h *hub) *hub {
		return h.activity("SayHello", hello).orchestrator("Single", func(c *task.OrchestrationContext) (any, error) {
			if err := c.CreateTimer(time.Second).Await(nil); err != nil {
				return nil, err
			}
			var output string
			err := c.CallActivity("SayHello", task.WithActivityInput(input[string](c))).Await(&output)
			return output, err
		})
	}
	exists := func(err error) {
		holds(fmt.Sprintf("already exists: %v", err), err != nil &&
			strings.Contains(err.Error(), "orchestration instance already exists") && code(err) == codes.AlreadyExists)
	}

	add("an-id-in-use-can-be-ignored", "6.6 Go grpc ReuseInstanceIDIgnore", func(h *hub) {
		slow(h).start()
		id := h.run("Single", api.WithInput("世界"), api.WithInstanceID("reused"))
		_, err := h.client.WaitForOrchestrationStart(h.within(patience), id)
		no(err)
		pivot := time.Now()
		same("same ID", id, h.run("Single", api.WithInput("World"), api.WithInstanceID(id), policy(api.REUSE_ID_ACTION_IGNORE)))
		same("output of the first", "Hello, 世界!", output[string](h, id))
		holds("made before", h.state(id).CreatedAt.Before(pivot))
		h.run("Single", api.WithInput("World"), api.WithInstanceID(id), policy(api.REUSE_ID_ACTION_IGNORE))
		same("ended ones too", "Hello, 世界!", output[string](h, id))
	}).waits(2)

	add("an-id-in-use-can-be-terminated-and-taken", "6.6 Go grpc ReuseInstanceIDTerminate", func(h *hub) {
		slow(h).start()
		id := h.run("Single", api.WithInput("世界"), api.WithInstanceID("reused"))
		_, err := h.client.WaitForOrchestrationStart(h.within(patience), id)
		no(err)
		pivot := time.Now()
		time.Sleep(20 * time.Millisecond)
		h.run("Single", api.WithInput("World"), api.WithInstanceID(id), policy(api.REUSE_ID_ACTION_TERMINATE))
		same("output of the second", "Hello, World!", output[string](h, id))
		holds("made after", h.state(id).CreatedAt.After(pivot))
	}).waits(2)

	add("an-id-in-use-is-an-error", "6.6 Go grpc ReuseInstanceIDError", func(h *hub) {
		slow(h).start()
		id := h.run("Single", api.WithInput("世界"), api.WithInstanceID("reused"))
		_, err := h.client.ScheduleNewOrchestration(h.ctx, "Single", api.WithInput("World"), api.WithInstanceID(id))
		exists(err)
		// On the wire this action is nothing, and the statuses are what today's SDKs call replaceable.
		_, err = h.client.ScheduleNewOrchestration(h.ctx, "Single", api.WithInput("World"), api.WithInstanceID(id),
			api.WithOrchestrationIdReusePolicy(&api.OrchestrationIdReusePolicy{
				Action: api.REUSE_ID_ACTION_ERROR, OperationStatus: statuses[1:2]}))
		exists(err)
		same("output of the first", "Hello, 世界!", output[string](h, id))
	}).waits(2)

	add("an-ended-id-can-be-used-again", "Go Test_RecreateCompletedOrchestration, trap 20", func(h *hub) {
		h.activity("SayHello", hello).orchestrator("Again", func(c *task.OrchestrationContext) (any, error) {
			var output string
			err := c.CallActivity("SayHello", task.WithActivityInput(input[string](c))).Await(&output)
			return output, err
		}).start()
		for _, name := range []string{"one", "two", "three"} {
			id := h.run("Again", api.WithInput(name), api.WithInstanceID("again"))
			same("output", "Hello, "+name+"!", output[string](h, id))
		}
	})
}
