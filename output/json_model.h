/* SPDX-License-Identifier: Apache-2.0 */
/* A model as the JSON of every command shows it. */
#ifndef TOKPROF_JSON_MODEL_H
#define TOKPROF_JSON_MODEL_H

#include "output/json_writer.h"
#include "userspace/recording.h"

/* An object with all keys; all of them null where there is no model. */
void json_model__write(struct json_writer *w, const struct row_model *model);

#endif
