/* SPDX-License-Identifier: Apache-2.0 */
#include "make_server.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"

#define BATCH 512
#define MAX_SLOTS 64
#define DRAFT_CONTEXT 2
#define OTHER_CONTEXT 3
#define US 1000ull
#define N_METERED 3

uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;	/* splitmix64 */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t random_below(uint64_t *state, uint64_t n)
{
	return n ? random_next(state) % n : 0;
}

struct slot {
	int64_t request;	/* 0: free */
	int pos, prompt_left, prompt_tokens;
	int64_t completion_left, leaves_after;
	int64_t last_prompt;	/* tokens of the prompt that its memory begins with */
	bool generating;
	int q;			/* of its row in this step */
};

struct server {
	struct maker *m;
	const struct server_options *o;
	struct server_truth *truth;
	uint64_t random, now_ns;
	int64_t meters[N_METERED];
	struct slot slots[MAX_SLOTS];
	int64_t next, n_done;	/* request ids */
	uint64_t next_arrival_ns;
	int64_t *queue;
	int64_t queue_head, queue_tail;
};

static const int metered[N_METERED] = { RESOURCE_CPU_NS, RESOURCE_KERNEL_NS, RESOURCE_FAULTS };

static void burn(struct server *s, uint64_t ns)
{
	s->meters[0] += (int64_t)ns;
	s->meters[1] += (int64_t)random_below(&s->random, ns / 8 + 1);
	s->meters[2] += (int64_t)random_below(&s->random, 3);
}

static void sample(struct server *s)
{
	for (int i = 0; i < N_METERED; i++)
		maker__sample(s->m, s->now_ns, metered[i], s->meters[i]);
}

static void let_arrive(struct server *s)
{
	while (s->next <= s->o->n_requests && s->next_arrival_ns <= s->now_ns) {
		struct row_request *q = maker__request(s->m, s->next_arrival_ns, 0);
		const bool stream = random_below(&s->random, 100) < (uint64_t)s->o->percent_stream;

		q->stream = stream;
		s->queue[s->queue_tail++] = s->next++;
		s->next_arrival_ns += 1 + random_below(&s->random, 2 * s->o->mean_gap_ns);
	}
}

static void begin(struct server *s, int k, int64_t request)
{
	struct slot *slot = &s->slots[k];
	struct row_request *q = &s->m->recording.requests[request - 1];
	struct server_truth *truth = &s->truth[request - 1];
	const bool cached = slot->last_prompt > 1 && random_below(&s->random, 100) < (uint64_t)s->o->percent_cached;
	const int64_t prompt =
		cached ? slot->last_prompt : 1 + (int64_t)random_below(&s->random, (uint64_t)s->o->max_prompt);
	const int64_t keep = cached ? prompt - 1 : 0;

	q->max_tokens = 1 + (int64_t)random_below(&s->random, (uint64_t)s->o->max_completion);
	q->prompt_bytes = prompt * 4;
	*slot = (struct slot){
		.request = request,
		.pos = (int)keep,
		.prompt_left = (int)(prompt - keep),
		.completion_left = q->max_tokens,
		.leaves_after = INT64_MAX,
		.last_prompt = prompt,
	};
	if (q->stream && random_below(&s->random, 100) < (uint64_t)s->o->percent_leaves)
		slot->leaves_after = 1 + (int64_t)random_below(&s->random, (uint64_t)q->max_tokens);
	truth->slot = k;
	truth->prompt = prompt - keep;
	truth->cached = keep;
}

static void fill_slots(struct server *s)
{
	let_arrive(s);
	for (int k = 0; k < s->o->n_slots && s->queue_head < s->queue_tail; k++) {
		if (!s->slots[k].request)
			begin(s, k, s->queue[s->queue_head++]);
	}
}

static void cut_all(struct server *s, const int64_t *before)
{
	for (int i = 0; i < N_METERED; i++)
		maker__cut(s->m, metered[i], before[i], s->meters[i] - before[i]);
}

/* A step whose rows the caller adds afterwards; time passes. */
static uint64_t run_step(struct server *s, int context, int64_t n_tokens)
{
	const uint64_t length = 900 * US + (uint64_t)n_tokens * 40 * US + random_below(&s->random, 200 * US);
	int64_t before[N_METERED];
	struct row_step *step = maker__step(s->m, context, s->now_ns, s->now_ns + length);

	step->runq_ns = random_below(&s->random, 1000);
	step->blocked_ns = random_below(&s->random, 1000);
	memcpy(before, s->meters, sizeof(before));
	burn(s, length * 2);
	cut_all(s, before);
	s->now_ns += length;
	return length;
}

static void draft(struct server *s, int n)
{
	for (int i = 0; i < n; i++) {
		int active = 0;

		for (int k = 0; k < s->o->n_slots; k++)
			active += s->slots[k].generating && s->slots[k].q > 1 + i;
		if (!active)
			return;
		run_step(s, DRAFT_CONTEXT, active);
		for (int k = 0; k < s->o->n_slots; k++) {
			if (s->slots[k].generating && s->slots[k].q > 1 + i)
				maker__row(s->m, k, s->slots[k].pos + i, 1, 1);
		}
		s->now_ns += 20 * US;
		burn(s, 15 * US);
	}
}

static void end_request(struct server *s, struct slot *slot, uint64_t time_ns, bool left)
{
	struct row_request *q = &s->m->recording.requests[slot->request - 1];

	q->end_ns = time_ns;
	q->status = 200;
	q->client_left = left;
	if (!left)
		q->finish_reason = "length";
	if (!q->stream)
		q->first_byte_ns = q->first_token_ns = q->last_token_ns = time_ns;
	slot->request = 0;
	slot->generating = false;
	s->n_done++;
}

static void emit(struct server *s, int k, int64_t n, uint64_t step_end_ns)
{
	struct slot *slot = &s->slots[k];
	const int64_t request = slot->request;
	uint64_t time_ns = step_end_ns + 50 * US + (uint64_t)k * 60 * US + random_below(&s->random, 200 * US);

	s->truth[request - 1].completion += n;
	for (int64_t i = 0; i < n; i++) {
		if (s->m->recording.requests[request - 1].stream)
			maker__chunk(s->m, request, time_ns);
		time_ns += 5 * US;
	}
	slot->completion_left -= n;
	slot->leaves_after -= n;
	if (slot->leaves_after <= 0 && slot->completion_left > 0)
		end_request(s, slot, time_ns, true);
	else if (slot->completion_left == 0)
		end_request(s, slot, time_ns + 10 * US, false);
}

static void step(struct server *s)
{
	const int n_slots = s->o->n_slots;
	int64_t n_tokens = 0;
	uint64_t end_ns;

	for (int k = 0; k < n_slots; k++) {
		struct slot *slot = &s->slots[k];

		slot->q = 0;
		if (slot->request && slot->generating) {
			slot->q = 1;
			if (s->o->n_draft && slot->completion_left > 1)
				slot->q += (int)(slot->completion_left - 1 < s->o->n_draft ? slot->completion_left - 1 :
											     s->o->n_draft);
		}
		n_tokens += slot->q;
	}
	if (s->o->n_draft && s->o->draft_context)
		draft(s, s->o->n_draft);
	for (int k = 0; k < n_slots; k++) {
		struct slot *slot = &s->slots[k];

		if (slot->request && !slot->generating && n_tokens < BATCH) {
			slot->q = slot->prompt_left < BATCH - n_tokens ? slot->prompt_left : (int)(BATCH - n_tokens);
			maker__remove(s->m, s->now_ns, MAKER_TARGET, k, slot->pos);
			n_tokens += slot->q;
		}
	}
	run_step(s, MAKER_TARGET, n_tokens);
	end_ns = s->now_ns;
	for (int k = 0; k < n_slots; k++) {
		const struct slot *slot = &s->slots[k];

		if (slot->q)
			maker__row(s->m, k, slot->pos, slot->q,
				   slot->generating		? slot->q :
				   slot->q == slot->prompt_left ? 1 :
								  0);
	}
	for (int k = 0; k < n_slots; k++) {
		struct slot *slot = &s->slots[k];
		int64_t emitted;

		if (!slot->q)
			continue;
		if (!slot->generating) {
			slot->pos += slot->q;
			slot->prompt_left -= slot->q;
			slot->generating = slot->prompt_left == 0;
			if (slot->generating)
				emit(s, k, 1, end_ns);
			continue;
		}
		emitted = 1 + (int64_t)random_below(&s->random, (uint64_t)slot->q);
		if (slot->q > 1) {
			s->truth[slot->request - 1].drafted += slot->q - 1;
			s->truth[slot->request - 1].rejected += slot->q - emitted;
			maker__remove(s->m, end_ns + (uint64_t)k, MAKER_TARGET, k, slot->pos + (int)emitted);
			if (s->o->draft_context)
				maker__remove(s->m, end_ns + (uint64_t)k, DRAFT_CONTEXT, k, slot->pos + (int)emitted);
		}
		slot->pos += (int)emitted;
		emit(s, k, emitted, end_ns);
	}
}

/* Another thread computes something of its own across the end of the last step. */
static void overlap(struct server *s)
{
	const struct row_step *last = &s->m->recording.steps[s->m->recording.n_steps - 1];
	const uint64_t start_ns = last->start_ns + (last->end_ns - last->start_ns) / 2;
	const size_t first = s->m->recording.n_step_resources - N_METERED;
	int64_t before[N_METERED];
	struct row_step *other;

	for (int i = 0; i < N_METERED; i++) {
		const struct row_step_resource *cut = &s->m->recording.step_resources[first + (size_t)i];

		before[i] = cut->start_value + cut->value / 2;
	}
	s->now_ns += 300 * US;
	burn(s, 350 * US);
	other = maker__step(s->m, OTHER_CONTEXT, start_ns, s->now_ns);
	other->tid = MAKER_TID + 1;
	cut_all(s, before);
	maker__row(s->m, 0, 0, 3, 3);
}

struct server_options server_options__random(uint64_t seed)
{
	uint64_t random = seed;

	return (struct server_options){
		.seed = seed,
		.n_requests = 1 + (int64_t)random_below(&random, 12),
		.n_slots = 1 + (int)random_below(&random, 4),
		.max_prompt = 1 + (int)random_below(&random, 900),
		.max_completion = 1 + (int)random_below(&random, 20),
		.mean_gap_ns = random_below(&random, 2) ? 1000000 : 40000000,
		.percent_cached = (int)random_below(&random, 50),
		.percent_stream = (int)random_below(&random, 101),
		.percent_leaves = (int)random_below(&random, 30),
		.n_draft = random_below(&random, 2) ? (int)random_below(&random, 6) : 0,
		.draft_context = random_below(&random, 2),
		.overlapping_steps = random_below(&random, 2),
		.unexplained_ns = (int64_t)random_below(&random, 2000000) - 1000000,
	};
}

struct server_truth *make_server(struct maker *m, const struct server_options *o)
{
	struct server s = { .m = m, .o = o, .random = o->seed, .now_ns = 1000000000u, .next = 1 };

	maker__init(m);
	if (o->draft_context)
		maker__context(m, DRAFT_CONTEXT, "draft");
	if (o->overlapping_steps)
		maker__context(m, OTHER_CONTEXT, "target");
	maker__meta(m, "start_ns", "1000000000");
	s.truth = calloc((size_t)o->n_requests + 1, sizeof(*s.truth));
	s.queue = calloc((size_t)o->n_requests + 1, sizeof(*s.queue));
	if (!s.truth || !s.queue)
		abort();
	s.next_arrival_ns = s.now_ns + random_below(&s.random, o->mean_gap_ns + 1);
	while (s.n_done < o->n_requests) {
		bool busy = false;

		fill_slots(&s);
		for (int k = 0; k < o->n_slots; k++)
			busy |= s.slots[k].request != 0;
		if (!busy) {
			s.now_ns = s.next_arrival_ns;
			sample(&s);
			continue;
		}
		s.now_ns += 30 * US;
		burn(&s, 20 * US);
		step(&s);
		if (o->overlapping_steps && random_below(&s.random, 8) == 0)
			overlap(&s);
		if (random_below(&s.random, 16) == 0)
			sample(&s);
		s.now_ns += 200 * US + random_below(&s.random, 100 * US);
		burn(&s, 150 * US);
	}
	sample(&s);
	for (int i = 0; i < N_METERED; i++)
		maker__total(m, metered[i], s.meters[i] + (i == 0 ? o->unexplained_ns : 0), "schedstat");
	free(s.queue);
	maker__finish(m);
	return s.truth;
}
