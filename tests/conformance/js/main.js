// SPDX-License-Identifier: MIT
//
// node main.js HOST:PORT [FILTER]   runs the cases (with FILTER in their name) against this server
// node main.js --list               the cases, and the row of the specification that each covers
"use strict";

const { cases, run_cases } = require("./harness");

for (const part of [
    "shared",
    "patterns",
    "tasks",
    "retries",
    "manage",
    "again",
    "queries",
    "history",
    "entities",
    "locks",
    "versions",
    "payloads",
    "traces",
    "http",
])
    require(`./${part}`);

if (process.argv[2] === "--list") {
    for (const { name, row } of cases) console.log(`${name}\t${row}`);
    process.exit(0);
}

// A wait that a failed case has left behind.
process.on("unhandledRejection", (error) => {
    if (process.env.CONFORMANCE_LOG) console.error("left behind:", error);
});

run_cases(process.argv[2] || "127.0.0.1:4001", { filter: process.argv[3] || "" }).then(
    (good) => process.exit(good ? 0 : 1),
    (error) => {
        console.error(error);
        process.exit(2);
    },
);
