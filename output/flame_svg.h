/* SPDX-License-Identifier: Apache-2.0 */
/* The drawing itself, for the SVG and for the page around it. */
#ifndef TOKPROF_FLAME_SVG_H
#define TOKPROF_FLAME_SVG_H

#include <stdio.h>

#include "output/flame.h"

#define FLAME_WIDTH 1200
#define FLAME_ROW 18

/* Groups of boxes with labels and titles, from (0, y) on: `most` of them. @height of them. @return 0, -ENOMEM */
int flame_svg__boxes(FILE *f, const struct flame_graph *g, int y, size_t most, int *height);
/* A name as far as it is shown: those of templates go on for kilobytes. */
#define FLAME_MOST_NAME 400
void flame_svg__name(FILE *f, const char *text);
/* Swatches with words in one or two rows from (0, y) on. @return their height */
int flame_svg__legend(FILE *f, const struct flame_graph *g, int y);
/* "1.23 s, 4.5 %": what a box is, for its title. */
void flame_svg__figures(FILE *f, const struct flame_graph *g, int64_t value, int64_t base);

#endif
