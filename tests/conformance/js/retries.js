// SPDX-License-Identifier: MIT
//
// Retry policies and handlers: every attempt is a durable timer and a new action of the SDK, so the
// attempts are counted exactly and the pauses have lower bounds.
"use strict";

const { assert, orchestrator, test, bump, count, completed, failed, dt } = require("./harness");

const policy = (attempts, first, more = {}) =>
    new dt.RetryPolicy({
        maxNumberOfAttempts: attempts,
        firstRetryIntervalInMilliseconds: first,
        ...more,
    });

// options -> the retry option; functions and policies cannot be inputs, so each has a name.
const kinds = {
    three_quick: policy(3, 50),
    exponential: policy(4, 200, { backoffCoefficient: 2 }),
    capped: policy(4, 100, { backoffCoefficient: 10, maxRetryIntervalInMilliseconds: 250 }),
    timed: policy(100, 1000, { retryTimeoutInMilliseconds: 3500 }),
    picky: policy(5, 20, { handleFailure: (failure) => !/fatal/.test(failure.message) }),
    predicate_throws: policy(5, 20, {
        handleFailure: () => {
            throw new Error("in the predicate");
        },
    }),
    one: policy(1, 50),
    ten: policy(10, 5),
    nothing: undefined,
    handler_undefined: () => undefined,
    handler_null: () => null,
    handler_false: () => false,
    handler_true: (retry) => retry.lastAttemptNumber < 3,
    handler_number: (retry) => (retry.lastAttemptNumber < 3 ? 400 : false),
    handler_zero: (retry) => (retry.lastAttemptNumber < 3 ? 0 : false),
    handler_async: async (retry) => retry.lastAttemptNumber < 3,
    handler_nan: () => NaN,
    handler_throws: () => {
        throw new Error("in the handler");
    },
    handler_by_text: (retry) => /transient/.test(retry.lastFailure.message),
    handler_growing: (retry) =>
        retry.lastAttemptNumber < 4 ? retry.lastAttemptNumber * 100 : false,
    handler_in_time: (retry) => (retry.totalRetryTimeInMilliseconds < 2000 ? 700 : false),
    handler_context: (retry) => {
        bump(`${retry.orchestrationContext.instanceId} asked ${retry.lastAttemptNumber}`);
        return retry.lastAttemptNumber < 2;
    },
};

orchestrator("retries", async function* (ctx, { kind, key, failures, text }) {
    const began = ctx.currentUtcDateTime.getTime();
    const attempts = yield ctx.callActivity(
        "flaky",
        { key, failures, text },
        { retry: kinds[kind] },
    );
    return { attempts, took: ctx.currentUtcDateTime.getTime() - began };
});

// The activity fails `failures` times; `attempts` are expected, and the outcome. Where a time ends
// the retries, a busy machine has time for fewer: at least 2, at most `attempts`.
function retried(
    name,
    row,
    kind,
    failures,
    attempts,
    { fails, least = 0, text, most = 20000, timed } = {},
) {
    test(name, row, async (t) => {
        const key = t.id();
        const state = await t.run("retries", { kind, key, failures, text }, t.id());
        if (fails) {
            failed(state, fails);
            assert.ok(state.lastUpdatedAt - state.createdAt >= least, "the pauses are kept");
        } else {
            const { attempts: last, took } = completed(state);
            assert.equal(last, attempts);
            assert.ok(took >= least, `${took} ms, at least ${least}`);
            assert.ok(took < most, `${took} ms, less than ${most}`);
        }
        if (timed) assert.ok(count(key) >= 2 && count(key) <= attempts, `${count(key)} attempts`);
        else assert.equal(count(key), attempts);
    });
}

const basic = "6.2 orchestration: retry activity";
retried("a-retried-activity-succeeds", `${basic} (success)`, "three_quick", 2, 3, { least: 100 });
retried("retries-are-exhausted", `${basic} (exhausted)`, "three_quick", 9, 3, {
    fails: /not yet 3/,
    least: 100,
});
retried("pauses-grow-exponentially", `${basic} (exponential)`, "exponential", 3, 4, {
    least: 1400,
});
retried("no-retry-no-second-attempt", `${basic} (none)`, "nothing", 1, 1, { fails: /not yet 1/ });

const more = "6.2 retry-advanced";
retried("pauses-are-capped", more, "capped", 3, 4, { least: 600 });
retried("the-time-for-retries-ends", more, "timed", 99, 4, {
    fails: /not yet [234]/,
    least: 1000,
    timed: true,
});
retried("a-predicate-stops-retries", more, "picky", 9, 1, { fails: /fatal/, text: "fatal" });
retried("a-predicate-allows-retries", more, "picky", 2, 3, { text: "harmless" });
retried("a-predicate-that-throws-stops-retries", more, "predicate_throws", 9, 1, {
    fails: /not yet 1/,
});
retried("one-attempt-is-no-retry", more, "one", 1, 1, { fails: /not yet 1/ });
retried("ten-attempts-of-a-few-milliseconds", more, "ten", 9, 10, { least: 45 });
retried("a-policy-without-failure-waits-for-nothing", more, "three_quick", 0, 1);

const handler = "6.2 retry-handler";
retried("a-handler-that-says-undefined-stops", handler, "handler_undefined", 9, 1, {
    fails: /not yet 1/,
});
retried("a-handler-that-says-null-stops", handler, "handler_null", 9, 1, { fails: /not yet 1/ });
retried("a-handler-that-says-false-stops", handler, "handler_false", 9, 1, { fails: /not yet 1/ });
retried("a-handler-that-says-true-retries-at-once", handler, "handler_true", 2, 3);
retried("a-handler-that-gives-up", handler, "handler_true", 9, 3, { fails: /not yet 3/ });
retried("a-handler-that-says-a-number-waits", handler, "handler_number", 2, 3, { least: 800 });
retried("a-handler-that-says-0-retries-at-once", handler, "handler_zero", 2, 3);
retried("a-handler-may-be-asynchronous", handler, "handler_async", 2, 3);
retried("a-handler-that-says-not-a-number-stops", handler, "handler_nan", 9, 1, {
    fails: /not yet 1/,
});
retried("a-handler-that-throws-stops", handler, "handler_throws", 9, 1, { fails: /not yet 1/ });
retried("a-handler-sees-the-failure", handler, "handler_by_text", 3, 4, { text: "transient" });
retried("a-handler-may-wait-longer-each-time", handler, "handler_growing", 3, 4, { least: 600 });
retried("a-handler-sees-the-time-so-far", handler, "handler_in_time", 99, 4, {
    fails: /not yet [234]/,
    least: 2000,
    timed: true,
});

test("a-handler-sees-its-orchestration", handler, async (t) => {
    const state = await t.run(
        "retries",
        { kind: "handler_context", key: t.id(), failures: 1 },
        t.id(),
    );
    assert.equal(completed(state).attempts, 2);
    assert.ok(count(`${t.id()} asked 1`) >= 1);
    assert.equal(count(`${t.id()} asked 2`), 0);
});

orchestrator("flaky_child", async function* (ctx, input) {
    return { id: ctx.instanceId, n: yield ctx.callActivity("flaky", input) };
});
orchestrator("retries_child", async function* (ctx, { kind, id, key, failures }) {
    const child = { retry: kinds[kind], instanceId: id };
    return yield ctx.callSubOrchestrator("flaky_child", { key, failures }, child);
});
test(
    "a-retried-child-succeeds-under-the-same-id",
    "6.2 orchestration: retry sub-orchestration (success)",
    async (t) => {
        const input = { kind: "three_quick", key: t.id(), failures: 2 };
        const { id, n } = completed(await t.run("retries_child", input));
        assert.equal(n, 3);
        assert.match(id, /^[0-9a-f]{32}:0001$/);
        assert.equal(count(t.id()), 3);
    },
);
test(
    "a-retried-child-with-an-id-of-its-own",
    "6.2 orchestration: retry sub-orchestration (success)",
    async (t) => {
        const input = { kind: "three_quick", id: t.id("child"), key: t.id(), failures: 1 };
        completed(await t.run("retries_child", input), { id: t.id("child"), n: 2 });
    },
);
test(
    "retries-of-a-child-are-exhausted",
    "6.2 orchestration: retry sub-orchestration (exhausted)",
    async (t) => {
        const input = { kind: "three_quick", id: t.id("child"), key: t.id(), failures: 9 };
        failed(await t.run("retries_child", input), /not yet 3/);
        assert.equal(count(t.id()), 3);
        failed(await t.state(t.id("child")));
    },
);

orchestrator("retries_many", async function* (ctx, { key, width }) {
    const tasks = [];
    for (let i = 0; i < width; i++)
        tasks.push(
            ctx.callActivity(
                "flaky",
                { key: `${key} ${i}`, failures: i % 3 },
                { retry: kinds.three_quick },
            ),
        );
    return yield dt.whenAll(tasks);
});
test("siblings-are-retried-independently", more, async (t) => {
    completed(await t.run("retries_many", { key: t.id(), width: 9 }), [1, 2, 3, 1, 2, 3, 1, 2, 3]);
    for (let i = 0; i < 9; i++) assert.equal(count(`${t.id()} ${i}`), (i % 3) + 1);
});
