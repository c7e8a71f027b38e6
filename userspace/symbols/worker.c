/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/symbols/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/session.h"

#define POLL_MS 50
#define NOBODY 65534
#define FIRST_KEPT_FD 900	/* descriptors below are closed; within the usual limit of 1,024 */
#define MAX_CPU_SECONDS 120	/* where nobody is left to end it */

/* --- the reader ---------------------------------------------------------------------------------------------------- */

static uint64_t data_bytes(void)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%*u %*u %*u %*u %*u %llu", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void limit(int resource, uint64_t most)
{
	const struct rlimit l = { most, most };

	setrlimit((__rlimit_resource_t)resource, &l);
}

static int keep(int fd, int i)
{
	int kept = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FIRST_KEPT_FD + i);

	return kept < 0 ? fd : kept;
}

/* Each of these may fail where we are not root to begin with: there is less to give up then. */
static void give_up_privileges(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)))
		return;	/* in a user namespace without that user */
}

static void set_limits(void)
{
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_CPU, MAX_CPU_SECONDS);
	limit(RLIMIT_DATA, data_bytes() + WORKER_MEMORY_BYTES);
	/* Last: a change of user takes it back (prctl(2)). */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void reader(const struct symbol_job *job, int out)
{
	struct symbol_job own = *job;

	/* ^C is for the recorder, which ends us if it is to be now. */
	signal(SIGINT, SIG_IGN);
	out = keep(out, 0);
	own.fd = keep(job->fd, 1);
	own.debug_fd = keep(job->debug_fd, 2);
	if (out >= FIRST_KEPT_FD && own.fd >= FIRST_KEPT_FD)
		close_range(3, FIRST_KEPT_FD - 1, 0);
	give_up_privileges();
	set_limits();
	_exit(symbol_job__read(&own, out) ? 1 : 0);
}

/* --- the recorder's side ------------------------------------------------------------------------------------------- */

struct receiving {
	int fd;
	struct symbol_results *results;
	size_t n;
	int status;		/* of the reader; 1: it has not said */
	int refused;		/* the first message that was not taken */
	union {
		uint64_t aligned;
		char bytes[sizeof(((struct result_writer *)NULL)->u)];
	} u;
};

static void take_message(struct receiving *r, const struct result_message *message)
{
	if (message->index == RESULT_END) {
		r->status = message->n > 0 ? -EBADMSG : message->n;
	} else {
		int err = symbol_results__put(r->results, message);

		if (err && !r->refused)
			r->refused = err;
	}
}

/* What has come whole. @return 0, -EBADMSG: what came is no message */
static int take_messages(struct receiving *r)
{
	size_t at = 0;

	while (r->n - at >= sizeof(struct result_message)) {
		const struct result_message *message = (const struct result_message *)(r->u.bytes + at);

		if (message->size < sizeof(*message) || message->size % RESULT_ALIGNMENT ||
		    message->size > sizeof(r->u.bytes))
			return -EBADMSG;
		if (r->n - at < message->size)
			break;
		take_message(r, message);
		at += message->size;
	}
	memmove(r->u.bytes, r->u.bytes + at, r->n - at);
	r->n -= at;
	return 0;
}

/* @return 1: go on, 0: the reader has ended, negative errno */
static int receive(struct receiving *r)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };
	ssize_t n;
	int err;

	if (poll(&p, 1, POLL_MS) <= 0)
		return 1;
	n = read(r->fd, r->u.bytes + r->n, sizeof(r->u.bytes) - r->n);
	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	r->n += (size_t)n;
	err = take_messages(r);
	return err ? err : n > 0;
}

bool symbol_limits__interrupted(const struct symbol_limits *limits)
{
	return limits->interrupts && *limits->interrupts != limits->interrupts_before;
}

static int receive_all(struct receiving *r, const struct symbol_limits *limits)
{
	int state;

	while ((state = receive(r)) > 0) {
		if (symbol_limits__interrupted(limits))
			return -EINTR;
		if (monotonic_ns() >= limits->deadline_ns)
			return -ETIMEDOUT;
	}
	if (state < 0)
		return state;
	return r->status > 0 ? -EFAULT : r->status ? r->status : r->refused;
}

static int run(const struct symbol_job *job, int in, int out, const struct symbol_limits *limits,
	       struct symbol_results *results)
{
	struct receiving *r = calloc(1, sizeof(*r));
	pid_t pid = r ? fork() : -1;
	int err;

	if (pid == 0)
		reader(job, out);
	close(out);
	if (pid < 0) {
		free(r);
		return -ENOMEM;
	}
	r->fd = in;
	r->results = results;
	r->status = 1;
	err = receive_all(r, limits);
	/* It has ended, or is to. */
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(r);
	return err;
}

int symbol_worker__run(const struct symbol_job *job, const struct symbol_limits *limits, struct symbol_results *results)
{
	int ends[2], err;

	if (job->n == 0)
		return 0;
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	err = run(job, ends[0], ends[1], limits, results);
	close(ends[0]);
	return err;
}
