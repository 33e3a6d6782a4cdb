/* SPDX-License-Identifier: MIT
 *
 * The crash part: work of every kind is started over some seconds, while the script kills the
 * server, and a second
 * worker process. Everything that was acknowledged must end, once and with the right output.
 *
 *   Crash --target HOST:PORT --seconds N             this process works too; the server is killed
 *   Crash --target HOST:PORT --seconds N --alone M   for M seconds it does not: the other worker
 * has all the work
 *                                                    when it is killed
 *   Crash --target HOST:PORT --worker                that other worker, until killed
 *
 * 1. A start or an event whose answer was lost is sent again. A start that was there already counts
 * as acknowledged;
 *    events have a name each, so that one that came twice is not taken for another.
 * 2. Activities may run twice, so they only compute. What must not happen twice shows in outputs: a
 * generation that
 *    was committed twice would appear twice in the list that continue-as-new hands on.
 * 3. A Java worker rests for 5 s after a broken stream, and works off one item at a time: there are
 * several.
 */
import com.microsoft.durabletask.*;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.IntFunction;
import java.util.stream.*;

public final class Crash {
    static final class Kind {
        final String name;
        final String orchestrator;
        final int events;
        final IntFunction<Object> output;

        Kind(String name, String orchestrator, int events, IntFunction<Object> output) {
            this.name = name;
            this.orchestrator = orchestrator;
            this.events = events;
            this.output = output;
        }
    }

    static final List<Kind> KINDS = List.of(
        new Kind("chains", "Chain", 0, n -> n + 6),
        new Kind("fan-outs", "Fan", 0, n -> 6 * n + 15),
        new Kind("sub-orchestrations", "Parent", 0, n -> 2 * n + 13),
        new Kind("timers", "Timers", 0, n -> "fired " + n),
        new Kind("events", "Events", 3, n -> List.of(n, n + 1, n + 2)),
        new Kind("generations", "Generations", 0, n -> List.of(0, 1, 2, 3)),
        new Kind("retries", "Retries", 0, n -> "always"));

    static final String AFTER_KILLS = "-survive-kills-of-the-server";
    static final String AFTER_WORKERS = "-survive-a-killed-worker";

    private static Task<Integer> sum(TaskOrchestrationContext context, int a, int b) {
        return context.callActivity("Add", new int[] {a, b}, Integer.class);
    }

    private static void register(Hub hub) {
        hub.activity("Add", context -> {
            int[] numbers = context.getInput(int[].class);
            Hub.sleep(30);
            return numbers[0] + numbers[1];
        }).activity("Fail", context -> {
            throw new IllegalStateException("always");
        }).orchestrator("Chain", context -> {
            int value = context.getInput(int.class);
            for (int i = 1; i <= 3; i++) {
                value = sum(context, value, i).await();
            }
            context.complete(value);
        }).orchestrator("Fan", context -> {
            int n = context.getInput(int.class);
            context.complete(context.allOf(IntStream.range(0, 6).mapToObj(i -> sum(context, n, i))
                .collect(Collectors.toList())).await().stream().mapToInt(i -> i).sum());
        }).orchestrator("Parent", context -> {
            int n = context.getInput(int.class);
            Task<Integer> first = context.callSubOrchestrator("Chain", n, Integer.class);
            Task<Integer> second = context.callSubOrchestrator("Chain", n + 1,
                context.getInstanceId() + "-second",
                Integer.class);
            context.complete(first.await() + second.await());
        }).orchestrator("Timers", context -> {
            for (int i = 0; i < 3; i++) {
                context.createTimer(Duration.ofMillis(400)).await();
            }
            context.complete("fired " + context.getInput(int.class));
        }).orchestrator("Events", context -> {
            List<Integer> heard = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                heard.add(context.waitForExternalEvent("E" + i, Integer.class).await());
            }
            context.complete(heard);
        }).orchestrator("Generations", context -> {
            // The first generation's input is a number.
            Object input = context.getInput(Object.class);
            List<Object> seen = input instanceof List ? new ArrayList<>((List<?>) input)
                : new ArrayList<>();
            if (seen.size() < 3) {
                sum(context, 0, 1).await();
                seen.add(seen.size());
                context.continueAsNew(seen);
            }
            seen.add(seen.size());
            context.complete(seen);
        }).orchestrator("Retries", context -> {
            try {
                context.callActivity("Fail", null,
                    new TaskOptions(new RetryPolicy(4, Duration.ofMillis(100)))).await();
            } catch (TaskFailedException last) {
                context.complete(last.getErrorDetails().getErrorMessage());
            }
        });
    }

    /** Calls until the server has answered; wasThere is the answer when an earlier one was lost. */
    private static <T> T insist(Callable<T> call, Callable<T> wasThere) throws Exception {
        boolean sent = false;
        for (long limit = System.nanoTime() + Hub.PATIENCE.toNanos();; Thread.sleep(50)) {
            try {
                return call.call();
            } catch (StatusRuntimeException error) {
                Status.Code code = error.getStatus().getCode();
                if (sent && code == Status.Code.ALREADY_EXISTS) {
                    return wasThere.call();
                }
                // The second is how newer versions of gRPC tell of a connection that broke early.
                boolean lost = code == Status.Code.UNAVAILABLE || (code == Status.Code.UNKNOWN
                    && "channel closed".equals(error.getStatus().getDescription()));
                if (!lost || System.nanoTime() > limit) {
                    throw error;
                }
                sent = true;
            }
        }
    }

    private static void one(Hub hub, Kind kind, int n) throws Exception {
        String id = kind.orchestrator + "-" + n;
        insist(() -> hub.client.scheduleNewOrchestrationInstance(kind.orchestrator, n, id),
            () -> id);
        for (int i = 0; i < kind.events; i++) {
            String name = "E" + i;
            int payload = n + i;
            insist(() -> {
                hub.client.raiseEvent(id, name, payload);
                return null;
            }, () -> null);
        }
        OrchestrationMetadata state = insist(
            () -> hub.client.waitForInstanceCompletion(id, Hub.PATIENCE.multipliedBy(2), true),
            () -> null);
        Check.same("status of " + id, OrchestrationRuntimeStatus.COMPLETED,
            state.getRuntimeStatus());
        Check.same("output of " + id, kind.output.apply(n), state.readOutputAs(Object.class));
    }

    private static int drive(Hub hub, int seconds, int alone) throws Exception {
        int first = alone > 0 ? 1 << 20 : 0;
        new Timer(true).schedule(new TimerTask() {
            @Override
            public void run() {
                for (int i = 0; i < 3; i++) {
                    hub.start();
                }
            }
        }, alone * 1000L);
        Map<String, String> wrong = new ConcurrentHashMap<>();
        ExecutorService pool = Executors.newCachedThreadPool();
        int next = first;
        for (long end = System.nanoTime()
            + seconds * 1_000_000_000L; System.nanoTime() < end; Thread.sleep(600)) {
            int n = next++;
            for (Kind kind : KINDS) {
                pool.execute(() -> {
                    try {
                        one(hub, kind, n);
                    } catch (Throwable error) {
                        wrong.put(kind.name, error.toString());
                    }
                });
            }
        }
        pool.shutdown();
        pool.awaitTermination(5, TimeUnit.MINUTES);
        String suffix = alone > 0 ? AFTER_WORKERS : AFTER_KILLS;
        for (Kind kind : KINDS) {
            String why = wrong.get(kind.name);
            System.out.println(why == null ? "ok " + kind.name + suffix : "FAILED " + kind.name
                + suffix + ": " + why);
        }
        System.out.println("     " + (next - first) * KINDS.size() + " instances");
        return wrong.isEmpty() ? 0 : 1;
    }

    public static void main(String[] arguments) throws Exception {
        Hub.quiet();
        String target = null;
        int seconds = 0;
        int alone = 0;
        boolean worker = false;
        for (int i = 0; i < arguments.length; i++) {
            switch (arguments[i]) {
                case "--target": target = arguments[++i]; break;
                case "--seconds": seconds = Integer.parseInt(arguments[++i]); break;
                case "--alone": alone = Integer.parseInt(arguments[++i]); break;
                case "--worker": worker = true; break;
                default: throw new IllegalArgumentException(arguments[i]);
            }
        }
        String[] parts = target.split(":");
        Hub hub = new Hub(parts[0], Integer.parseInt(parts[1]), "java-crash");
        register(hub);
        if (worker) {
            for (int i = 0; i < 3; i++) {
                hub.start();
            }
            Thread.sleep(Long.MAX_VALUE);
        }
        System.exit(drive(hub, seconds, alone));
    }
}
