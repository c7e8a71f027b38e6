/* SPDX-License-Identifier: Apache-2.0 */
#include "collectors/uprobe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* include/uapi/linux/bpf.h of 6.6 and later; Debian 12's headers are older. */
#define ATTACH_UPROBE_MULTI 48

struct link_create_uprobe_multi {
	uint32_t prog_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t ref_ctr_offsets;
	uint64_t cookies;
	uint32_t cnt;
	uint32_t multi_flags;
	uint32_t pid;
	uint32_t pad;
};

static int create_multi(int program_fd, const char *path, uint32_t pid, const uint64_t *offsets,
			const uint64_t *cookies, size_t n)
{
	struct link_create_uprobe_multi attr = {
		.prog_fd = (uint32_t)program_fd,
		.attach_type = ATTACH_UPROBE_MULTI,
		.path = (uint64_t)(uintptr_t)path,
		.offsets = (uint64_t)(uintptr_t)offsets,
		.cookies = (uint64_t)(uintptr_t)cookies,
		.cnt = (uint32_t)n,
		.pid = pid,
	};
	int fd = (int)syscall(__NR_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

static int load_empty(bool multi)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = (enum bpf_attach_type)(multi ? ATTACH_UPROBE_MULTI : 0));

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "probe_empty", "GPL", insns, 2, &opts);
}

int uprobe__empty_program(void)
{
	int fd = load_empty(uprobe__has_multi());

	return fd < 0 ? -errno : fd;
}

bool uprobe__has_multi(void)
{
	static int known = -1;
	const uint64_t offset = 0;
	int program_fd, link_fd;

	if (known >= 0)
		return known;
	known = 0;
	program_fd = load_empty(true);
	if (program_fd < 0)
		return false;
	/* A kernel that knows the link looks at the path and finds a folder; another one does not know the type. */
	link_fd = create_multi(program_fd, "/", 0, &offset, NULL, 1);
	known = link_fd == -EBADF;
	if (link_fd >= 0)
		close(link_fd);
	close(program_fd);
	return known;
}

void uprobe__prepare(struct bpf_program *program)
{
	if (uprobe__has_multi())
		bpf_program__set_expected_attach_type(program, (enum bpf_attach_type)ATTACH_UPROBE_MULTI);
}

/* The type number of the uprobe PMU; it differs between kernels. */
static int uprobe_pmu_type(void)
{
	FILE *f = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	int type = -ENOENT;

	if (!f)
		return -errno;
	if (fscanf(f, "%d", &type) != 1)
		type = -EINVAL;
	fclose(f);
	return type;
}

/* One perf event and one BPF link on it; the link holds the event. */
static int attach_single(int program_fd, int pmu, const char *path, const struct uprobe_point *point)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .perf_event.bpf_cookie = point->cookie);
	struct perf_event_attr attr = {
		.type = (uint32_t)pmu,
		.size = sizeof(attr),
		.config1 = (uint64_t)(uintptr_t)path,
		.config2 = point->offset,
	};
	int event_fd, link_fd;

	event_fd = (int)syscall(__NR_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (event_fd < 0)
		return -errno;
	link_fd = bpf_link_create(program_fd, event_fd, BPF_PERF_EVENT, &opts);
	if (link_fd >= 0 && ioctl(event_fd, PERF_EVENT_IOC_ENABLE, 0)) {
		int err = -errno;

		close(link_fd);
		link_fd = err;
	}
	close(event_fd);
	return link_fd;
}

int uprobe_links__attach(struct uprobe_links *links, int program_fd, const char *path, uint32_t pid,
			 const struct uprobe_point *points, size_t n_points)
{
	uint64_t *offsets;
	size_t i;
	int pmu, fd;

	memset(links, 0, sizeof(*links));
	links->fds = calloc(n_points, sizeof(*links->fds));
	if (!links->fds)
		return -ENOMEM;
	if (uprobe__has_multi()) {
		offsets = calloc(2 * n_points, sizeof(*offsets));
		if (!offsets) {
			uprobe_links__detach(links);
			return -ENOMEM;
		}
		for (i = 0; i < n_points; i++) {
			offsets[i] = points[i].offset;
			offsets[n_points + i] = points[i].cookie;
		}
		fd = create_multi(program_fd, path, pid, offsets, offsets + n_points, n_points);
		free(offsets);
		if (fd < 0) {
			uprobe_links__detach(links);
			return fd;
		}
		links->fds[links->n_fds++] = fd;
		return 0;
	}
	pmu = uprobe_pmu_type();
	if (pmu < 0) {
		uprobe_links__detach(links);
		return pmu;
	}
	/*
	 * An event of one process would follow only the thread it names. One for all processes on one CPU number fires
	 * everywhere for uprobes (they are not bound to a CPU); the program looks at the process first.
	 */
	for (i = 0; i < n_points; i++) {
		fd = attach_single(program_fd, pmu, path, &points[i]);
		if (fd < 0) {
			uprobe_links__detach(links);
			return fd;
		}
		links->fds[links->n_fds++] = fd;
	}
	return 0;
}

void uprobe_links__detach(struct uprobe_links *links)
{
	size_t i;

	for (i = 0; i < links->n_fds; i++)
		close(links->fds[i]);
	free(links->fds);
	memset(links, 0, sizeof(*links));
}
