# SPDX-License-Identifier: Apache-2.0
"""The fixed requests of each mix, as data, and where each mix is measured."""
import random
from dataclasses import asdict, dataclass, replace

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Request:
    n_prompt: int
    n_output: int
    cached: bool = False   # the prompt is in the slot before the measured window; its last token is computed in it

    @property
    def n_computed(self):
        """Prompt tokens that the engine has to compute: a cached prompt still costs its last one (FINDINGS.md)."""
        return 1 if self.cached else self.n_prompt


@dataclass(frozen=True)
class Mix:
    name: str
    requests: tuple
    draft: str = ""          # draft model; "": no speculation

    @property
    def server_options(self):
        return dict(draft_max=4, draft_p_min=0) if self.draft else {}

    @property
    def facts(self):
        return asdict(self)


def _mix(name, prompts, outputs, cached=False, draft=""):
    return Mix(name, tuple(Request(p, o, cached) for p, o in zip(prompts, outputs)), draft)


MIXES = {mix.name: mix for mix in (
    _mix("mixed", (20, 1500, 200, 700), (60, 60, 100, 30)),
    _mix("long-context", (20, 1900, 200, 900), (200, 200, 200, 200), cached=True),
    _mix("speculation", (20, 600, 200, 400), (60, 60, 100, 30), draft="draft-f16"),
)}

NEWEST = "2026.10.11549"
# (version, model, mix, repeats): what the goal is set for.
ALL = (
    *((NEWEST, "small-f16", mix, 10) for mix in MIXES),
    ("2026.5.9294", "small-f16", "mixed", 10),
    ("0.2.14", "small-f16", "mixed", 10),
    (NEWEST, "large-f16", "mixed", 3),
)
QUARTERED = ("large-f16",)


def of(name, model):
    """The mix as it is sent to this model: a quarter of all lengths for one that takes many times as long per token."""
    mix = MIXES[name]
    if model not in QUARTERED:
        return mix
    return replace(mix, requests=tuple(replace(r, n_prompt=round(r.n_prompt / 4), n_output=round(r.n_output / 4))
                                       for r in mix.requests))


def text(label, n_characters):
    """Words without sense, the same for the same label and with no beginning in common with another's."""
    generator = random.Random(label)
    words = []
    while len(words) * 2 < n_characters:
        words.append("".join(generator.choices(LETTERS, k=generator.randint(1, 9))))
    return " ".join(words)[:n_characters]


def prompt(label, n_tokens, count):
    """A text of exactly n_tokens, by the tokenizer that count asks. Text, not token ids, as clients send it: its size on
    the wire is what tells requests apart that begin and end with the same steps."""
    whole = text(label, 8 * n_tokens)
    low, high = 0, len(whole)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if count(whole[:middle]) < n_tokens else (low, middle)
    # One more character may join two tokens, so the count does not only grow: look around.
    for length in sorted(range(max(1, low - 20), low + 20), key=lambda length: abs(length - low)):
        if count(whole[:length]) == n_tokens:
            return whole[:length]
    raise ValueError(f"no prompt of {n_tokens} tokens near {low} characters")
