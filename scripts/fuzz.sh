#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target for a number of seconds on its corpus; ends with 'N passed, N failed'.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

seconds=${1:-10}
seed=${2:-1}	# the same inputs each time; another seed looks elsewhere
passed=0
failed=0
for target in build/fuzz/fuzz_*; do
	[ -x "$target" ] || continue
	name=$(basename "$target")
	corpus=tests/fuzz/corpus/${name#fuzz_}
	found=build/fuzz/found/$name
	mkdir -p "$found"
	seeds=()
	[ -d "$corpus" ] && seeds=("$corpus")
	if "$target" -max_total_time="$seconds" -seed="$seed" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$found/" "$found" "${seeds[@]}" 2>&1 | tail -n 30; then
		passed=$((passed + 1))
	else
		echo "FAILED: $name; the input is in $found"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
