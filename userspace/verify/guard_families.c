/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prompts that are treated as special: requests of one family (the same prompt again, one client's) in whose steps tokens take
 * less, or more, than in steps of the same composition without any of the family, just before and after.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/verify/guards.h"

#define MIN_FAMILY 8		/* requests; as many others */
#define MIN_STEPS 8		/* of a request: fewer are noise */
#define MAX_FAMILIES 32		/* the largest */
#define MAX_ROWS (8u << 20)	/* of steps that are looked at; of more, every so many-th step */
#define SMOOTH 8		/* steps that the others' pace is a mean of, about */
#define LEAST_RATIO 1.15
#define LEAST_T 6.0		/* with 7 degrees of freedom 1 in 2,000; see tests/unit/test_guards.c for what it comes to */
#define LEAST_DEVIATION 0.01

/* Which steps each request had a row in: those of request i are steps[first[i]] to steps[first[i + 1]], by index of pace. */
struct presence {
	uint32_t *first, *steps;
};

struct member {
	uint32_t request;
	uint64_t family;		/* hash; 0: none */
};

struct family {
	uint64_t key;
	size_t n;
};

struct families {
	struct verification *v;
	const struct verify_input *in;
	struct presence presence;
	double *pace;			/* log ratios; CPU time where it is known, else wall time */
	size_t n_paces;
	bool *ours;			/* per pace: a request of the family is in it */
	double *others;			/* per pace: of the steps about it without any of the family; NAN none */
	struct member *members;
};

static int by_family(const void *pa, const void *pb)
{
	const struct member *a = pa, *b = pb;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return a->request < b->request ? -1 : a->request > b->request;
}

static int by_size(const void *pa, const void *pb)
{
	const struct family *a = pa, *b = pb;

	if (a->n != b->n)
		return a->n > b->n ? -1 : 1;
	return a->key < b->key ? -1 : a->key > b->key;
}

/* --- families --------------------------------------------------------------------------------------------------------- */

static uint64_t hash_text(const char *text, size_t n)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
	return hash ? hash : 1;
}

static uint64_t prompt_family(const struct row_request *q)
{
	const uint64_t key[2] = { q->prompt_hash, (uint64_t)q->prompt_bytes };

	/* Without a hash its size has to do. */
	if (!q->prompt_hash && (q->prompt_bytes == ABSENT || q->prompt_bytes <= 0))
		return 0;
	return hash_text((const char *)key, sizeof(key));
}

/* "10.0.0.7:5123": the port is of the connection. */
static uint64_t client_family(const struct row_request *q)
{
	const char *colon = q->client ? strrchr(q->client, ':') : NULL;

	return !q->client ? 0 : hash_text(q->client, colon ? (size_t)(colon - q->client) : strlen(q->client));
}

static const struct kind {
	const char *words;
	uint64_t (*family)(const struct row_request *q);
} kinds[] = {
	{ "with the same prompt (by its hash, or its size where it has none)", prompt_family },
	{ "of one client", client_family },
};

/* --- steps ------------------------------------------------------------------------------------------------------------ */

static uint32_t request_of(const struct timeline *t, uint32_t row)
{
	return t->rows[row].run == RUN_NONE ? REQUEST_NONE : t->runs[t->rows[row].run].request;
}

static uint32_t stride_of(const struct timeline *t, const struct paces *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += t->step_first_row[p->paces[i].step + 1] - t->step_first_row[p->paces[i].step];
	return 1 + (uint32_t)(n / MAX_ROWS);
}

static int open_presence(struct families *f, const struct paces *p, uint32_t stride)
{
	const struct timeline *t = f->in->timeline;
	const size_t n_requests = f->in->recording->n_requests;
	struct presence *s = &f->presence;
	uint32_t n = 0, *next;

	s->first = array__zeroed(n_requests + 2, sizeof(*s->first));
	if (!s->first)
		return -ENOMEM;
	next = s->first + 1;
	for (size_t i = 0; i < p->n; i += stride)
		for (uint32_t k = t->step_first_row[p->paces[i].step]; k < t->step_first_row[p->paces[i].step + 1]; k++)
			if (request_of(t, k) != REQUEST_NONE)
				next[request_of(t, k)]++;
	for (size_t i = 0; i < n_requests; i++) {
		const uint32_t here = next[i];

		next[i] = n;
		n += here;
	}
	s->steps = array__zeroed(n, sizeof(*s->steps));
	if (!s->steps)
		return -ENOMEM;
	/* Filled from next[i] on, which so becomes the end of i, the beginning of i + 1. */
	for (size_t i = 0; i < p->n; i += stride)
		for (uint32_t k = t->step_first_row[p->paces[i].step]; k < t->step_first_row[p->paces[i].step + 1]; k++)
			if (request_of(t, k) != REQUEST_NONE)
				s->steps[next[request_of(t, k)]++] = (uint32_t)(i / stride);
	return 0;
}

static void close_families(struct families *f)
{
	free(f->presence.first);
	free(f->presence.steps);
	free(f->pace);
	free(f->ours);
	free(f->others);
	free(f->members);
}

static int open_families(struct families *f, const struct paces *p)
{
	const uint32_t stride = stride_of(f->in->timeline, p);

	f->pace = array__zeroed(p->n, sizeof(*f->pace));
	f->ours = array__zeroed(p->n, sizeof(*f->ours));
	f->others = array__zeroed(p->n, sizeof(*f->others));
	f->members = array__zeroed(f->in->recording->n_requests + 1, sizeof(*f->members));
	if (!f->pace || !f->ours || !f->others || !f->members)
		return -ENOMEM;
	for (size_t i = 0; i < p->n; i += stride)
		f->pace[f->n_paces++] = isnan(p->paces[i].cpu) ? p->paces[i].wall : p->paces[i].cpu;
	return open_presence(f, p, stride);
}

static uint32_t n_steps_of(const struct families *f, uint32_t request)
{
	return f->presence.first[request + 1] - f->presence.first[request];
}

/* The pace of steps without any of the family: what the machine did at that time to everybody. */
static void find_others(struct families *f, const struct member *members, size_t n)
{
	double mean = NAN;

	memset(f->ours, 0, f->n_paces * sizeof(*f->ours));
	for (size_t i = 0; i < n; i++)
		for (uint32_t k = f->presence.first[members[i].request]; k < f->presence.first[members[i].request + 1];
		     k++)
			f->ours[f->presence.steps[k]] = true;
	for (size_t i = 0; i < f->n_paces; i++) {
		if (!f->ours[i])
			mean = isnan(mean) ? f->pace[i] : mean + (f->pace[i] - mean) / SMOOTH;
		f->others[i] = mean;
	}
	mean = NAN;
	for (size_t i = f->n_paces; i-- > 0;) {
		if (!f->ours[i])
			mean = isnan(mean) ? f->pace[i] : mean + (f->pace[i] - mean) / SMOOTH;
		f->others[i] = isnan(f->others[i]) ? mean : isnan(mean) ? f->others[i] : (f->others[i] + mean) / 2;
	}
}

/* --- a family --------------------------------------------------------------------------------------------------------- */

static int note_family(struct families *f, const struct kind *kind, const struct member *members, size_t n, double mean)
{
	struct note *note = verification__note(f->v, "guard.prompt_family",
					       "steps with one of %zu requests %s took %.0f %% of what like steps "
					       "without them took just before and after: "
					       "these prompts may be treated as special. It may be ordinary: text that "
					       "a draft or a cache suits, other "
					       "options of sampling, adapters, tools",
					       n, kind->words, 100 * exp(mean));

	for (size_t i = 0; note && i < n && i < GUARD_EVIDENCE; i++)
		if (verification__note_evidence(f->v, note, f->in->recording->requests[members[i].request].id))
			return -ENOMEM;
	return note ? 0 : -ENOMEM;
}

static int judge_family(struct families *f, const struct kind *kind, const struct member *members, size_t n)
{
	double sum = 0, squares = 0, mean, deviation;

	find_others(f, members, n);
	for (size_t i = 0; i < n; i++) {
		const uint32_t first = f->presence.first[members[i].request], m = n_steps_of(f, members[i].request);
		double excess = 0;

		for (uint32_t k = first; k < first + m; k++)
			excess += (f->pace[f->presence.steps[k]] - f->others[f->presence.steps[k]]) / m;
		/* No step is without the family. */
		if (isnan(excess))
			return 0;
		sum += excess;
		squares += excess * excess;
	}
	mean = sum / (double)n;
	deviation = sqrt(fmax(squares - (double)n * mean * mean, 0) / (double)(n - 1));
	if (fabs(mean) < log(LEAST_RATIO) || fabs(mean) < LEAST_T * fmax(deviation, LEAST_DEVIATION) / sqrt((double)n))
		return 0;
	return note_family(f, kind, members, n, mean);
}

/* The largest families that have others beside them, by size. */
static size_t choose(struct family out[MAX_FAMILIES + 1], const struct member *members, size_t n)
{
	size_t n_families = 0;

	for (size_t first = 0, end; first < n; first = end) {
		for (end = first; end < n && members[end].family == members[first].family; end++)
			;
		if (end - first < MIN_FAMILY || n - (end - first) < MIN_FAMILY)
			continue;
		out[n_families++] = (struct family){ members[first].family, end - first };
		qsort(out, n_families, sizeof(*out), by_size);
		if (n_families > MAX_FAMILIES)
			n_families = MAX_FAMILIES;
	}
	return n_families;
}

static int judge_kind(struct families *f, const struct kind *kind)
{
	const struct recording *r = f->in->recording;
	struct family families[MAX_FAMILIES + 1];
	size_t n = 0, n_families;
	int err = 0;

	for (uint32_t i = 0; i < r->n_requests; i++) {
		f->members[n] = (struct member){ i, kind->family(&r->requests[i]) };
		n += f->members[n].family && n_steps_of(f, i) >= MIN_STEPS;
	}
	if (n)
		qsort(f->members, n, sizeof(*f->members), by_family);
	n_families = choose(families, f->members, n);
	for (size_t first = 0, end; first < n && !err; first = end) {
		bool chosen = false;

		for (end = first; end < n && f->members[end].family == f->members[first].family; end++)
			;
		for (size_t k = 0; k < n_families && !chosen; k++)
			chosen = families[k].key == f->members[first].family;
		if (chosen)
			err = judge_family(f, kind, f->members + first, end - first);
	}
	return err;
}

int guard__families(struct verification *v, const struct verify_input *in, const struct paces *p)
{
	struct families f = { .v = v, .in = in };
	int err = open_families(&f, p);

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]) && !err; k++)
		err = judge_kind(&f, &kinds[k]);
	close_families(&f);
	return err;
}
