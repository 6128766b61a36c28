#!/usr/bin/env bash
# Refreshes a second of one node and of two on one PostgreSQL, by turns, against a token endpoint that takes 50 ms:
# [TYPE=bench-rolling] [ROUNDS=5] [IN_FLIGHT=32] bench/nodes/run.sh [SECONDS] [USERS] [BUILD_FOLDER]. See README.md.
. "$(dirname "${BASH_SOURCE[0]}")/../load.sh"

seconds="${1:-8}"
users="${2:-20000}"
build="${3:-build/bench}"
build_of "$build" "$([ $# -ge 3 ] && echo yes || echo no)" latchkey populate
echo_module=/usr/lib/nginx/modules/ngx_http_echo_module.so
[ -e "$echo_module" ] || die "missing: $echo_module (scripts/setup --bench)"

make_certificate
provider_port="$(free_port)"
start_nginx provider "load_module $echo_module;" <<CONF
  server {
    listen 127.0.0.1:$provider_port ssl;
    ssl_certificate $work/cert.pem; ssl_certificate_key $work/key.pem;
    location = /token {
      echo_sleep 0.05;
      echo '{"access_token":"\${request_id}$(printf 'x%.0s' {1..1468})","token_type":"Bearer","expires_in":86400,"refresh_token":"rt-\${request_id}$(printf 'r%.0s' {1..865})","scope":"files","account":"\$request_id"}';
    }
  }
CONF
until_answers "https://localhost:$provider_port/token"
LATCHKEY_BIN="$(realpath "$build")/latchkey" node bench/nodes/measure.mjs --seconds "$seconds" --users "$users" --rounds "${ROUNDS:-5}" \
  --type "${TYPE:-bench-rolling}" --in-flight "${IN_FLIGHT:-32}" --provider "$provider_port" --provider-pid "$nginx_pid" --certificate "$work/cert.pem"
