/* SPDX-License-Identifier: Apache-2.0 */
#include "output/json_ioctl.h"

#include <stdlib.h>

#include "output/facts.h"
#include "userspace/analysis/device_calls.h"

bool json_ioctl__put_figures(struct json_writer *w, const struct ledger *l, const int64_t *figures)
{
	if (!ledger__has_ioctl(l))
		return false;
	json_writer__put_object(w, "ioctl");
	for (int class = 0; class < N_IOCTL_CLASSES; class ++) {
		static const char *const names[N_IOCTL_MEASURES] = { "count", "ns", "failed" };

		json_writer__put_object(w, ioctl_class_names[class]);
		for (int m = 0; m < N_IOCTL_MEASURES; m++) {
			const int k = resource__find(l, ioctl_resource_names[class * N_IOCTL_MEASURES + m]);

			json_writer__put_optional(w, names[m], resource__value(l, k, figures));
		}
		json_writer__end_object(w);
	}
	json_writer__end_object(w);
	return true;
}

void json_ioctl__put_evidence(struct json_writer *w, const struct ledger *l)
{
	const int k = resource__find(l, ioctl_resource_names[IOCTL_COUNT]);
	const struct row_resource *row = k >= 0 ? l->resources[k].row : NULL;

	json_writer__put_object(w, "ioctl");
	json_writer__put_string(w, "grade", grade__name(row ? row->grade : GRADE_UNAVAILABLE));
	json_writer__put_string(w, "source", row ? row->source : NULL);
	json_writer__put_string(w, "reason", row ? row->reason : ioctl__missing(l->timeline->recording));
	json_writer__end_object(w);
}

static void put_call(struct json_writer *w, const struct row_ioctl *row, const struct call_places *places)
{
	json_writer__begin_object(w);
	json_writer__put_integer(w, "pid", row->pid);
	json_writer__put_string(w, "comm", row->comm);
	json_writer__put_string(w, "device", row->device);
	json_writer__put_string(w, "driver", row->driver);
	json_writer__put_string(w, "name", row->name);
	json_writer__put_string(w, "class", row->class);
	json_writer__put_bool(w, "known", row->known);
	json_writer__put_integer(w, "count", row->n);
	json_writer__put_integer(w, "failed", row->failed);
	json_writer__put_integer(w, "ns", row->ns);
	json_writer__put_integer(w, "retries", row->retries);
	json_writer__put_integer(w, "unpaired", row->unpaired);
	json_writer__put_integer(w, "in_step_count", places->in_steps);
	json_writer__put_integer(w, "in_decode_count", places->in_decode);
	json_writer__put_bool(w, "anomaly", places->anomaly);
	json_writer__end_object(w);
}

int json_ioctl__put_calls(struct json_writer *w, const struct ledger *l)
{
	const struct recording *r = l->timeline->recording;
	struct call_places *places;
	int err = device_calls__places(l->timeline, &places);

	if (err)
		return err;
	for (int neighbours = 0; neighbours < 2; neighbours++) {
		json_writer__put_array(w, neighbours ? "neighbours" : "ioctls");
		for (size_t i = 0; i < r->n_ioctls; i++)
			if (r->ioctls[i].neighbour == (neighbours != 0))
				put_call(w, &r->ioctls[i], &places[i]);
		json_writer__end_array(w);
	}
	free(places);
	return 0;
}
