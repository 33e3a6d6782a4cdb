// SPDX-License-Identifier: MIT
//
// Payloads: falsy ones byte for byte, large ones, many events in one history.
"use strict";

const crypto = require("node:crypto");
const { assert, orchestrator, activity, test, completed, until, dt } = require("./harness");

const row = "6.2 orchestration: falsy values";
orchestrator("through_activity", async function* (ctx, value) {
    const back = yield ctx.callActivity("echo", value);
    return { back, type: back === null ? "null" : typeof back };
});
for (const [name, value] of [
    ["0", 0],
    ["empty-text", ""],
    ["false", false],
    ["null", null],
])
    test(`${name}-goes-through-an-activity`, row, async (t) => {
        const state = await t.run("through_activity", value);
        completed(state, { back: value, type: value === null ? "null" : typeof value });
        assert.equal(state.serializedInput, JSON.stringify(value));
    });
orchestrator("through_child", async function* (ctx, value) {
    const back = yield ctx.callSubOrchestrator("returns_input", value);
    return { back, type: typeof back };
});
test("0-goes-through-a-child", row, async (t) => {
    completed(await t.run("through_child", 0), { back: 0, type: "number" });
});
for (const [name, value] of [
    ["0", 0],
    ["false", false],
    ["empty-text", ""],
    ["null", null],
])
    test(`${name}-is-a-result`, row, async (t) => {
        const state = await t.run("returns_input", value);
        completed(state);
        assert.equal(state.serializedOutput, JSON.stringify(value));
    });
test("nothing-is-no-result", "7 trap 17", async (t) => {
    const state = await t.run("returns_nothing");
    completed(state);
    assert.ok(!state.serializedOutput, `${state.serializedOutput}`);
});
orchestrator("returns_nothing", () => undefined);

const strange = {
    text: 'quote " backslash \\ slash / tab \t nul \u0000 emoji \u{1F680} RTL \u05D0 bidi \u202E end \u2028',
    numbers: [0, -0, 1e308, 5e-324, 9007199254740991, 0.1],
    nested: { a: { b: { c: [[[]]] } } },
};
test("payloads-come-back-byte-for-byte", "1.0 payload strings are opaque", async (t) => {
    const state = await t.run("through_activity", strange);
    assert.equal(state.serializedInput, JSON.stringify(strange));
    assert.equal(
        state.serializedOutput,
        JSON.stringify({ back: JSON.parse(JSON.stringify(strange)), type: "object" }),
    );
});
test("an-event-comes-byte-for-byte", "1.0; 3.7", async (t) => {
    const id = await t.start("wait_for_go");
    await t.raise(id, "go", strange);
    completed(await t.done(id), JSON.parse(JSON.stringify(strange)));
});

// Random hex does not shrink, in case anything on the way compresses.
const big = (bytes) => crypto.randomBytes(bytes / 2).toString("hex");
activity("length", (_, text) => text.length);
activity("make", (_, bytes) => "x".repeat(bytes));
orchestrator("measures", async function* (ctx, text) {
    return { length: yield ctx.callActivity("length", text), text };
});
for (const megabytes of [1, 3, 6])
    test(
        `a-payload-of-${megabytes}-megabytes`,
        "2.1 message sizes: JS accepts any size",
        async (t) => {
            const text = big(megabytes << 20);
            const state = await t.run("measures", text);
            completed(state);
            assert.equal(state.serializedOutput, JSON.stringify({ length: text.length, text }));
        },
        { heavy: true },
    );
orchestrator("makes", async function* (ctx, { bytes, n }) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += (yield ctx.callActivity("make", bytes)).length;
    return sum;
});
test(
    "a-history-of-megabytes",
    "2.4: full pastEvents to streams without history streaming",
    async (t) => {
        const state = await t.run("makes", { bytes: 400000, n: 20 });
        completed(state, 8000000);
        const history = await t.history(state.instanceId);
        assert.equal(history.length, 2 + 20 * 3 + 1, "in chunks, nothing lost");
    },
    { heavy: true },
);
test(
    "a-large-event-and-a-large-state",
    "2.1; 4.5",
    async (t) => {
        const text = big(2 << 20);
        const id = await t.start("wait_for_go");
        await t.raise(id, "go", text);
        completed(await t.done(id), text);
        const log = new dt.EntityInstanceId("log", t.id());
        await t.client.signalEntity(log, "append", text);
        await until(async () => (await t.client.getEntity(log))?.state?.[0] === text);
        const status = await t.run("sets_status", text);
        assert.equal(status.serializedCustomStatus, JSON.stringify(text));
    },
    { heavy: true },
);
orchestrator("sets_status", async function* (ctx, text) {
    ctx.setCustomStatus(text);
    yield ctx.createTimer(0);
});
orchestrator("wide", async function* (ctx, width) {
    const tasks = [];
    for (let i = 0; i < width; i++) tasks.push(ctx.callActivity("echo", i));
    return (yield dt.whenAll(tasks)).length;
});
test(
    "a-fan-out-of-a-thousand",
    "3.3: many events in one episode",
    async (t) => {
        const state = await t.run("wide", 1000);
        completed(state, 1000);
        const history = await t.history(state.instanceId);
        assert.equal(history.filter((event) => event.type === "TaskCompleted").length, 1000);
    },
    { heavy: true },
);
test(
    "a-thousand-orchestrations",
    "std, many at once",
    async (t) => {
        const ids = await Promise.all(
            Array.from({ length: 1000 }, (_, i) => t.start("add_one", i)),
        );
        const ends = await Promise.all(ids.map((id) => t.done(id)));
        ends.forEach((state, i) => completed(state, i + 1));
    },
    { heavy: true },
);
orchestrator("two_hundred_steps", async function* (ctx, n) {
    for (let i = 0; i < n; i++) yield ctx.callActivity("echo", i);
    return n;
});
test(
    "two-hundred-steps-in-a-row",
    "std, long history",
    async (t) => {
        completed(await t.run("two_hundred_steps", 200), 200);
    },
    { heavy: true },
);
