/* SPDX-License-Identifier: MIT
 *
 * Activities, sub-orchestrations, how tasks combine, replay and continue-as-new.
 */
import com.microsoft.durabletask.*;
import java.time.*;
import java.util.*;
import java.util.function.IntUnaryOperator;
import java.util.stream.*;

final class BasicCases {
    private BasicCases() {}

    static Task<String> shout(TaskOrchestrationContext context, Object what) {
        return context.callActivity("Shout", what, String.class);
    }

    private static Hub withShout(Hub hub) {
        return hub.activity("Shout", context -> context.getInput(String.class)
            .toUpperCase(Locale.ROOT) + "!");
    }

    static void add(Suite suite) {
        plain(suite);
        combining(suite);
        replaying(suite);
        continuing(suite);
        children(suite);
    }

    private static void plain(Suite suite) {
        suite.add("an-empty-orchestration-answers-in-the-default-hub", "6.5 emptyOrchestration",
            hub -> {
            hub.orchestrator("Nothing", context -> context.complete(context.getInput(String.class)))
                .start();
            OrchestrationMetadata state = hub.completed(hub.run("Nothing", "in"));
            Check.same("output", "in", state.readOutputAs(String.class));
            Check.same("input", "in", state.readInputAs(String.class));
            Check.same("name", "Nothing", state.getName());
        }).inDefaultHub();

        suite.add("an-orchestration-without-input-or-output-has-neither", "6.5 emptyOrchestration",
            hub -> {
            hub.orchestrator("Silent", context -> { }).start();
            OrchestrationMetadata state = hub.completed(hub.run("Silent"));
            Check.same("input", null, state.readInputAs(String.class));
            Check.same("output", null, state.readOutputAs(String.class));
        });

        suite.add("an-activity-gets-its-input-and-gives-a-result", "6.5 singleActivity", hub -> {
            withShout(hub).orchestrator("One", context ->
                context.complete(shout(context, context.getInput(String.class)).await())).start();
            Check.same("output", "GRÜẞE, 世界 🌍!",
                hub.result(hub.run("One", "grüẞe, 世界 🌍"), String.class));
        });

        suite.add("a-chain-of-twenty-activities-keeps-its-order", "6.5 activityChain", hub -> {
            hub.activity("Append", context -> {
                int[] numbers = context.getInput(int[].class);
                int[] longer = Arrays.copyOf(numbers, numbers.length + 1);
                longer[numbers.length] = numbers.length;
                return longer;
            }).orchestrator("Chain", context -> {
                int[] numbers = {};
                for (int i = 0; i < 20; i++) {
                    numbers = context.callActivity("Append", numbers, int[].class).await();
                }
                context.complete(numbers);
            }).start();
            int[] numbers = hub.result(hub.run("Chain"), int[].class);
            Check.that("0 to 19 in order", Arrays.equals(numbers, IntStream.range(0, 20)
                .toArray()));
        });

        suite.add("payloads-of-a-quarter-megabyte-go-everywhere", "large payloads", hub -> {
            String big = "0123456789abcdef".repeat(1 << 14); // Four times that is in the history.
            hub.activity("Same", context -> context.getInput(String.class))
                .orchestrator("Child", context -> context.complete(context.getInput(String.class)))
                .orchestrator("Big", context -> {
                    String first = context.callActivity("Same", context.getInput(String.class),
                        String.class).await();
                    String event = context.waitForExternalEvent("More", String.class).await();
                    context.complete(first.equals(event) ? event : "differs");
                }).start();
            String id = hub.run("Big", big);
            hub.client.raiseEvent(id, "More", big);
            Check.that("the output is the input", big.equals(hub.result(id, String.class)));
        }).waits(3);

        suite.add("structured-values-come-back-as-they-were", "6.5 singleActivity", hub -> {
            hub.activity("Same", context -> context.getInput(Object.class))
                .orchestrator("Values", context ->
                    context.complete(context.callActivity("Same", context.getInput(Object.class),
                        Object.class).await()))
                .start();
            for (Object value : new Object[] {42, -1.5, true, "", "\"\\\u0001", List.of(),
                List.of(1, List.of("two")),
                    Map.of("a", Map.of("b", List.of(true))), Long.MAX_VALUE}) {
                Check.same("value", value, hub.result(hub.run("Values", value), Object.class));
            }
        }).waits(2);
    }

    private static void combining(Suite suite) {
        suite.add("a-fan-out-of-fifty-gathers-every-result", "6.5 activityFanOut", hub -> {
            hub.activity("Square", context ->
                context.getInput(int.class) * context.getInput(int.class))
                .orchestrator("Fan", context -> {
                    List<Task<Integer>> tasks = IntStream.range(0, 50)
                        .mapToObj(i -> context.callActivity("Square", i, Integer.class))
                        .collect(Collectors.toList());
                    context.complete(context.allOf(tasks).await().stream().mapToInt(i -> i).sum());
                }).start().start();
            Check.same("sum", IntStream.range(0, 50).map(i -> i * i).sum(),
                hub.result(hub.run("Fan"), Integer.class));
        }).waits(2);

        suite.add("a-fan-out-with-failures-tells-each-of-them",
            "6.5 activityFanOutWithException, activityAllOfException",
            hub -> {
                hub.activity("Odd", context -> {
                    int number = context.getInput(int.class);
                    if (number % 2 == 1) {
                        throw new IllegalStateException("odd " + number);
                    }
                    return number;
                }).orchestrator("Fan", context -> {
                    List<Task<Integer>> tasks = IntStream.range(0, 6)
                        .mapToObj(i -> context.callActivity("Odd", i, Integer.class))
                        .collect(Collectors.toList());
                    try {
                        context.allOf(tasks).await();
                    } catch (CompositeTaskFailedException several) {
                        context.complete(several.getExceptions().stream()
                            .map(error -> ((TaskFailedException) error).getErrorDetails()
                            .getErrorMessage())
                            .sorted().collect(Collectors.joining(",")));
                    }
                }).start();
                Check.same("failures", "odd 1,odd 3,odd 5",
                    hub.result(hub.run("Fan"), String.class));
            });

        suite.add("an-unhandled-failure-of-a-fan-out-fails-the-orchestration",
            "6.5 activityFanOutWithException", hub -> {
            hub.activity("Bad", context -> { throw new IllegalStateException("bad "
                + context.getInput(int.class)); })
                .orchestrator("Fan", context ->
                context.allOf(List.of(context.callActivity("Bad", 1, Integer.class),
                    context.callActivity("Bad", 2, Integer.class))).await()).start();
            OrchestrationMetadata state = hub.end(hub.run("Fan"));
            Check.same("status", OrchestrationRuntimeStatus.FAILED, state.getRuntimeStatus());
            Check.same("type", CompositeTaskFailedException.class.getName(),
                state.getFailureDetails().getErrorType());
            Check.that("the message counts", state.getFailureDetails().getErrorMessage()
                .contains("2 out of 2"));
        });

        suite.add("then-apply-transforms-a-result", "6.5 thenApply", hub -> {
            withShout(hub).orchestrator("Apply", context ->
                context.complete(shout(context, "four").thenApply(String::length)
                    .thenApply(n -> n * 2).await())).start();
            Check.same("output", 10, hub.result(hub.run("Apply"), Integer.class));
        });

        suite.add("all-of-keeps-the-order-of-its-tasks", "6.5 activityAllOf", hub -> {
            hub.activity("Slow", context -> {
                int milliseconds = context.getInput(int.class);
                Hub.sleep(milliseconds);
                return milliseconds;
            }).orchestrator("All", context -> {
                List<Task<Integer>> tasks = List.of(
                    context.callActivity("Slow", 400, Integer.class),
                    context.callActivity("Slow", 10, Integer.class),
                    context.callActivity("Slow", 200, Integer.class));
                context.complete(context.allOf(tasks).await());
            }).start().start();
            Check.same("results", List.of(400, 10, 200), hub.result(hub.run("All"), List.class));
        });

        suite.add("any-of-goes-on-with-the-first-that-ends", "6.5 activityAnyOf", hub -> {
            withShout(hub).orchestrator("Any", context -> {
                Task<Void> never = context.waitForExternalEvent("Never");
                Task<String> quick = shout(context, "quick");
                Task<?> winner = context.anyOf(never, quick).await();
                context.complete(winner == quick ? quick.await() : "wrong");
            }).start();
            Check.same("output", "QUICK!", hub.result(hub.run("Any"), String.class));
        });
    }

    private static void replaying(Suite suite) {
        suite.add("replaying-is-told-and-zero-timers-are-episodes", "6.5 isReplaying", hub -> {
            hub.orchestrator("Replay", context -> {
                List<Boolean> seen = new ArrayList<>();
                seen.add(context.getIsReplaying());
                context.createTimer(Duration.ZERO).await();
                seen.add(context.getIsReplaying());
                context.createTimer(Duration.ZERO).await();
                seen.add(context.getIsReplaying());
                context.complete(seen);
            }).start();
            Check.same("seen by the last replay", List.of(true, true, false),
                hub.result(hub.run("Replay"), List.class));
        });

        suite.add("time-moves-between-episodes-and-replays-the-same", "6.5 currentDateTimeUtc",
            hub -> {
            hub.activity("Same", context -> context.getInput(String.class))
                .orchestrator("Times", context -> {
                List<String> kept = new ArrayList<>();
                for (int i = 0; i < 4; i++) {
                    String now = context.getCurrentInstant().toString();
                    kept.add(context.callActivity("Same", now, String.class).await());
                    if (!kept.get(i).equals(now)) {
                        throw new IllegalStateException("replayed with " + now + ", was "
                            + kept.get(i));
                    }
                }
                context.complete(kept);
            }).start();
            List<?> times = hub.result(hub.run("Times"), List.class);
            for (int i = 1; i < times.size(); i++) {
                Check.that(times.get(i - 1) + " is before " + times.get(i),
                    Instant.parse((String) times.get(i - 1))
                    .isBefore(Instant.parse((String) times.get(i))));
            }
        });

        suite.add("new-uuids-are-distinct-and-replay-the-same", "6.5 newUUIDTest", hub -> {
            hub.activity("Same", context -> context.getInput(String.class))
                .orchestrator("Ids", context -> {
                List<String> ids = new ArrayList<>();
                for (int i = 0; i < 3; i++) {
                    String made = context.newUUID().toString();
                    ids.add(made);
                    if (!context.callActivity("Same", made, String.class).await().equals(made)) {
                        throw new IllegalStateException("another UUID in replay");
                    }
                }
                context.complete(ids);
            }).start();
            Check.same("distinct", 3, new HashSet<>(hub.result(hub.run("Ids"), List.class)).size());
        });
    }

    private static void continuing(Suite suite) {
        suite.add("continue-as-new-goes-on-under-the-same-id", "6.5 continueAsNew", hub -> {
            hub.orchestrator("Count", context -> {
                int n = context.getInput(int.class);
                if (n < 10) {
                    context.createTimer(Duration.ZERO).await();
                    context.continueAsNew(n + 1);
                }
                context.complete(n);
            }).start();
            String id = hub.run("Count", 1);
            OrchestrationMetadata state = hub.completed(id);
            Check.same("output", 10, state.readOutputAs(Integer.class));
            Check.same("input of the last generation", 10, state.readInputAs(Integer.class));
        });

        // The SDK hands on what an episode has brought, consumed or not. So the first of these only
        // counts, as the
        // SDK's own test does, and the others consume in one episode and continue in another.
        suite.add("continue-as-new-carries-events-over", "6.5 continueAsNewWithExternalEvents",
        hub -> {
            hub.orchestrator("Count", context -> {
                int n = context.getInput(int.class);
                if (n < 10) {
                    context.waitForExternalEvent("Add", int.class).await();
                    context.continueAsNew(n + 1, true);
                }
                context.complete(n);
            }).start();
            String id = hub.run("Count", 0);
            for (int i = 0; i < 10; i++) {
                hub.client.raiseEvent(id, "Add", i);
            }
            Check.same("events", 10, hub.result(id, Integer.class));
        });

        suite.add("carried-events-come-once-and-none-is-lost",
            "6.5 continueAsNewWithExternalEvents", hub ->
            carried(hub, i -> i, 78));

        suite.add("equal-events-differ-in-time-and-are-all-carried",
            "6.5 carry-over through a hash set, trap 13", hub ->
            carried(hub, i -> 7, 84));

        suite.add("continue-as-new-without-preserving-drops-events",
            "6.5 continueAsNewWithExternalEvents", hub -> {
            hub.orchestrator("Drop", context -> {
                if (context.getInput(int.class) == 1) {
                    context.waitForExternalEvent("Go").await();
                    context.continueAsNew(2, false);
                }
                try {
                    context.waitForExternalEvent("Extra", Duration.ofSeconds(1), String.class)
                        .await();
                    context.complete("kept");
                } catch (TaskCanceledException none) {
                    context.complete("dropped");
                }
            }).start();
            String id = hub.run("Drop", 1);
            hub.client.waitForInstanceStart(id, Hub.PATIENCE);
            hub.client.raiseEvent(id, "Extra", "x");
            // The event is read and left over before Go comes: what is unread stays, see 3.9.
            Thread.sleep(700);
            hub.client.raiseEvent(id, "Go");
            Check.same("output", "dropped", hub.result(id, String.class));
        }).waits(3);
    }

    /** Twelve generations add one event each. */
    private static void carried(Hub hub, IntUnaryOperator payload, int wanted) throws Exception {
        hub.orchestrator("Sum", context -> {
            int[] state = context.getInput(int[].class);
            if (state[0] == 12) {
                context.complete(state[1]);
                return;
            }
            int more = context.waitForExternalEvent("Add", int.class).await();
            context.createTimer(Duration.ZERO).await();
            context.continueAsNew(new int[] {state[0] + 1, state[1] + more}, true);
        }).start();
        String id = hub.run("Sum", new int[] {0, 0});
        for (int i = 1; i <= 12; i++) {
            hub.client.raiseEvent(id, "Add", payload.applyAsInt(i));
        }
        Check.same("sum", wanted, hub.result(id, Integer.class));
    }

    private static void children(Suite suite) {
        suite.add("sub-orchestrations-nest-and-return", "6.5 subOrchestration", hub -> {
            hub.orchestrator("Depth", context -> {
                int depth = context.getInput(int.class);
                context.complete(depth == 0 ? 1
                    : 1 + context.callSubOrchestrator("Depth", depth - 1, Integer.class).await());
            }).start();
            Check.same("depth", 6, hub.result(hub.run("Depth", 5), Integer.class));
        });

        suite.add("sub-orchestrations-fan-out-with-ids-of-their-own", "6.5 subOrchestration",
            hub -> {
            hub.orchestrator("Leaf", context -> context.complete(context.getInstanceId()))
                .orchestrator("Tree", context -> {
                    List<Task<String>> tasks = IntStream.range(0, 8).mapToObj(i ->
                        context.callSubOrchestrator("Leaf", null, "leaf-" + i, String.class))
                        .collect(Collectors.toList());
                    context.complete(context.allOf(tasks).await());
                }).start().start();
            Check.same("ids", IntStream.range(0, 8).mapToObj(i -> "leaf-" + i)
                .collect(Collectors.toList()),
                hub.result(hub.run("Tree"), List.class));
            Check.same("a child is an instance", "\"leaf-3\"",
                hub.client.getInstanceMetadata("leaf-3", true).getSerializedOutput());
        });

        suite.add("sub-orchestrations-without-an-id-get-distinct-ones", "6.5 subOrchestration",
            hub -> {
            hub.orchestrator("Leaf", context -> context.complete(context.getInstanceId()))
                .orchestrator("Tree", context -> context.complete(context.allOf(List.of(
                    context.callSubOrchestrator("Leaf", null, String.class),
                    context.callSubOrchestrator("Leaf", null, String.class))).await())).start();
            List<?> ids = hub.result(hub.run("Tree"), List.class);
            Check.that("two IDs " + ids, ids.size() == 2 && !ids.get(0).equals(ids.get(1)));
            Check.that("not empty", !((String) ids.get(0)).isEmpty());
        });
    }
}
