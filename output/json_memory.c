/* SPDX-License-Identifier: Apache-2.0 */
#include "output/json_memory.h"

#include <math.h>

#include "output/facts.h"
#include "output/figure.h"
#include "userspace/analysis/traffic.h"

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static double to_six_digits(double value)
{
	return round(value * 1e6) / 1e6;
}

static void put_check(struct json_writer *w, const struct traffic_evidence *e)
{
	if (e->check_known_bytes == ABSENT || e->check_bytes == ABSENT || e->check_known_bytes <= 0) {
		json_writer__put_null(w, "self_check");
		return;
	}
	json_writer__put_object(w, "self_check");
	json_writer__put_integer(w, "known_bytes", e->check_known_bytes);
	json_writer__put_integer(w, "seen_bytes", e->check_bytes);
	json_writer__put_number(w, "ratio", to_six_digits((double)e->check_bytes / (double)e->check_known_bytes));
	json_writer__end_object(w);
}

static void put_source(struct json_writer *w, const struct traffic_evidence *e)
{
	json_writer__begin_object(w);
	json_writer__put_string(w, "name", e->name);
	json_writer__put_string(w, "grade", grade__name(e->grade));
	json_writer__put_bool(w, "used", e->used);
	json_writer__put_optional(w, "bytes", e->bytes);
	json_writer__put_optional(w, "low", e->low);
	json_writer__put_optional(w, "high", e->high);
	json_writer__put_number(w, "ratio", to_six_digits(e->ratio));
	json_writer__put_number(w, "idle_bytes_per_s", round(e->idle_bytes_per_s));
	put_check(w, e);
	json_writer__put_string(w, "source", or_null(e->source));
	json_writer__put_string(w, "reason", or_null(e->reason));
	json_writer__put_string(w, "remedy", or_null(e->remedy));
	json_writer__end_object(w);
}

void json_memory__put_sources(struct json_writer *w, const struct ledger *l)
{
	json_writer__put_array(w, "memory");
	for (size_t i = 0; l->traffic && i < l->traffic->n_evidence; i++)
		put_source(w, &l->traffic->evidence[i]);
	json_writer__end_array(w);
}

void json_memory__put_per_token(struct json_writer *w, const struct ledger *l, size_t i)
{
	const struct timeline_request *request = &l->timeline->requests[i];
	const int k = resource__find(l, "mem_bytes");
	const int64_t n = request__later_tokens(request);

	if (k < 0 || !l->resources[k].measured || !request->n_runs) {
		json_writer__put_null(w, "mem_bytes_per_token");
		return;
	}
	json_writer__put_object(w, "mem_bytes_per_token");
	json_writer__put_optional(w, "prompt", figure__each(l->requests[i].prompt_cost[k], request->prompt_tokens));
	json_writer__put_optional(w, "completion", figure__each(l->requests[i].completion_cost[k], n));
	json_writer__end_object(w);
}
