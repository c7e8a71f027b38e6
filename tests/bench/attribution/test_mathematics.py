#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The mathematics of bench-attribution, by laws and by games whose values are in the literature. Needs no server.

The last line is 'N passed, N failed'.
"""
import itertools
import json
import math
import pathlib
import random
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "engines"), str(ROOT / "tests" / "scenarios")]

import baselines  # noqa: E402
import judge  # noqa: E402
import mixes  # noqa: E402
import plan  # noqa: E402
import results  # noqa: E402
import shapley  # noqa: E402
import steps  # noqa: E402
import table  # noqa: E402


def game(n, worth):
    return {subset: worth(subset) for subset in shapley.subsets(n)}


def noisy(n, worth, sigma, repeats, seed=1):
    rng = random.Random(seed)
    return {subset: [rng.gauss(worth(subset), sigma) for _ in range(repeats)] for subset in shapley.subsets(n)}


def by_all_orders(n, worth):
    """The definition: the mean of what a player adds, over all orders of arrival."""
    phi = [0.0] * n
    for order in itertools.permutations(range(n)):
        for place, player in enumerate(order):
            before = tuple(sorted(order[:place]))
            phi[player] += worth[tuple(sorted((*before, player)))] - worth.get(before, 0.0)
    return [p / math.factorial(n) for p in phi]


class Shapley(unittest.TestCase):
    def almost(self, found, expected):
        self.assertEqual(len(found), len(expected))
        for f, e in zip(found, expected):
            self.assertAlmostEqual(f, e, places=9)

    def test_four_players_have_fifteen_subsets(self):
        found = shapley.subsets(4)
        self.assertEqual((len(found), len(set(found)), max(map(len, found))), (15, 15, 4))

    def test_values_are_the_mean_over_all_orders_of_arrival_and_sum_to_the_total(self):
        rng = random.Random(7)
        worth = game(4, lambda s: rng.uniform(1, 100))
        self.almost(shapley.values(worth), by_all_orders(4, worth))
        self.assertAlmostEqual(sum(shapley.values(worth)), worth[0, 1, 2, 3])

    def test_without_a_joint_cost_each_pays_what_it_costs_alone(self):
        self.almost(shapley.values(game(4, lambda s: sum((3, 5, 7, 11)[i] for i in s))), [3, 5, 7, 11])

    def test_a_fixed_cost_is_shared_equally(self):
        self.almost(shapley.values(game(4, lambda s: 8)), [2, 2, 2, 2])

    def test_runway_of_littlechild_and_owen(self):
        # Each needs a runway of its length and pays for the pieces that it uses, shared with all who use them (1973).
        self.almost(shapley.values(game(3, lambda s: max(s) + 1)), [1 / 3, 1 / 3 + 1 / 2, 1 / 3 + 1 / 2 + 1])

    def test_gloves_of_shapley_and_shubik(self):
        # One left glove, two right ones, a pair is worth 1: 2/3, 1/6, 1/6.
        self.almost(shapley.values(game(3, lambda s: float(0 in s and len(s) > 1))), [2 / 3, 1 / 6, 1 / 6])

    def test_one_that_adds_nothing_pays_nothing(self):
        self.almost(shapley.values(game(3, lambda s: 5.0 * len(set(s) - {1})))[1:2], [0])


class Bootstrap(unittest.TestCase):
    def test_a_truth_without_noise_has_no_error(self):
        exact = {s: [float(len(s))] * 3 for s in shapley.subsets(4)}
        right = shapley.Truth.of(shapley.means(exact))
        self.assertEqual(shapley.own_error(right, shapley.resampled(exact, 50, 1)), 0)

    def test_the_error_of_one_player_is_that_of_a_mean(self):
        # E |N(0, s)| = s sqrt(2 / pi), and half of that is the half-sum.
        repeats, sigma = 400, 5.0
        measured = noisy(1, lambda s: 100.0, sigma, repeats)
        right = shapley.Truth.of(shapley.means(measured))
        error = shapley.own_error(right, shapley.resampled(measured, 2000, 1)) * right.total
        expected = sigma / math.sqrt(repeats) * math.sqrt(2 / math.pi) / 2
        self.assertLess(abs(error / expected - 1), 0.1)

    def test_the_bootstrap_finds_the_error_that_repeated_measurements_show(self):
        def worth(subset):
            return 50.0 + sum((20, 40, 60, 80)[i] for i in subset)
        exact = shapley.Truth.of(game(4, worth))
        seen, said = [], []
        for seed in range(200):
            measured = noisy(4, worth, 10.0, 10, seed)
            right = shapley.Truth.of(shapley.means(measured))
            seen.append(shapley.half_sum(right.phi, exact.phi) / exact.total)
            if seed < 20:
                said.append(shapley.own_error(right, shapley.resampled(measured, 200, seed)))
        # A bootstrap of 10 repeats is small by sqrt(9/10), 5 %; the rest is for 20 samples of it.
        self.assertLess(abs(sum(said) / len(said) / (sum(seen) / len(seen)) - 0.95), 0.12)

    def test_the_standard_error_of_one_player_is_that_of_a_mean(self):
        measured = noisy(1, lambda s: 100.0, 5.0, 400)
        right = shapley.Truth.of(shapley.means(measured))
        self.assertLess(abs(shapley.standard_errors(right, shapley.resampled(measured, 2000, 1))[0] / 0.25 - 1), 0.1)

    def test_the_same_seed_gives_the_same_draws(self):
        measured = noisy(3, lambda s: 10.0 * len(s), 1.0, 5)
        self.assertEqual(shapley.resampled(measured, 5, 4), shapley.resampled(measured, 5, 4))
        self.assertNotEqual(shapley.resampled(measured, 5, 4), shapley.resampled(measured, 5, 5))


class Judgement(unittest.TestCase):
    ADDITIVE = staticmethod(lambda s: float(sum((60, 40)[i] for i in s)))

    def setUp(self):
        self.measured = noisy(2, self.ADDITIVE, 2.0, 10)
        self.right = shapley.Truth.of(game(2, self.ADDITIVE))
        self.draws = shapley.resampled(self.measured, 500, 1)

    def test_half_and_half_of_60_and_40_puts_a_tenth_on_the_wrong_account(self):
        verdict = judge.judge(judge.Method("", ([1, 1],)), self.right, self.draws)
        self.assertAlmostEqual(verdict.misattributed.value, 0.1)
        self.assertAlmostEqual(verdict.worst.value, 0.25)   # 50 for 40

    def test_only_proportions_of_costs_count(self):
        verdicts = [judge.judge(judge.Method("", ([k * 2, k * 3],)), self.right, self.draws) for k in (1, 1e9)]
        self.assertAlmostEqual(verdicts[0].misattributed.value, verdicts[1].misattributed.value)
        self.assertAlmostEqual(verdicts[0].misattributed.value, 0.2)

    def test_stand_alone_runs_are_right_where_nothing_is_shared(self):
        verdict = judge.judge(judge.Method("", alone=True), self.right, [self.right])
        self.assertAlmostEqual(verdict.misattributed.high, 0)

    def test_without_noise_the_interval_is_the_value(self):
        figure = judge.judge(judge.Method("", ([1, 1],)), self.right, [self.right] * 10).misattributed
        self.assertEqual((figure.low, figure.high), (figure.value, figure.value))

    def test_recordings_that_disagree_do_not_lower_the_bound(self):
        scattered = judge.judge(judge.Method("", ([60, 40], [90, 10])), self.right, [self.right] * 10)
        self.assertAlmostEqual(scattered.misattributed.value, 0.15)
        self.assertAlmostEqual(scattered.misattributed.low, 0.15)
        self.assertAlmostEqual(scattered.span[1], 0.3)

    def test_the_interval_holds_the_exact_figure_at_about_its_rate(self):
        # 60:40 shared as 75:25, so that no figure lies at its end, where a percentile interval would be biased.
        held, method = 0, judge.Method("", ([75, 25],))
        for seed in range(200):
            measured = noisy(2, self.ADDITIVE, 2.0, 10, seed)
            right = shapley.Truth.of(shapley.means(measured))
            figure = judge.judge(method, right, shapley.resampled(measured, 200, seed)).misattributed
            held += figure.low <= 0.15 <= figure.high
        self.assertTrue(170 <= held <= 200, held)   # 95 % less what 10 repeats cost a bootstrap

    def test_a_goal_is_judged_by_the_lower_bound_and_a_dull_truth_leaves_it_open(self):
        def verdict(value, low):
            figure = judge.Figure(value, low, 1.0)
            return judge.Verdict("", figure, judge.Figure(0.0, 0.0, 0.0), (0, 0), [])
        self.assertEqual(verdict(0.035, 0.029).word(True), "PASS")
        self.assertEqual(verdict(0.025, 0.01).word(False), "open")
        self.assertEqual(verdict(0.035, 0.031).word(True), "MISS")
        self.assertEqual(verdict(0.035, 0.031).word(False), "MISS")

    def test_coverage_counts_truths_between_low_and_high_on_the_truths_scale(self):
        right = shapley.Truth({(0, 1): 100.0}, [64.0, 36.0])
        # 6 + 4 stands for 100: 5.5..6.5 is 55..65 around 60, 3.7..5 is 37..50 around 40.
        self.assertEqual(judge.coverage([6, 4], [5.5, 3.7], [6.5, 5.0], right, [0, 0]), 1)
        # 36 is 4 below 40: within 3 of tokprof's and 1.96 * 1.4 of the truth's.
        self.assertEqual(judge.coverage([6, 4], [5.5, 3.7], [6.5, 5.0], right, [0, 1.4]), 2)


class Mixes(unittest.TestCase):
    def test_a_prompt_has_exactly_the_tokens_asked_for(self):
        def count(text):
            # A tokenizer that joins pairs of letters, so that a character more may be a token less or more.
            return 1 + sum((len(word) + 1) // 2 for word in text.split(" "))
        for n in (5, 20, 200, 1500):
            self.assertEqual(count(mixes.prompt("a", n, count)), n)
        self.assertNotEqual(mixes.prompt("a", 50, count)[:8], mixes.prompt("b", 50, count)[:8])
        self.assertEqual(mixes.prompt("a", 50, count), mixes.prompt("a", 50, count))

    def test_the_large_model_gets_a_quarter(self):
        quarter = mixes.of("mixed", "large-f16")
        self.assertEqual([(r.n_prompt, r.n_output) for r in quarter.requests], [(5, 15), (375, 15), (50, 25), (175, 8)])

    def test_a_round_has_every_subset_once_in_an_order_that_outlives_a_kill(self):
        def made():
            return plan.Plan("v", "m", mixes.MIXES["mixed"], 10, 10, 3, 4, 2)
        orders = [made().round(k) for k in range(10)]
        for order in orders:
            self.assertEqual(sorted(order), sorted(shapley.subsets(4)))
        self.assertEqual(len(set(map(tuple, orders))), 10)
        self.assertEqual(made().round(3), orders[3])

    def test_rejected_drafts_are_computed_tokens(self):
        reply = dict(prompt_n=20, predicted_n=60, draft_n=50, draft_accepted=40, billed_prompt=20, billed_completion=60,
                     prompt_ms=1, predicted_ms=2)
        found = {m.name: m.observations for m in baselines.methods([dict(replies=[reply, reply])])}
        self.assertEqual(found["per computed token"], ([90, 90],))
        self.assertEqual(found["all billed tokens"], ([80, 80],))
        self.assertEqual(found["engine's own `timings`"], ([3, 3],))


class Kept(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "deep" / "x.jsonl"
        self.words = []

    def open(self, **settings):
        return results.Results(self.path, settings, self.words.append)

    def test_what_was_measured_before_a_kill_is_kept_and_a_torn_line_is_not(self):
        first = self.open(seed=1, mix=(1, 2))
        first.add("run", round=1, subset=[0], cost_ns=7)
        first.add("run", round=0, subset=[0], cost_ns=5)
        with open(self.path, "ab") as file:
            file.write(b'{"settings": {"se')
        again = self.open(seed=1, mix=(1, 2))
        self.assertEqual(again.game(), {(0,): [5, 7]})
        self.assertEqual(again.done(), {(0, (0,)), (1, (0,))})
        again.add("run", round=2, subset=[0], cost_ns=9)
        self.assertEqual(self.open(seed=1, mix=(1, 2)).game(), {(0,): [5, 7, 9]})
        self.assertIn("cut by a kill", self.words[0])

    def test_other_settings_start_afresh_and_say_which_differ(self):
        self.open(seed=1, threads=2).add("run", round=0, subset=[0], cost_ns=5)
        self.assertEqual(self.open(seed=2, threads=2).lines, [])
        self.assertIn("(seed)", self.words[-1])
        self.assertEqual(len(self.path.with_suffix(".old").read_text().splitlines()), 1)

    def test_each_line_says_its_settings(self):
        self.open(seed=3).add("run", round=0, subset=[0], cost_ns=5)
        self.assertEqual(json.loads(self.path.read_text())["settings"], {"seed": 3})


class Texts(unittest.TestCase):
    def test_a_row_of_the_table(self):
        figure = judge.Figure(0.021, 0.015, 0.03)
        verdict = judge.Verdict("per-row", figure, figure, (0.02, 0.022), [])
        self.assertEqual(table.row(verdict, "11 of 12", True), "| per-row | 2.1 % (1.5 % to 3.0 %) | 2.0 % to 2.2 % | "
                         "2.1 % (1.5 % to 3.0 %) | 11 of 12 | PASS |")

    def test_rows_of_a_step_are_tokens_context_and_outputs_by_ubatch(self):
        rows = [(0, 0, 0, 20, 1), (0, 1, 0, 492, 0), (1, 1, 492, 12, None)]
        self.assertEqual(steps.features(rows), (2, 2, "20:0:1 492:0:0|12:492:?"))


if __name__ == "__main__":
    outcome = unittest.main(exit=False, verbosity=2).result
    bad = len(outcome.failures) + len(outcome.errors)
    print(f"{outcome.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)
