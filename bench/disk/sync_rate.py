"""The disk's own rate: pwrite of 4 KiB and fdatasync, one after the other. sync_rate.py DIRECTORY [SECONDS] -> syncs a second."""

import os
import sys
import time

path = os.path.join(sys.argv[1], "sync_rate")
span = float(sys.argv[2]) if len(sys.argv) > 2 else 2.0
file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
page = b"\x07" * 4096
done = 0
start = time.monotonic()
while time.monotonic() - start < span:
    os.pwrite(file, page, done % 256 * 4096)
    os.fdatasync(file)
    done += 1
print(round(done / (time.monotonic() - start)))
os.close(file)
os.unlink(path)
