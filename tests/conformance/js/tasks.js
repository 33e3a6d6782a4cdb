// SPDX-License-Identifier: MIT
//
// whenAll and whenAny: what is delivered after a failure, in which order, once.
"use strict";

const { assert, orchestrator, test, completed, failed, count, dt } = require("./harness");

const good = (ctx, ms, value) => ctx.callActivity("after", { ms, value });
const bad = (ctx, ms, error) => ctx.callActivity("after", { ms, error });

orchestrator("all_caught", async function* (ctx, key) {
    try {
        yield dt.whenAll([bad(ctx, 0, "first"), good(ctx, 300, 1), ctx.callActivity("tally", key)]);
    } catch (error) {
        return { caught: error.message, next: yield ctx.callActivity("echo", "after") };
    }
});
test(
    "a-caught-failure-of-when-all-waits-for-all",
    "6.2 whenAll: caught failure waits for all",
    async (t) => {
        const { caught, next } = completed(await t.run("all_caught", t.id()));
        assert.match(caught, /first/);
        assert.equal(next, "after");
        assert.equal(count(t.id()), 1);
    },
);

orchestrator("all_uncaught", async function* (ctx) {
    yield dt.whenAll([good(ctx, 0, 1), bad(ctx, 20, "the original reason")]);
});
test(
    "an-uncaught-failure-of-when-all-keeps-its-details",
    "6.2 whenAll: original details uncaught",
    async (t) => {
        failed(
            await t.run("all_uncaught"),
            /1 of 2 tasks in the whenAll failed.*the original reason/,
        );
    },
);

orchestrator("all_fail_last", async function* (ctx) {
    try {
        yield dt.whenAll([good(ctx, 0, 1), good(ctx, 50, 2), bad(ctx, 300, "last")]);
    } catch (error) {
        return error.message;
    }
});
test("the-failing-task-of-when-all-ends-last", "6.2 whenAll: failing task last", async (t) => {
    assert.match(completed(await t.run("all_fail_last")), /1 of 3 .*last/);
});

orchestrator("all_fail_much", async function* (ctx) {
    try {
        yield dt.whenAll([
            bad(ctx, 100, "one"),
            bad(ctx, 0, "two"),
            good(ctx, 50, 1),
            bad(ctx, 20, "three"),
        ]);
    } catch (error) {
        return { message: error.message, errors: error.errors.map((one) => one.message) };
    }
});
test(
    "several-failures-of-when-all-are-told-together",
    "6.2 whenAll: aggregate of several",
    async (t) => {
        const { message, errors } = completed(await t.run("all_fail_much"));
        assert.match(message, /^3 of 4 tasks/);
        assert.equal(errors.length, 3);
        ["one", "two", "three"].forEach((word, i) => assert.match(errors[i], new RegExp(word)));
    },
);

orchestrator("all_at_speeds", async function* (ctx) {
    const before = yield ctx.callActivity("echo", "before");
    const all = yield dt.whenAll([good(ctx, 250, "c"), good(ctx, 0, "a"), good(ctx, 120, "b")]);
    const after = yield ctx.callActivity("echo", "after");
    return [before, ...all, after];
});
test(
    "tasks-of-when-all-end-at-different-speeds",
    "6.2 whenAll: different speeds with replay",
    async (t) => {
        completed(await t.run("all_at_speeds"), ["before", "c", "a", "b", "after"]);
    },
);

orchestrator("all_with_failed", async function* (ctx, how) {
    const task = bad(ctx, 0, "already");
    try {
        yield task;
    } catch (error) {
        if (how === "joined") {
            try {
                yield dt.whenAll([task, good(ctx, 20, 1)]);
                return "not thrown";
            } catch (again) {
                return again.message;
            }
        }
        if (how === "uncaught") yield dt.whenAll([task, good(ctx, 20, 1)]);
        return yield good(ctx, 10, "went on");
    }
});
test("a-failed-handle-joins-a-when-all", "6.2 whenAll: already-failed handle joined", async (t) => {
    assert.match(completed(await t.run("all_with_failed", "joined")), /1 of 2 .*already/);
});
test(
    "a-failed-handle-that-is-not-joined-does-nothing",
    "6.2 whenAll: already-failed handle not caught",
    async (t) => {
        completed(await t.run("all_with_failed", "left"), "went on");
    },
);
test(
    "a-failed-handle-throws-into-the-generator",
    "6.2 whenAll: already-failed handle thrown",
    async (t) => {
        failed(await t.run("all_with_failed", "uncaught"), /already/);
    },
);

orchestrator("all_of_nothing", async function* (_) {
    return yield dt.whenAll([]);
});
test("when-all-of-nothing", "6.2 nested whenAll/whenAny", async (t) => {
    completed(await t.run("all_of_nothing"), []);
});

orchestrator("any_of_three", async function* (ctx) {
    const tasks = [good(ctx, 400, "slow"), good(ctx, 0, "quick"), good(ctx, 800, "slowest")];
    const first = yield dt.whenAny(tasks);
    return { index: tasks.indexOf(first), value: first.getResult() };
});
test("when-any-takes-the-first", "6.2 nested whenAll/whenAny", async (t) => {
    completed(await t.run("any_of_three"), { index: 1, value: "quick" });
});

orchestrator("any_of_all", async function* (ctx) {
    const left = dt.whenAll([good(ctx, 0, 1), good(ctx, 600, 2)]);
    const right = dt.whenAll([good(ctx, 20, 3), good(ctx, 40, 4)]);
    const first = yield dt.whenAny([left, right]);
    return first === right ? first.getResult() : "left";
});
test("when-any-of-when-all", "6.2 nested whenAll/whenAny", async (t) => {
    completed(await t.run("any_of_all"), [3, 4]);
});

orchestrator("all_of_any", async function* (ctx) {
    const [one, two] = yield dt.whenAll([
        dt.whenAny([good(ctx, 0, "a"), good(ctx, 500, "b")]),
        dt.whenAny([good(ctx, 500, "c"), good(ctx, 10, "d")]),
    ]);
    return [one.getResult(), two.getResult()];
});
test("when-all-of-when-any", "6.2 nested whenAll/whenAny", async (t) => {
    completed(await t.run("all_of_any"), ["a", "d"]);
});

orchestrator("all_of_all", async function* (ctx) {
    return yield dt.whenAll([
        dt.whenAll([good(ctx, 10, 1), good(ctx, 0, 2)]),
        dt.whenAll([good(ctx, 0, 3), dt.whenAll([good(ctx, 5, 4)])]),
    ]);
});
test("when-all-of-when-all", "6.2 nested whenAll/whenAny", async (t) => {
    completed(await t.run("all_of_all"), [
        [1, 2],
        [3, [4]],
    ]);
});

orchestrator("yields_number", async function* (_) {
    yield 42;
});
orchestrator("yields_number_later", async function* (ctx) {
    yield ctx.callActivity("echo", 1);
    yield 42;
});
orchestrator("yields_after_catch", async function* (ctx) {
    try {
        yield ctx.callActivity("boom", "x");
    } catch {
        yield "no task";
    }
});
for (const name of ["yields_number", "yields_number_later", "yields_after_catch"])
    test(
        `an-orchestrator-that-${name.replaceAll("_", "-")}-fails`,
        "6.2 non-Task yields",
        async (t) => {
            failed(await t.run(name), /non-Task/);
        },
    );

orchestrator("compensates", async function* (ctx, keys) {
    try {
        yield ctx.callActivity("boom", "no stock");
    } catch (error) {
        yield ctx.callActivity("tally", keys.undo);
        return error.message;
    }
});
test("a-failure-is-compensated", "6.3 activity_error_handling (compensation)", async (t) => {
    assert.match(completed(await t.run("compensates", { undo: t.id() })), /no stock/);
    assert.equal(count(t.id()), 1);
});

orchestrator("child_fails", async function* (ctx) {
    try {
        yield ctx.callSubOrchestrator("always_fails", "deep inside");
    } catch (error) {
        return {
            message: error.message,
            type: error.details.errorType,
            inner: error.details.message,
        };
    }
});
test("a-failed-child-throws-into-its-parent", "3.10 SubOrchestrationInstanceFailed", async (t) => {
    const { message, inner } = completed(await t.run("child_fails"));
    assert.match(message, /Sub-orchestration task #1 failed/);
    assert.match(inner, /deep inside/);
});
