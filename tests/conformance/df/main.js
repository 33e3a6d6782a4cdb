// SPDX-License-Identifier: MIT
//
// The client of durable-functions (npm), which builds and reads the links of the management API,
// against perdured: main.js HTTP_ADDRESS. Nobody works here: what is started stays pending.
"use strict";
const assert = require("node:assert");
const { DurableClient } = require("durable-functions/lib/src/durableClient/DurableClient");
const { EntityId } = require("durable-functions");

const base = `http://${process.argv[2]}/runtime/webhooks/durabletask`;
const suffix = "taskHub=default&connection=Storage";

// What the host of Functions gives a client binding: section 8.5 of the specification.
function binding(rpcBaseUrl) {
    const one = `${base}/instances/INSTANCEID`;
    return {
        taskHubName: "default",
        creationUrls: {
            createNewInstancePostUri: `${base}/orchestrators/{functionName}[/{instanceId}]?${suffix}`,
            createAndWaitOnNewInstancePostUri:
                `${base}/orchestrators/{functionName}[/{instanceId}]` +
                `?timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}&${suffix}`,
        },
        managementUrls: {
            id: "INSTANCEID",
            statusQueryGetUri: `${one}?${suffix}`,
            sendEventPostUri: `${one}/raiseEvent/{eventName}?${suffix}`,
            terminatePostUri: `${one}/terminate?reason={text}&${suffix}`,
            rewindPostUri: `${one}/rewind?reason={text}&${suffix}`,
            purgeHistoryDeleteUri: `${one}?${suffix}`,
            restartPostUri: `${one}/restart?${suffix}`,
            suspendPostUri: `${one}/suspend?reason={text}&${suffix}`,
            resumePostUri: `${one}/resume?reason={text}&${suffix}`,
        },
        baseUrl: base,
        requiredQueryStringParameters: suffix,
        rpcBaseUrl,
    };
}

const request = { url: `http://${process.argv[2]}/api/orchestrators/Flow`, headers: new Map() };
const state = async (client, id) => (await client.getStatus(id)).runtimeStatus;

function casesOf(client, name) {
    return {
        async "starts and looks"() {
            const id = await client.startNew("Flow", { input: { a: [1, "zwei"] } });
            const status = await client.getStatus(id);
            assert.match(id, /^[0-9a-f]{32}$/);
            assert.equal(status.name, "Flow");
            assert.equal(status.instanceId, id);
            assert.deepEqual(status.input, { a: [1, "zwei"] });
            assert.equal(status.runtimeStatus, "Pending");
            assert.ok(status.createdTime instanceof Date);
        },
        async "starts under an id, which is taken then"() {
            const id = `${name}-mine`;
            assert.equal(await client.startNew("Flow", { instanceId: id }), id);
            await assert.rejects(client.startNew("Flow", { instanceId: id }));
        },
        async "one that is not there"() {
            await assert.rejects(client.getStatus("nobody"), /404/);
        },
        async "raises, suspends, resumes, terminates"() {
            const id = await client.startNew("Flow");
            await client.raiseEvent(id, "go", { n: 1 });
            await client.suspend(id, "tea");
            assert.equal(await state(client, id), "Suspended");
            await client.resume(id, "on");
            await client.terminate(id, "enough");
            const status = await client.getStatus(id);
            assert.equal(status.runtimeStatus, "Terminated");
            assert.equal(status.output, "enough");
            await client.terminate(id, "again"); // 410 is fine to it
            await client.raiseEvent(id, "late", 1);
        },
        async "rewinding what has not failed is refused"() {
            const id = await client.startNew("Flow");
            await assert.rejects(client.rewind(id, "why"));
        },
        async "lists and purges"() {
            const begin = new Date(Date.now() - 60000);
            const id = await client.startNew("Flow", { instanceId: `${name}-purged` });
            await client.terminate(id, "x");
            const found = await client.getStatusBy({ createdTimeFrom: begin });
            assert.ok(found.some((status) => status.instanceId === id));
            assert.ok((await client.getStatusAll()).some((status) => status.instanceId === id));
            assert.equal((await client.purgeInstanceHistory(id)).instancesDeleted, 1);
            assert.equal((await client.purgeInstanceHistory(id)).instancesDeleted, 0);
            const other = await client.startNew("Flow");
            await client.terminate(other, "x");
            const purged = await client.purgeInstanceHistoryBy({ createdTimeFrom: begin });
            assert.ok(purged.instancesDeleted >= 1);
            await assert.rejects(client.getStatus(other), /404/);
        },
        async "signals an entity, and reads one that is not there"() {
            await client.signalEntity(new EntityId("Counter", "k 1"), "add", 1);
            const read = await client.readEntityState(new EntityId("counter", "none"));
            assert.equal(read.entityExists, false);
        },
        async "its links are ours"() {
            const id = await client.startNew("Flow", { instanceId: `${name}-links` });
            const links = await client.createCheckStatusResponse(request, id).json();
            const ours = await (await fetch(links.restartPostUri, { method: "POST" })).json();
            for (const [member, link] of Object.entries(links)) {
                assert.equal(ours[member].replaceAll(ours.id, id), link);
            }
            assert.equal((await fetch(links.statusQueryGetUri)).status, 202);
            const said = await fetch(links.sendEventPostUri.replace("{eventName}", "go"), {
                method: "POST",
                headers: { "content-type": "application/json" },
                body: "1",
            });
            assert.equal(said.status, 202);
            const ended = links.terminatePostUri.replace("{text}", "no%20more");
            assert.equal((await fetch(ended, { method: "POST" })).status, 202);
            assert.equal((await client.getStatus(id)).output, "no more");
            const gone = await fetch(links.purgeHistoryDeleteUri, { method: "DELETE" });
            assert.deepEqual(await gone.json(), { instancesDeleted: 1 });
        },
        async "waits for what does not end, and gets the links"() {
            const id = await client.startNew("Flow");
            const answer = await client.waitForCompletionOrCreateCheckStatusResponse(request, id, {
                timeoutInMilliseconds: 50,
                retryIntervalInMilliseconds: 10,
            });
            assert.equal(answer.status, 202);
        },
    };
}

(async () => {
    const clients = { rpc: binding(`${base}/`), links: binding(undefined) };
    let failed = 0;
    for (const [name, data] of Object.entries(clients)) {
        for (const [title, run] of Object.entries(casesOf(new DurableClient(data), name))) {
            try {
                await run();
                console.log(`ok ${name}: ${title}`);
            } catch (error) {
                failed++;
                console.log(`FAILED ${name}: ${title}: ${String(error.message).split("\n")[0]}`);
            }
        }
    }
    process.exit(failed ? 1 : 0);
})();
