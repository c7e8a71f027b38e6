/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every claim of a figure against the recording. Several claims of one file are judged together by Holm's procedure, so that the risk of one false
 * verdict among all of them is no more than that of one claim alone. A claim that nothing judges is INCONCLUSIVE.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/verify/identity.h"
#include "userspace/verify/judge.h"
#include "userspace/verify/stats/holm.h"

/* A recording that is so much longer is no advice. */
#define NO_USE 1000

/* ------------------------------------------------------------------------------------------------------------ interval --- */

/* What holds in both readings. NAN: no such end. */
static void interval_of(const struct judgement *j, double risk, double *low, double *high)
{
	double other_low, other_high;

	reading__interval(&j->readings[0], risk, low, high);
	if (j->n_readings == 1)
		return;
	reading__interval(&j->readings[1], risk, &other_low, &other_high);
	*high = isnan(*high) || isnan(other_high) ? NAN : fmax(*high, other_high);
	/* The larger reading has no smaller end than the smaller one, but where it has no figure at all. */
	if (j->readings[1].kind != READING_ENDLESS)
		*low = isnan(*low) || isnan(other_low) ? NAN : fmin(*low, other_low);
}

static enum verdict verdict_of(const struct judgement *j, double low, double high)
{
	const struct claim *c = j->claim;

	if (c->at_least ? low >= c->value : high <= c->value)
		return VERDICT_CONFIRMED;
	if (!j->no_refutation && (c->at_least ? high * j->spare < c->value : low > c->value))
		return VERDICT_REFUTED;
	return VERDICT_INCONCLUSIVE;
}

static enum verdict verdict_at(const struct judgement *j, double risk)
{
	double low, high;

	interval_of(j, risk, &low, &high);
	return verdict_of(j, low, high);
}

static bool decides(void *context, size_t i, double share)
{
	const struct judgement *const *list = context;

	return verdict_at(list[i], (1 - list[i]->claim->confidence) * share) != VERDICT_INCONCLUSIVE;
}

/* --------------------------------------------------------------------------------------------------------------- words --- */

static const char *value_words(const struct judgement *j, double value)
{
	const char *figure =
		claim__is_latency(j->claim->metric) ? claim__time(j->v, value) : claim__figure(j->v, value * j->scale);

	return figure ? figure : "no end";
}

static const char *unit_words(const struct judgement *j)
{
	return claim__is_latency(j->claim->metric) ? "" : j->check->unit;
}

/* How much more of it would bring the nearer end of the interval to the claimed figure, were all else as it is. */
static double times_more(const struct judgement *j, const struct reading *r, double low, double high)
{
	const double claimed = j->claim->value;
	double off, half;

	if (r->kind == READING_PERCENTILE) {
		double low_rank, high_rank;

		block_bootstrap__ranks(&r->percentile.blocks, r->percentile.percentile, j->risk, &low_rank, &high_rank);
		off = r->percentile.within - r->percentile.percentile;
		half = off > 0 ? high_rank - r->percentile.percentile : r->percentile.percentile - low_rank;
	} else {
		off = claimed - r->estimate;
		half = off > 0 ? high - r->estimate : r->estimate - low;
	}
	return off == 0 ? INFINITY : half / off * (half / off);
}

static int say_undecided(struct judgement *j, double low, double high)
{
	const struct reading *r = &j->readings[0];
	const bool lacks_end = r->kind == READING_PERCENTILE && isnan(j->claim->at_least ? low : high);
	double factor = INFINITY, needed, one_low, one_high;

	reading__interval(r, j->risk, &one_low, &one_high);
	if (j->n_readings == 2 && verdict_of(j, one_low, one_high) != VERDICT_INCONCLUSIVE) {
		j->check->text = verification__text(j->v, "what is not known of some of it decides: %s to %s%s%s",
						    isnan(low) ? "0" : value_words(j, low),
						    isnan(high) ? "no end" : value_words(j, high),
						    unit_words(j)[0] ? " " : "", unit_words(j));
		return j->check->text ? 0 : -ENOMEM;
	}
	if (lacks_end) {
		j->check->text = verification__text(j->v, "needs at least %" PRId64 " requests, has %" PRId64,
						    percentile__needed(&r->percentile, j->risk, j->claim->at_least),
						    r->percentile.blocks.n);
		return j->check->text ? 0 : -ENOMEM;
	}
	factor = times_more(j, r, one_low, one_high);
	needed = factor * j->point *
		 (double)(r->kind == READING_PERCENTILE ? r->percentile.blocks.n :
			  r->kind == READING_PART	? r->blocks.n :
			  r->kind == READING_RATIO	? 3 * r->mean.n :
							  r->mean.n);
	if (factor > 1 && factor < NO_USE)
		j->check->text =
			verification__text(j->v, "the claimed figure is within the interval; about %s %s would decide",
					   claim__figure(j->v, ceil(needed)),
					   strcmp(j->counted_in, "time") == 0 ? "s of such traffic" : j->counted_in);
	else
		j->check->text = verification__text(
			j->v,
			"the claimed figure is within the interval, and so near the measured one that no recording "
			"of reasonable length decides");
	return j->check->text ? 0 : -ENOMEM;
}

/* Digits that no interval bears out are none; the value of a percentile is one that was measured. */
static const char *put_figure(const struct judgement *j, double value)
{
	return isfinite(value) ? claim__figure(j->v, value * j->scale) : NULL;
}

static int say_verdict(struct judgement *j, double low, double high)
{
	const bool keeps = j->check->verdict == VERDICT_CONFIRMED;
	/* A floor is kept by the lower end and broken by the upper one, a ceiling the other way about. */
	const double end = j->claim->at_least == keeps ? low : high * (j->claim->at_least ? j->spare : 1);

	if (isinf(end))
		j->check->text = verification__text(j->v, "so many have no end that the figure has none");
	else
		j->check->text = verification__text(
			j->v, "%s %s%s%s: %s the claim", j->claim->at_least == keeps ? "at least" : "at most",
			value_words(j, end), unit_words(j)[0] ? " " : "", unit_words(j), keeps ? "keeps" : "breaks");
	return j->check->text ? 0 : -ENOMEM;
}

static int say_open(struct judgement *j, double low, double high)
{
	if (j->claim->at_least ? !(high < j->claim->value) : !(low > j->claim->value))
		return say_undecided(j, low, high);
	j->check->text = j->no_refutation ? j->no_refutation : j->within_spare;
	return 0;
}

static int conclude(struct judgement *j, double share)
{
	const double risk = (1 - j->claim->confidence) * share;
	double low, high;
	int err = 0;

	interval_of(j, risk, &low, &high);
	j->risk = risk;
	j->check->verdict = verdict_at(j, risk);
	j->check->low = put_figure(j, low);
	j->check->high = put_figure(j, high);
	if (j->n_readings == 1 || j->readings[0].estimate == j->readings[1].estimate)
		j->check->measured = put_figure(j, j->readings[0].estimate);
	if (j->check->verdict == VERDICT_INCONCLUSIVE)
		err = say_open(j, low, high);
	else
		err = say_verdict(j, low, high);
	return err || !j->check->text ? -ENOMEM : 0;
}

/* --------------------------------------------------------------------------------------------------------- one by one --- */

static struct check *add(struct verification *v, const struct claim *c)
{
	const char *id = verification__text(v, "claim.%s", c->id);
	struct check *check = id ? verification__add(v, id, "%s", c->id) : NULL;

	if (!check)
		return NULL;
	check->verdict = VERDICT_INCONCLUSIVE;
	check->grade = GRADE_UNAVAILABLE;
	check->claim_line = c->line;
	check->rule = "a claim is measured";
	check->text = "nothing in this version measures it";
	return check;
}

static int say_claimed(struct judgement *j)
{
	const struct claim *c = j->claim;
	char text[DECIMAL_TEXT];

	if (c->metric == CLAIM_PRICE) {
		decimal__format(&c->money, text);
		j->check->claimed = verification__text(j->v, "%s", text);
	} else {
		j->check->claimed = claim__figure(j->v, c->value * j->scale);
	}
	return j->check->claimed ? 0 : -ENOMEM;
}

/* A figure without a verdict is still one; where it may be two, both are said. */
static int put_open_figure(struct judgement *j)
{
	const double least = j->n_readings ? j->readings[0].estimate : NAN;
	const double most = j->n_readings == 2 ? j->readings[1].estimate : least;

	if (least == most) {
		j->check->measured = put_figure(j, least);
		return 0;
	}
	if (isnan(least) || isnan(most))
		return 0;
	j->check->text =
		verification__text(j->v, "%s; as recorded it is %s to %s%s%s, by what the open ones are taken for",
				   j->check->text, value_words(j, fmin(least, most)), value_words(j, fmax(least, most)),
				   unit_words(j)[0] ? " " : "", unit_words(j));
	return j->check->text ? 0 : -ENOMEM;
}

static int measure(struct judgement *j)
{
	claim_judge *judge = claim_judges[j->claim->metric];
	int err = judge ? judge(j) : 0;

	if (!err)
		err = say_claimed(j);
	if (err || j->decided || (!j->open && j->n_readings))
		return err;
	if (j->open)
		j->check->text = j->open;
	return put_open_figure(j);
}

static int add_about(struct judgement *j)
{
	if (!j->about)
		return 0;
	j->check->text = verification__text(j->v, "%s (%s)", j->check->text, j->about);
	return j->check->text ? 0 : -ENOMEM;
}

/* Those that have an interval, together. */
static int judge_together(struct judgement *list, size_t n)
{
	struct judgement **with = array__zeroed(n, sizeof(struct judgement *));
	double *shares = array__zeroed(n, sizeof(*shares));
	size_t n_with = 0;
	int err = with && shares ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++)
		if (!list[i].open && !list[i].decided && list[i].n_readings)
			with[n_with++] = &list[i];
	if (!err)
		holm__share(n_with, decides, (void *)with, shares);
	for (size_t i = 0; i < n_with && !err; i++)
		err = conclude(with[i], shares[i]);
	for (size_t i = 0; i < n && !err; i++)
		err = add_about(&list[i]);
	free(with);
	free(shares);
	return err;
}

/* What was served is put to other evidence (check_identity.c). */
static size_t list_own(const struct claims *claims, struct judgement *list)
{
	size_t n = 0;

	for (size_t i = 0; i < claims->n; i++)
		if (!identity__judges(claims->claims[i].metric))
			list[n++].claim = &claims->claims[i];
	return n;
}

static int judge_all(struct verification *v, const struct verify_input *in, const struct claim_scope *scope,
		     struct judgement *list)
{
	const size_t first = v->n, n = list_own(in->claims, list);
	int err = 0;

	for (size_t i = 0; i < n; i++)
		if (!add(v, list[i].claim))
			return -ENOMEM;
	for (size_t i = 0; i < n && !err; i++) {
		list[i] = (struct judgement){
			.v = v,
			.in = in,
			.claim = list[i].claim,
			.scope = scope,
			.risk = (1 - list[i].claim->confidence) / (double)n,
			.check = &v->checks[first + i],
			.spare = 1,
			.scale = 1,
			.point = 1,
			.counted_in = "requests",
		};
		err = measure(&list[i]);
	}
	return err ? err : judge_together(list, n);
}

static int run(struct verification *v, const struct verify_input *in)
{
	struct claim_scope scope;
	struct judgement *list;
	int err;

	if (!in->claims || in->claims->n == 0)
		return 0;
	list = array__zeroed(in->claims->n, sizeof(*list));
	if (!list)
		return -ENOMEM;
	err = claim_scope__open(&scope, in);
	if (!err) {
		err = judge_all(v, in, &scope, list);
		claim_scope__close(&scope);
	}
	for (size_t i = 0; i < in->claims->n; i++) {
		reading__free(&list[i].readings[0]);
		reading__free(&list[i].readings[1]);
	}
	free(list);
	return err;
}

extern const struct check_kind check_claims;
const struct check_kind check_claims = {
	.name = "claims",
	.doc = "claims of speed, success, prices and energy against what was measured",
	.needs_recording = true,
	.run = run,
};
