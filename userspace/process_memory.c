/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/process_memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGEMAP_PRESENT (UINT64_C(1) << 63)	/* Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_CHUNK 4096			/* entries of 8 bytes */

static int refusal(void)
{
	return errno == ENOENT ? -ESRCH : -errno;
}

int process__footprint(uint32_t pid, struct process_footprint *out)
{
	const struct {
		const char *name;
		int64_t *to;
	} lines[] = { { "RssAnon:", &out->anon },
		      { "RssFile:", &out->file },
		      { "RssShmem:", &out->shared },
		      { "VmSwap:", &out->swap },
		      { "VmHWM:", &out->peak } };
	int64_t huge = 0;
	char path[64], line[160];
	FILE *f;

	*out = (struct process_footprint){ -1, -1, -1, -1, -1 };
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/status", pid);
	f = fopen(path, "re");
	if (!f)
		return refusal();
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "HugetlbPages:", 13) == 0)
			huge = (int64_t)strtoll(line + 13, NULL, 10) * 1024;
		for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
			if (strncmp(line, lines[i].name, strlen(lines[i].name)) == 0)
				*lines[i].to = (int64_t)strtoll(line + strlen(lines[i].name), NULL, 10) * 1024;
	}
	fclose(f);
	/* They are in none of the others (Documentation/filesystems/proc.rst). */
	if (out->shared >= 0)
		out->shared += huge;
	if (out->peak >= 0)
		out->peak += huge;
	return 0;
}

int64_t process__resident(uint32_t pid, uint64_t start, uint64_t end)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t entries[PAGEMAP_CHUNK], at = start / page, last = end / page;
	int64_t n_present = 0;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return refusal();
	while (at < last) {
		const uint64_t want = last - at < PAGEMAP_CHUNK ? last - at : PAGEMAP_CHUNK;
		const ssize_t got = pread(fd, entries, want * sizeof(*entries), (off_t)(at * sizeof(*entries)));

		if (got < (ssize_t)sizeof(*entries)) {
			const int err = got < 0 ? refusal() : -ESRCH;

			close(fd);
			return err;
		}
		for (ssize_t i = 0; i < got / (ssize_t)sizeof(*entries); i++)
			n_present += (entries[i] & PAGEMAP_PRESENT) != 0;
		at += (uint64_t)got / sizeof(*entries);
	}
	close(fd);
	return n_present * (int64_t)page;
}

int process__open_files(uint32_t pid, int (*each)(void *ctx, const struct process_open_file *file), void *ctx)
{
	struct process_open_file file;
	char path[64], link[600];
	struct dirent *entry;
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/fd", pid);
	dir = opendir(path);
	if (!dir)
		return refusal();
	while (!err && (entry = readdir(dir))) {
		struct stat st;
		ssize_t n;

		if (entry->d_name[0] == '.')
			continue;
		n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		/* Most are sockets and pipes: told by the text, without another call. */
		if (n <= 0 || link[0] != '/' || fstatat(dirfd(dir), entry->d_name, &st, 0) ||
		    !(S_ISREG(st.st_mode) || S_ISCHR(st.st_mode)))
			continue;
		link[n] = 0;
		file = (struct process_open_file){ .fd = atoi(entry->d_name),
						   .device = st.st_dev,
						   .inode = st.st_ino,
						   .size = (int64_t)st.st_size,
						   .is_device = S_ISCHR(st.st_mode) };
		snprintf(file.path, sizeof(file.path), "%s", link);
		err = each(ctx, &file);
	}
	closedir(dir);
	return err;
}
