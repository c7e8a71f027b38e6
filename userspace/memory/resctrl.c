/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/memory/resctrl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP_PREFIX "tokprof."
/* Beside its name, that of a recorder which has mounted resctrl: whoever clears it unmounts. */
#define MOUNTED_SUFFIX ".mounted"

/* ----------------------------------------------------------------------------------------------------------- the kernel --- */

static int kernel_mount(void *ctx, const char *path)
{
	(void)ctx;
	return mount("resctrl", path, "resctrl", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) ? -errno : 0;
}

static int kernel_unmount(void *ctx, const char *path)
{
	(void)ctx;
	return umount2(path, 0) ? -errno : 0;
}

static int kernel_rmdir(void *ctx, const char *path)
{
	(void)ctx;
	return rmdir(path) ? -errno : 0;
}

/* Field 22 of /proc/PID/stat, counted behind the name, which may have blanks. */
static uint64_t kernel_start_of(void *ctx, uint32_t pid)
{
	char path[64], text[1024], *at;
	uint64_t start = 0;
	size_t n;
	FILE *f;

	(void)ctx;
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at)
		sscanf(at, " %" SCNu64, &start);
	return start;
}

const struct resctrl_calls resctrl_calls__kernel = { kernel_mount, kernel_unmount, kernel_rmdir, kernel_start_of,
						     NULL };

/* ------------------------------------------------------------------------------------------------------------ the host --- */

/* Does a file have this word, on a line that begins with `line` (NULL: any)? @return 1, 0, negative errno */
static int has_word(const char *root, const char *file, const char *line, const char *word)
{
	char path[256], *text = NULL, *token, *rest;
	size_t size = 0;
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", root, file);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!found && getline(&text, &size, f) > 0) {
		if (line && strncmp(text, line, strlen(line)) != 0)
			continue;
		for (token = strtok_r(text, " \t\n", &rest); token && !found; token = strtok_r(NULL, " \t\n", &rest))
			found = strcmp(token, word) == 0;
	}
	free(text);
	fclose(f);
	return found;
}

static bool is_mounted(const char *root)
{
	return has_word(root, "/proc/mounts", NULL, "resctrl") > 0;
}

int resctrl__probe(const char *root, char *reason, size_t reason_size, char *remedy, size_t remedy_size)
{
	char path[256];

	reason[0] = remedy[0] = '\0';
	if (has_word(root, "/proc/filesystems", NULL, "resctrl") <= 0) {
		snprintf(reason, reason_size, "the kernel has no resctrl file system, or found no CPU feature for it");
		snprintf(remedy, remedy_size,
			 "a kernel with CONFIG_X86_CPU_RESCTRL or CONFIG_ARM64_MPAM, on bare metal");
		return -ENODEV;
	}
	if (has_word(root, "/proc/cpuinfo", "flags", "cqm_mbm_total") == 0 &&
	    has_word(root, "/proc/cpuinfo", "Features", "mpam") <= 0) {
		snprintf(reason, reason_size,
			 "this CPU does not count memory bandwidth (no cqm_mbm_total in /proc/cpuinfo)");
		snprintf(remedy, remedy_size, "a CPU with memory bandwidth monitoring, not hidden by a hypervisor");
		return -ENODEV;
	}
	if (!is_mounted(root)) {
		snprintf(reason, reason_size, "resctrl is not mounted: record does so, and unmounts it at its end");
		return 0;
	}
	snprintf(path, sizeof(path), "%s" RESCTRL_PATH "/mon_groups", root);
	if (access(path, W_OK | X_OK) != 0) {
		const int err = errno;

		snprintf(reason, reason_size, RESCTRL_PATH "/mon_groups: %s", strerror(err));
		snprintf(remedy, remedy_size, "%s", err == EACCES ? "run as root" : "mount resctrl at " RESCTRL_PATH);
		return -err;
	}
	return 0;
}

/* --------------------------------------------------------------------------------------------------- what others have left --- */

static int is_own(const struct dirent *entry)
{
	return strncmp(entry->d_name, GROUP_PREFIX, strlen(GROUP_PREFIX)) == 0;
}

static int is_group(const struct dirent *entry)
{
	static const char *const others[] = { "info", "mon_groups", "mon_data" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(entry->d_name, others[i]) == 0)
			return 0;
	return entry->d_name[0] != '.' && entry->d_type == DT_DIR;
}

/* "tokprof.PID.START": is that recorder still there? */
static bool is_alive(const struct resctrl *r, const char *name)
{
	uint64_t start;
	uint32_t pid;

	if (sscanf(name, GROUP_PREFIX "%" SCNu32 ".%" SCNu64, &pid, &start) != 2)
		return true;	/* somebody else's, that happens to be named so */
	return r->calls->start_of(r->calls->ctx, pid) == start && start;
}

static void clear_groups(struct resctrl *r, const char *folder)
{
	struct dirent **entries = NULL;
	const int n = scandir(folder, &entries, is_own, alphasort);
	char path[800];

	for (int i = 0; i < n; i++) {
		const size_t length = strlen(entries[i]->d_name), suffix = strlen(MOUNTED_SUFFIX);

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (!is_alive(r, entries[i]->d_name) && r->calls->rmdir(r->calls->ctx, path) == 0) {
			r->n_cleared++;
			r->mounted |=
				length > suffix && strcmp(entries[i]->d_name + length - suffix, MOUNTED_SUFFIX) == 0;
		}
		free(entries[i]);
	}
	free(entries);
}

/* Control groups have monitoring groups of their own, beside those of the root. */
static void clear_all(struct resctrl *r)
{
	char folder[600];
	struct dirent **groups = NULL;
	int n;

	snprintf(folder, sizeof(folder), "%s" RESCTRL_PATH, r->root);
	n = scandir(folder, &groups, is_group, alphasort);
	for (int i = 0; i < n; i++) {
		snprintf(folder, sizeof(folder), "%s" RESCTRL_PATH "/%s/mon_groups", r->root, groups[i]->d_name);
		clear_groups(r, folder);
		free(groups[i]);
	}
	free(groups);
	snprintf(folder, sizeof(folder), "%s" RESCTRL_PATH "/mon_groups", r->root);
	clear_groups(r, folder);
}

int resctrl__open(struct resctrl *r, const char *root, const struct resctrl_calls *calls, char *reason,
		  size_t reason_size, char *remedy, size_t remedy_size)
{
	char path[256];
	int err = resctrl__probe(root, reason, reason_size, remedy, remedy_size);

	memset(r, 0, sizeof(*r));
	r->calls = calls;
	snprintf(r->root, sizeof(r->root), "%s", root);
	if (err)
		return err;
	if (!is_mounted(root)) {
		snprintf(path, sizeof(path), "%s" RESCTRL_PATH, root);
		err = calls->mount(calls->ctx, path);
		if (err) {
			snprintf(reason, reason_size, "resctrl cannot be mounted at " RESCTRL_PATH ": %s",
				 strerror(-err));
			snprintf(remedy, remedy_size, "mount -t resctrl resctrl " RESCTRL_PATH ", as root");
			return err;
		}
		r->mounted = true;
	}
	reason[0] = remedy[0] = '\0';
	clear_all(r);
	return 0;
}

/* -------------------------------------------------------------------------------------------------------------- threads --- */

/* "res:/C" and "mon:M" of /proc/PID/task/TID/cpu_resctrl_groups (CONFIG_PROC_CPU_RESCTRL); "" where it is not told. */
static void groups_of(const struct resctrl *r, uint32_t pid, uint32_t tid, char *control, char *monitor, size_t size)
{
	char path[256], line[256];
	FILE *f;

	control[0] = monitor[0] = '\0';
	snprintf(path, sizeof(path), "%s/proc/%" PRIu32 "/task/%" PRIu32 "/cpu_resctrl_groups", r->root, pid, tid);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "res:", 4) == 0)
			snprintf(control, size, "%s", line + 4);
		if (strncmp(line, "mon:", 4) == 0)
			snprintf(monitor, size, "%s", line + 4);
	}
	fclose(f);
}

static const char *own_name(const struct resctrl *r)
{
	return strrchr(r->group, '/') + 1;
}

static int make_group(struct resctrl *r, const char *control)
{
	const uint32_t pid = (uint32_t)getpid();
	const char *in = strcmp(control, "/") == 0 ? "" : control;

	snprintf(r->group, sizeof(r->group),
		 "%s" RESCTRL_PATH "%.64s/mon_groups/" GROUP_PREFIX "%" PRIu32 ".%" PRIu64 "%s", r->root, in, pid,
		 r->calls->start_of(r->calls->ctx, pid), r->mounted ? MOUNTED_SUFFIX : "");
	if (mkdir(r->group, 0755) == 0)
		return 0;
	r->group[0] = '\0';
	return errno == EBUSY ? -ENOSPC : -errno;
}

/* The kernel takes one number a write. */
static int write_task(const struct resctrl *r, uint32_t tid)
{
	char path[480], number[16];
	const int n = snprintf(number, sizeof(number), "%" PRIu32 "\n", tid);
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/tasks", r->group);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, number, (size_t)n) != n)
		err = errno == ESRCH ? 0 : errno == EINVAL ? -EBUSY : -errno;
	close(fd);
	return err;
}

static bool is_in(const struct resctrl *r, uint32_t tid)
{
	for (size_t i = 0; i < r->n_threads; i++)
		if (r->threads[i] == tid)
			return true;
	return false;
}

static int remember(struct resctrl *r, uint32_t tid)
{
	if (r->n_threads == r->threads_capacity) {
		const size_t capacity = r->threads_capacity ? 2 * r->threads_capacity : 64;
		uint32_t *moved = realloc(r->threads, capacity * sizeof(*moved));

		if (!moved)
			return -ENOMEM;
		r->threads = moved;
		r->threads_capacity = capacity;
	}
	r->threads[r->n_threads++] = tid;
	return 0;
}

int resctrl__add(struct resctrl *r, uint32_t pid, uint32_t tid)
{
	char control[128] = "", monitor[128] = "";
	int err = 0;

	if (is_in(r, tid))
		return 0;
	/* Kernels without the file have the groups all the same: then the root's is tried, which takes its own tasks only. */
	groups_of(r, pid, tid, control, monitor, sizeof(control));
	if (monitor[0] && !(r->group[0] && strcmp(monitor, own_name(r)) == 0))
		err = -EBUSY;
	else if (!r->group[0])
		err = make_group(r, control[0] ? control : "/");
	if (!err)
		err = write_task(r, tid);
	if (err && err != -EBUSY)
		return err;
	r->n_foreign += err == -EBUSY;
	return remember(r, tid) ? -ENOMEM : err;
}

/* ------------------------------------------------------------------------------------------------------------- counters --- */

static int is_domain(const struct dirent *entry)
{
	return strncmp(entry->d_name, "mon_L3_", 7) == 0;
}

static void find_domains(struct resctrl *r)
{
	struct dirent **entries = NULL;
	char path[480];
	int n;

	snprintf(path, sizeof(path), "%s/mon_data", r->group);
	n = scandir(path, &entries, is_domain, alphasort);
	for (int i = 0; i < n; i++) {
		if (r->n_domains < MAX_RESCTRL_DOMAINS)
			snprintf(r->domains[r->n_domains++].name, sizeof(r->domains[0].name), "%.31s",
				 entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

/* "Unavailable", "Error" and "Unassigned" stand there where the hardware gave no figure. */
static bool read_domain(const struct resctrl *r, const char *name, uint64_t *value)
{
	char path[560], text[64] = "", *end;
	FILE *f;

	snprintf(path, sizeof(path), "%s/mon_data/%s/mbm_total_bytes", r->group, name);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	errno = 0;
	*value = strtoull(text, &end, 10);
	return end != text && !errno && text[0] != '-' && (*end == '\n' || *end == '\0');
}

int resctrl__read(struct resctrl *r, int64_t *bytes)
{
	uint64_t sum = 0;
	bool first = false, lost = false;

	if (!r->group[0])
		return -EAGAIN;
	if (r->n_domains == 0)
		find_domains(r);
	if (r->n_domains == 0)
		return -ENODATA;
	for (size_t i = 0; i < r->n_domains; i++) {
		struct resctrl_domain *d = &r->domains[i];
		uint64_t now;

		if (!read_domain(r, d->name, &now)) {
			lost = true;
			d->known = false;
			continue;
		}
		/* The kernel extends the hardware's counter; one that falls was given to another group, and begun anew. */
		if (!d->known)
			first = true;
		else if (now < d->total)
			lost = true;
		else
			sum += now - d->total;
		d->total = now;
		d->known = true;
	}
	if (lost || first)
		return lost ? -ENODATA : -EAGAIN;
	if (sum > INT64_MAX / 1024)
		return -ENODATA;
	*bytes = (int64_t)sum;
	return 0;
}

int resctrl__try(const char *root, char *reason, size_t reason_size)
{
	struct resctrl r = { .calls = &resctrl_calls__kernel };
	int64_t bytes;
	int err;

	if (!is_mounted(root))
		return 0;
	snprintf(r.group, sizeof(r.group), "%s" RESCTRL_PATH, root);
	err = resctrl__read(&r, &bytes);
	if (err != -ENODATA)
		return 0;
	snprintf(reason, reason_size,
		 "resctrl is mounted, and tells no figure: no mbm_total_bytes in " RESCTRL_PATH "/mon_data");
	return err;
}

void resctrl__close(struct resctrl *r)
{
	char path[256];

	if (!r->calls)
		return;
	if (r->group[0])
		r->calls->rmdir(r->calls->ctx, r->group);
	snprintf(path, sizeof(path), "%s" RESCTRL_PATH, r->root);
	/* Fails where somebody uses it by now: then it is his. */
	if (r->mounted)
		r->calls->unmount(r->calls->ctx, path);
	free(r->threads);
	memset(r, 0, sizeof(*r));
}
