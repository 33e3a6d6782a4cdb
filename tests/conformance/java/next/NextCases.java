/* SPDX-License-Identifier: MIT
 *
 * Cases for Java SDKs from 1.9 on (entities, locks, versions, tags, filters) and newer (histories,
 * lists of IDs).
 * Central has none of them yet; they are compiled when test_java.sh is given such an SDK, see
 * there.
 */
import com.microsoft.durabletask.*;
import com.microsoft.durabletask.DurableTaskGrpcWorkerVersioningOptions.*;
import com.microsoft.durabletask.azuremanaged.*;
import com.microsoft.durabletask.history.*;
import io.grpc.Status;
import java.time.*;
import java.util.*;
import java.util.stream.*;

final class NextCases {
    private NextCases() {}

    static void add(Suite suite) {
        NextEntityCases.add(suite);
        versions(suite);
        tagsAndFilters(suite);
        lists(suite);
        failures(suite);
        rewind(suite);
    }

    private static DurableTaskGrpcWorkerVersioningOptions versioning(VersionMatchStrategy match,
        VersionFailureStrategy fail) {
        return new DurableTaskGrpcWorkerVersioningOptions("1.0", "1.0", match, fail);
    }

    private static Hub saysVersion(Hub hub) {
        return hub.activity("Say", context -> "v" + context.getInput(String.class))
            .orchestrator("Version", context ->
                context.complete(context.callActivity("Say", context.getVersion(), String.class)
                    .await()));
    }

    private static NewOrchestrationInstanceOptions version(String version) {
        return new NewOrchestrationInstanceOptions().setVersion(version);
    }

    private static void versions(Suite suite) {
        suite.add("a-client-s-default-version-reaches-the-context",
            "6.5 defaultVersionPassedThroughToContext", hub -> {
            saysVersion(hub).start();
            DurableTaskClient client = new DurableTaskGrpcClientBuilder().grpcChannel(hub.channel())
                .defaultVersion("1.2").build();
            Check.same("default", "v1.2", hub.result(
                client.scheduleNewOrchestrationInstance("Version"), String.class));
            Check.same("option", "v2.0",
                hub.result(client.scheduleNewOrchestrationInstance("Version", version("2.0")),
                String.class));
        });
        for (String each : new String[] {"", "0.9", "1.0", "1.1"}) {
            String name = each.isEmpty() ? "none" : each.replace('.', '-');
            suite.add("a-worker-of-1-0-or-older-gets-version-" + name, "6.5 CurrentOrOlder(" + each
                + ")", hub -> {
                saysVersion(hub).start(hub.builder().useVersioning(
                    versioning(VersionMatchStrategy.CURRENTOROLDER, VersionFailureStrategy.FAIL)));
                ends(hub, each, !each.equals("1.1"));
            });
            suite.add("a-strict-worker-of-1-0-gets-version-" + name, "6.5 Strict(" + each + ")",
                hub -> {
                saysVersion(hub).start(hub.builder().useVersioning(
                    versioning(VersionMatchStrategy.STRICT, VersionFailureStrategy.FAIL)));
                ends(hub, each, each.equals("1.0"));
            });
        }
        for (String each : new String[] {"null", "", "0.9"}) {
            suite.add("a-sub-orchestration-of-version-"
                + (each.isEmpty() ? "empty" : each.replace('.', '-')),
                "6.5 versionsAppliedToSubOrchestration(" + each + ")", hub -> {
                    saysVersion(hub).orchestrator("Parent", context -> {
                        NewSubOrchestrationInstanceOptions options =
                            new NewSubOrchestrationInstanceOptions();
                        if (!each.equals("null")) {
                            options.setVersion(each);
                        }
                        context.complete(context.callSubOrchestrator("Version", null, null, options,
                            String.class).await());
                    }).start(hub.builder().useVersioning(
                        versioning(VersionMatchStrategy.CURRENTOROLDER,
                        VersionFailureStrategy.FAIL)));
                    Check.same("output", "v" + (each.equals("null") ? "1.0" : each), hub.result(
                        hub.client.scheduleNewOrchestrationInstance("Parent", version("1.0")),
                        String.class));
                });
        }
        suite.add("a-rejected-version-waits-for-another-worker",
            "3.18 abandon with a delay, trap 28", hub -> {
            saysVersion(hub).start(hub.builder().useVersioning(
                versioning(VersionMatchStrategy.STRICT, VersionFailureStrategy.REJECT)));
            String id = hub.client.scheduleNewOrchestrationInstance("Version", version("3.0"));
            Thread.sleep(2000);
            Check.same("status", OrchestrationRuntimeStatus.PENDING,
                hub.client.getInstanceMetadata(id, false).getRuntimeStatus());
            hub.start();
            Check.same("output", "v3.0", hub.result(id, String.class));
        }).waits(5);
    }

    private static void ends(Hub hub, String version, boolean well) throws Exception {
        OrchestrationMetadata state = hub.end(
            hub.client.scheduleNewOrchestrationInstance("Version", version(version)));
        Check.same("status", well ? OrchestrationRuntimeStatus.COMPLETED
            : OrchestrationRuntimeStatus.FAILED,
            state.getRuntimeStatus());
        if (well) {
            Check.same("output", "v" + version, state.readOutputAs(String.class));
        }
    }

    private static void tagsAndFilters(Suite suite) {
        suite.add("tags-are-kept", "6.5 newOrchestrationWithTags", hub -> {
            hub.orchestrator("T", context -> context.complete("x")).start();
            Map<String, String> tags = Map.of("environment", "test", "purpose", "tagged ünïcode",
                "empty", "");
            String id = hub.client.scheduleNewOrchestrationInstance("T",
                new NewOrchestrationInstanceOptions().setTags(tags));
            Check.same("tags", tags, hub.completed(id).getTags());
        });

        suite.add("a-filtered-worker-only-gets-what-it-names", "2.5 filters", hub -> {
            hub.activity("Mine", context -> "mine").activity("Other", context -> "other")
                .orchestrator("A", context ->
                context.complete(context.callActivity("Mine", String.class).await()))
                .orchestrator("B", context ->
                context.complete(context.callActivity("Other", String.class).await()));
            hub.start(hub.builder().useWorkItemFilters(
                WorkItemFilter.newBuilder().addOrchestration("A").addActivity("Mine").build()));
            String a = hub.run("A");
            String b = hub.run("B");
            Check.same("A", "mine", hub.result(a, String.class));
            Thread.sleep(1500);
            Check.same("B", OrchestrationRuntimeStatus.PENDING,
                hub.client.getInstanceMetadata(b, false).getRuntimeStatus());
            hub.start(hub.builder().useWorkItemFilters(
                WorkItemFilter.newBuilder().addOrchestration("B").build()));
            hub.until(b, OrchestrationRuntimeStatus.RUNNING);
            Thread.sleep(1500);
            Check.same("its activity waits", OrchestrationRuntimeStatus.RUNNING,
                hub.client.getInstanceMetadata(b, false).getRuntimeStatus());
            hub.start(hub.builder().useWorkItemFilters());
            Check.same("B", "other", hub.result(b, String.class));
        }).waits(3);

        suite.add("filters-look-at-versions", "2.5 filters", hub -> {
            hub.orchestrator("V", context -> context.complete("ran"));
            hub.start(hub.builder().useWorkItemFilters(
                WorkItemFilter.newBuilder().addOrchestration("V", List.of("1.0", "1.5")).build()));
            String two = hub.client.scheduleNewOrchestrationInstance("V", version("2.0"));
            String none = hub.run("V");
            for (String each : List.of("1.0", "1.5")) {
                Check.same(each, "ran",
                    hub.result(hub.client.scheduleNewOrchestrationInstance("V", version(each)),
                    String.class));
            }
            Thread.sleep(1000);
            for (String each : List.of(two, none)) {
                Check.same(each, OrchestrationRuntimeStatus.PENDING,
                    hub.client.getInstanceMetadata(each, false).getRuntimeStatus());
            }
            hub.start();
            Check.same("2.0", "ran", hub.result(two, String.class));
            Check.same("none", "ran", hub.result(none, String.class));
        }).waits(1);

        suite.add("a-connection-string-names-server-and-hub", "2.2 connection strings", hub -> {
            String text = "Endpoint=http://" + hub.host + ":" + hub.port + ";TaskHub=" + hub.name
                + ";Authentication=None";
            hub.orchestrator("C", context -> context.complete("connected"));
            DurableTaskGrpcWorkerBuilder builder =
                DurableTaskSchedulerWorkerExtensions.createWorkerBuilder(text);
            hub.orchestrators.forEach((name, body) ->
                builder.addOrchestration(new TaskOrchestrationFactory() {
                public String getName() { return name; }
                public TaskOrchestration create() { return body; }
            }));
            hub.start(builder);
            try (DurableTaskClient client =
                    DurableTaskSchedulerClientExtensions.createClientBuilder(text).build()) {
                String id = client.scheduleNewOrchestrationInstance("C");
                Check.same("output", "connected",
                    client.waitForInstanceCompletion(id, Hub.PATIENCE, true)
                    .readOutputAs(String.class));
                Check.same("the same hub", "connected", hub.result(id, String.class));
            }
        });
    }

    private static void lists(Suite suite) {
        suite.add("ended-instances-are-listed-by-their-end",
            "6.5 listInstanceIdsByCompletionWindow", hub -> {
            hub.orchestrator("Quick", context -> context.complete("x"))
                .orchestrator("Wait", context -> context.waitForExternalEvent("Go").await())
                .start();
            for (int i = 0; i < 5; i++) {
                hub.client.scheduleNewOrchestrationInstance("Quick", null, "q" + i);
                hub.completed("q" + i);
            }
            Instant middle = Instant.now();
            Thread.sleep(20);
            hub.client.scheduleNewOrchestrationInstance("Quick", null, "later");
            hub.completed("later");
            hub.run("Wait");
            List<String> all = List.of("q0", "q1", "q2", "q3", "q4", "later");
            Check.same("all", all, hub.client.listInstanceIds(new ListInstanceIdsQuery())
                .getInstanceIds());
            Check.same("since", List.of("later"), hub.client.listInstanceIds(
                new ListInstanceIdsQuery().setCompletedTimeFrom(middle)).getInstanceIds());
            Check.same("until", all.subList(0, 5),
                hub.client.listInstanceIds(new ListInstanceIdsQuery()
                .setCompletedTimeTo(middle).setRuntimeStatusList(
                List.of(OrchestrationRuntimeStatus.COMPLETED))).getInstanceIds());
            List<String> seen = new ArrayList<>();
            String token = null;
            do {
                ListInstanceIdsQuery query = new ListInstanceIdsQuery().setPageSize(4);
                ListInstanceIdsResult page = hub.client.listInstanceIds(token == null ? query
                    : query.setContinuationToken(token));
                seen.addAll(page.getInstanceIds());
                token = page.getContinuationToken();
            } while (token != null && !token.isEmpty());
            Check.same("pages", all, seen);
        });

        suite.add("a-history-has-all-events-in-order",
            "6.5 getOrchestrationHistoryReturnsDomainEvents, trap 12", hub -> {
            hub.activity("PlusOne", context -> context.getInput(int.class) + 1)
                .orchestrator("H", context -> {
                int value = context.callActivity("PlusOne", context.getInput(int.class), int.class)
                    .await();
                context.createTimer(Duration.ZERO).await();
                context.complete(value);
            }).start();
            String id = hub.run("H", 41);
            hub.completed(id);
            List<String> kinds = hub.client.getOrchestrationHistory(id).stream()
                .map(event -> event.getClass().getSimpleName().replace("Event", ""))
                .collect(Collectors.toList());
            Check.same("history", List.of("OrchestratorStarted", "ExecutionStarted",
                "TaskScheduled", "OrchestratorStarted",
                "TaskCompleted", "TimerCreated", "OrchestratorStarted", "TimerFired",
                "ExecutionCompleted"), kinds);
            Check.refused(Status.Code.NOT_FOUND,
                () -> hub.client.getOrchestrationHistory("nobody"));
        });

        suite.add("a-child-knows-its-parent", "3.10 parentInstance", hub -> {
            hub.orchestrator("Child", context ->
                context.complete(context.getParentInstance().getInstanceId()))
                .orchestrator("Parent", context ->
                    context.complete(context.callSubOrchestrator("Child", null, String.class)
                        .await())).start();
            String id = hub.run("Parent");
            Check.same("parent", id, hub.result(id, String.class));
        });

        suite.add("large-completions-in-chunks-are-put-together", "6.6 Autochunk", hub -> {
            String big = "x".repeat(100_000);
            hub.activity("Length", context -> context.getInput(String.class).length())
                .orchestrator("Big", context -> {
                List<Task<Integer>> tasks = IntStream.range(0, 25)
                    .mapToObj(i -> context.callActivity("Length", big, Integer.class))
                    .collect(Collectors.toList());
                context.complete(context.allOf(tasks).await().stream().mapToInt(i -> i).sum());
            }).start(hub.builder().setMaxChunkSizeBytes(1 << 20));
            Check.same("sum", 2_500_000, hub.result(hub.run("Big"), Integer.class));
        }).waits(2);
    }

    private static String describe(FailureDetails details) {
        Map<String, Object> properties = details.getProperties();
        return details.getErrorType().replaceAll(".*\\.", "") + " " + details.getErrorMessage()
            + " "
            + (properties == null ? null : new TreeMap<>(properties))
            + (details.getInnerFailure() == null ? "" : ", " + describe(details.getInnerFailure()));
    }

    private static void failures(Suite suite) {
        suite.add("inner-failures-and-properties-are-kept-on-their-way-up",
            "6.5 innerExceptionDetails, customExceptionProperties, nested (disabled there)",
            hub -> {
                IllegalStateException nested = new IllegalStateException("first",
                    new IllegalArgumentException("second",
                    new UnsupportedOperationException("third")));
                hub.activity("Throw", context -> { throw nested; })
                    .orchestrator("Sub", context -> { throw nested; })
                    .orchestrator("Top", context -> {
                        List<String> seen = new ArrayList<>();
                        try {
                            context.callActivity("Throw").await();
                        } catch (TaskFailedException error) {
                            seen.add(describe(error.getErrorDetails()));
                        }
                        try {
                            context.callSubOrchestrator("Sub", "", String.class).await();
                        } catch (TaskFailedException error) {
                            seen.add(describe(error.getErrorDetails()));
                        }
                        context.complete(seen);
                    });
                hub.start(hub.builder().exceptionPropertiesProvider(error ->
                    error instanceof IllegalArgumentException
                    ? new TreeMap<>(Map.of("text", "ä", "number", 7.5, "flag", true, "list",
                    List.of("one", List.of("two")),
                        "map", Map.of("deep", Map.of("deeper", "x")))) : null));
                String wanted = "IllegalStateException first null, "
                    + "IllegalArgumentException second {flag=true, "
                    + "list=[one, [two]], map={deep={deeper=x}}, number=7.5, text=ä}, "
                    + "UnsupportedOperationException third null";
                Check.same("activity, sub-orchestration", List.of(wanted, wanted),
                    hub.result(hub.run("Top"), List.class));
                Check.same("from outside", wanted,
                    describe(hub.end(hub.run("Sub")).getFailureDetails()));
            });

        suite.add("properties-of-an-orchestrator-s-own-failure",
            "6.5 directExceptionWithProperties", hub -> {
            hub.orchestrator("Bad", context -> { throw new IllegalArgumentException("direct"); });
            hub.start(hub.builder().exceptionPropertiesProvider(error -> Map.of("code", "E1")));
            FailureDetails details = hub.end(hub.run("Bad")).getFailureDetails();
            Check.same("message", "direct", details.getErrorMessage());
            Check.same("properties", Map.of("code", "E1"), details.getProperties());
        });
    }

    private static void rewind(Suite suite) {
        suite.add("a-rewound-instance-goes-on-from-its-failure",
            "endtoend rewind, 3.14, traps 9 and 10", hub -> {
            boolean[] healthy = {false};
            int[] ran = {0};
            hub.activity("Once", context -> ++ran[0]).activity("Flaky", context -> {
                if (!healthy[0]) {
                    throw new IllegalStateException("down");
                }
                return "up";
            }).orchestrator("Sub", context ->
                context.complete(context.callActivity("Flaky", String.class).await()))
                .orchestrator("Main", context -> {
                    int once = context.callActivity("Once", Integer.class).await();
                    context.complete(once + context.callSubOrchestrator("Sub", null, String.class)
                        .await());
                }).start();
            String id = hub.run("Main");
            Check.same("first", OrchestrationRuntimeStatus.FAILED, hub.end(id).getRuntimeStatus());
            healthy[0] = true;
            hub.client.rewindInstance(id, "it is up again");
            Check.same("output", "1up", hub.result(id, String.class));
            Check.same("what was done stays done", 1, ran[0]);
            Check.thrown(IllegalStateException.class,
                () -> hub.client.rewindInstance(id, "not failed"));
            Check.thrown(IllegalArgumentException.class,
                () -> hub.client.rewindInstance("nobody", "unknown"));
        });
    }
}
