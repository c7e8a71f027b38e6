/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows of record --touched-bytes against steps: which bytes of a model's weights the server touched, and what its header says that
 * the tokens of these steps need.
 *
 * A step that lies in a window whole has left its marks; one that lies in it partly may have. So for the tokens of a window there are two numbers,
 * and the weights of a mixture of experts that they need lie between those of the fewer and those of the more.
 */
#ifndef TOKPROF_TOUCHED_H
#define TOKPROF_TOUCHED_H

#include "userspace/analysis/timeline.h"

struct touched_window {
	uint64_t from_ns, start_ns;	/* the marks began to be taken off; they were off, of all processes */
	uint64_t end_ns, to_ns;		/* they began to be counted; all were */
	size_t first_row, n_rows;	/* of recording.toucheds */
	/* Of the target: steps that returned and put something out, whole in the window, and their tokens. 0: it tells nothing of a model. */
	int64_t n_steps, n_tokens;
	int64_t n_steps_most, n_tokens_most;	/* at least partly in it; tokens ABSENT: not all rows are known */
	int64_t cpu_ns, wall_ns;	/* of the whole ones; CPU time ABSENT: not measured */
	int64_t runq_ns;		/* in the whole ones: waits for a CPU of all threads, as far as they are known */
	bool encodes;			/* a step of an encoder was in it */
};

struct touched_windows {
	const struct recording *recording;
	struct touched_window *windows;	/* in the order of time; windows that were recorded */
	size_t n;
	size_t n_used;			/* of them with a whole step */
	int64_t clear_ns, read_ns;	/* that all of them took, in sum */
	int64_t n_disturbed;		/* steps in or partly in one */
	int64_t blind_bytes;		/* that processors may have touched without a mark (smaps.h), in pages that are not huge; ABSENT */
};

/* @return 0, -ENOMEM */
int touched_windows__build(struct touched_windows *out, const struct timeline *t);
void touched_windows__free(struct touched_windows *w);

/* Steps that ran while marks were taken off, waited for or counted; one per recording.steps, malloc()ed. NULL: out of memory */
bool *steps__in_touched_windows(const struct recording *r);

/* Bytes that were touched in one window, of all processes; ABSENT: not known. */
struct touched_bytes {
	int64_t touched;
	int64_t fresh;		/* of them that may only have been mapped in */
	int64_t huge;		/* mapped by huge pages, which count as a whole */
	bool shared;		/* with other processes, which may have touched them */
};
/* Of a model's file, all parts of it. */
struct touched_bytes touched_window__of_model(const struct touched_windows *w, const struct touched_window *window,
					      const struct row_model *m);
/* Everything that the server touched, with what cannot be seen: it has read no more than that. */
int64_t touched_window__most(const struct touched_windows *w, const struct touched_window *window);

/* Median over the windows with a whole step of what was touched of a kind of row_touched; ABSENT: not known */
int64_t touched_windows__of_kind(const struct touched_windows *w, const char *kind);

/* What the header of a model says that n tokens need; ABSENT: it does not say. */
struct touched_need {
	int64_t least;		/* all of them take the same experts */
	int64_t even;		/* each takes its own at random */
	int64_t most;		/* each takes others, as long as there are others */
};
struct touched_need model__need(const struct row_model *m, int64_t n_tokens);

/* One model over all windows with a whole step. */
struct touched_model {
	size_t n_windows;		/* in which its bytes are known */
	int64_t median;			/* touched; ABSENT: none */
	int64_t median_sure;		/* less what may only have been mapped in */
	const struct touched_window *fewest, *most;	/* by tokens that may be in it; NULL: no rows are known */
	int64_t huge;			/* the most in one window; ABSENT: not known */
	bool shared;
};
int touched_model__of(struct touched_model *out, const struct touched_windows *w, const struct row_model *m);

/* Is it the file of the model, or a part of it? "m-00002-of-00003.gguf" beside "m-00001-of-00003.gguf". */
bool model__has_part(const struct row_model *m, const char *path, uint64_t device, uint64_t inode);

#endif
