#!/usr/bin/env python3
"""What measuring costs, on real servers, and how fast tokprof itself is. Run it on a machine with nothing else to do.

    run.py [--seconds S] [--only PART]

Every comparison pairs short windows of one run: the machine drifts by 5 to 15 % over seconds with nothing attached.
Prints what goes into docs/benchmarks.md.
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "engines"), str(ROOT / "tests" / "scenarios")]

import client  # noqa: E402
import engine  # noqa: E402
import meter  # noqa: E402

VERSION = "2026.10.11549"
STREAM_TOKENS = 400
# libgomp's own default; server.py spins less, so that tests on a busy machine do not crawl.
SPINS = "300000"
TOOL_END_S = 20
LOAD_END_S = 20


class Load:
    """Streams without end; the times of all tokens."""

    def __init__(self, port, streams):
        self.port, self.stop, self.times = port, threading.Event(), [[] for _ in range(streams)]
        self.open = set()
        self.threads = [threading.Thread(target=self._run, args=(t,)) for t in self.times]

    def _run(self, times):
        while not self.stop.is_set():
            body = {"prompt": "Load for the bench", "n_predict": STREAM_TOKENS, "temperature": 0, "stream": True,
                    "cache_prompt": False}
            with client.Connection(self.port) as connection:
                self.open.add(connection)
                try:
                    sent_ns = connection.send(client.request_bytes("/completion", body))
                    reply = connection.read_reply(sent_ns)
                except OSError:
                    if self.stop.is_set():
                        return
                    raise
                finally:
                    self.open.discard(connection)
            times += [(e.time_ns, k) for k, e in enumerate(reply.token_events)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        """What is under way may end by itself; where others take the CPUs a token can last a second, and it is then cut off."""
        self.stop.set()
        deadline = time.monotonic() + LOAD_END_S
        for thread in self.threads:
            thread.join(max(0, deadline - time.monotonic()))
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()


def overhead(pid, seconds):
    status, out, err = meter.run("overhead", "-p", pid, "-d", seconds, "--json", timeout=seconds + 60)
    if status:
        raise RuntimeError(err)
    return json.loads(out)


def overhead_table(seconds):
    print("| model | streams | slow-down measured | accounted | at 1 us a hit | hits/step | own CPU |")
    print("|---|---|---|---|---|---|---|")
    for model in ("small-f16", "large-f16"):
        with engine.start(VERSION, model, slots=4) as server:
            for streams in (1, 4):
                with Load(server.port, streams):
                    time.sleep(1)
                    r = overhead(server.pid, seconds)
                print(f"| {model} | {streams} | {r['slow_down_pct']:+.2f} % ({r['low']:+.2f} to {r['high']:+.2f}), "
                      f"{sum(w['on'] for w in r['windows'])} pairs | {r['accounted_pct']:.2f} % at {r['ns_per_hit']} ns | "
                      f"{r['accounted_pct_at_1us_per_hit']:.2f} % | {r['hits_per_step']:.2f} | {r['own_cpu_pct']:.2f} % |",
                      flush=True)
                for name, c in r["by_collector"].items():
                    print(f"<!-- {name}: {json.dumps(c)} -->")


class ToolFailed(Exception):
    """The tool did not measure, or not end; says which."""


def slow_down(times, windows):
    """Mean of log(on/off) over neighbouring windows, with a block bootstrap; gaps by position in the stream."""
    gaps = []
    for stream in times:
        for (t0, k0), (t1, k1) in zip(stream, stream[1:]):
            if k1 == k0 + 1:
                gaps.append((t0, t1, (t1 - t0), k1 // 16))
    by_bin = {}
    for _, _, gap, position in gaps:
        by_bin.setdefault(position, []).append(gap)
    middle = {b: sorted(v)[len(v) // 2] for b, v in by_bin.items()}
    values = []
    for (s0, e0, on0), (s1, e1, on1) in zip(windows[::2], windows[1::2]):
        means = {}
        for start, end, on in ((s0, e0, on0), (s1, e1, on1)):
            inside = [gap / middle[b] for t0, t1, gap, b in gaps if t0 >= start and t1 <= end and gap < 4 * middle[b]]
            if inside:
                means[on] = sum(inside) / len(inside)
        if len(means) == 2:
            values.append(means[True] / means[False] - 1)
    if not values:
        raise ToolFailed("in no pair of windows both had tokens")
    rng = random.Random(5)
    draws = []
    for _ in range(2000):
        sample = []
        while len(sample) < len(values):
            first = rng.randrange(len(values))
            sample += [values[(first + j) % len(values)] for j in range(3)]
        sample = sample[:len(values)]
        draws.append(sum(sample) / len(sample))
    draws.sort()
    return 100 * sum(values) / len(values), 100 * draws[50], 100 * draws[1949], len(values)


def end_tool(process):
    """
    bpftrace 0.17 looks for its end only where a signal interrupts its epoll_wait: one that comes between two of them is lost, and
    it runs on for ever. So ^C is sent again.
    """
    for _ in range(TOOL_END_S):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
            return
    process.kill()
    process.wait()
    raise ToolFailed(f"it did not end within {TOOL_END_S} s of the first of as many ^C, and was killed")


@contextlib.contextmanager
def tool(command):
    try:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        raise ToolFailed(f"it could not be started: {error}") from None
    try:
        yield
        status = process.poll()
    finally:
        end_tool(process)
    if status is not None:
        raise ToolFailed(f"it ended by itself, with status {status}, before it was to be measured")


def tools(pid, folder):
    library = next(line.split(maxsplit=5)[5].strip() for line in open(f"/proc/{pid}/maps") if "xllamacpp.abi3" in line)
    step, ubatch = ("_ZN13llama_context6decodeERK15llama_batch_ext",
                    "_ZN13llama_context14process_ubatchERK12llama_ubatch14llm_graph_typeP22llama_memory_context_iR11ggml_status")
    script = (f"uprobe:{library}:{step} /pid == {pid}/ {{ @start[tid] = nsecs; }} "
              f"uprobe:{library}:{ubatch} /pid == {pid}/ {{ @tokens = @tokens + *(uint32*)(arg1 + 4); }} "
              f"uretprobe:{library}:{step} /pid == {pid}/ {{ @ns = hist(nsecs - @start[tid]); }}")
    return {
        "tokprof record": [str(meter.TOKPROF), "record", "-f", "-q", "-p", str(pid), "-o", f"{folder}/t.tokprof"],
        "perf record -g": ["perf", "record", "-g", "-q", "-p", str(pid), "-o", f"{folder}/perf.data"],
        "bpftrace, the same step probes": ["bpftrace", "-e", script],
    }


def windows_beside(command, seconds):
    """Windows with and without the tool, in random order: (start, end, whether it ran)."""
    windows = []
    end = time.monotonic() + seconds
    rng = random.Random(9)
    while time.monotonic() < end:
        order = [True, False]
        rng.shuffle(order)
        for on in order:
            with tool(command) if on else contextlib.nullcontext():
                time.sleep(1.5 if on else 0.2)
                start = time.monotonic_ns()
                time.sleep(1.5)
                windows.append((start, time.monotonic_ns(), on))
    return windows


def beside_table(seconds):
    """Windows of two seconds: the others take that long to attach."""
    print("| tool | slow-down | pairs |")
    print("|---|---|---|")
    with engine.start(VERSION, "small-f16", slots=4) as server, tempfile.TemporaryDirectory() as folder:
        for name, command in tools(server.pid, folder).items():
            try:
                with Load(server.port, 1) as load:
                    time.sleep(1)
                    windows = windows_beside(command, seconds)
                mean, low, high, n = slow_down(load.times, windows)
                print(f"| {name} | {mean:+.2f} % ({low:+.2f} to {high:+.2f}) | {n} |", flush=True)
            except ToolFailed as why:
                print(f"| {name} | not measured: {why} | 0 |", flush=True)


def recorder_figures(seconds=20):
    with engine.start(VERSION, "tiny-f16", slots=4) as server, tempfile.TemporaryDirectory() as folder:
        with Load(server.port, 4):
            time.sleep(1)
            path = pathlib.Path(folder) / "r.tokprof"
            started_ns = time.monotonic_ns()
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            recording = meter.record(server.pid, "-d", str(seconds), path=path)
            time.sleep(seconds - 2)
            status = pathlib.Path(f"/proc/{recording.process.pid}/status").read_text()
            recording.wait()
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        query = "select min(start_ns) + (select value from recording where key='origin_mono_ns') from step"
        first = subprocess.run(["sqlite3", str(path), query], capture_output=True, text=True, check=True).stdout
        tokens = subprocess.run(["sqlite3", str(path), "select sum(n_outputs) from row"], capture_output=True, text=True,
                                check=True).stdout
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        rss = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        n = int(tokens)
        print(f"- Recording {n / seconds:.0f} tokens/s: {100 * cpu / seconds:.2f} % of a core (loading and attaching "
              f"included), {int(rss) / 1024:.0f} MB resident, {path.stat().st_size / n:.0f} bytes a token.")
        print(f"- From the start of the command to the first step recorded: {(int(first) - started_ns) / 1e9:.2f} s.")


def row_figures(seconds=20, steps=320, rows=32):
    """The whole live path at more rows a second than a model makes here: probes, ring buffer, recorder."""
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/row_engine"
        subprocess.run(["gcc", "-O2", "-rdynamic", "-o", program, ROOT / "tests" / "bench" / "row_engine.c"], check=True)
        path = pathlib.Path(folder) / "r.tokprof"
        with subprocess.Popen([program, str(seconds + 2), str(steps), str(rows)], stdout=subprocess.DEVNULL) as process:
            recording = meter.record(process.pid, "-d", str(seconds), path=path)
            clock, measured = (~recording.process.pid << 3) | 2, seconds - 3    # the CPU clock of a process
            time.sleep(1)
            before = time.clock_gettime(clock)
            time.sleep(measured)
            cpu = time.clock_gettime(clock) - before
            recording.wait()
        query = "select count(*) from row; select coalesce(sum(n), 0) from loss"
        n, lost = subprocess.run(["sqlite3", str(path), query], capture_output=True, text=True, check=True).stdout.split()
        print(f"- Live path at {int(n) / seconds:.0f} rows/s: {100 * cpu / measured:.2f} % of a core, {lost} records lost.")


def report_figures():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/million.tokprof"
        words = subprocess.run([str(ROOT / "build/bench/bench_report"), path], capture_output=True, text=True,
                               check=True).stdout.strip()
        for form in ("text", "json", "csv", "html"):
            start = time.monotonic()
            process = subprocess.Popen([str(meter.TOKPROF), "report", path, "--format", form], stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            if status:
                raise RuntimeError(f"report --format {form}: {status}")
            print(f"- `report --format {form}` of {words}: {time.monotonic() - start:.2f} s, "
                  f"{usage.ru_maxrss / 1024:.0f} MB.", flush=True)


def verify_figures():
    with tempfile.TemporaryDirectory() as folder:
        prefix = f"{folder}/large"
        words = subprocess.run([str(ROOT / "build/bench/bench_verify_large"), prefix], capture_output=True, text=True,
                               check=True).stdout.split(" in ")[0]
        start = time.monotonic()
        process = subprocess.Popen([str(meter.TOKPROF), "verify", f"{prefix}.tokprof", "--bill", f"{prefix}.csv"],
                                   stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if os.waitstatus_to_exitcode(status) != 1:      # one line is a token off
            raise RuntimeError(f"verify: {status}")
        print(f"- `verify` of {words}, as many lines of a bill: {time.monotonic() - start:.2f} s, "
              f"{usage.ru_maxrss / 1024:.0f} MB.", flush=True)


def own_figures(seconds):
    del seconds
    report_figures()
    verify_figures()
    recorder_figures()
    row_figures()


PARTS = {"The recorder": own_figures, "What it costs a server (`tokprof overhead`)": overhead_table,
         "Beside other tools": beside_table}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=120, help="per measurement of overhead")
    parser.add_argument("--only", default="", metavar="PART", help="tables that have this in their title")
    args = parser.parse_args()
    parts = {title: part for title, part in PARTS.items() if args.only.lower() in title.lower()}
    if not parts:
        parser.error(f"--only {args.only}: none of {', '.join(PARTS)}")
    os.environ["GOMP_SPINCOUNT"] = SPINS
    for i, (title, part) in enumerate(parts.items()):
        print(f"{chr(10) if i else ''}## {title}\n")
        part(args.seconds)


if __name__ == "__main__":
    main()
