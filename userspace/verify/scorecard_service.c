/* SPDX-License-Identifier: Apache-2.0 */
/* What can be seen of security and interoperability on the wire. */
#include <string.h>

#include "userspace/verify/scorecard.h"

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
		scorecard_figure__miss(f, "no client's address was recorded");
}

static void fill_status(struct scorecard_figure *f, const struct scorecard_samples *s, int status, int or_status)
{
	const struct recording *r = s->in->recording;
	int64_t n = 0;

	for (size_t i = 0; i < r->n_requests; i++)
		n += r->requests[i].status == status || r->requests[i].status == or_status;
	scorecard_figure__count(f, s, n);
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
		scorecard_figure__miss(f, among ? "no answer had usage" : SCORECARD_NONE_SUCCEEDED);
	else
		f->value = scorecard__ratio(n, 10000, f->n);
}

void scorecard_service__fill(struct scorecard_figure *f, enum whole whole, const struct scorecard_samples *s)
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
		scorecard_figure__miss(
			f, "a recording has neither headers nor text nor settings: who may use the service, what it "
			   "refuses "
			   "to say and what it keeps have to be assessed by other means");
	}
}
