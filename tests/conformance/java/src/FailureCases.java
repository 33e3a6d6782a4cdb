/* SPDX-License-Identifier: MIT
 *
 * Failures of orchestrators, activities and sub-orchestrations; retries by policy and by handler.
 */
import com.microsoft.durabletask.*;
import com.microsoft.durabletask.implementation.protobuf.OrchestratorService.*;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;

final class FailureCases {
    private FailureCases() {}

    private static final String FAILED_TASK = "com.microsoft.durabletask.TaskFailedException";

    private static FailureDetails failed(Hub hub, String id) throws Exception {
        OrchestrationMetadata state = hub.end(id);
        Check.same("status", OrchestrationRuntimeStatus.FAILED, state.getRuntimeStatus());
        Check.that("there are details", state.getFailureDetails() != null);
        return state.getFailureDetails();
    }

    static void add(Suite suite) {
        suite.add("an-exception-of-an-orchestrator-fails-it", "6.5 orchestratorException", hub -> {
            hub.orchestrator("Bad", context -> { throw new IllegalStateException(
                "Kah-BOOM: ünïcode"); }).start();
            FailureDetails details = failed(hub, hub.run("Bad", 1));
            Check.same("type", "java.lang.IllegalStateException", details.getErrorType());
            Check.same("message", "Kah-BOOM: ünïcode", details.getErrorMessage());
            Check.that("a stack trace", details.getStackTrace().contains("FailureCases"));
        });

        for (boolean handled : new boolean[] {true, false}) {
            suite.add("a-failed-activity-" + (handled ? "can-be-handled"
                : "fails-its-orchestration"),
                "6.5 activityException(" + handled + ")", hub -> {
                    hub.activity("Throw", context -> { throw new IllegalStateException(
                        "no way"); });
                    failing(hub, "Throw", handled, context -> context.callActivity("Throw")
                        .await());
                });
            suite.add("a-failed-sub-orchestration-"
                + (handled ? "can-be-handled" : "fails-its-parent"),
                "6.5 subOrchestrationException(" + handled + ")", hub -> {
                    hub.orchestrator("Throw",
                        context -> { throw new IllegalStateException("no way"); });
                    failing(hub, "Throw", handled,
                        context -> context.callSubOrchestrator("Throw", "", String.class).await());
                });
        }
        for (int attempts : new int[] {1, 2, 10}) {
            suite.add("an-activity-is-tried-" + attempts + "-times-by-policy",
                "6.5 retryActivityFailures(" + attempts + ")",
                hub -> retried(hub, attempts, true, false));
            suite.add("an-activity-is-tried-" + attempts + "-times-by-handler",
                "6.5 retryActivityFailuresWithCustomLogic(" + attempts + ")",
                hub -> retried(hub, attempts, true, true));
            suite.add("a-sub-orchestration-is-tried-" + attempts + "-times-by-policy",
                "6.5 retrySubOrchestratorFailures(" + attempts + ")",
                hub -> retried(hub, attempts, false, false));
            suite.add("a-sub-orchestration-is-tried-" + attempts + "-times-by-handler",
                "6.5 retrySubOrchestrationFailuresWithCustomLogic(" + attempts + ")",
                hub -> retried(hub, attempts, false, true));
        }

        suite.add("a-retry-succeeds-and-its-waits-grow", "3.11", hub -> {
            AtomicInteger tries = new AtomicInteger();
            hub.activity("Third", context -> {
                if (tries.incrementAndGet() < 3) {
                    throw new IllegalStateException("not yet");
                }
                return "third";
            }).orchestrator("Try", context ->
                context.complete(context.callActivity("Third", null, new TaskOptions(
                new RetryPolicy(5, Duration.ofMillis(500)).setBackoffCoefficient(2)), String.class)
                .await())).start();
            OrchestrationMetadata state = hub.completed(hub.run("Try"));
            Check.same("output", "third", state.readOutputAs(String.class));
            Check.that("0.5 s and 1 s were waited",
                Duration.between(state.getCreatedAt(), state.getLastUpdatedAt())
                .toMillis() >= 1500);
        }).waits(2);

        suite.add("a-child-with-a-fixed-id-can-be-tried-again", "3.10, trap 19", hub -> {
            AtomicInteger tries = new AtomicInteger();
            hub.orchestrator("Child", context -> {
                if (tries.incrementAndGet() < 4) {
                    throw new IllegalStateException("try " + tries.get());
                }
                context.complete("fourth");
            }).orchestrator("Parent", context ->
                context.complete(context.callSubOrchestrator("Child", null,
                "the-child", new TaskOptions(new RetryPolicy(6, Duration.ofMillis(1))),
                String.class).await())).start();
            Check.same("output", "fourth", hub.result(hub.run("Parent"), String.class));
            Check.same("the child's output", "fourth", hub.result("the-child", String.class));
        });

        suite.add("a-child-with-the-id-of-a-live-one-fails-and-does-not-hang", "3.10, trap 19",
            hub -> {
            hub.orchestrator("Wait", context -> context.waitForExternalEvent("Go").await())
                .orchestrator("Parent", context -> {
                    try {
                        context.callSubOrchestrator("Wait", null, "alive", Void.class).await();
                        context.complete("ran");
                    } catch (TaskFailedException taken) {
                        context.complete("failed");
                    }
                }).start();
            hub.client.scheduleNewOrchestrationInstance("Wait", null, "alive");
            hub.until("alive", OrchestrationRuntimeStatus.RUNNING);
            Check.same("output", "failed", hub.result(hub.run("Parent"), String.class));
            hub.client.raiseEvent("alive", "Go");
            hub.completed("alive");
        });

        suite.add("failure-details-of-an-activity-reach-the-top",
            "6.5 innerExceptionDetails, trap 25", hub -> {
            hub.activity("Throw", context -> {
                throw new IllegalArgumentException("first", new IllegalStateException("second"));
            }).orchestrator("Middle", context -> context.callActivity("Throw").await())
                .orchestrator("Top", context -> {
                    try {
                        context.callSubOrchestrator("Middle", "", String.class).await();
                    } catch (TaskFailedException error) {
                        FailureDetails details = error.getErrorDetails();
                        context.complete(details.getErrorType() + "|" + details.getErrorMessage()
                            + "|"
                            + details.getStackTrace().contains("second"));
                    }
                }).start();
            String text = hub.result(hub.run("Top"), String.class);
            Check.same("what the top saw", FAILED_TASK
                + "|Task 'Throw' (#0) failed with an unhandled exception: first|false", text);
        });

        suite.add("inner-failures-of-any-depth-are-kept",
            "6.5 innerExceptionDetails (disabled there), trap 25", hub -> {
            // This SDK makes no inner failures: the activity is answered through its own stub, and
            // then it must hold.
            TaskFailureDetails inner = TaskFailureDetails.newBuilder().setErrorType("C")
            .setErrorMessage("third")
                .setIsNonRetriable(true).build();
            TaskFailureDetails details = TaskFailureDetails.newBuilder().setErrorType("A")
                .setErrorMessage("first")
                .setStackTrace(com.google.protobuf.StringValue.of("at a"))
                .setInnerFailure(TaskFailureDetails.newBuilder().setErrorType("B")
                .setErrorMessage("second")
                    .setInnerFailure(inner)).build();
            String id = hub.run("Direct");
            var stub = hub.stub();
            var items = stub.getWorkItems(GetWorkItemsRequest.getDefaultInstance());
            OrchestratorRequest first = null;
            while (first == null) {
                WorkItem item = items.next();
                first = item.hasOrchestratorRequest() ? item.getOrchestratorRequest() : null;
            }
            stub.completeOrchestratorTask(OrchestratorResponse.newBuilder()
                .setInstanceId(first.getInstanceId())
                .addActions(OrchestratorAction.newBuilder().setId(0).setCompleteOrchestration(
                    CompleteOrchestrationAction.newBuilder()
                        .setOrchestrationStatus(OrchestrationStatus.ORCHESTRATION_STATUS_FAILED)
                        .setFailureDetails(details))).build());
            hub.end(id);
            Check.same("details", details, stub.getInstance(GetInstanceRequest.newBuilder()
                .setInstanceId(id)
                .setGetInputsAndOutputs(true).build()).getOrchestrationState().getFailureDetails());
        });
    }

    /** Orchestrator Main makes this call, which fails, and handles it or not. */
    private static void failing(Hub hub, String task, boolean handled,
        TaskOrchestration call) throws Exception {
        hub.orchestrator("Main", context -> {
            try {
                call.run(context);
            } catch (TaskFailedException error) {
                if (!handled) {
                    throw error;
                }
                FailureDetails details = error.getErrorDetails();
                context.complete(details.getErrorType() + ": " + details.getErrorMessage()
                    + (details.isCausedBy(IllegalStateException.class) ? "" : " of another class"));
            }
        }).start();
        String id = hub.run("Main", "");
        if (handled) {
            Check.same("output", "java.lang.IllegalStateException: no way",
                hub.result(id, String.class));
            return;
        }
        FailureDetails details = failed(hub, id);
        Check.same("type", FAILED_TASK, details.getErrorType());
        Check.same("message", "Task '" + task + "' (#0) failed with an unhandled exception: no way",
            details.getErrorMessage());
        Check.that("a stack trace", details.getStackTrace() != null && !details.getStackTrace()
            .isEmpty());
    }

    private static void retried(Hub hub, int attempts, boolean activity,
        boolean byHandler) throws Exception {
        AtomicInteger tries = new AtomicInteger();
        AtomicInteger asked = new AtomicInteger();
        hub.activity("Busted", context -> { throw new IllegalStateException("Error #"
            + tries.incrementAndGet()); });
        hub.orchestrator("BustedChild", context -> {
            throw new IllegalStateException("Error #" + tries.incrementAndGet());
        });
        hub.orchestrator("Main", context -> {
            TaskOptions options = byHandler ? new TaskOptions((RetryHandler) retry -> {
                if (!retry.getOrchestrationContext().getIsReplaying()) {
                    asked.incrementAndGet();
                }
                return retry.getLastFailure().isCausedBy(RuntimeException.class)
                    && retry.getLastAttemptNumber() < attempts;
            }) : new TaskOptions(new RetryPolicy(attempts, Duration.ofMillis(1)));
            if (activity) {
                context.callActivity("Busted", null, options).await();
            } else {
                context.callSubOrchestrator("BustedChild", null, null, options, String.class)
                    .await();
            }
        }).start();
        FailureDetails details = failed(hub, hub.run("Main", ""));
        Check.same("tries", attempts, tries.get());
        // A policy's waits are timers, and those take IDs too.
        int lastTask = byHandler ? attempts - 1 : 2 * attempts - 2;
        Check.same("message", "Task '" + (activity ? "Busted" : "BustedChild") + "' (#" + lastTask
            + ") failed with an unhandled exception: Error #" + attempts,
            details.getErrorMessage());
        Check.same("handler calls", byHandler ? attempts : 0, asked.get());
    }
}
