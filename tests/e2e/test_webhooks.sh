#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Webhooks of perdured, with a receiver that verifies what it is sent, and refuses some of it; then
# with kills, and receivers that behave worse.
set -u
. "$(dirname "$0")/lib.sh"

$CC -std=c17 -Wall -Wextra -Werror -I"$root/include" -o "$work/worker" "$root/tests/e2e/worker.c" \
    "$BUILD/lib/libperdure.a" -lsqlite3 -ljansson -lpthread -lm || {
    echo "FAIL the worker does not build"
    echo "0 passed, 1 failed"
    exit 1
}
export PERDURE_MODULES=$BUILD/lib PERDURE_GRPC_MODULE=$BUILD/lib/perdure-grpc.so
for part in webhooks webhooks_faults; do
    timeout 200 python3 "$root/tests/e2e/$part.py" "$bin" "$work/worker" "$work" >"$work/out"
    grep -v ' passed, ' "$work/out"
    counts=$(grep ' passed, ' "$work/out") || counts="0 passed, 1 failed"
    passed=$((passed + ${counts%% passed*}))
    rest=${counts#* passed, }
    failed=$((failed + ${rest%% failed*}))
done
finish
