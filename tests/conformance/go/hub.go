// SPDX-License-Identifier: MIT
//
// What a case works with: a task hub of its own on the server under test, one SDK client and SDK
// workers in it.
//
//  1. The hub is named by metadata on the connection that is handed to the SDK; the name "" adds
//
// none, as plain
//
//	   programs do, and so is the server's default hub.
//	2. Closing a hub deletes it by the service's RPC, which this SDK does not offer: there are only
//
// as many hubs as
//
//	   cases that run.
//	3. Checks panic; attempt() in main.go turns that into the reason of the failure.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"time"

	"github.com/microsoft/durabletask-go/api"
	"github.com/microsoft/durabletask-go/client"
	"github.com/microsoft/durabletask-go/task"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"
)

const patience = 60 * time.Second

// quiet is the SDK's logger; it would tell of every health ping.
type quiet struct{}

func (quiet) Debug(...any)          {}
func (quiet) Debugf(string, ...any) {}
func (quiet) Info(...any)           {}
func (quiet) Infof(string, ...any)  {}
func (quiet) Warn(...any)           {}
func (quiet) Warnf(string, ...any)  {}
func (quiet) Error(...any)          {}
func (quiet) Errorf(string, ...any) {}

type hub struct {
	target   string
	name     string
	client   *client.TaskHubGrpcClient
	registry *task.TaskRegistry
	ctx      context.Context
	conn     *grpc.ClientConn
	stop     context.CancelFunc
	conns    []*grpc.ClientConn
}

func newHub(target, name string) *hub {
	h := &hub{target: target, name: name, registry: task.NewTaskRegistry()}
	h.ctx, h.stop = context.WithCancel(context.Background())
	h.conn = h.connect()
	h.client = client.NewTaskHubGrpcClient(h.conn, quiet{})
	return h
}

// connect is a new connection to this hub; it is made again soon after it broke.
func (h *hub) connect() *grpc.ClientConn {
	named := func(ctx context.Context) context.Context {
		if token := os.Getenv("CONFORMANCE_TOKEN"); token != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
		}
		if h.name == "" {
			return ctx
		}
		return metadata.AppendToOutgoingContext(ctx, "taskhub", h.name)
	}
	unary := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
		invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		return invoke(named(ctx), method, req, reply, cc, opts...)
	}
	stream := func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
		open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		return open(named(ctx), desc, cc, method, opts...)
	}
	pause := backoff.DefaultConfig
	pause.BaseDelay = 100 * time.Millisecond
	pause.MaxDelay = time.Second
	safety := insecure.NewCredentials()
	if authority := os.Getenv("CONFORMANCE_CA"); authority != "" {
		var err error
		safety, err = credentials.NewClientTLSFromFile(authority, "")
		no(err)
	}
	conn, err := grpc.Dial(h.target, grpc.WithTransportCredentials(safety),
		grpc.WithUnaryInterceptor(unary), grpc.WithStreamInterceptor(stream),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: pause, MinConnectTimeout: 2 * time.Second}))
	no(err)
	h.conns = append(h.conns, conn)
	return conn
}

func (h *hub) orchestrator(name string, body task.Orchestrator) *hub {
	no(h.registry.AddOrchestratorN(name, body))
	return h
}

func (h *hub) activity(name string, body task.Activity) *hub {
	no(h.registry.AddActivityN(name, body))
	return h
}

// start connects a worker; the function disconnects it.
func (h *hub) start() context.CancelFunc {
	ctx, cancel := context.WithCancel(h.ctx)
	no(client.NewTaskHubGrpcClient(h.connect(), quiet{}).StartWorkItemListener(ctx, h.registry))
	return cancel
}

func (h *hub) run(orchestrator string, opts ...api.NewOrchestrationOptions) api.InstanceID {
	id, err := h.client.ScheduleNewOrchestration(h.ctx, orchestrator, opts...)
	no(err)
	return id
}

func (h *hub) raise(id api.InstanceID, name string, payload any) {
	no(h.client.RaiseEvent(h.ctx, id, name, api.WithEventPayload(payload)))
}

// within is a context with this deadline; nobody cancels it before.
func (h *hub) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(h.ctx, d)
	context.AfterFunc(ctx, cancel)
	return ctx
}

func (h *hub) end(id api.InstanceID) *api.OrchestrationMetadata {
	state, err := h.client.WaitForOrchestrationCompletion(h.within(patience), id, api.WithFetchPayloads(true))
	no(err)
	return state
}

func (h *hub) completed(id api.InstanceID) *api.OrchestrationMetadata {
	state := h.end(id)
	same("status of "+string(id), api.RUNTIME_STATUS_COMPLETED, state.RuntimeStatus)
	return state
}

func (h *hub) state(id api.InstanceID) *api.OrchestrationMetadata {
	state, err := h.client.FetchOrchestrationMetadata(h.within(patience), id, api.WithFetchPayloads(true))
	no(err)
	return state
}

func (h *hub) until(id api.InstanceID, status api.OrchestrationStatus) {
	for limit := time.Now().Add(patience); ; time.Sleep(30 * time.Millisecond) {
		state, err := h.client.FetchOrchestrationMetadata(h.ctx, id)
		if err == nil && state.RuntimeStatus == status {
			return
		}
		holds(fmt.Sprintf("%s becomes %s (%v %v)", id, status, state, err), time.Now().Before(limit))
	}
}

func (h *hub) close() {
	h.stop()
	for _, conn := range h.conns[1:] { // The workers' first: one that comes again would make the hub again.
		conn.Close()
	}
	if h.name != "" {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		_ = h.conn.Invoke(ctx, "/TaskHubSidecarService/DeleteTaskHub", none(), none())
		cancel()
	}
	h.conn.Close()
}

// none is an empty message.
func none() *emptypb.Empty { return &emptypb.Empty{} }

// output is what the instance ended with, as a T.
func output[T any](h *hub, id api.InstanceID) T {
	var value T
	text := h.completed(id).SerializedOutput
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		fail("output %q: %v", text, err)
	}
	return value
}

// input is what an orchestrator or activity was called with, as a T.
func input[T any](c interface{ GetInput(any) error }) T {
	var value T
	if err := c.GetInput(&value); err != nil {
		panic(err) // A case that calls its own code with the wrong type.
	}
	return value
}

func fail(format string, args ...any) {
	at := ""
	for depth := 1; depth < 8; depth++ {
		_, file, line, ok := runtime.Caller(depth)
		if base := filepath.Base(file); ok && base != "hub.go" {
			at = fmt.Sprintf(" (%s:%d)", base, line)
			break
		}
	}
	panic(fmt.Sprintf(format, args...) + at)
}

func no(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func same(what string, wanted, got any) {
	if !reflect.DeepEqual(wanted, got) {
		fail("%s: wanted %v, got %v", what, wanted, got)
	}
}

func holds(what string, is bool) {
	if !is {
		fail("not so: %s", what)
	}
}

func isDeadline(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
