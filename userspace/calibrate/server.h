/* SPDX-License-Identifier: Apache-2.0 */
/* From processes to a server that can be asked: the one with an engine, where it listens, and its interface. */
#ifndef TOKPROF_CALIBRATE_SERVER_H
#define TOKPROF_CALIBRATE_SERVER_H

#include "userspace/calibrate/api.h"
#include "userspace/process.h"
#include "userspace/target.h"

struct server {
	uint32_t pid;			/* with the engine */
	char engine[PROFILE_NAME_SIZE], version[64];
	char address[PROCESS_ADDRESS_SIZE];
	struct http_client *http;	/* NULL: not found */
	struct api api;
};

struct server_options {
	const char *engine_profile;	/* a file that is tried before the known profiles; NULL */
	const char *key;		/* NULL */
};

/*
 * Find the server of a target and open its interface. The calling thread is moved into the server's network where that is
 * another than ours (a container's).
 * @return 0; -ENOTSUP: no engine whose steps can be probed; -ENOENT: it does not listen, or no address answers; -EAGAIN: it
 *	is loading; -EACCES: it wants a key; -EINVAL: a profile is wrong; -ESRCH; -ENOMEM; `error` has the sentence
 */
int server__open(struct server *out, const struct target *target, const struct server_options *options, char *error,
		 size_t size);
void server__close(struct server *s);

#endif
