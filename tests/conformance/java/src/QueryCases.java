/* SPDX-License-Identifier: MIT
 *
 * Queries over many instances with their pages, and purging.
 */
import com.microsoft.durabletask.*;
import java.time.*;
import java.util.*;
import java.util.stream.*;

final class QueryCases {
    private QueryCases() {}

    private static final OrchestrationRuntimeStatus COMPLETED =
        OrchestrationRuntimeStatus.COMPLETED;
    private static final OrchestrationRuntimeStatus RUNNING = OrchestrationRuntimeStatus.RUNNING;

    private static Set<String> ids(OrchestrationStatusQueryResult result) {
        return result.getOrchestrationState().stream().map(OrchestrationMetadata::getInstanceId)
            .collect(Collectors.toCollection(TreeSet::new));
    }

    private static Set<String> ids(Hub hub, OrchestrationStatusQuery query) {
        return ids(hub.client.queryInstances(query));
    }

    /** Quick ends with its input plus one, Wait waits for the event Go. */
    private static Hub twoKinds(Hub hub) {
        return hub.orchestrator("Quick", context ->
            context.complete(context.getInput(int.class) + 1))
            .orchestrator("Wait", context -> context.waitForExternalEvent("Go").await()).start();
    }

    private static Set<String> named(String prefix, int from, int to) {
        return IntStream.range(from, to).mapToObj(i -> prefix + i)
            .collect(Collectors.toCollection(TreeSet::new));
    }

    static void add(Suite suite) {
        suite.add("queries-filter-by-time-status-and-prefix",
            "6.5 multiInstanceQuery (disabled there)", hub -> {
            twoKinds(hub);
            Instant t0 = Instant.now();
            for (int i = 0; i < 5; i++) {
                hub.client.scheduleNewOrchestrationInstance("Quick", i, "sequence_" + i);
                hub.completed("sequence_" + i);
            }
            Thread.sleep(50);
            Instant t1 = Instant.now();
            Thread.sleep(50);
            for (int i = 0; i < 5; i++) {
                hub.client.scheduleNewOrchestrationInstance("Wait", String.valueOf(i), "open_" + i);
            }
            for (int i = 0; i < 5; i++) {
                hub.until("open_" + i, RUNNING);
            }
            Instant t2 = Instant.now().plusSeconds(1);
            Set<String> first = named("sequence_", 0, 5);
            Set<String> second = named("open_", 0, 5);
            Set<String> all = new TreeSet<>(first);
            all.addAll(second);
            Check.same("no filter", all, ids(hub, new OrchestrationStatusQuery()));
            Check.same("completed", first, ids(hub, new OrchestrationStatusQuery()
                .setRuntimeStatusList(List.of(COMPLETED))));
            Check.same("running", second, ids(hub, new OrchestrationStatusQuery()
                .setRuntimeStatusList(List.of(RUNNING))));
            Check.same("either", all,
                ids(hub, new OrchestrationStatusQuery()
                .setRuntimeStatusList(List.of(RUNNING, COMPLETED))));
            Check.same("failed", Set.of(), ids(hub, new OrchestrationStatusQuery()
                .setRuntimeStatusList(List.of(OrchestrationRuntimeStatus.FAILED))));
            Check.same("from t0", all, ids(hub, new OrchestrationStatusQuery()
                .setCreatedTimeFrom(t0)));
            Check.same("from t1", second, ids(hub, new OrchestrationStatusQuery()
                .setCreatedTimeFrom(t1)));
            Check.same("to t1", first, ids(hub, new OrchestrationStatusQuery()
                .setCreatedTimeTo(t1)));
            Check.same("t1 to t2", second,
                ids(hub, new OrchestrationStatusQuery().setCreatedTimeFrom(t1)
                .setCreatedTimeTo(t2)));
            Check.same("from t2", Set.of(), ids(hub, new OrchestrationStatusQuery()
                .setCreatedTimeFrom(t2)));
            Check.same("to t0", Set.of(), ids(hub, new OrchestrationStatusQuery()
                .setCreatedTimeTo(t0.minusSeconds(1))));
            Check.same("prefix", Set.of("sequence_3"),
                ids(hub, new OrchestrationStatusQuery().setInstanceIdPrefix("sequence_3")));
            Check.same("prefix and status", second, ids(hub, new OrchestrationStatusQuery()
                .setInstanceIdPrefix("open").setRuntimeStatusList(List.of(RUNNING))));
            for (int i = 0; i < 5; i++) {
                hub.client.raiseEvent("open_" + i, "Go");
                hub.completed("open_" + i);
            }
            Check.same("all completed now", all,
                ids(hub, new OrchestrationStatusQuery().setRuntimeStatusList(List.of(COMPLETED))));
        }).waits(3);

        suite.add("queries-give-payloads-only-when-asked", "6.5 multiInstanceQuery, 2.8", hub -> {
            twoKinds(hub);
            hub.client.scheduleNewOrchestrationInstance("Quick", 41, "q");
            hub.completed("q");
            OrchestrationMetadata bare = hub.client.queryInstances(new OrchestrationStatusQuery())
                .getOrchestrationState().get(0);
            Check.thrown(IllegalStateException.class, () -> bare.readOutputAs(Integer.class));
            Check.that("no output " + bare.getSerializedOutput(), bare.getSerializedOutput() == null
                || bare.getSerializedOutput().isEmpty());
            OrchestrationMetadata full = hub.client.queryInstances(
                new OrchestrationStatusQuery().setFetchInputsAndOutputs(true))
                .getOrchestrationState().get(0);
            Check.same("input", 41, full.readInputAs(Integer.class));
            Check.same("output", 42, full.readOutputAs(Integer.class));
        });

        suite.add("pages-of-any-size-give-every-instance-once",
            "6.5 multiInstanceQuery, 6.6 GetInstances_AsPages", hub -> {
            Set<String> all = named("page-", 10, 31);
            twoKinds(hub);
            for (String id : all) {
                hub.client.scheduleNewOrchestrationInstance("Quick", 1, id);
            }
            for (int size : new int[] {1, 5, 7, 20, 21, 22, 1000}) {
                List<String> seen = new ArrayList<>();
                String token = null;
                int pages = 0;
                do {
                    OrchestrationStatusQuery query = new OrchestrationStatusQuery()
                        .setMaxInstanceCount(size);
                    OrchestrationStatusQueryResult result = hub.client.queryInstances(
                        token == null ? query : query.setContinuationToken(token));
                    seen.addAll(result.getOrchestrationState().stream()
                        .map(OrchestrationMetadata::getInstanceId)
                        .collect(Collectors.toList()));
                    token = result.getContinuationToken();
                    pages++;
                    Check.that("pages end", pages < 30);
                } while (token != null && !token.isEmpty());
                Check.same("pages of " + size, (21 + size - 1) / size, pages);
                Check.same("rows", 21, seen.size());
                Check.same("all of them", all, new TreeSet<>(seen));
            }
            OrchestrationStatusQueryResult five = hub.client.queryInstances(
                new OrchestrationStatusQuery().setMaxInstanceCount(5));
            Check.same("another size goes on where the first stopped", 4, hub.client.queryInstances(
                new OrchestrationStatusQuery().setMaxInstanceCount(4)
                .setContinuationToken(five.getContinuationToken()))
                .getOrchestrationState().stream()
                .filter(s -> !ids(five).contains(s.getInstanceId())).count() + 0L == 4L
                ? 4 : -1);
        }).waits(2);

        suite.add("a-purged-instance-is-gone", "6.5 purgeInstanceId", hub -> {
            twoKinds(hub);
            String id = hub.run("Quick", 1);
            hub.completed(id);
            Check.same("count", 1, hub.client.purgeInstance(id).getDeletedInstanceCount());
            Check.that("gone", !hub.client.getInstanceMetadata(id, true).isInstanceFound());
            Check.same("again", 0, hub.client.purgeInstance(id).getDeletedInstanceCount());
            Check.same("query", Set.of(), ids(hub, new OrchestrationStatusQuery()));
        });

        suite.add("a-live-instance-is-not-purged", "2.6 PurgeInstances", hub -> {
            twoKinds(hub);
            String id = hub.run("Wait");
            hub.until(id, RUNNING);
            Check.same("count", 0, hub.client.purgeInstance(id).getDeletedInstanceCount());
            hub.client.raiseEvent(id, "Go");
            hub.completed(id);
        });

        suite.add("a-filtered-purge-takes-just-what-matches", "6.5 purgeInstanceFilter", hub -> {
            twoKinds(hub);
            for (int i = 0; i < 3; i++) {
                hub.client.scheduleNewOrchestrationInstance("Quick", i, "old-" + i);
                hub.completed("old-" + i);
            }
            Thread.sleep(50);
            Instant middle = Instant.now();
            Thread.sleep(50);
            for (int i = 0; i < 2; i++) {
                hub.client.scheduleNewOrchestrationInstance("Quick", i, "new-" + i);
                hub.completed("new-" + i);
                hub.client.scheduleNewOrchestrationInstance("Wait", null, "dead-" + i);
                hub.client.terminate("dead-" + i, null);
                hub.end("dead-" + i);
            }
            Instant from = Instant.EPOCH;
            Check.same("failed ones", 0, hub.client.purgeInstances(new PurgeInstanceCriteria()
                .setCreatedTimeFrom(from)
                .setRuntimeStatusList(List.of(OrchestrationRuntimeStatus.FAILED)))
                .getDeletedInstanceCount());
            Check.same("terminated since the middle", 2,
                hub.client.purgeInstances(new PurgeInstanceCriteria()
                .setCreatedTimeFrom(middle).setRuntimeStatusList(
                List.of(OrchestrationRuntimeStatus.TERMINATED)))
                .getDeletedInstanceCount());
            Check.same("up to the middle", 3, hub.client.purgeInstances(new PurgeInstanceCriteria()
                .setCreatedTimeFrom(from).setCreatedTimeTo(middle)).getDeletedInstanceCount());
            Check.same("left", Set.of("new-0", "new-1"), ids(hub, new OrchestrationStatusQuery()));
            Instant first = hub.client.getInstanceMetadata("new-0", false).getCreatedAt();
            Check.same("the lower bound belongs to it", 2,
                hub.client.purgeInstances(new PurgeInstanceCriteria()
                .setCreatedTimeFrom(first).setRuntimeStatusList(List.of(COMPLETED)))
                .getDeletedInstanceCount());
        }).waits(2);

        suite.add("a-purge-keeps-its-deadline", "6.5 purgeInstanceFilterTimeout", hub -> {
            twoKinds(hub);
            for (int i = 0; i < 3; i++) {
                hub.completed(hub.run("Quick", i));
            }
            Check.thrown(java.util.concurrent.TimeoutException.class,
                () -> hub.client.purgeInstances(
                new PurgeInstanceCriteria().setCreatedTimeFrom(Instant.EPOCH)
                .setTimeout(Duration.ofNanos(1))));
        });
    }
}
