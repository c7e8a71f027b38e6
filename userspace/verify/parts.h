/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A large recording verified part by part, so that a million requests take the memory of a few. Only kinds of checks that go request
 * by request can do so, and only for a bill whose lines name their requests.
 */
#ifndef TOKPROF_VERIFY_PARTS_H
#define TOKPROF_VERIFY_PARTS_H

#include "userspace/recording_parts.h"
#include "userspace/verify/verify.h"

/* Requests of a part; and of a recording that is worth parts. */
#define PARTS_LEAST 20000
#define PARTS_LARGE 200000

/* Whether what is asked can be answered in parts: no claims, no prices, an id on every line. */
bool verify__goes_by_parts(const struct verify_input *in);

/*
 * As verify__run() of the whole recording; in->recording, timeline and ledger are set by this. Requests are matched within their part
 * alone, which is where all that overlaps with them is.
 * @return 0; -EAGAIN: only the whole recording tells (it has a calibrated cost model, requests without an id, or is not in order);
 *	-ENOMEM; -EINVAL: its tables contradict each other; or what recording_parts__next() returns
 */
int verify__run_parts(struct verification *out, const struct verify_input *in, struct recording_parts *parts);

#endif
