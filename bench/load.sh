# Sourced by the benches that put load on servers: scripts/environment.sh, a work folder that goes with the processes
# started, ports, nginx, and `compare`, which loads nginx and ours alternately with wrk and prints medians.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/environment.sh"

for tool in nginx wrk openssl python3 curl; do
  command -v "$tool" >/dev/null || die "missing: $tool (scripts/setup --bench)"
done
work="$(mktemp -d)"
pids=()
clean_up() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap clean_up EXIT

# build_of FOLDER GIVEN TARGET...: builds the targets there, unless the caller was given the folder (and built it).
build_of() {
  local folder="$1" given="$2"
  shift 2
  [ "$given" = yes ] && return 0
  [ -e "$folder/build.ninja" ] || cmake --preset release -B "$folder" -DLATCHKEY_BENCH=ON -DLATCHKEY_TESTS=OFF >/dev/null
  cmake --build "$folder" --target "$@" >/dev/null
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# A certificate for localhost and 127.0.0.1, which is its own authority: $work/cert.pem, $work/key.pem.
make_certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext 'subjectAltName = DNS:localhost, IP:127.0.0.1' -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
}

# start_nginx NAME [DIRECTIVE...] <SERVERS: two workers, access log off, connections kept for ever; DIRECTIVES stand outside `http`.
# Its pid goes to nginx_pid.
start_nginx() {
  mkdir -p "$work/$1"
  cat >"$work/$1/nginx.conf" <<CONF
$(printf '%s\n' "${@:2}")
worker_processes 2;
pid $work/$1/nginx.pid;
error_log $work/$1/error.log;
daemon off;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work; uwsgi_temp_path $work; scgi_temp_path $work;
  default_type application/json;
  $(cat)
}
CONF
  nginx -c "$work/$1/nginx.conf" -p "$work/$1" -e "$work/$1/error.log" &
  nginx_pid=$!
  pids+=("$nginx_pid")
}

# until_answers URL [CURL_OPTION...]: waits at most 10 s for any answer.
until_answers() {
  local url="$1"
  shift
  for _ in $(seq 200); do
    curl -ks -o /dev/null "$@" "$url" && return 0
    sleep 0.05
  done
  die "nothing answers at $url"
}

# The processor time of these processes so far, in clock ticks of 10 ms.
ticks() {
  local total=0 pid
  for pid in "$@"; do total=$((total + $(sed 's/.*) //' "/proc/$pid/stat" | awk '{ print $12 + $13 }'))); done
  echo "$total"
}

# load SECONDS SCRIPT URL PIDS... -> "requests_per_second p50_in_ms p99_in_ms processor_microseconds_per_request"
load() {
  local seconds="$1" script="$2" url="$3" before after
  shift 3
  before="$(ticks "$@")"
  wrk -t2 -c64 -d"${seconds}s" --latency -s "$script" "$url" >"$work/wrk.txt"
  after="$(ticks "$@")"
  awk -v ticks=$((after - before)) '
    function ms(v) { return v ~ /us$/ ? v / 1000 : v ~ /[0-9]s$/ ? v * 1000 : v + 0 }
    /^ +50%/ { p50 = ms($2) }
    /^ +99%/ { p99 = ms($2) }
    /requests in/ { requests = $1 }
    /Requests\/sec/ { rate = $2 }
    /Non-2xx|Socket errors/ { bad = 1; print > "/dev/stderr" }
    END { print rate, p50, p99, ticks * 10000 / requests; exit bad }' "$work/wrk.txt"
}
median() { cut -d' ' -f"$1" "$2" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

comparison_head() {
  printf '| | requests/s | of nginx | p50 | p99 | p99 of nginx | processor time a request | by it |\n'
  printf '|---|---|---|---|---|---|---|---|\n'
}

# compare NAME SECONDS ROUNDS SCRIPT NGINX_URL OUR_URL NGINX_PID OUR_PID: two rows of a table.
compare() {
  local name="$1" seconds="$2" rounds="$3" script="$4"
  : >"$work/nginx.txt"; : >"$work/ours.txt"
  for _ in $(seq "$rounds"); do
    # shellcheck disable=SC2046
    load "$seconds" "$script" "$5" $(pgrep -P "$7") >>"$work/nginx.txt"
    load "$seconds" "$script" "$6" "$8" >>"$work/ours.txt"
  done
  awk -v name="$name" \
    -v nr="$(median 1 "$work/nginx.txt")" -v n50="$(median 2 "$work/nginx.txt")" -v n99="$(median 3 "$work/nginx.txt")" -v nc="$(median 4 "$work/nginx.txt")" \
    -v r="$(median 1 "$work/ours.txt")" -v o50="$(median 2 "$work/ours.txt")" -v o99="$(median 3 "$work/ours.txt")" -v oc="$(median 4 "$work/ours.txt")" \
    'BEGIN {
      printf "| %s, nginx | %d | | %.2f ms | %.2f ms | | %.1f us | |\n", name, nr, n50, n99, nc
      printf "| %s, Latchkey | %d | %.2f | %.2f ms | %.2f ms | %.2f | %.1f us | %.2f |\n", name, r, r / nr, o50, o99, o99 / n99, oc, nc / oc
    }'
}

# The disk's own rate, for every absolute figure that waits for it.
disk_rate() { python3 "$root/bench/disk/sync_rate.py" "$1" "${2:-2}"; }
