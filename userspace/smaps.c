/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/smaps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "userspace/recording.h"	/* ABSENT */

static const struct {
	const char *name;
	size_t offset;
} fields[] = {
#define FIELD(name, field)                                                                                             \
	{                                                                                                              \
		name, offsetof(struct smaps_mapping, field)                                                            \
	}
	FIELD("Rss:", resident),	FIELD("Referenced:", referenced),  FIELD("Shared_Clean:", shared),
	FIELD("Shared_Dirty:", shared), FIELD("AnonHugePages:", huge),	   FIELD("ShmemPmdMapped:", huge),
	FIELD("FilePmdMapped:", huge),	FIELD("Shared_Hugetlb:", hugetlb), FIELD("Private_Hugetlb:", hugetlb),
#undef FIELD
};

/* "  1234 kB" in bytes; ABSENT: something else. */
static int64_t read_size(const char *text)
{
	char *end;
	unsigned long long kib;

	text += strspn(text, " \t");
	if (*text < '0' || *text > '9')
		return ABSENT;
	errno = 0;
	kib = strtoull(text, &end, 10);
	if (errno || kib > INT64_MAX / 1024 || strncmp(end, " kB", 3) != 0)
		return ABSENT;
	return (int64_t)kib * 1024;
}

/* One that stands there and cannot be read makes the sum unknown, one that is missing does not. */
static void take_field(struct smaps_mapping *m, bool seen[], const char *line)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const size_t n = strlen(fields[i].name);
		int64_t *to = (int64_t *)(void *)((char *)m + fields[i].offset), value;

		if (strncmp(line, fields[i].name, n) != 0)
			continue;
		value = read_size(line + n);
		if (!seen[fields[i].offset / sizeof(int64_t)])
			*to = value;
		else if (*to != ABSENT && (value == ABSENT || __builtin_add_overflow(*to, value, to)))
			*to = ABSENT;
		seen[fields[i].offset / sizeof(int64_t)] = true;
		return;
	}
}

int smaps__parse(FILE *f, int (*each)(void *ctx, const struct smaps_mapping *m), void *ctx)
{
	bool seen[sizeof(struct smaps_mapping) / sizeof(int64_t)] = { false };
	struct smaps_mapping m, next;
	bool has_one = false;
	char *line = NULL;
	size_t size = 0;
	int err = 0;

	while (!err && getline(&line, &size, f) > 0) {
		/* Names of fields begin with a capital letter, addresses have small ones. */
		if (!((*line >= '0' && *line <= '9') || (*line >= 'a' && *line <= 'f')) ||
		    !process__parse_map(line, &next.map)) {
			if (has_one)
				take_field(&m, seen, line);
			continue;
		}
		if (has_one)
			err = each(ctx, &m);
		m = next;
		m.resident = m.referenced = m.shared = m.huge = m.hugetlb = ABSENT;
		memset(seen, 0, sizeof(seen));
		has_one = true;
	}
	if (!err && ferror(f))
		err = errno == ESRCH ? -ESRCH : -EIO;
	else if (!err)
		err = has_one ? each(ctx, &m) : -ESRCH;
	free(line);
	return err;
}

/* A process that is there without the file: the kernel was built without CONFIG_PROC_PAGE_MONITOR. */
static int refusal(uint32_t pid)
{
	const int err = errno;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/maps", pid);
	return err == ENOENT && access(path, F_OK) ? -ESRCH : -err;
}

int smaps__read(uint32_t pid, int (*each)(void *ctx, const struct smaps_mapping *m), void *ctx)
{
	char path[64];
	FILE *f;
	int err;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/smaps", pid);
	f = fopen(path, "re");
	if (!f)
		return refusal(pid);
	err = smaps__parse(f, each, ctx);
	fclose(f);
	return err;
}

int smaps__clear(uint32_t pid)
{
	char path[64];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/clear_refs", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return refusal(pid);
	if (write(fd, "1", 1) != 1)
		err = -errno;
	close(fd);
	return err;
}

/* --- a trial -------------------------------------------------------------------------------------------------------- */

#define TRIAL_PAGES 64
#define TRIAL_TOUCHED 16

struct trial {
	uint64_t start;
	bool found;
	int64_t referenced;
};

static int find_trial(void *ctx, const struct smaps_mapping *m)
{
	struct trial *t = ctx;

	if (m->map.start == t->start) {
		t->found = true;
		t->referenced = m->referenced;
	}
	return 0;
}

/* Shared memory: no neighbour becomes one mapping with it. @return bytes that are marked, or a negative errno */
static int64_t count_trial(volatile char *pages, size_t page)
{
	struct trial t = { (uint64_t)(uintptr_t)pages, false, ABSENT };
	const uint32_t self = (uint32_t)getpid();
	int err;

	for (size_t i = 0; i < TRIAL_PAGES; i++)
		pages[i * page] = 1;
	err = smaps__clear(self);
	if (err)
		return err;
	/* A change of access and back takes the translations out of the TLB, which clear_refs leaves there. */
	if (mprotect((void *)(uintptr_t)pages, TRIAL_PAGES * page, PROT_NONE) ||
	    mprotect((void *)(uintptr_t)pages, TRIAL_PAGES * page, PROT_READ | PROT_WRITE))
		return -errno;
	for (size_t i = 0; i < TRIAL_TOUCHED; i++)
		pages[i * page] = 2;
	err = smaps__read(self, find_trial, &t);
	if (err)
		return err;
	return t.found && t.referenced != ABSENT ? t.referenced : -ENODATA;
}

int smaps__try(char *reason, size_t reason_size, char *remedy, size_t remedy_size)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int64_t got;
	void *pages = mmap(NULL, TRIAL_PAGES * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED) {
		snprintf(reason, reason_size, "no memory for a trial: %s", strerror(errno));
		snprintf(remedy, remedy_size, "free some memory");
		return -ENOMEM;
	}
	madvise(pages, TRIAL_PAGES * page, MADV_NOHUGEPAGE);
	got = count_trial(pages, page);
	munmap(pages, TRIAL_PAGES * page);
	if (got == (int64_t)(TRIAL_TOUCHED * page))
		return 0;
	if (got >= 0) {
		snprintf(reason, reason_size,
			 "a trial was counted wrong: %d pages were touched, %" PRId64 " are marked", TRIAL_TOUCHED,
			 got / (int64_t)page);
		snprintf(remedy, remedy_size, "another kernel: this one's marks say nothing of what was read");
		return -EIO;
	}
	snprintf(reason, reason_size, "/proc/PID/clear_refs and smaps: %s",
		 got == -ENODATA ? "no 'Referenced' in it" : strerror((int)-got));
	snprintf(remedy, remedy_size, "%s",
		 got == -EACCES || got == -EPERM ? "run as root" : "a kernel with CONFIG_PROC_PAGE_MONITOR");
	return (int)got;
}
