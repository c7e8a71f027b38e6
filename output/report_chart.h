/* SPDX-License-Identifier: Apache-2.0 */
/* Axes of a drawing in SVG, from (0, 0) of its figures at the lower left. */
#ifndef TOKPROF_REPORT_CHART_H
#define TOKPROF_REPORT_CHART_H

#include <stdint.h>
#include <stdio.h>

#include "output/figure.h"

struct chart {
	double left, top, width, height;	/* of the area between the axes, in pixels */
	int64_t x_most, y_most;			/* figures at its right and at its top, above 0 */
};

double chart__x(const struct chart *c, double value);
double chart__y(const struct chart *c, double value);
/* Lines and labels at round figures: below the area, and left of it. */
void chart__x_axis(FILE *f, const struct chart *c, struct figure (*label)(int64_t));
void chart__y_axis(FILE *f, const struct chart *c, struct figure (*label)(int64_t));
/* 1, 2 or 5 times a power of ten, so that about `n` of them make `most`. */
int64_t chart__round(int64_t most, int n);

#endif
