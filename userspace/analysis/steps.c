/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/steps.h"

#include <string.h>

#include "bpf/records.h"
#include "userspace/analysis/array.h"

const char *step_role__name(enum step_role role)
{
	return role == ROLE_DRAFT ? "draft" : "target";
}

bool context__is_draft(const struct recording *r, int context)
{
	for (size_t i = 0; i < r->n_contexts; i++) {
		if (r->contexts[i].id == context)
			return r->contexts[i].role && strcmp(r->contexts[i].role, "draft") == 0;
	}
	return false;
}

enum step_role step__role(const struct recording *r, const struct row_step *step)
{
	return (step->flags & STEP_DRAFT) || context__is_draft(r, step->context) ? ROLE_DRAFT : ROLE_TARGET;
}

uint64_t step__duration_ns(const struct row_step *step)
{
	return step->end_ns > step->start_ns ? step->end_ns - step->start_ns : 0;
}

bool step__returned(const struct row_step *step)
{
	return step->ret == 0 && !(step->flags & STEP_NO_RETURN);
}

bool *steps__overlapping(const struct recording *r)
{
	bool *overlapping = array__zeroed(r->n_steps, sizeof(*overlapping));
	uint64_t end = 0;
	size_t longest = 0;

	for (size_t i = 0; overlapping && i < r->n_steps; i++) {
		const struct row_step *step = &r->steps[i];

		if (step->flags & STEP_NESTED)
			continue;
		if (end > step->start_ns)
			overlapping[i] = overlapping[longest] = true;
		if (step->end_ns >= end) {
			end = step->end_ns;
			longest = i;
		}
	}
	return overlapping;
}
