/* SPDX-License-Identifier: Apache-2.0 */
/* One claim about what was served, and what each kind of evidence says of it. */
#ifndef TOKPROF_VERIFY_IDENTITY_CLAIMS_H
#define TOKPROF_VERIFY_IDENTITY_CLAIMS_H

#include "userspace/verify/identity.h"

struct claimed {
	const struct claim *claim;
	struct testimonial by[N_EVIDENCE_KINDS];
	enum grade grade;		/* of a figure that is confirmed; 0: by the evidence */
	const char *claimed, *measured, *unit, *rule;
	int64_t evidence;		/* a request that says no; ABSENT */
};

struct testimonial testify(enum testimony says, const char *text);
/* A header's or file's name, for people. */
const char *model__label(const struct row_model *m);
/* A figure as whole number; NULL: it is none. */
const char *figure__whole(struct verification *v, double value);

/*
 * What the files say: all candidates the same, else it is open. @says of one of them, with `ctx` @text of one, for people
 */
struct testimonial files__say(const struct identity *id, struct verification *v,
			      enum testimony (*says)(const struct row_model *m, const void *ctx), const void *ctx,
			      const char *(*text)(struct verification *v, const struct row_model *m));

/* By the header: identity_claims.c. */
void claimed__parameters(struct claimed *c, const struct identity *id, struct verification *v);
void claimed__precision(struct claimed *c, const struct identity *id, struct verification *v);
void claimed__model(struct claimed *c, const struct identity *id, struct verification *v);
/* By how it was used: identity_use.c. */
void claimed__context(struct claimed *c, const struct identity *id, struct verification *v);
void claimed__speculation(struct claimed *c, const struct identity *id, struct verification *v);
void claimed__hardware(struct claimed *c, const struct identity *id, struct verification *v);

#endif
