#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# All tests, suite by suite; ends with a table and 'N passed, N failed'. Nothing is skipped in silence: a suite that cannot
# run is a failure.
#
#	scripts/test.sh [--all]	with --all the slow checks too
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

slow=false
[ "${1:-}" = --all ] && slow=true
logs=build/test-logs
mkdir -p "$logs"
passed=0
failed=0
table=()

# The last 'N passed, N failed' of a suite's log; else the suite is one test, judged by its exit status.
count() {
	local name=$1 status=$2 seconds=$3 log=$4 line p f
	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
	if [ -n "$line" ]; then
		p=${line%% passed*}
		f=${line#* passed, }
		f=${f%% failed*}
		[ "$status" -eq 0 ] || [ "$f" -gt 0 ] || f=1
	elif [ "$status" -eq 0 ]; then
		p=1 f=0
	else
		p=0 f=1
	fi
	passed=$((passed + p))
	failed=$((failed + f))
	table+=("$(printf '%-34s %6d passed %4d failed %5d s' "$name" "$p" "$f" "$seconds")")
	echo "${table[-1]}"
	grep -E '^skip ' "$log"
	if [ "$f" -gt 0 ]; then
		grep -nE 'FAILED|[Ee]rror|ERROR|FAIL' "$log" | head -n 20
		tail -n 25 "$log" | sed 's/^/    /'
	fi
}

suite() {
	local name=$1 log="$logs/$1.log" start status
	shift
	start=$(date +%s)
	"$@" >"$log" 2>&1
	status=$?
	count "$name" "$status" $(($(date +%s) - start)) "$log"
	return $status
}

run_program() {
	local out status ok bad
	out=$("$1" 2>&1)
	status=$?
	ok=$(echo "$out" | sed -n 's/.*\[  PASSED  \] \([0-9]*\) test.*/\1/p' | paste -sd+ | bc)
	bad=$(echo "$out" | sed -n 's/^\[  FAILED  \] [^:]*: \([0-9]*\) test.*/\1/p' | paste -sd+ | bc)
	[ $status -eq 0 ] || [ "${bad:-0}" -gt 0 ] || bad=1
	printf '== %s\n%s\ncounts %d %d\n' "$1" "$out" "${ok:-0}" "${bad:-0}"
}
export -f run_program

# cmocka's own counts, summed over the programs of a folder; as many at a time as there are CPUs.
run_cmocka() {
	local out="$logs/programs.out"
	# shellcheck disable=SC2016 # that shell's own $0
	printf '%s\n' "$1"/test_* | grep -vE '\.[do]$' | xargs -P "$(nproc)" -n 1 bash -c 'run_program "$0"' >"$out"
	cat "$out"
	awk '$1 == "counts" { p += $2; f += $3 } END { printf "%d passed, %d failed\n", p, f; exit f || !p }' "$out"
}

if [ "$(id -u)" -ne 0 ]; then
	echo "make test attaches BPF programs to real servers and installs packages: run it as root" >&2
	echo "0 passed, 1 failed"
	exit 1
fi

export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0
start_all=$(date +%s)
suite set-up scripts/setup.sh
suite models python3 tests/engines/make_model.py
suite build make -j2 all
suite lint make lint
suite unit-build make -j2 unit-tests
suite unit run_cmocka build/tests
suite sanitizer-build make -j2 sanitize
suite sanitizer run_cmocka build/asan/tests
suite fuzz-build make -j2 fuzzers
suite fuzz scripts/fuzz.sh "$($slow && echo 60 || echo 5)"
suite command-line python3 tests/cli/run.py
suite flame-formats python3 tests/flame/run.py
suite attribution-mathematics python3 tests/bench/attribution/test_mathematics.py

if $slow; then
	suite lint-deep scripts/lint.sh --deep
	for version in 2026.10.11549 2026.5.9294 0.2.14; do
		suite "engine-$version" python3 tests/engines/smoke.py --version "$version"
	done
	suite scenarios python3 tests/scenarios/run.py --all
	suite targets python3 tests/scenarios/targets.py --all
	suite calibration python3 tests/scenarios/calibration.py --all
	suite identity python3 tests/scenarios/identity.py --all
	suite touched python3 tests/scenarios/touched.py --all
	suite shares python3 tests/scenarios/shares.py
	suite disturbances python3 tests/scenarios/disturbances.py --all
	suite counters python3 tests/scenarios/counters.py --all
	suite kernel python3 tests/scenarios/kernel.py --all
	suite memory python3 tests/scenarios/memory.py --all
	suite stacks python3 tests/scenarios/stacks.py --all
	suite operators python3 tests/scenarios/operators.py --all
	suite faults python3 tests/scenarios/faults.py --all
	suite names python3 tests/scenarios/names.py --all
	suite devices python3 tests/scenarios/devices.py --all
	suite tamper python3 tests/tamper/run.py --all
	suite attribution python3 tests/bench/attribution/run.py --quick --fresh --folder build/test-attribution
else
	suite scenarios python3 tests/scenarios/run.py
	suite targets python3 tests/scenarios/targets.py
	suite calibration python3 tests/scenarios/calibration.py
	suite identity python3 tests/scenarios/identity.py
	suite touched python3 tests/scenarios/touched.py
	suite disturbances python3 tests/scenarios/disturbances.py
	suite counters python3 tests/scenarios/counters.py
	suite kernel python3 tests/scenarios/kernel.py
	suite memory python3 tests/scenarios/memory.py
	suite stacks python3 tests/scenarios/stacks.py
	suite operators python3 tests/scenarios/operators.py
	suite faults python3 tests/scenarios/faults.py
	suite names python3 tests/scenarios/names.py
	suite devices python3 tests/scenarios/devices.py
	suite tamper python3 tests/tamper/run.py
fi
# Where tracefs is not mounted: calls into device drivers by the tracepoints of all system calls.
suite devices-by-system-calls env TOKPROF_IOCTL_BY_SYSCALL=1 python3 tests/scenarios/devices.py --only steps
# What older kernels take: connections by the exits of system calls, in the place of the sockets' tracepoints.
suite scenarios-by-system-calls env TOKPROF_WIRE_BY_SYSCALL=1 \
	python3 tests/scenarios/run.py --version 2026.10.11549

echo
printf '%s\n' "${table[@]}"
echo "$(($(date +%s) - start_all)) s in all; logs are in $logs"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
