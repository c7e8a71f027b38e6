/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/stats/student.h"

#include <math.h>

/* Beyond this t is the normal distribution in all the digits that are printed. */
#define MOST_DF 2000
#define N_HALVINGS 100

/*
 * P(|T| <= t) by the finite series for whole degrees of freedom: Abramowitz and Stegun, 26.7.3 and 26.7.4. The arctangent is the
 * one function that differs between libraries, in its last bit.
 */
static double between(double t, int64_t df)
{
	const double cos2 = (double)df / ((double)df + t * t), sin = t / sqrt((double)df + t * t);
	double term = 1, sum = 0;

	if (df % 2) {
		term = sqrt(cos2);
		for (int64_t k = 1; k <= df - 2; k += 2) {
			sum += term;
			term *= cos2 * (double)(k + 1) / (double)(k + 2);
		}
		return 2 / M_PI * (atan(t / sqrt((double)df)) + sin * sum);
	}
	for (int64_t k = 0; k <= df - 2; k += 2) {
		sum += term;
		term *= cos2 * (double)(k + 1) / (double)(k + 2);
	}
	return sin * sum;
}

double student__exceeded(double tail, int64_t df)
{
	double low = 0, high = 1;

	df = df > MOST_DF ? MOST_DF : df;
	while (between(high, df) < 1 - 2 * tail && high < 1e12)
		high *= 2;
	for (int i = 0; i < N_HALVINGS; i++) {
		const double middle = (low + high) / 2;

		if (between(middle, df) < 1 - 2 * tail)
			low = middle;
		else
			high = middle;
	}
	return high;
}
