/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/calibrate/sweep.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/bootstrap.h"
#include "userspace/cost/cost.h"

#define STAIR 24		/* steps that all slots generate before the next one ends, at most ... */
#define STAIRS_MOST 96		/* ... and of all stairs together */
#define SMALL_CHUNK 16		/* matrix products change their ways below this: such chunks come three times a round */
#define SMALL_REPEATS 3
#define LIMIT_OUTPUTS 48
#define SHORT_PROMPT 8
#define SPARE 8			/* tokens of context that a slot leaves free */
#define LARGE_CHUNK 128		/* from here on a chunk comes once a round and not in every wave of chunks */
#define REQUEST_NS 2e6		/* between two requests of a chain */
/*
 * A prompt's token attends to each one before it at this part of what a generated token pays for one: measured on llama.cpp
 * and CPUs. For the expected time only.
 */
#define PAIR_PART 0.08

struct designer {
	struct sweep *sweep;
	struct random_state random;
	uint32_t n_slots, context, chunk;
	uint32_t round;
	int err;
};

const char *wave_kind__name(enum wave_kind kind)
{
	static const char *const names[N_WAVE_KINDS] = {
		[WAVE_STAIRS] = "stairs",	   [WAVE_NEAR_LIMIT] = "near the limit", [WAVE_CHUNKS] = "chunks",
		[WAVE_MIXED_LONG] = "long beside", [WAVE_PROMPTS] = "prompts",
	};

	return kind < N_WAVE_KINDS ? names[kind] : "?";
}

/* --- building ------------------------------------------------------------------------------------------------------ */

/* @return room for one more element at the end, NULL without memory */
static void *more(void **array, size_t *n, size_t size)
{
	void *bigger;

	if ((*n & (*n - 1)) == 0) {	/* full at every power of two */
		bigger = realloc(*array, (*n ? 2 * *n : 1) * size);
		if (!bigger)
			return NULL;
		*array = bigger;
	}
	return (char *)*array + (*n)++ * size;
}

static void begin_wave(struct designer *d, enum wave_kind kind)
{
	struct sweep *s = d->sweep;
	struct sweep_wave *w = d->err ? NULL : more((void **)&s->waves, &s->n_waves, sizeof(*w));

	if (!w)
		d->err = -ENOMEM;
	else
		*w = (struct sweep_wave){ .kind = kind, .round = d->round, .first = s->n_chains };
}

static void begin_chain(struct designer *d)
{
	struct sweep *s = d->sweep;
	struct sweep_chain *c = d->err ? NULL : more((void **)&s->chains, &s->n_chains, sizeof(*c));

	if (!c) {
		d->err = -ENOMEM;
		return;
	}
	*c = (struct sweep_chain){ .first = s->n_requests };
	s->waves[s->n_waves - 1].n++;
}

static void add_request(struct designer *d, uint32_t n_prompt, uint32_t n_outputs)
{
	struct sweep *s = d->sweep;
	struct sweep_request *r = d->err ? NULL : more((void **)&s->requests, &s->n_requests, sizeof(*r));

	if (!r) {
		d->err = -ENOMEM;
		return;
	}
	*r = (struct sweep_request){ n_prompt ? n_prompt : 1, n_outputs ? n_outputs : 1 };
	s->chains[s->n_chains - 1].n++;
}

static void add_chain(struct designer *d, uint32_t n_prompt, uint32_t n_outputs)
{
	begin_chain(d);
	add_request(d, n_prompt, n_outputs);
}

/* Uniform in [low, high]. */
static uint32_t between(struct designer *d, uint32_t low, uint32_t high)
{
	return high <= low ? low : low + (uint32_t)random__below(&d->random, high - low + 1);
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t above(uint32_t a, uint32_t b)
{
	return a > b ? a - b : 0;
}

static void shuffle(struct designer *d, void *array, size_t n, size_t size)
{
	char *a = array, space[64];
	size_t i;

	for (i = n; i > 1; i--) {
		size_t j = (size_t)random__below(&d->random, i);

		memcpy(space, a + j * size, size);
		memcpy(a + j * size, a + (i - 1) * size, size);
		memcpy(a + (i - 1) * size, space, size);
	}
}

/* --- waves --------------------------------------------------------------------------------------------------------- */

/* Slot i ends after i + 1 stairs; the contexts of all together take `percent` of what there is. */
static void stairs(struct designer *d, uint32_t percent)
{
	uint32_t n = d->n_slots, stair = STAIR, room, outputs = 0, i;

	if (n * stair > STAIRS_MOST)
		stair = above(STAIRS_MOST / n, 1) + 1;
	/* What they generate takes part of the context too: fewer slots, then lower stairs, where that is small. */
	while (stair > 1 && n * (n + 1) / 2 * stair > d->context / 2)
		stair--;
	while (n > 1 && n * (n + 1) / 2 * stair + n * (SPARE + 2) > d->context)
		n--;
	outputs = n * (n + 1) / 2 * stair;
	room = above(d->context, outputs + n * SPARE);
	begin_wave(d, WAVE_STAIRS);
	for (i = 0; i < n; i++) {
		uint32_t mean = (uint32_t)((uint64_t)room * percent / 100 / n);

		/* Never more than the mean above it: the sum stays within the room. */
		add_chain(d, between(d, mean / 2, mean), stair * (i + 1));
	}
}

static void near_limit(struct designer *d, uint32_t n_chains)
{
	/* Other lengths in every round: what is left over for the last part is of another size each time. */
	static const uint32_t percents[] = { 100, 78, 55, 89 };
	uint32_t outputs = least(LIMIT_OUTPUTS, d->context / 4), each, i;

	if (n_chains > d->n_slots)
		return;
	each = (uint32_t)((uint64_t)d->context * percents[d->round % 4] / 100 / n_chains);
	each = above(each, outputs + SPARE);
	begin_wave(d, WAVE_NEAR_LIMIT);
	for (i = 0; i < n_chains; i++) {
		add_chain(d, above(each, i ? between(d, 0, each / 4) : 0), outputs / (i + 1));
		/* At once the same without context: what a machine's mood makes of one it makes of the other. */
		if (i == 0)
			add_request(d, SHORT_PROMPT, outputs);
	}
}

/* Of a third of the large ones: the three waves of a round have all of them together, alone or beside others. */
static uint32_t chunk_lengths(const struct designer *d, uint32_t wave, uint32_t *out)
{
	uint32_t n = 0, k, i;

	for (k = 0; k < COST_KNOTS && cost_knots[k] <= d->chunk; k++) {
		if (cost_knots[k] > LARGE_CHUNK && d->n_slots > 2 && (k + wave + d->round) % 3)
			continue;
		for (i = 0; i < (cost_knots[k] <= SMALL_CHUNK && wave == 0 ? SMALL_REPEATS : 1); i++)
			out[n++] = cost_knots[k];
	}
	return n;
}

/* Prompts of all lengths, one after the other, beside so many slots that generate. */
static void chunks(struct designer *d, uint32_t wave, uint32_t n_beside)
{
	uint32_t lengths[COST_KNOTS * SMALL_REPEATS], n, room, i;

	if (n_beside >= d->n_slots)
		return;
	n = chunk_lengths(d, wave, lengths);
	shuffle(d, lengths, n, sizeof(lengths[0]));
	room = n_beside ? above(d->context, d->chunk + (n_beside + 1) * SPARE) / n_beside : 0;
	begin_wave(d, WAVE_CHUNKS);
	for (i = 0; i < n_beside; i++) {
		uint32_t outputs = least(2 * n, room / 2);

		add_chain(d, between(d, 1, above(room, outputs)), outputs);
	}
	begin_chain(d);
	for (i = 0; i < n; i++)
		add_request(d, lengths[i], 1);
}

static void mixed_long(struct designer *d)
{
	uint32_t n_beside = least(2, d->n_slots - 1), length = d->context / 2, room, i;

	if (n_beside == 0)
		return;
	room = above(d->context, length + 3 * SPARE) / n_beside;
	begin_wave(d, WAVE_MIXED_LONG);
	for (i = 0; i < n_beside; i++) {
		uint32_t outputs = least(12 + 2 * length / d->chunk, room / 2);

		add_chain(d, between(d, 1, above(room, outputs) / 2), outputs);
	}
	add_chain(d, between(d, length * 3 / 4, length), 4);
}

/* Prompts beside prompts: several rows of other lengths in one part. */
static void prompts(struct designer *d)
{
	uint32_t n = least(d->n_slots, 4), most = least(d->chunk, d->context / n), i, j;

	if (n < 2)
		return;
	begin_wave(d, WAVE_PROMPTS);
	for (i = 0; i < n; i++) {
		begin_chain(d);
		for (j = 0; j < 4; j++)
			add_request(d, between(d, 1, above(most >> between(d, 0, 4), SPARE)), 1 + j % 2);
	}
}

static void add_round(struct designer *d)
{
	struct sweep *s = d->sweep;
	size_t first = s->n_waves;

	stairs(d, 3);
	stairs(d, 35);
	stairs(d, 100);
	near_limit(d, 1);
	near_limit(d, 2);
	chunks(d, 0, 0);
	if (d->n_slots > 1)
		chunks(d, 1, d->n_slots - 1);
	if (d->n_slots > 2)
		chunks(d, 2, 1 + d->round % (d->n_slots - 2));
	mixed_long(d);
	prompts(d);
	if (!d->err)
		shuffle(d, s->waves + first, s->n_waves - first, sizeof(s->waves[0]));
	d->round++;
}

/* --- time ---------------------------------------------------------------------------------------------------------- */

double sweep__wave_ns(const struct sweep *s, const struct sweep_wave *w, const struct sweep_facts *facts)
{
	double tokens = 0, pairs = 0, reads = 0, steps = 0, requests = 0;
	size_t c, r;

	for (c = w->first; c < w->first + w->n; c++) {
		double outputs = 0;

		for (r = s->chains[c].first; r < s->chains[c].first + s->chains[c].n; r++) {
			double prompt = s->requests[r].n_prompt, rows = s->requests[r].n_outputs - 1;

			tokens += prompt;
			pairs += prompt * prompt / 2;
			reads += rows * (prompt + rows / 2);
			outputs += rows;
		}
		if (outputs > steps)
			steps = outputs;
		if ((double)s->chains[c].n > requests)
			requests = (double)s->chains[c].n;
	}
	/* A step's fixed cost comes with each request's prompt too; rows beside others make a step somewhat longer. */
	return tokens * facts->token_ns + (reads + PAIR_PART * pairs) * facts->context_ns +
	       steps * facts->step_ns * (1 + 0.25 * (double)(w->n - 1)) + requests * (facts->step_ns + REQUEST_NS);
}

static double expected(const struct sweep *s, const struct sweep_facts *facts)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < s->n_waves; i++)
		sum += sweep__wave_ns(s, &s->waves[i], facts);
	return sum;
}

/* --- the interface ------------------------------------------------------------------------------------------------- */

static void begin(struct designer *d, struct sweep *s, const struct sweep_facts *facts, uint64_t seed, double share)
{
	sweep__free(s);
	memset(d, 0, sizeof(*d));
	d->sweep = s;
	d->random.s = seed + facts->first_round;
	d->round = facts->first_round;
	d->n_slots = facts->n_slots;
	d->context = (uint32_t)(facts->context * share);
	if (d->context < SWEEP_MIN_CONTEXT)
		d->context = SWEEP_MIN_CONTEXT;
	d->chunk = (uint32_t)(facts->part * share);
	if (d->chunk < SMALL_CHUNK)
		d->chunk = SMALL_CHUNK;
	if (d->chunk > d->context / 2)
		d->chunk = d->context / 2;
	s->context = d->context;
	s->chunk = d->chunk;
}

static void drop_round(struct designer *d)
{
	struct sweep *s = d->sweep;

	d->round--;
	s->n_waves = sweep__end_of_round(s, d->round - 1);
	s->n_chains = s->waves[s->n_waves - 1].first + s->waves[s->n_waves - 1].n;
	s->n_requests = s->chains[s->n_chains - 1].first + s->chains[s->n_chains - 1].n;
}

int sweep__design(struct sweep *out, const struct sweep_facts *facts, uint64_t seed)
{
	static const double shares[] = { 1, 0.85, 0.7, 0.6, 0.5, 0.42, 0.35, 0.3, 0.25, 0.2, 0.16, 0.12, 0.08, 0.05 };
	size_t n = sizeof(shares) / sizeof(shares[0]), i;
	uint32_t least_rounds = above(SWEEP_MIN_ROUNDS, facts->first_round);
	struct designer d;

	memset(out, 0, sizeof(*out));
	if (facts->n_slots == 0 || facts->context < SWEEP_MIN_CONTEXT || facts->part == 0)
		return -EINVAL;
	if (least_rounds == 0)
		least_rounds = 1;
	for (i = 0; i < n; i++) {
		begin(&d, out, facts, seed, shares[i]);
		while (d.round < facts->first_round + least_rounds)
			add_round(&d);
		if (d.err || expected(out, facts) <= facts->budget_ns)
			break;
	}
	while (!d.err && d.round < SWEEP_MAX_ROUNDS && expected(out, facts) <= facts->budget_ns)
		add_round(&d);
	if (d.err) {
		sweep__free(out);
		return d.err;
	}
	if (d.round > facts->first_round + least_rounds && expected(out, facts) > facts->budget_ns)
		drop_round(&d);
	out->n_rounds = d.round;
	out->expected_ns = expected(out, facts);
	return 0;
}

size_t sweep__end_of_round(const struct sweep *s, uint32_t round)
{
	size_t i = 0;

	while (i < s->n_waves && s->waves[i].round <= round)
		i++;
	return i;
}

void sweep__free(struct sweep *s)
{
	if (!s)
		return;
	free(s->waves);
	free(s->chains);
	free(s->requests);
	memset(s, 0, sizeof(*s));
}
