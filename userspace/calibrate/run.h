/* SPDX-License-Identifier: Apache-2.0 */
/* A calibration from the attach to the last answer: a recording of a server under a designed load. */
#ifndef TOKPROF_CALIBRATE_RUN_H
#define TOKPROF_CALIBRATE_RUN_H

#include "userspace/calibrate/driver.h"
#include "userspace/calibrate/server.h"

struct calibration {
	/* what is asked for */
	struct session_options session_options;
	const char *path;		/* of the recording */
	bool force;
	bool foreign_ok;
	bool must_store;		/* nothing is kept but the stored fit: its key must be known */
	bool must_draft;		/* of its own: two weight files are mapped, and only drafts tell which is whose */
	uint64_t budget_ns;
	const volatile sig_atomic_t *stop;

	/* what came of it */
	struct recording_writer *writer;	/* open: the fits go into the recording too */
	struct session_counts counts;
	struct sweep_facts facts;
	uint32_t longest_context, longest_chunk;	/* of the sweeps' rounds */
	size_t n_waves;			/* that were answered whole */
	uint32_t n_rounds;		/* that were */
	bool time_was_up;		/* in the middle of a round */
	uint64_t start_ns, end_ns;
	uint64_t n_requests, n_foreign;
	char error[1024], remedy[160];	/* "" none */

	/* its own */
	struct session session;
	struct driver driver;
	uint64_t next_progress_ns;
	bool has_file, has_bar;
};

/*
 * @return 0: the recording is whole and its collectors are detached; -EBUSY, -EINTR, -ESRCH, -EPROTO as of the driver; -EEXIST
 *	and others of the recording's file; -EPERM, -EOPNOTSUPP of the session; -EINVAL: the server is too small; -ENODATA:
 *	its steps cannot be seen
 */
int calibration__run(struct calibration *c, struct server *server, const struct target *target);
/* The recording ends here; it is removed where it is not `keep`. */
int calibration__close(struct calibration *c, bool keep);

#endif
