/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uprobes on file offsets of one module in one process: all in one uprobe_multi link where the kernel has it (6.6, by a
 * bare bpf(2): libbpf 1.1.2 has no call for it), else a perf event per point. One link is switched on and off faster.
 *
 * Only plain uprobes: nothing here can place a return probe.
 */
#ifndef TOKPROF_UPROBE_H
#define TOKPROF_UPROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_program;

struct uprobe_point {
	uint64_t offset;	/* in the file */
	uint64_t cookie;
};

struct uprobe_links {
	int *fds;
	size_t n_fds;
};

/* Does this kernel take uprobe_multi links? Tried, once. */
bool uprobe__has_multi(void);
/* A program for uprobes that does nothing. @return its descriptor or a negative errno */
int uprobe__empty_program(void);
/* To be called before the program is loaded. */
void uprobe__prepare(struct bpf_program *program);
/*
 * @path	of the module as this process can open it, e.g. /proc/PID/map_files/A-B
 * @return	0 or a negative errno; on failure nothing is left attached
 */
int uprobe_links__attach(struct uprobe_links *links, int program_fd, const char *path, uint32_t pid,
			 const struct uprobe_point *points, size_t n_points);
void uprobe_links__detach(struct uprobe_links *links);

#endif
