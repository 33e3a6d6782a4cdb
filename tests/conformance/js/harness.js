// SPDX-License-Identifier: MIT
//
// What every case of the JavaScript suite uses: how cases, orchestrators, activities and entities
// are declared, one worker that serves nearly all of them at once, and hubs for those that need a
// worker (or emptiness) of their own.
//
// Invariants:
// 1. Cases run at the same time in one hub: no case looks at instances that are not its own, except
//    in a hub of its own.
// 2. A case that does not end in its time has failed; nothing is retried to become green.
// 3. The wire is reached only through the SDK; `t.raw` calls the SDK's own generated stub, for
//    fields that this version of the SDK has on the wire and not in its API.
"use strict";

const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const os = require("node:os");
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const dt = require("@microsoft/durabletask-js");

const sdk = path.dirname(require.resolve("@microsoft/durabletask-js"));
const pb = require(path.join(sdk, "proto/orchestrator_service_pb"));
const wrappers = require("google-protobuf/google/protobuf/wrappers_pb");
const timestamps = require("google-protobuf/google/protobuf/timestamp_pb");

const Status = dt.OrchestrationStatus;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const run = crypto.randomBytes(3).toString("hex");
const logger = process.env.CONFORMANCE_LOG ? new dt.ConsoleLogger() : new dt.NoOpLogger();

const declared = { orchestrators: new Map(), activities: new Map(), entities: new Map() };
const cases = [];
const tallies = new Map();

function declare(kind, name, what) {
    assert.ok(!declared[kind].has(name), `${name} is declared twice`);
    declared[kind].set(name, what);
    return name;
}
const orchestrator = (name, body) => declare("orchestrators", name, body);
const activity = (name, body) => declare("activities", name, body);
const entity = (name, factory) => declare("entities", name, factory);

// test(NAME, ROW of section 6 of the specification, BODY): slow ones begin first (those with
// less than 0 last); heavy ones, which
// keep this process busy, come after all others, some of which measure times.
function test(name, row, body, options = {}) {
    assert.ok(!cases.some((known) => known.name === name), `two cases are called ${name}`);
    cases.push({ name, row, body, ...options });
}

// How often something happened in this process: bump(KEY) counts, count(KEY) says.
const bump = (key) => {
    tallies.set(key, (tallies.get(key) || 0) + 1);
    return tallies.get(key);
};
const count = (key) => tallies.get(key) || 0;

const worker_id = () => `${os.hostname()},${process.pid},${crypto.randomBytes(16).toString("hex")}`;

// The metadata of the azuremanaged package, which is not in the public registry.
function metadata(hub, what) {
    const id = worker_id();
    return async () => {
        const headers = new grpc.Metadata();
        if (hub) headers.set("taskhub", hub);
        headers.set("x-user-agent", `durabletask-js/0.4.0 (${what})`);
        if (what === "DurableTaskWorker") headers.set("workerid", id);
        return headers;
    };
}

const LARGE = {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
};

// A hub: its client, its workers, and the questions that cases ask of it.
class Hub {
    constructor(address, name) {
        this.address = address;
        this.name = name;
        this.workers = [];
        this.client = new dt.TaskHubGrpcClient({
            hostAddress: address,
            options: LARGE,
            logger,
            metadataGenerator: metadata(name, "DurableTaskClient"),
        });
    }

    // A worker with everything that is declared, or with `only` these names.
    async worker({ only, ...options } = {}) {
        const worker = new dt.TaskHubGrpcWorker({
            hostAddress: this.address,
            options: LARGE,
            logger,
            shutdownTimeoutMs: 5000,
            metadataGenerator: metadata(this.name, "DurableTaskWorker"),
            ...options,
        });
        const wanted = (name) => !only || only.includes(name);
        for (const [name, fn] of declared.orchestrators)
            if (wanted(name)) worker.addNamedOrchestrator(name, fn);
        for (const [name, fn] of declared.activities)
            if (wanted(name)) worker.addNamedActivity(name, fn);
        for (const [name, factory] of declared.entities)
            if (wanted(name)) worker.addNamedEntity(name, factory);
        await worker.start();
        this.workers.push(worker);
        return worker;
    }

    start(name, input, options) {
        return this.client.scheduleNewOrchestration(name, input, options);
    }

    async run(name, input, options) {
        return this.done(await this.start(name, input, options));
    }

    done(id, seconds = 45) {
        return this.client.waitForOrchestrationCompletion(id, true, seconds);
    }

    state(id, payloads = true) {
        return this.client.getOrchestrationState(id, payloads);
    }

    history(id) {
        return this.client.getOrchestrationHistory(id);
    }

    raise(id, name, data) {
        return this.client.raiseOrchestrationEvent(id, name, data);
    }

    // The SDK's generated stub: raw("startInstance", request).
    async raw(method, request) {
        const headers = await metadata(this.name, "DurableTaskClient")();
        return new Promise((resolve, reject) =>
            this.client._stub[method](request, headers, (error, response) =>
                error ? reject(error) : resolve(response),
            ),
        );
    }

    async close() {
        await Promise.all(this.workers.map((worker) => worker.stop()));
        this.client._stub.close();
    }
}

// The main hub under its case's name.
class Case extends Hub {
    constructor(address, hub, what) {
        super(address, hub);
        this.what = what;
        this.hubs = [];
    }

    done(id, seconds = this.what.heavy ? 150 : 45) {
        return super.done(id, seconds);
    }

    // An ID of this case in this run.
    id(suffix = "") {
        return `${this.what.name.slice(0, 60)}-${run}${suffix && `-${suffix}`}`;
    }

    // A hub of its own, empty.
    hub(name = `${this.what.name.slice(0, 30)}-${run}`) {
        const hub = new Hub(this.address, name);
        this.hubs.push(hub);
        return hub;
    }

    async close() {
        await Promise.all(this.hubs.map((hub) => hub.close()));
        await super.close();
    }
}

// until(() => truthy or promise of it): polls, because what is asked for comes by itself.
async function until(question, seconds = 20, every = 50) {
    const end = Date.now() + seconds * 1000;
    for (;;) {
        const answer = await question();
        if (answer) return answer;
        if (Date.now() > end) throw new Error(`not within ${seconds} s: ${question}`);
        await sleep(every);
    }
}

function completed(state, output) {
    assert.ok(state, "there is no such instance");
    assert.equal(
        state.runtimeStatus,
        Status.COMPLETED,
        `status ${Status[state.runtimeStatus]}: ${state.failureDetails?.message}`,
    );
    if (output !== undefined) assert.equal(state.serializedOutput, JSON.stringify(output));
    return state.serializedOutput ? JSON.parse(state.serializedOutput) : undefined;
}

function failed(state, pattern) {
    assert.ok(state, "there is no such instance");
    assert.equal(state.runtimeStatus, Status.FAILED, `status ${Status[state.runtimeStatus]}`);
    assert.ok(state.failureDetails, "a failed instance says why");
    if (pattern) assert.match(state.failureDetails.message, pattern);
    return state.failureDetails;
}

function string_value(text) {
    const value = new wrappers.StringValue();
    value.setValue(text);
    return value;
}

async function one_case(address, hub, what) {
    const t = new Case(address, hub, what);
    const limit = what.heavy ? 200 : 60;
    const began = Date.now();
    let timer;
    let verdict;
    try {
        await Promise.race([
            what.body(t),
            new Promise((_, reject) => {
                timer = setTimeout(() => reject(new Error(`no end in ${limit} s`)), limit * 1000);
            }),
        ]);
        verdict = `ok ${what.name}`;
    } catch (error) {
        const where = /\((?:.*\/)?(\w+\.js:\d+)/.exec(
            (error.stack || "")
                .split("\n")
                .find((line) => /conformance\/js\/(?!harness)/.test(line)) || "",
        );
        const text = String(error.message || error)
            .replace(/\s+/g, " ")
            .slice(0, 300);
        verdict = `FAILED ${what.name}: ${text}${where ? ` [${where[1]}]` : ""}`;
    }
    clearTimeout(timer);
    if (process.env.CONFORMANCE_TIMES) verdict += ` (${Date.now() - began} ms)`;
    console.log(verdict);
    t.close().catch(() => {});
    return verdict.startsWith("ok");
}

// All cases, `at_once` of them at a time; resolves to whether all passed.
async function run_cases(address, { filter = "", hub = "default", at_once = 64 } = {}) {
    const main = new Hub(address, hub);
    await main.worker();
    const wanted = cases
        .filter((what) => what.name.includes(filter))
        .sort((a, b) => (b.slow || 0) - (a.slow || 0));
    let good = wanted.length > 0;
    for (const heavy of [false, true]) {
        const waiting = wanted.filter((what) => Boolean(what.heavy) === heavy);
        const lane = async () => {
            for (let what = waiting.shift(); what; what = waiting.shift())
                good = (await one_case(address, hub, what)) && good;
        };
        await Promise.all(Array.from({ length: at_once }, lane));
    }
    return good;
}

module.exports = {
    assert,
    grpc,
    dt,
    pb,
    timestamps,
    Status,
    Hub,
    LARGE,
    declared,
    cases,
    orchestrator,
    activity,
    entity,
    test,
    bump,
    count,
    sleep,
    until,
    completed,
    failed,
    string_value,
    metadata,
    logger,
    run,
    run_cases,
};
