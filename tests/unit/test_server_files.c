/* SPDX-License-Identifier: Apache-2.0 */
/* What is read of a server's files and memory: digests of whole files, pages that are there, files that are open. */
#include "tests/unit/recording_example.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "userspace/file_digest.h"
#include "userspace/process_memory.h"

/* FIPS 180-2, appendix B.1; and of nothing. */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static int make_file(const struct folder *f, const char *name, const char *text)
{
	char path[600];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void digests_are_those_of_the_files_whatever_becomes_of_the_names(void **state)
{
	struct folder *f = *state;
	struct file_digests *d;
	char hex[FILE_DIGEST_SIZE], path[600];
	uint64_t done;
	int abc = make_file(f, "abc", "abc"), nothing = make_file(f, "nothing", "");

	snprintf(path, sizeof(path), "%s/abc", f->path);
	unlink(path);
	assert_int_equal(file_digests__open(&d), 0);
	assert_int_equal(file_digests__add(d, abc), 0);
	assert_int_equal(file_digests__add(d, nothing), 1);
	close(abc);
	close(nothing);
	file_digests__hurry(d);
	assert_true(file_digests__wait(d, 60000));
	assert_int_equal(file_digests__left(d), 0);
	assert_int_equal(file_digests__get(d, 0, hex, &done), 0);
	assert_string_equal(hex, ABC);
	assert_int_equal(done, 3);
	assert_int_equal(file_digests__get(d, 1, hex, &done), 0);
	assert_string_equal(hex, NOTHING);
	assert_int_equal(file_digests__get(d, 2, hex, &done), -EINVAL);
	file_digests__free(d);
	file_digests__free(NULL);
}

static void a_folder_has_no_digest_and_holds_up_nothing(void **state)
{
	struct folder *f = *state;
	struct file_digests *d;
	char hex[FILE_DIGEST_SIZE];
	uint64_t done;
	int folder = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), abc = make_file(f, "abc", "abc");

	assert_int_equal(file_digests__open(&d), 0);
	assert_int_equal(file_digests__add(d, folder), 0);
	assert_int_equal(file_digests__add(d, abc), 1);
	assert_true(file_digests__wait(d, 60000));
	assert_int_equal(file_digests__get(d, 0, hex, &done), -EISDIR);
	assert_string_equal(hex, "");
	assert_int_equal(file_digests__get(d, 1, hex, &done), 0);
	file_digests__free(d);
	close(folder);
	close(abc);
}

static void pages_are_resident_once_they_are_touched(void **state)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 6000;
	char *at = mmap(NULL, n * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	const uint64_t start = (uint64_t)(uintptr_t)at;

	(void)state;
	assert_true(at != MAP_FAILED);
	madvise(at, n * page, MADV_NOHUGEPAGE);
	assert_int_equal(process__resident((uint32_t)getpid(), start, start + n * page), 0);
	at[0] = at[5000 * page] = at[5999 * page] = 1;
	assert_int_equal(process__resident((uint32_t)getpid(), start, start + n * page), 3 * page);
	munmap(at, n * page);
	assert_true(process__resident(0x7ffffffe, start, start + page) < 0);
}

static void memory_that_is_touched_counts_as_the_processs_own(void **state)
{
	const size_t n = 32 << 20;
	struct process_footprint before, after;
	char *at = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(at != MAP_FAILED);
	assert_int_equal(process__footprint((uint32_t)getpid(), &before), 0);
	memset(at, 1, n);
	assert_int_equal(process__footprint((uint32_t)getpid(), &after), 0);
	/* The kernel counts in batches of some dozen pages a CPU (mm_counter). */
	assert_true(after.anon - before.anon > (int64_t)n - (8 << 20));
	assert_true(after.peak >= after.anon);
	munmap(at, n);
	assert_int_equal(process__footprint(0x7ffffffe, &after), -ESRCH);
}

struct seen {
	uint64_t inode;
	int n_files, n_devices;
};

static int see(void *ctx, const struct process_open_file *file)
{
	struct seen *s = ctx;

	s->n_files += !file->is_device && file->inode == s->inode;
	s->n_devices += file->is_device && strcmp(file->path, "/dev/zero") == 0;
	return 0;
}

static void files_and_devices_that_are_open_are_found(void **state)
{
	struct folder *f = *state;
	int fd = make_file(f, "abc", "abc"), zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	struct seen seen = { 0, 0, 0 };
	struct stat st;

	assert_true(zero >= 0 && fstat(fd, &st) == 0);
	seen.inode = st.st_ino;
	assert_int_equal(process__open_files((uint32_t)getpid(), see, &seen), 0);
	assert_int_equal(seen.n_files, 1);
	assert_int_equal(seen.n_devices, 1);
	close(fd);
	close(zero);
	assert_int_equal(process__open_files(0x7ffffffe, see, &seen), -ESRCH);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder__set_up, folder__tear_down)
	const struct CMUnitTest tests[] = {
		TEST(digests_are_those_of_the_files_whatever_becomes_of_the_names),
		TEST(a_folder_has_no_digest_and_holds_up_nothing),
		TEST(pages_are_resident_once_they_are_touched),
		TEST(memory_that_is_touched_counts_as_the_processs_own),
		TEST(files_and_devices_that_are_open_are_found),
	};

	return cmocka_run_group_tests_name("files of a server", tests, NULL, NULL);
}
