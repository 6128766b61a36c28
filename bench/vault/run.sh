#!/usr/bin/env bash
# Sealing, opening, the hot cache and Argon2id: bench/vault/run.sh [BUILD_FOLDER]. See README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/environment.sh

build="${1:-build/bench}"
if [ $# -lt 1 ]; then
  [ -e "$build/build.ninja" ] || cmake --preset release -B "$build" -DLATCHKEY_BENCH=ON -DLATCHKEY_TESTS=OFF >/dev/null
  cmake --build "$build" --target vault_bench >/dev/null
fi
"$build/bench/vault/vault_bench" --benchmark_repetitions=5 --benchmark_report_aggregates_only=true \
  --benchmark_enable_random_interleaving=true 2>/dev/null | awk '/^---/ || /^Benchmark/ || /_median/'
