#!/usr/bin/env bash
# Start, memory and lists with many users, beside an empty server: bench/scale/run.sh [USERS] [BUILD_FOLDER]. See README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/environment.sh

build="${2:-build/bench}"
if [ $# -lt 2 ]; then
  [ -e "$build/build.ninja" ] || cmake --preset release -B "$build" -DLATCHKEY_BENCH=ON -DLATCHKEY_TESTS=OFF >/dev/null
  cmake --build "$build" --target latchkey populate >/dev/null
fi
LATCHKEY_BIN="$PWD/$build/latchkey" exec node bench/scale/measure.mjs "${1:-100000}"
