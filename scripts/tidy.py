#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clang-tidy and the format's check, of what has changed since it was clean.

    scripts/tidy.py [--deep] FILE...
    scripts/tidy.py --format FILE...

A file that was clean leaves a stamp under build/lint: a digest of the tool's version, its configuration and options, and of the file
with every header that it includes but the system's. Where that is the same nothing is run, so that a fresh clone checks everything and the
next time takes a moment. Only a clean file has a stamp.

Nearly all of clang-tidy's time is the static analyzer's, which follows paths until it has made 225,000 states of a function; what goes
that far are tables of many cells, not functions with more to find. Without --deep it stops at 50,000.
"""
import concurrent.futures
import hashlib
import os
import pathlib
import subprocess
import sys

import format as layout

ROOT = pathlib.Path(__file__).resolve().parent.parent
STAMPS = ROOT / "build/lint"
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-I.", "-isystem", "build/skel", '-DTOKPROF_VERSION_STRING="0"',
         '-DTOKPROF_PREFIX="/"']
SHALLOW = ["-Xclang", "-analyzer-config", "-Xclang", "max-nodes=50000"]
_digests = {}


def run(command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def digest_of(path):
    if path not in _digests:
        _digests[path] = hashlib.sha256((ROOT / path).read_bytes()).hexdigest()
    return _digests[path]


def headers_of(path):
    """What the compiler reads for it. Headers of the system come with its version."""
    made = run(["gcc", "-M", *FLAGS, path])
    if made.returncode:
        raise SystemExit(f"{path}: {made.stderr}")
    names = made.stdout.replace("\\\n", " ").split(":", 1)[1].split()
    return sorted({os.path.normpath(name) for name in names if not name.startswith("/")})


class Tidy:
    name, config, tool = "tidy", ".clang-tidy", "clang-tidy"

    def __init__(self, deep):
        self.options = FLAGS if deep else SHALLOW + FLAGS
        self.name = "tidy-deep" if deep else "tidy"

    def inputs(self, path):
        return headers_of(path)

    def check(self, path):
        done = run(["clang-tidy", "--quiet", "--warnings-as-errors=*", path, "--", *self.options])
        # Its standard error has how many warnings of system headers it left out; where it failed also why.
        return done.returncode == 0, done.stdout + (done.stderr if done.returncode and not done.stdout else "")


class Format:
    name, config, tool, options = "format", ".clang-format", "clang-format", ()

    def inputs(self, path):
        return [path, "scripts/format.py"]

    def check(self, path):
        said = layout.difference(pathlib.Path(path))
        return not said, said


def key_of(kind, path, version):
    key = hashlib.sha256()
    for part in (version, digest_of(kind.config), *kind.options):
        key.update(part.encode() + b"\0")
    for name in kind.inputs(path):
        key.update(f"{name}\0{digest_of(name)}\0".encode())
    return key.hexdigest()


def check(kind, path, version):
    """@return whether it was run, is clean, and what was said"""
    stamp = STAMPS / kind.name / (path + ".stamp")
    key = key_of(kind, path, version)
    if stamp.exists() and stamp.read_text() == key:
        return False, True, ""
    clean, said = kind.check(path)
    if clean:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(key)
    return True, clean, said


def main():
    os.chdir(ROOT)
    options = {word for word in sys.argv[1:] if word.startswith("--")}
    kind = Format() if "--format" in options else Tidy("--deep" in options)
    # The longest first, so that no processor waits for the last one.
    paths = sorted((word for word in sys.argv[1:] if not word.startswith("--")),
                   key=lambda path: (-(ROOT / path).stat().st_size, path))
    version = run([kind.tool, "--version"]).stdout
    n_run = n_wrong = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for ran, clean, said in pool.map(lambda path: check(kind, path, version), paths):
            n_run += ran
            n_wrong += not clean
            sys.stdout.write(said)
    print(f"{kind.name}: {n_run} of {len(paths)} files checked, the others have not changed", file=sys.stderr)
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
