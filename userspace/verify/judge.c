/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/judge.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/verify/stats/student.h"

#define MAX_SENTENCE 1024
#define MAX_EVIDENCE 100
#define DIGITS 6

claim_judge *const claim_judges[N_CLAIM_METRICS] = {
	[CLAIM_THROUGHPUT] = judge_throughput, [CLAIM_USER_THROUGHPUT] = judge_user_throughput,
	[CLAIM_TTFT] = judge_latency,	       [CLAIM_TPOT] = judge_latency,
	[CLAIM_ITL] = judge_latency,	       [CLAIM_E2E] = judge_latency,
	[CLAIM_STABILITY] = judge_stability,   [CLAIM_SUCCESS_RATE] = judge_success_rate,
	[CLAIM_PRICE] = judge_price,	       [CLAIM_TOKENS_PER_JOULE] = judge_tokens_per_joule,
};

int judgement__decide(struct judgement *j, enum verdict verdict, enum grade grade, const char *format, ...)
{
	char text[MAX_SENTENCE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	j->decided = true;
	j->check->verdict = verdict;
	j->check->grade = grade;
	j->check->text = verification__text(j->v, "%s", text);
	return j->check->text ? 0 : -ENOMEM;
}

int judgement__leave_open(struct judgement *j, const char *format, ...)
{
	char text[MAX_SENTENCE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	j->open = verification__text(j->v, "%s", text);
	return j->open ? 0 : -ENOMEM;
}

int judgement__evidence(struct judgement *j, int64_t request_id)
{
	return j->check->n_evidence < MAX_EVIDENCE ? verification__evidence(j->v, j->check, request_id) : 0;
}

/* ---------------------------------------------------------------------------------------------------------- intervals --- */

/*
 * The logarithm of a ratio of two means varies as the sum of what both vary by; as many degrees of freedom as one of
 * them has, which is on the safe side of Welch's.
 */
static void ratio_interval(const struct reading *r, double risk, double *low, double *high)
{
	const double above = r->mean.error / r->mean.estimate, under = r->under.error / r->under.estimate;
	const double half = student__exceeded(risk / 2, N_BATCHES - 1) * sqrt(above * above + under * under);

	*low = r->estimate * exp(-half);
	*high = r->estimate * exp(half);
}

void reading__interval(const struct reading *r, double risk, double *low, double *high)
{
	*low = *high = NAN;
	switch (r->kind) {
	case READING_ENDLESS:
		break;
	case READING_MEAN:
		batch_means__interval(&r->mean, risk, low, high);
		break;
	case READING_PERCENTILE:
		percentile__interval(&r->percentile, risk, low, high);
		break;
	case READING_PART:
		block_bootstrap__part(&r->blocks, r->estimate, risk, low, high);
		break;
	case READING_RATIO:
		ratio_interval(r, risk, low, high);
		break;
	}
}

void reading__free(struct reading *r)
{
	if (r && r->kind == READING_PERCENTILE)
		percentile__free(&r->percentile);
}

/* ------------------------------------------------------------------------------------------------------------ figures --- */

const char *claim__figure(struct verification *v, double value)
{
	char rounded[40];
	const char *text;
	int exponent, after;
	size_t n;

	if (!isfinite(value))
		return NULL;
	snprintf(rounded, sizeof(rounded), "%.*e", DIGITS - 1, value);
	exponent = (int)strtol(strchr(rounded, 'e') + 1, NULL, 10);
	after = exponent >= DIGITS - 1 ? 0 : DIGITS - 1 - exponent;
	snprintf(rounded, sizeof(rounded), "%.*f", after > 12 ? 12 : after, strtod(rounded, NULL));
	n = strlen(rounded);
	while (after && rounded[n - 1] == '0')
		rounded[--n] = 0;
	if (after && rounded[n - 1] == '.')
		rounded[--n] = 0;
	text = verification__text(v, "%s", rounded);
	return text ? text : "";
}

const char *claim__time(struct verification *v, double ns)
{
	const char *text;

	if (!isfinite(ns))
		return "no end";
	if (ns >= 1e9)
		text = verification__text(v, "%.4g s", ns / 1e9);
	else if (ns >= 1e6)
		text = verification__text(v, "%.4g ms", ns / 1e6);
	else
		text = verification__text(v, "%.4g us", ns / 1e3);
	return text ? text : "";
}
