#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds the fuzz targets with clang's libFuzzer and sanitizers, and runs each for some seconds from
# a fixed seed: connections (frames), what is in them (messages, headers), and what calls carry
# (history: stored events, every message of every RPC, work items; in tests/unit/wire). Without
# clang: exit code 77, skipped.
#
#   FUZZ_SECONDS   for each target (10)
#   FUZZ_SEED      (1); 0: a new one each time
#   FUZZ           only these targets ("frames messages headers http web
#                  requests history")
set -eu
cd "$(dirname "$0")/../.."
clang=$(command -v clang || true)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/probe.c" <<'END'
int LLVMFuzzerTestOneInput(const char *b, unsigned long n) { return (int)(n + (b == 0)) * 0; }
END
if [ -z "$clang" ] ||
    ! "$clang" -fsanitize=fuzzer "$work/probe.c" -o "$work/probe" 2>/dev/null; then
    echo "clang with libFuzzer is not here: apt-get install clang libclang-rt-14-dev"
    exit 77
fi

flags="-std=c17 -D_GNU_SOURCE -DXXH_INLINE_ALL -g -O1 -Isrc -Iinclude"
sanitize="-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all"
libraries="-levent -levent_openssl -lnghttp2 -lssl -lcrypto -lz -lpthread"
failed=0
passed=0
sources() { # TARGET
    case $1 in
    history)
        echo "-Itests/unit/wire tests/unit/wire/fuzz_history.c tests/unit/wire/fuzz_work.c \
            tests/unit/wire/random_message.c tests/unit/wire/sam*.c src/wire/*.c src/base/*.c \
            src/core/lock_set.c src/core/ids.c"
        ;;
    http)
        echo "tests/fuzz/fuzz_http.c src/net/http_screen.c src/base/*.c"
        ;;
    web)
        echo "tests/fuzz/fuzz_web.c src/server/web_path.c src/server/web_query.c \
            src/server/web_json.c src/json/*.c src/base/*.c -ljansson"
        ;;
    requests)
        echo "tests/fuzz/fuzz_requests.c src/fetch/answer.c src/fetch/guard.c src/fetch/origin.c \
            src/fetch/proxy.c src/fetch/request.c src/author/value.c src/json/*.c src/base/*.c \
            -ljansson -lcurl"
        ;;
    *)
        echo "tests/fuzz/fuzz_$1.c src/base/*.c src/net/*.c src/grpc/*.c src/wire/proto.c \
            $libraries"
        ;;
    esac
}
for target in ${FUZZ:-frames messages headers http web requests history}; do
    # shellcheck disable=SC2046,SC2086  # lists of words, and of patterns
    "$clang" $flags $sanitize -o "$work/$target" $(sources "$target")
    mkdir "$work/corpus_$target"
    if (cd "$work" && "./$target" -seed="${FUZZ_SEED:-1}" -max_total_time="${FUZZ_SECONDS:-10}" \
        -max_len=2048 -timeout=20 -rss_limit_mb=1024 "corpus_$target") >"$work/log" 2>&1; then
        passed=$((passed + 1))
        grep -E '^Done' "$work/log" | sed "s/^/$target: /"
    else
        failed=$((failed + 1))
        echo "FAIL $target"
        tail -n 60 "$work/log"
        base64 "$work"/crash-* 2>/dev/null || true
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
