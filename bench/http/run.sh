#!/usr/bin/env bash
# Compares the server of src/net with nginx in one run: [ROUNDS=5] bench/http/run.sh [SECONDS] [BUILD_FOLDER]. See README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

seconds="${1:-5}"
build="${2:-build/bench}"
rounds="${ROUNDS:-5}"
for tool in nginx wrk openssl python3; do
  command -v "$tool" >/dev/null || { echo "missing: $tool (scripts/setup --bench)" >&2; exit 1; }
done
if [ ! -x "$build/bench/http/http_bench_server" ] || [ $# -lt 2 ]; then
  cmake --preset release -B "$build" -DLATCHKEY_BENCH=ON >/dev/null
  cmake --build "$build" --target http_bench_server >/dev/null
fi

work="$(mktemp -d)"
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; rm -rf "$work"' EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
nginx_port="$(free_port)"; nginx_tls="$(free_port)"; our_port="$(free_port)"; our_tls="$(free_port)"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
body='{"access_token":"eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.'"$(printf 'x%.0s' {1..160})"'","token_type":"Bearer","expires_in":3217,"scope":"Files.ReadWrite.All","type":"onedrive-business","account":{"id":"a1","name":"scan@example"},"extras":{}}'

cat >"$work/nginx.conf" <<CONF
worker_processes 2;
pid $work/nginx.pid;
error_log $work/error.log;
daemon off;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work; uwsgi_temp_path $work; scgi_temp_path $work;
  default_type application/json;
  server {
    listen 127.0.0.1:$nginx_port;
    listen 127.0.0.1:$nginx_tls ssl;
    ssl_certificate $work/cert.pem;
    ssl_certificate_key $work/key.pem;
    location / { add_header Cache-Control no-store; return 200 '$body'; }
  }
}
CONF
nginx -c "$work/nginx.conf" -p "$work" -e "$work/error.log" & pids+=($!)
"$build/bench/http/http_bench_server" "$our_port" "$our_tls" "$work/cert.pem" "$work/key.pem" "$body" & pids+=($!)
our_pid=${pids[1]}

for port in "$nginx_port" "$our_port"; do
  for _ in $(seq 100); do
    curl -s -o "$work/answer-$port" -d a=1 -u x:y -H 'Host: latchkey.example' "http://127.0.0.1:$port/v1/token" && break
    sleep 0.05
  done
done
cmp "$work/answer-$nginx_port" "$work/answer-$our_port" || { echo "the two answers differ" >&2; exit 1; }

# The processor time of both servers' processes so far, in clock ticks of 10 ms.
ticks() {
  local total=0 pid
  for pid in "$@"; do total=$((total + $(sed 's/.*) //' "/proc/$pid/stat" | awk '{ print $12 + $13 }'))); done
  echo "$total"
}

# NAME URL PIDS... -> "requests_per_second p99_in_ms processor_microseconds_per_request"
load() {
  local url="$1" before after
  shift
  before="$(ticks "$@")"
  wrk -t2 -c64 -d"${seconds}s" --latency -s bench/http/post.lua "$url/v1/token" >"$work/wrk.txt"
  after="$(ticks "$@")"
  awk -v ticks=$((after - before)) '
    /^ +99%/ { v = $2; if (v ~ /us$/) v = v / 1000; else if (v ~ /[0-9]s$/) v = v * 1000; else v = v + 0; p99 = v }
    /requests in/ { requests = $1 }
    /Requests\/sec/ { rate = $2 }
    /Non-2xx|Socket errors/ { bad = 1; print > "/dev/stderr" }
    END { print rate, p99, ticks * 10000 / requests; exit bad }' "$work/wrk.txt"
}
median() { cut -d' ' -f"$1" "$2" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

compare() {  # name nginx_url our_url
  : >"$work/nginx.txt"; : >"$work/ours.txt"
  for _ in $(seq "$rounds"); do
    # shellcheck disable=SC2046
    load "$2" $(pgrep -P "${pids[0]}") >>"$work/nginx.txt"
    load "$3" "$our_pid" >>"$work/ours.txt"
  done
  for what in nginx ours; do
    printf '%-5s %-5s %8.0f requests/s   p99 %6.2f ms   %5.1f us of processor a request\n' "$1" "$what" \
      "$(median 1 "$work/$what.txt")" "$(median 2 "$work/$what.txt")" "$(median 3 "$work/$what.txt")"
  done
  awk -v name="$1" -v n="$(median 1 "$work/nginx.txt")" -v o="$(median 1 "$work/ours.txt")" \
    -v nc="$(median 3 "$work/nginx.txt")" -v oc="$(median 3 "$work/ours.txt")" \
    'BEGIN { printf "%-5s ratio %.2f of nginx (by processor time a request: %.2f)\n", name, o / n, nc / oc }'
}
compare http "http://127.0.0.1:$nginx_port" "http://127.0.0.1:$our_port"
compare https "https://127.0.0.1:$nginx_tls" "https://127.0.0.1:$our_tls"
python3 bench/http/tls_memory.py "$our_tls" "$our_pid" 1000
