#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stacks sampled of a real server, and of programs whose stacks are known.

    stacks.py [--all] [--only PART] [--version V]

Truth is what /proc says of CPU time, what a program was told to do, and what a thread must have below it. Ends with 'N passed, N failed'.
"""
import math
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "engines")]

import client  # noqa: E402
import faults  # noqa: E402
import meter  # noqa: E402
from counters import CLOCK, of_proc  # noqa: E402
from faults import expect  # noqa: E402

CPU, WAIT = 0, 1
COMPLETE, TRUNCATED, NO_TABLE = 0, 1, 2
USER = 0
LIBRARY = """
__attribute__((noinline)) int in_library(int n, int (*f)(void)) {
    volatile char room[56]; room[n % 56] = 1;
    return n > 1 ? in_library(n - 1, f) + room[n % 56] : f() + room[0];
}
"""
FLAGS = ["-O1", "-fomit-frame-pointer", "-fno-optimize-sibling-calls", "-fno-inline", "-w"]
ALL = []


def stacks(function):
    ALL.append(function)
    return function


class Samples:
    """What a recording has of stacks."""

    def __init__(self, path):
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        db.row_factory = sqlite3.Row
        self.samples = db.execute("SELECT * FROM stack_sample ORDER BY time_ns").fetchall()
        self.frames = {f["id"]: f for f in db.execute("SELECT * FROM frame")}
        self.modules = {m["id"]: m for m in db.execute("SELECT * FROM module")}
        self.nodes = {s["id"]: (s["parent"], s["frame"]) for s in db.execute("SELECT * FROM stack")}
        self.collector = db.execute("SELECT state, reason FROM collector WHERE name = 'stacks'").fetchone()
        self.losses = db.execute("SELECT kind, sum(n) FROM loss WHERE collector = 'stacks' GROUP BY kind").fetchall()
        self.threads = db.execute("SELECT * FROM thread").fetchall()
        self.requests = db.execute("SELECT arrival_ns, end_ns FROM request").fetchall()
        self.steps = db.execute("SELECT start_ns, start_ns + duration_ns FROM step").fetchall()
        db.close()

    def of(self, kind):
        return [s for s in self.samples if s["kind"] == kind]

    def stack(self, sample):
        """Innermost first."""
        at, frames = sample["stack"], []
        while at is not None:
            at, frame = self.nodes[at]
            frames.append(self.frames[frame])
        return frames

    def user(self, sample):
        return [f for f in self.stack(sample) if f["kind"] == USER]

    def path(self, frame):
        return self.modules[frame["module"]]["path"] if frame["module"] is not None else ""


def work(s, n=3):
    for i in range(n):
        client.completion(s.port, f"Story number {i} that is long enough to be worth a prompt " * 10, n_predict=50,
                          cache_prompt=False)
    client.wait_idle(s.port)


def record_work(s, *options, n=3):
    work(s, 1)
    with meter.record(s.server.pid, *options) as recording:
        before = of_proc(s.server.pid)[CLOCK]
        work(s, n)
        cpu_ns = of_proc(s.server.pid)[CLOCK] - before
    return Samples(recording.path), cpu_ns


def close_enough(samples, cpu_ns):
    """The number of samples of a clock is right within what counting allows: of n, 4 standard deviations."""
    period = samples[0]["weight_ns"]
    found, due = len(samples), cpu_ns / period
    print(f"    {found} samples of {period / 1e6:.2f} ms, {due:.1f} due by /proc")
    if abs(found - due) > 4 * math.sqrt(due) + 4:
        raise AssertionError(f"{found} samples, {due:.1f} due")


@stacks
def samples_weigh_the_cpu_time_that_proc_says(s):
    found, cpu_ns = record_work(s)
    close_enough(found.of(CPU), cpu_ns)
    expect("losses", found.losses, [])
    expect("collector", found.collector["state"], "attached")


@stacks
def a_higher_rate_has_more_of_smaller_samples(s):
    found, cpu_ns = record_work(s, "--sample-rate", "499", n=1)
    expect("weights", {x["weight_ns"] for x in found.of(CPU)}, {10**9 // 499})
    close_enough(found.of(CPU), cpu_ns)


@stacks
def stacks_reach_the_start_of_their_thread(s):
    found, _ = record_work(s, "--sample-rate", "199")
    start = found.samples[0]["time_ns"] + 500_000_000       # tables are there
    samples = [x for x in found.of(CPU) if x["time_ns"] > start]
    complete = [x for x in samples if x["user_end"] == COMPLETE]
    print(f"    {len(complete)} of {len(samples)} complete; depths {sorted(len(found.stack(x)) for x in samples)[::len(samples) // 8]}")
    if len(complete) < 0.98 * len(samples):
        raise AssertionError(f"{len(complete)} of {len(samples)} stacks are complete")
    for x in complete:      # all threads but the first were made by clone() of the C library, which the first was started by, too
        outermost = found.user(x)[-1]
        if "libc" not in found.path(outermost) and "python" not in found.path(outermost):
            raise AssertionError(f"outermost frame in {found.path(outermost)} at {outermost['address']:#x}")


@stacks
def no_sample_is_outside_of_requests_and_steps(s):
    work(s, 1)
    with meter.record(s.server.pid) as recording:
        work(s, 1)
        time.sleep(1)
        work(s, 1)
    found = Samples(recording.path)
    slack = 2_000_000
    spans = [(a - slack, b + slack) for a, b in [*found.requests, *found.steps] if b is not None]
    for x in found.of(CPU):
        if not any(a <= x["time_ns"] <= b for a, b in spans):
            raise AssertionError(f"sample at {x['time_ns']}, spans {spans[:3]}")


@stacks
def an_idle_server_has_no_samples(s):
    client.wait_idle(s.port)
    with meter.record(s.server.pid) as recording:
        time.sleep(1.5)
    expect("samples", len(Samples(recording.path).samples), 0)


@stacks
def rate_0_takes_none_and_says_so(s):
    found, _ = record_work(s, "--sample-rate", "0", n=1)
    expect("samples", len(found.samples), 0)
    expect("collector", tuple(found.collector), ("absent", "not asked for"))


@stacks
def waits_have_reasons_and_weigh_no_more_than_threads_waited(s):
    found, _ = record_work(s, n=6)
    waits = found.of(WAIT)
    weight = sum(x["weight_ns"] for x in waits)
    waited = sum(t[c] or 0 for t in found.threads for c in t.keys() if c.startswith("blocked_") or c == "runq_ns")
    print(f"    {len(waits)} waits weigh {weight / 1e9:.2f} s of {waited / 1e9:.2f} s")
    if not waits or weight > 1.5 * waited:
        raise AssertionError(f"{len(waits)} waits weigh {weight} ns of {waited} ns")
    if any(x["length_ns"] < 1_000_000 or x["reason"] is None for x in waits):
        raise AssertionError("a wait without a reason, or shorter than it may be")
    own = {t["tid"] for t in found.threads}
    if not any(x["waker_tid"] in own for x in waits):
        raise AssertionError("no wait was ended by a thread of the server")


@stacks
def a_wait_weighs_what_of_it_a_request_was_open(s):
    work(s, 1)
    with meter.record(s.server.pid) as recording:
        for _ in range(3):      # shorter than the distance of the recorder's looks at everything else
            time.sleep(1.2)
            work(s, 1)
    found = Samples(recording.path)
    own, checked = {t["tid"] for t in found.threads}, 0
    for x in found.of(WAIT):
        if x["waker_tid"] not in own or x["length_ns"] < 1 << 29:
            continue    # its end decided that it is taken, with certainty: no chance is in the weight
        start = x["time_ns"] - x["length_ns"]
        spans = sorted((max(a, start), min(b, x["time_ns"])) for a, b in found.requests)
        due, at = 0, start
        for a, b in spans:
            due += max(0, b - max(a, at))
            at = max(at, b)
        if abs(x["weight_ns"] - due) > 5_000_000:
            raise AssertionError(f"a wait of {x['length_ns']} ns until {x['time_ns']} weighs {x['weight_ns']}, {due} due")
        checked += 1
    print(f"    {checked} waits")
    if checked < 3 or not any(x["length_ns"] > 1_000_000_000 for x in found.of(WAIT)):
        raise AssertionError(f"{checked} waits")


@stacks
def without_waits_there_are_none(s):
    found, _ = record_work(s, "--sample-waits", "0", n=1)
    expect("waits", len(found.of(WAIT)), 0)
    if not found.of(CPU):
        raise AssertionError("no samples on a CPU")


def build(folder, name, source, *options):
    path = f"{folder}/{name}"
    subprocess.run(["gcc", *FLAGS, *options, "-o", path, "-x", "c", "-"], input=source, text=True, check=True)
    return path


def record_program(*command):
    with tempfile.TemporaryDirectory(prefix="tokprof-test-") as folder:
        path = f"{folder}/run.tokprof"
        status, _, words = meter.run("record", "-o", path, "--sample-idle", "--sample-rate", "199", "--", *command)
        expect(f"exit status ({words})", status, 0)
        return Samples(path)


def depths(found, name):
    """Of complete stacks: how often frames of this module are in them."""
    return [sum(pathlib.Path(found.path(f)).name == name for f in found.user(x)) for x in found.of(CPU)
            if x["user_end"] == COMPLETE]


@stacks
def a_program_400_calls_deep_has_400_frames(_):
    with tempfile.TemporaryDirectory(prefix="tokprof-test-") as folder:
        deep = build(folder, "deep", (HERE / "deep.c").read_text(), "-ldl")
        found = record_program(deep, 400, 1500)
    counts = [n for n in depths(found, "deep") if n >= 400]
    print(f"    {len(counts)} of {len(found.of(CPU))} samples")
    if len(counts) < 0.7 * len(found.of(CPU)):      # the first are without tables
        raise AssertionError(f"{len(counts)} of {len(found.of(CPU))}")
    expect("frames: spin, deep 400 times, main, _start", {n for n in counts} - {403, 404}, set())


@stacks
def a_stack_deeper_than_512_says_that_it_is_cut_off(_):
    with tempfile.TemporaryDirectory(prefix="tokprof-test-") as folder:
        found = record_program(build(folder, "deep", (HERE / "deep.c").read_text(), "-ldl"), 600, 1200)
    cut = [x for x in found.of(CPU) if x["user_end"] == TRUNCATED]
    if len(cut) < 0.5 * len(found.of(CPU)) or any(len(found.user(x)) != 512 for x in cut):
        raise AssertionError(f"{len(cut)} of {len(found.of(CPU))}")


@stacks
def a_library_that_is_mapped_later_is_unwound_soon(_):
    with tempfile.TemporaryDirectory(prefix="tokprof-test-") as folder:
        deep = build(folder, "deep", (HERE / "deep.c").read_text(), "-ldl")
        library = build(folder, "later.so", LIBRARY, "-shared", "-fPIC")
        found = record_program(deep, 50, 1200, library)
    counts = [n for n in depths(found, "later.so") if n]
    if len(counts) < 100 or set(counts) != {50}:
        raise AssertionError(f"{len(counts)} stacks with {set(counts)} frames in the library")


if __name__ == "__main__":
    sys.exit(faults.main(ALL))
