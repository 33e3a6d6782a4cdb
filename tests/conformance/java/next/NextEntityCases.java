/* SPDX-License-Identifier: MIT
 *
 * Entities and locks of Java SDKs from 1.9 on.
 */
import com.microsoft.durabletask.*;
import java.time.*;
import java.util.*;
import java.util.stream.*;

final class NextEntityCases {
    private NextEntityCases() {}

    /** A counter; what starts with "then" does more than count. */
    public static final class Counter extends AbstractTaskEntity<Integer> {
        public void add(int amount) {
            state += amount;
        }

        public void addTwice(int amount) {
            dispatch("add", amount);
            dispatch("add", amount);
        }

        public int get() {
            return state;
        }

        public int fail(int amount) {
            state += amount;
            throw new IllegalStateException("no " + amount);
        }

        public void thenSignal(String other) {
            context.signalEntity(EntityInstanceId.fromString(other), "add", state);
        }

        public String thenStart(String orchestrator) {
            return context.startNewOrchestration(orchestrator, state);
        }

        @Override
        protected Integer initializeState(TaskEntityOperation operation) {
            return 0;
        }

        @Override
        protected Class<Integer> getStateType() {
            return Integer.class;
        }
    }

    public interface Typed {
        void add(int amount);

        Task<Integer> get();
    }

    private static EntityInstanceId counter(String key) {
        return new EntityInstanceId("Counter", key);
    }

    private static Hub counting(Hub hub) {
        return hub.start(hub.builder().addEntity("Counter", Counter::new));
    }

    /** Waits until the entity's state is this. */
    private static void settles(Hub hub, EntityInstanceId id, Integer wanted) throws Exception {
        Integer got = null;
        for (long limit = System.nanoTime()
            + Hub.PATIENCE.toNanos(); System.nanoTime() < limit; Thread.sleep(50)) {
            EntityMetadata state = hub.client.getEntities().getEntityMetadata(id, true);
            got = state == null ? null : state.readStateAs(Integer.class);
            if (Objects.equals(got, wanted)) {
                return;
            }
        }
        throw new AssertionError(id + " should become " + wanted + ", it is " + got);
    }

    static void add(Suite suite) {
        signals(suite);
        calls(suite);
        locks(suite);
        queries(suite);
    }

    private static void signals(Suite suite) {
        suite.add("signals-change-an-entity-in-order", "6.5 entity: signal x3", hub -> {
            counting(hub);
            EntityInstanceId id = counter("signals");
            for (int i = 1; i <= 20; i++) {
                hub.client.getEntities().signalEntity(id, "add", i);
            }
            settles(hub, id, 210);
        });

        suite.add("an-entity-s-name-has-no-case", "6.5 entity: case-insensitive name", hub -> {
            counting(hub);
            hub.client.getEntities().signalEntity(new EntityInstanceId("COUNTER", "Key"), "add", 1);
            settles(hub, new EntityInstanceId("counter", "Key"), 1);
            hub.client.getEntities().signalEntity(new EntityInstanceId("counter", "key"), "add", 5);
            settles(hub, counter("key"), 5);
            settles(hub, counter("Key"), 1);
        });

        suite.add("a-scheduled-signal-is-not-early", "4.3 scheduledTime", hub -> {
            counting(hub);
            EntityInstanceId id = counter("late");
            hub.client.getEntities().signalEntity(id, "add", 7,
                new SignalEntityOptions().setScheduledTime(Instant.now().plusSeconds(3)));
            Thread.sleep(1500);
            EntityMetadata early = hub.client.getEntities().getEntityMetadata(id, true);
            Check.that("not yet", early == null || early.readStateAs(Integer.class) == null);
            settles(hub, id, 7);
        }).waits(3);

        suite.add("an-orchestration-signals-and-forgets", "6.5 entity: fire-and-forget", hub -> {
            hub.orchestrator("Signal", context -> {
                context.signalEntity(counter("forgotten"), "add", 100);
                context.complete("signaled");
            });
            counting(hub);
            Check.same("output", "signaled", hub.result(hub.run("Signal"), String.class));
            settles(hub, counter("forgotten"), 100);
        });

        suite.add("entities-signal-entities-and-start-orchestrations", "4.5 actions of an entity",
            hub -> {
            hub.orchestrator("Started", context ->
                context.complete(context.getInput(Integer.class) * 2))
                .orchestrator("Ask", context ->
                    context.complete(context.callEntity(counter("a"), "thenStart", "Started",
                        String.class).await()));
            counting(hub);
            hub.client.getEntities().signalEntity(counter("a"), "add", 21);
            hub.client.getEntities().signalEntity(counter("a"), "thenSignal", counter("b")
                .toString());
            settles(hub, counter("b"), 21);
            Check.same("what the entity started", 42,
                hub.result(hub.result(hub.run("Ask"), String.class), Integer.class));
        });
    }

    private static void calls(Suite suite) {
        suite.add("an-orchestration-calls-an-entity", "6.5 entity: call", hub -> {
            hub.orchestrator("Call", context -> {
                context.signalEntity(counter("called"), "add", 42);
                context.complete(context.callEntity(counter("called"), "get", null, Integer.class)
                    .await());
            });
            counting(hub);
            Check.same("output", 42, hub.result(hub.run("Call"), Integer.class));
        });

        for (boolean feature : new boolean[] {false, true}) {
            suite.add("a-typed-proxy-" + (feature ? "of-the-entities-feature" : "of-the-context")
                + "-calls-and-signals",
                "6.5 entity: typed proxies x2", hub -> {
                    hub.orchestrator("Proxy", context -> {
                        Typed proxy = feature ? context.entities()
                            .createProxy(counter("p"), Typed.class)
                            : context.createEntityProxy(counter("p"), Typed.class);
                        proxy.add(10);
                        proxy.add(20);
                        proxy.add(12);
                        context.complete(proxy.get().await());
                    });
                    counting(hub);
                    Check.same("output", 42, hub.result(hub.run("Proxy"), Integer.class));
                });
        }

        suite.add("an-entity-dispatches-to-itself", "6.5 entity: re-entrant dispatch", hub -> {
            hub.orchestrator("Call", context -> {
                context.signalEntity(counter("twice"), "addTwice", 55);
                context.complete(context.callEntity(counter("twice"), "get", null, Integer.class)
                    .await());
            });
            counting(hub);
            Check.same("output", 110, hub.result(hub.run("Call"), Integer.class));
        });

        suite.add("a-failed-operation-is-told-and-rolled-back", "4.6", hub -> {
            hub.orchestrator("Call", context -> {
                try {
                    context.callEntity(counter("f"), "fail", 5, Integer.class).await();
                } catch (RuntimeException error) {
                    String message = String.valueOf(error.getMessage());
                    context.complete(message.contains("no 5") + " "
                        + context.callEntity(counter("f"), "get", null, Integer.class).await());
                }
            });
            counting(hub);
            Check.same("output", "true 0", hub.result(hub.run("Call"), String.class));
        });
    }

    private static void close(AutoCloseable lock) {
        try {
            lock.close();
        } catch (Exception error) {
            throw new IllegalStateException("unlock: " + error.getMessage(), error);
        }
    }

    private static void locks(Suite suite) {
        suite.add("a-locked-entity-is-its-owner-s-alone", "6.5 entity: lock (+ signal inside)",
            hub -> {
            hub.orchestrator("Lock", context -> {
                AutoCloseable lock = context.lockEntities(List.of(counter("l"), counter("m")))
                    .await();
                if (!context.isInCriticalSection() || context.getLockedEntities().size() != 2) {
                    throw new IllegalStateException("not in a critical section");
                }
                int before = context.callEntity(counter("l"), "get", null, Integer.class).await();
                context.createTimer(Duration.ofMillis(300)).await();
                context.callEntity(counter("l"), "add", 1, Void.class).await();
                int after = context.callEntity(counter("l"), "get", null, Integer.class).await();
                close(lock);
                context.complete(after - before);
            });
            counting(hub);
            counting(hub);
            List<String> ids = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                ids.add(hub.run("Lock"));
            }
            for (String id : ids) {
                Check.same("nobody came between", 1, hub.result(id, Integer.class));
            }
            settles(hub, counter("l"), 5);
        }).waits(3);

        suite.add("a-signal-inside-a-lock-reaches-the-locked-entity",
            "6.5 entity: lock (+ signal inside), decision 22", hub -> {
            hub.orchestrator("Lock", context -> {
                AutoCloseable lock = context.lockEntities(counter("s")).await();
                context.signalEntity(counter("s"), "add", 10);
                int seen = context.callEntity(counter("s"), "get", null, Integer.class).await();
                close(lock);
                context.complete(seen);
            });
            counting(hub);
            Check.same("output", 10, hub.result(hub.run("Lock"), Integer.class));
        });

        suite.add("continue-as-new-inside-a-lock-is-refused-and-releases-it",
            "6.5 entity: CAN inside critical section", hub -> {
            hub.orchestrator("Bad", context -> {
                context.lockEntities(counter("c")).await();
                context.continueAsNew(null);
            });
            counting(hub);
            OrchestrationMetadata state = hub.end(hub.run("Bad"));
            Check.same("status", OrchestrationRuntimeStatus.FAILED, state.getRuntimeStatus());
            Check.same("type", IllegalStateException.class.getName(), state.getFailureDetails()
                .getErrorType());
            hub.client.getEntities().signalEntity(counter("c"), "add", 3);
            settles(hub, counter("c"), 3);
        });

        suite.add("the-end-of-its-owner-releases-a-lock", "4.7, trap 21", hub -> {
            hub.orchestrator("Hold", context -> {
                context.lockEntities(counter("h")).await();
                context.waitForExternalEvent("Never").await();
            }).orchestrator("Fail", context -> {
                context.lockEntities(counter("h")).await();
                throw new IllegalStateException("inside");
            });
            counting(hub);
            // Without a state there is nothing to see.
            hub.client.getEntities().signalEntity(counter("h"), "add", 1);
            settles(hub, counter("h"), 1);
            String failed = hub.run("Fail");
            Check.same("failed", OrchestrationRuntimeStatus.FAILED, hub.end(failed)
                .getRuntimeStatus());
            String id = hub.run("Hold");
            long limit = System.nanoTime() + Hub.PATIENCE.toNanos();
            EntityMetadata state;
            do {
                Thread.sleep(50);
                state = hub.client.getEntities().getEntityMetadata(counter("h"), false);
                Check.that("it becomes locked", System.nanoTime() < limit);
            } while (state == null || !id.equals(state.getLockedBy()));
            hub.client.getEntities().signalEntity(counter("h"), "add", 4);
            Thread.sleep(700);
            Check.same("the signal waits", 1,
                hub.client.getEntities().getEntityMetadata(counter("h"), true)
                .readStateAs(Integer.class));
            hub.client.terminate(id, "enough");
            settles(hub, counter("h"), 5);
        }).waits(2);
    }

    private static void queries(Suite suite) {
        suite.add("entities-are-queried-and-are-no-instances", "4.9", hub -> {
            counting(hub);
            for (int i = 0; i < 7; i++) {
                hub.client.getEntities().signalEntity(counter("q" + i), "add", i + 1);
            }
            for (int i = 0; i < 7; i++) {
                settles(hub, counter("q" + i), i + 1);
            }
            Set<String> wanted = IntStream.range(0, 7).mapToObj(i -> counter("q" + i).toString())
                .collect(Collectors.toCollection(TreeSet::new));
            Set<String> got = new TreeSet<>();
            int sum = 0;
            for (EntityMetadata each : hub.client.getEntities().getAllEntities(
                    new EntityQuery().setIncludeState(true).setPageSize(3))) {
                got.add(each.getInstanceId());
                sum += each.readStateAs(Integer.class);
            }
            Check.same("all of them", wanted, got);
            Check.same("states", 28, sum);
            Check.same("by prefix", 1, hub.client.getEntities().queryEntities(
                new EntityQuery().setInstanceIdStartsWith(counter("q3").toString())).getEntities()
                .size());
            Check.same("no instances", 0,
                hub.client.queryInstances(new OrchestrationStatusQuery()).getOrchestrationState()
                .size());
            Check.that("not an instance", !hub.client.getInstanceMetadata(counter("q1").toString(),
                false).isInstanceFound());
            CleanEntityStorageResult cleaned = hub.client.getEntities()
                .cleanEntityStorage(new CleanEntityStorageRequest()
                .setRemoveEmptyEntities(true).setReleaseOrphanedLocks(true));
            Check.same("nothing to clean", 0, cleaned.getEmptyEntitiesRemoved()
                + cleaned.getOrphanedLocksReleased());
            Check.same("unknown", null, hub.client.getEntities()
                .getEntityMetadata(counter("nobody"), true));
        });
    }
}
