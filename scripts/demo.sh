#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# make demo: set-up, build, a real llama.cpp server with a synthetic model, load, record, report, flame, verify. Ends what it started.
set -euo pipefail
cd "$(dirname "$0")/.."

version=2026.10.11549
model=small-f16
recording=build/demo.tokprof
server_pid=
recorder_pid=

cleanup() {
	for pid in $recorder_pid $server_pid; do
		kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	return 0
}
trap cleanup EXIT
trap 'exit 130' INT TERM

step() {
	printf '\n== %s\n' "$*"
}

if [ "$(id -u)" -ne 0 ]; then
	echo "make demo attaches BPF programs to a server: run it as root" >&2
	exit 4
fi
step "set-up: packages and the servers' virtual environments"
scripts/setup.sh
step "build"
make -j"$(nproc)" all
step "a model of random weights, about 60 MB"
python3 tests/engines/make_model.py "$model"
step "the llama.cpp server of xllamacpp $version, four slots"
server_log=build/demo-server.log
server_out=build/demo-server.json
python3 tests/engines/server.py --version "$version" --model "build/models/$model.gguf" --slots 4 \
	>"$server_out" 2>"$server_log" &
server_pid=$!
for _ in $(seq 600); do
	[ -s "$server_out" ] && break
	kill -0 "$server_pid" 2>/dev/null || {
		tail -n 20 "$server_log" >&2
		echo "demo: the server did not start; $server_log has its words" >&2
		exit 1
	}
	sleep 0.1
done
port=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["port"])' "$server_out")
echo "pid $server_pid, http://127.0.0.1:$port"
build/tokprof list

step "tokprof calibrate -p $server_pid --seconds 40 (150 where nothing is said: what a step costs, by what is in it)"
export TOKPROF_FITS=build/demo-fits # of this run alone: an older, better fit would be kept
rm -rf "$TOKPROF_FITS"
build/tokprof calibrate -p "$server_pid" --seconds 40

step "tokprof record -p $server_pid -o $recording"
build/tokprof record -f -p "$server_pid" -o "$recording" 2>build/demo-record.log &
recorder_pid=$!
for _ in $(seq 100); do
	grep -q '^recording ' build/demo-record.log && break
	sleep 0.1
done
cat build/demo-record.log
step "load: 24 requests (streams, cached prompts, two choices, a client that leaves, a refused one)"
python3 tests/engines/demo_load.py "$port"
kill -INT "$recorder_pid"
wait "$recorder_pid" || true
recorder_pid=
tail -n 3 build/demo-record.log

step "tokprof report $recording"
build/tokprof report "$recording"
build/tokprof report --format html "$recording" >build/demo-report.html
step "tokprof report --by step $recording (its first lines)"
build/tokprof report --by step "$recording" | sed -n '1,16p'
step "tokprof flame $recording (which functions a generated token's CPU time goes to: build/demo-flame.svg and .html)"
build/tokprof flame --per token -o build/demo-flame.svg "$recording"
build/tokprof flame --per token -o build/demo-flame.html "$recording"
build/tokprof flame --format folded "$recording" | sort -t' ' -k2 -n | awk '{ n = $NF; sub(/ [0-9]+$/, ""); k = split($0, f, ";"); s[f[1] " ... " f[k]] += n }
	END { for (i in s) printf "%12.1f ms  %s\n", s[i] / 1e6, i }' | sort -rn | head -8
step "tokprof verify $recording --claims build/demo-claims.yaml (what the server billed, and two claims of which one is false)"
cat >build/demo-claims.yaml <<'EOF'
claims:
  - {metric: parameters, is: 29.4M}
  - {metric: precision, is: Q8_0}
EOF
sed 's/^/    /' build/demo-claims.yaml
status=0
build/tokprof verify "$recording" --claims build/demo-claims.yaml || status=$?
echo "exit status $status: 1 says that something is refuted, here the claimed precision"
[ "$status" -eq 1 ]
step "done"
cat <<EOF
$recording is one SQLite file: docs/recording.md names its tables. Look further:
  build/tokprof report --by token $recording                 # or operator, layer, phase, step
  build/tokprof flame --resource offcpu -o waits.svg $recording
  build/tokprof report --format json $recording
  build/tokprof verify --format html $recording >verdicts.html
  build/tokprof verify --scorecard $recording
  sqlite3 $recording 'select path, status, billed_prompt_tokens from request'
EOF
