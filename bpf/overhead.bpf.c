/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * For `tokprof overhead`. An observer: when did the server send on a socket? It stays attached while all other probes are
 * switched on and off, so that its own cost is in both kinds of window alike. And an empty program for uprobes, to
 * calibrate what a hit costs before any BPF of ours has run.
 *
 * Budget: one comparison per system call of the host, 0.2 us per send of the server.
 */
#include <asm/unistd.h>

#include "bpf/common.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} pulses SEC(".maps");

SEC("tp_btf/sys_exit")
int BPF_PROG(on_send, struct pt_regs *regs, long ret)
{
	tp_u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct pulse *p;

	switch (SYSCALL_NR(regs)) {
	case __NR_write:
	case __NR_writev:
	case __NR_sendto:
	case __NR_sendmsg:
		break;
	default:
		return 0;
	}
	if (ret <= 0 || !is_server(tgid))
		return 0;
	p = bpf_ringbuf_reserve(&pulses, sizeof(*p), 0);
	if (!p) {
		count_loss(LOSS_WIRE_RING);
		return 0;
	}
	p->time_ns = bpf_ktime_get_ns();
	p->tgid = tgid;
	p->fd = (tp_s32)SYSCALL_ARG1(regs);
	bpf_ringbuf_submit(p, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("kprobe")
int on_empty_uprobe(void *ctx)
{
	return 0;
}
