/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/host.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "userspace/recording.h"
#include "userspace/version.h"

static void read_cpu_model(char *out, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];

	snprintf(out, size, "unknown");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (!colon || (strncmp(line, "model name", 10) != 0 && strncmp(line, "CPU part", 8) != 0))
			continue;
		colon += strspn(colon, ": \t");
		colon[strcspn(colon, "\n")] = 0;
		snprintf(out, size, "%s", colon);
		break;
	}
	fclose(f);
}

/* Those that say how many operations a cycle can have at most (userspace/verify/identity.c). */
static void read_cpu_features(char *out, size_t size)
{
	static const char *const wanted[] = { "avx2",	  "fma",      "avx512f",  "avx_vnni", "avx512_vnni",
					      "amx_tile", "amx_int8", "amx_bf16", "asimd",    "asimddp",
					      "i8mm",	  "sve",      "sve2",	  "sme" };
	char line[8192], *word, *rest;
	FILE *f = fopen("/proc/cpuinfo", "re");
	size_t n = 0;

	out[0] = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "flags", 5) != 0 && strncmp(line, "Features", 8) != 0)
			continue;
		for (word = strtok_r(line, " \t\n:", &rest); word; word = strtok_r(NULL, " \t\n:", &rest))
			for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
				if (strcmp(word, wanted[i]) == 0 && n < size)
					n += (size_t)snprintf(out + n, size - n, "%s%s", n ? " " : "", word);
		break;
	}
	if (f)
		fclose(f);
}

static bool read_word(const char *cpus, const char *cpu, const char *file, char *out, size_t size)
{
	char path[400];
	FILE *f;
	bool good;

	snprintf(path, sizeof(path), "%s/%s/cpufreq/%s", cpus, cpu, file);
	f = fopen(path, "re");
	good = f && fgets(out, (int)size, f);
	if (f)
		fclose(f);
	if (good)
		out[strcspn(out, "\n")] = 0;
	return good;
}

/* acpi-cpufreq and others name a clock that the processor goes beyond where it is cool enough (kernel, admin-guide/pm/cpufreq). */
static bool counts_boost(const char *cpus, const char *cpu)
{
	static const char *const drivers[] = { "intel_pstate", "intel_cpufreq", "amd-pstate", "amd-pstate-epp" };
	char driver[64];

	if (!read_word(cpus, cpu, "scaling_driver", driver, sizeof(driver)))
		return false;
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (strcmp(driver, drivers[i]) == 0)
			return true;
	return false;
}

int64_t host__max_khz(const char *cpus)
{
	DIR *dir = opendir(cpus);
	struct dirent *entry;
	int64_t most = ABSENT;
	bool all = true;

	while (dir && (entry = readdir(dir))) {
		char text[32];
		long long khz;

		if (strncmp(entry->d_name, "cpu", 3) != 0 || entry->d_name[3] < '0' || entry->d_name[3] > '9')
			continue;
		khz = read_word(cpus, entry->d_name, "cpuinfo_max_freq", text, sizeof(text)) ? atoll(text) : 0;
		/* One that is switched off says nothing. */
		if (khz <= 0)
			continue;
		all = all && counts_boost(cpus, entry->d_name);
		if (khz > most)
			most = khz;
	}
	if (dir)
		closedir(dir);
	return all ? most : ABSENT;
}

/* Names of NVIDIA's devices as its driver gives them, one for each device: "NVIDIA A100-SXM4-80GB; NVIDIA ...". */
static bool read_accelerators(char *out, size_t size)
{
	char path[300], line[256];
	struct dirent *entry;
	DIR *dir = opendir("/proc/driver/nvidia/gpus");
	size_t n = 0;

	out[0] = 0;
	while (dir && (entry = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/driver/nvidia/gpus/%s/information", entry->d_name);
		f = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		while (f && fgets(line, sizeof(line), f)) {
			char *name = line + 6;

			if (strncmp(line, "Model:", 6) != 0)
				continue;
			name += strspn(name, " \t");
			name[strcspn(name, "\n")] = 0;
			if (n < size)
				n += (size_t)snprintf(out + n, size - n, "%s%s", n ? "; " : "", name);
		}
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return out[0];
}

void host__write_meta(struct recording_writer *writer)
{
	struct utsname u;
	char text[256];

	recording_writer__put_meta(writer, "tokprof_version", TOKPROF_VERSION);
	if (uname(&u) == 0) {
		recording_writer__put_meta(writer, "host", u.nodename);
		snprintf(text, sizeof(text), "%s %s %s", u.sysname, u.release, u.machine);
		recording_writer__put_meta(writer, "kernel", text);
	}
	read_cpu_model(text, sizeof(text));
	recording_writer__put_meta(writer, "cpu_model", text);
	read_cpu_features(text, sizeof(text));
	recording_writer__put_meta(writer, "cpu_features", text);
	recording_writer__put_meta_int(writer, "cpu_max_khz", host__max_khz("/sys/devices/system/cpu"));
	if (read_accelerators(text, sizeof(text)))
		recording_writer__put_meta(writer, "accelerators", text);
	recording_writer__put_meta_int(writer, "n_cpus", sysconf(_SC_NPROCESSORS_ONLN));
}

bool host__may_trace(char *error, size_t error_size)
{
	if (geteuid() == 0)
		return true;
	snprintf(error, error_size,
		 "recording needs root: BPF programs, uprobes and other processes' files are out of reach of user %u",
		 (unsigned)geteuid());
	return false;
}
