// SPDX-License-Identifier: MIT
//
// The same instance once more: restart, rewind, reuse of IDs.
"use strict";

const {
    assert,
    Status,
    pb,
    timestamps,
    orchestrator,
    activity,
    test,
    bump,
    count,
    until,
    completed,
    failed,
    string_value,
    dt,
} = require("./harness");

const is = (state, status) => assert.equal(Status[state.runtimeStatus], Status[status]);
const running = async (t, id) => {
    await t.client.waitForOrchestrationStart(id);
    is(await t.state(id), Status.RUNNING);
};

// ---- restart

orchestrator("remembers_runs", async function* (ctx, input) {
    const n = yield ctx.callActivity("tally", input.key);
    if (input.mode === "fail") throw new Error("as told");
    if (input.mode === "wait") yield ctx.waitForExternalEvent("go");
    return { n, input };
});
test("restart-under-the-same-id", "6.2 restart: completed same ID; default false", async (t) => {
    const input = { key: t.id(), text: "kept" };
    completed(await t.run("remembers_runs", input, t.id()), { n: 1, input });
    assert.equal(await t.client.restartOrchestration(t.id(), false), t.id());
    completed(await t.done(t.id()), { n: 2, input });
    assert.equal(await t.client.restartOrchestration(t.id()), t.id());
    completed(await t.done(t.id()), { n: 3, input });
});
test("restart-under-a-new-id", "6.2 restart: new ID; input kept", async (t) => {
    const input = { key: t.id(), text: "kept too" };
    completed(await t.run("remembers_runs", input, t.id()));
    const id = await t.client.restartOrchestration(t.id(), true);
    assert.notEqual(id, t.id());
    assert.match(id, /^[0-9a-f]{32}$/);
    completed(await t.done(id), { n: 2, input });
    completed(await t.state(t.id()), { n: 1, input });
});
test("restart-what-failed", "6.2 restart: failed", async (t) => {
    failed(await t.run("remembers_runs", { key: t.id(), mode: "fail" }, t.id()));
    await t.client.restartOrchestration(t.id());
    failed(await t.done(t.id()));
    assert.equal(count(t.id()), 2);
});
test("restart-what-was-terminated", "6.2 restart: terminated", async (t) => {
    const id = await t.start("remembers_runs", { key: t.id(), mode: "wait" }, t.id());
    await until(() => count(t.id()));
    await t.client.terminateOrchestration(id, "x");
    is(await t.done(id), Status.TERMINATED);
    await t.client.restartOrchestration(id);
    await until(() => count(t.id()) === 2);
    await t.raise(id, "go");
    completed(await t.done(id));
});
test("restart-nobody-is-refused", "6.2 restart: missing", async (t) => {
    await assert.rejects(t.client.restartOrchestration(t.id()), /was not found/);
});
test("restart-what-runs-is-refused", "6.2 restart: running same ID", async (t) => {
    const id = await t.start("wait_for_go");
    await running(t, id);
    await assert.rejects(t.client.restartOrchestration(id), /cannot be restarted/);
    await t.raise(id, "go", 7);
    completed(await t.done(id), 7);
});
test("restart-what-is-suspended-is-refused", "6.2 restart: suspended same ID", async (t) => {
    const id = await t.start("wait_for_go");
    await running(t, id);
    await t.client.suspendOrchestration(id);
    await assert.rejects(t.client.restartOrchestration(id), /cannot be restarted/);
    is(await t.state(id), Status.SUSPENDED);
});
test("restart-what-runs-under-a-new-id", "6.2 restart: running with new ID allowed", async (t) => {
    const id = await t.start("wait_for_go");
    await running(t, id);
    const other = await t.client.restartOrchestration(id, true);
    await t.raise(other, "go", "new");
    completed(await t.done(other), "new");
    is(await t.state(id), Status.RUNNING);
});

// ---- rewind

activity("switched", (_, key) => {
    bump(`${key} runs`);
    if (!count(`${key} repaired`)) throw new Error("broken");
    return "repaired";
});
orchestrator("rewindable", async function* (ctx, key) {
    const before = yield ctx.callActivity("tally", `${key} before`);
    const middle = yield ctx.callActivity("switched", key);
    const after = yield ctx.callActivity("tally", `${key} after`);
    return { before, middle, after };
});
test("rewind-runs-only-what-failed-again", "6.2 rewind: failed", async (t) => {
    const key = t.id();
    failed(await t.run("rewindable", key, key), /broken/);
    bump(`${key} repaired`);
    await t.client.rewindInstance(key, "it is repaired");
    completed(await t.done(key), { before: 1, middle: "repaired", after: 1 });
    assert.equal(count(`${key} runs`), 2);
    assert.equal(count(`${key} before`), 1);
    assert.equal((await t.state(key)).failureDetails, undefined);
});
test("rewind-keeps-its-reason", "6.2 rewind: with reason; 1.4 ExecutionRewound", async (t) => {
    const key = t.id();
    failed(await t.run("rewindable", key, key));
    bump(`${key} repaired`);
    await t.client.rewindInstance(key, "because");
    completed(await t.done(key));
    const rewound = (await t.history(key)).filter((event) => event.type === "ExecutionRewound");
    assert.equal(rewound.length, 1);
    assert.equal(rewound[0].reason, "because");
});
test("rewind-again-and-again", "6.3 rewind twice", async (t) => {
    const key = t.id();
    failed(await t.run("rewindable", key, key));
    for (let n = 2; n <= 4; n++) {
        await t.client.rewindInstance(key, `try ${n}`);
        failed(await t.done(key), /broken/);
        assert.equal(count(`${key} runs`), n);
    }
    bump(`${key} repaired`);
    await t.client.rewindInstance(key, "last");
    completed(await t.done(key), { before: 1, middle: "repaired", after: 1 });
});
orchestrator("rewindable_parent", async function* (ctx, key) {
    const before = yield ctx.callActivity("tally", `${key} parent`);
    const child = yield ctx.callSubOrchestrator("rewindable", key, { instanceId: `${key}-child` });
    return { before, child };
});
test("rewind-goes-into-children", "3.14 step 4", async (t) => {
    const key = t.id();
    failed(await t.run("rewindable_parent", key, key));
    bump(`${key} repaired`);
    await t.client.rewindInstance(key, "child");
    completed(await t.done(key), { before: 1, child: { before: 1, middle: "repaired", after: 1 } });
    completed(await t.state(`${key}-child`));
    assert.equal(count(`${key} before`), 1);
});
test(
    "rewind-replaces-a-purged-child",
    "3.14 step 4 (purged); 6.3 rewind purged child",
    async (t) => {
        const key = t.id();
        failed(await t.run("rewindable_parent", key, key));
        assert.equal((await t.client.purgeOrchestration(`${key}-child`)).deletedInstanceCount, 1);
        bump(`${key} repaired`);
        await t.client.rewindInstance(key, "child is gone");
        completed(await t.done(key), {
            before: 1,
            child: { before: 2, middle: "repaired", after: 1 },
        });
    },
);
orchestrator("rewindable_siblings", async function* (ctx, key) {
    return yield dt.whenAll([
        ctx.callActivity("tally", `${key} sibling`),
        ctx.callActivity("switched", key),
        ctx.callActivity("after", { ms: 100, value: "slow" }),
    ]);
});
test("rewind-spares-siblings-that-were-good", "3.14: successful ones never", async (t) => {
    const key = t.id();
    failed(await t.run("rewindable_siblings", key, key));
    bump(`${key} repaired`);
    await t.client.rewindInstance(key, "once more");
    completed(await t.done(key), [1, "repaired", "slow"]);
    assert.equal(count(`${key} sibling`), 1);
});
test("rewind-nobody-is-refused", "6.2 rewind: missing", async (t) => {
    await assert.rejects(t.client.rewindInstance(t.id(), "x"), /was not found/);
});
test("rewind-what-completed-is-refused", "6.2 rewind: completed", async (t) => {
    const { instanceId } = await t.run("empty");
    await assert.rejects(t.client.rewindInstance(instanceId, "x"), /not allow|precondition/i);
});
test("rewind-what-runs-is-refused", "6.2 rewind: running", async (t) => {
    const id = await t.start("wait_for_go");
    await running(t, id);
    await assert.rejects(t.client.rewindInstance(id, "x"), /not allow|precondition|running/i);
});
test("rewind-what-was-terminated-is-refused", "6.2 rewind: terminated", async (t) => {
    const id = await t.start("wait_for_go");
    await t.client.terminateOrchestration(id);
    await assert.rejects(t.client.rewindInstance(id, "x"), /not allow|precondition/i);
});
test("rewind-of-an-empty-id-is-refused", "6.2 rewind: empty ID (client)", async (t) => {
    await assert.rejects(t.client.rewindInstance("", "x"), /instanceId is required/);
});

// ---- reuse of IDs: this version of the SDK has the policy on the wire only

const all = pb.OrchestrationStatus;
const S = (name) => all[`ORCHESTRATION_STATUS_${name}`];
const seven = ["COMPLETED", "FAILED", "TERMINATED", "CANCELED", "PENDING", "RUNNING", "SUSPENDED"];
function create(name, id, replaceable, input = "null") {
    const request = new pb.CreateInstanceRequest();
    request.setName(name);
    request.setInstanceid(id);
    request.setInput(string_value(input));
    request.setScheduledstarttimestamp(new timestamps.Timestamp());
    if (replaceable) {
        const policy = new pb.OrchestrationIdReusePolicy();
        policy.setReplaceablestatusList(replaceable.map(S));
        request.setOrchestrationidreusepolicy(policy);
    }
    return request;
}
const without = (...dedupe) => seven.filter((name) => !dedupe.includes(name));
const reuse = "6.2 orchestration-id-reuse-policy";

test("an-id-in-use-is-refused", `${reuse}; 3.2 absent policy over a running one`, async (t) => {
    const id = await t.start("wait_for_go", null, t.id());
    await running(t, id);
    await assert.rejects(t.start("empty", null, id), (error) => {
        assert.equal(error.code, 6);
        assert.match(error.details, /orchestration instance already exists/);
        return true;
    });
    is(await t.state(id), Status.RUNNING);
    await t.raise(id, "go", "still the first");
    completed(await t.done(id), "still the first");
});
test("an-id-of-a-completed-one-is-free", "9 decision 1", async (t) => {
    completed(await t.run("returns_input", 1, t.id()), 1);
    completed(await t.run("returns_input", 2, t.id()), 2);
});
test("dedupe-completed-refuses", reuse, async (t) => {
    completed(await t.run("returns_input", 1, t.id()), 1);
    await assert.rejects(
        t.raw("startInstance", create("empty", t.id(), without("COMPLETED"))),
        (e) => e.code === 6,
    );
    completed(await t.state(t.id()), 1);
    await assert.rejects(t.raw("startInstance", create("empty", t.id(), [])), (e) => e.code === 6);
});
test("dedupe-of-something-else-replaces", reuse, async (t) => {
    completed(await t.run("returns_input", 1, t.id()), 1);
    await t.raw(
        "startInstance",
        create("returns_input", t.id(), without("FAILED", "TERMINATED"), "2"),
    );
    completed(await t.done(t.id()), 2);
});
test("a-running-one-is-replaced", `${reuse}: R = all`, async (t) => {
    const id = await t.start("wait_for_go", null, t.id());
    await running(t, id);
    await t.raw("startInstance", create("returns_input", id, seven, '"new"'));
    completed(await t.done(id), "new");
});
test(
    "a-running-one-without-terminated-is-an-error",
    `${reuse}: exact INVALID_ARGUMENT text`,
    async (t) => {
        const id = await t.start("wait_for_go", null, t.id());
        await running(t, id);
        await assert.rejects(
            t.raw("startInstance", create("empty", id, without("TERMINATED"))),
            (error) => {
                assert.equal(error.code, 3);
                assert.ok(
                    error.details.includes(
                        "Invalid reusable statuses: cannot exclude 'Terminated' " +
                            "while also allowing reuse of running instances",
                    ),
                    error.details,
                );
                return true;
            },
        );
        is(await t.state(id), Status.RUNNING);
    },
);
test("a-suspended-one-is-replaced", `${reuse}: SUSPENDED visible`, async (t) => {
    const id = await t.start("wait_for_go", null, t.id());
    await running(t, id);
    await t.client.suspendOrchestration(id);
    is(await t.state(id), Status.SUSPENDED);
    await assert.rejects(
        t.raw("startInstance", create("empty", id, without("SUSPENDED"))),
        (e) => e.code === 6,
    );
    is(await t.state(id), Status.SUSPENDED);
    await t.raw("startInstance", create("returns_input", id, seven, "5"));
    completed(await t.done(id), 5);
});
test("ids-that-are-refused", "3.1 IDs: 1-100 printable ASCII, not @", async (t) => {
    for (const id of ["@counter@x", "x".repeat(101), "new\nline", "ümlaut"])
        await assert.rejects(
            t.raw("startInstance", create("empty", id)),
            (error) => error.code === 3,
            id,
        );
    const edge = `${t.id()}-`.padEnd(100, "x");
    completed(await t.run("empty", null, edge), "done");
    const minted = (await t.raw("startInstance", create("empty", ""))).getInstanceid();
    assert.match(minted, /^[0-9a-f]{32}$/);
    completed(await t.done(minted), "done");
});
