/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A large recording, read in parts that fit in memory. A part ends where the server was idle: every request before the cut has
 * ended, no step is in progress, and the next request arrives a moment later, so that no generation is cut in two. A server
 * that is never idle for a moment makes one part of any length.
 */
#ifndef TOKPROF_RECORDING_PARTS_H
#define TOKPROF_RECORDING_PARTS_H

#include "userspace/recording.h"

struct recording_parts;

/*
 * @least	requests that a part has, but for the last one
 * @return	0, or as recording__load()
 */
int recording_parts__open(struct recording_parts **out, const char *path, size_t least, char *error, size_t error_size);
/*
 * The next part: all that belongs to the recording as a whole, and the rows of its time, as recording__load() gives them. It may be
 * read while another thread looks at an earlier one.
 * @error	of __open(): it has to last until __close()
 * @return 1; 0: there is none; -EAGAIN: its tables are not in the order of time, load it whole; or as recording__load()
 */
int recording_parts__next(struct recording_parts *p, struct recording *part);
void recording_part__free(struct recording *part);	/* before recording_parts__close() */
bool recording_parts__ended(const struct recording_parts *p);		/* the part given last was the last one */
/* The recording without steps and all that comes after them. */
const struct recording *recording_parts__facts(const struct recording_parts *p);
/* The largest id of a request: about as many as there are. ABSENT: none. */
int64_t recording_parts__n_requests(const struct recording_parts *p);
void recording_parts__close(struct recording_parts *p);

#endif
