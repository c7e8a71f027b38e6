/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server as a calibration sees it: how many sequences it works on, how long they may be, and how it is asked for a
 * generation of exact lengths. The engine's paths and members are data (struct profile_http of its profile).
 */
#ifndef TOKPROF_CALIBRATE_API_H
#define TOKPROF_CALIBRATE_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/analysis/bootstrap.h"
#include "userspace/engine_profile.h"
#include "userspace/http_client.h"

#define API_ERROR_SIZE 512

struct api {
	struct http_client *http;	/* borrowed */
	struct profile_http names;	/* the engine's, or OpenAI's where it has none or does not serve them */
	bool openai;
	uint32_t n_slots, context;	/* 0: the server does not say */
	uint32_t *ids;			/* token ids to make prompts of; NULL: prompts are words */
	size_t n_ids;
	double tokens_per_word;		/* of prompts of words */
};

/*
 * Learn what the server says of itself.
 * @return 0; -ECONNREFUSED, -EPROTO: nobody there that speaks HTTP; -EAGAIN: it is still loading; -EACCES: it wants a key;
 *	-ENOMEM; `error` has the sentence
 */
int api__open(struct api *a, struct http_client *http, const struct profile_http *names, char *error, size_t size);
void api__close(struct api *a);

/* How many slots work now. @return -ENOTSUP: the server does not say; -ETIMEDOUT: it is too busy to */
int api__n_busy(struct api *a);

/*
 * The body of a request for a generation, with a prompt of random tokens; the caller's to free. @slot that is to work on it,
 * where the server lets its clients choose. NULL: out of memory
 */
char *api__body(struct api *a, struct random_state *random, uint32_t n_prompt, uint32_t n_outputs, uint32_t slot);

/*
 * From an answer's own count: how many tokens a word makes. @n_prompt that were meant to be in the prompt @tokens_per_word that
 * it was made with
 */
void api__learn(struct api *a, const char *answer, uint32_t n_prompt, double tokens_per_word);

/* What went wrong, from an answer that is none: the server's own words where it has some. */
void api__explain(const struct api *a, const struct http_answer *answer, char *out, size_t size);

#endif
