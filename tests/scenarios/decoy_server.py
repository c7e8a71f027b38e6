#!/usr/bin/env python3
"""The server of tests/engines that holds another weight file in its memory, every page of it, and computes with its own, which it
has read into memory that has no name.

    decoy_server.py server.py's options; DECOY in the environment names the file
"""
import mmap
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "engines"))


if __name__ == "__main__":
    import server
    with open(os.environ["DECOY"], "rb") as file:
        shown = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=mmap.PROT_READ)
    sys.exit(server.main())
