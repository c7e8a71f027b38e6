/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/host.h"

#include <stdio.h>
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
