# SPDX-License-Identifier: MIT
#
# hello_cities, by the official SDK. Worker and client are one program here; they need not be.
#
#   python3 hello_cities.py [HOST:PORT]       default: localhost:8080
import sys

from durabletask import client, task, worker


def say_hello(context: task.ActivityContext, city: str) -> str:
    print(f"  (activity) hello {city}", flush=True)
    return f"Hello {city}!"


def hello_cities(context: task.OrchestrationContext, _):
    greetings = []
    for city in ["Tokyo", "Seattle", "London"]:
        greetings.append((yield context.call_activity(say_hello, input=city)))
    return greetings


def main() -> None:
    address = sys.argv[1] if len(sys.argv) > 1 else "localhost:8080"
    with worker.TaskHubGrpcWorker(host_address=address) as workers:
        workers.add_orchestrator(hello_cities)
        workers.add_activity(say_hello)
        workers.start()

        hub = client.TaskHubGrpcClient(host_address=address)
        instance = hub.schedule_new_orchestration(hello_cities)
        state = hub.wait_for_orchestration_completion(instance, timeout=60)
        print(f"{instance}: {state.serialized_output}")


main()
