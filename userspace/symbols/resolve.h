/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for the frames of a recording, looked up when it ends: only those that were sampled, one file after the other, the one
 * with the most frames first. What gets no name keeps its module and address, and is counted by the reason.
 */
#ifndef TOKPROF_SYMBOLS_RESOLVE_H
#define TOKPROF_SYMBOLS_RESOLVE_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/recording.h"

enum nameless {			/* why a frame has no name */
		NAMELESS_NO_SYMBOL, /* its file has no symbol there: it is stripped */
		NAMELESS_NO_FILE, /* its file is gone, or another one is in its place */
		NAMELESS_REPLACED, /* only another build of its file is there */
		NAMELESS_DAMAGED, /* its file is damaged, or the reader died of it */
		NAMELESS_NO_TIME, /* time was up, or ^C */
		NAMELESS_HIDDEN, /* the kernel hides its addresses */
		NAMELESS_NO_MODULE, /* no mapping is known, and no map of a just-in-time compiler has it */
		NAMELESS_AMBIGUOUS, /* two processes have different code of their own at the address */
		NAMELESS_TOO_MUCH, /* memory for names is used up */
		N_NAMELESS,
};

struct symbol_summary {
	size_t n_frames;	/* of native code */
	size_t n_named;
	size_t nameless[N_NAMELESS];
	size_t n_debug_refused;	/* modules with a debug file of another build */
	size_t n_damaged;	/* modules that are damaged in part: names that were found before it stay */
	char worst[128];	/* the file with the most frames that it has no symbol for; "" */
	char worst_build_id[80];	/* "" */
	size_t worst_frames;
	uint64_t elapsed_ns;
};

struct symbol_options {
	uint64_t budget_ns;	/* of wall time; 0: SYMBOL_BUDGET_NS */
	const volatile sig_atomic_t *interrupts;	/* one more ends it; NULL */
	const char *kallsyms, *modules;	/* NULL: /proc/kallsyms, /proc/modules */
};
#define SYMBOL_BUDGET_NS 20000000000ULL

/*
 * @r: its processes, modules and frames (recording__load_frames). @put: takes each row; a negative errno ends it.
 * @return 0, -ENOMEM, or what put returned
 */
int symbols__resolve(const struct recording *r, const struct symbol_options *options,
		     int (*put)(void *ctx, const struct row_symbol *row), void *ctx, struct symbol_summary *out);

/* The reasons of frames without names in a sentence; "" where there are none. */
void symbol_summary__reasons(const struct symbol_summary *s, char *out, size_t size);

#endif
