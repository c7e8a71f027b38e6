/* SPDX-License-Identifier: Apache-2.0 */
/* The convention by which a step's fixed cost is shared: who counts as one. */
#ifndef TOKPROF_FIXED_BY_H
#define TOKPROF_FIXED_BY_H

enum fixed_by { FIXED_BY_ROW = 0, FIXED_BY_TOKEN = 1, FIXED_BY_REQUEST = 2 };

#endif
