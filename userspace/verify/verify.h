/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verdicts: CONFIRMED, REFUTED or INCONCLUSIVE for every statement of a bill and every claim, each with figure, interval, rule and
 * the rows of evidence. A kind of check is one file and one line in userspace/verify/registry.c.
 */
#ifndef TOKPROF_VERIFY_H
#define TOKPROF_VERIFY_H

#include "userspace/analysis/ledger.h"
#include "userspace/verify/bill.h"
#include "userspace/verify/claims.h"

/* In the order of what an overall verdict is made of: any REFUTED is REFUTED, else any INCONCLUSIVE is that. */
enum verdict { VERDICT_CONFIRMED = 0, VERDICT_INCONCLUSIVE = 1, VERDICT_REFUTED = 2 };
extern const char *const verdict_names[];	/* "CONFIRMED", ... */

/* One statement and what became of it. Texts belong to the `verification`. */
struct check {
	const char *id;			/* "bill.completion_tokens", "claim.ttft_p99", "identity.parameters", ... */
	const char *subject;		/* "request 17 (chatcmpl-abc)", "the bill", the claim's id */
	enum verdict verdict;
	enum grade grade;		/* of the measured figure */
	const char *claimed, *measured, *low, *high;	/* figures as text, exact; NULL: none */
	const char *unit;		/* "tokens", "ns", "tokens/s", "CNY", "" */
	const char *rule;		/* in words: "billed completion tokens <= tokens that the recorded steps put out" */
	int64_t *evidence;		/* ids of requests of the recording */
	uint32_t n_evidence, evidence_capacity;
	int64_t bill_line, claim_line;	/* in their files; 0: none */
	uint32_t kind;			/* index into check_kinds */
	const char *text;		/* one sentence for people; says what is missing where INCONCLUSIVE */
};

/* What nobody asked a verdict of: a guard's or an identity's finding, with its innocent explanations in the text. */
struct note {
	const char *id, *text;
	int64_t *evidence;
	uint32_t n_evidence, evidence_capacity;
};

/* CONFIRMED checks of one id. */
struct tally {
	const char *id;
	uint32_t kind;
	size_t n, n_measured, n_self_reported;
};

struct verification {
	struct check *checks;		/* in a fixed order: by kind as registered, then as found */
	size_t n, n_by_verdict[3];
	struct note *notes;
	size_t n_notes;
	enum verdict verdict;		/* of what was asked: the bill and the claims */
	struct tally *tallies;		/* by kind, then id */
	size_t n_tallies;
	size_t n_dropped;		/* CONFIRMED ones that are in tallies alone */
	size_t checks_capacity, notes_capacity, tallies_capacity;
	uint32_t kind;			/* that is running */
	bool drops;			/* its CONFIRMED checks are counted and dropped */
	struct text_block *texts, *mark;	/* up to where texts were before the last check; NULL: it has none */
	size_t mark_used;
	bool out_of_memory;
};

struct books;				/* userspace/verify/books.h */

struct verify_input {
	const struct recording *recording;	/* NULL: claims alone, for plausibility */
	const struct timeline *timeline;	/* NULL with recording */
	const struct ledger *ledger;		/* NULL with recording */
	const struct bill *bill;		/* NULL: the wire's own usage is the bill */
	const struct claims *claims;		/* NULL */
	int64_t window_begin_unix_ns, window_end_unix_ns;	/* of the bill; ABSENT: exactly the recording */
	/*
	 * CONFIRMED checks of kinds that go request by request are only counted: a million of them take 400 MB. Texts and evidence made
	 * after such a check are its own and go with it.
	 */
	bool drop_confirmed;
	/* Set by verify__run() for the kinds of checks. */
	const struct books *books;		/* NULL with recording */
	struct carried *carried;		/* userspace/verify/books.h: sums over the parts of a recording */
	bool is_last;				/* the part that is looked at is the last one, or the only one */
};

/*
 * For kinds of checks: add one, CONFIRMED and graded self-reported until it says otherwise, text copied from a format. Good until
 * the next one. NULL: no memory, which verify__run() reports.
 */
struct check *verification__add(struct verification *v, const char *id, const char *subject_format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with a subject that lasts as long as the verification: a million checks share few texts. */
struct check *verification__add_shared(struct verification *v, const char *id, const char *subject);
struct note *verification__note(struct verification *v, const char *id, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* NULL: no memory. */
const char *verification__text(struct verification *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What a noun ends in behind a number: "1 request", "2 requests". */
static inline const char *plural(int64_t n)
{
	return n == 1 ? "" : "s";
}

/* A whole number as text; ABSENT: NULL. */
const char *verification__integer(struct verification *v, int64_t value);
/* @return 0, -ENOMEM */
int verification__evidence(struct verification *v, struct check *c, int64_t request_id);
int verification__note_evidence(struct verification *v, struct note *note, int64_t request_id);

struct check_kind {
	const char *name, *doc;
	bool needs_recording;
	/* It goes request by request and carries what it sums: a recording may be given to it part by part. */
	bool by_request;
	int (*run)(struct verification *v, const struct verify_input *in);	/* 0, -ENOMEM */
};
extern const struct check_kind *const check_kinds[];	/* NULL-terminated */

/* Run the kinds, those that go by request or all. For verify__run(). @return 0, -ENOMEM */
int kinds__run(struct verification *v, const struct verify_input *in, bool by_request);
/* The last check is whole: count it, where it is to be dropped. */
void verification__end_check(struct verification *v);
/* The overall verdict and the counts, of all checks. */
int verification__settle(struct verification *v);

/* @return 0; -ENOMEM */
int verify__run(struct verification *out, const struct verify_input *in);
void verification__free(struct verification *v);

#endif
