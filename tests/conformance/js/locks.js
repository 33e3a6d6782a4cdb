// SPDX-License-Identifier: MIT
//
// Critical sections: locks are exclusive, in one order, and released however their owner ends.
"use strict";

const {
    assert,
    orchestrator,
    test,
    sleep,
    until,
    completed,
    failed,
    dt,
    Status,
} = require("./harness");

const id_of = (name, key) => new dt.EntityInstanceId(name, key);
const parse = (id) => dt.EntityInstanceId.fromString(id);

// Locks, reads each, waits, writes back what it read and one more: wrong if anybody else comes between.
orchestrator("adds_under_locks", async function* (ctx, { ids, ms }) {
    const lock = yield ctx.entities.lockEntities(...ids.map(parse));
    const seen = [];
    const unique = [...new Set(ids)];
    for (const id of unique) {
        const before = yield ctx.entities.callEntity(parse(id), "get");
        if (ms) yield ctx.createTimer(ms / 1000);
        seen.push(yield ctx.entities.callEntity(parse(id), "add", 1));
        if (seen.at(-1) !== before + 1)
            throw new Error(`somebody came between: ${before}, ${seen.at(-1)}`);
    }
    lock.release();
    return seen;
});
const ids = (t, n) => Array.from({ length: n }, (_, i) => id_of("counter", t.id(i)).toString());
const unlocked = (t, id) => until(async () => !(await t.client.getEntity(parse(id)))?.lockedBy, 5);

test("lock-one-entity", "6.2 entity: lock one", async (t) => {
    completed(await t.run("adds_under_locks", { ids: ids(t, 1) }), [1]);
    await unlocked(t, ids(t, 1)[0]);
});
test("lock-several-entities", "6.2 entity: lock several", async (t) => {
    completed(await t.run("adds_under_locks", { ids: ids(t, 4) }), [1, 1, 1, 1]);
});
test("locks-are-released", "6.2 entity: lock released", async (t) => {
    for (let round = 1; round <= 3; round++)
        completed(await t.run("adds_under_locks", { ids: ids(t, 2) }), [round, round]);
});
test("lock-the-same-twice", "6.2 entity: lock duplicate IDs", async (t) => {
    const [one, two] = ids(t, 2);
    completed(await t.run("adds_under_locks", { ids: [one, two, one, one] }), [1, 1]);
});
test("orders-of-locks-do-not-matter", "6.2 entity: lock sort order; 7 trap 21", async (t) => {
    const set = ids(t, 3);
    const orders = [set, [...set].reverse(), [set[1], set[0], set[2]], [set[2], set[0], set[1]]];
    const ends = await Promise.all(
        [...orders, ...orders].map((one) => t.run("adds_under_locks", { ids: one, ms: 20 })),
    );
    const seen = ends.map((state) => completed(state).reduce((a, b) => a + b, 0));
    assert.equal(seen.length, 8);
    for (const id of set) assert.equal((await t.client.getEntity(parse(id))).state, 8);
});
test(
    "locks-serialise-two-orchestrations",
    "6.2 entity: serialise two orchestrations",
    async (t) => {
        const set = ids(t, 1);
        const ends = await Promise.all(
            Array.from({ length: 6 }, () => t.run("adds_under_locks", { ids: set, ms: 100 })),
        );
        assert.deepEqual(ends.map((state) => completed(state)[0]).sort(), [1, 2, 3, 4, 5, 6]);
    },
);

orchestrator("releases_twice", async function* (ctx, id) {
    const lock = yield ctx.entities.lockEntities(parse(id));
    yield ctx.entities.callEntity(parse(id), "add", 1);
    lock.release();
    lock.release();
    yield ctx.callActivity("echo", 1);
    lock.release();
    return ctx.entities.isInCriticalSection().inSection;
});
test("a-lock-is-released-twice", "6.2 entity: duplicate release", async (t) => {
    const [id] = ids(t, 1);
    completed(await t.run("releases_twice", id), false);
    completed(await t.run("releases_twice", id), false);
    await unlocked(t, id);
});

orchestrator("breaks_rules", async function* (ctx, { id, other, how }) {
    const lock = yield ctx.entities.lockEntities(parse(id));
    const told = [];
    try {
        if (how === "signal") ctx.entities.signalEntity(parse(id), "add", 1);
        if (how === "other") yield ctx.entities.callEntity(parse(other), "add", 1);
        if (how === "nest") yield ctx.entities.lockEntities(parse(other));
        told.push("allowed");
    } catch (error) {
        told.push(error.message);
    }
    told.push(yield ctx.entities.callEntity(parse(id), "add", 1));
    lock.release();
    return told;
});
for (const how of ["signal", "other", "nest"])
    test(
        `in-a-critical-section-${how}-is-refused`,
        "6.2 entity: lock call-not-signal",
        async (t) => {
            const [id, other] = ids(t, 2);
            const told = completed(await t.run("breaks_rules", { id, other, how }));
            assert.match(told[0], /[Mm]ust not/);
            assert.equal(told[1], 1);
            await unlocked(t, id);
        },
    );

orchestrator("holds_lock", async function* (ctx, { id, end }) {
    const lock = yield ctx.entities.lockEntities(...[id].flat().map(parse));
    ctx.setCustomStatus("locked");
    yield ctx.waitForExternalEvent("release");
    if (end === "fail") throw new Error("inside the critical section");
    if (end === "again") {
        ctx.continueAsNew({ id, end: "done" });
        return;
    }
    if (end !== "forget") lock.release();
    return "released";
});
const locked_by = async (t, id) => (await t.client.getEntity(parse(id)))?.lockedBy;
async function held(t, end) {
    const [id] = ids(t, 1);
    await t.run("calls", [{ to: id, op: "add", input: 1 }]);
    const owner = await t.start("holds_lock", { id, end }, t.id("owner"));
    await until(async () => (await locked_by(t, id)) === owner);
    return { id, owner };
}
test("the-owner-of-a-lock-is-visible", "6.2 entity: lockedBy during lock", async (t) => {
    const { id, owner } = await held(t);
    await sleep(1000);
    assert.equal(await locked_by(t, id), owner);
    const entity = await t.client.getEntity(parse(id));
    assert.equal(entity.state, 1);
    await t.raise(owner, "release");
    completed(await t.done(owner), "released");
    await until(async () => (await locked_by(t, id)) === undefined, 5);
});
test("others-wait-for-the-lock", "4.7 while locked only the owner's messages", async (t) => {
    const { id, owner } = await held(t);
    await t.client.signalEntity(parse(id), "add", 10);
    const caller = await t.start("calls", [{ to: id, op: "add", input: 100 }]);
    await sleep(700);
    assert.equal((await t.client.getEntity(parse(id))).state, 1);
    assert.ok((await t.client.getEntity(parse(id))).backlogQueueSize >= 1, "they are queued");
    await t.raise(owner, "release");
    completed(await t.done(owner));
    completed(await t.done(caller), [111]);
});
for (const [end, how] of [
    ["fail", "fails"],
    ["forget", "completes"],
    ["again", "continues as new"],
])
    test(
        `an-owner-that-${how.replaceAll(" ", "-")}-releases-its-lock`,
        `4.7 release on every end: ${how}`,
        async (t) => {
            const { id, owner } = await held(t, end);
            const caller = await t.start("calls", [{ to: id, op: "add", input: 1 }]);
            await t.raise(owner, "release");
            if (end === "again") {
                await sleep(300);
                await t.raise(owner, "release");
            }
            const state = await t.done(owner);
            if (end === "fail") failed(state, /inside/);
            else completed(state);
            completed(await t.done(caller), [2]);
        },
    );
test("a-terminated-owner-releases-its-lock", "4.7 release on termination", async (t) => {
    const { id, owner } = await held(t);
    await t.client.terminateOrchestration(owner, "x");
    assert.equal((await t.done(owner)).runtimeStatus, Status.TERMINATED);
    completed(await t.run("calls", [{ to: id, op: "add", input: 1 }]), [2]);
});
test(
    "a-lock-request-of-a-terminated-one-is-withdrawn",
    "4.7 incl. pending lock requests",
    async (t) => {
        const { id, owner } = await held(t);
        const waiting = await t.start("adds_under_locks", { ids: [id] });
        const last = await t.start("adds_under_locks", { ids: [id] });
        await sleep(500);
        await t.client.terminateOrchestration(waiting, "x");
        await t.raise(owner, "release");
        completed(await t.done(owner));
        completed(await t.done(last), [2]);
    },
);
test("a-lock-of-nothing-leaves-nothing", "4.7 transient entity", async (t) => {
    const [id] = ids(t, 1);
    const owner = await t.start("holds_lock", { id }, t.id("owner"));
    await until(async () => (await t.state(owner)).serializedCustomStatus === '"locked"');
    await t.raise(owner, "release");
    completed(await t.done(owner));
    assert.equal(await t.client.getEntity(parse(id)), undefined);
});
