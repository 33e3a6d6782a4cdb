// SPDX-License-Identifier: MIT
//
// Entities: signals, calls, states, errors, order, queries, schedules.
"use strict";

const { isDeepStrictEqual } = require("node:util");
const {
    assert,
    orchestrator,
    entity,
    test,
    bump,
    count,
    sleep,
    until,
    completed,
    failed,
    dt,
} = require("./harness");

const id_of = (name, key) => new dt.EntityInstanceId(name, key);
const state_of = async (hub, id) => {
    const found = await hub.client.getEntity(id);
    return found?.includesState ? found.state : undefined;
};
async function state_is(hub, id, wanted, seconds = 10) {
    const matches = async () => isDeepStrictEqual(await state_of(hub, id), wanted);
    await until(matches, seconds).catch(() => {});
    assert.deepEqual(await state_of(hub, id), wanted);
}

class Profile extends dt.TaskEntity {
    initializeState() {
        return { name: "", tags: [], nested: { deep: { n: 0 } } };
    }
    rename(name) {
        this.state.name = name;
    }
    tag(tag) {
        this.state.tags.push(tag);
    }
    merge(nested) {
        this.state.nested = { ...this.state.nested, ...nested };
        return this.state.nested;
    }
    noInput() {
        this.state.name = "no input";
        return "none needed";
    }
}
entity("profile", () => new Profile());

class Relay extends dt.TaskEntity {
    initializeState() {
        return { sent: 0 };
    }
    forward({ to, n }) {
        for (let i = 0; i < n; i++)
            this.context.signalEntity(dt.EntityInstanceId.fromString(to), "append", i);
        this.state.sent += n;
    }
    later({ to, ms, item }) {
        const at = new Date(Date.now() + ms);
        this.context.signalEntity(dt.EntityInstanceId.fromString(to), "append", item, {
            signalTime: at,
        });
    }
    launch({ name, input, instanceId }) {
        return this.context.scheduleNewOrchestration(name, input, { instanceId });
    }
    forwardAndFail({ to }) {
        this.context.signalEntity(dt.EntityInstanceId.fromString(to), "append", "must not arrive");
        this.context.scheduleNewOrchestration("empty", null, {
            instanceId: `${to}-must-not-start`.slice(1),
        });
        throw new Error("after sending");
    }
}
entity("relay", () => new Relay());

// An entity by hand: the operation as it comes, and setState that may fail.
entity("plain", () => ({
    async run(operation) {
        switch (operation.name) {
            case "set":
                operation.state.setState(operation.getInput());
                return "set";
            case "Echo":
            case "ECHO":
                return operation.name;
            case "hasState":
                return operation.state.hasState;
            case "hasInput":
                return operation.hasInput;
            case "setBad":
                operation.state.setState({ n: 1n });
                return "not reached";
            case "setBadAndCatch":
                try {
                    operation.state.setState({ n: 1n });
                } catch {
                    operation.state.setState("caught");
                }
                return "survived";
            case "clear":
                operation.state.setState(null);
                return "cleared";
            case "throw":
                operation.state.setState("must be rolled back");
                throw new RangeError("out of range");
            default:
                throw new Error(`no operation ${operation.name}`);
        }
    },
}));

orchestrator("calls", async function* (ctx, steps) {
    const answers = [];
    for (const { to, op, input } of steps)
        answers.push(
            (yield ctx.entities.callEntity(dt.EntityInstanceId.fromString(to), op, input)) ?? null,
        );
    return answers;
});
const call = (hub, id, op, input) => hub.run("calls", [{ to: id.toString(), op, input }]);

test("signal-and-get", "6.2 entity: signal and get", async (t) => {
    const id = id_of("counter", t.id());
    await t.client.signalEntity(id, "add", 5);
    await t.client.signalEntity(id, "add", 7);
    await state_is(t, id, 12);
    const found = await t.client.getEntity(id);
    assert.equal(found.id.toString(), id.toString());
    assert.equal(found.lockedBy, undefined);
    assert.ok(Math.abs(found.lastModifiedTime - Date.now()) < 60000);
    const bare = await t.client.getEntity(id, false);
    assert.equal(bare.includesState, false);
    assert.throws(() => bare.state);
});
test(
    "a-signal-is-processed-within-two-seconds",
    "6 intro: signals within 2 s",
    async (t) => {
        const id = id_of("counter", t.id());
        const began = Date.now();
        await t.client.signalEntity(id, "add", 1);
        await state_is(t, id, 1);
        assert.ok(Date.now() - began < 2000, `${Date.now() - began} ms`);
    },
    { slow: -1 },
);
test("several-entities", "6.2 entity: several entities", async (t) => {
    const ids = Array.from({ length: 20 }, (_, i) => id_of("counter", t.id(i)));
    await Promise.all(ids.map((id, i) => t.client.signalEntity(id, "add", i + 1)));
    for (const [i, id] of ids.entries()) await state_is(t, id, i + 1);
});
test("an-entity-that-does-not-exist", "6.2 entity: not existing", async (t) => {
    assert.equal(await t.client.getEntity(id_of("counter", t.id())), undefined);
});
test(
    "an-entity-with-a-complex-state",
    "6.2 entity: complex state; nested input; no input",
    async (t) => {
        const id = id_of("profile", t.id());
        await t.client.signalEntity(id, "rename", 'Zoë "Z" \\ 日本');
        await t.client.signalEntity(id, "tag", "a");
        await t.client.signalEntity(id, "tag", { b: [1, null, true] });
        await t.client.signalEntity(id, "merge", { deep: { n: 1, m: { o: [{}] } } });
        await state_is(t, id, {
            name: 'Zoë "Z" \\ 日本',
            tags: ["a", { b: [1, null, true] }],
            nested: { deep: { n: 1, m: { o: [{}] } } },
        });
        await t.client.signalEntity(id, "noinput");
        await until(async () => (await t.client.getEntity(id)).state.name === "no input");
    },
);
test("an-entity-with-a-list", "6.2 entity: list state", async (t) => {
    const id = id_of("log", t.id());
    for (const item of ["x", 2, { three: 3 }]) await t.client.signalEntity(id, "append", item);
    await state_is(t, id, ["x", 2, { three: 3 }]);
});
test("an-asynchronous-operation", "6.2 entity: async op", async (t) => {
    completed(await call(t, id_of("counter", t.id()), "slowly", 100), [1]);
});
test("an-operation-without-input", "6.2 entity: no input", async (t) => {
    const id = id_of("plain", t.id());
    completed(await t.run("calls", [{ to: id.toString(), op: "hasInput" }]), [false]);
    completed(await t.run("calls", [{ to: id.toString(), op: "hasInput", input: null }]), [true]);
});
test("keys-with-special-characters", "6.2 entity: special-char key", async (t) => {
    for (const key of [`${t.id()} !#$%&'()*+,-./:;<=>?[]^_{|}~`, `${t.id()}@at@`]) {
        const id = id_of("counter", key);
        await t.client.signalEntity(id, "add", 3);
        await state_is(t, id, 3);
        assert.equal((await t.client.getEntity(id)).id.key, key);
    }
});
test("a-long-key", "6.2 entity: long key; key too long", async (t) => {
    const id = id_of("counter", t.id("-").padEnd(100 - "@counter@".length, "k"));
    assert.equal(id.toString().length, 100);
    await t.client.signalEntity(id, "add", 1);
    await state_is(t, id, 1);
    const longer = id_of("counter", id.key + "k");
    await assert.rejects(t.client.signalEntity(longer, "add", 1), /INVALID_ARGUMENT|length/i);
});
test("keys-keep-their-case-and-names-do-not", "6.2 entity: key case; 4.1", async (t) => {
    const lower = id_of("counter", `${t.id()}-key`);
    const upper = id_of("Counter", `${t.id()}-KEY`);
    await t.client.signalEntity(lower, "add", 1);
    await t.client.signalEntity(upper, "add", 2);
    await state_is(t, lower, 1);
    await state_is(t, id_of("COUNTER", `${t.id()}-KEY`), 2);
});

test(
    "an-operation-that-fails-tells-its-caller",
    "6.2 entity: operation errors; failure handled",
    async (t) => {
        const id = id_of("counter", t.id());
        completed(await call(t, id, "add", 5), [5]);
        failed(await call(t, id, "fail", "not today"), /not today/);
        await state_is(t, id, 5);
        failed(await call(t, id, "nosuchoperation"), /No suitable method/);
    },
);
orchestrator("catches_entity", async function* (ctx, { to, op, input }) {
    const id = dt.EntityInstanceId.fromString(to);
    try {
        yield ctx.entities.callEntity(id, op, input);
        return "no error";
    } catch (error) {
        const after = yield ctx.entities.callEntity(id, "add", 1);
        const { errorType, errorMessage } = error.failureDetails;
        return {
            name: error.constructor.name,
            op: error.operationName,
            errorType,
            errorMessage,
            after,
        };
    }
});
test("a-failure-of-an-entity-is-handled", "6.2 entity: failure handled; 4.6 details", async (t) => {
    const input = { to: id_of("counter", t.id()).toString(), op: "fail", input: "details" };
    completed(await t.run("catches_entity", input), {
        name: "EntityOperationFailedException",
        op: "fail",
        errorType: "Error",
        errorMessage: "details",
        after: 1,
    });
});
test(
    "an-uncaught-failure-of-an-entity-fails-the-orchestration",
    "6.2 entity: uncaught call failure fails orchestration",
    async (t) => {
        failed(await call(t, id_of("counter", t.id()), "fail", "uncaught"), /uncaught/);
    },
);
test("an-entity-that-nobody-registered", "4.6 unregistered entity", async (t) => {
    failed(await call(t, id_of("nobodyknows", t.id()), "x"), /nobodyknows|not (found|registered)/i);
    assert.equal(await t.client.getEntity(id_of("nobodyknows", t.id())), undefined);
});

test(
    "an-orchestration-calls-an-entity",
    "6.2 entity: call from orchestration; call response",
    async (t) => {
        const to = id_of("counter", t.id()).toString();
        const steps = [1, 2, 3, 4, 5].map((input) => ({ to, op: "add", input }));
        completed(await t.run("calls", [...steps, { to, op: "get" }]), [1, 3, 6, 10, 15, 15]);
    },
);
orchestrator("signals", async function* (ctx, { to, n, then }) {
    const id = dt.EntityInstanceId.fromString(to);
    for (let i = 0; i < n; i++) ctx.entities.signalEntity(id, "append", i);
    if (then) return yield ctx.entities.callEntity(id, "list");
    return "signalled";
});
test("an-orchestration-signals-an-entity", "6.2 entity: signal from orchestration", async (t) => {
    const id = id_of("log", t.id());
    completed(await t.run("signals", { to: id.toString(), n: 10 }), "signalled");
    await state_is(t, id, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
test("signals-and-calls-keep-their-order", "6.2 entity: mixed; 4.3 per-sender order", async (t) => {
    const to = id_of("log", t.id()).toString();
    completed(await t.run("signals", { to, n: 30, then: true }), [...Array(30).keys()]);
});
test("several-orchestrations-call-one-entity", "6.2 entity: several orchestrations", async (t) => {
    const to = id_of("counter", t.id()).toString();
    const steps = Array(5).fill({ to, op: "add", input: 1 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => t.run("calls", steps)));
    const seen = answers.flatMap((state) => completed(state));
    assert.deepEqual(
        seen.sort((a, b) => a - b),
        Array.from({ length: 100 }, (_, i) => i + 1),
        "each once",
    );
    await state_is(t, id_of("counter", t.id()), 100);
});
orchestrator("calls_at_once", async function* (ctx, ids) {
    return yield dt.whenAll(
        ids.map((id, i) => ctx.entities.callEntity(dt.EntityInstanceId.fromString(id), "add", i)),
    );
});
test("calls-of-several-entities-at-once", "6.2 entity: call (fan-out)", async (t) => {
    const ids = Array.from({ length: 10 }, (_, i) => id_of("counter", t.id(i)).toString());
    completed(await t.run("calls_at_once", ids), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
orchestrator("counts_across_generations", async function* (ctx, { to, left }) {
    const n = yield ctx.entities.callEntity(dt.EntityInstanceId.fromString(to), "add", 1);
    if (left > 1) ctx.continueAsNew({ to, left: left - 1 });
    else return n;
});
test(
    "calls-of-every-generation-are-answered",
    "3.5 GUIDs of a new generation differ; 4.8",
    async (t) => {
        const to = id_of("counter", t.id()).toString();
        completed(await t.run("counts_across_generations", { to, left: 15 }), 15);
    },
);

test("an-entity-is-deleted", "6.2 entity: delete; re-create", async (t) => {
    const id = id_of("counter", t.id());
    completed(await call(t, id, "add", 4), [4]);
    completed(await call(t, id, "delete"), [null]);
    await until(async () => (await t.client.getEntity(id)) === undefined, 5);
    completed(await call(t, id, "add", 1), [1]);
    await state_is(t, id, 1);
});
test("an-entity-is-reset", "6.2 entity: reset", async (t) => {
    const id = id_of("counter", t.id());
    await t.client.signalEntity(id, "add", 9);
    await state_is(t, id, 9);
    await t.client.signalEntity(id, "reset");
    await state_is(t, id, 0);
});

test("an-entity-signals-an-entity", "6.2 entity: entity signals entity", async (t) => {
    const to = id_of("log", t.id());
    await t.client.signalEntity(id_of("relay", t.id()), "forward", { to: to.toString(), n: 20 });
    await state_is(t, to, [...Array(20).keys()]);
    await state_is(t, id_of("relay", t.id()), { sent: 20 });
});
test(
    "a-failing-operation-takes-its-signals-back",
    "4.5 rollback of a failing operation",
    async (t) => {
        const to = id_of("log", t.id());
        failed(
            await call(t, id_of("relay", t.id()), "forwardAndFail", { to: to.toString() }),
            /after sending/,
        );
        completed(await call(t, to, "append", "mine"), [1]);
        await state_is(t, to, ["mine"]);
        assert.equal(await t.state(`${to}-must-not-start`.slice(1)), undefined);
    },
);
test("rapid-signals-come-in-order", "6.2 entity: rapid signals in order; FIFO", async (t) => {
    const id = id_of("log", t.id());
    for (let i = 0; i < 200; i++) await t.client.signalEntity(id, "append", i);
    await state_is(t, id, [...Array(200).keys()], 15);
});
test("clients-at-once", "6.2 entity: concurrent clients", async (t) => {
    const id = id_of("counter", t.id());
    await Promise.all(Array.from({ length: 100 }, () => t.client.signalEntity(id, "add", 1)));
    await state_is(t, id, 100, 15);
});
test("same-key-different-types", "6.2 entity: same key, different types", async (t) => {
    await t.client.signalEntity(id_of("counter", t.id()), "add", 3);
    await t.client.signalEntity(id_of("log", t.id()), "append", "x");
    await state_is(t, id_of("counter", t.id()), 3);
    await state_is(t, id_of("log", t.id()), ["x"]);
});

test("an-entity-starts-an-orchestration", "6.2 entity: entity starts orchestration", async (t) => {
    const input = { name: "add_one", input: 41 };
    const [started] = completed(await call(t, id_of("relay", t.id()), "launch", input));
    const state = await t.done(started);
    completed(state, 42);
    const events = await t.history(started);
    assert.equal(
        events.find((event) => event.type === "ExecutionStarted").parentInstance,
        undefined,
    );
    const named = { ...input, instanceId: t.id("named") };
    completed(await call(t, id_of("relay", t.id()), "launch", named), [t.id("named")]);
    completed(await t.done(t.id("named")), 42);
});

test(
    "a-scheduled-signal-comes-at-its-time",
    "6.2 entity: scheduled signal",
    async (t) => {
        const id = id_of("counter", t.id());
        await t.client.signalEntity(id, "add", 1, { signalTime: new Date(Date.now() + 8000) });
        await sleep(3000);
        assert.equal(await t.client.getEntity(id), undefined);
        await sleep(8000);
        assert.equal((await t.client.getEntity(id))?.state, 1);
    },
    { slow: 11 },
);
test(
    "a-signal-scheduled-by-an-entity",
    "4.5 sendSignal scheduledTime",
    async (t) => {
        const to = id_of("log", t.id());
        await t.client.signalEntity(id_of("relay", t.id()), "later", {
            to: to.toString(),
            ms: 3000,
            item: "late",
        });
        await t.client.signalEntity(to, "append", "now");
        await state_is(t, to, ["now"], 2);
        await state_is(t, to, ["now", "late"], 10);
    },
    { slow: 4 },
);
orchestrator("signals_later", async function* (ctx, { to, ms }) {
    const at = new Date(ctx.currentUtcDateTime.getTime() + ms);
    ctx.entities.signalEntity(dt.EntityInstanceId.fromString(to), "append", at.getTime(), {
        signalTime: at,
    });
    return at.getTime();
});
test(
    "a-signal-scheduled-by-an-orchestration",
    "4.3 scheduledTime: never early",
    async (t) => {
        const to = id_of("log", t.id());
        const at = completed(await t.run("signals_later", { to: to.toString(), ms: 2500 }));
        await until(async () => (await t.client.getEntity(to)) !== undefined, 10, 20);
        assert.ok(Date.now() >= at, "not before its time");
        await state_is(t, to, [at]);
    },
    { slow: 3 },
);
test("a-scheduled-signal-in-the-past-comes-at-once", "4.3", async (t) => {
    const id = id_of("counter", t.id());
    await t.client.signalEntity(id, "add", 2, { signalTime: new Date(Date.now() - 60000) });
    await state_is(t, id, 2, 3);
});

test("operation-names-keep-their-case", "6.2 entity: operation-name case", async (t) => {
    const to = id_of("plain", t.id()).toString();
    completed(
        await t.run("calls", [
            { to, op: "Echo" },
            { to, op: "ECHO" },
        ]),
        ["Echo", "ECHO"],
    );
    completed(await call(t, id_of("counter", t.id()), "ADD", 2), [2]);
});
test("a-state-that-cannot-be-set", "6.2 entity: setState failures", async (t) => {
    const id = id_of("plain", t.id());
    completed(await call(t, id, "set", "before"), ["set"]);
    failed(await call(t, id, "setBad"));
    await state_is(t, id, "before");
});
test("a-state-that-cannot-be-set-is-caught", "6.2 entity: setState failures", async (t) => {
    const id = id_of("plain", t.id());
    completed(await call(t, id, "setBadAndCatch"), ["survived"]);
    await state_is(t, id, "caught");
});
test("a-failed-operation-rolls-its-state-back", "6.2 entity: setState failures; 4.5", async (t) => {
    const id = id_of("plain", t.id());
    completed(await call(t, id, "set", { kept: true }), ["set"]);
    failed(await call(t, id, "throw"), /out of range/);
    await state_is(t, id, { kept: true });
    completed(await call(t, id, "clear"), ["cleared"]);
    await until(async () => (await t.client.getEntity(id)) === undefined, 5);
    completed(await call(t, id, "hasState"), [false]);
});
test("falsy-states-are-states", "7 trap 17; 4.5 state present", async (t) => {
    for (const [i, value] of [0, "", false, [], {}].entries()) {
        const id = id_of("plain", t.id(i));
        completed(await call(t, id, "set", value), ["set"]);
        await state_is(t, id, value, 3);
        completed(await call(t, id, "hasState"), [true]);
    }
});

// ---- queries, in hubs of their own

const collect = async (iterable) => {
    const found = [];
    for await (const one of iterable) found.push(one);
    return found;
};
async function with_entities(t) {
    const hub = t.hub();
    await hub.worker();
    const ids = ["a1", "a2", "a3", "b1"]
        .map((key) => id_of("counter", key))
        .concat(id_of("log", "a1"));
    for (const id of ids)
        await hub.client.signalEntity(id, id.name === "log" ? "append" : "add", 1);
    for (const id of ids) await until(async () => await hub.client.getEntity(id));
    return hub;
}
test("entities-are-queried-by-prefix", "6.2 entity: query prefix", async (t) => {
    const hub = await with_entities(t);
    const of = async (query) =>
        (await collect(hub.client.getEntities(query))).map((one) => one.id.toString());
    assert.deepEqual(await of(), [
        "@counter@a1",
        "@counter@a2",
        "@counter@a3",
        "@counter@b1",
        "@log@a1",
    ]);
    assert.deepEqual(await of({ instanceIdStartsWith: "@counter@a" }), [
        "@counter@a1",
        "@counter@a2",
        "@counter@a3",
    ]);
    assert.deepEqual(
        await of({ instanceIdStartsWith: "Counter@b" }),
        ["@counter@b1"],
        "normalised",
    );
    assert.deepEqual(await of({ instanceIdStartsWith: "log" }), ["@log@a1"]);
    assert.deepEqual(await of({ instanceIdStartsWith: "@counter@A" }), [], "keys keep their case");
    const states = await collect(
        hub.client.getEntities({ instanceIdStartsWith: "log", includeState: true }),
    );
    assert.deepEqual(states[0].state, [1]);
    const bare = await collect(
        hub.client.getEntities({ instanceIdStartsWith: "log", includeState: false }),
    );
    assert.throws(() => bare[0].state);
    assert.deepEqual(await of({ lastModifiedFrom: new Date(Date.now() + 60000) }), []);
    assert.equal(
        (await of({ lastModifiedFrom: new Date(Date.now() - 60000), lastModifiedTo: new Date() }))
            .length,
        5,
    );
});
test("entities-are-queried-in-pages", "6.2 entity: asPages", async (t) => {
    const hub = await with_entities(t);
    const pages = await collect(hub.client.getEntities({ pageSize: 2 }).asPages());
    assert.deepEqual(
        pages.map((page) => page.values.length),
        [2, 2, 1],
    );
    assert.ok(!pages[2].continuationToken);
    assert.equal(
        new Set(pages.flatMap((page) => page.values.map((one) => one.id.toString()))).size,
        5,
    );
});
test("storage-of-entities-is-cleaned", "6.2 entity: clean storage ×3", async (t) => {
    const hub = await with_entities(t);
    completed(await call(hub, id_of("counter", "a1"), "delete"));
    for (const request of [
        undefined,
        { removeEmptyEntities: true },
        { releaseOrphanedLocks: true },
    ]) {
        const result = await hub.client.cleanEntityStorage(request);
        assert.equal(result.emptyEntitiesRemoved, 0);
        assert.equal(result.orphanedLocksReleased, 0);
        assert.ok(!result.continuationToken);
    }
    assert.equal(
        (await hub.client.getEntity(id_of("counter", "a2"))).state,
        1,
        "a live one is untouched",
    );
    assert.equal(await hub.client.getEntity(id_of("counter", "a1")), undefined);
});
test(
    "an-entity-is-not-an-orchestration",
    "2.6 GetInstance: exists=false for entity IDs",
    async (t) => {
        const id = id_of("counter", t.id());
        await t.client.signalEntity(id, "add", 1);
        await state_is(t, id, 1);
        assert.equal(await t.state(id.toString()), undefined);
    },
);
test("the-record-of-an-entity-is-purged", "3.16 ID starts with @", async (t) => {
    const id = id_of("counter", t.id());
    await t.client.signalEntity(id, "add", 1);
    await state_is(t, id, 1);
    assert.equal((await t.client.purgeOrchestration(id.toString())).deletedInstanceCount, 1);
    assert.equal(await t.client.getEntity(id), undefined);
});
test("operations-run-one-after-the-other", "4.4 at most one open batch per entity", async (t) => {
    const id = id_of("counter", t.id());
    const slow = Array.from({ length: 5 }, () => call(t, id, "slowly", 60));
    const answers = (await Promise.all(slow)).map((state) => completed(state)[0]);
    assert.deepEqual(answers.sort(), [1, 2, 3, 4, 5]);
    bump(t.id());
    assert.equal(count(t.id()), 1);
});
