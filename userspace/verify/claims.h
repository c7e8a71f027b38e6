/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vendor says, as a YAML file: claims with their definitions, the tariff, and how the columns of a bill are to be read.
 */
#ifndef TOKPROF_VERIFY_CLAIMS_H
#define TOKPROF_VERIFY_CLAIMS_H

#include "userspace/verify/bill.h"

enum claim_metric {
	CLAIM_THROUGHPUT = 0,	/* tokens/s of the system: input, output or both by `of` */
	CLAIM_USER_THROUGHPUT,	/* output tokens/s of one request */
	CLAIM_TTFT,
	CLAIM_TPOT,
	CLAIM_ITL,
	CLAIM_E2E, /* ns */
	CLAIM_STABILITY,	/* last third's throughput over the first third's, at least */
	CLAIM_SUCCESS_RATE,	/* fraction */
	CLAIM_PRICE,		/* money per million tokens, `of` */
	CLAIM_TOKENS_PER_JOULE,
	CLAIM_MODEL,		/* name, text */
	CLAIM_PARAMETERS,	/* count */
	CLAIM_PRECISION,	/* "F16", "Q8_0", ... text */
	CLAIM_CONTEXT,		/* tokens */
	CLAIM_SPECULATION,	/* bool: drafts are used or not */
	CLAIM_HARDWARE,		/* text: a device of data/devices.tsv, or a CPU model */
	N_CLAIM_METRICS,
};
extern const char *const claim_metric_names[N_CLAIM_METRICS];	/* as the file has them: "throughput", "ttft", ... */
enum claim_statistic { STATISTIC_MEAN = 0, STATISTIC_PERCENTILE, STATISTIC_MEDIAN };
enum claim_of { OF_OUTPUT = 0, OF_INPUT, OF_TOTAL };

struct claim {
	const char *id;			/* unique in the file; made from the metric where none is given */
	int64_t line;			/* in the file, from 1 */
	enum claim_metric metric;
	enum claim_statistic statistic;
	double percentile;		/* 0 .. 100 */
	enum claim_of of;
	bool at_least;			/* the figure is a floor ("at least"), else a ceiling ("at most") */
	double value;			/* in the base unit: tokens/s, ns, fraction, count; bool: 0, 1; not finite: none */
	double step;			/* one unit of the last digit that was written: 1e9 of "7B"; 0: no number */
	double active;			/* CLAIM_PARAMETERS that one token is computed with; all, unless the file says less */
	int n_devices;			/* CLAIM_HARDWARE; 1 where the file says nothing */
	struct decimal money;		/* CLAIM_PRICE, in `currency` per million tokens */
	const char *text;		/* CLAIM_MODEL, _PRECISION, _HARDWARE; NULL */
	const char *currency, *model;	/* model: only requests of this one; NULL: all */
	double confidence;		/* 0.95 where the file says nothing */
	/* definitions; the defaults are MLPerf Inference's */
	bool from_first_token;		/* TTFT ends with the first token, not the first chunk */
	bool include_failed;		/* failed requests count as violations */
	bool drop_first_request;	/* warm-up */
};
bool claim__is_latency(enum claim_metric m);	/* ns, a ceiling */

/* A price list: what the tokens of a request cost, by kind, time of day and volume. */
struct tariff_tier {
	int64_t from_tokens;		/* tokens of all kinds of the month; tariff.tiers_by_request: of the request's prompt */
	struct decimal prompt, cached, completion, reasoning;	/* per million tokens */
	bool has_cached, has_reasoning;	/* else as prompt, as completion */
};
struct tariff_discount {
	int from_minute, to_minute;	/* of the day in `utc_offset_minutes`; from > to: across midnight */
	uint32_t weekdays;		/* bit 0 is Monday */
	struct decimal percent;		/* off: 60 */
};
struct tariff {
	int64_t line;			/* 0: the file has none */
	const char *currency, *model;	/* model NULL: any */
	struct tariff_tier *tiers;
	size_t n_tiers;
	struct tariff_discount *discounts;
	size_t n_discounts;
	bool tiers_by_request;
	bool has_tokens_before;		/* else it is not known; of the month, before the first line of a bill */
	int64_t tokens_before;
	int utc_offset_minutes;
	int scale;			/* digits after the point of a line's price; -1: not rounded */
	enum decimal_rounding rounding;
	bool round_total_only;		/* lines are exact, the sum is rounded */
};

struct sheet;				/* userspace/verify/sheet.h */

struct claims {
	const char *path;
	struct claim *claims;
	size_t n;
	bool has_list;			/* the file has a list of them, be it empty */
	struct tariff *tariffs;
	size_t n_tariffs;
	struct bill_map map;		/* "bill: columns:" of the file */
	struct sheet *sheet;		/* tables of published figures; NULL: the file has none */
	void *texts;
};

#define CLAIMS_MAX_BYTES (1 << 20)
#define TARIFF_MAX_TIERS 32
#define TARIFF_MAX_DISCOUNTS 32

/* As bill__read(): one sentence "claims.yaml:12:5: ...", and what to do. The format: docs/claims.md. */
int claims__read(struct claims *out, const char *path, char *error, size_t error_size, char *remedy,
		 size_t remedy_size);
int claims__parse(struct claims *out, const char *path, const char *text, size_t n, char *error, size_t error_size,
		  char *remedy, size_t remedy_size);
void claims__free(struct claims *c);

/*
 * What one request's tokens, or those of a line of a bill, cost by the price list.
 *
 * Tiers of the month are graduated: each token has the price of the tier in which it stands, counted from @tokens_before on
 * in the order cached prompt, other prompt, reasoning, other completion. Tiers by request: the prompt's size sets the prices
 * of all tokens. Of several discounts that hold at @unix_ns the first one in the file is taken.
 * @prompt with the cached ones @cached, @reasoning ABSENT: none @unix_ns ABSENT: not known @tokens_before of the month
 * @return 0; -ERANGE a negative count, more cached than prompt tokens, more reasoning than completion tokens, or a sum out
 *	of range; -ENODATA the price depends on the time of day, which is not known
 */
int tariff__price(const struct tariff *t, int64_t prompt, int64_t cached, int64_t completion, int64_t reasoning,
		  int64_t unix_ns, int64_t tokens_before, struct decimal *out);

#endif
