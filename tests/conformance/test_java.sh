#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The official Java SDK against perdured: java/ has the programs. Skipped where Java, Maven or the
# SDK cannot be had. Maven only gathers the jars; javac is quicker without it.
# PERDURE_JAVA_SDK=FOLDER tests the SDK whose jars, and all they need, are in FOLDER. One newer than
# what Central has, with entities and its package azuremanaged, also gets the cases of java/next.
set -u
. "$(dirname "$0")/lib.sh"

sdk=${PERDURE_JAVA_SDK:+-of-$(ls -l "${PERDURE_JAVA_SDK:-/}" | cksum | cut -d' ' -f1)}
peer "java$sdk" "$here"/java/pom.xml "$here"/java/src/*.java "$here"/java/next/*.java \
    "$root/sdks/java/HelloCities.java" "$here/test_java.sh"
jars=${PERDURE_JAVA_SDK:-$peer/jars}
copy=org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies

fetch() {
    command -v mvn >/dev/null 2>&1 || skip "there is no mvn: apt-get install maven"
    rm -rf "$jars" "$peer/pom.xml"
    mvn -q -B -f "$here/java/pom.xml" -Dmaven.repo.local="$peer/repository" "$copy" \
        -DoutputDirectory="$jars" >"$work/fetch.log" 2>&1 ||
        skip "the SDK cannot be fetched: $(grep -m 1 ERROR "$work/fetch.log" | cut -c 1-200)"
    cp "$here/java/pom.xml" "$peer/pom.xml"
    rm -rf "$peer/repository"
}

if ! peer_is_current; then
    command -v javac >/dev/null 2>&1 ||
        skip "there is no javac: apt-get install openjdk-17-jdk-headless"
    [ -n "$sdk" ] || cmp -s "$here/java/pom.xml" "$peer/pom.xml" || fetch
    next=
    for jar in "$jars"/durabletask-client*.jar; do
        ! jar tf "$jar" | grep -q /TaskEntity.class || next=$here/java/next
    done
    rm -rf "$peer/classes"
    # shellcheck disable=SC2046 # our paths have no spaces
    if ! javac -nowarn -cp "$jars/*" -d "$peer/classes" "$here"/java/src/*.java \
        "$root/sdks/java/HelloCities.java" $([ -z "$next" ] || ls "$next"/*.java) \
        >"$work/build.log" 2>&1; then
        echo "FAILED the-programs-compile: $(grep -m 1 error "$work/build.log")"
        failed=1
        finish
    fi
    peer_is_installed
fi

# Short programs: no time for the better compiler, no room for two heaps.
program="java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx400m -cp $peer/classes:$jars/*"
set -f # The asterisk is for Java, and nothing below is for the shell to expand.
if [ "${1:-}" = --list ]; then # no exec: lib.sh tidies up
    # shellcheck disable=SC2086 # words
    $program Suite --list
    exit
fi

server_start
# shellcheck disable=SC2086
cases java $program Suite --target "$server" --times
# shellcheck disable=SC2086
hello $program HelloCities "${server##*:}"

# kill_worker_after SECONDS: another process that works on what the crash programs start.
kill_worker_after() {
    # shellcheck disable=SC2086
    $program Crash --target "$server" --worker &
    worker=$!
    children="$children $worker"
    (sleep "$1" && kill -9 $worker) &
}

# A worker that is alone with the work is killed; and another while the server is killed as well.
kill_worker_after 3
# shellcheck disable=SC2086
cases java-worker $program Crash --target "$server" --seconds 3 --alone 4
if [ -z "${PERDURE_CONFORMANCE_SERVER:-}" ]; then
    kill_worker_after 9
    # shellcheck disable=SC2086
    crash java-crash 6 $program Crash --target "$server" --seconds 10
fi
set +f # for lib.sh
server_stop
if [ -z "${PERDURE_CONFORMANCE_SERVER:-}" ]; then
    server_start_secured
    set -f
    # shellcheck disable=SC2086
    cases java-secured $program Suite --target "$server" --only sub-orch
    set +f
    server_stop
fi
finish
