/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/* What a thread that gives its CPU up waits for. */
#ifndef TOKPROF_WAIT_REASON_BPF_H
#define TOKPROF_WAIT_REASON_BPF_H

#include <asm/unistd.h>

#include "bpf/common.bpf.h"

#define TASK_RUNNING 0
#define TASK_DEAD 0x80

/* By the system call that the task is in: its number stands in the registers with which it entered the kernel. */
static __always_inline enum blocked_kind classify_wait(struct task_struct *task)
{
	const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(task);

	switch (SYSCALL_NR(regs)) {
	case __NR_futex:
		return BLOCKED_FUTEX;
	case __NR_nanosleep:
	case __NR_clock_nanosleep:
		return BLOCKED_SLEEP;
	case __NR_read:
	case __NR_pread64:
	case __NR_readv:
	case __NR_write:
	case __NR_writev:
	case __NR_recvfrom:
	case __NR_recvmsg:
	case __NR_sendto:
	case __NR_sendmsg:
	case __NR_accept:
	case __NR_accept4:
	case __NR_fsync:
	case __NR_fdatasync:
	case __NR_ppoll:
	case __NR_pselect6:
	case __NR_epoll_pwait:
#ifdef __NR_poll
	case __NR_poll:
	case __NR_select:
	case __NR_epoll_wait:
#endif
		return BLOCKED_IO;
	}
	if (!BPF_CORE_READ_BITFIELD(task, in_iowait))
		return BLOCKED_OTHER;
	/* Kernels on both architectures put -1 there at an exception's entry: a fault of its own code, not of a copy for a call. */
	return SYSCALL_NR(regs) == -1 ? BLOCKED_FAULT : BLOCKED_IO;
}

#endif
