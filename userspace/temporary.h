/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings that nobody keeps: in a folder of their own that only its owner may look into. */
#ifndef TOKPROF_TEMPORARY_H
#define TOKPROF_TEMPORARY_H

#include <limits.h>

struct temporary {
	char folder[PATH_MAX - 32];	/* "" none */
	char path[PATH_MAX];		/* of the recording, which is not made yet */
};

/* Where they are made: $TMPDIR, else /var/tmp. */
const char *temporary__place(void);
/* @return 0 or negative errno: -ENAMETOOLONG, or why the folder cannot be made */
int temporary__new(struct temporary *t);
/* Removes the recording, what SQLite put beside it, and the folder. */
void temporary__remove(struct temporary *t);

/* A recording's file and what SQLite put beside it. */
void recording__remove(const char *path);

#endif
