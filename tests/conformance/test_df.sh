#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The client of durable-functions against the management API of perdured: df/main.js.
set -u
# shellcheck source=tests/conformance/lib.sh
. "$(dirname "$0")/lib.sh"
df=$here/df

has_server || skip "perdured is not built"
[ -z "${PERDURE_CONFORMANCE_SERVER:-}" ] || skip "this needs the HTTP port of a server of its own"
command -v npm >/dev/null 2>&1 || skip "there is no npm"
peer df "$df/package.json" "$df/package-lock.json"
if ! peer_is_current; then
    rm -rf "$peer/node_modules"
    cp "$df/package.json" "$df/package-lock.json" "$df/.npmrc" "$peer"
    (cd "$peer" && timeout --foreground 300 npm ci --ignore-scripts --no-audit --no-fund) \
        >"$peer/log" 2>&1 ||
        skip "durable-functions cannot be installed: $(grep -i error "$peer/log" | head -n 1)"
    peer_is_installed
fi
NODE_PATH=$peer/node_modules
export NODE_PATH
node -e 'process.exit(typeof fetch === "function" ? 0 : 1)' || skip "this node is too old"

server_start
cases df timeout --foreground 120 node "$df/main.js" "$server_http"
server_stop
finish
