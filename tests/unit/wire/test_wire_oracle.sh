#!/bin/sh
# SPDX-License-Identifier: MIT
#
# protoc as an independent oracle of src/wire, both ways, for each sample:
#   what we write, protoc reads as oracle/NAME.txtpb;
#   what protoc writes from oracle/NAME.txtpb, we read as the sample.
# Needs Debian's protobuf-compiler and libprotobuf-dev; set PROTOC to use another. Without it: exit
# code 77, skipped.
#
#   BUILD   the build folder whose objects are tested (build/debug)
#   CC      the compiler for the helper (gcc)
set -eu
cd "$(dirname "$0")/../../.."
build=${BUILD:-build/debug}
here=tests/unit/wire

protoc=${PROTOC:-$(command -v protoc || true)}
if [ -z "$protoc" ]; then
    echo "protoc is not here: apt-get install protobuf-compiler"
    exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${CC:-gcc}" -std=c17 -D_GNU_SOURCE -g -Isrc -Iinclude -o "$work/oracle" \
    $here/oracle/oracle.c $here/samples.c $here/same.c \
    "$build/internal/libperdure_objects.a" -lpthread -lm

failed=0
complain() {
    echo "FAIL $1"
    failed=1
}

count=0
"$work/oracle" list >"$work/list"
while read -r name message; do
    expected=$here/oracle/$name.txtpb
    "$work/oracle" encode "$name" >"$work/ours"
    "$protoc" -Iproto --decode="$message" proto/history.proto <"$work/ours" >"$work/read"
    diff -u "$expected" "$work/read" || complain "$name: protoc reads our bytes as something else"
    "$protoc" -Iproto --encode="$message" proto/history.proto <"$expected" >"$work/theirs"
    "$work/oracle" decode "$name" <"$work/theirs" || complain "$name: we misread protoc's bytes"
    count=$((count + 1))
done <"$work/list"

# Every expectation belongs to a sample: none is left over from a kind that is gone.
for expected in $here/oracle/*.txtpb; do
    name=$(basename "$expected" .txtpb)
    grep -q "^$name " "$work/list" || complain "$expected: no sample has this name"
done
[ "$count" -gt 0 ] || complain "there are no samples"
[ "$failed" -eq 0 ] || exit 1
echo "$count samples agree with $("$protoc" --version), both ways"
