// SPDX-License-Identifier: MIT
//
// hello_cities, by the official SDK. Worker and client are one program here; they need not be.
//
//   node hello_cities.js [HOST:PORT]       default: localhost:8080
const { TaskHubGrpcClient, TaskHubGrpcWorker, NoOpLogger } = require("@microsoft/durabletask-js");

const hostAddress = process.argv[2] || "localhost:8080";

async function sayHello(_context, city) {
    console.log(`  (activity) hello ${city}`);
    return `Hello ${city}!`;
}

async function* helloCities(context) {
    const greetings = [];
    for (const city of ["Tokyo", "Seattle", "London"]) {
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
    const id = await client.scheduleNewOrchestration(helloCities);
    const state = await client.waitForOrchestrationCompletion(id, true, 60);
    console.log(`${state.instanceId}: ${state.serializedOutput}`);

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
