"""Starts and stops llama.cpp servers for tests. Standard library only.

    with engine.start("2026.10.11549", "build/models/small-f16.gguf") as server:
        client.completion(server.port, ...)
"""
import json
import pathlib
import select
import subprocess
import sys
import tempfile

import venvs

START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 10
SERVER = venvs.HERE / "server.py"


class Engine:
    """A running server: pid and port, and how to end it."""

    def __init__(self, process, port, log):
        self.process = process
        self.pid = process.pid
        self.port = port
        self.log = log

    def stop(self):
        """Ends the server and returns its exit status (negative: signal)."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()
        return self.process.returncode

    def log_text(self):
        """What the server has written to stderr so far."""
        return pathlib.Path(self.log.name).read_text(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def model_path(name):
    """Path of a model that make_model.py writes, for example small-f16."""
    return venvs.BUILD / "models" / f"{name}.gguf"


def start(version, model, **options):
    """Starts server.py and returns when it is healthy.

    model is a path or a name for model_path(); options are those of server.py
    with underscores: slots=2, draft=PATH, spec_ngram=True. Raises RuntimeError
    with the server's own words when it does not come up.
    """
    if not pathlib.Path(model).exists():
        model = model_path(model)
        if not model.exists():
            raise RuntimeError(f"no {model}; run {venvs.HERE / 'make_model.py'} {model.stem}")
    command = [sys.executable, str(SERVER), "--version", version,
               "--model", str(model), "--end-with-stdin"]
    for option, value in options.items():
        flag = "--" + option.replace("_", "-")
        if value is True:
            command.append(flag)
        elif value is not None and value is not False:
            command += [flag, str(value)]
    log = tempfile.NamedTemporaryFile(prefix="tokprof-engine-", suffix=".log")
    process = subprocess.Popen(command, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=log)
    engine = Engine(process, None, log)
    ready, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
    line = process.stdout.readline() if ready else b""
    if not line:
        words = engine.log_text()[-2000:]
        status = engine.stop()
        raise RuntimeError(f"{version} did not start (status {status}):\n{words}")
    engine.port = json.loads(line)["port"]
    return engine
