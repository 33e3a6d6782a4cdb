// SPDX-License-Identifier: MIT
//
// Queries of instances and lists of IDs, in hubs of their own where totals count.
"use strict";

const { assert, Status, test, completed, sleep, until } = require("./harness");

const all = async (pageable) => {
    const found = [];
    for await (const one of pageable) found.push(one);
    return found;
};
const ids_of = (states) => states.map((state) => state.instanceId);

async function populated(t) {
    const hub = t.hub();
    await hub.worker();
    await hub.run("empty", null, "a-done-1");
    await hub.run("returns_input", { x: 1 }, "a-done-2");
    await hub.run("always_fails", "x", "b-failed");
    await hub.start("wait_for_go", null, "b-running");
    await hub.client.waitForOrchestrationStart("b-running");
    await hub.client.signalEntity(
        new (require("./harness").dt.EntityInstanceId)("counter", "a"),
        "add",
        1,
    );
    return hub;
}

test("a-query-finds-all-instances-and-no-entity", "6.2 query-apis: all", async (t) => {
    const hub = await populated(t);
    const found = await all(hub.client.getAllInstances());
    assert.deepEqual(
        ids_of(found),
        ["a-done-1", "a-done-2", "b-failed", "b-running"],
        "oldest first",
    );
    assert.equal(found[0].name, "empty");
});
test("a-query-by-status", "6.2 query-apis: by status; running vs completed", async (t) => {
    const hub = await populated(t);
    const of = (...statuses) => all(hub.client.getAllInstances({ statuses })).then(ids_of);
    assert.deepEqual(await of(Status.COMPLETED), ["a-done-1", "a-done-2"]);
    assert.deepEqual(await of(Status.RUNNING), ["b-running"]);
    assert.deepEqual(await of(Status.FAILED, Status.RUNNING), ["b-failed", "b-running"]);
    assert.deepEqual(await of(Status.TERMINATED), []);
});
test("a-query-by-prefix", "6.2 query-apis: prefix; empty result", async (t) => {
    const hub = await populated(t);
    const of = (instanceIdPrefix) =>
        all(hub.client.getAllInstances({ instanceIdPrefix })).then(ids_of);
    assert.deepEqual(await of("b-"), ["b-failed", "b-running"]);
    assert.deepEqual(await of("a-done-2"), ["a-done-2"]);
    assert.deepEqual(await of("B-"), [], "ordinal");
    assert.deepEqual(await of("%"), []);
    assert.deepEqual(await of("_-"), []);
    const both = { instanceIdPrefix: "b-", statuses: [Status.COMPLETED] };
    assert.deepEqual(await all(hub.client.getAllInstances(both)), []);
});
test(
    "a-query-hides-payloads-unless-asked",
    "6.2 query-apis: inputs/outputs; 6.6 GetInstanceMetadata",
    async (t) => {
        const hub = await populated(t);
        const with_them = await all(hub.client.getAllInstances({ fetchInputsAndOutputs: true }));
        assert.equal(with_them[1].serializedInput, '{"x":1}');
        assert.equal(with_them[1].serializedOutput, '{"x":1}');
        assert.match(with_them[2].failureDetails.message, /x/);
        const bare = await all(hub.client.getAllInstances({ fetchInputsAndOutputs: false }));
        for (const state of bare)
            for (const field of ["serializedInput", "serializedOutput", "failureDetails"])
                assert.equal(state[field], undefined, field);
        const one = await hub.state("b-failed", false);
        assert.equal(one.failureDetails, undefined);
        assert.equal(one.runtimeStatus, Status.FAILED);
    },
);
test("a-query-between-times", "6.2 query-apis: createdFrom/To", async (t) => {
    const hub = t.hub();
    await hub.worker();
    await hub.run("empty", null, "early");
    await sleep(30);
    const middle = new Date();
    await sleep(30);
    await hub.run("empty", null, "late");
    const of = (query) => all(hub.client.getAllInstances(query)).then(ids_of);
    assert.deepEqual(await of({ createdFrom: middle }), ["late"]);
    assert.deepEqual(await of({ createdTo: middle }), ["early"]);
    assert.deepEqual(
        await of({ createdFrom: new Date(0), createdTo: new Date(Date.now() + 1000) }),
        ["early", "late"],
    );
    assert.deepEqual(await of({ createdFrom: new Date(Date.now() + 60000) }), []);
    assert.equal(
        (await of({ createdFrom: new Date(Date.now() - 60000), createdTo: middle })).length,
        1,
    );
});
test("a-query-in-pages", "6.2 query-apis: pageSize; 6.6 GetInstances_AsPages", async (t) => {
    const hub = t.hub();
    await hub.worker();
    await Promise.all(
        Array.from({ length: 21 }, (_, i) =>
            hub.run("empty", null, `n${String(i).padStart(2, "0")}`),
        ),
    );
    const pages = [];
    for await (const page of hub.client.getAllInstances({ pageSize: 5 }).asPages())
        pages.push(page);
    assert.deepEqual(
        pages.map((page) => page.values.length),
        [5, 5, 5, 5, 1],
    );
    assert.equal(pages[4].continuationToken, undefined, "the last page has no token");
    assert.equal(new Set(pages.flatMap((page) => ids_of(page.values))).size, 21);
    const rest = [];
    for await (const page of hub.client
        .getAllInstances({ pageSize: 4 })
        .asPages(pages[0].continuationToken))
        rest.push(...ids_of(page.values));
    assert.deepEqual(
        rest,
        pages.slice(1).flatMap((page) => ids_of(page.values)),
        "a token fits any page size",
    );
    const exact = [];
    for await (const page of hub.client.getAllInstances({ pageSize: 21 }).asPages())
        exact.push(page);
    assert.equal(exact.length, 1);
    assert.equal(exact[0].continuationToken, undefined);
});

test("ids-are-listed", "6.2 query-apis: listInstanceIds all, status", async (t) => {
    const hub = await populated(t);
    const everything = await hub.client.listInstanceIds();
    assert.deepEqual(
        [...everything.values],
        ["a-done-1", "a-done-2", "b-failed"],
        "terminal ones only",
    );
    assert.equal(everything.hasMoreResults, false);
    const failures = await hub.client.listInstanceIds({ runtimeStatus: [Status.FAILED] });
    assert.deepEqual([...failures.values], ["b-failed"]);
});
test(
    "ids-are-listed-in-pages",
    "6.2 query-apis: listInstanceIds pagination, pageSize",
    async (t) => {
        const hub = t.hub();
        await hub.worker();
        for (let i = 0; i < 7; i++) await hub.run("empty", null, `id-${i}`);
        const first = await hub.client.listInstanceIds({ pageSize: 3 });
        assert.deepEqual([...first.values], ["id-0", "id-1", "id-2"], "in the order of completion");
        assert.equal(first.hasMoreResults, true);
        const second = await hub.client.listInstanceIds({
            pageSize: 3,
            lastInstanceKey: first.continuationToken,
        });
        assert.deepEqual([...second.values], ["id-3", "id-4", "id-5"]);
        const third = await hub.client.listInstanceIds({
            pageSize: 3,
            lastInstanceKey: second.continuationToken,
        });
        assert.deepEqual([...third.values], ["id-6"]);
        assert.equal(third.continuationToken, undefined);
    },
);
test(
    "ids-are-listed-between-times",
    "6.2 query-apis: listInstanceIds completed range",
    async (t) => {
        const hub = t.hub();
        await hub.worker();
        await hub.run("empty", null, "early");
        await sleep(30);
        const middle = new Date();
        await sleep(30);
        await hub.run("empty", null, "late");
        const of = async (options) => [...(await hub.client.listInstanceIds(options)).values];
        assert.deepEqual(await of({ completedTimeFrom: middle }), ["late"]);
        assert.deepEqual(await of({ completedTimeTo: middle }), ["early"]);
        const minute = {
            completedTimeFrom: new Date(Date.now() - 60000),
            completedTimeTo: new Date(Date.now() + 60000),
        };
        assert.deepEqual(await of({ ...minute, pageSize: 100 }), ["early", "late"]);
    },
);

test("hubs-do-not-see-each-other", "2.2 hubs are fully isolated", async (t) => {
    const one = t.hub(`${t.id()}-1`);
    const two = t.hub(`${t.id()}-2`);
    await one.worker();
    const id = await one.start("returns_input", "one", "same-id");
    assert.equal(await two.start("returns_input", "two", "same-id"), id);
    completed(await one.done(id), "one");
    await sleep(300);
    assert.equal(
        (await two.state(id)).runtimeStatus,
        Status.PENDING,
        "nobody works in the second hub",
    );
    assert.deepEqual(
        ids_of(await all(two.client.getAllInstances({ statuses: [Status.COMPLETED] }))),
        [],
    );
    await two.worker();
    completed(await two.done(id), "two");
    completed(await one.state(id), "one");
    assert.equal(await t.state(id), undefined, "nor does the default hub");
});
test("no-taskhub-is-the-default-hub", "2.2 missing taskhub", async (t) => {
    const bare = t.hub("");
    const id = await bare.start("returns_input", "bare", t.id());
    completed(await until(async () => await t.done(id)), "bare");
});
