// SPDX-License-Identifier: MIT
//
// Orchestrations that go through everything durable, for the programs whose server or worker is
// killed: flow(KIND, i) is how one begins, what is sent to it meanwhile, and what it must answer.
"use strict";

const { orchestrator, activity, entity, dt, sleep } = require("./harness");

activity("slow_plus", async (_, [a, b]) => {
    await sleep(20);
    return a + b;
});
orchestrator("flow_chain", async function* (ctx, n) {
    let sum = n;
    for (let i = 1; i <= 5; i++) sum = yield ctx.callActivity("slow_plus", [sum, i]);
    return sum;
});
orchestrator("flow_fan", async function* (ctx, n) {
    const tasks = [];
    for (let i = 0; i < 10; i++) tasks.push(ctx.callActivity("slow_plus", [n, i]));
    return (yield dt.whenAll(tasks)).reduce((a, b) => a + b, 0);
});
orchestrator("flow_timer", async function* (ctx, n) {
    for (let i = 0; i < 3; i++) yield ctx.createTimer(0.3);
    return yield ctx.callActivity("slow_plus", [n, 1]);
});
orchestrator("flow_child", async function* (ctx, { n, depth }) {
    if (depth === 0) return yield ctx.callActivity("slow_plus", [n, 0]);
    const children = [0, 1].map((i) =>
        ctx.callSubOrchestrator("flow_child", { n: n + i, depth: depth - 1 }),
    );
    const [a, b] = yield dt.whenAll(children);
    return a + b;
});
orchestrator("flow_event", async function* (ctx, n) {
    const first = yield ctx.waitForExternalEvent(`first-${n}`);
    yield ctx.callActivity("slow_plus", [n, 0]);
    const second = yield ctx.waitForExternalEvent(`second-${n}`);
    return [first, second];
});
orchestrator("flow_generations", async function* (ctx, { n, left }) {
    const sum = yield ctx.callActivity("slow_plus", [n, 1]);
    if (left > 1) ctx.continueAsNew({ n: sum, left: left - 1 }, true);
    else return sum;
});
// Three calls, and the answers must rise: nothing of ours is lost or done twice.
orchestrator("flow_entity", async function* (ctx, n) {
    const id = new dt.EntityInstanceId("sums", `total-${n % 3}`);
    const answers = [];
    for (let i = 0; i < 3; i++) answers.push(yield ctx.entities.callEntity(id, "add", 1));
    return answers[0] < answers[1] && answers[1] < answers[2] ? "rising" : answers;
});
orchestrator("flow_lock", async function* (ctx, n) {
    const ids = ["a", "b"].map((key) => new dt.EntityInstanceId("sums", `locked-${key}`));
    const lock = yield ctx.entities.lockEntities(...(n % 2 ? ids : [...ids].reverse()));
    const before = yield ctx.entities.callEntity(ids[0], "get");
    yield ctx.createTimer(0.01);
    yield ctx.entities.callEntity(ids[1], "add", 1);
    const after = yield ctx.entities.callEntity(ids[0], "add", 1);
    lock.release();
    return after - before;
});
orchestrator("flow_retry", async function* (ctx, n) {
    const policy = new dt.RetryPolicy({
        maxNumberOfAttempts: 20,
        firstRetryIntervalInMilliseconds: 20,
    });
    const at = yield ctx.callActivity("fails_for_a_while", ctx.currentUtcDateTime.getTime(), {
        retry: policy,
    });
    return [n, at];
});
activity("fails_for_a_while", (_, began) => {
    if (Date.now() < began + 150) throw new Error("too early");
    return "late enough";
});

class Sums extends dt.TaskEntity {
    initializeState() {
        return 0;
    }
    add(n) {
        this.state += n;
        return this.state;
    }
    get() {
        return this.state;
    }
}
entity("sums", () => new Sums());
class Seen extends dt.TaskEntity {
    initializeState() {
        return {};
    }
    see(item) {
        this.state[item] = (this.state[item] ?? 0) + 1;
    }
}
entity("seen", () => new Seen());

const flows = {
    flow_chain: (n) => ({ input: n, output: n + 15 }),
    flow_fan: (n) => ({ input: n, output: 10 * n + 45 }),
    flow_timer: (n) => ({ input: n, output: n + 1 }),
    flow_child: (n) => ({ input: { n, depth: 2 }, output: 4 * n + 4 }),
    flow_event: (n) => ({
        input: n,
        output: [`f${n}`, `s${n}`],
        events: [
            [`first-${n}`, `f${n}`],
            [`second-${n}`, `s${n}`],
        ],
    }),
    flow_generations: (n) => ({ input: { n, left: 6 }, output: n + 6 }),
    flow_entity: (n) => ({ input: n, output: "rising" }),
    flow_lock: (n) => ({ input: n, output: 1 }),
    flow_retry: (n) => ({ input: n, output: [n, "late enough"] }),
};

module.exports = { flows };
