#!/usr/bin/env python3
"""Dishonest bills of real servers, and honest ones: every tampering must be found, and nobody honest accused.

    run.py [--all] [--seed N] [--keep FOLDER]

Recordings of real servers under load, with cache hits, cancellations and speculation; on each, bills that were changed in
every way of bills.py; a gateway that changes what its clients are told (proxy.py); a library inside the server that reports
batches which it never computes (forge.py); another model than claimed. Prints a table and ends with 'N passed, N failed'.
"""
import argparse
import contextlib
import json
import os
import pathlib
import sys
import tempfile
import time
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "engines"), str(HERE.parent / "scenarios")]

import bills  # noqa: E402
import client  # noqa: E402
import engine  # noqa: E402
import forge  # noqa: E402
import judge  # noqa: E402
import meter  # noqa: E402
import proxy  # noqa: E402
import traffic  # noqa: E402
from traits import TRAITS  # noqa: E402

MODEL = "small-f16"
PARAMETERS = {"small-f16": 29368832}
NEWEST = forge.VERSION
CALIBRATION_S = (10, 25, 60, 120)
CALIBRATION_TIMEOUT_S = 240
DRAFT = {"draft": str(engine.model_path("draft-f16")), "draft_max": 4, "draft_p_min": 0}
HONEST = "honest"


@dataclass
class Row:
    cases: int = 0
    found: int = 0
    accused: int = 0
    open: int = 0


@dataclass
class Results:
    rows: dict = field(default_factory=dict)     # kind -> Row
    failures: list = field(default_factory=list)

    def add(self, kind, where, outcome, tampered, unsure=frozenset()):
        """
        One case. Honest ones may be INCONCLUSIVE, which accuses nobody. What is tampered must be REFUTED by name, but for what
        is INCONCLUSIVE and would be so if it were honest.
        """
        row = self.rows.setdefault(kind, Row())
        row.cases += 1
        row.found += bool(tampered and not outcome.missed)
        row.accused += bool(outcome.accused)
        row.open += bool(outcome.open) if tampered else outcome.verdict == "INCONCLUSIVE"
        wrong = set(outcome.missed) - (set(outcome.open) & set(unsure))
        if outcome.accused:
            self.fail(kind, where, f"accuses {', '.join(outcome.accused)}", outcome)
        elif wrong:
            self.fail(kind, where, f"does not refute {', '.join(sorted(wrong))}", outcome)

    def fail(self, kind, where, what, outcome):
        lines = [f"{c['verdict']} {c['id']} {c['subject']}: {c['text']}" for c in outcome.checks
                 if c["verdict"] != "CONFIRMED"]
        self.failures.append(f"{kind}, {where}: {what}\n      " + "\n      ".join(lines[:6]))
        print(f"FAIL  {self.failures[-1]}", flush=True)

    def table(self):
        print("| kind | cases | found | falsely accused | inconclusive |\n|---|---|---|---|---|")
        for kind, row in self.rows.items():
            found = "-" if kind.startswith(HONEST) else row.found
            print(f"| {kind} | {row.cases} | {found} | {row.accused} | {row.open} |")
        total = Row(*(sum(getattr(r, name) for r in self.rows.values()) for name in ("cases", "found", "accused", "open")))
        print(f"| all | {total.cases} | {total.found} | {total.accused} | {total.open} |", flush=True)


class Suite:
    def __init__(self, seed, thorough, folder):
        self.seed = seed
        self.thorough = thorough
        self.folder = folder
        self.results = Results()

    def record(self, server, name, act):
        """(the recording's path, what the act returned)"""
        path = self.folder / f"{name}.tokprof"
        with meter.record(server.pid, path=path):
            truth = act()
            client.wait_idle(server.port)
        print(f"# {name} ({time.monotonic() - self.started:.0f} s)", flush=True)
        return path, truth

    def calibrate(self, version):
        """
        A fit of an honest server of the same model and build, which every recording here takes along. Beside other programs
        it takes longer until the model is identified, and without that nothing is judged by compute.
        """
        with engine.start(version, MODEL) as server:
            for seconds in CALIBRATION_S[self.thorough:]:
                status, out, words = meter.run("calibrate", "--json", "-p", server.pid, "--seconds", seconds,
                                               timeout=CALIBRATION_TIMEOUT_S)
                if status != 0:
                    raise AssertionError(f"tokprof calibrate: exit status {status}\n{words}")
                if any(fit["resource"] == "cpu_ns" and fit["identified"] for fit in json.loads(out)["fits"]):
                    return
        raise AssertionError(f"the cost model was not identified in {seconds} s of calibration; is the machine busy?")

    # ----------------------------------------------------------------------------------------------------- modified bills ---

    def judge_bills(self, name, path, truth):
        self.results.add(f"{HONEST}: usage on the wire", name, judge.of_wire(path), False)
        unsure = set()
        for make in bills.HONEST:
            bill = make(traffic.seeded(self.seed, name, make.__name__), truth.lines)
            outcome = judge.of_bill(path, bill)
            unsure |= outcome.inconclusive
            self.results.add(title(make), name, outcome, False)
        # Of several choices, and where clients left, more sums than one are lawful.
        if truth.n_left or any(line.several for line in truth.lines):
            unsure.add("the bill")
        clock = judge.clock_of(path)
        for make in bills.HONEST_WINDOWS:
            bill = make(traffic.seeded(self.seed, name, make.__name__), truth.lines, clock)
            self.results.add(title(make), name, judge.of_bill(path, bill), False)
        for make in bills.TAMPERINGS + bills.WINDOW_TAMPERINGS:
            for again in range(3 if self.thorough else 1):
                rng = traffic.seeded(self.seed, name, make.__name__, again)
                bill = make(rng, truth.lines, clock) if make in bills.WINDOW_TAMPERINGS else make(rng, truth.lines)
                if bill:
                    self.results.add(title(make), name, judge.of_bill(path, bill), True, unsure)

    def bills_of_traffic(self, version):
        n = 24 if self.thorough else 16
        with engine.start(version, MODEL) as server:
            for scene in (traffic.load, traffic.cache_hits, traffic.cancellations):
                name = f"{scene.__name__}-{version}-{self.seed}"
                self.judge_bills(name, *self.record(server, name, lambda s=scene, m=name: s(
                    server.port, traffic.seeded(self.seed, m), n)))
        with engine.start(version, MODEL, **DRAFT) as server:
            name = f"speculation-{version}-{self.seed}"
            self.judge_bills(name, *self.record(server, name, lambda: traffic.speculation(
                server.port, traffic.seeded(self.seed, name), n)))

    # ------------------------------------------------------------------------------------------------------- the gateway ---

    def gateway(self, version):
        with engine.start(version, MODEL) as server:
            for tamper in (proxy.nothing, *(proxy.TAMPERINGS if self.thorough else proxy.MAIN)):
                name = f"gateway-{tamper.__name__}-{version}-{self.seed}"
                rng = traffic.seeded(self.seed, name)

                def act(tamper=tamper, rng=rng):
                    with proxy.start(server.port, tamper, rng) as gateway:
                        truth = traffic.cache_hits(gateway.port, rng, 12, idle=server.port)
                    return truth, gateway.tampered

                path, (truth, tampered) = self.record(server, name, act)
                kind = f"gateway: {words(tamper)}" if tampered else f"{HONEST}: behind a gateway"
                if tamper is not proxy.nothing and not tampered:
                    raise AssertionError(f"{name}: nothing was tampered with")
                bill = bills.Bill(truth.lines, frozenset(tampered), form="json")
                # What the server told the gateway is honest: where that is open, so is what the gateway made of it.
                unsure = judge.of_wire(path).inconclusive
                self.results.add(kind, name, judge.of_bill(path, bill), bool(tampered), unsure)

    # ------------------------------------------------------------------------------------------------- forged batches ---

    def forged(self):
        with forge.start(MODEL) as server:
            for n_honest, n_forged in ((8, 4), (0, 6), (8, 0)):
                name = f"forged-{n_honest}-{n_forged}-{self.seed}"
                rng = traffic.seeded(self.seed, name)

                def ask(port, rng=rng):
                    prompt, n = traffic.words(rng, rng.randint(4, 30)), rng.randint(20, 60)
                    return lambda: traffic.ask(port, prompt, n, True, False)

                def act(n_honest=n_honest, n_forged=n_forged):
                    jobs = [ask(server.port) for _ in range(n_honest)] + [ask(server.forged_port) for _ in range(n_forged)]
                    lines = traffic.together(jobs)
                    return lines, frozenset(line.id for line in lines[n_honest:])

                path, (lines, tampered) = self.record(server, name, act)
                kind = "forged batches" if n_forged else f"{HONEST}: a server with the forger loaded"
                self.results.add(kind, f"{name}, wire", judge.of_wire(path, tampered), bool(tampered))
                columns = ("request_id", "prompt_tokens", "completion_tokens")
                bill = bills.Bill(lines, tampered, columns=columns)
                self.results.add(kind, name, judge.of_bill(path, bill), bool(tampered))

    # ------------------------------------------------------------------------------------------------- another model ---

    def another_model(self, version):
        cases = (("small-f16", PARAMETERS["small-f16"], "F16", None, f"{HONEST}: the model as claimed"),
                 ("draft-f16", PARAMETERS["small-f16"], "F16", "parameters", "swapped smaller model"),
                 ("tiny-f16", PARAMETERS["small-f16"], "F16", "parameters", "swapped smaller model"),
                 ("small-q8_0", PARAMETERS["small-f16"], "F16", "precision", "quantized model"),
                 ("small-q8_0", PARAMETERS["small-f16"], "Q8_0", None, f"{HONEST}: the model as claimed"))
        for model, parameters, precision, wrong, kind in cases:
            name = f"model-{model}-{precision}-{version}-{self.seed}"
            with engine.start(version, model) as server:
                path, _ = self.record(server, name, lambda s=server, m=name: traffic.load(
                    s.port, traffic.seeded(self.seed, m), 6))
            checks = judge.of_claims(path, f"claims:\n  - {{metric: parameters, is: {parameters}}}\n"
                                           f"  - {{metric: precision, is: {precision}}}\n")
            lines = {2: "parameters", 3: "precision"}
            refuted = {lines[c["claim_line"]] for c in checks if c["verdict"] == "REFUTED"}
            outcome = judge.Outcome("REFUTED" if refuted else "CONFIRMED" if checks else "INCONCLUSIVE", checks=checks,
                                    accused=sorted(refuted - {wrong}), missed=[wrong] if wrong and wrong not in refuted else [])
            self.results.add(kind, name, outcome, bool(wrong))

    def run(self):
        self.started = time.monotonic()
        for version in TRAITS if self.thorough else [NEWEST]:
            self.calibrate(version)
            self.bills_of_traffic(version)
        for _ in range(2 if self.thorough else 1):
            self.gateway(NEWEST)
            self.forged()
            self.seed += 1
        self.another_model(NEWEST)


def words(function):
    return function.__name__.replace("_", " ")


def title(make):
    text = words(make)
    return text.replace("honest", f"{HONEST}:", 1) if text.startswith("honest ") else f"{HONEST}: a bill" if text == "honest" else text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true", help="three versions, more seeds: some minutes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", metavar="FOLDER", type=pathlib.Path, help="where the recordings stay")
    args = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = args.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["TOKPROF_FITS"] = str(folder / "fits")
        suite = Suite(args.seed, args.all, folder)
        suite.run()
    suite.results.table()
    n_cases, n_failed = sum(row.cases for row in suite.results.rows.values()), len(suite.results.failures)
    print(f"{n_cases - n_failed} passed, {n_failed} failed")
    return 1 if n_failed or not n_cases else 0


if __name__ == "__main__":
    sys.exit(main())
