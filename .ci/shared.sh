# The parts that `.ci/run` and `.ci/full` share, which source this file: the steps with their times, and the tools.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Half the time of a build goes into debug information and into state for the next build; a check reads neither.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0 CARGO_INCREMENTAL=0
tools=$PWD/target/tools
export PATH=$tools/bin:$tools/deny/bin:$PATH

# The versions stand where they are used, and only there.
oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1.0/p' Cargo.toml)
public_api=$(sed -n 's/^const TOOL: .* = "cargo-public-api \(.*\)";/\1/p' tests/public_api.rs)
nightly_version=$(sed -n 's/^const NIGHTLY: .* = "\(.*\)";/\1/p' tests/public_api.rs)
nightly=$(grep -o -m 1 'nightly-[0-9-]*' tests/public_api.rs)

times=()
skipped=()

step() {
    local began=$SECONDS
    printf '\n=== %s (after %d s)\n' "$*" "$SECONDS"
    "$@"
    times+=("$(printf '%5d s  %s' $((SECONDS - began)) "${*//"$PWD/"/}")")
}

skip() {
    skipped+=("$*")
    echo "WARNING: $*" >&2
}

summary() {
    local code=$?
    printf '\n'
    if ((${#times[@]} > 0)); then printf '%s\n' "${times[@]}"; fi
    if ((${#skipped[@]} > 0)); then printf 'SKIPPED: %s\n' "${skipped[@]}"; fi
    if ((code == 0)); then
        if ((${#skipped[@]} > 0)); then printf '=== what is skipped has not passed: it did not run\n'; fi
        printf '=== all checks that ran passed (after %d s)\n' "$SECONDS"
    else
        printf '=== FAILED with exit code %d (after %d s)\n' "$code" "$SECONDS"
    fi
}
trap summary EXIT
# Without these, a run that is ended from outside would say that everything passed.
trap 'exit 130' INT
trap 'exit 143' TERM

# install_packages CONSEQUENCE PACKAGE...: installs packages of the system. If they cannot be had, notes what is skipped
# for their lack, and fails.
install_packages() {
    local consequence=$1
    shift
    if (($# == 0)); then
        return
    fi
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        skip "missing $*, and cannot install here: $consequence"
        return 1
    fi
    if ! apt-get update -qq ||
        ! DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; then
        skip "could not install $*: $consequence"
        return 1
    fi
}

# Some tests talk to programs of others. Without them they skip, saying so; here nothing should be skipped.
install_peers() {
    local packages=()
    command -v nc >/dev/null || packages+=(netcat-openbsd)
    command -v socat >/dev/null || packages+=(socat)
    command -v strace >/dev/null || packages+=(strace)
    command -v curl >/dev/null || packages+=(curl)
    command -v haproxy >/dev/null || packages+=(haproxy)
    command -v proxychains4 >/dev/null || packages+=(proxychains4)
    command -v redis-server >/dev/null || packages+=(redis-server)
    command -v redis-benchmark >/dev/null || packages+=(redis-tools)
    command -v wrk >/dev/null || packages+=(wrk)
    command -v ab >/dev/null || packages+=(apache2-utils)
    command -v h2load >/dev/null || packages+=(nghttp2-client)
    command -v openssl >/dev/null || packages+=(openssl)
    command -v sslscan >/dev/null || packages+=(sslscan)
    command -v swaks >/dev/null || packages+=(swaks libnet-ssleay-perl)
    command -v dig >/dev/null || packages+=(bind9-dnsutils)
    command -v dnsperf >/dev/null || packages+=(dnsperf)
    pkg-config --exists glib-2.0 2>/dev/null || packages+=(pkg-config libglib2.0-dev)
    install_packages "the tests that need them skip" "${packages[@]}" || true
    # It is large, and may be missing where the others are not.
    if ! command -v chromium >/dev/null; then
        install_packages "the page of the WebSocket server is not tested" chromium fonts-dejavu-core || true
    fi
}

install_toolchain() {
    rustup run "$1" cargo --version 2>/dev/null || rustup toolchain install "$1" --profile minimal --no-self-update
}

# Leaves in `oldest` a toolchain that is there, or nothing.
find_oldest() {
    if ! command -v rustup >/dev/null || ! install_toolchain "$oldest"; then
        skip "no Rust $oldest: the oldest version that is promised is not checked"
        oldest=''
    fi
}

# find_nightly CONSEQUENCE: leaves in `nightly` the name under which the pinned nightly is there, or nothing.
find_nightly() {
    local toolchain
    if ! command -v rustup >/dev/null; then
        skip "no rustup, so no $nightly: $1"
        nightly=''
        return
    fi
    for toolchain in "$nightly" nightly; do
        if [[ $(rustup run "$toolchain" rustc --version 2>/dev/null) == "$nightly_version" ]]; then
            nightly=$toolchain
            return
        fi
    done
    if ! install_toolchain "$nightly"; then
        skip "no $nightly: $1"
        nightly=''
    fi
}

# has_target TARGET CONSEQUENCE: whether the standard library of a target is there, or can be had.
has_target() {
    if ! command -v rustup >/dev/null || ! rustup target add "$1"; then
        skip "no standard library for $1: $2"
        return 1
    fi
}
