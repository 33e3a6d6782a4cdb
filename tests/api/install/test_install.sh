#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs below a temporary folder, then builds and runs a C and a C++ program against it, with
# the shared and with the static library, through pkg-config and through CMake.
set -eu
cd "$(dirname "$0")/../../.."
BUILD=${BUILD:-build/debug}
here=tests/api/install

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/stage/opt/perdure
DESTDIR=$work/stage cmake --install "$BUILD" --prefix /opt/perdure >"$work/log"

pc=$(find "$prefix" -name perdure.pc)
lib=$(dirname "$(dirname "$pc")")
for file in include/perdure.h include/perdure/strict.h include/perdure/app.h bin/perdure; do
    [ -f "$prefix/$file" ] || { echo "not installed: $file"; exit 1; }
done
for file in libperdure.a libperdure.so libperdure.so.0 cmake/perdure/perdure-config.cmake; do
    [ -e "$lib/$file" ] || { echo "not installed: $file"; exit 1; }
done
unit=$prefix/lib/systemd/system/perdured.service
if [ -x "$prefix/bin/perdured" ] && ! grep -qx 'ExecStart=/opt/perdure/bin/perdured' "$unit"; then
    echo "The unit of systemd does not start the perdured that was installed:"
    grep ExecStart "$unit"
    exit 1
fi
if grep -rl "$work" "$pc" "$lib/cmake"; then
    echo "The files above carry the path of the temporary folder"
    exit 1
fi

PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
version=$(pkg-config --modversion perdure)
shared=$(pkg-config --cflags --libs perdure)
static=$(pkg-config --cflags --libs --static perdure | sed 's/-lperdure/-l:libperdure.a/')

# runs PROGRAM: it starts and tells the installed version.
runs() {
    said=$(LD_LIBRARY_PATH=$lib "$1") || { echo "$1 ended with $?"; exit 1; }
    [ "$said" = "perdure $version" ] || { echo "$1 said '$said'"; exit 1; }
    echo "ok: ${1##*/}"
}

gcc -std=c17 $here/consumer.c -o "$work/pc_c_shared" $shared
gcc -std=c17 $here/consumer.c -o "$work/pc_c_static" $static
g++ -std=c++17 $here/consumer.cpp -o "$work/pc_cxx_shared" $shared
g++ -std=c++17 $here/consumer.cpp -o "$work/pc_cxx_static" $static
for program in pc_c_shared pc_c_static pc_cxx_shared pc_cxx_static; do
    runs "$work/$program"
done
if ldd "$work/pc_c_static" | grep perdure; then
    echo "The static program loads libperdure"
    exit 1
fi

cmake -S $here -B "$work/cmake" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >"$work/log"
cmake --build "$work/cmake" >"$work/log" || { cat "$work/log"; exit 1; }
for program in c_perdure c_perdure_static cxx_perdure cxx_perdure_static; do
    runs "$work/cmake/$program"
done

# A function app with what is installed, and nothing else.
host=$prefix/bin/perdure-host
if [ -x "$host" ]; then
    gcc -std=c17 -shared -fPIC samples/approval_http/app.c -o "$work/app.so" \
        $(pkg-config --cflags perdure)
    "$prefix/bin/perdure" host --http 127.0.0.1:0 --hub memory: "$work/app.so" >"$work/ready" &
    child=$!
    for _ in $(seq 100); do
        grep -q '^ready app=approval' "$work/ready" && break
        sleep 0.1
    done
    kill $child
    wait $child || { echo "perdure-host ended with $?"; exit 1; }
    grep -q '^ready app=approval' "$work/ready" || { echo "perdure-host was not ready"; exit 1; }
    echo "ok: perdure-host"
fi

"$prefix/bin/perdure" --version
