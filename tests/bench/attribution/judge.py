# SPDX-License-Identifier: Apache-2.0
"""How far a way of sharing is from the truth, with intervals for the truth's own error."""
import math
from dataclasses import dataclass

import shapley

GOAL_MISATTRIBUTED = 0.03
GOAL_WORST = 0.10
INTERVAL = 0.95


@dataclass(frozen=True)
class Method:
    """A way of sharing. observations: one list of costs per recording or run, of any scale; only their proportions count.
    With alone, the costs are those of the stand-alone runs, and so vary with the truth."""
    name: str
    observations: tuple = ()
    alone: bool = False


@dataclass(frozen=True)
class Figure:
    value: float
    low: float
    high: float

    def reaches(self, goal):
        """Whether the goal is reached, judged by the lower bound: what the truth's own noise may add is no miss. The
        interval has nothing else in it, so that recordings which disagree with each other do not help."""
        return self.low <= goal


@dataclass(frozen=True)
class Verdict:
    name: str
    misattributed: Figure
    worst: Figure
    span: tuple           # misattributed: smallest and largest of the observations
    shares: list          # mean share of each request, fractions

    @property
    def reached(self):
        return self.misattributed.reaches(GOAL_MISATTRIBUTED) and self.worst.reaches(GOAL_WORST)

    def word(self, truth_is_sharp):
        """A truth whose own error is too large can refute a figure, by the lower bound, and confirm none."""
        if not self.reached:
            return "MISS"
        return "PASS" if truth_is_sharp else "open"


def fractions(costs):
    total = sum(costs)
    return [cost / total for cost in costs]


def misattributed(shares, truth):
    return shapley.half_sum(shares, fractions(truth.phi))


def worst(shares, truth):
    """The largest error of a request, relative to its own truth."""
    return max(abs(share - right) / right for share, right in zip(shares, fractions(truth.phi)))


def quantile(ordered, q):
    return ordered[min(len(ordered) - 1, max(0, round(q * (len(ordered) - 1))))]


def _observed(method, truth):
    if method.alone:
        return [fractions([truth.worth[(i,)] for i in range(len(truth.phi))])]
    return [fractions(costs) for costs in method.observations]


def _mean(measure, observed, truth):
    return sum(measure(shares, truth) for shares in observed) / len(observed)


def judge(method, truth, draws):
    """The verdict on one method: the mean over its observations, held against the truth and against each draw of it."""
    observed = _observed(method, truth)
    spread = {misattributed: [], worst: []}
    for draw in draws:
        again = _observed(method, draw) if method.alone else observed
        for measure, found in spread.items():
            found.append(_mean(measure, again, draw))
    figures = {}
    for measure, found in spread.items():
        found.sort()
        figures[measure] = Figure(_mean(measure, observed, truth), quantile(found, (1 - INTERVAL) / 2),
                                  quantile(found, (1 + INTERVAL) / 2))
    each = [misattributed(shares, truth) for shares in observed]
    return Verdict(method.name, figures[misattributed], figures[worst], (min(each), max(each)),
                   [sum(column) / len(observed) for column in zip(*observed)])


def coverage(costs, lows, highs, truth, errors):
    """How many requests have their truth between low and high, all scaled alike to the truth's total; the truth is known to within
    1.96 of its standard errors itself, which widens both sides in quadrature."""
    scale, found = truth.total / sum(costs), 0
    for cost, low, high, phi, error in zip(costs, lows, highs, truth.phi, errors):
        off = phi - cost * scale
        side = (high - cost if off > 0 else cost - low) * scale
        found += abs(off) <= math.hypot(side, 1.96 * error)
    return found
