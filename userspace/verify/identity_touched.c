/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/identity_touched.h"

#include <math.h>

#include "userspace/analysis/touched.h"

#define MIN_WINDOWS 3		/* fewer are no rule */
/*
 * Tensors that no token of these requests takes (of images, of an encoder), and layers that are left out, are no lie: what was touched
 * speaks against a model only where it is less than half of what a token needs.
 */
#define TOO_LITTLE 0.5

static double mb(double bytes)
{
	return bytes / 1e6;
}

static struct testimonial testify_to(enum testimony says, const char *text)
{
	return (struct testimonial){ says, text ? text : "" };
}

int identity_touched__gather(struct identity *id)
{
	const struct verify_input *in = id->in;
	struct identity_touched *t = &id->touched;
	struct touched_windows windows;
	struct touched_model of;
	int64_t cpu_ns = 0, wall_ns = 0;
	int err;

	if (in->recording->n_toucheds == 0 || id->n_candidates != 1)
		return 0;
	err = touched_windows__build(&windows, in->timeline);
	if (err)
		return err;
	err = touched_model__of(&of, &windows, id->candidates[0]);
	t->n_used = windows.n_used;
	t->n_windows = of.n_windows;
	t->file_bytes = of.median;
	t->file_sure_bytes = of.median_sure;
	t->shared = of.shared;
	for (size_t k = 0; k < windows.n; k++) {
		const struct touched_window *w = &windows.windows[k];
		const int64_t most = touched_window__most(&windows, w);

		t->encodes |= w->encodes;
		if (w->n_steps == 0)
			continue;
		if (most == ABSENT || t->most_bytes == ABSENT)
			t->most_bytes = ABSENT;
		else if (most > t->most_bytes)
			t->most_bytes = most;
		/* Who waits for a CPU would compute. */
		cpu_ns = cpu_ns == ABSENT || w->cpu_ns == ABSENT ? ABSENT : cpu_ns + w->cpu_ns + w->runq_ns;
		wall_ns += w->wall_ns;
	}
	t->idle = cpu_ns == ABSENT || cpu_ns < wall_ns / 2;
	touched_windows__free(&windows);
	return err;
}

bool identity_touched__is_too_little(const struct identity *id, double needed)
{
	const struct identity_touched *t = &id->touched;

	return t->n_used >= MIN_WINDOWS && t->most_bytes != ABSENT && !t->idle && !t->encodes && id->devices &&
	       !id->devices[0] && (double)t->most_bytes < TOO_LITTLE * needed &&
	       !identity__may_be_read_again(id, needed - (double)t->most_bytes);
}

const char *identity_touched__words(const struct identity *id, struct verification *v)
{
	const struct identity_touched *t = &id->touched;

	if (t->n_windows == 0)
		return "";
	return verification__text(v, "; %.1f MB touched in the steps of %zu window%s", (double)t->file_bytes / 1e6,
				  t->n_windows, t->n_windows == 1 ? "" : "s");
}

struct testimonial identity_touched__against(const struct identity *id, struct verification *v, double bytes)
{
	const struct identity_touched *t = &id->touched;
	const char *of_file = t->n_windows ? verification__text(v, "%.1f MB", mb((double)t->file_bytes)) : "nothing";

	return testify_to(
		SAYS_NO,
		verification__text(v,
				   "memory: in the steps of %zu windows the server touched at most %.1f MB of all "
				   "its memory (%s of the file), %.1f MB are needed for every token",
				   t->n_used, mb((double)t->most_bytes), of_file ? of_file : "", mb(bytes)));
}

struct testimonial identity_touched__has(const struct identity *id, struct verification *v, double needed, double least)
{
	const struct identity_touched *t = &id->touched;

	if (identity_touched__is_too_little(id, needed))
		return identity_touched__against(id, v, needed);
	if (t->n_windows < MIN_WINDOWS)
		return testify_to(SAYS_NOTHING, NULL);
	if ((double)t->file_sure_bytes >= least && !t->shared)
		return testify_to(
			SAYS_YES,
			verification__text(v,
					   "memory: %.1f MB of the file were touched in the steps of %zu windows, "
					   "%.1f MB needed",
					   mb((double)t->file_sure_bytes), t->n_windows, mb(needed)));
	if ((double)t->file_bytes >= least)
		return testify_to(SAYS_NOTHING, NULL);
	return testify_to(
		SAYS_OPEN,
		verification__text(v,
				   "memory: of the file %.1f MB were touched in the steps of %zu windows, %.1f MB "
				   "are needed; the rest may be read from a copy in the server's own memory or "
				   "on a device, be no part of what these tokens take, or have been touched "
				   "without a mark",
				   mb((double)t->file_bytes), t->n_windows, mb(needed)));
}
