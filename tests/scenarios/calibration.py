#!/usr/bin/env python3
"""tokprof calibrate against real servers: what it stores, who uses it, what it refuses, and what it leaves behind.

    calibration.py [--all] [--only PART] [--version V]

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
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "engines"))

import client  # noqa: E402
import engine  # noqa: E402
import faults  # noqa: E402
import law  # noqa: E402
import meter  # noqa: E402
from faults import expect, expect_words  # noqa: E402
from targets import own_server  # noqa: E402

SECONDS = 12
TIMEOUT_S = 120
ALL = []


def calibration(function):
    ALL.append(function)
    return function


@contextlib.contextmanager
def own_fits():
    """A folder of fits for one test, as every child of ours finds it."""
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("TOKPROF_FITS")
        os.environ["TOKPROF_FITS"] = folder
        try:
            yield pathlib.Path(folder)
        finally:
            if before is None:
                del os.environ["TOKPROF_FITS"]
            else:
                os.environ["TOKPROF_FITS"] = before


def calibrate(*arguments, seconds=SECONDS):
    """(exit status, result or None, stderr)."""
    status, out, words = meter.run("calibrate", "--json", "--seconds", seconds, *arguments, timeout=TIMEOUT_S)
    return status, json.loads(out) if out else None, words


def fit_of(result, resource, role="target"):
    found = [f for f in result["fits"] if f["resource"] == resource and f["role"] == role]
    expect(f"fits of {resource} of {role}", len(found), 1)
    return found[0]


def start_calibrating(pid, seconds=60):
    process = subprocess.Popen([str(meter.TOKPROF), "calibrate", "-p", str(pid), "--seconds", str(seconds)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(3)
    expect("exit status so far", process.poll(), None)
    return process


def two_at_once(port):
    """Two requests in one batch, so that there is something to share."""
    sizes = ((40, 40), (400, 20))
    threads = [threading.Thread(target=client.completion, args=(port, "w" * n), kwargs={"n_predict": m}) for n, m in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.wait_idle(port)


@calibration
def a_fit_is_stored_and_recordings_take_it_along(s):
    same = {"prompt": "The same before and after", "n_predict": 24, "cache_prompt": False}
    with own_fits() as folder, own_server(s.version, model="tiny-f16") as server:
        before = client.completion(server.port, **same).token_ids
        status, result, words = calibrate("-p", server.pid)
        expect(f"exit status ({words})", status, 0)
        sweep = result["sweep"]
        expect("schema", result["schema"], "tokprof.calibrate/1")
        expect("server", (result["server"]["pid"], result["server"]["engine"]), (server.pid, "llama.cpp"))
        if sweep["steps"] < 300 or sweep["steps_fitted"] < 0.9 * sweep["steps"]:
            raise AssertionError(f"steps: {sweep}")
        expect("other clients", sweep["foreign_requests"], 0)
        if sweep["duration_ns"] > 1.3e9 * SECONDS:
            raise AssertionError(f"{SECONDS} s took {sweep['duration_ns'] / 1e9:.1f} s")
        for resource in ("step_ns", "cpu_ns"):
            fit = fit_of(result, resource)
            # How small it is, is the machine's and the benches' matter: tests run beside others.
            if not fit["median_residual"] > 0 or not fit["held_out_steps"]:
                raise AssertionError(f"{resource}: {fit['median_residual']} of {fit['held_out_steps']} steps")
        expect("page faults, which most steps have none of", [f for f in result["fits"] if f["resource"] == "faults"], [])
        expect("files stored", [str(folder / p) for p in os.listdir(folder)], [result["stored"]])
        expect("the same answer", client.completion(server.port, **same).token_ids, before)
        with meter.record(server.pid) as recording:
            two_at_once(server.port)
    expect_words(recording.words, "cost model: calibrated")
    law.check(recording.report)
    if fit_of(result, "cpu_ns")["identified"]:
        expect("rule", recording.report["attribution"]["rule"], "shapley")
        for request in meter.token_requests(recording.report):
            low, cost, high = (request["cost"][k] for k in ("low", "cpu_ns", "high"))
            if not low["cpu_ns"] <= cost <= high["cpu_ns"]:
                raise AssertionError(f"{cost} is not within {low} to {high}")


@calibration
def a_fit_of_another_model_is_not_used(s):
    with own_fits():
        with own_server(s.version, model="tiny-f16") as server:
            status, _, words = calibrate("-p", server.pid, seconds=10)
            expect(f"exit status ({words})", status, 0)
        with meter.record(s.server.pid, "-v") as recording:
            client.completion(s.port, "Of another model", n_predict=5)
            client.wait_idle(s.port)
    expect_words(recording.words, "cost model: none", "tokprof calibrate -p")
    expect("rule", recording.report["attribution"]["rule"], "per-token")
    law.check(recording.report)


@calibration
def drafts_are_fitted_apart(s):
    with own_fits(), own_server(s.version, model="small-f16", draft=engine.model_path("draft-f16")) as server:
        status, result, words = calibrate("-p", server.pid)
        expect(f"exit status ({words})", status, 0)
        for role in ("target", "draft"):
            fit_of(result, "cpu_ns", role)


@calibration
def a_second_weight_file_that_never_drafts_is_said_before_the_sweep(s):
    with own_fits() as folder, own_server(s.version, HERE / "mapping_server.py") as server:
        start = time.monotonic()
        status, result, words = calibrate("-p", server.pid, seconds=100)
        took = time.monotonic() - start
    expect("exit status", status, 2)
    expect("result", result, None)
    expect_words(words, "two weight files are mapped", "none of", "was of a draft model", "calibrate the server without it")
    expect("fits", list(folder.glob("*")), [])
    if took > 50:
        raise AssertionError(f"it was said after {took:.0f} s of 100")


@calibration
def a_server_with_other_clients_is_refused_unless_told(s):
    with own_fits() as folder, own_server(s.version) as server:
        with client.Connection(server.port) as other:
            other.send(client.request_bytes("/completion", {"prompt": "A long one", "n_predict": 3000, "stream": True}))
            time.sleep(0.3)
            status, result, words = calibrate("-p", server.pid, seconds=10)
            expect("exit status", status, 2)
            expect("result", result, None)
            expect_words(words, "other clients", "--busy-ok")
            status, result, words = calibrate("-p", server.pid, "--busy-ok", seconds=10)
            expect(f"exit status with --busy-ok ({words})", status, 0)
            expect("fits", len(os.listdir(folder)), 1)


@calibration
def a_client_that_comes_later_ends_it_without_a_fit(s):
    with own_fits() as folder, own_server(s.version) as server:
        process = start_calibrating(server.pid)
        client.completion(server.port, "Here I am", n_predict=4)
        out, words = process.communicate(timeout=TIMEOUT_S)
        expect("exit status", process.returncode, 2)
        expect("result", out, "")
        expect_words(words, "requests of others", "--busy-ok")
        expect("fits", os.listdir(folder), [])
        client.wait_idle(server.port)


@calibration
def an_interrupt_leaves_no_fit_no_file_and_an_idle_server(s):
    with own_fits() as folder, tempfile.TemporaryDirectory() as temporary, own_server(s.version) as server:
        os.environ["TMPDIR"] = temporary
        try:
            process = start_calibrating(server.pid)
        finally:
            del os.environ["TMPDIR"]
        process.send_signal(signal.SIGINT)
        out, words = process.communicate(timeout=TIMEOUT_S)
        expect("exit status", process.returncode, 130)
        expect("result", out, "")
        expect_words(words, "nothing was stored")
        expect("fits", os.listdir(folder), [])
        expect("recordings left", os.listdir(temporary), [])
        client.wait_idle(server.port)


@calibration
def a_server_that_dies_is_5(s):
    with own_fits() as folder, own_server(s.version) as server:
        process = start_calibrating(server.pid)
        server.process.kill()
        _, words = process.communicate(timeout=TIMEOUT_S)
        expect("exit status", process.returncode, 5)
        expect_words(words, "the server has ended")
        expect("fits", os.listdir(folder), [])


@calibration
def a_command_is_started_calibrated_and_ended(s):
    marker = f"tokprof-calibration-{os.getpid()}"
    command = [sys.executable, str(engine.SERVER), "--version", s.version, "--model", str(engine.model_path("tiny-f16"))]
    with own_fits() as folder:
        os.environ["TOKPROF_TEST_MARKER"] = marker
        try:
            status, result, words = calibrate("--", *command, seconds=10)
        finally:
            del os.environ["TOKPROF_TEST_MARKER"]
        expect(f"exit status ({words})", status, 0)
        expect("fits", len(os.listdir(folder)), 1)
    left = []
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if marker.encode() in path.read_bytes():
                left.append(path.parent.name)
    expect("processes left", left, [])
    expect("engine", result["server"]["engine"], "llama.cpp")


@calibration
def a_command_that_ends_at_once_is_5(s):
    del s
    status, result, words = calibrate("--", "false", seconds=10)
    expect("exit status", status, 5)
    expect("result", result, None)
    expect_words(words, "'false' ended with status 1 before it served")


@calibration
def a_process_without_an_engine_is_refused(s):
    del s
    process = subprocess.Popen([sys.executable, str(HERE / "black_box.py")], stdout=subprocess.PIPE, text=True)
    try:
        process.stdout.readline()
        status, _, words = calibrate("-p", process.pid, seconds=10)
    finally:
        process.kill()
        process.communicate()
    expect("exit status", status, 2)
    expect_words(words, "no engine whose steps can be probed", "tokprof list")


@calibration
def an_api_key_is_asked_for_and_sent(s):
    with own_fits(), tempfile.TemporaryDirectory() as folder, own_server(s.version, api_key="open-sesame") as server:
        status, _, words = calibrate("-p", server.pid, seconds=10)
        expect("exit status without it", status, 2)
        expect_words(words, "--api-key-file")
        path = pathlib.Path(folder) / "key"
        path.write_text("not-sesame\n")
        status, _, words = calibrate("-p", server.pid, "--api-key-file", path, seconds=10)
        expect("exit status with another", status, 2)
        expect_words(words, "is not the server's")
        path.write_text("open-sesame\n")
        status, _, words = calibrate("-p", server.pid, "--api-key-file", path, seconds=10)
        expect(f"exit status with it ({words})", status, 0)
        if "sesame" in words:
            raise AssertionError("the key is shown")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(faults.main(ALL))
