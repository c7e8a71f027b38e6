/* SPDX-License-Identifier: Apache-2.0 */
/* /proc read through this test's own process and its children, whose truth is known. */
#include "userspace/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "compiled.h"

static uint32_t self(void)
{
	return (uint32_t)getpid();
}

/* --- maps ---------------------------------------------------------------------------------------------------------- */

static void the_programs_own_code_is_mapped_with_device_and_inode(void **state)
{
	struct process_map *maps;
	char exe[512];
	struct stat st;
	bool found = false;
	size_t n, i;

	(void)state;
	assert_int_equal(process__exe(self(), exe, sizeof(exe)), 0);
	assert_int_equal(stat(exe, &st), 0);
	assert_int_equal(process__maps(self(), &maps, &n), 0);
	for (i = 0; i < n; i++)
		if (maps[i].executable && strcmp(maps[i].path, exe) == 0) {
			found = true;
			assert_int_equal(maps[i].inode, st.st_ino);
			assert_true(maps[i].start < maps[i].end);
			assert_true((uintptr_t)self >= maps[i].start && (uintptr_t)self < maps[i].end);
		}
	assert_true(found);
	free(maps);
}

static void a_deleted_file_keeps_its_name_and_says_so(void **state)
{
	char path[128], link[80];
	struct process_map *maps;
	bool found = false;
	size_t n, i;
	void *at;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/a file (deleted) or not", compiled__directory());
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(at != MAP_FAILED);
	unlink(path);
	assert_int_equal(process__maps(self(), &maps, &n), 0);
	for (i = 0; i < n; i++)
		if (maps[i].start == (uintptr_t)at) {
			found = true;
			assert_true(maps[i].deleted);
			assert_false(maps[i].executable);
			assert_string_equal(maps[i].path, path);
			process__map_file(self(), &maps[i], link, sizeof(link));
			assert_true(access(link, R_OK) == 0 || geteuid() != 0);
		}
	assert_true(found);
	free(maps);
	munmap(at, 4096);
	close(fd);
}

/* --- names and relatives ------------------------------------------------------------------------------------------- */

static void a_name_with_brackets_and_blanks_confuses_nobody(void **state)
{
	int64_t utime_ns, stime_ns;
	struct rusage usage;
	char comm[32];

	(void)state;
	assert_int_equal(prctl(PR_SET_NAME, "a) R 1 (b"), 0);
	assert_int_equal(process__comm(self(), comm, sizeof(comm)), 0);
	assert_string_equal(comm, "a) R 1 (b");
	assert_int_equal(process__times(self(), &utime_ns, &stime_ns), 0);
	getrusage(RUSAGE_SELF, &usage);
	assert_true(utime_ns >= 0 && utime_ns <= (usage.ru_utime.tv_sec + 1) * 1000000000);
	assert_true(stime_ns >= 0 && stime_ns <= (usage.ru_stime.tv_sec + 1) * 1000000000);
	assert_int_equal(process__parent(self()), getppid());
}

static void a_fork_is_told_from_a_program_that_was_begun(void **state)
{
	int gate[2];
	char byte;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(gate), 0);
	child = fork();
	if (child == 0) {
		close(gate[1]);
		_exit(read(gate[0], &byte, 1) != 0);	/* until the parent closes its end */
	}
	assert_true(process__is_fork((uint32_t)child));
	assert_false(process__is_fork(self()));
	close(gate[0]);
	close(gate[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_false(process__is_fork((uint32_t)child));
}

struct thread_answer {
	uint32_t tid, process;
	int64_t cpu_ns;
	bool listed;
};

static void *ask_about_thread(void *arg)
{
	struct thread_answer *a = arg;
	uint32_t *tids;
	size_t n, i;

	a->tid = (uint32_t)syscall(SYS_gettid);
	a->process = process__of_thread(a->tid);
	a->cpu_ns = process__thread_cpu_ns(self(), a->tid);
	if (process__threads(self(), &tids, &n) == 0) {
		for (i = 0; i < n; i++)
			a->listed |= tids[i] == a->tid;
		free(tids);
	}
	return NULL;
}

static void a_thread_is_listed_and_belongs_to_its_process(void **state)
{
	struct thread_answer a = { 0 };
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, ask_about_thread, &a), 0);
	pthread_join(thread, NULL);
	assert_true(a.listed);
	assert_int_equal(a.process, self());
	assert_true(a.cpu_ns >= 0);
}

static void this_process_is_among_all(void **state)
{
	uint32_t *pids;
	bool found = false;
	size_t n, i;

	(void)state;
	assert_int_equal(process__all(&pids, &n), 0);
	for (i = 0; i < n; i++)
		found |= pids[i] == self();
	free(pids);
	assert_true(found);
}

/* --- CPU time ------------------------------------------------------------------------------------------------------ */

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void the_cpu_time_of_a_process_is_the_kernels_own(void **state)
{
	int64_t before = clock_ns(CLOCK_PROCESS_CPUTIME_ID), read = process__cpu_ns(self());
	int64_t after = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	(void)state;
	assert_true(before <= read && read <= after);
}

static void a_process_that_works_uses_cpu_time_while_it_runs(void **state)
{
	pid_t child = fork();
	int64_t first, now;

	(void)state;
	assert_true(child >= 0);
	if (child == 0)
		for (;;)
			getppid();
	first = process__cpu_ns((uint32_t)child);
	assert_true(first >= 0);
	do {
		now = process__cpu_ns((uint32_t)child);
	} while (now == first);
	assert_true(now > first);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* --- sockets ------------------------------------------------------------------------------------------------------- */

static const struct process_socket *find_fd(const struct process_socket *sockets, size_t n, int fd)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (sockets[i].fd == fd)
			return &sockets[i];
	return NULL;
}

static void address_of(int fd, char *out, size_t size)
{
	struct sockaddr_storage storage;
	socklen_t length = sizeof(storage);
	char text[INET6_ADDRSTRLEN];

	getsockname(fd, (struct sockaddr *)&storage, &length);
	if (storage.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&storage;

		snprintf(out, size, "%s:%u", inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)),
			 ntohs(in->sin_port));
	} else {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&storage;

		snprintf(out, size, "[%s]:%u", inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof(text)),
			 ntohs(in->sin6_port));
	}
}

static void check_sockets(int family)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
	socklen_t length = family == AF_INET ? sizeof(in) : sizeof(in6);
	int listening = socket(family, SOCK_STREAM, 0), client = socket(family, SOCK_STREAM, 0), accepted;
	char server_address[PROCESS_ADDRESS_SIZE], client_address[PROCESS_ADDRESS_SIZE];
	const struct process_socket *s;
	struct process_socket *sockets;
	size_t n;

	if (listening < 0 || bind(listening, address, length)) {
		close(listening);
		close(client);
		return; /* a host without this family */
	}
	assert_int_equal(listen(listening, 1), 0);
	getsockname(listening, address, &length);
	assert_int_equal(connect(client, address, length), 0);
	accepted = accept(listening, NULL, NULL);
	assert_true(accepted >= 0);
	address_of(listening, server_address, sizeof(server_address));
	address_of(client, client_address, sizeof(client_address));

	assert_int_equal(process__sockets(self(), &sockets, &n), 0);
	s = find_fd(sockets, n, listening);
	assert_non_null(s);
	assert_int_equal(s->state, PROCESS_SOCKET_LISTENING);
	assert_string_equal(s->local, server_address);
	s = find_fd(sockets, n, accepted);
	assert_non_null(s);
	assert_int_equal(s->state, PROCESS_SOCKET_CONNECTED);
	assert_true(s->accepted);
	assert_string_equal(s->local, server_address);
	assert_string_equal(s->peer, client_address);
	s = find_fd(sockets, n, client);
	assert_non_null(s);
	assert_false(s->accepted);
	assert_string_equal(s->peer, server_address);
	free(sockets);
	close(accepted);
	close(client);
	close(listening);
}

static void sockets_of_both_internet_families_are_told_with_their_ends(void **state)
{
	(void)state;
	check_sockets(AF_INET);
	check_sockets(AF_INET6);
}

static void a_listening_unix_socket_is_named_by_its_path(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char expected[PROCESS_ADDRESS_SIZE];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	const struct process_socket *s;
	struct process_socket *sockets;
	size_t n;

	(void)state;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/s", compiled__directory());
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(process__sockets(self(), &sockets, &n), 0);
	s = find_fd(sockets, n, fd);
	assert_non_null(s);
	assert_int_equal(s->state, PROCESS_SOCKET_LISTENING);
	snprintf(expected, sizeof(expected), "unix:%s", un.sun_path);
	assert_string_equal(s->local, expected);
	free(sockets);
	close(fd);
}

static void a_file_is_no_socket(void **state)
{
	struct process_socket *sockets;
	int fd = open("/dev/null", O_RDONLY);
	size_t n;

	(void)state;
	assert_int_equal(process__sockets(self(), &sockets, &n), 0);
	assert_null(find_fd(sockets, n, fd));
	free(sockets);
	close(fd);
}

/* ------------------------------------------------------------------------------------------------------------------- */

static void a_process_that_is_gone_is_an_error_everywhere_and_a_crash_nowhere(void **state)
{
	int64_t utime_ns, stime_ns;
	struct process_socket *sockets;
	struct process_map *maps;
	char text[64];
	uint32_t *tids, pid;
	pid_t child = fork();
	size_t n;

	(void)state;
	assert_true(child >= 0);
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	pid = (uint32_t)child;
	assert_int_equal(process__maps(pid, &maps, &n), -ESRCH);
	assert_int_equal(process__threads(pid, &tids, &n), -ESRCH);
	assert_int_equal(process__comm(pid, text, sizeof(text)), -ESRCH);
	assert_int_equal(process__thread_comm(pid, pid, text, sizeof(text)), -ESRCH);
	assert_int_equal(process__exe(pid, text, sizeof(text)), -ESRCH);
	assert_int_equal(process__cmdline(pid, text, sizeof(text)), -ESRCH);
	assert_int_equal(process__times(pid, &utime_ns, &stime_ns), -ESRCH);
	assert_int_equal(process__sockets(pid, &sockets, &n), -ESRCH);
	assert_true(process__cpu_ns(pid) < 0);
	assert_true(process__thread_cpu_ns(pid, pid) < 0);
	assert_int_equal(process__parent(pid), 0);
	assert_int_equal(process__of_thread(pid), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fork_is_told_from_a_program_that_was_begun),
		cmocka_unit_test(the_programs_own_code_is_mapped_with_device_and_inode),
		cmocka_unit_test(a_deleted_file_keeps_its_name_and_says_so),
		cmocka_unit_test(a_name_with_brackets_and_blanks_confuses_nobody),
		cmocka_unit_test(a_thread_is_listed_and_belongs_to_its_process),
		cmocka_unit_test(this_process_is_among_all),
		cmocka_unit_test(the_cpu_time_of_a_process_is_the_kernels_own),
		cmocka_unit_test(a_process_that_works_uses_cpu_time_while_it_runs),
		cmocka_unit_test(sockets_of_both_internet_families_are_told_with_their_ends),
		cmocka_unit_test(a_listening_unix_socket_is_named_by_its_path),
		cmocka_unit_test(a_file_is_no_socket),
		cmocka_unit_test(a_process_that_is_gone_is_an_error_everywhere_and_a_crash_nowhere),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
