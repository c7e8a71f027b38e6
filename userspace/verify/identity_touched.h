/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the evidence of memory: what the server touched of it in steps (record --touched-bytes), against what a token of the model
 * needs. A file that is mapped, locked and never read is seen by this alone.
 */
#ifndef TOKPROF_IDENTITY_TOUCHED_H
#define TOKPROF_IDENTITY_TOUCHED_H

#include "userspace/verify/identity.h"

/* Candidates, memory, faults and devices must stand. @return 0, -ENOMEM */
int identity_touched__gather(struct identity *id);
/*
 * Is so little touched that tokens cannot have been computed with so many bytes? Not where it may be seen otherwise: on a device, read
 * from a disk again, computed by another host, with huge pages.
 */
bool identity_touched__is_too_little(const struct identity *id, double needed);
struct testimonial identity_touched__against(const struct identity *id, struct verification *v, double bytes);
/* Are the bytes that a token needs touched in the file? @least that are enough. Says nothing where that is not known */
struct testimonial identity_touched__has(const struct identity *id, struct verification *v, double needed,
					 double least);
/* "; 52.3 MB touched in the steps of 7 windows"; "" where nobody looked */
const char *identity_touched__words(const struct identity *id, struct verification *v);

#endif
