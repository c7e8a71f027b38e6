#!/usr/bin/env python3
"""Calls into device drivers, on the kernel's real paths and without hardware: a FUSE server stands for the driver, and a real
llama.cpp server calls it from its steps. tokprof's counts, times and steps are held against what the caller wrote down.

    devices.py [--all] [--only PART] [--version V]

Ends with 'N passed, N failed'.
"""
import collections
import contextlib
import json
import mmap
import os
import pathlib
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "engines"))

import client  # noqa: E402
import device_user  # noqa: E402
import engine  # noqa: E402
import faults  # noqa: E402
import law  # noqa: E402
import meter  # noqa: E402
from faults import expect, expect_words  # noqa: E402

ENTRY = struct.Struct("QQIIIIIi")
HEADER = 16
MAX_ENTRIES = 200000
LOG_SIZE = HEADER + MAX_ENTRIES * ENTRY.size
ALLOWED_PART, ALLOWED_NS = 0.02, 50_000
# Of the kernel's own headers: NV_ESC_RM_CONTROL and NV_ESC_RM_ALLOC with 32 bytes, and numbers of nvidia-uvm.
RM_CONTROL, RM_ALLOC, UVM_MAP = 0xc020462a, 0xc020462b, 33
# Of KFD's.
CREATE_QUEUE, WAIT_EVENTS = 0xc0184b02, 0xc0184b0c
EIO, EAGAIN = 5, 11
POLL, EPOLL = 1, 2         # no ioctl: driver_caller.c
CLASSES = ("submit", "wait", "alloc", "map", "copy", "control")
ALL = []

Entry = collections.namedtuple("Entry", "start end command sub tid node background error")


def device(function):
    ALL.append(function)
    return function


@contextlib.contextmanager
def built():
    """The double and the preloaded caller, compiled."""
    with tempfile.TemporaryDirectory(prefix="tokprof-test-") as folder:
        folder = pathlib.Path(folder)
        subprocess.run(["gcc", "-O2", "-o", folder / "driver_double", HERE / "driver_double.c", "-lpthread"], check=True)
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", folder / "driver_caller.so", HERE / "driver_caller.c",
                        "-ldl"], check=True)
        yield folder


class Double:
    """Nodes under root/dev whose driver is driver_double."""

    def __init__(self, tools, nodes, calls, threads=8):
        self.folder = tempfile.TemporaryDirectory(prefix="tokprof-test-")
        self.root = pathlib.Path(self.folder.name)
        self.tools = tools
        self.nodes = [self.root / "dev" / node for node in nodes]
        for node in self.nodes:
            node.parent.mkdir(parents=True, exist_ok=True)
            node.touch()
        rules = [word for call in calls for word in ("-c", call)]
        self.process = subprocess.Popen([tools / "driver_double", "-t", str(threads), *rules, *self.nodes],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise AssertionError("driver_double did not mount: is /dev/fuse there?")
        self.answered = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            out, _ = self.process.communicate(timeout=20)
            self.answered = {int(line.split()[0], 16): int(line.split()[1]) for line in out.splitlines()}
        self.folder.cleanup()


class Caller:
    """A llama.cpp server that calls into a double's nodes."""

    def __init__(self, version, double, calls, background="", retry=False, open_early=True, **options):
        self.double = double
        self.path = double.root / "log"
        self.path.write_bytes(bytes(LOG_SIZE))
        environment = {"LD_PRELOAD": str(double.tools / "driver_caller.so"), "DRIVER_LOG": str(self.path),
                       "DRIVER_NODES": ":".join(map(str, double.nodes)), "DRIVER_CALLS": calls,
                       "DRIVER_BACKGROUND": background}
        if open_early:
            environment["DRIVER_OPEN_EARLY"] = "1"
        if retry:
            environment["DRIVER_RETRY"] = "1"
        os.environ.update(environment)
        try:
            self.server = engine.start(version, "tiny-f16", **{"slots": 2, **options})
        finally:
            for name in environment:
                del os.environ[name]
        with open(self.path, "r+b") as f:
            self.log = mmap.mmap(f.fileno(), LOG_SIZE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.log.close()
        self.server.stop()

    def talk(self, generations=3, n_predict=16):
        """Generations with calls in them; afterwards no more are made."""
        self.log[0:4] = struct.pack("I", 1)
        for i in range(generations):
            client.completion(self.server.port, f"{i}: tell me of the number {i * 37}", n_predict=n_predict)
        client.wait_idle(self.server.port)
        self.log[0:4] = struct.pack("I", 2)
        time.sleep(0.2)     # the one call that another thread may be in

    def entries(self):
        n, = struct.unpack("I", self.log[4:8])
        assert 0 < n < MAX_ENTRIES
        return [Entry(*ENTRY.unpack_from(self.log, HEADER + i * ENTRY.size)) for i in range(n)]


def by_name(report, part="ioctls"):
    """{call name: its row}, added up over processes and sub-commands."""
    found = {}
    for row in report[part]:
        name = row["name"].split("/")[0]
        if name in found:
            for key in ("count", "failed", "ns", "retries", "unpaired", "in_step_count"):
                found[name][key] += row[key]
        else:
            found[name] = dict(row)
    return found


def expect_time(what, ns, truth_ns, n):
    """Of n calls together, each 2 % and 50 us."""
    if abs(ns - truth_ns) > truth_ns * ALLOWED_PART + n * ALLOWED_NS:
        raise AssertionError(f"{what}: {ns} ns of {n} calls, the caller measured {truth_ns}")


def check_law(report):
    """Requests + accounts = totals, and phases = requests, of every class and measure; integers."""
    law.check(report)
    for class_ in CLASSES:
        for measure in ("count", "ns", "failed"):
            parts = [r["cost"]["ioctl"][class_][measure] for r in report["requests"]]
            parts += [a["ioctl"][class_][measure] for a in report["accounts"].values()]
            expect(f"{class_} {measure}: sum of parts", sum(parts), report["totals"]["ioctl"][class_][measure])
            for r in report["requests"]:
                phases = sum(p["ioctl"][class_][measure] for p in r["cost"]["by_phase"].values())
                expect(f"{class_} {measure}: phases of request {r['id']}", phases, r["cost"]["ioctl"][class_][measure])


def step_sums(path):
    """{(step, command): (n, ns)} of the recording, and [(id, start, end)] of its steps, by CLOCK_MONOTONIC."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        origin = int(db.execute("SELECT value FROM recording WHERE key = 'origin_mono_ns'").fetchone()[0])
        steps = [(i, origin + start, origin + start + length)
                 for i, start, length in db.execute("SELECT id, start_ns, duration_ns FROM step ORDER BY start_ns")]
        sums = {(step, command): (n, ns) for step, command, n, ns in db.execute(
            "SELECT step, command, sum(step_ioctl.n), sum(step_ioctl.ns) FROM step_ioctl JOIN ioctl ON ioctl.id = ioctl "
            "GROUP BY 1, 2")}
    return sums, steps


@device
def calls_in_steps_are_counted_timed_and_charged_to_the_right_step(s):
    with built() as tools, Double(tools, ["nvidiactl", "nvidia-uvm"], [f"{RM_CONTROL}=2000", f"{UVM_MAP}=1000,{EIO},4"]) \
            as double:
        with Caller(s.version, double, f"0:{RM_CONTROL}:0x20801701@8,1:{UVM_MAP}") as caller:
            with meter.record(caller.server.pid, "--device-root", str(double.root)) as recording:
                caller.talk()
            entries = caller.entries()
            status, out, _ = meter.run("list", "--json", "--device-root", double.root)
            expect("exit status of list", status, 0)
            listed, = [x for x in json.loads(out)["servers"] if x["pid"] == caller.server.pid]
            expect("devices listed", sorted((d["device"], d["driver"]) for d in listed["devices"]),
                   [("/dev/nvidia-uvm", "nvidia-uvm"), ("/dev/nvidiactl", "nvidia")])
        sums, steps = step_sums(recording.path)
    calls = by_name(recording.report)
    for name, command, failed in (("NV_ESC_RM_CONTROL", RM_CONTROL, 0), ("UVM_MAP_EXTERNAL_ALLOCATION", UVM_MAP, None)):
        truth = [e for e in entries if e.command == command]
        expect(f"{name} count", calls[name]["count"], len(truth))
        expect(f"{name} in steps", calls[name]["in_step_count"], len(truth))
        expect(f"{name} failed", calls[name]["failed"], sum(e.error != 0 for e in truth) if failed is None else failed)
        expect_time(name, calls[name]["ns"], sum(e.end - e.start for e in truth), len(truth))
        key = command if command == UVM_MAP else command & 0xffff
        for step, start, end in steps:
            inside = [e for e in truth if start <= e.start and e.end <= end]
            n, ns = sums.get((step, key), (0, 0))
            expect(f"{name} in step {step}", n, len(inside))
            expect_time(f"{name} in step {step}", ns, sum(e.end - e.start for e in inside), len(inside))
        if not all(r["anomaly"] for r in recording.report["ioctls"] if r["name"].startswith(name)):
            raise AssertionError(f"{name} in decode steps of an NVIDIA device is no anomaly")
    for command, n in double.answered.items():
        expect(f"calls that the driver answered of {command:#x}", n, sum(e.command == command for e in entries))
    check_law(recording.report)


@device
def a_status_in_the_argument_is_a_failure_and_retries_are_one_call(s):
    with built() as tools, Double(tools, ["nvidia0", "kfd"], [f"{RM_CONTROL}=300,0,3,28=86", f"{RM_ALLOC}=100,0,2,28=1",
                                                             f"{WAIT_EVENTS}=300,{EAGAIN},2"]) as double:
        with Caller(s.version, double, f"0:{RM_CONTROL},0:{RM_ALLOC},1:{WAIT_EVENTS}", retry=True) as caller:
            with meter.record(caller.server.pid, "--device-root", str(double.root)) as recording:
                caller.talk()
            entries = caller.entries()
    calls = by_name(recording.report)
    n = sum(e.command == RM_CONTROL for e in entries)
    expect("RM_CONTROL", (calls["NV_ESC_RM_CONTROL"]["count"], calls["NV_ESC_RM_CONTROL"]["failed"]), (n, (n + 2) // 3))
    expect("RM_ALLOC", (calls["NV_ESC_RM_ALLOC"]["count"], calls["NV_ESC_RM_ALLOC"]["failed"]), (n, (n + 1) // 2))
    waits = calls["AMDKFD_IOC_WAIT_EVENTS"]
    expect("waits", (waits["count"], waits["failed"], waits["class"]), (n, 0, "wait"))
    expect("retries", waits["retries"], double.answered[WAIT_EVENTS] - n)
    expect("a wait of AMD is an anomaly", waits["anomaly"], False)
    check_law(recording.report)


@device
def calls_queue_and_those_beside_the_steps_are_the_hosts_or_the_steps(s):
    """One driver thread; the server's second thread calls all the time: what spans steps is in none."""
    with built() as tools, Double(tools, ["kfd"], [f"{WAIT_EVENTS}=2000", f"{CREATE_QUEUE}=500"], threads=1) as double:
        with Caller(s.version, double, f"0:{CREATE_QUEUE}", background=f"0:{WAIT_EVENTS}") as caller:
            with meter.record(caller.server.pid, "--device-root", str(double.root)) as recording:
                caller.talk()
            entries = caller.entries()
        sums, steps = step_sums(recording.path)
    calls = by_name(recording.report)
    for name, command, delay_ns in (("AMDKFD_IOC_WAIT_EVENTS", WAIT_EVENTS, 2_000_000),
                                    ("AMDKFD_IOC_CREATE_QUEUE", CREATE_QUEUE, 500_000)):
        truth = [e for e in entries if e.command == command]
        expect(f"{name} count", calls[name]["count"], len(truth))
        expect_time(name, calls[name]["ns"], sum(e.end - e.start for e in truth), len(truth))
        # What the kernel saw lies inside what the caller did, and is no shorter than the driver's delay.
        for step, start, end in steps:
            surely = sum(start + 50_000 <= e.start and e.end <= end - 50_000 for e in truth)
            perhaps = sum(min(e.end, end) - max(e.start, start) >= delay_ns - 50_000 for e in truth)
            n, _ = sums.get((step, command & 0xffff), (0, 0))
            if not surely <= n <= perhaps:
                raise AssertionError(f"{name} in step {step}: {n}, expected {surely} to {perhaps}")
    if calls["AMDKFD_IOC_WAIT_EVENTS"]["in_step_count"] >= calls["AMDKFD_IOC_WAIT_EVENTS"]["count"]:
        raise AssertionError("every call beside the steps is in one")
    check_law(recording.report)


@device
def poll_and_epoll_on_a_device_are_waits(s):
    with built() as tools, Double(tools, ["nvidia0"], [f"{POLL}=1500"]) as double:
        with Caller(s.version, double, f"0:{POLL},0:{EPOLL}") as caller:
            with meter.record(caller.server.pid, "--device-root", str(double.root)) as recording:
                caller.talk()
            entries = caller.entries()
    calls = by_name(recording.report)
    for name, command in (("poll", POLL), ("epoll_wait", EPOLL)):
        truth = [e for e in entries if e.command == command]
        expect(f"{name}: count, in steps, failed", tuple(calls[name][k] for k in ("count", "in_step_count", "failed")),
               (len(truth), len(truth), 0))
        expect(f"{name}: class", calls[name]["class"], "wait")
        expect_time(name, calls[name]["ns"], sum(e.end - e.start for e in truth), len(truth))
        if calls[name]["ns"] < len(truth) * 1_500_000:
            raise AssertionError(f"{name} took {calls[name]['ns']} ns, the driver {len(truth)} times 1.5 ms")
    check_law(recording.report)


@device
def a_call_that_began_before_the_attach_has_no_time(s):
    with built() as tools, Double(tools, ["kfd"], [f"{WAIT_EVENTS}=1500000"]) as double:
        with Caller(s.version, double, f"0:{POLL}", background=f"0:{WAIT_EVENTS}") as caller:
            caller.log[0:4] = struct.pack("I", 1)
            time.sleep(0.3)
            with meter.record(caller.server.pid, "--device-root", str(double.root)) as recording:
                attached_ns = time.monotonic_ns()
                time.sleep(3.2)
                caller.log[0:4] = struct.pack("I", 2)
                time.sleep(1.6)
            entries = caller.entries()
    waits = by_name(recording.report)["AMDKFD_IOC_WAIT_EVENTS"]
    expect("counted", waits["count"], sum(e.start > attached_ns for e in entries))
    expect("unpaired", waits["unpaired"], 1)
    expect_time("waits", waits["ns"], sum(e.end - e.start for e in entries if e.start > attached_ns), waits["count"])
    check_law(recording.report)


@device
def other_processes_on_the_same_device_are_neighbours(s):
    poller = ("import fcntl,sys,time\nf=open(sys.argv[1],'r+b',buffering=0)\nfor i in range(20):\n"
              f" fcntl.ioctl(f, {RM_CONTROL}, bytes(32)); time.sleep(.01)\n")
    with built() as tools, Double(tools, ["nvidiactl"], [f"{RM_CONTROL}=500"]) as double:
        with Caller(s.version, double, f"0:{RM_ALLOC}") as caller:
            with meter.record(caller.server.pid, "--device-root", str(double.root)) as recording:
                pids = []
                for _ in range(2):
                    process = subprocess.Popen([sys.executable, "-c", poller, str(double.nodes[0])])
                    pids.append(process.pid)
                    caller.talk(1)
                    expect("exit status of the poller", process.wait(timeout=30), 0)
    rows = [r for r in recording.report["neighbours"] if r["name"].startswith("NV_ESC_RM_CONTROL")]
    expect("rows of the neighbour", len(rows), 1)
    expect("its calls", rows[0]["count"], 40)
    if rows[0]["pid"] not in pids:
        raise AssertionError(f"neighbour is pid {rows[0]['pid']}, not {pids}")
    expect("calls of the server by that name", [r for r in recording.report["ioctls"] if "RM_CONTROL" in r["name"]], [])
    expect("control calls of the server", recording.report["totals"]["ioctl"]["control"]["count"], 0)
    check_law(recording.report)


@device
def it_does_not_matter_how_a_process_came_by_a_descriptor(s):
    with built() as tools, Double(tools, ["nvidia7"], []) as double:
        recording = meter.record(0, "--device-root", str(double.root),
                                 command=[sys.executable, str(HERE / "device_user.py"), str(double.nodes[0]), "vanish"])
        expect("exit status", recording.wait(), 0)
        report = recording.read()
    counts = {r["name"]: 0 for r in report["ioctls"]}
    for r in report["ioctls"]:
        counts[r["name"]] += r["count"]
        expect("device", r["device"], "/dev/nvidia7")
        expect("driver", r["driver"], "nvidia")
        expect("known", r["known"], False)
    ways = ("OPENED", "DUPED", "DUP2", "FORKED", "PASSED", "MANY", "EXHAUSTED", "VANISHED")
    expected = {f"nvidia7:F:{getattr(device_user, way):#04x}": device_user.CALLS for way in ways}
    expect("calls by the way of their descriptor", counts, expected)
    check_law(report)


@device
def a_device_that_is_opened_while_recording_is_found(s):
    with built() as tools, Double(tools, ["kfd"], [f"{WAIT_EVENTS}=500"]) as double:
        with Caller(s.version, double, f"0:{WAIT_EVENTS}", open_early=False) as caller:
            with meter.record(caller.server.pid, "--device-root", str(double.root)) as recording:
                expect_words(recording.words, "the server has had no accelerator open")
                end = time.monotonic() + 4
                while time.monotonic() < end:
                    caller.talk(1, 40)
            entries = caller.entries()
    late = sum(e.start > entries[0].start + 2_000_000_000 for e in entries)
    count = by_name(recording.report)["AMDKFD_IOC_WAIT_EVENTS"]["count"]
    if not 0 < late <= count <= len(entries):
        raise AssertionError(f"{count} calls of {len(entries)}, {late} of them more than two seconds after the first")
    check_law(recording.report)


@device
def a_killed_recorder_leaves_calls_that_add_up(s):
    with built() as tools, Double(tools, ["kfd"], [f"{WAIT_EVENTS}=500"]) as double:
        with Caller(s.version, double, f"0:{WAIT_EVENTS}") as caller:
            recording = meter.record(caller.server.pid, "--device-root", str(double.root))
            caller.talk(2)
            time.sleep(2.5)
            recording.kill()
            entries = caller.entries()
            report = recording.read()
    expect("complete", report["recording"]["complete"], False)
    expect("calls", by_name(report)["AMDKFD_IOC_WAIT_EVENTS"]["count"], len(entries))
    expect("their sum", report["totals"]["ioctl"]["wait"]["count"], len(entries))
    expect("grade", report["evidence"]["ioctl"]["grade"], "derived")
    check_law(report)


@device
def overhead_switches_them_off_and_on(s):
    with built() as tools, Double(tools, ["kfd"], [f"{WAIT_EVENTS}=200"]) as double:
        with Caller(s.version, double, f"0:{WAIT_EVENTS}", background=f"0:{WAIT_EVENTS}") as caller:
            caller.log[0:4] = struct.pack("I", 1)
            with faults.load(caller.server.port):
                status, out, words = meter.run("overhead", "-p", caller.server.pid, "-d", 5, "--json",
                                               "--device-root", double.root)
            caller.log[0:4] = struct.pack("I", 2)
    expect(f"exit status ({words})", status, 0)
    if not json.loads(out)["by_collector"]["ioctl"]["hits"] > 0:
        raise AssertionError(f"no hits: {out}")


@device
def a_users_table_names_calls_and_a_bad_one_is_refused_by_its_line(s):
    with built() as tools, Double(tools, ["odd0"], [f"{0xc0204f01}=100"]) as double:
        table = double.root / "mine.tsv"
        table.write_text("driver\todd\t/dev/odd[0-9]*\t-\n0x4f\t1\t-\tODD_SEND\tsubmit\tsub=4@0 status=4@8\n")
        with Caller(s.version, double, f"0:{0xc0204f01}:7@0") as caller:
            with meter.record(caller.server.pid, "--device-root", str(double.root), "--device-table", str(table)) as recording:
                caller.talk(1)
            n = len(caller.entries())
            with meter.record(caller.server.pid, "--device-root", str(double.root)) as without:
                caller.talk(1)
        expect("calls", [(r["name"], r["class"], r["count"], r["driver"]) for r in recording.report["ioctls"]],
               [("ODD_SEND/0x7", "submit", n, "odd")])
        expect("without the table", [(r["name"], r["known"]) for r in without.report["ioctls"]], [("odd0:O:0x01", False)])
        table.write_text("driver\todd\t/dev/odd[0-9]*\t-\n0x4f\t1\t-\tODD_SEND\tsubmits\t-\n")
        status, _, words = meter.run("record", "-p", os.getpid(), "--device-table", str(table), "-o", "/nonexistent/x")
        expect("exit status", status, 2)
        expect_words(words, "mine.tsv:2: 'submits' is no class (submit?)", "docs/devices.md")


@device
def a_server_without_an_accelerator_says_so(s):
    with meter.record(s.server.pid) as recording:
        client.completion(s.port, "hello", n_predict=4)
    expect("ioctls", recording.report["ioctls"], [])
    expect("cost", recording.report["requests"][0]["cost"]["ioctl"], None)
    expect("grade", recording.report["evidence"]["ioctl"]["grade"], "unavailable")
    expect_words(recording.report["evidence"]["ioctl"]["reason"], "no accelerator open")


if __name__ == "__main__":
    sys.exit(faults.main(ALL))
