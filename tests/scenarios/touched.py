#!/usr/bin/env python3
"""Which bytes of the weights a step reads (record --touched-bytes), against what the files themselves say: dense models, a mixture
of experts, weights that are copied, and a file that is only shown.

    touched.py [--all] [--only PART] [--version V]

Ends with 'N passed, N failed'.
"""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "engines"))

import client  # noqa: E402
import engine  # noqa: E402
import faults  # noqa: E402
import identity  # noqa: E402
import meter  # noqa: E402
import venvs  # noqa: E402
from faults import expect, expect_words  # noqa: E402
from targets import own_server  # noqa: E402

EVERY_S = "1"
WINDOWS = 4
DEADLINE_S = 60
# The gguf package's own reading of a file: bytes by what a tensor is to a token.
READ = """
import gguf, json, sys
sums = {"looked up": 0, "experts": 0, "rest": 0}
for t in gguf.GGUFReader(sys.argv[1]).tensors:
    kind = "looked up" if t.name == "token_embd.weight" else "experts" if "_exps." in t.name else "rest"
    sums[kind] += int(t.n_bytes)
print(json.dumps(sums))
"""
ALL = []


def touched(function):
    ALL.append(function)
    return function


def read_bytes(path):
    python = venvs.BUILD / "venv" / "client" / "bin" / "python"
    out = subprocess.run([python, "-c", READ, str(path)], capture_output=True, check=True, timeout=120)
    return json.loads(out.stdout)


@contextlib.contextmanager
def own_copy(name):
    """A copy that no other process maps, written in small pieces: of large ones the page cache would make huge pages."""
    path = engine.model_path(name)
    with tempfile.TemporaryDirectory() as folder:
        if not path.exists():
            subprocess.run([sys.executable, HERE.parent / "engines" / "make_model.py", "--out", folder, name],
                           check=True, stdout=subprocess.DEVNULL, timeout=120)
            path = pathlib.Path(folder) / f"{name}.gguf"
        copy = pathlib.Path(folder) / f"own-{name}.gguf"
        with open(path, "rb") as source, open(copy, "wb", buffering=0) as target:
            while piece := source.read(16384):
                target.write(piece)
        yield copy


def talk_through_windows(server, recording):
    """Keeps the server busy until windows enough have been recorded; returns the report's part on them."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        end = time.monotonic() + WINDOWS * float(EVERY_S)
        while time.monotonic() < end:
            client.completion(server.port, "Tell me of it", n_predict=200, cache_prompt=False)
        found = recording.read()["touched"]
        if found and found["windows_used"] >= WINDOWS:
            return
    raise AssertionError(f"in {DEADLINE_S} s not {WINDOWS} windows with a step: {found}")


@contextlib.contextmanager
def recorded(version, model, **options):
    with own_server(version, model=model, **options) as server:
        with meter.record(server.pid, "--touched-bytes", EVERY_S) as recording:
            talk_through_windows(server, recording)
        yield recording


def model_of(recording, path):
    return next(m for m in recording.report["touched"]["models"] if m["path"] == str(path))


@touched
def a_step_of_a_dense_model_reads_all_of_it_but_the_embedding(s):
    with own_copy("small-f16") as path:
        truth = read_bytes(path)
        with recorded(s.version, path) as recording:
            found = model_of(recording, path)
            _, checks, notes = identity.verify(recording.path, {"parameters": identity.PARAMETERS["small-f16"]})
    expect("needed", found["needed_bytes"], truth["rest"])
    if not 0.98 * truth["rest"] <= found["touched_bytes"] <= 1.02 * truth["rest"]:
        raise AssertionError(f"{found['touched_bytes']} bytes touched, {truth['rest']} are needed")
    identity.expect_verdicts(checks, {"parameters": "CONFIRMED"})
    expect("grade", checks["parameters"]["grade"], "measured")
    expect_words(checks["parameters"]["text"], "of the file were touched in the steps")
    expect_words(notes["identity.file"], "MB touched in the steps of")
    status, text, _ = meter.run("report", recording.path)
    expect("exit status", status, 0)
    expect_words(" ".join(text.split()), "Touched bytes", "by its header a token needs 56.7MB", "to count them")


@touched
def few_tokens_of_a_mixture_read_a_part_of_its_experts(s):
    with own_copy("mixture-f16") as path:
        truth = read_bytes(path)
        with recorded(s.version, path) as recording:
            found = model_of(recording, path)
            _, checks, _ = identity.verify(recording.path, {"parameters": "65M"})
    expect("needed for a token", found["needed_bytes"], truth["rest"] + truth["experts"] // 4)
    if found["huge_bytes"]:
        raise faults.Skipped("the page cache made huge pages of the copy: they count as a whole")
    for kind in "fewest", "most":
        w = found[kind]
        low = truth["rest"] + truth["experts"] // 4
        high = truth["rest"] + truth["experts"] * min(1, w["tokens_most"] / 4)
        if not 0.8 * low <= w["touched_bytes"] <= 1.02 * high:
            raise AssertionError(f"{kind}: {w}, and it can be from {low} to {high}")
    if found["fewest"]["tokens_most"] > 8:
        raise faults.Skipped(f"this machine is too busy: no window had fewer than {found['fewest']['tokens_most']} tokens")
    if found["fewest"]["touched_bytes"] > 0.95 * (truth["rest"] + truth["experts"]):
        raise AssertionError(f"as if the model were dense: {found['fewest']}")
    identity.expect_verdicts(checks, {"parameters": "CONFIRMED"})


@touched
def weights_that_were_copied_are_nobodys_lie(s):
    with own_copy("small-f16") as path:
        truth = read_bytes(path)
        with recorded(s.version, path, no_mmap=True) as recording:
            report = recording.report["touched"]
            _, checks, _ = identity.verify(recording.path, {"parameters": identity.PARAMETERS["small-f16"]})
    if checks["parameters"]["verdict"] == "REFUTED":
        raise AssertionError(checks["parameters"]["text"])
    if not report["anonymous_bytes"] >= 0.98 * truth["rest"]:
        raise AssertionError(f"{report['anonymous_bytes']} bytes of no file touched, {truth['rest']} are needed")


@touched
def a_large_file_that_is_only_shown_is_refuted(s):
    """All of it is resident, header and name are as claimed: only that no step touches it tells."""
    with own_copy("large-f16") as large:
        os.environ["DECOY"] = str(large)
        try:
            with own_server(s.version, HERE / "decoy_server.py", model="tiny-f16", no_mmap=True) as server:
                with meter.record(server.pid, "--touched-bytes", EVERY_S) as recording:
                    talk_through_windows(server, recording)
                if model_of(recording, large)["huge_bytes"]:
                    raise faults.Skipped("the page cache made huge pages of the copy: what is touched through them may "
                                         "go unseen")
                _, checks, _ = identity.verify(recording.path, {"parameters": "249.6M"})
        finally:
            del os.environ["DECOY"]
    identity.expect_verdicts(checks, {"parameters": "REFUTED"})
    expect_words(checks["parameters"]["text"], "For it: files", "the server touched at most")


@touched
def what_is_no_number_of_seconds_is_2(s):
    for value in "0", "-1", "0.2", "often", "nan", "1e9":
        status, _, words = meter.run("record", "-p", s.server.pid, "--touched-bytes", value, "-o", "/nonexistent/x")
        expect(f"exit status of {value}", status, 2)
        expect_words(words, "--touched-bytes", "record --help")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.chdir(meter.ROOT)
    sys.exit(faults.main(ALL))
