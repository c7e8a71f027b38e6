/* SPDX-License-Identifier: Apache-2.0 */
#include "collectors/ioctl_calls.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_USES 16384	/* of the map: bpf/ioctl.bpf.c */
#define STEPS_KEPT 4096	/* a step so much older than one that ended has ended, too, and its record was lost */
/* A call that no table knows waits, as far as one can tell, where it takes so long: a driver's own work is shorter. */
#define WAIT_LIKE_NS 1000000

struct call_batch {
	struct use_key keys[MAX_USES];
	struct call_use values[MAX_USES];
};

struct sums {
	struct call_use use;
	uint64_t retries, unpaired;
};

struct ioctl_call {
	struct call_key key;
	int64_t id;
	char comm[16];
	bool neighbour;
	struct sums live, folded;	/* of processes that live; of those that have ended */
	struct call_use outside;	/* in no one step: what was written of it */
};

int ioctl_calls__open(struct ioctl_calls *c, struct session *s, struct ioctl_devices *devices, int calls_fd,
		      int uses_fd, int inflight_fd)
{
	*c = (struct ioctl_calls){
		.session = s, .devices = devices, .calls_fd = calls_fd, .uses_fd = uses_fd, .inflight_fd = inflight_fd
	};
	c->batch = malloc(sizeof(struct call_batch));
	return c->batch ? 0 : -ENOMEM;
}

void ioctl_calls__close(struct ioctl_calls *c)
{
	free(c->batch);
	free(c->calls);
	free(c->ended);
	free(c->ending);
	memset(c, 0, sizeof(*c));
}

/* --- who called what ------------------------------------------------------------------------------------------------- */

static void add_sums(struct sums *to, const struct sums *from)
{
	to->use.count += from->use.count;
	to->use.ns += from->use.ns;
	to->use.failed += from->use.failed;
	to->retries += from->retries;
	to->unpaired += from->unpaired;
}

/* Neighbours of one name are one: a program that is started every second would else fill the recording. */
static struct ioctl_call *find_call(struct ioctl_calls *c, const struct call_key *key, const char *comm, bool neighbour)
{
	for (size_t i = 0; i < c->n; i++) {
		struct ioctl_call *call = &c->calls[i];

		if (call->key.device == key->device && call->key.command == key->command && call->key.sub == key->sub &&
		    call->key.wait == key->wait && call->neighbour == neighbour &&
		    (neighbour ? strncmp(call->comm, comm, sizeof(call->comm)) == 0 : call->key.tgid == key->tgid))
			return call;
	}
	return NULL;
}

static struct ioctl_call *add_call(struct ioctl_calls *c, const struct call_key *key, const struct call_state *state,
				   bool neighbour)
{
	struct ioctl_call *call;

	if (c->n == c->capacity) {
		const size_t capacity = c->capacity ? 2 * c->capacity : 64;

		call = realloc(c->calls, capacity * sizeof(*call));
		if (!call)
			return NULL;
		c->calls = call;
		c->capacity = capacity;
	}
	call = &c->calls[c->n++];
	*call = (struct ioctl_call){ .key = *key, .id = (int64_t)state->id, .neighbour = neighbour };
	memcpy(call->comm, state->comm, sizeof(call->comm) - 1);
	return call;
}

static bool has_ended(uint32_t pid)
{
	return kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

static void read_calls(struct ioctl_calls *c)
{
	struct call_key key, next, *previous = NULL;
	bool more;

	for (size_t i = 0; i < c->n; i++)
		c->calls[i].live = (struct sums){ .retries = 0 };
	for (more = bpf_map_get_next_key(c->calls_fd, NULL, &next) == 0; more;) {
		struct call_state state;
		struct ioctl_call *call;
		struct sums sums;
		bool neighbour;

		key = next;
		previous = &key;
		more = bpf_map_get_next_key(c->calls_fd, previous, &next) == 0;
		if (bpf_map_lookup_elem(c->calls_fd, &key, &state))
			continue;
		neighbour = !session__is_target(c->session, key.tgid);
		call = find_call(c, &key, state.comm, neighbour);
		if (!call)
			call = add_call(c, &key, &state, neighbour);
		if (!call)
			continue;
		sums = (struct sums){ state.use, state.retries, state.unpaired };
		if (neighbour)
			call->key.tgid = key.tgid;
		if (neighbour && has_ended(key.tgid)) {
			add_sums(&call->folded, &sums);
			bpf_map_delete_elem(c->calls_fd, &key);
		} else {
			add_sums(&call->live, &sums);
		}
	}
}

static struct sums sums_of(const struct ioctl_call *call)
{
	struct sums sums = call->folded;

	add_sums(&sums, &call->live);
	return sums;
}

static int class_of(const struct ioctl_calls *c, const struct ioctl_call *call, const struct ioctl_device *device)
{
	const struct driver_call *known =
		driver_table__find(&c->devices->table, device->drivers, call->key.command, call->key.sub);
	const struct sums sums = sums_of(call);

	if (call->key.wait)
		return IOCTL_WAIT;
	if (known)
		return known->class;
	return sums.use.count && sums.use.ns / sums.use.count >= WAIT_LIKE_NS ? IOCTL_WAIT : IOCTL_CONTROL;
}

static void write_call(struct ioctl_calls *c, const struct ioctl_call *call)
{
	const struct ioctl_device *device = ioctl_devices__find(c->devices, call->key.device);
	const struct sums sums = sums_of(call);
	char name[DRIVER_CALL_NAME_SIZE + 24];
	struct row_ioctl row;

	if (!device || device->common)
		return;
	row = (struct row_ioctl){
		.id = call->id,
		.pid = call->key.tgid,
		.comm = call->comm,
		.neighbour = call->neighbour,
		.device = device->path,
		.driver = device->drivers ? driver_table__name(&c->devices->table, device->drivers) : NULL,
		.name = name,
		.class = ioctl_class_names[class_of(c, call, device)],
		.command = call->key.command,
		.sub = call->key.sub,
		.n = (int64_t)sums.use.count,
		.ns = (int64_t)sums.use.ns,
		.failed = (int64_t)sums.use.failed,
		.retries = (int64_t)sums.retries,
		.unpaired = (int64_t)sums.unpaired,
	};
	row.known = call->key.wait || driver_table__call_name(&c->devices->table, device->drivers, device->path,
							      call->key.command, call->key.sub, name, sizeof(name));
	if (call->key.wait)
		snprintf(name, sizeof(name), "%s", call->key.wait == WAIT_POLL ? "poll" : "epoll_wait");
	recording_writer__ioctl(c->session->writer, &row);
}

void ioctl_calls__write(struct ioctl_calls *c)
{
	read_calls(c);
	for (size_t i = 0; c->session->writer && i < c->n; i++)
		write_call(c, &c->calls[i]);
}

void ioctl_calls__totals(struct ioctl_calls *c, int64_t out[N_IOCTL_RESOURCES])
{
	memset(out, 0, N_IOCTL_RESOURCES * sizeof(*out));
	for (size_t i = 0; i < c->n; i++) {
		const struct ioctl_call *call = &c->calls[i];
		const struct ioctl_device *device = ioctl_devices__find(c->devices, call->key.device);
		const struct sums sums = sums_of(call);
		int64_t *class;

		if (call->neighbour || !device || device->common)
			continue;
		class = out + class_of(c, call, device) * N_IOCTL_MEASURES;
		class[IOCTL_COUNT] += (int64_t)sums.use.count;
		class[IOCTL_NS] += (int64_t)sums.use.ns;
		class[IOCTL_FAILED] += (int64_t)sums.use.failed;
	}
}

/* --- steps ----------------------------------------------------------------------------------------------------------- */

static int compare_steps(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

void ioctl_calls__step_ended(struct ioctl_calls *c, int64_t step)
{
	if (c->n_ending == c->ending_capacity) {
		const size_t capacity = c->ending_capacity ? 2 * c->ending_capacity : 256;
		int64_t *steps = realloc(c->ending, capacity * sizeof(*steps));

		if (!steps)
			return;		/* its calls are written when it is old */
		c->ending = steps;
		c->ending_capacity = capacity;
	}
	c->ending[c->n_ending++] = step;
}

/* Steps that have ended since the last drain are complete with the next: another thread's call may be about to be booked. */
static void turn_steps(struct ioctl_calls *c)
{
	int64_t *steps = c->ended;
	const size_t capacity = c->ended_capacity;

	qsort(c->ending, c->n_ending, sizeof(*c->ending), compare_steps);
	c->ended = c->ending;
	c->n_ended = c->n_ending;
	c->ended_capacity = c->ending_capacity;
	c->ending = steps;
	c->n_ending = 0;
	c->ending_capacity = capacity;
}

static bool is_complete(const struct ioctl_calls *c, int64_t step)
{
	if (c->n_ended == 0)
		return false;
	return step + STEPS_KEPT < c->ended[c->n_ended - 1] ||
	       bsearch(&step, c->ended, c->n_ended, sizeof(step), compare_steps);
}

static struct ioctl_call *call_by_id(struct ioctl_calls *c, uint64_t id)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->calls[i].id == (int64_t)id)
			return &c->calls[i];
	return NULL;
}

static bool is_of_interest(const struct ioctl_calls *c, const struct ioctl_call *call)
{
	const struct ioctl_device *device = call ? ioctl_devices__find(c->devices, call->key.device) : NULL;

	return device && !device->common;
}

/* Entries of no step are added to all the time: they stay in the map, and what came since is written. */
static void write_outside(struct ioctl_calls *c, struct ioctl_call *call, const struct call_use *use, uint64_t now_ns)
{
	const struct row_ioctl_sample row = {
		.time_ns = now_ns,
		.ioctl = call->id,
		.n = (int64_t)(use->count - call->outside.count),
		.ns = (int64_t)(use->ns - call->outside.ns),
		.failed = (int64_t)(use->failed - call->outside.failed),
	};

	if (row.n || row.ns)
		recording_writer__ioctl_sample(c->session->writer, &row);
	call->outside = *use;
}

static void take(struct ioctl_calls *c, const struct use_key *key, const struct call_use *use, uint64_t now_ns,
		 bool last)
{
	struct ioctl_call *call = call_by_id(c, key->call);
	const struct row_step_ioctl row = {
		.step = (int64_t)key->step,
		.ioctl = (int64_t)key->call,
		.n = (int64_t)use->count,
		.ns = (int64_t)use->ns,
		.failed = (int64_t)use->failed,
	};

	if (key->step && !last && !is_complete(c, row.step))
		return;
	if (!call)
		return;		/* it came up after the calls were read: next time */
	if (!key->step) {
		if (c->session->writer && is_of_interest(c, call))
			write_outside(c, call, use, now_ns);
		return;
	}
	bpf_map_delete_elem(c->uses_fd, key);
	if (c->session->writer && is_of_interest(c, call))
		recording_writer__step_ioctl(c->session->writer, &row);
}

void ioctl_calls__drain(struct ioctl_calls *c, uint64_t now_ns, bool last)
{
	struct call_batch *b = c->batch;
	uint32_t n = MAX_USES, position;
	int err = bpf_map_lookup_batch(c->uses_fd, NULL, &position, b->keys, b->values, &n, NULL);

	/* -ENOENT: that was all of them */
	if ((err && errno != ENOENT) || n == 0) {
		turn_steps(c);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		if (!call_by_id(c, b->keys[i].call)) {
			ioctl_calls__write(c);
			break;
		}
	for (uint32_t i = 0; i < n; i++)
		take(c, &b->keys[i], &b->values[i], now_ns, last);
	turn_steps(c);
}

/* --- the end --------------------------------------------------------------------------------------------------------- */

static void book(struct ioctl_calls *c, const struct inflight *f)
{
	struct call_state state;
	struct use_key key = { .step = f->step };
	struct call_use use = { .count = 0 };

	if (bpf_map_lookup_elem(c->calls_fd, &f->key, &state)) {
		memset(&state, 0, sizeof(state));
		state.id = __atomic_fetch_add((uint64_t *)&c->devices->control->next_call, 1, __ATOMIC_RELAXED);
	}
	state.use.count++;
	state.use.ns += f->ns;
	state.use.failed++;
	state.retries += f->retries;
	key.call = state.id;
	bpf_map_lookup_elem(c->uses_fd, &key, &use);
	use.count++;
	use.ns += f->ns;
	use.failed++;
	bpf_map_update_elem(c->calls_fd, &f->key, &state, BPF_ANY);
	if (f->server)
		bpf_map_update_elem(c->uses_fd, &key, &use, BPF_ANY);
}

/* @gone of threads that have ended only */
static void settle(struct ioctl_calls *c, bool gone)
{
	uint32_t tid, next;
	bool more = bpf_map_get_next_key(c->inflight_fd, NULL, &next) == 0;

	while (more) {
		struct inflight f;

		tid = next;
		more = bpf_map_get_next_key(c->inflight_fd, &tid, &next) == 0;
		if (gone && !has_ended(tid))
			continue;
		/* One that has not ended is none yet. */
		if (bpf_map_lookup_elem(c->inflight_fd, &tid, &f) == 0 && f.may_retry && !f.enter_ns)
			book(c, &f);
		bpf_map_delete_elem(c->inflight_fd, &tid);
	}
}

void ioctl_calls__settle(struct ioctl_calls *c)
{
	settle(c, false);
}

void ioctl_calls__forget_threads(struct ioctl_calls *c)
{
	settle(c, true);
}
