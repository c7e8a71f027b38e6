#!/usr/bin/env python3
"""The server of tests/engines in a process that also forks: children that use CPU time for a moment and end.

    forking_server.py server.py's options
"""
import os
import pathlib
import sys
import threading
import time

ENGINES = pathlib.Path(__file__).resolve().parents[1] / "engines"
sys.path.insert(0, str(ENGINES))

PERIOD_S = 0.3
BURN_S = 0.05


def burn():
    end = time.monotonic() + BURN_S
    while time.monotonic() < end:
        sum(range(1000))


def fork_children():
    while True:
        time.sleep(PERIOD_S)
        child = os.fork()
        if child == 0:
            burn()
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    import server
    threading.Thread(target=fork_children, daemon=True).start()
    sys.exit(server.main())
