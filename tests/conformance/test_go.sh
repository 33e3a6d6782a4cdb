#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The official Go SDK against perdured: go/ has the programs. Skipped where Go or the SDK cannot be
# had. The SDK wants a newer Go than Debian 12 has. Any Go can fetch one, a module like others; what
# the go command does after that, a Go as old as Debian's does not know and this script does.
set -u
. "$(dirname "$0")/lib.sh"

newer_go=v0.0.1-go1.23.12.linux-amd64
export GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0

# is_new GO: does it know what our go.mod asks for?
is_new() { "$1" version 2>/dev/null | grep -qE 'go1\.(2[3-9]|[3-9][0-9])'; }

find_go() {
    for go in "$peer/go/bin/go" go; do
        if is_new "$go"; then return 0; fi
    done
    command -v go >/dev/null 2>&1 || skip "there is no Go: apt-get install golang-go"
    from=$(mkdir -p "$work/none" && cd "$work/none" &&
        GOFLAGS=-modcacherw go mod download -json "golang.org/toolchain@$newer_go" 2>/dev/null |
        sed -n 's/.*"Dir": "\(.*\)",*$/\1/p')
    [ -n "$from" ] || skip "no Go newer than $(go version | cut -d' ' -f3) can be fetched"
    rm -rf "$peer/go"
    mv "$from" "$peer/go"
    rm -rf "$peer/mod/cache/download/golang.org/toolchain"
    find "$peer/go/src" -name _go.mod | while read -r each; do
        mv "$each" "${each%_go.mod}go.mod"
    done
    chmod +x "$peer"/go/bin/* "$peer"/go/pkg/tool/*/*
    go=$peer/go/bin/go
    is_new "$go" || skip "the Go that was fetched does not run"
}

peer go "$here"/go/go.mod "$here"/go/go.sum "$here"/go/*.go "$root"/sdks/go/* "$here/test_go.sh"
export GOFLAGS='-mod=readonly -modcacherw' GOMODCACHE="$peer/mod" GOCACHE="$peer/cache"
program=$peer/conformance
if ! peer_is_current; then
    find_go
    echo "     building with $("$go" version | cut -d' ' -f3)"
    (cd "$here/go" && "$go" mod download) >"$work/fetch.log" 2>&1 ||
        skip "the SDK cannot be fetched: $(tail -n 1 "$work/fetch.log")"
    if ! (cd "$here/go" && "$go" build -o "$program" . && cd "$root/sdks/go" &&
        "$go" build -o "$peer/hello" .) >"$work/build.log" 2>&1; then
        echo "FAILED the-programs-build: $(tail -n 3 "$work/build.log" | tr '\n' ' ')"
        failed=1
        finish
    fi
    peer_is_installed
fi
if [ "${1:-}" = --list ]; then # no exec: lib.sh tidies up
    "$program" -list
    exit
fi

server_start
cases go "$program" -target "$server" -times
hello "$peer/hello" "$server"

# A second worker, alone with the work, is killed; and another while the server is, again and again.
"$program" -worker -target "$server" &
worker=$!
children="$children $worker"
(sleep 2 && kill -9 $worker) &
cases go-worker "$program" -target "$server" -crash 2 -alone 3

if [ -z "${PERDURE_CONFORMANCE_SERVER:-}" ]; then
    "$program" -worker -target "$server" &
    worker=$!
    children="$children $worker"
    (sleep 5 && kill -9 $worker) &
    crash go-crash 7 "$program" -target "$server" -crash 10
fi
server_stop

if [ -z "${PERDURE_CONFORMANCE_SERVER:-}" ]; then
    server_start_secured
    cases go-secured "$program" -target "$server" -only sub-orch
    server_stop
fi
finish
