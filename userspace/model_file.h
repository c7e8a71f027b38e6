/* SPDX-License-Identifier: Apache-2.0 */
/* The model files that a process has mapped. */
#ifndef TOKPROF_MODEL_FILE_H
#define TOKPROF_MODEL_FILE_H

#include <stddef.h>
#include <stdint.h>

struct recording_writer;

/* Path, as the process sees it, of the first model file mapped. @return 0, -ENOENT, -ESRCH */
int model_file__find(uint32_t pid, char *path, size_t size);
/* A row for each model file that the process has mapped. */
void model_file__write(struct recording_writer *writer, uint32_t pid);

#endif
