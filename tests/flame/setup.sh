#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The readers of flame graphs that no Debian package has: perfetto's protocol definitions, and speedscope. Free when done before.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
readers=$here/../../build/readers
speedscope=1.25.0

hash=$(cat "$here/requirements.txt" "$here/setup.sh" | sha256sum)
if [ -f "$readers/.stamp" ] && [ "$(cat "$readers/.stamp")" = "$hash" ]; then
	echo "readers of flame graphs: up to date"
	exit 0
fi
echo "readers of flame graphs: installing perfetto's definitions and speedscope $speedscope"
rm -rf "$readers"
mkdir -p "$readers"
/usr/bin/python3 -m venv "$readers/venv"
"$readers/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$here/requirements.txt"
# Packed and not installed: it runs in the browser alone, and needs none of its dependencies.
(cd "$readers" && npm pack --silent "speedscope@$speedscope" && tar xzf "speedscope-$speedscope.tgz")
# A Go that makes its tools as they are asked for makes this one now. Its exit status is that of a help text.
GOCACHE=$(cd "$readers" && pwd)/go go tool pprof -help >/dev/null 2>&1 || true
# Last, so that an interrupted install is done again.
echo "$hash" >"$readers/.stamp"
