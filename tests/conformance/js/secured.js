// SPDX-License-Identifier: MIT
//
// node secured.js HOST:PORT CA.PEM   a server with TLS and tokens: the SDK with its options for both,
// as a credential of the azuremanaged package would set them, and what is refused to whom. The script
// has made the tokens: of everything, of a worker (of the hub "secured"), a reader, and a stranger
// (of another hub).
"use strict";

const fs = require("node:fs");
const { assert, grpc, dt, Hub, LARGE, completed, logger, orchestrator } = require("./harness");
require("./shared");

const [address, authority] = process.argv.slice(2);
const Code = grpc.status;
const tls = () => grpc.credentials.createSsl(fs.readFileSync(authority));

class Secured extends Hub {
    constructor(token, name = "secured", credentials = tls()) {
        super(address, name);
        this.client._stub.close();
        this.credentials = credentials;
        this.metadata = async () => {
            const headers = new grpc.Metadata();
            headers.set("taskhub", name);
            if (token) headers.set("authorization", `Bearer ${token}`);
            return headers;
        };
        this.client = new dt.TaskHubGrpcClient({
            hostAddress: address,
            options: LARGE,
            logger,
            credentials,
            metadataGenerator: this.metadata,
        });
    }

    worker(options) {
        const { credentials, metadata: metadataGenerator } = this;
        return super.worker({ credentials, metadataGenerator, ...options });
    }
}

orchestrator("through_all", async function* (ctx, n) {
    const counter = new dt.EntityInstanceId("counter", "x");
    const more = yield ctx.callActivity("plus_one", n);
    return yield ctx.entities.callEntity(counter, "add", more);
});

const refused = (what, code) =>
    assert.rejects(what, (error) => {
        assert.equal(error.code, code, error.message);
        return true;
    });

const cases = {
    "work-goes-over-tls-with-tokens": async () => {
        const worker = new Secured("token-of-a-worker");
        await worker.worker();
        completed(await new Secured("token-of-everything").run("through_all", 1), 2);
    },
    "without-a-token-nothing-goes": async () => {
        await refused(new Secured().state("x"), Code.UNAUTHENTICATED);
        await refused(new Secured("token-that-is-wrong").start("empty"), Code.UNAUTHENTICATED);
    },
    "a-token-has-its-scopes": async () => {
        const reader = new Secured("token-of-a-reader");
        assert.equal(await reader.state("nobody"), undefined);
        await refused(reader.start("empty"), Code.PERMISSION_DENIED);
        await refused(reader.client.terminateOrchestration("x"), Code.PERMISSION_DENIED);
        const worker = new Secured("token-of-a-worker");
        await refused(worker.start("empty"), Code.PERMISSION_DENIED);
    },
    "a-token-has-its-hubs": async () => {
        await refused(new Secured("token-of-a-stranger").state("x"), Code.PERMISSION_DENIED);
        assert.equal(await new Secured("token-of-a-stranger", "elsewhere").state("x"), undefined);
    },
    "in-the-clear-nothing-goes": async () => {
        const clear = new Secured(
            "token-of-everything",
            "secured",
            grpc.credentials.createInsecure(),
        );
        await refused(clear.state("x"), Code.UNAVAILABLE);
    },
    "an-authority-that-is-not-known-is-not-trusted": async () => {
        const trusting = new Secured(
            "token-of-everything",
            "secured",
            grpc.credentials.createSsl(),
        );
        await refused(trusting.state("x"), Code.UNAVAILABLE);
    },
};

async function main() {
    let good = true;
    for (const [name, body] of Object.entries(cases)) {
        try {
            await body();
            console.log(`ok ${name}`);
        } catch (error) {
            console.log(`FAILED ${name}: ${error.message.replace(/\s+/g, " ").slice(0, 300)}`);
            good = false;
        }
    }
    process.exit(good ? 0 : 1);
}
main();
