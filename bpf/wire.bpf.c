/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * The bytes that a server's connections carry, copied at the system call's exit: the length is known and the pages have
 * just been touched, also for writes (at entry a page may be absent and bytes be lost).
 *
 * Connections are known by (process, descriptor) from accept, or from the recorder for those open at the attach; all
 * other descriptors cost one look-up. Budget: about 80 ns per system call of the server, 0.5 us plus the copy per call on
 * a connection, one record per 8 KiB.
 */
#include <asm/unistd.h>

#include "bpf/common.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define AF_INET 2
#define AF_INET6 10
#define MSG_PEEK 2
#define EPIPE 32
#define ECONNRESET 104
#define ETIMEDOUT 110
#define MAX_SEGMENTS 64
#define MAX_RECORDS_PER_CALL (MAX_SOCKET_CALL / MAX_SOCKET_DATA + MAX_SEGMENTS)

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct connection_key);
	__type(value, struct connection_state);
} connections SEC(".maps");

/* Tracepoint programs run with preemption off, so a buffer per CPU is one's own. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, tp_u32);
	__type(value, tp_u64[(sizeof(struct record_socket) + MAX_SOCKET_DATA) / 8]);
} spaces SEC(".maps");

struct user_iovec {
	tp_u64 base;
	tp_u64 len;
};

struct user_msghdr {
	tp_u64 name;
	tp_u32 namelen;
	tp_u32 pad;
	tp_u64 iov;
	tp_u64 iovlen;
};

struct copy {
	struct record_socket *r;
	tp_u64 iov;		/* next segment; 0: the call had one buffer */
	tp_u64 n_iov;
	tp_u64 base;		/* of the current segment */
	tp_u64 len;
	tp_u32 left;		/* of the call */
	tp_u32 offset;
	tp_u32 failed;
};

static __always_inline struct record_socket *space__get(void)
{
	tp_u32 zero = 0;

	return bpf_map_lookup_elem(&spaces, &zero);
}

static __always_inline void emit(struct record_socket *r, tp_u32 data_size)
{
	if (data_size > MAX_SOCKET_DATA)
		data_size = MAX_SOCKET_DATA;
	r->h.size = sizeof(*r) + data_size;
	if (bpf_ringbuf_output(&events, r, sizeof(*r) + data_size, wakeup_flags()))
		count_loss(LOSS_WIRE_RING);
}

static __always_inline void fill_event(struct record_socket *r, tp_u32 op, tp_u64 connection, tp_s32 fd)
{
	fill_header(&r->h, RECORD_SOCKET, sizeof(*r), bpf_ktime_get_ns());
	r->connection = connection;
	r->enter_ns = 0;
	r->op = op;
	r->fd = fd;
	r->n_bytes = 0;
	r->offset = 0;
}

static __always_inline void emit_event(tp_u32 op, tp_u64 connection, tp_s32 fd)
{
	struct record_socket *r = space__get();

	if (!r)
		return;
	fill_event(r, op, connection, fd);
	emit(r, 0);
}

static __always_inline void emit_gap(struct copy *c)
{
	c->r->h.flags = SOCKET_GAP;
	c->r->n_bytes = c->left;
	c->r->offset = c->offset;
	emit(c->r, 0);
}

static long copy_part(tp_u32 i, void *ctx)
{
	struct copy *c = ctx;
	struct user_iovec segment;
	struct record_socket *r = space__get();
	tp_u32 n;

	if (!r || !c->left)
		return 1;
	if (!c->len) {
		if (!c->iov || !c->n_iov)
			return 1;
		if (bpf_probe_read_user(&segment, sizeof(segment), (void *)c->iov)) {
			c->failed = 1;
			return 1;
		}
		c->iov += sizeof(segment);
		c->n_iov--;
		c->base = segment.base;
		c->len = segment.len;
		if (!c->len)
			return 0;
	}
	n = c->left < MAX_SOCKET_DATA ? c->left : MAX_SOCKET_DATA;
	if (n > c->len)
		n = c->len;
	if (n > MAX_SOCKET_DATA || bpf_probe_read_user(r->data, n, (void *)c->base)) {
		c->failed = 1;
		return 1;
	}
	r->n_bytes = n;
	r->offset = c->offset;
	r->h.flags = n < c->left ? SOCKET_MORE : 0;
	emit(r, n);
	c->base += n;
	c->len -= n;
	c->left -= n;
	c->offset += n;
	return 0;
}

static __always_inline struct connection_state *connection__get(tp_s32 fd, struct connection_key *key)
{
	key->tgid = bpf_get_current_pid_tgid() >> 32;
	key->fd = fd;
	return bpf_map_lookup_elem(&connections, key);
}

enum transfer_shape {
	TRANSFER_NONE = 0,
	TRANSFER_BUFFER = 1,	/* one buffer at address */
	TRANSFER_IOV = 2,	/* n_iov segments at address */
	TRANSFER_MSG = 3,	/* a msghdr at address */
	TRANSFER_UNSEEN = 4,	/* the bytes pass by no buffer of the process */
	TRANSFER_ACCEPT = 5,	/* a new connection */
};

struct transfer {
	tp_u32 op;		/* SOCKET_IN, SOCKET_OUT */
	tp_s32 fd;
	enum transfer_shape shape;
	bool peek;		/* the bytes stay in the socket and will come again */
	tp_u64 address;
	tp_u64 n_iov;
};

/* What a system call moved, by its number; kept apart from the copying so that the verifier walks the copying once. */
static __always_inline struct transfer decode(const struct pt_regs *regs)
{
	struct transfer t = {
		.op = SOCKET_OUT,
		.fd = (tp_s32)SYSCALL_ARG1(regs),
		.address = SYSCALL_ARG2(regs),
		.n_iov = SYSCALL_ARG3(regs),
	};

	switch (SYSCALL_NR(regs)) {
	case __NR_read:
		t.op = SOCKET_IN;
		t.shape = TRANSFER_BUFFER;
		break;
	case __NR_recvfrom:
		t.op = SOCKET_IN;
		t.shape = TRANSFER_BUFFER;
		t.peek = SYSCALL_ARG4(regs) & MSG_PEEK;
		break;
	case __NR_readv:
		t.op = SOCKET_IN;
		t.shape = TRANSFER_IOV;
		break;
	case __NR_recvmsg:
		t.op = SOCKET_IN;
		t.shape = TRANSFER_MSG;
		t.peek = SYSCALL_ARG3(regs) & MSG_PEEK;
		break;
	case __NR_recvmmsg:
		t.op = SOCKET_IN;
		t.shape = TRANSFER_UNSEEN;
		break;
	case __NR_write:
	case __NR_sendto:
		t.shape = TRANSFER_BUFFER;
		break;
	case __NR_writev:
		t.shape = TRANSFER_IOV;
		break;
	case __NR_sendmsg:
		t.shape = TRANSFER_MSG;
		break;
	case __NR_splice:
		t.fd = (tp_s32)SYSCALL_ARG3(regs);
		t.shape = TRANSFER_UNSEEN;
		break;
	case __NR_sendfile:
	case __NR_sendmmsg:
		t.shape = TRANSFER_UNSEEN;
		break;
#ifdef __NR_accept
	case __NR_accept:
#endif
	case __NR_accept4:
		t.shape = TRANSFER_ACCEPT;
		break;
	}
	return t;
}

static __always_inline void moved(const struct transfer *t, tp_u64 connection, long n)
{
	struct user_msghdr m;
	struct copy c = {};

	c.r = space__get();
	if (!c.r)
		return;
	fill_header(&c.r->h, RECORD_SOCKET, sizeof(*c.r), bpf_ktime_get_ns());
	c.r->connection = connection;
	c.r->enter_ns = 0;
	c.r->op = t->op;
	c.r->fd = t->fd;
	c.left = n;
	if (t->shape == TRANSFER_BUFFER) {
		c.base = t->address;
		c.len = n;
	} else if (t->shape == TRANSFER_IOV) {
		c.iov = t->address;
		c.n_iov = t->n_iov;
	} else if (t->shape == TRANSFER_MSG && !bpf_probe_read_user(&m, sizeof(m), (void *)t->address)) {
		c.iov = m.iov;
		c.n_iov = m.iovlen;
	}
	if (!c.len && !c.iov) {
		count_loss(LOSS_WIRE_UNSEEN);
		emit_gap(&c);
		return;
	}
	bpf_loop(MAX_RECORDS_PER_CALL, copy_part, &c, 0);
	if (c.left) {
		count_loss(c.failed ? LOSS_WIRE_UNREADABLE : LOSS_WIRE_UNSEEN);
		emit_gap(&c);
	}
}

/* A receive that returned 0, or a call that failed for good: the peer has gone. EAGAIN and EINTR mean nothing. */
static __always_inline bool is_end(tp_u32 op, long ret)
{
	return (ret == 0 && op == SOCKET_IN) || ret == -ECONNRESET || ret == -EPIPE || ret == -ETIMEDOUT;
}

/* The peer's address, from the socket that the descriptor stands for: descriptor table, file, socket. */
static __always_inline void read_peer(tp_s32 fd, struct socket_peer *peer)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **slots = BPF_CORE_READ(table, fd), *file = NULL;
	struct socket *socket;
	struct sock *sk;

	__builtin_memset(peer, 0, sizeof(*peer));
	if ((tp_u32)fd >= BPF_CORE_READ(table, max_fds) || bpf_probe_read_kernel(&file, sizeof(file), &slots[fd]))
		return;
	socket = (struct socket *)BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	peer->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	peer->port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	if (peer->family == AF_INET)
		BPF_CORE_READ_INTO((tp_u32 *)peer->address, sk, __sk_common.skc_daddr);
	else if (peer->family == AF_INET6)
		BPF_CORE_READ_INTO((struct in6_addr *)peer->address, sk, __sk_common.skc_v6_daddr);
}

static __always_inline void accepted(tp_s32 fd)
{
	struct record_socket *r = space__get();
	struct connection_state state;
	struct connection_key key;
	struct meters *m = meters__get();

	if (fd < 0 || !m || !r)
		return;
	key.tgid = bpf_get_current_pid_tgid() >> 32;
	key.fd = fd;
	state.id = __sync_fetch_and_add(&m->next_connection, 1);
	bpf_map_update_elem(&connections, &key, &state, BPF_ANY);
	fill_event(r, SOCKET_OPEN, state.id, fd);
	read_peer(fd, (struct socket_peer *)r->data);
	r->n_bytes = sizeof(struct socket_peer);
	emit(r, sizeof(struct socket_peer));
}

/* Closing is taken at its entry: at its exit another thread may already have accepted with the same descriptor. */
SEC("tp_btf/sys_enter")
int BPF_PROG(wire_sys_enter, struct pt_regs *regs, long nr)
{
	struct connection_state *connection;
	struct connection_key key;
	tp_s32 fd;

	if (nr != __NR_close && nr != __NR_shutdown)
		return 0;
	if (!is_server(bpf_get_current_pid_tgid() >> 32))
		return 0;
#if defined(__TARGET_ARCH_x86)
	fd = (tp_s32)regs->di;
#else
	fd = (tp_s32)regs->regs[0];
	if (nr == __NR_shutdown && regs->regs[1] == 0)
		return 0;
#endif
#if defined(__TARGET_ARCH_x86)
	if (nr == __NR_shutdown && regs->si == 0 /* SHUT_RD */)
		return 0;
#endif
	connection = connection__get(fd, &key);
	if (!connection)
		return 0;
	emit_event(SOCKET_CLOSE, connection->id, fd);
	if (nr == __NR_close)
		bpf_map_delete_elem(&connections, &key);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(wire_sys_exit, struct pt_regs *regs, long ret)
{
	struct connection_state *connection;
	struct connection_key key;
	struct transfer t = decode(regs);

	/* By its number first: most system calls of a server are futexes, and need no look-up. */
	if (t.shape == TRANSFER_NONE || !is_server(bpf_get_current_pid_tgid() >> 32))
		return 0;
	if (t.shape == TRANSFER_ACCEPT) {
		accepted((tp_s32)ret);
		return 0;
	}
	connection = connection__get(t.fd, &key);
	if (!connection)
		return 0;
	if (ret > 0 && !t.peek)
		moved(&t, connection->id, ret);
	else if (is_end(t.op, ret))
		emit_event(SOCKET_END_IN, connection->id, t.fd);
	return 0;
}
