/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory traffic: counters of the memory controllers and resctrl's, read ten times a second, and the caches of keys and values in the
 * server's memory, whose number format decides what a row's context costs. No probe: nothing of it runs in the server.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/collector.h"
#include "userspace/memory/kv_cache.h"
#include "userspace/memory/memory_check.h"
#include "userspace/memory/resctrl.h"
#include "userspace/memory/uncore.h"
#include "userspace/message.h"
#include "userspace/process.h"
#include "userspace/session.h"

#define INTERVAL_NS 100000000u
#define CHECK_PASSES 4
/* A server that has no cache yet is looked at again after so long, then twice that, and so on. */
#define FIRST_LOOK_NS 1000000000ull
#define LONGEST_NS (64 * FIRST_LOOK_NS)

struct watched {
	uint32_t pid;
	bool gone;
	uint64_t next_ns, distance_ns;	/* next_ns 0: its caches are known */
};

/* A source that counts over time. */
struct series {
	bool is_open;
	uint64_t last_ns;
	int64_t n_lost;
	char reason[200], remedy[200];
};

struct memory {
	struct session *session;
	struct memory_check check;
	struct uncore uncore;
	struct resctrl resctrl;
	struct series of_uncore, of_resctrl;
	uint64_t next_ns;
	struct watched watched[MAX_TARGETS];
	size_t n_watched;
	struct {
		uint32_t pid;
		uint64_t address;
	} known[256];
	size_t n_known;
};

/* ------------------------------------------------------------------------------------------- caches of keys and values --- */

/* @return from 1; 0 where there are too many */
static int number_of(struct memory *m, uint32_t pid, uint64_t address)
{
	for (size_t i = 0; i < m->n_known; i++)
		if (m->known[i].pid == pid && m->known[i].address == address)
			return (int)i + 1;
	if (m->n_known == sizeof(m->known) / sizeof(m->known[0]))
		return 0;
	m->known[m->n_known].pid = pid;
	m->known[m->n_known++].address = address;
	return (int)m->n_known;
}

static int look(struct memory *m, struct watched *w)
{
	struct kv_cache caches[MAX_KV_CACHES];
	const int n = kv_caches__of_process(w->pid, caches, MAX_KV_CACHES);

	w->gone |= n == -ESRCH;
	for (int i = 0; i < n; i++) {
		const struct row_kv_cache row = { .id = number_of(m, w->pid, caches[i].address),
						  .pid = w->pid,
						  .address = caches[i].address,
						  .n_layers = caches[i].n_layers,
						  .n_tokens = caches[i].n_tokens,
						  .elements_per_token = caches[i].elements_per_token,
						  .bytes_per_token = caches[i].bytes_per_token,
						  .type_k = caches[i].type_k,
						  .type_v = caches[i].type_v };

		if (row.id)
			recording_writer__kv_cache(m->session->writer, &row);
	}
	return n;
}

static void look_and_wait(struct memory *m, struct watched *w, uint64_t now_ns)
{
	const int n = look(m, w);
	char reason[160];

	if (n > 0) {
		w->next_ns = 0;
		return;
	}
	if (n < 0 && n != -ESRCH) {
		snprintf(reason, sizeof(reason), "memory of process %u, for its cache of keys and values: %s", w->pid,
			 strerror(-n));
		session__note(m->session, "memory", "partial", reason);
	}
	w->next_ns = now_ns + w->distance_ns;
	w->distance_ns = w->distance_ns < LONGEST_NS ? 2 * w->distance_ns : LONGEST_NS;
}

/* ------------------------------------------------------------------------------------------------------------ over time --- */

static void take(struct memory *m, struct series *s, int source, int err, uint64_t now_ns, int64_t bytes,
		 int64_t write_bytes)
{
	const struct row_traffic_sample row = { .time_ns = now_ns,
						.source = source,
						.duration_ns = (int64_t)(now_ns - s->last_ns),
						.bytes = bytes,
						.write_bytes = write_bytes < 0 ? ABSENT : write_bytes };

	if (!err && s->last_ns && now_ns > s->last_ns && m->session->start_ns && s->last_ns >= m->session->start_ns)
		recording_writer__traffic_sample(m->session->writer, &row);
	else if (err && err != -EAGAIN) {
		s->n_lost++;
		session__lost(m->session, "memory", source == TRAFFIC_UNCORE ? "uncore interval" : "resctrl interval",
			      1);
	}
	s->last_ns = now_ns;
}

static void read_all(struct memory *m, uint64_t now_ns)
{
	int64_t bytes = 0, written = -1;
	int err;

	m->next_ns = now_ns + INTERVAL_NS;
	if (m->of_uncore.is_open) {
		err = uncore__read(&m->uncore, &bytes, &written);
		take(m, &m->of_uncore, TRAFFIC_UNCORE, err, monotonic_ns(), bytes, written);
	}
	if (m->of_resctrl.is_open && m->resctrl.group[0]) {
		err = resctrl__read(&m->resctrl, &bytes);
		take(m, &m->of_resctrl, TRAFFIC_RESCTRL, err, monotonic_ns(), bytes, -1);
	}
}

static void note_resctrl(struct memory *m, int err)
{
	struct series *s = &m->of_resctrl;

	if (m->resctrl.n_foreign) {
		snprintf(s->reason, sizeof(s->reason),
			 "%lld threads are in a control group or monitoring group of their own and are not counted",
			 (long long)m->resctrl.n_foreign);
		snprintf(s->remedy, sizeof(s->remedy), "let the server's threads stand in one control group");
	} else if (err) {
		snprintf(s->reason, sizeof(s->reason), "%s",
			 err == -ENOSPC ? "the processor has no monitoring counter left" : strerror(-err));
		snprintf(s->remedy, sizeof(s->remedy), "%s",
			 err == -ENOSPC ? "take away other monitoring groups" : "run as root");
	}
}

/* New threads are born into the group of the one that made them: those that are missing were made while the first were written. */
static void add_threads(struct memory *m, uint32_t pid)
{
	uint32_t *tids = NULL;
	size_t n = 0;

	if (!m->of_resctrl.is_open || process__threads(pid, &tids, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		const int err = resctrl__add(&m->resctrl, pid, tids[i]);

		if (err)
			note_resctrl(m, err);
	}
	free(tids);
}

/* ----------------------------------------------------------------------------------------------------------------- life --- */

static void open_sources(struct memory *m)
{
	struct series *u = &m->of_uncore, *r = &m->of_resctrl;

	memory_check__run(&m->check, memory_check__root(), 0);
	if (m->check.sources[CHECK_UNCORE].there || m->check.sources[CHECK_RESCTRL].there)
		memory_check__run(&m->check, memory_check__root(), CHECK_PASSES);
	if (m->check.n_cleared)
		message__info("%d resctrl monitoring group%s of a killed tokprof %s cleared away", m->check.n_cleared,
			      m->check.n_cleared == 1 ? "" : "s", m->check.n_cleared == 1 ? "was" : "were");
	snprintf(u->reason, sizeof(u->reason), "%s", m->check.sources[CHECK_UNCORE].reason);
	snprintf(u->remedy, sizeof(u->remedy), "%s", m->check.sources[CHECK_UNCORE].remedy);
	snprintf(r->reason, sizeof(r->reason), "%s", m->check.sources[CHECK_RESCTRL].reason);
	snprintf(r->remedy, sizeof(r->remedy), "%s", m->check.sources[CHECK_RESCTRL].remedy);
	if (m->check.sources[CHECK_UNCORE].there)
		u->is_open = uncore__open(&m->uncore, memory_check__root(), &perf_calls__kernel, u->reason,
					  sizeof(u->reason), u->remedy, sizeof(u->remedy)) == 0;
	if (m->check.sources[CHECK_RESCTRL].there)
		r->is_open = resctrl__open(&m->resctrl, memory_check__root(), &resctrl_calls__kernel, r->reason,
					   sizeof(r->reason), r->remedy, sizeof(r->remedy)) == 0;
}

static int memory_open(struct session *s, void **out)
{
	struct memory *m;

	if (!s->writer) {
		session__note(s, "memory", "absent", "nothing is recorded");
		return -ENOTSUP;
	}
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->session = s;
	open_sources(m);
	*out = m;
	return 0;
}

static int memory_attach(struct session *s, void *state, uint32_t pid)
{
	struct memory *m = state;
	const uint64_t now = monotonic_ns();
	struct watched *w = NULL;

	(void)s;
	for (size_t i = 0; i < m->n_watched && !w; i++)
		if (m->watched[i].pid == pid)
			w = &m->watched[i];
	if (!w && m->n_watched == MAX_TARGETS)
		return -ENOSPC;
	if (!w)
		w = &m->watched[m->n_watched++];
	*w = (struct watched){ .pid = pid, .next_ns = now, .distance_ns = FIRST_LOOK_NS };
	look_and_wait(m, w, now);
	add_threads(m, pid);
	read_all(m, now);
	return 0;
}

static void memory_tick(struct session *s, void *state, uint64_t now_ns)
{
	struct memory *m = state;

	(void)s;
	for (size_t i = 0; i < m->n_watched; i++) {
		if (m->watched[i].gone)
			continue;
		if (m->watched[i].next_ns && now_ns >= m->watched[i].next_ns)
			look_and_wait(m, &m->watched[i], now_ns);
		add_threads(m, m->watched[i].pid);
	}
}

static void memory_turn(struct session *s, void *state, uint64_t now_ns)
{
	struct memory *m = state;

	(void)s;
	if (now_ns >= m->next_ns && (m->of_uncore.is_open || m->of_resctrl.is_open))
		read_all(m, now_ns);
}

static void write_source(const struct memory *m, int id, const char *name, size_t checked, const struct series *s,
			 int64_t n_counters)
{
	const bool made = m->check.stream.known_bytes && !m->check.err && m->check.sources[checked].seen != ABSENT;
	const struct row_traffic_source row = {
		.id = id,
		.name = name,
		.grade = s->is_open ? GRADE_DERIVED : GRADE_UNAVAILABLE,
		.source = m->check.sources[checked].source,
		.reason = s->reason[0] ? s->reason : NULL,
		.remedy = s->remedy[0] ? s->remedy : NULL,
		.n_counters = s->is_open ? n_counters : ABSENT,
		.check_known_bytes = made ? (int64_t)m->check.stream.known_bytes : ABSENT,
		.check_bytes = made && m->check.sources[checked].seen >= 0 ? m->check.sources[checked].seen : ABSENT,
	};

	recording_writer__traffic_source(m->session->writer, &row);
}

static void note_shares(struct memory *m)
{
	if (m->uncore.shares && !m->of_uncore.reason[0])
		snprintf(m->of_uncore.reason, sizeof(m->of_uncore.reason),
			 "more events than the unit has counters: each counted for part of the time, and was scaled");
}

static void memory_close(struct session *s, void *state)
{
	struct memory *m = state;

	(void)s;
	read_all(m, monotonic_ns());
	note_shares(m);
	/* Also what was made since: a model that a router has loaded. */
	for (size_t i = 0; i < m->n_watched; i++)
		if (!m->watched[i].gone)
			look(m, &m->watched[i]);
	write_source(m, TRAFFIC_UNCORE, "uncore", CHECK_UNCORE, &m->of_uncore, (int64_t)m->uncore.n);
	write_source(m, TRAFFIC_RESCTRL, "resctrl", CHECK_RESCTRL, &m->of_resctrl, (int64_t)m->resctrl.n_domains);
	uncore__close(&m->uncore);
	resctrl__close(&m->resctrl);
	free(m);
}

/* --------------------------------------------------------------------------------------------------------------- doctor --- */

static int memory_probe(struct sensor *out, int max)
{
	struct memory_check check;

	if (max < 3)
		return 0;
	memory_check__run(&check, memory_check__root(), 0);
	for (int i = 0; i < N_CHECKED; i++) {
		out[i] = (struct sensor){ .id = check.sources[i].id, .resource = "mem_bytes" };
		snprintf(out[i].source, sizeof(out[i].source), "%.95s", check.sources[i].source);
		snprintf(out[i].reason, sizeof(out[i].reason), "%.159s", check.sources[i].reason);
		snprintf(out[i].remedy, sizeof(out[i].remedy), "%.159s", check.sources[i].remedy);
		if (check.sources[i].there) {
			out[i].grade = GRADE_DERIVED;
			snprintf(out[i].reason, sizeof(out[i].reason), "%s",
				 out[i].reason[0]  ? check.sources[i].reason :
				 i == CHECK_UNCORE ? "of the whole host, less what passes while the server idles; cut "
						     "by time over steps" :
						     "of the server's threads; cut by time over steps");
			out[i].remedy[0] = '\0';
		}
	}
	out[N_CHECKED] = (struct sensor){ .id = "mem_model", .resource = "mem_bytes", .grade = GRADE_DERIVED };
	snprintf(out[N_CHECKED].source, sizeof(out[0].source),
		 "header of the weight file, rows of steps, the server's cache");
	snprintf(out[N_CHECKED].reason, sizeof(out[0].reason),
		 "what steps touch, where the model and its cache can be read");
	return N_CHECKED + 1;
}

const struct collector collector_memory = {
	.name = "memory",
	.doc = "memory traffic by memory controllers and resctrl, and the server's caches of keys and values",
	.probe = memory_probe,
	.open = memory_open,
	.attach = memory_attach,
	.tick = memory_tick,
	.turn = memory_turn,
	.close = memory_close,
};
