/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbols are read by a process of their own, for one file at a time.
 *
 * The file is the server's, which is not trusted, and libdw maps it: one that is cut short meanwhile ends a reader by SIGBUS, one
 * that is made for it by a crash, takes for ever or all memory. So the reader is a fork without privileges and other
 * descriptors, with a bound on its memory, that is killed when its time is up; what it had found until then stays.
 */
#ifndef TOKPROF_SYMBOLS_WORKER_H
#define TOKPROF_SYMBOLS_WORKER_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/symbols/kallsyms.h"
#include "userspace/symbols/results.h"

#define WORKER_MEMORY_BYTES (88u << 20)	/* of its own, beside what it has mapped and can be read again */

enum symbol_job_kind {
	SYMBOL_JOB_ELF,
	SYMBOL_JOB_PERF_MAP,
	SYMBOL_JOB_JITDUMP,
	SYMBOL_JOB_KALLSYMS,
};

struct symbol_job {
	enum symbol_job_kind kind;
	int fd;			/* the file */
	int debug_fd;		/* the separate debug file of an ELF one; -1 */
	enum kallsyms_base base;
	const char *module;	/* of the kernel; NULL */
	uint64_t module_start;
	const uint64_t *addresses;	/* ascending, each once */
	size_t n;
};

struct symbol_limits {
	uint64_t deadline_ns;	/* CLOCK_MONOTONIC */
	const volatile sig_atomic_t *interrupts;	/* NULL */
	sig_atomic_t interrupts_before;		/* more than these end it */
};

bool symbol_limits__interrupted(const struct symbol_limits *limits);

/*
 * @results: made with job->n addresses.
 * @return 0; -ETIMEDOUT; -EINTR; -EFAULT: the reader died of the file; -EBADMSG: the file, or its debug information, is damaged;
 *	   -EACCES: the kernel hides addresses; -ENOENT; -ENOSPC: too many names; -ENOMEM. Names may have been found all the same
 */
int symbol_worker__run(const struct symbol_job *job, const struct symbol_limits *limits,
		       struct symbol_results *results);
/* What the reader does: messages go to `out`. @return 0, -EPIPE: nobody listens, -ENOMEM */
int symbol_job__read(const struct symbol_job *job, int out);

#endif
