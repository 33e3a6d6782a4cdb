// SPDX-License-Identifier: MIT
//
// node survives.js HOST:PORT before|after HOW   what is at rest survives a restart of the server:
// `before` leaves instances and entities in every state; `after`, once the server has been killed and
// started again, finds them as they were and brings them to their ends.
"use strict";

const { assert, dt, Hub, Status, orchestrator, until, completed, failed } = require("./harness");
require("./shared");

const [address, when, how] = process.argv.slice(2);
const hub = new Hub(address, `survives-${how}`);
const id_of = (name, key) => new dt.EntityInstanceId(name, key);
const is = (state, status) => assert.equal(Status[state?.runtimeStatus], status);

orchestrator("at_rest", async function* (ctx, { timer }) {
    const n = yield ctx.callActivity("plus_one", 41);
    ctx.setCustomStatus({ n });
    if (timer) yield ctx.createTimer(timer);
    const event = yield ctx.waitForExternalEvent("go");
    return { n, event };
});
orchestrator("holds_lock_at_rest", async function* (ctx, key) {
    const id = id_of("counter", key);
    const lock = yield ctx.entities.lockEntities(id);
    const before = yield ctx.entities.callEntity(id, "add", 1);
    yield ctx.waitForExternalEvent("go");
    const after = yield ctx.entities.callEntity(id, "add", 1);
    lock.release();
    return [before, after];
});
orchestrator("parent_at_rest", async function* (ctx) {
    return yield ctx.callSubOrchestrator("wait_for_go", null, { instanceId: "child" });
});

async function before() {
    await hub.worker();
    await hub.start("at_rest", {}, { instanceId: "waiting", tags: { a: "1" }, version: "1.5" });
    await hub.start("at_rest", { timer: 3600 * 24 * 365 }, "timer");
    await hub.start("sleeps", 4, "sleeper");
    await hub.start("wait_for_go", null, {
        instanceId: "scheduled",
        startAt: new Date(Date.now() + 5000),
    });
    await hub.start("at_rest", {}, "suspended");
    await hub.start("parent_at_rest", null, "parent");
    await hub.start("holds_lock_at_rest", "locked", "owner");
    completed(await hub.run("returns_input", { big: "x".repeat(300000) }, "done"));
    failed(await hub.run("always_fails", "as told", "failed"));
    await hub.start("wait_for_go", null, "terminated");
    await hub.client.terminateOrchestration("terminated", { why: "told" });
    completed(await hub.run("empty", null, "purged"));
    assert.equal((await hub.client.purgeOrchestration("purged")).deletedInstanceCount, 1);
    for (const id of ["waiting", "timer", "suspended"])
        await until(async () => (await hub.state(id)).serializedCustomStatus === '{"n":42}');
    await hub.client.suspendOrchestration("suspended");
    await hub.raise("suspended", "go", "held");
    await until(async () => await hub.state("child"));
    await until(
        async () => (await hub.client.getEntity(id_of("counter", "locked")))?.lockedBy === "owner",
    );
    await until(
        async () => (await hub.client.getEntity(id_of("counter", "locked")))?.includesState,
    );
    await hub.client.signalEntity(id_of("counter", "locked"), "add", 100);
    await hub.client.signalEntity(id_of("log", "kept"), "append", "x");
    await hub.client.signalEntity(id_of("log", "later"), "append", "y", {
        signalTime: new Date(Date.now() + 5000),
    });
    await until(async () => await hub.client.getEntity(id_of("log", "kept")));
    await hub.close();
}

const checks = {
    "keeps-instances-as-they-were": async () => {
        const waiting = await hub.state("waiting");
        is(waiting, "RUNNING");
        assert.equal(waiting.serializedCustomStatus, '{"n":42}');
        assert.deepEqual(waiting.tags, { a: "1" });
        is(await hub.state("suspended"), "SUSPENDED");
        const done = await hub.state("done");
        assert.equal(JSON.parse(done.serializedOutput).big.length, 300000);
        failed(await hub.state("failed"), /as told/);
        const terminated = await hub.state("terminated");
        is(terminated, "TERMINATED");
        assert.equal(terminated.serializedOutput, '{"why":"told"}');
        assert.equal(await hub.state("purged"), undefined);
    },
    "keeps-queries-and-histories": async () => {
        const found = [];
        for await (const one of hub.client.getAllInstances({
            statuses: [Status.COMPLETED, Status.FAILED],
        }))
            found.push(one.instanceId);
        for (const id of ["done", "failed"]) assert.ok(found.includes(id), id);
        const types = (await hub.history("waiting")).map((event) => event.type);
        assert.deepEqual(types, [
            "OrchestratorStarted",
            "ExecutionStarted",
            "TaskScheduled",
            "OrchestratorStarted",
            "TaskCompleted",
        ]);
    },
    "keeps-entities-and-locks": async () => {
        const locked = await hub.client.getEntity(id_of("counter", "locked"));
        assert.equal(locked.lockedBy, "owner");
        assert.equal(locked.state, 1);
        assert.deepEqual((await hub.client.getEntity(id_of("log", "kept"))).state, ["x"]);
    },
    "delivers-events-afterwards": async () => {
        await hub.raise("waiting", "go", "after");
        completed(await hub.done("waiting"), { n: 42, event: "after" });
    },
    "keeps-held-events": async () => {
        await hub.client.resumeOrchestration("suspended");
        completed(await hub.done("suspended"), { n: 42, event: "held" });
    },
    "keeps-locks-exclusive": async () => {
        await hub.raise("owner", "go", null);
        completed(await hub.done("owner"), [1, 2]);
        await until(
            async () => (await hub.client.getEntity(id_of("counter", "locked"))).state === 102,
        );
    },
    "keeps-families": async () => {
        await hub.raise("child", "go", "from the child");
        completed(await hub.done("parent"), "from the child");
    },
    "fires-timers": async () => {
        assert.ok(completed(await hub.done("sleeper")) >= 4000);
        is(await hub.state("timer"), "RUNNING");
        await hub.client.terminateOrchestration("timer");
        is(await hub.done("timer"), "TERMINATED");
    },
    "keeps-schedules": async () => {
        await hub.raise("scheduled", "go", 7);
        completed(await hub.done("scheduled"), 7);
        await until(
            async () => (await hub.client.getEntity(id_of("log", "later")))?.state?.[0] === "y",
        );
    },
    "keeps-what-can-be-rewound": async () => {
        await hub.client.rewindInstance("failed", "again");
        failed(await hub.done("failed"), /as told/);
        assert.equal(await hub.client.restartOrchestration("done", false), "done");
        assert.equal(JSON.parse((await hub.done("done")).serializedOutput).big.length, 300000);
    },
};

async function after() {
    let ok = true;
    for (const [name, body] of Object.entries(checks)) {
        if (name === "delivers-events-afterwards") await hub.worker();
        try {
            await body();
            console.log(`ok a-${how}-${name}`);
        } catch (error) {
            console.log(
                `FAILED a-${how}-${name}: ${error.message.replace(/\s+/g, " ").slice(0, 300)}`,
            );
            ok = false;
        }
    }
    process.exit(ok ? 0 : 1);
}

(when === "before" ? before().then(() => process.exit(0)) : after()).catch((error) => {
    console.error(error);
    process.exit(2);
});
