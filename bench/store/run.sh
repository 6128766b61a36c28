#!/usr/bin/env bash
# The store and the journal beside a bare fdatasync loop: bench/store/run.sh [USERS] [BUILD_FOLDER]. See README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/environment.sh

build="${2:-build/bench}"
if [ $# -lt 2 ]; then
  [ -e "$build/build.ninja" ] || cmake --preset release -B "$build" -DLATCHKEY_BENCH=ON -DLATCHKEY_TESTS=OFF >/dev/null
  cmake --build "$build" --target store_bench >/dev/null
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"$build/bench/store/store_bench" "$work/data" "${1:-100000}"
