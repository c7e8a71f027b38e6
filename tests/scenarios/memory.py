#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory traffic of a real server by what its steps touch, against the weight file and the client's own counts.

    memory.py [--all] [--only PART] [--version V]

Truth is a reader of GGUF files of its own, and arithmetic over tokens that the client counted. Ends with 'N passed, N failed'.
"""
import contextlib
import json
import math
import os
import pathlib
import sqlite3
import struct
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
import meter  # noqa: E402
from faults import expect, expect_words  # noqa: E402

# Bytes of a block and weights in it, by ggml's number of the format: F32, F16, Q8_0.
BLOCKS = {0: (4, 1), 1: (2, 1), 8: (34, 32)}
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
ALL = []


def memory(function):
    ALL.append(function)
    return function


# --- the weight file, read by itself ---------------------------------------------------------------------------------

class Reader:
    def __init__(self, path):
        self.file = open(path, "rb")

    def scalar(self, code):
        return struct.unpack("<" + code, self.file.read(struct.calcsize("<" + code)))[0]

    def text(self):
        return self.file.read(self.scalar("Q")).decode(errors="replace")

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            kind, n = self.scalar("I"), self.scalar("Q")
            return [self.value(kind) for _ in range(n)]
        return self.scalar(SCALARS[kind])


class Weights:
    """What a step of this file reads: bytes of all layers, of the output matrix, of a looked up word."""

    def __init__(self, path, bytes_of_key=2.0, bytes_of_value=2.0):
        reader = Reader(path)
        assert reader.file.read(4) == b"GGUF"
        reader.scalar("I")
        n_tensors, n_keys = reader.scalar("Q"), reader.scalar("Q")
        keys = {}
        for _ in range(n_keys):
            name = reader.text()
            keys[name] = reader.value(reader.scalar("I"))
        sizes, shapes = {}, {}
        for _ in range(n_tensors):
            name = reader.text()
            shapes[name] = [reader.scalar("Q") for _ in range(reader.scalar("I"))]
            size, weights = BLOCKS[reader.scalar("I")]
            sizes[name] = math.prod(shapes[name]) // weights * size
            reader.scalar("Q")
        embedding = sizes["token_embd.weight"]
        self.output = sizes.get("output.weight", embedding)
        self.dense = sum(sizes.values()) - embedding - sizes.get("output.weight", 0)
        self.lookup = embedding // shapes["token_embd.weight"][1]
        arch = keys["general.architecture"]
        heads = keys.get(f"{arch}.attention.head_count_kv", keys[f"{arch}.attention.head_count"])
        length = keys[f"{arch}.embedding_length"] // keys[f"{arch}.attention.head_count"]
        key = keys.get(f"{arch}.attention.key_length", length)
        value = keys.get(f"{arch}.attention.value_length", length)
        self.kv = round(keys[f"{arch}.block_count"] * heads * (key * bytes_of_key + value * bytes_of_value))

    def part(self, rows):
        """Bytes of a part of a step; rows are (tokens before, tokens, outputs)."""
        return (self.dense + (self.output if any(outputs for _, _, outputs in rows) else 0)
                + sum(self.lookup * n + self.kv * (before + n) for before, n, _ in rows))

    def alone(self, n_prompt, n_generated):
        """A request alone: its prompt in one part, then a step for each token after the first."""
        steps = [(0, n_prompt, 1)] + [(n_prompt + i, 1, 1) for i in range(n_generated - 1)]
        return sum(self.part([step]) for step in steps)


def parts_of(path):
    """Every part of every step of a recording: (role of its context, rows)."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT context.role, row.step, row.ubatch, row.first_pos, row.n_tokens, row.n_outputs FROM row "
                          "JOIN step ON step.id = row.step JOIN context ON context.id = step.context "
                          "WHERE step.ret = 0 ORDER BY row.step, row.ubatch, row.idx").fetchall()
    parts = {}
    for role, step, ubatch, *row in rows:
        parts.setdefault((role, step, ubatch), []).append(tuple(row))
    return [(role, rows) for (role, _, _), rows in parts.items()]


def near(name, actual, expected):
    """Each step is rounded to a byte."""
    if actual is None or abs(actual - expected) > 1e-6 * expected + 100:
        raise AssertionError(f"{name}: {actual}, by the weight file {expected}")


# --- tests --------------------------------------------------------------------------------------------------------------

def completion(port, n_predict, words="A story that is long enough to be worth a prompt "):
    return client.completion(port, words * 4, n_predict=n_predict, cache_prompt=False).documents[0]


def record_alone(pid, port):
    completion(port, 4)
    client.wait_idle(port)
    with meter.record(pid) as recording:
        answers = [completion(port, n) for n in (1, 8, 40)]
        client.wait_idle(port)
    law.check(recording.report)
    return recording, answers


def compare_alone(recording, answers, weights):
    requests = meter.token_requests(recording.report)
    expect("requests", len(requests), len(answers))
    for request, answer in zip(sorted(requests, key=lambda r: r["arrival_ns"]), answers):
        n_prompt, n_generated = answer["tokens_evaluated"], answer["tokens_predicted"]
        near(f"{n_generated} tokens", request["cost"]["mem_bytes"], weights.alone(n_prompt, n_generated))
        per_token = request["mem_bytes_per_token"]
        near("bytes per prompt token", per_token["prompt"] * n_prompt, weights.alone(n_prompt, 1) + n_prompt / 2)
    expect("grade", recording.report["evidence"]["mem_bytes"]["grade"], "derived")


@memory
def a_lone_request_takes_what_the_weight_file_and_the_clients_tokens_say(s):
    recording, answers = record_alone(s.server.pid, s.server.port)
    compare_alone(recording, answers, Weights(engine.model_path("small-f16")))


@memory
def of_another_number_format_too(s):
    with engine.start(s.version, "small-q8_0") as server:
        recording, answers = record_alone(server.pid, server.port)
    compare_alone(recording, answers, Weights(engine.model_path("small-q8_0")))


@memory
def the_format_of_the_cache_is_read_off_the_servers_memory(s):
    with engine.start(s.version, "small-f16", cache_type_k=8) as server:
        recording, answers = record_alone(server.pid, server.port)
    with contextlib.closing(sqlite3.connect(recording.path)) as db:
        formats = db.execute("SELECT DISTINCT type_k, type_v FROM kv_cache").fetchall()
    expect("formats", formats, [("Q8_0", "F16")])
    compare_alone(recording, answers, Weights(engine.model_path("small-f16"), bytes_of_key=34 / 32))


@memory
def requests_side_by_side_share_the_weights_and_keep_their_own_contexts(s):
    weights = Weights(engine.model_path("small-f16"))
    with meter.record(s.server.pid) as recording:
        threads = [threading.Thread(target=completion, args=(s.server.port, 40, f"Story {i} of a few words " * (i + 1)))
                   for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.wait_idle(s.server.port)
    law.check(recording.report)
    parts = parts_of(recording.path)
    near("total", recording.report["totals"]["mem_bytes"], sum(weights.part(rows) for _, rows in parts))
    if not any(len(rows) > 1 for _, rows in parts):
        raise AssertionError("no step was shared")
    # Each has its own keys and values, and of the weights at least the part that equal shares give it.
    for request in meter.token_requests(recording.report):
        n = request["computed"]["prompt_tokens"] + request["computed"]["completion_tokens"] - 1
        own = weights.kv * n * (n + 1) // 2
        if not own // 2 < request["cost"]["mem_bytes"]:
            raise AssertionError(f"request {request['id']}: {request['cost']['mem_bytes']} bytes, its own keys are {own}")


@memory
def a_draft_models_steps_read_the_draft_models_weights(s):
    with engine.start(s.version, "small-f16", draft=engine.model_path("draft-f16"), draft_max=4) as server:
        completion(server.port, 8)
        with meter.record(server.pid) as recording:
            completion(server.port, 30)
            client.wait_idle(server.port)
    law.check(recording.report)
    files = {"target": Weights(engine.model_path("small-f16")), "draft": Weights(engine.model_path("draft-f16"))}
    parts = parts_of(recording.path)
    expect("roles", {role for role, _ in parts}, set(files))
    near("total", recording.report["totals"]["mem_bytes"], sum(files[role].part(rows) for role, rows in parts))


@memory
def the_report_says_it_in_every_format(s):
    recording, _ = record_alone(s.server.pid, s.server.port)
    report = recording.report
    used = [source for source in report["memory"] if source["used"]]
    expect("sources in use", len(used), 1)
    if used[0]["name"] == "model":
        expect("bytes", used[0]["bytes"], report["totals"]["mem_bytes"])
    for name in ("uncore", "resctrl"):
        source = next(source for source in report["memory"] if source["name"] == name)
        if source["grade"] == "unavailable" and not (source["reason"] and source["remedy"]):
            raise AssertionError(f"{name}: {source}")
    status, out, _ = meter.run("report", recording.path)
    expect_words(" ".join(out.split()), "Memory traffic", "bytes/out", "model *", "touched")
    status, out, _ = meter.run("report", recording.path, "--format", "csv")
    column = out.splitlines()[0].split(",").index("mem_bytes")
    expect("a column without a gap", all(line.split(",")[column] for line in out.splitlines()[1:]), True)
    steps = meter.report(recording.path, "--by", "step")["steps"]
    expect("sum of steps", sum(step["cost"]["mem_bytes"] for step in steps), report["totals"]["mem_bytes"])


def put_unit(root):
    """A unit whose counter is the kernel's own, of context switches: opened, read and cut the same way as a memory controller's."""
    unit = pathlib.Path(root) / "sys/bus/event_source/devices/arm_cmn_0"
    (unit / "events").mkdir(parents=True)
    (unit / "type").write_text("1\n")
    (unit / "cpumask").write_text(f"0-{os.cpu_count() - 1}\n")
    (unit / "events/hnf_mc_reqs").write_text("config=0x3\n")


def switches_of_the_host():
    lines = pathlib.Path("/proc/stat").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("ctxt "))


@memory
def a_unit_that_counts_goes_before_the_model_and_the_idle_hosts_part_is_taken_off(s):
    with tempfile.TemporaryDirectory(prefix="tokprof-test-") as root:
        put_unit(root)
        completion(s.server.port, 4)
        client.wait_idle(s.server.port)
        os.environ["TOKPROF_MEMORY_ROOT"] = root
        try:
            with meter.record(s.server.pid) as recording:
                before = switches_of_the_host()
                start = time.monotonic()
                time.sleep(1.5)     # idling is what is measured here
                completion(s.server.port, 60)
                client.wait_idle(s.server.port)
                all_of_them, seconds = switches_of_the_host() - before, time.monotonic() - start
        finally:
            del os.environ["TOKPROF_MEMORY_ROOT"]
    report = recording.report
    law.check(report)
    uncore, model = (next(x for x in report["memory"] if x["name"] == name) for name in ("uncore", "model"))
    expect("in use", (uncore["used"], model["used"]), (True, False))
    expect("source of the total", report["totals"]["source"]["mem_bytes"], "uncore")
    if uncore["idle_bytes_per_s"] is None or not model["ratio"]:
        raise AssertionError(f"{uncore}, {model}")
    # 64 bytes a count; what is taken off is a mean, and the recorder begins before and ends after the look at /proc.
    with contextlib.closing(sqlite3.connect(recording.path)) as db:
        counted, duration_ns = db.execute("SELECT sum(bytes) / 64, sum(duration_ns) FROM traffic_sample").fetchone()
    rate = all_of_them / seconds
    if not 0.5 * rate < counted / (duration_ns / 1e9) < 2 * rate:
        raise AssertionError(f"{counted} counted in {duration_ns} ns, the host made {rate} a second")
    expect("no interval lost", report["recording"]["losses"].get("memory"), 0)


@memory
def doctor_tries_every_sensor_and_a_self_check_says_what_each_saw(_):
    status, out, _ = meter.run("doctor", "--self-check", "--json")
    expect("exit status", status, 0)
    answer = json.loads(out)
    sensors = {sensor["id"]: sensor for sensor in answer["sensors"]}
    for name in ("uncore", "resctrl"):
        if sensors[name]["grade"] == "unavailable" and not (sensors[name]["reason"] and sensors[name]["remedy"]):
            raise AssertionError(f"{name}: {sensors[name]}")
    expect("the model", sensors["mem_model"]["grade"], "derived")
    check = answer["self_check"]
    expect("whole passes", check["known_bytes"] % check["buffer_bytes"], 0)
    for source in check["sources"]:
        if (source["ratio"] is None) == (source["reason"] is None):
            raise AssertionError(f"{source}")
    status, out, _ = meter.run("doctor", "--self-check")
    expect_words(out, "self-check of memory traffic", "uncore", "resctrl")


@memory
def a_look_at_the_cache_adds_no_memory_to_the_server(s):
    def resident():
        lines = pathlib.Path(f"/proc/{s.server.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
    completion(s.server.port, 4)
    client.wait_idle(s.server.port)
    before = resident()
    with meter.record(s.server.pid):
        pass
    if resident() > before + 1024:
        raise AssertionError(f"{before} kB before, {resident()} kB after")


if __name__ == "__main__":
    sys.exit(faults.main(ALL))
