/* SPDX-License-Identifier: Apache-2.0 */
/* Prices by the price list: arithmetic, tiers, discounts by time of day and rounding, in decimal numbers. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/verify/price_months.h"
#include "userspace/verify/statements.h"

#define RULE "price = billed tokens by the price list, rounded as it says"
#define SECOND_NS 1000000000ll
#define MINUTE_NS (60 * SECOND_NS)
/* A price that changes in a window of time is looked for minute by minute, so long at most. */
#define MAX_MINUTES 1440

struct prices {
	struct verification *v;
	const struct verify_input *in;
	uint32_t *statement_of;		/* per line: statement + 1 where it is about one request */
	uint32_t *window_of;		/* per line: statement + 1 where it alone is about several */
	struct price_month *months;	/* per tariff */
	struct decimal billed, expected, excused;	/* excused: differences that prove nothing */
	const char *excuse;		/* of the last of them */
	const char *currency;
	bool summable;			/* every line has a price, and one is expected of it, in one currency */
};

/* The list for a line: of its model and currency, or one for any model. */
static size_t find_tariff(const struct claims *claims, const struct bill_line *line)
{
	size_t found = claims->n_tariffs;

	for (size_t i = 0; i < claims->n_tariffs; i++) {
		const struct tariff *t = &claims->tariffs[i];

		if (line->currency && t->currency && strcmp(line->currency, t->currency) != 0)
			continue;
		if (t->model && line->model && strcmp(t->model, line->model) == 0)
			return i;
		if (!t->model && found == claims->n_tariffs)
			found = i;
	}
	return found;
}

/* A line that names a request is about that one, whatever day or hour it has. */
static bool is_window(const struct bill_line *line)
{
	return line->end_unix_ns != ABSENT && !line->request_id;
}

static bool is_aggregate(const struct prices *p, const struct bill_line *line)
{
	return is_window(line) || (line->n_requests != ABSENT && line->n_requests != 1) ||
	       p->window_of[line - p->in->bill->lines];
}

/* Of one request the recording says when it was made. */
static int64_t time_of(const struct prices *p, const struct bill_line *line)
{
	const struct books *b = p->in->books;
	const uint32_t statement = p->statement_of[line - p->in->bill->lines];
	int64_t arrival;

	if (!statement || is_window(line))
		return line->begin_unix_ns;
	arrival = books__unix_ns(
		b, p->in->recording->requests[b->members[b->statements[statement - 1].first_member]].arrival_ns);
	return arrival != ABSENT ? arrival : line->begin_unix_ns;
}

static int price_at(const struct tariff *t, const struct bill_line *line, int64_t cached, int64_t unix_ns,
		    int64_t before, struct decimal *out)
{
	return tariff__price(t, line->prompt_tokens, cached, line->completion_tokens, line->reasoning_tokens, unix_ns,
			     before, out);
}

/* The same at every minute of a window, or -ENODATA. */
static int price_over(const struct prices *p, const struct tariff *t, const struct bill_line *line, int64_t cached,
		      int64_t before, struct decimal *out)
{
	const int64_t begin = time_of(p, line);
	int err = price_at(t, line, cached, begin, before, out);
	struct decimal other;

	if (err || t->n_discounts == 0 || line->end_unix_ns == ABSENT || begin != line->begin_unix_ns)
		return err;
	if (line->end_unix_ns - begin > MAX_MINUTES * MINUTE_NS)
		return -ENODATA;
	for (int64_t at = begin; at < line->end_unix_ns && !err; at += MINUTE_NS) {
		err = price_at(t, line, cached, at, before, &other);
		if (!err && decimal__compare(&other, out) != 0)
			err = -ENODATA;
	}
	return err;
}

static const char *money(struct verification *v, const struct decimal *d)
{
	char text[DECIMAL_TEXT];

	decimal__format(d, text);
	return verification__text(v, "%s", text);
}

static struct check *open_check(const struct prices *p, const struct bill_line *line, const char *currency)
{
	struct check *c = line->request_id ? verification__add(p->v, "bill.price", "line %" PRId64 " (%s)", line->line,
							       line->request_id) :
					     verification__add(p->v, "bill.price", "line %" PRId64, line->line);

	if (!c)
		return NULL;
	c->bill_line = line->line;
	c->unit = currency ? currency : "";
	c->rule = RULE;
	c->grade = GRADE_DERIVED;
	c->claimed = money(p->v, &line->price);
	return c;
}

static void leave_open(struct prices *p, struct check *c, const char *why)
{
	c->verdict = VERDICT_INCONCLUSIVE;
	c->grade = GRADE_UNAVAILABLE;
	c->text = why;
	p->summable = false;
}

/* Requests that a line covers at most: as it says, as were recorded, or one for each of its tokens. */
static int64_t requests_of(const struct prices *p, const struct bill_line *line)
{
	const uint32_t window = p->window_of[line - p->in->bill->lines];
	const struct statement *s = window ? &p->in->books->statements[window - 1] : NULL;

	if (line->n_requests != ABSENT)
		return line->n_requests;
	if (s && !s->open && !p->in->books->wire_lost)
		return (int64_t)s->n_members;
	return line->prompt_tokens + line->completion_tokens;
}

/* A sum of rounded prices need not be the rounded price of the sum. */
static bool may_be_rounding(const struct prices *p, const struct tariff *t, const struct bill_line *line,
			    const struct decimal *difference)
{
	struct decimal unit = { 1, t->scale }, most, size = *difference;

	if (!is_aggregate(p, line) || t->scale < 0 || t->round_total_only)
		return false;
	if (size.digits < 0)
		size.digits = -size.digits;
	return decimal__times(&most, &unit, requests_of(p, line)) == 0 && decimal__compare(&size, &most) <= 0;
}

/* What the tokens of a line cost where each is in the tier that makes it cheapest, or dearest. */
static int price_extremes(const struct prices *p, const struct tariff *t, const struct bill_line *line,
			  struct decimal *least, struct decimal *most)
{
	const uint32_t statement = p->statement_of[line - p->in->bill->lines];
	const int64_t recorded =
		statement ? statement__cached(p->in->books, &p->in->books->statements[statement - 1]) : ABSENT;
	const int64_t cached = line->cached_tokens != ABSENT ? line->cached_tokens :
			       recorded != ABSENT	     ? recorded :
							       line->prompt_tokens;
	struct tariff one = *t;
	struct tariff_tier low, high;
	int err;

	tariff__extremes(t, &low, &high);
	one.n_tiers = 1;
	one.tiers = &low;
	err = price_over(p, &one, line, cached, 0, least);
	one.tiers = &high;
	return err ? err : price_over(p, &one, line, line->cached_tokens, 0, most);
}

/* The month began before the bill: in some tiers its tokens may cost that. */
static bool may_be_other_tier(struct prices *p, const struct tariff *t, const struct bill_line *line, struct check *c)
{
	struct decimal least, most;

	if (!p->months[t - p->in->claims->tariffs].is_open || price_extremes(p, t, line, &least, &most) ||
	    decimal__compare(&line->price, &least) < 0 || decimal__compare(&line->price, &most) > 0)
		return false;
	p->excuse = "how many tokens of the month there were before the bill begins is not known, and prices go by "
		    "them: 'tokens_before' of the price list says it";
	c->measured = NULL;
	c->low = money(p->v, &least);
	c->high = money(p->v, &most);
	return true;
}

static void excuse(struct prices *p, struct check *c, const struct decimal *difference)
{
	if (decimal__add(&p->excused, &p->excused, difference))
		p->summable = false;
	c->verdict = VERDICT_INCONCLUSIVE;
	c->text = p->excuse;
}

/* A discount begins or ends so near to it that the clock of whoever wrote the bill may have had it on the other side. */
static bool may_be_other_clock(struct prices *p, const struct tariff *t, const struct bill_line *line, int64_t before)
{
	const int64_t at = time_of(p, line);

	if (t->n_discounts == 0 || at == ABSENT || is_window(line))
		return false;
	for (int64_t off = -CLOCK_SLACK_NS; off <= CLOCK_SLACK_NS; off += 2 * CLOCK_SLACK_NS) {
		struct decimal other;

		if (price_at(t, line, line->cached_tokens, at + off, before, &other) == 0 &&
		    decimal__compare(&other, &line->price) == 0) {
			p->excuse = "a discount begins or ends within 2 s of it, and clocks may differ by as much";
			return true;
		}
	}
	return false;
}

static void compare(struct prices *p, const struct tariff *t, const struct bill_line *line, int64_t before,
		    const struct decimal *expected, struct check *c)
{
	struct decimal difference;
	char text[DECIMAL_TEXT];
	int order = decimal__compare(&line->price, expected);

	c->measured = c->low = c->high = money(p->v, expected);
	c->text = p->months[t - p->in->claims->tariffs].is_open ?
			  "as the price list has it, with no tokens of the month before the bill begins" :
			  "as the price list has it";
	if (order == 0)
		return;
	if (decimal__subtract(&difference, &line->price, expected))
		difference = line->price;
	if (may_be_rounding(p, t, line, &difference)) {
		p->excuse = "the difference may come from rounding every request by itself";
		excuse(p, c, &difference);
		return;
	}
	if (may_be_other_clock(p, t, line, before) || may_be_other_tier(p, t, line, c)) {
		excuse(p, c, &difference);
		return;
	}
	if (difference.digits < 0)
		difference.digits = -difference.digits;
	decimal__format(&difference, text);
	c->verdict = VERDICT_REFUTED;
	c->text = verification__text(p->v, "%s %s %s than the price list makes of its tokens", text,
				     t->currency ? t->currency : "", order > 0 ? "more" : "less");
}

/* Where the bill does not say how many tokens were cached, what the recording says may explain its price. */
static int price_line(const struct prices *p, const struct tariff *t, const struct bill_line *line, int64_t before,
		      struct decimal *out, const char **with)
{
	const uint32_t statement = p->statement_of[line - p->in->bill->lines];
	int err = price_over(p, t, line, line->cached_tokens, before, out);
	struct decimal other;
	int64_t cached;

	*with = NULL;
	if (err || line->cached_tokens != ABSENT || !statement || decimal__compare(out, &line->price) == 0)
		return err;
	cached = statement__cached(p->in->books, &p->in->books->statements[statement - 1]);
	if (cached == ABSENT || cached <= 0 || cached > line->prompt_tokens ||
	    price_over(p, t, line, cached, before, &other) || decimal__compare(&other, &line->price) != 0)
		return 0;
	*out = other;
	*with = verification__text(p->v, "as the price list has it, with the recorded cached tokens (%" PRId64 ")",
				   cached);
	return 0;
}

static int check_line(struct prices *p, const struct bill_line *line)
{
	const struct claims *claims = p->in->claims;
	const size_t at = find_tariff(claims, line);
	const struct tariff *t = at < claims->n_tariffs ? &claims->tariffs[at] : NULL;
	struct check *c = open_check(p, line, line->currency ? line->currency : t ? t->currency : NULL);
	struct decimal expected;
	const char *with;
	int64_t before;
	int err;

	if (!c)
		return -ENOMEM;
	if (!t) {
		leave_open(p, c, "the price list has no prices for its model and currency");
		return 0;
	}
	c->claim_line = t->line;
	if (line->prompt_tokens == ABSENT || line->completion_tokens == ABSENT) {
		leave_open(p, c, "the line does not have both prompt and completion tokens");
		return 0;
	}
	if (t->tiers_by_request && t->n_tiers > 1 && is_aggregate(p, line)) {
		leave_open(p, c, "prices go by the size of a request, and the line covers several");
		return 0;
	}
	if (!price_month__enter(&p->months[at], t, p->in->books->begin_unix_ns, time_of(p, line), line->end_unix_ns)) {
		leave_open(p, c,
			   "prices go by all tokens of a month: the line goes over two, or the lines are not in the "
			   "order of their months");
		return 0;
	}
	before = p->months[at].tokens_before;
	err = price_line(p, t, line, before, &expected, &with);
	price_month__add(&p->months[at], line->prompt_tokens, line->completion_tokens);
	if (err == -ENODATA) {
		leave_open(p, c,
			   "the price depends on the time of day, which is not known or changes within its window");
		return 0;
	}
	if (err) {
		leave_open(
			p, c,
			"its counts cannot be priced: more cached than prompt tokens, more reasoning than completion "
			"tokens, or out of range");
		return 0;
	}
	compare(p, t, line, before, &expected, c);
	if (with)
		c->text = with;
	if ((p->currency && t->currency && strcmp(p->currency, t->currency) != 0) ||
	    decimal__add(&p->billed, &p->billed, &line->price) || decimal__add(&p->expected, &p->expected, &expected))
		p->summable = false;
	p->currency = t->currency;
	return 0;
}

/* Where only the sum is rounded, the lines are exact and their sum is what is rounded. */
static int check_sum(struct prices *p)
{
	struct decimal excused;
	struct check *c;
	int order;

	if (!p->summable || decimal__add(&excused, &p->expected, &p->excused))
		return 0;
	c = verification__add(p->v, "bill.total_price", "the bill");
	if (!c)
		return -ENOMEM;
	order = decimal__compare(&p->billed, &p->expected);
	c->unit = p->currency ? p->currency : "";
	c->rule = "the sum of all lines' prices = the sum of what the price list makes of them";
	c->grade = GRADE_DERIVED;
	c->claimed = money(p->v, &p->billed);
	c->measured = c->low = c->high = money(p->v, &p->expected);
	c->text = order == 0 ? "they are equal" : order > 0 ? "the bill asks for more" : "the bill asks for less";
	c->verdict = order == 0 ? VERDICT_CONFIRMED : VERDICT_REFUTED;
	if (order != 0 && decimal__compare(&p->billed, &excused) == 0) {
		c->verdict = VERDICT_INCONCLUSIVE;
		c->text = p->excuse;
	}
	return 0;
}

static int check_lines(struct prices *p)
{
	const struct bill *bill = p->in->bill;
	size_t n_priced = 0;
	int err = 0;

	for (size_t i = 0; i < bill->n && !err; i++) {
		if (!bill->lines[i].has_price) {
			p->summable = false;
			continue;
		}
		n_priced++;
		if (p->in->claims && p->in->claims->n_tariffs)
			err = check_line(p, &bill->lines[i]);
	}
	if (n_priced && !(p->in->claims && p->in->claims->n_tariffs))
		return verification__note(
			       p->v, "bill.price_unchecked",
			       "%zu line%s of the bill with a price and no price list (--claims): prices were not "
			       "checked",
			       n_priced, plural((int64_t)n_priced)) ?
			       0 :
			       -ENOMEM;
	return err || !n_priced ? err : check_sum(p);
}

static int run(struct verification *v, const struct verify_input *in)
{
	struct prices p = { .v = v, .in = in, .summable = true };
	int err = -ENOMEM;

	if (!in->bill)
		return 0;
	p.statement_of = array__zeroed(in->bill->n, sizeof(*p.statement_of));
	p.window_of = array__zeroed(in->bill->n, sizeof(*p.window_of));
	p.months = array__zeroed(in->claims ? in->claims->n_tariffs : 0, sizeof(*p.months));
	for (size_t i = 0; p.statement_of && p.window_of && i < in->books->n_statements; i++) {
		const struct statement *s = &in->books->statements[i];

		if (s->n_lines != 1)
			continue;
		if (s->n_members == 1)
			p.statement_of[s->first - in->bill->lines] = (uint32_t)i + 1;
		else
			p.window_of[s->first - in->bill->lines] = (uint32_t)i + 1;
	}
	if (p.statement_of && p.window_of && p.months)
		err = check_lines(&p);
	free(p.statement_of);
	free(p.window_of);
	free(p.months);
	return err;
}

extern const struct check_kind check_price;
const struct check_kind check_price = {
	.name = "price",
	.doc = "price arithmetic by the price list",
	.needs_recording = true,
	.by_request = true,
	.run = run,
};
