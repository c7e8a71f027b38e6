/* SPDX-License-Identifier: Apache-2.0 */
/* Sensors of the host that the kernel's tracepoints and performance events give. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "userspace/sensors.h"

#define MOUNT_TRACEFS "mount -t tracefs nodev /sys/kernel/tracing, as root"
#define BE_ROOT "run as root, or with CAP_PERFMON and CAP_BPF"

static int open_event(uint32_t type, uint64_t config)
{
	struct perf_event_attr attr = { .size = sizeof(attr), .type = type, .config = config, .disabled = 1 };
	int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Where tracefs is; it is never mounted here: that is the administrator's choice. @return 0, -ENOENT, -EACCES */
static int find_tracefs(const char *root, char *out, size_t size)
{
	static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	int rc = -ENOENT;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char events[256];
		int err;

		snprintf(out, size, "%s%s", root, places[i]);
		snprintf(events, sizeof(events), "%s/events", out);
		if (access(events, R_OK | X_OK) == 0)
			return 0;
		err = errno;
		if (err == EACCES)
			rc = -EACCES;
	}
	return rc;
}

/* A directory below events/; with an error the sentences are made. */
static int find_event(const char *root, const char *event, char *path, size_t size, char *detail, size_t n_detail,
		      char *remedy, size_t n_remedy)
{
	char tracefs[192];
	int rc = find_tracefs(root, tracefs, sizeof(tracefs));

	if (rc < 0) {
		snprintf(detail, n_detail, "tracefs: %s in /sys/kernel/tracing and /sys/kernel/debug/tracing",
			 strerror(-rc));
		snprintf(remedy, n_remedy, "%s", rc == -EACCES ? BE_ROOT : MOUNT_TRACEFS);
		return rc;
	}
	snprintf(path, size, "%s/events/%s", tracefs, event);
	if (access(path, R_OK) == 0)
		return 0;
	rc = -errno;
	snprintf(detail, n_detail, "tracepoint %s: %s", event, strerror(-rc));
	snprintf(remedy, n_remedy, "%s", rc == -EACCES ? BE_ROOT : "a kernel that was built with it");
	return rc;
}

static int read_number(const char *path, uint64_t *out)
{
	FILE *f = fopen(path, "re");
	char line[32];
	int rc = 0;

	if (!f)
		return -errno;
	if (fgets(line, sizeof(line), f))
		*out = strtoull(line, NULL, 10);
	else
		rc = -EIO;
	fclose(f);
	return rc;
}

/* A tracepoint is there and may be opened. */
static int probe_tracepoint(const char *root, const char *event, char *detail, size_t n_detail, char *remedy,
			    size_t n_remedy)
{
	char path[256], id_path[272];
	uint64_t id = 0;
	int rc = find_event(root, event, path, sizeof(path), detail, n_detail, remedy, n_remedy);

	if (rc < 0)
		return rc;
	snprintf(id_path, sizeof(id_path), "%s/id", path);
	rc = read_number(id_path, &id);
	if (rc == 0) {
		rc = open_event(PERF_TYPE_TRACEPOINT, id);
		if (rc >= 0) {
			close(rc);
			snprintf(detail, n_detail, "tracepoint %s can be attached", event);
			return 0;
		}
	}
	snprintf(detail, n_detail, "tracepoint %s is there, but cannot be opened: %s", event, strerror(-rc));
	snprintf(remedy, n_remedy, "%s", BE_ROOT);
	return rc;
}

static bool has_entry(const char *root, const char *directory, const char *prefix)
{
	char path[256];
	struct dirent *entry;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "%s%s", root, directory);
	d = opendir(path);
	while (d && !found && (entry = readdir(d)))
		found = strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	if (d)
		closedir(d);
	return found;
}

static bool has_accelerator(const char *root)
{
	return has_entry(root, "/dev/dri", "renderD") || has_entry(root, "/dev/accel", "accel") ||
	       has_entry(root, "/dev", "nvidia") || has_entry(root, "/dev", "kfd");
}

static int lacks_accelerator(char *detail, size_t n_detail, char *remedy, size_t n_remedy)
{
	snprintf(detail, n_detail,
		 "no accelerator: no /dev/dri/renderD*, /dev/accel/*, /dev/nvidia* or /dev/kfd on this host");
	snprintf(remedy, n_remedy, "on a host with an accelerator, load its driver");
	return -ENODEV;
}

static int probe_dma_fence(const char *root, char *detail, size_t n_detail, char *remedy, size_t n_remedy)
{
	int rc = probe_tracepoint(root, "dma_fence/dma_fence_signaled", detail, n_detail, remedy, n_remedy);

	/* A kernel without any DRM driver has the tracepoints too; nothing will ever pass them. */
	if (rc == 0 && !has_accelerator(root))
		return lacks_accelerator(detail, n_detail, remedy, n_remedy);
	return rc;
}

const struct host_sensor sensor_dma_fence = {
	.id = "dma_fence",
	.resource = "device_ns",
	.source = "tracepoints dma_fence/*",
	.probe = probe_dma_fence,
};

static int probe_gpu_scheduler(const char *root, char *detail, size_t n_detail, char *remedy, size_t n_remedy)
{
	char path[256];
	int rc;

	if (!has_accelerator(root))
		return lacks_accelerator(detail, n_detail, remedy, n_remedy);
	rc = find_event(root, "gpu_scheduler", path, sizeof(path), detail, n_detail, remedy, n_remedy);
	if (rc == 0)
		snprintf(detail, n_detail, "tracepoints gpu_scheduler/* are there");
	else if (rc == -ENOENT && strstr(detail, "tracepoint"))
		snprintf(remedy, n_remedy,
			 "load a driver that uses the kernel's gpu_sched module (amdgpu, xe, panfrost, ...)");
	return rc;
}

const struct host_sensor sensor_gpu_scheduler = {
	.id = "gpu_scheduler",
	.resource = "device_ns, queueing on the device",
	.source = "tracepoints gpu_scheduler/*",
	.probe = probe_gpu_scheduler,
};
