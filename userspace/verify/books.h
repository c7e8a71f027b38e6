/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both sides of the bill, made once for all kinds of checks: what is billed, as a list of statements, and what the recording
 * says of every request. A statement is one line of a bill with its request, several lines of one window with all of its
 * requests, or the `usage` that the server sent with one answer.
 */
#ifndef TOKPROF_VERIFY_BOOKS_H
#define TOKPROF_VERIFY_BOOKS_H

#include "userspace/verify/verify.h"

/* Both ABSENT: not known. low < high: known within that. */
struct span {
	int64_t low, high;
};

struct compute;				/* userspace/verify/compute.h */
struct compute_floor;			/* userspace/verify/compute_floor.h */

/* Whether the measured compute of a request has room for its tokens. */
enum backing {
	BACKING_NONE = 0,	/* nothing to judge it by */
	BACKING_OPEN,		/* it cannot be told */
	BACKING_SHORT,		/* less was measured than the billed tokens need */
	BACKING_HOLDS,
};

enum {
	REQUEST_AMBIGUOUS = 1,	/* another generation may be its, and would change a figure */
	REQUEST_SEVERAL = 2,	/* several generations: n > 1, a list of prompts */
	REQUEST_FAILED = 4,	/* refused, or never answered */
	REQUEST_TOKENS = 8,	/* it carried tokens */
	REQUEST_BILLED = 16,	/* a statement is about it */
};

struct request_count {
	struct span completion;
	int64_t prompt, cached;		/* all of the prompt, and of it from the cache; ABSENT */
	int64_t rejected;		/* drafts; ABSENT */
	uint32_t incomplete;		/* enum request_incomplete */
	uint8_t flags, backing;		/* of the above */
};

struct statement {
	int64_t line;			/* of the bill; the first one's of several; 0: the wire's usage */
	const char *subject, *model;	/* model NULL: none named */
	const struct bill_line *first;	/* NULL: the wire's usage */
	size_t n_lines;
	bool counts_requests;		/* n_requests is billed too */
	bool window;			/* all requests in a window of time, not those that a line names */
	const char *open;		/* why its requests are not known to be these; NULL: they are */
	const char *excuse;		/* why a difference would prove nothing; NULL: it would */
	size_t first_member, n_members;	/* in books.members */
	int64_t n_requests;
	int64_t prompt, cached, completion, reasoning;	/* as billed; ABSENT */
};

enum orphan_kind {		/* lines without a request of their own */
		   ORPHAN_UNKNOWN, /* its id, or nothing at its time, is on the wire */
		   ORPHAN_OUTSIDE, /* it is of a time that was not recorded */
		   ORPHAN_AGAIN, /* another line bills the same request */
};

struct orphan {
	const struct bill_line *line;
	enum orphan_kind kind;
	uint32_t request;	/* ORPHAN_AGAIN; else REQUEST_NONE */
	int64_t other_line;	/* ORPHAN_AGAIN */
};

struct books {
	struct request_count *counts;	/* one per recording.requests */
	struct statement *statements;	/* by line; of the wire by request */
	size_t n_statements, statements_capacity;
	uint32_t *members;		/* indexes of requests */
	size_t n_members, members_capacity;
	struct orphan *orphans;		/* by line */
	size_t n_orphans, orphans_capacity;
	int64_t n_nameless;		/* requests with tokens whose id was not seen */
	size_t n_with_tokens;
	int64_t n_broken_off;		/* streams whose last count of tokens was no bill */
	int64_t begin_unix_ns, end_unix_ns;	/* that the bill covers; ABSENT: exactly the recording */
	int64_t due_from_unix_ns, due_until_unix_ns;	/* requests that must be billed; ABSENT: all of the recording */
	const struct compute *compute;
	const struct compute_floor *floor;
	int64_t wire_lost;		/* records of the wire that were lost */
	int64_t mono_to_unix_ns;	/* ABSENT: not known */
};

/* A sum over the bill. */
struct total {
	int64_t billed, low, high;
	bool any, open;		/* a statement has it; one is not known */
};

/* What kinds of checks sum over the parts of a recording; 0 at the beginning. */
struct carried {
	struct total totals[3];		/* by enum figure */
	bool any_statement, any_unbacked;	/* and one whose tokens no measured compute has room for */
	int64_t n_cached_unsaid, tokens_cached_unsaid;
	int64_t n_unbilled;
	int64_t n_broken_off;	/* streams whose last count of completion tokens was no bill */
	bool any_line;
	double floor_ns;	/* the least that all steps and what is billed beyond them take */
	double floor_between_ns;	/* the same of windows that share requests; more in one is less in the other */
};

/* @return 0, -ENOMEM. Texts belong to the verification */
int books__open(struct books *b, struct verification *v, const struct verify_input *in);
void books__close(struct books *b);

/*
 * Lines without an id whose windows of time overlap without being the same would bill requests twice: nothing can be said of them.
 * @return 0; -EINVAL with a sentence in `error`; -ENOMEM
 */
int bill__check_windows(const struct bill *bill, char *error, size_t error_size);

/* Parts of books__open(). */
int counts__fill(struct books *b, const struct verify_input *in);
int statements__of_wire(struct books *b, struct verification *v, const struct verify_input *in);
int statements__of_bill(struct books *b, struct verification *v, const struct verify_input *in);
struct statement *books__add_statement(struct books *b);	/* NULL: no memory */
int books__add_member(struct books *b, uint32_t request);
int64_t books__unix_ns(const struct books *b, uint64_t time_ns);	/* ABSENT: not known when it was recorded */

/* The sum over a statement's requests; ABSENT where one is not known. */
struct span statement__completion(const struct books *b, const struct statement *s);
int64_t statement__prompt(const struct books *b, const struct statement *s);
int64_t statement__cached(const struct books *b, const struct statement *s);

/*
 * Why a statement's counts are no exact ones, in words; NULL: they are. Requests because of which that is so are added to the
 * check's evidence, all of the statement's otherwise.
 */
const char *statement__doubt(const struct books *b, struct verification *v, const struct verify_input *in,
			     const struct statement *s, struct check *c);
enum figure { FIGURE_PROMPT, FIGURE_CACHED, FIGURE_COMPLETION };

enum lawfulness {
	LAWFUL_NOT = 0,
	LAWFUL_ALL,		/* the sum over all of its requests */
	LAWFUL_DUE,		/* over those that must be billed */
	LAWFUL_ONE_GENERATION,	/* of its one request */
};

struct lawful {
	enum lawfulness how;
	struct span span;	/* from the sum over those that must be billed to that over all; ABSENT: not known */
	size_t n_optional;	/* that need not be billed */
};

struct lawful statement__lawful(const struct verify_input *in, const struct statement *s, enum figure figure,
				int64_t billed);
/* Why a difference of a sum proves nothing; NULL: it does. */
const char *statement__excuse(const struct books *b, const struct statement *s, const struct lawful *l, int64_t billed);
/* Not those that failed, whose client left, or that the recording has not whole. */
bool books__must_be_billed(const struct books *b, const struct verify_input *in, uint32_t request);
/* It is about all requests, and every generation is one of theirs: which is whose may be open, the sum is not. */
bool statement__is_all(const struct books *b, const struct verify_input *in, const struct statement *s);
/* One request that asked for several generations. */
bool statement__is_several(const struct books *b, const struct statement *s);
/* The weakest backing of its requests as a grade: measured where compute has room for all of them. */
enum grade statement__grade(const struct books *b, const struct statement *s);
/* Add a check about a statement. NULL: no memory */
struct check *statement__check(struct verification *v, const char *id, const struct statement *s);

#endif
