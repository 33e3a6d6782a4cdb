// SPDX-License-Identifier: MIT
//
// Trace context: the SDK makes spans, the server carries their contexts (3.19) and makes none.
"use strict";

const { AsyncLocalStorage } = require("node:async_hooks");
const otel = require("@opentelemetry/api");
const {
    BasicTracerProvider,
    InMemorySpanExporter,
    SimpleSpanProcessor,
} = require("@opentelemetry/sdk-trace-base");
const { assert, orchestrator, test, pb, string_value, completed, until } = require("./harness");

// The smallest context manager: spans of concurrent cases must not become each other's parents.
const storage = new AsyncLocalStorage();
otel.context.setGlobalContextManager({
    active: () => storage.getStore() ?? otel.ROOT_CONTEXT,
    with: (context, fn, self, ...args) => storage.run(context, () => fn.apply(self, args)),
    bind: (context, target) => target,
    enable() {
        return this;
    },
    disable() {
        return this;
    },
});
const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
otel.trace.setGlobalTracerProvider(provider);
const tracer = otel.trace.getTracer("conformance");
const spans_of = (trace) =>
    exporter.getFinishedSpans().filter((span) => span.spanContext().traceId === trace);

async function traced(body) {
    const root = tracer.startSpan("root");
    await otel.context.with(otel.trace.setSpan(otel.context.active(), root), body);
    root.end();
    return root.spanContext();
}

orchestrator("traced", async function* (ctx) {
    yield ctx.callActivity("echo", 1);
    yield ctx.createTimer(0.05);
    yield ctx.callActivity("echo", 2);
    return yield ctx.callSubOrchestrator("add_one", 1);
});
test("all-spans-of-an-orchestration-are-one-trace", "3.19; 6.6 Tracing", async (t) => {
    let id;
    const root = await traced(async () => {
        id = await t.start("traced");
    });
    completed(await t.done(id), 2);
    const named = (pattern, kind) =>
        spans_of(root.traceId).filter(
            (span) => pattern.test(span.name) && (kind === undefined || span.kind === kind),
        );
    await until(() => named(/^activity:plus_one/, otel.SpanKind.SERVER).length === 1, 5);
    const [create] = named(/^create_orchestration:traced/, otel.SpanKind.PRODUCER);
    assert.ok(create, "the client's span");
    const activities = named(/^activity:echo/, otel.SpanKind.SERVER);
    assert.equal(activities.length, 2, "both activities are in the trace");
    const children = named(/^orchestration:add_one/, otel.SpanKind.SERVER);
    assert.ok(children.length >= 1, "so is the child");
});
test(
    "an-orchestration-keeps-one-span-over-its-episodes",
    "1.5 orchestrationTraceContext is echoed",
    async (t) => {
        let id;
        const root = await traced(async () => {
            id = await t.start("traced");
        });
        completed(await t.done(id), 2);
        const history = await t.history(id);
        const links = history
            .filter((event) => event.parentTraceContext)
            .map((event) => event.parentTraceContext.traceParent);
        assert.ok(links.length >= 4, `the start, two activities and a child: ${links.length}`);
        for (const link of links) assert.equal(link.split("-")[1], root.traceId);
        const episodes = spans_of(root.traceId).filter(
            (span) => span.name === "orchestration:traced" && span.kind === otel.SpanKind.SERVER,
        );
        assert.ok(episodes.length >= 5, `${episodes.length} episodes`);
        // The SDK cannot give a span an ID: later episodes carry the first one's as an attribute.
        const told = episodes.map((span) => span.attributes["durabletask.task.replay_span_id"]);
        const first = episodes.filter((_, n) => told[n] === undefined);
        assert.equal(first.length, 1, "one first episode");
        const ids = new Set(told.filter((one) => one !== undefined));
        assert.deepEqual([...ids], [first[0].spanContext().spanId], "one span over all episodes");
    },
);
test("a-trace-state-comes-through", "1.3 TraceContext; 3.19", async (t) => {
    const request = new pb.CreateInstanceRequest();
    request.setName("calls_child");
    request.setInstanceid(t.id());
    request.setInput(string_value("1"));
    const context = new pb.TraceContext();
    context.setTraceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    context.setSpanid("b7ad6b7169203331");
    context.setTracestate(string_value("vendor=a:b;c=d,other=1"));
    request.setParenttracecontext(context);
    await t.raw("startInstance", request);
    completed(await t.done(t.id()), 4);
    const started = (await t.history(t.id())).find((event) => event.type === "ExecutionStarted");
    assert.deepEqual(
        { ...started.parentTraceContext },
        {
            traceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            spanId: "b7ad6b7169203331",
            traceState: "vendor=a:b;c=d,other=1",
        },
    );
});
