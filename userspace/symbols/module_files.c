/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/symbols/module_files.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "userspace/process.h"
#include "userspace/symbols/debug_link.h"

#define MAX_MAPPED 65536	/* mapped files of all processes */
#define MAX_ROOTS 64

struct mapped_file {
	uint64_t device, inode;
	uint32_t pid;
	uint64_t start, end;
};

struct server_process {
	uint32_t pid, own_pid;	/* own_pid: as it knows itself, in its namespace */
	uint64_t dump_start, dump_end;	/* where it has mapped its jitdump file; 0: it has none */
	uid_t uid;
	int root;		/* -1: not to be had */
};

struct module_files {
	struct mapped_file *mapped;
	size_t n_mapped;
	struct server_process *processes;
	size_t n_processes;
	int roots[MAX_ROOTS];	/* each mount namespace once, this host's last */
	size_t n_roots;
};

/* --- files in the server's view ------------------------------------------------------------------------------------ */

/* As the process with this root directory would open it: absolute links stay in there. Regular files only. */
static int open_in_root(int root, const char *path)
{
	const struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
				      .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	int fd = root < 0 ? -1 : (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	struct stat st;

	if (fd < 0)
		return -ENOENT;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

static int open_root(const char *path)
{
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Is this root directory one that we have? The same directory of another mount namespace has a mount of its own. */
static bool has_root(const struct module_files *f, int root)
{
	struct statx a, b;
	size_t i;

	if (statx(root, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &a))
		return true;
	for (i = 0; i < f->n_roots; i++)
		if (statx(f->roots[i], "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &b) == 0 &&
		    a.stx_ino == b.stx_ino && a.stx_dev_major == b.stx_dev_major &&
		    a.stx_dev_minor == b.stx_dev_minor && a.stx_mnt_id == b.stx_mnt_id)
			return true;
	return false;
}

static void add_root(struct module_files *f, const char *path)
{
	int root = f->n_roots < MAX_ROOTS ? open_root(path) : -1;

	if (root < 0)
		return;
	if (has_root(f, root))
		close(root);
	else
		f->roots[f->n_roots++] = root;
}

/* --- the server's processes ---------------------------------------------------------------------------------------- */

static bool is_mapped(const struct module_files *f, uint64_t device, uint64_t inode)
{
	size_t i;

	for (i = f->n_mapped; i-- > 0;)
		if (f->mapped[i].inode == inode && f->mapped[i].device == device)
			return true;
	return false;
}

static void add_maps(struct module_files *f, struct server_process *p, const struct process_map *maps, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const char *name = strrchr(maps[i].path, '/');

		if (name && fnmatch("jit-*.dump", name + 1, 0) == 0) {
			p->dump_start = maps[i].start;
			p->dump_end = maps[i].end;
		}
		if (!maps[i].executable || maps[i].inode == 0 || f->n_mapped == MAX_MAPPED ||
		    is_mapped(f, maps[i].device, maps[i].inode))
			continue;
		f->mapped[f->n_mapped++] = (struct mapped_file){ .device = maps[i].device,
								 .inode = maps[i].inode,
								 .pid = p->pid,
								 .start = maps[i].start,
								 .end = maps[i].end };
	}
}

static void read_status(struct server_process *p)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/status", p->pid);
	f = fopen(path, "re");
	p->own_pid = p->pid;
	while (f && fgets(line, sizeof(line), f)) {
		const char *last = strrchr(line, '\t');

		/* One number per namespace, the innermost last (proc(5)). */
		if (strncmp(line, "NSpid:", 6) == 0 && last)
			p->own_pid = (uint32_t)strtoul(last + 1, NULL, 10);
		else if (strncmp(line, "Uid:", 4) == 0)
			p->uid = (uid_t)strtoul(line + 4, NULL, 10);
	}
	if (f)
		fclose(f);
}

static int add_process(struct module_files *f, uint32_t pid)
{
	struct server_process *p = &f->processes[f->n_processes];
	struct process_map *maps;
	struct mapped_file *bigger;
	char path[64];
	size_t n;
	int err = process__maps(pid, &maps, &n);

	if (err)
		return err == -ENOMEM ? err : 0;
	bigger = realloc(f->mapped, (f->n_mapped + n + 1) * sizeof(*bigger));
	if (!bigger) {
		free(maps);
		return -ENOMEM;
	}
	f->mapped = bigger;
	snprintf(path, sizeof(path), "/proc/%u/root", pid);
	*p = (struct server_process){ .pid = pid, .root = open_root(path) };
	read_status(p);
	add_maps(f, p, maps, n);
	add_root(f, path);
	f->n_processes++;
	free(maps);
	return 0;
}

int module_files__open(struct module_files **out, const uint32_t *pids, size_t n_pids)
{
	struct module_files *f = calloc(1, sizeof(*f));
	size_t i;
	int err = 0;

	*out = NULL;
	if (!f)
		return -ENOMEM;
	f->processes = calloc(n_pids ? n_pids : 1, sizeof(*f->processes));
	if (!f->processes)
		err = -ENOMEM;
	for (i = 0; i < n_pids && !err; i++)
		err = add_process(f, pids[i]);
	add_root(f, "/");
	if (err) {
		module_files__free(f);
		return err;
	}
	*out = f;
	return 0;
}

void module_files__free(struct module_files *f)
{
	size_t i;

	if (!f)
		return;
	for (i = 0; i < f->n_processes; i++)
		if (f->processes[i].root >= 0)
			close(f->processes[i].root);
	for (i = 0; i < f->n_roots; i++)
		close(f->roots[i]);
	free(f->processes);
	free(f->mapped);
	free(f);
}

/* --- modules ------------------------------------------------------------------------------------------------------- */

static int open_mapped(const struct module_files *f, const struct row_module *m)
{
	char path[96];
	size_t i;

	for (i = 0; i < f->n_mapped; i++) {
		const struct mapped_file *mapped = &f->mapped[i];
		const struct process_map map = { .start = mapped->start, .end = mapped->end };
		int fd;

		if (mapped->inode != m->inode || mapped->device != m->device)
			continue;
		process__map_file(mapped->pid, &map, path, sizeof(path));
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd >= 0)
			return fd;
	}
	return -ENOENT;
}

/* Is this the file that was mapped? @return 0, -ESTALE, -EBADMSG */
static int check(const struct row_module *m, int fd, bool is_mapped_one)
{
	char id[ELF_FILE_BUILD_ID_SIZE];
	struct elf_file *elf;
	struct stat st;
	bool same;

	if (elf_file__open_headers(&elf, fd))
		return -EBADMSG;
	/* A file that was written over has the same number, and another build. */
	if (m->build_id)
		same = elf_file__build_id(elf, id, sizeof(id)) == 0 && strcasecmp(id, m->build_id) == 0;
	else
		same = fstat(fd, &st) == 0 && (is_mapped_one || (st.st_dev == m->device && st.st_ino == m->inode)) &&
		       (m->size_bytes == ABSENT || st.st_size == m->size_bytes);
	elf_file__free(elf);
	return same ? 0 : -ESTALE;
}

int module_files__open_module(const struct module_files *f, const struct row_module *m)
{
	int fd = m->inode ? open_mapped(f, m) : -ENOENT, err = fd < 0 ? -ENOENT : check(m, fd, true);
	size_t i;

	for (i = 0; err && m->path && i < f->n_roots; i++) {
		int other;

		if (fd >= 0)
			close(fd);
		fd = open_in_root(f->roots[i], m->path);
		other = fd < 0 ? -ENOENT : check(m, fd, false);
		if (!other || err == -ENOENT)
			err = other;
	}
	if (err && fd >= 0)
		close(fd);
	return err ? err : fd;
}

int module_files__open_vdso(void)
{
	struct process_map *maps;
	size_t n, i;
	int fd = -ENOENT, err = process__maps((uint32_t)getpid(), &maps, &n);

	if (err)
		return err;
	for (i = 0; i < n; i++) {
		const size_t size = (size_t)(maps[i].end - maps[i].start);

		if (strcmp(maps[i].path, "[vdso]") != 0)
			continue;
		fd = memfd_create("vdso", MFD_CLOEXEC);
		if (fd >= 0 && write(fd, (const void *)(uintptr_t)maps[i].start, size) != (ssize_t)size) {
			close(fd);
			fd = -EIO;
		}
		break;
	}
	free(maps);
	return fd;
}

/* --- debug files --------------------------------------------------------------------------------------------------- */

#define DEBUG_DIRECTORY "/usr/lib/debug"

struct debug_search {
	const struct module_files *files;
	char build_id[ELF_FILE_BUILD_ID_SIZE];	/* "": the module has none */
	struct debug_link link;
	int self;		/* the module: a debug file that is the same file says nothing new */
	bool refused;
};

static bool is_same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool fits(struct debug_search *s, int fd)
{
	char id[ELF_FILE_BUILD_ID_SIZE];
	struct elf_file *elf;
	uint32_t crc;
	bool has_id;

	if (is_same_file(s->self, fd) || elf_file__open_headers(&elf, fd))
		return false;
	has_id = elf_file__build_id(elf, id, sizeof(id)) == 0;
	elf_file__free(elf);
	if (s->build_id[0] || has_id)
		return strcmp(s->build_id, has_id ? id : "") == 0;
	return s->link.name[0] && debug_link__crc(fd, &crc) == 0 && crc == s->link.crc;
}

static int try_path(struct debug_search *s, const char *path)
{
	size_t i;

	for (i = 0; i < s->files->n_roots; i++) {
		int fd = open_in_root(s->files->roots[i], path);

		if (fd < 0)
			continue;
		if (fits(s, fd))
			return fd;
		if (!is_same_file(s->self, fd))
			s->refused = true;
		close(fd);
	}
	return -ENOENT;
}

static int try_link(struct debug_search *s, const char *module)
{
	static const struct {
		const char *before, *behind;	/* the module's directory */
	} places[] = { { "", "/" }, { "", "/.debug/" }, { DEBUG_DIRECTORY, "/" } };
	const char *slash = module ? strrchr(module, '/') : NULL;
	char path[PATH_MAX];
	int fd = -ENOENT;
	size_t i;

	for (i = 0; slash && fd < 0 && i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s%.*s%s%s", places[i].before, (int)(slash - module), module,
			 places[i].behind, s->link.name);
		fd = try_path(s, path);
	}
	return fd;
}

int module_files__open_debug(const struct module_files *f, const struct row_module *m, int fd, bool *refused)
{
	struct debug_search s = { .files = f, .self = fd };
	char path[PATH_MAX];
	struct elf_file *elf;
	int found = -ENOENT;

	if (elf_file__open_headers(&elf, fd))
		return -ENOENT;
	if (elf_file__build_id(elf, s.build_id, sizeof(s.build_id)))
		s.build_id[0] = 0;
	if (debug_link__read(elf, &s.link))
		s.link.name[0] = 0;
	elf_file__free(elf);
	if (strlen(s.build_id) > 2) {
		snprintf(path, sizeof(path), DEBUG_DIRECTORY "/.build-id/%.2s/%s.debug", s.build_id, s.build_id + 2);
		found = try_path(&s, path);
	}
	if (found < 0 && s.link.name[0])
		found = try_link(&s, m->path);
	*refused = found < 0 && s.refused;
	return found;
}

/* --- code made at run time ----------------------------------------------------------------------------------------- */

int module_files__open_perf_map(const struct module_files *f, size_t i)
{
	const struct server_process *p;
	char path[64];
	struct stat st;
	int fd;

	if (i >= f->n_processes)
		return -ERANGE;
	p = &f->processes[i];
	snprintf(path, sizeof(path), "/tmp/perf-%u.map", p->own_pid);
	fd = open_in_root(p->root, path);
	/* Anyone may put a file into /tmp: it has to be the process's own. */
	if (fd >= 0 && (fstat(fd, &st) || (st.st_uid != p->uid && st.st_uid != 0))) {
		close(fd);
		fd = -ENOENT;
	}
	return fd;
}

int module_files__open_jitdump(const struct module_files *f, size_t i)
{
	const struct server_process *p;
	struct process_map map;
	char path[96];
	int fd;

	if (i >= f->n_processes)
		return -ERANGE;
	p = &f->processes[i];
	map = (struct process_map){ .start = p->dump_start, .end = p->dump_end };
	if (map.end == 0)
		return -ENOENT;
	process__map_file(p->pid, &map, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -ENOENT : fd;
}
