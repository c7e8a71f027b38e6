/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * Calls into device drivers: how many, how long, which failed; per kind of call, and per kind in each step.
 *
 * A descriptor's device is read from the kernel's own tables at every call (descriptor, file, inode, device number), so that
 * it does not matter how the process came by it: openat, dup, fork, a socket. Nothing is known of descriptors that could
 * become wrong when one is closed, and ten thousand of them cost nothing.
 *
 * A call is charged to a step where it began and ended in the same one: that of its own thread, or for other threads the
 * only one that its process is in. What spans steps, such as a thread's long wait for events, is nobody's step.
 *
 * Budget: 1.5 us a pair of entry and exit of a server's call into a device; it takes 1.1 us on the virtual machine of
 * docs/benchmarks.md, and any other ioctl of the host 0.6 us (tests/bench/bench_ioctl.c). No other system call comes here, but
 * while a tracepoint of system calls is on the kernel takes its slow path through all of them (0.1 us each), so that the
 * recorder attaches these only once the server has a device open.
 */
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/ioctl.h>

#include "bpf/common.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define S_IFMT 0170000
#define S_IFCHR 0020000
#define S_IFREG 0100000

/* A system call that a signal interrupted and the kernel begins anew (include/linux/errno.h of the kernel's own). */
#define ERESTARTSYS 512
#define ERESTART_RESTARTBLOCK 516

/* A call that is made again later than this after EAGAIN is another one; libraries repeat at once. */
#define RETRY_NS 10000000

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct device_key);
	__type(value, struct device_state);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct argument_key);
	__type(value, struct argument_rule);
} arguments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct call_key);
	__type(value, struct call_state);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct use_key);
	__type(value, struct call_use);
} uses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, tp_u32);
	__type(value, struct ioctl_control);
} ioctl_control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, tp_u32);
	__type(value, struct inflight);
} inflight SEC(".maps");

/* --- which device ---------------------------------------------------------------------------------------------------- */

static __always_inline struct file *find_file(tp_s32 fd)
{
	const struct fdtable *table = bpf_get_current_task_btf()->files->fdt;	/* typed: plain loads, no helpers */
	struct file **slots, *file = NULL;

	if (!table || (tp_u32)fd >= table->max_fds)
		return NULL;
	slots = table->fd;
	return bpf_probe_read_kernel(&file, sizeof(file), &slots[fd]) ? NULL : file;
}

static __always_inline bool read_key(const struct file *file, struct device_key *key)
{
	struct inode *inode = NULL;
	unsigned short mode = 0;

	if (!file || bpf_core_read(&inode, sizeof(inode), &file->f_inode) ||
	    bpf_core_read(&mode, sizeof(mode), &inode->i_mode))
		return false;
	mode &= S_IFMT;
	if (mode == S_IFCHR) {
		key->kind = DEVICE_NODE;
		return bpf_core_read(&key->device, sizeof(key->device), &inode->i_rdev) == 0;
	}
	if (mode != S_IFREG)
		return false;
	key->kind = DEVICE_FILE;
	key->device = BPF_CORE_READ(inode, i_sb, s_dev);
	key->inode = BPF_CORE_READ(inode, i_ino);
	return true;
}

static __always_inline struct ioctl_control *control__get(void)
{
	tp_u32 zero = 0;

	return bpf_map_lookup_elem(&ioctl_control, &zero);
}

/* A device that the server uses and that the recorder did not know: it is told, and finds out what it is. */
static __always_inline struct device_state *add_device(const struct device_key *key, tp_u32 tgid, tp_s32 fd)
{
	struct device_state fresh = { .tgid = tgid, .fd = fd, .used = 1 };
	struct ioctl_control *control = control__get();

	if (!control)
		return NULL;
	fresh.id = __sync_fetch_and_add(&control->next_device, 1);
	if (bpf_map_update_elem(&devices, key, &fresh, BPF_NOEXIST)) {
		count_loss(LOSS_IOCTL_MAPS);
		return NULL;
	}
	return bpf_map_lookup_elem(&devices, key);
}

/* NULL: none, or none of interest */
static __always_inline struct device_state *find_device(const struct file *file, tp_u32 tgid, tp_s32 fd, bool server)
{
	struct device_key key = {};
	struct device_state *d;

	if (!read_key(file, &key))
		return NULL;
	d = bpf_map_lookup_elem(&devices, &key);
	if (!d && server && key.kind == DEVICE_NODE)
		d = add_device(&key, tgid, fd);
	if (!d || d->flags & DEVICE_COMMON)
		return NULL;
	if (server && !d->used) {
		d->tgid = tgid;
		d->fd = fd;
		d->used = 1;
	}
	return server || d->used ? d : NULL;
}

/* --- which call ------------------------------------------------------------------------------------------------------ */

static __always_inline tp_u64 read_field(tp_u64 address, tp_u32 size)
{
	tp_u64 value = 0;

	if (size == 8)
		bpf_probe_read_user(&value, 8, (void *)address);
	else if (size == 4)
		bpf_probe_read_user(&value, 4, (void *)address);
	else if (size == 2)
		bpf_probe_read_user(&value, 2, (void *)address);
	else if (size == 1)
		bpf_probe_read_user(&value, 1, (void *)address);
	return value;
}

/* What the argument says, of a call that stands for many or has its status there. */
static __always_inline void read_argument(struct inflight *c, tp_u64 argument)
{
	struct argument_key key = { .device = c->key.device, .command = c->key.command };
	struct argument_rule *rule = bpf_map_lookup_elem(&arguments, &key);
	tp_u32 size = _IOC_SIZE(c->command);

	if (rule && rule->wraps) {
		c->key.command = (c->key.command & 0xff00) | (read_field(argument + rule->number_offset, 4) & 0xff);
		argument = read_field(argument + rule->pointer_offset, 8);
		size = 0;
		key.command = c->key.command;
		rule = bpf_map_lookup_elem(&arguments, &key);
		if (rule && rule->wraps)
			return;
	}
	if (!rule)
		return;
	c->key.sub = read_field(argument + rule->sub_offset, rule->sub_size);
	if (rule->n_status > 0 && (rule->status_size[0] == 0 || rule->status_size[0] == size))
		c->status = argument + rule->status_offset[0];
	else if (rule->n_status > 1 && (rule->status_size[1] == 0 || rule->status_size[1] == size))
		c->status = argument + rule->status_offset[1];
}

/* The step that the current thread works for; 0: none, or it cannot be told. */
static __always_inline tp_u64 current_step(tp_u64 id)
{
	tp_u32 tid = (tp_u32)id, process = (tp_u32)(id >> 32) | STEP_OF_PROCESS;
	tp_u64 *step = bpf_map_lookup_elem(&step_now, &tid);

	if (step && *step)
		return *step;
	step = bpf_map_lookup_elem(&step_now, &process);
	return step && *step / STEP_ONE == 1 ? *step % STEP_ONE : 0;
}

/* --- sums ------------------------------------------------------------------------------------------------------------- */

static __always_inline struct call_state *find_call(const struct call_key *key)
{
	struct call_state *call = bpf_map_lookup_elem(&calls, key), fresh = {};
	struct ioctl_control *control;

	if (call)
		return call;
	control = control__get();
	if (!control)
		return NULL;
	fresh.id = __sync_fetch_and_add(&control->next_call, 1);
	bpf_get_current_comm(fresh.comm, sizeof(fresh.comm));
	if (bpf_map_update_elem(&calls, key, &fresh, BPF_NOEXIST)) {
		call = bpf_map_lookup_elem(&calls, key);	/* another thread was first */
		if (!call)
			count_loss(LOSS_IOCTL_MAPS);
		return call;
	}
	return bpf_map_lookup_elem(&calls, key);
}

static __always_inline void add_use(struct call_use *use, tp_u64 ns, bool failed)
{
	__sync_fetch_and_add(&use->count, 1);
	__sync_fetch_and_add(&use->ns, ns);
	if (failed)
		__sync_fetch_and_add(&use->failed, 1);
}

static __always_inline void book(const struct inflight *c, bool failed)
{
	struct call_state *call = find_call(&c->key);
	struct use_key key = { .step = c->step };
	struct call_use *use, fresh = {};

	if (!call)
		return;
	add_use(&call->use, c->ns, failed);
	call->last_ns = c->end_ns;
	if (c->retries)
		__sync_fetch_and_add(&call->retries, c->retries);
	if (!c->server)
		return;
	key.call = call->id;
	use = bpf_map_lookup_elem(&uses, &key);
	if (!use) {
		bpf_map_update_elem(&uses, &key, &fresh, BPF_NOEXIST);
		use = bpf_map_lookup_elem(&uses, &key);
	}
	if (use)
		add_use(use, c->ns, failed);
	else
		count_loss(LOSS_IOCTL_MAPS);
}

/* --- entry and exit --------------------------------------------------------------------------------------------------- */

static __always_inline bool is_retry(long ret)
{
	return ret == -EINTR || ret == -EAGAIN || (ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK);
}

/* A thread's entry stays: the recorder takes out those of threads that have ended. */
static __always_inline struct inflight *inflight__get(tp_u32 tid)
{
	struct inflight *c = bpf_map_lookup_elem(&inflight, &tid), fresh = {};

	if (c)
		return c;
	if (bpf_map_update_elem(&inflight, &tid, &fresh, BPF_NOEXIST)) {
		count_loss(LOSS_IOCTL_MAPS);
		return NULL;
	}
	return bpf_map_lookup_elem(&inflight, &tid);
}

/* @return the thread's entry where this is a new call, whose key has no command yet; NULL: it is none, or one made again */
static __always_inline struct inflight *begin_call(tp_u64 id, bool server, tp_u32 device, tp_s32 fd, tp_u32 command,
						   tp_u32 wait)
{
	struct inflight *c = inflight__get((tp_u32)id);
	tp_u64 now = bpf_ktime_get_ns();

	if (!c)
		return NULL;
	if (c->may_retry && c->fd == fd && c->command == command && c->key.wait == wait && now - c->end_ns < RETRY_NS) {
		c->retries++;
		c->enter_ns = now;
		return NULL;
	}
	if (c->may_retry)
		book(c, true);
	c->may_retry = 0;
	c->enter_ns = now;
	c->ns = 0;
	c->status = 0;
	c->retries = 0;
	c->key.device = device;
	c->key.command = 0;
	c->key.sub = 0;
	c->key.tgid = id >> 32;
	c->key.wait = wait;
	c->fd = fd;
	c->command = command;
	c->server = server;
	c->step = server ? current_step(id) : 0;
	return c;
}

static __always_inline int on_enter(tp_s32 fd, tp_u32 command, tp_u64 argument)
{
	tp_u64 id = bpf_get_current_pid_tgid();
	bool server = is_server(id >> 32);
	struct device_state *d = find_device(find_file(fd), id >> 32, fd, server);
	struct inflight *c;

	if (!d)
		return 0;
	c = begin_call(id, server, d->id, fd, command, WAIT_NONE);
	if (!c)
		return 0;
	c->key.command = d->flags & DEVICE_WHOLE ? command : command & 0xffff;
	read_argument(c, argument);
	return 0;
}

/* Its entry was before the attach, or was not traced (a seccomp listener answered): it counts, but has no time. */
static __always_inline void unpaired(tp_u64 id)
{
	struct pt_regs *regs;
	struct call_key key = { .tgid = id >> 32 };
	struct device_state *d;
	struct call_state *call;
	tp_u32 command;

	if (!is_server(key.tgid))
		return;
	regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	d = find_device(find_file((tp_s32)SYSCALL_ARG1(regs)), key.tgid, (tp_s32)SYSCALL_ARG1(regs), true);
	if (!d)
		return;
	command = (tp_u32)SYSCALL_ARG2(regs);
	key.device = d->id;
	key.command = d->flags & DEVICE_WHOLE ? command : command & 0xffff;
	call = find_call(&key);
	if (call)
		__sync_fetch_and_add(&call->unpaired, 1);
}

static __always_inline int on_exit(long ret, bool is_ioctl)
{
	tp_u64 id = bpf_get_current_pid_tgid();
	tp_u32 tid = (tp_u32)id, status = 0;
	struct inflight *c = bpf_map_lookup_elem(&inflight, &tid);
	bool failed = ret < 0;

	if (!c || !c->enter_ns) {
		if (is_ioctl)
			unpaired(id);
		return 0;
	}
	c->end_ns = bpf_ktime_get_ns();
	c->ns += c->end_ns - c->enter_ns;
	c->enter_ns = 0;
	if (c->step && c->step != current_step(id))
		c->step = 0;
	c->may_retry = is_retry(ret);
	if (c->may_retry)
		return 0;
	if (!failed && c->status && bpf_probe_read_user(&status, sizeof(status), (void *)c->status) == 0)
		failed = status != 0;
	book(c, failed);
	return 0;
}

/* --- waits by poll() and epoll_wait() ---------------------------------------------------------------------------------- */

#define MAX_POLLED 16	/* descriptors that are looked at: those of a wait for one device are few */

struct pollfd {
	tp_s32 fd;
	short events, revents;
};

struct polled {
	tp_u64 list;
	tp_u32 n;
	tp_u32 tgid;
	tp_u32 device;		/* the first accelerator among them; 0: none */
	tp_s32 fd;
};

static long look_at_polled(tp_u32 i, void *ctx)
{
	struct polled *p = ctx;
	struct device_state *d;
	struct pollfd one;

	if (i >= p->n || bpf_probe_read_user(&one, sizeof(one), (void *)(p->list + i * sizeof(one))))
		return 1;
	d = one.fd < 0 ? NULL : find_device(find_file(one.fd), p->tgid, one.fd, true);
	if (!d)
		return 0;
	p->device = d->id;
	p->fd = one.fd;
	return 1;
}

static __always_inline int on_poll(tp_u64 list, tp_u32 n)
{
	tp_u64 id = bpf_get_current_pid_tgid();
	struct polled p = { .list = list, .n = n, .tgid = id >> 32 };

	if (!is_server(id >> 32))
		return 0;
	bpf_loop(MAX_POLLED, look_at_polled, &p, 0);
	if (p.device)
		begin_call(id, true, p.device, p.fd, 0, WAIT_POLL);
	return 0;
}

/* The files that an epoll waits for are a tree; a stack of the nodes that are still to be looked at. */
struct epolled {
	tp_u64 stack[MAX_POLLED];
	tp_u32 n;
	tp_u32 tgid;
	tp_u32 device;
	tp_s32 fd;
};

static long look_at_epolled(tp_u32 i, void *ctx)
{
	struct epolled *p = ctx;
	struct rb_node *node, *left = NULL, *right = NULL;
	struct epitem *item;
	struct device_state *d;
	struct file *file = NULL;
	tp_s32 fd = -1;

	if (p->n == 0 || p->n > MAX_POLLED - 2)
		return 1;
	p->n--;
	node = (struct rb_node *)p->stack[p->n & (MAX_POLLED - 1)];
	item = (struct epitem *)((char *)node - bpf_core_field_offset(struct epitem, rbn));
	bpf_core_read(&file, sizeof(file), &item->ffd.file);
	bpf_core_read(&fd, sizeof(fd), &item->ffd.fd);
	d = find_device(file, p->tgid, fd, true);
	if (d) {
		p->device = d->id;
		p->fd = fd;
		return 1;
	}
	bpf_core_read(&left, sizeof(left), &node->rb_left);
	bpf_core_read(&right, sizeof(right), &node->rb_right);
	if (left)
		p->stack[p->n++ & (MAX_POLLED - 1)] = (tp_u64)left;
	if (right)
		p->stack[p->n++ & (MAX_POLLED - 1)] = (tp_u64)right;
	return 0;
}

static __always_inline int on_epoll(tp_s32 fd)
{
	tp_u64 id = bpf_get_current_pid_tgid();
	struct epolled p = { .tgid = id >> 32 };
	struct file *file;
	struct eventpoll *ep;

	if (!is_server(id >> 32))
		return 0;
	file = find_file(fd);
	ep = file ? (struct eventpoll *)BPF_CORE_READ(file, private_data) : NULL;
	p.stack[0] = ep ? (tp_u64)BPF_CORE_READ(ep, rbr.rb_root.rb_node) : 0;
	p.n = p.stack[0] != 0;
	bpf_loop(MAX_POLLED, look_at_epolled, &p, 0);
	if (p.device)
		begin_call(id, true, p.device, p.fd, 0, WAIT_EPOLL);
	return 0;
}

/* --- tracepoints ------------------------------------------------------------------------------------------------------ */

struct enter_context {		/* events/syscalls/sys_enter_ioctl/format */
	tp_u64 common;
	long nr;
	unsigned long args[6];
};

struct exit_context {
	tp_u64 common;
	long nr;
	long ret;
};

SEC("?tracepoint/syscalls/sys_enter_ioctl")
int ioctl_enter(struct enter_context *ctx)
{
	return on_enter((tp_s32)ctx->args[0], (tp_u32)ctx->args[1], ctx->args[2]);
}

SEC("?tracepoint/syscalls/sys_exit_ioctl")
int ioctl_exit(struct exit_context *ctx)
{
	return on_exit(ctx->ret, true);
}

SEC("?tracepoint/syscalls/sys_enter_poll")
int poll_enter(struct enter_context *ctx)
{
	return on_poll(ctx->args[0], (tp_u32)ctx->args[1]);
}

SEC("?tracepoint/syscalls/sys_exit_poll")
int poll_exit(struct exit_context *ctx)
{
	return on_exit(ctx->ret, false);
}

SEC("?tracepoint/syscalls/sys_enter_ppoll")
int ppoll_enter(struct enter_context *ctx)
{
	return on_poll(ctx->args[0], (tp_u32)ctx->args[1]);
}

SEC("?tracepoint/syscalls/sys_exit_ppoll")
int ppoll_exit(struct exit_context *ctx)
{
	return on_exit(ctx->ret, false);
}

SEC("?tracepoint/syscalls/sys_enter_epoll_wait")
int epoll_wait_enter(struct enter_context *ctx)
{
	return on_epoll((tp_s32)ctx->args[0]);
}

SEC("?tracepoint/syscalls/sys_exit_epoll_wait")
int epoll_wait_exit(struct exit_context *ctx)
{
	return on_exit(ctx->ret, false);
}

SEC("?tracepoint/syscalls/sys_enter_epoll_pwait")
int epoll_pwait_enter(struct enter_context *ctx)
{
	return on_epoll((tp_s32)ctx->args[0]);
}

SEC("?tracepoint/syscalls/sys_exit_epoll_pwait")
int epoll_pwait_exit(struct exit_context *ctx)
{
	return on_exit(ctx->ret, false);
}

static __always_inline bool is_wait(long nr)
{
	switch (nr) {
	case __NR_ppoll:
	case __NR_epoll_pwait:
#ifdef __NR_poll
	case __NR_poll:
	case __NR_epoll_wait:
#endif
		return true;
	}
	return false;
}

/* Where tracefs is not mounted: all system calls pass here. */
SEC("?tp_btf/sys_enter")
int BPF_PROG(ioctl_sys_enter, struct pt_regs *regs, long nr)
{
	if (nr == __NR_ioctl)
		return on_enter((tp_s32)SYSCALL_ARG1(regs), (tp_u32)SYSCALL_ARG2(regs), SYSCALL_ARG3(regs));
	if (nr == __NR_epoll_pwait)
		return on_epoll((tp_s32)SYSCALL_ARG1(regs));
#ifdef __NR_poll
	if (nr == __NR_epoll_wait)
		return on_epoll((tp_s32)SYSCALL_ARG1(regs));
#endif
	return is_wait(nr) ? on_poll(SYSCALL_ARG1(regs), (tp_u32)SYSCALL_ARG2(regs)) : 0;
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(ioctl_sys_exit, struct pt_regs *regs, long ret)
{
	int nr = SYSCALL_NR(regs);

	if (nr != __NR_ioctl && !is_wait(nr))
		return 0;
	return on_exit(ret, nr == __NR_ioctl);
}
