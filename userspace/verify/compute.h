/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Billed tokens priced by a cost model that the auditor calibrated, against the CPU time that was measured. Counts come out of
 * the server's memory; the CPU time does not.
 *
 * What a request needs by the model is the sum, over its rows, of their shares of what the model expects of the step: so the same
 * steps, as the same rule divides them, stand on both sides.
 */
#ifndef TOKPROF_VERIFY_COMPUTE_H
#define TOKPROF_VERIFY_COMPUTE_H

#include "userspace/verify/books.h"

struct compute_request {
	double prompt, completion;	/* ns that its rows need by the model */
	bool unpriced;			/* some of its steps have no figure or no model */
};

/* What a sum is of: how sure it has to be among its like, and how much of its steps' error averages out. */
struct compute_scope {
	double z;
	uint32_t n_minutes;		/* in which some of its steps began */
};

/* All target steps with figures that began in one hour of the recording. */
struct compute_hour {
	double expected, measured;	/* ns; measured no more than a step can need */
	uint32_t n_minutes;		/* in which some of them began */
};

struct compute {
	const char *missing;		/* why there is nothing to judge by; NULL: there is */
	bool drifted, prices_drafts;
	double spread;			/* relative: what sampling the calibration leaves open */
	double form, bias, sigma;	/* relative: the model's form, all steps alike, one step */
	double waited;			/* relative: what the calibration's steps may have spun for threads that others kept waiting */
	struct compute_request *requests;
	double expected, measured;	/* of all target steps with figures, ns; measured no more than a step can need */
	struct compute_hour *hours;	/* of the same steps, from the first one's start */
	uint32_t n_hours;
	uint64_t begin_ns;		/* of the first hour */
	uint32_t n_steps, n_minutes;	/* those with figures, and the minutes in which some of them began */
	double z;			/* of the interval of one statement of all of them together, 95 % */
	int position;			/* of CPU time in ledger.resources */
};

/* @n_statements that will be judged by it @return 0, -ENOMEM */
int compute__open(struct compute *c, const struct verify_input *in, size_t n_statements);
void compute__close(struct compute *c);

/*
 * Half of the interval about what the model expects, relative; at most 1. Steps near each other are off alike, since a machine is
 * faster in one minute than in another: they count as one.
 */
double compute__half_width(const struct compute *c, struct compute_scope scope);
struct compute_scope compute__statement(const struct compute *c);
struct compute_scope compute__of_hour(const struct compute *c, uint32_t hour);
struct compute_scope compute__recording(const struct compute *c);
/* @needed and @measured in ns @measured the high end of its interval */
enum backing compute__judge(const struct compute *c, double needed, double measured, struct compute_scope scope);
/* By how much more than `needed`, relative, had been found too much; negative: nothing had. */
double compute__inflation(const struct compute *c, double needed, double measured, struct compute_scope scope);
/* The hour that a time is in; those before the first step are in the first, those after the last in the last. */
uint32_t compute__hour(const struct compute *c, uint64_t time_ns);
/* CPU time of a request's steps as the ledger divided them, 95 %. @return whether it is known */
bool compute__measured(const struct compute *c, const struct verify_input *in, uint32_t request, struct span *out);
/* Set the backing of every request: whether its CPU time has room for the tokens that were recorded of it. */
void compute__back(const struct compute *c, const struct verify_input *in, struct books *b);

#endif
