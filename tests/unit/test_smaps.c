/* SPDX-License-Identifier: Apache-2.0 */
/* What kernels say of a process's memory, as they say it: /proc/PID/smaps of several, and of this one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "userspace/recording.h"
#include "userspace/smaps.h"

#define MAX 8

struct list {
	struct smaps_mapping m[MAX];
	int n;
};

static int take(void *ctx, const struct smaps_mapping *m)
{
	struct list *l = ctx;

	assert_true(l->n < MAX);
	l->m[l->n++] = *m;
	return 0;
}

static int parse(struct list *l, const char *text)
{
	FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int err;

	memset(l, 0, sizeof(*l));
	assert_non_null(f);
	err = smaps__parse(f, take, l);
	fclose(f);
	return err;
}

/* Linux 6.18, llama.cpp: its weights, whose name has a blank, and a heap with a huge page. */
static const char linux_6_18[] =
	"7f1000000000-7f1003800000 r--s 00000000 fe:00 1234567                   /m/a model.gguf\n"
	"Size:              57344 kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\n"
	"Rss:               57344 kB\nPss:               28672 kB\nPss_Dirty:             0 kB\n"
	"Shared_Clean:      57340 kB\nShared_Dirty:          4 kB\nPrivate_Clean:         0 kB\n"
	"Private_Dirty:         0 kB\nReferenced:        55404 kB\nAnonymous:             0 kB\n"
	"KSM:                   0 kB\nLazyFree:              0 kB\nAnonHugePages:         0 kB\n"
	"ShmemPmdMapped:        0 kB\nFilePmdMapped:      2048 kB\nShared_Hugetlb:        0 kB\n"
	"Private_Hugetlb:       0 kB\nSwap:                  0 kB\nSwapPss:               0 kB\n"
	"Locked:                0 kB\nTHPeligible:           0\nVmFlags: rd sh mr mw me ms sd \n"
	"55d0c0000000-55d0c0300000 rw-p 00000000 00:00 0                          [heap]\n"
	"Size:               3072 kB\nRss:                3072 kB\nShared_Clean:          0 kB\n"
	"Shared_Dirty:          0 kB\nReferenced:         2060 kB\nAnonHugePages:      2048 kB\n"
	"ShmemPmdMapped:        0 kB\nFilePmdMapped:         0 kB\nShared_Hugetlb:     2048 kB\n"
	"Private_Hugetlb:    4096 kB\nTHPeligible:           1\nProtectionKey:         0\n"
	"VmFlags: rd wr mr mw me ac \n"
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
	"Size:                  4 kB\nRss:                   0 kB\nReferenced:            0 kB\n"
	"VmFlags: ex \n";

/* Linux 3.10 (CentOS 7): a deleted file, no huge pages of files, no pages of hugetlbfs. */
static const char linux_3_10[] =
	"00400000-00401000 r-xp 00000000 fd:01 77                                 /m/gone.gguf (deleted)\n"
	"Size:                  4 kB\nRss:                   4 kB\nPss:                   4 kB\n"
	"Shared_Clean:          0 kB\nShared_Dirty:          0 kB\nPrivate_Clean:         4 kB\n"
	"Private_Dirty:         0 kB\nReferenced:            4 kB\nAnonymous:             0 kB\n"
	"AnonHugePages:         0 kB\nSwap:                  0 kB\nKernelPageSize:        4 kB\n"
	"MMUPageSize:           4 kB\nLocked:                0 kB\nVmFlags: rd ex mr mw me dw sd \n";

static void a_recent_kernels_mappings_are_read_with_all_that_counts(void **state)
{
	struct list l;

	(void)state;
	assert_int_equal(parse(&l, linux_6_18), 0);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.m[0].map.path, "/m/a model.gguf");
	assert_int_equal(l.m[0].map.inode, 1234567);
	assert_int_equal(l.m[0].resident, 57344 << 10);
	assert_int_equal(l.m[0].referenced, 55404 << 10);
	assert_int_equal(l.m[0].shared, 57344 << 10);
	assert_int_equal(l.m[0].huge, 2048 << 10);
	assert_int_equal(l.m[0].hugetlb, 0);
	assert_string_equal(l.m[1].map.path, "[heap]");
	assert_int_equal(l.m[1].huge, 2048 << 10);
	assert_int_equal(l.m[1].hugetlb, 6144 << 10);
	assert_int_equal(l.m[2].referenced, 0);
	assert_true(l.m[2].map.start == 0xffffffffff600000u);
}

static void what_an_old_kernel_does_not_say_is_absent(void **state)
{
	struct list l;

	(void)state;
	assert_int_equal(parse(&l, linux_3_10), 0);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.m[0].map.path, "/m/gone.gguf");
	assert_true(l.m[0].map.deleted);
	assert_int_equal(l.m[0].referenced, 4096);
	assert_int_equal(l.m[0].huge, 0);
	assert_int_equal(l.m[0].hugetlb, ABSENT);
	assert_int_equal(parse(&l, "00400000-00401000 r-xp 00000000 fd:01 77 /m/x\nSize: 4 kB\n"), 0);
	assert_int_equal(l.m[0].resident, ABSENT);
	assert_int_equal(l.m[0].referenced, ABSENT);
}

static void a_figure_that_cannot_be_is_absent_and_spoils_no_other(void **state)
{
	static const char *const figures[] = {
		"99999999999999999999 kB", "9007199254740992 kB", "-4 kB", "kB", "4 MB", ""
	};
	struct list l;

	(void)state;
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		char text[300];

		snprintf(
			text, sizeof(text),
			"00400000-00401000 r-xp 00000000 fd:01 77 /m/x\nReferenced: %s\nRss: 8 kB\nShared_Clean: 4 kB\n"
			"Shared_Dirty: %s\nAnonHugePages: %s\nFilePmdMapped: 4 kB\n",
			figures[i], figures[i], figures[i]);
		assert_int_equal(parse(&l, text), 0);
		assert_int_equal(l.m[0].referenced, ABSENT);
		assert_int_equal(l.m[0].resident, 8192);
		assert_int_equal(l.m[0].shared, ABSENT);
		assert_int_equal(l.m[0].huge, ABSENT);
	}
	/* Two that each can be, and not together. */
	assert_int_equal(parse(&l, "00400000-00401000 r-xp 00000000 fd:01 77 /m/x\nShared_Clean: 9007199254740991 kB\n"
				   "Shared_Dirty: 9007199254740991 kB\n"),
			 0);
	assert_int_equal(l.m[0].shared, ABSENT);
}

static void what_is_no_smaps_has_no_mapping(void **state)
{
	struct list l;

	(void)state;
	assert_int_equal(parse(&l, "\n"), -ESRCH);
	assert_int_equal(parse(&l, "Rss: 4 kB\nReferenced: 4 kB\n"), -ESRCH);
	assert_int_equal(parse(&l, "abc\ndef-\n12-\n"), -ESRCH);
	assert_int_equal(smaps__read(0x7ffffffe, take, &l), -ESRCH);
	assert_int_equal(smaps__clear(0x7ffffffe), -ESRCH);
}

struct search {
	uint64_t start;
	int64_t referenced, resident;
};

static int find(void *ctx, const struct smaps_mapping *m)
{
	struct search *s = ctx;

	if (m->map.start == s->start) {
		s->referenced = m->referenced;
		s->resident = m->resident;
	}
	return 0;
}

static void pages_that_are_touched_after_the_marks_are_off_are_counted_and_no_others(void **state)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 200;
	volatile char *at = mmap(NULL, n * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct search s = { (uint64_t)(uintptr_t)at, ABSENT, ABSENT };
	char reason[160] = "", remedy[160] = "";

	(void)state;
	assert_true(at != MAP_FAILED);
	if (smaps__try(reason, sizeof(reason), remedy, sizeof(remedy))) {
		assert_true(reason[0] && remedy[0]);
		print_message("not on this host: %s\n", reason);
		skip();
	}
	madvise((void *)(uintptr_t)at, n * page, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < n; i++)
		at[i * page] = 1;
	assert_int_equal(smaps__clear((uint32_t)getpid()), 0);
	/* Out of the TLB with their translations. */
	mprotect((void *)(uintptr_t)at, n * page, PROT_NONE);
	mprotect((void *)(uintptr_t)at, n * page, PROT_READ | PROT_WRITE);
	assert_int_equal(smaps__read((uint32_t)getpid(), find, &s), 0);
	assert_int_equal(s.referenced, 0);
	assert_int_equal(s.resident, n * page);
	for (size_t i = 0; i < n; i += 4)
		at[i * page] = 2;
	assert_int_equal(smaps__read((uint32_t)getpid(), find, &s), 0);
	assert_int_equal(s.referenced, n / 4 * page);
	munmap((void *)(uintptr_t)at, n * page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recent_kernels_mappings_are_read_with_all_that_counts),
		cmocka_unit_test(what_an_old_kernel_does_not_say_is_absent),
		cmocka_unit_test(a_figure_that_cannot_be_is_absent_and_spoils_no_other),
		cmocka_unit_test(what_is_no_smaps_has_no_mapping),
		cmocka_unit_test(pages_that_are_touched_after_the_marks_are_off_are_counted_and_no_others),
	};

	return cmocka_run_group_tests_name("smaps", tests, NULL, NULL);
}
