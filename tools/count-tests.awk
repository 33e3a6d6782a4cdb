# SPDX-License-Identifier: MIT
#
# Reads what one test program printed and prints one line for each test: "pass NAME", "fail NAME"
# or "skip NAME". Given: code (how it ended), label, limit. Three kinds of output are understood:
#
#   cmocka's         each test function counts; a crash, a time-out or a leak is one more failure
#   "N passed, N failed[, N skipped]" as the last line: the program has counted
#   anything else    one test: ended with 0 passed, with 77 was skipped, otherwise failed

function pass(name) { print "pass " label ": " name; passed++ }
function fail(name) { print "fail " label ": " name; failed++ }
function skip(name) { print "skip " label ": " name }

# A test's own output may stand before cmocka's on the same line.
match($0, /\[==========\] Running [0-9]+ test/) { cmocka = 1; running = 1; test = "group set-up" }
running && match($0, /\[==========\] [0-9]+ test\(s\) run/) { running = 0; test = "" }
running && match($0, /\[ RUN      \] /) { test = substr($0, RSTART + RLENGTH) }
running && match($0, /\[       OK \] /) { pass(substr($0, RSTART + RLENGTH)); test = "" }
running && match($0, /\[  SKIPPED \] /) { skip(substr($0, RSTART + RLENGTH)); test = "" }
running && match($0, /\[  FAILED  \] /) { fail(substr($0, RSTART + RLENGTH)); test = "" }
running && match($0, /\[  ERROR   \] [A-Za-z_0-9]+$/) && test == "" { test = "group tear-down" }
NF { last = $0 }

function why() {
    if (code == 124 || code == 137) return "no answer in " limit " s"
    return "ended with " code
}

END {
    if (cmocka) {
        if (code != 0 && !failed) fail((test == "" ? "" : test ", ") why())
        else if (code != 0 && running) fail((test == "" ? "" : test ", ") why())
        else if (code == 0 && running) fail("ended before its tests did")
    } else if (last ~ /^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/) {
        split(last, n, " ")
        for (i = 0; i < n[1]; i++) pass("")
        for (i = 0; i < n[3]; i++) fail("")
        for (i = 0; i < n[5]; i++) skip("")
        if (code != 0 && !failed) fail(why())
        if (code == 0 && failed + passed == 0) fail("nothing ran")
    } else if (code == 0) {
        print "pass " label
    } else if (code == 77) {
        print "skip " label ": " last
    } else {
        print "fail " label ": " why()
    }
}
