/* SPDX-License-Identifier: Apache-2.0 */
/* Billed tokens priced by the calibrated cost model against measured CPU time: the check that believes nothing the server says. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "userspace/verify/compute.h"

#define RULE                                                                                                           \
	"CPU time measured in its steps >= what its billed tokens need by the calibrated cost model, less the 95 % "   \
	"interval"
#define STEPS_MISSING                                                                                                  \
	(INCOMPLETE_LOSS | INCOMPLETE_BEFORE_ATTACH | INCOMPLETE_AT_END | INCOMPLETE_ROWS | INCOMPLETE_UNMATCHED |     \
	 INCOMPLETE_UNWATCHED)

/* Of the whole recording: what one more token needs, for tokens that no step computed. */
struct rates {
	double prompt, completion;	/* ns; 0: not known */
};

struct need {
	double recorded, billed;	/* ns */
	double per_token;		/* of completion; 0 not known */
	struct span measured;
	bool whole;
	enum backing backing;
};

static struct rates find_rates(const struct verify_input *in)
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
	return (struct rates){
		.prompt = n_prompt > 0 ? prompt / n_prompt : 0,
		.completion = n_completion > 0 ? completion / n_completion : 0,
	};
}

/* What is billed beyond what was recorded, in ns. */
static double extra(const struct books *b, const struct statement *s, struct rates rates)
{
	const struct span completion = statement__completion(b, s);
	const int64_t prompt = statement__prompt(b, s), cached = statement__cached(b, s);
	double tokens, ns = 0;

	if (s->completion != ABSENT && completion.high != ABSENT && s->completion > completion.high)
		ns += (double)(s->completion - completion.high) * rates.completion;
	if (s->prompt == ABSENT || prompt == ABSENT)
		return ns;
	tokens = (double)(s->prompt - prompt);
	if (s->cached != ABSENT && cached != ABSENT)
		tokens += (double)(cached - s->cached);
	return tokens > 0 ? ns + tokens * rates.prompt : ns;
}

/* Tokens of a time that was not recorded, or whose steps were lost, need no compute that was. */
static bool is_recorded(const struct books *b, const struct statement *s)
{
	for (size_t i = 0; i < s->n_members; i++)
		if (b->counts[b->members[s->first_member + i]].incomplete & STEPS_MISSING)
			return false;
	return !s->open;
}

/* The same, below 0 where less is billed: what one window has too much of the next one may have too little of. */
static double difference(const struct books *b, const struct statement *s, struct rates rates)
{
	const struct span completion = statement__completion(b, s);
	const int64_t prompt = statement__prompt(b, s);
	double ns = extra(b, s, rates);

	if (s->completion != ABSENT && completion.low != ABSENT && s->completion < completion.low)
		ns -= (double)(completion.low - s->completion) * rates.completion;
	if (s->prompt != ABSENT && prompt != ABSENT && s->prompt < prompt)
		ns -= (double)(prompt - s->prompt) * rates.prompt;
	return ns;
}

static struct need find_need(const struct verify_input *in, const struct statement *s, struct rates rates)
{
	const struct books *b = in->books;
	struct need need = { .backing = BACKING_OPEN };
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
	need.billed = need.recorded + extra(b, s, rates);
	need.backing = compute__judge(b->compute, need.billed, (double)need.measured.high, false);
	return need;
}

static int64_t whole(double ns)
{
	return ns > 0 && ns < 9e18 ? (int64_t)llround(ns) : 0;
}

static const char *smallest(struct verification *v, const struct verify_input *in, const struct need *need)
{
	const struct compute *c = in->books->compute;
	const double seen = compute__inflation(c, need->recorded, (double)need->measured.high, need->whole);

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

static int put(struct verification *v, const struct verify_input *in, struct check *c, const struct need *need,
	       double half)
{
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
	return put(v, in, c, need, compute__half_width(in->books->compute, false));
}

/* All steps together need no sharing, so that the interval is narrower than that of any request. */
static int check_recording(struct verification *v, const struct verify_input *in, double billed_beyond,
			   double per_token)
{
	const struct compute *k = in->books->compute;
	struct need need = {
		.recorded = k->expected,
		.billed = k->expected + billed_beyond,
		.per_token = per_token,
		.measured = { whole(k->measured), whole(k->measured) },
		.whole = true,
	};

	need.backing = compute__judge(k, need.billed, k->measured, true);
	if (need.backing == BACKING_OPEN)
		return 0;
	return put(v, in, verification__add(v, "compute.recording", "the recording"), &need,
		   compute__half_width(k, true));
}

static int note_missing(struct verification *v, const struct verify_input *in)
{
	return verification__note(
		       v, "compute.unavailable",
		       "counts are the server's own word: %s. One token more or less than the recorded steps "
		       "have would have been seen; steps that were never computed would not",
		       in->books->compute->missing) ?
		       0 :
		       -ENOMEM;
}

static int run(struct verification *v, const struct verify_input *in)
{
	const struct books *b = in->books;
	double beyond = 0, between = 0;
	struct rates rates;
	int64_t n_open = 0;

	if (b->compute->missing)
		return in->is_last ? note_missing(v, in) : 0;
	rates = find_rates(in);
	for (size_t i = 0; i < b->n_statements; i++) {
		const struct statement *s = &b->statements[i];
		const struct need need = find_need(in, s, rates);
		const bool recorded = is_recorded(b, s);

		if (recorded && s->excuse)
			between += difference(b, s, rates);
		else
			beyond += recorded ? extra(b, s, rates) : 0;
		if (!recorded || s->excuse || need.backing == BACKING_OPEN)
			n_open++;
		else if (check_statement(v, in, s, &need))
			return -ENOMEM;
	}
	if (n_open &&
	    !verification__note(v, "compute.open",
				"the CPU time of %" PRId64 " billed requests or windows cannot be judged: their steps "
				"are not known, have no figure, or %s",
				n_open,
				b->compute->drifted ? "the machine is no longer as it was calibrated" :
						      "their interval is too wide"))
		return -ENOMEM;
	return check_recording(v, in, beyond + fmax(between, 0), rates.completion);
}

extern const struct check_kind check_compute;
const struct check_kind check_compute = {
	.name = "compute",
	.doc = "billed tokens priced by the calibrated cost model against measured CPU time",
	.needs_recording = true,
	.by_request = true,
	.run = run,
};
