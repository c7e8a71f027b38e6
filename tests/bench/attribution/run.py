#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make bench-attribution: tokprof's shares, and those of today's practice, against measured truth.

    run.py [--version V] [--model M] [--mix NAME] [--repeats N] [--out FILE] [--quick] ...

Goes on where it was killed: what was measured is in --folder, a line per run. Run it on a machine with nothing else to do.
"""
import argparse
import contextlib
import datetime
import os
import pathlib
import platform
import shlex
import shutil
import sys
import time
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "engines"), str(ROOT / "tests" / "scenarios")]

import baselines  # noqa: E402
import engine  # noqa: E402
import judge  # noqa: E402
import mixes  # noqa: E402
import plan as planning  # noqa: E402
import results  # noqa: E402
import shapley  # noqa: E402
import table  # noqa: E402
import tokprof  # noqa: E402
import truth  # noqa: E402

DRAWS = 2000
ERROR_GOAL = 0.01
SEED = 4


def say(words):
    print(words, file=sys.stderr, flush=True)


@dataclass
class Outcome:
    """All that a table says."""
    settings: dict
    truth: shapley.Truth
    own_error: float
    standard_errors: list
    error_goal: float
    repeats: int
    dates: str
    recordings: int
    calibrated: bool
    default_rule: str
    inexact: int        # recordings in which a request's generation is not known beyond doubt
    accounts: dict
    verdicts: list      # (Verdict, how many requests' truth lies within low..high, in words)

    @property
    def truth_is_sharp(self):
        return self.own_error <= self.error_goal


class LazyBench:
    """The server of one plan, started when the first measurement is missing: a finished plan starts none."""

    def __init__(self, plan, folder, stack):
        self.plan, self.stack, self.bench = plan, stack, None
        self.slots = folder / f"{plan.name}-slots"

    def get(self):
        if not self.bench:
            plan = self.plan
            self._forget_slots()   # of a bench that was killed
            self.slots.mkdir(parents=True)
            self.stack.callback(self._forget_slots)
            options = dict(plan.mix.server_options)
            if plan.mix.draft:
                options["draft"] = engine.model_path(plan.mix.draft)
            server = self.stack.enter_context(engine.start(
                plan.version, plan.model, slots=truth.SLOTS, ctx=truth.CTX, threads=plan.threads,
                slot_save_path=f"{self.slots.resolve()}/", **options))
            self.bench = truth.Bench(server, plan.mix, plan.seed)
            self.bench.warm_up()
            say(f"{plan.name}: server {server.pid} is warm, idle rate {100 * self.bench.meter.idle_rate:.3f} % of a core")
        return self.bench

    def _forget_slots(self):
        shutil.rmtree(self.slots, ignore_errors=True)


def own_error(found, plan):
    game = found.game()
    return shapley.own_error(shapley.Truth.of(shapley.means(game)), shapley.resampled(game, DRAWS, plan.seed))


def measure_truth(plan, found, lazy):
    """Rounds of all subsets: as many as asked for, then more until the truth's own error is small enough."""
    number, started, measured = 0, None, 0
    while number < plan.repeats or (number < plan.limit and own_error(found, plan) > ERROR_GOAL):
        done = found.done()
        for subset in plan.round(number):
            if (number, subset) in done:
                continue
            bench = lazy.get()
            started = started or time.monotonic()
            bench.prepare()
            run = bench.run(subset)
            found.add("run", round=number, unix_ns=time.time_ns(), load=os.getloadavg()[0], **run)
            measured += 1
        number += 1
        if measured:
            each = (time.monotonic() - started) / measured * len(plan.round(0))
            say(f"{plan.name}: round {number} of {plan.repeats} (at most {plan.limit}), {each:.0f} s each, "
                f"10 take {each / 6:.1f} minutes")


def measure_tokprof(plan, found, lazy, folder):
    """Calibration, then recordings of the full set on the same server."""
    done = {line["number"] for line in found.of("recording")}
    missing = [k for k in range(plan.recordings) if k not in done]
    if not missing:
        return
    bench = lazy.get()
    calibrated = tokprof.has("calibrate")
    if calibrated:
        started = time.monotonic()
        tokprof.calibrate(bench.meter.pid)
        say(f"{plan.name}: calibrated in {time.monotonic() - started:.0f} s")
    for number in missing:
        name = f"{plan.name}-{number}.tokprof"
        run = tokprof.record(bench, folder / name)
        found.add("recording", number=number, file=name, calibrated=calibrated, tokprof=tokprof.version(),
                  unix_ns=time.time_ns(), **run)
    say(f"{plan.name}: {len(missing)} recordings made")


def tokprof_verdicts(plan, lines, folder, right, draws, errors):
    """One verdict per rule, with coverage; the default rule's reports come back too. A rule that cannot be had of these
    recordings, for want of a fit, has no row, in words."""
    verdicts, default = [], [tokprof.Report(folder / line["file"], line) for line in lines]
    for rule in tokprof.rules() if lines else []:
        try:
            reports = [tokprof.Report(folder / line["file"], line, rule) for line in lines]
        except tokprof.meter.MeterError as error:
            say(f"{plan.name}: no row for rule {rule}: {error}")
            continue
        used = {r.rule for r in reports}
        name = f"tokprof, {rule}" + (" (default)" if used == {default[0].rule} == {rule} else "") \
            + (f" (used: {', '.join(sorted(used))})" if used != {rule} else "")
        verdict = judge.judge(judge.Method(name, tuple(r.costs for r in reports)), right, draws)
        bounded = [r for r in reports if r.bounds("low") and r.bounds("high")]
        covered = sum(judge.coverage(r.costs, r.bounds("low"), r.bounds("high"), right, errors) for r in bounded)
        verdicts.append((verdict, f"{covered} of {len(bounded) * len(right.phi)}" if bounded else ""))
    return verdicts, default


def evaluate(plan, found, folder):
    game = found.game()
    right, draws = shapley.Truth.of(shapley.means(game)), shapley.resampled(game, DRAWS, plan.seed)
    everyone = list(range(len(plan.mix.requests)))
    full = [run for run in found.of("run") if run["subset"] == everyone]
    lines = sorted(found.of("recording"), key=lambda line: line["number"])[:plan.recordings]
    errors = shapley.standard_errors(right, draws)
    verdicts, default = tokprof_verdicts(plan, lines, folder, right, draws, errors)
    verdicts += [(judge.judge(method, right, draws), "") for method in baselines.methods(full)]
    days = sorted({datetime.date.fromtimestamp(run["unix_ns"] / 1e9).isoformat() for run in found.lines})
    return Outcome(settings=found.settings, truth=right, own_error=shapley.own_error(right, draws),
                   standard_errors=errors, error_goal=ERROR_GOAL,
                   repeats=len({run["round"] for run in found.of("run")}),
                   dates=" to ".join(dict.fromkeys((days[0], days[-1]))), recordings=len(lines),
                   calibrated=all(line["calibrated"] for line in lines),
                   default_rule=default[0].rule if default else "", inexact=sum(not r.exact for r in default),
                   accounts={name: sum(r.account(name) for r in default) / max(1, len(default))
                             for name in ("host", "unexplained")},
                   verdicts=verdicts)


def run_plan(plan, folder, fresh):
    path = folder / f"{plan.name}.jsonl"
    if fresh:
        path.unlink(missing_ok=True)
    say(f"{plan.name}: seed {plan.seed}, lines go to {path}")
    # The fit is made for this bench and kept out of the user's own.
    os.environ["TOKPROF_FITS"] = str(folder / f"{plan.name}-fits")
    found = results.Results(path, plan.settings, say)
    with contextlib.ExitStack() as stack:
        lazy = LazyBench(plan, folder, stack)
        measure_truth(plan, found, lazy)
        measure_tokprof(plan, found, lazy, folder)
    return evaluate(plan, found, folder)


def arguments():
    parser = argparse.ArgumentParser(description="Shares of requests against measured truth.")
    parser.add_argument("--version", help="only this engine version")
    parser.add_argument("--model", help="only this model, for example small-f16")
    parser.add_argument("--mix", choices=list(mixes.MIXES), help="only this mix")
    parser.add_argument("--repeats", type=int, help="runs of each subset, default as docs/accuracy.md has them")
    parser.add_argument("--limit", type=int, default=60, help="repeats at most, while the truth's own error is above 1 %%")
    parser.add_argument("--recordings", type=int, default=3, help="by tokprof, of the full set")
    parser.add_argument("--threads", type=int, default=2, help="of the server")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build" / "bench" / "attribution",
                        help="where lines and recordings are kept")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--quick", action="store_true", help="the mixed load on the newest version alone, 3 repeats")
    parser.add_argument("--judge", action="store_true", help="exit status 1 where tokprof's default rule misses a goal")
    parser.add_argument("--out", type=pathlib.Path, help="write the tables here and not to standard output")
    args = parser.parse_args()
    if args.repeats is not None and args.repeats < 2:
        parser.error("--repeats: 2 at least, or the truth's own error is not known")
    return args


def other_proofs(path):
    """What other benches have put into the same file: all from its second title on."""
    if not path.exists():
        return ""
    _, title, rest = path.read_text(encoding="utf-8").partition("\n\n# ")
    return title[1:] + rest if title else ""


def main():
    args = arguments()
    host = f"{planning.cpu_model()}, {os.cpu_count()} CPUs, Linux {platform.release()}"
    command = shlex.join(["tests/bench/attribution/run.py", *sys.argv[1:]])
    outcomes, failed = [], False
    for plan in planning.chosen(args):
        try:
            outcomes.append(run_plan(plan, args.folder, args.fresh))
        except (RuntimeError, AssertionError, OSError) as error:
            say(f"{plan.name}: FAILED: {type(error).__name__}: {error}")
            failed = True
    if outcomes:
        text = table.document(outcomes, command, datetime.date.today().isoformat(), host)
        if args.out:
            args.out.write_text(text + other_proofs(args.out), encoding="utf-8")
        else:
            print(text)
    missed = any(v.name.endswith("(default)") and not v.reached for o in outcomes for v, _ in o.verdicts)
    return 1 if failed or (args.judge and missed) else 0


if __name__ == "__main__":
    sys.exit(main())
