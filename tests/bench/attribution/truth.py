# SPDX-License-Identifier: Apache-2.0
"""Measures what one subset of the requests costs a real server, in CPU time by the kernel's account.

The server's state is the same before each run: all slots erased by the server's own API, cached prompts restored from
files in the same order, each request pinned to its slot.
"""
import itertools
import json
import os
import time

import client
import mixes

SLOTS = 4
CTX = 16384
REPLY_TIMEOUT_S = 600
QUIET_LIMIT_S = 20
QUIET_STEP_S = 0.01
QUIET_STEPS = 3
QUIET_NS = 200_000       # a step in which the server used less than this is quiet
IDLE_S = 2.0
# The two accounts of a run may differ by what threads that ended had used, and by nothing else.
ACCOUNTS_TOLERANCE = 0.002
SCRUB_CHARACTERS = 24
SCRUB_TOKENS = 8


class MeasureError(RuntimeError):
    pass


def tasks(pid):
    """tid -> CPU time in ns by schedstat."""
    found = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as file:
                found[int(tid)] = int(file.read().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass   # ended while it was looked at; the process clock has its time
    return found


def process_clock(pid):
    """The CPU clock of a whole process, threads that ended included: what clock_getcpuclockid() returns, by the
    encoding of include/linux/posix-timers.h (pid inverted, CPUCLOCK_SCHED = 2)."""
    return time.clock_gettime_ns((~pid << 3) | 2)


class Meter:
    """CPU time of a server between two moments at which it is quiet."""

    def __init__(self, pid):
        self.pid = pid
        self.idle_rate = 0.0

    def wait_quiet(self):
        deadline = time.monotonic() + QUIET_LIMIT_S
        quiet, last = 0, process_clock(self.pid)
        while quiet < QUIET_STEPS:
            if time.monotonic() > deadline:
                raise MeasureError(f"the server (pid {self.pid}) did not come to rest within {QUIET_LIMIT_S} s")
            time.sleep(QUIET_STEP_S)
            now = process_clock(self.pid)
            quiet = quiet + 1 if now - last < QUIET_NS else 0
            last = now

    def read(self):
        return time.monotonic_ns(), process_clock(self.pid), tasks(self.pid)

    def since(self, before):
        """What was used since a reading: facts for a line of the results."""
        start_ns, clock, threads = before
        end_ns, clock_now, threads_now = self.read()
        ended = len(threads.keys() - threads_now.keys())
        clock_ns = clock_now - clock
        cpu_ns = sum(used - threads.get(tid, 0) for tid, used in threads_now.items() if tid in threads or used)
        if not ended and abs(cpu_ns - clock_ns) > ACCOUNTS_TOLERANCE * clock_ns + QUIET_NS:
            raise MeasureError(f"schedstat says {cpu_ns} ns, the process clock {clock_ns} ns, and no thread ended")
        # A thread that ended took its schedstat with it; the process clock kept its time.
        total = clock_ns if ended else cpu_ns
        idle_ns = round(self.idle_rate * (end_ns - start_ns))
        return dict(cpu_ns=total, clock_ns=clock_ns, idle_ns=idle_ns, cost_ns=total - idle_ns, wall_ns=end_ns - start_ns,
                    threads_ended=ended)

    def measure_idle(self):
        """The rate of an idle server, which is subtracted from every run."""
        self.wait_quiet()
        before = self.read()
        time.sleep(IDLE_S)
        used = self.since(before)
        self.idle_rate = max(0, used["cpu_ns"]) / used["wall_ns"]


class Bench:
    """A running server with the requests of one mix."""

    def __init__(self, server, mix, seed):
        self.port = server.port
        self.mix = mix
        self.meter = Meter(server.pid)
        self.prompts = [mixes.prompt(f"{seed}/{i}", r.n_prompt, self._count) for i, r in enumerate(mix.requests)]
        self.scrubs = (mixes.text(f"{seed}/scrub/{k}", SCRUB_CHARACTERS) for k in itertools.count())

    def warm_up(self):
        """Everything once, so that no run pays for first touches; cached prompts are computed and saved."""
        self._erase()
        for i, request in enumerate(self.mix.requests):
            self._alone(i, self.prompts[i], 1)
            if request.cached:
                self._slot(i, "save", filename=f"prompt-{i}")
        self.prepare()
        self.run(tuple(range(len(self.mix.requests))))
        self.meter.measure_idle()

    def prepare(self):
        """The state that every run starts from."""
        if self.mix.draft:
            # A draft model's context keeps the last text of each slot, which erasing leaves: another text replaces it,
            # or a prompt that comes again would be drafted for nothing.
            for i in range(len(self.mix.requests)):
                self._alone(i, next(self.scrubs), SCRUB_TOKENS)
        self._erase()
        for i, request in enumerate(self.mix.requests):
            if request.cached:
                self._slot(i, "restore", filename=f"prompt-{i}")
        self.meter.wait_quiet()

    def run(self, subset):
        """Sends the requests of a subset together; facts of the run. Call prepare() before."""
        # Few prompt tokens first: the engine begins with what has arrived, and a short beginning lets the others join.
        order = sorted(subset, key=lambda i: self.mix.requests[i].n_computed)
        bodies = {i: client.request_bytes("/v1/completions", self._body(i, self.prompts[i], self.mix.requests[i].n_output))
                  for i in order}
        connections = {i: client.Connection(self.port, REPLY_TIMEOUT_S) for i in order}
        try:
            self.meter.wait_quiet()
            before = self.meter.read()
            sent = [connections[i].send(bodies[i]) for i in order]
            replies = {i: connections[i].read_reply(sent[0]) for i in order}
            self.meter.wait_quiet()
            used = self.meter.since(before)
        finally:
            for connection in connections.values():
                connection.close()
        return dict(subset=sorted(subset), sent_within_ns=sent[-1] - sent[0], **used,
                    replies=[self._facts(i, replies[i]) for i in sorted(subset)])

    def _count(self, text):
        reply = client.post(self.port, "/tokenize", {"content": text, "add_special": True})
        return len(json.loads(reply.body)["tokens"])

    def _body(self, index, prompt, n_output):
        return {"model": "any", "prompt": prompt, "max_tokens": n_output, "temperature": 0, "ignore_eos": True,
                "id_slot": index, "cache_prompt": self.mix.requests[index].cached}

    def _alone(self, index, prompt, n_output):
        with client.Connection(self.port, REPLY_TIMEOUT_S) as connection:
            reply = connection.request("/v1/completions", self._body(index, prompt, n_output))
        if reply.status != 200:
            raise MeasureError(f"request {index}: status {reply.status}: {reply.error}")

    def _slot(self, index, action, **body):
        reply = client.post(self.port, f"/slots/{index}?action={action}", body)
        if reply.status != 200:
            raise MeasureError(f"slot {index}, {action}: status {reply.status}: {reply.error}")

    def _erase(self):
        for i in range(SLOTS):
            self._slot(i, "erase")

    def _facts(self, index, reply):
        """What the server says about a request. A length other than the one asked for makes the run worthless."""
        request = self.mix.requests[index]
        if reply.status != 200:
            raise MeasureError(f"request {index}: status {reply.status}: {reply.error}")
        timings, usage = reply.timings, reply.usage
        facts = dict(request=index, api_id=reply.response_id, prompt_n=timings["prompt_n"], cache_n=timings["cache_n"],
                     predicted_n=timings["predicted_n"], prompt_ms=timings["prompt_ms"],
                     predicted_ms=timings["predicted_ms"], draft_n=timings.get("draft_n", 0),
                     draft_accepted=timings.get("draft_n_accepted", 0), billed_prompt=usage["prompt_tokens"],
                     billed_completion=usage["completion_tokens"])
        expected = dict(prompt_n=request.n_computed, predicted_n=request.n_output, billed_prompt=request.n_prompt)
        for name, value in expected.items():
            if facts[name] != value:
                raise MeasureError(f"request {index}: {name} is {facts[name]}, not {value}")
        return facts
