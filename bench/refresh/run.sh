#!/usr/bin/env bash
# Durable refreshes a second of the real server, beside a bare libcurl loop that stores nothing:
# [TYPE=bench-rolling] [KIND=now|storm|steady] bench/refresh/run.sh [SECONDS] [USERS] [BUILD_FOLDER]. See README.md.
. "$(dirname "${BASH_SOURCE[0]}")/../load.sh"

seconds="${1:-15}"
users="${2:-60000}"
build="${3:-build/bench}"
type="${TYPE:-bench-rolling}"
kind="${KIND:-now}"
build_of "$build" "$([ $# -ge 3 ] && echo yes || echo no)" latchkey populate bare_loop

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
"$build/populate" "$work/data" "$users" "$type" "https://localhost:$provider_port" bench/population/provider.json "$kind"

# What the client library alone can do, as many requests in flight as the server's, before and after.
connections=keep; in_flight=256
[ "$type" = bench-single ] && { connections=fresh; in_flight=32; }
bare() { "$build/bench/refresh/bare_loop" "https://localhost:$provider_port/token" "$work/cert.pem" 3 "$in_flight" "$connections"; }
bare_before="$(bare)"
disk_before="$(disk_rate "$work/data")"
printf '%s\n' "listen = \"127.0.0.1:$our_port\"" "public_url = \"http://127.0.0.1:$our_port\"" "outbound.ca_file = \"$work/cert.pem\"" \
  "outbound.allow = [\"127.0.0.1:$provider_port\", \"localhost:$provider_port\", \"[::1]:$provider_port\"]" >"$work/latchkey.toml"
"$build/latchkey" serve --config "$work/latchkey.toml" --data "$work/data" >"$work/server.out" 2>"$work/server.log" &
our_pid=$!
pids+=("$our_pid")
until_answers "http://127.0.0.1:$our_port/readyz"
python3 bench/refresh/watch.py "http://127.0.0.1:$our_port/metrics" "$seconds" "$users" "$our_pid" "$(pgrep -d, -P "$nginx_pid")" |
  tee "$work/ours.txt" || { tail -5 "$work/server.log" >&2; exit 1; }
kill "$our_pid"
wait "$our_pid" || true
bare_after="$(bare)"
echo
awk -v before="$bare_before" -v after="$bare_after" -v connections="$connections" -v in_flight="$in_flight" 'NR == 1 {
  split(before, b); split(after, a)
  rate = (b[1] + a[1]) / 2
  printf "Bare libcurl loop (%s connections, %d in flight): %d and %d POSTs a second, %.0f us of processor time each; ours is %.2f of it.\n",
         connections == "keep" ? "kept" : "fresh", in_flight, b[1], a[1], (b[2] + a[2]) / 2, $1 / rate
}' "$work/ours.txt"
printf 'The disk of this run: %d syncs a second before, %d after.\n' "$disk_before" "$(disk_rate "$work/data")"
