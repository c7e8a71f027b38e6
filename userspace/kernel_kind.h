/* SPDX-License-Identifier: Apache-2.0 */
/* Names and paths of what the kernel does for a server: system calls and interrupts, by the numbers of bpf/shared.h. */
#ifndef TOKPROF_KERNEL_KIND_H
#define TOKPROF_KERNEL_KIND_H

#include <stddef.h>
#include <stdint.h>

/* What a report adds them up by. In recordings by name. */
enum kernel_path {
	KERNEL_RECEIVE = 0,	/* bytes and connections that come in, up to the soft interrupt that brings packets */
	KERNEL_SEND = 1,
	KERNEL_FUTEX = 2,	/* threads that wait for, and wake, each other */
	KERNEL_POLL = 3,
	KERNEL_FILE = 4,	/* files, pipes and the like */
	KERNEL_MEMORY = 5,
	KERNEL_TIME = 6,	/* clocks, sleeps, giving up the CPU */
	KERNEL_OTHER = 7,
	KERNEL_INTERRUPT = 8,	/* whatever came while the server's threads were on a CPU */
	N_KERNEL_PATHS = 9,
};
extern const char *const kernel_path_names[N_KERNEL_PATHS + 1];	/* NULL-terminated */

#define KERNEL_NAME_SIZE 40

/* A KERNEL_KIND() of bpf/shared.h. A system call that the headers of the build did not know is syscall_NNN. */
void kernel_kind__name(uint32_t kind, char *out, size_t size);
enum kernel_path kernel_kind__path(uint32_t kind);
/* The same kind for a call that is there for sockets only, whether it has moved bytes or not: name and path tell kinds apart. */
uint32_t kernel_kind__plain(uint32_t kind);

#endif
