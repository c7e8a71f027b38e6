#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Evidence of what disturbs a step, on a real server: each kind is brought about on purpose and has to be in the steps that it fell
on, and in no others.

    disturbances.py [--all] [--only PART] [--version V]

Ends with 'N passed, N failed'.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "engines")]

import client  # noqa: E402
import engine  # noqa: E402
import faults  # noqa: E402
import law  # noqa: E402
import made_up  # noqa: E402
import meter  # noqa: E402
import venvs  # noqa: E402
from faults import expect, expect_words  # noqa: E402

FAST, SLOW = 3000000, 1500000
ROUND = 25000           # kHz: what a frequency is rounded to
LONG_NS = 1000000       # steps shorter than this are not judged by a meter of microseconds
TAKEN_S, EVERY_S = 0.2, 0.8     # of a CPU, by a program of real-time priority: what the scheduler allows it at most is 95 %
TURNS = 2
CALIBRATE_S = 15
MADV_PAGEOUT = 21
PIDFD_OPEN, PROCESS_MADVISE = 434, 440
ALL = []


def disturbance(function):
    ALL.append(function)
    return function


@contextlib.contextmanager
def generating(port, n_tokens=400):
    """A stream beside the test."""
    asked = threading.Thread(target=client.completion, args=(port, "On and on"),
                             kwargs={"n_predict": n_tokens, "stream": True, "cache_prompt": False, "ignore_eos": True})
    asked.start()
    try:
        client.wait_busy(port)
        yield
    finally:
        asked.join()


@contextlib.contextmanager
def recorded_with(frequencies, folder, pid):
    os.environ["TOKPROF_CPUFREQ_ROOT"] = str(folder)
    try:
        with meter.record(pid) as recording:
            frequencies.attach(recording.process.pid)
            yield recording
            frequencies.program.close()
            recording.stop()
            recording.steps = recording.read("--by", "step")["steps"]
    finally:
        del os.environ["TOKPROF_CPUFREQ_ROOT"]


def wait_steps(port, n):
    """Until the server has generated n tokens more."""
    before = decoded(port)
    while decoded(port) < before + n:
        pass


def decoded(port):
    return max(slot.get("next_token", [{}])[0].get("n_decoded", 0) if isinstance(slot.get("next_token"), list)
               else slot.get("next_token", {}).get("n_decoded", 0) for slot in client.slots(port))


def expect_khz(step, khz):
    if step["end_ns"] - step["start_ns"] >= LONG_NS and abs(step["mean_khz"] - khz) > 0.01 * khz + ROUND / 2:
        raise AssertionError(f"a step at {khz} kHz has {step['mean_khz']}: {step}")


@contextlib.contextmanager
def environment(**more):
    """For every child of ours."""
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        for name in more:
            os.environ.pop(name)
            if name in before:
                os.environ[name] = before[name]


@contextlib.contextmanager
def spinning_server(version):
    """With two threads that wait for each other on the CPU, and that come before other people's. Those that sleep are on no CPU while one of
    them is kept from it, and let nobody pay for the wait."""
    with faults.before_others(), environment(GOMP_SPINCOUNT="infinite"), \
            engine.start(version, "small-f16", threads=2, ctx=4096) as server:
        client.completion(server.port, "Warm", n_predict=40)
        yield server


@disturbance
def steps_have_the_frequency_that_the_kernel_told_of(s):
    """The program that the tracepoint runs is told of changes that no hardware makes; threads, CPUs and times are real."""
    with tempfile.TemporaryDirectory() as folder, spinning_server(s.version) as server:
        frequencies = made_up.Frequencies(folder, FAST)
        with recorded_with(frequencies, folder, server.pid) as recording, generating(server.port, 600):
            wait_steps(server.port, 20)
            frequencies.set(SLOW)
            wait_steps(server.port, 60)
            for _ in range(20):
                frequencies.set(FAST)
                time.sleep(0.007)
                frequencies.set(SLOW)
                time.sleep(0.011)
            wait_steps(server.port, 60)
            frequencies.set(FAST)
            wait_steps(server.port, 20)
    slow, fast = [0], [0]
    first, last = frequencies.changes[0][0], frequencies.changes[-1][1]
    n = len(frequencies.cpus)
    down, up = frequencies.changes[n - 1][1], frequencies.changes[-n][0]
    busy = (frequencies.changes[n][0], frequencies.changes[-n - 1][1])
    for step in recording.steps:
        alone = step["end_ns"] < first or step["start_ns"] > last
        whole = (down < step["start_ns"] and step["end_ns"] < busy[0]) or (busy[1] < step["start_ns"] and step["end_ns"] < up)
        if alone or whole:
            expect("changes in a step in which there were none", step["clock_changes"], 0)
            expect_khz(step, FAST if alone else SLOW)
            (fast if alone else slow)[0] += 1
        elif step["end_ns"] - step["start_ns"] >= LONG_NS and not SLOW - ROUND <= step["mean_khz"] <= FAST + ROUND:
            raise AssertionError(f"neither frequency: {step}")
    changes = sum(step["clock_changes"] for step in recording.steps)
    print(f"    {slow[0]} steps at {SLOW} kHz, {fast[0]} at {FAST}; {changes} of {len(frequencies.changes)} changes under a "
          "thread of the server")
    if min(slow[0], fast[0]) < 20 or changes > len(frequencies.changes):
        raise AssertionError("too few steps, or changes that nobody made")
    expect("excess by frequency is a count", isinstance(recording.report["attribution"]["excess"]["frequency"], int), True)
    law.check(recording.report)
    if not changes:
        raise faults.Skipped("no thread of the server was on a CPU at any of the changes, on a host this busy: they could not be counted")


@disturbance
def a_frequency_that_nobody_has_told_yet_is_not_known(s):
    """Governors that follow the load: the first change of every CPU has to be waited for."""
    with tempfile.TemporaryDirectory() as folder:
        frequencies = made_up.Frequencies(folder, FAST, governor="schedutil")
        with recorded_with(frequencies, folder, s.server.pid) as recording, generating(s.port, 200):
            wait_steps(s.port, 20)
            frequencies.set(SLOW)
            wait_steps(s.port, 60)
    first, last = frequencies.changes[0][0], frequencies.changes[-1][1]
    before = [step for step in recording.steps if step["end_ns"] < first]
    after = [step for step in recording.steps if step["start_ns"] > last]
    expect("frequencies before", {step["mean_khz"] for step in before}, {None})
    expect("changes", sum(step["clock_changes"] for step in recording.steps), 0)
    for step in after:
        expect_khz(step, SLOW)
    if len(before) < 10 or len(after) < 10:
        raise AssertionError(f"{len(before)} and {len(after)} steps")


@disturbance
def a_host_that_tells_no_frequency_has_none(s):
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TOKPROF_CPUFREQ_ROOT"] = folder
        try:
            with meter.record(s.server.pid) as recording:
                client.completion(s.port, "Without", n_predict=8)
        finally:
            del os.environ["TOKPROF_CPUFREQ_ROOT"]
        report = meter.report(recording.path, "--by", "step")
        expect("frequencies", {(step["mean_khz"], step["clock_changes"]) for step in report["steps"]}, {(None, None)})
        expect("excess by frequency", report["attribution"]["excess"]["frequency"], None)
        expect_words(meter.run("report", recording.path)[1], "Collector frequency was absent: ", "no cpufreq driver")


class Range(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def page_out(pid, path):
    """Ask the kernel to drop what a process has mapped of a file: it has to read it again."""
    libc = made_up.libc
    pidfd = libc.syscall(PIDFD_OPEN, pid, 0)
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        if line.endswith(str(path)):
            begin, end = (int(x, 16) for x in line.split()[0].split("-"))
            part = Range(begin, end - begin)
            libc.syscall(PROCESS_MADVISE, pidfd, ctypes.byref(part), ctypes.c_size_t(1), MADV_PAGEOUT, 0)
    os.close(pidfd)


def major_faults(pid):
    """Of all threads so far."""
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[9])


@contextlib.contextmanager
def server_of_its_own_file(version):
    """The kernel drops no page that another process has mapped, such as another test's server."""
    with tempfile.TemporaryDirectory(dir=venvs.BUILD) as folder:    # which is on a disk where anything is
        path = pathlib.Path(shutil.copy(engine.model_path("small-f16"), folder)).resolve()
        os.sync()               # nor one that is not written yet
        with engine.start(version, path) as server:
            client.completion(server.port, "Load all of it", n_predict=8)
            yield server, path


@disturbance
def steps_that_read_their_weights_from_a_disk_again_have_waited_for_it(s):
    with server_of_its_own_file(s.version) as (server, path), meter.record(server.pid) as recording:
        for _ in range(3):
            client.completion(server.port, "From memory", n_predict=40, cache_prompt=False)
        client.wait_idle(server.port)
        dropped_ns, quiet = time.monotonic_ns(), major_faults(server.pid)
        page_out(server.pid, path)
        client.completion(server.port, "From the disk", n_predict=8, cache_prompt=False)
        faulted = major_faults(server.pid) - quiet
        recording.stop()
        steps = meter.report(recording.path, "--by", "step")["steps"]
    before = [step["server_fault_ns"] for step in steps if step["end_ns"] < dropped_ns]
    after = [step["server_fault_ns"] for step in steps if step["start_ns"] > dropped_ns]
    print(f"    {faulted} major faults in {len(after)} steps, which waited {sum(after) / 1e6:.1f} ms; the {len(before)} before "
          f"them {sum(before) / 1e6:.1f} ms")
    if not faulted:
        raise faults.Skipped("the kernel dropped no page of the weights: they are on no disk, or something else has them mapped")
    if not any(after):
        raise AssertionError(f"{faulted} major faults, and no step has waited")


def cpu_times(pid):
    """tid -> CPU time so far."""
    return {int(tid.name): int((tid / "schedstat").read_text().split()[0]) for tid in pathlib.Path(f"/proc/{pid}/task").iterdir()}


def pin_worker(server, cpus):
    """The thread that computes beside the one that takes the steps gets the last CPU for itself, all others share the rest."""
    with meter.record(server.pid) as recording:
        client.completion(server.port, "Who computes", n_predict=40)
        leader = recording_leader(recording)
    used = cpu_times(server.pid)
    worker = max((tid for tid in used if tid not in (leader, server.pid)), key=used.get)
    for tid in used:
        os.sched_setaffinity(tid, {cpus[-1]} if tid == worker else set(cpus[:-1]))


def recording_leader(recording):
    """The thread that took the last step."""
    recording.stop()
    return meter.report(recording.path, "--by", "step")["steps"][-1]["tid"]


@contextlib.contextmanager
def hogged(cpu, busy_s, every_s, times):
    """`times` receives when the CPU was taken."""
    hog = subprocess.Popen([sys.executable, str(HERE / "hog.py"), str(cpu), str(busy_s), str(every_s)],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        hog.kill()
        out, words = hog.communicate()
    if hog.returncode == 77:
        raise faults.Skipped(f"no real-time priority on this host: {words.strip()}")
    times += [tuple(map(int, line.split())) for line in out.splitlines()]


def calibrate(server):
    """A fit of CPU time. Threads that spin while they wait are, seen from outside, somebody else's work."""
    status, _, words = meter.run("calibrate", "-p", server.pid, "--seconds", CALIBRATE_S, "--busy-ok", timeout=120)
    if status == 2 and "are needed for a fit" in words:
        raise faults.Skipped(f"no fit of this server in {CALIBRATE_S} s on a host this busy: {words.strip()}")
    expect(f"exit status of calibrate ({words})", status, 0)


def trust_fit(path):
    """Twelve seconds may not tell what a prompt's attention costs. Steps of one row do not have any, and are all that is asked of it here."""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE fit SET identified = 1, reason = NULL")


def displaced(steps, begin, end):
    """Steps in which other threads than the step's own waited for most of this time."""
    return [step for step in steps if step["start_ns"] < end and step["end_ns"] > begin
            and step["server_runq_ns"] - step["runq_ns"] > (end - begin) / 2]


@disturbance
def what_a_displaced_worker_costs_is_a_disturbance_and_is_named(s):
    """A program takes the worker's CPU for a fifth of a second now and then. The step that it fell on cannot end before, and its own
    thread spins meanwhile: CPU time that no row has caused."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise faults.Skipped("one CPU: there is no worker beside the step's own thread")
    with tempfile.TemporaryDirectory() as folder, environment(TOKPROF_FITS=folder), spinning_server(s.version) as server:
        pin_worker(server, cpus)
        calibrate(server)
        for _ in range(TURNS):
            times = []
            with meter.record(server.pid) as recording, hogged(cpus[-1], TAKEN_S, EVERY_S, times):
                until = time.monotonic() + 5 * EVERY_S
                while time.monotonic() < until:
                    client.completion(server.port, "On and on", n_predict=200, cache_prompt=False, ignore_eos=True)
            trust_fit(recording.path)
            report = recording.read("--by", "step")
            steps = report["steps"]
            law.check(report)
            inside = [t for t in times if steps[0]["start_ns"] < t[0] and t[1] < steps[-1]["end_ns"]]
            hit = [displaced(steps, *t) for t in inside]
            pricing = report["attribution"]["by_resource"]["cpu_ns"]["target"]
            excess, account = report["attribution"]["excess"], report["accounts"]["disturbance"]["cpu_ns"]
            print(f"    taken {len(inside)} times, in {sum(map(len, hit))} steps; excess {excess}; {account / 1e6:.1f} ms in disturbance; "
                  f"off by {pricing['median_residual']:.1%}, drifted: {pricing['drifted']}")
            if pricing["drifted"] or not inside:
                continue        # other programs have the CPUs: nothing is called a disturbance then
            if not any(hit):
                raise AssertionError("the worker's CPU was taken, and no step has waited for it")
            if not excess["workers_preempted"] or account <= 0:
                raise AssertionError("the excess of a displaced worker is no disturbance")
            expect_words(" ".join(meter.run("report", recording.path)[1].split()), "with other threads of the server preempted")
            return
    raise faults.Skipped("on a host this busy the steps are not those of a moment before: the fit has drifted each time")


if __name__ == "__main__":
    sys.exit(faults.main(ALL))
