/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/calibrate/run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "userspace/cost/fit_set.h"
#include "userspace/host.h"
#include "userspace/message.h"
#include "userspace/temporary.h"

#define LISTEN_NS 1000000000ULL
#define SEED 20261121
#define PROBE_NS 120000000000ULL	/* for the first answers */
#define PROBE_SHARE 0.1			/* of the budget, at most, goes into finding the largest part */
#define SETTLE_NS 200000000		/* for the last records to come */
#define SEEN_SHARE 0.9			/* at least, of the requests that were answered */
#define PROBE_LONG 1100			/* more than two parts of llama.cpp's default */
#define PROBE_OUTPUTS 12
#define DRAFT_OUTPUTS 128		/* hardly any generation of the sweep is longer */
#define SPARE 8			/* tokens of context that the probe leaves free */
#define SLOTS_ASSUMED 4			/* where the server does not say */
#define CONTEXT_ASSUMED 1024
#define GRACE 0.15			/* of the budget: a wave that has begun may end */
#define PROGRESS_NS 200000000ULL
#define BAR_WIDTH 30

static int fail(struct calibration *c, int err, const char *remedy, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static int fail(struct calibration *c, int err, const char *remedy, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->error, sizeof(c->error), format, args);
	va_end(args);
	snprintf(c->remedy, sizeof(c->remedy), "%s", remedy ? remedy : "");
	return err;
}

/* --- the bar ------------------------------------------------------------------------------------------------------- */

static void show_progress(void *ctx)
{
	struct calibration *c = ctx;
	uint64_t now = monotonic_ns();
	double share = (double)(now - c->start_ns) / (double)c->budget_ns;
	char bar[BAR_WIDTH + 1];
	int filled;

	if (!c->has_bar || now < c->next_progress_ns)
		return;
	c->next_progress_ns = now + PROGRESS_NS;
	if (share > 1)
		share = 1;
	filled = (int)(share * BAR_WIDTH);
	memset(bar, '#', (size_t)filled);
	memset(bar + filled, '.', (size_t)(BAR_WIDTH - filled));
	bar[BAR_WIDTH] = 0;
	fprintf(stderr, "\r\033[Kcalibrating [%s] %3.0f %%  %llu steps of %llu requests", bar, 100 * share,
		(unsigned long long)c->driver.seen.n_steps, (unsigned long long)c->driver.n_requests);
	fflush(stderr);
}

static void end_progress(struct calibration *c)
{
	if (c->has_bar)
		fputs("\r\033[K", stderr);
}

/* --- before the sweep ---------------------------------------------------------------------------------------------- */

static int from_driver(struct calibration *c, int err)
{
	const char *remedy = NULL;

	switch (err) {
	case -EBUSY:
		remedy = "calibrate when nobody else uses it, or give --busy-ok and take a blurred fit";
		break;
	case -EINTR:
		return fail(c, err, NULL, "interrupted: the requests were cancelled and nothing was stored");
	case -EPROTO:
		remedy = c->driver.error[0] ? "a server that generates text is needed; see its log" : NULL;
		break;
	}
	return fail(c, err, remedy, "%s", c->driver.error);
}

static int check_idle(struct calibration *c, struct server *server)
{
	int n_busy = api__n_busy(&server->api);

	if (n_busy == -ETIMEDOUT && !c->foreign_ok)
		return fail(c, -EBUSY, "calibrate when nobody else uses it, or give --busy-ok and take a blurred fit",
			    "the server is too busy to say how many of its slots are");
	if (n_busy > 0 && !c->foreign_ok)
		return fail(c, -EBUSY, "calibrate when nobody else uses it, or give --busy-ok and take a blurred fit",
			    "the server works for other clients: %d of its slots are busy", n_busy);
	return 0;
}

static int send_one(struct calibration *c, uint32_t n_prompt, uint32_t n_outputs)
{
	struct sweep_request request = { n_prompt, n_outputs };
	struct sweep_chain chain = { 0, 1 };
	struct sweep_wave wave = { .n = 1 };
	struct sweep one = {
		.waves = &wave, .n_waves = 1, .chains = &chain, .n_chains = 1, .requests = &request, .n_requests = 1
	};
	int err = driver__wave(&c->driver, &one, &wave, monotonic_ns() + PROBE_NS);

	if (err == -ETIME)
		return fail(c, -EPROTO, "see the server's log",
			    "the server has not answered a request of %u tokens in %d s", n_prompt,
			    (int)(PROBE_NS / 1000000000));
	if (err)
		return from_driver(c, err);
	/* The last steps' records are on their way. */
	err = driver__listen(&c->driver, 0);
	return err ? from_driver(c, err) : 0;
}

static void take_facts(struct calibration *c, const struct api *api)
{
	c->facts.n_slots = api->n_slots ? api->n_slots : SLOTS_ASSUMED;
	c->facts.context = api->context ? api->context : CONTEXT_ASSUMED;
	if (!api->n_slots || !api->context)
		message__info("the server does not say how many sequences it takes and how long ones: %u of %u tokens "
			      "together are taken for granted",
			      c->facts.n_slots, c->facts.context);
}

static const char *why_no_steps(struct calibration *c)
{
	size_t i;

	for (i = 0; collectors[i] && i < MAX_COLLECTORS; i++)
		if (strcmp(collectors[i]->name, "engine") == 0 && c->session.notes[i][0])
			return c->session.notes[i];
	return "none of the engine's functions was called";
}

/* Steps of one row, of a generation behind a prompt of so many tokens: their mean time. @return 0 with *ns = 0: none */
static int time_steps(struct calibration *c, uint32_t n_prompt, double *ns)
{
	struct driver_seen *seen = &c->driver.seen;
	int err;

	seen->short_ns = seen->n_short = 0;
	err = send_one(c, n_prompt, PROBE_OUTPUTS);
	*ns = driver__step_ns(&c->driver);
	return err;
}

/*
 * A draft model computes a step for every attempt, whatever the text and however little of it is accepted: random prompts
 * do. One that does not so for a generation as long as the sweep's will not in the sweep.
 */
static int probe_drafts(struct calibration *c, uint32_t n_prompt)
{
	const uint32_t room = c->facts.context - n_prompt - SPARE;
	int err = 0;

	if (!c->must_draft || c->driver.seen.n_drafting)
		return 0;
	err = send_one(c, n_prompt, room < DRAFT_OUTPUTS ? room : DRAFT_OUTPUTS);
	if (err || c->driver.seen.n_drafting)
		return err;
	return fail(c, -ENODATA,
		    "if the smaller one drafts, let it draft for short generations too; if it does not, calibrate the "
		    "server without it",
		    "two weight files are mapped, and none of %llu steps was of a draft model: which file computed "
		    "them cannot be told, and no fit can be made",
		    (unsigned long long)c->driver.seen.n_steps);
}

/* How fast it is, and how long its parts are, by the first requests. */
static int probe(struct calibration *c)
{
	struct sweep_facts *f = &c->facts;
	uint32_t few = f->context / 2 < 48 ? f->context / 2 : 48, many;
	double slow = 0;
	int err;

	if (f->context < SWEEP_MIN_CONTEXT)
		return fail(c, -EINVAL, "start it with a larger one",
			    "the server's context of %u tokens is too small: %d are needed", f->context,
			    SWEEP_MIN_CONTEXT);
	err = time_steps(c, few, &f->step_ns);
	if (err)
		return err;
	if (c->driver.seen.n_steps == 0 || driver__token_ns(&c->driver) <= 0)
		return fail(c, -ENODATA, "tokprof list shows what can be probed in it",
			    "no step of the server was seen: %s", why_no_steps(c));
	err = probe_drafts(c, few);
	if (err)
		return err;
	many = f->context * 3 / 4 < PROBE_LONG ? f->context * 3 / 4 : PROBE_LONG;
	if (many * driver__token_ns(&c->driver) < PROBE_SHARE * (double)c->budget_ns)
		err = time_steps(c, many, &slow);
	if (err)
		return err;
	f->part = c->driver.seen.largest_part;
	f->token_ns = driver__token_ns(&c->driver);
	if (f->step_ns <= 0)
		f->step_ns = f->token_ns;
	f->context_ns = slow > f->step_ns ? (slow - f->step_ns) / (many - few) : 0;
	return 0;
}

/* --- the sweep ----------------------------------------------------------------------------------------------------- */

static void say_design(struct calibration *c, const struct sweep *s, const struct sweep_facts *f)
{
	if (c->n_rounds == 0)
		message__detail(1,
				"%u slots, context %u, parts of %u tokens; %.3f ms a prompt token, %.2f ms a step and "
				"%.2f more with each 1,000 tokens of context",
				f->n_slots, f->context, f->part, f->token_ns / 1e6, f->step_ns / 1e6,
				f->context_ns / 1e3);
	message__detail(1, "round %u of about %u: contexts to %u, pieces to %u, %zu waves; %.0f s left",
			c->n_rounds + 1, s->n_rounds, s->context, s->chunk, sweep__end_of_round(s, c->n_rounds),
			f->budget_ns / 1e9);
	if (c->n_rounds == 0 && s->context < f->context)
		message__info("the server is slow for %.0f s of measuring: contexts up to %u tokens of %u, prompts in "
			      "pieces up to %u; --seconds gives it more",
			      (double)c->budget_ns / 1e9, s->context, f->context, s->chunk);
}

/*
 * The round that fits into the time that is left, at the pace that was seen: first requests tell it badly.
 * @expected by the facts as they were measured, for the pace
 */
static int run_round(struct calibration *c, uint64_t deadline, double pace, double *expected)
{
	struct sweep_facts f = c->facts;
	struct sweep s;
	uint64_t now = monotonic_ns();
	size_t i, end;
	int err;

	f.token_ns *= pace;
	f.step_ns *= pace;
	f.context_ns *= pace;
	f.budget_ns = deadline > now ? (double)(deadline - now) : 1;
	f.first_round = c->n_rounds;
	err = sweep__design(&s, &f, SEED);
	if (err)
		return fail(c, err, NULL, "the sweep cannot be designed: %s", strerror(-err));
	say_design(c, &s, &f);
	end = sweep__end_of_round(&s, c->n_rounds);
	*expected = 0;
	for (i = 0; i < end && !err && monotonic_ns() < deadline; i++) {
		err = driver__wave(&c->driver, &s, &s.waves[i], deadline + (uint64_t)(GRACE * (double)c->budget_ns));
		*expected += sweep__wave_ns(&s, &s.waves[i], &c->facts);
		c->n_waves += !err;
		message__detail(2, "%s: %zu chains, %llu steps so far", wave_kind__name(s.waves[i].kind), s.waves[i].n,
				(unsigned long long)c->driver.seen.n_steps);
	}
	if (s.context > c->longest_context)
		c->longest_context = s.context;
	if (s.chunk > c->longest_chunk)
		c->longest_chunk = s.chunk;
	c->n_rounds += i == end && !err;
	c->time_was_up = err == -ETIME || i < end;
	sweep__free(&s);
	return err && err != -ETIME ? from_driver(c, err) : 0;
}

static int sweep(struct calibration *c)
{
	uint64_t deadline = c->start_ns + c->budget_ns, begun = monotonic_ns(), before;
	double pace = 1, expected = 0, sum = 0;
	int err = 0;

	do {
		before = monotonic_ns();
		err = run_round(c, deadline, pace, &expected);
		sum += expected;
		pace = (double)(monotonic_ns() - begun) / sum;
		/* A round that could not be half done is not begun. */
	} while (!err && !c->time_was_up && c->n_rounds < SWEEP_MAX_ROUNDS &&
		 (c->n_rounds < SWEEP_MIN_ROUNDS || monotonic_ns() + (monotonic_ns() - before) / 2 < deadline));
	return err;
}

/*
 * What would leave the sweep without a use is told before it: a fit is of one weight file, or of one and its draft's, and is
 * stored by its digest, which is read where it is mapped. Which of two files drafts, and whose steps they are, only steps tell: asked
 * again once some were seen.
 */
static int check_model(struct calibration *c)
{
	struct recording facts;
	char error[512], why[160];
	int err = 0;

	session__tick(&c->session);
	if (recording_writer__flush(c->writer) || recording__load_facts(&facts, c->path, error, sizeof(error)))
		return 0;
	c->must_draft = fit_key__lacks_draft(&facts);
	if (!c->must_draft && fit_key__several(&facts, why, sizeof(why)))
		err = fail(c, -ENODATA, "calibrate a server of one model, or of one and its draft",
			   "no fit can be made: %s", why);
	else if (!c->must_draft && c->must_store && !fit_key__model(&facts, false, why, sizeof(why)))
		err = fail(c, -ENODATA, "keep it in a recording with -o FILE, or let the server map its weights",
			   "no weight file that the server has mapped can be read, and a fit is stored by its digest");
	recording__free(&facts);
	return err;
}

/* Two servers may share a port (SO_REUSEPORT): then the other one has answered. */
static int check_seen(struct calibration *c)
{
	int err = driver__listen(&c->driver, SETTLE_NS);

	if (err && err != -EBUSY)
		return from_driver(c, err);
	if (c->driver.n_seen < SEEN_SHARE * (double)c->driver.n_requests)
		return fail(c, -EPROTO, "start it alone on its port",
			    "of %llu requests %llu were seen at the server: another process answers at its address",
			    (unsigned long long)c->driver.n_requests, (unsigned long long)c->driver.n_seen);
	return 0;
}

/* What was given up is still being worked on for a moment. */
static void wait_idle(struct calibration *c, struct server *server)
{
	uint64_t end = monotonic_ns() + 5 * LISTEN_NS;

	while (api__n_busy(&server->api) > 0 && monotonic_ns() < end) {
		session__poll(&c->session, 100);
	}
}

static int measure(struct calibration *c, struct server *server)
{
	int err;

	driver__init(&c->driver, &c->session, &server->api, SEED);
	c->driver.stop = c->stop;
	c->driver.foreign_ok = c->foreign_ok;
	c->driver.progress = show_progress;
	c->driver.progress_ctx = c;
	c->has_bar = isatty(STDERR_FILENO) && !message__is_quiet();
	take_facts(c, &server->api);
	err = check_idle(c, server);
	if (!err) {
		err = driver__listen(&c->driver, LISTEN_NS);
		err = err ? from_driver(c, err) : 0;
	}
	if (!err)
		err = check_model(c);
	if (!err)
		err = probe(c);
	if (!err)
		err = check_model(c);
	if (!err)
		err = sweep(c);
	if (!err)
		err = check_seen(c);
	end_progress(c);
	if (err != -ESRCH)
		wait_idle(c, server);
	c->n_requests = c->driver.n_requests;
	c->n_foreign = c->driver.n_foreign;
	return err;
}

/* --- the recording ------------------------------------------------------------------------------------------------- */

static int attach(struct calibration *c, const struct target *target)
{
	char error[512];
	int err = recording_writer__open(&c->writer, c->path, c->force);

	if (err)
		return fail(c, err, err == -EEXIST ? "give -f to replace it, or another -o FILE" : NULL, "%s",
			    recording_writer__error(c->writer));
	c->has_file = true;
	c->session_options.no_operators = true;
	err = session__open(&c->session, &c->session_options, c->writer, error, sizeof(error));
	if (err)
		return fail(c, err == -EPERM ? err : -EOPNOTSUPP, NULL, "%s", error);
	host__write_meta(c->writer);
	err = session__start(&c->session, target->pids, target->n_pids, error, sizeof(error));
	if (err)
		return fail(c, -ESRCH, NULL, "%s", error);
	recording_writer__put_meta_int(c->writer, "start_ns", (int64_t)c->session.start_ns);
	if (message__verbosity() > 0)
		session__describe(&c->session, stderr);
	return 0;
}

int calibration__run(struct calibration *c, struct server *server, const struct target *target)
{
	/* Connections from before the attach would be taken for others'. */
	int err = http_client__disconnect(server->http);

	err = err ? fail(c, err, NULL, "out of memory") : attach(c, target);
	c->start_ns = monotonic_ns();
	if (!err)
		err = measure(c, server);
	c->end_ns = monotonic_ns();
	if (c->has_file) {
		recording_writer__put_meta_int(c->writer, "end_ns", (int64_t)c->end_ns);
		recording_writer__put_meta(c->writer, "end_reason", err ? c->error : "calibrated");
		session__close(&c->session);
		c->counts = c->session.counts;
	}
	if (!err) {
		err = recording_writer__flush(c->writer);
		if (err)
			fail(c, err, "free some space", "%s", recording_writer__error(c->writer));
	}
	return err;
}

int calibration__close(struct calibration *c, bool keep)
{
	int err = 0;

	if (c->has_file)
		err = recording_writer__close(c->writer, keep);
	else
		recording_writer__free(c->writer);
	if (c->has_file && !keep)
		recording__remove(c->path);
	c->writer = NULL;
	return err;
}
