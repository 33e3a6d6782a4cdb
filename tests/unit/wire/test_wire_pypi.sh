#!/bin/sh
# SPDX-License-Identifier: MIT
#
# proto/task_hub.proto against the descriptors that the official Python SDK (durabletask, on PyPI)
# carries: every message, field and call by name, number and type. Without the SDK or a network to
# get it from: exit code 77, skipped.
#
#   BUILD   the build folder (build/debug); an SDK that the conformance tests installed is used
set -eu
cd "$(dirname "$0")/../../.."
build=${BUILD:-build/debug}
here=tests/unit/wire

skip() {
    echo "skipped: $*"
    exit 77
}

set_of=$build/internal/descriptors.pb
[ -s "$set_of" ] || skip "there was no protoc when this was built"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run=$build/peers/python/venv/bin/python
if ! "$run" -c 'import durabletask' 2>/dev/null; then
    /usr/bin/python3 -m venv "$work/venv" >"$work/log" 2>&1 || skip "there is no python3-venv"
    timeout 300 "$work/venv/bin/pip" install --disable-pip-version-check --no-input durabletask \
        >"$work/log" 2>&1 || skip "the Python SDK cannot be installed"
    run=$work/venv/bin/python
fi
PYTHONDONTWRITEBYTECODE=1 "$run" $here/oracle/pb2.py "$set_of"
