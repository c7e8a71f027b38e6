/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/cost/features.h"

double cost__predict(const double *terms, const struct cost_row *rows, size_t n)
{
	double sum = 0, tokens = 0;
	size_t n_single = 0;

	for (size_t i = 0; i < n; i++) {
		tokens += rows[i].n_tokens;
		n_single += rows[i].n_tokens == 1;
		sum += row__private(terms, &rows[i]);
	}
	if (n_single < n)
		sum += terms[COST_TERM_MIXED] * (double)n_single;
	return sum + curve__at(terms, tokens);
}

double cost__alone(const double *terms, const struct cost_row *row)
{
	return cost__predict(terms, row, 1);
}
