# SPDX-License-Identifier: MIT
#
# Sourced by the tests of function apps, behind lib.sh: an app that is built, a host that serves it.
#   build GENERATION [-DFLAG...]  app.so, of host_app.c; serve OPTION...  sets supervisor and web

host=$bin/perdure-host
perdure=$bin/perdure
[ -x "$host" ] && command -v curl >/dev/null || {
    echo "0 passed, 0 failed"
    exit 0
}
cd "$work" || exit 1

build() { # GENERATION [-DFLAG...]: a new file in the place of the old, as linkers do
    generation=$1
    shift
    $CC -std=gnu17 -Wall -Wextra -Werror -g -shared -fPIC -I"$root/include" \
        -DGENERATION="$generation" "$@" -o new.so "$root/tests/e2e/host_app.c" && mv new.so app.so
}
pid_of() { sed -n 's/^ready.* pid=\([0-9]*\).*/\1/p' "${1:-out}" | tail -n 1; }
serve() { # OPTION...: until it is ready
    : >out
    "$host" --http 127.0.0.1:0 "$@" ./app.so >out 2>>err &
    supervisor=$!
    children="$children $supervisor"
    await 200 grep -q '^ready' out
    web=http://$(sed -n 's/^ready.* http=//p' out | head -n 1)
}
stop() { # the exit code
    kill "$supervisor" 2>/dev/null || true
    wait "$supervisor"
}
await() { # TIMES of 50 ms, COMMAND
    times=$1
    shift
    for _ in $(seq "$times"); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.05
    done
    echo "in vain: $*"
    return 1
}
ask() { curl -s -m 30 "$@"; }
code() { curl -s -m 30 -o body -w '%{http_code}' "$@"; }
engine_of() { # the supervisor's perdured
    for file in $(grep -lsx "PPid:.$supervisor" /proc/[0-9]*/status); do
        grep -qsx "Name:.perdured" "$file" && basename "$(dirname "$file")"
    done
}
is_new() { [ "$(pid_of)" != "$1" ]; }
said() { grep -q "$1" err; }

mkdir own
export TMPDIR=$work/own
: >err
build 1 || {
    echo "FAIL the app does not build"
    echo "0 passed, 1 failed"
    exit 1
}
