/* SPDX-License-Identifier: MIT
 *
 * Durable timers: that they wait as long as asked, and that the SDK's chunks of long ones are as
 * many as they must be,
 * which only holds when an episode's OrchestratorStarted is never earlier than the timer that woke
 * it.
 */
import com.microsoft.durabletask.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.*;

final class TimerCases {
    private TimerCases() {}

    private static void lasted(OrchestrationMetadata state, Duration wanted) {
        Duration took = Duration.between(state.getCreatedAt(), state.getLastUpdatedAt());
        Check.that("took " + took + ", wanted at least " + wanted, took.compareTo(wanted) >= 0);
        Check.that("took " + took + ", wanted about " + wanted,
            took.compareTo(wanted.plusSeconds(10)) < 0);
    }

    static void add(Suite suite) {
        suite.add("a-timer-waits-three-seconds", "6.5 singleTimer", hub -> {
            hub.orchestrator("Sleep", context -> context.createTimer(Duration.ofSeconds(3)).await())
                .start();
            lasted(hub.completed(hub.run("Sleep")), Duration.ofSeconds(3));
        }).waits(3);

        suite.add("a-timer-of-a-point-in-time-waits-for-it", "6.5 singleTimeStampTimer", hub -> {
            ZonedDateTime due = ZonedDateTime.now().plusSeconds(3);
            hub.orchestrator("Until", context -> context.createTimer(due).await()).start();
            OrchestrationMetadata state = hub.completed(hub.run("Until"));
            Check.that("not before " + due, !state.getLastUpdatedAt().isBefore(due.toInstant()));
        }).waits(3);

        suite.add("a-timer-of-the-past-fires-at-once", "5 timers", hub -> {
            hub.orchestrator("Past", context -> {
                context.createTimer(ZonedDateTime.now().minusHours(1)).await();
                context.complete("fired");
            }).start();
            Check.same("output", "fired", hub.result(hub.run("Past"), String.class));
        });

        suite.add("a-long-timer-in-chunks-runs-the-code-four-times",
            "6.5 longTimer (disabled there)", hub -> {
            AtomicInteger runs = new AtomicInteger();
            List<Instant> at = Collections.synchronizedList(new ArrayList<>());
            hub.maximumTimer = Duration.ofSeconds(2);
            hub.orchestrator("Long", context -> {
                runs.incrementAndGet();
                at.add(Instant.now());
                context.createTimer(Duration.ofSeconds(5)).await();
            }).start();
            lasted(hub.completed(hub.run("Long")), Duration.ofSeconds(5));
            Check.same("runs: the first, and after 2, 4 and 5 s", 4, runs.get());
            int[] chunks = {2, 2, 1};
            for (int i = 0; i < chunks.length; i++) {
                long took = Duration.between(at.get(i), at.get(i + 1)).toMillis();
                Check.that("chunk " + i + " took " + took + " ms",
                    Math.abs(took - chunks[i] * 1000L) < 900);
            }
        }).waits(5);

        suite.add("a-long-timer-of-a-point-in-time-runs-the-code-four-times",
            "6.5 longTimeStampTimer (disabled there)",
            hub -> {
                AtomicInteger runs = new AtomicInteger();
                hub.maximumTimer = Duration.ofSeconds(2);
                hub.orchestrator("Long", context -> {
                    if (!context.getInput(String.class).isEmpty()) {
                        runs.incrementAndGet();
                        context.createTimer(ZonedDateTime.parse(context.getInput(String.class)))
                            .await();
                    }
                }).start();
                // From here on nothing has to be opened and loaded.
                hub.completed(hub.run("Long", ""));
                ZonedDateTime due = ZonedDateTime.now().plus(Duration.ofMillis(5500));
                OrchestrationMetadata state = hub.completed(hub.run("Long", due.toString()));
                Check.that("not before " + due, !state.getLastUpdatedAt()
                    .isBefore(due.toInstant()));
                Check.same("runs: the first, and three chunks", 4, runs.get());
            }).waits(6);

        suite.add("an-event-overtakes-a-long-timer-in-chunks", "6.5 longTimerNonblocking", hub -> {
            hub.maximumTimer = Duration.ofSeconds(2);
            hub.orchestrator("Race", TimerCases::race).start();
            String id = hub.run("Race", 20);
            hub.client.raiseEvent(id, "Go", "now");
            OrchestrationMetadata state = hub.completed(id);
            Check.same("winner", "event", state.readOutputAs(String.class));
            Check.that("the timer did not block",
                Duration.between(state.getCreatedAt(), state.getLastUpdatedAt()).getSeconds() < 8);
        });

        suite.add("a-long-timer-in-chunks-ends-without-the-event",
            "6.5 longTimerNonblockingNoExternal", hub -> {
            hub.maximumTimer = Duration.ofSeconds(3);
            hub.orchestrator("Race", TimerCases::race).start();
            OrchestrationMetadata state = hub.completed(hub.run("Race", 10));
            Check.same("winner", "timer", state.readOutputAs(String.class));
            lasted(state, Duration.ofSeconds(10));
        }).waits(10);

        suite.add("twenty-timers-at-once-all-fire", "5 timers", hub -> {
            hub.orchestrator("Many", context -> {
                List<Task<Void>> timers = IntStream.range(0, 20)
                    .mapToObj(i -> context.createTimer(Duration.ofMillis(100L * (20 - i))))
                    .collect(Collectors.toList());
                context.complete(context.allOf(timers).await().size());
            }).start();
            OrchestrationMetadata state = hub.completed(hub.run("Many"));
            Check.same("fired", 20, state.readOutputAs(Integer.class));
            lasted(state, Duration.ofSeconds(2));
        }).waits(2);

        suite.add("a-start-in-the-future-stays-pending-until-then", "3.2 scheduledStartTimestamp",
            hub -> {
            hub.orchestrator("Later", context -> context.complete("ran")).start();
            hub.completed(hub.run("Later")); // From here on nothing has to be opened and loaded.
            Instant due = Instant.now().plusSeconds(3);
            String id = hub.client.scheduleNewOrchestrationInstance("Later",
                new NewOrchestrationInstanceOptions().setStartTime(due));
            Thread.sleep(1000);
            Check.same("status before", OrchestrationRuntimeStatus.PENDING,
                hub.client.getInstanceMetadata(id, false).getRuntimeStatus());
            OrchestrationMetadata state = hub.completed(id);
            Check.that("not before " + due, !state.getLastUpdatedAt().isBefore(due));
        }).waits(3);
    }

    private static void race(TaskOrchestrationContext context) {
        Task<String> event = context.waitForExternalEvent("Go", String.class);
        Task<Void> timer = context.createTimer(Duration.ofSeconds(context.getInput(int.class)));
        context.complete(context.anyOf(event, timer).await() == event ? "event" : "timer");
    }
}
