/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire's side: bytes of the server's connections handed to the parser, requests and chunks to the recording.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "collectors/collector.h"
#include "collectors/skeleton.h"
#include "userspace/process.h"
#include "userspace/session.h"
#include "userspace/wire.h"
#include "wire.skel.h"

struct wire_collector {
	struct wire_bpf *skel;
	bool by_socket;		/* the sockets' tracepoints tell of transfers; else the exits of system calls */
	struct wire *wire;
	struct session *session;
};

static void on_request(void *ctx, const struct row_request *row)
{
	struct session *s = ((struct wire_collector *)ctx)->session;

	s->counts.n_requests++;
	if (s->on_request)
		s->on_request(s->on_request_ctx, row);
	if (s->writer)
		recording_writer__request(s->writer, row);
}

static void on_chunk(void *ctx, const struct row_chunk *row)
{
	struct session *s = ((struct wire_collector *)ctx)->session;

	s->counts.n_chunks++;
	if (s->on_chunk)
		s->on_chunk(s->on_chunk_ctx, row);
	if (s->writer)
		recording_writer__chunk(s->writer, row);
}

static const struct wire_callbacks callbacks = { .request = on_request, .chunk = on_chunk };

/*
 * The sockets' own tracepoints came with 6.3 (commit 6e6eda44b939). A system call tracepoint makes every system call of the host
 * take the kernel's slow path, which a server that meets at futexes pays hundreds of times per token.
 */
static bool choose_programs(struct wire_bpf *skel)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool by_socket = btf && !getenv("TOKPROF_WIRE_BY_SYSCALL") &&
			 btf__find_by_name_kind(btf, "btf_trace_sock_send_length", BTF_KIND_TYPEDEF) > 0 &&
			 btf__find_by_name_kind(btf, "btf_trace_sock_recv_length", BTF_KIND_TYPEDEF) > 0;

	btf__free(btf);
	bpf_program__set_autoload(skel->progs.wire_sent, by_socket);
	bpf_program__set_autoload(skel->progs.wire_received, by_socket);
	bpf_program__set_autoload(skel->progs.wire_state, by_socket);
	bpf_program__set_autoload(skel->progs.wire_sys_enter, !by_socket);
	bpf_program__set_autoload(skel->progs.wire_sys_exit, !by_socket);
	return by_socket;
}

static int wire_open(struct session *s, void **out)
{
	struct wire_collector *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->session = s;
	c->wire = wire__new(&callbacks, c, 1, s->options.capture_text);
	c->skel = wire_bpf__open();
	err = c->wire && c->skel ? session__share_maps(s, c->skel->obj) : -ENOMEM;
	if (!err)
		c->by_socket = choose_programs(c->skel);
	if (!err)
		err = wire_bpf__load(c->skel);
	if (!err)
		err = wire_bpf__attach(c->skel);
	if (err) {
		wire_bpf__destroy(c->skel);
		wire__free(c->wire);
		free(c);
		return err;
	}
	*out = c;
	return 0;
}

/* Make a connection known to the programs. @return 0; -EEXIST: they have met it already */
static int put_connection(struct wire_collector *c, uint32_t pid, const struct process_socket *socket, uint64_t id)
{
	const struct connection_key key = { .tgid = pid, .fd = socket->fd };
	const struct connection_state value = { .id = id };

	if (c->by_socket)
		return bpf_map_update_elem(bpf_map__fd(c->skel->maps.known_inodes), &socket->inode, &value,
					   BPF_NOEXIST);
	return bpf_map_update_elem(bpf_map__fd(c->skel->maps.connections), &key, &value, BPF_NOEXIST);
}

static void put_port(struct wire_collector *c, const struct process_socket *socket)
{
	const char *colon = strrchr(socket->local, ':');
	uint32_t port = colon ? (uint32_t)strtoul(colon + 1, NULL, 10) : 0, one = 1;

	if (port)	/* a unix socket has none */
		bpf_map_update_elem(bpf_map__fd(c->skel->maps.ports), &port, &one, BPF_ANY);
}

/* Connections that were open before the attach: their first bytes may stand in the middle of a message. */
static int wire_attach(struct session *s, void *state, uint32_t pid)
{
	struct wire_collector *c = state;
	struct process_socket *sockets = NULL;
	size_t n = 0, i;
	int err = process__sockets(pid, &sockets, &n);

	if (err)
		return err;
	for (i = 0; i < n; i++) {
		uint64_t id;

		if (sockets[i].state == PROCESS_SOCKET_LISTENING)
			put_port(c, &sockets[i]);
		if (sockets[i].state != PROCESS_SOCKET_CONNECTED || !sockets[i].accepted)
			continue;
		id = __atomic_fetch_add((uint64_t *)&s->meters->next_connection, 1, __ATOMIC_RELAXED);
		if (put_connection(c, pid, &sockets[i], id) == 0)
			wire__open(c->wire, id, pid, sockets[i].peer, monotonic_ns(), true);
	}
	free(sockets);
	return 0;
}

static void format_peer(const struct socket_peer *peer, char *out, size_t size)
{
	char text[INET6_ADDRSTRLEN];

	switch (peer->family) {
	case AF_INET:
		inet_ntop(AF_INET, peer->address, text, sizeof(text));
		snprintf(out, size, "%s:%u", text, ntohs(peer->port));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, peer->address, text, sizeof(text));
		snprintf(out, size, "[%s]:%u", text, ntohs(peer->port));
		break;
	case AF_UNIX:
		snprintf(out, size, "unix");
		break;
	default:
		snprintf(out, size, "unknown");
	}
}

static void open_connection(struct wire_collector *c, const struct record_socket *r)
{
	struct socket_peer peer = { 0 };
	char text[PROCESS_ADDRESS_SIZE];

	if (r->h.size >= sizeof(*r) + sizeof(peer))
		memcpy(&peer, r->data, sizeof(peer));
	format_peer(&peer, text, sizeof(text));
	wire__open(c->wire, r->connection, r->h.tgid, text, r->h.time_ns, false);
}

static void wire_record(struct session *s, void *state, const struct record_header *h)
{
	const struct record_socket *r = (const struct record_socket *)h;
	struct wire_collector *c = state;
	bool in;

	if (h->size < sizeof(*r))
		return;
	switch (r->op) {
	case SOCKET_OPEN:
		open_connection(c, r);
		break;
	case SOCKET_IN:
	case SOCKET_OUT:
		in = r->op == SOCKET_IN;
		if (h->flags & SOCKET_GAP)
			wire__bytes(c->wire, r->connection, in, h->time_ns, NULL, r->n_bytes);
		else if (h->size - sizeof(*r) >= r->n_bytes)
			wire__bytes(c->wire, r->connection, in, h->time_ns, r->data, r->n_bytes);
		break;
	case SOCKET_END_IN:
		wire__end_in(c->wire, r->connection, h->time_ns);
		break;
	case SOCKET_CLOSE:
		wire__close(c->wire, r->connection, h->time_ns);
		break;
	}
	s->counts.requests_in_flight = (int64_t)wire__in_flight(c->wire);
}

static void wire_tick(struct session *s, void *state, uint64_t now_ns)
{
	struct wire_collector *c = state;
	uint64_t lost = session__kernel_losses(s, LOSS_WIRE_RING);

	if (lost > s->lost_seen[LOSS_WIRE_RING])
		wire__lost(c->wire, 0, now_ns);	/* of which connection is not known: all that are open */
	s->counts.requests_in_flight = (int64_t)wire__in_flight(c->wire);
}

static int wire_set_enabled(struct session *s, void *state, bool on)
{
	struct wire_collector *c = state;

	(void)s;
	if (!on) {
		wire_bpf__detach(c->skel);
		return 0;
	}
	return wire_bpf__attach(c->skel);
}

static void wire_close_collector(struct session *s, void *state)
{
	struct wire_collector *c = state;

	(void)s;
	wire__finish(c->wire, monotonic_ns());
	wire__free(c->wire);
	wire_bpf__destroy(c->skel);
	free(c);
}

static size_t wire_programs(void *state, int *fds, size_t max)
{
	return skeleton__programs(((struct wire_collector *)state)->skel->obj, fds, max);
}

const struct collector collector_wire = {
	.name = "wire",
	.doc = "requests, chunks and bills from the bytes of the server's connections, at the system calls",
	.record_kinds = 1u << RECORD_SOCKET,
	.open = wire_open,
	.attach = wire_attach,
	.record = wire_record,
	.tick = wire_tick,
	.set_enabled = wire_set_enabled,
	.programs = wire_programs,
	.close = wire_close_collector,
};
