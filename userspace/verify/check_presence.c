/* SPDX-License-Identifier: Apache-2.0 */
/* Lines without a request, requests without a line, and requests that are billed twice. */
#include <errno.h>
#include <inttypes.h>

#include "userspace/verify/books.h"

#define PHANTOM_RULE "every request that is billed was made"
#define AGAIN_RULE "every request is billed once"
#define MISSING_RULE "the bill covers every request that carried tokens"
#define COUNT_RULE "requests billed in a window of time = requests that were made in it"

/* Counts of what stands behind a line that cannot be found. */
struct unknown {
	int64_t n_lines;	/* whose ids are nowhere, though their time was recorded */
	bool may_be_lost;	/* records of the wire were lost */
	bool may_be_nameless;	/* no more than there are requests whose id was not seen */
};

static const char *subject_of(struct verification *v, const struct bill_line *line)
{
	if (line->request_id)
		return verification__text(v, "line %" PRId64 " (%s)", line->line, line->request_id);
	return verification__text(v, "line %" PRId64, line->line);
}

static int64_t tokens_of(const struct bill_line *line)
{
	if (line->completion_tokens == ABSENT)
		return line->prompt_tokens;
	return line->completion_tokens + (line->prompt_tokens == ABSENT ? 0 : line->prompt_tokens);
}

static void judge_unknown(const struct unknown *u, const struct bill_line *line, struct check *c)
{
	c->rule = PHANTOM_RULE;
	c->measured = "0";
	if (u->may_be_lost) {
		c->verdict = VERDICT_INCONCLUSIVE;
		c->measured = NULL;
		c->grade = GRADE_UNAVAILABLE;
		c->text = "not on the wire as recorded, but records of the wire were lost";
	} else if (line->request_id && u->may_be_nameless) {
		c->verdict = VERDICT_INCONCLUSIVE;
		c->measured = NULL;
		c->grade = GRADE_UNAVAILABLE;
		c->text = "not on the wire under this id, but there are requests whose id was not seen";
	} else {
		c->verdict = VERDICT_REFUTED;
		c->text = line->request_id ? "no request with this id was on the wire" :
					     "no request was made at its time";
	}
}

static int check_orphan(struct verification *v, const struct verify_input *in, const struct unknown *u,
			const struct orphan *o)
{
	const bool again = o->kind == ORPHAN_AGAIN;
	struct check *c =
		verification__add_shared(v, again ? "bill.duplicate" : "bill.phantom", subject_of(v, o->line));

	if (!c)
		return -ENOMEM;
	c->unit = "tokens";
	c->bill_line = o->line->line;
	c->claimed = verification__integer(v, tokens_of(o->line));
	c->grade = GRADE_MEASURED;
	if (again) {
		c->rule = AGAIN_RULE;
		c->verdict = VERDICT_REFUTED;
		c->measured = "0";
		c->text = verification__text(v, "request %" PRId64 " is billed by line %" PRId64 " already",
					     in->recording->requests[o->request].id, o->other_line);
		return verification__evidence(v, c, in->recording->requests[o->request].id);
	}
	if (o->kind == ORPHAN_UNKNOWN) {
		judge_unknown(u, o->line, c);
		return 0;
	}
	c->rule = PHANTOM_RULE;
	c->verdict = VERDICT_INCONCLUSIVE;
	c->grade = GRADE_UNAVAILABLE;
	c->text = in->books->mono_to_unix_ns == ABSENT ? "the recording does not say when it was made" :
							 "its time was not recorded";
	return 0;
}

/* More lines than there are requests that could be theirs: which of them are without one, nobody can say. */
static int check_too_many(struct verification *v, const struct verify_input *in, const struct unknown *u)
{
	struct check *c;

	if (u->n_lines <= in->books->n_nameless || in->books->n_nameless == 0 || u->may_be_lost)
		return 0;
	c = verification__add(v, "bill.phantom", "the bill");
	if (!c)
		return -ENOMEM;
	c->verdict = VERDICT_REFUTED;
	c->rule = PHANTOM_RULE;
	c->unit = "requests";
	c->grade = GRADE_MEASURED;
	c->claimed = verification__integer(v, u->n_lines);
	c->measured = "0";
	c->low = "0";
	c->high = verification__integer(v, in->books->n_nameless);
	c->text = verification__text(v,
				     "%" PRId64 " lines have ids that are not on the wire, and no more than %" PRId64
				     " request%s carried tokens under an id that was not seen",
				     u->n_lines, in->books->n_nameless, plural(in->books->n_nameless));
	return 0;
}

/* ------------------------------------------------------------------------------------------------------------- missing --- */

/* Some line's window has this moment in it. */
static bool is_in_window(const struct books *b, int64_t unix_ns)
{
	size_t low = 0, high = b->n_windows;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (b->windows[mid].begin_unix_ns <= unix_ns)
			low = mid + 1;
		else
			high = mid;
	}
	return low && unix_ns < b->windows[low - 1].end_unix_ns;
}

/* Whether the bill speaks of the time in which it began, and of that in which it ended: it may be billed by either. */
static bool is_covered(const struct books *b, const struct row_request *q)
{
	const int64_t arrival = books__unix_ns(b, q->arrival_ns);

	if (b->begin_unix_ns != ABSENT)
		return arrival != ABSENT && arrival >= b->begin_unix_ns && arrival < b->end_unix_ns;
	if (b->n_windows == 0)
		return true;
	return arrival != ABSENT && is_in_window(b, arrival) && is_in_window(b, books__unix_ns(b, q->end_ns));
}

static bool is_unbilled(const struct verify_input *in, uint32_t i)
{
	return !(in->books->counts[i].flags & (REQUEST_BILLED | REQUEST_ENDED_IN)) &&
	       books__must_be_billed(in->books, in, i);
}

static int check_missing(struct verification *v, const struct verify_input *in, const struct unknown *u, uint32_t i)
{
	const struct row_request *q = &in->recording->requests[i];
	const struct request_count *n = &in->books->counts[i];
	struct check *c = q->api_id ?
				  verification__add(v, "bill.missing", "request %" PRId64 " (%s)", q->id, q->api_id) :
				  verification__add(v, "bill.missing", "request %" PRId64, q->id);

	if (!c)
		return -ENOMEM;
	c->unit = "tokens";
	c->rule = MISSING_RULE;
	c->grade = n->backing == BACKING_HOLDS ? GRADE_MEASURED : GRADE_SELF_REPORTED;
	c->claimed = "0";
	if (n->completion.low != ABSENT && n->completion.low == n->completion.high && n->prompt != ABSENT)
		c->measured = verification__integer(v, n->completion.low + n->prompt);
	c->verdict = VERDICT_REFUTED;
	c->text = "it carried tokens and stands in no line of the bill";
	if (!q->api_id && u->n_lines) {
		c->verdict = VERDICT_INCONCLUSIVE;
		c->text = "its id was not seen: one of the lines that have no request may be its";
	}
	return verification__evidence(v, c, q->id);
}

/* --------------------------------------------------------------------------------------------------------- together --- */

static int check_number(struct verification *v, const struct verify_input *in, const struct statement *s)
{
	const struct numbers n = statement__numbers(in, s);
	const int64_t billed = s->n_requests;
	const bool by_end = billed >= n.ended.low && billed <= n.ended.high;
	const bool by_begin = billed >= n.began.low && billed <= n.began.high, within = by_begin || by_end;
	const int64_t all = by_begin || !by_end ? n.began.high : n.ended.high;
	const int64_t due = by_begin || !by_end ? n.began.low : n.ended.low;
	const bool any_way = billed >= n.any_way.low && billed <= n.any_way.high;
	struct check *c = statement__check(v, "bill.requests", s);
	const char *doubt;

	if (!c)
		return -ENOMEM;
	doubt = s->open ? s->open : !within && any_way ? s->excuse : NULL;
	if (!doubt && !within)
		doubt = statement__other_clock(in, s);
	c->unit = "requests";
	c->rule = COUNT_RULE;
	c->grade = GRADE_MEASURED;
	c->claimed = verification__integer(v, billed);
	c->low = verification__integer(v, due);
	c->high = verification__integer(v, all);
	c->measured = within ? c->claimed : due == all ? c->high : NULL;
	c->text = billed == all ? "as many as were made" :
				  "as many as were made, without some of those that need not be billed";
	if (doubt || (in->books->wire_lost && !within)) {
		c->verdict = VERDICT_INCONCLUSIVE;
		c->text = doubt ? doubt : "records of the wire were lost";
	} else if (!within) {
		c->verdict = VERDICT_REFUTED;
		c->text = verification__text(v, "%" PRId64 " %s billed than were made%s",
					     billed > n.any_way.high ? billed - n.any_way.high : n.any_way.low - billed,
					     billed > n.any_way.high ? "more" : "fewer", statement__whichever(s));
	}
	return 0;
}

static int check_nothing(struct verification *v, const struct verify_input *in)
{
	struct check *c;

	in->carried->any_line |= in->books->n_statements || in->books->n_orphans;
	if (!in->is_last || in->carried->any_line || (in->claims && in->claims->n && !in->bill))
		return 0;
	c = verification__add(v, "bill", "the bill");
	if (!c)
		return -ENOMEM;
	c->verdict = VERDICT_INCONCLUSIVE;
	c->grade = GRADE_UNAVAILABLE;
	c->rule = "there is something to check";
	c->text = in->bill ? "the bill has no lines" :
			     "no answer on the wire says what it used (usage); name a bill with --bill";
	return 0;
}

static int note_uncovered(struct verification *v, const struct verify_input *in)
{
	int64_t n = 0;

	for (uint32_t i = 0; in->books->n_windows && i < in->recording->n_requests; i++)
		n += is_unbilled(in, i) && !is_covered(in->books, &in->recording->requests[i]);
	if (n == 0)
		return 0;
	return verification__note(v, "bill.uncovered",
				  "%" PRId64
				  " recorded request%s began or ended at a time of which no line of the bill is, and "
				  "%s billed: nothing is said of %s. --bill-window says that the bill covers more",
				  n, plural(n), n == 1 ? "is not" : "are not", n == 1 ? "it" : "them") ?
		       0 :
		       -ENOMEM;
}

static int note_unbilled(struct verification *v, const struct verify_input *in)
{
	int64_t n = in->carried->n_unbilled;

	for (uint32_t i = 0; i < in->recording->n_requests; i++)
		n += in->books->counts[i].flags & REQUEST_TOKENS && !(in->books->counts[i].flags & REQUEST_BILLED) &&
		     in->recording->requests[i].billed_completion_tokens == ABSENT;
	in->carried->n_unbilled = n;
	if (n == 0 || in->bill || !in->is_last)
		return 0;
	return verification__note(
		       v, "bill.no_usage",
		       "%" PRId64
		       " request%s carried tokens for which the server sent no usage: nothing is said of %s. "
		       "Streams have it only where the client asks for it, and clients that leave get none",
		       n, plural(n), n == 1 ? "it" : "these") ?
		       0 :
		       -ENOMEM;
}

static int note_broken_off(struct verification *v, const struct verify_input *in)
{
	const int64_t n = in->carried->n_broken_off + in->books->n_broken_off;

	in->carried->n_broken_off = n;
	if (n == 0 || !in->is_last)
		return 0;
	return verification__note(
		       v, "bill.broken_off",
		       "%" PRId64 " stream%s broke off (the client left, or the server ended) after an event that "
		       "counted its tokens so far: that is no bill of completion tokens, and none is judged; the "
		       "engine had put out more",
		       n, plural(n)) ?
		       0 :
		       -ENOMEM;
}

static int run(struct verification *v, const struct verify_input *in)
{
	const struct books *b = in->books;
	struct unknown u = { .may_be_lost = b->wire_lost > 0 };
	int err = check_nothing(v, in);

	for (size_t i = 0; i < b->n_orphans; i++)
		u.n_lines += b->orphans[i].kind == ORPHAN_UNKNOWN && b->orphans[i].line->request_id;
	u.may_be_nameless = b->n_nameless > 0;
	for (size_t i = 0; i < b->n_orphans && !err; i++)
		err = check_orphan(v, in, &u, &b->orphans[i]);
	if (!err)
		err = check_too_many(v, in, &u);
	for (uint32_t i = 0; in->bill && i < in->recording->n_requests && !err; i++)
		if (is_unbilled(in, i) && is_covered(b, &in->recording->requests[i]))
			err = check_missing(v, in, &u, i);
	for (size_t i = 0; i < b->n_statements && !err; i++)
		if (b->statements[i].counts_requests)
			err = check_number(v, in, &b->statements[i]);
	if (!err)
		err = note_uncovered(v, in);
	if (!err)
		err = note_unbilled(v, in);
	return err ? err : note_broken_off(v, in);
}

extern const struct check_kind check_presence;
const struct check_kind check_presence = {
	.name = "presence",
	.doc = "phantom, missing and duplicate requests",
	.needs_recording = true,
	.by_request = true,
	.run = run,
};
