#!/usr/bin/env python3
"""Records real servers while clients use them, and holds tokprof's report against what the clients know.

    run.py [--all] [--version V] [--only PART] [--keep FOLDER]

Every case of cases.py on every pinned version; with --all also the 1,000 mixed requests. Ends with 'N passed, N failed'.
"""
import argparse
import contextlib
import pathlib
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "engines"))

import cases  # noqa: E402
import client  # noqa: E402
import engine  # noqa: E402
import law  # noqa: E402
import meter  # noqa: E402
from traits import TRAITS  # noqa: E402

MODEL = "small-f16"


class Session:
    def __init__(self, version, server):
        self.version = version
        self.server = server
        self.port = server.port
        self.traits = TRAITS[version]


def pair(truths, requests):
    """Truths with the report's requests: by response id where there is one, the others in order of time."""
    by_id = {r["api_id"]: r for r in requests if r["api_id"]}
    pairs, rest = [], []
    taken = set()
    for truth in truths:
        request = by_id.get(truth.api_id) if truth.api_id else None
        if request:
            taken.add(request["id"])
            pairs.append((truth, request))
        else:
            rest.append(truth)
    left = [r for r in requests if r["id"] not in taken]
    if len(left) != len(rest):
        raise AssertionError(f"{len(truths)} requests were sent, the report lists {len(requests)}: "
                             + ", ".join(f"{r['path']} {r['status']}" for r in requests))
    return pairs + list(zip(sorted(rest, key=lambda t: t.sent_ns), sorted(left, key=lambda r: r["arrival_ns"])))


def compare(truth, request):
    """Every figure of one request that the truth knows; all differences at once."""
    computed, billed = request["computed"], request["billed"]
    wrong = []

    def same(name, actual, expected):
        if expected is not None and actual != expected:
            wrong.append(f"{name} {actual}, expected {expected}")

    if truth.exact:
        same("match", request["match"], "exact")
    same("path", (request["path"] or "").split("?")[0], truth.path)
    same("status", request["status"] or 0, truth.status)
    if truth.complete:
        same("prompt tokens computed", computed["prompt_tokens"], truth.prompt)
        same("prompt tokens cached", computed["cached_tokens"], truth.cached)
        if truth.at_least is None:
            same("completion tokens", computed["completion_tokens"], truth.completion)
        elif not (computed["completion_tokens"] or 0) >= truth.at_least:
            wrong.append(f"completion tokens {computed['completion_tokens']}, at least {truth.at_least} arrived")
        same("tokens drafted", computed["draft_tokens"], truth.drafted)
        same("drafted tokens rejected", computed["draft_rejected_tokens"], truth.rejected)
        same("complete", request["complete"], True)
    else:
        same("complete", request["complete"], False)
    same("billed prompt tokens", billed["prompt_tokens"], truth.billed[0])
    same("billed completion tokens", billed["completion_tokens"], truth.billed[1])
    if truth.why and truth.why not in request.get("incomplete_reasons", []):
        wrong.append(f"reasons {request.get('incomplete_reasons')}, expected {truth.why}")
    if wrong:
        raise AssertionError(f"request {request['id']} ({truth.path}, match {request['match']}, "
                             f"{request.get('match_evidence')}, {request.get('incomplete_reasons')}): "
                             + "; ".join(wrong))


FIGURES = ("prompt_tokens", "cached_tokens", "completion_tokens")


def compare_ambiguous(pairs):
    """Requests that another assignment would give other figures: which is whose is open, the figures together are not."""
    for name in FIGURES:
        actual = sorted(request["computed"][name] for _, request in pairs)
        expected = sorted(getattr(truth, name.removesuffix("_tokens")) for truth, _ in pairs)
        if actual != expected:
            raise AssertionError(f"{name} of {len(pairs)} ambiguous requests: {actual}, expected {expected}")


def compare_bills(requests):
    for r in requests:
        for name in ("completion_tokens",):
            if r["billed"][name] is not None and r["billed"][name] != r["computed"][name]:
                raise AssertionError(f"request {r['id']}: {r['billed'][name]} {name} billed, "
                                     f"{r['computed'][name]} computed")


def check(truths, report):
    requests = meter.token_requests(report)
    law.check(report)
    if truths is None:
        compare_bills(requests)
        return
    pairs = pair(truths, requests)
    for truth, request in pairs:
        if truth.exact or request["match"] != "ambiguous":
            compare(truth, request)
    compare_ambiguous([p for p in pairs if p[1]["match"] == "ambiguous"])
    if sum(report["recording"]["losses"].values()):
        raise AssertionError(f"records were lost: {report['recording']['losses']}")


def run_case(case, session, keep):
    with meter.record(session.server.pid) as recording:
        truths = case(session)
        client.wait_idle(session.port)
    try:
        check(truths, recording.report)
    except BaseException:
        if keep:
            name = pathlib.Path(keep) / f"{case.__name__}-{session.version}.tokprof"
            name.write_bytes(recording.path.read_bytes())
        raise


def run_group(version, options, group, keep):
    passed = failed = 0
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(engine.start(version, MODEL, **dict(options)))
        session = Session(version, server)
        for case in group:
            title = f"{version} {case.__name__.replace('_', ' ')}"
            start = time.monotonic()
            try:
                run_case(case, session, keep)
                passed += 1
                print(f"ok    {title} ({time.monotonic() - start:.1f} s)", flush=True)
            except Exception as error:  # a dead server shows up as any kind
                failed += 1
                print(f"FAIL  {title}\n      {type(error).__name__}: {error}", flush=True)
                if not isinstance(error, AssertionError):
                    traceback.print_exc()
    return passed, failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--version", choices=list(TRAITS))
    parser.add_argument("--only", default="", metavar="PART")
    parser.add_argument("--keep", metavar="FOLDER", help="where recordings of failed cases go")
    args = parser.parse_args()
    passed = failed = 0
    for version in [args.version] if args.version else TRAITS:
        groups = {}
        for case in cases.ALL:
            if args.only in case.__name__.replace("_", " ") and (args.all or not case.slow):
                groups.setdefault(case.server_options, []).append(case)
        for options, group in groups.items():
            p, f = run_group(version, options, group, args.keep)
            passed += p
            failed += f
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
