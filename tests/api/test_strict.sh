#!/bin/sh
# SPDX-License-Identifier: MIT
#
# perdure/strict.h, by each compiler, in C and C++, in several modes: every name in it does not
# compile and the error says what to use; the same words as variables and members do, and so does
# what is not forbidden; nothing is said that was not asked for.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
header=include/perdure/strict.h
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wundef -Werror"

result() { # CODE WHAT
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $2"
    fi
}

names=$(sed -n 's/^PD_STRICT_(\([a-z0-9_]*\),.*/\1/p' $header)
[ "$(echo "$names" | grep -c .)" -gt 60 ] || { echo "no names in $header"; exit 1; }

# Each name used on a line of its own.
{
    cat <<'END'
#include <string.h>
#include <time.h>
#include <stdlib.h>
#include <perdure.h>
#include <perdure/strict.h>
void use(void *);
END
    for name in $names; do
        echo "void use_$name(void); void use_$name(void) { use((void *)$name); }"
    done
} >"$work/all.c"

# What stays allowed. In C++ with headers that name the forbidden functions themselves.
cat >"$work/allowed.c" <<'END'
#ifdef __cplusplus
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <thread>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <perdure.h>
#include <perdure/strict.h>
struct meter { int time, clock, open, rand; };
int read_meter(const struct meter *m);
int read_meter(const struct meter *m)
{
    pd_time now = { 0 };
    int time = m->time, sleep = m->clock, system = m->rand;
    time_t seconds = now.ms / 1000;
    char text[32];
    struct tm day;
    memset(&day, 0, sizeof day);
    (void)seconds;
    return (int)strftime(text, sizeof text, "%Y", &day) + atoi(text) + printf("%d", time) + sleep +
           system + m->open;
}
END

# refused COMPILER...: the line of every name has an error with the name, and its advice.
refused() {
    if "$@" -Iinclude -c -o /dev/null "$work/all.c" 2>"$work/said"; then
        echo "$* accepts all of it"
        return 1
    fi
    missing=
    for name in $names; do
        if ! grep "error:.*[^a-z_]$name[^a-z_].* is unavailable: " "$work/said" |
            grep -Eq ': (use|do|pass|start|it depends) '; then
            # Not declared in this mode: then there is nothing to forbid (S3).
            grep -E "error:.*undeclared|error:.* was not declared" "$work/said" |
                grep -q "[^a-z_]$name[^a-z_]" || missing="$missing $name"
        fi
    done
    [ -z "$missing" ] || echo "$* accepts:$missing"
    [ -z "$missing" ]
}

for mode in "-O0" "-O2 -D_FORTIFY_SOURCE=2" "-O2 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64" \
    "-D_XOPEN_SOURCE=700"; do
    for cc in "gcc -std=c17" "gcc -std=gnu11" "clang -std=c17 -ferror-limit=0" \
        "g++ -x c++ -std=c++17 -fpermissive" "clang++ -x c++ -std=c++17 -ferror-limit=0"; do
        command -v "${cc%% *}" >/dev/null || continue
        # clang cannot forbid what a header makes inline: see there.
        case "$cc $mode" in clang*-O2*) ;; *)
            code=0
            # shellcheck disable=SC2086
            refused $cc $mode || code=1
            result $code "the names do not compile by $cc $mode"
            ;;
        esac
        code=0
        # shellcheck disable=SC2086
        $cc $mode $warnings -Iinclude -c -o /dev/null "$work/allowed.c" || code=1
        result $code "what is allowed compiles, silently, by $cc $mode"
    done
done

# What may pass for a known word because the mode does not declare it, some mode does declare.
code=0
gcc -std=gnu17 -D_GNU_SOURCE -Iinclude -c -o /dev/null "$work/all.c" 2>"$work/said" || true
for name in $names; do
    grep -q "[^a-z_]$name[^a-z_].* is unavailable: " "$work/said" || {
        echo "never forbidden: $name"
        code=1
    }
done
result $code "with _GNU_SOURCE all of them are declared, and forbidden"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
