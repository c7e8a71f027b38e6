/* SPDX-License-Identifier: Apache-2.0 */
/* Sensors of the host that its processor, memory controllers and accelerators give. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/sensors.h"

#define EVENT_SOURCES "/sys/bus/event_source/devices"

/* The first entry of a directory that begins with one of the prefixes. @return 0, negative errno */
static int find_entry(const char *root, const char *directory, const char *const *prefixes, char *out, size_t size)
{
	char path[256];
	struct dirent *entry;
	int rc = -ENOENT;
	DIR *d;

	snprintf(path, sizeof(path), "%s%s", root, directory);
	d = opendir(path);
	if (!d)
		return -errno;
	while (rc != 0 && (entry = readdir(d))) {
		for (int i = 0; prefixes[i] && rc != 0; i++) {
			if (strncmp(entry->d_name, prefixes[i], strlen(prefixes[i])) != 0)
				continue;
			snprintf(out, size, "%s", entry->d_name);
			rc = 0;
		}
	}
	closedir(d);
	return rc;
}

static int probe_rapl(const char *root, char *detail, size_t n_detail, char *remedy, size_t n_remedy)
{
	static const char *const zones[] = { "intel-rapl:", NULL }, *const pmus[] = { "power", NULL };
	char name[64], path[400];
	int fd, err;

	if (find_entry(root, EVENT_SOURCES, pmus, name, sizeof(name)) == 0) {
		snprintf(detail, n_detail, "energy counters of " EVENT_SOURCES "/%s", name);
		return 0;
	}
	if (find_entry(root, "/sys/class/powercap", zones, name, sizeof(name)) < 0) {
		snprintf(detail, n_detail, "no energy counter: neither %s/power nor a zone in /sys/class/powercap",
			 EVENT_SOURCES);
		snprintf(remedy, n_remedy,
			 "bare metal with the module intel_rapl_msr (also for AMD), or an external meter");
		return -ENODEV;
	}
	snprintf(path, sizeof(path), "%s/sys/class/powercap/%s/energy_uj", root, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err = errno;
		snprintf(detail, n_detail, "/sys/class/powercap/%s/energy_uj: %s", name, strerror(err));
		snprintf(remedy, n_remedy, "%s", err == EACCES ? "run as root" : "load the module intel_rapl_msr");
		return -err;
	}
	close(fd);
	snprintf(detail, n_detail, "/sys/class/powercap/%s/energy_uj can be read", name);
	return 0;
}

const struct host_sensor sensor_rapl = {
	.id = "rapl",
	.resource = "energy_uj",
	.source = "energy counters of the processor (RAPL)",
	.probe = probe_rapl,
};

/* The three calls that are needed, by the names of NVIDIA's documented C interface. */
typedef int (*nvml_call)(void);
typedef int (*nvml_count)(unsigned int *);

static int ask_nvml(void *library, unsigned int *n_devices)
{
	/* POSIX has dlsym return functions as objects; the copy is its own example of how to take them. */
	void *symbols[3] = { dlsym(library, "nvmlInit_v2"), dlsym(library, "nvmlDeviceGetCount_v2"),
			     dlsym(library, "nvmlShutdown") };
	nvml_call init, shut_down;
	nvml_count count;
	int rc;

	if (!symbols[0] || !symbols[1] || !symbols[2])
		return -1;
	memcpy(&init, &symbols[0], sizeof(init));
	memcpy(&count, &symbols[1], sizeof(count));
	memcpy(&shut_down, &symbols[2], sizeof(shut_down));
	rc = init();
	if (rc != 0)
		return rc;
	rc = count(n_devices);
	shut_down();
	return rc;
}

static int probe_nvml(const char *root, char *detail, size_t n_detail, char *remedy, size_t n_remedy)
{
	char path[256];
	unsigned int n_devices = 0;
	void *library;
	int rc;

	snprintf(path, sizeof(path), "%s/dev/nvidiactl", root);
	if (access(path, F_OK) != 0) {
		snprintf(detail, n_detail, "no NVIDIA device: /dev/nvidiactl: %s", strerror(errno));
		snprintf(remedy, n_remedy, "on a host with an NVIDIA device, load its driver (modprobe nvidia)");
		return -ENODEV;
	}
	library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		snprintf(detail, n_detail,
			 "the device is there, but its library is not: libnvidia-ml.so.1 cannot be loaded");
		snprintf(remedy, n_remedy, "install the driver's user-space libraries (Debian: libnvidia-ml1)");
		return -ENOENT;
	}
	rc = ask_nvml(library, &n_devices);
	dlclose(library);
	if (rc != 0 || n_devices == 0) {
		snprintf(detail, n_detail, "libnvidia-ml.so.1 answered %d and named %u devices", rc, n_devices);
		snprintf(remedy, n_remedy,
			 "make library and kernel module of one version; see whether nvidia-smi works");
		return -EIO;
	}
	snprintf(detail, n_detail, "%u NVIDIA device%s", n_devices, n_devices == 1 ? "" : "s");
	return 0;
}

const struct host_sensor sensor_nvml = {
	.id = "nvml",
	.resource = "device_ns, energy_uj of NVIDIA devices",
	.source = "libnvidia-ml.so.1",
	.probe = probe_nvml,
};
