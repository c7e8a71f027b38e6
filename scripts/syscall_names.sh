#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The names of this architecture's system calls, by the C compiler's headers: one initializer of an array for each.
#
#	syscall_names.sh CC > build/skel/syscall_names.h
#
# The numbers stay to the compiler: on arm64 some are defined by way of another name.
set -eu
printf '#include <asm/unistd.h>\n' | "$@" -E -dM - |
	sed -n 's/^#define __NR_\([a-z][a-z0-9_]*\) .*/\1/p' | grep -v -x -e syscalls -e arch_specific_syscall | LC_ALL=C sort |
	sed 's/.*/	[__NR_&] = "&",/'
