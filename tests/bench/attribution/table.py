# SPDX-License-Identifier: Apache-2.0
"""The results as markdown."""
import judge

INTRODUCTION = """# How right the shares are

Measured by `{command}` on {date}.
Host: {host}.

Truth: of n = 4 fixed requests at once, all 15 non-empty subsets are run on one real server, in random order, each from
the same state of the server; what a subset costs is the CPU time of the server's process by the kernel's account, an
idle server's subtracted. A request's truth is its exact Shapley value in the game of the mean totals.

*Misattributed* is half the sum of |share - truth| over the total; *worst request* the largest |share - truth| over that
request's own truth. Goals: {misattributed} and {worst}, judged by the lower bound of the 95 % interval, which is a
bootstrap over the truth's repeats and so has the truth's own error in it and nothing else; *open*: not missed, but the
truth's own error is too large to confirm it. Figures of tokprof are means over its recordings, *smallest to largest*
is over them. tokprof keeps what belongs to no request (host, idle, unexplained) on accounts of their own, the truth
knows no accounts: all shares are scaled to the same total, `share_i = total * cost_i / sum(cost)`. *truth within low..high*
counts, over recordings and requests, how often tokprof's own 95 % interval, widened in quadrature by that of the truth, has the
truth in it; tokprof's is of the sharing, and does not claim to cover how one run differs from the mean of many.
"""
COLUMNS = ("shared by", "misattributed (95 %)", "smallest to largest", "worst request (95 %)", "truth within low..high",
           "goal")


def pct(value, digits=1):
    return f"{100 * value:.{digits}f} %"


def line(cells):
    return "| " + " | ".join(cells) + " |"


def figure(f):
    return f"{pct(f.value)} ({pct(f.low)} to {pct(f.high)})"


def row(verdict, covered, truth_is_sharp):
    low, high = verdict.span
    return line((verdict.name, figure(verdict.misattributed), "" if low == high else f"{pct(low)} to {pct(high)}",
                 figure(verdict.worst), covered, verdict.word(truth_is_sharp)))


def lengths(mix):
    return ", ".join(f"{r['n_prompt']}{' cached' if r['cached'] else ''} + {r['n_output']}" for r in mix["requests"])


def caption(outcome):
    s, mix, right = outcome.settings, outcome.settings["mix"], outcome.truth
    draft = f", drafts by {mix['draft']}" if mix["draft"] else ""
    milliseconds = " / ".join(f"{phi / 1e6:.0f} +- {e / 1e6:.0f}" for phi, e in zip(right.phi, outcome.standard_errors))
    sharp = "" if outcome.truth_is_sharp else f", **above {pct(outcome.error_goal)}**"
    lines = [
        f"Prompt and output tokens {lengths(mix)}{draft}; {s['threads']} threads, {s['slots']} slots, context {s['ctx']};",
        f"{outcome.repeats} repeats of all {len(right.worth)} subsets, seed {s['seed']}, {outcome.dates}.",
        f"Truth: {milliseconds} ms of CPU time (standard error), {right.total / 1e6:.0f} ms together;",
        f"its own error is {pct(outcome.own_error, 2)} of the total{sharp}.",
    ]
    if outcome.recordings:
        fit = "calibrated on the same server" if outcome.calibrated else "not calibrated (its version has no `calibrate`)"
        doubt = f"; **in {outcome.inexact} of them not all matches are exact**" if outcome.inexact else ""
        lines += [
            f"tokprof: {outcome.recordings} recordings of the full set, {fit}, default rule {outcome.default_rule}{doubt}.",
            f"Outside the requests stand host {pct(outcome.accounts['host'])} and unexplained "
            f"{pct(outcome.accounts['unexplained'])} of the recording's total.",
        ]
    return "\n".join(lines)


def section(outcome):
    s = outcome.settings
    rows = [row(verdict, covered, outcome.truth_is_sharp) for verdict, covered in outcome.verdicts]
    return "\n".join([f"## {s['mix']['name']}: {s['version']}, {s['model']}", "", caption(outcome), "", line(COLUMNS),
                      "|---" * len(COLUMNS) + "|", *rows, ""])


def document(outcomes, command, date, host):
    goals = {name: f"at most {pct(goal, 0)}" for name, goal in (("misattributed", judge.GOAL_MISATTRIBUTED),
                                                               ("worst", judge.GOAL_WORST))}
    head = INTRODUCTION.format(command=command, date=date, host=host, **goals)
    return "\n".join([head, *(section(outcome) for outcome in outcomes)])
