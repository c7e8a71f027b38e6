/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/recording.h"
#include "userspace/recording_strings.h"
#include "userspace/verify/bill_reader.h"

#define DAY_NS (INT64_C(86400) * 1000000000)
#define MAX_TEXT 1024			/* of an id or a name */

#define REMEDY_COUNT "write it in digits alone; leave it empty where there is no figure"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct bill_cell bill_cell__trimmed(const struct bill_cell *cell)
{
	struct bill_cell t = *cell;

	if (!t.at)
		t.n = 0;
	while (t.n && is_blank(t.text[0])) {
		t.text++;
		t.n--;
	}
	while (t.n && is_blank(t.text[t.n - 1]))
		t.n--;
	return t;
}

/* "completion_tokens 'abc' WHY" at the cell. */
static int refuse(struct bill_reader *r, const struct bill_cell *cell, enum bill_column column, const char *why,
		  const char *remedy)
{
	bill_source__fail(&r->source, cell->at, "%.60s %s %s", r->names[column], bill_quote(cell->text, cell->n).text,
			  why);
	return bill_source__remedy(&r->source, "%s", remedy);
}

/* --- counts -------------------------------------------------------------------------------------------------------- */

static bool has_only(const struct bill_cell *cell, const char *chars)
{
	for (size_t i = 0; i < cell->n; i++)
		if (!strchr(chars, cell->text[i]))
			return false;
	return true;
}

static bool has_any(const struct bill_cell *cell, const char *chars)
{
	for (size_t i = 0; i < cell->n; i++)
		if (strchr(chars, cell->text[i]))
			return true;
	return false;
}

/* Why what is no count is none: told apart because the remedies differ. */
static int refuse_count(struct bill_reader *r, const struct bill_cell *cell, enum bill_column column)
{
	struct decimal number;
	bool is_number = decimal__parse(&number, cell->text, cell->n) != -EINVAL;

	if (is_number && has_any(cell, "eE"))
		return refuse(r, cell, column, "is in scientific notation", REMEDY_COUNT);
	if (is_number && has_any(cell, "."))
		return refuse(r, cell, column, "is no whole number",
			      "write it without a point; counts that went through floating point have lost their word");
	if (is_number && cell->text[0] == '-')
		return refuse(r, cell, column, "is less than nothing",
			      "bill tokens as they were used, and corrections as prices");
	if (has_any(cell, "0123456789") && has_only(cell, "0123456789,'_ "))
		return refuse(r, cell, column, "has something between its digits",
			      "write the digits without separators of thousands");
	return refuse(r, cell, column, "is no whole number", REMEDY_COUNT);
}

static int take_count(struct bill_reader *r, const struct bill_cell *raw, enum bill_column column, int64_t *out)
{
	const struct bill_cell cell = bill_cell__trimmed(raw);
	int64_t count = 0;

	*out = ABSENT;
	if (!cell.n)
		return 0;
	for (size_t i = 0; i < cell.n; i++)
		if (cell.text[i] < '0' || cell.text[i] > '9')
			return refuse_count(r, &cell, column);
	for (size_t i = 0; i < cell.n; i++) {
		count = count * 10 + (cell.text[i] - '0');
		if (count > BILL_MAX_COUNT)
			return refuse(r, &cell, column, "is more than 10^15, the most of one line",
				      "correct it, or split the line");
	}
	*out = count;
	return 0;
}

static int take_counts(struct bill_reader *r, const struct bill_cell *cells, struct bill_line *line)
{
	const struct {
		enum bill_column column;
		int64_t *to;
	} counts[] = {
		{ BILL_PROMPT_TOKENS, &line->prompt_tokens },
		{ BILL_CACHED_TOKENS, &line->cached_tokens },
		{ BILL_COMPLETION_TOKENS, &line->completion_tokens },
		{ BILL_REASONING_TOKENS, &line->reasoning_tokens },
		{ BILL_COUNT, &line->n_requests },
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		int err = take_count(r, &cells[counts[i].column], counts[i].column, counts[i].to);

		if (err)
			return err;
	}
	if (!r->map->prompt_excludes_cached || line->prompt_tokens == ABSENT)
		return 0;
	if (line->cached_tokens == ABSENT) {
		bill_source__fail(&r->source, cells[BILL_PROMPT_TOKENS].at,
				  "%.60s leave out cached ones, the map says, and this line does not say how many",
				  r->names[BILL_PROMPT_TOKENS]);
		return bill_source__remedy(&r->source, "write 0 where no token was cached");
	}
	line->prompt_tokens += line->cached_tokens;
	return 0;
}

/* --- texts, money, times ------------------------------------------------------------------------------------------- */

static int take_text(struct bill_reader *r, const struct bill_cell *raw, enum bill_column column, const char **out)
{
	const struct bill_cell cell = bill_cell__trimmed(raw);

	*out = NULL;
	if (!cell.n)
		return 0;
	if (cell.n > MAX_TEXT)
		return refuse(r, &cell, column, "is longer than 1024 bytes",
			      "look for a quotation mark that is missing, or for another column than this");
	*out = (column == BILL_REQUEST_ID ? strings__add : strings__keep)(r->bill->texts, cell.text, cell.n);
	return *out ? 0 : -ENOMEM;
}

/* What the line says of its currency, else the map; a price that names another contradicts it. */
static int take_money(struct bill_reader *r, const struct bill_cell *cells, struct bill_line *line)
{
	const struct bill_cell named = bill_cell__trimmed(&cells[BILL_CURRENCY]);
	const struct bill_cell price = bill_cell__trimmed(&cells[BILL_PRICE]);
	char currency[BILL_CURRENCY_SIZE];
	struct bill_money_fault fault;
	struct bill_money money;

	memcpy(currency, r->currency, sizeof(currency));
	if (named.n && bill_currency__parse(currency, named.text, named.n, r->currency, &fault))
		return refuse(r, &named, BILL_CURRENCY, fault.why, fault.remedy);
	line->has_price = price.n > 0;
	if (line->has_price) {
		if (bill_money__parse(&money, price.text, price.n, currency, &fault))
			return refuse(r, &price, BILL_PRICE, fault.why, fault.remedy);
		if (named.n && money.currency[0] && strcmp(money.currency, currency) != 0)
			return refuse(r, &price, BILL_PRICE, "is in another currency than the line says",
				      "correct one of the two");
		if (money.currency[0])
			memcpy(currency, money.currency, sizeof(currency));
		line->price = money.amount;
	}
	if (!currency[0])
		return 0;
	line->currency = strings__keep(r->bill->texts, currency, strlen(currency));
	return line->currency ? 0 : -ENOMEM;
}

static int take_end(struct bill_reader *r, const struct bill_cell *cell, struct bill_line *line)
{
	struct bill_time_fault fault;
	struct bill_moment end;

	if (bill_time__parse(&end, cell->text, cell->n, &r->clock, &fault))
		return refuse(r, cell, BILL_TIME_END, fault.why, fault.remedy);
	if (end.is_day)
		return refuse(r, cell, BILL_TIME_END, "does not say whether that day is covered",
			      "write the moment when the window ends: the next day 00:00:00 where the day is covered");
	if (line->begin_unix_ns == ABSENT)
		return refuse(r, cell, BILL_TIME_END, "ends a window that has no beginning", "say when it begins");
	if (end.unix_ns <= line->begin_unix_ns)
		return refuse(r, cell, BILL_TIME_END, "is not after the window's beginning", "correct one of the two");
	line->end_unix_ns = end.unix_ns;
	return 0;
}

static int take_times(struct bill_reader *r, const struct bill_cell *cells, struct bill_line *line)
{
	const struct bill_cell begin = bill_cell__trimmed(&cells[BILL_TIME]);
	const struct bill_cell end = bill_cell__trimmed(&cells[BILL_TIME_END]);
	struct bill_time_fault fault;
	struct bill_moment moment;

	line->begin_unix_ns = line->end_unix_ns = ABSENT;
	if (begin.n) {
		if (bill_time__parse(&moment, begin.text, begin.n, &r->clock, &fault))
			return refuse(r, &begin, BILL_TIME, fault.why, fault.remedy);
		line->begin_unix_ns = moment.unix_ns;
		if (moment.is_day && !end.n)
			line->end_unix_ns = moment.unix_ns + DAY_NS;
	}
	return end.n ? take_end(r, &end, line) : 0;
}

int bill_record__add(struct bill_reader *r, const char *at, const struct bill_cell cells[N_BILL_COLUMNS])
{
	struct bill *bill = r->bill;
	struct bill_line *lines = array__reserve(bill->lines, &r->n_lines_room, bill->n + 1, sizeof(*lines)), *line;
	int err;

	if (!lines)
		return -ENOMEM;
	bill->lines = lines;
	line = &lines[bill->n];
	*line = (struct bill_line){ .line = bill_source__line(&r->source, at) };
	err = take_text(r, &cells[BILL_REQUEST_ID], BILL_REQUEST_ID, &line->request_id);
	if (!err)
		err = take_text(r, &cells[BILL_MODEL], BILL_MODEL, &line->model);
	if (!err)
		err = take_counts(r, cells, line);
	if (!err)
		err = take_money(r, cells, line);
	if (!err)
		err = take_times(r, cells, line);
	if (!err)
		bill->n++;
	return err;
}
