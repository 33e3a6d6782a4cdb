#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Plants one violation at a time in a small project of its own and checks that tools/tidy reports
# it, and nothing when there is none.
set -eu
cd "$(dirname "$0")/../.."
tidy=$PWD/tools/tidy
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
spdx='/* SPDX-License-Identifier: MIT */'

clean_project() {
    rm -rf "$work/p"
    mkdir -p "$work/p/src/base" "$work/p/src/core" "$work/p/src/cli" "$work/p/samples/one" \
        "$work/p/tools"
    cd "$work/p"
    cp "$tidy" "$tidy.awk" tools/
    printf 'Purpose: what C forgot.\nUses:    libc; include\n' >src/base/README.md
    printf 'Purpose: the heart,\n         pure.\nUses:    base; <stdint.h>\n         <string.h>\n' \
        >src/core/README.md
    printf 'Purpose: the command.\nUses:    include\n' >src/cli/README.md
    printf '%s\n#include <perdure.h>\n#include <stdio.h>\n' "$spdx" >src/base/base.h
    printf '%s\nint base_priv;\n' "$spdx" >src/base/base_priv.h
    printf '%s\n#include "base/base.h"\n#include <stdint.h>\n#include <string.h>\n' "$spdx" \
        >src/core/core.c
    printf '%s\n#include <perdure.h>\n#include <libsmartcols/libsmartcols.h>\n' "$spdx" \
        >src/cli/main.c
    printf '%s\nint x = "strcpy(a) "; /* strcpy(a, b) */\n' "$spdx" >samples/one/main.c
    printf '    pd_call_activity(o, a);\n    pd_call_activity(o, b);\n' >>samples/one/main.c
}

# expect NAME PATTERN: tidy fails and one line matches the pattern.
expect() {
    if tools/tidy >out 2>&1; then
        echo "FAIL $1: nothing was reported"
        failed=$((failed + 1))
    elif ! grep -q -e "$2" out; then
        echo "FAIL $1: '$2' is not in:"
        cat out
        failed=$((failed + 1))
    else
        passed=$((passed + 1))
    fi
    clean_project
}

clean_project
if tools/tidy >out 2>&1; then
    passed=$((passed + 1))
else
    echo "FAIL a clean project has findings:"
    cat out
    failed=$((failed + 1))
fi
clean_project

rm src/core/README.md
expect readme_missing 'src/core/README.md:1: every room has a README'
printf 'Hello\nUses: base\n' >src/core/README.md
expect purpose_missing "begins with 'Purpose"
printf 'Purpose: x\n\nText.\n' >src/core/README.md
expect uses_missing "'Uses: ...'"
yes text | head -60 >>src/core/README.md
expect readme_too_long 'at most 60 lines'
echo '#include <time.h>' >>src/core/core.c
expect include_not_listed "src/core/core.c:5: 'core' may not include <time.h>"
printf 'Purpose: x\nUses: base; <stdint.h> <string.h> <time.h>\n' >src/core/README.md
expect core_asks_the_world 'asks the world nothing'
echo '#include "store/store.h"' >>src/core/core.c
expect room_not_listed "may not include 'store/store.h'"
printf 'Purpose: x\nUses: base, store; <stdint.h> <string.h>\n' >src/core/README.md
expect arrow_up "'core' may not use 'store'"
echo '#include "base/base_priv.h"' >>src/core/core.c
expect private_header "is private to 'base'"
echo '#include <perdure.h>' >>src/core/core.c
expect public_header_not_listed 'may not include <perdure.h>'
echo '#include <sqlite3.h>' >>src/base/base.h
expect library_in_base "'base' may not include <sqlite3.h>"
echo '#include "core/core.h"' >>src/cli/main.c
expect cli_looks_inside "'cli' includes"
echo '#include <sqlite3.h>' >>src/cli/main.c
expect cli_reads_the_database "'cli' includes"
mkdir src/attic && echo "$spdx" >src/attic/a.c && printf 'Purpose: x\nUses: base\n' \
    >src/attic/README.md
expect unknown_room "no room is called 'attic'"
for call in strcpy strcat sprintf gets strtok localtime gmtime rand atoi alloca; do
    echo "    $call(x);" >>src/core/core.c
    expect "banned_$call" "'$call' is banned"
done
{ echo 'int f(void)' && echo '{' && yes '    x();' | head -68 && echo '    }' && echo '}'; } \
    >>src/core/core.c
expect function_of_71_lines 'at most 70 lines, this one has 71'
yes 'x();' | head -1000 >>src/core/core.c
expect file_too_long 'at most 1000 lines'
echo 'int x;' >src/core/core.c
expect licence_missing "begins with 'SPDX"
echo 'echo hello' >tools/x.sh
expect licence_missing_in_script 'x.sh:1: no SPDX'
printf '/* %096d*/\n' 7 >>src/core/core.c
expect line_of_101_columns 'at most 100 columns'
for word in TO"DO" FIX"ME" XX"X"; do
    echo "/* $word */" >>src/core/core.c
    expect "leftover_$word" 'leave no note'
done
echo '    f(pd_call_activity(o, a), pd_call_activity(o, b));' >>samples/one/main.c
expect two_durable_calls 'two durable calls'
printf '    f(pd_call_activity(o, a),\n      pd_sleep(o, b));\n' >>samples/one/main.c
expect two_durable_calls_on_two_lines 'main.c:6: two durable calls'

# At the limit there is nothing to report.
{ echo 'int f(void)' && echo '{' && yes '    x();' | head -68 && echo '}'; } >>src/core/core.c
printf '/* %095d*/\n' 7 >>src/core/core.c
yes 'x();' | head -400 >>src/core/core.c
echo 'mkstemp("a-XXXXXX"); not_rand(x); s.rand(x);' >>src/core/core.c
if tools/tidy >out 2>&1; then
    passed=$((passed + 1))
else
    echo "FAIL at the limits:"
    cat out
    failed=$((failed + 1))
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
