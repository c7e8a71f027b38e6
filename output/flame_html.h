/* SPDX-License-Identifier: Apache-2.0 */
/* A flame graph inside a page: controls, drawing and data. */
#ifndef TOKPROF_FLAME_HTML_H
#define TOKPROF_FLAME_HTML_H

#include <stdio.h>

#include "output/flame.h"

/* What stands in the page's body; flame.css and flame.js are to be in the page as well. @return 0, -ENOMEM */
int flame_html__body(FILE *f, const struct flame_view *view, size_t most_boxes);

#endif
