/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fits as they are kept: the cost model and the closed forms of one resource in one role, what they were fitted to, and
 * where they hold. Fits are made once and stored in recordings (tables fit, fit_term, fit_draw); analysis reads them.
 */
#ifndef TOKPROF_COST_FIT_SET_H
#define TOKPROF_COST_FIT_SET_H

#include "userspace/cost/baselines.h"
#include "userspace/cost/samples.h"
#include "userspace/recording.h"

/* Replicates that are kept of a fit. */
#define FIT_DRAWS_KEPT 32

#define FIT_ORIGIN_CALIBRATE "calibrate"
#define FIT_ORIGIN_RECORDING "recording"

/* Where a fit holds: the same in every field. Borrowed texts; NULL or ABSENT: not known. */
struct fit_key {
	const char *model_digest;	/* of the weight file of the fit's role; of a set, of its target */
	const char *engine, *build_id;
	int64_t n_threads;
	const char *host, *cpu_model;
	const char *draft_digest;	/* of a set: of its draft's weight file; NULL: it has none, or a fit's own */
};

/*
 * What a fit was made of, by parts of steps, since these are what the model prices. Contexts are the tokens before one: the
 * fewest before a row's first token, the most before a row's last. ABSENT, all of them: not known, of an earlier tokprof.
 */
struct fit_range {
	int64_t least_context, most_context;
	int64_t least_rows, most_rows;
	int64_t least_tokens, most_tokens;
};

struct fit {
	struct fit_range range;
	/*
	 * Waits for a CPU of all the server's threads, by their CPU time, in the steps that it is of: how busy others kept the
	 * machine. NAN: not known
	 */
	double waited;
	struct cost_model cost;		/* role and resource are its */
	bool has_affine, has_roofline;
	struct affine_fit affine;
	struct roofline_fit roofline;
	struct fit_key key;
	const char *model_name, *engine_version;	/* for people; NULL */
	int64_t made_unix_ns;
	const char *origin;
};

struct fit_set {
	struct fit *fits;
	size_t n;
	void *strings;			/* owner of every text above, where the set was read */
};

/*
 * The three fits of one role and resource. The key, names, time and origin are the caller's to set.
 * @role borrowed @return of cost__fit(): 0, -ENODATA, -ENOMEM
 */
int fit__make(struct fit *out, const struct cost_samples *samples, const char *role, int resource,
	      const struct cost_fit_options *options);
void fit__free(struct fit *f);
/* Of what it is, by the resources of its recording: COST_RESOURCE_WALL_NAME, "cpu_ns", ...; NULL: these have none of its id */
const char *fit__resource_name(const struct fit *f, const struct recording *r);
/* What samples are like; ABSENT of none. */
struct fit_range fit_range__of(const struct cost_samples *samples);
bool fit_range__known(const struct fit_range *range);
/* "contexts of 0 to 4000 tokens, 1 to 8 rows and 1 to 512 tokens in a part of a step"; "" where it is not known */
void fit_range__describe(const struct fit_range *range, char *words, size_t size);

/*
 * Threads that compute: those with a tenth or more of the CPU time of the busiest, so that ones that wait, sample or answer
 * are left out. ABSENT where no thread's time was measured, or none has a tenth of a second.
 */
int64_t fit_key__threads(const struct recording *r);
/*
 * Which weight file the steps of a role were computed with. Recordings tell which contexts draft, not which file they are of:
 * one file is every context's, of two with a draft context the smaller drafts. Projectors of images ("clip") compute no steps.
 * @why where it is NULL: "its weight file was not read", ...; at least 1 byte
 */
const struct row_model *fit_key__model(const struct recording *r, bool draft, char *why, size_t size);
/*
 * Do the steps come of several servers, or of several weight files that cannot be told apart? Nothing can then be fitted.
 * @why "" where not
 */
bool fit_key__several(const struct recording *r, char *why, size_t size);
/* Would they be told apart if one of the contexts drafted? Two files of other sizes, and none has so far. */
bool fit_key__lacks_draft(const struct recording *r);
/* The key of a whole set, by the above. */
void fit_key__of_server(struct fit_key *key, const struct recording *r);
/* The key of a fit of the role in a set of this key. @role "target", "draft" */
struct fit_key fit_key__of_role(const struct fit_key *key, const char *role);
/* The key of a recording; texts are borrowed from it. @model_digest of the role's weight file, NULL: not read */
void fit_key__from_recording(struct fit_key *key, const struct recording *r, const char *model_digest);
/*
 * In how many fields they differ; in words where there is room: "threads (2, here 4) and host (a, here b)", with `here`
 * being b. A field that is not known is like nothing, not even its like.
 */
int fit_key__differences(const struct fit_key *a, const struct fit_key *b, char *words, size_t size);

/*
 * The fits of a recording, in their order. None is 0 with n = 0.
 * @return 0; -EBADMSG: terms or replicates are not such as this tokprof writes, with `error` saying which; -ENOMEM
 */
int fit_set__from_recording(struct fit_set *out, const struct recording *r, char *error, size_t error_size);
/* Put fits into a recording, numbered from 1. @return of recording_writer__fit() and its like */
int fit_set__write(const struct fit *fits, size_t n, struct recording_writer *w);
void fit_set__free(struct fit_set *set);

/* NULL: there is none. Where there are several, the last made. */
const struct fit *fit__find(const struct fit *fits, size_t n, const char *role, int resource);

#endif
