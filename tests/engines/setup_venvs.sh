#!/bin/sh
# Creates one virtual environment per pinned xllamacpp version, and one named
# "client", from the requirements-*.txt files next to this script.
#
#   setup_venvs.sh [NAME...]      NAME: client or a pinned version; default all
#
# TOKPROF_VENV_DIR  where they go (default: build/venv in the repository)
# TOKPROF_PYTHON    the interpreter to make them with (default: Debian's own,
#                   else python3 from PATH); it needs the venv module
#
# A stamp file with the hash of the requirements makes a second run free.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
venv_dir=${TOKPROF_VENV_DIR:-$here/../../build/venv}
python=${TOKPROF_PYTHON:-/usr/bin/python3}
[ -x "$python" ] || python=python3

if [ $# -eq 0 ]; then
	set -- client
	for file in "$here"/requirements-xllamacpp-*.txt; do
		version=${file##*/requirements-xllamacpp-}
		set -- "$@" "${version%.txt}"
	done
fi

mkdir -p "$venv_dir"
for name in "$@"; do
	requirements=$here/requirements-xllamacpp-$name.txt
	[ "$name" != client ] || requirements=$here/requirements-client.txt
	if [ ! -f "$requirements" ]; then
		echo "setup_venvs.sh: no version '$name': $requirements is missing" >&2
		exit 2
	fi
	venv=$venv_dir/$name
	stamp=$venv/.requirements.sha256
	hash=$(sha256sum <"$requirements")
	if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$hash" ]; then
		echo "venv $name: up to date"
		continue
	fi
	echo "venv $name: installing $(basename "$requirements")"
	rm -rf "$venv"
	"$python" -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
		--requirement "$requirements"
	# Last, so that an interrupted install is done again.
	echo "$hash" >"$stamp"
done
