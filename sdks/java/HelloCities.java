// SPDX-License-Identifier: MIT
//
// hello_cities, by the official SDK. Worker and client are one program here; they need not be.
//
//   mvn -q compile exec:java -Dexec.args=PORT       of this machine; default: 8080
import com.microsoft.durabletask.*;
import java.time.Duration;
import java.util.*;

public final class HelloCities {
    private HelloCities() {}

    private static TaskActivityFactory sayHello() {
        return new TaskActivityFactory() {
            @Override
            public String getName() {
                return "sayHello";
            }

            @Override
            public TaskActivity create() {
                return context -> {
                    String city = context.getInput(String.class);
                    System.out.println("  (activity) hello " + city);
                    return "Hello " + city + "!";
                };
            }
        };
    }

    private static TaskOrchestrationFactory helloCities() {
        return new TaskOrchestrationFactory() {
            @Override
            public String getName() {
                return "helloCities";
            }

            @Override
            public TaskOrchestration create() {
                return context -> {
                    List<String> greetings = new ArrayList<>();
                    for (String city : List.of("Tokyo", "Seattle", "London")) {
                        greetings.add(context.callActivity("sayHello", city, String.class).await());
                    }
                    context.complete(greetings);
                };
            }
        };
    }

    public static void main(String[] args) throws Exception {
        int port = args.length > 0 ? Integer.parseInt(args[0]) : 8080;
        DurableTaskGrpcWorker worker = new DurableTaskGrpcWorkerBuilder().port(port)
            .addOrchestration(helloCities()).addActivity(sayHello()).build();
        worker.start();

        DurableTaskClient client = new DurableTaskGrpcClientBuilder().port(port).build();
        String id = client.scheduleNewOrchestrationInstance("helloCities");
        OrchestrationMetadata state =
            client.waitForInstanceCompletion(id, Duration.ofSeconds(60), true);
        System.out.println(id + ": " + state.getSerializedOutput());
        System.exit(0); // the worker has threads that nothing ends
    }
}
