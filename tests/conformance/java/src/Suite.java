/* SPDX-License-Identifier: MIT
 *
 * The conformance cases of the Java SDK against a server: many at once, each in its own hub.
 *
 *   Suite --target HOST:PORT [--jobs N] [--only TEXT] [--times] | --list
 *
 * One line a case, `ok NAME` or `FAILED NAME: why`; exit 1 when one failed. --list prints NAME and
 * the rows of the
 * specification's section 6 that it covers. Cases of newer SDKs are in folder next/ and join when
 * they were compiled.
 *
 * 1. Cases that wait most are started first, so that the whole takes as long as the longest.
 * 2. --jobs 1 runs them one after another: for servers that know no hubs.
 */
import java.util.*;
import java.util.concurrent.*;

public final class Suite {
    interface Body { void run(Hub hub) throws Exception; }

    static final class Case {
        final String name;
        final String rows;
        final Body body;
        int seconds;
        boolean defaultHub;

        Case(String name, String rows, Body body) {
            this.name = name;
            this.rows = rows;
            this.body = body;
        }

        /** About how long it has to wait. */
        Case waits(int seconds) {
            this.seconds = seconds;
            return this;
        }

        /** Names no hub, as programs that only know a port. */
        Case inDefaultHub() {
            defaultHub = true;
            return this;
        }
    }

    final List<Case> cases = new ArrayList<>();
    String host = "127.0.0.1";
    int port;
    int jobs = 24;
    String only = "";
    boolean times;
    boolean list;

    Case add(String name, String rows, Body body) {
        Case added = new Case(name, rows, body);
        cases.add(added);
        return added;
    }

    private void arguments(String[] arguments) {
        for (int i = 0; i < arguments.length; i++) {
            switch (arguments[i]) {
                case "--target":
                    host = arguments[++i].replaceAll(":\\d+$", "");
                    port = Integer.parseInt(arguments[i].replaceAll("^.*:", ""));
                    break;
                case "--jobs": jobs = Integer.parseInt(arguments[++i]); break;
                case "--only": only = arguments[++i]; break;
                case "--times": times = true; break;
                case "--list": list = true; break;
                default: throw new IllegalArgumentException(arguments[i]);
            }
        }
    }

    /** Null when all went well, else why not. */
    private String attempt(Case each) {
        String hubName = each.defaultHub ? null
            : each.name.substring(0, Math.min(45, each.name.length()));
        try (Hub hub = new Hub(host, port, hubName)) {
            each.body.run(hub);
            return null;
        } catch (Throwable error) {
            StackTraceElement at = Arrays.stream(error.getStackTrace())
                .filter(frame -> frame.getClassName().endsWith("Cases") || frame.getClassName()
                .contains("Cases$"))
                .findFirst().orElse(null);
            return error + (at == null ? "" : " (" + at.getFileName() + ":" + at.getLineNumber()
                + ")");
        }
    }

    private int run() throws InterruptedException {
        cases.removeIf(each -> !each.name.contains(only));
        if (list) {
            cases.forEach(each -> System.out.println(each.name + "\t" + each.rows));
            Crash.KINDS.forEach(kind -> System.out.println(kind.name + Crash.AFTER_KILLS
                + "\tserver restart in the middle\n" + kind.name + Crash.AFTER_WORKERS
                + "\tworker kill in the middle"));
            return 0;
        }
        cases.sort(Comparator.comparingInt((Case each) -> -each.seconds));
        ExecutorService pool = Executors.newFixedThreadPool(jobs);
        ConcurrentLinkedQueue<String> failed = new ConcurrentLinkedQueue<>();
        for (Case each : cases) {
            pool.execute(() -> {
                long began = System.nanoTime();
                String why = attempt(each);
                String took = times ? String.format(" (%.1f s)", (System.nanoTime() - began) / 1e9)
                    : "";
                if (why == null) {
                    System.out.println("ok " + each.name + took);
                } else {
                    failed.add(each.name);
                    System.out.println("FAILED " + each.name + ": " + why.replace('\n', ' ')
                        + took);
                }
            });
        }
        pool.shutdown();
        pool.awaitTermination(10, TimeUnit.MINUTES);
        return failed.isEmpty() ? 0 : 1;
    }

    public static void main(String[] arguments) throws Exception {
        Hub.quiet();
        Suite suite = new Suite();
        suite.arguments(arguments);
        BasicCases.add(suite);
        EventCases.add(suite);
        TimerCases.add(suite);
        LifeCases.add(suite);
        QueryCases.add(suite);
        FailureCases.add(suite);
        try {
            Class.forName("NextCases").getDeclaredMethod("add", Suite.class).invoke(null, suite);
        } catch (ClassNotFoundException old) {
            // This SDK has none of what they are about.
        }
        System.exit(suite.run());
    }
}
