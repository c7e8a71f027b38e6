/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A collector: one signal, one file, one line in collectors/registry.c.
 *
 * It turns raw records into typed rows of the recording and knows nothing of tokens or reports. Every function may be
 * NULL where there is nothing to do. Functions return 0 or a negative errno; one collector's failure never stops the
 * others: the recorder notes the reason and goes on.
 */
#ifndef TOKPROF_COLLECTOR_H
#define TOKPROF_COLLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/records.h"
#include "userspace/recording.h"

struct session;			/* the recorder's shared state: target processes, BPF maps, the writer (session.h) */

struct sensor {			/* one line of `tokprof doctor` */
	const char *id;		/* "uprobe", "sched", ... (cli.md) */
	const char *resource;	/* the resource or signal it gives */
	int grade;		/* enum grade */
	char source[96];
	char reason[160];	/* empty where available */
	char remedy[160];
};

struct collector {
	const char *name;
	const char *doc;	/* one sentence */
	uint32_t record_kinds;	/* bit (1 << enum record_kind): the records that are handed to `record` */
	/* Try for real, without a target, what this host allows. @return number of sensors written, at most `max` */
	int (*probe)(struct sensor *out, int max);
	/* Load programs and maps, register resources. Called on a thread of its own, beside the other collectors'. */
	int (*open)(struct session *s, void **state);
	/* Attach to the processes of the session, or to one that joined later (pid != 0). */
	int (*attach)(struct session *s, void *state, uint32_t pid);
	/* A record of the ring buffer that belongs to this collector. */
	void (*record)(struct session *s, void *state, const struct record_header *h);
	/* Called about once a second and at the end: totals, samples, losses. */
	void (*tick)(struct session *s, void *state, uint64_t now_ns);
	/* Called after every drain, some ten times a second or more: cheap; for what must be switched between ticks. */
	void (*turn)(struct session *s, void *state, uint64_t now_ns);
	/* Switch every probe off or on without detaching, for `tokprof overhead`. */
	int (*set_enabled)(struct session *s, void *state, bool on);
	/* Its BPF programs, for the kernel's own account of their run time. @return number of descriptors written */
	size_t (*programs)(void *state, int *fds, size_t max);
	/* NULL, or how many hits so far were at instructions that the kernel's uprobes do not emulate. */
	uint64_t (*stepped_hits)(void *state);
	bool traps;		/* its programs run from traps in the server's code: a hit costs more than the program */
	/* Detach and write what is left; frees state. */
	void (*close)(struct session *s, void *state);
};

extern const struct collector *const collectors[];	/* NULL-terminated */

#endif
