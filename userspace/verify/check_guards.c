/* SPDX-License-Identifier: Apache-2.0 */
/* All guards, over one recording. */
#include "userspace/verify/guards.h"

bool guard__counts(const struct verify_input *in, uint32_t request)
{
	const struct request_count *c = &in->books->counts[request];

	return c->flags & REQUEST_TOKENS && !(c->flags & (REQUEST_FAILED | REQUEST_SEVERAL | REQUEST_AMBIGUOUS)) &&
	       c->incomplete == 0 && c->completion.low == c->completion.high && c->completion.high != ABSENT;
}

static int run(struct verification *v, const struct verify_input *in)
{
	struct paces paces;
	int err = paces__open(&paces, in);

	if (!err)
		err = guard__cache(v, in);
	if (!err)
		err = guard__repeated(v, in);
	if (!err)
		err = guard__endings(v, in);
	if (!err)
		err = guard__no_step(v, in);
	if (!err)
		err = guard__windows(v, in, &paces);
	if (!err)
		err = guard__families(v, in, &paces);
	paces__close(&paces);
	return err;
}

extern const struct check_kind check_guards;
const struct check_kind check_guards = {
	.name = "guards",
	.doc = "notes on what can make figures look better than what was computed",
	.needs_recording = true,
	.run = run,
};
