// SPDX-License-Identifier: MIT
//
// External events: order, names, time-outs, and two waits for one name.
package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/microsoft/durabletask-go/api"
	"github.com/microsoft/durabletask-go/task"
)

func addEventCases() {
	add("events-are-received-in-the-order-they-were-raised", "Go Test_ExternalEventOrchestration", func(h *hub) {
		h.orchestrator("Listen", func(c *task.OrchestrationContext) (any, error) {
			var heard []int
			for i := 0; i < 30; i++ {
				var value int
				if err := c.WaitForSingleEvent("MyEvent", 30*time.Second).Await(&value); err != nil {
					return nil, err
				}
				heard = append(heard, value)
			}
			return heard, nil
		}).start()
		id := h.run("Listen")
		var raised []int
		for i := 0; i < 30; i++ {
			h.raise(id, "MyEvent", i)
			raised = append(raised, i)
		}
		same("heard", raised, output[[]int](h, id))
	})

	add("events-raised-before-the-worker-is-there-are-kept", "3.7 inbox", func(h *hub) {
		h.orchestrator("Late", func(c *task.OrchestrationContext) (any, error) {
			var value string
			err := c.WaitForSingleEvent("Early", -1).Await(&value)
			return value, err
		})
		id := h.run("Late")
		h.raise(id, "Early", "bird")
		time.Sleep(200 * time.Millisecond)
		h.start()
		same("output", "bird", output[string](h, id))
	})

	add("events-while-their-own-time-outs-run-are-not-lost", "Go Test_ExternalEventContention", func(h *hub) {
		h.orchestrator("Contend", func(c *task.OrchestrationContext) (any, error) {
			var data, missed int
			if err := c.WaitForSingleEvent("MyEvent", time.Second).Await(&missed); !errors.Is(err, task.ErrTaskCanceled) {
				return nil, fmt.Errorf("not cancelled: %v", err)
			}
			err := c.WaitForSingleEvent("MyEvent", -1).Await(&data)
			return data, err
		}).start()
		id := h.run("Contend")
		_, err := h.client.WaitForOrchestrationStart(h.within(patience), id)
		no(err)
		time.Sleep(1500 * time.Millisecond)
		h.raise(id, "MyEvent", 42)
		same("output", 42, output[int](h, id))
	}).waits(2)

	for _, raised := range []bool{true, false} {
		add(fmt.Sprintf("a-wait-with-a-time-out-event-raised-%v", raised), "Go Test_ExternalEventTimeout", func(h *hub) {
			h.orchestrator("Wait", func(c *task.OrchestrationContext) (any, error) {
				if err := c.WaitForSingleEvent("MyEvent", 2*time.Second).Await(nil); err != nil {
					return err.Error(), nil
				}
				return "received", nil
			}).start()
			id := h.run("Wait")
			_, err := h.client.WaitForOrchestrationStart(h.within(patience), id)
			no(err)
			wanted := task.ErrTaskCanceled.Error()
			if raised {
				no(h.client.RaiseEvent(h.ctx, id, "MyEvent"))
				wanted = "received"
			}
			same("output", wanted, output[string](h, id))
		}).waits(2)
	}

	add("an-event-for-an-ended-instance-is-dropped", "2.6 RaiseEvent on terminal", func(h *hub) {
		h.orchestrator("Quick", func(c *task.OrchestrationContext) (any, error) {
			return "done", nil
		}).start()
		id := h.run("Quick")
		h.completed(id)
		h.raise(id, "Late", 1)
		same("output", "done", output[string](h, id))
	})

	add("events-of-two-names-keep-apart", "external events", func(h *hub) {
		h.orchestrator("Two", func(c *task.OrchestrationContext) (any, error) {
			a, b := c.WaitForSingleEvent("A", -1), c.WaitForSingleEvent("B", -1)
			var left, right string
			if err := a.Await(&left); err != nil {
				return nil, err
			}
			err := b.Await(&right)
			return left + right, err
		}).start()
		id := h.run("Two", api.WithInstanceID("two-names"))
		h.raise(id, "B", "second")
		h.raise(id, "A", "first")
		same("output", "firstsecond", output[string](h, id))
	})
}
