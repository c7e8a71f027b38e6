/* SPDX-License-Identifier: Apache-2.0 */
#include "output/json_kernel.h"

#include "output/facts.h"

void json_kernel__put_figures(struct json_writer *w, const struct ledger *l, const struct kernel_figure *figures)
{
	if (!figures) {
		json_writer__put_null(w, "kernel");
		return;
	}
	json_writer__put_array(w, "kernel");
	for (size_t k = 0; k < l->kernel->n_kinds; k++) {
		if (figures[k].n == 0 && figures[k].ns == 0)
			continue;
		json_writer__begin_object(w);
		json_writer__put_string(w, "name", kernel_work__name(l->kernel, k));
		json_writer__put_string(w, "path", kernel_work__path(l->kernel, k));
		if (k == l->kernel->untold)
			json_writer__put_null(w, "count");
		else
			json_writer__put_integer(w, "count", figures[k].n);
		json_writer__put_integer(w, "ns", figures[k].ns);
		json_writer__end_object(w);
	}
	json_writer__end_array(w);
}

void json_kernel__put_evidence(struct json_writer *w, const struct ledger *l)
{
	char reason[KERNEL_REASON_SIZE];

	json_writer__put_object(w, "kernel");
	json_writer__put_string(w, "grade", grade__name(kernel__grade(l)));
	json_writer__put_string(w, "source", l->kernel ? KERNEL_SOURCE : NULL);
	kernel__reason(l, reason, sizeof(reason));
	json_writer__put_string(w, "reason", reason);
	json_writer__end_object(w);
}

static void put_kind(struct json_writer *w, const struct kernel_work *k, size_t i)
{
	json_writer__begin_object(w);
	json_writer__put_string(w, "name", kernel_work__name(k, i));
	json_writer__put_string(w, "path", kernel_work__path(k, i));
	json_writer__put_optional(w, "count", i == k->untold ? ABSENT : k->totals[i].n);
	json_writer__put_integer(w, "ns", k->totals[i].ns);
	json_writer__put_optional(w, "timed_count", i < k->recording->n_kernel_kinds ? k->timed[i].n : ABSENT);
	json_writer__put_optional(w, "timed_ns", i < k->recording->n_kernel_kinds ? k->timed[i].ns : ABSENT);
	json_writer__put_object(w, "by_phase");
	for (int p = 0; p < N_PHASES; p++) {
		const struct kernel_figure *figure = &k->phases[(size_t)p * k->n_kinds + i];

		json_writer__put_object(w, phase__name((enum phase)p));
		json_writer__put_optional(w, "count", i == k->untold ? ABSENT : figure->n);
		json_writer__put_integer(w, "ns", figure->ns);
		json_writer__end_object(w);
	}
	json_writer__end_object(w);
	json_writer__end_object(w);
}

void json_kernel__put(struct json_writer *w, const struct ledger *l)
{
	const struct kernel_work *k = l->kernel;

	if (!k) {
		json_writer__put_null(w, "kernel");
		return;
	}
	json_writer__put_object(w, "kernel");
	json_writer__put_bool(w, "exact", k->exact);
	json_writer__put_integer(w, "n_bursts", (int64_t)k->recording->n_kernel_bursts);
	json_writer__put_integer(w, "timed_cpu_ns", k->timed_cpu_ns);
	json_writer__put_array(w, "kinds");
	for (size_t i = 0; i < k->n_kinds; i++)
		put_kind(w, k, i);
	json_writer__end_array(w);
	json_writer__end_object(w);
}
