#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names of what was sampled of a real server, against what nm, c++filt and the kernel say.

    names.py [--all] [--only PART] [--version V]

Ends with 'N passed, N failed', after the share of places that have a name.
"""
import bisect
import collections
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "engines")]

import client  # noqa: E402
import faults  # noqa: E402
import meter  # noqa: E402
from faults import expect  # noqa: E402

RATE = "499"            # per second and CPU: many places in a short recording
LEAST_NAMED = 0.8       # of samples' frames: what record is content with; the wheels have a symbol table, libgomp and others are stripped
# The file's own bytes, which binutils reads too; of other sources nm knows nothing.
OWN = {"symtab", "dynsym"}
PROGRAM = """
#include <unistd.h>
__attribute__((noinline, noclone)) static long turn(long n) { long x = 0; for (long i = 0; i < n; i++) x += i ^ n; return x; }
int main(void) { volatile long x = 0; alarm(8); for (long i = 0;; i++) x += turn(400000 + i % 7); }
"""
ALL = []


def names(function):
    ALL.append(function)
    return function


class Named:
    """Places of a recording, their names, and how often they were in a stack."""

    def __init__(self, path):
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        db.row_factory = sqlite3.Row
        self.frames = {f["id"]: f for f in db.execute("SELECT * FROM frame")}
        self.modules = {m["id"]: m for m in db.execute("SELECT * FROM module")}
        self.symbols = collections.defaultdict(list)
        for s in db.execute("SELECT * FROM symbol ORDER BY frame, depth"):
            self.symbols[s["frame"]].append(s)
        self.meta = dict(db.execute("SELECT key, value FROM recording").fetchall())
        parents = {s["id"]: (s["parent"], s["frame"]) for s in db.execute("SELECT * FROM stack")}
        self.seen = collections.Counter()
        for stack, n in db.execute("SELECT stack, count(*) FROM stack_sample WHERE stack IS NOT NULL GROUP BY stack"):
            while stack is not None:
                stack, frame = parents[stack]
                self.seen[frame] += n
        db.close()

    def path(self, frame):
        module = self.modules.get(frame["module"])
        return module["path"] if module else None

    def share(self):
        return sum(n for f, n in self.seen.items() if self.symbols[f]) / sum(self.seen.values())


def record(s):
    with meter.record(s.server.pid, "--sample-idle", "--sample-rate", RATE) as recording:
        for i in range(3):
            client.completion(s.port, f"Story number {i} that is long enough to be worth a prompt " * 10, n_predict=40,
                              cache_prompt=False)
        client.wait_idle(s.port)
    return Named(recording.path)


def functions(path):
    """(start, end, name) of everything that has a size, by nm; a name as c++filt reads it."""
    found = []
    for option in ([], ["-D"]):
        words = subprocess.run(["nm", "-S", "--defined-only", "--without-symbol-versions", *option, path],
                               capture_output=True, text=True, check=False).stdout
        for line in words.splitlines():
            fields = line.split(None, 3)
            if len(fields) == 4 and fields[2] in "tTwWiV":
                start = int(fields[0], 16)
                found.append((start, start + int(fields[1], 16), fields[3]))
    filtered = subprocess.run(["c++filt", "-i"], input="\n".join(f[2] for f in found), capture_output=True, text=True,
                              check=True).stdout.splitlines()
    return [(start, end, name) for (start, end, _), name in zip(found, filtered)]


def kernel_symbols():
    text = base = None
    symbols = []
    for line in pathlib.Path("/proc/kallsyms").read_text().splitlines():
        address, kind, name = line.split()[:3]
        if "[" not in line and kind in "tTwW":
            symbols.append((int(address, 16), name))
            base = int(address, 16) if name == "_text" else base
    text = sorted((a - base, n) for a, n in symbols)
    return [a for a, _ in text], [n for _, n in text]


@names
def names_are_those_that_nm_and_kallsyms_tell_and_most_places_have_one(s):
    found = record(s)
    tables, checked = {}, collections.Counter()
    addresses, kernel = kernel_symbols()
    for frame in found.frames.values():
        for symbol in found.symbols[frame["id"]][:1]:
            at, path = frame["address"], found.path(frame)
            if symbol["source"] in OWN and path != "[vdso]":
                if path not in tables:
                    tables[path] = functions(path)
                told = {n for start, end, n in tables[path] if start <= at < end and at - start == symbol["offset_bytes"]}
            elif frame["module"] is not None and found.modules[frame["module"]]["kind"] == "kernel":
                start = addresses[bisect.bisect_right(addresses, at) - 1]
                told = set(kernel[bisect.bisect_left(addresses, start):bisect.bisect_right(addresses, start)])
                expect("offset", symbol["offset_bytes"], at - start)
            else:
                continue
            if symbol["name"] not in told:
                raise AssertionError(f"{path} {at:#x} is called {symbol['name']}, by the tables {told}")
            checked[symbol["source"]] += 1
    named = sum(1 for f in found.frames if found.symbols[f])
    expect("symbol_frames", int(found.meta["symbol_frames"]), len(found.frames))
    expect("symbol_named", int(found.meta["symbol_named"]), named)
    print(f"    {named} of {len(found.frames)} places have a name, {100 * found.share():.1f} % of the frames in stacks; not those "
          f"{found.meta['symbol_missing']}; checked: {dict(checked)}")
    if checked["symtab"] < 20 or checked["kallsyms"] < 5 or found.share() < LEAST_NAMED:
        raise AssertionError(f"{checked}, {found.share()}")


@names
def a_program_whose_file_is_gone_has_names(_):
    with tempfile.TemporaryDirectory(prefix="tokprof-test-") as folder:
        program, path = f"{folder}/program", f"{folder}/run.tokprof"
        subprocess.run(["gcc", "-O1", "-o", program, "-x", "c", "-"], input=PROGRAM, text=True, check=True)
        kept = shutil.copy(program, f"{folder}/kept")
        launcher = f"{folder}/launch"
        # The file goes away as soon as the program runs, which goes on for longer than the recording.
        pathlib.Path(launcher).write_text(f"#!/bin/sh\n{program} &\nsleep 0.3\nrm {program}\nwait\n")
        pathlib.Path(launcher).chmod(0o755)
        status, _, words = meter.run("record", "-o", path, "-d", "2", "--sample-idle", "--sample-rate", "199", "--", launcher)
        expect(f"exit status ({words})", status, 0)
        found = Named(path)
        truth = {n for start, end, n in functions(kept) if n == "turn"}
    expect("truth", truth, {"turn"})
    turned = sum(found.seen[f] for f in found.frames if any(x["name"] == "turn" for x in found.symbols[f]))
    print(f"    turn() is in {turned} samples")
    if turned < 10:
        raise AssertionError(f"turn() is in {turned} samples only")


@names
def no_symbols_leaves_addresses(s):
    with meter.record(s.server.pid, "--sample-idle", "--no-symbols") as recording:
        client.completion(s.port, "hello", n_predict=20)
    found = Named(recording.path)
    expect("names", sum(map(len, found.symbols.values())), 0)
    if not found.frames:
        raise AssertionError("nothing was sampled")


if __name__ == "__main__":
    sys.exit(faults.main(ALL))
