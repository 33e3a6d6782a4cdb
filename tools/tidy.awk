# SPDX-License-Identifier: MIT
#
# The checks of one pass over all C files: includes, banned calls, lengths, words, and one durable
# call per statement in samples. tools/tidy gives it the files and prints what it finds.
#
# Includes are judged by the "Uses:" line of the room's README, read first (RULES=1).

BEGIN {
    floor["base"] = 0; floor["core"] = 1; floor["json"] = 1; floor["co"] = 1; floor["net"] = 1
    floor["calendar"] = 1; floor["wire"] = 2; floor["builtin"] = 2; floor["fetch"] = 2
    floor["grpc"] = 3; floor["store"] = 3; floor["author"] = 3
    floor["engine"] = 4; floor["remote"] = 4; floor["broker"] = 5; floor["api"] = 5
    floor["server"] = 6; floor["cli"] = 6; floor["host"] = 6
    n = split("jansson.h sqlite3.h xxhash.h libsmartcols/libsmartcols.h perdure.h", a, " ")
    for (i = 1; i <= n; i++) not_libc[a[i]] = 1
    n = split("time.h stdio.h pthread.h unistd.h fcntl.h threads.h signal.h errno.h sys/time.h" \
        " sys/stat.h sys/types.h sys/random.h poll.h", a, " ")
    for (i = 1; i <= n; i++) impure[a[i]] = 1
    banned = "(strcpy|strcat|strncpy|strncat|sprintf|vsprintf|gets|strtok|localtime|gmtime|ctime" \
        "|asctime|rand|srand|atoi|atol|atoll|atof|alloca|tmpnam|mktemp)"
    banned_call = "(^|[^A-Za-z0-9_.>])" banned "[ \t]*\\("
    words = "(^|[^A-Za-z0-9_])(TO" "DO|FIX" "ME|XX" "X)([^A-Za-z0-9_]|$)"
    durable = "pd_(call_(activity|child|entity|http)|start_(activity|child|timer|entity)" \
        "|expect_event|wait_event|send_event|signal_entity|sleep|sleep_until|continue_as_new" \
        "|await|await_all|wait|wait_all|wait_any)[ \t]*\\("
}

function complain(line, text) { printf "%s:%d: %s\n", FILENAME, line, text }

function room_of(path,    part) {
    if (path !~ /^src\//) return ""
    split(path, part, "/")
    return part[2]
}

# ---- A room's README: what it may use -----------------------------------------------------------
function may_use(room, list,    item, n, i, word) {
    gsub(/[,;]/, " ", list)
    n = split(list, item, /[ \t]+/)
    for (i = 1; i <= n; i++) {
        word = item[i]
        gsub(/[`.]+$/, "", word); gsub(/^`/, "", word)
        if (word == "" || word == "and" || word == "nothing") continue
        uses[room, word] = 1
        if (word in floor && floor[word] >= floor[room])
            complain(FNR, "'" room "' may not use '" word "': arrows only point down")
        if (room == "core" && word ~ /^</ && (substr(word, 2, length(word) - 2) in impure))
            complain(FNR, "'core' asks the world nothing: it may not use " word)
    }
}

function readme_line(    room) {
    room = room_of(FILENAME)
    if (FNR == 1) {
        entry = 1
        if (!/^Purpose:/) complain(1, "a README begins with 'Purpose: ...'")
        if (!(room in floor)) complain(1, "no room is called '" room "'; see tools/tidy.awk")
    } else if (/^[^ \t]/ && ++entry == 2) {
        if (!/^Uses:/) complain(FNR, "the second entry of a README is 'Uses: ...'")
    }
    if (entry == 2) {
        if (/^$/) entry = 3
        knows_uses[room] = 1; seen_uses[FILENAME] = 1
        may_use(room, substr($0, /^Uses:/ ? 6 : 1))
    }
    if (FNR == 61) complain(61, "a README has at most 60 lines")
}

# ---- Includes -----------------------------------------------------------------------------------
function library_word(header,    word) {
    word = header
    sub(/[\/.].*/, "", word)
    sub(/^libsmartcols$/, "smartcols", word)
    return word
}

function forbidden(room, header, word) {
    complain(FNR, "'" room "' may not include " header ": its Uses line does not list " word)
}

function check_cli_include(header, quoted) {
    if (header == "sqlite3.h" && FILENAME ~ /^src\/cli\/bench_(raw|replay)\.c$/) return # baselines
    if (quoted ? (header ~ /\// && header !~ /^cli\//) : (header == "sqlite3.h" || \
        header == "jansson.h" || header == "xxhash.h"))
        complain(FNR, "'cli' includes <perdure.h>, system headers and its own, not '" header "'")
}

function check_include(header, quoted,    room, of) {
    room = room_of(FILENAME)
    if (room == "cli") { check_cli_include(header, quoted); return }
    if (!(room in knows_uses)) return # its README is complained about
    if (header ~ /^sanitizer\//) return # the compiler's own, only when it instruments
    if (header == "perdure.h" || header ~ /^perdure\//) {
        if (!((room, "include") in uses) && !((room, "<" header ">") in uses))
            forbidden(room, "<" header ">", "include")
        return
    }
    if (quoted) {
        of = header
        if (of !~ /\//) return
        sub(/\/.*/, "", of)
        if (of == room || !(of in floor)) return
        if (header ~ /_priv\.h$/) complain(FNR, "'" header "' is private to '" of "'")
        if (!((room, of) in uses))
            forbidden(room, "'" header "'", of)
        return
    }
    if (((room, "<" header ">") in uses) || ((room, library_word(header)) in uses)) return
    if (((room, "libc") in uses) && !(header in not_libc)) return
    forbidden(room, "<" header ">", "it")
}

# ---- Code without comments and literals ----------------------------------------------------------
function bare(text,    out, at, two) {
    out = ""
    while (text != "") {
        if (in_comment) {
            at = index(text, "*/")
            if (!at) return out
            text = substr(text, at + 2); in_comment = 0
            continue
        }
        if (!match(text, /\/\*|\/\/|"|'/)) return out text
        out = out substr(text, 1, RSTART - 1)
        two = substr(text, RSTART, 2)
        text = substr(text, RSTART)
        if (two == "//") return out
        if (two == "/*") { in_comment = 1; text = substr(text, 3); continue }
        if (text ~ /^"/) {
            if (!match(text, /^"([^"\\]|\\.)*"/)) return out
            out = out "\"\""
        } else {
            if (!match(text, /^'([^'\\]|\\.)*'/)) return out
            out = out "0"
        }
        text = substr(text, RLENGTH + 1)
    }
    return out
}

function one_durable_call(code,    i, c, part, n) {
    n = split(code, part, /[;{}]/)
    for (i = 1; i <= n; i++) {
        if (i > 1) calls = 0
        c = part[i]
        while (match(c, durable)) {
            if (RSTART == 1 || substr(c, RSTART - 1, 1) !~ /[A-Za-z0-9_]/)
                if (++calls == 2) complain(FNR, "two durable calls in one statement")
            c = substr(c, RSTART + RLENGTH)
        }
    }
}

function start_of_file() {
    in_comment = 0; function_at = 0; calls = 0; previous = ""
    if (!RULES && !/SPDX-License-Identifier: MIT/)
        complain(1, "a file begins with 'SPDX-License-Identifier: MIT'")
}

FNR == 1 { finish_file(); start_of_file(); last_file = FILENAME }
{ last_line = FNR }

function finish_file() {
    if (last_file == "" || RULES_OF_LAST) { RULES_OF_LAST = RULES; return }
    # The public header is a manual, and one file on purpose.
    if (last_file == "include/perdure.h") { RULES_OF_LAST = RULES; return }
    if (last_line > 1000) printf "%s:%d: a file has at most 1000 lines\n", last_file, last_line
    else if (last_line > 600)
        printf "%s:%d: warning: past 600 lines, think of splitting it\n", last_file, last_line
    RULES_OF_LAST = RULES
}

RULES { readme_line(); next }

{
    text = $0
    gsub(/[\200-\277]/, "", text) # columns, not bytes
    if (length(text) > 100) complain(FNR, "a line has at most 100 columns")
    if (text ~ words) complain(FNR, "finish it or file it, but leave no note like this")
}

/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
    header = $0
    quoted = header ~ /#[ \t]*include[ \t]*"/
    sub(/^[^<"]*[<"]/, "", header); sub(/[>"].*/, "", header)
    check_include(header, quoted)
    next
}

{
    code = bare($0)
    if (FILENAME !~ /must_not_compile/ && match(code, banned_call)) {
        call = substr(code, RSTART, RLENGTH)
        gsub(/[^a-z]/, "", call)
        complain(FNR, "'" call "' is banned")
    }
    if (FILENAME ~ /^samples\//) one_durable_call(code)
    if ($0 == "{" && previous !~ /^(struct|union|enum|typedef)|=[ \t]*$/) function_at = FNR
    if (/^}/ && function_at) {
        if (FNR - function_at + 1 > 70)
            complain(function_at, "a function has at most 70 lines, this one has " \
                FNR - function_at + 1)
        function_at = 0
    }
    previous = $0
}

END {
    finish_file()
    for (i = 1; i < ARGC; i++)
        if (ARGV[i] ~ /README\.md$/ && !(ARGV[i] in seen_uses))
            printf "%s:1: no 'Uses: ...' line\n", ARGV[i]
}
