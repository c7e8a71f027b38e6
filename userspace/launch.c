/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define END_TRIES 500
#define END_PAUSE_NS 20000000

static void run_command(const struct launch *l, char **command, int gate, int failed)
{
	int reason;
	char byte;

	/* What is ignored stays so in the command; a handler would not. */
	signal(SIGINT, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	if (l->is_apart) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGTERM);	/* also where nobody is left to end it */
		dup2(STDERR_FILENO, STDOUT_FILENO);	/* standard output is for results */
	}
	if (read(gate, &byte, 1) != 1)
		_exit(125);
	execvp(command[0], command);
	reason = errno;
	_exit(write(failed, &reason, sizeof(reason)) == sizeof(reason) ? 127 : 126);
}

int launch__start(struct launch *l, char **command, bool apart)
{
	int gate[2], failed[2], err;

	*l = (struct launch){ .gate = -1, .failed = -1, .is_apart = apart };
	if (pipe2(gate, O_CLOEXEC))
		return -errno;
	if (pipe2(failed, O_CLOEXEC)) {
		err = -errno;
		goto close_gate;
	}
	l->pid = fork();
	if (l->pid < 0) {
		err = -errno;
		l->pid = 0;
		goto close_failed;
	}
	if (l->pid == 0) {
		close(gate[1]);
		run_command(l, command, gate[0], failed[1]);
	}
	close(gate[0]);
	close(failed[1]);
	l->gate = gate[1];
	l->failed = failed[0];
	if (apart) {
		setpgid(l->pid, l->pid);	/* whichever of the two is first */
		l->group = l->pid;
	}
	return 0;

close_failed:
	close(failed[0]);
	close(failed[1]);
close_gate:
	close(gate[0]);
	close(gate[1]);
	return err;
}

void launch__forget(struct launch *l)
{
	if (l->gate >= 0)
		close(l->gate);
	if (l->failed >= 0)
		close(l->failed);
	l->gate = -1;
	l->failed = -1;
}

int launch__go(struct launch *l)
{
	int reason, err = 0;

	if (l->gate < 0)
		return 0;
	if (write(l->gate, "", 1) != 1)
		err = -errno;
	else if (read(l->failed, &reason, sizeof(reason)) == sizeof(reason))
		err = -reason;
	launch__forget(l);
	return err;
}

bool launch__ended(struct launch *l, int *status)
{
	if (l->pid == 0 || waitpid(l->pid, status, WNOHANG) != l->pid)
		return false;
	l->pid = 0;
	return true;
}

void launch__end(struct launch *l)
{
	const struct timespec pause = { .tv_nsec = END_PAUSE_NS };
	pid_t pid = l->is_apart ? -l->group : l->pid;
	int status, i;

	launch__forget(l);
	if (pid == 0)
		return;
	kill(pid, SIGTERM);
	for (i = 0; i < END_TRIES && l->pid && !launch__ended(l, &status); i++)
		nanosleep(&pause, NULL);
	/* A command may have gone to the background: its group is still there. */
	for (i = 0; i < END_TRIES && l->is_apart && kill(pid, 0) == 0; i++)
		nanosleep(&pause, NULL);
	if (l->pid || l->is_apart)
		kill(pid, SIGKILL);
	l->group = 0;
	if (l->pid)
		waitpid(l->pid, &status, 0);
	l->pid = 0;
}
