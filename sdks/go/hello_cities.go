// SPDX-License-Identifier: MIT
//
// hello_cities, by the official SDK. Worker and client are one program here; they need not be.
//
//	go run . HOST:PORT       default: localhost:8080
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/microsoft/durabletask-go/api"
	"github.com/microsoft/durabletask-go/backend"
	"github.com/microsoft/durabletask-go/client"
	"github.com/microsoft/durabletask-go/task"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func sayHello(c task.ActivityContext) (any, error) {
	var city string
	if err := c.GetInput(&city); err != nil {
		return nil, err
	}
	fmt.Printf("  (activity) hello %s\n", city)
	return "Hello " + city + "!", nil
}

func helloCities(c *task.OrchestrationContext) (any, error) {
	var greetings []string
	for _, city := range []string{"Tokyo", "Seattle", "London"} {
		var greeting string
		if err := c.CallActivity("sayHello", task.WithActivityInput(city)).Await(&greeting); err != nil {
			return nil, err
		}
		greetings = append(greetings, greeting)
	}
	return greetings, nil
}

func run(address string) error {
	connection, err := grpc.Dial(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	registry := task.NewTaskRegistry()
	if err := registry.AddOrchestratorN("helloCities", helloCities); err != nil {
		return err
	}
	if err := registry.AddActivityN("sayHello", sayHello); err != nil {
		return err
	}
	hub := client.NewTaskHubGrpcClient(connection, backend.DefaultLogger())
	if err := hub.StartWorkItemListener(ctx, registry); err != nil {
		return err
	}

	id, err := hub.ScheduleNewOrchestration(ctx, "helloCities")
	if err != nil {
		return err
	}
	state, err := hub.WaitForOrchestrationCompletion(ctx, id, api.WithFetchPayloads(true))
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s\n", id, state.SerializedOutput)
	return nil
}

func main() {
	address := "localhost:8080"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	if err := run(address); err != nil {
		log.Fatal(err)
	}
}
