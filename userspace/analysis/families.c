/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/evidence.h"

static uint32_t root_of(const struct run_table *table, uint32_t run)
{
	/* Copies are younger than what they were copied from. */
	while (table->details[run].copied_from != RUN_NONE)
		run = table->details[run].copied_from;
	return run;
}

static void add_member(struct family *family, const struct timeline *t, const struct timeline_run *run,
		       const struct run_detail *d)
{
	if (d->last_row != ROW_NONE && t->rows[d->last_row].phase == PHASE_VERIFY && t->rows[d->last_row].n_emitted)
		family->n_overshoot += t->rows[d->last_row].n_emitted - 1;
	if (run->first_output_ns && (!family->first_output_ns || run->first_output_ns < family->first_output_ns))
		family->first_output_ns = run->first_output_ns;
	if (run->last_output_ns > family->last_output_ns)
		family->last_output_ns = run->last_output_ns;
	family->prompt_computed += run->prompt_computed;
	family->n_low += run->n_sampled;
	family->n_high += run->n_sampled + d->n_unproven;
	family->generates |= d->generates;
	family->n_members++;
}

static void group_runs(struct families *f, const struct run_table *table)
{
	const struct timeline *t = f->t;
	uint32_t next = 0;

	for (uint32_t i = 0; i < t->n_runs; i++) {
		const struct timeline_run *run = &t->runs[i];
		const uint32_t root = root_of(table, i);

		if (root == i) {
			f->family_of_run[i] = (uint32_t)f->n_families;
			f->families[f->n_families++] = (struct family){
				.parent = i,
				.start_ns = run->start_ns,
				.prompt_cached = run->prompt_cached,
				.from_start = run->from_start,
				.embed = run->embed,
			};
		} else {
			f->family_of_run[i] = f->family_of_run[root];
		}
		add_member(&f->families[f->family_of_run[i]], t, run, &table->details[i]);
	}
	for (size_t k = 0; k < f->n_families; k++) {
		f->families[k].first_member = next;
		next += f->families[k].n_members;
		f->families[k].n_members = 0;
	}
	for (uint32_t i = 0; i < t->n_runs; i++) {
		struct family *family = &f->families[f->family_of_run[i]];

		f->members[family->first_member + family->n_members++] = i;
	}
}

struct ordered {
	uint64_t time_ns;
	uint32_t family;
};

static int compare_ordered(const void *a, const void *b)
{
	const struct ordered *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->family < y->family ? -1 : x->family > y->family;
}

static int order_families(struct families *f)
{
	struct ordered *sorted = array__zeroed(f->n_families, sizeof(*sorted));

	if (!sorted)
		return -ENOMEM;
	for (int last = 0; last < 2; last++) {
		uint32_t *order = last ? f->by_last_output : f->by_first_output;

		for (uint32_t k = 0; k < f->n_families; k++)
			sorted[k] =
				(struct ordered){ last ? f->families[k].last_output_ns : f->families[k].first_output_ns,
						  k };
		qsort(sorted, f->n_families, sizeof(*sorted), compare_ordered);
		for (size_t k = 0; k < f->n_families; k++)
			order[k] = sorted[k].family;
	}
	free(sorted);
	return 0;
}

/* When each token of each run was there. A speculative row whose advance is unknown counts as a whole: at most so many. */
static void list_outputs(struct families *f, const struct run_table *table)
{
	const struct timeline *t = f->t;
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n_runs; i++) {
		const struct run_detail *d = &table->details[i];
		int64_t sum = 0;

		f->first_output[i] = n;
		if (d->copied_from != RUN_NONE && t->runs[i].first_output_ns)
			f->outputs[n++] = (struct output){ t->runs[i].first_output_ns, ++sum };
		for (uint32_t k = d->first_row; k < d->first_row + d->n_rows; k++) {
			const struct timeline_row *row = &t->rows[table->rows[k]];
			const bool unproven = d->n_unproven && table->rows[k] == d->last_row;

			if (row->phase == PHASE_DRAFT || !row->n_emitted)
				continue;
			/* A shared output is the parent's once; its copies have entries of their own. */
			sum += unproven ? row->n_outputs : row->phase == PHASE_VERIFY ? row->n_emitted : 1;
			f->outputs[n++] = (struct output){ t->recording->steps[row->step].end_ns, sum };
		}
	}
	f->first_output[t->n_runs] = n;
}

int families__build(struct families *f, const struct timeline *t, const struct run_table *table)
{
	memset(f, 0, sizeof(*f));
	f->t = t;
	f->families = array__zeroed(t->n_runs, sizeof(*f->families));
	f->members = array__zeroed(t->n_runs, sizeof(*f->members));
	f->family_of_run = array__zeroed(t->n_runs, sizeof(*f->family_of_run));
	f->outputs = array__zeroed(t->n_rows + t->n_runs, sizeof(*f->outputs));
	f->first_output = array__zeroed(t->n_runs + 1, sizeof(*f->first_output));
	f->by_first_output = array__zeroed(t->n_runs, sizeof(*f->by_first_output));
	f->by_last_output = array__zeroed(t->n_runs, sizeof(*f->by_last_output));
	if (!f->by_first_output || !f->by_last_output || !f->families || !f->members || !f->family_of_run ||
	    !f->outputs || !f->first_output)
		return -ENOMEM;
	group_runs(f, table);
	list_outputs(f, table);
	return order_families(f);
}

void families__drop_outputs(struct families *f)
{
	free(f->outputs);
	free(f->first_output);
	f->outputs = NULL;
	f->first_output = NULL;
}

void families__free(struct families *f)
{
	families__drop_outputs(f);
	free(f->families);
	free(f->by_first_output);
	free(f->by_last_output);
	free(f->members);
	free(f->family_of_run);
	memset(f, 0, sizeof(*f));
}
