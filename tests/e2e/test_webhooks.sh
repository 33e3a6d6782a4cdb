#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Webhooks of perdured, with a receiver that verifies what it is sent, and refuses some of it.
set -u
. "$(dirname "$0")/lib.sh"

$CC -std=c17 -Wall -Wextra -Werror -I"$root/include" -o "$work/worker" "$root/tests/e2e/worker.c" \
    "$BUILD/lib/libperdure.a" -lsqlite3 -ljansson -lpthread -lm || {
    echo "FAIL the worker does not build"
    echo "0 passed, 1 failed"
    exit 1
}
PERDURE_MODULES=$BUILD/lib PERDURE_GRPC_MODULE=$BUILD/lib/perdure-grpc.so \
    timeout 200 python3 "$root/tests/e2e/webhooks.py" "$bin" "$work/worker" "$work"
