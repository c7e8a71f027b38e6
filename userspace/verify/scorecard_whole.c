/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of the whole recording. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "userspace/analysis/facts.h"
#include "userspace/recording_strings.h"
#include "userspace/verify/scorecard.h"

#define NS_PER_S INT64_C(1000000000)
#define MILLION INT64_C(1000000)
#define N_SPREAD 20
#define MAX_TEXT 256

#define NONE_SUCCEEDED "no request for text was seen to succeed"
#define NO_TIME "all of it happened at one moment"
#define ENGINE_LOST "records of the engine were lost: not all tokens were counted"
#define NO_TOKENS "no recorded step put out a token"

static void missing(struct scorecard_figure *f, const char *why)
{
	f->value = ABSENT;
	f->why = why;
}

static enum grade weaker(enum grade a, enum grade b)
{
	return a < b ? a : b;
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
		missing(f, NONE_SUCCEEDED);
	else if (n == n_unknown)
		missing(f, "it is not known of any request for sure");
	else if (until_ns <= s->first_ns)
		missing(f, NO_TIME);
	else
		f->value = scorecard__ratio(amount, NS_PER_S * MILLION, (int64_t)(until_ns - s->first_ns));
	if (f->value == ABSENT && !f->why)
		missing(f, "it is beyond any figure");
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
		missing(f, f->n_left_out ? "it is not known of any request for sure" : NONE_SUCCEEDED);
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
static int64_t tokens_between(const struct scorecard_samples *s, uint64_t begin_ns, uint64_t end_ns)
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
static const char *why_no_steps(const struct scorecard_samples *s)
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
	const char *why = why_no_steps(s);
	int64_t first;

	f->grade = s->tokens;
	f->n = s->n_by_outcome[OUTCOME_SUCCEEDED];
	if (f->n == 0 || why) {
		missing(f, why ? why : NONE_SUCCEEDED);
		return;
	}
	first = tokens_between(s, third(s, 0), third(s, 1));
	if (first == 0)
		missing(f, "no token was put out in the first third");
	else
		f->value = scorecard__ratio(tokens_between(s, third(s, 2), third(s, 3)), 1000, first);
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
		missing(f, "no streamed request arrived in the first third, or none in the last");
	else if (first == 0)
		missing(f, "it was 0 in the first third");
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
	const char *why = why_no_steps(s);
	unsigned __int128 squares = 0, sum = 0;
	uint64_t parts[N_SPREAD];

	f->grade = s->tokens;
	f->n = s->n_by_outcome[OUTCOME_SUCCEEDED];
	if (f->n == 0 || why) {
		missing(f, why ? why : NONE_SUCCEEDED);
		return;
	}
	count_parts(s, parts);
	for (unsigned int i = 0; i < N_SPREAD; i++) {
		sum += parts[i];
		squares += (unsigned __int128)parts[i] * parts[i];
	}
	if (sum == 0)
		missing(f, NO_TOKENS);
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
		missing(f, "no request for text was seen to succeed or fail");
	else
		f->value = scorecard__ratio(good, 10000, good + bad);
}

static void fill_count(struct scorecard_figure *f, const struct scorecard_samples *s, int64_t n)
{
	f->grade = GRADE_MEASURED;
	f->value = n;
	f->n_left_out = s->n_by_outcome[OUTCOME_OPEN];
	f->n = (int64_t)s->in->recording->n_requests - f->n_left_out;
	f->at_least = f->n_left_out > 0;
	if (s->in->recording->n_requests == 0)
		missing(f, "no request was recorded");
}

/* ------------------------------------------------------------------------------------------------------ cost and energy --- */

/* All tokens that the steps put out: a total of the server is of all requests, whatever became of them. */
static int64_t all_tokens(const struct scorecard_samples *s)
{
	return tokens_between(s, 0, UINT64_MAX);
}

static void fill_resource(struct scorecard_figure *f, const struct scorecard_samples *s, const char *name,
			  bool per_resource)
{
	const struct ledger *l = s->in->ledger;
	const int k = resource__find(l, name);
	const char *why = why_no_steps(s);
	int64_t tokens;

	if (k < 0 || !l->resources[k].measured) {
		missing(f, k >= 0 && l->resources[k].row->reason ? l->resources[k].row->reason :
								   "it was not recorded: tokprof doctor says what this "
								   "host allows");
		return;
	}
	if (why) {
		missing(f, why);
		return;
	}
	tokens = all_tokens(s);
	f->n = tokens;
	f->grade = weaker((enum grade)l->resources[k].row->grade, s->tokens);
	if (tokens == 0 || l->resources[k].total <= 0)
		missing(f, tokens ? "its total is 0" : NO_TOKENS);
	else
		f->value = per_resource ? scorecard__ratio(tokens, MILLION * MILLION, l->resources[k].total) :
					  scorecard__ratio(l->resources[k].total, 1, tokens);
}

static void fill_cpu_share(struct scorecard_figure *f, const struct scorecard_samples *s)
{
	const struct ledger *l = s->in->ledger;
	const int k = resource__find(l, "cpu_ns");
	int64_t sum = 0;

	if (k < 0 || !l->resources[k].measured || l->resources[k].total <= 0) {
		missing(f, "the CPU time of the server was not recorded");
		return;
	}
	for (size_t i = 0; i < s->in->recording->n_requests; i++)
		sum += l->requests[i].cost[k];
	f->n = (int64_t)s->in->recording->n_requests;
	/* Which part of a step is whose is what a rule says. */
	f->grade = weaker((enum grade)l->resources[k].row->grade, GRADE_DERIVED);
	f->value = scorecard__ratio(sum, 10000, l->resources[k].total);
}

/* @return what cannot be summed; NULL */
static const char *sum_bill(const struct bill *b, struct decimal *sum, int64_t *tokens, const char **currency)
{
	*sum = (struct decimal){ 0, 0 };
	*tokens = 0;
	*currency = NULL;
	for (size_t i = 0; i < b->n; i++) {
		const struct bill_line *line = &b->lines[i];

		if (!line->has_price)
			return "not every line of the bill has a price";
		if (line->prompt_tokens == ABSENT || line->completion_tokens == ABSENT)
			return "not every line of the bill has its tokens";
		if (i && (line->currency != *currency) &&
		    (!line->currency || !*currency || strcmp(line->currency, *currency) != 0))
			return "the bill has several currencies";
		*currency = line->currency;
		if (decimal__add(sum, sum, &line->price) ||
		    __builtin_add_overflow(*tokens, line->prompt_tokens, tokens) ||
		    __builtin_add_overflow(*tokens, line->completion_tokens, tokens))
			return "the sums are beyond any figure";
	}
	return *tokens > 0 ? NULL : "the bill has no tokens";
}

static int fill_price(struct scorecard_figure *f, const struct scorecard_samples *s, struct strings *texts)
{
	const char *why = "no bill with prices was given: --bill names one", *currency = NULL;
	struct decimal sum, price;
	char unit[MAX_TEXT];
	int64_t tokens = 0;

	if (s->in->bill)
		why = sum_bill(s->in->bill, &sum, &tokens, &currency);
	if (!why && (decimal__ratio(&price, &sum, MILLION, tokens, 6, ROUND_HALF_EVEN) || price.digits > INT64_MAX ||
		     price.digits <= INT64_MIN))
		why = "it is beyond any figure";
	if (why) {
		missing(f, why);
		return 0;
	}
	snprintf(unit, sizeof(unit), "%s per million tokens", currency ? currency : "money");
	f->unit = strings__keep(texts, unit, strlen(unit));
	f->value = (int64_t)price.digits;
	f->grade = GRADE_SELF_REPORTED;
	f->n = (int64_t)s->in->bill->n;
	return f->unit ? 0 : -ENOMEM;
}

/* -------------------------------------------------------------------------------------- security and interoperability --- */

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool is_remote(const char *client)
{
	return !begins(client, "127.") && !begins(client, "[::1]") && !begins(client, "[::ffff:127.") &&
	       !begins(client, "unix");
}

static void fill_remote(struct scorecard_figure *f, const struct scorecard_samples *s)
{
	const struct recording *r = s->in->recording;

	f->grade = GRADE_MEASURED;
	f->value = 0;
	for (size_t i = 0; i < r->n_requests; i++) {
		if (!r->requests[i].client)
			f->n_left_out++;
		else
			f->value += is_remote(r->requests[i].client);
	}
	f->n = (int64_t)r->n_requests - f->n_left_out;
	f->at_least = f->n_left_out > 0;
	if (f->n == 0)
		missing(f, "no client's address was recorded");
}

static void fill_status(struct scorecard_figure *f, const struct scorecard_samples *s, int status, int or_status)
{
	const struct recording *r = s->in->recording;
	int64_t n = 0;

	for (size_t i = 0; i < r->n_requests; i++)
		n += r->requests[i].status == status || r->requests[i].status == or_status;
	fill_count(f, s, n);
}

static bool by_openai_path(const struct row_request *q)
{
	return q->path && (strstr(q->path, "/v1/chat/completions") || strstr(q->path, "/v1/completions") ||
			   strstr(q->path, "/v1/responses"));
}

static bool has_usage(const struct row_request *q)
{
	return q->billed_prompt_tokens != ABSENT || q->billed_completion_tokens != ABSENT;
}

static bool says_cached(const struct row_request *q)
{
	return q->billed_cached_tokens != ABSENT;
}

static bool says_why_it_ended(const struct row_request *q)
{
	return q->finish_reason;
}

/* The part of those that `among` (NULL: all that succeeded) of which `is` is so. */
static void fill_part(struct scorecard_figure *f, const struct scorecard_samples *s,
		      bool (*among)(const struct row_request *q), bool (*is)(const struct row_request *q))
{
	const struct recording *r = s->in->recording;
	int64_t n = 0;

	f->grade = GRADE_MEASURED;
	f->n_left_out = s->n_by_outcome[OUTCOME_OPEN];
	for (size_t i = 0; i < r->n_requests; i++) {
		if (s->outcomes[i] != OUTCOME_SUCCEEDED || (among && !among(&r->requests[i])))
			continue;
		f->n++;
		n += is(&r->requests[i]);
	}
	if (f->n == 0)
		missing(f, among ? "no answer had usage" : NONE_SUCCEEDED);
	else
		f->value = scorecard__ratio(n, 10000, f->n);
}

/* --------------------------------------------------------------------------------------------------------------- MLPerf --- */

/* LoadGen leaves one sample out: its start is the open end of the time. */
static void fill_completed_samples(struct scorecard_figure *f, const struct scorecard_samples *s)
{
	fill_rate(f, s, s->n_by_outcome[OUTCOME_SUCCEEDED] - 1, 0, s->last_end_ns, GRADE_MEASURED);
}

static int fill_cost(struct scorecard_figure *f, enum whole whole, const struct scorecard_samples *s,
		     struct strings *texts)
{
	switch (whole) {
	case WHOLE_CPU_PER_TOKEN:
		fill_resource(f, s, "cpu_ns", false);
		return 0;
	case WHOLE_DEVICE_PER_TOKEN:
		fill_resource(f, s, "device_ns", false);
		return 0;
	case WHOLE_BYTES_PER_TOKEN:
		fill_resource(f, s, "mem_bytes", false);
		return 0;
	case WHOLE_ENERGY_PER_TOKEN:
		fill_resource(f, s, "energy_uj", false);
		return 0;
	case WHOLE_TOKENS_PER_JOULE:
		fill_resource(f, s, "energy_uj", true);
		return 0;
	case WHOLE_CPU_SHARE:
		fill_cpu_share(f, s);
		return 0;
	default:
		return fill_price(f, s, texts);
	}
}

static void fill_service(struct scorecard_figure *f, enum whole whole, const struct scorecard_samples *s)
{
	switch (whole) {
	case WHOLE_REMOTE_PLAINTEXT:
		fill_remote(f, s);
		break;
	case WHOLE_UNAUTHORISED:
		fill_status(f, s, 401, 403);
		break;
	case WHOLE_UNKNOWN_PATHS:
		fill_status(f, s, 404, 405);
		break;
	case WHOLE_OPENAI_PATHS:
		fill_part(f, s, NULL, by_openai_path);
		break;
	case WHOLE_USAGE_SENT:
		fill_part(f, s, NULL, has_usage);
		break;
	case WHOLE_CACHED_SENT:
		fill_part(f, s, has_usage, says_cached);
		break;
	case WHOLE_FINISH_SENT:
		fill_part(f, s, NULL, says_why_it_ended);
		break;
	default:
		missing(f, "a recording has neither headers nor text nor settings: who may use the service, what it "
			   "refuses "
			   "to say and what it keeps have to be assessed by other means");
	}
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
		fill_count(f, s, n[OUTCOME_SUCCEEDED]);
		return 0;
	case WHOLE_FAILED:
		fill_count(f, s, n[OUTCOME_FAILED]);
		return 0;
	case WHOLE_CLIENT_ERRORS:
		fill_count(f, s, n[OUTCOME_CLIENT_ERROR]);
		return 0;
	case WHOLE_ERRORS:
		fill_count(f, s, n[OUTCOME_FAILED] + n[OUTCOME_CLIENT_ERROR]);
		return 0;
	case WHOLE_CANCELLED:
		fill_count(f, s, n[OUTCOME_CANCELLED]);
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
		return fill_cost(f, whole, s, texts);
	default:
		fill_service(f, whole, s);
		return 0;
	}
}
