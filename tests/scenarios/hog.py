#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Takes one CPU from everybody else for BUSY seconds of every EVERY, at real-time priority; prints when: a line of two CLOCK_MONOTONIC
times in nanoseconds for each time. Exit status 77 where the host does not allow it.

    hog.py CPU BUSY EVERY
"""
import os
import sys
import time


def main(cpu, busy_s, every_s):
    try:
        os.sched_setaffinity(0, {cpu})
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except OSError as error:
        print(error, file=sys.stderr)
        return 77
    while True:
        time.sleep(every_s - busy_s)
        begin = now = time.monotonic_ns()
        while now < begin + busy_s * 1e9:
            now = time.monotonic_ns()
        print(begin, now, flush=True)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
