# SPDX-License-Identifier: Apache-2.0
"""Exact Shapley values of a measured game, and how far its noise reaches into them.

A game is a dict: subset (sorted tuple of players) -> list of measured totals. The empty subset costs nothing.
"""
import itertools
import math
import random
from dataclasses import dataclass


def subsets(n):
    """All non-empty subsets of n players, small ones first."""
    return [s for size in range(1, n + 1) for s in itertools.combinations(range(n), size)]


def means(game):
    return {subset: sum(values) / len(values) for subset, values in game.items()}


def values(worth):
    """The Shapley value of each player. worth: subset -> total, all non-empty subsets.

    phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! (v(S + i) - v(S)); Shapley, A value for n-person games, 1953.
    """
    n = max(len(subset) for subset in worth)
    phi = [0.0] * n
    for subset in [(), *worth]:
        weight = math.factorial(len(subset)) * math.factorial(n - len(subset) - 1) / math.factorial(n) \
            if len(subset) < n else 0
        for player in set(range(n)) - set(subset):
            phi[player] += weight * (worth[tuple(sorted((*subset, player)))] - worth.get(subset, 0.0))
    return phi


@dataclass(frozen=True)
class Truth:
    """One estimate of the truth: total and Shapley values, and the subsets' means that they come from."""
    worth: dict
    phi: list

    @classmethod
    def of(cls, worth):
        return cls(worth, values(worth))

    @property
    def total(self):
        return self.worth[max(self.worth, key=len)]


def resampled(game, n_draws, seed):
    """n_draws truths, each from repeats drawn with replacement within every subset."""
    rng = random.Random(f"{seed}/bootstrap")
    draws = []
    for _ in range(n_draws):
        worth = {subset: sum(rng.choices(repeats, k=len(repeats))) / len(repeats) for subset, repeats in game.items()}
        draws.append(Truth.of(worth))
    return draws


def half_sum(a, b):
    """What is on the wrong account, when a says what b should be: half the sum of |a - b|."""
    return sum(abs(x - y) for x, y in zip(a, b)) / 2


def standard_errors(truth, draws):
    """The standard error of each request's truth."""
    return [math.sqrt(sum((draw.phi[i] - phi) ** 2 for draw in draws) / len(draws)) for i, phi in enumerate(truth.phi)]


def own_error(truth, draws):
    """The part of a misattribution figure that the truth's own noise would make up: the expected half-sum of the noise,
    over the total."""
    return sum(half_sum(draw.phi, truth.phi) for draw in draws) / len(draws) / truth.total
