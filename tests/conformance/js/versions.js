// SPDX-License-Identifier: MIT
//
// Versions, tags and work-item filters: workers with options of their own, so hubs of their own.
"use strict";

const {
    assert,
    Status,
    orchestrator,
    activity,
    test,
    sleep,
    completed,
    failed,
    pb,
    string_value,
    dt,
} = require("./harness");

const { VersionMatchStrategy: Match, VersionFailureStrategy: Fail } = dt;

orchestrator("says_version", (ctx) => ctx.version);
orchestrator("child_says_version", async function* (ctx, options) {
    return {
        own: ctx.version,
        child: yield ctx.callSubOrchestrator("says_version", null, options ?? {}),
    };
});
test("a-version-is-passed", "6.2 orchestration: version passed / empty", async (t) => {
    completed(await t.run("says_version", null, { version: "1.2.3" }), "1.2.3");
    completed(await t.run("says_version", null, {}), "");
});
test("an-absent-version-is-not-an-empty-one", "7 trap 17: versions", async (t) => {
    const started = async (id) =>
        (await t.history(id)).find((event) => event.type === "ExecutionStarted");
    completed(await t.run("empty", null, t.id("absent")));
    assert.equal((await started(t.id("absent"))).version, undefined);
    const request = new pb.CreateInstanceRequest();
    request.setName("empty");
    request.setInstanceid(t.id("empty"));
    request.setVersion(string_value(""));
    await t.raw("startInstance", request);
    const state = await t.done(t.id("empty"));
    completed(state, "done");
    assert.equal((await started(t.id("empty"))).version, "");
    assert.equal((await started(t.id("empty"))).input, undefined);
    assert.equal(state.serializedInput, undefined);
});
test("children-do-not-inherit-a-version", "3.10 no inheritance by the server", async (t) => {
    completed(await t.run("child_says_version", null, { version: "2.0" }), {
        own: "2.0",
        child: "",
    });
    completed(await t.run("child_says_version", { version: "9" }, { version: "2.0" }), {
        own: "2.0",
        child: "9",
    });
});

async function versioned(t, versioning) {
    const hub = t.hub();
    await hub.worker({ versioning });
    return hub;
}
test("versions-that-need-not-match", "6.2 MatchStrategy None", async (t) => {
    const hub = await versioned(t, { version: "2.0", matchStrategy: Match.None });
    completed(await hub.run("says_version", null, { version: "99" }), "99");
    completed(await hub.run("says_version"), "");
});
test(
    "versions-that-match-strictly",
    "6.2 MatchStrategy Strict; FailureStrategy Fail",
    async (t) => {
        const hub = await versioned(t, {
            version: "2.0",
            matchStrategy: Match.Strict,
            failureStrategy: Fail.Fail,
        });
        completed(await hub.run("says_version", null, { version: "2.0" }), "2.0");
        const details = failed(
            await hub.run("says_version", null, { version: "1.0" }),
            /'1\.0' does not match the worker version '2\.0'/,
        );
        assert.equal(details.errorType, "VersionMismatch");
        failed(await hub.run("says_version"), /does not match/);
    },
);
test("versions-that-are-current-or-older", "6.2 MatchStrategy CurrentOrOlder ×2", async (t) => {
    const hub = await versioned(t, {
        version: "2.0.0",
        matchStrategy: Match.CurrentOrOlder,
        failureStrategy: Fail.Fail,
    });
    for (const version of ["1.0.0", "2.0.0", undefined])
        completed(await hub.run("says_version", null, { version }), version ?? "");
    failed(
        await hub.run("says_version", null, { version: "2.0.1" }),
        /is greater than the worker version/,
    );
});
test(
    "a-rejected-version-waits-for-its-worker",
    "3.17 Reject: Abandon; 3.18 no hot loop",
    async (t) => {
        const hub = await versioned(t, {
            version: "1.0",
            matchStrategy: Match.Strict,
            failureStrategy: Fail.Reject,
        });
        const id = await hub.start("says_version", null, { version: "2.0" });
        await sleep(2500);
        assert.equal((await hub.state(id)).runtimeStatus, Status.PENDING);
        await hub.worker({
            versioning: {
                version: "2.0",
                matchStrategy: Match.Strict,
                failureStrategy: Fail.Reject,
            },
        });
        completed(await hub.done(id), "2.0");
    },
    { slow: 3 },
);

test("tags-come-back", "6.2 orchestration: round-trip tags", async (t) => {
    const tags = { team: "blue", "sp ace": "ü=;,", empty: "" };
    const state = await t.run("empty", null, { tags });
    completed(state);
    assert.deepEqual(state.tags, tags);
    const history = await t.history(state.instanceId);
    assert.deepEqual(history.find((event) => event.type === "ExecutionStarted").tags, tags);
    assert.equal(Object.keys((await t.run("empty")).tags ?? {}).length, 0);
});
orchestrator("tags_children", async function* (ctx, ids) {
    yield ctx.callActivity("echo", 1, { tags: { for: "activity" } });
    yield ctx.callSubOrchestrator("empty", null, {
        instanceId: ids[0],
        tags: { team: "red", more: "1" },
    });
    yield ctx.callSubOrchestrator("empty", null, { instanceId: ids[1] });
});
test(
    "tags-of-children-are-merged",
    "3.10 tags; 6.6 ScheduleSubOrchestrationWithTags",
    async (t) => {
        const ids = [t.id("tagged"), t.id("plain")];
        const early = t.done(ids[0]);
        const state = await t.run("tags_children", ids, { tags: { team: "blue", own: "x" } });
        completed(state);
        assert.deepEqual((await early).tags, { team: "red", own: "x", more: "1" });
        assert.deepEqual((await t.state(ids[1])).tags, { team: "blue", own: "x" });
        const history = await t.history(state.instanceId);
        assert.deepEqual(history.find((event) => event.type === "TaskScheduled").tags, {
            for: "activity",
        });
    },
);

// ---- filters

activity("step_in_version", () => "done");
orchestrator("steps", async function* (ctx) {
    return yield ctx.callActivity("step_in_version");
});
const stays_pending = async (hub, id, ms = 3000) => {
    await sleep(ms);
    assert.equal(Status[(await hub.state(id)).runtimeStatus], "PENDING");
};

test(
    "filters-made-from-the-registry",
    "6.2 work-item-filters: default; 6.3 auto",
    async (t) => {
        const hub = t.hub();
        await hub.worker({ workItemFilters: "auto", only: ["add_one", "plus_one", "counter"] });
        const stranger = await hub.start("empty", null, "stranger");
        completed(await hub.run("add_one", 1), 2);
        await hub.client.signalEntity(new dt.EntityInstanceId("Counter", "x"), "add", 1);
        await hub.client.signalEntity(new dt.EntityInstanceId("log", "x"), "append", 1);
        await stays_pending(hub, stranger);
        assert.equal(
            (await hub.client.getEntity(new dt.EntityInstanceId("counter", "x"))).state,
            1,
        );
        assert.equal(await hub.client.getEntity(new dt.EntityInstanceId("log", "x")), undefined);
        await hub.worker({ workItemFilters: "auto", only: ["empty", "log"] });
        completed(await hub.done(stranger), "done");
    },
    { slow: 4 },
);
test(
    "an-unversioned-activity-runs-behind-a-versioned-filter",
    "6.2 work-item-filters: explicit versioned; 2.5",
    async (t) => {
        const hub = t.hub();
        await hub.worker({
            workItemFilters: {
                orchestrations: [{ name: "steps", versions: ["3.0.0"] }],
                activities: [{ name: "step_in_version", versions: ["3.0.0"] }],
            },
        });
        completed(await hub.run("steps", null, { version: "3.0.0" }), "done");
        const other = await hub.start("steps", null, { version: "2.0.0" });
        const none = await hub.start("steps");
        await stays_pending(hub, other, 2500);
        await stays_pending(hub, none, 0);
    },
    { slow: 3 },
);
test(
    "a-name-that-is-not-in-the-filter-stays",
    "6.2 work-item-filters: name, excluded (5 s)",
    async (t) => {
        const hub = t.hub();
        await hub.worker({
            workItemFilters: { orchestrations: [{ name: "steps" }], activities: [] },
        });
        const excluded = await hub.start("empty");
        const case_differs = await hub.start("Steps");
        const half = await hub.start("steps");
        await hub.client.waitForOrchestrationStart(half);
        await stays_pending(hub, excluded, 5000);
        await stays_pending(hub, case_differs, 0);
        assert.equal(
            (await hub.state(half)).runtimeStatus,
            Status.RUNNING,
            "activities: an empty list is nothing",
        );
        await hub.worker({ workItemFilters: { activities: [{ name: "step_in_version" }] } });
        completed(await hub.done(half), "done");
    },
    { slow: 6 },
);
test("a-filter-with-any-version", "2.5 versions empty: any version, incl. none", async (t) => {
    const hub = t.hub();
    await hub.worker({ workItemFilters: { orchestrations: [{ name: "says_version" }] } });
    completed(await hub.run("says_version"), "");
    completed(await hub.run("says_version", null, { version: "7" }), "7");
});
test("a-filter-for-the-unversioned", '2.5 a missing version compares as ""', async (t) => {
    const hub = t.hub();
    await hub.worker({
        workItemFilters: { orchestrations: [{ name: "says_version", versions: [""] }] },
    });
    completed(await hub.run("says_version"), "");
    await stays_pending(hub, await hub.start("says_version", null, { version: "7" }), 1500);
});
test("versions-are-spread-over-workers", "6.2 work-item-filters: version", async (t) => {
    const hub = t.hub();
    for (const version of ["1.0", "2.0"])
        await hub.worker({
            versioning: { version, matchStrategy: Match.Strict, failureStrategy: Fail.Fail },
            workItemFilters: { orchestrations: [{ name: "says_version", versions: [version] }] },
        });
    const runs = [];
    for (let i = 0; i < 20; i++) {
        const version = `${(i % 2) + 1}.0`;
        runs.push(
            hub.run("says_version", null, { version }).then((state) => completed(state, version)),
        );
    }
    await Promise.all(runs);
});
