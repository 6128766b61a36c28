"""Reads the counters of a server that refreshes: watch.py METRICS_URL SECONDS USERS SERVER_PID NGINX_PIDS. See README.md."""

import os
import re
import sys
import time
import urllib.request

url, seconds, users, server_pid = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
nginx_pids = sys.argv[5].split(",")
TICK = os.sysconf("SC_CLK_TCK")


def counters():
    found = {}
    with urllib.request.urlopen(url, timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            match = re.fullmatch(r'latchkey_(refreshes_total|refresh_step_seconds_total)\{\w+="(\w+)"\} (\S+)', line)
            if match:
                found[match[1], match[2]] = float(match[3])
    return time.monotonic(), found


def seconds_of(path):
    with open(path) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def processor():
    threads = {}
    for task in os.listdir(f"/proc/{server_pid}/task"):
        with open(f"/proc/{server_pid}/task/{task}/comm") as file:
            name = file.read().strip()
        name = {"latchkey": "engine (loop, sealing, curl, TLS)"}.get(name, name)
        threads[name] = threads.get(name, 0) + seconds_of(f"/proc/{server_pid}/task/{task}/stat")
    threads["nginx"] = sum(seconds_of(f"/proc/{pid}/stat") for pid in nginx_pids)
    return threads


def refreshed(found):
    return found.get(("refreshes_total", "refreshed"), 0)


while refreshed(counters()[1]) == 0:
    time.sleep(0.05)
time.sleep(float(os.environ.get("SETTLE", "1")))
start, first = counters()
busy_first = processor()
rates, last, at = [], first, start
while time.monotonic() - start < seconds and refreshed(last) < users * 0.97:
    time.sleep(1)
    before, at_before = last, at
    at, last = counters()
    rates.append((refreshed(last) - refreshed(before)) / (at - at_before))
busy_last = processor()
span = at - start
done = refreshed(last) - refreshed(first)
others = {name: last[kind, name] - first.get((kind, name), 0) for kind, name in last
          if kind == "refreshes_total" and name != "refreshed" and last[kind, name] > first.get((kind, name), 0)}
print(f"{done / span:.0f} durable refreshes a second over {span:.0f} s ({done:.0f} of {users}; "
      f"slowest second {min(rates):.0f}, quickest {max(rates):.0f}).")
if others:
    print(f"Ended otherwise: {others}")
steps = {name: last[kind, name] - first.get((kind, name), 0) for kind, name in last if kind == "refresh_step_seconds_total"}
if steps:
    print("\n| step | waiting time a refresh | share |\n|---|---|---|")
    for name, waited in steps.items():
        print(f"| {name} | {waited / done * 1e3:.1f} ms | {waited / sum(steps.values()):.0%} |")
print("\n| thread | processor time a refresh | of one processor |\n|---|---|---|")
for name in busy_last:
    used = busy_last[name] - busy_first.get(name, 0)
    if used > 0:
        print(f"| {name} | {used / done * 1e6:.0f} us | {used / span:.0%} |")
sys.exit(0 if done > 0 else 1)
