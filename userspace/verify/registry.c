/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of checks, in the order of the report. A new one is one file and two lines here. */
#include "userspace/verify/verify.h"

extern const struct check_kind check_plausibility;
extern const struct check_kind check_presence;
extern const struct check_kind check_completion;
extern const struct check_kind check_prompt;
extern const struct check_kind check_failed;
extern const struct check_kind check_drafts;
extern const struct check_kind check_model;
extern const struct check_kind check_price;
extern const struct check_kind check_totals;
extern const struct check_kind check_compute;
extern const struct check_kind check_floor;
extern const struct check_kind check_claims;
extern const struct check_kind check_identity;
extern const struct check_kind check_guards;

const struct check_kind *const check_kinds[] = {
	&check_plausibility, &check_presence, &check_completion, &check_prompt, &check_failed,
	&check_drafts,	     &check_model,    &check_price,	 &check_totals, &check_compute,
	&check_floor,	     &check_claims,   &check_identity,	 &check_guards, NULL,
};
