#!/usr/bin/env python3
"""Claims about what was served, against real servers: true ones are confirmed, false ones refuted.

    identity.py [--all] [--only PART] [--version V]

Ends with 'N passed, N failed'.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "engines"))

import client  # noqa: E402
import engine  # noqa: E402
import faults  # noqa: E402
import meter  # noqa: E402
from faults import expect, expect_words  # noqa: E402
from targets import own_server  # noqa: E402

GENERATIONS = 22      # speculation is ruled out by 20
CONTEXT = 2048
# What make_model.py makes, by its own arithmetic.
PARAMETERS = {"tiny-f16": "9.6M", "small-f16": "29.4M", "small-q8_0": "29.4M"}
ALL = []


def identity(function):
    ALL.append(function)
    return function


def talk(server, generations=GENERATIONS):
    for i in range(generations):
        client.chat(server.port, f"{i}: tell me of the number {i * 37} and of nothing else", max_tokens=6 + i % 5)
    client.wait_idle(server.port)


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return None


def verify(path, claims):
    """(exit status, {claim: check}, notes) of these claims, each a map in one line."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write("claims:\n" + "".join(f"  - {{metric: {metric}, is: {is_}}}\n" for metric, is_ in claims.items()))
        f.flush()
        status, out, err = meter.run("verify", path, "--claims", f.name, "--format", "json")
    if status == 2:
        raise AssertionError(err)
    document = json.loads(out)
    checks = {c["id"].removeprefix("identity."): c for c in document["checks"] if c["id"].startswith("identity.")}
    return status, checks, {n["id"]: n["text"] for n in document["notes"]}


def expect_verdicts(checks, expected):
    for name, verdict in expected.items():
        if checks[name]["verdict"] != verdict:
            raise AssertionError(f"{name}: {checks[name]['verdict']}, expected {verdict}: {checks[name]['text']}")


@contextlib.contextmanager
def recorded(version, *options, generations=GENERATIONS, **server_options):
    """A server with its own model, recorded; yields the recording after its end, and the server's model file."""
    with own_server(version, **server_options) as server:
        with meter.record(server.pid, *options) as recording:
            talk(server, generations)
        yield recording


@identity
def true_claims_are_confirmed(s):
    with recorded(s.version, "--digest-models", model="small-f16", slots=2, ctx=CONTEXT) as recording:
        claims = {"model": "small-f16", "parameters": PARAMETERS["small-f16"], "precision": "F16",
                  "context": f"{CONTEXT} tokens", "speculation": "no"}
        if processor():
            claims["hardware"] = json.dumps(processor())
        status, checks, notes = verify(recording.path, claims)
    expect_verdicts(checks, {name: "CONFIRMED" for name in claims})
    expect("exit status", status, 0)
    expect("grade of parameters", checks["parameters"]["grade"], "measured")
    digest = hashlib.sha256(engine.model_path("small-f16").read_bytes()).hexdigest()
    expect_words(notes["identity.file"], digest, "architecture llama")


@identity
def twice_the_parameters_are_refuted(s):
    with recorded(s.version, model="small-f16", generations=3) as recording:
        status, checks, _ = verify(recording.path, {"parameters": "59M"})
        huge_status, huge, _ = verify(recording.path, {"parameters": "70B"})
    expect_verdicts(checks, {"parameters": "REFUTED"})
    expect("exit status", status, 1)
    expect_words(checks["parameters"]["text"], "Against it: files")
    expect("exit status of 70B", huge_status, 1)
    expect_words(huge["parameters"]["text"], "files:", "memory:", "time:")
    before, after = huge["parameters"]["text"].split("Not available", 1)
    expect_words(before, "Against it: files", "all of the server never had more than")
    expect_words(after, "words")


@identity
def eight_bits_are_not_sixteen(s):
    with recorded(s.version, model="small-q8_0", generations=3) as recording:
        status, checks, _ = verify(recording.path, {"precision": "F16", "parameters": PARAMETERS["small-q8_0"]})
        _, right, _ = verify(recording.path, {"precision": "INT8"})
    expect_verdicts(checks, {"precision": "REFUTED", "parameters": "CONFIRMED"})
    expect("exit status", status, 1)
    expect("measured", checks["precision"]["measured"], "Q8_0")
    expect_verdicts(right, {"precision": "CONFIRMED"})


@identity
def a_context_longer_than_the_servers_is_refuted(s):
    with recorded(s.version, model="tiny-f16", ctx=1024, slots=2, generations=3) as recording:
        status, checks, _ = verify(recording.path, {"context": "4096 tokens"})
        _, right, _ = verify(recording.path, {"context": "1024 tokens"})
        _, used, _ = verify(recording.path, {"context": "16 tokens"})
    expect_verdicts(checks, {"context": "REFUTED"})
    expect("exit status", status, 1)
    expect("measured", checks["context"]["measured"], 1024)
    expect_verdicts(right, {"context": "CONFIRMED"})
    expect("grade of what was computed", used["context"]["grade"], "measured")


@identity
def a_smaller_model_under_another_name_is_refuted(s):
    """Name and answers say what was claimed; the file's header does not."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "small-30m-f16.gguf"
        shutil.copy(engine.model_path("tiny-f16"), path)
        with recorded(s.version, model=str(path), generations=3) as recording:
            status, checks, _ = verify(recording.path, {"model": "small-30m-f16", "parameters": PARAMETERS["small-f16"]})
    expect_verdicts(checks, {"model": "REFUTED", "parameters": "REFUTED"})
    expect("exit status", status, 1)
    expect_words(checks["model"]["text"], "so it is named in 3 answers", "Against it: files")


@identity
def a_file_that_is_replaced_keeps_its_digest(s):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.gguf"
        shutil.copy(engine.model_path("tiny-f16"), path)
        with own_server(s.version, model=str(path)) as server:
            path.unlink()
            shutil.copy(engine.model_path("small-q8_0"), path)
            with meter.record(server.pid, "--digest-models") as recording:
                talk(server, 2)
        _, checks, notes = verify(recording.path, {"parameters": PARAMETERS["tiny-f16"]})
    expect_verdicts(checks, {"parameters": "CONFIRMED"})
    expect_words(notes["identity.file"], hashlib.sha256(engine.model_path("tiny-f16").read_bytes()).hexdigest())


@identity
def drafts_are_seen_and_are_not_the_model(s):
    with recorded(s.version, model="small-f16", draft=engine.model_path("draft-f16"), generations=4) as recording:
        _, checks, notes = verify(recording.path, {"speculation": "no", "parameters": PARAMETERS["small-f16"]})
        _, right, _ = verify(recording.path, {"speculation": "yes"})
    expect_verdicts(checks, {"speculation": "REFUTED", "parameters": "CONFIRMED"})
    expect_verdicts(right, {"speculation": "CONFIRMED"})
    expect_words(checks["speculation"]["text"], "a draft model, tokprof-draft-f16")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.chdir(meter.ROOT)
    sys.exit(faults.main(ALL))
