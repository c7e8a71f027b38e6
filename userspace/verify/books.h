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
	REQUEST_ENDED_IN = 32,	/* a window of the bill is of the time in which it ended, and it began before */
	REQUEST_ENDED_OUT = 64,	/* it ended after the window that it is billed in */
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
	const char *excuse;		/* why a difference may prove nothing; NULL: it does */
	size_t first_member, n_members;	/* in books.members */
	/*
	 * In books.crossing: requests that began before a window and ended in it, then those of its own that ended after it. They may be
	 * billed where they began or where they ended.
	 */
	size_t first_crossing, n_before, n_after;
	int64_t begin_unix_ns, end_unix_ns;	/* of its window; both 0: none */
	size_t first_edge,
		n_edges; /* in books.edges: requests that other clocks may have on the other side of its ends */
	int64_t n_requests;
	int64_t prompt, cached, completion, reasoning;	/* as billed; ABSENT */
};

struct edge {
	uint32_t request;
	bool own;		/* it is one of its members */
};

struct bill_window {
	int64_t begin_unix_ns, end_unix_ns;
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
	uint32_t *crossing;		/* the same */
	size_t n_crossing, crossing_capacity;
	struct edge *edges;
	size_t n_edges, edges_capacity;
	struct bill_window *windows;		/* of the bill's lines, by time, joined where they meet */
	size_t n_windows;
	struct orphan *orphans;		/* by line */
	size_t n_orphans, orphans_capacity;
	int64_t n_nameless;		/* requests with tokens whose id was not seen */
	size_t n_with_tokens;
	int64_t n_broken_off;		/* streams whose last count of tokens was no bill */
	int64_t begin_unix_ns, end_unix_ns;	/* that the bill covers; ABSENT: exactly the recording */
	const struct compute *compute;
	const struct compute_floor *floor;
	int64_t wire_lost;		/* records of the wire that were lost */
	int64_t mono_to_unix_ns;	/* ABSENT: not known */
};

/* A sum over the bill. */
struct total {
	int64_t billed, low, high;
	bool any, open;		/* a statement has it; one is not known */
	bool crossed;		/* requests go over the ends of windows */
};

/* What kinds of checks sum over the parts of a recording; 0 at the beginning. */
struct carried {
	struct total totals[3];		/* by enum figure */
	bool any_statement, any_unbacked;	/* and one whose tokens no measured compute has room for */
	int64_t n_cached_unsaid, tokens_cached_unsaid;
	int64_t n_unbilled;
	int64_t n_broken_off;	/* streams whose last count of completion tokens was no bill */
	int64_t n_until_left, tokens_after_left;	/* lines with less than was put out for clients that left */
	bool any_line;
	double floor_ns;	/* the least that all steps and what is billed beyond them take */
	double floor_between_ns;	/* the same of statements that may share; more in one is less in the other */
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
enum figure { FIGURE_PROMPT, FIGURE_CACHED, FIGURE_COMPLETION, FIGURE_REQUESTS };

enum lawfulness {
	LAWFUL_NOT = 0,
	LAWFUL_ALL,		/* the sum over all of its requests */
	LAWFUL_DUE,		/* over those that must be billed */
	LAWFUL_ONE_GENERATION,	/* of its one request */
	LAWFUL_ENDED,		/* over those that ended in its window */
	LAWFUL_UNTIL_IT_LEFT,	/* less than was put out: its client left, and none of it had to be billed */
};

struct lawful {
	enum lawfulness how;
	struct span span;	/* from the sum over those that must be billed to that over all; ABSENT: not known */
	size_t n_optional;	/* that need not be billed */
	/* What a bill can come to that counts requests across the window's ends as it likes; ABSENT: not known. */
	struct span any_way;
	struct span within;	/* the same without requests that crossed them */
	bool by_end;		/* it is the sum over those that ended in its window */
};

/* Both ABSENT: not known. */
struct span count__figure(const struct request_count *q, enum figure figure);
struct lawful statement__lawful(const struct verify_input *in, const struct statement *s, enum figure figure,
				int64_t billed);
/* As many requests as a window may be billed for: where they began, where they ended, or each as one likes. */
struct numbers {
	struct span began, ended, any_way;
};
struct numbers statement__numbers(const struct verify_input *in, const struct statement *s);
/* For a figure that no way of counting explains: by how much it is too large, or (negative) too small, at least. */
int64_t lawful__excess(const struct lawful *l, int64_t billed);
/* Of a sum that requests cross the ends of: a clause that says so. "" of others. */
const char *statement__whichever(const struct statement *s);
/* Why a difference of a sum proves nothing; NULL: it does. */
const char *statement__excuse(const struct verify_input *in, const struct statement *s, const struct lawful *l,
			      int64_t billed);
/*
 * Whether all its figures are sums over those requests that began, or that ended, in its window by a clock that differs from the host's a
 * little. NULL: they are not
 */
const char *statement__other_clock(const struct verify_input *in, const struct statement *s);
/* A sum over windows, without and with requests that such a clock may have moved out of all of them, or into one. */
struct span bill_clocks__widen(const struct verify_input *in, struct span sum, enum figure figure);
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
