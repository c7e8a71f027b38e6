/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the user names (-p, -n, -a) to the processes of a server: its tree from the topmost process that belongs to
 * it, checked to be one.
 */
#ifndef TOKPROF_TARGET_H
#define TOKPROF_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARGET_MAX_PIDS 64

struct target_request {
	uint32_t pids[TARGET_MAX_PIDS];
	size_t n_pids;
	const char *name;	/* NULL */
	bool all;
};

struct target {
	uint32_t pids[TARGET_MAX_PIDS];
	size_t n_pids;
	char text[160];		/* for messages: "pid 4711 (llama.cpp)" */
};

/* @return 0; -ESRCH: no such process; -ENOENT: no server there or none found. `error` has the sentence */
int target__find(struct target *out, const struct target_request *request, char *error, size_t error_size);
/* A command that tokprof starts itself may become a server later: nothing is checked. */
void target__set_child(struct target *out, uint32_t pid, const char *command);

#endif
