# SPDX-License-Identifier: Apache-2.0
"""What is measured, how often, and under which settings."""
import os
import platform
import random
from dataclasses import dataclass

import mixes
import shapley
import truth

# Server state, order and lengths as this bench makes them: raise it when lines of an older bench mean something else.
PROTOCOL = 2


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = next((line for line in file if line.startswith("model name")), None)
    return found.split(":")[1].strip() if found else platform.machine()


@dataclass(frozen=True)
class Plan:
    """One table: what is measured, and how often."""
    version: str
    model: str
    mix: mixes.Mix
    repeats: int
    limit: int
    recordings: int
    seed: int
    threads: int

    @property
    def settings(self):
        return dict(protocol=PROTOCOL, version=self.version, model=self.model, mix=self.mix.facts, seed=self.seed,
                    threads=self.threads, slots=truth.SLOTS, ctx=truth.CTX,
                    spins=os.environ.get("GOMP_SPINCOUNT", "of server.py"), kernel=platform.release(), cpu=cpu_model())

    @property
    def name(self):
        return f"{self.version}-{self.model}-{self.mix.name}"

    def round(self, number):
        """All subsets in the random order of this round, which is the same however often the bench was killed."""
        order = shapley.subsets(len(self.mix.requests))
        random.Random(f"{self.seed}/round/{number}").shuffle(order)
        return order


def chosen(args):
    """The cells of mixes.ALL that were asked for; a model and mix not among them is made one."""
    if args.quick:
        cells = [(mixes.NEWEST, "small-f16", "mixed", 3)]
        args.limit = 3
    else:
        cells = [cell for cell in mixes.ALL if args.version in (None, cell[0]) and args.model in (None, cell[1])
                  and args.mix in (None, cell[2])]
    if not cells:
        cells = [(args.version or mixes.NEWEST, args.model or "small-f16", args.mix or "mixed", 10)]
    return [Plan(version, model, mixes.of(mix, model), args.repeats or repeats, max(args.limit, args.repeats or repeats),
                 args.recordings, args.seed, args.threads) for version, model, mix, repeats in cells]
