/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver sends the waves of a sweep to a server that is being recorded, sees to it that nobody else does, and watches
 * what steps come of them.
 */
#ifndef TOKPROF_CALIBRATE_DRIVER_H
#define TOKPROF_CALIBRATE_DRIVER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "userspace/calibrate/api.h"
#include "userspace/calibrate/sweep.h"
#include "userspace/session.h"

/* What the steps so far were like. */
struct driver_seen {
	uint64_t n_steps;
	uint64_t n_drafting;		/* of them of a draft model */
	uint32_t largest_part;		/* tokens */
	double prompt_ns, prompt_tokens;	/* of steps with many tokens */
	double short_ns, n_short;		/* of steps with few */
	uint64_t step, step_tokens;		/* of the step whose rows came last */
};

struct driver {
	struct session *session;	/* borrowed, as is all that follows */
	struct http_client *http;
	struct api *api;
	const volatile sig_atomic_t *stop;	/* the user's ^C */
	void (*progress)(void *ctx);	/* a few times a second; NULL */
	void *progress_ctx;
	bool foreign_ok;		/* requests of others are no reason to end */

	struct random_state random;
	struct driver_seen seen;
	uint64_t n_requests;		/* of ours, answered */
	uint64_t n_seen;		/* of ours, on the server's own connections */
	uint64_t n_foreign;		/* of others, that ask for work */
	unsigned crowded;		/* ticks in a row with more requests on the wire than ours */
	size_t most_in_flight;		/* of ours, since the last tick */
	uint64_t next_tick_ns;
	bool recording_failed;
	int err;
	char error[API_ERROR_SIZE];
};

/* Takes the session's hooks. */
void driver__init(struct driver *d, struct session *session, struct api *api, uint64_t seed);

/*
 * Listen for so long without sending anything; 0: take what has come.
 * @return 0; -EBUSY: the server works for others; -EINTR: stopped; -ESRCH: it has ended; -EIO; `d->error` has the sentence
 */
int driver__listen(struct driver *d, uint64_t duration_ns);

/*
 * One wave, until its last answer.
 * @deadline_ns	CLOCK_MONOTONIC, when the requests that are not answered yet are given up
 * @return as above; -ETIME: at the deadline; -EPROTO: an answer that is none
 */
int driver__wave(struct driver *d, const struct sweep *s, const struct sweep_wave *w, uint64_t deadline_ns);

/* The pace that was seen; 0 where nothing was. */
double driver__token_ns(const struct driver *d);
double driver__step_ns(const struct driver *d);

#endif
