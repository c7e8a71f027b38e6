# SPDX-License-Identifier: Apache-2.0
"""How requests are priced today: by the engine's own figures. Each costs one line here."""
from judge import Method


def _timings(reply):
    return reply["prompt_ms"] + reply["predicted_ms"]


def _computed_tokens(reply):
    return reply["prompt_n"] + reply["predicted_n"] + reply["draft_n"] - reply["draft_accepted"]


def _output_tokens(reply):
    return reply["predicted_n"]


def _billed_tokens(reply):
    return reply["billed_prompt"] + reply["billed_completion"]


COSTS = {
    "engine's own `timings`": _timings,
    "per computed token": _computed_tokens,
    "per output token": _output_tokens,
    "all billed tokens": _billed_tokens,
}


def methods(full_runs):
    """The baselines, from the runs of the full set."""
    found = [Method(name, tuple([cost(reply) for reply in run["replies"]] for run in full_runs))
             for name, cost in COSTS.items()]
    return [*found, Method("stand-alone runs", alone=True)]
