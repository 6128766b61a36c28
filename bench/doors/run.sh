#!/usr/bin/env bash
# The doors beside their peers, Postfix and curl: bench/doors/run.sh [ROUNDS] [BUILD_FOLDER]. See README.md.
# PARTS="smtp http" chooses; MESSAGES, SESSIONS, MEGABYTES, UPLOADS change the load.
. "$(dirname "${BASH_SOURCE[0]}")/../load.sh"

rounds="${1:-5}"
build="${2:-build/bench}"
build_of "$build" "$([ $# -ge 2 ] && echo yes || echo no)" latchkey
scripts/npm_ci tests
export LATCHKEY_BIN NODE_NO_WARNINGS=1
LATCHKEY_BIN="$(realpath "$build")/latchkey"

echo "the disk: $(disk_rate "$work") syncs a second, one after the other"
for part in ${PARTS:-smtp http}; do
  echo
  case "$part" in
    smtp)
      if [ "$(id -u)" -ne 0 ]; then
        echo "SMTP is left out: Postfix, its peer, only starts as root"
        continue
      fi
      node bench/doors/smtp.mjs --rounds "$rounds" --messages "${MESSAGES:-3000}" --sessions "${SESSIONS:-16}"
      ;;
    http) node bench/doors/http.mjs --rounds "$rounds" --megabytes "${MEGABYTES:-500}" --uploads "${UPLOADS:-200}" ;;
    *) die "unknown part $part (smtp, http)" ;;
  esac
done
