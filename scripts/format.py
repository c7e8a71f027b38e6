#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clang-format, but for the white space before comments at the end of a line, which is set by hand so that they stand in
columns.

    scripts/format.py [--check] FILE...
"""
import concurrent.futures
import difflib
import pathlib
import re
import subprocess
import sys

TRAILING = re.compile(r"(?<=\S)[ \t]+(?=/\*)")


def plain(line):
    return TRAILING.sub(" ", line)


def formatted(path):
    """The file as it should be: clang-format's lines, and the original ones where they differ in nothing but that."""
    old = path.read_text().splitlines(keepends=True)
    text = subprocess.run(["clang-format", str(path)], capture_output=True, text=True, check=True).stdout
    new = text.splitlines(keepends=True)
    old_plain, new_plain = [plain(line) for line in old], [plain(line) for line in new]
    result = []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old_plain, new_plain, autojunk=False).get_opcodes():
        result += old[i1:i2] if tag == "equal" else new[j1:j2]
    return "".join(old), "".join(result)


def unified(path, old, new):
    return "".join(difflib.unified_diff(old.splitlines(True), new.splitlines(True), str(path), "as it should be", n=1))


def difference(path):
    return unified(path, *formatted(path))


def main():
    check = "--check" in sys.argv
    paths = [pathlib.Path(name) for name in sys.argv[1:] if name != "--check"]
    wrong = 0
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for path, (old, new) in zip(paths, pool.map(formatted, paths)):
            if old == new:
                continue
            wrong += 1
            if check:
                sys.stdout.write(unified(path, old, new))
            else:
                path.write_text(new)
    return 1 if check and wrong else 0


if __name__ == "__main__":
    sys.exit(main())
