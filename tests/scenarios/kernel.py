#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""System calls and interrupts of a real server, by name, against what bpftrace counts and times on the same tracepoints.

    kernel.py [--all] [--only PART] [--version V]

Ends with 'N passed, N failed'.
"""
import contextlib
import json
import pathlib
import re
import sqlite3
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "engines")]

import client  # noqa: E402
import engine  # noqa: E402
import faults  # noqa: E402
import law  # noqa: E402
import meter  # noqa: E402
from faults import expect, expect_words  # noqa: E402

NUMBERS = {"read": 0, "write": 1, "close": 3, "poll": 7, "mmap": 9, "mprotect": 10, "munmap": 11, "sendto": 44,
           "recvfrom": 45, "shutdown": 48, "setsockopt": 54, "futex": 202, "openat": 257, "accept4": 288}     # x86-64
SOFTIRQS = {"TIMER": 1, "NET_TX": 2, "NET_RX": 3, "BLOCK": 4, "TASKLET": 6, "SCHED": 7, "RCU": 9}
NEAR = 0.01         # of counts where all calls were timed, for what passes while the two are attached
SLACK = 6
TIMES_NEAR = 0.5    # of times, since each of the two meters runs inside the other's
TIMES_SLACK_NS = 3000       # a call
BURSTS_NEAR = 0.3   # of counts that were made up from bursts
ALL = []

TRUTH = """
tracepoint:raw_syscalls:sys_enter /pid == PID/ { @since[tid] = nsecs; }
tracepoint:raw_syscalls:sys_exit /pid == PID/ {
  @n[args->id] = count();
  if (@since[tid]) { @ns[args->id] = sum(nsecs - @since[tid]); @since[tid] = 0; } }
tracepoint:sched:sched_switch {
  if (@since[args->prev_pid]) { @off[args->prev_pid] = nsecs; }
  if (@since[args->next_pid] && @off[args->next_pid]) {
    @since[args->next_pid] = @since[args->next_pid] + nsecs - @off[args->next_pid]; @off[args->next_pid] = 0; } }
tracepoint:irq:softirq_exit /pid == PID/ { @soft[args->vec] = count(); }
END { clear(@since); clear(@off); }
"""


def kernel(function):
    ALL.append(function)
    return function


class Truth:
    """Calls of a process by number, their time on a CPU, and the soft interrupts that came to it."""

    def __init__(self, pid):
        self.process = subprocess.Popen(["bpftrace", "-B", "line", "-e", 'BEGIN { printf("begun\\n"); }'
                                         + TRUTH.replace("PID", str(pid))],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        while "begun" not in (line := self.process.stdout.readline()):
            if not line:
                raise AssertionError("bpftrace does not attach")
        self.n, self.ns, self.soft = {}, {}, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(2)
        out, _ = self.process.communicate(timeout=30)
        for name, number, value in re.findall(r"@(\w+)\[(\d+)\]: (\d+)", out):
            getattr(self, name)[int(number)] = int(value)


def work(port, n):
    for _ in range(n):
        client.completion(port, "A story that is long enough to be worth a prompt " * 6, n_predict=40, cache_prompt=False)
    client.wait_idle(port)


def record_work(server, n):
    """A recording of some work with the truth of the same time, the server idle at both ends."""
    work(server.port, 2)
    with Truth(server.pid) as truth, meter.record(server.pid) as recording:
        work(server.port, n)
    law.check(recording.report)
    expect("records lost", sum(recording.report["recording"]["losses"].values()), 0)
    return recording, truth


def by_name(report, figure="count"):
    """Of all paths of a name together."""
    sums = {}
    for kind in report["kernel"]["kinds"]:
        sums[kind["name"]] = sums.get(kind["name"], 0) + (kind[figure] or 0)
    return sums


def compare_counts(report, truth, near, slack):
    counted, wrong = by_name(report), []
    for name, number in NUMBERS.items():
        value, true = counted.get(name, 0), truth.n.get(number, 0)
        if abs(value - true) > near * true + slack:
            wrong.append(f"{name} {value}, bpftrace counts {true}")
    if wrong:
        raise AssertionError("; ".join(wrong))


@contextlib.contextmanager
def one_thread(s):
    """A server whose threads seldom meet: all of its calls are timed."""
    with engine.start(s.version, "small-f16", threads=1) as server:
        yield server


@kernel
def every_call_of_a_server_with_few_is_counted_and_timed(s):
    with one_thread(s) as server:
        recording, truth = record_work(server, 12)
    report = recording.report
    if not report["kernel"]["exact"]:
        raise faults.Skipped("this server made more calls than are timed throughout")
    expect("grade", report["evidence"]["kernel"]["grade"], "measured")
    compare_counts(report, truth, NEAR, SLACK)
    times = by_name(report, "ns")
    for name in ("futex", "sendto", "recvfrom", "poll"):
        n, true = truth.n[NUMBERS[name]], truth.ns[NUMBERS[name]]
        if abs(times[name] - true) > TIMES_NEAR * true + TIMES_SLACK_NS * n:
            raise AssertionError(f"{name}: {times[name]} ns, bpftrace {true} ns in {n} calls")


@kernel
def soft_interrupts_are_those_that_came_to_the_servers_threads(s):
    with one_thread(s) as server:
        recording, truth = record_work(server, 12)
    if not recording.report["kernel"]["exact"]:
        raise faults.Skipped("this server made more calls than are timed throughout")
    counted, wrong = by_name(recording.report), []
    for name, vector in SOFTIRQS.items():
        value, true = counted.get(f"softirq {name}", 0), truth.soft.get(vector, 0)
        if abs(value - true) > 0.03 * true + SLACK:
            wrong.append(f"{name} {value}, bpftrace counts {true}")
    if wrong:
        raise AssertionError("; ".join(wrong))


@kernel
def bytes_of_sockets_are_received_and_sent(s):
    with one_thread(s) as server:
        recording, _ = record_work(server, 6)
    paths = {}
    for kind in recording.report["kernel"]["kinds"]:
        paths.setdefault(kind["path"], set()).add(kind["name"])
    if not {"recvfrom", "accept4"} <= paths["receive"] or "sendto" not in paths["send"]:
        raise AssertionError(f"paths: {paths}")
    ours = meter.token_requests(recording.report)
    expect("requests", len(ours) >= 6, True)


@kernel
def of_a_server_with_many_calls_bursts_tell_how_many(s):
    recording, truth = record_work(s.server, 40)
    report = recording.report
    if report["kernel"]["exact"]:
        raise faults.Skipped("this server made so few calls that all were timed")
    expect("grade", report["evidence"]["kernel"]["grade"], "derived")
    futex, true = by_name(report)["futex"], truth.n[NUMBERS["futex"]]
    if report["kernel"]["n_bursts"] < 4 or abs(futex - true) > BURSTS_NEAR * true:
        raise AssertionError(f"futex {futex} from {report['kernel']['n_bursts']} bursts, bpftrace counts {true}")
    timed = {kind["name"]: kind["timed_count"] for kind in report["kernel"]["kinds"]}
    if not timed["futex"] < 0.6 * true:
        raise AssertionError(f"{timed['futex']} of {true} were timed: these are no bursts")


@kernel
def a_token_of_every_request_has_its_part(s):
    recording, _ = record_work(s.server, 10)
    shares = []
    for request in meter.token_requests(recording.report):
        kinds = {kind["name"]: kind for kind in request["cost"]["kernel"]}
        if request["computed"]["completion_tokens"] == 40 and request["path"] == "/completion":
            shares.append(kinds["futex"]["count"])
    if len(shares) < 8 or max(shares) > 6 * min(shares):
        raise AssertionError(f"futex calls by request, which were all alike: {shares}")


@kernel
def waits_for_other_threads_are_a_part_of_the_blocked_time(s):
    recording, _ = record_work(s.server, 3)
    steps = meter.report(recording.path, "--by", "step")["steps"]
    if not any(step["futex_ns"] for step in steps):
        raise AssertionError("no step of two threads waited at a barrier")
    for step in steps:
        if step["futex_ns"] > step["blocked_ns"]:
            raise AssertionError(f"step {step['step']}: {step['futex_ns']} of {step['blocked_ns']} ns")
    ours = [r["cost"] for r in meter.token_requests(recording.report)]
    expect("sum over requests", sum(cost["futex_ns"] for cost in ours), sum(step["futex_ns"] for step in steps))


@kernel
def every_format_says_the_same(s):
    recording, _ = record_work(s.server, 3)
    status, out, _ = meter.run("report", recording.path)
    expect("exit status", status, 0)
    expect_words(out, "Kernel time", "futex", "timer interrupt")
    status, out, _ = meter.run("report", recording.path, "--format", "csv")
    header, first, *_ = out.splitlines()
    row = dict(zip(header.split(","), first.split(",")))
    request = recording.report["requests"][0]
    expect("futex time in CSV", int(row["kernel_futex_ns"]),
           sum(kind["ns"] for kind in request["cost"]["kernel"] if kind["path"] == "futex"))


@kernel
def a_recorder_that_is_killed_leaves_what_was_timed(s):
    before = faults.bpf_objects()
    recording = meter.record(s.server.pid)
    work(s.server.port, 12)
    recording.kill()
    law.check(recording.read())
    expect("kinds", len(recording.report["kernel"]["kinds"]) > 3, True)
    with contextlib.closing(sqlite3.connect(f"file:{recording.path}?mode=ro", uri=True)) as db:
        bursts = db.execute("SELECT count(*), sum(duration_ns) FROM kernel_burst").fetchone()
    expect("times in which calls were timed", bursts[0] > 0 and bursts[1] > 0, True)
    faults.wait_for_objects(before)


@kernel
def doctor_names_each_tracepoint(_):
    status, out, _ = meter.run("doctor", "--json")
    expect("exit status", status, 0)
    sensors = {sensor["id"]: sensor for sensor in json.loads(out)["sensors"]}
    for name in ("sched", "syscalls", "interrupts", "page_faults", "sockets"):
        expect(name, sensors[name]["grade"], "measured")


if __name__ == "__main__":
    sys.exit(faults.main(ALL))
