/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a recording knows of the model that was served, in four kinds of evidence that a lie would have to be consistent in: the
 * weight files and their headers; the bytes that are in memory; arithmetic, that is CPU time per token and what was computed;
 * and the server's own words, the names on the wire and the engine's fields. None alone is proof: files can be decoys,
 * memory can be padded, time can be wasted, words are free.
 */
#ifndef TOKPROF_VERIFY_IDENTITY_H
#define TOKPROF_VERIFY_IDENTITY_H

#include "userspace/verify/verify.h"

enum evidence_kind {
	EVIDENCE_FILES = 0,
	EVIDENCE_MEMORY,
	EVIDENCE_ARITHMETIC,
	EVIDENCE_WORDS,
	N_EVIDENCE_KINDS,
};

/* What one kind of evidence says of one claim. */
enum testimony { SAYS_NOTHING = 0, SAYS_OPEN, SAYS_YES, SAYS_NO };
struct testimonial {
	enum testimony says;
	const char *text;	/* why: part of a sentence; belongs to the verification */
};

#define MAX_CANDIDATES 8

/* What the windows of record --touched-bytes tell, those with a whole step in them (userspace/analysis/touched.h). */
struct identity_touched {
	size_t n_used;			/* 0: nothing of this is known */
	size_t n_windows;		/* of them in which the file was mapped */
	int64_t file_bytes, file_sure_bytes;	/* of the one candidate, median; the latter for certain */
	bool shared;			/* other processes may have touched them */
	int64_t most_bytes;		/* of all memory, with what may have gone unseen, in the window that has the most; ABSENT */
	bool idle;			/* neither computed nor waited for a CPU for half of the steps' time, or it is not known */
	bool encodes;			/* steps of an encoder: each half of the model computes by itself */
};

struct identity {
	const struct verify_input *in;
	/* Weight files that may have computed the answers: one, unless it cannot be told. Projectors and the draft are left out. */
	const struct row_model *candidates[MAX_CANDIDATES];
	size_t n_candidates;
	bool too_many;
	const struct row_model *draft;	/* NULL */
	const char *no_model;		/* why there is no candidate; NULL */
	int64_t lost;			/* records of the engine that were lost */
	/* Memory, all processes of the server; ABSENT: not known. */
	int64_t anon_bytes;		/* resident or swapped, of no file */
	int64_t most_bytes;		/* everything, at its peak */
	int64_t major_faults;
	const char *devices;		/* device files in use; "" none; NULL not known */
	struct identity_touched touched;
	/* Arithmetic of the target's steps. */
	int64_t n_steps, n_tokens;	/* tokens computed in steps with CPU time */
	double ns_per_token;		/* CPU time, of the kind of steps in which it is least; NAN */
	double operations_per_ns;	/* that one CPU can do at most; NAN */
	int64_t longest_context;	/* tokens of the longest sequence that was computed */
	int64_t n_ctx;			/* of the target's contexts, the most; ABSENT */
	int64_t n_generations, n_drafted, n_generated;
	bool rows_unknown;		/* not all rows of all steps are known */
	bool draft_steps;
};

/* @return 0, -ENOMEM */
int identity__gather(struct identity *out, struct verification *v, const struct verify_input *in);

/* Bytes of this file that are resident in the server, parts of a split model together; ABSENT: not known, or not mapped. */
int64_t identity__resident(const struct identity *id, const struct row_model *m);
/* Are the weights of this file, those that every token takes, in memory? */
struct testimonial identity__memory_has(const struct identity *id, struct verification *v, const struct row_model *m);
/*
 * Is there memory for so many bytes of weights? Says yes only where the file's own mapping is as large. @all_read every token is
 * computed with all of them: then they must have been touched in a step, too.
 */
struct testimonial identity__memory_for(const struct identity *id, struct verification *v, double bytes, bool all_read);
/* What is not in memory may have been read again in every step, from the disk: major faults tell. */
bool identity__may_be_read_again(const struct identity *id, double bytes);
/* Had the CPU time room for so many parameters in every token? */
struct testimonial identity__time_for(const struct identity *id, struct verification *v, double parameters);

/* --- names (identity_names.c) --------------------------------------------------------------------------------------- */

/* The same model by name: directories, the case of letters, signs between words and a ".gguf" at the end are no difference. */
bool model_name__is(const char *name, const char *claimed);
/* Every word of the claimed name is in it, and no word that makes another model of it ("distill", another size). */
bool model_name__agrees(const char *name, const char *claimed);
/* Parameters that a name states, "72b" or "0.5B" as a word of its own; 0: none, or several. @step of its last digit */
double model_name__parameters(const char *name, double *step);

/* The least and the most that a figure like "7B" may stand for: rounded, cut off, or up to 5 % beside it. */
void parameters__range(double value, double step, double *low, double *high);
/* Do a file's parameters, with or without its lookup tables and the layers that predict further tokens, lie in the range? */
enum testimony parameters__agree(const struct row_model *m, double value, double step);

/* Bits of a weight of the file, all tensors together; NAN. */
double model__bits(const struct row_model *m);
/* Is it that number format? "F16" is "FP16", "Q4_K_M" is mostly "Q4_K", "INT8" is "Q8_0". */
enum testimony precision__agrees(const struct row_model *m, const char *claimed);

/* Is a claim of this kind about what was served, and judged by it (check_identity.c)? */
bool identity__judges(enum claim_metric metric);

#endif
