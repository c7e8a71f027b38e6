/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opt-in (record --touched-bytes): which bytes of its weights, and of its other memory, the server touches in some steps.
 *
 * A window takes the marks of touched pages off all memory of the server's processes, waits for some steps, and counts the pages
 * that are marked again (userspace/smaps.h says what the count cannot know). Two kinds take turns: long ones, in which every page
 * that is used has left the processors' TLBs and is marked, and short ones of two or three steps, which tell the experts of few tokens.
 * Which steps were in a window is the analysis's to say, by their times.
 *
 * It is the one thing here that changes something of the server: kswapd takes pages without marks for unused, so that under memory
 * pressure they are the first to go; and the processor sets each mark again in a walk of the page table.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collectors/collector.h"
#include "userspace/model_file.h"
#include "userspace/session.h"
#include "userspace/smaps.h"

#define MAX_WEIGHTS 32
#define MAX_PROCESSES 64
#define LONG_STEPS 10
#define LONG_LEAST_NS                                                                                                  \
	250000000ull /* at 0.1 s the 5 MB of a model that a TLB could hold were all marked, at 20 ms half of them */
#define SHORT_STEPS 3
#define LONGEST_NS 5000000000ull
#define NAP_NS 50000000ull		/* a window that ends so soon is waited for: the next turn may be 0.1 s away */
#define FRESH_NS 1000000000ull		/* steps ended no longer ago: the server computes */

/* What one process touched, by kind; the last two are anonymous memory and all other files. */
struct tally {
	struct row_touched rows[MAX_WEIGHTS + 2];
	char paths[MAX_WEIGHTS][512];
	size_t n_weights;
	bool too_many;
};

struct process_window {
	uint32_t pid;
	uint64_t start_ns;
	int64_t clear_ns;
	int64_t before[MAX_WEIGHTS + 2];	/* as in the tally */
	struct {
		uint64_t device, inode;
	} files[MAX_WEIGHTS];
	size_t n_weights;
};

struct touched {
	struct session *session;
	uint64_t next_ns, end_ns;	/* of the window to come; of the open one, 0: none */
	int64_t n_windows;
	uint64_t step_ns, step_ended_ns;	/* of the last step seen; 0 none */
	struct process_window open[MAX_PROCESSES];
	size_t n_open;
	struct tally tally;
	bool said;
};

static int touched_open(struct session *s, void **out)
{
	char reason[160], remedy[160], words[340];
	struct touched *c;

	if (!s->options.touched_ns || !s->writer)
		return -ECANCELED;
	if (smaps__try(reason, sizeof(reason), remedy, sizeof(remedy))) {
		snprintf(words, sizeof(words), "%s; %s", reason, remedy);
		session__note(s, "touched", "absent", words);
		return -ENOTSUP;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->session = s;
	recording_writer__put_meta_int(s->writer, "touched_blind_bytes",
				       sysconf(_SC_NPROCESSORS_ONLN) * SMAPS_TLB_BYTES);
	*out = c;
	return 0;
}

/* --- one process ---------------------------------------------------------------------------------------------------- */

static void add(int64_t *to, int64_t value)
{
	if (*to != ABSENT && (value == ABSENT || __builtin_add_overflow(*to, value, to)))
		*to = ABSENT;
}

static struct row_touched *row_of(struct tally *t, const struct process_map *map)
{
	/* "[heap]", "[anon:...]" have no inode; shared memory without a name has one. */
	if (!map->inode)
		return &t->rows[MAX_WEIGHTS];
	if (!model_file__is_named(map->path))
		return &t->rows[MAX_WEIGHTS + 1];
	for (size_t i = 0; i < t->n_weights; i++)
		if (t->rows[i].device == map->device && t->rows[i].inode == map->inode)
			return &t->rows[i];
	if (t->n_weights == MAX_WEIGHTS) {
		t->too_many = true;
		return &t->rows[MAX_WEIGHTS + 1];
	}
	t->rows[t->n_weights].device = map->device;
	t->rows[t->n_weights].inode = map->inode;
	snprintf(t->paths[t->n_weights], sizeof(t->paths[0]), "%s", map->path);
	return &t->rows[t->n_weights++];
}

static int take_mapping(void *ctx, const struct smaps_mapping *m)
{
	struct row_touched *row = row_of(ctx, &m->map);

	add(&row->mapped_bytes, (int64_t)(m->map.end - m->map.start));
	add(&row->resident_bytes, m->resident);
	add(&row->touched_bytes, m->referenced);
	add(&row->shared_bytes, m->shared);
	/* Kernels say nothing of what they were built without: no huge pages then. */
	add(&row->huge_bytes, m->huge == ABSENT ? 0 : m->huge);
	add(&row->hugetlb_bytes, m->hugetlb == ABSENT ? 0 : m->hugetlb);
	return 0;
}

static int count(struct tally *t, uint32_t pid)
{
	memset(t->rows, 0, sizeof(t->rows));
	t->n_weights = 0;
	return smaps__read(pid, take_mapping, t);
}

static int begin_process(struct touched *c, uint32_t pid)
{
	struct process_window *w = &c->open[c->n_open];
	uint64_t begun;
	int err = count(&c->tally, pid);

	if (err)
		return err;
	*w = (struct process_window){ .pid = pid, .n_weights = c->tally.n_weights };
	for (size_t i = 0; i < MAX_WEIGHTS + 2; i++)
		w->before[i] = c->tally.rows[i].resident_bytes;
	for (size_t i = 0; i < w->n_weights; i++) {
		w->files[i].device = c->tally.rows[i].device;
		w->files[i].inode = c->tally.rows[i].inode;
	}
	begun = monotonic_ns();
	err = smaps__clear(pid);
	w->start_ns = monotonic_ns();
	w->clear_ns = (int64_t)(w->start_ns - begun);
	c->n_open += err == 0;
	return err;
}

/* What of a file was in the page table before; nothing of one that came since. */
static int64_t before(const struct process_window *w, size_t i, const struct row_touched *row)
{
	if (i >= MAX_WEIGHTS)
		return w->before[i];
	for (size_t k = 0; k < w->n_weights; k++)
		if (w->files[k].device == row->device && w->files[k].inode == row->inode)
			return w->before[k];
	return 0;
}

static void end_process(struct touched *c, const struct process_window *w)
{
	struct tally *t = &c->tally;
	const uint64_t end_ns = monotonic_ns();
	int64_t read_ns;
	int idx = 0;

	if (count(t, w->pid))
		return;
	read_ns = (int64_t)(monotonic_ns() - end_ns);
	for (size_t i = 0; i < MAX_WEIGHTS + 2; i++) {
		struct row_touched *row = &t->rows[i];

		if (i >= t->n_weights && i < MAX_WEIGHTS)
			continue;
		row->window = c->n_windows;
		row->pid = w->pid;
		row->idx = idx++;
		row->kind = i < MAX_WEIGHTS ? "weights" : i == MAX_WEIGHTS ? "anonymous" : "other";
		row->path = i < MAX_WEIGHTS ? t->paths[i] : NULL;
		row->start_ns = w->start_ns;
		row->end_ns = end_ns;
		row->clear_ns = w->clear_ns;
		row->read_ns = read_ns;
		row->before_bytes = before(w, i, row);
		recording_writer__touched(c->session->writer, row);
	}
}

/* --- windows -------------------------------------------------------------------------------------------------------- */

static void say(struct touched *c, const char *what)
{
	if (!c->said)
		session__note(c->session, "touched", "partial", what);
	c->said = true;
}

static void end_window(struct touched *c)
{
	for (size_t i = 0; i < c->n_open; i++)
		end_process(c, &c->open[i]);
	if (c->tally.too_many)
		say(c, "more weight files than 32: the others are among the other files");
	c->end_ns = 0;
	c->n_open = 0;
	c->n_windows++;
}

static uint64_t length(const struct touched *c)
{
	const bool is_short = c->n_windows % 2;
	uint64_t ns = (is_short ? SHORT_STEPS : LONG_STEPS) * c->step_ns;

	if (!is_short && ns < LONG_LEAST_NS)
		ns = LONG_LEAST_NS;
	if (ns > LONGEST_NS)
		ns = LONGEST_NS;
	return ns < (uint64_t)c->session->options.touched_ns / 2 ? ns : (uint64_t)c->session->options.touched_ns / 2;
}

static void begin_window(struct touched *c)
{
	const struct session *s = c->session;
	char words[160];
	int err = 0;

	c->n_open = 0;
	for (size_t i = 0; i < s->n_targets; i++) {
		int one;

		if (s->targets[i].ended_ns)
			continue;
		if (c->n_open == MAX_PROCESSES) {
			say(c, "more processes than 64: what the others touch is not known");
			break;
		}
		one = begin_process(c, s->targets[i].pid);
		if (one && one != -ESRCH)
			err = one;
	}
	if (err) {
		snprintf(words, sizeof(words), "a process's marks could not be cleared or read: %s", strerror(-err));
		say(c, words);
	}
	c->next_ns = monotonic_ns() + (uint64_t)s->options.touched_ns;
	if (c->n_open)
		c->end_ns = monotonic_ns() + length(c);
}

static void touched_record(struct session *s, void *state, const struct record_header *h)
{
	const struct record_step *step = (const struct record_step *)h;
	struct touched *c = state;

	(void)s;
	if (h->flags & (STEP_DRAFT | STEP_NO_RETURN) || step->ret || step->end_ns < h->time_ns)
		return;
	c->step_ns = step->end_ns - h->time_ns;
	c->step_ended_ns = step->end_ns;
}

static void touched_turn(struct session *s, void *state, uint64_t now_ns)
{
	struct touched *c = state;

	/* Where no step has been seen for some time there would be nothing to see; while files are digested, only that. */
	if (!c->end_ns && now_ns >= c->next_ns && !s->reads_weights && c->step_ended_ns &&
	    now_ns < c->step_ended_ns + FRESH_NS) {
		begin_window(c);
		now_ns = monotonic_ns();
	}
	if (!c->end_ns)
		return;
	if (c->end_ns > now_ns && c->end_ns - now_ns <= NAP_NS) {
		const struct timespec nap = { 0, (long)(c->end_ns - now_ns) };

		nanosleep(&nap, NULL);
		now_ns = c->end_ns;
	}
	if (now_ns >= c->end_ns)
		end_window(c);
}

static void touched_close(struct session *s, void *state)
{
	struct touched *c = state;

	/* An open window has no end: its steps are over, and pages may have gone with the server. */
	recording_writer__put_meta_int(s->writer, "touched_windows", c->n_windows);
	free(c);
}

static int touched_probe(struct sensor *out, int max)
{
	if (max < 1)
		return 0;
	out[0] = (struct sensor){ .id = "touched_bytes", .resource = "bytes of the weights that are read" };
	snprintf(out[0].source, sizeof(out[0].source), "/proc/PID/clear_refs and Referenced in smaps");
	if (smaps__try(out[0].reason, sizeof(out[0].reason), out[0].remedy, sizeof(out[0].remedy)) == 0) {
		out[0].grade = GRADE_DERIVED;
		snprintf(out[0].reason, sizeof(out[0].reason),
			 "by whole pages, in windows; opt-in: record --touched-bytes");
	}
	return 1;
}

const struct collector collector_touched = {
	.name = "touched",
	.doc = "bytes of the weights and of other memory that the server touches in some steps, by clear_refs and "
	       "smaps",
	.record_kinds = 1u << RECORD_STEP,
	.probe = touched_probe,
	.open = touched_open,
	.record = touched_record,
	.turn = touched_turn,
	.close = touched_close,
};
