// SPDX-License-Identifier: MIT
//
// Durable timers and starts in the future.
package main

import (
	"context"
	"time"

	"github.com/microsoft/durabletask-go/api"
	"github.com/microsoft/durabletask-go/task"
)

func lasted(state *api.OrchestrationMetadata, wanted time.Duration) {
	took := state.LastUpdatedAt.Sub(state.CreatedAt)
	holds(took.String()+" is at least "+wanted.String(), took >= wanted)
	holds(took.String()+" is about "+wanted.String(), took < wanted+10*time.Second)
}

func addTimerCases() {
	add("a-timer-waits-three-seconds", "Go Test_SingleTimer", func(h *hub) {
		h.orchestrator("Sleep", func(c *task.OrchestrationContext) (any, error) {
			return nil, c.CreateTimer(3 * time.Second).Await(nil)
		}).start()
		lasted(h.completed(h.run("Sleep")), 3*time.Second)
	}).waits(3)

	add("concurrent-timers-all-fire", "Go Test_ConcurrentTimers", func(h *hub) {
		h.orchestrator("Many", func(c *task.OrchestrationContext) (any, error) {
			var tasks []task.Task
			for i := 0; i < 20; i++ {
				tasks = append(tasks, c.CreateTimer(time.Duration(20-i)*100*time.Millisecond))
			}
			for _, each := range tasks {
				if err := each.Await(nil); err != nil {
					return nil, err
				}
			}
			return len(tasks), nil
		}).start()
		id := h.run("Many")
		same("fired", 20, output[int](h, id))
		lasted(h.state(id), 2*time.Second)
	}).waits(2)

	add("a-timer-of-the-past-fires-at-once", "5 timers", func(h *hub) {
		h.orchestrator("Past", func(c *task.OrchestrationContext) (any, error) {
			return "fired", c.CreateTimer(-time.Hour).Await(nil)
		}).start()
		same("output", "fired", output[string](h, h.run("Past")))
	})

	add("a-far-timer-does-not-keep-an-end", "5 timers", func(h *hub) {
		h.activity("SayHello", hello).orchestrator("Far", func(c *task.OrchestrationContext) (any, error) {
			c.CreateTimer(24 * 365 * 50 * time.Hour)
			var output string
			err := c.CallActivity("SayHello", task.WithActivityInput("far")).Await(&output)
			return output, err
		}).start()
		same("output", "Hello, far!", output[string](h, h.run("Far")))
	})

	add("a-start-in-the-future-stays-pending-until-then", "3.2 scheduledStartTimestamp", func(h *hub) {
		h.orchestrator("Later", func(c *task.OrchestrationContext) (any, error) {
			return "ran", nil
		}).start()
		h.completed(h.run("Later")) // From here on nothing has to be opened.
		due := time.Now().Add(3 * time.Second)
		id := h.run("Later", api.WithStartTime(due))
		time.Sleep(time.Second)
		same("status before", api.RUNTIME_STATUS_PENDING, h.state(id).RuntimeStatus)
		holds("not before it is due", !h.completed(id).LastUpdatedAt.Before(due))
	}).waits(3)

	add("a-busy-orchestrator-is-pending-and-survives-a-reconnect", "6.6 Go grpc WaitForInstanceStart_Timeout, ConnectionResume",
		func(h *hub) {
			h.orchestrator("Block", func(c *task.OrchestrationContext) (any, error) {
				time.Sleep(3 * time.Second) // Not what an orchestrator may do; here it delays the first commit.
				return 42, nil
			})
			stop := h.start()
			id := h.run("Block", api.WithInput("世界"))
			_, err := h.client.WaitForOrchestrationStart(h.within(time.Second), id, api.WithFetchPayloads(true))
			holds("a time-out while it is busy", err != nil && isDeadline(err))
			same("status", api.RUNTIME_STATUS_PENDING, h.state(id).RuntimeStatus)
			stop()
			time.Sleep(time.Second)
			h.start()
			same("output", 42, output[int](h, id))
		}).waits(7)

	add("a-wait-for-the-start-times-out-and-goes-on", "6.6 Go grpc WaitForInstanceStart_Timeout", func(h *hub) {
		h.orchestrator("Late", func(c *task.OrchestrationContext) (any, error) { return 42, nil })
		id := h.run("Late")
		_, err := h.client.WaitForOrchestrationStart(h.within(500*time.Millisecond), id)
		same("error", context.DeadlineExceeded, err)
		go func() {
			time.Sleep(500 * time.Millisecond)
			h.start()
		}()
		state, err := h.client.WaitForOrchestrationStart(h.within(patience), id)
		no(err)
		holds("it is no longer pending", state.RuntimeStatus != api.RUNTIME_STATUS_PENDING)
	}).waits(1)
}
