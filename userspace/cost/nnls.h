/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Non-negative least squares on the normal equations: least |A x - y| with x >= 0, given A'A and A'y. The active set
 * method of Lawson and Hanson (Solving Least Squares Problems, 1974, chapter 23), with columns scaled to length 1, sums
 * in a fixed order, and a first guess: the answer of a like problem is mostly one solve away.
 */
#ifndef TOKPROF_COST_NNLS_H
#define TOKPROF_COST_NNLS_H

#include <stddef.h>

#define NNLS_MAX 40

/*
 * @gram n x n, symmetric, row by row; @x in: a guess >= 0 (0 throughout is one); out: the solution. A column of length 0, and
 * one that others make up already, keep x = 0.
 * @return 0; -EDOM: gram or xty is not finite; x is 0 throughout then
 */
int nnls__solve(const double *gram, const double *xty, size_t n, double *x);

/*
 * Lower Cholesky factor of n x n `a` into `l` (row by row, n columns), a[i][i] being 1. @return 0; -EDOM: singular, and
 * the column at fault in *at
 */
int cholesky__factor(const double *a, size_t n, double *l, size_t *at);
void cholesky__solve(const double *l, size_t n, const double *b, double *x);

#endif
