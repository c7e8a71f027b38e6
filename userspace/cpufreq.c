/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/cpufreq.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPUS "/sys/devices/system/cpu"

/*
 * Where tracepoint cpu_frequency does not fire, or tells what was asked for and not what is: drivers/cpufreq/intel_pstate.c
 * (HWP; without it active mode traces each request), amd-pstate.c (schedutil goes through adjust_perf, which has a tracepoint of
 * its own; in active mode the firmware chooses).
 */
static const struct silent {
	const char *driver, *governor, *cpu_flag;	/* the last two NULL: any */
	const char *remedy;
} silent[] = {
	{ "intel_pstate", NULL, "hwp", "boot with intel_pstate=no_hwp, where the host may run so" },
	{ "intel_cpufreq", NULL, "hwp", "boot with intel_pstate=no_hwp, where the host may run so" },
	{ "amd-pstate-epp", NULL, NULL, "boot with amd_pstate=disable, where the host may run so" },
	{ "amd-pstate", "schedutil", NULL, "another governor than schedutil, or boot with amd_pstate=disable" },
};

/* The first word of a file. */
static bool read_word(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "re");
	bool found = f && fgets(out, (int)size, f);

	if (found)
		out[strcspn(out, " \t\n")] = '\0';
	if (f)
		fclose(f);
	return found && out[0];
}

static bool read_of_cpu(const char *root, size_t cpu, const char *name, char *out, size_t size)
{
	char path[256];

	snprintf(path, sizeof(path), "%s" CPUS "/cpu%zu/cpufreq/%s", root, cpu, name);
	return read_word(path, out, size);
}

static bool has_cpu_flag(const char *root, const char *flag)
{
	char path[256], *line = NULL, *word, *rest;
	size_t size = 0;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/cpuinfo", root);
	f = fopen(path, "re");
	while (f && getline(&line, &size, f) > 0) {
		if (strncmp(line, "flags", 5) != 0)
			continue;
		for (word = strtok_r(line, " \t\n", &rest); word && !found; word = strtok_r(NULL, " \t\n", &rest))
			found = strcmp(word, flag) == 0;
		break;
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

static const struct silent *find_silent(const char *root, const char *driver, size_t cpu)
{
	char governor[32] = "";

	read_of_cpu(root, cpu, "scaling_governor", governor, sizeof(governor));
	for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++)
		if (strcmp(driver, silent[i].driver) == 0 &&
		    (!silent[i].governor || strcmp(governor, silent[i].governor) == 0) &&
		    (!silent[i].cpu_flag || has_cpu_flag(root, silent[i].cpu_flag)))
			return &silent[i];
	return NULL;
}

/* "0-3,8": the next range of a list of CPUs, begun at *at. */
static bool next_range(const char **at, size_t *first, size_t *last)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	*first = *last = strtoul(*at, &end, 10);
	if (*end == '-')
		*last = strtoul(end + 1, &end, 10);
	*at = *end == ',' ? end + 1 : end;
	return true;
}

/* Governors that leave the frequency at a limit until somebody moves that. */
static const struct fixed {
	const char *governor, *file;
} fixed[] = {
	{ "performance", "scaling_max_freq" },
	{ "powersave", "scaling_min_freq" },
	{ "userspace", "scaling_setspeed" },
};

static uint32_t frequency_set(const char *root, size_t cpu, bool has_own_governors)
{
	char governor[32], khz[32];

	if (!read_of_cpu(root, cpu, "scaling_governor", governor, sizeof(governor)))
		return 0;
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (!has_own_governors && strcmp(governor, fixed[i].governor) == 0 &&
		    read_of_cpu(root, cpu, fixed[i].file, khz, sizeof(khz)))
			return (uint32_t)strtoul(khz, NULL, 10);
	return 0;
}

int cpufreq__read(const char *root, uint32_t *khz, size_t n_cpus, char driver[32], char *reason, size_t n_reason,
		  char *remedy, size_t n_remedy)
{
	char online[1024] = "", path[256];
	const struct silent *mute;
	const char *at = online;
	size_t first = 0, last;

	memset(khz, 0, n_cpus * sizeof(*khz));
	driver[0] = reason[0] = remedy[0] = '\0';
	snprintf(path, sizeof(path), "%s" CPUS "/online", root);
	if (!read_word(path, online, sizeof(online)) || !next_range(&at, &first, &last) ||
	    !read_of_cpu(root, first, "scaling_driver", driver, 32)) {
		snprintf(reason, n_reason,
			 "the kernel has no cpufreq driver here, as in most virtual machines: the hypervisor or the "
			 "firmware chooses");
		snprintf(remedy, n_remedy, "load the processor's cpufreq driver, on bare metal");
		return -ENODEV;
	}
	mute = find_silent(root, driver, first);
	if (mute) {
		snprintf(reason, n_reason, "driver %s: the processor or its firmware chooses, and tells no tracepoint",
			 driver);
		snprintf(remedy, n_remedy, "%s", mute->remedy);
		return -EOPNOTSUPP;
	}
	at = online;
	while (next_range(&at, &first, &last))
		for (; first <= last && first < n_cpus; first++)
			khz[first] = frequency_set(root, first, strcmp(driver, "intel_pstate") == 0);
	return 0;
}
