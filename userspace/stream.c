/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/stream.h"

#include <errno.h>
#include <string.h>

#include "userspace/exit_codes.h"
#include "userspace/message.h"

int stream__finish(FILE *f, const char *name, int rc)
{
	/* A writer's last failed call left its errno; -EIO alone would not tell a full disk from a reader that left. */
	int error = rc == -EIO || ferror(f) ? errno : 0;

	errno = 0;
	if (fflush(f) != 0)
		error = errno;
	if (error == EPIPE)
		return EXIT_CODE_DONE;
	if (error || rc == -EIO || ferror(f)) {
		message__error(error == ENOSPC ? "make room, or write elsewhere" : "look at where it leads to",
			       "%s: %s", name, strerror(error ? error : EIO));
		return EXIT_CODE_USAGE;
	}
	if (rc == -ENOMEM) {
		message__error("give it more memory, or record for a shorter time", "%s: out of memory", name);
		return EXIT_CODE_USAGE;
	}
	if (rc < 0) {
		message__error("report it with the recording, if you may", "%s: the output could not be made: %s", name,
			       strerror(-rc));
		return EXIT_CODE_BUG;
	}
	return EXIT_CODE_DONE;
}
