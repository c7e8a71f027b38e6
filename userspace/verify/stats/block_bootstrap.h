/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An interval for a percentile, or for a part of a whole, of values with a memory.
 *
 * What varies is the part of the values below the percentile. Its variance is that of the circular block bootstrap in the limit of
 * infinitely many resamples, which is a sum: nothing is drawn, so that there is no seed, and the same bytes everywhere. It says how
 * many independent values these are worth. The interval is the exact binomial one of so many values, which holds in the tails as
 * well, where no bootstrap does: its upper end is MLPerf's early-stopping estimate for the independent values. Values of one
 * request belong together, and requests are the unit that blocks are made of.
 *
 * Sources: circular block bootstrap, Politis and Romano 1992; percentiles through their ranks, Woodruff 1952; the exact interval at the
 * effective number of values, Korn and Graubard 1998.
 */
#ifndef TOKPROF_VERIFY_STATS_BLOCK_BOOTSTRAP_H
#define TOKPROF_VERIFY_STATS_BLOCK_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

#define BLOCKS_AT_LEAST 20

struct block_bootstrap {
	double memory;		/* integrated autocorrelation time, in requests */
	double n_effective;	/* independent values that the values are worth */
	int64_t n_blocks;
	int64_t n, n_needed;	/* requests there are, and that make BLOCKS_AT_LEAST blocks of this memory */
};

/*
 * @below	of each request, how many of its values are below, or of the kind that is counted; overwritten
 * @sizes	of each request, how many values it has; NULL: 1
 * @memory	at least so long: what is rare remembers as long as what is common, but is too rare to show it; 1: not known
 * @return 0; -ENODATA: fewer than n_needed
 */
int block_bootstrap__find(struct block_bootstrap *out, double *below, const double *sizes, size_t n, double memory);

/* How many independent values an interval of this risk is that of: whole, at least 1; less where few blocks tell the variance. */
double block_bootstrap__counted_on(const struct block_bootstrap *b, double risk);

/*
 * Ranks, as parts of the values, that the true percentile is between with probability 1 - risk: a value is the lower end where
 * no more than `low` of all are smaller, the upper end where `high` of all are no larger. NAN: there is no such end.
 */
void block_bootstrap__ranks(const struct block_bootstrap *b, double percentile, double risk, double *low, double *high);
/* The true part of those that are counted, of which `part` were. */
void block_bootstrap__part(const struct block_bootstrap *b, double part, double risk, double *low, double *high);

#endif
