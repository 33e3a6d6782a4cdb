// SPDX-License-Identifier: MIT
//
// Activities, sub-orchestrations, replay, continue-as-new, payloads.
package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/microsoft/durabletask-go/api"
	"github.com/microsoft/durabletask-go/task"
)

func hello(c task.ActivityContext) (any, error) {
	return fmt.Sprintf("Hello, %s!", input[string](c)), nil
}

func addBasicCases() {
	addPlain()
	addReplay()
	addContinue()
	addChildren()
}

func addPlain() {
	add("an-empty-orchestration-answers-in-the-default-hub", "Go Test_EmptyOrchestration", func(h *hub) {
		h.orchestrator("GoEmpty", func(c *task.OrchestrationContext) (any, error) {
			return nil, nil
		}).start()
		state := h.completed(h.run("GoEmpty", api.WithInput("in")))
		same("name", "GoEmpty", state.Name)
		same("input", `"in"`, state.SerializedInput)
		same("output", "", state.SerializedOutput)
		holds("times are in order", !state.LastUpdatedAt.Before(state.CreatedAt))
	}).defaultHub = true

	add("hello-with-an-activity-and-a-custom-status", "6.6 Go grpc HelloOrchestration", func(h *hub) {
		h.activity("SayHello", hello).orchestrator("Single", func(c *task.OrchestrationContext) (any, error) {
			var output string
			err := c.CallActivity("SayHello", task.WithActivityInput(input[string](c))).Await(&output)
			c.SetCustomStatus("hello-test")
			return output, err
		}).start()
		state := h.completed(h.run("Single", api.WithInput("世界")))
		same("output", `"Hello, 世界!"`, state.SerializedOutput)
		same("custom status", "hello-test", state.SerializedCustomStatus)
	})

	add("payloads-are-only-given-when-asked-for", "2.8 getInputsAndOutputs", func(h *hub) {
		h.orchestrator("Out", func(c *task.OrchestrationContext) (any, error) {
			return "secret", nil
		}).start()
		id := h.run("Out", api.WithInput("in"))
		h.completed(id)
		state, err := h.client.FetchOrchestrationMetadata(h.ctx, id, api.WithFetchPayloads(false))
		no(err)
		same("input", "", state.SerializedInput)
		same("output", "", state.SerializedOutput)
	})

	add("a-chain-of-two-hundred-activities-keeps-its-order", "chaining; completion without tokens, trap 2", func(h *hub) {
		h.activity("PlusOne", func(c task.ActivityContext) (any, error) {
			return input[int](c) + 1, nil
		}).
			orchestrator("Chain", func(c *task.OrchestrationContext) (any, error) {
				value := input[int](c)
				for i := 0; i < 200; i++ {
					if err := c.CallActivity("PlusOne", task.WithActivityInput(value)).Await(&value); err != nil {
						return nil, err
					}
				}
				return value, nil
			}).start()
		same("output", 205, output[int](h, h.run("Chain", api.WithInput(5))))
	}).waits(3)

	add("a-fan-out-of-a-hundred-gathers-every-result", "fan-out; unsorted action lists, trap 3", func(h *hub) {
		h.activity("Square", func(c task.ActivityContext) (any, error) {
			return input[int](c) * input[int](c), nil
		}).
			orchestrator("Fan", func(c *task.OrchestrationContext) (any, error) {
				var tasks []task.Task
				for i := 0; i < 100; i++ {
					tasks = append(tasks, c.CallActivity("Square", task.WithActivityInput(i)))
				}
				sum := 0
				for _, each := range tasks {
					var square int
					if err := each.Await(&square); err != nil {
						return nil, err
					}
					sum += square
				}
				return sum, nil
			}).start()
		same("output", 328350, output[int](h, h.run("Fan")))
	}).waits(2)

	add("payloads-of-a-quarter-megabyte-go-everywhere", "large payloads", func(h *hub) {
		big := strings.Repeat("0123456789abcdef", 1<<14) // Four times that is in the history.
		h.activity("Same", func(c task.ActivityContext) (any, error) { return input[string](c), nil }).
			orchestrator("Big", func(c *task.OrchestrationContext) (any, error) {
				var first, event string
				if err := c.CallActivity("Same", task.WithActivityInput(input[string](c))).Await(&first); err != nil {
					return nil, err
				}
				err := c.WaitForSingleEvent("More", -1).Await(&event)
				return first == event, err
			}).start()
		id := h.run("Big", api.WithInput(big))
		h.raise(id, "More", big)
		same("output", true, output[bool](h, id))
	})

	add("raw-payloads-are-not-touched", "1.0 payloads are opaque", func(h *hub) {
		raw := "{ \"a\" :\t[1,2 , 3.0e0] }\n"
		h.activity("Raw", func(c task.ActivityContext) (any, error) {
			return input[map[string]any](c), nil
		}).
			orchestrator("Raw", func(c *task.OrchestrationContext) (any, error) {
				var value map[string]any
				err := c.CallActivity("Raw", task.WithRawActivityInput(raw)).Await(&value)
				return len(value), err
			}).start()
		id := h.run("Raw", api.WithRawInput(raw))
		same("input", raw, h.completed(id).SerializedInput)
		same("output", 1, output[int](h, id))
	})

	add("many-instances-at-once-all-end", "concurrency", func(h *hub) {
		h.activity("SayHello", hello).orchestrator("Many", func(c *task.OrchestrationContext) (any, error) {
			var output string
			err := c.CallActivity("SayHello", task.WithActivityInput(string(c.ID))).Await(&output)
			return output, err
		}).start()
		var ids []api.InstanceID
		for i := 0; i < 200; i++ {
			ids = append(ids, h.run("Many", api.WithInstanceID(api.InstanceID(fmt.Sprintf("many-%d", i)))))
		}
		for _, id := range ids {
			same("output", "Hello, "+string(id)+"!", output[string](h, id))
		}
	}).waits(3)

	add("two-workers-share-the-work", "2.4 round-robin over streams", func(h *hub) {
		h.activity("Slow", func(c task.ActivityContext) (any, error) {
			time.Sleep(50 * time.Millisecond)
			return 1, nil
		}).orchestrator("Fan", func(c *task.OrchestrationContext) (any, error) {
			var tasks []task.Task
			for i := 0; i < 30; i++ {
				tasks = append(tasks, c.CallActivity("Slow"))
			}
			sum := 0
			for _, each := range tasks {
				var one int
				if err := each.Await(&one); err != nil {
					return nil, err
				}
				sum += one
			}
			return sum, nil
		})
		h.start()
		stopSecond := h.start()
		id := h.run("Fan")
		time.Sleep(100 * time.Millisecond)
		stopSecond() // In the middle: what it had goes to the other.
		same("output", 30, output[int](h, id))
	})
}

func addReplay() {
	add("replaying-is-told-and-zero-timers-are-episodes", "Go Test_IsReplaying; 6.6 .NET IsReplaying", func(h *hub) {
		h.orchestrator("Replay", func(c *task.OrchestrationContext) (any, error) {
			seen := []bool{c.IsReplaying}
			for i := 0; i < 2; i++ {
				if err := c.CreateTimer(0).Await(nil); err != nil {
					return nil, err
				}
				seen = append(seen, c.IsReplaying)
			}
			return seen, nil
		}).start()
		same("seen by the last replay", []bool{true, true, false}, output[[]bool](h, h.run("Replay")))
	})

	add("time-moves-between-episodes-and-replays-the-same", "3.5 timestamps, trap 13", func(h *hub) {
		h.activity("Same", func(c task.ActivityContext) (any, error) { return input[time.Time](c), nil }).
			orchestrator("Times", func(c *task.OrchestrationContext) (any, error) {
				var last time.Time
				for i := 0; i < 4; i++ {
					now, kept := c.CurrentTimeUtc, time.Time{}
					if err := c.CallActivity("Same", task.WithActivityInput(now)).Await(&kept); err != nil {
						return nil, err
					}
					if !kept.Equal(now) || !now.After(last) {
						return fmt.Sprintf("now %v, kept %v, before %v", now, kept, last), nil
					}
					last = now
				}
				return "fine", nil
			}).start()
		same("output", "fine", output[string](h, h.run("Times")))
	})
}

func addContinue() {
	add("continue-as-new-goes-on-under-the-same-id", "Go Test_ContinueAsNew", func(h *hub) {
		h.orchestrator("Count", func(c *task.OrchestrationContext) (any, error) {
			n := input[int](c)
			if n < 10 {
				if err := c.CreateTimer(0).Await(nil); err != nil {
					return nil, err
				}
				c.ContinueAsNew(n + 1)
			}
			return n, nil
		}).start()
		id := h.run("Count", api.WithInput(0))
		same("output", 10, output[int](h, id))
		same("input of the last generation", "10", h.state(id).SerializedInput)
	})

	add("continue-as-new-carries-events-over", "Go Test_ContinueAsNew_Events; 6.6 ContinueAsNewEventsArePreserved", func(h *hub) {
		h.orchestrator("Sum", func(c *task.OrchestrationContext) (any, error) {
			state := input[[2]int](c)
			if state[0] == 20 {
				return state[1], nil
			}
			var more int
			if err := c.WaitForSingleEvent("Add", 30*time.Second).Await(&more); err != nil {
				return nil, err
			}
			c.ContinueAsNew([2]int{state[0] + 1, state[1] + more}, task.WithKeepUnprocessedEvents())
			return nil, nil
		}).start()
		id := h.run("Sum", api.WithInput([2]int{0, 0}))
		for i := 1; i <= 20; i++ {
			h.raise(id, "Add", i)
		}
		same("output", 210, output[int](h, id))
	})
}

func addChildren() {
	add("a-sub-orchestration-returns-its-output", "Go Test_SingleSubOrchestrator_Completed", func(h *hub) {
		h.orchestrator("Child", func(c *task.OrchestrationContext) (any, error) {
			return input[string](c), nil
		}).
			orchestrator("Parent", func(c *task.OrchestrationContext) (any, error) {
				var output string
				err := c.CallSubOrchestrator("Child", task.WithSubOrchestratorInput(input[string](c)),
					task.WithSubOrchestrationInstanceID(string(c.ID)+"_child")).Await(&output)
				return output, err
			}).start()
		id := h.run("Parent", api.WithInput("Hello, 世界!"))
		same("output", "Hello, 世界!", output[string](h, id))
		same("the child", "Hello, 世界!", output[string](h, id+"_child"))
	})

	add("sub-orchestrations-nest-and-fan-out", "sub-orchestrations", func(h *hub) {
		h.orchestrator("Tree", func(c *task.OrchestrationContext) (any, error) {
			depth := input[int](c)
			if depth == 0 {
				return 1, nil
			}
			var tasks []task.Task
			for i := 0; i < 3; i++ {
				tasks = append(tasks, c.CallSubOrchestrator("Tree", task.WithSubOrchestratorInput(depth-1)))
			}
			sum := 1
			for _, each := range tasks {
				var more int
				if err := each.Await(&more); err != nil {
					return nil, err
				}
				sum += more
			}
			return sum, nil
		}).start()
		same("nodes", 40, output[int](h, h.run("Tree", api.WithInput(3))))
	}).waits(2)
}
