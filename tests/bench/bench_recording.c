/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the recording costs: the collecting thread per row, the writing thread at 20,000 rows a second, bytes per token,
 * the age of what a kill -9 takes, and the time and memory to load a long recording.
 *
 * Usage: bench_recording [DIRECTORY]; the directory decides which disk is measured.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "userspace/recording.h"

#define N_TOKENS 100000
#define N_LOAD_STEPS 250000

static const char *directory = ".";
static char path[4096];

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "bench_recording: %s\n", what);
	exit(1);
}

static struct recording_writer *start(const char *name)
{
	struct recording_writer *w;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (recording_writer__open(&w, path, true))
		die(recording_writer__error(w));
	return w;
}

static void end(struct recording_writer *w)
{
	if (recording_writer__close(w, true))
		die("cannot end the recording");
}

/* One step of n streams with what a llama.cpp server of 8 threads would show for it. */
static void put_step(struct recording_writer *w, int64_t i, int n, int n_resources, uint64_t *now, int64_t *meter)
{
	uint64_t took = 5000000 + (uint64_t)(i * 7919 % 1000000);
	struct row_step step = { .id = i + 1,
				 .context = 1,
				 .tid = 1234567,
				 .start_ns = *now,
				 .end_ns = *now + took,
				 .n_tokens = n,
				 .runq_ns = (uint64_t)(i * 31 % 90000),
				 .blocked_ns = 0 };

	recording_writer__step(w, &step);
	for (int k = 0; k < n_resources; k++) {
		int64_t used = k == 0 ? (int64_t)took * 8 - i % 100000 : k == 1 ? 40000 + i % 3000 : i % 3;
		struct row_step_resource r = { i + 1, k + 1, meter[k], used };

		recording_writer__step_resource(w, &r);
		meter[k] += used + used / 50;
	}
	for (int s = 0; s < n; s++) {
		struct row_row row = { i + 1, 0, s, s, (int)(i % 2048) + 100, 1, 1 };
		struct row_chunk chunk = { 1 + i / 1000 * n + s, i % 1000, *now + took + 100000 + (uint64_t)s * 9000 };

		recording_writer__row(w, &row);
		recording_writer__chunk(w, &chunk);
	}
	*now += took + 150000;
}

static void bench_bytes(int n_streams, int n_resources)
{
	struct recording_writer *w = start("bytes.tokprof");
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	int64_t meter[4] = { 0 };
	struct stat st;

	for (int64_t i = 0; i < N_TOKENS / n_streams; i++)
		put_step(w, i, n_streams, n_resources, &now, meter);
	end(w);
	if (stat(path, &st))
		die("no file");
	printf("bytes per token, %d stream%s, %d resources\t%.1f\n", n_streams, n_streams > 1 ? "s" : "", n_resources,
	       (double)st.st_size / N_TOKENS);
	unlink(path);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void bench_put(void)
{
	struct recording_writer *w = start("put.tokprof");
	double per_row[51];

	for (int k = 0; k < 51; k++) {
		const int n = 20000;
		uint64_t before = clock_ns(CLOCK_MONOTONIC);

		for (int i = 0; i < n; i++) {
			struct row_row row = { (int64_t)k * n + i, 0, 0, 1, i, 1, 1 };

			recording_writer__row(w, &row);
		}
		per_row[k] = (double)(clock_ns(CLOCK_MONOTONIC) - before) / n;
		recording_writer__flush(w);
	}
	end(w);
	qsort(per_row, 51, sizeof(double), compare_doubles);
	printf("collecting thread, ns per row\t%.0f (median of bursts), %.0f (worst)\n", per_row[25], per_row[50]);
	unlink(path);
}

static void bench_pace(void)
{
	struct recording_writer *w = start("pace.tokprof");
	uint64_t begun = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	uint64_t own = clock_ns(CLOCK_THREAD_CPUTIME_ID), now = begun, n_rows = 0, due = begun;
	int64_t meter[4] = { 0 };
	const uint64_t seconds = 5;

	for (int64_t i = 0; due < begun + seconds * 1000000000u; i++) {
		struct timespec until;

		put_step(w, i, 8, 3, &now, meter);
		n_rows += 20;
		due += 1000000;		/* a step of 20 rows each millisecond: 20,000 rows a second */
		until = (struct timespec){ (time_t)(due / 1000000000u), (long)(due % 1000000000u) };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	}
	own = clock_ns(CLOCK_THREAD_CPUTIME_ID) - own;
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu - own;
	printf("writing thread at 20,000 rows/s, share of a core\t%.2f %%, %.0f ns per row\n",
	       100.0 * (double)cpu / (double)(clock_ns(CLOCK_MONOTONIC) - begun), (double)cpu / (double)n_rows);
	end(w);
	unlink(path);
}

static void bench_load(void)
{
	struct recording_writer *w = start("load.tokprof");
	uint64_t now = clock_ns(CLOCK_MONOTONIC), before = now;
	int64_t meter[4] = { 0 };
	struct rusage use;
	struct stat st;
	int status;

	for (int64_t i = 0; i < N_LOAD_STEPS; i++)
		put_step(w, i, 4, 2, &now, meter);
	end(w);
	if (stat(path, &st))
		die("no file");
	printf("write %d steps, 1 M rows, 1 M chunks\t%.2f s, %.0f MB\n", N_LOAD_STEPS,
	       (double)(clock_ns(CLOCK_MONOTONIC) - before) / 1e9, (double)st.st_size / 1e6);
	fflush(stdout);
	for (int k = 0; k < 5; k++) {
		pid_t child = fork();

		if (child)
			goto wait;
		struct recording r;
		char error[512];

		before = clock_ns(CLOCK_MONOTONIC);
		if (recording__load(&r, path, error, sizeof(error)))
			die(error);
		printf("load it\t%.2f s, ", (double)(clock_ns(CLOCK_MONOTONIC) - before) / 1e9);
		recording__free(&r);
		fflush(stdout);
		_exit(0);
	wait:
		wait4(child, &status, 0, &use);
		printf("%ld MB at the most\n", use.ru_maxrss / 1024);
		fflush(stdout);
	}
	unlink(path);
}

static void write_until_killed(int fd)
{
	struct recording_writer *w = start("kill.tokprof");

	for (int64_t i = 0;; i++) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		struct row_sample row = { now, 1, i };
		struct timespec pause = { 0, 100000 };

		recording_writer__sample(w, &row);
		if (write(fd, &now, sizeof(now)) != sizeof(now))
			_exit(1);
		nanosleep(&pause, NULL);
	}
}

static void bench_kill(void)
{
	double worst = 0;

	for (int k = 0; k < 10; k++) {
		uint64_t first = 0, last = 0, kept = 0;
		struct recording r;
		char error[512];
		int fds[2];
		pid_t child;

		if (pipe(fds))
			die("no pipe");
		fflush(stdout);
		child = fork();
		if (!child)
			write_until_killed(fds[1]);
		close(fds[1]);
		while (read(fds[0], &last, sizeof(last)) == sizeof(last)) {
			first = first ? first : last;
			if (last - first > 1000000000u + 137000000u * (uint64_t)k)
				break;
		}
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		snprintf(path, sizeof(path), "%s/kill.tokprof", directory);
		if (recording__load(&r, path, error, sizeof(error)))
			die(error);
		if (r.n_samples)
			kept = r.samples[r.n_samples - 1].time_ns;
		if ((double)(last - kept) / 1e6 > worst)
			worst = (double)(last - kept) / 1e6;
		recording__free(&r);
		close(fds[0]);
	}
	printf("kill -9, oldest row lost in 10 kills\t%.0f ms\n", worst);
	end(start("kill.tokprof"));	/* takes the log with it */
	unlink(path);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		directory = argv[1];
	bench_put();
	bench_pace();
	bench_bytes(1, 2);
	bench_bytes(1, 3);
	bench_bytes(8, 3);
	bench_load();
	bench_kill();
	return 0;
}
