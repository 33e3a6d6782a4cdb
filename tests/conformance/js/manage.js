// SPDX-License-Identifier: MIT
//
// What a client does to instances: suspend, resume, terminate, purge.
"use strict";

const {
    assert,
    Status,
    pb,
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

const is = (state, status) => assert.equal(Status[state.runtimeStatus], Status[status]);
const running = async (t, id) => {
    await t.client.waitForOrchestrationStart(id);
    is(await t.state(id), Status.RUNNING);
};

// ---- suspend and resume

orchestrator("says_hello_after_go", async function* (ctx) {
    const data = yield ctx.waitForExternalEvent("go");
    return `hello ${data}`;
});
test("a-suspended-orchestration-holds-its-events", "6.3 suspend_and_resume", async (t) => {
    const id = await t.start("says_hello_after_go");
    await running(t, id);
    await t.client.suspendOrchestration(id);
    is(await t.state(id), Status.SUSPENDED);
    await t.raise(id, "go", "you");
    await sleep(1500);
    is(await t.state(id), Status.SUSPENDED);
    await t.client.resumeOrchestration(id);
    completed(await t.done(id), "hello you");
});
test(
    "events-held-by-a-suspension-keep-their-order",
    "3.12 events during suspension, in order",
    async (t) => {
        const id = await t.start("same_events", 10);
        await running(t, id);
        for (let i = 0; i < 3; i++) await t.raise(id, "item", i);
        await t.client.suspendOrchestration(id);
        for (let i = 3; i < 10; i++) await t.raise(id, "item", i);
        await t.client.resumeOrchestration(id);
        completed(await t.done(id), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    },
);
test(
    "suspending-twice-and-resuming-twice-is-nothing-new",
    "3.12; 6.6 suspend/resume no-ops",
    async (t) => {
        const id = await t.start("says_hello_after_go");
        await running(t, id);
        await t.client.resumeOrchestration(id);
        for (let round = 0; round < 3; round++) {
            await t.client.suspendOrchestration(id);
            await t.client.suspendOrchestration(id);
            is(await t.state(id), Status.SUSPENDED);
            await t.client.resumeOrchestration(id);
            await t.client.resumeOrchestration(id);
            is(await t.state(id), Status.RUNNING);
        }
        await t.raise(id, "go", "again");
        completed(await t.done(id), "hello again");
        await t.client.suspendOrchestration(id);
        await t.client.resumeOrchestration(id);
        completed(await t.state(id), "hello again");
    },
);
test(
    "a-pending-orchestration-can-be-suspended",
    "3.12 PENDING; 2.6 WaitForInstanceStart returns",
    async (t) => {
        const hub = t.hub();
        const id = await hub.start("empty", null, t.id());
        await hub.client.suspendOrchestration(id);
        const state = await hub.client.waitForOrchestrationStart(id, false, 5);
        is(state, Status.SUSPENDED);
        await hub.client.resumeOrchestration(id);
        is(await hub.state(id), Status.PENDING);
        await hub.worker();
        completed(await hub.done(id), "done");
    },
);
orchestrator("timer_then_echo", async function* (ctx) {
    yield ctx.createTimer(0.7);
    return yield ctx.callActivity("echo", "late");
});
test("a-timer-that-is-due-while-suspended-waits", "3.12 timers become due but wait", async (t) => {
    const id = await t.start("timer_then_echo");
    await running(t, id);
    await t.client.suspendOrchestration(id);
    await sleep(1600);
    is(await t.state(id), Status.SUSPENDED);
    await t.client.resumeOrchestration(id);
    completed(await t.done(id), "late");
});
test("to-suspend-nobody-is-refused", "9 decision 3", async (t) => {
    for (const what of ["suspendOrchestration", "resumeOrchestration", "terminateOrchestration"])
        await assert.rejects(t.client[what](t.id()), (error) => error.code === 5);
});

// ---- terminate

orchestrator("waits_with_children", async function* (ctx, { depth, key }) {
    if (depth > 0) {
        const child = { instanceId: `${key}-${depth - 1}` };
        yield ctx.callSubOrchestrator("waits_with_children", { depth: depth - 1, key }, child);
        return "the child ended";
    }
    return yield ctx.waitForExternalEvent("go");
});
const family = async (t, depth = 2) => {
    const key = t.id();
    await t.start("waits_with_children", { depth, key }, `${key}-${depth}`);
    await until(async () => await t.state(`${key}-0`));
    await running(t, `${key}-0`);
    return Array.from({ length: depth + 1 }, (_, i) => `${key}-${depth - i}`);
};

test("terminate-gives-the-output", "6.1, 6.2 terminate", async (t) => {
    const id = await t.start("wait_for_go");
    await running(t, id);
    await t.client.terminateOrchestration(id, { reason: "enough", n: [1, null] });
    const state = await t.done(id, 5);
    is(state, Status.TERMINATED);
    assert.equal(state.serializedOutput, '{"reason":"enough","n":[1,null]}');
});
test(
    "terminate-with-options",
    "6.2 terminate with options object / legacy; output preserved",
    async (t) => {
        const id = await t.start("wait_for_go");
        await t.client.terminateOrchestration(id, dt.terminateOptions({ output: "with options" }));
        const state = await t.done(id, 5);
        is(state, Status.TERMINATED);
        assert.equal(state.serializedOutput, '"with options"');
        const other = await t.start("wait_for_go");
        await t.client.terminateOrchestration(other, { recursive: true, output: "not options" });
        assert.equal(
            (await t.done(other, 5)).serializedOutput,
            '{"recursive":true,"output":"not options"}',
        );
    },
);
test("a-terminated-orchestration-stays-so", "2.6 terminal: no-op OK", async (t) => {
    const id = await t.start("wait_for_go");
    await t.client.terminateOrchestration(id, "one");
    await t.client.terminateOrchestration(id, "two");
    await t.raise(id, "go", "three");
    await sleep(300);
    const state = await t.state(id);
    is(state, Status.TERMINATED);
    assert.equal(state.serializedOutput, '"one"');
});
test("terminate-while-an-activity-runs", "3.13; late completions are dropped", async (t) => {
    const id = await t.start("holds", t.id());
    await until(() => count(t.id()));
    await t.client.terminateOrchestration(id, "now");
    is(await t.done(id, 5), Status.TERMINATED);
    bump(`${t.id()} release`);
    await sleep(500);
    is(await t.state(id), Status.TERMINATED);
});
test("terminate-recursively", "6.2 recursive terminate", async (t) => {
    const ids = await family(t);
    await t.client.terminateOrchestration(
        ids[0],
        dt.terminateOptions({ output: "all", recursive: true }),
    );
    for (const id of ids) {
        const state = await t.done(id, 10);
        is(state, Status.TERMINATED);
        assert.equal(state.serializedOutput, '"all"');
    }
});
test("terminate-only-the-parent", "6.2 recursive terminate: only parent when false", async (t) => {
    const ids = await family(t, 1);
    await t.client.terminateOrchestration(
        ids[0],
        dt.terminateOptions({ output: "one", recursive: false }),
    );
    is(await t.done(ids[0], 5), Status.TERMINATED);
    await sleep(500);
    is(await t.state(ids[1]), Status.RUNNING);
    await t.raise(ids[1], "go", "child goes on");
    completed(await t.done(ids[1]), "child goes on");
    is(await t.state(ids[0]), Status.TERMINATED);
});
test(
    "a-terminated-child-fails-its-parent",
    "3.10 TERMINATED child: failureDetails non-null",
    async (t) => {
        const ids = await family(t, 1);
        await t.client.terminateOrchestration(ids[1], "gone");
        failed(await t.done(ids[0]));
    },
);
test(
    "terminate-a-suspended-one",
    "3.13 works for SUSPENDED; 6.5 terminateSuspendOrchestration",
    async (t) => {
        const id = await t.start("wait_for_go");
        await t.client.suspendOrchestration(id);
        await t.client.terminateOrchestration(id, "out");
        const state = await t.done(id, 5);
        is(state, Status.TERMINATED);
        assert.equal(state.serializedOutput, '"out"');
    },
);

// ---- purge

test("purge-by-id", "6.1, 6.2 purge by ID", async (t) => {
    const { instanceId } = await t.run("empty");
    assert.equal((await t.client.purgeOrchestration(instanceId)).deletedInstanceCount, 1);
    assert.equal(await t.state(instanceId), undefined);
    assert.equal((await t.client.purgeOrchestration(instanceId)).deletedInstanceCount, 0);
    assert.deepEqual(await t.history(instanceId), []);
});
test("purge-spares-what-runs", "3.16 non-terminal ID: 0", async (t) => {
    const id = await t.start("wait_for_go");
    await running(t, id);
    assert.equal((await t.client.purgeOrchestration(id)).deletedInstanceCount, 0);
    await t.raise(id, "go", 1);
    completed(await t.done(id), 1);
});
test("purge-with-children", "6.2 recursive purge true", async (t) => {
    const ids = await family(t);
    await t.raise(ids[2], "go", 1);
    completed(await t.done(ids[0]));
    const result = await t.client.purgeOrchestration(ids[0], { recursive: true });
    assert.equal(result.deletedInstanceCount, 3);
    for (const id of ids) assert.equal(await t.state(id), undefined);
});
test("purge-without-children", "6.2 recursive purge false", async (t) => {
    const ids = await family(t);
    await t.raise(ids[2], "go", 1);
    completed(await t.done(ids[0]));
    const result = await t.client.purgeOrchestration(ids[0], { recursive: false });
    assert.equal(result.deletedInstanceCount, 1);
    assert.equal(await t.state(ids[0]), undefined);
    completed(await t.state(ids[1]));
});
test("purge-by-criteria", "6.1 purge by criteria; 3.16 exact counts", async (t) => {
    const hub = t.hub();
    await hub.worker();
    const before = await hub.run("empty", null, "before");
    await sleep(30);
    const from = new Date();
    await hub.run("empty", null, "one");
    await hub.run("always_fails", "x", "two");
    await hub.start("wait_for_go", null, "three");
    await hub.client.waitForOrchestrationStart("three");
    const to = new Date(Date.now() + 20);
    await sleep(60);
    await hub.run("empty", null, "after");
    const criteria = new dt.PurgeInstanceCriteria();
    criteria.setCreatedTimeFrom(from);
    criteria.setCreatedTimeTo(to);
    criteria.setRuntimeStatusList([Status.FAILED]);
    criteria.setTimeout(20000);
    assert.equal((await hub.client.purgeOrchestration(criteria)).deletedInstanceCount, 1);
    assert.equal(await hub.state("two"), undefined);
    criteria.setRuntimeStatusList([]);
    assert.equal((await hub.client.purgeOrchestration(criteria)).deletedInstanceCount, 1);
    assert.equal(await hub.state("one"), undefined);
    assert.ok(await hub.state("three"), "what runs is spared");
    for (const id of [before.instanceId, "after"]) completed(await hub.state(id), "done");
});
test("purge-in-a-batch", "3.16 instanceBatch; more than 500 is INVALID_ARGUMENT", async (t) => {
    const ids = [];
    for (let i = 0; i < 3; i++) ids.push((await t.run("empty")).instanceId);
    const request = new pb.PurgeInstancesRequest();
    const batch = new pb.InstanceBatch();
    batch.setInstanceidsList([...ids, t.id("nobody")]);
    request.setInstancebatch(batch);
    const response = await t.raw("purgeInstances", request);
    assert.equal(response.getDeletedinstancecount(), 3);
    assert.equal(response.getIscomplete()?.getValue(), true);
    batch.setInstanceidsList(Array.from({ length: 501 }, (_, i) => `x${i}`));
    await assert.rejects(t.raw("purgeInstances", request), (error) => error.code === 3);
    await assert.rejects(
        t.raw("purgeInstances", new pb.PurgeInstancesRequest()),
        (e) => e.code === 3,
    );
});
