/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows as numbers: the columns of the fit, and the curve G between its knots. T of a part is the sum of its features
 * times the terms, which is what makes the fit a linear one.
 */
#ifndef TOKPROF_COST_FEATURES_H
#define TOKPROF_COST_FEATURES_H

#include "userspace/cost/cost.h"

/* Index of the last knot at or below q; q >= 1. */
size_t curve__knot(double q);
/* G(q) from its values at the knots: straight between them and from 0 to the first, in proportion beyond the last. */
double curve__at(const double *values, double q);
/* The areas below G from 0 to each knot, and with these to q. */
void curve__areas(const double *values, double *areas);
double curve__area(const double *values, const double *areas, double q);

/* Pairs of a computed token and one that it attends to, itself included. */
double row__pairs(const struct cost_row *row);
/* The row's private cost: all of T but G and the mixed term. */
double row__private(const double *terms, const struct cost_row *row);

/* Add the features of one part to x[COST_TERMS]. */
void features__add(double *x, const struct cost_row *rows, size_t n);
/* Of all parts of a step; x is cleared first. */
void features__of_step(double *x, const struct cost_sample *sample);

#endif
