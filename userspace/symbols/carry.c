/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/symbols/carry.h"

#include <stdio.h>
#include <string.h>

#include "userspace/message.h"

/* Below this share of names a graph is hard to read. */
#define ENOUGH_PCT 80

static int put(void *ctx, const struct row_symbol *row)
{
	return recording_writer__symbol(ctx, row);
}

static int put_summary(struct recording_writer *writer, const struct symbol_summary *s)
{
	char missing[512];
	int err;

	symbol_summary__reasons(s, missing, sizeof(missing));
	err = recording_writer__put_meta_int(writer, "symbol_frames", (int64_t)s->n_frames);
	if (!err)
		err = recording_writer__put_meta_int(writer, "symbol_named", (int64_t)s->n_named);
	return err ? err : recording_writer__put_meta(writer, "symbol_missing", missing);
}

int carry__names(struct recording_writer *writer, const char *path, const struct symbol_options *options,
		 struct symbol_summary *out, char *error, size_t error_size)
{
	struct recording r;
	int err = recording_writer__flush(writer);

	memset(out, 0, sizeof(*out));
	if (err) {
		snprintf(error, error_size, "%s", recording_writer__error(writer));
		return err;
	}
	err = recording__load_frames(&r, path, error, error_size);
	if (err)
		return err;
	if (r.n_frames > 0)
		err = symbols__resolve(&r, options, put, writer, out);
	if (!err && r.n_frames > 0)
		err = put_summary(writer, out);
	recording__free(&r);
	if (err)
		snprintf(error, error_size, "%s", strerror(-err));
	return err;
}

static enum nameless most_of(const struct symbol_summary *s)
{
	size_t i, most = 0;

	for (i = 1; i < N_NAMELESS; i++)
		if (s->nameless[i] > s->nameless[most])
			most = i;
	return (enum nameless)most;
}

static void remedy(const struct symbol_summary *s, char *out, size_t size)
{
	static const char *const words[N_NAMELESS] = {
		[NAMELESS_NO_FILE] = "record while the server runs: its files are found through it",
		[NAMELESS_REPLACED] = "restart the server, so that it runs the files that are installed",
		[NAMELESS_DAMAGED] = "look at the files: eu-elflint checks them",
		[NAMELESS_NO_TIME] = "wait for the names when a recording ends: ^C leaves them out",
		[NAMELESS_HIDDEN] = "sysctl kernel.kptr_restrict=1, then record again",
		[NAMELESS_NO_MODULE] =
			"have the just-in-time compiler write a perf map (python -X perf, node --perf-basic-prof)",
		[NAMELESS_AMBIGUOUS] = "record one process at a time",
		[NAMELESS_TOO_MUCH] = "record for a shorter time",
	};
	const enum nameless why = most_of(s);

	if (why != NAMELESS_NO_SYMBOL || !s->worst[0])
		snprintf(out, size, "%s",
			 words[why] ? words[why] : "install the debug symbols of what is shown as an address");
	else if (strlen(s->worst_build_id) > 2)
		snprintf(out, size,
			 "install the debug symbols of %s (its -dbgsym or -debuginfo package, or what `debuginfod-find "
			 "debuginfo %s` gets, as /usr/lib/debug/.build-id/%.2s/%s.debug) and record again",
			 s->worst, s->worst_build_id, s->worst_build_id, s->worst_build_id + 2);
	else
		snprintf(out, size, "use a build of %s that is not stripped", s->worst);
}

void carry__tell(const struct symbol_summary *s)
{
	char reasons[512], what_to_do[512];

	if (s->n_frames == 0)
		return;
	symbol_summary__reasons(s, reasons, sizeof(reasons));
	if (100 * s->n_named >= ENOUGH_PCT * s->n_frames) {
		message__info("names: %zu of %zu places in code%s%s", s->n_named, s->n_frames,
			      reasons[0] ? "; not those " : "", reasons);
	} else {
		remedy(s, what_to_do, sizeof(what_to_do));
		message__warn(what_to_do, "names for only %zu of %zu places in code; not those %s", s->n_named,
			      s->n_frames, reasons);
	}
	if (s->n_debug_refused)
		message__warn("install those that belong to the files that run",
			      "debug symbols of another build were not used, for %zu files", s->n_debug_refused);
}
