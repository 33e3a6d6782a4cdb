/* SPDX-License-Identifier: MIT
 *
 * What a case works with: a task hub of its own on the server under test, one SDK client and one
 * SDK worker in it.
 *
 * 1. The hub is named by metadata on the channel that is handed to the SDK; a name of null gives
 * the SDK no channel
 *    of ours but the port, as most programs do, and so the server's default hub.
 * 2. A Java worker works off one item after another on one thread; a case that needs more adds
 * workers.
 * 3. Closing deletes the hub, so that there are only as many as cases that run, and kills the
 * channels: the worker's
 *    thread, which nothing can stop in this SDK, starves and is a daemon.
 */
import com.microsoft.durabletask.*;
import com.microsoft.durabletask.implementation.protobuf.OrchestratorService.DeleteTaskHubRequest;
import com.microsoft.durabletask.implementation.protobuf.TaskHubSidecarServiceGrpc;
import io.grpc.*;
import io.grpc.stub.MetadataUtils;
import java.io.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.logging.*;

final class Hub implements AutoCloseable {
    static final Duration PATIENCE = Duration.ofSeconds(60);
    static final Metadata.Key<String> AUTHORIZATION = Metadata.Key.of("authorization",
        Metadata.ASCII_STRING_MARSHALLER);
    static final Metadata.Key<String> TASKHUB = Metadata.Key.of("taskhub",
        Metadata.ASCII_STRING_MARSHALLER);

    final String host;
    final int port;
    final String name;
    final DurableTaskClient client;
    final List<ManagedChannel> channels = new ArrayList<>();
    final List<DurableTaskGrpcWorker> workers = new ArrayList<>();
    final Map<String, TaskOrchestration> orchestrators = new LinkedHashMap<>();
    final Map<String, TaskActivity> activities = new LinkedHashMap<>();
    Duration maximumTimer;

    Hub(String host, int port, String name) {
        this.host = host;
        this.port = port;
        this.name = name;
        DurableTaskGrpcClientBuilder builder = new DurableTaskGrpcClientBuilder();
        client = (name == null ? builder.port(port) : builder.grpcChannel(channel())).build();
    }

    // Loggers that nobody holds are forgotten, and their levels with them.
    private static final Logger[] LOGGERS = {Logger.getLogger("com.microsoft.durabletask"),
    Logger.getLogger("io.grpc")};

    static void quiet() {
        for (Logger each : LOGGERS) {
            each.setLevel(Level.SEVERE);
        }
    }

    /** TLS where the script says whom to trust. */
    private static ChannelCredentials safety() {
        String authority = System.getenv("CONFORMANCE_CA");
        try {
            return authority == null ? InsecureChannelCredentials.create()
                : TlsChannelCredentials.newBuilder().trustManager(new File(authority)).build();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A new connection to this hub. */
    Channel channel() {
        ManagedChannel channel = Grpc.newChannelBuilderForAddress(host, port, safety())
            .maxInboundMessageSize(4 << 20).build();
        channels.add(channel);
        if (name == null) {
            return channel;
        }
        Metadata headers = new Metadata();
        String token = System.getenv("CONFORMANCE_TOKEN");
        if (token != null) {
            headers.put(AUTHORIZATION, "Bearer " + token);
        }
        headers.put(TASKHUB, name);
        return ClientInterceptors.intercept(channel,
            MetadataUtils.newAttachHeadersInterceptor(headers));
    }

    /** The stub that the SDK itself works with, for what its classes hide. */
    TaskHubSidecarServiceGrpc.TaskHubSidecarServiceBlockingStub stub() {
        return TaskHubSidecarServiceGrpc.newBlockingStub(channel());
    }

    Hub orchestrator(String name, TaskOrchestration body) {
        orchestrators.put(name, body);
        return this;
    }

    Hub activity(String name, TaskActivity body) {
        activities.put(name, body);
        return this;
    }

    DurableTaskGrpcWorkerBuilder builder() {
        DurableTaskGrpcWorkerBuilder builder = new DurableTaskGrpcWorkerBuilder();
        orchestrators.forEach((name, body) ->
            builder.addOrchestration(new TaskOrchestrationFactory() {
            public String getName() { return name; }
            public TaskOrchestration create() { return body; }
        }));
        activities.forEach((name, body) -> builder.addActivity(new TaskActivityFactory() {
            public String getName() { return name; }
            public TaskActivity create() { return body; }
        }));
        if (maximumTimer != null) {
            builder.maximumTimerInterval(maximumTimer);
        }
        return name == null ? builder.port(port) : builder.grpcChannel(channel());
    }

    Hub start() {
        return start(builder());
    }

    Hub start(DurableTaskGrpcWorkerBuilder builder) {
        DurableTaskGrpcWorker worker = builder.build();
        workers.add(worker);
        Thread thread = new Thread(worker::startAndBlock, "worker of " + name);
        thread.setDaemon(true);
        thread.start();
        return this;
    }

    String run(String orchestrator) {
        return client.scheduleNewOrchestrationInstance(orchestrator);
    }

    String run(String orchestrator, Object input) {
        return client.scheduleNewOrchestrationInstance(orchestrator, input);
    }

    /** The instance once it has ended, with its payloads. */
    OrchestrationMetadata end(String id) throws Exception {
        return client.waitForInstanceCompletion(id, PATIENCE, true);
    }

    /** The same, and it must have completed. */
    OrchestrationMetadata completed(String id) throws Exception {
        OrchestrationMetadata state = end(id);
        FailureDetails failure = state.getFailureDetails();
        Check.same("status of " + id + (failure == null ? "" : " (" + failure.getErrorMessage()
            + ")"),
            OrchestrationRuntimeStatus.COMPLETED, state.getRuntimeStatus());
        return state;
    }

    <T> T result(String id, Class<T> type) throws Exception {
        return completed(id).readOutputAs(type);
    }

    /** Waits until the instance has this status, by looking: the waits have cases of their own. */
    OrchestrationMetadata until(String id, OrchestrationRuntimeStatus status) throws Exception {
        long limit = System.nanoTime() + PATIENCE.toNanos();
        for (;;) {
            OrchestrationMetadata state = client.getInstanceMetadata(id, true);
            if (state.isInstanceFound() && state.getRuntimeStatus() == status) {
                return state;
            }
            if (System.nanoTime() > limit) {
                throw new AssertionError(id + " should become " + status + ", it is "
                    + state.getRuntimeStatus());
            }
            Thread.sleep(50);
        }
    }

    /** For activities, and for orchestrators that misbehave on purpose. */
    static void sleep(long milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException stop) {
            throw new IllegalStateException("interrupted", stop);
        }
    }

    @Override
    public void close() {
        workers.forEach(DurableTaskGrpcWorker::stop);
        channels.forEach(ManagedChannel::shutdownNow);
        if (name != null) { // Now: a worker that comes again would make the hub again.
            try {
                stub().withDeadlineAfter(20, TimeUnit.SECONDS)
                    .deleteTaskHub(DeleteTaskHubRequest.getDefaultInstance());
            } catch (StatusRuntimeException without) {
                // A case of its own says whether hubs can be deleted.
            }
        }
        client.close();
        channels.forEach(ManagedChannel::shutdownNow);
    }
}
