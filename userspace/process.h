/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other processes, through /proc: maps, threads, sockets, clocks.
 *
 * Every function is prepared for the process to go away at any instant and returns 0 or a negative errno (-ESRCH: it is
 * gone). What is returned in an array is owned by the caller (free).
 */
#ifndef TOKPROF_PROCESS_H
#define TOKPROF_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROCESS_ADDRESS_SIZE 80

struct process_map {
	uint64_t start, end; /* addresses */
	uint64_t offset; /* in the file */
	uint64_t device, inode;
	bool readable, executable, deleted;
	char path[512]; /* as the process's mount namespace names it; "" for memory without a file */
};
int process__maps(uint32_t pid, struct process_map **out, size_t *n);
/* A line of maps, as it stands in smaps too. @return false: it is none */
bool process__parse_map(const char *line, struct process_map *m);
/* A path by which this process can open a mapped file, also one that is deleted or in a container. */
void process__map_file(uint32_t pid, const struct process_map *map, char *out, size_t size);

int process__threads(uint32_t pid, uint32_t **tids, size_t *n);
int process__thread_comm(uint32_t pid, uint32_t tid, char *out, size_t size);
int process__comm(uint32_t pid, char *out, size_t size);
int process__exe(uint32_t pid, char *out, size_t size);
/* Arguments joined by blanks. */
int process__cmdline(uint32_t pid, char *out, size_t size);
/* @return the parent, 0 where unknown */
uint32_t process__parent(uint32_t pid);
/* It runs its parent's program: it has been forked and has not begun another one since. */
bool process__is_fork(uint32_t pid);
/* The process that a thread belongs to, `tid` itself for a process. @return 0 where there is none */
uint32_t process__of_thread(uint32_t tid);
/* Numbers of all processes. */
int process__all(uint32_t **pids, size_t *n);

/*
 * CPU time by the scheduler's account, in ns: of one thread, for a running one up to a tick old (/proc/.../schedstat), or
 * of a process with all threads that ended, by its CPU clock, which the kernel brings up to date while they run
 * (kernel/time/posix-cpu-timers.c, thread_group_cputime). @return negative errno where it is gone
 */
int64_t process__thread_cpu_ns(uint32_t pid, uint32_t tid);
int64_t process__cpu_ns(uint32_t pid);
/* User and system time, sampled by the tick. */
int process__times(uint32_t pid, int64_t *utime_ns, int64_t *stime_ns);

enum process_socket_state {
	PROCESS_SOCKET_OTHER = 0,
	PROCESS_SOCKET_LISTENING = 1,
	PROCESS_SOCKET_CONNECTED = 2,
};
struct process_socket {
	int fd;
	uint64_t inode;
	enum process_socket_state state;
	bool accepted; /* connected, on an address that the process tree listens on */
	char local[PROCESS_ADDRESS_SIZE]; /* "127.0.0.1:8080", "[::1]:8080", "unix:/path", "unix" */
	char peer[PROCESS_ADDRESS_SIZE];
};
int process__sockets(uint32_t pid, struct process_socket **out, size_t *n);

#endif
