# SPDX-License-Identifier: Apache-2.0
"""What tokprof says of the same requests: calibration, recordings, and the shares of each of its rules."""
import re
import subprocess

import meter

CALIBRATE_TIMEOUT_S = 900


class TokprofError(RuntimeError):
    pass


def has(command):
    return re.search(rf"^  {command}\b", meter.run("--help")[1], re.M) is not None


def rules():
    """The names of all rules, from the message that refuses another."""
    status, _, words = meter.run("report", "--rule", "?", "none")
    found = re.search(r"give one of ([^.]*)\.", words)
    if status != 2 or not found:
        raise TokprofError(f"tokprof report does not name its rules: {words}")
    return found.group(1).split(", ")


def calibrate(pid):
    """Fits the cost model on this server. The fit goes where TOKPROF_FITS says."""
    status, _, words = meter.run("calibrate", "-p", pid, timeout=CALIBRATE_TIMEOUT_S)
    if status:
        raise TokprofError(f"tokprof calibrate: exit status {status}: {words.strip()[-500:]}")


def record(bench, path):
    """One recording of the full set, and the facts of that run."""
    path.unlink(missing_ok=True)
    bench.prepare()
    recording = meter.record(bench.meter.pid, path=path)
    try:
        run = bench.run(tuple(range(len(bench.mix.requests))))
    finally:
        status = recording.stop()
    if status:
        raise TokprofError(f"tokprof record: exit status {status}\n{recording.words}")
    return run


def version():
    return subprocess.run([str(meter.TOKPROF), "--version"], capture_output=True, text=True, check=True).stdout.strip()


class Report:
    """The report of one recording by one rule (None: tokprof's default), request by request of the run."""

    def __init__(self, path, run, rule=None):
        self.report = meter.report(path, *(["--rule", rule] if rule else []))
        by_id = {r["api_id"]: r for r in self.report["requests"]}
        missing = [reply["api_id"] for reply in run["replies"] if reply["api_id"] not in by_id]
        if missing:
            raise TokprofError(f"{path.name} lacks the requests {missing}")
        self.requests = [by_id[reply["api_id"]] for reply in run["replies"]]
        self.rule = self.report["attribution"]["rule"]

    @property
    def exact(self):
        """Whether each request's generation is known beyond doubt."""
        return all(r["match"] == "exact" for r in self.requests)

    @property
    def costs(self):
        return [r["cost"]["cpu_ns"] for r in self.requests]

    def bounds(self, which):
        """low or high of each request's cost; None where the rule gives none."""
        found = [r["cost"].get(which) for r in self.requests]
        return None if any(f is None or f.get("cpu_ns") is None for f in found) else [f["cpu_ns"] for f in found]

    def account(self, name):
        """An account's size over the recording's total."""
        return self.report["accounts"][name]["cpu_ns"] / self.report["totals"]["cpu_ns"]
