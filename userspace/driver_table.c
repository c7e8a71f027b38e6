/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/driver_table.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/embedded.h"
#include "userspace/ioctl_class.h"

#define MAX_FILE (4u << 20)
#define MAX_ARGUMENT 4096	/* offsets below it: a struct is no larger, and one read is bounded */

int driver_table__open(struct driver_table *t, const char *path, char *error, size_t size)
{
	const struct embedded_file *f = &embedded_ioctls[0];
	char *text;
	FILE *file;
	size_t n;
	int err;

	memset(t, 0, sizeof(*t));
	err = driver_table__parse(t, f->name, (const char *)f->data, f->size, error, size);
	if (err || !path)
		return err;
	file = fopen(path, "re");
	if (!file) {
		err = -errno;
		snprintf(error, size, "%s: %s", path, strerror(-err));
		return err;
	}
	text = malloc(MAX_FILE + 1);
	n = text ? fread(text, 1, MAX_FILE + 1, file) : 0;
	err = !text ? -ENOMEM : ferror(file) ? -EIO : n > MAX_FILE ? -E2BIG : 0;
	fclose(file);
	if (err)
		snprintf(error, size, "%s: %s", path,
			 err == -E2BIG ? "a table of more than 4 MiB" :
			 err == -EIO   ? "it cannot be read" :
					 strerror(-err));
	else
		err = driver_table__parse(t, path, text, n, error, size);
	free(text);
	return err;
}

void driver_table__free(struct driver_table *t)
{
	free(t->calls);
	memset(t, 0, sizeof(*t));
}

bool driver_table__is_whole(const struct driver_table *t, uint64_t drivers)
{
	for (int i = 0; i < t->n_drivers; i++)
		if (drivers >> i & 1 && t->drivers[i].whole)
			return true;
	return false;
}

const struct driver_call *driver_table__find(const struct driver_table *t, uint64_t drivers, uint32_t command,
					     uint64_t sub)
{
	const struct driver_call *base = NULL;

	for (size_t i = t->n_calls; i-- > 0;) {
		const struct driver_call *call = &t->calls[i];

		if (call->command != command || !(drivers >> call->driver & 1))
			continue;
		if (call->has_sub && call->sub == sub)
			return call;
		if (!call->has_sub && !base)
			base = call;
	}
	return base;
}

const char *driver_table__name(const struct driver_table *t, uint64_t drivers)
{
	int best = -1;

	/* One that was told by the kernel's driver says more than what all nodes of the kind share. */
	for (int i = 0; i < t->n_drivers; i++)
		if (drivers >> i & 1 && (best < 0 || (t->drivers[i].module[0] && !t->drivers[best].module[0])))
			best = i;
	return best < 0 ? "" : t->drivers[best].name;
}

bool driver_table__call_name(const struct driver_table *t, uint64_t drivers, const char *node, uint32_t command,
			     uint64_t sub, char *out, size_t size)
{
	const struct driver_call *call = driver_table__find(t, drivers, command, sub);
	const char *base = strrchr(node, '/');
	const uint32_t magic = command >> 8;

	base = base ? base + 1 : node;
	if (call && call->argument.sub_size && !call->has_sub)
		snprintf(out, size, "%s/0x%llx", call->name, (unsigned long long)sub);
	else if (call)
		snprintf(out, size, "%s", call->name);
	else if (driver_table__is_whole(t, drivers))
		snprintf(out, size, "%s:0x%x", base, command);
	else if (magic < 0x80 && isprint((int)magic))
		snprintf(out, size, "%s:%c:0x%02x", base, (int)magic, command & 0xff);
	else
		snprintf(out, size, "%s:0x%02x:0x%02x", base, magic, command & 0xff);
	return call != NULL;
}

/* --- nodes --------------------------------------------------------------------------------------------------------- */

static bool matches_any(const char *globs, const char *path)
{
	char glob[256];

	while (*globs) {
		const size_t n = strcspn(globs, ";");

		snprintf(glob, sizeof(glob), "%.*s", (int)n, globs);
		if (fnmatch(glob, path, FNM_PATHNAME) == 0)
			return true;
		globs += n + (globs[n] == ';');
	}
	return false;
}

static bool is_drm(const char *path)
{
	return strncmp(path, "/dev/dri/", 9) == 0 || strncmp(path, "/dev/accel/", 11) == 0;
}

/* The kernel's driver behind a DRM or accel node; by its number, else by its name. */
static bool has_driver(const char *path, const char *root, unsigned int major, unsigned int minor, const char *module)
{
	char link[PATH_MAX], target[PATH_MAX];
	const char *node = strrchr(path, '/') + 1;
	ssize_t n = -1;

	if (major || minor) {
		snprintf(link, sizeof(link), "%s/sys/dev/char/%u:%u/device/driver", root, major, minor);
		n = readlink(link, target, sizeof(target) - 1);
	}
	if (n < 0) {
		snprintf(link, sizeof(link), "%s/sys/class/%s/%s/device/driver", root,
			 strncmp(path, "/dev/dri/", 9) == 0 ? "drm" : "accel", node);
		n = readlink(link, target, sizeof(target) - 1);
	}
	if (n < 0)
		return false;
	target[n] = '\0';
	return strcmp(strrchr(target, '/') ? strrchr(target, '/') + 1 : target, module) == 0;
}

static bool has_version(const char *root, const char *module, const char *glob)
{
	char path[PATH_MAX], version[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/sys/module/%s/version", root, module);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(version, sizeof(version), f))
		version[0] = '\0';
	fclose(f);
	version[strcspn(version, "\r\n")] = '\0';
	return fnmatch(glob, version, 0) == 0;
}

uint64_t driver_table__of_node(const struct driver_table *t, const char *path, const char *root, unsigned int major,
			       unsigned int minor)
{
	uint64_t set = 0;

	for (int i = 0; i < t->n_drivers; i++) {
		const struct driver *d = &t->drivers[i];

		if (!matches_any(d->nodes, path))
			continue;
		if (d->module[0] && is_drm(path) && !has_driver(path, root, major, minor, d->module))
			continue;
		if (d->version[0] && !has_version(root, d->module, d->version))
			continue;
		set |= 1ULL << i;
	}
	return set;
}

bool device_node__is_common(const char *path)
{
	static const char *const common[] = { "null",
					      "zero",
					      "full",
					      "random",
					      "urandom",
					      "tty",
					      "pts/",
					      "ptmx",
					      "fuse",
					      "net/",
					      "shm/",
					      "kmsg",
					      "hpet",
					      "rtc",
					      "console",
					      "kvm",
					      "vhost",
					      "snd/",
					      "input/",
					      "loop",
					      "mapper/",
					      "cpu/",
					      "cpu_dma_latency",
					      "userfaultfd",
					      "fd/",
					      "std",
					      "uinput",
					      "watchdog",
					      "vfio/",
					      "mem" };

	if (strncmp(path, "/dev/", 5) != 0)
		return true;
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		if (strncmp(path + 5, common[i], strlen(common[i])) == 0)
			return true;
	return false;
}
