#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Events counted in a real server, by the kernel's own events, which need no counters of the processor and go the same way.

    counters.py [--all] [--only PART] [--version V]

Truth is what /proc says of the server's threads meanwhile. Ends with 'N passed, N failed'.
"""
import contextlib
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "engines")]

import client  # noqa: E402
import faults  # noqa: E402
import law  # noqa: E402
import meter  # noqa: E402
from faults import expect, expect_words  # noqa: E402

CLOCK = "perf::PERF_COUNT_SW_CPU_CLOCK"
FAULTS = "perf::PERF_COUNT_SW_PAGE_FAULTS"
SWITCHES = "perf::PERF_COUNT_SW_CONTEXT_SWITCHES"
CYCLES = "perf::PERF_COUNT_HW_CPU_CYCLES"
NEAR = 0.01          # of what /proc says
SLACK = {CLOCK: 10_000_000, FAULTS: 5, SWITCHES: 60}    # and what passes between two looks at /proc
STEP_NEAR = 0.02     # of the CPU time of all steps, by which their clocks may differ in all
HOG = "while True:\n    pass\n"
ALL = []


def counters(function):
    ALL.append(function)
    return function


def of_proc(pid):
    """CPU time, page faults and context switches of all threads, living ones and those that ended in between left out."""
    sums = {CLOCK: 0, FAULTS: 0, SWITCHES: 0}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            sums[CLOCK] += int((task / "schedstat").read_text().split()[0])
            for line in (task / "status").read_text().splitlines():
                if "ctxt_switches" in line:
                    sums[SWITCHES] += int(line.split()[1])
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    sums[FAULTS] = int(fields[7]) + int(fields[9])
    return sums


def work(s, n=2):
    for _ in range(n):
        client.completion(s.port, "A story that is long enough to be worth a prompt " * 12, n_predict=40,
                          cache_prompt=False)
    client.wait_idle(s.port)


def record_work(s, events, *, n=2):
    """A recording of some work, and what /proc says of the time from just after the attach to just before the end."""
    work(s, 1)
    with meter.record(s.server.pid, "--events", events) as recording:
        before = of_proc(s.server.pid)
        work(s, n)
        after = of_proc(s.server.pid)
    law.check(recording.report)
    expect("records lost", sum(recording.report["recording"]["losses"].values()), 0)
    return recording, {event: after[event] - before[event] for event in before}


def compare(report, truth, events=(CLOCK, FAULTS, SWITCHES)):
    for event in events:
        value = report["totals"]["counters"][event]
        if abs(value - truth[event]) > NEAR * truth[event] + SLACK[event]:
            raise AssertionError(f"{event}: {value} counted, /proc says {truth[event]}")


@counters
def what_is_counted_is_what_proc_says(s):
    recording, truth = record_work(s, f"{CLOCK},{FAULTS},{SWITCHES}", n=3)
    compare(recording.report, truth)
    for event in truth:
        if recording.report["evidence"][event]["grade"] not in ("measured", "derived"):
            raise AssertionError(f"{event}: {recording.report['evidence'][event]}")
        unexplained = recording.report["accounts"]["unexplained"]["counters"][event]
        if abs(unexplained) > NEAR * recording.report["totals"]["counters"][event] + SLACK[event]:
            raise AssertionError(f"{event}: {unexplained} unexplained")


@counters
def what_other_programs_count_is_not_the_servers(s):
    hogs = [subprocess.Popen([sys.executable, "-c", HOG]) for _ in range(2)]
    try:
        recording, truth = record_work(s, f"{{{CLOCK},{SWITCHES}}},{FAULTS}", n=1)
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    compare(recording.report, truth)


@counters
def every_step_counts_the_cpu_time_that_it_took(s):
    recording, _ = record_work(s, CLOCK)
    steps = meter.report(recording.path, "--by", "step")["steps"]
    clocks = [step["cost"]["counters"][CLOCK] for step in steps]
    times = [step["cost"]["cpu_ns"] for step in steps]
    expect("steps without a figure", clocks.count(None), 0)
    apart = sum(abs(a - b) for a, b in zip(clocks, times))
    if len(steps) < 40 or apart > STEP_NEAR * sum(times):
        raise AssertionError(f"{len(steps)} steps: {apart} ns apart of {sum(times)}")


@counters
def the_report_says_the_same_in_every_format(s):
    recording, _ = record_work(s, FAULTS, n=1)
    report = recording.report
    by_phase = [c for c in report["counters"] if c["event"] == FAULTS]
    in_requests = sum(r["cost"]["counters"][FAULTS] for r in report["requests"])
    expect("sum over phases", sum(c["value"] for c in by_phase), in_requests)
    status, out, _ = meter.run("report", recording.path, "--format", "csv")
    expect("exit status", status, 0)
    expect("column", FAULTS in out.splitlines()[0].split(","), True)
    status, out, _ = meter.run("report", recording.path, "--by", "phase")
    expect_words(out, "Counters", FAULTS)


@counters
def an_event_that_cannot_be_counted_leaves_the_others(s):
    recording, truth = record_work(s, f"{CYCLES},{CLOCK}", n=1)
    compare(recording.report, truth, (CLOCK,))
    evidence = recording.report["evidence"]["cycles"]
    if evidence["grade"] != "unavailable":
        return      # a host whose processor counts
    expect_words(" ".join(recording.words.split()), "counters partial")
    expect_words(evidence["reason"], "remedy")
    expect("cycles", recording.report["totals"]["cycles"], None)
    for request in recording.report["requests"]:
        expect("cycles of a request", request["cost"]["cycles"], None)


@counters
def the_default_says_once_why_nothing_is_counted_here(s):
    with meter.record(s.server.pid) as recording:
        work(s, 1)
    if recording.report["evidence"]["cycles"]["grade"] != "unavailable":
        return
    expect("times said", recording.words.count("shows no counters"), 1)
    expect_words(recording.words, "--events")


@counters
def a_recorder_that_is_killed_leaves_nothing_behind(s):
    before = faults.bpf_objects()
    for _ in range(3):
        recording = meter.record(s.server.pid, "--events", f"{CLOCK},{SWITCHES}")
        work(s, 1)
        recording.kill()
        law.check(recording.read())
    faults.wait_for_objects(before)


@counters
def a_name_that_is_none_is_refused_before_anything_is_attached(s):
    status, _, words = meter.run("record", "-p", s.server.pid, "--events", "perf::PERF_COUNT_SW_CPU_CLOK")
    expect("exit status", status, 2)
    expect_words(words, CLOCK, "tokprof list --events")


@counters
def few_descriptors_are_said_and_harm_nobody(s):
    with faults.load(s.port):
        command = ["sh", "-c", 'ulimit -Hn 40; exec "$0" "$@"', str(meter.TOKPROF), "overhead", "-p",
                   str(s.server.pid), "-d", "1", "--json", "--events",
                   ",".join(f"perf_raw::r{i:x}" for i in range(1, 11))]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if result.returncode not in (0, 4):
        raise AssertionError(f"exit status {result.returncode}: {result.stderr}")


@counters
def overhead_has_a_line_for_them(s):
    with faults.load(s.port):
        status, out, words = meter.run("overhead", "-p", s.server.pid, "-d", "4", "--json", "--events",
                                       f"{CLOCK},{FAULTS},{SWITCHES}", timeout=90)
    expect(f"exit status ({words})", status, 0)
    line = json.loads(out)["by_collector"]["counters"]
    if not line["hits"] or not line["bpf_ns"]:
        raise AssertionError(f"by_collector: {line}")


if __name__ == "__main__":
    sys.exit(faults.main(ALL))
