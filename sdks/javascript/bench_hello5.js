// SPDX-License-Identifier: MIT
//
// How many orchestrations of five activities a second the SDK for JavaScript gets out of a server: its
// worker and its client are this one process. Every output is checked.
//
//   node bench_hello5.js HOST:PORT [CONCURRENT] [SECONDS]       default: 100 in flight, 10 seconds
const { TaskHubGrpcClient, TaskHubGrpcWorker, NoOpLogger } = require("@microsoft/durabletask-js");

const hostAddress = process.argv[2] || "localhost:8080";
const concurrent = Number(process.argv[3] || 100);
const seconds = Number(process.argv[4] || 10);
const cities = ["Tokyo", "Seattle", "London", "Amsterdam", "Seoul"];
const expected = JSON.stringify(cities.map((city) => `Hello ${city}!`));

async function sayHello(_context, city) {
    return `Hello ${city}!`;
}

async function* helloCities(context) {
    const greetings = [];
    for (const city of cities) {
        greetings.push(yield context.callActivity(sayHello, city));
    }
    return greetings;
}

async function main() {
    const logger = new NoOpLogger();
    const worker = new TaskHubGrpcWorker({ hostAddress, logger });
    worker.addOrchestrator(helloCities);
    worker.addActivity(sayHello);
    await worker.start();
    const client = new TaskHubGrpcClient({ hostAddress, logger });

    const one = async () => {
        const id = await client.scheduleNewOrchestration(helloCities);
        const state = await client.waitForOrchestrationCompletion(id, true, 60);
        if (state.serializedOutput !== expected) {
            throw new Error(`${id} ended with ${state.serializedOutput}`);
        }
    };
    await one(); // connections, compiled code
    const began = process.hrtime.bigint();
    const elapsed = () => Number(process.hrtime.bigint() - began) / 1e9;
    let ended = 0;
    await Promise.all(
        Array.from({ length: concurrent }, async () => {
            while (elapsed() < seconds) {
                await one();
                ended++;
            }
        }),
    );
    const took = elapsed();
    console.log(JSON.stringify({ concurrent, seconds: took, orchestrations: ended, orchestrationsPerSecond: ended / took }));
    await worker.stop();
    await client.stop();
}

main().then(
    () => process.exit(0),
    (error) => {
        console.error(String(error));
        process.exit(1);
    },
);
