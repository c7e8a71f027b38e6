/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * The bytes that a server's connections carry, copied when the system call has moved them: the length is known and the
 * pages have just been touched, also for writes (at entry a page may be absent and bytes be lost).
 *
 * Where the kernel has them (6.3), the tracepoints sock_send_length and sock_recv_length tell of every transfer of a socket;
 * the buffer stands in the registers with which the task entered the kernel. Connections are then known by their socket: accepted
 * ones are told by the listening port or path that they share, those open at the attach by their inode number. Budget:
 * 0.5 us plus the copy per transfer of the server, one record per 8 KiB, and nothing at all for its other system calls.
 *
 * Elsewhere, the exits of all system calls: connections are known by (process, descriptor) from accept, or from the recorder.
 * That costs every system call of the host the kernel's slow path, and those of the server about 80 ns more.
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
#define AF_UNIX 1
#define SOCK_STREAM 1
#define TCP_ESTABLISHED 1	/* include/net/tcp_states.h; unix sockets use the same numbers */
#define TCP_FIN_WAIT1 4
#define TCP_CLOSE 7
#define TCP_CLOSE_WAIT 8
#define TCP_LAST_ACK 9
#define TCP_LISTEN 10
#define MAX_SEGMENTS 64
#define MAX_RECORDS_PER_CALL (MAX_SOCKET_CALL / MAX_SOCKET_DATA + MAX_SEGMENTS)

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct connection_key);
	__type(value, struct connection_state);
} connections SEC(".maps");

/* Connections by the address of their socket. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, tp_u64);
	__type(value, struct socket_state);
} sockets SEC(".maps");

/* Connections that were open at the attach and have not moved a byte since: inode number -> id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, tp_u64);
	__type(value, struct connection_state);
} known_inodes SEC(".maps");

/* Ports that the server listens on, in host order: what is connected to one of them was accepted. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, tp_u32);
	__type(value, tp_u32);
} ports SEC(".maps");

/*
 * Programs of process context run with preemption off, so a buffer per CPU is theirs; one that a soft interrupt may
 * run (wire_state) must not use it.
 */
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

/*
 * How far the copying of a call has come. In a map, as `spaces`: on the stack the verifier would follow each system call's
 * shape apart through the loop (0.25 s a program), what comes out of a map is just any shape.
 */
struct copy {
	tp_u64 iov;		/* next segment; 0: the call had one buffer */
	tp_u64 n_iov;
	tp_u64 base;		/* of the current segment */
	tp_u64 len;
	tp_u32 left;		/* of the call */
	tp_u32 offset;
	tp_u32 failed;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, tp_u32);
	__type(value, struct copy);
} copies SEC(".maps");

static __always_inline struct record_socket *space__get(void)
{
	tp_u32 zero = 0;

	return bpf_map_lookup_elem(&spaces, &zero);
}

static __always_inline struct copy *copy__get(void)
{
	tp_u32 zero = 0;

	return bpf_map_lookup_elem(&copies, &zero);
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

static __always_inline void emit_gap(struct record_socket *r, const struct copy *c)
{
	r->h.flags = SOCKET_GAP;
	r->n_bytes = c->left;
	r->offset = c->offset;
	emit(r, 0);
}

static long copy_part(tp_u32 i, void *ctx)
{
	struct copy *c = copy__get();
	struct record_socket *r = space__get();
	struct user_iovec segment;
	tp_u32 n;

	if (!r || !c || !c->left)
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
	struct record_socket *r = space__get();
	struct copy *c = copy__get();
	struct user_msghdr m;

	if (!r || !c)
		return;
	fill_header(&r->h, RECORD_SOCKET, sizeof(*r), bpf_ktime_get_ns());
	r->connection = connection;
	r->enter_ns = 0;
	r->op = t->op;
	r->fd = t->fd;
	__builtin_memset(c, 0, sizeof(*c));
	c->left = n;
	if (t->shape == TRANSFER_BUFFER) {
		c->base = t->address;
		c->len = n;
	} else if (t->shape == TRANSFER_IOV) {
		c->iov = t->address;
		c->n_iov = t->n_iov;
	} else if (t->shape == TRANSFER_MSG && !bpf_probe_read_user(&m, sizeof(m), (void *)t->address)) {
		c->iov = m.iov;
		c->n_iov = m.iovlen;
	}
	if (!c->len && !c->iov) {
		count_loss(LOSS_WIRE_UNSEEN);
		emit_gap(r, c);
		return;
	}
	bpf_loop(MAX_RECORDS_PER_CALL, copy_part, NULL, 0);
	if (c->left) {
		count_loss(c->failed ? LOSS_WIRE_UNREADABLE : LOSS_WIRE_UNSEEN);
		emit_gap(r, c);
	}
}

/* A receive that returned 0, or a call that failed for good: the peer has gone. EAGAIN and EINTR mean nothing. */
static __always_inline bool is_end(tp_u32 op, long ret)
{
	return (ret == 0 && op == SOCKET_IN) || ret == -ECONNRESET || ret == -EPIPE || ret == -ETIMEDOUT;
}

static __always_inline void read_peer(struct sock *sk, struct socket_peer *peer)
{
	__builtin_memset(peer, 0, sizeof(*peer));
	peer->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	peer->port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	if (peer->family == AF_INET)
		BPF_CORE_READ_INTO((tp_u32 *)peer->address, sk, __sk_common.skc_daddr);
	else if (peer->family == AF_INET6)
		BPF_CORE_READ_INTO((struct in6_addr *)peer->address, sk, __sk_common.skc_v6_daddr);
}

/* The socket that a descriptor of this process stands for: descriptor table, file, socket. */
static __always_inline struct sock *find_socket(tp_s32 fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **slots = BPF_CORE_READ(table, fd), *file = NULL;
	struct socket *socket;

	if ((tp_u32)fd >= BPF_CORE_READ(table, max_fds) || bpf_probe_read_kernel(&file, sizeof(file), &slots[fd]))
		return NULL;
	socket = (struct socket *)BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

static __always_inline void announce(tp_u64 connection, tp_s32 fd, struct sock *sk)
{
	struct record_socket *r = space__get();

	if (!r)
		return;
	fill_event(r, SOCKET_OPEN, connection, fd);
	read_peer(sk, (struct socket_peer *)r->data);
	r->n_bytes = sizeof(struct socket_peer);
	emit(r, sizeof(struct socket_peer));
}

/* --- by the sockets' tracepoints ------------------------------------------------------------------------------------ */

/* Was this socket made by accept()? It shares the port, or the path, of the one that listens. */
static __always_inline bool is_accepted(struct sock *sk)
{
	tp_u32 port = sk->__sk_common.skc_num;
	tp_u32 state = sk->__sk_common.skc_state;

	if (state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT)
		return false;
	if (sk->__sk_common.skc_family == AF_UNIX)
		return sk->sk_type == SOCK_STREAM && BPF_CORE_READ((struct unix_sock *)sk, addr) != NULL;
	return bpf_map_lookup_elem(&ports, &port) != NULL;
}

/* @return the connection's number; 0: none of ours */
static __always_inline tp_u64 connection__of(struct sock *sk, tp_s32 fd)
{
	tp_u64 address = (tp_u64)sk;
	struct socket_state *known = bpf_map_lookup_elem(&sockets, &address);
	struct socket_state fresh = { .inode = BPF_CORE_READ(sk, sk_socket, file, f_inode, i_ino) };
	struct connection_state *open;
	struct meters *m;

	if (known && known->inode == fresh.inode)
		return known->id;
	if (known)	/* a unix socket that was closed, whose memory is used again */
		emit_event(SOCKET_CLOSE, known->id, fd);
	bpf_map_delete_elem(&sockets, &address);
	open = bpf_map_lookup_elem(&known_inodes, &fresh.inode);
	if (open) {
		fresh.id = open->id;
		bpf_map_delete_elem(&known_inodes, &fresh.inode);
		bpf_map_update_elem(&sockets, &address, &fresh, BPF_ANY);
		return fresh.id;
	}
	m = meters__get();
	if (!m || !is_accepted(sk))
		return 0;
	fresh.id = __sync_fetch_and_add(&m->next_connection, 1);
	if (bpf_map_update_elem(&sockets, &address, &fresh, BPF_ANY))
		return 0;
	announce(fresh.id, fd, sk);
	return fresh.id;
}

static __always_inline int transferred(struct sock *sk, tp_u32 op, long n, bool peek)
{
	struct transfer t;
	tp_u64 connection;

	if (!is_server(bpf_get_current_pid_tgid() >> 32))
		return 0;
	t = decode((struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf()));
	t.op = op;
	connection = connection__of(sk, t.fd);
	if (!connection)
		return 0;
	if (n > 0 && !peek)
		moved(&t, connection, n);	/* also of a call that is not known, as bytes unseen (io_uring) */
	else if (is_end(op, n))
		emit_event(SOCKET_END_IN, connection, t.fd);
	return 0;
}

SEC("?tp_btf/sock_send_length")
int BPF_PROG(wire_sent, struct sock *sk, int ret, int flags)
{
	return transferred(sk, SOCKET_OUT, ret, false);
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(wire_received, struct sock *sk, int ret, int flags)
{
	return transferred(sk, SOCKET_IN, ret, flags & MSG_PEEK);
}

static __always_inline void emit_end(tp_u32 op, tp_u64 connection)
{
	struct record_socket r;

	__builtin_memset(&r, 0, sizeof(r));
	fill_event(&r, op, connection, -1);
	if (bpf_ringbuf_output(&events, &r, sizeof(r), wakeup_flags()))
		count_loss(LOSS_WIRE_RING);
}

/* Ends of connections, and ports that the server begins to listen on. May run in a soft interrupt, on any task. */
SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(wire_state, struct sock *sk, int old_state, int new_state)
{
	tp_u64 address = (tp_u64)sk;
	struct socket_state *known;

	if (new_state == TCP_LISTEN && is_server(bpf_get_current_pid_tgid() >> 32)) {
		tp_u32 port = sk->__sk_common.skc_num, one = 1;

		bpf_map_update_elem(&ports, &port, &one, BPF_ANY);
		return 0;
	}
	if (old_state != TCP_ESTABLISHED && old_state != TCP_CLOSE_WAIT)
		return 0;
	if (new_state != TCP_FIN_WAIT1 && new_state != TCP_LAST_ACK && new_state != TCP_CLOSE)
		return 0;
	known = bpf_map_lookup_elem(&sockets, &address);
	if (!known)
		return 0;
	/*
	 * The peer closed first, or an error is the cause, which is the peer's too: a reset, or silence (one that the server resets
	 * is closed before it gets its error; net/ipv4/tcp.c, tcp_disconnect). The server need not have read of either.
	 */
	if (old_state == TCP_CLOSE_WAIT || sk->sk_err)
		emit_end(SOCKET_END_IN, known->id);
	emit_end(SOCKET_CLOSE, known->id);
	bpf_map_delete_elem(&sockets, &address);
	return 0;
}

/* --- by the exits of system calls ----------------------------------------------------------------------------------- */

static __always_inline void accepted(tp_s32 fd)
{
	struct connection_state state;
	struct connection_key key;
	struct meters *m = meters__get();

	if (fd < 0 || !m)
		return;
	key.tgid = bpf_get_current_pid_tgid() >> 32;
	key.fd = fd;
	state.id = __sync_fetch_and_add(&m->next_connection, 1);
	bpf_map_update_elem(&connections, &key, &state, BPF_ANY);
	announce(state.id, fd, find_socket(fd));
}

/* Closing is taken at its entry: at its exit another thread may already have accepted with the same descriptor. */
SEC("?tp_btf/sys_enter")
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

SEC("?tp_btf/sys_exit")
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
