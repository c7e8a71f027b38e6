/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For whom does a draft model work? Where one draft context serves all slots, its sequence ids are the target's. llama.cpp
 * up to about b6000 (seen in xllamacpp 0.2.14) makes one draft context per slot instead, and each calls its sequence 0. Such
 * a context is bound to the slot whose positions it follows: its first row ends exactly where the target's prompt ends.
 */
#include <errno.h>
#include <stdlib.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/sequences.h"

/* A draft runs ahead of its target by at most this many tokens (llama.cpp allows 16 by default, users more). */
#define MAX_AHEAD 256

void drafts__prepare(struct cutter *c)
{
	const struct timeline *t = c->t;
	const struct recording *r = t->recording;

	for (size_t i = 0; i < c->n_contexts; i++)
		c->contexts[i].per_slot = c->contexts[i].draft;
	for (size_t i = 0; i < t->n_rows; i++) {
		const struct timeline_row *row = &t->rows[i];
		const uint32_t k = cutter__context(c, r->steps[row->step].context);

		if (k != UINT32_MAX && row->phase == PHASE_DRAFT && row->seq != 0)
			c->contexts[k].per_slot = false;
	}
	/* A lone draft context that knows only sequence 0 is a shared one whenever the target has a sequence 0 too. */
	for (size_t i = 0; i < c->n_contexts; i++) {
		struct seq_context *draft = &c->contexts[i];
		size_t n_drafts = 0;

		if (!draft->per_slot)
			continue;
		for (size_t k = 0; k < c->n_contexts; k++)
			n_drafts += c->contexts[k].draft && c->contexts[k].pid == draft->pid;
		if (n_drafts > 1)
			continue;
		for (size_t k = 0; k < t->n_rows && draft->per_slot; k++) {
			const struct timeline_row *row = &t->rows[k];
			const uint32_t target = cutter__context(c, r->steps[row->step].context);

			if (target != UINT32_MAX && row->phase != PHASE_DRAFT && row->seq == 0 &&
			    c->contexts[target].pid == draft->pid)
				draft->per_slot = false;
		}
	}
}

static bool is_bound(const struct cutter *c, uint32_t context, int32_t seq)
{
	for (size_t i = 0; i < c->n_contexts; i++) {
		const struct seq_context *other = &c->contexts[i];

		if (other->bound && other->bound_context == context && other->bound_seq == seq)
			return true;
	}
	return false;
}

/* The free sequence of the target whose next position is nearest to the row's end; ties to the lowest. */
static struct sequence *nearest(struct cutter *c, struct seq_context *draft, const struct timeline_row *row)
{
	const int64_t end = (int64_t)row->first_pos + row->n_tokens;
	struct sequence *best = NULL;
	int64_t best_distance = MAX_AHEAD + 1;

	for (size_t i = 0; i < c->n_contexts; i++) {
		struct seq_context *target = &c->contexts[i];

		if (target->draft || target->pid != draft->pid)
			continue;
		for (size_t k = 0; k < target->n_sequences; k++) {
			struct sequence *s = &target->sequences[k];
			const int64_t distance = llabs(end - s->next_pos);

			if (s->run == RUN_NONE || is_bound(c, (uint32_t)i, (int32_t)k) || distance >= best_distance)
				continue;
			best = s;
			best_distance = distance;
			draft->bound_context = (uint32_t)i;
			draft->bound_seq = (int32_t)k;
		}
	}
	if (best && best_distance == 0)
		draft->bound = true;
	return best;
}

static struct sequence *find_target(struct cutter *c, struct seq_context *draft, const struct timeline_row *row)
{
	uint32_t context = UINT32_MAX;

	if (draft->per_slot) {
		if (draft->bound)
			return cutter__sequence(c, draft->bound_context, draft->bound_seq);
		return nearest(c, draft, row);
	}
	for (size_t i = 0; i < c->n_contexts; i++) {
		struct seq_context *target = &c->contexts[i];

		if (target->draft || target->pid != draft->pid)
			continue;
		if (context == UINT32_MAX ||
		    ((size_t)row->seq < target->n_sequences && target->sequences[row->seq].run != RUN_NONE))
			context = (uint32_t)i;
	}
	return context == UINT32_MAX ? NULL : cutter__sequence(c, context, row->seq);
}

int drafts__row(struct cutter *c, uint32_t context, uint32_t index)
{
	struct timeline_row *row = &c->t->rows[index];
	struct sequence *s = find_target(c, &c->contexts[context], row);
	uint32_t *moved;

	if (!s)
		return 0;
	if (s->run != RUN_NONE && s->boundary <= BOUNDARY_WEAK) {
		row->run = s->run;
		return 0;
	}
	moved = array__reserve(s->waiting, &s->waiting_capacity, s->n_waiting + 1, sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	s->waiting = moved;
	s->waiting[s->n_waiting++] = index;
	return 0;
}
