// SPDX-License-Identifier: MIT
//
// The crash part: work of every kind is started over some seconds, while the script kills the
// server, and a second
// worker process. Everything that was acknowledged must end, once and with the right output.
//
//	-crash SECONDS            this process works too; the server is killed
//	-crash SECONDS -alone 3   for 3 s it does not: the other worker has all the work when it is
//
// killed
//
//  1. A start or an event whose answer was lost is sent again. A start that was there already
//
// counts as
//
//	   acknowledged; events have a name each, so that one that came twice is not taken for another.
//	2. Activities may run twice, so they only compute. What must not happen twice shows in outputs:
//
// a generation that
//
//	was committed twice would appear twice in the list that continue-as-new hands on.
package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/microsoft/durabletask-go/api"
	"github.com/microsoft/durabletask-go/task"
	"google.golang.org/grpc/codes"
)

const (
	crashHub     = "go-crash"
	afterKills   = "-survive-kills-of-the-server"
	afterWorkers = "-survive-a-killed-worker"
)

type crashKind struct {
	name         string
	orchestrator string
	events       int
	output       func(n int) string
}

var crashKinds = []crashKind{
	{"chains", "Chain", 0, func(n int) string { return fmt.Sprint(n + 6) }},
	{"fan-outs", "Fan", 0, func(n int) string { return fmt.Sprint(8*n + 28) }},
	{"sub-orchestrations", "Parent", 0, func(n int) string { return fmt.Sprint(2*n + 13) }},
	{"timers", "Timers", 0, func(n int) string { return fmt.Sprintf(`"fired %d"`, n) }},
	{"events", "Events", 3, func(n int) string { return fmt.Sprintf("[%d,%d,%d]", n, n+1, n+2) }},
	{"generations", "Generations", 0, func(n int) string { return "[0,1,2,3,4,5]" }},
	{"retries", "Retries", 0, func(n int) string { return `"task failed with an error: always"` }},
}

func register(h *hub) {
	h.activity("Add", func(c task.ActivityContext) (any, error) {
		numbers := input[[2]int](c)
		time.Sleep(100 * time.Millisecond)
		return numbers[0] + numbers[1], nil
	})
	h.activity("Fail", func(c task.ActivityContext) (any, error) { return nil, fmt.Errorf("always") })
	sum := func(c *task.OrchestrationContext, a, b int) task.Task {
		return c.CallActivity("Add", task.WithActivityInput([2]int{a, b}))
	}
	h.orchestrator("Chain", func(c *task.OrchestrationContext) (any, error) {
		value := input[int](c)
		for i := 1; i <= 3; i++ {
			if err := sum(c, value, i).Await(&value); err != nil {
				return nil, err
			}
		}
		return value, nil
	})
	h.orchestrator("Fan", func(c *task.OrchestrationContext) (any, error) {
		var tasks []task.Task
		for i := 0; i < 8; i++ {
			tasks = append(tasks, sum(c, input[int](c), i))
		}
		total := 0
		for _, each := range tasks {
			var value int
			if err := each.Await(&value); err != nil {
				return nil, err
			}
			total += value
		}
		return total, nil
	})
	h.orchestrator("Parent", func(c *task.OrchestrationContext) (any, error) {
		n := input[int](c)
		first := c.CallSubOrchestrator("Chain", task.WithSubOrchestratorInput(n))
		second := c.CallSubOrchestrator("Chain", task.WithSubOrchestratorInput(n+1),
			task.WithSubOrchestrationInstanceID(string(c.ID)+"-second"))
		var a, b int
		if err := first.Await(&a); err != nil {
			return nil, err
		}
		err := second.Await(&b)
		return a + b, err
	})
	h.orchestrator("Timers", func(c *task.OrchestrationContext) (any, error) {
		for i := 0; i < 3; i++ {
			if err := c.CreateTimer(400 * time.Millisecond).Await(nil); err != nil {
				return nil, err
			}
		}
		return fmt.Sprintf("fired %d", input[int](c)), nil
	})
	h.orchestrator("Events", func(c *task.OrchestrationContext) (any, error) {
		var heard []int
		for i := 0; i < 3; i++ {
			var value int
			if err := c.WaitForSingleEvent(fmt.Sprintf("E%d", i), -1).Await(&value); err != nil {
				return nil, err
			}
			heard = append(heard, value)
		}
		return heard, nil
	})
	h.orchestrator("Generations", func(c *task.OrchestrationContext) (any, error) {
		var seen []int
		_ = c.GetInput(&seen) // The first generation's input is a number.
		if len(seen) == 5 {
			return append(seen, 5), nil
		}
		var one int
		if err := sum(c, 0, 1).Await(&one); err != nil {
			return nil, err
		}
		c.ContinueAsNew(append(seen, len(seen)))
		return nil, nil
	})
	h.orchestrator("Retries", func(c *task.OrchestrationContext) (any, error) {
		err := c.CallActivity("Fail", task.WithActivityRetryPolicy(&task.RetryPolicy{
			MaxAttempts: 4, InitialRetryInterval: 100 * time.Millisecond})).Await(nil)
		return fmt.Sprint(err), nil
	})
}

func crashWorker(target string) {
	h := newHub(target, crashHub)
	register(h)
	for {
		ctx, cancel := context.WithTimeout(h.ctx, time.Second)
		err := h.conn.Invoke(ctx, "/TaskHubSidecarService/Hello", none(), none())
		cancel()
		if err == nil {
			break
		}
	}
	h.start()
	select {}
}

// insist calls until the server has answered.
func insist(h *hub, call func(ctx context.Context) error) error {
	for limit := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(h.ctx, 5*time.Second)
		err := call(ctx)
		lost := ctx.Err() != nil || code(err) == codes.Unavailable
		cancel()
		if err == nil || !lost || time.Now().After(limit) {
			return err
		}
	}
}

func crashOne(h *hub, kind crashKind, n int) error {
	id := api.InstanceID(fmt.Sprintf("%s-%d", kind.orchestrator, n))
	sent := false
	err := insist(h, func(ctx context.Context) error {
		_, err := h.client.ScheduleNewOrchestration(ctx, kind.orchestrator, api.WithInstanceID(id), api.WithInput(n))
		if sent && code(err) == codes.AlreadyExists {
			return nil
		}
		sent = true
		return err
	})
	for i := 0; i < kind.events && err == nil; i++ {
		err = insist(h, func(ctx context.Context) error {
			return h.client.RaiseEvent(ctx, id, fmt.Sprintf("E%d", i), api.WithEventPayload(n+i))
		})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	ctx, cancel := context.WithTimeout(h.ctx, 2*patience)
	defer cancel()
	state, err := h.client.WaitForOrchestrationCompletion(ctx, id)
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	if wanted := kind.output(n); state.RuntimeStatus != api.RUNTIME_STATUS_COMPLETED || state.SerializedOutput != wanted {
		return fmt.Errorf("%s is %s with %s, wanted %s", id, state.RuntimeStatus, state.SerializedOutput, wanted)
	}
	return nil
}

// crashDrive starts every kind again and again for so long, waits for the ends, and gives how many
// kinds failed.
func crashDrive(target string, length, alone time.Duration) int {
	h := newHub(target, crashHub)
	register(h)
	first, suffix := 0, afterKills
	if alone > 0 {
		first, suffix = 1<<20, afterWorkers
	}
	time.AfterFunc(alone, func() { h.start() })
	var all sync.WaitGroup
	var mutex sync.Mutex
	wrong := map[string]string{}
	started := first
	for began := time.Now(); time.Since(began) < length; time.Sleep(250 * time.Millisecond) {
		for _, kind := range crashKinds {
			all.Add(1)
			go func(kind crashKind, n int) {
				defer all.Done()
				if err := crashOne(h, kind, n); err != nil {
					mutex.Lock()
					wrong[kind.name] = err.Error()
					mutex.Unlock()
				}
			}(kind, started)
		}
		started++
	}
	all.Wait()
	for _, kind := range crashKinds {
		if why := wrong[kind.name]; why != "" {
			fmt.Printf("FAILED %s%s: %s\n", kind.name, suffix, why)
		} else {
			fmt.Printf("ok %s%s\n", kind.name, suffix)
		}
	}
	fmt.Printf("     %d instances\n", (started-first)*len(crashKinds))
	return len(wrong)
}
