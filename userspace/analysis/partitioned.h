/* SPDX-License-Identifier: Apache-2.0 */
/* Models whose tokens go through a part of the weights each, without the header saying which part. */
#ifndef TOKPROF_ANALYSIS_PARTITIONED_H
#define TOKPROF_ANALYSIS_PARTITIONED_H

#include <stdbool.h>

#include "userspace/recording.h"

/* An encoder or a decoder; experts of text or those of images. */
bool row_model__is_partitioned(const struct row_model *m);

#endif
