/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that tokprof starts itself (`-- COMMAND`). */
#ifndef TOKPROF_LAUNCH_H
#define TOKPROF_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

struct launch {
	pid_t pid;	/* 0: nothing was started, or it has ended */
	pid_t group;	/* is_apart: its process group, which may outlive it */
	int gate;	/* the command is held back until a byte is written here; -1 */
	int failed;	/* says why it could not begin, closed unwritten where it did; -1 */
	bool is_apart;	/* in a process group of its own, its output on our standard error */
};

/*
 * Start a command held back before its first instruction. @apart: ^C at the terminal does not reach it.
 * @return 0 or negative errno
 */
int launch__start(struct launch *l, char **command, bool apart);
/* Let it go. @return 0 when it runs; else why it does not, negative errno: -ENOENT, -EACCES, ... */
int launch__go(struct launch *l);
/* @return has it ended; then *status is as of waitpid() */
bool launch__ended(struct launch *l, int *status);
/* End it and what it started (`is_apart`): SIGTERM, and SIGKILL for what is still there after ten seconds. */
void launch__end(struct launch *l);
/* Leave it running; one that was never let go ends by itself. */
void launch__forget(struct launch *l);

#endif
