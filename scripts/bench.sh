#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# make bench: timings with intervals; what docs/benchmarks.md is made from. SECONDS_EACH sets the length of each measurement.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
make -j"$(nproc)" all benches
python3 tests/engines/make_model.py tiny-f16 small-f16 large-f16
build/bench/bench_recording
build/bench/bench_ioctl
python3 tests/bench/run.py --seconds "${SECONDS_EACH:-120}"
