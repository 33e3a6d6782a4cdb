// SPDX-License-Identifier: MIT
//
// The conformance cases of the Go SDK against a server: many at once, each in its own hub.
//
//	conformance -target HOST:PORT [-jobs N] [-only TEXT] [-times] | -list
//	conformance -crash SECONDS [-alone SECONDS] -target HOST:PORT     see crash.go
//	conformance -worker -target HOST:PORT            a second worker of the crash part, to be killed
//
// One line a case, `ok NAME` or `FAILED NAME: why`; exit 1 when one failed. -list prints NAME and
// the rows of the
// specification's section 6 that it covers.
//
//  1. Cases that wait most are started first, so that the whole takes as long as the longest.
//  2. -jobs 1 runs them one after another: for servers that know no hubs.
package main

import (
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

type testCase struct {
	name       string
	rows       string
	seconds    int // about how long it has to wait
	defaultHub bool
	body       func(h *hub)
}

var cases []*testCase

func add(name, rows string, body func(h *hub)) *testCase {
	c := &testCase{name: name, rows: rows, body: body}
	cases = append(cases, c)
	return c
}

func (c *testCase) waits(seconds int) *testCase {
	c.seconds = seconds
	return c
}

// attempt is "" when all went well, else why not.
func (c *testCase) attempt(target string) (why string) {
	name := "go-" + c.name
	if len(name) > 45 {
		name = name[:45]
	}
	if c.defaultHub {
		name = ""
	}
	h := newHub(target, name)
	defer h.close()
	defer func() {
		if r := recover(); r != nil {
			why = fmt.Sprint(r)
		}
	}()
	c.body(h)
	return ""
}

func runCases(target, only string, jobs int, times bool) int {
	sort.SliceStable(cases, func(i, j int) bool { return cases[i].seconds > cases[j].seconds })
	var all sync.WaitGroup
	var mutex sync.Mutex
	failed := 0
	free := make(chan struct{}, jobs)
	for _, c := range cases {
		if !strings.Contains(c.name, only) {
			continue
		}
		all.Add(1)
		free <- struct{}{}
		go func(c *testCase) {
			defer all.Done()
			began := time.Now()
			why := c.attempt(target)
			took := ""
			if times {
				took = fmt.Sprintf(" (%.1f s)", time.Since(began).Seconds())
			}
			mutex.Lock()
			if why == "" {
				fmt.Printf("ok %s%s\n", c.name, took)
			} else {
				failed++
				fmt.Printf("FAILED %s: %s%s\n", c.name, strings.ReplaceAll(why, "\n", " "), took)
			}
			mutex.Unlock()
			<-free
		}(c)
	}
	all.Wait()
	return failed
}

func main() {
	target := flag.String("target", "127.0.0.1:4001", "the server")
	jobs := flag.Int("jobs", 24, "cases at once")
	only := flag.String("only", "", "only cases with this in their name")
	times := flag.Bool("times", false, "say how long each took")
	list := flag.Bool("list", false, "list the cases")
	crash := flag.Int("crash", 0, "the crash part: start work for so many seconds")
	alone := flag.Int("alone", 0, "the crash part: leave the work to others for so many seconds")
	worker := flag.Bool("worker", false, "a worker of the crash part, until killed")
	flag.Parse()

	addBasicCases()
	addEventCases()
	addTimerCases()
	addLifeCases()
	addFailureCases()
	failed := 0
	switch {
	case *list:
		for _, c := range cases {
			fmt.Printf("%s\t%s\n", c.name, c.rows)
		}
		for _, k := range crashKinds {
			fmt.Printf("%s%s\tserver restart in the middle\n", k.name, afterKills)
			fmt.Printf("%s%s\tworker kill in the middle\n", k.name, afterWorkers)
		}
	case *worker:
		crashWorker(*target)
	case *crash > 0:
		failed = crashDrive(*target, time.Duration(*crash)*time.Second, time.Duration(*alone)*time.Second)
	default:
		failed = runCases(*target, *only, *jobs, *times)
	}
	if failed > 0 {
		os.Exit(1)
	}
}
