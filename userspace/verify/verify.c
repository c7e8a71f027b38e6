/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/verify.h"

#include <errno.h>
#include <string.h>

#include "userspace/verify/books.h"
#include "userspace/verify/compute.h"
#include "userspace/verify/compute_floor.h"

int kinds__run(struct verification *v, const struct verify_input *in, bool by_request)
{
	int err = 0;

	for (uint32_t i = 0; check_kinds[i] && !err; i++) {
		if ((by_request && !check_kinds[i]->by_request) || (!in->recording && check_kinds[i]->needs_recording))
			continue;
		v->kind = i;
		v->drops = in->drop_confirmed && check_kinds[i]->by_request;
		v->mark = NULL;
		err = check_kinds[i]->run(v, in);
		verification__end_check(v);
	}
	return v->out_of_memory ? -ENOMEM : err;
}

static int run_with_books(struct verification *v, struct verify_input *in)
{
	struct compute_floor least;
	struct compute compute;
	struct books books;
	int err = books__open(&books, v, in);

	if (err)
		return err;
	err = compute_floor__open(&least, in);
	if (err)
		goto out;
	err = compute__open(&compute, in, books.n_statements);
	if (!err) {
		compute__back(&compute, in, &books);
		books.compute = &compute;
		books.floor = &least;
		in->books = &books;
		err = kinds__run(v, in, false);
		compute__close(&compute);
	}
	compute_floor__close(&least);
out:
	books__close(&books);
	return err;
}

int verify__run(struct verification *out, const struct verify_input *in)
{
	struct carried carried = { 0 };
	struct verify_input with = *in;
	int err;

	memset(out, 0, sizeof(*out));
	with.books = NULL;
	with.carried = &carried;
	with.is_last = true;
	err = in->recording ? run_with_books(out, &with) : kinds__run(out, &with, false);
	if (!err)
		err = verification__settle(out);
	if (err)
		verification__free(out);
	return err;
}
