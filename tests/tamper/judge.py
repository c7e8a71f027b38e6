"""What `tokprof verify` says of a bill, against what was done to it."""
import contextlib
import json
import pathlib
import sqlite3
import tempfile
from dataclasses import dataclass, field

import bills
import meter


@dataclass
class Outcome:
    verdict: str
    missed: list = field(default_factory=list)         # tampered, and nothing REFUTED names it
    accused: list = field(default_factory=list)        # honest, and REFUTED
    open: list = field(default_factory=list)           # of the missed ones those that are INCONCLUSIVE
    inconclusive: set = field(default_factory=set)     # all that an INCONCLUSIVE check is about
    checks: list = field(default_factory=list)


def ids_of(recording):
    with contextlib.closing(sqlite3.connect(f"file:{recording}?mode=ro", uri=True)) as db:
        return dict(db.execute("SELECT id, api_id FROM request"))


def clock_of(recording):
    """As a gateway beside the server would have it."""
    with contextlib.closing(sqlite3.connect(f"file:{recording}?mode=ro", uri=True)) as db:
        facts = dict(db.execute("SELECT key, value FROM recording"))
        rows = db.execute("SELECT api_id, arrival_ns, end_ns FROM request WHERE end_ns IS NOT NULL").fetchall()
    unix, origin = int(facts["origin_unix_ns"]), int(facts["origin_mono_ns"])
    return bills.Clock({name: (unix + begin, unix + end) for name, begin, end in rows},
                       unix + int(facts["start_ns"]) - origin, unix + int(facts["end_ns"]) - origin)


def verify(recording, *options):
    """(exit status, the JSON)."""
    status, out, words = meter.run("verify", recording, "--format", "json", *options)
    if status not in (0, 1, 3):
        raise AssertionError(f"tokprof verify: exit status {status}\n{words}")
    return status, json.loads(out)


def names_of(check, subjects, ids):
    """The requests or lines that a check is about; of the whole bill: {"the bill"}."""
    if check["bill_line"] is not None and check["bill_line"] in subjects:
        return {subjects[check["bill_line"]]}
    if check["subject"] in ("the bill", "the recording"):
        return {"the bill"}
    return {ids[i] for i in check["evidence"]}


def lines_of(bill, path):
    """The number in the file -> whose line it is."""
    if bill.windows:
        return {number: "the bill" for number in range(1, len(bill.windows) + 2)}
    if bill.one_sum:
        return {2: "the bill", 1: "the bill"}
    if bill.form == "csv":
        return {i + 2: line.id for i, line in enumerate(bill.lines)}
    numbers = [i + 1 for i, text in enumerate(path.read_text().splitlines()) if "{" in text]
    return {number: line.id for number, line in zip(numbers, bill.lines)}


def judge(document, tampered, subjects, ids):
    outcome = Outcome(document["verdict"], checks=document["checks"])
    by_verdict = {"REFUTED": set(), "INCONCLUSIVE": set()}
    for check in document["checks"]:
        if check["verdict"] in by_verdict:
            by_verdict[check["verdict"]] |= names_of(check, subjects, ids)
    # A sum over honest and tampered lines is wrong with them.
    harmless = set(tampered) | ({"the bill"} if tampered else set())
    outcome.missed = sorted(set(tampered) - by_verdict["REFUTED"])
    outcome.open = sorted(set(outcome.missed) & by_verdict["INCONCLUSIVE"])
    outcome.inconclusive = by_verdict["INCONCLUSIVE"]
    outcome.accused = sorted(map(str, by_verdict["REFUTED"] - harmless))
    return outcome


def of_bill(recording, bill):
    with tempfile.TemporaryDirectory() as folder:
        path, claims = bills.write(bill, pathlib.Path(folder))
        options = ["--bill", path, *(["--claims", claims] if claims else []), *bill.options]
        _, document = verify(recording, *options)
        return judge(document, bill.tampered | bill.missing, lines_of(bill, path), ids_of(recording))


def of_wire(recording, tampered=frozenset()):
    _, document = verify(recording)
    return judge(document, tampered, {}, ids_of(recording))


def of_claims(recording, text):
    """Whether the claims of a text hold: the verdicts of checks about claims alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "claims.yaml"
        path.write_text(text)
        _, document = verify(recording, "--claims", path)
        return [c for c in document["checks"] if c["claim_line"] is not None]
