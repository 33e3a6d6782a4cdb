# SPDX-License-Identifier: MIT
#
# Sourced by the conformance tests: a server to test against, SDKs that are installed once, and how
# cases count. Not a test of perdured's command line: that is tests/cli's.
#   peer NAME FILE...        $peer: where this SDK is kept; peer_is_current: installed as FILEs say?
#   peer_is_installed        the next run finds it
#   skip WHY                 one line and 77: the runner reports it, nobody takes it for a pass
#   has_server               is perdured built?
#   server_start [OPTION...] perdured on free ports with an empty store: $server is its HOST:PORT
#   server_start_secured     likewise with TLS and tokens: $CONFORMANCE_CA, $CONFORMANCE_TOKEN
#   server_kill              SIGKILL, as a power cut of the process; server_again: the same port
#                            and store; server_stop: SIGTERM, and it must end with 0
#   server_is_killed_while PID [KILLS]   one SIGKILL after the other as long as PID runs
#   cases NAME COMMAND...    runs it; its lines `ok CASE` and `FAILED CASE: why` are counted
#   hello COMMAND...         the program of sdks/ greets whom it should
#   finish                   the last line, and the exit code
# PERDURE_CONFORMANCE_SERVER=HOST:PORT tests a server that somebody else runs; it is not killed.
# PERDURE_CONFORMANCE_STORE=FOLDER is where stores are made, /dev/shm by default.
# Invariants: 1. a program that ends badly without saying which case failed is a failed case.
# 2. no server of ours outlives the script.

cd "$(dirname "$0")/../.." || exit 1
root=$PWD
# shellcheck disable=SC2034 # for the scripts
here=$root/tests/conformance
BUILD=${BUILD:-build/debug}
case $BUILD in
/*) ;;
*) BUILD=$root/$BUILD ;;
esac
export LC_ALL=C.UTF-8 TZ=UTC
work=$(mktemp -d "${TMPDIR:-/tmp}/perdure-conformance-XXXXXX")
shelf=${PERDURE_CONFORMANCE_STORE:-/dev/shm}
[ -w "$shelf" ] || shelf=$work
store=$(mktemp -d "$shelf/perdure-conformance-XXXXXX")
server=
server_pid=
children=
passed=0
failed=0

cleanup() {
    code=$?
    for child in $server_pid $children; do kill -9 "$child" 2>/dev/null || true; done
    [ "$failed" -eq 0 ] || [ ! -s "$work/server.log" ] || {
        echo "the last lines of the server:"
        tail -n 20 "$work/server.log" | sed 's/^/     | /'
    } >&2
    if [ -n "${PERDURE_CONFORMANCE_KEEP:-}" ]; then
        echo "kept: $work $store" >&2
    else
        rm -rf "$work" "$store"
    fi
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

skip() {
    echo "skipped: $*"
    exit 77
}

# --- SDKs ---------------------------------------------------------------------------------------

peer() {
    peer=$BUILD/peers/$1
    shift
    peer_sum=$(cat "$@" | cksum)
    mkdir -p "$peer"
}
peer_is_current() { [ "$(cat "$peer/installed" 2>/dev/null)" = "$peer_sum" ]; }
peer_is_installed() { printf '%s\n' "$peer_sum" >"$peer/installed"; }

has_server() { [ -n "${PERDURE_CONFORMANCE_SERVER:-}" ] || [ -x "$BUILD/bin/perdured" ]; }

# --- the server ---------------------------------------------------------------------------------

# server_launch PORT [OPTION...]: returns when it is ready.
server_launch() {
    port=$1
    shift
    : >"$work/server.out"
    "$BUILD/bin/perdured" --store "sqlite:$store/hub.db" --listen "127.0.0.1:$port" \
        --http 127.0.0.1:0 "$@" >"$work/server.out" 2>>"$work/server.log" </dev/null &
    server_pid=$!
    tries=0
    until grep -q '^ready ' "$work/server.out"; do
        tries=$((tries + 1))
        if [ $tries -gt 2000 ] || ! kill -0 "$server_pid" 2>/dev/null; then
            echo "FAILED perdured-starts: not ready after $((tries / 100)) s"
            failed=$((failed + 1))
            finish
        fi
        sleep 0.01
    done
    server=$(sed -n 's/^ready.* grpc=\([^ ]*\).*/\1/p' "$work/server.out" | head -n 1)
    # shellcheck disable=SC2034 # for the scripts
    server_http=$(sed -n 's/^ready.* http=\([^ ]*\).*/\1/p' "$work/server.out" | head -n 1)
}

server_start() {
    if [ -n "${PERDURE_CONFORMANCE_SERVER:-}" ]; then
        server=$PERDURE_CONFORMANCE_SERVER
        return
    fi
    rm -f "$store"/*
    server_launch 0 "$@"
}

# With a certificate of its own and tokens. Programs find the one to trust, and the token that may
# do everything, in the environment.
server_start_secured() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
        -subj /CN=perdured -addext subjectAltName=IP:127.0.0.1 \
        -keyout "$work/key.pem" -out "$work/cert.pem" 2>"$work/openssl.log"
    printf '%s\n' 'token-of-everything read,work,operate *' 'token-of-a-worker work,read secured' \
        'token-of-a-reader read *' 'token-of-a-stranger read,work,operate elsewhere' \
        >"$work/tokens"
    server_start --tls-cert="$work/cert.pem" --tls-key="$work/key.pem" --tokens="$work/tokens"
    export CONFORMANCE_CA="$work/cert.pem" CONFORMANCE_TOKEN=token-of-everything
}

server_kill() {
    if ! kill -9 "$server_pid" 2>/dev/null; then
        echo "FAILED perdured-lives-until-it-is-killed"
        failed=$((failed + 1))
    fi
    wait "$server_pid" 2>/dev/null || true
}

server_again() { server_launch "${server##*:}"; }

server_stop() {
    [ -n "$server_pid" ] || return 0
    kill -TERM "$server_pid" 2>/dev/null || true
    code=0
    wait "$server_pid" || code=$?
    server_pid=
    if [ "$code" -eq 0 ]; then
        echo "ok SIGTERM-drains-and-ends-with-0"
        passed=$((passed + 1))
    else
        echo "FAILED SIGTERM-drains-and-ends-with-0: it ended with $code"
        failed=$((failed + 1))
    fi
}

# The pauses are of any length, so that a kill meets the workers in any state.
server_is_killed_while() {
    kills=0
    while [ $kills -lt "${2:-1000}" ] && kill -0 "$1" 2>/dev/null; do
        for pause in 0.9 1.7 0.4 1.2 2.3 0.7; do
            sleep $pause
            if ! kill -0 "$1" 2>/dev/null || [ $kills -ge "${2:-1000}" ]; then break; fi
            server_kill
            server_again
            kills=$((kills + 1))
        done
    done
    echo "     the server was killed $kills times"
}

# --- cases --------------------------------------------------------------------------------------

# count NAME CODE FILE: adds what a program said.
count() {
    passed=$((passed + $(grep -c '^ok ' "$3")))
    said=$(grep -c '^FAILED ' "$3")
    if [ "$2" -ne 0 ] && [ "$said" -eq 0 ]; then
        echo "FAILED $1: the program ended with $2"
        tail -n 20 "$3" | sed 's/^/     | /'
        said=1
    fi
    failed=$((failed + said))
}

cases() {
    name=$1
    shift
    code=0
    { "$@" 2>&1 || echo "$?" >"$work/code"; } | tee "$work/cases.out"
    [ ! -f "$work/code" ] || code=$(cat "$work/code")
    rm -f "$work/code"
    count "$name" "$code" "$work/cases.out"
}

hello() {
    if timeout --foreground 60 "$@" 2>&1 | tee "$work/hello.out" |
        grep -q 'Hello Tokyo!.*Hello Seattle!.*Hello London!'; then
        echo "ok the-program-of-sdks-says-hello"
        passed=$((passed + 1))
    else
        echo "FAILED the-program-of-sdks-says-hello: $(tail -n 1 "$work/hello.out")"
        failed=$((failed + 1))
    fi
}

# crash NAME KILLS COMMAND...: the same, while the server is killed again and again.
crash() {
    name=$1 most=$2
    shift 2
    if [ -z "$server_pid" ]; then
        echo "     $name is left out: the server is not ours to kill"
        return
    fi
    "$@" >"$work/crash.out" 2>&1 &
    crashing=$!
    children="$children $crashing"
    server_is_killed_while $crashing "$most"
    code=0
    wait $crashing || code=$?
    cat "$work/crash.out"
    count "$name" "$code" "$work/crash.out"
}

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}
