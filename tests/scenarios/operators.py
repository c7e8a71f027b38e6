#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What steps of a real server are made of, against the model's own structure and against perf's samples.

    operators.py [--all] [--only PART] [--version V]

Ends with 'N passed, N failed'.
"""
import collections
import contextlib
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "engines")]

import client  # noqa: E402
import engine  # noqa: E402
import faults  # noqa: E402
import law  # noqa: E402
import meter  # noqa: E402
from faults import Skipped, expect, expect_words  # noqa: E402

PROMPT = "A story that is long enough to be worth a prompt " * 12
OLD = "0.2.14"          # its norms are not fused with their multiplications
LAYERS_ALIKE = 0.25     # by which the share of a layer may differ from the mean of all, which are of one size
PERF_HZ = 199
PERF_STACK_BYTES = 16384
PERF_NEAR = 0.03        # by which a class's share may differ from that of perf's samples,
PERF_SIGMAS = 3         # and by so many standard deviations of a share of that many samples
PERF_LEAST = 150
# The program of probes is shown to be within its budget, plus a burst that is only paid for afterwards.
BUDGET, BURST_STEPS, HIT_NS = 0.002, 24, 1100
CLASSES = {"mul_mat": "matmul", "flash_attn_ext": "attention", "soft_max": "attention", "rms_norm": "norm",
           "rms_norm_mul_fused": "norm", "mul": "norm", "rope": "rope", "set_rows": "copy", "cpy": "copy", "dup": "copy",
           "cont": "copy", "get_rows": "copy", "add": "elementwise", "glu": "elementwise"}
ALL = []


def operators(function):
    ALL.append(function)
    return function


def query(path, sql):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return database.execute(sql).fetchall()


def record_work(s, *options, n=2):
    client.completion(s.port, "warm up", n_predict=2)
    with meter.record(s.server.pid, *options) as recording:
        for i in range(n):
            client.completion(s.port, f"{i} {PROMPT}", n_predict=60, cache_prompt=False)
        client.wait_idle(s.port)
    law.check(recording.report)
    expect("records lost", sum(recording.report["recording"]["losses"].values()), 0)
    return recording


def split(recording, by):
    return meter.report(recording.path, "--by", by)[by + "s"]


@operators
def every_probed_step_has_the_nodes_of_the_models_layers(s):
    """Seven matrices a layer and the output; two norms and the last; two rotations; keys and values written."""
    recording = record_work(s)
    (n_layers,), = query(recording.path, "SELECT n_layers FROM model LIMIT 1")
    steps = collections.defaultdict(dict)
    for step, name, n in query(recording.path, "SELECT step, operator, sum(n) FROM step_operator GROUP BY 1, 2"):
        steps[step][name] = n
    if len(steps) < 8:
        raise AssertionError(f"only {len(steps)} steps were probed")
    per_norm = 2 if s.version == OLD else 1
    for step, nodes in steps.items():
        for name, n in {"matmul": 7 * n_layers + 1, "attention": n_layers, "norm": (2 * n_layers + 1) * per_norm,
                        "rope": 2 * n_layers, "embedding": 1, "elementwise": 3 * n_layers,
                        "graph start": 1, "probes": 1}.items():
            expect(f"{name} of step {step}", nodes.get(name), n)
        if not 2 * n_layers <= nodes["copy"] <= 2 * n_layers + 3:   # and the rows that an output is wanted of
            raise AssertionError(f"copy of step {step}: {nodes['copy']}")
    layers = query(recording.path, "SELECT layer, sum(n) FROM step_operator WHERE operator = 'matmul' GROUP BY 1")
    expect("matrices by layer", [(layer, n // len(steps)) for layer, n in layers],
           [(-1, 1)] + [(i, 7) for i in range(n_layers)])
    flagged, = query(recording.path, "SELECT count(*) FROM step WHERE (flags & 16) != 0")
    if flagged[0] < len(steps):
        raise AssertionError(f"{flagged[0]} steps are flagged, {len(steps)} were probed")


@operators
def parts_sum_to_what_the_steps_took(s):
    recording = record_work(s)
    total = sum(value for (value,) in query(recording.path, "SELECT value FROM step_resource WHERE resource = 1"))
    for by in ("operator", "layer"):
        found = split(recording, by)
        expect("grade", found["grade"], "derived")
        expect("total", found["total"], total)
        expect("parts", sum(part["total"] for part in found["parts"]) + found["not_split"], total)
        for rows in found["steps"]:
            values = [part["by_rows"][rows["rows"]] for part in found["parts"]]
            if rows["n_probed"]:
                expect(f"parts of {rows['rows']}", sum(values), rows["total"])
            else:
                expect(f"parts of {rows['rows']}", set(values), {None})
        if by == "layer":
            decode = [part["by_rows"]["decode"] for part in found["parts"] if part["layer"] is not None]
            mean = sum(decode) / len(decode)
            if max(abs(value - mean) for value in decode) > LAYERS_ALIKE * mean:
                raise AssertionError(f"layers of one size took {decode}")
        for form in ("text", "csv"):
            status, out, _ = meter.run("report", recording.path, "--by", by, "--format", form)
            expect("exit status", status, 0)
            expect_words(out, "engine", "matmul" if by == "operator" else "layer")
    if not found["sampling"]["total"] > 0:
        raise AssertionError(f"sampling: {found['sampling']}")


def perf_shares(path):
    """Of the samples inside a node, by the function that computes it: from the callers that perf has unwound."""
    out = subprocess.run(["perf", "script", "--no-inline", "-i", str(path), "-F", "tid,ip,sym"], capture_output=True,
                         text=True, timeout=240).stdout
    counts = collections.Counter()
    for chain in out.split("\n\n"):
        names = re.findall(r"ggml_compute_forward_(\w+)", chain)
        if names:
            name = next((n for n in CLASSES if names[-1] == n or names[-1].startswith(n + "_")), None)
            counts[CLASSES.get(names[-1], CLASSES.get(name, "other"))] += 1
    return counts


@operators
def the_split_is_that_of_perfs_samples(s):
    """One thread, so that no sample is of a thread that waits for another one's share."""
    if not shutil.which("perf"):
        raise Skipped("no perf here")
    with tempfile.TemporaryDirectory() as folder, engine.start(s.version, "small-f16", threads=1) as server:
        samples = pathlib.Path(folder) / "perf.data"
        client.completion(server.port, "warm up", n_predict=2)
        with meter.record(server.pid) as recording:
            perf = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(PERF_HZ), "--call-graph",
                                     f"dwarf,{PERF_STACK_BYTES}", "-p", str(server.pid), "-o", str(samples)],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for i in range(3):
                client.completion(server.port, f"{i}", n_predict=150, ignore_eos=True, cache_prompt=False)
            perf.terminate()
            perf.wait(30)
        counts = perf_shares(samples)
    n = sum(counts.values())
    if n < PERF_LEAST:
        raise Skipped(f"perf has no more than {n} samples")
    parts = {part["name"]: part["by_rows"]["decode"] for part in split(recording, "operator")["parts"]}
    for beside in ("engine", "graph start"):
        parts.pop(beside)
    parts["copy"] += parts.pop("embedding")
    whole = sum(parts.values())
    for name in ("matmul", "attention", "norm", "rope", "elementwise", "copy"):
        share, of_perf = parts[name] / whole, counts[name] / n
        room = PERF_NEAR + PERF_SIGMAS * (max(share * (1 - share), 1 / n) / n) ** 0.5
        if abs(share - of_perf) > room:
            raise AssertionError(f"{name}: {share:.3f}, of {n} samples {of_perf:.3f}, which may differ by {room:.3f}")


@operators
def bursts_keep_to_their_budget(s):
    recording = record_work(s, n=4)
    (probed,), = query(recording.path, "SELECT count(*) FROM step WHERE (flags & 16) != 0")
    (nodes,), = query(recording.path, "SELECT max(n) FROM (SELECT sum(n) AS n FROM step_operator GROUP BY step)")
    cost_ns = probed * nodes * 2 * HIT_NS
    burst_ns = BURST_STEPS * nodes * 2 * HIT_NS
    if cost_ns > BUDGET * recording.report["totals"]["cpu_ns"] + 2 * burst_ns:
        raise AssertionError(f"{probed} steps of {nodes} nodes were probed")


@contextlib.contextmanager
def profile_with(change):
    lines = (meter.ROOT / "collectors/engines/llama.cpp.profile").read_text().splitlines()
    with tempfile.NamedTemporaryFile("w", suffix=".profile") as file:
        file.write("\n".join(line for line in map(change, lines) if line is not None) + "\n")
        file.flush()
        yield file.name


def unavailable(s, change, *words):
    with profile_with(change) as profile:
        recording = record_work(s, "--engine-profile", profile, n=1)
    expect("operators", query(recording.path, "SELECT count(*) FROM step_operator WHERE operator != 'sampling'"), [(0,)])
    found = split(recording, "operator")
    expect("grade", found["grade"], "unavailable")
    expect("parts", found["parts"], [])
    expect_words(found["reason"], *words)
    status, out, _ = meter.run("report", recording.path, "--by", "layer")
    expect("exit status", status, 0)
    expect_words(out, "Unavailable")


@operators
def an_engine_whose_operators_have_no_names_is_not_guessed_at(s):
    unavailable(s, lambda line: None if line.startswith("op_names") else line, "not known")


@operators
def an_offset_that_is_wrong_is_seen_at_every_step(s):
    unavailable(s, lambda line: "node_op = 16" if line.startswith("node_op") else line, "operator", "name")


if __name__ == "__main__":
    sys.exit(faults.main(ALL))
