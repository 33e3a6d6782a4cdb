// SPDX-License-Identifier: MIT
//
// StreamInstanceHistory: the events, their links, their numbers, exactly.
"use strict";

const { assert, orchestrator, test, completed, failed } = require("./harness");

const types = (history) => history.map((event) => event.type);
const one = (history, type) => {
    const found = history.filter((event) => event.type === type);
    assert.equal(found.length, 1, `one ${type} in ${types(history)}`);
    return found[0];
};

test(
    "history-of-a-simple-orchestration",
    "6.2 history: simple; exactly one ExecutionStarted",
    async (t) => {
        const state = await t.run("returns_input", { a: 1 }, t.id());
        completed(state);
        const history = await t.history(t.id());
        assert.deepEqual(types(history), [
            "OrchestratorStarted",
            "ExecutionStarted",
            "ExecutionCompleted",
        ]);
        const started = one(history, "ExecutionStarted");
        assert.equal(started.name, "returns_input");
        assert.equal(started.input, '{"a":1}');
        assert.equal(started.eventId, 0);
        assert.equal(started.orchestrationInstance.instanceId, t.id());
        assert.match(started.orchestrationInstance.executionId, /^[0-9a-f]{32}$/);
        assert.equal(started.parentInstance, undefined);
        const ended = one(history, "ExecutionCompleted");
        assert.match(ended.orchestrationStatus, /COMPLETED$/);
        assert.equal(ended.result, '{"a":1}');
        assert.equal(history[0].eventId, -1);
    },
);

test("history-of-activities", "6.2 history: activities; several activities", async (t) => {
    completed(await t.run("sequence", 1, t.id()));
    const history = await t.history(t.id());
    const scheduled = history.filter((event) => event.type === "TaskScheduled");
    const done = history.filter((event) => event.type === "TaskCompleted");
    assert.deepEqual(
        scheduled.map((event) => event.eventId),
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    );
    assert.deepEqual(
        done.map((event) => event.taskScheduledId),
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    );
    for (const event of done) assert.equal(event.eventId, -1);
    assert.equal(scheduled[0].name, "plus_one");
    assert.equal(scheduled[0].input, "1");
    assert.equal(done[9].result, "11");
});

test("history-of-a-timer", "6.2 history: timer", async (t) => {
    completed(await t.run("sleeps", 0.2, t.id()));
    const history = await t.history(t.id());
    const created = one(history, "TimerCreated");
    const fired = one(history, "TimerFired");
    assert.equal(fired.timerId, created.eventId);
    assert.equal(fired.fireAt.getTime(), created.fireAt.getTime());
    assert.equal(fired.eventId, -1);
    assert.ok(fired.timestamp >= fired.fireAt);
});

test("history-of-a-sub-orchestration", "6.2 history: sub-orchestration", async (t) => {
    completed(await t.run("calls_child", 20, t.id()));
    const history = await t.history(t.id());
    const created = one(history, "SubOrchestrationInstanceCreated");
    const done = one(history, "SubOrchestrationInstanceCompleted");
    assert.equal(done.taskScheduledId, created.eventId);
    assert.equal(created.name, "add_one");
    const child = await t.history(created.instanceId);
    const parent = one(child, "ExecutionStarted").parentInstance;
    assert.equal(parent.name, "calls_child");
    assert.equal(parent.taskScheduledId, created.eventId);
    assert.equal(parent.orchestrationInstance.instanceId, t.id());
    assert.equal(
        parent.orchestrationInstance.executionId,
        one(history, "ExecutionStarted").orchestrationInstance.executionId,
    );
});

test("history-of-events", "6.2 history: events", async (t) => {
    const id = await t.start("same_events", 3, t.id());
    for (let i = 0; i < 3; i++) await t.raise(id, "Item", { i });
    completed(await t.done(id));
    const raised = (await t.history(id)).filter((event) => event.type === "EventRaised");
    assert.deepEqual(
        raised.map((event) => event.name),
        ["Item", "Item", "Item"],
        "the case is kept",
    );
    assert.deepEqual(
        raised.map((event) => event.input),
        ['{"i":0}', '{"i":1}', '{"i":2}'],
    );
});

test("history-of-an-event-sent", "3.6 EventSent", async (t) => {
    const target = await t.start("wait_for_go");
    completed(await t.run("sends", { target, data: 5 }, t.id()));
    const sent = one(await t.history(t.id()), "EventSent");
    assert.equal(sent.name, "go");
    assert.equal(sent.input, "5");
    assert.equal(sent.instanceId, target);
});

test("history-of-a-failure", "1.4 TaskFailed, ExecutionCompleted FAILED", async (t) => {
    failed(await t.run("always_fails", "why not", t.id()));
    const history = await t.history(t.id());
    const task = one(history, "TaskFailed");
    assert.equal(task.taskScheduledId, 1);
    assert.equal(task.failureDetails.message, "why not");
    const ended = one(history, "ExecutionCompleted");
    assert.match(ended.orchestrationStatus, /FAILED$/);
    assert.match(ended.failureDetails.message, /why not/);
});

test("history-of-a-termination", "3.13 ExecutionTerminated", async (t) => {
    const id = await t.start("wait_for_go", null, t.id());
    await t.client.waitForOrchestrationStart(id);
    await t.client.terminateOrchestration(id, "stop");
    await t.done(id);
    const history = await t.history(id);
    assert.equal(one(history, "ExecutionTerminated").input, '"stop"');
    assert.match(one(history, "ExecutionCompleted").orchestrationStatus, /TERMINATED$/);
});

test("history-of-a-suspension", "3.12", async (t) => {
    const id = await t.start("wait_for_go", null, t.id());
    await t.client.waitForOrchestrationStart(id);
    await t.client.suspendOrchestration(id);
    await t.raise(id, "go", 1);
    await t.client.resumeOrchestration(id);
    completed(await t.done(id), 1);
    const seen = types(await t.history(id));
    assert.equal(seen.filter((type) => type === "EventRaised").length, 1);
    assert.equal(
        seen.filter((type) => type === "ExecutionSuspended").length,
        seen.filter((type) => type === "ExecutionResumed").length,
        "in pairs",
    );
});

test("history-of-nobody-is-empty", "6.2 history: non-existing", async (t) => {
    assert.deepEqual(await t.history(t.id()), []);
});
test(
    "history-of-an-empty-id-is-refused",
    "6.2 history: empty ID (client-side error)",
    async (t) => {
        await assert.rejects(t.history(""), /instanceId is required/);
    },
);
test("history-of-a-pending-one-is-empty", "2.9 PENDING: empty stream", async (t) => {
    const hub = t.hub();
    const id = await hub.start("empty", null, t.id());
    assert.deepEqual(await hub.history(id), []);
});

orchestrator("bit_of_all", async function* (ctx) {
    yield ctx.callActivity("echo", 1);
    yield ctx.createTimer(0.1);
    yield ctx.callSubOrchestrator("returns_input", 3);
    return "end";
});
test("history-is-exactly-twelve-events", "6.2 history: exact sequence", async (t) => {
    completed(await t.run("bit_of_all", null, t.id()), "end");
    const history = await t.history(t.id());
    assert.deepEqual(types(history), [
        "OrchestratorStarted",
        "ExecutionStarted",
        "TaskScheduled",
        "OrchestratorStarted",
        "TaskCompleted",
        "TimerCreated",
        "OrchestratorStarted",
        "TimerFired",
        "SubOrchestrationInstanceCreated",
        "OrchestratorStarted",
        "SubOrchestrationInstanceCompleted",
        "ExecutionCompleted",
    ]);
    const numbers = history.map((event) => event.eventId);
    assert.deepEqual(numbers, [-1, 0, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4]);
    // An episode begins after what it is begun by has come, so times rise along each of them only.
    const times = (type) =>
        history.filter((event) => event.type === type).map((event) => event.timestamp.getTime());
    const began = times("OrchestratorStarted");
    for (let i = 1; i < began.length; i++) assert.ok(began[i] >= began[i - 1], `${began}`);
    const order = ["TaskScheduled", "TaskCompleted", "TimerCreated", "TimerFired"];
    order.push("SubOrchestrationInstanceCreated", "SubOrchestrationInstanceCompleted");
    const steps = order.map((type) => times(type)[0]);
    for (let i = 1; i < steps.length; i++) assert.ok(steps[i] >= steps[i - 1], `${steps}`);
    for (const event of history) assert.ok(event.timestamp.getTime() > 0, event.type);
});
test("history-is-exactly-six-events", "6.2 export-history: exact 6 events", async (t) => {
    completed(await t.run("add_one", 1, t.id()), 2);
    const history = await t.history(t.id());
    assert.deepEqual(
        history.map((event) => [event.type, event.eventId]),
        [
            ["OrchestratorStarted", -1],
            ["ExecutionStarted", 0],
            ["TaskScheduled", 1],
            ["OrchestratorStarted", -1],
            ["TaskCompleted", -1],
            ["ExecutionCompleted", 2],
        ],
    );
    assert.equal(history[4].taskScheduledId, 1);
});
test(
    "numbers-of-history-increase",
    "6.2 history: eventId ordering; OrchestratorStarted present",
    async (t) => {
        completed(await t.run("counts_activities", { key: t.id(), width: 40 }, t.id()));
        const history = await t.history(t.id());
        const numbers = history.map((event) => event.eventId).filter((id) => id >= 0);
        for (let i = 1; i < numbers.length; i++) assert.ok(numbers[i] > numbers[i - 1]);
        assert.equal(history.length, 2 + 40 * 3 + 1, "nothing more than that");
    },
);
