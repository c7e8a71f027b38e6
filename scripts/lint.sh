#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-tidy, the format's check, which layer includes which, shellcheck, Python's own compiler. Needs `make` to have run (skeletons).
# Files that were clean are checked again only when something has changed that they are made of (scripts/tidy.py).
#
#	scripts/lint.sh [--deep]	the analyzer follows more paths, of every function
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
deep=()
[ "${1:-}" = --deep ] && deep=(--deep)
list() {
	git ls-files --cached --others --exclude-standard "$@" | while read -r f; do
		if [ -f "$f" ]; then echo "$f"; fi
	done
}
mapfile -t c_files < <(list '*.c' '*.h')
mapfile -t c_sources < <(printf '%s\n' "${c_files[@]}" | grep -E '^(userspace|collectors|output)/.*\.c$')
mapfile -t shells < <(list '*.sh' .ci/run)
mapfile -t pythons < <(list '*.py')

check() {
	local name=$1
	shift
	if "$@"; then
		echo "lint: $name: clean"
	else
		echo "lint: $name: FAILED"
		failed=1
	fi
}

# What is read of a recording, and what is concluded of it, knows nothing of how it is shown.
# shellcheck disable=SC2317 # called through check
run_layers() {
	! git grep -n --untracked '#include "output/' -- userspace/analysis userspace/cost userspace/verify userspace/wire
}

check "layers" run_layers
check "format (${#c_files[@]} files)" python3 scripts/tidy.py --format "${c_files[@]}"
check "clang-tidy (${#c_sources[@]} files)" python3 scripts/tidy.py "${deep[@]}" "${c_sources[@]}"
check "shellcheck (${#shells[@]} files)" shellcheck "${shells[@]}"
check "python (${#pythons[@]} files)" python3 -m py_compile "${pythons[@]}"
exit $failed
