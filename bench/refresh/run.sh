#!/usr/bin/env bash
# Durable refreshes a second of the real server: [TYPE=bench-rolling] bench/refresh/run.sh [SECONDS] [USERS] [BUILD_FOLDER]. See README.md.
. "$(dirname "${BASH_SOURCE[0]}")/../load.sh"

seconds="${1:-15}"
users="${2:-60000}"
build="${3:-build/bench}"
type="${TYPE:-bench-rolling}"
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
"$build/populate" "$work/data" "$users" "$type" "https://localhost:$provider_port" bench/population/provider.json now
disk_before="$(disk_rate "$work/data")"
printf '%s\n' "listen = \"127.0.0.1:$our_port\"" "public_url = \"http://127.0.0.1:$our_port\"" "outbound.ca_file = \"$work/cert.pem\"" \
  "outbound.allow = [\"127.0.0.1:$provider_port\", \"localhost:$provider_port\", \"[::1]:$provider_port\"]" >"$work/latchkey.toml"
"$build/latchkey" serve --config "$work/latchkey.toml" --data "$work/data" >"$work/server.out" 2>"$work/server.log" &
our_pid=$!
pids+=("$our_pid")
until_answers "http://127.0.0.1:$our_port/readyz"
python3 bench/refresh/watch.py "http://127.0.0.1:$our_port/metrics" "$seconds" "$users" "$our_pid" "$(pgrep -d, -P "$nginx_pid")" ||
  { tail -5 "$work/server.log" >&2; exit 1; }
kill "$our_pid"
wait "$our_pid" || true
echo
printf 'The disk of this run: %d syncs a second before, %d after.\n' "$disk_before" "$(disk_rate "$work/data")"
