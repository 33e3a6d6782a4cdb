// SPDX-License-Identifier: MIT
//
// Activities, orchestrators and entities that several cases use.
"use strict";

const { activity, orchestrator, entity, bump, sleep, dt } = require("./harness");

activity("echo", (_, value) => value);
activity("plus_one", (_, n) => n + 1);
activity("boom", (_, message) => {
    throw new Error(message);
});
activity("sleep_ms", async (_, ms) => {
    await sleep(ms);
    return ms;
});
// Counts how often it ran under this key.
activity("tally", (_, key) => bump(key));
// Fails the first `failures` times under this key.
activity("flaky", (_, { key, failures, text = "not yet" }) => {
    const n = bump(key);
    if (n <= failures) throw new Error(`${text} ${n}`);
    return n;
});
// Sleeps, then fails or answers: for siblings that end in a wanted order.
activity("after", async (_, { ms, value, error }) => {
    await sleep(ms);
    if (error) throw new Error(error);
    return value;
});

orchestrator("empty", () => "done");
orchestrator("sleeps", async function* (ctx, seconds) {
    const before = ctx.currentUtcDateTime.getTime();
    yield ctx.createTimer(seconds);
    return ctx.currentUtcDateTime.getTime() - before;
});
// Waits for the event "go" and returns what came with it.
orchestrator("wait_for_go", async function* (ctx) {
    return yield ctx.waitForExternalEvent("go");
});
orchestrator("add_one", async function* (ctx, n) {
    return yield ctx.callActivity("plus_one", n);
});
orchestrator("returns_input", (_, input) => input);
orchestrator("always_fails", async function* (ctx, message) {
    yield ctx.callActivity("boom", message || "always");
});

class Counter extends dt.TaskEntity {
    initializeState() {
        return 0;
    }
    add(n) {
        this.state += n ?? 1;
        return this.state;
    }
    get() {
        return this.state;
    }
    reset() {
        this.state = 0;
    }
    fail(message) {
        this.state += 1000;
        throw new Error(message || "no");
    }
    async slowly(ms) {
        await sleep(ms);
        return ++this.state;
    }
}
entity("counter", () => new Counter());

class Log extends dt.TaskEntity {
    initializeState() {
        return [];
    }
    append(item) {
        this.state.push(item);
        return this.state.length;
    }
    list() {
        return this.state;
    }
}
entity("log", () => new Log());
