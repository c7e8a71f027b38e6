/* SPDX-License-Identifier: Apache-2.0 */
/* Billed tokens priced by the calibrated cost model against measured CPU time: the check that believes nothing the server says. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "userspace/analysis/array.h"
#include "userspace/verify/beyond.h"
#include "userspace/verify/compute.h"

#define RULE                                                                                                           \
	"CPU time measured in its steps >= what its billed tokens need by the calibrated cost model, less the 95 % "   \
	"interval"
#define BUSY 0.1	/* of the prices, from where on a note says so */

struct need {
	double recorded, billed;	/* ns */
	double per_token;		/* of completion; 0 not known */
	struct span measured;
	struct compute_scope scope;
	enum backing backing;
};

static struct token_prices find_rates(const struct verify_input *in)
{
	const struct books *b = in->books;
	double prompt = 0, completion = 0, n_prompt = 0, n_completion = 0;

	for (size_t i = 0; i < in->recording->n_requests; i++) {
		const struct compute_request *q = &b->compute->requests[i];
		const struct request_count *n = &b->counts[i];

		if (q->unpriced || q->prompt + q->completion == 0 || n->prompt == ABSENT || n->completion.low == ABSENT)
			continue;
		prompt += q->prompt;
		n_prompt += (double)(n->prompt - n->cached);
		completion += q->completion;
		n_completion += n->completion.high > 1 ? (double)(n->completion.high - 1) : 0;
	}
	return (struct token_prices){
		.prompt = n_prompt > 0 ? prompt / n_prompt : 0,
		.completion = n_completion > 0 ? completion / n_completion : 0,
	};
}

static struct need find_need(const struct verify_input *in, const struct statement *s, struct token_prices rates)
{
	const struct books *b = in->books;
	struct need need = { .backing = BACKING_OPEN, .scope = compute__statement(b->compute) };
	double n_completion = 0, completion = 0;

	for (size_t i = 0; i < s->n_members; i++) {
		const uint32_t request = b->members[s->first_member + i];
		const struct compute_request *q = &b->compute->requests[request];
		struct span measured;

		if (!compute__measured(b->compute, in, request, &measured))
			return need;
		need.recorded += q->prompt + q->completion;
		need.measured.low += measured.low;
		need.measured.high += measured.high;
		completion += q->completion;
		if (b->counts[request].completion.high != ABSENT && b->counts[request].completion.high > 1)
			n_completion += (double)(b->counts[request].completion.high - 1);
	}
	if (n_completion > 0)
		rates.completion = completion / n_completion;
	need.per_token = rates.completion;
	need.billed = need.recorded + statement__beyond(b, s, rates);
	need.backing = compute__judge(b->compute, need.billed, (double)need.measured.high, need.scope);
	return need;
}

static int64_t whole(double ns)
{
	return ns > 0 && ns < 9e18 ? (int64_t)llround(ns) : 0;
}

static const char *smallest(struct verification *v, const struct verify_input *in, const struct need *need)
{
	const struct compute *c = in->books->compute;
	const double seen = compute__inflation(c, need->recorded, (double)need->measured.high, need->scope);

	if (seen < 0)
		return "";
	if (need->per_token <= 0)
		return verification__text(v, "; an inflation from %.1f %% on would have been seen", 100 * seen);
	return verification__text(
		v,
		"; an inflation from %.1f %% on, or %.0f more completion tokens, would have been seen "
		"without any count",
		100 * seen, ceil(seen * need->recorded / need->per_token) + (seen > 0 ? 0 : 1));
}

static int put(struct verification *v, const struct verify_input *in, struct check *c, const struct need *need)
{
	const double half = compute__half_width(in->books->compute, need->scope);
	const char *words;

	if (!c)
		return -ENOMEM;
	c->unit = "ns";
	c->rule = RULE;
	c->grade = GRADE_MEASURED;
	c->claimed = verification__integer(v, whole(need->billed));
	c->low = verification__integer(v, need->measured.low);
	c->high = verification__integer(v, need->measured.high);
	c->measured = need->measured.low == need->measured.high ? c->low : NULL;
	if (need->backing == BACKING_SHORT) {
		c->verdict = VERDICT_REFUTED;
		c->text = verification__text(
			v,
			"its billed tokens need %.3f ms +- %.1f %% by the calibrated model; no more than "
			"%.3f ms were measured%s",
			need->billed / 1e6, 100 * half, (double)need->measured.high / 1e6,
			in->books->compute->drifted ?
				", too little even for a machine three times as fast as when it was "
				"calibrated" :
				"");
		return 0;
	}
	words = smallest(v, in, need);
	c->text = verification__text(v, "the measured CPU time has room for its billed tokens (+- %.1f %%)%s",
				     100 * half, words ? words : "");
	return 0;
}

static int check_statement(struct verification *v, const struct verify_input *in, const struct statement *s,
			   const struct need *need)
{
	struct check *c = statement__check(v, "compute.request", s);

	if (c && s->n_members == 1 &&
	    verification__evidence(v, c, in->recording->requests[in->books->members[s->first_member]].id))
		return -ENOMEM;
	return put(v, in, c, need);
}

/* What is billed of times, beyond what was recorded; ns. */
struct beyond {
	double sure;
	double between;	/* of statements that may share: what one has too much of, another may have too little of */
};

static double total(const struct beyond *b)
{
	return b->sure + fmax(b->between, 0);
}

/* All steps of a time together need no sharing, so that the interval is narrower than that of any request. */
static struct need need_of_time(const struct compute *k, double expected, double measured, const struct beyond *b,
				double per_token, struct compute_scope scope)
{
	struct need need = {
		.recorded = expected,
		.billed = expected + total(b),
		.per_token = per_token,
		.measured = { whole(measured), whole(measured) },
		.scope = scope,
	};

	need.backing = compute__judge(k, need.billed, measured, scope);
	return need;
}

static int check_recording(struct verification *v, const struct verify_input *in, const struct beyond *hours,
			   double per_token)
{
	const struct compute *k = in->books->compute;
	struct beyond all = { 0, 0 };
	struct need need;

	for (uint32_t i = 0; i < k->n_hours; i++) {
		all.sure += hours[i].sure;
		all.between += hours[i].between;
	}
	need = need_of_time(k, k->expected, k->measured, &all, per_token, compute__recording(k));
	if (need.backing == BACKING_OPEN)
		return 0;
	return put(v, in, verification__add(v, "compute.recording", "the recording"), &need);
}

/* Statements that may share reach beyond an hour too: what they differ by belongs to the recording alone. */
static int check_hours(struct verification *v, const struct verify_input *in, const struct beyond *hours,
		       double per_token)
{
	const struct compute *k = in->books->compute;

	for (uint32_t i = 0; i < k->n_hours && k->n_hours > 1; i++) {
		const struct beyond sure = { hours[i].sure, 0 };
		const struct need need = need_of_time(k, k->hours[i].expected, k->hours[i].measured, &sure, per_token,
						      compute__of_hour(k, i));

		if (need.backing != BACKING_OPEN && need.billed > 0 &&
		    put(v, in, verification__add(v, "compute.hour", "hour %" PRIu32 " of the recording's steps", i + 1),
			&need))
			return -ENOMEM;
	}
	return 0;
}

static int note_missing(struct verification *v, const struct verify_input *in)
{
	return verification__note(
		       v, "compute.unavailable",
		       "counts are the server's own word: %s. One token more or less than the recorded steps "
		       "have would have been seen; steps that were never computed would not, beyond what "
		       "compute.floor shows",
		       in->books->compute->missing) ?
		       0 :
		       -ENOMEM;
}

/* Where its requests began; those of a line without any are of no hour that would be theirs. */
static struct beyond *hour_of(const struct verify_input *in, struct beyond *hours, const struct statement *s)
{
	const struct books *b = in->books;

	if (!s->n_members)
		return hours;
	return &hours[compute__hour(b->compute, in->recording->requests[b->members[s->first_member]].arrival_ns)];
}

static int note_open(struct verification *v, const struct compute *c, int64_t n_open)
{
	const char *why = "their interval is too wide: a longer calibration on a quiet host narrows it "
			  "(tokprof calibrate --seconds 300)";

	if (c->drifted)
		why = "the machine is no longer as it was calibrated";
	else if (c->waited > BUSY)
		why = verification__text(
			v,
			"other programs kept the server's threads waiting while it was calibrated, so that "
			"%.0f %% of its prices may be spinning: calibrate on a quieter host",
			100 * fmin(c->waited, 1));
	return verification__note(v, "compute.open",
				  "the CPU time of %" PRId64
				  " billed %s cannot be judged: steps are not known, have no "
				  "figure, or %s",
				  n_open, n_open == 1 ? "request or window" : "requests or windows", why) ?
		       0 :
		       -ENOMEM;
}

static int check_statements(struct verification *v, const struct verify_input *in, struct beyond *hours,
			    struct token_prices rates)
{
	const struct books *b = in->books;
	int64_t n_open = 0;

	for (size_t i = 0; i < b->n_statements; i++) {
		const struct statement *s = &b->statements[i];
		const struct need need = find_need(in, s, rates);
		const bool recorded = statement__is_recorded(b, s), shares = statement__may_share(b, in, s);

		if (recorded && shares)
			hour_of(in, hours, s)->between += statement__difference(b, s, rates);
		else
			hour_of(in, hours, s)->sure += recorded ? statement__beyond(b, s, rates) : 0;
		/* Of a request of which it is open which generation is its, the widest of them has been taken; no more is known. */
		if (!recorded || s->excuse || need.backing == BACKING_OPEN || (shares && need.billed > need.recorded))
			n_open++;
		else if (check_statement(v, in, s, &need))
			return -ENOMEM;
	}
	return n_open ? note_open(v, b->compute, n_open) : 0;
}

static int run(struct verification *v, const struct verify_input *in)
{
	const struct books *b = in->books;
	struct token_prices rates;
	struct beyond *hours;
	int err;

	if (b->compute->missing)
		return in->is_last ? note_missing(v, in) : 0;
	rates = find_rates(in);
	hours = array__zeroed(b->compute->n_hours, sizeof(*hours));
	if (!hours)
		return -ENOMEM;
	err = check_statements(v, in, hours, rates);
	if (!err)
		err = check_hours(v, in, hours, rates.completion);
	if (!err)
		err = check_recording(v, in, hours, rates.completion);
	free(hours);
	return err;
}

extern const struct check_kind check_compute;
const struct check_kind check_compute = {
	.name = "compute",
	.doc = "billed tokens priced by the calibrated cost model against measured CPU time",
	.needs_recording = true,
	.by_request = true,
	.run = run,
};
