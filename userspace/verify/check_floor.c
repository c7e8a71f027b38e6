/* SPDX-License-Identifier: Apache-2.0 */
/* Billed tokens against the least CPU time that they can have taken: what nobody has to calibrate, and nobody can argue with. */
#include <errno.h>
#include <math.h>

#include "userspace/verify/beyond.h"
#include "userspace/verify/compute_floor.h"

#define RULE                                                                                                           \
	"CPU time measured >= 2 operations x weights for each billed token at this processor's peak, and one reading " \
	"of "                                                                                                          \
	"the weights in each of its steps out of its nearest cache"

struct room {
	double needed, measured;	/* ns */
};

/* @return whether it is known */
static bool find_room(const struct books *b, const struct statement *s, struct token_prices prices, struct room *out)
{
	*out = (struct room){ statement__beyond(b, s, prices), 0 };
	for (size_t i = 0; i < s->n_members; i++) {
		const struct compute_floor_request *q = &b->floor->requests[b->members[s->first_member + i]];

		if (q->unmeasured)
			return false;
		out->needed += q->needed;
		out->measured += q->measured;
	}
	return true;
}

static const char *number(struct verification *v, double ns)
{
	return ns >= 0 && ns < 9e18 ? verification__integer(v, (int64_t)ns) : NULL;
}

static int put(struct verification *v, const struct compute_floor *f, struct check *c, struct room room)
{
	if (!c)
		return -ENOMEM;
	c->unit = "ns";
	c->rule = RULE;
	c->grade = GRADE_MEASURED;
	c->claimed = number(v, room.needed);
	c->measured = number(v, room.measured);
	if (room.measured < room.needed) {
		c->verdict = VERDICT_REFUTED;
		c->text = verification__text(
			v,
			"its billed tokens take %.3f ms of CPU time at the very least, of a model with %.3g billion "
			"weights on this processor; %.3f ms were measured",
			room.needed / 1e6, f->weights / 1e9, room.measured / 1e6);
	} else {
		c->text = verification__text(
			v,
			"the measured CPU time is %.3g times the least that its billed tokens can have taken: an "
			"inflation from there on would have been seen without calibrating anything",
			room.needed > 0 ? room.measured / room.needed : INFINITY);
	}
	return 0;
}

static int check_statement(struct verification *v, const struct verify_input *in, const struct statement *s,
			   struct room room)
{
	struct check *c = statement__check(v, "compute.floor", s);

	if (c && s->n_members == 1 &&
	    verification__evidence(v, c, in->recording->requests[in->books->members[s->first_member]].id))
		return -ENOMEM;
	return put(v, in->books->floor, c, room);
}

static int run(struct verification *v, const struct verify_input *in)
{
	const struct books *b = in->books;
	const struct compute_floor *f = b->floor;
	const struct token_prices prices = { f->ns_per_token, f->ns_per_token };
	struct carried *sum = in->carried;

	if (f->missing)
		return !in->is_last || verification__note(v, "compute.no_floor",
							  "the least that the billed tokens can have taken is not "
							  "known: %s",
							  f->missing) ?
			       0 :
			       -ENOMEM;
	sum->floor_ns += f->needed;
	for (size_t i = 0; i < b->n_statements; i++) {
		const struct statement *s = &b->statements[i];
		struct room room;

		if (!statement__is_recorded(b, s))
			continue;
		if (statement__may_share(b, in, s)) {
			sum->floor_between_ns += statement__difference(b, s, prices);
			continue;
		}
		sum->floor_ns += statement__beyond(b, s, prices);
		if (find_room(b, s, prices, &room) && room.measured < room.needed && check_statement(v, in, s, room))
			return -ENOMEM;
	}
	if (!in->is_last || !(sum->floor_ns > 0))
		return 0;
	return put(v, f, verification__add(v, "compute.floor", "the recording"),
		   (struct room){ sum->floor_ns + fmax(sum->floor_between_ns, 0), f->measured });
}

extern const struct check_kind check_floor;
const struct check_kind check_floor = {
	.name = "floor",
	.doc = "billed tokens against the least CPU time that they can have taken on this processor",
	.needs_recording = true,
	.by_request = true,
	.run = run,
};
