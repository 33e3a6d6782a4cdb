/* SPDX-License-Identifier: MIT
 *
 * The life of an instance from outside: waits, suspension, termination, restart, reuse of IDs,
 * custom status,
 * versions, and task hubs.
 */
import com.microsoft.durabletask.*;
import com.microsoft.durabletask.implementation.protobuf.OrchestratorService.*;
import io.grpc.Status;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.TimeoutException;

final class LifeCases {
    private LifeCases() {}

    private static final OrchestrationRuntimeStatus SUSPENDED =
        OrchestrationRuntimeStatus.SUSPENDED;
    private static final OrchestrationRuntimeStatus TERMINATED =
        OrchestrationRuntimeStatus.TERMINATED;
    private static final OrchestrationRuntimeStatus RUNNING = OrchestrationRuntimeStatus.RUNNING;
    private static final OrchestrationRuntimeStatus PENDING = OrchestrationRuntimeStatus.PENDING;

    /** Waits for the event Go and answers with its payload. */
    private static Hub waiting(Hub hub) {
        return hub.orchestrator("Wait", context ->
            context.complete(context.waitForExternalEvent("Go", String.class).await()));
    }

    static void add(Suite suite) {
        waits(suite);
        suspension(suite);
        termination(suite);
        again(suite);
        status(suite);
        versions(suite);
        hubs(suite);
    }

    private static void waits(Suite suite) {
        suite.add("a-wait-for-the-start-times-out-while-the-worker-is-busy",
            "6.5 waitForInstanceStartThrowsException", hub -> {
            hub.orchestrator("Block", context -> {
                // Not what an orchestrator may do; here it delays the first commit.
                Hub.sleep(4000);
                context.complete("late");
            }).start();
            String id = hub.run("Block");
            Check.thrown(TimeoutException.class,
                () -> hub.client.waitForInstanceStart(id, Duration.ofSeconds(2)));
            Check.same("still", PENDING, hub.client.getInstanceMetadata(id, false)
                .getRuntimeStatus());
            Check.same("output", "late", hub.result(id, String.class));
        }).waits(4);

        suite.add("a-wait-for-the-end-keeps-its-deadline",
            "6.5 waitForInstanceCompletionThrowsException", hub -> {
            waiting(hub).start();
            String id = hub.run("Wait");
            long began = System.nanoTime();
            Check.thrown(TimeoutException.class,
                () -> hub.client.waitForInstanceCompletion(id, Duration.ofSeconds(2), false));
            double took = (System.nanoTime() - began) / 1e9;
            Check.that("2 s and not much more: " + took, took > 1.9 && took < 6);
            hub.client.raiseEvent(id, "Go", "x");
            Check.same("output", "x", hub.result(id, String.class));
        }).waits(2);

        suite.add("a-wait-for-an-unknown-instance-sees-it-come", "2.7 unknown ID blocks, trap 26",
            hub -> {
            hub.orchestrator("Quick", context -> context.complete("came")).start();
            Thread later = new Thread(() -> {
                Hub.sleep(1000);
                hub.client.scheduleNewOrchestrationInstance("Quick", null, "yet-to-come");
            });
            later.start();
            OrchestrationMetadata state = hub.client.waitForInstanceCompletion("yet-to-come",
                Hub.PATIENCE, true);
            Check.same("output", "came", state.readOutputAs(String.class));
            Check.thrown(TimeoutException.class,
                () -> hub.client.waitForInstanceCompletion("never-comes", Duration.ofMillis(700),
                false));
        }).waits(2);

        suite.add("an-unknown-instance-is-not-found", "2.6 GetInstance, RaiseEvent", hub -> {
            Check.same("found", false, hub.client.getInstanceMetadata("nobody", true)
                .isInstanceFound());
            Check.refused(Status.Code.NOT_FOUND, () -> hub.client.raiseEvent("nobody", "E", 1));
            Check.refused(Status.Code.NOT_FOUND, () -> hub.client.terminate("nobody", "x"));
            Check.refused(Status.Code.NOT_FOUND, () -> hub.client.suspendInstance("nobody"));
            Check.refused(Status.Code.NOT_FOUND, () -> hub.client.resumeInstance("nobody"));
        });

        suite.add("an-event-for-an-ended-instance-is-dropped", "2.6 RaiseEvent on terminal",
            hub -> {
            hub.orchestrator("Quick", context -> context.complete("done")).start();
            String id = hub.run("Quick");
            hub.completed(id);
            hub.client.raiseEvent(id, "Late", 1);
            Check.same("output", "done", hub.result(id, String.class));
        });

        suite.add("payloads-are-only-given-when-asked-for", "2.8 getInputsAndOutputs", hub -> {
            hub.orchestrator("Out", context -> context.complete("secret"));
            hub.orchestrator("Bad", context -> { throw new IllegalStateException("secret"); })
                .start();
            String id = hub.run("Out", "in");
            hub.completed(id);
            GetInstanceResponse bare = hub.stub()
                .getInstance(GetInstanceRequest.newBuilder().setInstanceId(id).build());
            Check.that("no input", !bare.getOrchestrationState().hasInput());
            Check.that("no output", !bare.getOrchestrationState().hasOutput());
            String bad = hub.run("Bad");
            hub.end(bad);
            bare = hub.stub().getInstance(GetInstanceRequest.newBuilder().setInstanceId(bad)
                .build());
            Check.same("exists", true, bare.getExists());
            Check.that("no failure details", !bare.getOrchestrationState().hasFailureDetails());
        });
    }

    private static void suspension(Suite suite) {
        suite.add("a-suspended-instance-holds-its-events-until-resumed",
            "6.5 suspendResume (disabled there)", hub -> {
            waiting(hub).start();
            String id = hub.run("Wait");
            hub.client.suspendInstance(id);
            hub.until(id, SUSPENDED);
            Check.same("a wait for the start returns it", SUSPENDED,
                hub.client.waitForInstanceStart(id, Hub.PATIENCE).getRuntimeStatus());
            hub.client.raiseEvent(id, "Go", "payload");
            Check.thrown(TimeoutException.class,
                () -> hub.client.waitForInstanceCompletion(id, Duration.ofSeconds(2), false));
            Check.same("still", SUSPENDED, hub.client.getInstanceMetadata(id, false)
                .getRuntimeStatus());
            hub.client.resumeInstance(id, "enough");
            Check.same("output", "payload", hub.result(id, String.class));
        }).waits(3);

        suite.add("suspended-before-the-first-episode-it-starts-suspended",
            "6.5 suspendResume, terminateSuspend", hub -> {
            waiting(hub);
            String id = hub.run("Wait");
            hub.client.suspendInstance(id, "early");
            hub.start();
            OrchestrationMetadata state = hub.client.waitForInstanceStart(id, Hub.PATIENCE);
            Check.same("status", SUSPENDED, state.getRuntimeStatus());
            hub.client.raiseEvent(id, "Go", "kept");
            hub.client.resumeInstance(id);
            Check.same("output", "kept", hub.result(id, String.class));
        });

        suite.add("suspending-twice-and-resuming-twice-is-harmless",
            "6.6 suspend/resume no-ops, trap 29", hub -> {
            waiting(hub).start();
            String id = hub.run("Wait");
            hub.client.waitForInstanceStart(id, Hub.PATIENCE);
            hub.client.resumeInstance(id);
            hub.client.suspendInstance(id);
            hub.client.suspendInstance(id);
            hub.until(id, SUSPENDED);
            hub.client.resumeInstance(id);
            hub.client.resumeInstance(id);
            hub.until(id, RUNNING);
            hub.client.raiseEvent(id, "Go", "fine");
            Check.same("output", "fine", hub.result(id, String.class));
            hub.client.suspendInstance(id);
            hub.client.resumeInstance(id);
            Check.same("an ended one stays", "fine", hub.result(id, String.class));
        });

        suite.add("timers-and-activities-of-a-suspended-instance-wait", "3.12", hub -> {
            hub.activity("Echo", context -> context.getInput(String.class))
                .orchestrator("Mixed", context -> {
                context.createTimer(Duration.ofSeconds(1)).await();
                context.complete(context.callActivity("Echo", "after", String.class).await());
            }).start();
            String id = hub.run("Mixed");
            hub.client.waitForInstanceStart(id, Hub.PATIENCE);
            hub.client.suspendInstance(id);
            hub.until(id, SUSPENDED);
            Thread.sleep(2000);
            Check.same("still", SUSPENDED, hub.client.getInstanceMetadata(id, false)
                .getRuntimeStatus());
            hub.client.resumeInstance(id);
            Check.same("output", "after", hub.result(id, String.class));
        }).waits(3);
    }

    private static void termination(Suite suite) {
        suite.add("a-terminated-instance-has-the-given-output", "6.5 termination", hub -> {
            hub.orchestrator("Sleep", context -> context.createTimer(Duration.ofMinutes(5)).await())
                .start();
            String id = hub.run("Sleep");
            hub.client.terminate(id, Map.of("why", "enough"));
            OrchestrationMetadata state = hub.end(id);
            Check.same("status", TERMINATED, state.getRuntimeStatus());
            Check.same("output", Map.of("why", "enough"), state.readOutputAs(Map.class));
            hub.client.terminate(id, "again");
            Check.same("only once", Map.of("why", "enough"), hub.end(id).readOutputAs(Map.class));
        });

        suite.add("a-suspended-instance-can-be-terminated", "6.5 terminateSuspendOrchestration",
            hub -> {
            waiting(hub).start();
            String id = hub.run("Wait");
            hub.client.suspendInstance(id, "hold");
            hub.client.terminate(id, null);
            Check.same("status", TERMINATED, hub.end(id).getRuntimeStatus());
            String held = hub.run("Wait");
            hub.client.suspendInstance(held);
            hub.until(held, SUSPENDED);
            hub.client.terminate(held, "gone");
            OrchestrationMetadata state = hub.end(held);
            Check.same("status", TERMINATED, state.getRuntimeStatus());
            Check.same("output", "gone", state.readOutputAs(String.class));
        });

        suite.add("a-pending-instance-can-be-terminated", "3.13", hub -> {
            waiting(hub);
            String id = hub.run("Wait");
            hub.client.terminate(id, "before it ran");
            hub.start();
            OrchestrationMetadata state = hub.end(id);
            Check.same("status", TERMINATED, state.getRuntimeStatus());
            Check.same("output", "before it ran", state.readOutputAs(String.class));
        });

        suite.add("termination-does-not-kill-the-serial-worker", "trap 8", hub -> {
            hub.activity("Slow", context -> {
                Hub.sleep(400);
                return "slow";
            }).orchestrator("Busy", context ->
                context.complete(context.callActivity("Slow", String.class).await()))
                .start();
            List<String> ids = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                ids.add(hub.run("Busy"));
            }
            for (String id : ids) {
                hub.client.terminate(id, "stop");
                hub.client.terminate(id, "stop");
            }
            for (String id : ids) {
                OrchestrationRuntimeStatus status = hub.end(id).getRuntimeStatus();
                Check.that(id + " ended " + status,
                    status == TERMINATED || status == OrchestrationRuntimeStatus.COMPLETED);
            }
            Check.same("the worker lives", "slow", hub.result(hub.run("Busy"), String.class));
        }).waits(4);
    }

    private static void again(Suite suite) {
        suite.add("a-restart-under-a-new-id-runs-with-the-old-input",
            "6.5 restartOrchestrationWithNewInstanceId(true)", hub -> {
            hub.orchestrator("Echo", context -> context.complete(context.getInput(String.class)))
                .start();
            String id = hub.run("Echo", "again");
            hub.completed(id);
            String other = hub.client.restartInstance(id, true);
            Check.that("another ID", !other.equals(id));
            Check.same("output", "again", hub.result(other, String.class));
        });

        suite.add("a-restart-under-the-same-id-replaces-the-old-end",
            "6.5 restartOrchestrationWithNewInstanceId(false), trap 10, 20", hub -> {
            hub.orchestrator("Sleep", context -> {
                context.createTimer(Duration.ofSeconds(1)).await();
                context.complete(context.getInput(String.class));
            }).start();
            String id = hub.run("Sleep", "RestartTest");
            OrchestrationMetadata first = hub.completed(id);
            Check.same("the same ID", id, hub.client.restartInstance(id, false));
            OrchestrationMetadata second = hub.completed(id);
            Check.that("ran again", second.getCreatedAt().isAfter(first.getLastUpdatedAt()));
            Check.same("input", "\"RestartTest\"", second.getSerializedInput());
        }).waits(2);

        suite.add("a-restart-of-nobody-is-refused", "6.5 restartOrchestrationThrowsException",
            hub ->
            Check.thrown(IllegalArgumentException.class,
                () -> hub.client.restartInstance("nobody", true)));

        suite.add("a-live-id-cannot-be-used-again", "3.2, trap 20", hub -> {
            waiting(hub).start();
            hub.client.scheduleNewOrchestrationInstance("Wait", null, "taken");
            Check.refused(Status.Code.ALREADY_EXISTS,
                () -> hub.client.scheduleNewOrchestrationInstance("Wait", null, "taken"));
            hub.client.waitForInstanceStart("taken", Hub.PATIENCE);
            Check.refused(Status.Code.ALREADY_EXISTS,
                () -> hub.client.scheduleNewOrchestrationInstance("Wait", null, "taken"));
            hub.client.raiseEvent("taken", "Go", "first");
            Check.same("output", "first", hub.result("taken", String.class));
            hub.client.scheduleNewOrchestrationInstance("Wait", null, "taken");
            hub.client.raiseEvent("taken", "Go", "second");
            Check.same("output", "second", hub.result("taken", String.class));
        });

        suite.add("an-id-can-be-used-after-failure-and-termination", "3.2", hub -> {
            hub.orchestrator("Fate", context -> {
                if (context.getInput(int.class) == 0) {
                    throw new IllegalStateException("first time");
                }
                context.complete(context.waitForExternalEvent("Go", String.class).await());
            }).start();
            hub.client.scheduleNewOrchestrationInstance("Fate", 0, "phoenix");
            Check.same("first", OrchestrationRuntimeStatus.FAILED, hub.end("phoenix")
                .getRuntimeStatus());
            hub.client.scheduleNewOrchestrationInstance("Fate", 1, "phoenix");
            hub.client.terminate("phoenix", null);
            Check.same("second", TERMINATED, hub.end("phoenix").getRuntimeStatus());
            hub.client.scheduleNewOrchestrationInstance("Fate", 1, "phoenix");
            hub.client.raiseEvent("phoenix", "Go", "third");
            Check.same("third", "third", hub.result("phoenix", String.class));
            Check.that("no failure is left", !hub.stub().getInstance(GetInstanceRequest.newBuilder()
                .setInstanceId("phoenix").setGetInputsAndOutputs(true).build())
                .getOrchestrationState().hasFailureDetails());
        });
    }

    private static void status(Suite suite) {
        suite.add("a-custom-status-is-there-when-the-start-is-known",
            "6.5 setCustomStatus, trap 11", hub -> {
            hub.orchestrator("Status", context -> {
                context.setCustomStatus("Started!");
                context.setCustomStatus(context.waitForExternalEvent("Set", Object.class).await());
            }).start();
            String id = hub.run("Status");
            OrchestrationMetadata state = hub.client.waitForInstanceStart(id, Hub.PATIENCE, true);
            Check.same("first", "Started!", state.readCustomStatusAs(String.class));
            hub.client.raiseEvent(id, "Set", Map.of("Hello", 45));
            Check.same("last", Map.of("Hello", 45), hub.completed(id)
                .readCustomStatusAs(Map.class));
        });

        suite.add("a-custom-status-can-be-cleared", "6.5 clearCustomStatus", hub -> {
            hub.orchestrator("Status", context -> {
                context.setCustomStatus("Started!");
                context.waitForExternalEvent("Clear").await();
                context.clearCustomStatus();
            }).start();
            String id = hub.run("Status");
            Check.same("first", "Started!",
                hub.client.waitForInstanceStart(id, Hub.PATIENCE, true)
                .readCustomStatusAs(String.class));
            hub.client.raiseEvent(id, "Clear");
            Check.same("fetched", false, hub.completed(id).isCustomStatusFetched());
        });
    }

    private static void versions(Suite suite) {
        suite.add("a-version-is-kept-and-none-stays-none",
            "6.5 optionVersionOverridesDefault, trap 17", hub -> {
            hub.orchestrator("V", context -> context.complete("x")).start();
            for (String version : new String[] {null, "", "0.9", "1.0"}) {
                String id = hub.client.scheduleNewOrchestrationInstance("V",
                    new NewOrchestrationInstanceOptions().setVersion(version));
                hub.completed(id);
                OrchestrationState state = hub.stub().getInstance(
                    GetInstanceRequest.newBuilder().setInstanceId(id).build())
                    .getOrchestrationState();
                Check.same("version present", version != null, state.hasVersion());
                Check.same("version", version == null ? "" : version, state.getVersion()
                    .getValue());
            }
        });
    }

    private static void hubs(Suite suite) {
        suite.add("task-hubs-know-nothing-of-each-other", "2.2", hub -> {
            hub.orchestrator("Where", context -> context.complete("here")).start();
            try (Hub other = new Hub(hub.host, hub.port, "other-of-" + hub.name.substring(0, 20))) {
                other.orchestrator("Where", context -> context.complete("there")).start();
                hub.client.scheduleNewOrchestrationInstance("Where", null, "same-id");
                other.client.scheduleNewOrchestrationInstance("Where", null, "same-id");
                Check.same("output", "here", hub.result("same-id", String.class));
                Check.same("output", "there", other.result("same-id", String.class));
                Check.same("purged there", 1, other.client.purgeInstance("same-id")
                    .getDeletedInstanceCount());
                Check.that("still here", hub.client.getInstanceMetadata("same-id", false)
                    .isInstanceFound());
            }
        });

        suite.add("a-task-hub-can-be-made-wiped-and-deleted", "2.6 CreateTaskHub, DeleteTaskHub",
            hub -> {
            hub.client.createTaskHub(false);
            hub.client.scheduleNewOrchestrationInstance("Nobody", null, "a");
            hub.client.createTaskHub(false);
            Check.that("kept", hub.client.getInstanceMetadata("a", false).isInstanceFound());
            hub.client.createTaskHub(true);
            Check.that("wiped", !hub.client.getInstanceMetadata("a", false).isInstanceFound());
            hub.client.scheduleNewOrchestrationInstance("Nobody", null, "b");
            hub.client.deleteTaskHub();
            Check.that("deleted", !hub.client.getInstanceMetadata("b", false).isInstanceFound());
            hub.client.deleteTaskHub();
        });
    }
}
