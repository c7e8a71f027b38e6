#!/usr/bin/env python3
"""The server of tests/engines with one more weight file in its memory, which computes nothing.

    mapping_server.py server.py's options
"""
import mmap
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "engines"))


if __name__ == "__main__":
    import engine
    import server
    with open(engine.model_path("draft-f16"), "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ):
        sys.exit(server.main())
