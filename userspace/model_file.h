/* SPDX-License-Identifier: Apache-2.0 */
/* The model files that a process has mapped, and what their headers say. */
#ifndef TOKPROF_MODEL_FILE_H
#define TOKPROF_MODEL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/gguf.h"

struct process_map;
struct recording_writer;
struct row_model;

struct model_file {
	char path[512];		/* as the process sees it; of a model in several files, the first of them */
	uint64_t device, inode;
	struct model_facts facts;
	char error[GGUF_ERROR_SIZE];	/* why facts are absent; "" none are */
};

/* Path, as the process sees it, of the first model file mapped. @return 0, -ENOENT, -ESRCH */
int model_file__find(uint32_t pid, char *path, size_t size);

/* All of them with their headers read, in the order of their addresses; *out is the caller's (free). @return 0, -ESRCH,
 * -ENOMEM */
int model_file__all(uint32_t pid, struct model_file **out, size_t *n);

/* Is it named as a model file is? What is named by a digest alone ("sha256-...") need not be one. */
bool model_file__is_named(const char *path);
/* The file that is mapped, whatever has its name now. @return a descriptor or a negative errno */
int model_file__open(uint32_t pid, const struct process_map *map);

/* The largest by its weights, else the first; NULL where n is 0. */
const struct model_file *model_file__largest(const struct model_file *files, size_t n);

/* The row of a recording, but for its id and pid. Strings are borrowed from `file`. */
void model_file__row(const struct model_file *file, struct row_model *row);

#define MAX_KNOWN_MODELS 64

/* Which number each file of each process has in the recording. */
struct model_numbers {
	struct {
		uint32_t pid;
		uint64_t device, inode;
	} known[MAX_KNOWN_MODELS];
	int n;
};

/* A row for each model that the process has mapped; may be called again as more are mapped. */
void model_file__write(struct model_numbers *numbers, struct recording_writer *writer, uint32_t pid);

#endif
