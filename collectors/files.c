/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The weight files that the server has mapped or open, how much of them its page tables hold, how much memory its processes take,
 * and which devices they use: what a claim about the model has to agree with.
 *
 * Looked at when a process joins, then at growing distances (a walk over the page tables of a large mapping takes time), and at
 * the end. No probe: only /proc. The files stay open here until the end, so that their digest is that of the files that
 * were served, whatever has their names then.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/collector.h"
#include "userspace/driver_table.h"
#include "userspace/file_digest.h"
#include "userspace/message.h"
#include "userspace/model_file.h"
#include "userspace/process_memory.h"
#include "userspace/session.h"

#define MAX_FILES 256
#define DEVICES_SIZE 1024
#define SEARCH_NS (120ull * 1000000000)	/* a server that still loads its model is looked at every second */
#define LONGEST_NS (64ull * 1000000000)
#define WAIT_MS 200

struct weight_file {
	uint32_t pid;
	uint64_t device, inode;
	int64_t size;
	char path[512];
	bool mapped;
	uint64_t first_ns, last_ns, looked_ns;
	int64_t mapped_bytes, resident_bytes;	/* ABSENT */
	int64_t mapped_now, resident_now;	/* of the look in progress */
	int digest;			/* file_digests__add(); negative: none */
	int fd;				/* -1 */
};

struct watched {
	uint32_t pid;
	bool gone;
	uint64_t joined_ns, next_ns, distance_ns;
	bool has_footprint;
	struct process_footprint footprint;
	uint64_t footprint_ns;
};

struct files {
	struct session *session;
	struct weight_file files[MAX_FILES];
	int n_files;
	bool too_many;
	struct watched watched[MAX_TARGETS];
	size_t n_watched;
	char devices[DEVICES_SIZE];	/* "/dev/nvidia0, /dev/nvidiactl" */
	bool looked;
	struct file_digests *digests;
};

static int files_open(struct session *s, void **out)
{
	struct files *c;
	int err;

	if (!s->writer) {
		session__note(s, "files", "absent", "nothing is recorded");
		return -ENOTSUP;
	}
	c = calloc(1, sizeof(*c));
	err = c ? 0 : -ENOMEM;
	if (!err && s->options.digest_models)
		err = file_digests__open(&c->digests);
	if (err) {
		free(c);
		return err;
	}
	c->session = s;
	*out = c;
	return 0;
}

/* --- files ---------------------------------------------------------------------------------------------------------- */

static bool is_model(const char *path, int fd)
{
	const size_t n = strlen(path);
	char magic[4];

	if ((n > 5 && strcmp(path + n - 5, ".gguf") == 0) || (n > 12 && strcmp(path + n - 12, ".safetensors") == 0))
		return true;
	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) && memcmp(magic, "GGUF", 4) == 0;
}

static struct weight_file *find_file(struct files *c, uint32_t pid, uint64_t device, uint64_t inode)
{
	for (int i = 0; i < c->n_files; i++)
		if (c->files[i].pid == pid && c->files[i].device == device && c->files[i].inode == inode)
			return &c->files[i];
	return NULL;
}

/* @fd becomes the file's, or is closed @return NULL: it is no model, or one too many */
static struct weight_file *add_file(struct files *c, uint32_t pid, const char *path, uint64_t device, uint64_t inode,
				    int fd)
{
	struct weight_file *f = &c->files[c->n_files];
	struct stat st;

	if (fd < 0 || !is_model(path, fd) || c->n_files == MAX_FILES) {
		c->too_many |= c->n_files == MAX_FILES;
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	c->n_files++;
	*f = (struct weight_file){
		.pid = pid,
		.device = device,
		.inode = inode,
		.size = fstat(fd, &st) == 0 ? (int64_t)st.st_size : ABSENT,
		.first_ns = monotonic_ns(),
		.mapped_bytes = ABSENT,
		.resident_bytes = ABSENT,
		.digest = -1,
		.fd = fd,
	};
	snprintf(f->path, sizeof(f->path), "%s", path);
	if (c->digests)
		f->digest = file_digests__add(c->digests, fd);
	c->session->reads_weights |= c->digests != NULL;
	return f;
}

static void see_map(struct files *c, uint32_t pid, const struct process_map *map, uint64_t now)
{
	struct weight_file *f;
	int64_t resident;

	if (!map->inode || !model_file__is_named(map->path))
		return;
	f = find_file(c, pid, map->device, map->inode);
	if (!f)
		f = add_file(c, pid, map->path, map->device, map->inode, model_file__open(pid, map));
	if (!f)
		return;
	f->mapped = true;
	f->last_ns = now;
	resident = process__resident(pid, map->start, map->end);
	f->mapped_now += (int64_t)(map->end - map->start);
	f->resident_now = f->resident_now == ABSENT || resident < 0 ? ABSENT : f->resident_now + resident;
}

static void see_device(struct files *c, const char *path)
{
	const size_t n = strlen(c->devices), length = strlen(path);
	const char *found = strstr(c->devices, path);

	while (found && found[length] && found[length] != ',')
		found = strstr(found + 1, path);
	if (!found && n + length + 3 < sizeof(c->devices))
		snprintf(c->devices + n, sizeof(c->devices) - n, "%s%s", n ? ", " : "", path);
}

struct looking {
	struct files *c;
	uint32_t pid;
	uint64_t now;
};

static int see_open(void *ctx, const struct process_open_file *file)
{
	const struct looking *l = ctx;
	struct weight_file *f;
	char path[64];

	if (file->is_device) {
		if (!device_node__is_common(file->path))
			see_device(l->c, file->path);
		return 0;
	}
	if (!model_file__is_named(file->path))
		return 0;
	f = find_file(l->c, l->pid, file->device, file->inode);
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/fd/%d", l->pid, file->fd);
	if (!f)
		f = add_file(l->c, l->pid, file->path, file->device, file->inode,
			     open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
	if (f)
		f->last_ns = l->now;
	return 0;
}

static void take_figures(struct files *c, uint32_t pid, uint64_t now)
{
	for (int i = 0; i < c->n_files; i++) {
		struct weight_file *f = &c->files[i];

		if (f->pid != pid || f->last_ns != now || !f->mapped)
			continue;
		if (f->mapped_bytes == ABSENT || f->mapped_now > f->mapped_bytes)
			f->mapped_bytes = f->mapped_now;
		if (f->resident_now != ABSENT) {
			f->resident_bytes = f->resident_now;
			f->looked_ns = now;
		}
	}
}

static void look(struct files *c, struct watched *w, uint64_t now)
{
	struct looking looking = { c, w->pid, now };
	struct process_map *maps = NULL;
	struct process_footprint footprint;
	size_t n = 0;

	for (int i = 0; i < c->n_files; i++)
		c->files[i].mapped_now = c->files[i].resident_now = 0;
	if (process__maps(w->pid, &maps, &n) == -ESRCH)
		w->gone = true;
	for (size_t i = 0; i < n; i++) {
		see_map(c, w->pid, &maps[i], now);
		if (!device_node__is_common(maps[i].path))
			see_device(c, maps[i].path);
	}
	free(maps);
	take_figures(c, w->pid, now);
	if (!w->gone && process__open_files(w->pid, see_open, &looking) == 0)
		c->looked = true;
	if (process__footprint(w->pid, &footprint) == 0 && footprint.anon >= 0) {
		w->footprint = footprint;
		w->footprint_ns = now;
		w->has_footprint = true;
	}
}

static bool has_files(const struct files *c, uint32_t pid)
{
	for (int i = 0; i < c->n_files; i++)
		if (c->files[i].pid == pid)
			return true;
	return false;
}

static void look_and_wait(struct files *c, struct watched *w, uint64_t now)
{
	look(c, w, now);
	if (has_files(c, w->pid) || now - w->joined_ns > SEARCH_NS)
		w->distance_ns = w->distance_ns < LONGEST_NS ? 2 * w->distance_ns : LONGEST_NS;
	w->next_ns = now + w->distance_ns;
}

static int files_attach(struct session *s, void *state, uint32_t pid)
{
	struct files *c = state;
	struct watched *w = NULL;
	const uint64_t now = monotonic_ns();

	(void)s;
	for (size_t i = 0; i < c->n_watched && !w; i++)
		if (c->watched[i].pid == pid)
			w = &c->watched[i];
	if (!w && c->n_watched == MAX_TARGETS)
		return -ENOSPC;
	if (!w)
		w = &c->watched[c->n_watched++];
	/* The number may be another process's now, or the same process's with another program. */
	*w = (struct watched){ .pid = pid, .joined_ns = now, .distance_ns = 500000000u };
	look_and_wait(c, w, now);
	return 0;
}

static void files_tick(struct session *s, void *state, uint64_t now_ns)
{
	struct files *c = state;

	s->reads_weights = c->digests && file_digests__left(c->digests) > 0;
	for (size_t i = 0; i < c->n_watched; i++)
		if (!c->watched[i].gone && now_ns >= c->watched[i].next_ns)
			look_and_wait(c, &c->watched[i], now_ns);
}

/* --- the end -------------------------------------------------------------------------------------------------------- */

static int64_t known(int64_t bytes)
{
	return bytes < 0 ? ABSENT : bytes;
}

static void wait_for_digests(struct files *c)
{
	const volatile sig_atomic_t *interrupts = c->session->options.interrupts;
	const int before = interrupts ? *interrupts : 0;
	bool said = false;

	if (!c->digests)
		return;
	/* The recording is over: what is left of the work holds up nobody but who waits for the file. */
	file_digests__hurry(c->digests);
	while (!file_digests__wait(c->digests, WAIT_MS) && (interrupts ? *interrupts : 0) == before)
		if (!said) {
			message__info("SHA-256 of the weight files: %.1f GB are left to be read; ^C leaves that out",
				      (double)file_digests__left(c->digests) / 1e9);
			said = true;
		}
}

static void write_file(struct files *c, int i)
{
	const struct weight_file *f = &c->files[i];
	char hex[FILE_DIGEST_SIZE] = "", reason[160] = "";
	struct row_file row = {
		.id = i + 1,
		.pid = f->pid,
		.path = f->path,
		.device = f->device,
		.inode = f->inode,
		.size_bytes = f->size,
		.access = f->mapped ? "mapped" : "open",
		.first_ns = f->first_ns,
		.last_ns = f->last_ns,
		.mapped_bytes = f->mapped_bytes,
		.resident_bytes = f->resident_bytes,
		.looked_ns = f->looked_ns,
	};
	uint64_t n_done = 0;
	int err = c->digests ? file_digests__get(c->digests, f->digest, hex, &n_done) : 0;

	if (!c->digests)
		snprintf(reason, sizeof(reason), "not asked for: record --digest-models");
	else if (err == -EINPROGRESS)
		snprintf(reason, sizeof(reason),
			 "interrupted after %" PRIu64 " of %" PRId64 " bytes; let it end, or sha256sum the file",
			 n_done, f->size);
	else if (err == -ESTALE)
		snprintf(reason, sizeof(reason), "the file changed while it was read");
	else if (err)
		snprintf(reason, sizeof(reason), "it could not be read: %s", strerror(-err));
	row.sha256 = hex[0] ? hex : NULL;
	row.reason = reason[0] ? reason : NULL;
	recording_writer__file(c->session->writer, &row);
}

static void write_footprint(struct files *c, const struct watched *w)
{
	const struct row_footprint row = {
		.pid = w->pid,
		.time_ns = w->footprint_ns,
		.anon_bytes = known(w->footprint.anon),
		.file_bytes = known(w->footprint.file),
		.shared_bytes = known(w->footprint.shared),
		.swap_bytes = known(w->footprint.swap),
		.peak_bytes = known(w->footprint.peak),
	};

	if (w->has_footprint)
		recording_writer__footprint(c->session->writer, &row);
}

static void files_close(struct session *s, void *state)
{
	struct files *c = state;
	const uint64_t now = monotonic_ns();

	for (size_t i = 0; i < c->n_watched; i++)
		if (!c->watched[i].gone)
			look(c, &c->watched[i], now);
	if (c->too_many)
		session__note(s, "files", "partial", "more weight files than 256: the others are left out");
	wait_for_digests(c);
	for (int i = 0; i < c->n_files; i++)
		write_file(c, i);
	for (size_t i = 0; i < c->n_watched; i++)
		write_footprint(c, &c->watched[i]);
	if (c->looked)
		recording_writer__put_meta(s->writer, "device_files", c->devices);
	file_digests__free(c->digests);
	for (int i = 0; i < c->n_files; i++)
		close(c->files[i].fd);
	free(c);
}

const struct collector collector_files = {
	.name = "files",
	.doc = "weight files that the server has mapped or open, its memory and its devices, by /proc",
	.open = files_open,
	.attach = files_attach,
	.tick = files_tick,
	.close = files_close,
};
