// SPDX-License-Identifier: MIT
//
// Failures and retries. This SDK's client over gRPC tells no failure details, so orchestrators look
// at them.
package main

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/microsoft/durabletask-go/task"
)

func addFailureCases() {
	add("an-error-of-an-orchestrator-fails-it", "errors", func(h *hub) {
		h.orchestrator("Bad", func(c *task.OrchestrationContext) (any, error) {
			return nil, errors.New("Kah-BOOM")
		}).start()
		state := h.end(h.run("Bad"))
		same("status", "ORCHESTRATION_STATUS_FAILED", state.RuntimeStatus.String())
		same("output", "", state.SerializedOutput)
	})

	add("an-orchestrator-that-nobody-knows-fails", "errors", func(h *hub) {
		h.orchestrator("Known", func(c *task.OrchestrationContext) (any, error) {
			return nil, nil
		}).start()
		same("status", "ORCHESTRATION_STATUS_FAILED", h.end(h.run("Unknown")).RuntimeStatus.String())
	})

	add("a-failed-activity-tells-its-message", "errors", func(h *hub) {
		h.activity("Throw", func(c task.ActivityContext) (any, error) {
			return nil, errors.New("no way: ünïcode")
		}).
			orchestrator("Main", func(c *task.OrchestrationContext) (any, error) {
				return fmt.Sprint(c.CallActivity("Throw").Await(nil)), nil
			}).start()
		text := output[string](h, h.run("Main"))
		holds(text, strings.Contains(text, "no way: ünïcode"))
	})

	add("a-failed-sub-orchestration-tells-its-message", "Go Test_SingleSubOrchestrator_Failed", func(h *hub) {
		h.orchestrator("Child", func(c *task.OrchestrationContext) (any, error) {
			return nil, errors.New("Child failed")
		}).
			orchestrator("Handles", func(c *task.OrchestrationContext) (any, error) {
				return fmt.Sprint(c.CallSubOrchestrator("Child").Await(nil)), nil
			}).orchestrator("Fails", func(c *task.OrchestrationContext) (any, error) {
			return nil, c.CallSubOrchestrator("Child").Await(nil)
		}).start()
		text := output[string](h, h.run("Handles"))
		holds(text, strings.Contains(text, "Child failed"))
		same("status", "ORCHESTRATION_STATUS_FAILED", h.end(h.run("Fails")).RuntimeStatus.String())
	})

	for _, child := range []bool{false, true} {
		what, row := "an-activity", "6.6 Go grpc ActivityRetries"
		if child {
			what, row = "a-sub-orchestration-with-a-fixed-id", "6.6 Go grpc SubOrchestratorRetries, trap 19"
		}
		add(what+"-is-tried-three-times", row, func(h *hub) {
			state, tries := retried(h, child, 3, 100)
			same("status", "ORCHESTRATION_STATUS_FAILED", state)
			same("tries", int32(3), tries)
		})
		add(what+"-succeeds-when-tried-again", row, func(h *hub) {
			state, tries := retried(h, child, 5, 4)
			same("status", "ORCHESTRATION_STATUS_COMPLETED", state)
			same("tries", int32(4), tries)
		})
	}

	add("a-retry-handler-can-give-up", "retries", func(h *hub) {
		var tries atomic.Int32
		h.activity("Busted", func(c task.ActivityContext) (any, error) {
			return nil, fmt.Errorf("try %d", tries.Add(1))
		}).orchestrator("Main", func(c *task.OrchestrationContext) (any, error) {
			return nil, c.CallActivity("Busted", task.WithActivityRetryPolicy(&task.RetryPolicy{
				MaxAttempts: 10, InitialRetryInterval: time.Millisecond,
				Handle: func(err error) bool { return !strings.Contains(err.Error(), "try 3") },
			})).Await(nil)
		}).start()
		same("status", "ORCHESTRATION_STATUS_FAILED", h.end(h.run("Main")).RuntimeStatus.String())
		same("tries", int32(3), tries.Load())
	})
}

// retried runs something that succeeds with try number `good`, at most `attempts` times: its end,
// and the tries.
func retried(h *hub, child bool, attempts int, good int32) (string, int32) {
	var tries atomic.Int32
	try := func() (any, error) {
		if n := tries.Add(1); n < good {
			return nil, fmt.Errorf("try %d", n)
		}
		return "good", nil
	}
	policy := &task.RetryPolicy{MaxAttempts: attempts, InitialRetryInterval: 10 * time.Millisecond, BackoffCoefficient: 2}
	h.activity("Activity", func(c task.ActivityContext) (any, error) { return try() }).
		orchestrator("Child", func(c *task.OrchestrationContext) (any, error) { return try() }).
		orchestrator("Main", func(c *task.OrchestrationContext) (any, error) {
			if child {
				return nil, c.CallSubOrchestrator("Child", task.WithSubOrchestrationInstanceID(string(c.ID)+"_child"),
					task.WithSubOrchestrationRetryPolicy(policy)).Await(nil)
			}
			return nil, c.CallActivity("Activity", task.WithActivityRetryPolicy(policy)).Await(nil)
		}).start()
	state := h.end(h.run("Main"))
	return state.RuntimeStatus.String(), tries.Load()
}
