"""Counts what a server really computes, with bpftrace: forward passes, tokens
put through the model, tokens sampled, C++ exceptions. Independent of tokprof's
own probes, so that the two can be compared. Needs root and bpftrace.

    with oracle.watch(server.pid) as counter:
        before = counter.read()
        ...
        print(counter.read() - before)
"""
import pathlib
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, fields

TICK_MS = 50
ATTACH_TIMEOUT_S = 20
UBATCH = ("_ZN13llama_context14process_ubatchERK12llama_ubatch14llm_graph_type"
          "P22llama_memory_context_iR11ggml_status")


@dataclass
class Counts:
    calls: int = 0           # llama_decode and, newer, llama_process
    process_calls: int = 0   # of these, llama_process
    ubatches: int = 0        # forward passes of any context: target and draft
    tokens: int = 0          # tokens in them (n_tokens at offset 4 of the ubatch)
    logits: int = 0          # llama_get_logits_ith: once per token sampled
    throws: int = 0          # C++ exceptions thrown anywhere in the process
    throws_in_calls: int = 0  # ... on a thread that is inside one of the calls

    def __sub__(self, other):
        return Counts(*(getattr(self, f.name) - getattr(other, f.name)
                        for f in fields(self)))


def _mapped(pid, part):
    """The first file mapped by the process whose name contains part."""
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
    return next(line.split(maxsplit=5)[5] for line in maps.splitlines()
                if part in line.rsplit("/", 1)[-1])


def _program(pid):
    library = _mapped(pid, "xllamacpp")
    runtime = _mapped(pid, "libstdc++")
    mine = f"/pid == {pid}/"
    exported = subprocess.run(["nm", "-D", "--defined-only", library], text=True,
                              check=True, capture_output=True).stdout
    steps = {"llama_decode": 0, "llama_process": 1}
    calls = "".join(f"""
uprobe:{library}:{name} {mine}
  {{ @calls = @calls + 1; @process_calls = @process_calls + {new}; @inside[tid] = 1; }}
uretprobe:{library}:{name} {mine} {{ delete(@inside[tid]); }}"""
                    for name, new in steps.items() if f" T {name}\n" in exported)
    names = [f.name for f in fields(Counts)]
    return f"""{calls}
uprobe:{library}:{UBATCH} {mine}
  {{ @ubatches = @ubatches + 1; @tokens = @tokens + *(uint32*)(arg1 + 4); }}
uprobe:{library}:llama_get_logits_ith {mine} {{ @logits = @logits + 1; }}
uprobe:"{runtime}":__cxa_throw {mine}
  {{ @throws = @throws + 1; if (@inside[tid]) {{ @throws_in_calls = @throws_in_calls + 1; }} }}
interval:ms:{TICK_MS}
  {{ printf("{' '.join(['%d'] * len(names))}\\n", {', '.join('@' + n for n in names)}); }}
"""


class Counter:
    def __init__(self, process):
        self.process = process
        self.ticks = 0
        self.latest = Counts()
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self):
        for line in self.process.stdout:
            numbers = line.split()
            if len(numbers) == len(fields(Counts)):
                self.latest = Counts(*map(int, numbers))
                self.ticks += 1

    def wait_ticks(self, count, timeout_s):
        deadline = time.monotonic() + timeout_s
        target = self.ticks + count
        while self.ticks < target:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("bpftrace gives no counts: "
                                   + (self.process.stderr.read() if self.process.poll()
                                      is not None else "timeout"))
            time.sleep(TICK_MS / 2000)

    def read(self):
        """Counts of everything that happened before this call: the first tick
        may have been on its way already, the second is not."""
        self.wait_ticks(2, 5)
        return self.latest

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def available():
    return shutil.which("bpftrace") is not None


def watch(pid):
    """Attaches to the server and returns its counter."""
    process = subprocess.Popen(["bpftrace", "-B", "line", "-e", _program(pid)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    counter = Counter(process)
    counter.wait_ticks(1, ATTACH_TIMEOUT_S)
    return counter
