#!/usr/bin/env python3
"""The server of tests/engines with two children that live as long as it does: a fork of it, which has its engine and its
sockets, and another program.

    family_server.py server.py's options
"""
import os
import pathlib
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "engines"))


def have_children():
    while "xllamacpp" not in sys.modules:
        time.sleep(0.01)
    time.sleep(0.3)     # the module is being loaded
    parent = os.getpid()
    if os.fork() == 0:
        while os.getppid() == parent:
            time.sleep(0.05)
        os._exit(0)
    # Ends when nobody holds the other end of its input any more.
    threading.main_thread().child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)


if __name__ == "__main__":
    import server
    threading.Thread(target=have_children, daemon=True).start()
    sys.exit(server.main())
