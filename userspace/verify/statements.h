/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the books: lines of a bill and the requests that they are about. */
#ifndef TOKPROF_VERIFY_STATEMENTS_H
#define TOKPROF_VERIFY_STATEMENTS_H

#include "userspace/verify/books.h"

/* Clocks of the host and of the biller, and whether a request's time is its arrival or its answer, differ by so much. */
#define CLOCK_SLACK_NS 2000000000ll
/* The same of windows of time, whose requests may be those that began or those that ended in them. */
#define WINDOW_SLACK_NS 250000000ll

struct pairing {
	struct books *b;
	struct verification *v;
	const struct verify_input *in;
	uint32_t *statement_of;		/* per request: statement + 1; 0 none */
	int64_t recorded_begin, recorded_end;	/* unix; ABSENT */
	int64_t begin, end;		/* that the bill covers: its window, else the recording; ABSENT */
};

size_t id__hash(const char *text);

/* Add what a line bills to a statement. */
void statement__add_line(struct statement *s, const struct bill_line *line);
/* @return -ENOMEM, 0 */
int pairing__orphan(struct pairing *p, const struct bill_line *line, uint32_t request, int64_t other_line);

/* Lines that name a request, and all others. @return 0, -ENOMEM */
int pairing__by_id(struct pairing *p);
int pairing__by_time(struct pairing *p);

#endif
