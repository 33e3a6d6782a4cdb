#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The official Python SDK against perdured: every case of python/*.py with one worker, then a worker
# killed again and again, then the server killed again and again.
#   test_python.sh [FILTER]   only the cases with FILTER in their name, and none of the killing
set -u
# shellcheck source=tests/conformance/lib.sh
. "$(dirname "$0")/lib.sh"
python=$here/python

has_server || skip "perdured is not built"
peer python "$python/requirements.txt"
if ! peer_is_current; then
    rm -rf "$peer/venv"
    /usr/bin/python3 -m venv "$peer/venv" >"$peer/log" 2>&1 ||
        skip "there is no python3-venv: $(tail -n 1 "$peer/log")"
    timeout --foreground 300 "$peer/venv/bin/pip" install --disable-pip-version-check --no-input \
        -r "$python/requirements.txt" >"$peer/log" 2>&1 ||
        skip "the Python SDK cannot be installed: $(grep -i error "$peer/log" | head -n 1)"
    peer_is_installed
fi
run=$peer/venv/bin/python
export PYTHONDONTWRITEBYTECODE=1

server_start --http-allow=127.0.0.1
cases cases timeout --foreground 300 "$run" "$python/main.py" "$server" "${1:-}"
[ -z "${1:-}" ] || finish

hello "$run" "$root/sdks/python/hello_cities.py" "$server"
cases killed_worker timeout --foreground 200 "$run" "$python/killed_worker.py" "$server"
crash killed_server 8 timeout --foreground 240 "$run" "$python/killed_server.py" "$server" 10
server_stop

if [ -z "${PERDURE_CONFORMANCE_SERVER:-}" ]; then
    server_start_secured
    cases secured timeout --foreground 120 "$run" "$python/main.py" "$server" an-entity
    server_stop
fi
finish
