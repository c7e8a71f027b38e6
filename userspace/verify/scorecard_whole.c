/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of the whole recording. */
#include <string.h>

#include "userspace/analysis/facts.h"
#include "userspace/verify/scorecard.h"

#define NS_PER_S INT64_C(1000000000)
#define MILLION INT64_C(1000000)
#define N_SPREAD 20

#define NO_TIME "all of it happened at one moment"
#define ENGINE_LOST "records of the engine were lost: not all tokens were counted"
#define NO_TOKENS "no recorded step put out a token"

void scorecard_figure__miss(struct scorecard_figure *f, const char *why)
{
	f->value = ABSENT;
	f->why = why;
}

/* ------------------------------------------------------------------------------------------------------------ throughput --- */

/* @n @n_unknown: requests that `amount` is of, and that it should be of as well */
static void fill_rate(struct scorecard_figure *f, const struct scorecard_samples *s, int64_t amount, int64_t n_unknown,
		      uint64_t until_ns, enum grade grade)
{
	const int64_t n_open = s->n_by_outcome[OUTCOME_OPEN], n = s->n_by_outcome[OUTCOME_SUCCEEDED];

	f->n = n - n_unknown;
	f->n_left_out = n_unknown + n_open;
	f->at_least = f->n_left_out > 0;
	f->grade = grade;
	if (n == 0)
		scorecard_figure__miss(f, SCORECARD_NONE_SUCCEEDED);
	else if (n == n_unknown)
		scorecard_figure__miss(f, "it is not known of any request for sure");
	else if (until_ns <= s->first_ns)
		scorecard_figure__miss(f, NO_TIME);
	else
		f->value = scorecard__ratio(amount, NS_PER_S * MILLION, (int64_t)(until_ns - s->first_ns));
}

static void fill_sum(struct scorecard_figure *f, const struct scorecard_samples *s, int64_t amount, int64_t n_unknown,
		     enum grade grade)
{
	f->n = s->n_by_outcome[OUTCOME_SUCCEEDED] - n_unknown;
	f->n_left_out = n_unknown + s->n_by_outcome[OUTCOME_OPEN];
	f->at_least = f->n_left_out > 0;
	f->grade = grade;
	f->value = amount;
	if (f->n == 0)
		scorecard_figure__miss(f, f->n_left_out ? "it is not known of any request for sure" :
							  SCORECARD_NONE_SUCCEEDED);
}

static void fill_concurrency(struct scorecard_figure *f, const struct scorecard_samples *s)
{
	fill_rate(f, s, 0, 0, s->last_end_ns, GRADE_MEASURED);
	if (f->value != ABSENT)
		f->value = scorecard__ratio(s->sum_e2e_ns, 1000, (int64_t)(s->last_end_ns - s->first_ns));
}

static void fill_duration(struct scorecard_figure *f, const struct scorecard_samples *s)
{
	fill_sum(f, s, (int64_t)(s->last_content_ns - s->first_ns), 0, GRADE_MEASURED);
}

/* ------------------------------------------------------------------------------------------------------------- stability --- */

/* Tokens that the steps put out which ended in [begin, end). */
int64_t scorecard_samples__emitted(const struct scorecard_samples *s, uint64_t begin_ns, uint64_t end_ns)
{
	const struct timeline *t = s->in->timeline;
	int64_t n = 0;

	for (size_t i = 0; i < t->n_rows; i++) {
		const uint64_t at = s->in->recording->steps[t->rows[i].step].end_ns;

		if (t->rows[i].counted && t->rows[i].phase != PHASE_DRAFT && at >= begin_ns && at < end_ns)
			n += t->rows[i].n_emitted;
	}
	return n;
}

/* Why tokens of steps cannot be counted; NULL: they can. */
const char *scorecard_samples__no_steps(const struct scorecard_samples *s)
{
	if (recording__lost(s->in->recording, "engine"))
		return ENGINE_LOST;
	return s->in->timeline->n_rows ? NULL : "no step was recorded";
}

static uint64_t third(const struct scorecard_samples *s, unsigned int k)
{
	return s->first_ns + (s->last_content_ns - s->first_ns) / 3 * k;
}

static void fill_throughput_thirds(struct scorecard_figure *f, const struct scorecard_samples *s)
{
	const char *why = scorecard_samples__no_steps(s);
	int64_t first;

	f->grade = s->tokens;
	f->n = s->n_by_outcome[OUTCOME_SUCCEEDED];
	if (f->n == 0 || why) {
		scorecard_figure__miss(f, why ? why : SCORECARD_NONE_SUCCEEDED);
		return;
	}
	first = scorecard_samples__emitted(s, third(s, 0), third(s, 1));
	if (first == 0)
		scorecard_figure__miss(f, "no token was put out in the first third");
	else
		f->value = scorecard__ratio(scorecard_samples__emitted(s, third(s, 2), third(s, 3)), 1000, first);
}

/* The median of requests that arrived in [begin, end). */
static int64_t median_between(const struct scorecard_samples *s, enum quantity quantity, uint64_t begin_ns,
			      uint64_t end_ns, int64_t *total)
{
	const struct recording *r = s->in->recording;
	int64_t n = 0;

	for (size_t i = 0; i < r->n_requests; i++) {
		int64_t value;

		if (s->outcomes[i] != OUTCOME_SUCCEEDED || r->requests[i].arrival_ns < begin_ns ||
		    r->requests[i].arrival_ns >= end_ns)
			continue;
		value = scorecard_samples__value(s, quantity, i);
		if (value != ABSENT)
			s->values[n++] = value;
	}
	*total += n;
	sort_values(s->values, (size_t)n);
	return n ? s->values[n / 2] : ABSENT;
}

static void fill_median_thirds(struct scorecard_figure *f, const struct scorecard_samples *s, enum quantity quantity)
{
	int64_t first, last;

	f->grade = scorecard_samples__grade(s, quantity);
	f->n_left_out = s->n_by_outcome[OUTCOME_OPEN];
	first = median_between(s, quantity, third(s, 0), third(s, 1), &f->n);
	last = median_between(s, quantity, third(s, 2), UINT64_MAX, &f->n);
	if (first == ABSENT || last == ABSENT)
		scorecard_figure__miss(f, "no streamed request arrived in the first third, or none in the last");
	else if (first == 0)
		scorecard_figure__miss(f, "it was 0 in the first third");
	else
		f->value = scorecard__ratio(last, 1000, first);
}

static uint64_t square_root(unsigned __int128 value)
{
	unsigned __int128 root = 0;

	for (int bit = 63; bit >= 0; bit--) {
		const unsigned __int128 trial = root | ((unsigned __int128)1 << bit);

		if (trial * trial <= value)
			root = trial;
	}
	return (uint64_t)root;
}

/* In one pass: a recording may have tens of millions of rows. */
static void count_parts(const struct scorecard_samples *s, uint64_t parts[N_SPREAD])
{
	const struct timeline *t = s->in->timeline;
	const uint64_t length = s->last_content_ns - s->first_ns + 1;

	memset(parts, 0, N_SPREAD * sizeof(*parts));
	for (size_t i = 0; i < t->n_rows; i++) {
		const uint64_t at = s->in->recording->steps[t->rows[i].step].end_ns;

		if (t->rows[i].counted && t->rows[i].phase != PHASE_DRAFT && at >= s->first_ns &&
		    at <= s->last_content_ns)
			parts[(unsigned __int128)(at - s->first_ns) * N_SPREAD / length] += t->rows[i].n_emitted;
	}
}

/* Standard deviation over mean of k counts: sqrt(k sum x^2 - (sum x)^2) / sum x. */
static void fill_spread(struct scorecard_figure *f, const struct scorecard_samples *s)
{
	const char *why = scorecard_samples__no_steps(s);
	unsigned __int128 squares = 0, sum = 0;
	uint64_t parts[N_SPREAD];

	f->grade = s->tokens;
	f->n = s->n_by_outcome[OUTCOME_SUCCEEDED];
	if (f->n == 0 || why) {
		scorecard_figure__miss(f, why ? why : SCORECARD_NONE_SUCCEEDED);
		return;
	}
	count_parts(s, parts);
	for (unsigned int i = 0; i < N_SPREAD; i++) {
		sum += parts[i];
		squares += (unsigned __int128)parts[i] * parts[i];
	}
	if (sum == 0)
		scorecard_figure__miss(f, NO_TOKENS);
	else
		f->value = scorecard__ratio((int64_t)square_root((N_SPREAD * squares - sum * sum) * 1000000), 1,
					    (int64_t)sum);
}

/* ----------------------------------------------------------------------------------------------------------- reliability --- */

static void fill_success_rate(struct scorecard_figure *f, const struct scorecard_samples *s)
{
	const int64_t good = s->n_by_outcome[OUTCOME_SUCCEEDED], bad = s->n_by_outcome[OUTCOME_FAILED];

	f->grade = GRADE_MEASURED;
	f->n = good + bad;
	f->n_left_out = s->n_by_outcome[OUTCOME_OPEN];
	if (f->n == 0)
		scorecard_figure__miss(f, "no request for text was seen to succeed or fail");
	else
		f->value = scorecard__ratio(good, 10000, good + bad);
}

void scorecard_figure__count(struct scorecard_figure *f, const struct scorecard_samples *s, int64_t n)
{
	f->grade = GRADE_MEASURED;
	f->value = n;
	f->n_left_out = s->n_by_outcome[OUTCOME_OPEN];
	f->n = (int64_t)s->in->recording->n_requests - f->n_left_out;
	f->at_least = f->n_left_out > 0;
	if (s->in->recording->n_requests == 0)
		scorecard_figure__miss(f, "no request was recorded");
}

/* --------------------------------------------------------------------------------------------------------------- MLPerf --- */

/* LoadGen leaves one sample out: its start is the open end of the time. */
static void fill_completed_samples(struct scorecard_figure *f, const struct scorecard_samples *s)
{
	fill_rate(f, s, s->n_by_outcome[OUTCOME_SUCCEEDED] - 1, 0, s->last_end_ns, GRADE_MEASURED);
}

int scorecard_whole__fill(struct scorecard_figure *f, enum whole whole, const struct scorecard_samples *s,
			  struct strings *texts)
{
	const int64_t *n = s->n_by_outcome;
	const int64_t unknown = s->n_tokens_unknown > s->n_prompt_unknown ? s->n_tokens_unknown : s->n_prompt_unknown;

	switch (whole) {
	case WHOLE_OUTPUT_RATE:
		fill_rate(f, s, s->output_tokens, s->n_tokens_unknown, s->last_content_ns, s->tokens);
		return 0;
	case WHOLE_TOTAL_RATE:
		fill_rate(f, s, s->output_tokens + s->input_tokens, unknown, s->last_content_ns, s->tokens);
		return 0;
	case WHOLE_REQUEST_RATE:
		fill_rate(f, s, n[OUTCOME_SUCCEEDED], 0, s->last_content_ns, GRADE_MEASURED);
		return 0;
	case WHOLE_CONCURRENCY:
		fill_concurrency(f, s);
		return 0;
	case WHOLE_DURATION:
		fill_duration(f, s);
		return 0;
	case WHOLE_OUTPUT_TOKENS:
		fill_sum(f, s, s->output_tokens, s->n_tokens_unknown, s->tokens);
		return 0;
	case WHOLE_INPUT_TOKENS:
		fill_sum(f, s, s->input_tokens, s->n_prompt_unknown, s->tokens);
		return 0;
	case WHOLE_THROUGHPUT_THIRDS:
		fill_throughput_thirds(f, s);
		return 0;
	case WHOLE_TTFT_THIRDS:
		fill_median_thirds(f, s, QUANTITY_TTFT);
		return 0;
	case WHOLE_TPOT_THIRDS:
		fill_median_thirds(f, s, QUANTITY_TPOT);
		return 0;
	case WHOLE_THROUGHPUT_SPREAD:
		fill_spread(f, s);
		return 0;
	case WHOLE_SUCCESS_RATE:
		fill_success_rate(f, s);
		return 0;
	case WHOLE_SUCCEEDED:
		scorecard_figure__count(f, s, n[OUTCOME_SUCCEEDED]);
		return 0;
	case WHOLE_FAILED:
		scorecard_figure__count(f, s, n[OUTCOME_FAILED]);
		return 0;
	case WHOLE_CLIENT_ERRORS:
		scorecard_figure__count(f, s, n[OUTCOME_CLIENT_ERROR]);
		return 0;
	case WHOLE_ERRORS:
		scorecard_figure__count(f, s, n[OUTCOME_FAILED] + n[OUTCOME_CLIENT_ERROR]);
		return 0;
	case WHOLE_CANCELLED:
		scorecard_figure__count(f, s, n[OUTCOME_CANCELLED]);
		return 0;
	case WHOLE_COMPLETED_SAMPLES:
		fill_completed_samples(f, s);
		return 0;
	case WHOLE_COMPLETED_TOKENS:
		fill_rate(f, s, s->output_tokens, s->n_tokens_unknown, s->last_end_ns, s->tokens);
		return 0;
	case WHOLE_CPU_PER_TOKEN:
	case WHOLE_DEVICE_PER_TOKEN:
	case WHOLE_BYTES_PER_TOKEN:
	case WHOLE_CPU_SHARE:
	case WHOLE_PRICE:
	case WHOLE_ENERGY_PER_TOKEN:
	case WHOLE_TOKENS_PER_JOULE:
		return scorecard_cost__fill(f, whole, s, texts);
	default:
		scorecard_service__fill(f, whole, s);
		return 0;
	}
}
