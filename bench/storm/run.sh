#!/usr/bin/env bash
# How long a hand-out takes while every grant is being refreshed: bench/storm/run.sh [SECONDS] [USERS] [BUILD_FOLDER]. See README.md.
. "$(dirname "${BASH_SOURCE[0]}")/../load.sh"

seconds="${1:-10}"
users="${2:-90000}"
build="${3:-build/bench}"
build_of "$build" "$([ $# -ge 3 ] && echo yes || echo no)" latchkey populate

make_certificate
provider_port="$(free_port)"; our_port="$(free_port)"
start_nginx provider <<CONF
  server {
    listen 127.0.0.1:$provider_port ssl;
    ssl_certificate $work/cert.pem; ssl_certificate_key $work/key.pem;
    location = /token { return 200 '{"access_token":"\${request_id}$(printf 'x%.0s' {1..1468})","token_type":"Bearer","expires_in":86400,"refresh_token":"rt-\${request_id}$(printf 'r%.0s' {1..865})","scope":"files","account":"\$request_id"}'; }
  }
CONF
until_answers "https://localhost:$provider_port/token"
printf '%s\n' "listen = \"127.0.0.1:$our_port\"" "public_url = \"http://127.0.0.1:$our_port\"" "outbound.ca_file = \"$work/cert.pem\"" \
  "outbound.allow = [\"127.0.0.1:$provider_port\", \"localhost:$provider_port\", \"[::1]:$provider_port\"]" >"$work/latchkey.toml"

# measure WHEN quiet|storm: a folder whose grants are due (`now`) or not (`later`), and hand-outs at a steady pace meanwhile.
measure() {
  rm -rf "$work/data"
  "$build/populate" "$work/data" "$users" bench-rolling "https://localhost:$provider_port" bench/population/provider.json "$1"
  "$build/latchkey" serve --config "$work/latchkey.toml" --data "$work/data" >"$work/server.out" 2>"$work/server.log" &
  our_pid=$!
  pids+=("$our_pid")
  until_answers "http://127.0.0.1:$our_port/readyz"
  python3 bench/storm/hand_out.py "http://127.0.0.1:$our_port" "$seconds" "$2" || { tail -5 "$work/server.log" >&2; exit 1; }
  kill "$our_pid"
  wait "$our_pid" || true
}
printf '| | hand-outs | p50 | p99 | worst | refreshes a second meanwhile |\n|---|---|---|---|---|---|\n'
printf '| quiet | %s |\n' "$(measure later quiet)"
printf '| storm | %s |\n' "$(measure now storm)"
