/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/memory/memory_check.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "userspace/memory/resctrl.h"
#include "userspace/memory/uncore.h"
#include "userspace/recording.h"

struct checked {
	struct uncore uncore;
	struct resctrl resctrl;
};

const char *memory_check__root(void)
{
	const char *root = getenv("TOKPROF_MEMORY_ROOT");

	return root ? root : "";
}

static int read_uncore(void *ctx, int64_t *bytes)
{
	int64_t written;

	return uncore__read(ctx, bytes, &written);
}

static int read_resctrl(void *ctx, int64_t *bytes)
{
	return resctrl__read(ctx, bytes);
}

static void open_uncore(struct memory_check *out, struct checked *c, const char *root)
{
	char reason[160], remedy[160];
	const int err =
		uncore__open(&c->uncore, root, &perf_calls__kernel, reason, sizeof(reason), remedy, sizeof(remedy));

	snprintf(out->sources[CHECK_UNCORE].source, sizeof(out->sources[0].source),
		 err ? "counters of the memory controllers" : "counters of the memory controllers (%s, %zu unit%s)",
		 c->uncore.family, c->uncore.n_units, c->uncore.n_units == 1 ? "" : "s");
	snprintf(out->sources[CHECK_UNCORE].reason, sizeof(out->sources[0].reason), "%s", reason);
	snprintf(out->sources[CHECK_UNCORE].remedy, sizeof(out->sources[0].remedy), "%s", remedy);
	out->sources[CHECK_UNCORE].there = !err;
	out->sources[CHECK_UNCORE].n_counters = c->uncore.n;
}

static void describe_resctrl(struct memory_check *out, int err, const char *reason, const char *remedy)
{
	snprintf(out->sources[CHECK_RESCTRL].source, sizeof(out->sources[0].source),
		 "resctrl memory bandwidth monitoring");
	snprintf(out->sources[CHECK_RESCTRL].reason, sizeof(out->sources[0].reason), "%s", reason);
	snprintf(out->sources[CHECK_RESCTRL].remedy, sizeof(out->sources[0].remedy), "%s", remedy);
	out->sources[CHECK_RESCTRL].there = !err;
}

/* Without a group or a mount of its own. */
static void try_resctrl(struct memory_check *out, const char *root)
{
	char reason[160], remedy[160];
	int err = resctrl__probe(root, reason, sizeof(reason), remedy, sizeof(remedy));

	if (!err) {
		err = resctrl__try(root, reason, sizeof(reason));
		snprintf(remedy, sizeof(remedy), "%s",
			 err ? "a CPU with memory bandwidth monitoring (cqm_mbm_total)" : "");
	}
	describe_resctrl(out, err, reason, remedy);
}

static void open_resctrl(struct memory_check *out, struct checked *c, const char *root)
{
	char reason[160], remedy[160];
	int err = resctrl__open(&c->resctrl, root, &resctrl_calls__kernel, reason, sizeof(reason), remedy,
				sizeof(remedy));
	const int n_cleared = c->resctrl.n_cleared;

	if (!err) {
		err = resctrl__add(&c->resctrl, (uint32_t)getpid(), (uint32_t)gettid());
		if (err) {
			snprintf(reason, sizeof(reason), "no monitoring group could be made: %s", strerror(-err));
			snprintf(remedy, sizeof(remedy), "%s",
				 err == -ENOSPC ? "take away other monitoring groups: the processor has no more" :
						  "run as root, outside of other monitoring groups");
			resctrl__close(&c->resctrl);
		}
	}
	describe_resctrl(out, err, reason, remedy);
	out->n_cleared = n_cleared;
}

/* A source that opens and then tells nothing is none. */
static void try_source(struct memory_check *out, size_t i, const struct self_check_source *source)
{
	const struct timespec wait = { 0, 20000000 };
	int64_t bytes;
	int err;

	source->read(source->ctx, &bytes);
	nanosleep(&wait, NULL);
	err = source->read(source->ctx, &bytes);
	if (!err)
		return;
	out->sources[i].there = false;
	snprintf(out->sources[i].reason, sizeof(out->sources[i].reason),
		 "it could be opened, and then told nothing: %s", strerror(-err));
	snprintf(out->sources[i].remedy, sizeof(out->sources[i].remedy), "end other profilers of the same counters");
}

void memory_check__run(struct memory_check *out, const char *root, unsigned int passes)
{
	struct checked *c = calloc(1, sizeof(*c));
	struct self_check_source sources[N_CHECKED];
	size_t of[N_CHECKED], n = 0;

	memset(out, 0, sizeof(*out));
	out->err = c ? 0 : -ENOMEM;
	out->sources[CHECK_UNCORE].id = "uncore";
	out->sources[CHECK_RESCTRL].id = "resctrl";
	for (size_t i = 0; i < N_CHECKED; i++)
		out->sources[i].seen = ABSENT;
	if (!c)
		return;
	open_uncore(out, c, root);
	if (passes)
		open_resctrl(out, c, root);
	else
		try_resctrl(out, root);
	for (size_t i = 0; i < N_CHECKED; i++) {
		if (!out->sources[i].there || (i == CHECK_RESCTRL && !passes))
			continue;
		sources[n] = (struct self_check_source){ .read = i == CHECK_UNCORE ? read_uncore : read_resctrl,
							 .ctx = i == CHECK_UNCORE ? (void *)&c->uncore : &c->resctrl,
							 .whole_host = i == CHECK_UNCORE };
		try_source(out, i, &sources[n]);
		of[n] = i;
		n += out->sources[i].there;
	}
	if (passes)
		out->err = self_check__run(&out->stream, root, passes, sources, n);
	for (size_t i = 0; i < n && passes && !out->err; i++)
		out->sources[of[i]].seen = sources[i].seen;
	uncore__close(&c->uncore);
	resctrl__close(&c->resctrl);
	free(c);
}

/* -------------------------------------------------------------------------------------------------------------- output --- */

void memory_check__write_text(FILE *f, const struct memory_check *c)
{
	if (c->err) {
		fprintf(f, "\nself-check of memory traffic: not made: %s\n", strerror(-c->err));
		return;
	}
	fprintf(f,
		"\nself-check of memory traffic: %.1f MB were read from memory in %.0f ms (a buffer of %.0f MB, %.0f "
		"times)\n",
		(double)c->stream.known_bytes / 1e6, (double)c->stream.duration_ns / 1e6,
		(double)c->stream.buffer_bytes / 1e6, (double)c->stream.known_bytes / (double)c->stream.buffer_bytes);
	for (size_t i = 0; i < N_CHECKED; i++) {
		if (c->sources[i].seen != ABSENT)
			fprintf(f, "  %-9s saw %.1f MB: ratio %.3f\n", c->sources[i].id,
				(double)c->sources[i].seen / 1e6,
				(double)c->sources[i].seen / (double)c->stream.known_bytes);
		else
			fprintf(f, "  %-9s did not see it: %s\n", c->sources[i].id,
				c->sources[i].reason[0] ? c->sources[i].reason : "it gave no figure");
	}
}

void memory_check__put_json(struct json_writer *w, const struct memory_check *c)
{
	if (c->err) {
		json_writer__put_null(w, "self_check");
		return;
	}
	json_writer__put_object(w, "self_check");
	json_writer__put_integer(w, "known_bytes", (int64_t)c->stream.known_bytes);
	json_writer__put_integer(w, "buffer_bytes", (int64_t)c->stream.buffer_bytes);
	json_writer__put_integer(w, "duration_ns", (int64_t)c->stream.duration_ns);
	json_writer__put_array(w, "sources");
	for (size_t i = 0; i < N_CHECKED; i++) {
		const double ratio = (double)c->sources[i].seen / (double)c->stream.known_bytes;

		json_writer__begin_object(w);
		json_writer__put_string(w, "id", c->sources[i].id);
		json_writer__put_optional(w, "seen_bytes", c->sources[i].seen);
		json_writer__put_number(w, "ratio",
					c->sources[i].seen == ABSENT ? (double)NAN : round(ratio * 1e6) / 1e6);
		json_writer__put_string(w, "reason", c->sources[i].reason[0] ? c->sources[i].reason : NULL);
		json_writer__end_object(w);
	}
	json_writer__end_array(w);
	json_writer__end_object(w);
}
