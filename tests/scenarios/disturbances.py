#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Evidence of what disturbs a step, on a real server: each kind is brought about on purpose and has to be in the steps that it fell
on, and in no others. (Preemption, which needs a calibrated server: shares.py.)

    disturbances.py [--all] [--only PART] [--version V]

Ends with 'N passed, N failed'.
"""
import contextlib
import ctypes
import os
import pathlib
import shutil
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


@disturbance
def steps_have_the_frequency_that_the_kernel_told_of(s):
    """The program that the tracepoint runs is told of changes that no hardware makes; threads, CPUs and times are real."""
    with tempfile.TemporaryDirectory() as folder:
        frequencies = made_up.Frequencies(folder, FAST)
        with recorded_with(frequencies, folder, s.server.pid) as recording, generating(s.port):
            wait_steps(s.port, 20)
            frequencies.set(SLOW)
            wait_steps(s.port, 60)
            for _ in range(20):
                frequencies.set(FAST)
                time.sleep(0.007)
                frequencies.set(SLOW)
                time.sleep(0.011)
            wait_steps(s.port, 60)
            frequencies.set(FAST)
            wait_steps(s.port, 20)
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
    if min(slow[0], fast[0]) < 20 or not 0 < changes <= len(frequencies.changes):
        raise AssertionError("too few steps, or changes that nobody made")
    expect("excess by frequency is a count", isinstance(recording.report["attribution"]["excess"]["frequency"], int), True)
    law.check(recording.report)


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


if __name__ == "__main__":
    sys.exit(faults.main(ALL))
