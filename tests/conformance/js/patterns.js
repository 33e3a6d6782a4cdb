// SPDX-License-Identifier: MIT
//
// Chains, fan-out, sub-orchestrations, timers, events, continue-as-new, status.
"use strict";

const {
    assert,
    Status,
    orchestrator,
    activity,
    test,
    bump,
    count,
    sleep,
    until,
    completed,
    failed,
    dt,
} = require("./harness");

test("an-empty-orchestration-completes", "6.1 empty; 6.2 orchestration: empty", async (t) => {
    const state = await t.run("empty");
    completed(state, "done");
    assert.equal(state.name, "empty");
    assert.ok(state.lastUpdatedAt >= state.createdAt);
    assert.equal(state.serializedCustomStatus, undefined);
    assert.equal(state.failureDetails, undefined);
});

orchestrator("adds_one_itself", (_, n) => n + 1);
test(
    "an-orchestration-without-activity",
    "6.1 single orchestration without activity",
    async (t) => {
        const state = await t.run("adds_one_itself", 15, t.id());
        completed(state, 16);
        assert.equal(state.instanceId, t.id());
        assert.equal(state.serializedInput, "15");
    },
);

orchestrator("sequence", async function* (ctx, first) {
    const numbers = [first];
    for (let i = 0; i < 10; i++) numbers.push(yield ctx.callActivity("plus_one", numbers[i]));
    return numbers;
});
test("activities-in-a-chain", "6.1, 6.2 activity sequence", async (t) => {
    completed(await t.run("sequence", 1), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});

orchestrator("fan_out", async function* (ctx, width) {
    const tasks = [];
    for (let i = 0; i < width; i++)
        tasks.push(ctx.callActivity("after", { ms: (i * 7) % 40, value: i }));
    return yield dt.whenAll(tasks);
});
test("fan-out-and-fan-in-keeps-the-order-of-tasks", "6.1, 6.2 fan-out/fan-in", async (t) => {
    completed(await t.run("fan_out", 50), [...Array(50).keys()]);
});

orchestrator("calls_child", async function* (ctx, n) {
    return (yield ctx.callSubOrchestrator("add_one", n)) * 2;
});
test("a-sub-orchestration-answers", "6.1, 6.2 sub-orchestration", async (t) => {
    completed(await t.run("calls_child", 20), 42);
});

orchestrator("counts_children", async function* (ctx, { key, width }) {
    const children = [];
    for (let i = 0; i < width; i++)
        children.push(ctx.callSubOrchestrator("counts_activities", { key, width: 3 }));
    const counts = yield dt.whenAll(children);
    return counts.reduce((a, b) => a + b, 0);
});
orchestrator("counts_activities", async function* (ctx, { key, width }) {
    for (let i = 0; i < width; i++) yield ctx.callActivity("tally", key);
    return width;
});
test("sub-orchestrations-fan-out", "6.1 sub-orchestration fan-out", async (t) => {
    completed(await t.run("counts_children", { key: t.id(), width: 10 }), 30);
    assert.equal(count(t.id()), 30);
});

orchestrator("nests", async function* (ctx, depth) {
    if (depth === 0) return [ctx.instanceId];
    const below = yield ctx.callSubOrchestrator("nests", depth - 1);
    return [ctx.instanceId, ...below];
});
test(
    "default-ids-of-children-stay-short-at-three-levels",
    "6.2 orchestration: nested default child IDs within length limit",
    async (t) => {
        const ids = completed(await t.run("nests", 3, t.id()));
        assert.equal(ids.length, 4);
        for (const id of ids.slice(1)) assert.match(id, /^[0-9a-f]{32}:[0-9a-f]{4}$/);
        assert.equal(new Set(ids).size, 4);
        for (const id of ids) completed(await t.state(id));
    },
);

orchestrator("three_events", async function* (ctx) {
    const got = [];
    for (const name of ["A", "B", "C"]) got.push(yield ctx.waitForExternalEvent(name));
    return got;
});
test("events-before-and-after-their-waits", "6.1, 6.2 multiple external events", async (t) => {
    const id = await t.start("three_events");
    await t.raise(id, "C", 3);
    await t.raise(id, "B", 2);
    await sleep(300);
    await t.raise(id, "a", 1);
    completed(await t.done(id), [1, 2, 3]);
});

orchestrator("same_events", async function* (ctx, n) {
    const got = [];
    for (let i = 0; i < n; i++) got.push(yield ctx.waitForExternalEvent("item"));
    return got;
});
test("events-of-one-name-come-in-order", "6.1 multiple external events (order)", async (t) => {
    const id = await t.start("same_events", 30);
    for (let i = 0; i < 30; i++) await t.raise(id, "item", i);
    completed(await t.done(id), [...Array(30).keys()]);
});

test("an-event-without-data", "6.2 orchestration: send event (absent input)", async (t) => {
    const id = await t.start("wait_for_go");
    await t.client.raiseOrchestrationEvent(id, "go");
    completed(await t.done(id), null);
});

test(
    "an-event-to-a-missing-instance-is-refused",
    "section 9 decision 3: RaiseEvent on a missing ID",
    async (t) => {
        await assert.rejects(t.raise(t.id("nobody"), "go", 1), (error) => error.code === 5);
    },
);

test(
    "an-event-to-a-completed-instance-is-dropped",
    "2.6 RaiseEvent: terminal is dropped",
    async (t) => {
        const state = await t.run("empty");
        await t.raise(state.instanceId, "go", 1);
        completed(await t.state(state.instanceId), "done");
    },
);

test(
    "a-timer-never-fires-early",
    "6.1, 6.2 single timer",
    async (t) => {
        const state = await t.run("sleeps", 3);
        assert.ok(completed(state) >= 3000);
        assert.ok(state.lastUpdatedAt - state.createdAt >= 3000);
        assert.ok(state.lastUpdatedAt - state.createdAt < 8000, "a timer is prompt");
    },
    { slow: 3 },
);

test("a-timer-in-the-past-fires-at-once", "5 timers: past fires in the next episode", async (t) => {
    completed(await t.run("sleeps", -100));
    completed(await t.run("sleeps", 0));
});

orchestrator("event_or_timer", async function* (ctx, { seconds, after }) {
    const event = ctx.waitForExternalEvent("go");
    const timer = ctx.createTimer(seconds);
    const first = yield dt.whenAny([event, timer]);
    if (first === event) timer.cancel();
    if (after) yield ctx.createTimer(after);
    return first === event ? "event" : "timer";
});
test("an-event-beats-its-timeout", "6.1 events with timeout (true)", async (t) => {
    const id = await t.start("event_or_timer", { seconds: 30 });
    await t.raise(id, "go");
    completed(await t.done(id), "event");
});
test("a-timeout-beats-its-event", "6.1 events with timeout (false)", async (t) => {
    completed(await t.run("event_or_timer", { seconds: 1 }), "timer");
});
test(
    "a-cancelled-timer-may-fire-later",
    "6.1 events with timeout; 5: not cancellable",
    async (t) => {
        const id = await t.start("event_or_timer", { seconds: 1, after: 2 });
        await t.raise(id, "go");
        completed(await t.done(id), "event");
    },
);

orchestrator("many_timers", async function* (ctx, n) {
    const timers = [];
    for (let i = 0; i < n; i++) timers.push(ctx.createTimer((i % 5) / 10));
    yield dt.whenAll(timers);
    return timers.length;
});
test("many-timers-at-once", "5 timers", async (t) => {
    completed(await t.run("many_timers", 100), 100);
});

orchestrator("clock", async function* (ctx) {
    const seen = [ctx.currentUtcDateTime.getTime()];
    yield ctx.createTimer(0.05);
    seen.push(ctx.currentUtcDateTime.getTime());
    yield ctx.callActivity("echo", 1);
    seen.push(ctx.currentUtcDateTime.getTime());
    const again = yield ctx.callActivity("tally", `clock-${ctx.instanceId}-${seen.join()}`);
    return { seen, again };
});
test(
    "the-time-of-an-orchestration-is-the-same-on-replay",
    "6.2 orchestration: deterministic time for createTimer(seconds)",
    async (t) => {
        const { seen, again } = completed(await t.run("clock"));
        assert.equal(again, 1);
        assert.ok(seen[0] + 50 <= seen[1] && seen[1] <= seen[2]);
    },
);

orchestrator("guids", async function* (ctx) {
    const first = [ctx.newGuid(), ctx.newGuid()];
    const same = yield ctx.callActivity("echo", first);
    const second = ctx.newGuid();
    yield ctx.createTimer(0.01);
    return { first, same, second };
});
test("new-guids-are-the-same-on-replay", "6.2 orchestration: newGuid", async (t) => {
    const { first, same, second } = completed(await t.run("guids"));
    assert.deepEqual(first, same);
    for (const guid of [...first, second])
        assert.match(guid, /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
test("new-guids-differ", "6.2 orchestration: newGuid", async (t) => {
    const one = completed(await t.run("guids"));
    const two = completed(await t.run("guids"));
    assert.equal(new Set([...one.first, one.second, ...two.first, two.second]).size, 6);
});

orchestrator("repeats", async function* (ctx, state) {
    if (state.left === 0) return state;
    yield ctx.callActivity("echo", state.left);
    ctx.continueAsNew({ left: state.left - 1, done: state.done + 1 });
});
test("continue-as-new-truncates-history", "6.1 continue as new; 6.2 CAN", async (t) => {
    const state = await t.run("repeats", { left: 10, done: 0 });
    completed(state, { left: 0, done: 10 });
    assert.equal(state.serializedInput, '{"left":0,"done":10}');
    const types = (await t.history(state.instanceId)).map((event) => event.type);
    assert.deepEqual(types, ["OrchestratorStarted", "ExecutionStarted", "ExecutionCompleted"]);
});

orchestrator("collects", async function* (ctx, state) {
    const { got, want } = state ?? { got: [], want: 5 };
    got.push(yield ctx.waitForExternalEvent("item"));
    if (got.length < want) ctx.continueAsNew({ got, want }, true);
    else return got;
});
test("continue-as-new-carries-events-over", "6.1 continue as new (carry-over)", async (t) => {
    const id = await t.start("collects", { got: [], want: 20 });
    for (let i = 0; i < 20; i++) await t.raise(id, "item", i);
    completed(await t.done(id), [...Array(20).keys()]);
});

orchestrator("counts_down_to_zero", async function* (ctx, n) {
    if (n === 1) ctx.continueAsNew(0);
    else return { n, type: typeof n };
});
test("continue-as-new-with-input-0", "6.2 orchestration: CAN with input 0", async (t) => {
    const state = await t.run("counts_down_to_zero", 1);
    completed(state, { n: 0, type: "number" });
    assert.equal(state.serializedInput, "0");
});

orchestrator("child_each_time", async function* (ctx, state) {
    const ids = [...state.ids, yield ctx.callSubOrchestrator("own_id")];
    if (ids.length < 4) ctx.continueAsNew({ ids });
    else return ids;
});
orchestrator("own_id", (ctx) => ctx.instanceId);
test(
    "children-of-generations-do-not-collide",
    "6.2 orchestration: no child-ID collision across CAN",
    async (t) => {
        const ids = completed(await t.run("child_each_time", { ids: [] }));
        for (const id of ids) assert.match(id, /^[0-9a-f]{32}:[0-9a-f]{4}$/);
        assert.equal(new Set(ids).size, 4);
    },
);

orchestrator("signals_and_continues", async function* (ctx, { target, left }) {
    ctx.sendEvent(target, "item", left);
    if (left > 0) ctx.continueAsNew({ target, left: left - 1 });
});
test("what-is-sent-beside-a-continue-as-new-arrives", "7 trap 32", async (t) => {
    const target = await t.start("same_events", 3);
    completed(await t.run("signals_and_continues", { target, left: 2 }));
    completed(await t.done(target), [2, 1, 0]);
});

orchestrator("reports", async function* (ctx) {
    ctx.setCustomStatus({ step: 1 });
    yield ctx.waitForExternalEvent("go");
    ctx.setCustomStatus("");
    yield ctx.waitForExternalEvent("go");
    return "end";
});
test(
    "custom-status-is-visible-while-it-runs",
    '6.2 orchestration: custom status set / to ""',
    async (t) => {
        const id = await t.start("reports");
        const started = await t.client.waitForOrchestrationStart(id, true);
        assert.equal(started.serializedCustomStatus, '{"step":1}', "visible with the start");
        await t.raise(id, "go");
        await until(async () => (await t.state(id)).serializedCustomStatus === '""');
        await t.raise(id, "go");
        const state = await t.done(id);
        completed(state, "end");
        assert.equal(state.serializedCustomStatus, '""');
    },
);

orchestrator("sends", async function* (ctx, { target, data }) {
    if (data === undefined) ctx.sendEvent(target, "go");
    else ctx.sendEvent(target, "go", data);
    return "sent";
});
test("an-orchestration-sends-an-event", "6.2 orchestration: send event (with data)", async (t) => {
    const target = await t.start("wait_for_go");
    completed(await t.run("sends", { target, data: { a: [1] } }), "sent");
    completed(await t.done(target), { a: [1] });
});
orchestrator("says_what_came", async function* (ctx) {
    const data = yield ctx.waitForExternalEvent("go");
    return data === undefined || data === null ? "nothing" : data;
});
test(
    "an-orchestration-sends-an-event-without-data",
    "6.2 orchestration: send event (without data)",
    async (t) => {
        const target = await t.start("says_what_came");
        completed(await t.run("sends", { target }), "sent");
        completed(await t.done(target), "nothing");
    },
);
test("an-event-sent-to-nobody-is-dropped", "6.3 send_event_drops_undeliverable", async (t) => {
    completed(await t.run("sends", { target: t.id("nobody"), data: 1 }), "sent");
    const ended = await t.run("empty");
    completed(await t.run("sends", { target: ended.instanceId, data: 1 }), "sent");
});

orchestrator("logs", async function* (ctx, { key, n }) {
    const lines = ctx.createReplaySafeLogger({
        info: (line) => bump(`${key} ${line}`),
        debug() {},
        warn() {},
        error() {},
    });
    for (let i = 0; i < n; i++) {
        lines.info(`step ${i}`);
        yield ctx.callActivity("echo", i);
    }
});
test(
    "a-replay-safe-logger-writes-each-line-once",
    "6.2 orchestration: ReplaySafeLogger",
    async (t) => {
        completed(await t.run("logs", { key: t.id(), n: 5 }));
        for (let i = 0; i < 5; i++) assert.equal(count(`${t.id()} step ${i}`), 1);
    },
);

orchestrator("asks_child_for_parent", async function* (ctx) {
    const child = yield ctx.callSubOrchestrator("tells_parent");
    return { own: ctx.parent ?? null, child };
});
orchestrator("tells_parent", (ctx) => ctx.parent ?? null);
test("a-child-knows-its-parent", "6.2 orchestration: parent info", async (t) => {
    const { own, child } = completed(await t.run("asks_child_for_parent", null, t.id()));
    assert.equal(own, null);
    assert.deepEqual(child, {
        name: "asks_child_for_parent",
        instanceId: t.id(),
        taskScheduledId: 1,
    });
});
test(
    "an-orchestration-at-the-top-has-no-parent",
    "6.2 orchestration: undefined parent at top level",
    async (t) => {
        completed(await t.run("tells_parent"), null);
    },
);

orchestrator("fails_itself", () => {
    throw new TypeError("I do not like this");
});
test("an-orchestrator-that-throws-fails", "6.2 orchestration: failure details", async (t) => {
    const details = failed(await t.run("fails_itself"), /^I do not like this$/);
    assert.equal(details.errorType, "TypeError");
    assert.match(details.stackTrace, /TypeError/);
});
test(
    "an-activity-that-throws-fails-its-orchestration",
    "6.3 activity_error_handling",
    async (t) => {
        failed(
            await t.run("always_fails", "snow & ice – élan"),
            /Activity task #1 failed: snow & ice – élan/,
        );
    },
);
test("an-unknown-orchestrator-fails", "3.11 unregistered orchestrator", async (t) => {
    failed(await t.run("nobody_wrote_this"), /nobody_wrote_this/);
});
orchestrator("calls_nobody", async function* (ctx) {
    yield ctx.callActivity("nobody_wrote_this_either");
});
test("an-unknown-activity-fails-its-orchestration", "3.11 unregistered activity", async (t) => {
    failed(await t.run("calls_nobody"), /nobody_wrote_this_either/);
});

activity("who", (ctx) => ({ id: ctx.orchestrationId, task: ctx.taskId }));
orchestrator("asks_who", async function* (ctx) {
    yield ctx.callActivity("echo", 0);
    return yield ctx.callActivity("who");
});
test(
    "an-activity-knows-its-orchestration",
    "1.5 ActivityRequest: instance and taskId",
    async (t) => {
        completed(await t.run("asks_who", null, t.id()), { id: t.id(), task: 2 });
    },
);

test(
    "a-start-in-the-future-waits",
    "3.2 scheduledStartTimestamp",
    async (t) => {
        const at = new Date(Date.now() + 2500);
        const id = await t.start("empty", null, { startAt: at });
        assert.equal((await t.state(id)).runtimeStatus, Status.PENDING);
        const state = await t.done(id);
        completed(state, "done");
        assert.ok(state.lastUpdatedAt >= at, "not before its time");
    },
    { slow: 3 },
);
test(
    "an-event-waits-for-a-start-in-the-future",
    "3.1 readiness: events before a scheduled start",
    async (t) => {
        const id = await t.start("wait_for_go", null, { startAt: new Date(Date.now() + 1500) });
        await t.raise(id, "go", "early");
        completed(await t.done(id), "early");
    },
);
test(
    "a-start-in-the-future-can-be-terminated",
    "3.13 terminate a scheduled instance",
    async (t) => {
        const id = await t.start("empty", null, { startAt: new Date(Date.now() + 3600e3) });
        await t.client.terminateOrchestration(id, "never");
        const state = await t.done(id, 5);
        assert.equal(state.runtimeStatus, Status.TERMINATED);
        assert.equal(state.serializedOutput, '"never"');
    },
);

test("a-wait-for-an-id-that-does-not-exist-yet", "2.7 an unknown ID blocks", async (t) => {
    const waiting = t.done(t.id());
    await sleep(500);
    await t.start("empty", null, t.id());
    completed(await waiting, "done");
});
activity("hold", async (_, key) => {
    bump(key);
    await until(() => count(`${key} release`), 30);
    return "released";
});
orchestrator("holds", async function* (ctx, key) {
    return yield ctx.callActivity("hold", key);
});
test("waiting-for-start-returns-while-it-runs", "2.7 WaitForInstanceStart", async (t) => {
    const id = await t.start("holds", t.id());
    const state = await t.client.waitForOrchestrationStart(id);
    assert.equal(state.runtimeStatus, Status.RUNNING);
    bump(`${t.id()} release`);
    completed(await t.done(id), "released");
    assert.equal(count(t.id()), 1);
});
