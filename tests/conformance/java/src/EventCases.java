/* SPDX-License-Identifier: MIT
 *
 * External events: their order, names, time-outs, and events between orchestrations.
 */
import com.microsoft.durabletask.*;
import java.time.Duration;
import java.util.*;

final class EventCases {
    private EventCases() {}

    static void add(Suite suite) {
        suite.add("events-are-received-in-the-order-they-were-raised", "6.5 externalEvents",
            hub -> {
            hub.orchestrator("Listen", context -> {
                List<Integer> heard = new ArrayList<>();
                for (int i = 0; i < 20; i++) {
                    heard.add(context.waitForExternalEvent("Number", Integer.class).await());
                }
                context.complete(heard);
            }).start();
            String id = hub.run("Listen");
            List<Integer> raised = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                hub.client.raiseEvent(id, "Number", i);
                raised.add(i);
            }
            Check.same("heard", raised, hub.result(id, List.class));
        });

        suite.add("events-raised-before-the-worker-is-there-are-kept", "6.5 externalEvents",
            hub -> {
            hub.orchestrator("Late", context ->
                context.complete(context.waitForExternalEvent("Early", String.class).await()));
            String id = hub.run("Late");
            hub.client.raiseEvent(id, "Early", "bird");
            Thread.sleep(300);
            hub.start();
            Check.same("output", "bird", hub.result(id, String.class));
        });

        suite.add("event-names-keep-their-case", "6.5 externalEvents (case kept), trap 33", hub -> {
            hub.orchestrator("Cases", context -> {
                List<String> heard = new ArrayList<>();
                heard.add(context.waitForExternalEvent("myEVENT", String.class).await());
                heard.add(context.waitForExternalEvent("MyEvent", String.class).await());
                context.complete(heard);
            }).start();
            String id = hub.run("Cases");
            hub.client.raiseEvent(id, "MyEvent", "camel");
            hub.client.raiseEvent(id, "myEVENT", "mixed");
            Check.same("heard", List.of("mixed", "camel"), hub.result(id, List.class));
        });

        suite.add("an-event-without-payload-is-received", "6.5 externalEvents", hub -> {
            hub.orchestrator("Bare", context ->
                context.complete(context.waitForExternalEvent("Bare", String.class)
                    .await() == null)).start();
            String id = hub.run("Bare");
            hub.client.raiseEvent(id, "Bare");
            Check.same("payload is null", true, hub.result(id, Boolean.class));
        });

        suite.add("an-event-wins-over-its-time-out", "6.5 externalEventsWithTimeouts(true)",
            hub -> {
            hub.orchestrator("Wait", EventCases::waitThreeSeconds).start();
            String id = hub.run("Wait");
            hub.client.waitForInstanceStart(id, Hub.PATIENCE);
            hub.client.raiseEvent(id, "Approval", "yes");
            Check.same("output", "yes", hub.result(id, String.class));
        });

        suite.add("a-wait-for-an-event-times-out", "6.5 externalEventsWithTimeouts(false)", hub -> {
            hub.orchestrator("Wait", EventCases::waitThreeSeconds).start();
            OrchestrationMetadata state = hub.completed(hub.run("Wait"));
            Check.same("output",
                "Timeout of PT3S expired while waiting for an event named 'Approval' (ID = 0).",
                state.readOutputAs(String.class));
            Check.that("not before 3 s", Duration.between(state.getCreatedAt(),
                state.getLastUpdatedAt())
                .compareTo(Duration.ofSeconds(3)) >= 0);
        }).waits(3);

        suite.add("then-accept-is-called-with-the-event", "6.5 externalEventThenAccept", hub -> {
            hub.orchestrator("Accept", context -> {
                List<String> heard = new ArrayList<>();
                context.waitForExternalEvent("A", String.class).thenAccept(heard::add).await();
                context.waitForExternalEvent("B", String.class).thenAccept(heard::add).await();
                context.complete(String.join("+", heard));
            }).start();
            String id = hub.run("Accept");
            hub.client.raiseEvent(id, "A", "one");
            hub.client.raiseEvent(id, "B", "two");
            Check.same("output", "one+two", hub.result(id, String.class));
        });

        suite.add("orchestrations-send-events-to-each-other", "3.6 sendEvent", hub -> {
            hub.orchestrator("Ping", context -> {
                context.sendEvent("pong", "Ball", context.getInstanceId());
                context.complete(context.waitForExternalEvent("Back", String.class).await());
            }).orchestrator("Pong", context -> {
                String from = context.waitForExternalEvent("Ball", String.class).await();
                context.sendEvent(from, "Back", "caught from " + from);
                context.complete("done");
            }).start();
            hub.client.scheduleNewOrchestrationInstance("Pong", null, "pong");
            hub.client.scheduleNewOrchestrationInstance("Ping", null, "ping");
            Check.same("output", "caught from ping", hub.result("ping", String.class));
            Check.same("the other", "done", hub.result("pong", String.class));
        });

        suite.add("two-waits-for-one-name-take-two-events", "6.5 externalEvents", hub -> {
            hub.orchestrator("Two", context -> {
                Task<String> first = context.waitForExternalEvent("E", String.class);
                Task<String> second = context.waitForExternalEvent("E", String.class);
                context.complete(context.allOf(List.of(first, second)).await());
            }).start();
            String id = hub.run("Two");
            hub.client.waitForInstanceStart(id, Hub.PATIENCE);
            hub.client.raiseEvent(id, "E", "1");
            hub.client.raiseEvent(id, "E", "2");
            Check.same("payloads", Set.of("1", "2"), new HashSet<>(hub.result(id, List.class)));
        });
    }

    private static void waitThreeSeconds(TaskOrchestrationContext context) {
        try {
            context.complete(context.waitForExternalEvent("Approval", Duration.ofSeconds(3),
                String.class).await());
        } catch (TaskCanceledException late) {
            context.complete(late.getMessage());
        }
    }
}
