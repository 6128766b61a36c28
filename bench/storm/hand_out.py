"""Hand-outs at a steady pace: hand_out.py SERVER_URL SECONDS quiet|storm. Prints the cells of a row of bench/storm/run.sh.

Each request leaves at its time, whether or not those before have come back (RATE a second, over CONNECTIONS kept connections), and
its latency counts from that time: what waits in the client waits for the server.
"""

import base64
import http.client
import re
import sys
import threading
import time
import urllib.parse
import urllib.request

RATE = 100
CONNECTIONS = 8
USERS = 40
PIN = "bench-PIN-42"

server = urllib.parse.urlsplit(sys.argv[1])
seconds = float(sys.argv[2])


def refreshed():
    with urllib.request.urlopen(sys.argv[1] + "/metrics", timeout=10) as answer:
        return float(re.search(r'latchkey_refreshes_total\{outcome="refreshed"\} (\S+)', answer.read().decode())[1])


def ask(connection, number):
    user = f"user{number % USERS:06}"
    credentials = base64.b64encode(f"{user}:{PIN}".encode()).decode()
    connection.request("POST", "/v1/token", "min_valid=60",
                       {"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Basic " + credentials})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{user}: {answer.status} {body[:200]}")


def work(first, begun, latencies, problems):
    connection = http.client.HTTPConnection(server.hostname, server.port, timeout=30)
    try:
        for number in range(first, int(RATE * seconds), CONNECTIONS):
            due = begun + number / RATE
            time.sleep(max(0, due - time.monotonic()))
            ask(connection, number)
            latencies.append(time.monotonic() - due)
    except BaseException as problem:
        problems.append(problem)


warm = http.client.HTTPConnection(server.hostname, server.port, timeout=30)
for user in range(USERS):  # the first use of a PIN runs Argon2id
    ask(warm, user)
latencies, problems = [], []
count, begun = refreshed(), time.monotonic()
threads = [threading.Thread(target=work, args=(first, begun, latencies, problems)) for first in range(CONNECTIONS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if problems:
    sys.exit(str(problems[0]))
rate = (refreshed() - count) / (time.monotonic() - begun)
if (sys.argv[3] == "storm") != (rate > 0):
    sys.exit(f"{rate:.0f} refreshes a second meanwhile: more USERS are needed where all were refreshed before the measuring began")
latencies.sort()
part = lambda share: latencies[min(len(latencies) - 1, int(share * len(latencies)))] * 1e3
print(f"{len(latencies)} | {part(0.5):.1f} ms | {part(0.99):.1f} ms | {latencies[-1] * 1e3:.1f} ms | {rate:.0f}")
