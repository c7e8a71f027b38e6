/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the matching: how well a request and a generation fit, in thousandths of a nat (natural logarithm of likelihood), so
 * that 1000 is a factor e. What cannot be is EVIDENCE_NEVER.
 *
 * Nothing here may read `usage`, `timings` or any other figure that the server gives of itself but its slot number: a
 * match made by the bill cannot check the bill. All arithmetic is in integers, so that it is the same everywhere.
 */
#ifndef TOKPROF_ANALYSIS_EVIDENCE_H
#define TOKPROF_ANALYSIS_EVIDENCE_H

#include "userspace/analysis/runs.h"
#include "userspace/analysis/blind_spots.h"

#define EVIDENCE_NEVER INT64_MAX

/* A run and the runs copied from it (n > 1): they belong to one request. */
struct family {
	uint32_t parent;		/* run */
	uint32_t first_member, n_members;	/* into families.members; the parent is the first */
	uint64_t start_ns, first_output_ns, last_output_ns;
	int64_t prompt_computed, prompt_cached;		/* cached: ABSENT unknown */
	int64_t n_low, n_high;		/* tokens generated, at least and at most */
	int64_t n_overshoot;		/* of them accepted in a last speculative step, perhaps beyond a stop */
	bool from_start, embed, generates;
};

/* A moment at which a run's tokens came out, and how many had come in all. */
struct output {
	uint64_t time_ns;
	int64_t n_until;
};

struct families {
	const struct timeline *t;
	struct family *families;	/* by start, then run */
	size_t n_families;
	uint32_t *by_first_output, *by_last_output;	/* families in the order of these times */
	uint32_t *members;		/* runs */
	uint32_t *family_of_run;
	struct output *outputs;		/* grouped by run */
	uint32_t *first_output;		/* n_runs + 1 entries */
};

/* @return 0, -ENOMEM */
int families__build(struct families *f, const struct timeline *t, const struct run_table *table);
/* The outputs are large and only evidence__cost asks for them: it must not be called any more. */
void families__drop_outputs(struct families *f);
void families__free(struct families *f);

/* How many tokens a prompt of so many bytes has in this recording, learnt from a first matching. log2, in thousandths. */
struct prompt_scale {
	bool known;
	int64_t center, spread;
};

/* What the matching asks of a request, found once. */
struct request_facts {
	bool eligible;		/* a method and an endpoint that can make a server generate */
	bool expects_run;	/* and it was not refused */
	bool carries_text;	/* generated text was seen: it must have a run */
	bool embedding;
	bool several;		/* it may be several families of runs: a list of prompts, or a body not seen whole */
	int64_t n_expected;	/* generations it asked for; ABSENT: not known, several */
	int64_t n_sent;		/* token ids that its one prompt was sent as; ABSENT: text, several, or rows are unknown */
	bool relaxed;		/* records were lost: what cannot be may have been */
	bool begun_before;	/* before the attach */
	uint64_t earliest_ns, latest_ns;	/* in which its runs can begin */
	uint64_t answer_ns;	/* a body in one piece: when it went out; 0 a stream, or none */
	const struct row_chunk *chunks;
	size_t n_chunks;
};
void request__facts(struct request_facts *facts, const struct row_request *q, const struct blind_spots *w,
		    const struct recording *r);

/* By its method and its path: a model has to compute something for it. */
bool request__asks_a_model(const struct row_request *q);
/* And that is no text. */
bool request__asks_for_embedding(const struct row_request *q);
/* The answer says that a limit of the client's, not a stop, ended it. */
bool request__ended_by_length(const struct row_request *q);

int64_t evidence__cost(const struct families *f, const struct family *family, const struct row_request *q,
		       const struct request_facts *facts);
/* The size of its one prompt is known: of a list nobody knows which generation has which part. */
bool prompt__is_sized(const struct row_request *q);
/* To be added to it once the recording's scale is known. */
int64_t evidence__prompt_cost(const struct family *family, const struct row_request *q,
			      const struct prompt_scale *scale);

/* log2(x) in thousandths, x >= 1; piecewise linear, within 0.09 of the truth. */
int64_t log2_milli(uint64_t x);
/* log2(tokens / bytes) of a prompt, damped for short ones. */
int64_t prompt_ratio(int64_t n_tokens, int64_t n_bytes);

/* What a match rests on, in words for -v. */
void evidence__describe(char *out, size_t size, const struct family *family, const struct row_request *q,
			const struct request_facts *facts, bool prompt_scale_known, bool only_candidate);

#endif
