/* SPDX-License-Identifier: Apache-2.0 */
#include "collectors/sched_kernel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/kernel_kind.h"
#include "userspace/session.h"

#define TURN_NS 100000000ULL
#define OUTSIDE_NS 1000000000ULL	/* an idle server's samples: as often as the meters' */

int sched_kernel__open(struct sched_kernel *k, struct session *s, int uses_fd)
{
	const int n_cpus = libbpf_num_possible_cpus();

	*k = (struct sched_kernel){ .session = s, .uses_fd = uses_fd };
	if (n_cpus <= 0)
		return n_cpus ? n_cpus : -ENODEV;
	k->n_cpus = (size_t)n_cpus;
	k->keys = malloc(MAX_KERNEL_USES * sizeof(*k->keys));
	k->values = malloc(MAX_KERNEL_USES * k->n_cpus * sizeof(*k->values));
	return k->keys && k->values ? 0 : -ENOMEM;
}

void sched_kernel__close(struct sched_kernel *k)
{
	for (size_t i = 0; i < KERNEL_STEPS_KEPT; i++)
		free(k->steps[i].sums);
	free(k->outside.sums);
	free(k->known);
	free(k->keys);
	free(k->values);
	memset(k, 0, sizeof(*k));
}

/* --- kinds ----------------------------------------------------------------------------------------------------------- */

static bool is_known(const struct sched_kernel *k, uint32_t kind)
{
	for (size_t i = 0; i < k->n_known; i++)
		if (k->known[i] == kind)
			return true;
	return false;
}

static void write_kind(struct sched_kernel *k, uint32_t kind)
{
	char name[KERNEL_NAME_SIZE];
	struct row_kernel_kind row = { .id = kind, .name = name, .path = kernel_path_names[kernel_kind__path(kind)] };

	if (is_known(k, kind))
		return;
	if (k->n_known == k->known_capacity) {
		const size_t capacity = k->known_capacity ? 2 * k->known_capacity : 64;
		uint32_t *known = realloc(k->known, capacity * sizeof(*known));

		if (!known)
			return;
		k->known = known;
		k->known_capacity = capacity;
	}
	k->known[k->n_known++] = kind;
	kernel_kind__name(kind, name, sizeof(name));
	recording_writer__kernel_kind(k->session->writer, &row);
}

/* --- sums ------------------------------------------------------------------------------------------------------------ */

static int add(struct kernel_sums *to, uint32_t kind, const struct kernel_use *use)
{
	to->changed = true;
	for (size_t i = 0; i < to->n; i++) {
		if (to->sums[i].kind != kind)
			continue;
		to->sums[i].use.count += use->count;
		to->sums[i].use.ns += use->ns;
		return 0;
	}
	if (to->n == to->capacity) {
		const size_t capacity = to->capacity ? 2 * to->capacity : 16;
		struct kernel_sum *sums = realloc(to->sums, capacity * sizeof(*sums));

		if (!sums)
			return -ENOMEM;
		to->sums = sums;
		to->capacity = capacity;
	}
	to->sums[to->n++] = (struct kernel_sum){ kind, *use };
	return 0;
}

/* A row of a step replaces the earlier one: a step may go on over several turns. */
static void write_step(struct sched_kernel *k, struct kernel_sums *step)
{
	for (size_t i = 0; i < step->n; i++) {
		const struct row_step_kernel row = {
			.step = step->step,
			.kind = step->sums[i].kind,
			.n = (int64_t)step->sums[i].use.count,
			.ns = (int64_t)step->sums[i].use.ns,
		};

		write_kind(k, step->sums[i].kind);
		recording_writer__step_kernel(k->session->writer, &row);
	}
	step->changed = false;
}

static void write_outside(struct sched_kernel *k)
{
	for (size_t i = 0; i < k->outside.n; i++) {
		const struct row_kernel_sample row = {
			.time_ns = k->outside_ns,
			.kind = k->outside.sums[i].kind,
			.n = (int64_t)k->outside.sums[i].use.count,
			.ns = (int64_t)k->outside.sums[i].use.ns,
		};

		write_kind(k, k->outside.sums[i].kind);
		recording_writer__kernel_sample(k->session->writer, &row);
	}
	k->outside.n = 0;
}

static void take(struct sched_kernel *k, const struct kernel_use_key *key, const struct kernel_use *values)
{
	const uint32_t kind = kernel_kind__plain(key->kind);
	struct kernel_use use = { 0 };
	struct kernel_sums *step;

	for (size_t cpu = 0; cpu < k->n_cpus; cpu++) {
		use.count += values[cpu].count;
		use.ns += values[cpu].ns;
	}
	if (!k->session->writer || use.count == 0)
		return;
	if (!key->step) {
		if (k->outside.n == 0)
			k->outside_since_ns = k->turned_ns;
		add(&k->outside, kind, &use);
		return;
	}
	step = &k->steps[key->step % KERNEL_STEPS_KEPT];
	if (step->step != (int64_t)key->step) {
		if (step->changed)	/* a long turn, or short steps: more than are kept */
			write_step(k, step);
		step->step = (int64_t)key->step;
		step->n = 0;
	}
	add(step, kind, &use);
}

static bool is_busy(struct sched_kernel *k)
{
	const struct session_counts *counts = &k->session->counts;
	/* A request may have come and gone since the last look. */
	const bool busy =
		counts->requests_in_flight > 0 || counts->n_steps != k->n_steps || counts->n_requests != k->n_requests;

	k->n_steps = counts->n_steps;
	k->n_requests = counts->n_requests;
	return busy;
}

static void write_all(struct sched_kernel *k, uint64_t now_ns, bool last)
{
	for (size_t i = 0; i < KERNEL_STEPS_KEPT; i++)
		if (k->steps[i].changed)
			write_step(k, &k->steps[i]);
	if (k->outside.n && (last || k->busy || now_ns - k->outside_since_ns >= OUTSIDE_NS))
		write_outside(k);
}

void sched_kernel__drain(struct sched_kernel *k, uint64_t now_ns, bool timed, bool last)
{
	const uint32_t turn = (uint32_t)k->session->meters->kernel_turn;
	uint32_t n = MAX_KERNEL_USES, position;
	bool busy;
	int err;

	if (!last && (now_ns < k->next_ns || (!timed && k->n_quiet >= 2)))
		return;
	k->next_ns = now_ns + TURN_NS;
	k->n_quiet = timed ? 0 : k->n_quiet + 1;
	busy = is_busy(k);
	if (busy && !k->busy)
		write_outside(k);	/* what an idle server did is not the request's that has just come */
	k->busy |= busy;
	err = bpf_map_lookup_batch(k->uses_fd, NULL, &position, k->keys, k->values, &n, NULL);
	if (err && errno != ENOENT)	/* -ENOENT: that was all of them */
		n = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (k->keys[i].turn == turn && !last)
			continue;	/* still added to */
		take(k, &k->keys[i], &k->values[i * k->n_cpus]);
		bpf_map_delete_elem(k->uses_fd, &k->keys[i]);
	}
	k->outside_ns = last ? now_ns : k->turned_ns;
	if (k->session->writer)
		write_all(k, now_ns, last);
	k->busy = busy;
	/* No program that reads the turn before this store is still running at the next drain. */
	__atomic_store_n(&k->session->meters->kernel_turn, turn + 1, __ATOMIC_RELEASE);
	k->turned_ns = now_ns;
}
