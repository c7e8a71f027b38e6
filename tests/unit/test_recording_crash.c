/* SPDX-License-Identifier: Apache-2.0 */
/* What a killed recorder leaves, how it is read from anywhere, and that reading never changes it. */
#include "tests/unit/recording_example.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

/* A child that records steps without end and says through the pipe which are durable, every `per_flush` of them. */
static pid_t start_recorder(const struct folder *f, int64_t per_flush, int *reports)
{
	struct recording_writer *w;
	int fds[2];
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child) {
		close(fds[1]);
		*reports = fds[0];
		return child;
	}
	if (recording_writer__open(&w, f->file, false))
		_exit(1);
	for (int64_t i = 1;; i++) {
		if (put_step(w, i))
			_exit(2);
		if (i % per_flush == 0 &&
		    (recording_writer__flush(w) || write(fds[1], &i, sizeof(i)) != (ssize_t)sizeof(i)))
			_exit(3);
	}
}

static void kill_recorder(pid_t child, int reports)
{
	int status;

	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	close(reports);
}

static int64_t read_report(int reports)
{
	int64_t i;

	assert_int_equal(read(reports, &i, sizeof(i)), sizeof(i));
	return i;
}

static void kill_after_reports(const struct folder *f, int n_reports, int64_t per_flush, int64_t *durable)
{
	int reports;
	pid_t child = start_recorder(f, per_flush, &reports);

	while (n_reports--)
		*durable = read_report(reports);
	kill_recorder(child, reports);
}

/* Steps 1 .. n with their rows, except perhaps the last row. */
static void assert_prefix(const struct recording *r)
{
	for (size_t i = 0; i < r->n_steps; i++)
		assert_int_equal(r->steps[i].id, i + 1);
	for (size_t i = 0; i < r->n_rows; i++)
		assert_int_equal(r->rows[i].step, i + 1);
	assert_true(r->n_steps == r->n_rows || r->n_steps == r->n_rows + 1);
}

static void remove_recording(const struct folder *f)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		unlink(beside(f, suffixes[i]));
}

static void kill_9_leaves_everything_up_to_the_last_commit(void **state)
{
	static const struct {
		int n_reports;
		int64_t per_flush;
	} moments[] = {
		{ 1, 1 }, { 3, 1 }, { 1, 1000 }, { 7, 321 }, { 40, 1000 }, { 2, 20000 }, { 150, 7 },
	};
	struct folder *f = *state;

	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		int64_t durable = 0;
		struct recording r;

		kill_after_reports(f, moments[i].n_reports, moments[i].per_flush, &durable);
		load(&r, f->file);
		assert_prefix(&r);
		assert_true((int64_t)r.n_rows >= durable);
		assert_false(recording__complete(&r));
		recording__free(&r);
		remove_recording(f);
	}
}

static void rows_are_committed_without_being_asked_and_a_live_recording_can_be_read(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	time_t begun = time(NULL);
	struct recording r;
	size_t n = 0;

	assert_int_equal(put_step(w, 1), 0);
	do {
		load(&r, f->file);
		n = r.n_steps;
		assert_false(recording__complete(&r));
		recording__free(&r);
	} while (!n && time(NULL) - begun < 30);
	assert_int_equal(n, 1);
	/* Reading it from the writer's own process took none of the writer's locks away. */
	assert_int_equal(put_step(w, 2), 0);
	assert_int_equal(recording_writer__flush(w), 0);
	load(&r, f->file);
	assert_int_equal(r.n_steps, 2);
	recording__free(&r);
	assert_int_equal(recording_writer__close(w, true), 0);
	assert_false(exists(beside(f, "-wal")));
	load(&r, f->file);
	assert_true(recording__complete(&r));
	recording__free(&r);
}

static void a_recording_of_another_process_is_read_while_it_is_written(void **state)
{
	struct folder *f = *state;
	int reports;
	pid_t child = start_recorder(f, 500, &reports);
	size_t n_before = 0;

	for (int i = 0; i < 8; i++) {
		int64_t durable = read_report(reports);
		struct recording r;

		load(&r, f->file);
		assert_prefix(&r);
		assert_true((int64_t)r.n_rows >= durable - 500);
		assert_true(r.n_steps >= n_before);
		n_before = r.n_steps;
		recording__free(&r);
	}
	assert_true(n_before > 500);
	kill_recorder(child, reports);
}

/* ------------------------------------------------------------------------------------- reading changes nothing --- */

struct snapshot {
	char text[4096];
};

/* Names, sizes, times and FNV-1a of contents. */
static struct snapshot take_snapshot(const char *directory)
{
	struct snapshot s = { "" };
	struct dirent **entries;
	int n = scandir(directory, &entries, NULL, alphasort);

	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		char name[1024];
		struct stat st;
		uint64_t hash = 0;
		FILE *f;

		snprintf(name, sizeof(name), "%s/%s", directory, entries[i]->d_name);
		assert_int_equal(stat(name, &st), 0);
		f = S_ISREG(st.st_mode) ? fopen(name, "re") : NULL;
		for (int c; f && (c = fgetc(f)) != EOF;)
			hash = (hash ^ (unsigned int)c) * UINT64_C(0x100000001b3);
		if (f)
			fclose(f);
		if (S_ISREG(st.st_mode))
			snprintf(s.text + strlen(s.text), sizeof(s.text) - strlen(s.text), "%s %lld %lld.%09ld %llx\n",
				 entries[i]->d_name, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
				 st.st_mtim.tv_nsec, (unsigned long long)hash);
		free(entries[i]);
	}
	free(entries);
	return s;
}

static void reading_a_killed_recording_changes_nothing_beside_it(void **state)
{
	struct folder *f = *state;
	int64_t durable = 0;
	struct snapshot before, after;
	struct recording r;

	kill_after_reports(f, 3, 200, &durable);
	assert_true(exists(beside(f, "-wal")));
	before = take_snapshot(f->path);
	for (int i = 0; i < 2; i++) {
		load(&r, f->file);
		assert_prefix(&r);
		assert_true((int64_t)r.n_rows >= durable);
		recording__free(&r);
		after = take_snapshot(f->path);
		assert_string_equal(before.text, after.text);
	}
}

static void reading_a_closed_recording_changes_nothing_beside_it(void **state)
{
	struct folder *f = *state;
	struct snapshot before, after;
	struct recording r;

	write_example(f);
	before = take_snapshot(f->path);
	load(&r, f->file);
	recording__free(&r);
	after = take_snapshot(f->path);
	assert_string_equal(before.text, after.text);
}

/* As a user who may read the folder and nothing else; root may do anything and proves nothing. */
static int load_as_reader(const struct folder *f, const char *tmp, int64_t at_least)
{
	pid_t child;
	int status;

	chmod(f->file, 0444);
	chmod(beside(f, "-wal"), 0444);
	chmod(beside(f, "-shm"), 0444);
	chmod(f->path, 0555);
	child = fork();
	if (!child) {
		struct recording r;
		char error[4096];

		setenv("TMPDIR", tmp, 1);
		if (!geteuid() && (setgid(65534) || setuid(65534)))
			_exit(10);
		if (!access(f->path, W_OK))
			_exit(11);
		if (recording__load(&r, f->file, error, sizeof(error))) {
			fprintf(stderr, "%s\n", error);
			_exit(12);
		}
		if ((int64_t)r.n_rows < at_least)
			_exit(13);
		recording__free(&r);
		_exit(0);
	}
	waitpid(child, &status, 0);
	chmod(f->path, 0700);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void make_tmp(char *path, size_t size, const struct folder *f)
{
	snprintf(path, size, "%s-tmp", f->path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 0777), 0);
}

static void a_killed_recording_in_a_read_only_place_is_read_with_its_log(void **state)
{
	struct folder *f = *state;
	struct snapshot before, after;
	int64_t durable = 0;
	char tmp[512];

	make_tmp(tmp, sizeof(tmp), f);
	kill_after_reports(f, 3, 200, &durable);
	before = take_snapshot(f->path);
	assert_int_equal(load_as_reader(f, tmp, durable), 0);
	/* The log without its index: through a private copy, of which nothing is left. */
	after = take_snapshot(f->path);
	assert_string_equal(before.text, after.text);
	assert_int_equal(unlink(beside(f, "-shm")), 0);
	before = take_snapshot(f->path);
	assert_int_equal(load_as_reader(f, tmp, durable), 0);
	after = take_snapshot(f->path);
	assert_string_equal(before.text, after.text);
	assert_int_equal(rmdir(tmp), 0);
}

static void a_closed_recording_in_a_read_only_place_is_read(void **state)
{
	struct folder *f = *state;

	write_example(f);
	assert_int_equal(load_as_reader(f, "/nonexistent", 1), 0);
}

static void a_file_that_lost_its_log_is_read_up_to_where_the_log_began(void **state)
{
	struct folder *f = *state;
	int64_t durable = 0;
	struct recording r;

	kill_after_reports(f, 1, 10, &durable);
	unlink(beside(f, "-wal"));
	unlink(beside(f, "-shm"));
	load(&r, f->file);
	assert_int_equal(r.n_steps, 0);
	assert_false(recording__complete(&r));
	recording__free(&r);
	assert_false(exists(beside(f, "-wal")));
}

static void no_room_for_the_private_copy_is_said(void **state)
{
	struct folder *f = *state;
	char *tmp = getenv("TMPDIR") ? strdup(getenv("TMPDIR")) : NULL;
	char error[4096];
	int64_t durable = 0;
	struct recording r;

	kill_after_reports(f, 1, 10, &durable);
	assert_int_equal(unlink(beside(f, "-shm")), 0);
	setenv("TMPDIR", "/nonexistent", 1);
	assert_int_equal(recording__load(&r, f->file, error, sizeof(error)), -ENOENT);
	if (tmp)
		setenv("TMPDIR", tmp, 1);
	else
		unsetenv("TMPDIR");
	free(tmp);
	assert_non_null(strstr(error, "TMPDIR"));
	assert_non_null(strstr(error, "/nonexistent"));
}

static void a_recording_under_a_symlink_and_an_odd_name_is_read_with_its_log(void **state)
{
	struct folder *f = *state;
	int64_t durable = 0;
	char link[1024];
	struct recording r;

	snprintf(f->file, sizeof(f->file), "%s/50%% of #1?mode=rw&x.tokprof", f->path);
	kill_after_reports(f, 2, 10, &durable);
	snprintf(link, sizeof(link), "%s/link", f->path);
	assert_int_equal(symlink(f->file, link), 0);
	load(&r, link);
	assert_true((int64_t)r.n_rows >= durable);
	recording__free(&r);
	load(&r, f->file);
	assert_true((int64_t)r.n_rows >= durable);
	recording__free(&r);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder__set_up, folder__tear_down)
	const struct CMUnitTest tests[] = {
		TEST(kill_9_leaves_everything_up_to_the_last_commit),
		TEST(rows_are_committed_without_being_asked_and_a_live_recording_can_be_read),
		TEST(a_recording_of_another_process_is_read_while_it_is_written),
		TEST(reading_a_killed_recording_changes_nothing_beside_it),
		TEST(reading_a_closed_recording_changes_nothing_beside_it),
		TEST(a_killed_recording_in_a_read_only_place_is_read_with_its_log),
		TEST(a_closed_recording_in_a_read_only_place_is_read),
		TEST(a_file_that_lost_its_log_is_read_up_to_where_the_log_began),
		TEST(no_room_for_the_private_copy_is_said),
		TEST(a_recording_under_a_symlink_and_an_odd_name_is_read_with_its_log),
	};

	return cmocka_run_group_tests_name("recording after a crash", tests, NULL, NULL);
}
