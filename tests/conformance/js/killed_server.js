// SPDX-License-Identifier: MIT
//
// node killed_server.js HOST:PORT [SECONDS]   while somebody kills the server again and again:
// whatever was acknowledged (starts, events, signals) ends, with the right output, once. A call
// that got UNAVAILABLE is repeated; a start is made with a policy that replaces nothing, so that
// its repetition is ALREADY_EXISTS; a signal that was repeated may count more than once, one that
// was acknowledged at the first attempt counts exactly once.
"use strict";

const {
    assert,
    dt,
    pb,
    timestamps,
    grpc,
    Hub,
    Status,
    string_value,
    sleep,
    run,
} = require("./harness");
require("./shared");
const { flows } = require("./flows");

const address = process.argv[2];
const seconds = Number(process.argv[3] || 12);
const hub = new Hub(address, "default");
const good = { starts: 0, repeated: 0 };

async function again(what) {
    for (let attempts = 1; ; attempts++) {
        try {
            await what();
            return attempts;
        } catch (error) {
            if (error.code === grpc.status.ALREADY_EXISTS && attempts > 1) return attempts;
            if (error.code !== grpc.status.UNAVAILABLE) throw error;
            good.repeated++;
            await sleep(100);
        }
    }
}

async function begin(kind, n) {
    const id = `${run}-${kind}-${n}`;
    const { input, output, events } = flows[kind](n);
    const request = new pb.CreateInstanceRequest();
    request.setName(kind);
    request.setInstanceid(id);
    request.setInput(string_value(JSON.stringify(input)));
    request.setScheduledstarttimestamp(new timestamps.Timestamp());
    request.setOrchestrationidreusepolicy(new pb.OrchestrationIdReusePolicy());
    await again(() => hub.raw("startInstance", request));
    good.starts++;
    for (const [name, data] of events ?? []) await again(() => hub.raise(id, name, data));
    let state;
    await again(async () => {
        state = await hub.done(id, 120);
    });
    assert.equal(Status[state.runtimeStatus], "COMPLETED", state.failureDetails?.message);
    assert.equal(state.serializedOutput, JSON.stringify(output));
}

const seen = new dt.EntityInstanceId("seen", run);
const signals = new Map();
async function signal(n) {
    signals.set(`s${n}`, await again(() => hub.client.signalEntity(seen, "see", `s${n}`)));
}

// How many ended well, of each kind.
const tally = new Map(Object.keys(flows).map((kind) => [kind, { began: 0, ended: 0, errors: [] }]));
async function one(kind, n) {
    const entry = tally.get(kind);
    entry.began++;
    try {
        await begin(kind, n);
        entry.ended++;
    } catch (error) {
        entry.errors.push(`${n}: ${error.message}`);
    }
}

async function entity_state(id) {
    let state;
    await again(async () => {
        const found = await hub.client.getEntity(id);
        state = found?.includesState ? found.state : undefined;
    });
    return state;
}

function say(name, ok, why) {
    console.log(ok ? `ok ${name}` : `FAILED ${name}: ${why}`);
    return ok;
}

async function main() {
    await hub.worker();
    const all = [];
    const end = Date.now() + seconds * 1000;
    let n = 0;
    for (; Date.now() < end; n++) {
        for (const kind of Object.keys(flows)) all.push(one(kind, n));
        all.push(signal(n));
        await sleep(150);
    }
    await Promise.all(all);
    let ok = true;
    for (const [kind, { began, ended, errors }] of tally)
        ok =
            say(
                `kill-the-server-and-${kind.replace("_", "-")}-ends`,
                ended === began && began > 0,
                `${ended} of ${began}; ${errors.slice(0, 3).join("; ")}`,
            ) && ok;

    const total = await Promise.all(
        [0, 1, 2].map((i) => entity_state(new dt.EntityInstanceId("sums", `total-${i}`))),
    );
    const sum = total.reduce((a, b) => a + (b ?? 0), 0);
    ok =
        say(
            "kill-the-server-and-every-call-of-an-entity-counts-once",
            sum === 3 * n,
            `${sum} of ${3 * n}`,
        ) && ok;
    const locked = await Promise.all(
        ["a", "b"].map((key) => entity_state(new dt.EntityInstanceId("sums", `locked-${key}`))),
    );
    ok =
        say(
            "kill-the-server-and-locks-are-exclusive",
            locked.every((value) => value === n),
            `${locked} of ${n}`,
        ) && ok;

    const complete = () =>
        entity_state(seen).then((state) => [...signals.keys()].every((item) => state?.[item]));
    for (let i = 0; i < 50 && !(await complete()); i++) await sleep(100);
    const state = (await entity_state(seen)) ?? {};
    const wrong = [...signals].filter(
        ([item, attempts]) => !(state[item] >= 1 && state[item] <= attempts),
    );
    ok =
        say(
            "kill-the-server-and-every-signal-counts-once",
            wrong.length === 0 && signals.size === n,
            JSON.stringify(
                wrong.slice(0, 3).map(([item, attempts]) => [item, attempts, state[item]]),
            ),
        ) && ok;
    console.log(`     ${good.starts} orchestrations, ${good.repeated} calls repeated`);
    process.exit(ok ? 0 : 1);
}
main().catch((error) => {
    console.error(error);
    process.exit(2);
});
