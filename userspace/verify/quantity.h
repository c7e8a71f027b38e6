/* SPDX-License-Identifier: Apache-2.0 */
/* Figures as people write them, with their units: "1200 tokens/s", "0.83 ms", "99.5 %", "7B", "0.50 USD per million tokens". */
#ifndef TOKPROF_VERIFY_QUANTITY_H
#define TOKPROF_VERIFY_QUANTITY_H

#include "userspace/verify/decimal.h"

enum dimension {
	DIMENSION_RATE = 0,		/* tokens/s */
	DIMENSION_TIME,			/* ns */
	DIMENSION_FRACTION,		/* 1 */
	DIMENSION_COUNT,		/* 1 */
	DIMENSION_TOKENS,		/* 1 */
	DIMENSION_TOKENS_PER_JOULE,
	N_DIMENSIONS,
};

struct quantity {
	double value;	/* in the dimension's base unit */
	double step;	/* one unit of the last digit that was written: 1e9 of "7B", 1e4 ns of "0.83 ms" */
};

#define QUANTITY_UNITS 160	/* room for the names of all units of a dimension */

/* @return 0; -EINVAL begins with no number; -ERANGE too many digits; -ENOTSUP its unit is not known, or missing */
int quantity__parse(struct quantity *out, const char *text, enum dimension d);
/* "ns, us, ms, s" */
void quantity__units(enum dimension d, char out[QUANTITY_UNITS]);

/* A plain number, also a negative one. @return the bytes that it takes; 0: there is none, or it has too many digits */
size_t quantity__number(const char *text, double *value, double *step);

#define PRICE_MAX_SCALE 8	/* digits after the point of a price per million tokens */
#define PRICE_UNITS "CUR per million tokens, CUR per thousand tokens, CUR per token (CUR: USD, CNY, ...)"

/* Exactly, whatever number of tokens the text has it for. @return as quantity__parse() */
int quantity__price(struct decimal *per_million, char currency[4], const char *text);

#endif
