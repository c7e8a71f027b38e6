#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes C source with the given files' bytes in tables (userspace/embedded.h); '-t NAME' begins a table.
#
#	scripts/embed.sh -t embedded_profiles a.profile b.profile -t embedded_devices devices.tsv
set -eu

echo '#include "userspace/embedded.h"'
i=0
rows=
table=
end_table() {
	[ -z "$table" ] || printf 'const struct embedded_file %s[] = {\n%s\t{ 0, 0, 0 },\n};\n' "$table" "$rows"
}
while [ $# -gt 0 ]; do
	if [ "$1" = -t ]; then
		end_table
		table=$2
		rows=
		shift 2
		continue
	fi
	echo "static const unsigned char data_${i}[] = {"
	od -An -v -tx1 "$1" | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'
	echo '0 };'
	rows="$rows	{ \"$(basename "$1")\", data_$i, sizeof(data_$i) - 1 },
"
	i=$((i + 1))
	shift
done
end_table
