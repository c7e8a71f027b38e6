/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/kernel_kind.h"

#include <asm/unistd.h>
#include <stdio.h>
#include <string.h>

#include "bpf/shared.h"

const char *const kernel_path_names[N_KERNEL_PATHS + 1] = {
	"receive", "send", "futex", "poll", "file", "memory", "time", "other", "interrupt", NULL,
};

static const char *const syscall_names[] = {
#include "syscall_names.h"
};
#define N_SYSCALLS (sizeof(syscall_names) / sizeof(syscall_names[0]))

/* enum in include/linux/interrupt.h of the kernel, as /proc/softirqs names them */
static const char *const softirq_names[] = {
	"HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU",
};
#define N_SOFTIRQS (sizeof(softirq_names) / sizeof(softirq_names[0]))
#define SOFTIRQ_NET_TX 2
#define SOFTIRQ_NET_RX 3

/* By how a name begins; the first that fits. Bytes of a socket are told by the kernel, whatever the call. */
static const struct {
	const char *begin;
	enum kernel_path path;
} paths[] = {
	{ "recv", KERNEL_RECEIVE },	 { "accept", KERNEL_RECEIVE }, { "send", KERNEL_SEND },
	{ "shutdown", KERNEL_SEND },	 { "futex", KERNEL_FUTEX },    { "poll", KERNEL_POLL },
	{ "ppoll", KERNEL_POLL },	 { "select", KERNEL_POLL },    { "pselect", KERNEL_POLL },
	{ "epoll", KERNEL_POLL },	 { "io_uring", KERNEL_FILE },  { "read", KERNEL_FILE },
	{ "write", KERNEL_FILE },	 { "pread", KERNEL_FILE },     { "pwrite", KERNEL_FILE },
	{ "open", KERNEL_FILE },	 { "close", KERNEL_FILE },     { "lseek", KERNEL_FILE },
	{ "fstat", KERNEL_FILE },	 { "stat", KERNEL_FILE },      { "newfstat", KERNEL_FILE },
	{ "fcntl", KERNEL_FILE },	 { "fsync", KERNEL_FILE },     { "fdatasync", KERNEL_FILE },
	{ "ioctl", KERNEL_FILE },	 { "splice", KERNEL_FILE },    { "mmap", KERNEL_MEMORY },
	{ "munmap", KERNEL_MEMORY },	 { "mremap", KERNEL_MEMORY },  { "mprotect", KERNEL_MEMORY },
	{ "madvise", KERNEL_MEMORY },	 { "brk", KERNEL_MEMORY },     { "mlock", KERNEL_MEMORY },
	{ "munlock", KERNEL_MEMORY },	 { "msync", KERNEL_MEMORY },   { "mincore", KERNEL_MEMORY },
	{ "mbind", KERNEL_MEMORY },	 { "clock_", KERNEL_TIME },    { "nanosleep", KERNEL_TIME },
	{ "gettimeofday", KERNEL_TIME }, { "time", KERNEL_TIME },      { "sched_yield", KERNEL_TIME },
};

void kernel_kind__name(uint32_t kind, char *out, size_t size)
{
	const uint32_t number = KERNEL_KIND_NUMBER(kind);

	switch (KERNEL_KIND_FAMILY(kind)) {
	case KERNEL_SYSCALL:
		if (number < N_SYSCALLS && syscall_names[number])
			snprintf(out, size, "%s", syscall_names[number]);
		else
			snprintf(out, size, "syscall_%u", number);
		return;
	case KERNEL_SOFTIRQ:
		if (number < N_SOFTIRQS)
			snprintf(out, size, "softirq %s", softirq_names[number]);
		else
			snprintf(out, size, "softirq %u", number);
		return;
	case KERNEL_IRQ:
		snprintf(out, size, "irq of devices");
		return;
	default:
		snprintf(out, size, "timer interrupt");
	}
}

enum kernel_path kernel_kind__path(uint32_t kind)
{
	char name[KERNEL_NAME_SIZE];

	switch (KERNEL_KIND_FAMILY(kind)) {
	case KERNEL_SYSCALL:
		break;
	case KERNEL_SOFTIRQ:
		return KERNEL_KIND_NUMBER(kind) == SOFTIRQ_NET_RX ? KERNEL_RECEIVE :
		       KERNEL_KIND_NUMBER(kind) == SOFTIRQ_NET_TX ? KERNEL_SEND :
								    KERNEL_INTERRUPT;
	default:
		return KERNEL_INTERRUPT;
	}
	if (KERNEL_KIND_SOCKET(kind) == KERNEL_RECEIVES)
		return KERNEL_RECEIVE;
	if (KERNEL_KIND_SOCKET(kind) == KERNEL_SENDS)
		return KERNEL_SEND;
	kernel_kind__name(kind, name, sizeof(name));
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (strncmp(name, paths[i].begin, strlen(paths[i].begin)) == 0)
			return paths[i].path;
	return KERNEL_OTHER;
}

uint32_t kernel_kind__plain(uint32_t kind)
{
	const uint32_t plain = KERNEL_KIND(KERNEL_KIND_FAMILY(kind), KERNEL_NO_SOCKET, KERNEL_KIND_NUMBER(kind));

	return kernel_kind__path(plain) == kernel_kind__path(kind) ? plain : kind;
}
