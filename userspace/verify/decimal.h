/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Money, exactly: a whole number of 10^-scale of a unit of currency. No floating point anywhere.
 */
#ifndef TOKPROF_VERIFY_DECIMAL_H
#define TOKPROF_VERIFY_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Digits after the point: enough for a price of 10^-7 that went through a double, whose shortest text has 17 more. */
#define DECIMAL_MAX_SCALE 24
#define DECIMAL_TEXT 64		/* room for any of them as text, sign, point and end included */

struct decimal {
	__int128 digits;	/* |digits| < 10^36: 36 of them */
	int scale;		/* 0 .. DECIMAL_MAX_SCALE: the value is digits / 10^scale */
};

enum decimal_rounding {
	ROUND_HALF_EVEN = 0,
	ROUND_HALF_UP = 1,	/* away from 0 at the half, as invoices have it */
	ROUND_DOWN = 2,		/* towards 0 */
	ROUND_UP = 3,		/* away from 0 */
};

/*
 * "12", "-0.0035", ".5", "1e-6"; no blanks, no plus, no separators of thousands, point only. Trailing zeros are kept where they
 * have room: "0.50" has scale 2.
 * @return 0; -EINVAL no number; -ERANGE too many digits
 */
int decimal__parse(struct decimal *out, const char *text, size_t n);
/* @return its length; "0.0035", without exponent, with all `scale` digits */
int decimal__format(const struct decimal *d, char out[DECIMAL_TEXT]);

/*
 * Exact, or -ERANGE and *out is untouched. The result's scale is the larger one; of a product the sum, less what zeros at
 * its end can be left out where it has no room. *out may be an operand.
 */
int decimal__add(struct decimal *out, const struct decimal *a, const struct decimal *b);
int decimal__subtract(struct decimal *out, const struct decimal *a, const struct decimal *b);
int decimal__multiply(struct decimal *out, const struct decimal *a, const struct decimal *b);
int decimal__times(struct decimal *out, const struct decimal *a, int64_t n);
/* a * n / d, rounded to `scale` digits in one go. @return 0, -ERANGE, also of a scale that cannot be; -EDOM: d is 0 */
int decimal__ratio(struct decimal *out, const struct decimal *a, int64_t n, int64_t d, int scale,
		   enum decimal_rounding how);
/* The same with n = d = 1. */
int decimal__round(struct decimal *out, const struct decimal *a, int scale, enum decimal_rounding how);
/* < 0, 0, > 0; 0.5 equals 0.50 */
int decimal__compare(const struct decimal *a, const struct decimal *b);

#endif
