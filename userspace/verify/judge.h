/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a recording says of a claim. How a kind of claim is measured is one function in the table `claim_judges`; one that has none is
 * INCONCLUSIVE and says so. A judge either gives the verdict itself (facts, exact sums), or one or two `readings`, figures with an interval,
 * from which check_claims.c makes it for all claims together.
 *
 * What is not known of a request (it was lost half-way, still open at the end, its client left) has two readings: one in which it is
 * as small as it may have been, one in which it is as large. A verdict holds in both.
 */
#ifndef TOKPROF_VERIFY_JUDGE_H
#define TOKPROF_VERIFY_JUDGE_H

#include "userspace/verify/stats/batch_means.h"
#include "userspace/verify/stats/block_bootstrap.h"
#include "userspace/verify/stats/percentile.h"
#include "userspace/verify/books.h"

enum reading_kind {
	READING_ENDLESS = 0,	/* as large as one likes: no figure */
	READING_MEAN,
	READING_PERCENTILE,
	READING_PART,
	READING_RATIO,		/* of two means */
};

struct reading {
	enum reading_kind kind;
	double estimate;	/* in the claim's base unit */
	struct batch_means mean;	/* READING_RATIO: above the line */
	struct batch_means under;	/* READING_RATIO */
	struct percentile percentile;
	struct block_bootstrap blocks;	/* READING_PART */
};

/* Of all requests, made once for all claims. */
struct claim_scope {
	bool *asks;		/* by request: it asks for generated text */
	double *waiting;	/* pairs: begin and end of times in which a request that could have been in a step was in none */
	size_t n_waiting;
	int64_t wire_lost, engine_lost;
};

struct judgement {
	struct verification *v;
	const struct verify_input *in;
	const struct claim *claim;
	const struct claim_scope *scope;
	double risk;		/* the smallest that an interval will be asked for */
	struct check *check;	/* INCONCLUSIVE and graded unavailable until a judge says otherwise */
	bool decided;		/* the judge has given verdict and text */
	const char *open;	/* why there is no verdict whatever the figures are; NULL */
	const char *no_refutation;	/* why a figure that misses the claim proves nothing against it; NULL */
	double spare;		/* a figure that misses the claim by less than this factor does not either; 1 */
	const char *within_spare;	/* why, where one does so */
	struct reading readings[2];	/* smallest and largest; n_readings 1: nothing is open */
	int n_readings;
	double scale;		/* from the claim's base unit to the check's */
	const char *counted_in;	/* what an interval is made of: "requests", "time" */
	double point;		/* how much of it is one point of a mean: 1 request, so many seconds */
	const char *about;	/* a clause on what was measured: "of 412 requests 3 failed"; NULL */
};

/* @return 0, -ENOMEM */
typedef int claim_judge(struct judgement *j);
extern claim_judge *const claim_judges[N_CLAIM_METRICS];

claim_judge judge_latency, judge_user_throughput, judge_success_rate;	/* claim_samples.c */
claim_judge judge_throughput, judge_stability;	/* claim_rates.c */
claim_judge judge_tokens_per_joule;	/* claim_energy.c */
claim_judge judge_price;	/* claim_price.c */

/* For judges: the verdict and its sentence. @return 0, -ENOMEM */
int judgement__decide(struct judgement *j, enum verdict verdict, enum grade grade, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* No verdict, and why. */
int judgement__leave_open(struct judgement *j, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* At most 100 rows of evidence. */
int judgement__evidence(struct judgement *j, int64_t request_id);

/* Requests that ask for text of the claim's model. */
bool claim__is_of_model(const struct judgement *j, uint32_t request);
/* Those of them that a claim is about: they began in the recording. */
bool claim__is_about(const struct judgement *j, uint32_t request);
/* The first request that is left out to warm the server up; REQUEST_NONE. */
uint32_t claim__warm_up(const struct judgement *j);
/* The server did not do what it was asked for. */
bool request__failed(const struct row_request *q);
/* It was asked for what cannot be done. */
bool request__was_wrong(const struct row_request *q);

/* NAN: no such end is known; INFINITY: it has none. */
void reading__interval(const struct reading *r, double risk, double *low, double *high);
void reading__free(struct reading *r);

/* A figure rounded to six digits, without exponent. "" out of memory */
const char *claim__figure(struct verification *v, double value);
/* A time for people: "450 ms". */
const char *claim__time(struct verification *v, double ns);

/* @return 0, -ENOMEM */
int claim_scope__open(struct claim_scope *s, const struct verify_input *in);
void claim_scope__close(struct claim_scope *s);
/* Part of [begin, end) in which a request waited though it could have been in a step. */
double claim_scope__waiting(const struct claim_scope *s, double begin, double end);

#endif
