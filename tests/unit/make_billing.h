/* SPDX-License-Identifier: Apache-2.0 */
/* A small recording whose truth is known, a bill of it that tests change, and what verify says of the two. */
#ifndef TOKPROF_MAKE_BILLING_H
#define TOKPROF_MAKE_BILLING_H

#include "bpf/records.h"
#include "make_fit.h"
#include "make_recording.h"
#include "userspace/verify/books.h"

#define N 4		/* requests of the scene */
#define MAX_LINES 8
#define MS 1000000ull
#define SECOND 1000000000ll
#define UNIX_START (1800000000ll * SECOND)
#define START 1000000ull

/* Four requests one after the other, request i with 20 + i prompt tokens, i of them cached, and 30 + i tokens put out. */
struct billing {
	struct maker m;
	struct made_fit fit;
	double factor;		/* of what its steps take, over what the model says */
	bool with_fit;
	uint64_t now;
	int64_t meter;
	char ids[N][16];
	struct bill_line lines[MAX_LINES];
	struct bill bill;
	struct claims claims;
	struct timeline timeline;
	struct ledger ledger;
	struct verify_input in;
	struct verification v;
};

int64_t prompt_of(int i);
int64_t completion_of(int i);
void bill_line(struct bill_line *line, int i);
/*
 * @factor: of what the model says that a step takes; 0: no cost model in the recording @late: the same of the last request, which
 * comes two hours after the others; 0: like these
 */
void billing__open_late(struct billing *s, double factor, double late);
void billing__open(struct billing *s, double factor);
void billing__verify(struct billing *s);
void billing__close(struct billing *s);
/* A prompt of 12 tokens, computed once, and two choices of 6 tokens each. */
void billing__two_choices(struct billing *s);
/* The check of this kind about this line of the bill; 0: any. NULL: none */
const struct check *verdict__find(const struct verification *v, const char *id, int64_t line);
void verdict__print(const struct verification *v);
const struct note *verdict__note(const struct verification *v, const char *id);
size_t verdict__count(const struct verification *v, enum verdict verdict, const char *id);
void billing__expect(const struct billing *s, const char *id, int64_t line, enum verdict verdict, const char *claimed,
		     const char *measured);
void billing__expect_says(const struct billing *s, const char *id, int64_t line, const char *words);
void billing__expect_verdict(const struct billing *s, enum verdict verdict);

#endif
