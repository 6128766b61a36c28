#!/usr/bin/env bash
# POST /v1/token of the real server beside nginx: [ROUNDS=5] bench/token/run.sh [SECONDS] [BUILD_FOLDER]. See README.md.
. "$(dirname "${BASH_SOURCE[0]}")/../load.sh"

seconds="${1:-5}"
build="${2:-build/bench}"
rounds="${ROUNDS:-5}"
build_of "$build" "$([ $# -ge 2 ] && echo yes || echo no)" latchkey
latchkey="$build/latchkey"
data="$work/data"
pin=bench-PIN-42

make_certificate
provider_port="$(free_port)"; nginx_port="$(free_port)"; nginx_tls="$(free_port)"; our_port="$(free_port)"; our_tls="$(free_port)"
tls_lines="ssl_certificate $work/cert.pem; ssl_certificate_key $work/key.pem;"
start_nginx provider <<CONF
  server {
    listen 127.0.0.1:$provider_port ssl;
    $tls_lines
    location = /token { return 200 '{"access_token":"$(printf 'x%.0s' {1..1500})","token_type":"Bearer","expires_in":86400,"refresh_token":"rt-\$request_id","scope":"files","account":"\$request_id"}'; }
  }
CONF
until_answers "https://localhost:$provider_port/token"

# serve SCHEME PORT [CONFIG_LINE...]: starts the server on the data folder; our_pid.
serve() {
  local scheme="$1" port="$2"
  shift 2
  printf '%s\n' "listen = \"127.0.0.1:$port\"" "public_url = \"$scheme://127.0.0.1:$port\"" "outbound.ca_file = \"$work/cert.pem\"" \
    "outbound.allow = [\"127.0.0.1:$provider_port\", \"localhost:$provider_port\", \"[::1]:$provider_port\"]" "$@" >"$work/latchkey.toml"
  "$latchkey" serve --config "$work/latchkey.toml" --data "$data" >"$work/server.out" 2>"$work/server.log" &
  our_pid=$!
  pids+=("$our_pid")
  until_answers "$scheme://127.0.0.1:$port/readyz"
}
stop() { kill "$our_pid"; wait "$our_pid" || true; }

mkdir -p "$data/providers"
chmod 700 "$data"
cp bench/population/provider.json "$data/providers/bench.json"
printf '%s' "$pin" >"$work/pin"
printf 'bench-secret' >"$work/secret"
serve http "$our_port"
quietly() { "$@" >"$work/cli.out" 2>&1 || { cat "$work/cli.out" "$work/server.log" >&2; exit 1; }; }
quietly "$latchkey" app set bench --provider bench --client-id bench --client-secret-file "$work/secret" \
  --param "issuer=https://localhost:$provider_port" --data "$data"
quietly "$latchkey" group add Bench --data "$data"
for number in $(seq 9); do
  printf 'rt-%s' "$number" >"$work/refresh-token"
  quietly "$latchkey" grant import "user-$number" --group Bench --type bench-rolling --pin-file "$work/pin" \
    --refresh-token-file "$work/refresh-token" --allow token --data "$data"
done

credentials() { printf '%s:%s' "$1" "$pin" | base64 -w0; }
cat >"$work/post.lua" <<LUA
wrk.method = "POST"
wrk.body = "min_valid=60"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.headers["Authorization"] = "Basic $(credentials user-1)"
LUA

# The import has left nothing in memory that a first use could profit from: start anew.
stop
serve http "$our_port"
: >"$work/first.txt"
for number in $(seq 9); do
  curl -fsS -o "$work/answer" -w '%{time_total}\n' -u "user-$number:$pin" -d min_valid=60 "http://127.0.0.1:$our_port/v1/token" >>"$work/first.txt"
done
body="$(curl -fsS -u "user-1:$pin" -d min_valid=60 "http://127.0.0.1:$our_port/v1/token")"
case "$body" in *'"access_token":"xxx'*) ;; *) die "no token came: $body" ;; esac

start_nginx peer <<CONF
  server {
    listen 127.0.0.1:$nginx_port;
    listen 127.0.0.1:$nginx_tls ssl;
    $tls_lines
    location = /v1/token { add_header Cache-Control no-store; return 200 '$body'; }
  }
CONF
peer_pid="$nginx_pid"
until_answers "http://127.0.0.1:$nginx_port/v1/token"

echo "Body of ${#body} octets, 64 connections, $rounds rounds of $seconds s each, medians:"
echo
comparison_head
compare http "$seconds" "$rounds" "$work/post.lua" "http://127.0.0.1:$nginx_port/v1/token" "http://127.0.0.1:$our_port/v1/token" "$peer_pid" "$our_pid"
stop
serve https "$our_tls" "tls.certificate = \"$work/cert.pem\"" "tls.key = \"$work/key.pem\""
curl -kfsS -o "$work/answer" -u "user-1:$pin" -d min_valid=60 "https://127.0.0.1:$our_tls/v1/token"
answer="$(cat "$work/answer")"
[ "${#answer}" = "${#body}" ] || die "the two bodies differ in length"
compare https "$seconds" "$rounds" "$work/post.lua" "https://127.0.0.1:$nginx_tls/v1/token" "https://127.0.0.1:$our_tls/v1/token" "$peer_pid" "$our_pid"
echo
awk '{ print $1 * 1000 }' "$work/first.txt" >"$work/first-ms.txt"
printf 'First use of a PIN (Argon2id, 64 MiB, 3 passes), nine users: median %.0f ms, worst %.0f ms.\n' \
  "$(median 1 "$work/first-ms.txt")" "$(sort -n "$work/first-ms.txt" | tail -1)"
