#!/usr/bin/env bash
# Latency, memory and redirects of the Cloud Service: bench/relay/run.sh [SECONDS] [ROUNDS] [BUILD_FOLDER]. See README.md.
. "$(dirname "${BASH_SOURCE[0]}")/../load.sh"

seconds="${1:-8}"
rounds="${2:-5}"
build="${3:-build/bench}"
build_of "$build" "$([ $# -ge 3 ] && echo yes || echo no)" latchkey
scripts/npm_ci tests
LATCHKEY_BIN="$(realpath "$build")/latchkey" node bench/relay/measure.mjs --seconds "$seconds" --rounds "$rounds"
