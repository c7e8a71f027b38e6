/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/verify.h"

#include <errno.h>
#include <string.h>

#include "userspace/verify/books.h"
#include "userspace/verify/compute.h"

static void settle(struct verification *v)
{
	/* Nothing was stated: that is no confirmation. */
	v->verdict = v->n ? VERDICT_CONFIRMED : VERDICT_INCONCLUSIVE;
	memset(v->n_by_verdict, 0, sizeof(v->n_by_verdict));
	for (size_t i = 0; i < v->n; i++) {
		v->n_by_verdict[v->checks[i].verdict]++;
		if (v->checks[i].verdict > v->verdict)
			v->verdict = v->checks[i].verdict;
	}
}

static int run_kinds(struct verification *v, const struct verify_input *in)
{
	int err = 0;

	for (size_t i = 0; check_kinds[i] && !err; i++)
		if (in->recording || !check_kinds[i]->needs_recording)
			err = check_kinds[i]->run(v, in);
	return v->out_of_memory ? -ENOMEM : err;
}

static int run_with_books(struct verification *v, struct verify_input *in)
{
	struct compute compute;
	struct books books;
	int err = books__open(&books, v, in);

	if (err)
		return err;
	err = compute__open(&compute, in, books.n_statements);
	if (!err) {
		compute__back(&compute, in, &books);
		books.compute = &compute;
		in->books = &books;
		err = run_kinds(v, in);
		compute__close(&compute);
	}
	books__close(&books);
	return err;
}

int verify__run(struct verification *out, const struct verify_input *in)
{
	struct verify_input with = *in;
	int err;

	memset(out, 0, sizeof(*out));
	with.books = NULL;
	err = in->recording ? run_with_books(out, &with) : run_kinds(out, &with);
	if (err)
		verification__free(out);
	else
		settle(out);
	return err;
}
