/* SPDX-License-Identifier: Apache-2.0 */
#include "collectors/ioctl_devices.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define KERNEL_DEVICE(device) ((uint32_t)(major(device) << 20 | minor(device)))
#define DELETED " (deleted)"

int ioctl_devices__open(struct ioctl_devices *d, const char *root, const char *table, char *error, size_t size)
{
	char resolved[PATH_MAX];

	memset(d, 0, sizeof(*d));
	d->devices_fd = d->arguments_fd = -1;
	if (root) {
		/* Links in /proc/PID/fd have no symbolic links in them. */
		if (!realpath(root, resolved)) {
			const int err = -errno;

			snprintf(error, size, "device root %s: %s", root, strerror(-err));
			return err;
		}
		if (strlen(resolved) >= sizeof(d->root)) {
			snprintf(error, size, "device root %s: a path of more than %zu characters", root,
				 sizeof(d->root) - 1);
			return -ENAMETOOLONG;
		}
		snprintf(d->root, sizeof(d->root), "%s", strcmp(resolved, "/") == 0 ? "" : resolved);
	}
	return driver_table__open(&d->table, table, error, size);
}

void ioctl_devices__close(struct ioctl_devices *d)
{
	driver_table__free(&d->table);
	free(d->devices);
	memset(d, 0, sizeof(*d));
}

const struct ioctl_device *ioctl_devices__find(const struct ioctl_devices *d, uint32_t id)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->devices[i].id == id)
			return &d->devices[i];
	return NULL;
}

/* --- what the kernel's side knows ------------------------------------------------------------------------------------ */

static bool make_key(const struct ioctl_devices *d, const struct stat *st, struct device_key *key)
{
	if (S_ISCHR(st->st_mode)) {
		*key = (struct device_key){ DEVICE_NODE, KERNEL_DEVICE(st->st_rdev), 0 };
		return true;
	}
	/* A file stands for a device only where somebody has said so. */
	*key = (struct device_key){ DEVICE_FILE, KERNEL_DEVICE(st->st_dev), st->st_ino };
	return S_ISREG(st->st_mode) && d->root[0];
}

static void put_arguments(const struct ioctl_devices *d, uint32_t device, uint64_t drivers)
{
	for (size_t i = 0; i < d->table.n_calls; i++) {
		const struct driver_call *call = &d->table.calls[i];
		const struct driver_argument *a = &call->argument;
		const struct argument_key key = { device, call->command };
		struct argument_rule rule = {
			.sub_offset = a->sub_offset,
			.sub_size = a->sub_size,
			.n_status = a->n_status,
			.wraps = a->wraps,
			.number_offset = a->number_offset,
			.pointer_offset = a->pointer_offset,
		};

		if (call->has_sub || !(drivers >> call->driver & 1))
			continue;
		for (int k = 0; k < a->n_status; k++) {
			rule.status_offset[k] = a->status[k].offset;
			rule.status_size[k] = a->status[k].size;
		}
		if (a->sub_size || a->n_status || a->wraps)
			bpf_map_update_elem(d->arguments_fd, &key, &rule, BPF_ANY);
		else if (call->table > 0)	/* the user's table has the call without the argument that ours reads */
			bpf_map_delete_elem(d->arguments_fd, &key);
	}
}

/* What is known of a device by its node: kept here, and told to the programs. */
static int know(struct ioctl_devices *d, const struct device_key *key, struct device_state *state, const char *path)
{
	const bool node = key->kind == DEVICE_NODE;
	struct ioctl_device *device;

	if (d->n == d->capacity) {
		const size_t capacity = d->capacity ? 2 * d->capacity : 32;

		device = realloc(d->devices, capacity * sizeof(*device));
		if (!device)
			return -ENOMEM;
		d->devices = device;
		d->capacity = capacity;
	}
	device = &d->devices[d->n++];
	*device = (struct ioctl_device){ .id = state->id };
	snprintf(device->path, sizeof(device->path), "%s", path);
	device->drivers = driver_table__of_node(&d->table, path, d->root, node ? key->device >> 20 : 0,
						node ? key->device & 0xfffff : 0);
	device->common = !device->drivers && device_node__is_common(path);
	put_arguments(d, state->id, device->drivers);
	state->flags = (driver_table__is_whole(&d->table, device->drivers) ? DEVICE_WHOLE : 0) |
		       (device->common ? DEVICE_COMMON : 0);
	return bpf_map_update_elem(d->devices_fd, key, state, BPF_ANY);
}

static int take_node(struct ioctl_devices *d, const struct stat *st, const char *path, uint32_t used_by)
{
	struct device_state state;
	struct device_key key;

	if (!make_key(d, st, &key))
		return 0;
	if (bpf_map_lookup_elem(d->devices_fd, &key, &state) == 0) {
		if (!used_by || state.used)
			return 0;
		state.used = 1;
		return bpf_map_update_elem(d->devices_fd, &key, &state, BPF_ANY);
	}
	state = (struct device_state){
		.id = (uint32_t)__atomic_fetch_add((uint64_t *)&d->control->next_device, 1, __ATOMIC_RELAXED),
		.used = used_by != 0,
		.tgid = used_by,
		.fd = -1,
	};
	return know(d, &key, &state, path);
}

/* --- nodes of the host ----------------------------------------------------------------------------------------------- */

/* A glob under the root, whose own characters stand for themselves. */
static void make_pattern(const struct ioctl_devices *d, const char *nodes, size_t n, char *out, size_t size)
{
	size_t at = 0;

	for (const char *c = d->root; *c && at + 2 < size; c++) {
		if (strchr("*?[]\\", *c))
			out[at++] = '\\';
		out[at++] = *c;
	}
	snprintf(out + at, size - at, "%.*s", (int)n, nodes);
}

static size_t each_node(struct ioctl_devices *d, bool take)
{
	size_t count = 0;

	for (int i = 0; i < d->table.n_drivers; i++) {
		const char *nodes = d->table.drivers[i].nodes;

		while (*nodes) {
			const size_t n = strcspn(nodes, ";");
			char pattern[1024];
			glob_t found = { 0 };

			make_pattern(d, nodes, n, pattern, sizeof(pattern));
			nodes += n + (nodes[n] == ';');
			if (glob(pattern, GLOB_NOSORT, NULL, &found))
				continue;
			for (size_t k = 0; k < found.gl_pathc; k++) {
				struct stat st;

				/* It may have vanished since it was listed. */
				if (stat(found.gl_pathv[k], &st) || (!S_ISCHR(st.st_mode) && !d->root[0]))
					continue;
				count++;
				if (take)
					take_node(d, &st, found.gl_pathv[k] + strlen(d->root), 0);
			}
			globfree(&found);
		}
	}
	return count;
}

size_t ioctl_devices__count_nodes(const struct ioctl_devices *d)
{
	return each_node((struct ioctl_devices *)d, false);
}

int ioctl_devices__use(struct ioctl_devices *d, int devices_fd, int arguments_fd, struct ioctl_control *control)
{
	d->devices_fd = devices_fd;
	d->arguments_fd = arguments_fd;
	d->control = control;
	d->control->next_device = d->control->next_call = 1;
	each_node(d, true);
	d->next_seen = d->control->next_device;
	return 0;
}

/* --- descriptors of a process ---------------------------------------------------------------------------------------- */

/*
 * The node that a descriptor's link names, without the root; false where it is none, or none of interest. A node that was
 * removed while it is open still is one.
 */
static bool node_of_link(const struct ioctl_devices *d, const char *link, char *path, size_t size)
{
	const size_t n_root = strlen(d->root);
	size_t n;

	if (strncmp(link, d->root, n_root) != 0 || strncmp(link + n_root, "/dev/", 5) != 0)
		return false;
	snprintf(path, size, "%s", link + n_root);
	n = strlen(path);
	if (n > strlen(DELETED) && strcmp(path + n - strlen(DELETED), DELETED) == 0)
		path[n - strlen(DELETED)] = '\0';
	return !device_node__is_common(path);
}

static bool read_link(uint32_t pid, const char *fd, char *link, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/fd/%.16s", pid, fd);
	n = readlink(path, link, size - 1);
	if (n < 0)
		return false;
	link[n] = '\0';
	return true;
}

struct open_node {
	struct stat st;
	char path[IOCTL_NODE_SIZE];
};

/* Calls `each` for what the process has open until it returns false. */
static void each_open(const struct ioctl_devices *d, uint32_t pid,
		      bool (*each)(void *ctx, const struct open_node *node), void *ctx)
{
	char folder[64], link[PATH_MAX];
	struct open_node node;
	struct dirent *entry;
	bool go_on = true;
	DIR *dir;

	snprintf(folder, sizeof(folder), "/proc/%" PRIu32 "/fd", pid);
	dir = opendir(folder);
	if (!dir)
		return;		/* it has ended, or tokprof has no descriptor left to look with: next time */
	while (go_on && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !read_link(pid, entry->d_name, link, sizeof(link)) ||
		    !node_of_link(d, link, node.path, sizeof(node.path)) ||
		    fstatat(dirfd(dir), entry->d_name, &node.st, 0))
			continue;
		if (S_ISCHR(node.st.st_mode) || (S_ISREG(node.st.st_mode) && d->root[0]))
			go_on = each(ctx, &node);
	}
	closedir(dir);
}

static bool find_any(void *ctx, const struct open_node *node)
{
	(void)node;
	*(bool *)ctx = true;
	return false;
}

bool ioctl_devices__has_open(const struct ioctl_devices *d, uint32_t pid)
{
	bool found = false;

	each_open(d, pid, find_any, &found);
	return found;
}

struct taking {
	struct ioctl_devices *devices;
	uint32_t pid;
};

static bool take_open(void *ctx, const struct open_node *node)
{
	const struct taking *t = ctx;

	take_node(t->devices, &node->st, node->path, t->pid);
	return true;
}

void ioctl_devices__take_open(struct ioctl_devices *d, uint32_t pid)
{
	struct taking taking = { d, pid };

	each_open(d, pid, take_open, &taking);
	d->next_seen = d->control->next_device;
}

struct listing {
	const struct ioctl_devices *devices;
	struct ioctl_open_device *out;
	size_t n, max;
};

static bool list_open(void *ctx, const struct open_node *node)
{
	const bool is_node = S_ISCHR(node->st.st_mode);
	struct listing *l = ctx;
	uint64_t drivers;

	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->out[i].path, node->path) == 0)
			return true;
	if (l->n == l->max)
		return false;
	drivers = driver_table__of_node(&l->devices->table, node->path, l->devices->root,
					is_node ? major(node->st.st_rdev) : 0, is_node ? minor(node->st.st_rdev) : 0);
	snprintf(l->out[l->n].path, sizeof(l->out[l->n].path), "%s", node->path);
	l->out[l->n++].driver = driver_table__name(&l->devices->table, drivers);
	return true;
}

size_t ioctl_devices__list_open(const struct ioctl_devices *d, uint32_t pid, struct ioctl_open_device *out, size_t max)
{
	struct listing listing = { d, out, 0, max };

	each_open(d, pid, list_open, &listing);
	return listing.n;
}

/* --- devices that the programs have met ------------------------------------------------------------------------------ */

static void name_by_number(const struct device_key *key, char *path, size_t size)
{
	snprintf(path, size, "/dev/char/%u:%u", key->device >> 20, key->device & 0xfffff);
}

void ioctl_devices__resolve(struct ioctl_devices *d)
{
	struct device_key key, next, *previous = NULL;

	if (!d->control || d->control->next_device == d->next_seen)
		return;
	d->next_seen = d->control->next_device;
	for (; bpf_map_get_next_key(d->devices_fd, previous, &next) == 0; previous = &key) {
		char link[PATH_MAX], path[IOCTL_NODE_SIZE], fd[16];
		struct device_state state;

		key = next;
		if (bpf_map_lookup_elem(d->devices_fd, &key, &state) || ioctl_devices__find(d, state.id))
			continue;
		snprintf(fd, sizeof(fd), "%d", state.fd);
		/* It may be closed by now, and the number another file's: then the device has a number and no name. */
		if (!read_link(state.tgid, fd, link, sizeof(link)) || strncmp(link, d->root, strlen(d->root)) != 0 ||
		    strncmp(link + strlen(d->root), "/dev/", 5) != 0)
			name_by_number(&key, path, sizeof(path));
		else
			snprintf(path, sizeof(path), "%s", link + strlen(d->root));
		know(d, &key, &state, path);
	}
}
