#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target for a number of seconds on its corpus, as many at a time as there are CPUs; ends with 'N passed, N failed'.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

export seconds=${1:-10}
export seed=${2:-1}	# the same inputs each time; another seed looks elsewhere

run_target() {
	local name corpus found seeds=()
	name=$(basename "$1")
	corpus=tests/fuzz/corpus/${name#fuzz_}
	found=build/fuzz/found/$name
	mkdir -p "$found"
	[ -d "$corpus" ] && seeds=("$corpus")
	if "$1" -max_total_time="$seconds" -seed="$seed" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$found/" "$found" "${seeds[@]}" >"$found.log" 2>&1; then
		echo "fuzzed $name"
	else
		tail -n 30 "$found.log"
		echo "FAILED: $name; the input is in $found"
	fi
}
export -f run_target

out=build/fuzz/out.log
# shellcheck disable=SC2016 # that shell's own $0
find build/fuzz -maxdepth 1 -name 'fuzz_*' -type f -perm -u+x | sort | xargs -P "$(nproc)" -n 1 bash -c 'run_target "$0"' >"$out"
cat "$out"
awk '/^fuzzed / { p++ } /^FAILED: / { f++ } END { printf "%d passed, %d failed\n", p, f; exit f || !p }' "$out"
