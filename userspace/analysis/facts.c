/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/device_calls.h"
#include "userspace/recording_schema.h"

const struct incomplete_reason incomplete_reasons[N_INCOMPLETE_REASONS] = {
	{ INCOMPLETE_LOSS, "loss", "records were lost in its time" },
	{ INCOMPLETE_BEFORE_ATTACH, "before_attach", "it began before the recorder was attached" },
	{ INCOMPLETE_AT_END, "at_end", "it was still open when the recording ended" },
	{ INCOMPLETE_GAP, "gap", "bytes of its body were not copied" },
	{ INCOMPLETE_PARSE, "parse", "its bytes are no HTTP that could be parsed" },
	{ INCOMPLETE_ROWS, "rows", "which sequence a step computed was not known in its time" },
	{ INCOMPLETE_EMITTED, "emitted", "tokens emitted by a speculative step cannot be proven" },
	{ INCOMPLETE_UNANSWERED, "unanswered", "the server did not answer it, or not to the end" },
	{ INCOMPLETE_UNMATCHED, "unmatched",
	  "generations of the engine in its time could not be told to be its or not" },
	{ INCOMPLETE_UNWATCHED, "unwatched", "no known engine was being watched that could have computed it" },
};

const char *const fixed_by_names[] = {
	[FIXED_BY_ROW] = "row",
	[FIXED_BY_TOKEN] = "token",
	[FIXED_BY_REQUEST] = "request",
	[FIXED_BY_REQUEST + 1] = NULL,
};

int resource__find(const struct ledger *l, const char *name)
{
	for (size_t k = 0; k < l->n_resources; k++)
		if (strcmp(l->resources[k].row->name, name) == 0)
			return (int)k;
	return -1;
}

const char *grade__name(int grade)
{
	switch (grade) {
	case GRADE_MEASURED:
		return "measured";
	case GRADE_DERIVED:
		return "derived";
	case GRADE_SELF_REPORTED:
		return "self_reported";
	default:
		return "unavailable";
	}
}

int64_t resource__value(const struct ledger *l, int k, const int64_t *figures)
{
	return k >= 0 && l->resources[k].measured ? figures[k] : ABSENT;
}

bool resource__is_additive(const struct ledger_resource *resource)
{
	return resource->row->kind == RESOURCE_ADDITIVE;
}

uint64_t recording__start_ns(const struct recording *r)
{
	int64_t start = recording__meta_int(r, META_START_NS);

	if (start == ABSENT)
		start = recording__meta_int(r, META_ORIGIN_MONO_NS);
	return start > 0 ? (uint64_t)start : 0;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t recording__end_ns(const struct recording *r)
{
	int64_t known = recording__meta_int(r, META_END_NS);
	uint64_t end = recording__start_ns(r);

	if (known > 0)
		return later(end, (uint64_t)known);
	for (size_t i = 0; i < r->n_steps; i++)
		end = later(end, r->steps[i].end_ns);
	for (size_t i = 0; i < r->n_requests; i++)
		end = later(end, later(r->requests[i].arrival_ns, r->requests[i].end_ns));
	if (r->n_samples)
		end = later(end, r->samples[r->n_samples - 1].time_ns);
	return end;
}

int64_t recording__start_unix_ns(const struct recording *r)
{
	int64_t origin_unix = recording__meta_int(r, META_ORIGIN_UNIX_NS);
	int64_t origin = recording__meta_int(r, META_ORIGIN_MONO_NS);

	if (origin_unix == ABSENT || origin == ABSENT)
		return ABSENT;
	return origin_unix + ((int64_t)recording__start_ns(r) - origin);
}

int64_t recording__lost(const struct recording *r, const char *collector)
{
	int64_t n = 0;

	for (size_t i = 0; i < r->n_losses; i++)
		if (strcmp(r->losses[i].collector, collector) == 0)
			n += r->losses[i].n;
	return n;
}

static bool is_listed(const struct recording *r, const char *collector)
{
	for (size_t i = 0; i < r->n_collectors; i++)
		if (strcmp(r->collectors[i].name, collector) == 0)
			return strcmp(r->collectors[i].state, "absent") != 0;
	return false;
}

void recording__each_loss(const struct recording *r, void (*each)(void *ctx, const char *collector, int64_t n),
			  void *ctx)
{
	for (size_t i = 0; i < r->n_collectors; i++)
		if (is_listed(r, r->collectors[i].name))
			each(ctx, r->collectors[i].name, recording__lost(r, r->collectors[i].name));
	for (size_t i = 0; i < r->n_losses; i++) {
		const char *name = r->losses[i].collector;
		bool seen = is_listed(r, name);

		for (size_t k = 0; k < i && !seen; k++)
			seen = strcmp(r->losses[k].collector, name) == 0;
		if (!seen)
			each(ctx, name, recording__lost(r, name));
	}
}

const struct row_engine *recording__engine(const struct recording *r)
{
	return r->n_engines ? &r->engines[0] : NULL;
}

const struct row_model *recording__model(const struct recording *r)
{
	const struct row_model *largest = r->n_models ? &r->models[0] : NULL;

	for (size_t i = 1; i < r->n_models; i++)
		if (r->models[i].weight_bytes > largest->weight_bytes)
			largest = &r->models[i];
	return largest;
}

size_t recording__first_chunk(const struct recording *r, int64_t request_id)
{
	size_t low = 0, high = r->n_chunks;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (r->chunks[middle].request < request_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct row_step_resource *recording__find_step_use(const struct recording *r, int64_t step_id, int resource_id)
{
	size_t low = 0, high = r->n_step_resources;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const struct row_step_resource *use = &r->step_resources[middle];

		if (use->step == step_id && use->resource == resource_id)
			return use;
		if (use->step < step_id || (use->step == step_id && use->resource < resource_id))
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

int64_t recording__step_use(const struct recording *r, int64_t step_id, int resource_id)
{
	const struct row_step_resource *use = recording__find_step_use(r, step_id, resource_id);

	return use ? use->value : recording__step_calls(r, step_id, resource_id);
}

const char *recording__context_role(const struct recording *r, int context_id)
{
	for (size_t i = 0; i < r->n_contexts; i++)
		if (r->contexts[i].id == context_id)
			return r->contexts[i].role;
	return NULL;
}

bool request__has_tokens(const struct ledger *l, size_t i)
{
	const struct row_request *row = &l->timeline->recording->requests[i];
	const struct timeline_request *request = &l->timeline->requests[i];

	return request->match != MATCH_NONE || row->n_chunks > 0 || row->first_token_ns != 0 ||
	       row->billed_prompt_tokens != ABSENT || row->billed_completion_tokens != ABSENT;
}

bool request__unmatched(const struct timeline_request *t)
{
	return !t->n_runs && t->completion_tokens == ABSENT;
}

uint32_t request__incomplete(const struct ledger *l, size_t i)
{
	return l->timeline->requests[i].incomplete | l->timeline->recording->requests[i].incomplete;
}

int64_t request__prompt_seen(const struct timeline_request *t)
{
	if (t->prompt_tokens == ABSENT || t->cached_tokens == ABSENT)
		return ABSENT;
	return t->prompt_tokens + t->cached_tokens;
}

static bool differ(int64_t a, int64_t b)
{
	return a != ABSENT && b != ABSENT && a != b;
}

int64_t request__later_tokens(const struct timeline_request *t)
{
	return t->completion_tokens == ABSENT ? ABSENT : t->completion_tokens - (int64_t)t->n_runs;
}

int64_t requests__later_tokens(const struct ledger *l)
{
	int64_t sum = 0;

	for (size_t i = 0; i < l->timeline->recording->n_requests; i++) {
		const int64_t n = request__later_tokens(&l->timeline->requests[i]);

		sum += n > 0 ? n : 0;
	}
	return sum;
}

bool request__prompt_differs(const struct ledger *l, size_t i)
{
	return differ(l->timeline->recording->requests[i].billed_prompt_tokens,
		      request__prompt_seen(&l->timeline->requests[i]));
}

bool request__completion_differs(const struct ledger *l, size_t i)
{
	return differ(l->timeline->recording->requests[i].billed_completion_tokens,
		      l->timeline->requests[i].completion_tokens);
}

bool request__cached_differs(const struct ledger *l, size_t i)
{
	return differ(l->timeline->recording->requests[i].billed_cached_tokens, l->timeline->requests[i].cached_tokens);
}

static int compare_values(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

void sort_values(int64_t *values, size_t n)
{
	if (n > 1)
		qsort(values, n, sizeof(*values), compare_values);
}

int64_t percentile(const int64_t *sorted, size_t n, int percent)
{
	size_t rank = (n * (size_t)percent + 99) / 100;

	if (n == 0)
		return ABSENT;
	return sorted[rank ? rank - 1 : 0];
}

const struct pricing *ledger__main_pricing(const struct ledger *l)
{
	const int k = resource__find(l, "cpu_ns");
	const struct pricing *p = k >= 0 ? &l->pricing[ROLE_TARGET][k] : NULL;

	return p && p->rule ? p : NULL;
}

bool reference_tokens(const struct ledger *l, int64_t cost, int64_t low, int64_t high, struct estimate *out)
{
	const int k = resource__find(l, "cpu_ns");
	struct estimate token;

	if (cost == ABSENT || k < 0 || !l->resources[k].measured || !counterfactual__reference(l, (size_t)k, &token) ||
	    !(token.low > 0))
		return false;
	*out = (struct estimate){ .value = (double)cost / token.value, .low = NAN, .high = NAN };
	if (low == ABSENT || high == ABSENT)
		return true;
	out->low = (double)low / (low < 0 ? token.low : token.high);
	out->high = (double)high / (high < 0 ? token.high : token.low);
	return true;
}

bool request__reference_tokens(const struct ledger *l, size_t i, struct estimate *out)
{
	const struct ledger_request *q = &l->requests[i];
	const int k = resource__find(l, "cpu_ns");

	if (k < 0 || !ledger__has_share(l, i, (size_t)k))
		return false;
	return reference_tokens(l, q->cost[k], q->low ? q->low[k] : ABSENT, q->high ? q->high[k] : ABSENT, out);
}

int64_t pricing__most_context(const struct ledger *l, const struct pricing *p)
{
	const struct fit *fit = p->rule && p->rule->by_model ? p->fit : NULL;

	if (!fit)
		return ABSENT;
	if (fit_range__known(&fit->range) || !fit->origin || strcmp(fit->origin, FIT_ORIGIN_RECORDING) != 0)
		return fit->range.most_context;
	/* Made of this recording by an earlier tokprof. */
	return timeline__most_context(l->timeline);
}

const struct fit *pricing__fit_used(const struct pricing *p)
{
	return p->rule && p->rule->by_fit && p->n_steps ? p->fit : NULL;
}

const struct fit *ledger__role_fit(const struct ledger *l, int role)
{
	const struct fit *fit = NULL;

	for (size_t slot = 0; slot <= PRICING_WALL && !fit; slot++)
		fit = pricing__fit_used(&l->pricing[role][slot]);
	return fit;
}

const struct fit *ledger__fit_used(const struct ledger *l)
{
	const struct fit *fit = NULL;

	for (int role = 0; role < N_ROLES && !fit; role++)
		fit = ledger__role_fit(l, role);
	return fit;
}
