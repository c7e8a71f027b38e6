/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/symbols/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/session.h"
#include "userspace/symbols/module_files.h"
#include "userspace/symbols/worker.h"

struct group {			/* frames of one module */
	size_t first, n;	/* in `order` */
	const struct row_module *module;	/* NULL: they have none */
	int kind;		/* enum frame_kind */
};

struct resolving {
	const struct recording *r;
	const struct symbol_options *options;
	struct module_files *files;
	const struct row_frame **order;	/* by kind, module, address */
	size_t n_order;
	struct group *groups;
	size_t n_groups;
	struct symbol_limits limits;
	int (*put)(void *ctx, const struct row_symbol *row);
	void *ctx;
	struct symbol_summary *out;
};

/* --- groups of frames ---------------------------------------------------------------------------------------------- */

static int compare_frames(const void *a, const void *b)
{
	const struct row_frame *x = *(const struct row_frame *const *)a, *y = *(const struct row_frame *const *)b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->module != y->module)
		return x->module < y->module ? -1 : 1;
	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static int compare_groups(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return x->first < y->first ? -1 : 1;
}

static const struct row_module *find_module(const struct recording *r, int64_t id)
{
	size_t i;

	for (i = 0; i < r->n_modules; i++)
		if (r->modules[i].id == id)
			return &r->modules[i];
	return NULL;
}

static int make_groups(struct resolving *s)
{
	size_t i;

	s->order = malloc((s->r->n_frames ? s->r->n_frames : 1) * sizeof(const struct row_frame *));
	s->groups = malloc((s->r->n_frames ? s->r->n_frames : 1) * sizeof(*s->groups));
	if (!s->order || !s->groups)
		return -ENOMEM;
	for (i = 0; i < s->r->n_frames; i++)
		if (s->r->frames[i].kind == FRAME_USER || s->r->frames[i].kind == FRAME_KERNEL)
			s->order[s->n_order++] = &s->r->frames[i];
	if (s->n_order > 1)
		qsort(s->order, s->n_order, sizeof(const struct row_frame *), compare_frames);
	for (i = 0; i < s->n_order; i++) {
		const struct row_frame *f = s->order[i];

		if (i > 0 && f->kind == s->order[i - 1]->kind && f->module == s->order[i - 1]->module) {
			s->groups[s->n_groups - 1].n++;
			continue;
		}
		s->groups[s->n_groups++] = (struct group){ i, 1, find_module(s->r, f->module), f->kind };
	}
	if (s->n_groups > 1)
		qsort(s->groups, s->n_groups, sizeof(*s->groups), compare_groups);
	s->out->n_frames = s->n_order;
	return 0;
}

/* --- what was found ------------------------------------------------------------------------------------------------ */

static int put_names(struct resolving *s, const struct row_frame *frame, const struct symbol_results *results, size_t i)
{
	const size_t n = symbol_results__count(results, i);
	size_t depth;
	int err = 0;

	for (depth = 0; depth < n && !err; depth++) {
		struct symbol_name name;
		struct row_symbol row = { .frame = frame->id, .depth = (int64_t)depth };

		symbol_results__get(results, i, depth, &name);
		row.name = name.name;
		/* A symbol is not longer than a file. */
		row.offset_bytes = name.offset_bytes <= INT64_MAX ? (int64_t)name.offset_bytes : 0;
		row.file = name.file;
		row.line = name.line ? (int64_t)name.line : ABSENT;
		row.source = symbol_source__name(name.source);
		err = s->put(s->ctx, &row);
	}
	s->out->n_named += n > 0;
	return err;
}

static void note_worst(struct resolving *s, const struct group *g, size_t n)
{
	const struct row_module *m = g->module;
	const char *slash = m && m->path ? strrchr(m->path, '/') : NULL;

	if (!m || !m->path || n <= s->out->worst_frames)
		return;
	s->out->worst_frames = n;
	snprintf(s->out->worst, sizeof(s->out->worst), "%s", slash ? slash + 1 : m->path);
	snprintf(s->out->worst_build_id, sizeof(s->out->worst_build_id), "%s", m->build_id ? m->build_id : "");
}

/* @why: of those without a name */
static int put_group(struct resolving *s, const struct group *g, const struct symbol_results *results,
		     enum nameless why)
{
	size_t i, address = 0, n = 0;
	int err = 0;

	for (i = 0; i < g->n && !err; i++) {
		const struct row_frame *frame = s->order[g->first + i];

		if (i > 0 && frame->address != s->order[g->first + i - 1]->address)
			address++;
		if (symbol_results__count(results, address))
			err = put_names(s, frame, results, address);
		else
			n++;
	}
	s->out->nameless[why] += n;
	if (why == NAMELESS_NO_SYMBOL && g->kind == FRAME_USER)
		note_worst(s, g, n);
	return err;
}

/* --- one group ----------------------------------------------------------------------------------------------------- */

static enum nameless reason(int err)
{
	switch (err) {
	case 0:
		return NAMELESS_NO_SYMBOL;
	case -ETIMEDOUT:
	case -EINTR:
		return NAMELESS_NO_TIME;
	case -EACCES:
	case -EPERM:
		return NAMELESS_HIDDEN;
	case -ENOENT:
		return NAMELESS_NO_FILE;
	case -ESTALE:
		return NAMELESS_REPLACED;
	case -ENOSPC:
	case -ENOMEM:
		return NAMELESS_TOO_MUCH;
	default:
		return NAMELESS_DAMAGED;
	}
}

static int run(struct resolving *s, const struct symbol_job *job, struct symbol_results *results)
{
	if (symbol_limits__interrupted(&s->limits))
		return -EINTR;
	if (monotonic_ns() >= s->limits.deadline_ns)
		return -ETIMEDOUT;
	return symbol_worker__run(job, &s->limits, results);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static enum nameless read_module(struct resolving *s, const struct group *g, struct symbol_job *job,
				 struct symbol_results *results)
{
	bool refused = false;
	int err;

	job->kind = SYMBOL_JOB_ELF;
	job->debug_fd = -1;
	job->fd = strcmp(g->module->kind, "vdso") == 0 ? module_files__open_vdso() :
							 module_files__open_module(s->files, g->module);
	if (job->fd < 0)
		return reason(job->fd);
	job->debug_fd = module_files__open_debug(s->files, g->module, job->fd, &refused);
	s->out->n_debug_refused += refused;
	err = run(s, job, results);
	close_fd(job->debug_fd);
	close_fd(job->fd);
	/* What is damaged beside the symbols that were read takes no name away, and has no other reason for the rest. */
	if (err == -EBADMSG || err == -EFAULT)
		s->out->n_damaged++;
	return reason(err);
}

static enum nameless read_kernel(struct resolving *s, const struct group *g, struct symbol_job *job,
				 struct symbol_results *results)
{
	const char *path = s->options->modules ? s->options->modules : "/proc/modules";
	FILE *modules;
	int err = 0;

	job->kind = SYMBOL_JOB_KALLSYMS;
	job->base = !g->module ? KALLSYMS_ABSOLUTE : KALLSYMS_KERNEL;
	if (g->module && strcmp(g->module->kind, "kernel_module") == 0) {
		job->base = KALLSYMS_MODULE;
		job->module = g->module->path ? g->module->path : "";
		modules = fopen(path, "re");
		err = modules ? kallsyms__module_start(modules, job->module, &job->module_start) : -ENOENT;
		if (modules)
			fclose(modules);
	}
	if (err)
		return reason(err);
	job->fd = open(s->options->kallsyms ? s->options->kallsyms : "/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	if (job->fd < 0)
		return reason(-errno);
	err = run(s, job, results);
	close_fd(job->fd);
	return reason(err);
}

/* What one process says of its own code: the dump that it has mapped before the map in /tmp. */
static int read_jit(struct resolving *s, size_t process, struct symbol_job *job, struct symbol_results *results)
{
	static const struct {
		enum symbol_job_kind kind;
		int (*open)(const struct module_files *f, size_t i);
	} sources[] = {
		{ SYMBOL_JOB_PERF_MAP, module_files__open_perf_map },
		{ SYMBOL_JOB_JITDUMP, module_files__open_jitdump },
	};
	int err = 0;
	size_t i;

	for (i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		int one;

		job->kind = sources[i].kind;
		job->fd = sources[i].open(s->files, process);
		if (job->fd == -ERANGE)
			return -ERANGE;
		if (job->fd < 0)
			continue;
		one = run(s, job, results);
		close_fd(job->fd);
		if (one)
			err = one;
	}
	return err;
}

static bool same_name(const struct symbol_results *a, const struct symbol_results *b, size_t i)
{
	struct symbol_name x, y;

	symbol_results__get(a, i, 0, &x);
	symbol_results__get(b, i, 0, &y);
	return strcmp(x.name, y.name) == 0;
}

/* Names that two processes do not agree on go into neither. @return -ENOMEM, 0 */
static int merge(struct symbol_results *all, const struct symbol_results *one, bool *ambiguous)
{
	size_t i;
	int err = 0;

	for (i = 0; i < all->n && !err; i++) {
		if (!symbol_results__count(one, i))
			continue;
		if (!symbol_results__count(all, i))
			err = symbol_results__put(all, one->of[i]);
		else if (!same_name(all, one, i))
			ambiguous[i] = true;
	}
	return err;
}

static enum nameless read_jits(struct resolving *s, struct symbol_job *job, struct symbol_results *results)
{
	bool *ambiguous = calloc(job->n, sizeof(*ambiguous)), any = false;
	enum nameless why = NAMELESS_NO_MODULE;
	struct symbol_results one;
	size_t i;
	int err = ambiguous ? 0 : -ENOMEM, state = 0;

	for (i = 0; !err && state != -ERANGE; i++) {
		err = symbol_results__init(&one, job->n);
		if (err)
			break;
		state = read_jit(s, i, job, &one);
		err = merge(results, &one, ambiguous);
		symbol_results__free(&one);
		if (state && state != -ERANGE)
			why = reason(state);
	}
	for (i = 0; ambiguous && i < job->n; i++)
		if (ambiguous[i]) {
			symbol_results__drop(results, i);
			any = true;
		}
	free(ambiguous);
	return err ? reason(err) : any ? NAMELESS_AMBIGUOUS : why;
}

static size_t addresses_of(const struct resolving *s, const struct group *g, uint64_t *out)
{
	size_t i, n = 0;

	for (i = 0; i < g->n; i++)
		if (i == 0 || s->order[g->first + i]->address != out[n - 1])
			out[n++] = s->order[g->first + i]->address;
	return n;
}

static int resolve_group(struct resolving *s, const struct group *g)
{
	uint64_t *addresses = malloc(g->n * sizeof(*addresses));
	struct symbol_job job = { .addresses = addresses, .fd = -1, .debug_fd = -1 };
	struct symbol_results results;
	enum nameless why;
	int err;

	if (!addresses)
		return -ENOMEM;
	job.n = addresses_of(s, g, addresses);
	err = symbol_results__init(&results, job.n);
	if (!err) {
		if (g->kind == FRAME_KERNEL)
			why = read_kernel(s, g, &job, &results);
		else if (!g->module || strcmp(g->module->kind, "jit") == 0)
			why = read_jits(s, &job, &results);
		else
			why = read_module(s, g, &job, &results);
		err = put_group(s, g, &results, why);
		symbol_results__free(&results);
	}
	free(addresses);
	return err;
}

/* --- all of them --------------------------------------------------------------------------------------------------- */

static int open_files(struct resolving *s)
{
	uint32_t *pids = malloc((s->r->n_processes + 1) * sizeof(*pids));
	size_t i, n = 0;
	int err;

	if (!pids)
		return -ENOMEM;
	for (i = 0; i < s->r->n_processes; i++)
		if (s->r->processes[i].end_ns == 0)
			pids[n++] = s->r->processes[i].pid;
	err = module_files__open(&s->files, pids, n);
	free(pids);
	return err;
}

int symbols__resolve(const struct recording *r, const struct symbol_options *options,
		     int (*put)(void *ctx, const struct row_symbol *row), void *ctx, struct symbol_summary *out)
{
	struct resolving s = { .r = r, .options = options, .put = put, .ctx = ctx, .out = out };
	const uint64_t start = monotonic_ns();
	size_t i;
	int err;

	memset(out, 0, sizeof(*out));
	s.limits = (struct symbol_limits){ .deadline_ns =
						   start + (options->budget_ns ? options->budget_ns : SYMBOL_BUDGET_NS),
					   .interrupts = options->interrupts,
					   .interrupts_before = options->interrupts ? *options->interrupts : 0 };
	err = make_groups(&s);
	if (!err && s.n_groups > 0)
		err = open_files(&s);
	for (i = 0; i < s.n_groups && !err; i++)
		err = resolve_group(&s, &s.groups[i]);
	module_files__free(s.files);
	free(s.groups);
	free(s.order);
	out->elapsed_ns = monotonic_ns() - start;
	return err;
}

void symbol_summary__reasons(const struct symbol_summary *s, char *out, size_t size)
{
	static const char *const words[N_NAMELESS] = {
		[NAMELESS_NO_SYMBOL] = "in files without a symbol there",
		[NAMELESS_NO_FILE] = "in files that are gone",
		[NAMELESS_REPLACED] = "in files that were replaced",
		[NAMELESS_DAMAGED] = "in files that are damaged",
		[NAMELESS_NO_TIME] = "not looked up in time",
		[NAMELESS_HIDDEN] = "in the kernel, which hides its addresses",
		[NAMELESS_NO_MODULE] = "in code without a file",
		[NAMELESS_AMBIGUOUS] = "in code that processes made in one place",
		[NAMELESS_TOO_MUCH] = "beyond the memory for names",
	};
	size_t i, n = 0;

	out[0] = 0;
	for (i = 0; i < N_NAMELESS; i++)
		if (s->nameless[i] && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%zu %s", n ? ", " : "", s->nameless[i], words[i]);
}
