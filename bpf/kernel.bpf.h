/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * What the programs need to know of the kernel: minimal structs of our own, relocated at load time (CO-RE), so that the
 * build needs no kernel headers and the binary runs on other kernels. Only fields that are read are listed.
 */
#ifndef TOKPROF_KERNEL_BPF_H
#define TOKPROF_KERNEL_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "bpf/shared.h"

typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sched_entity {
	tp_u64 sum_exec_runtime;
};

struct in6_addr {
	unsigned char bytes[16];
};

struct sock_common {
	unsigned int skc_daddr;
	unsigned short skc_dport;
	unsigned short skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
};

struct super_block {
	unsigned int s_dev;
};

struct inode {
	unsigned short i_mode;
	unsigned int i_rdev;
	struct super_block *i_sb;
	unsigned long i_ino;
};

struct file {
	void *private_data;
	struct inode *f_inode;
};

struct sock;

struct socket {
	struct file *file;
	struct sock *sk;
};

struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
	unsigned short sk_type;		/* 5.6, commit bf9765145b85 */
	int sk_err;
};

struct unix_address;

struct unix_sock {
	struct unix_address *addr;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct rb_node {
	struct rb_node *rb_right;
	struct rb_node *rb_left;
};

struct rb_root {
	struct rb_node *rb_node;
};

struct rb_root_cached {
	struct rb_root rb_root;
};

struct eventpoll {		/* fs/eventpoll.c: private_data of an epoll's file */
	struct rb_root_cached rbr;
};

struct epoll_filefd {
	struct file *file;
	int fd;
};

struct epitem {
	struct rb_node rbn;	/* 3.19, in a union that has no name */
	struct epoll_filefd ffd;
};

struct task_struct {
	struct files_struct *files;
	unsigned int __state;		/* 5.14, commit 2f064a59a11f; `state` before */
	unsigned int flags;
	int pid;
	int tgid;
	struct sched_entity se;
	unsigned in_iowait : 1;
	unsigned long min_flt;
	unsigned long maj_flt;
	char comm[16];
};

struct task_struct___state {
	volatile long state;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long bp;
	unsigned long r10;
	unsigned long ax;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
	unsigned long ip;
	unsigned long cs;
	unsigned long sp;
};
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
	unsigned long long regs[31];
	unsigned long long sp;
	unsigned long long pc;
	unsigned long long orig_x0;
	int syscallno;
};
#endif

#pragma clang attribute pop

/*
 * Arguments of a system call at its exit: the entry's registers are still there, except arm64's first, which the return
 * value has replaced and which stands in orig_x0. Arguments of a user function at its entry, by the platform's ABI.
 */
#if defined(__TARGET_ARCH_x86)
#define SYSCALL_NR(regs) ((int)(regs)->orig_ax)
#define SYSCALL_ARG1(regs) ((regs)->di)
#define SYSCALL_ARG2(regs) ((regs)->si)
#define SYSCALL_ARG3(regs) ((regs)->dx)
#define SYSCALL_ARG4(regs) ((regs)->r10)
#elif defined(__TARGET_ARCH_arm64)
#define SYSCALL_NR(regs) ((regs)->syscallno)
#define SYSCALL_ARG1(regs) ((regs)->orig_x0)
#define SYSCALL_ARG2(regs) ((regs)->regs[1])
#define SYSCALL_ARG3(regs) ((regs)->regs[2])
#define SYSCALL_ARG4(regs) ((regs)->regs[3])
#else
#error "tokprof's BPF programs know x86 and arm64"
#endif

#endif
