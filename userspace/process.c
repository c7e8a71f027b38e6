/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/process.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

/* Grow an array by one; NULL when out of memory (the old one is then still the caller's). */
static void *grow(void **array, size_t n, size_t *capacity, size_t size)
{
	if (n == *capacity) {
		size_t wanted = *capacity ? 2 * *capacity : 32;
		void *bigger = realloc(*array, wanted * size);

		if (!bigger)
			return NULL;
		*array = bigger;
		*capacity = wanted;
	}
	return (char *)*array + n * size;
}

static FILE *open_proc(const char *format, ...) __attribute__((format(printf, 1, 2)));
static FILE *open_proc(const char *format, ...)
{
	char path[128];
	va_list args;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	return fopen(path, "re");
}

static int gone(void)
{
	return errno == ENOENT ? -ESRCH : -errno;
}

/* A small file's first bytes. @return their number, negative errno */
static ssize_t slurp(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return gone();
	n = read(fd, out, size - 1);
	if (n < 0)
		n = gone();
	else
		out[n] = 0;
	close(fd);
	return n;
}

/* --- maps ---------------------------------------------------------------------------------------------------------- */

#define DELETED " (deleted)"

bool process__parse_map(const char *line, struct process_map *m)
{
	char permissions[8];
	unsigned major, minor;
	int path_at = 0;
	size_t length;

	memset(m, 0, sizeof(*m));
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %x:%x %" SCNu64 " %n", &m->start, &m->end,
		   permissions, &m->offset, &major, &minor, &m->inode, &path_at) < 7)
		return false;
	m->device = makedev(major, minor);
	m->readable = permissions[0] == 'r';
	m->executable = permissions[2] == 'x';
	snprintf(m->path, sizeof(m->path), "%s", line + path_at);
	m->path[strcspn(m->path, "\n")] = 0;
	/* Only at the very end: a name may hold the same words. */
	length = strlen(m->path);
	if (length > sizeof(DELETED) - 1 && strcmp(m->path + length - (sizeof(DELETED) - 1), DELETED) == 0) {
		m->deleted = true;
		m->path[length - (sizeof(DELETED) - 1)] = 0;
	}
	return true;
}

int process__maps(uint32_t pid, struct process_map **out, size_t *n)
{
	FILE *f = open_proc("/proc/%u/maps", pid);
	struct process_map *maps = NULL, *slot;
	size_t capacity = 0, size = 0;
	char *line = NULL;
	int err = 0;

	*out = NULL;
	*n = 0;
	if (!f)
		return gone();
	while (getline(&line, &size, f) > 0) {
		slot = grow((void **)&maps, *n, &capacity, sizeof(*maps));
		if (!slot) {
			err = -ENOMEM;
			break;
		}
		if (process__parse_map(line, slot))
			(*n)++;
	}
	free(line);
	fclose(f);
	*out = maps;
	return err;
}

void process__map_file(uint32_t pid, const struct process_map *map, char *out, size_t size)
{
	snprintf(out, size, "/proc/%u/map_files/%" PRIx64 "-%" PRIx64, pid, map->start, map->end);
}

/* --- threads and processes ----------------------------------------------------------------------------------------- */

static int list_numbers(const char *path, uint32_t **out, size_t *n)
{
	DIR *dir = opendir(path);
	uint32_t *numbers = NULL, *slot;
	size_t capacity = 0;
	struct dirent *entry;
	int err = 0;

	*out = NULL;
	*n = 0;
	if (!dir)
		return gone();
	while ((entry = readdir(dir))) {
		char *end;
		unsigned long number = strtoul(entry->d_name, &end, 10);

		if (end == entry->d_name || *end)
			continue;
		slot = grow((void **)&numbers, *n, &capacity, sizeof(*numbers));
		if (!slot) {
			err = -ENOMEM;
			break;
		}
		*slot = (uint32_t)number;
		(*n)++;
	}
	closedir(dir);
	*out = numbers;
	return err;
}

int process__threads(uint32_t pid, uint32_t **tids, size_t *n)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	return list_numbers(path, tids, n);
}

int process__all(uint32_t **pids, size_t *n)
{
	return list_numbers("/proc", pids, n);
}

static int read_line(const char *path, char *out, size_t size)
{
	ssize_t n = slurp(path, out, size);

	if (n < 0)
		return (int)n;
	out[strcspn(out, "\n")] = 0;
	return 0;
}

int process__thread_comm(uint32_t pid, uint32_t tid, char *out, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/task/%u/comm", pid, tid);
	return read_line(path, out, size);
}

int process__comm(uint32_t pid, char *out, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	return read_line(path, out, size);
}

int process__exe(uint32_t pid, char *out, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	n = readlink(path, out, size - 1);
	if (n < 0)
		return gone();
	out[n] = 0;
	return 0;
}

int process__cmdline(uint32_t pid, char *out, size_t size)
{
	char path[64];
	ssize_t n, i;

	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	n = slurp(path, out, size);
	if (n < 0)
		return (int)n;
	for (i = 0; i + 1 < n; i++)
		if (out[i] == 0)
			out[i] = ' ';
	return 0;
}

static long status_field(uint32_t pid, const char *name)
{
	FILE *f = open_proc("/proc/%u/status", pid);
	size_t length = strlen(name);
	char line[256];
	long value = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, name, length) == 0 && line[length] == ':') {
			value = strtol(line + length + 1, NULL, 10);
			break;
		}
	fclose(f);
	return value;
}

uint32_t process__parent(uint32_t pid)
{
	return (uint32_t)status_field(pid, "PPid");
}

/* PF_FORKNOEXEC of the kernel's include/linux/sched.h */
#define FORKED_NOT_EXECUTED 0x40u

bool process__is_fork(uint32_t pid)
{
	char path[64], text[512];
	const char *fields;
	unsigned int flags;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	if (slurp(path, text, sizeof(text)) < 0)
		return false;
	fields = strrchr(text, ')');	/* the name before it may hold anything */
	/* state, ppid, pgrp, session, tty_nr, tpgid, flags: proc(5) */
	return fields && sscanf(fields + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && flags & FORKED_NOT_EXECUTED;
}

uint32_t process__of_thread(uint32_t tid)
{
	return (uint32_t)status_field(tid, "Tgid");
}

/* --- CPU time ------------------------------------------------------------------------------------------------------ */

/* The clock's number as the kernel makes it (include/linux/posix-timers_types.h): ~pid, then the kind. */
#define CPUCLOCK_SCHED 2

static int64_t read_clock(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		return -errno;
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/*
 * A thread's CPU clock is refused to other processes (kernel/time/posix-cpu-timers.c, pid_for_clock), so its schedstat is
 * read: the same account, for a running thread up to a tick old.
 */
int64_t process__thread_cpu_ns(uint32_t pid, uint32_t tid)
{
	char path[64], text[128];
	int64_t ns;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/task/%u/schedstat", pid, tid);
	n = slurp(path, text, sizeof(text));
	if (n < 0)
		return n;
	return sscanf(text, "%" SCNd64, &ns) == 1 ? ns : -EINVAL;
}

int64_t process__cpu_ns(uint32_t pid)
{
	return read_clock((clockid_t)(~pid << 3 | CPUCLOCK_SCHED));
}

int process__times(uint32_t pid, int64_t *utime_ns, int64_t *stime_ns)
{
	char path[64], text[1024], *after;
	uint64_t utime, stime;
	int64_t tick_ns = 1000000000 / sysconf(_SC_CLK_TCK);
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	n = slurp(path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	after = strrchr(text, ')'); /* the name may hold blanks and brackets */
	if (!after ||
	    sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &utime, &stime) != 2)
		return -EINVAL;
	*utime_ns = (int64_t)utime * tick_ns;
	*stime_ns = (int64_t)stime * tick_ns;
	return 0;
}

/* --- sockets ------------------------------------------------------------------------------------------------------- */

#define TCP_ESTABLISHED 1
#define TCP_LISTEN 10
#define UNIX_LISTEN_FLAG 0x10000
#define UNIX_CONNECTED 3

struct net_socket {
	uint64_t inode;
	enum process_socket_state state;
	char local[PROCESS_ADDRESS_SIZE], peer[PROCESS_ADDRESS_SIZE];
};

/* Addresses stand in /proc/net as hexadecimal words in the host's byte order. */
static void format_address(const char *hex, unsigned port, char *out, size_t size)
{
	unsigned words[4] = { 0 };
	unsigned char bytes[16];
	char text[INET6_ADDRSTRLEN];
	int n = (int)(strlen(hex) / 8), i;

	for (i = 0; i < n && i < 4; i++)
		sscanf(hex + 8 * i, "%8x", &words[i]);
	memcpy(bytes, words, sizeof(bytes));
	if (n == 4) {
		inet_ntop(AF_INET6, bytes, text, sizeof(text));
		snprintf(out, size, "[%s]:%u", text, port);
	} else {
		inet_ntop(AF_INET, bytes, text, sizeof(text));
		snprintf(out, size, "%s:%u", text, port);
	}
}

static bool parse_inet(const char *line, struct net_socket *s)
{
	char local[33], remote[33];
	unsigned local_port, remote_port, state;

	memset(s, 0, sizeof(*s));
	if (sscanf(line, " %*d: %32[0-9A-Fa-f]:%x %32[0-9A-Fa-f]:%x %x %*s %*s %*s %*u %*d %" SCNu64, local,
		   &local_port, remote, &remote_port, &state, &s->inode) != 6)
		return false;
	format_address(local, local_port, s->local, sizeof(s->local));
	format_address(remote, remote_port, s->peer, sizeof(s->peer));
	if (state == TCP_LISTEN)
		s->state = PROCESS_SOCKET_LISTENING;
	else if (state == TCP_ESTABLISHED || state > TCP_ESTABLISHED)
		s->state = PROCESS_SOCKET_CONNECTED;
	return true;
}

static bool parse_unix(const char *line, struct net_socket *s)
{
	unsigned flags, state;
	int path_at = 0;

	memset(s, 0, sizeof(*s));
	if (sscanf(line, "%*x: %*x %*x %x %*x %x %" SCNu64 " %n", &flags, &state, &s->inode, &path_at) < 3)
		return false;
	if (path_at > 0 && line[path_at] && line[path_at] != '\n')
		snprintf(s->local, sizeof(s->local), "unix:%.*s", (int)strcspn(line + path_at, "\n"), line + path_at);
	else
		snprintf(s->local, sizeof(s->local), "unix");
	snprintf(s->peer, sizeof(s->peer), "unix");
	if (flags & UNIX_LISTEN_FLAG)
		s->state = PROCESS_SOCKET_LISTENING;
	else if (state == UNIX_CONNECTED)
		s->state = PROCESS_SOCKET_CONNECTED;
	return true;
}

/* All sockets of the process's network namespace. */
static int read_net(uint32_t pid, struct net_socket **out, size_t *n)
{
	static const struct {
		const char *file;
		bool (*parse)(const char *line, struct net_socket *s);
	} sources[] = { { "tcp", parse_inet }, { "tcp6", parse_inet }, { "unix", parse_unix } };
	struct net_socket *sockets = NULL, *slot;
	size_t capacity = 0, size = 0, i;
	char *line = NULL;
	int err = 0;

	*n = 0;
	for (i = 0; i < sizeof(sources) / sizeof(sources[0]) && !err; i++) {
		FILE *f = open_proc("/proc/%u/net/%s", pid, sources[i].file);

		if (!f)
			continue;
		while (getline(&line, &size, f) > 0) {
			slot = grow((void **)&sockets, *n, &capacity, sizeof(*sockets));
			if (!slot) {
				err = -ENOMEM;
				break;
			}
			if (sources[i].parse(line, slot))
				(*n)++;
		}
		fclose(f);
	}
	free(line);
	*out = sockets;
	return err;
}

static const struct net_socket *find_inode(const struct net_socket *sockets, size_t n, uint64_t inode)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (sockets[i].inode == inode)
			return &sockets[i];
	return NULL;
}

/* @return the socket's inode, 0 where the descriptor is none */
static uint64_t socket_inode(uint32_t pid, int fd)
{
	char path[64], target[64];
	uint64_t inode;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/fd/%d", pid, fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return 0;
	target[n] = 0;
	return sscanf(target, "socket:[%" SCNu64 "]", &inode) == 1 ? inode : 0;
}

/* The port of an address, or the whole of a unix one: what a listening and an accepted socket have in common. */
static const char *service(const char *address)
{
	const char *colon;

	if (strncmp(address, "unix", 4) == 0)
		return address;
	colon = strrchr(address, ':');
	return colon ? colon : address;
}

static void mark_accepted(struct process_socket *sockets, size_t n, const struct net_socket *net, size_t n_net)
{
	size_t i, j;

	/* The listening socket may belong to another process of the tree: look at the whole namespace. */
	for (i = 0; i < n; i++) {
		if (sockets[i].state != PROCESS_SOCKET_CONNECTED)
			continue;
		for (j = 0; j < n_net && !sockets[i].accepted; j++)
			sockets[i].accepted = net[j].state == PROCESS_SOCKET_LISTENING &&
					      strcmp(service(net[j].local), service(sockets[i].local)) == 0;
	}
}

int process__sockets(uint32_t pid, struct process_socket **out, size_t *n)
{
	struct process_socket *sockets = NULL, *slot;
	struct net_socket *net = NULL;
	size_t n_net = 0, n_fds = 0, capacity = 0, i;
	uint32_t *fds = NULL;
	char path[64];
	int err;

	*out = NULL;
	*n = 0;
	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	err = list_numbers(path, &fds, &n_fds);
	if (!err)
		err = read_net(pid, &net, &n_net);
	for (i = 0; i < n_fds && !err; i++) {
		uint64_t inode = socket_inode(pid, (int)fds[i]);
		const struct net_socket *found = inode ? find_inode(net, n_net, inode) : NULL;

		if (!found)
			continue;
		slot = grow((void **)&sockets, *n, &capacity, sizeof(*sockets));
		if (!slot) {
			err = -ENOMEM;
			break;
		}
		memset(slot, 0, sizeof(*slot));
		slot->fd = (int)fds[i];
		slot->inode = inode;
		slot->state = found->state;
		memcpy(slot->local, found->local, sizeof(slot->local));
		memcpy(slot->peer, found->peer, sizeof(slot->peer));
		(*n)++;
	}
	if (!err)
		mark_accepted(sockets, *n, net, n_net);
	free(net);
	free(fds);
	*out = sockets;
	return err;
}
