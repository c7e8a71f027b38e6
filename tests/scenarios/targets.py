#!/usr/bin/env python3
"""Every way to name what is recorded, each with what must then be in the recording: a thread or a child of a server, a name,
all servers, a command; and a server on a unix socket.

    targets.py [--all] [--only PART] [--version V]

Ends with 'N passed, N failed'.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "engines"))

import client  # noqa: E402
import engine  # noqa: E402
import faults  # noqa: E402
import law  # noqa: E402
import meter  # noqa: E402
from faults import expect, expect_words  # noqa: E402

START_TIMEOUT_S = 60
ALL = []


def target(function):
    ALL.append(function)
    return function


def children_of(pid):
    """(pid, short name) of its children."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "stat").read_text()
            name, rest = words[words.index("(") + 1:words.rindex(")")], words[words.rindex(")") + 2:]
            if int(rest.split()[1]) == pid:
                found.append((int(folder.name), name))
    return found


def pids_of_requests(path):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return dict(db.execute("SELECT pid, count(*) FROM request WHERE path = '/completion' GROUP BY pid"))


@contextlib.contextmanager
def own_server(version, script=None, model="tiny-f16", **options):
    normal = engine.SERVER
    engine.SERVER = script or normal
    try:
        server = engine.start(version, model, **options)
    finally:
        engine.SERVER = normal
    with server:
        yield server


@target
def a_thread_of_a_server_means_the_server(s):
    threads = [int(name) for name in os.listdir(f"/proc/{s.server.pid}/task") if int(name) != s.server.pid]
    with meter.record(threads[-1]) as recording:
        client.completion(s.port, "Named by a thread", n_predict=5)
        client.wait_idle(s.port)
    expect("processes", recording.report["server"]["pids"], [s.server.pid])
    expect("tokens", meter.token_requests(recording.report)[0]["computed"]["completion_tokens"], 5)
    law.check(recording.report)


@target
def a_child_of_a_server_means_the_server(s):
    with own_server(s.version, HERE / "family_server.py") as server:
        deadline = time.monotonic() + START_TIMEOUT_S
        while "cat" not in dict((name, pid) for pid, name in children_of(server.pid)):
            if time.monotonic() > deadline:
                raise AssertionError("the server has no children")
            time.sleep(0.05)
        children = children_of(server.pid)
        expect("children", len(children), 2)
        for pid, name in children:
            with meter.record(pid) as recording:
                client.completion(server.port, "Named by a child", n_predict=5, cache_prompt=False)
                client.wait_idle(server.port)
            expect(f"processes, named by {name}", set(recording.report["server"]["pids"]),
                   {server.pid, *(child for child, _ in children)})
            expect("tokens", meter.token_requests(recording.report)[0]["computed"]["completion_tokens"], 5)
            law.check(recording.report)


@target
def a_part_of_the_name_of_its_model_means_the_server(s):
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / f"only-one-has-this-name-{os.getpid()}.gguf"
        shutil.copyfile(engine.model_path("tiny-f16"), model)
        with own_server(s.version, model=model) as server:
            with meter.record(None, target=["-n", model.stem]) as recording:
                client.completion(s.port, "Not for the record", n_predict=4)
                client.completion(server.port, "For the record", n_predict=6)
                client.wait_idle(server.port)
    expect("processes", recording.report["server"]["pids"], [server.pid])
    expect("tokens", [r["computed"]["completion_tokens"] for r in meter.token_requests(recording.report)], [6])
    law.check(recording.report)


@target
def a_name_that_no_server_has_is_5(s):
    del s
    status, _, words = meter.run("record", "-n", "no such server", "-o", "/nonexistent/x")
    expect("exit status", status, 5)
    expect_words(words, "no such server", "tokprof list")


@target
def all_servers_are_recorded_together(s):
    """There may be others on this host, of other tests: they are in the recording too, and not compared."""
    with own_server(s.version) as other:
        with meter.record(None, target=["-a"]) as recording:
            for _ in range(2):
                client.completion(s.port, "One of all", n_predict=5, cache_prompt=False)
            client.completion(other.port, "And another", n_predict=7, cache_prompt=False)
            client.wait_idle(s.port)
            client.wait_idle(other.port)
        requests = pids_of_requests(recording.path)
    missing = {s.server.pid, other.pid} - set(recording.report["server"]["pids"])
    expect("processes that are missing", missing, set())
    expect("requests", (requests[s.server.pid], requests[other.pid]), (2, 1))
    law.check(recording.report)
    if len(requests) == 2:
        expect("tokens", sorted(r["computed"]["completion_tokens"] for r in meter.token_requests(recording.report)),
               [5, 5, 7])


def free_port():
    with socket.socket() as probe:
        probe.bind((client.HOST, 0))
        return probe.getsockname()[1]


def wait_until_healthy(port):
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        with contextlib.suppress(OSError):
            if client.get(port, "/health").status == 200:
                return
        if time.monotonic() > deadline:
            raise AssertionError(f"no server at {port} after {START_TIMEOUT_S} s")
        time.sleep(0.05)


@target
def a_command_is_recorded_from_its_first_instruction(s):
    """Its traffic and CPU time are. Its engine is found a moment after it has been loaded: what it computed for requests
    before that is said not to be known."""
    port = free_port()
    command = [sys.executable, str(engine.SERVER), "--version", s.version, "--model", str(engine.model_path("tiny-f16")),
               "--port", str(port)]
    recording = meter.Recording(None, command=command)
    children = children_of(recording.process.pid)
    try:
        expect("processes started", len(children), 1)
        wait_until_healthy(port)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not any(r["computed"]["completion_tokens"] for r in meter.token_requests(recording.read())):
            if time.monotonic() > deadline:
                raise AssertionError(f"its engine was not found in {START_TIMEOUT_S} s")
            client.completion(port, "Before its engine was found", n_predict=5)
            time.sleep(0.2)
        client.completion(port, "Afterwards", n_predict=7)
        client.wait_idle(port)
        os.kill(children[0][0], signal.SIGTERM)
        expect("exit status", recording.wait(), 0)
    finally:
        for pid, _ in children_of(recording.process.pid):
            os.kill(pid, signal.SIGKILL)
    report = recording.read()
    expect("complete", report["recording"]["complete"], True)
    expect("processes", report["server"]["pids"], [children[0][0]])
    requests = meter.token_requests(report)
    expect("last request", (requests[-1]["computed"]["completion_tokens"], requests[-1]["complete"]), (7, True))
    for request in requests[:-1]:
        found = (request["computed"]["completion_tokens"], request["incomplete_reasons"])
        if found not in ((5, []), (None, ["unwatched"])):
            raise AssertionError(f"tokens of a request before its engine was found: {found}")
    law.check(report)


@target
def a_command_that_does_not_exist_is_said_so(s):
    del s
    with tempfile.TemporaryDirectory() as folder:
        status, _, words = meter.run("record", "-o", f"{folder}/x", "--", "no-such-command-anywhere")
        expect("files left", os.listdir(folder), [])
    expect("exit status", status, 2)
    expect_words(words, "no-such-command-anywhere", "No such file")


@target
def a_server_on_a_unix_socket(s):
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/server.sock"
        with own_server(s.version, host=path) as server:
            expect("address", server.port, path)
            with client.Connection(path) as early, meter.record(server.pid) as recording:
                early.request("/completion", {"prompt": "Connected before the attach", "n_predict": 4})
                streamed = client.completion(path, "Over a socket with a name", n_predict=8, stream=True)
                plain = client.chat(path, "And in one piece", max_tokens=6)
                client.wait_idle(path)
            listed = meter.run("list", "--json")[1]
    requests = meter.token_requests(recording.report)
    expect("requests", [(r["path"], r["client"], r["status"], r["stream"]) for r in requests],
           [("/completion", "unix", 200, False), ("/completion", "unix", 200, True),
            ("/v1/chat/completions", "unix", 200, False)])
    expect("tokens", [r["computed"]["completion_tokens"] for r in requests], [4, 8, 6])
    expect("prompts", [r["computed"]["prompt_tokens"] for r in requests][1:],
           [streamed.timings["prompt_n"], plain.timings["prompt_n"]])
    expect("bill", requests[2]["billed"]["completion_tokens"], plain.usage["completion_tokens"])
    expect("complete", [r["complete"] for r in requests], [True] * 3)
    expect_words(listed, str(server.pid))
    law.check(recording.report)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(faults.main(ALL))
