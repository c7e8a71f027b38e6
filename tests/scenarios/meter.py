"""Runs tokprof beside a server under test: starts a recording, waits until it is attached, ends it, reads the report.

    with meter.record(server.pid) as recording:
        client.completion(server.port, "hello", n_predict=4)
    recording.report["requests"]
"""
import json
import pathlib
import select
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKPROF = ROOT / "build" / "tokprof"
ATTACH_TIMEOUT_S = 30
END_TIMEOUT_S = 30
REPORT_TIMEOUT_S = 60


class MeterError(AssertionError):
    pass


class Recording:
    """A recording in progress, and after stop() its report."""

    def __init__(self, pid, *options, path=None, command=(), target=()):
        self.folder = tempfile.TemporaryDirectory(prefix="tokprof-test-")
        self.path = pathlib.Path(path or pathlib.Path(self.folder.name) / "run.tokprof")
        target = ["--", *command] if command else target or ["-p", str(pid)]
        arguments = [str(TOKPROF), "record", "-o", str(self.path), *options, *target]
        self.process = subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                        bufsize=0)   # read line by line beside select()
        self.words = ""
        self._wait_attached()
        self.report = None

    def _wait_attached(self):
        deadline = time.monotonic() + ATTACH_TIMEOUT_S
        while "\nrecording " not in "\n" + self.words:
            ready, _, _ = select.select([self.process.stderr], [], [], max(0, deadline - time.monotonic()))
            line = self.process.stderr.readline().decode() if ready else ""
            if not line:
                self.process.kill()
                raise MeterError(f"tokprof record did not attach:\n{self.words}")
            self.words += line

    def stop(self):
        """^C, as a user would; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self):
        """Waits until the recording ends by itself."""
        try:
            _, words = self.process.communicate(timeout=END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise MeterError("tokprof record did not end") from None
        self.words += words.decode()
        return self.process.returncode

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def read(self, *options):
        self.report = report(self.path, *options)
        return self.report

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.returncode is None:
            status = self.stop()
            if status != 0 and kind is None:
                raise MeterError(f"tokprof record: exit status {status}\n{self.words}")
        if kind is None:
            self.read()


def record(pid, *options, **more):
    return Recording(pid, *options, **more)


def run(*arguments, timeout=REPORT_TIMEOUT_S, **options):
    """tokprof with these arguments: (exit status, stdout, stderr)."""
    result = subprocess.run([str(TOKPROF), *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                            **options)
    return result.returncode, result.stdout, result.stderr


def report(path, *options):
    status, out, err = run("report", path, "--format", "json", *options)
    if status != 0:
        raise MeterError(f"tokprof report: exit status {status}\n{err}")
    return json.loads(out)


def token_requests(report_):
    """Requests other than those of the test itself (health checks, slots, metrics)."""
    quiet = ("/health", "/slots", "/metrics", "/v1/models", "/props")
    return [r for r in report_["requests"] if (r["path"] or "").split("?")[0] not in quiet]
