// SPDX-License-Identifier: MIT
//
// node killed_worker.js HOST:PORT   two worker processes; one is killed with SIGKILL in the middle of
// its work, again and again, and a new one comes: everything ends with the right output.
"use strict";

const { fork } = require("node:child_process");
const { assert, dt, Hub, Status, sleep, run } = require("./harness");
require("./shared");
const { flows } = require("./flows");

const [address, role] = process.argv.slice(2);
const name = "killed-worker";

async function be_worker() {
    const hub = new Hub(address, name);
    await hub.worker();
    process.send("here");
}

const beget = () =>
    new Promise((resolve) => {
        const child = fork(__filename, [address, "worker"]);
        child.once("message", () => resolve(child));
    });

async function main() {
    const hub = new Hub(address, name);
    let victim = await beget();
    const survivor = await beget();
    const runs = [];
    for (let n = 0; n < 20; n++)
        for (const kind of Object.keys(flows)) {
            const { input, output, events } = flows[kind](n);
            const id = await hub.start(kind, input, `${run}-${kind}-${n}`);
            for (const [event, data] of events ?? []) await hub.raise(id, event, data);
            runs.push({ kind, id, output });
        }
    for (let kill = 0; kill < 4; kill++) {
        await sleep(400 + 300 * kill);
        victim.kill("SIGKILL");
        victim = await beget();
    }
    let ok = true;
    const said = new Map();
    for (const { kind, id, output } of runs) {
        let why;
        try {
            const state = await hub.done(id, 60);
            assert.equal(Status[state.runtimeStatus], "COMPLETED", state.failureDetails?.message);
            assert.equal(state.serializedOutput, JSON.stringify(output));
        } catch (error) {
            why = `${id}: ${error.message}`;
        }
        said.set(kind, said.get(kind) || why);
    }
    for (const [kind, why] of said) {
        console.log(
            why
                ? `FAILED kill-a-worker-and-${kind.replace("_", "-")}-ends: ${why}`
                : `ok kill-a-worker-and-${kind.replace("_", "-")}-ends`,
        );
        ok = ok && !why;
    }
    const total = await Promise.all(
        [0, 1, 2].map((i) => hub.client.getEntity(new dt.EntityInstanceId("sums", `total-${i}`))),
    );
    const sum = total.reduce((a, b) => a + b.state, 0);
    console.log(
        sum === 60
            ? "ok kill-a-worker-and-every-call-of-an-entity-counts-once"
            : `FAILED kill-a-worker-and-every-call-of-an-entity-counts-once: ${sum} of 60`,
    );
    victim.kill("SIGKILL");
    survivor.kill("SIGKILL");
    process.exit(ok && sum === 60 ? 0 : 1);
}
(role === "worker" ? be_worker() : main()).catch((error) => {
    console.error(error);
    process.exit(2);
});
