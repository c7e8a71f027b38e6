#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# make bench-attribution: shares of requests against measured truth; writes docs/accuracy.md. Goes on where it was killed.
# OPTIONS are those of tests/bench/attribution/run.py.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
make -j"$(nproc)" all
python3 tests/engines/make_model.py small-f16 draft-f16 large-f16
read -ra options <<<"${OPTIONS:-}"
python3 tests/bench/attribution/run.py --out docs/accuracy.md "${options[@]}"
