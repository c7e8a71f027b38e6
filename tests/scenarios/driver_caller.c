/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a llama.cpp server: calls into device drivers from the thread that decodes, inside its steps, and from a thread of
 * its own beside them; and writes down the truth.
 *
 * A step computes its graph by GOMP_parallel, which is ours here: before handing on it makes the calls of $DRIVER_CALLS, a list by
 * commas of NODE:CMD[:SUB@OFFSET], NODE being an index into the list by colons of $DRIVER_NODES. Those of $DRIVER_BACKGROUND are made every few
 * milliseconds. With $DRIVER_RETRY a call that ends with EAGAIN is made again until it does not, as libdrm does. Nodes are opened at the first call, or at the start with $DRIVER_OPEN_EARLY. The log, $DRIVER_LOG, is shared memory: its first word is set to 1 by the test to begin, 2 to stop; the second counts entries.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_ENTRIES 200000
#define MAX_CALLS 16
#define MAX_NODES 8
#define BACKGROUND_PAUSE_US 3000
/* Commands that are no ioctl. */
#define POLL_COMMAND 1
#define EPOLL_COMMAND 2

struct entry {
	uint64_t start_ns, end_ns;
	uint32_t command, sub, tid, node, background;
	int32_t error;		/* errno; 0 */
};

struct log {
	volatile uint32_t state;
	volatile uint32_t n;
	uint32_t pid, reserved;
	struct entry entries[MAX_ENTRIES];
};

struct call {
	int node;
	uint32_t command, sub, offset;
};

static struct log *shared;
static int fds[MAX_NODES], epolls[MAX_NODES], n_nodes;
static struct call calls[MAX_CALLS], background[MAX_CALLS];
static int n_calls, n_background;
static pthread_once_t opened = PTHREAD_ONCE_INIT;
static int retry;
static __thread int inside;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static int parse_calls(const char *text, struct call *out)
{
	int n = 0;

	while (text && *text && n < MAX_CALLS) {
		char *end;

		out[n].node = (int)strtol(text, &end, 0);
		out[n].command = *end == ':' ? (uint32_t)strtoul(end + 1, &end, 0) : 0;
		out[n].sub = *end == ':' ? (uint32_t)strtoul(end + 1, &end, 0) : 0;
		out[n].offset = *end == '@' ? (uint32_t)strtoul(end + 1, &end, 0) : 0;
		n++;
		text = *end == ',' ? end + 1 : "";
	}
	return n;
}

static void make_call(const struct call *call, int from_background)
{
	char argument[4096] = { 0 };
	struct epoll_event event;
	struct entry e = { .command = call->command, .sub = call->sub, .node = (uint32_t)call->node };
	uint32_t i;

	memcpy(argument + call->offset, &call->sub, sizeof(call->sub));
	e.tid = (uint32_t)syscall(SYS_gettid);
	e.background = (uint32_t)from_background;
	e.start_ns = now_ns();
	do {
		if (call->command == POLL_COMMAND)
			e.error = poll(&(struct pollfd){ .fd = fds[call->node], .events = POLLIN }, 1, 1000) < 0 ?
					  errno :
					  0;
		else if (call->command == EPOLL_COMMAND)
			e.error = epoll_wait(epolls[call->node], &event, 1, 1000) < 0 ? errno : 0;
		else
			e.error = ioctl(fds[call->node], call->command, argument) < 0 ? errno : 0;
	} while (retry && e.error == EAGAIN);
	e.end_ns = now_ns();
	i = __atomic_fetch_add(&shared->n, 1, __ATOMIC_RELAXED);
	if (i < MAX_ENTRIES)
		shared->entries[i] = e;
}

static void *run_background(void *unused)
{
	(void)unused;
	while (shared->state != 2) {
		if (shared->state == 1)
			for (int i = 0; i < n_background; i++)
				make_call(&background[i], 1);
		usleep(BACKGROUND_PAUSE_US);
	}
	return NULL;
}

static void open_nodes(void)
{
	char *list = strdup(getenv("DRIVER_NODES")), *rest = list, *node;

	while ((node = strsep(&rest, ":")) && n_nodes < MAX_NODES) {
		struct epoll_event event = { .events = EPOLLIN };
		int other[2];

		fds[n_nodes] = open(node, O_RDWR | O_CLOEXEC);
		epolls[n_nodes] = epoll_create1(EPOLL_CLOEXEC);
		/* Beside others, as an event loop has them. */
		for (int i = 0; i < 3 && pipe2(other, O_CLOEXEC) == 0; i++)
			epoll_ctl(epolls[n_nodes], EPOLL_CTL_ADD, other[0], &event);
		epoll_ctl(epolls[n_nodes], EPOLL_CTL_ADD, fds[n_nodes], &event);
		n_nodes++;
	}
	free(list);
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("DRIVER_LOG");
	const int fd = path && getenv("DRIVER_NODES") ? open(path, O_RDWR | O_CLOEXEC) : -1;
	pthread_t thread;
	void *p;

	if (fd < 0)
		return;
	p = mmap(NULL, sizeof(struct log), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return;
	n_calls = parse_calls(getenv("DRIVER_CALLS"), calls);
	n_background = parse_calls(getenv("DRIVER_BACKGROUND"), background);
	retry = getenv("DRIVER_RETRY") != NULL;
	shared = p;
	if (getenv("DRIVER_OPEN_EARLY"))
		pthread_once(&opened, open_nodes);
	if (n_background && getenv("DRIVER_OPEN_EARLY"))
		pthread_create(&thread, NULL, run_background, NULL);
}

void GOMP_parallel(void (*fn)(void *), void *data, unsigned int n_threads, unsigned int flags)
{
	static void (*next)(void (*)(void *), void *, unsigned int, unsigned int);

	/* The engine was loaded by dlopen(), and its libraries with it: they are not what RTLD_NEXT looks in. */
	if (!next)
		*(void **)&next = dlsym(dlopen("libgomp.so.1", RTLD_LAZY), "GOMP_parallel");
	if (shared && shared->state == 1 && !inside) {
		inside = 1;
		pthread_once(&opened, open_nodes);
		for (int i = 0; i < n_calls; i++)
			make_call(&calls[i], 0);
		inside = 0;
	}
	next(fn, data, n_threads, flags);
}
