/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The price of a million tokens, from what the bill asks for them. A line has one price for all of its tokens: of one kind of token
 * only an upper bound is known, as if the others were free. No floating point.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "userspace/verify/judge.h"

#define MILLION 1000000
#define SCALE 12

struct charged {
	struct decimal money;
	int64_t input, output;
	size_t n_lines, n_without, n_other;	/* lines; without a price or tokens; in another currency */
	bool overflow;
};

static bool add_tokens(int64_t *sum, int64_t n)
{
	return !__builtin_add_overflow(*sum, n, sum);
}

static void add_line(struct charged *c, const struct claim *claim, const struct bill_line *line)
{
	if (claim->model && (!line->model || strcmp(line->model, claim->model) != 0))
		return;
	if (!line->has_price || line->prompt_tokens == ABSENT || line->completion_tokens == ABSENT) {
		c->n_without++;
		return;
	}
	if (!line->currency || !claim->currency || strcmp(line->currency, claim->currency) != 0) {
		c->n_other++;
		return;
	}
	c->n_lines++;
	c->overflow |= decimal__add(&c->money, &c->money, &line->price) < 0 ||
		       !add_tokens(&c->input, line->prompt_tokens) || !add_tokens(&c->output, line->completion_tokens);
}

/* Exactly, without a quotient: money x a million against the claimed price x tokens. */
static int compare(const struct charged *c, const struct claim *claim, int64_t tokens, int *order)
{
	struct decimal paid, allowed;

	if (decimal__times(&paid, &c->money, MILLION) < 0 || decimal__times(&allowed, &claim->money, tokens) < 0)
		return -ERANGE;
	*order = decimal__compare(&paid, &allowed);
	return 0;
}

static int judge(struct judgement *j, const struct charged *c)
{
	const struct claim *claim = j->claim;
	int64_t tokens = claim->of == OF_INPUT ? c->input : c->output;
	char text[DECIMAL_TEXT];
	struct decimal price;
	bool whole = claim->of == OF_TOTAL;
	int order;

	if (claim->of == OF_TOTAL && !add_tokens(&tokens, c->input))
		return judgement__leave_open(j, "more tokens than can be counted");
	/* Where nothing else was billed, all of the price is that of this kind. */
	whole |= claim->of == OF_INPUT ? c->output == 0 : c->input == 0;
	if (tokens == 0)
		return judgement__leave_open(j, "no tokens of this kind are billed");
	if (c->overflow || compare(c, claim, tokens, &order) < 0 ||
	    decimal__ratio(&price, &c->money, MILLION, tokens, SCALE, ROUND_HALF_EVEN) < 0)
		return judgement__leave_open(j, "its sums have more digits than can be kept");
	while (price.scale > 0 && price.digits % 10 == 0) {
		price.digits /= 10;
		price.scale--;
	}
	decimal__format(&price, text);
	j->check->high = verification__text(j->v, "%s", text);
	j->check->low = whole ? j->check->high : NULL;
	j->check->measured = j->check->low;
	if (order <= 0)
		return judgement__decide(j, VERDICT_CONFIRMED, GRADE_SELF_REPORTED,
					 whole ? "by %zu of the bill's lines" :
						 "by %zu of the bill's lines, even were all other tokens free",
					 c->n_lines);
	if (whole)
		return judgement__decide(j, VERDICT_REFUTED, GRADE_SELF_REPORTED,
					 "by %zu of the bill's lines they cost more", c->n_lines);
	return judgement__leave_open(j,
				     "a line of the bill has one price for tokens of all kinds: of this kind it may be "
				     "less; check the lines against a price list under 'tariff'");
}

int judge_price(struct judgement *j)
{
	static const char *const of[] = { [OF_OUTPUT] = "output", [OF_INPUT] = "input", [OF_TOTAL] = "all kinds" };
	struct charged c = { 0 };

	j->check->unit = verification__text(j->v, "%s per million tokens", j->claim->currency);
	j->check->rule =
		verification__text(j->v,
				   "the bill's prices of its lines / their tokens of %s, as billed, x 1,000,000 <= the "
				   "claimed price, exactly",
				   of[j->claim->of]);
	if (!j->check->unit || !j->check->rule)
		return -ENOMEM;
	if (!j->in->bill)
		return judgement__leave_open(j, "what is asked for tokens stands in a bill: name one with --bill");
	for (size_t i = 0; i < j->in->bill->n; i++)
		add_line(&c, j->claim, &j->in->bill->lines[i]);
	if (c.n_without)
		return judgement__leave_open(j, "%zu of the bill's lines have no price, or no count of their tokens",
					     c.n_without);
	if (c.n_other)
		return judgement__leave_open(
			j, "%zu of the bill's lines are in another currency, or do not name theirs", c.n_other);
	if (c.n_lines == 0)
		return judgement__leave_open(j, "the bill has no line of it");
	return judge(j, &c);
}
