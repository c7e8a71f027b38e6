#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes C source with the given files' bytes in a table (userspace/embedded.h).
set -eu

echo '#include "userspace/embedded.h"'
i=0
for file in "$@"; do
	echo "static const unsigned char data_${i}[] = {"
	od -An -v -tx1 "$file" | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'
	echo '0 };'
	i=$((i + 1))
done
echo 'const struct embedded_file embedded_profiles[] = {'
i=0
for file in "$@"; do
	echo "	{ \"$(basename "$file")\", data_$i, sizeof(data_$i) - 1 },"
	i=$((i + 1))
done
echo '	{ 0, 0, 0 },'
echo '};'
