# SPDX-License-Identifier: Apache-2.0
"""Tells a BPF program that is loaded what has not happened: the kernel runs it on made-up arguments (BPF_PROG_TEST_RUN), with the maps and
the tasks that are really there. For tracepoints that this machine has no hardware for."""
import contextlib
import ctypes
import json
import os
import pathlib
import platform
import shutil
import subprocess
import time

BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
PROG_TEST_RUN, PROG_GET_FD_BY_ID = 10, 13
libc = ctypes.CDLL(None, use_errno=True)


class TestRun(ctypes.Structure):
    """union bpf_attr of BPF_PROG_TEST_RUN, uapi/linux/bpf.h"""
    _fields_ = ([(name, ctypes.c_uint32) for name in ("prog_fd", "retval", "data_size_in", "data_size_out")]
                + [("data_in", ctypes.c_uint64), ("data_out", ctypes.c_uint64)]
                + [(name, ctypes.c_uint32) for name in ("repeat", "duration", "ctx_size_in", "ctx_size_out")]
                + [("ctx_in", ctypes.c_uint64), ("ctx_out", ctypes.c_uint64)]
                + [(name, ctypes.c_uint32) for name in ("flags", "cpu", "batch_size", "padding")])


def bpf(command, attributes):
    result = libc.syscall(BPF, command, ctypes.byref(attributes), ctypes.sizeof(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class Program:
    """The program of this name that process `pid` holds."""

    def __init__(self, name, pid):
        tool = shutil.which("bpftool") or "/usr/sbin/bpftool"
        found = json.loads(subprocess.run([tool, "-j", "prog", "list"], capture_output=True, text=True, check=True).stdout)
        numbers = {p["id"] for p in found if name.startswith(p.get("name", "?"))} & held_by(pid)
        if len(numbers) != 1:
            raise AssertionError(f"{len(numbers)} programs {name} in process {pid}")
        self.fd = bpf(PROG_GET_FD_BY_ID, (ctypes.c_uint32 * 3)(numbers.pop()))

    def run(self, *arguments):
        context = (ctypes.c_uint64 * len(arguments))(*arguments)
        bpf(PROG_TEST_RUN, TestRun(prog_fd=self.fd, ctx_size_in=ctypes.sizeof(context), ctx_in=ctypes.addressof(context)))

    def close(self):
        os.close(self.fd)


def held_by(pid):
    """Numbers of the BPF programs that a process has descriptors of."""
    numbers = set()
    for entry in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):    # a file of the server's, which was being read for its unwind table
            for line in entry.read_text().splitlines():
                if line.startswith("prog_id:"):
                    numbers.add(int(line.split()[1]))
    return numbers


class Frequencies:
    """A host with cpufreq, as files, whose CPUs stay at `khz` until told otherwise."""

    def __init__(self, folder, khz, governor="performance"):
        self.cpus = sorted(os.sched_getaffinity(0))
        self.changes = []       # (before_ns, after_ns) of each
        base = pathlib.Path(folder) / "sys/devices/system/cpu"
        for cpu in self.cpus:
            files = base / f"cpu{cpu}" / "cpufreq"
            files.mkdir(parents=True)
            (files / "scaling_driver").write_text("acpi-cpufreq\n")
            (files / "scaling_governor").write_text(f"{governor}\n")
            (files / "scaling_max_freq").write_text(f"{khz}\n")
        (base / "online").write_text(",".join(map(str, self.cpus)) + "\n")
        self.program = None

    def attach(self, pid):
        self.program = Program("on_cpu_frequency", pid)

    def set(self, khz):
        for cpu in self.cpus:
            before = time.monotonic_ns()
            self.program.run(khz, cpu)
            self.changes.append((before, time.monotonic_ns()))
