// SPDX-License-Identifier: MIT
//
// HTTP calls by the names that SDKs have for them, made by perdured: the checklist of the
// specification of durable HTTP calls, against servers of this process. perdured has to allow
// 127.0.0.1 (test_js.sh does); no worker here brings functions of these names.
"use strict";

const http = require("node:http");
const { assert, orchestrator, test, completed, failed, dt } = require("./harness");

// ---- servers that do what the path says ---------------------------------------------------------
//
// /KEY/500-500-200?after=1&to=URL&wait=50: the first request to a path is answered by the first
// status, and so on, the last one again and again. to=URL: Location; without it the path itself.

const asked = []; // { key, method, url, headers, body, at }
const of = (key) => asked.filter((each) => each.key === key);

function answer(request, response, body) {
    const url = new URL(request.url, "http://h");
    const [, key, statuses] = url.pathname.split("/");
    const before = asked.filter((each) => each.url === request.url).length;
    asked.push({ key, method: request.method, url: request.url, headers: request.headers, body });
    const each = statuses.split("-");
    const status = Number(each[Math.min(before, each.length - 1)]);
    const headers = { "X-Twice": ["a", "b"], "Content-Type": "text/plain" };
    if (status === 202 || (status >= 300 && status < 400))
        headers.Location = url.searchParams.get("to") ?? request.url;
    if (headers.Location === "none") delete headers.Location;
    if (url.searchParams.has("after")) headers["Retry-After"] = url.searchParams.get("after");
    setTimeout(
        () => response.writeHead(status, headers).end(`said ${status}`),
        Number(url.searchParams.get("wait") ?? 0),
    );
}

function serve() {
    return new Promise((resolve) => {
        const server = http.createServer((request, response) => {
            let body = "";
            request.on("data", (part) => (body += part));
            request.on("end", () => answer(request, response, body));
        });
        server.listen(0, "127.0.0.1", () => {
            server.unref();
            resolve(`http://127.0.0.1:${server.address().port}`);
        });
    });
}
let servers;
const homes = () => (servers ??= Promise.all([serve(), serve()]));

// ---- the names ------------------------------------------------------------------------------------

orchestrator("http_activity", async function* (ctx, input) {
    return yield ctx.callActivity("BuiltIn::HttpActivity", input);
});
orchestrator("http_caught", async function* (ctx, input) {
    try {
        return yield ctx.callActivity("BuiltIn::HttpActivity", input);
    } catch (error) {
        return { message: error.message };
    }
});
orchestrator("http_talk", async function* (ctx, input) {
    return yield ctx.callSubOrchestrator("BuiltIn__HttpPollOrchestrator", input);
});
orchestrator("http_many", async function* (ctx, urls) {
    const all = urls.map((uri) => ctx.callSubOrchestrator("BuiltIn__HttpPollOrchestrator", { uri }));
    return (yield dt.whenAll(all)).map((each) => each.statusCode);
});

const span = (seconds) => `00:00:${String(seconds).padStart(2, "0")}`;

test("http-an-answer-is-a-value", "http 8.1, 8.2", async (t) => {
    const [home] = await homes();
    const key = t.id();
    const ok = completed(
        await t.run("http_activity", [{ method: "GET", uri: `${home}/${key}/200` }]),
    );
    assert.equal(ok.statusCode, 200);
    assert.equal(ok.content, "said 200");
    const missing = completed(await t.run("http_activity", { uri: `${home}/${key}/404` }));
    assert.equal(missing.statusCode, 404);
    const talk = completed(await t.run("http_talk", { method: "GET", uri: `${home}/${key}/201` }));
    assert.deepEqual(Object.keys(talk), ["statusCode", "headers", "content"]);
    assert.equal(talk.headers["x-twice"], "a, b");
});

test("http-retries-of-what-is-no-success", "http 8.3", async (t) => {
    const [home] = await homes();
    const uri = `${home}/${t.id()}/500-500-200`;
    const retryOptions = { firstRetryInterval: span(1), maxNumberOfAttempts: 3 };
    const answer = completed(
        await t.run("http_activity", { method: "POST", uri, content: "c", retryOptions }),
    );
    assert.equal(answer.statusCode, 200);
    assert.deepEqual(
        of(t.id()).map((each) => each.method + each.body),
        ["POSTc", "POSTc", "POSTc"],
    );
});

test("http-retries-of-a-list", "http 8.4", async (t) => {
    const [home] = await homes();
    const retryOptions = {
        FirstRetryInterval: span(1),
        MaxNumberOfAttempts: 2,
        StatusCodesToRetry: [503],
    };
    const other = completed(
        await t.run("http_activity", { uri: `${home}/${t.id()}/500`, retryOptions }),
    );
    assert.equal(other.statusCode, 500);
    assert.equal(of(t.id()).length, 1);
    const { message } = completed(
        await t.run("http_caught", { uri: `${home}/${t.id("b")}/503`, retryOptions }),
    );
    assert.match(message, /Status code ServiceUnavailable received, retry requested\./);
    assert.equal(of(t.id("b")).length, 2);
});

for (const [name, dialect] of [
    ["activity", { run: "http_activity", on: { asynchronousPatternEnabled: true } }],
    ["orchestrator", { run: "http_talk", on: {} }],
])
    test(`http-a-202-is-polled-by-the-${name}`, "http 8.5", async (t) => {
        const [home] = await homes();
        const began = Date.now();
        const answer = completed(
            await t.run(dialect.run, {
                method: "POST",
                uri: `${home}/${t.id()}/202-202-200?after=1`,
                headers: { "x-functions-key": "k", authorization: "mine" },
                ...dialect.on,
            }),
        );
        assert.equal(answer.statusCode, 200);
        assert.ok(Date.now() - began > 1900);
        const requests = of(t.id());
        assert.deepEqual(
            requests.map((each) => each.method),
            ["POST", "GET", "GET"],
        );
        assert.deepEqual(
            requests.map((each) => each.headers["x-functions-key"]),
            ["k", undefined, undefined],
        );
        assert.deepEqual(
            requests.map((each) => each.headers.authorization),
            ["mine", "mine", "mine"],
        );
    });

test("http-what-is-secret-stays-at-home", "http 8.6", async (t) => {
    const [home, other] = await homes();
    const elsewhere = encodeURIComponent(`${other}/${t.id()}/200`);
    const answer = completed(
        await t.run("http_talk", {
            uri: `${home}/${t.id()}/202?after=0&to=${elsewhere}`,
            headers: { authorization: "a", cookie: "c", "x-mine": "m" },
        }),
    );
    assert.equal(answer.statusCode, 200);
    const [first, second] = of(t.id()).map((each) => each.headers);
    assert.equal(first.authorization, "a");
    assert.equal(second.authorization, undefined);
    assert.equal(second.cookie, undefined);
    assert.equal(second["x-mine"], "m");
});

test("http-without-polling-a-202-is-the-answer", "http 8.7, 8.9", async (t) => {
    const [home] = await homes();
    for (const [run, input] of [
        ["http_activity", { uri: `${home}/${t.id()}/202` }],
        ["http_talk", { uri: `${home}/${t.id()}/202`, enablePolling: false }],
        ["http_talk", { uri: `${home}/${t.id()}/202?to=none` }],
        ["http_talk", { uri: `${home}/${t.id()}/202?to=${encodeURIComponent("ftp://x")}` }],
    ])
        assert.equal(completed(await t.run(run, input)).statusCode, 202);
    assert.equal(of(t.id()).length, 4);
});

test("http-retry-after-is-a-date", "http 8.8", async (t) => {
    const [home] = await homes();
    const date = encodeURIComponent(new Date(Date.now() + 3000).toUTCString());
    const began = Date.now();
    const answer = completed(
        await t.run("http_talk", { uri: `${home}/${t.id()}/202-200?after=${date}` }),
    );
    assert.equal(answer.statusCode, 200);
    assert.ok(Date.now() - began > 1500 && Date.now() - began < 20000);
});

test("http-a-timeout-is-one-of-dotnet", "http 8.11", async (t) => {
    const [home] = await homes();
    const began = Date.now();
    const failure = failed(
        await t.run("http_activity", {
            uri: `${home}/${t.id()}/200?wait=8000`,
            timeout: "00:00:01",
        }),
        /Reached user specified timeout: 00:00:01\./,
    );
    assert.ok(Date.now() - began < 5000);
    assert.ok(failure);
});

test("http-multipart-is-refused-and-not-sent", "http 8.12", async (t) => {
    const [home] = await homes();
    failed(
        await t.run("http_activity", {
            method: "POST",
            uri: `${home}/${t.id()}/200`,
            content: "c",
            headers: { "Content-Type": "multipart/form-data; boundary=x" },
        }),
        /Multipart content is not supported with CallHttpAsync\./,
    );
    assert.equal(of(t.id()).length, 0);
});

test("http-a-hundred-at-once", "http 7", async (t) => {
    const [home] = await homes();
    const urls = Array.from({ length: 100 }, (_, i) => `${home}/${t.id()}/200?wait=1000&i=${i}`);
    const began = Date.now();
    assert.deepEqual(completed(await t.run("http_many", urls)), Array(100).fill(200));
    assert.ok(Date.now() - began < 30000);
});

test("http-nobody-starts-the-conversation-itself", "http 6.2", async (t) => {
    const [home] = await homes();
    failed(
        await t.run("BuiltIn__HttpPollOrchestrator", { uri: `${home}/${t.id()}/200` }),
        /is an internal built-in and cannot be started as a top-level orchestration/,
    );
    assert.equal(of(t.id()).length, 0);
});
