/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "userspace/command.h"
#include "userspace/message.h"

static void ignore(int signal_number)
{
	(void)signal_number;
}

/*
 * A reader that left (`tokprof report | head`) makes writes fail with EPIPE instead of killing a recorder half way. An
 * empty handler rather than SIG_IGN: exec resets it, so that a server started by `record -- CMD` has its default back.
 */
static void survive_broken_pipes(void)
{
	struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };

	sigaction(SIGPIPE, &action, NULL);
}

int main(int argc, char **argv)
{
	int exit_code, error;

	survive_broken_pipes();
	exit_code = command__dispatch(argc, argv);
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return exit_code;
	error = errno;
	/* EPIPE, or a write that failed earlier: fflush() then has nothing left to try and no errno to give. */
	if (error == EPIPE || error == 0)
		return exit_code;
	message__error("look at what standard output leads to", "standard output: %s", strerror(error));
	return exit_code == EXIT_CODE_DONE ? EXIT_CODE_USAGE : exit_code;
}
