/* SPDX-License-Identifier: Apache-2.0 */
/* Places where a recording cannot be made or goes on no longer: each its error and its sentence. */
#include "tests/unit/recording_example.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void assert_refused(const char *path, bool overwrite, int error, const char *says)
{
	struct recording_writer *w;

	assert_int_equal(recording_writer__open(&w, path, overwrite), error);
	assert_int_equal(recording_writer__status(w), error);
	assert_non_null(strstr(recording_writer__error(w), path));
	if (!strstr(recording_writer__error(w), says))
		fail_msg("'%s' does not say '%s'", recording_writer__error(w), says);
	/* The shell refuses everything and is freed like any other. */
	assert_int_equal(put_step(w, 1), error);
	assert_int_equal(recording_writer__flush(w), error);
	assert_int_equal(recording_writer__close(w, true), error);
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void an_existing_file_is_kept_unless_overwriting_is_asked_for(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w;
	struct recording r;
	struct stat st;

	write_text(f->file, "precious");
	assert_refused(f->file, false, -EEXIST, "choose another name");
	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(st.st_size, 8);
	assert_int_equal(recording_writer__open(&w, f->file, true), 0);
	assert_int_equal(put_step(w, 1), 0);
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, f->file);
	assert_int_equal(r.n_steps, 1);
	recording__free(&r);
}

static void a_log_of_an_earlier_recording_is_never_played_into_a_new_one(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w;
	struct recording r;

	write_text(beside(f, "-wal"), "left");
	assert_refused(f->file, false, -EEXIST, "-wal");
	assert_false(exists(f->file));
	assert_int_equal(recording_writer__open(&w, f->file, true), 0);
	assert_int_equal(recording_writer__close(w, true), 0);
	assert_false(exists(beside(f, "-wal")));
	load(&r, f->file);
	recording__free(&r);
}

static void a_recording_is_readable_by_its_owner_alone(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	struct stat st;

	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(beside(f, "-wal"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	recording_writer__free(w);
}

static void a_directory_a_missing_directory_and_a_device_are_no_place(void **state)
{
	struct folder *f = *state;
	char path[1024];

	assert_refused(f->path, true, -EISDIR, "is a directory");
	snprintf(path, sizeof(path), "%s/no/run.tokprof", f->path);
	assert_refused(path, false, -ENOENT, "directory does not exist");
	write_text(f->file, "");
	snprintf(path, sizeof(path), "%s/run.tokprof", f->file);
	assert_refused(path, false, -ENOTDIR, "no directory");
	assert_refused("/dev/null", true, -EINVAL, "no regular file");
}

/* Runs `body` in a child; what it returns is the child's exit status. */
static int in_child(int (*body)(const struct folder *), const struct folder *f)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(body(f));
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define SKIPPED 77

static int expect_open_error(const char *path, int error, const char *says)
{
	struct recording_writer *w;
	int r = recording_writer__open(&w, path, false);

	if (r != error || !strstr(recording_writer__error(w), says)) {
		fprintf(stderr, "%d: %s\n", r, recording_writer__error(w));
		return 1;
	}
	recording_writer__free(w);
	return 0;
}

static int open_without_permission(const struct folder *f)
{
	if (!geteuid() && (setgid(65534) || setuid(65534)))
		return SKIPPED;
	return expect_open_error(f->file, -EACCES, "may not be written");
}

static void a_directory_of_somebody_else_is_said(void **state)
{
	struct folder *f = *state;

	assert_int_equal(chmod(f->path, 0555), 0);
	if (in_child(open_without_permission, f) == SKIPPED)
		skip();
	assert_int_equal(in_child(open_without_permission, f), 0);
}

/* A mount of the child's own; needs root. */
static int mount_tmpfs(const struct folder *f, unsigned long flags, const char *options)
{
	if (geteuid() || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", f->path, "tmpfs", flags, options))
		return SKIPPED;
	return 0;
}

static int open_on_read_only(const struct folder *f)
{
	int r = mount_tmpfs(f, MS_RDONLY, "size=1m");

	return r ? r : expect_open_error(f->file, -EROFS, "read-only");
}

static void a_read_only_file_system_is_said(void **state)
{
	int r = in_child(open_on_read_only, *state);

	if (r == SKIPPED)
		skip();
	assert_int_equal(r, 0);
}

/* Records until it fails. The recorder must then be told, end, and leave what was committed. */
static int fill(const struct folder *f)
{
	struct recording_writer *w;
	struct recording r;
	char error[4096];
	int64_t i, durable = 0;
	int result = 0;

	if (recording_writer__open(&w, f->file, false)) {
		fprintf(stderr, "%s\n", recording_writer__error(w));
		return 1;
	}
	for (i = 1; !result && i < 1000000; i++) {
		result = put_step(w, i);
		if (!result && i % 1000 == 0) {
			result = recording_writer__flush(w);
			if (!result)
				durable = i;
		}
	}
	if (result != -ENOSPC || recording_writer__status(w) != -ENOSPC ||
	    !strstr(recording_writer__error(w), "is full")) {
		fprintf(stderr, "%d: %s\n", result, recording_writer__error(w));
		return 2;
	}
	/* All later calls say the same at once. */
	if (put_step(w, i) != -ENOSPC || recording_writer__flush(w) != -ENOSPC ||
	    recording_writer__close(w, true) != -ENOSPC)
		return 3;
	if (recording__load(&r, f->file, error, sizeof(error))) {
		fprintf(stderr, "%s\n", error);
		return 4;
	}
	if (!durable || (int64_t)r.n_steps < durable || recording__complete(&r)) {
		fprintf(stderr, "%lld durable, %zu there\n", (long long)durable, r.n_steps);
		return 5;
	}
	recording__free(&r);
	return 0;
}

static int fill_file_size_limit(const struct folder *f)
{
	const struct rlimit limit = { 1000000, 1000000 };

	return setrlimit(RLIMIT_FSIZE, &limit) ? SKIPPED : fill(f);
}

static int fill_disk(const struct folder *f)
{
	int r = mount_tmpfs(f, 0, "size=2m");

	return r ? r : fill(f);
}

static int open_on_full_disk(const struct folder *f)
{
	char path[1024];
	int r = mount_tmpfs(f, 0, "size=64k"), fd;

	if (r)
		return r;
	snprintf(path, sizeof(path), "%s/ballast", f->path);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	while (write(fd, path, sizeof(path)) > 0)
		;
	close(fd);
	r = expect_open_error(f->file, -ENOSPC, "full");
	return r ? r : exists(f->file) || exists(beside(f, "-wal")) || exists(beside(f, "-journal"));
}

static void a_file_size_limit_ends_the_recording_and_keeps_what_was_committed(void **state)
{
	assert_int_equal(in_child(fill_file_size_limit, *state), 0);
}

static void a_full_disk_ends_the_recording_and_keeps_what_was_committed(void **state)
{
	int r = in_child(fill_disk, *state);

	if (r == SKIPPED)
		skip();
	assert_int_equal(r, 0);
}

static void a_disk_that_is_full_at_the_start_is_said_and_nothing_is_left(void **state)
{
	int r = in_child(open_on_full_disk, *state);

	if (r == SKIPPED)
		skip();
	assert_int_equal(r, 0);
}

static void a_recording_that_is_moved_away_stops(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	struct recording r;
	char moved[1024];

	assert_int_equal(put_step(w, 1), 0);
	assert_int_equal(recording_writer__flush(w), 0);
	snprintf(moved, sizeof(moved), "%s/moved", f->path);
	assert_int_equal(rename(f->file, moved), 0);
	put_step(w, 2);
	assert_int_equal(recording_writer__flush(w), -ENOENT);
	assert_non_null(strstr(recording_writer__error(w), "moved"));
	assert_int_equal(recording_writer__close(w, true), -ENOENT);
	load(&r, moved);
	assert_int_equal(r.n_steps, 1);
	assert_false(recording__complete(&r));
	recording__free(&r);
}

static void loading_what_is_not_there_says_so(void **state)
{
	struct folder *f = *state;
	char error[4096];
	struct recording r;

	assert_int_equal(recording__load(&r, f->file, error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, f->file));
	assert_int_equal(recording__load(&r, f->path, error, sizeof(error)), -EISDIR);
	assert_non_null(strstr(error, "a directory"));
	assert_int_equal(recording__load(&r, "/dev/null", error, sizeof(error)), -EBADMSG);
	/* A sentence that does not fit is cut. */
	assert_int_equal(recording__load(&r, f->path, error, 1), -EISDIR);
	assert_string_equal(error, "");
	recording__free(&r);
	recording__free(NULL);
}

static int load_unreadable(const struct folder *f)
{
	struct recording r;
	char error[4096];
	int result;

	if (!geteuid() && (setgid(65534) || setuid(65534)))
		return SKIPPED;
	result = recording__load(&r, f->file, error, sizeof(error));
	if (result != -EACCES || !strstr(error, "permissions")) {
		fprintf(stderr, "%d: %s\n", result, error);
		return 1;
	}
	return 0;
}

static void a_recording_of_somebody_else_is_said(void **state)
{
	struct folder *f = *state;
	int r;

	write_example(f);
	assert_int_equal(chmod(f->file, 0), 0);
	assert_int_equal(chmod(f->path, 0755), 0);
	r = in_child(load_unreadable, f);
	if (r == SKIPPED)
		skip();
	assert_int_equal(r, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder__set_up, folder__tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_existing_file_is_kept_unless_overwriting_is_asked_for),
		TEST(a_log_of_an_earlier_recording_is_never_played_into_a_new_one),
		TEST(a_recording_is_readable_by_its_owner_alone),
		TEST(a_directory_a_missing_directory_and_a_device_are_no_place),
		TEST(a_directory_of_somebody_else_is_said),
		TEST(a_read_only_file_system_is_said),
		TEST(a_file_size_limit_ends_the_recording_and_keeps_what_was_committed),
		TEST(a_full_disk_ends_the_recording_and_keeps_what_was_committed),
		TEST(a_disk_that_is_full_at_the_start_is_said_and_nothing_is_left),
		TEST(a_recording_that_is_moved_away_stops),
		TEST(loading_what_is_not_there_says_so),
		TEST(a_recording_of_somebody_else_is_said),
	};

	return cmocka_run_group_tests_name("recording and its file", tests, NULL, NULL);
}
