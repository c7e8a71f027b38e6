#!/usr/bin/env python3
"""Runs every scenario of scenarios.py against a real server and says whether
FINDINGS.md still holds.

    smoke.py --version 2026.10.11549 [--only PART] [--list]

With root and bpftrace each scenario is also counted from outside (oracle.py);
without, those checks are left out, and the last line says so. Exit status 1 if
a finding does not hold.
"""
import argparse
import contextlib
import os
import sys
import traceback

import client
import engine
import oracle
import scenarios
import venvs
from traits import TRAITS


class Session:
    """What a scenario works with: a server, its version's traits, a ruler."""

    def __init__(self, server, traits, counter):
        self.server = server
        self.port = server.port
        self.traits = traits
        self.counter = counter

    def measure(self, act, *args, **kwargs):
        """Runs act and returns (its result, change of the server's counters,
        counts from outside or None), all after the server came to rest."""
        client.wait_idle(self.port)
        counts_before = self.counter and self.counter.read()
        metrics_before = client.metrics(self.port)
        result = act(*args, **kwargs)
        client.wait_idle(self.port)
        metrics = {name.removeprefix("llamacpp:"): value - metrics_before[name]
                   for name, value in client.metrics(self.port).items()
                   if name.endswith("_total")}
        counts = self.counter and self.counter.read() - counts_before
        return result, metrics, counts

    @staticmethod
    def expect(what, actual, expected):
        if actual != expected:
            raise AssertionError(f"{what}: {actual!r}, expected {expected!r}")

    def expect_counts(self, counts, **expected):
        """Compares some of the counts from outside, if there are any."""
        if counts is not None:
            for name, value in expected.items():
                self.expect(f"counted {name}", getattr(counts, name), value)


def run_group(version, options, group, watching):
    """Runs the scenarios that share one server; returns the failures."""
    failures = []
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(engine.start(version, "small-f16", **dict(options)))
        counter = stack.enter_context(oracle.watch(server.pid)) if watching else None
        session = Session(server, TRAITS[version], counter)
        for scenario in group:
            title = scenario.__name__.replace("_", " ")
            try:
                scenario(session)
                print(f"ok    {title}", flush=True)
            except Exception as error:  # a dead server shows up as any kind
                failures.append(title)
                print(f"FAIL  {title}\n      {type(error).__name__}: {error}", flush=True)
                if not isinstance(error, AssertionError):
                    traceback.print_exc()
    return failures


def main():
    parser = argparse.ArgumentParser(description="Checks FINDINGS.md against a real server.")
    parser.add_argument("--version", required=True, choices=list(TRAITS))
    parser.add_argument("--only", metavar="PART", default="",
                        help="only scenarios whose name contains this")
    parser.add_argument("--list", action="store_true", help="print the scenarios and end")
    args = parser.parse_args()
    chosen = [s for s in scenarios.ALL if args.only in s.__name__.replace("_", " ")]
    if args.list:
        for scenario in chosen:
            print(scenario.__name__.replace("_", " "))
        return 0
    models = [engine.model_path(name) for name in scenarios.MODELS]
    if not all(path.exists() for path in models):
        sys.exit(f"smoke.py: models are missing; run {venvs.HERE / 'make_model.py'}")

    groups = {}
    for scenario in chosen:
        groups.setdefault(scenario.server_options, []).append(scenario)
    watching = oracle.available() and os.geteuid() == 0
    failures = []
    for options, group in groups.items():
        failures += run_group(args.version, options, group, watching)
    print(f"{args.version}: {len(chosen) - len(failures)} of {len(chosen)} findings hold"
          + ("" if watching else "; not counted from outside (needs root and bpftrace)"))
    print(f"{len(chosen) - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
