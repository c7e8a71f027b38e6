/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scorecard: what a recording says in each dimension in which token services are assessed, with the definition of every figure
 * and without a threshold of our own; and the same by the names and formulae of AIPerf and of MLPerf's LoadGen.
 *
 * Figures are whole numbers of 10^-scale of their unit, made by integer arithmetic alone: the same on every machine. What is not
 * known is ABSENT with a reason. Means, rates, percentiles and parts have a 95 % interval (scorecard_intervals.h), of the traffic of that
 * recording: it is one sample of the service. Counts, extremes and totals have none.
 */
#ifndef TOKPROF_VERIFY_SCORECARD_H
#define TOKPROF_VERIFY_SCORECARD_H

#include "userspace/verify/decimal.h"
#include "userspace/verify/verify.h"

enum scorecard_part {
	PART_TOKENS_PER_SECOND = 0,
	PART_TTFT,
	PART_LATENCY,
	PART_THROUGHPUT,
	PART_STABILITY,
	PART_RELIABILITY,
	PART_COST,
	PART_ENERGY,
	PART_SECURITY,
	PART_INTEROPERABILITY,
	N_DIMENSIONS,
	PART_AIPERF = N_DIMENSIONS,	/* the same facts by the names of others */
	PART_MLPERF,
	N_PARTS,
};

struct scorecard_part_doc {
	const char *id, *title, *definition;
};
extern const struct scorecard_part_doc scorecard_parts[N_PARTS];

/* What a request, or a pair of chunks, has one value of. */
enum quantity {
	QUANTITY_NONE = 0,	/* the figure is one of the whole recording */
	QUANTITY_TTFT,
	QUANTITY_TTST,		/* first to second chunk */
	QUANTITY_TPOT,
	QUANTITY_CHUNK,		/* chunk to chunk */
	QUANTITY_WAIT,
	QUANTITY_E2E,
	QUANTITY_LAST_CHUNK,	/* arrival to the last content */
	QUANTITY_USER_RATE,
	QUANTITY_PREFILL_RATE,
	QUANTITY_E2E_RATE,
	QUANTITY_OUTPUT_TOKENS,	/* thousandths, so that means have digits */
	QUANTITY_INPUT_TOKENS,
	N_QUANTITIES,
};

enum statistic {
	STAT_WHOLE = 0,
	STAT_MEAN,		/* rounded to the nearest */
	STAT_MEAN_DOWN,		/* rounded down, as LoadGen does */
	STAT_MIN,
	STAT_MAX,
	STAT_RANK,		/* LoadGen's percentile: of n sorted values, that at floor(n p) from 0 */
	STAT_LINEAR,		/* AIPerf's: numpy's, linear between the values about (n - 1) p */
};

enum whole {			/* figures of the whole recording */
	     WHOLE_OUTPUT_RATE = 0,
	     WHOLE_TOTAL_RATE,
	     WHOLE_REQUEST_RATE,
	     WHOLE_CONCURRENCY,
	     WHOLE_DURATION,
	     WHOLE_OUTPUT_TOKENS,
	     WHOLE_INPUT_TOKENS,
	     WHOLE_THROUGHPUT_THIRDS,
	     WHOLE_TTFT_THIRDS,
	     WHOLE_TPOT_THIRDS,
	     WHOLE_THROUGHPUT_SPREAD,
	     WHOLE_SUCCESS_RATE,
	     WHOLE_SUCCEEDED,
	     WHOLE_FAILED,
	     WHOLE_CLIENT_ERRORS,
	     WHOLE_ERRORS,
	     WHOLE_CANCELLED,
	     WHOLE_CPU_PER_TOKEN,
	     WHOLE_DEVICE_PER_TOKEN,
	     WHOLE_BYTES_PER_TOKEN,
	     WHOLE_CPU_SHARE,
	     WHOLE_PRICE,
	     WHOLE_ENERGY_PER_TOKEN,
	     WHOLE_TOKENS_PER_JOULE,
	     WHOLE_REMOTE_PLAINTEXT,
	     WHOLE_UNAUTHORISED,
	     WHOLE_CONTROLS,
	     WHOLE_OPENAI_PATHS,
	     WHOLE_USAGE_SENT,
	     WHOLE_CACHED_SENT,
	     WHOLE_FINISH_SENT,
	     WHOLE_UNKNOWN_PATHS,
	     WHOLE_COMPLETED_SAMPLES,
	     WHOLE_COMPLETED_TOKENS,
	     N_WHOLES,
};

struct scorecard_metric {
	enum scorecard_part part;
	const char *group;	/* AIPerf's tag, LoadGen's kind of latency; NULL */
	const char *id;		/* unique in its part and group */
	const char *name;	/* for people; AIPerf's and LoadGen's own */
	const char *unit;
	int scale;
	int better;		/* 1: more is, -1: less is; 0: neither */
	enum quantity quantity;
	enum statistic statistic;
	int per_10000;		/* of STAT_RANK, STAT_LINEAR */
	enum whole whole;	/* of STAT_WHOLE */
	const char *definition;	/* NULL: the group's or the part's says it */
};
extern const struct scorecard_metric scorecard_metrics[];
extern const size_t n_scorecard_metrics;

struct scorecard_figure {
	int64_t value;		/* in 10^-scale of the unit; ABSENT, and `why` */
	bool at_least;		/* what some requests add is not known */
	int64_t low, high;	/* 95 % interval, as `value`; ABSENT: it has no such end */
	const char *no_interval;	/* why an end is missing of a figure that could have one; NULL */
	enum grade grade;
	int64_t n, n_left_out;	/* requests, or pairs of chunks, that it is made of, and that it could not be */
	const char *unit;	/* NULL: the metric's */
	const char *why;
};

/* What has to be alike for a comparison to mean anything. */
enum condition {
	CONDITION_HOST = 0,
	CONDITION_CPU,
	CONDITION_KERNEL,
	CONDITION_ENGINE,
	CONDITION_MODEL,
	CONDITION_WEIGHTS,	/* digest */
	CONDITION_VERSION,	/* of tokprof */
	N_CONDITIONS,
};
extern const char *const condition_names[N_CONDITIONS];

struct strings;

struct scorecard {
	const char *path;	/* as the user named it */
	const char *id;		/* of the recording; "" */
	int64_t start_unix_ns, duration_ns;	/* of the recording; ABSENT */
	bool complete;
	int64_t n_lost;		/* records */
	const char *conditions[N_CONDITIONS];	/* NULL: not known */
	struct scorecard_figure *figures;	/* one per metric */
	struct strings *texts;
};

/*
 * @v	the verdicts on the same recording, which say whether the counts are backed by measured compute. NULL: none
 * @return 0, -ENOMEM
 */
int scorecard__build(struct scorecard *out, const char *path, const struct verify_input *in,
		     const struct verification *v);
void scorecard__free(struct scorecard *s);

/* Weakest grade of a part's figures that are there; unavailable where none is. */
enum grade scorecard__grade(const struct scorecard *s, enum scorecard_part part);

struct scorecard_change {
	bool known;		/* both are there, and neither is only a bound */
	struct decimal change;	/* of the second over the first, in the metric's unit */
	bool has_percent;	/* the first is not 0 */
	struct decimal percent;	/* two digits */
	bool has_interval;	/* both have one */
	struct decimal low, high;	/* of the change, 95 % */
	bool is_more_than_chance;	/* 0 is not in it */
};
void scorecard__compare(struct scorecard_change *out, const struct scorecard *from, const struct scorecard *to,
			size_t metric);
/* Are they alike, as far as both know? */
bool scorecard__same_condition(const struct scorecard *a, const struct scorecard *b, enum condition c);

/* ---- parts of scorecard__build() ------------------------------------------------------------------------------------ */

enum outcome {			/* of a request that asks for text */
	       OUTCOME_OTHER = 0, /* it does not ask for text */
	       OUTCOME_SUCCEEDED, /* answered to its end with a status below 400 */
	       OUTCOME_CLIENT_ERROR, /* 400 to 499, but for 408 and 429: the client's mistake */
	       OUTCOME_FAILED, /* 408, 429, 500 and above, or never answered */
	       OUTCOME_CANCELLED, /* the client left */
	       OUTCOME_OPEN, /* not seen whole */
};

/* The values of a quantity in the order of their requests' arrival. */
struct scorecard_series {
	double *values, *sizes;	/* sizes: of each request, how many values */
	size_t n, n_requests;
	bool all_are_one;
};

struct scorecard_samples {
	const struct verify_input *in;
	uint8_t *outcomes;		/* enum outcome, by request */
	int64_t n_by_outcome[OUTCOME_OPEN + 1];
	int64_t n_tokens_unknown;	/* requests that succeeded and whose completion tokens are not known for sure */
	int64_t n_prompt_unknown;
	int64_t output_tokens, input_tokens;	/* of those that succeeded and are known */
	int64_t sum_e2e_ns;
	uint64_t first_ns, last_content_ns,
		last_end_ns; /* first arrival, last of the others, of those that succeeded */
	enum grade tokens;		/* of counts */
	int64_t *values;		/* room for the values of one quantity */
	struct scorecard_series series;	/* the same as they came */
	size_t capacity;
};

/* @return 0, -ENOMEM */
int scorecard_samples__open(struct scorecard_samples *s, const struct verify_input *in, const struct verification *v);
void scorecard_samples__close(struct scorecard_samples *s);
/* Values of a quantity into s->values, sorted. @return how many; *left_out: that are not known */
int64_t scorecard_samples__gather(struct scorecard_samples *s, enum quantity quantity, int64_t *left_out);
enum grade scorecard_samples__grade(const struct scorecard_samples *s, enum quantity quantity);
/* One request's; ABSENT: it has none, or it is not known. */
int64_t scorecard_samples__value(const struct scorecard_samples *s, enum quantity quantity, size_t request);
/* Completion tokens, and prompt tokens, that are certain; ABSENT. */
int64_t scorecard_samples__tokens(const struct scorecard_samples *s, size_t request);
int64_t scorecard_samples__prompt(const struct scorecard_samples *s, size_t request);

/* Figures of the whole recording. @return 0, -ENOMEM */
int scorecard_whole__fill(struct scorecard_figure *f, enum whole whole, const struct scorecard_samples *s,
			  struct strings *texts);

/* Those of cost and energy; of security and interoperability. */
int scorecard_cost__fill(struct scorecard_figure *f, enum whole whole, const struct scorecard_samples *s,
			 struct strings *texts);
void scorecard_service__fill(struct scorecard_figure *f, enum whole whole, const struct scorecard_samples *s);

#define SCORECARD_NONE_SUCCEEDED "no request for text was seen to succeed"
void scorecard_figure__miss(struct scorecard_figure *f, const char *why);
/* Of all requests; at least, where some were not seen whole. */
void scorecard_figure__count(struct scorecard_figure *f, const struct scorecard_samples *s, int64_t n);
/* Tokens that the steps put out which ended in [begin, end), whatever became of the requests. */
int64_t scorecard_samples__emitted(const struct scorecard_samples *s, uint64_t begin_ns, uint64_t end_ns);
/* Why these cannot be counted; NULL: they can. */
const char *scorecard_samples__no_steps(const struct scorecard_samples *s);

/* a * n / d rounded to the nearest; ABSENT: d is not above 0, or it has no room. */
int64_t scorecard__ratio(int64_t a, int64_t n, int64_t d);

#endif
