#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every step of a recording as CSV: what it computed and what it used. For work on the cost model.

    steps.py RUN.tokprof > steps.csv

One line per step. rows: ubatches parted by '|', rows by ' ', each q:L:outputs (tokens computed, context before them,
outputs wanted; '?' where not known). runq_ns and blocked_ns are of the thread that runs the step, the rest of the whole
server. Empty: not measured.
"""
import csv
import signal
import sqlite3
import sys

STEPS = """
SELECT step.id, context.role, CASE step.kind WHEN 0 THEN 'decode' ELSE 'encode' END, step.flags, step.ret, step.n_tokens,
    step.start_ns, step.duration_ns, step.runq_ns, step.blocked_ns
FROM step LEFT JOIN context ON context.id = step.context ORDER BY step.start_ns, step.id
"""
USED = """
SELECT step_resource.step, resource.name, step_resource.value
FROM step_resource JOIN resource ON resource.id = step_resource.resource
"""
ROWS = "SELECT step, ubatch, seq, first_pos, n_tokens, n_outputs FROM row ORDER BY step, ubatch, idx"
RESOURCES = ("cpu_ns", "kernel_ns", "faults")
COLUMNS = ("step", "role", "kind", "flags", "ret", "n_tokens", "start_ns", "wall_ns", "runq_ns", "blocked_ns", *RESOURCES,
           "n_ubatch", "n_seq", "rows")


def features(rows):
    """Ubatches, distinct sequences and the rows in one text, of one step."""
    ubatches = {}
    for ubatch, _, first_pos, n_tokens, n_outputs in rows:
        outputs = "?" if n_outputs is None else n_outputs
        ubatches.setdefault(ubatch, []).append(f"{n_tokens}:{first_pos}:{outputs}")
    return len(ubatches), len({seq for _, seq, *_ in rows}), "|".join(" ".join(parts) for parts in ubatches.values())


def lines(database):
    used, rows = {}, {}
    for step, name, value in database.execute(USED):
        used[step, name] = value
    for step, *row in database.execute(ROWS):
        rows.setdefault(step, []).append(row)
    for step, *facts in database.execute(STEPS):
        yield [step, *facts, *(used.get((step, name)) for name in RESOURCES), *features(rows.get(step, []))]


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)   # `steps.py RUN | head` is no error
    with sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True) as database:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(lines(database))


if __name__ == "__main__":
    main()
