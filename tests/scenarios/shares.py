#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The laws of sharing, on a real server that was calibrated: what one request's share may depend on, and what not.

    shares.py [--all] [--only PART] [--version V]

How near the shares are to measured truth is another matter: tests/bench/attribution. Ends with 'N passed, N failed'.
"""
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "engines"), str(HERE.parent / "bench" / "attribution")]

import engine  # noqa: E402
import faults  # noqa: E402
import law  # noqa: E402
import meter  # noqa: E402
import mixes  # noqa: E402
import tokprof  # noqa: E402
import truth  # noqa: E402
from faults import expect  # noqa: E402

SECONDS = (40, 60, 80)   # of calibration, one after the other until one identifies the model
CTX = 4096
SLACK = 0.02     # of a cost: requests that are sent together begin one after the other
TURNS = 3
SPILL = 0.15     # of what is added to one request, what another's share may seem to move by: that is the machine
WAITED_LEAST = 0.1      # of the steps' time, threads waited for the CPU that another program takes half of
UNEXPLAINED_MOST = 0.2  # of the steps beyond the model, without evidence while it does
HOG = "b = bytearray(1 << 28)\nwhile True:\n    b[:] = bytes(len(b))\n"
ALL = []
SERVERS = {}     # version -> (Engine, ExitStack, why it has no fit): calibrated once, for all tests


def shares(function):
    ALL.append(function)
    return function


def calibrate(pid):
    """Until the model is identified: on a busy host the first sweep may have too few steps, or steps too different from each other. @return
    why it is not, or ''"""
    for seconds in SECONDS:
        with faults.before_others():
            status, out, words = meter.run("calibrate", "-p", pid, "--seconds", seconds, "--json", timeout=4 * seconds)
        if status == 2 and "are needed for a fit" in words:
            why = words.strip().splitlines()[-1]
            continue
        expect(f"exit status of calibrate ({words})", status, 0)
        fits = [f for f in json.loads(out)["fits"] if f["resource"] == "cpu_ns" and f["role"] == "target"]
        if fits and fits[0]["identified"]:
            return ""
        why = fits[0]["reason"] if fits else "no fit of CPU time"
    return why


def calibrated(version):
    """A server of ours with a fit, warm."""
    if version not in SERVERS:
        stack = contextlib.ExitStack()
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        os.environ["TOKPROF_FITS"] = f"{folder}/fits"
        os.mkdir(f"{folder}/slots")
        with faults.before_others():
            server = stack.enter_context(engine.start(version, "small-f16", slots=truth.SLOTS, ctx=CTX,
                                                      slot_save_path=f"{folder}/slots/"))
        SERVERS[version] = (server, stack, calibrate(server.pid))
    server, _, why = SERVERS[version]
    if why:
        raise faults.Skipped(f"{sum(SECONDS)} s of calibration did not identify the cost model on a host this busy: {why}")
    return server


class Shared:
    """What tokprof says of a set of requests that were served together, in their order."""

    def __init__(self, s, *requests):
        """@requests (prompt tokens, output tokens, cached)"""
        mix = mixes.Mix("law", tuple(mixes.Request(*r) for r in requests))
        bench = truth.Bench(calibrated(s.version), mix, 7)
        bench.warm_up()
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "run.tokprof"
            run = tokprof.record(bench, path)
            report = tokprof.Report(path, run)
            self.steps = meter.report(path, "--by", "step")["steps"]
        self.report, self.truth_ns = report.report, run["cost_ns"]
        law.check(self.report)
        expect("rule", report.rule, "shapley")
        expect("complete", [r["complete"] for r in report.requests], [True] * len(requests))
        self.cost, self.low, self.high = report.costs, report.bounds("low"), report.bounds("high")
        for i, cost in enumerate(self.cost):
            if not self.low[i] <= cost <= self.high[i]:
                raise AssertionError(f"request {i}: {cost} is not within {self.low[i]} to {self.high[i]}")

    def part(self, i):
        """(least, most) that request i may have of the whole, by its interval."""
        return self.low[i] / sum(self.cost), self.high[i] / sum(self.cost)

    def width(self, i):
        return self.high[i] - self.low[i]


def expect_overlap(name, one, other, slack=0.0):
    if one[0] - slack > other[1] or other[0] - slack > one[1]:
        raise AssertionError(f"{name}: {one} and {other} have nothing in common")


@shares
def equal_requests_have_equal_shares(s):
    found = Shared(s, *[(120, 60, True)] * 4)
    for i in range(4):
        for j in range(i):
            expect_overlap(f"requests {j} and {i}", (found.low[j], found.high[j]), (found.low[i], found.high[i]),
                           SLACK * found.cost[i])


@shares
def a_lone_request_gets_everything_but_the_accounts(s):
    found = Shared(s, (300, 60))
    total, accounts = found.report["totals"]["cpu_ns"], sum(a["cpu_ns"] for a in found.report["accounts"].values())
    expect("its cost", found.cost[0], total - accounts)
    expect("width", found.width(0), 0)
    if not 0.93 <= found.cost[0] / found.truth_ns <= 1.02:
        raise AssertionError(f"{found.cost[0]} ns of {found.truth_ns} ns that the kernel says the server took")


def expect_private(s, before, after):
    """Of two requests the second one is made longer; by turns, since two runs of the same differ by up to a tenth."""
    runs = [[Shared(s, *requests).cost for requests in (before, after)] for _ in range(TURNS)]
    other, own = ([statistics.median(turn[1][i] - turn[0][i] for turn in runs) for i in (0, 1)])
    if own <= 0 or abs(other) > SPILL * own:
        raise AssertionError(f"the one that was made longer has {own / 1e6:.0f} ms more, the other {other / 1e6:.0f} ms: {runs}")


@shares
def context_of_one_request_moves_only_its_own_share(s):
    """Two generate side by side; then one of them has 2,000 tokens more of context."""
    expect_private(s, ((100, 100, True), (100, 100, True)), ((100, 100, True), (2100, 100, True)))


@shares
def a_longer_prompt_of_one_request_moves_only_its_own_share(s):
    """512 tokens more to compute, while another generates."""
    expect_private(s, ((100, 100, True), (64, 40)), ((100, 100, True), (576, 40)))


@shares
def a_memory_hog_beside_the_server_moves_no_share_by_more_than_it_says(s):
    """All three are in the same steps: which steps the hog slows down makes no difference to whose they are."""
    requests = ((100, 80, True), (1500, 80, True), (600, 80, True))
    quiet = Shared(s, *requests)
    with subprocess.Popen([sys.executable, "-c", HOG]) as hog:
        try:
            loud = Shared(s, *requests)
        finally:
            hog.kill()
    for i in range(len(requests)):
        expect_overlap(f"part of request {i}", quiet.part(i), loud.part(i), 0.01)


@shares
def a_program_on_one_of_its_cpus_shows_in_the_run_queue_of_the_servers_threads(s):
    """Whichever thread it displaces, the step's own or a worker: steps beyond the model are then not without evidence."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as hog:
        os.sched_setaffinity(hog.pid, {max(os.sched_getaffinity(0))})
        try:
            loud = Shared(s, (100, 80, True), (600, 80, True))
        finally:
            hog.kill()
    waited, ran = (sum(f(step) for step in loud.steps) for f in (lambda x: x["server_runq_ns"],
                                                                lambda x: x["end_ns"] - x["start_ns"]))
    print(f"    waited for a CPU: {waited / ran:.0%} of the steps' time, by all threads; excess: "
          f"{loud.report['attribution']['excess']}")
    if waited < WAITED_LEAST * ran:
        raise AssertionError(f"threads waited {waited / 1e6:.0f} ms in steps of {ran / 1e6:.0f} ms")
    excess = loud.report["attribution"]["excess"]
    if excess["unexplained"] > max(1, UNEXPLAINED_MOST * excess["n_steps"]):
        raise AssertionError(f"steps beyond the model without evidence: {excess}")


if __name__ == "__main__":
    try:
        STATUS = faults.main(ALL)
    finally:
        for _, open_server, _ in SERVERS.values():
            open_server.close()
    sys.exit(STATUS)
