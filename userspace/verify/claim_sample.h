/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the judging of claims about requests one by one: what each request gives, and all of them together. */
#ifndef TOKPROF_VERIFY_CLAIM_SAMPLE_H
#define TOKPROF_VERIFY_CLAIM_SAMPLE_H

#include "userspace/verify/judge.h"

/* With these, times of a request are not those that they seem. */
#define SAMPLE_LOSSY (INCOMPLETE_LOSS | INCOMPLETE_GAP | INCOMPLETE_PARSE)

struct sample {
	double *low, *high;	/* of each value; INFINITY: no end */
	size_t n, low_capacity, high_capacity;
	double *sizes;		/* of each request, how many values */
	size_t n_requests, sizes_capacity;
	size_t n_failed, n_open, n_whole, n_wrong, n_lost;
	bool is_open;		/* a low and a high differ */
	bool endless;		/* a high has no end */
	bool backed;		/* measured compute has room for the tokens of all */
};

/* What one request gives. */
enum value { VALUE_NONE = 0, VALUE_KNOWN, VALUE_OPEN };

/* @low, high	0 and INFINITY before the call: what is not known stays so */
typedef enum value value_function(const struct judgement *j, uint32_t request, double *low, double *high);
value_function value_of_ttft, value_of_e2e, value_of_tpot, value_of_user_rate, value_of_success;

/* How long it had taken when nothing more was seen of it, in ns. */
double claim__so_far(const struct judgement *j, const struct row_request *q);

/* @return 0, -ENOMEM */
int sample__begin_request(struct sample *s);
int sample__add(struct sample *s, double low, double high);
int sample__add_gaps(struct sample *s, const struct judgement *j, uint32_t request);
void sample__free(struct sample *s);

#endif
