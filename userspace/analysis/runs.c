/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cutting rows into runs.
 *
 * Facts of llama.cpp's server this rests on (seen with bpftrace on xllamacpp 0.2.14, 2026.5.9294 and 2026.10.11549):
 * - A generation begins with seq_rm(slot, p0, -1), p0 the prefix that it keeps; the same prompt again keeps all but one
 *   token, so its prompt is one row that looks like a decode row. Only the seq_rm tells.
 * - The same call comes before every further batch of a long prompt, with p0 where the last batch ended.
 * - After every verify step, the last one of a request included, comes seq_rm(slot, p0, -1) with P < p0 <= P + k + 1,
 *   where P is the row's position: p0 - P tokens were accepted. The draft's own memory gets the same call afterwards.
 * - With n > 1 one slot computes the prompt, then seq_rm(child, -1, -1) and seq_cp(parent, child): the child's first token
 *   is sampled from the parent's output, and its first row, if it has one, is a decode row.
 * - 0.2.14 with n-gram speculation calls seq_rm(slot, pos + 1, -1) after decode rows of one token too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "userspace/analysis/array.h"
#include "userspace/analysis/sequences.h"
#include "userspace/analysis/steps.h"

/* ----------------------------------------------------------------------------------------------- what is known so far --- */

uint32_t cutter__context(struct cutter *c, int id)
{
	if (c->last_context < c->n_contexts && c->contexts[c->last_context].id == id)
		return c->last_context;
	for (size_t i = 0; i < c->n_contexts; i++) {
		if (c->contexts[i].id == id)
			return c->last_context = (uint32_t)i;
	}
	return UINT32_MAX;
}

struct sequence *cutter__sequence(struct cutter *c, uint32_t context, int32_t seq)
{
	struct seq_context *x = &c->contexts[context];
	struct sequence *moved;

	if ((size_t)seq < x->n_sequences)
		return &x->sequences[seq];
	moved = array__reserve(x->sequences, &x->capacity, (size_t)seq + 1, sizeof(*moved));
	if (!moved)
		return NULL;
	x->sequences = moved;
	while (x->n_sequences <= (size_t)seq) {
		x->sequences[x->n_sequences++] = (struct sequence){
			.run = RUN_NONE,
			.copied_from = RUN_NONE,
			.verify_row = ROW_NONE,
		};
	}
	return &x->sequences[seq];
}

/* Contexts that steps name but the recording does not describe get a place too: their rows are as good. */
static int add_contexts(struct cutter *c)
{
	const struct recording *r = c->t->recording;
	size_t capacity = 0;

	for (size_t i = 0; i < r->n_contexts + r->n_steps; i++) {
		const bool described = i < r->n_contexts;
		const int id = described ? r->contexts[i].id : r->steps[i - r->n_contexts].context;
		struct seq_context *moved;

		if (cutter__context(c, id) != UINT32_MAX)
			continue;
		moved = array__reserve(c->contexts, &capacity, c->n_contexts + 1, sizeof(*moved));
		if (!moved)
			return -ENOMEM;
		c->contexts = moved;
		c->contexts[c->n_contexts++] = (struct seq_context){
			.id = id,
			.pid = described ? r->contexts[i].pid : 0,
			.draft = described && context__is_draft(r, id),
		};
	}
	for (size_t i = 0; i < r->n_steps; i++) {
		if (r->steps[i].flags & STEP_DRAFT)
			c->contexts[cutter__context(c, r->steps[i].context)].draft = true;
	}
	return 0;
}

static struct timeline_run *run_of(struct cutter *c, const struct sequence *s)
{
	return s->run == RUN_NONE ? NULL : &c->t->runs[s->run];
}

/* The run will see no more rows of this sequence. */
static void end_run(struct cutter *c, struct sequence *s)
{
	struct timeline_run *run = run_of(c, s);

	if (!run)
		return;
	if (s->verify_row != ROW_NONE) {
		run->emitted_proven = false;
		c->details[s->run].n_unproven += (int64_t)c->t->rows[s->verify_row].n_tokens - 1;
	}
	if (s->all_outputs && !s->prompt_done)
		run->embed = true;
	s->verify_row = ROW_NONE;
}

/* What a run is before it has a row. */
struct run_start {
	uint32_t context;	/* index into cutter.contexts */
	int seq, first_pos;
	uint64_t time_ns;
	bool from_start;
	uint32_t copied_from;	/* run; RUN_NONE */
};

/* Ends the sequence's run and begins another, which takes the draft rows that wait for it. */
static int begin_run(struct cutter *c, struct sequence *s, const struct run_start *start)
{
	struct timeline *t = c->t;
	const uint32_t k = (uint32_t)t->n_runs;
	struct timeline_run *runs;
	struct run_detail *details;

	end_run(c, s);
	runs = array__reserve(t->runs, &c->runs_capacity, t->n_runs + 1, sizeof(*runs));
	if (!runs)
		return -ENOMEM;
	t->runs = runs;
	details = array__reserve(c->details, &c->details_capacity, t->n_runs + 1, sizeof(*details));
	if (!details)
		return -ENOMEM;
	c->details = details;

	t->runs[k] = (struct timeline_run){
		.context = c->contexts[start->context].id,
		.seq = start->seq,
		.request = REQUEST_NONE,
		.start_ns = start->time_ns,
		.end_ns = start->time_ns,
		.prompt_cached = start->from_start ? start->first_pos : ABSENT,
		.from_start = start->from_start,
		.emitted_proven = true,
	};
	c->details[k] = (struct run_detail){
		.last_row = ROW_NONE,
		.copied_from = start->copied_from,
		.pid = c->contexts[start->context].pid,
	};
	t->n_runs++;
	for (size_t i = 0; i < s->n_waiting; i++)
		t->rows[s->waiting[i]].run = k;
	s->n_waiting = 0;
	s->run = k;
	s->prompt_done = s->boundary == BOUNDARY_COPY;
	s->boundary = BOUNDARY_NONE;
	s->copied_from = RUN_NONE;
	s->next_pos = start->first_pos;
	s->all_outputs = s->after_decode_row = s->advanced = false;
	return 0;
}

/*
 * Two tokens were sampled from one output: the parent's and the child's first. The output as it was at the copy: the
 * parent's next row may stand before the child's first one in the same step.
 */
static void share_output(struct cutter *c, uint32_t run, uint32_t row, uint64_t output_ns)
{
	c->t->rows[row].n_emitted++;
	c->t->runs[run].n_sampled = 1;
	c->t->runs[run].first_output_ns = c->t->runs[run].last_output_ns = output_ns;
	c->details[run].generates = true;
}

/* ------------------------------------------------------------------------------------------------------ memory events --- */

/* A speculative row's advance was seen: of its outputs, `emitted` became tokens. One was counted when the row came. */
static void resolve_verify(struct cutter *c, struct sequence *s, int64_t emitted)
{
	struct timeline_row *row = &c->t->rows[s->verify_row];
	struct timeline_run *run = run_of(c, s);

	row->n_emitted = (uint32_t)emitted;
	run->n_sampled += emitted - 1;
	run->n_draft_rejected += (int64_t)row->n_tokens - emitted;
	s->next_pos = (int32_t)(row->first_pos + emitted);
	s->verify_row = ROW_NONE;
}

/* What a call on the memory is about, beside the sequence. */
struct removal {
	int32_t p0, p1;
	bool sure;		/* it is this context's memory */
	bool calls_after_rows;
	const struct row_memory *event;
};

static int note_resumption(struct cutter *c, const struct sequence *s, const struct row_memory *event)
{
	const uint32_t index = (uint32_t)(event - c->t->recording->memories);
	struct resumption *moved;

	moved = array__reserve(c->resumptions, &c->resumptions_capacity, c->n_resumptions + 1, sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	c->resumptions = moved;
	c->resumptions[c->n_resumptions++] = (struct resumption){ s->run, index, event->time_ns };
	return 0;
}

static int remove_tail(struct cutter *c, struct sequence *s, const struct removal *call)
{
	const int32_t p0 = call->p0 < 0 ? 0 : call->p0;
	const bool in_run = s->run != RUN_NONE && s->boundary == BOUNDARY_NONE;
	const bool in_place = in_run && p0 == s->next_pos;

	/* A hole in the middle is a context shift; the seq_add that follows moves the rest. */
	if (call->p1 >= 0 && (s->run == RUN_NONE || call->p1 < s->next_pos))
		return 0;
	if (in_run && s->verify_row != ROW_NONE) {
		const struct timeline_row *row = &c->t->rows[s->verify_row];
		const int64_t emitted = (int64_t)p0 - row->first_pos;

		if (emitted > 0 && emitted <= row->n_tokens) {
			resolve_verify(c, s, emitted);
			return 0;
		}
	}
	if (in_place && !s->prompt_done && !s->all_outputs &&
	    !(c->new_run && c->new_run[call->event - c->t->recording->memories]))
		return note_resumption(c, s, call->event);
	if (in_place && call->calls_after_rows && s->after_decode_row && !s->advanced) {
		s->advanced = true;
		return 0;
	}
	if (!call->sure && s->boundary >= BOUNDARY_SURE)
		return 0;
	s->boundary = call->sure ? BOUNDARY_SURE : BOUNDARY_WEAK;
	s->boundary_pos = p0;
	return 0;
}

/*
 * A prompt whose last row has just come, copied whole, is a further choice (n > 1): its first token is sampled from the
 * parent's output, and where that ends it the child has no row at all.
 */
static bool is_choice(const struct cutter *c, const struct sequence *from, const struct row_memory *m)
{
	const uint32_t last = from->run == RUN_NONE ? ROW_NONE : c->details[from->run].last_row;

	return last != ROW_NONE && from->prompt_done && from->boundary == BOUNDARY_NONE && m->p0 <= 0 &&
	       (m->p1 < 0 || m->p1 >= from->next_pos) && c->t->rows[last].phase == PHASE_PREFILL;
}

static int copy_sequence(struct cutter *c, uint32_t context, const struct row_memory *m, bool sure)
{
	struct sequence *to = cutter__sequence(c, context, m->seq_dst);
	struct sequence *from = to ? cutter__sequence(c, context, m->seq) : NULL;
	int err;

	if (!from)
		return -ENOMEM;
	to = cutter__sequence(c, context, m->seq_dst);
	to->boundary = BOUNDARY_COPY;
	to->boundary_pos = m->p1 >= 0 ? m->p1 : from->next_pos;
	to->copied_from = from->run;
	to->copied_row = from->run == RUN_NONE ? ROW_NONE : c->details[from->run].last_row;
	to->copied_output_ns = from->run == RUN_NONE ? 0 : c->t->runs[from->run].last_output_ns;
	if (!sure || !is_choice(c, from, m))
		return 0;
	err = begin_run(c, to, &(struct run_start){ context, m->seq_dst, from->next_pos, m->time_ns, true, from->run });
	if (!err)
		share_output(c, to->run, to->copied_row, to->copied_output_ns);
	return err;
}

static int remove_all(struct cutter *c, struct seq_context *x, int32_t kept, const struct removal *call)
{
	int err = 0;

	for (size_t i = 0; i < x->n_sequences && !err; i++)
		err = (int64_t)i == kept ? 0 : remove_tail(c, &x->sequences[i], call);
	return err;
}

static int memory_of_context(struct cutter *c, uint32_t context, const struct row_memory *m, bool sure)
{
	struct seq_context *x = &c->contexts[context];
	const struct removal part = { m->p0, m->p1, sure, x->calls_after_rows, m };
	const struct removal whole = { 0, -1, sure, x->calls_after_rows, m };
	struct sequence *s;

	switch (m->op) {
	case MEMORY_SEQ_RM:
		if (m->seq < 0)
			return remove_all(c, x, -1, &part);
		s = cutter__sequence(c, context, m->seq);
		return s ? remove_tail(c, s, &part) : -ENOMEM;
	case MEMORY_CLEAR:
		return remove_all(c, x, -1, &whole);
	case MEMORY_SEQ_KEEP:
		return remove_all(c, x, m->seq, &whole);
	case MEMORY_SEQ_CP:
		if (m->seq < 0 || m->seq_dst < 0 || m->seq_dst >= MAX_SEQ || m->seq == m->seq_dst)
			return 0;
		return copy_sequence(c, context, m, sure);
	case MEMORY_SEQ_ADD:
		if (m->seq < 0 || (size_t)m->seq >= x->n_sequences)
			return 0;
		s = &x->sequences[m->seq];
		if (s->run != RUN_NONE && s->boundary == BOUNDARY_NONE && s->next_pos > m->p0 &&
		    (m->p1 < 0 || s->next_pos <= m->p1))
			s->next_pos += m->delta;
		return 0;
	default:
		return 0;
	}
}

/* A memory whose context is unknown may be any target's: with one target and no draft it is that one's for sure. */
static int memory_event(struct cutter *c, const struct row_memory *m)
{
	const uint32_t known = m->context ? cutter__context(c, m->context) : UINT32_MAX;

	if (m->seq >= MAX_SEQ)
		return 0;
	if (known != UINT32_MAX)
		return c->contexts[known].draft ? 0 : memory_of_context(c, known, m, true);
	for (size_t i = 0; i < c->n_contexts; i++) {
		int err;

		if (c->contexts[i].draft)
			continue;
		err = memory_of_context(c, (uint32_t)i, m, c->n_contexts == 1);
		if (err)
			return err;
	}
	return 0;
}

/* --------------------------------------------------------------------------------------------------------------- rows --- */

static int begin_run_at_row(struct cutter *c, uint32_t context, struct sequence *s, const struct timeline_row *row,
			    bool from_start)
{
	const uint32_t parent = s->boundary == BOUNDARY_COPY ? s->copied_from : RUN_NONE;
	const struct run_start start = {
		context, row->seq, row->first_pos, c->t->recording->steps[row->step].start_ns, from_start, parent,
	};
	int err = begin_run(c, s, &start);

	if (!err && parent != RUN_NONE && s->copied_row != ROW_NONE)
		share_output(c, s->run, s->copied_row, s->copied_output_ns);
	return err;
}

static bool is_single_output(const struct timeline_row *row)
{
	return row->n_tokens == 1 && row->n_outputs == 1;
}

/* As many outputs as tokens, and several: drafted tokens to verify, or a prompt to embed. */
static bool is_all_outputs(const struct timeline_row *row)
{
	return row->n_tokens > 1 && row->n_outputs == row->n_tokens;
}

/*
 * Models whose memory cannot roll back by part (recurrent layers) restore a checkpoint after a rejection and compute the
 * accepted drafts again: the row stands where the last verify row stood. That row emitted nothing, this one does.
 */
static bool is_redone_verify(const struct cutter *c, const struct sequence *s, const struct timeline_row *row)
{
	const struct timeline_row *verify = s->verify_row == ROW_NONE ? NULL : &c->t->rows[s->verify_row];

	return verify && is_all_outputs(row) && row->first_pos == verify->first_pos &&
	       row->n_tokens <= verify->n_tokens &&
	       (s->boundary == BOUNDARY_NONE || s->boundary_pos == verify->first_pos);
}

static void redo_verify(struct cutter *c, struct sequence *s, struct timeline_row *row)
{
	struct timeline_row *verify = &c->t->rows[s->verify_row];
	struct timeline_run *run = run_of(c, s);

	verify->n_emitted = 0;
	run->n_sampled--;
	run->n_draft_rejected += (int64_t)verify->n_tokens - row->n_tokens;
	run->n_drafted -= (int64_t)row->n_tokens - 1;	/* drafted once, though verified twice */
	s->next_pos = row->first_pos;
	s->boundary = BOUNDARY_NONE;
	s->verify_row = ROW_NONE;
	row->recompute = true;
}

/* Whether the row belongs to the run in flight although nothing or something stood between. */
static bool continues(struct cutter *c, struct sequence *s, const struct timeline_row *row)
{
	if (s->run == RUN_NONE || row->phase == PHASE_ENCODE)
		return false;
	if (s->boundary >= BOUNDARY_SURE)
		return false;
	if (s->verify_row != ROW_NONE) {
		const int64_t emitted = (int64_t)row->first_pos - c->t->rows[s->verify_row].first_pos;

		/* The next row's place proves the advance as well as a rollback would. */
		if (emitted > 0 && emitted <= c->t->rows[s->verify_row].n_tokens)
			resolve_verify(c, s, emitted);
	}
	/* Forward: rows in between were lost. */
	if (row->first_pos < s->next_pos || (s->boundary == BOUNDARY_WEAK && row->first_pos != s->next_pos))
		return false;
	if (s->prompt_done && !is_single_output(row) && !is_all_outputs(row))
		return false;
	s->boundary = BOUNDARY_NONE;
	return true;
}

static void take_prompt_row(struct timeline_run *run, struct sequence *s, struct timeline_row *row)
{
	row->phase = PHASE_PREFILL;
	run->prompt_computed += row->n_tokens;
	if (is_all_outputs(row)) {
		s->all_outputs = true;
	} else if (row->n_outputs) {
		s->prompt_done = true;
		row->n_emitted = 1;
		run->n_sampled++;
	}
}

static void take_generated_row(struct cutter *c, struct timeline_run *run, struct sequence *s, uint32_t index)
{
	struct timeline_row *row = &c->t->rows[index];

	row->n_emitted = 1;
	run->n_sampled++;
	c->details[s->run].generates = true;
	s->after_decode_row = row->n_tokens == 1;
	if (row->n_tokens == 1) {
		row->phase = PHASE_DECODE;
		return;
	}
	row->phase = PHASE_VERIFY;
	run->n_drafted += (int64_t)row->n_tokens - 1;
	s->verify_row = index;
}

/* Every position of the prompt had an output, and yet the run generates: the last of them was a token. */
static void end_prompt_of_outputs(struct cutter *c, struct timeline_run *run, struct sequence *s)
{
	const uint32_t last = c->details[s->run].last_row;

	if (!s->all_outputs || last == ROW_NONE || c->t->rows[last].phase == PHASE_ENCODE)
		return;
	c->t->rows[last].n_emitted = 1;
	run->n_sampled++;
	s->prompt_done = true;
}

static void take_row(struct cutter *c, struct sequence *s, uint32_t index)
{
	struct timeline_row *row = &c->t->rows[index];
	struct timeline_run *run = run_of(c, s);
	const uint64_t end_ns = c->t->recording->steps[row->step].end_ns;

	row->run = s->run;
	s->advanced = false;
	s->after_decode_row = false;
	if (end_ns > run->end_ns)
		run->end_ns = end_ns;
	if (!row->counted) {
		if (row->phase != PHASE_ENCODE)
			row->phase = !s->prompt_done ? PHASE_PREFILL : row->n_tokens > 1 ? PHASE_VERIFY : PHASE_DECODE;
		return;
	}
	if (row->phase == PHASE_ENCODE) {
		/* An encoder's positions are not the decoder's: the next row may begin at 0. */
		run->prompt_computed += row->n_tokens;
		s->all_outputs = row->n_outputs > 0;
	} else {
		if (!s->prompt_done && row->n_tokens == 1)
			end_prompt_of_outputs(c, run, s);
		if (s->prompt_done)
			take_generated_row(c, run, s, index);
		else
			take_prompt_row(run, s, row);
		s->next_pos = (int32_t)((int64_t)row->first_pos + row->n_tokens);
	}
	if (row->n_outputs) {
		c->details[s->run].last_row = index;
		if (!run->first_output_ns)
			run->first_output_ns = end_ns;
		run->last_output_ns = end_ns;
	}
}

static int target_row(struct cutter *c, uint32_t context, uint32_t index)
{
	struct timeline_row *row = &c->t->rows[index];
	struct sequence *s = cutter__sequence(c, context, row->seq);
	int err = 0;

	if (!s)
		return -ENOMEM;
	if (is_redone_verify(c, s, row) && row->counted) {
		redo_verify(c, s, row);
	} else if (!continues(c, s, row)) {
		const bool known = s->boundary >= BOUNDARY_SURE || row->phase == PHASE_ENCODE;
		const bool attached_late = !known && s->run == RUN_NONE && row->first_pos > 0;

		err = begin_run_at_row(c, context, s, row, known || row->first_pos == 0 || !attached_late);
		if (err)
			return err;
		if (attached_late && (is_single_output(row) || is_all_outputs(row)))
			s->prompt_done = true;
	}
	take_row(c, s, index);
	return 0;
}

static int step_rows(struct cutter *c, uint32_t step)
{
	struct timeline *t = c->t;
	const uint32_t context = cutter__context(c, t->recording->steps[step].context);

	for (uint32_t i = t->step_first_row[step]; i < t->step_first_row[step + 1]; i++) {
		int err;

		if (t->rows[i].seq < 0 || t->rows[i].seq >= MAX_SEQ)
			continue;
		err = t->rows[i].phase == PHASE_DRAFT ? drafts__row(c, context, i) : target_row(c, context, i);
		if (err)
			return err;
	}
	return 0;
}

/* --------------------------------------------------------------------------------------------------------- the walk --- */

static void cutter__free(struct cutter *c)
{
	for (size_t i = 0; i < c->n_contexts; i++) {
		for (size_t k = 0; k < c->contexts[i].n_sequences; k++)
			free(c->contexts[i].sequences[k].waiting);
		free(c->contexts[i].sequences);
	}
	free(c->contexts);
}

/* What the last row of a sequence was, for find_calls_after_rows. */
struct last_row {
	int32_t next_pos;
	bool single, called;
};

/*
 * Between decode rows of one token, one after the other, does the engine call its memory? Within a generation always or
 * never, so the majority tells; a generation that begins where the last one ended is the exception.
 */
static int find_calls_after_rows(struct cutter *c)
{
	const struct timeline *t = c->t;
	const struct recording *r = t->recording;
	struct last_row *last = array__zeroed(MAX_SEQ, sizeof(*last));

	if (!last)
		return -ENOMEM;
	for (uint32_t k = 0; k < c->n_contexts; k++) {
		int64_t n_with = 0, n_without = 0;
		size_t memory = 0;

		if (c->contexts[k].draft || r->n_memories == 0)
			continue;
		memset(last, 0, MAX_SEQ * sizeof(*last));
		for (size_t i = 0; i < t->n_rows; i++) {
			const struct timeline_row *row = &t->rows[i];
			const struct row_step *step = &r->steps[row->step];

			for (; memory < r->n_memories && r->memories[memory].time_ns <= step->start_ns; memory++) {
				const struct row_memory *m = &r->memories[memory];

				if (m->op == MEMORY_SEQ_RM && m->context == c->contexts[k].id && m->seq >= 0 &&
				    m->seq < MAX_SEQ && m->p1 < 0)
					last[m->seq].called |= m->p0 == last[m->seq].next_pos;
			}
			if (step->context != c->contexts[k].id || row->seq < 0 || row->seq >= MAX_SEQ || !row->counted)
				continue;
			if (last[row->seq].single && is_single_output(row) &&
			    row->first_pos == last[row->seq].next_pos) {
				n_with += last[row->seq].called;
				n_without += !last[row->seq].called;
			}
			last[row->seq] = (struct last_row){ (int32_t)((int64_t)row->first_pos + row->n_tokens),
							    is_single_output(row), false };
		}
		c->contexts[k].calls_after_rows = n_with > n_without;
	}
	free(last);
	return 0;
}

/* Which rows are each run's: a counting sort. */
static int index_rows(struct run_table *table, const struct timeline *t)
{
	uint32_t first = 0;

	if (!table->details)
		table->details = array__zeroed(1, sizeof(*table->details));
	if (!table->rows)
		table->rows = array__zeroed(t->n_rows, sizeof(*table->rows));
	if (!table->details || !table->rows)
		return -ENOMEM;
	for (size_t k = 0; k < t->n_runs; k++)
		table->details[k].n_rows = 0;
	for (size_t i = 0; i < t->n_rows; i++) {
		if (t->rows[i].run != RUN_NONE)
			table->details[t->rows[i].run].n_rows++;
	}
	for (size_t k = 0; k < t->n_runs; k++) {
		table->details[k].first_row = first;
		first += table->details[k].n_rows;
		table->details[k].n_rows = 0;
	}
	for (size_t i = 0; i < t->n_rows; i++) {
		if (t->rows[i].run != RUN_NONE) {
			struct run_detail *d = &table->details[t->rows[i].run];

			table->rows[d->first_row + d->n_rows++] = (uint32_t)i;
		}
	}
	return 0;
}

int runs__cut(struct timeline *t, struct run_table *table)
{
	const struct recording *r = t->recording;
	struct cutter c = { .t = t, .new_run = table->new_run };
	size_t memory = 0;
	int err = add_contexts(&c);

	if (err)
		goto out;
	drafts__prepare(&c);
	err = find_calls_after_rows(&c);
	if (err)
		goto out;
	/* A server calls its memory between steps, so an event belongs before the first step that begins at or after it. */
	for (uint32_t step = 0; step < r->n_steps; step++) {
		for (; memory < r->n_memories && r->memories[memory].time_ns <= r->steps[step].start_ns; memory++) {
			err = memory_event(&c, &r->memories[memory]);
			if (err)
				goto out;
		}
		err = step_rows(&c, step);
		if (err)
			goto out;
	}
	/* The last rollback of every sequence may come after the last step. */
	for (; memory < r->n_memories; memory++) {
		err = memory_event(&c, &r->memories[memory]);
		if (err)
			goto out;
	}
	for (size_t i = 0; i < c.n_contexts; i++) {
		for (size_t k = 0; k < c.contexts[i].n_sequences; k++)
			end_run(&c, &c.contexts[i].sequences[k]);
	}
	for (size_t k = 0; k < t->n_runs; k++) {
		if (t->runs[k].embed)
			t->runs[k].n_sampled = 0;
	}
out:
	table->details = c.details;
	table->resumptions = c.resumptions;
	table->n_resumptions = c.n_resumptions;
	cutter__free(&c);
	return err ? err : index_rows(table, t);
}

void run_table__free(struct run_table *table)
{
	free(table->details);
	free(table->rows);
	free(table->resumptions);
	free(table->new_run);
	memset(table, 0, sizeof(*table));
}
