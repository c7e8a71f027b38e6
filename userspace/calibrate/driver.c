/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/calibrate/driver.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_MS 50
#define TICK_NS 1000000000ULL
#define MANY_TOKENS 32		/* a step with so many is one of prompts, ... */
#define FEW_TOKENS 8		/* ... with fewer than these one of generations */
#define IDLE_SHARE 0.1		/* of a core: less is no request's work */
#define CROWDED_TICKS 2		/* one tick may fall between a request's end here and on the wire */

/* One slot's requests of a wave. */
struct chain_run {
	struct driver *driver;
	const struct sweep *sweep;
	const struct sweep_chain *chain;
	uint32_t slot;
	size_t n_sent;
	double tokens_per_word;		/* of the prompt that was sent last */
};

/* --- what comes back from the meter -------------------------------------------------------------------------------- */

static void on_record(void *ctx, const struct record_header *h)
{
	struct driver_seen *seen = &((struct driver *)ctx)->seen;

	if (h->kind == RECORD_ROWS) {
		const struct record_rows *r = (const struct record_rows *)h;

		if (h->flags & ROWS_MORE)
			return;	/* the part's last record tells it again */
		if (seen->step != r->step)
			seen->step_tokens = 0;
		seen->step = r->step;
		seen->step_tokens += r->n_tokens;
		if (r->n_tokens > seen->largest_part)
			seen->largest_part = r->n_tokens;
	} else if (h->kind == RECORD_STEP) {
		const struct record_step *r = (const struct record_step *)h;
		double ns = (double)(r->end_ns - h->time_ns);

		seen->n_steps++;
		seen->n_drafting += (h->flags & STEP_DRAFT) != 0;
		if (r->step != seen->step)
			return;
		if (seen->step_tokens >= MANY_TOKENS) {
			seen->prompt_ns += ns;
			seen->prompt_tokens += (double)seen->step_tokens;
		} else if (seen->step_tokens < FEW_TOKENS) {
			seen->short_ns += ns;
			seen->n_short++;
		}
	}
}

static bool is_ours(const struct driver *d, const char *client)
{
	const char *colon = strrchr(client, ':');
	long port = colon ? strtol(colon + 1, NULL, 10) : 0;

	/* By a Unix socket nobody has a port: only requests in flight tell. */
	return !colon || (port > 0 && port <= UINT16_MAX && http_client__owns_port(d->http, (uint16_t)port));
}

static void on_request(void *ctx, const struct row_request *row)
{
	struct driver *d = ctx;

	if (row->client && is_ours(d, row->client)) {
		d->n_seen++;
		return;
	}
	/* Who asks for health or metrics takes nothing that would show. Of what was asked before the attach the answer alone is seen. */
	if (row->client && (!row->method || strcmp(row->method, "POST") == 0))
		d->n_foreign++;
}

void driver__init(struct driver *d, struct session *session, struct api *api, uint64_t seed)
{
	memset(d, 0, sizeof(*d));
	d->session = session;
	d->api = api;
	d->http = api->http;
	d->random.s = seed;
	session->on_record = on_record;
	session->on_record_ctx = d;
	session->on_request = on_request;
	session->on_request_ctx = d;
}

double driver__token_ns(const struct driver *d)
{
	return d->seen.prompt_tokens > 0 ? d->seen.prompt_ns / d->seen.prompt_tokens : 0;
}

double driver__step_ns(const struct driver *d)
{
	return d->seen.n_short > 0 ? d->seen.short_ns / d->seen.n_short : 0;
}

/* --- going on ------------------------------------------------------------------------------------------------------ */

static int fail(struct driver *d, int err, const char *text)
{
	snprintf(d->error, sizeof(d->error), "%s", text);
	d->err = err;
	return err;
}

static int tick(struct driver *d)
{
	session__tick(d->session);
	if (!session__any_alive(d->session))
		return fail(d, -ESRCH, "the server has ended");
	if (recording_writer__status(d->session->writer)) {
		d->recording_failed = true;
		return fail(d, -EIO, recording_writer__error(d->session->writer));
	}
	d->crowded = d->session->counts.requests_in_flight > (int64_t)d->most_in_flight ? d->crowded + 1 : 0;
	d->most_in_flight = http_client__in_flight(d->http);
	return 0;
}

static int check(struct driver *d)
{
	if (d->stop && *d->stop)
		return fail(d, -EINTR, "interrupted");
	if (!d->foreign_ok && (d->n_foreign || d->crowded >= CROWDED_TICKS))
		return fail(d, -EBUSY, "the server got requests of others while it was calibrated");
	return 0;
}

/* Let everything go on for a moment. */
static int turn(struct driver *d)
{
	int err = http_client__poll(d->http, POLL_MS, ring_buffer__epoll_fd(d->session->ring));

	if (err)
		return fail(d, err, "the connections to the server cannot be polled");
	err = session__poll(d->session, 0);
	if (err < 0 && err != -EINTR)
		return fail(d, -EIO, "the ring buffer could not be read");
	if (http_client__in_flight(d->http) > d->most_in_flight)
		d->most_in_flight = http_client__in_flight(d->http);
	if (d->progress)
		d->progress(d->progress_ctx);
	err = 0;
	if (monotonic_ns() >= d->next_tick_ns) {
		d->next_tick_ns = monotonic_ns() + TICK_NS;
		err = tick(d);
	}
	return err ? err : check(d);
}

/* CPU time of the server's processes so far. */
static double cpu_ns(const struct session *s)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < s->n_targets; i++) {
		struct timespec used;
		clockid_t clock;

		if (!s->targets[i].ended_ns && clock_getcpuclockid((pid_t)s->targets[i].pid, &clock) == 0 &&
		    clock_gettime(clock, &used) == 0)
			sum += (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
	}
	return sum;
}

int driver__listen(struct driver *d, uint64_t duration_ns)
{
	double used = duration_ns ? cpu_ns(d->session) : 0;
	uint64_t end = monotonic_ns() + duration_ns, n_steps = d->seen.n_steps;
	int err = 0;

	do
		err = turn(d);
	while (!err && monotonic_ns() < end);
	if (err || d->foreign_ok)
		return err;
	/* A long step shows when it ends; that somebody computes shows at once. */
	if (duration_ns)
		used = cpu_ns(d->session) - used;
	if (d->seen.n_steps > n_steps || d->n_foreign)
		return fail(d, -EBUSY, "the server works for other clients");
	if (used > IDLE_SHARE * (double)duration_ns)
		return fail(
			d, -EBUSY,
			"the server uses the CPU though nothing was asked of it: it works for other clients, or its "
			"threads spin while they wait");
	return 0;
}

/*
 * A connection broke: a process that dies closes its sockets a moment before it is gone.
 */
static bool has_died(struct driver *d)
{
	const struct timespec moment = { .tv_nsec = 20000000 };
	int i;

	for (i = 0; i < 50; i++) {
		if (!session__any_alive(d->session))
			return true;
		nanosleep(&moment, NULL);
	}
	return false;
}

/* --- a wave -------------------------------------------------------------------------------------------------------- */

static void send_next(struct chain_run *run);

static void on_answer(void *ctx, const struct http_answer *answer)
{
	struct chain_run *run = ctx;
	struct driver *d = run->driver;

	if (answer->err || answer->status != 200) {
		if (d->err)
			return;	/* the first says more */
		api__explain(d->api, answer, d->error, sizeof(d->error));
		d->err = -EPROTO;
		if (answer->err && has_died(d))
			fail(d, -ESRCH, "the server has ended");
		return;
	}
	d->n_requests++;
	api__learn(d->api, answer->body, run->sweep->requests[run->chain->first + run->n_sent - 1].n_prompt,
		   run->tokens_per_word);
	if (!d->err)
		send_next(run);
}

static void send_next(struct chain_run *run)
{
	struct driver *d = run->driver;
	const struct sweep_request *r;
	char *body;
	int err;

	if (run->n_sent == run->chain->n)
		return;
	r = &run->sweep->requests[run->chain->first + run->n_sent++];
	run->tokens_per_word = d->api->tokens_per_word;
	body = api__body(d->api, &d->random, r->n_prompt, r->n_outputs, run->slot);
	err = body ? http_client__start(d->http, d->api->names.complete, body, 0, on_answer, run) : -ENOMEM;
	free(body);
	if (err)
		fail(d, err, "out of memory");
}

int driver__wave(struct driver *d, const struct sweep *s, const struct sweep_wave *w, uint64_t deadline_ns)
{
	struct chain_run *runs = calloc(w->n, sizeof(*runs));
	size_t i;

	d->err = 0;
	if (!runs)
		return fail(d, -ENOMEM, "out of memory");
	for (i = 0; i < w->n && !d->err; i++) {
		runs[i] = (struct chain_run){
			.driver = d, .sweep = s, .chain = &s->chains[w->first + i], .slot = (uint32_t)i
		};
		send_next(&runs[i]);
	}
	while (!d->err && http_client__in_flight(d->http) > 0) {
		turn(d);
		if (!d->err && monotonic_ns() >= deadline_ns)
			fail(d, -ETIME, "time is up");
	}
	http_client__cancel(d->http);
	free(runs);
	return d->err;
}
