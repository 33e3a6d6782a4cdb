# SPDX-License-Identifier: MIT
#
# Sourced by run, test and others: the Debian packages that a job needs, installed when missing.
#   need build        what ./run takes
#   need build test   what ./test takes
#   need peers        the languages of the official SDKs, whose tests are skipped without them

packages_build="gcc libc6-dev binutils make cmake ninja-build pkg-config
    libsqlite3-dev libjansson-dev libxxhash-dev libsmartcols-dev tzdata
    libnghttp2-dev libevent-dev libssl-dev libcurl4-openssl-dev zlib1g-dev protobuf-compiler
    libprotobuf-dev curl"
packages_test="g++ clang clang-format libcmocka-dev sqlite3
    nghttp2-client python3-grpcio python3-protobuf openssl
    nginx-light python3-jsonschema"
packages_peers="python3-venv openjdk-17-jdk-headless maven"
command -v npm >/dev/null 2>&1 || packages_peers="$packages_peers nodejs npm"
command -v go >/dev/null 2>&1 || packages_peers="$packages_peers golang-go" # fetches a newer one

missing_packages() {
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            printf ' %s' "$package"
    done
}

need() {
    wanted=
    for group in "$@"; do
        eval "wanted=\"\$wanted \$packages_$group\""
    done
    if ! command -v dpkg-query >/dev/null 2>&1; then
        echo "This is not Debian; assuming that you have:" $wanted >&2
        return 0
    fi
    # shellcheck disable=SC2086
    missing=$(missing_packages $wanted)
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -eq 0 ]; then
        as_root=
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root="sudo"
    else
        echo "Some Debian packages are missing. Install them, then run this again:" >&2
        echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing" >&2
        exit 1
    fi
    echo "Installing Debian packages:$missing" >&2
    # shellcheck disable=SC2086
    if ! { $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $missing; } >&2; then
        echo "That did not work. The command was:" >&2
        echo "  apt-get install -y --no-install-recommends$missing" >&2
        exit 1
    fi
}

# build PRESET: configure and build, showing progress; says why when it fails.
build() {
    mkdir -p build
    if [ ! -f "build/$1/build.ninja" ] && ! cmake --preset "$1" >"build/$1.log" 2>&1; then
        cat "build/$1.log" >&2
        return 1
    fi
    rm -f "build/$1.log"
    cmake --build --preset "$1" -- -k 0 # all complaints at once
}
