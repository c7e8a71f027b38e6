/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock frequency of the CPUs that the server's threads run on, as the kernel's cpufreq driver sets it: evidence for why a
 * step took longer. What a processor makes of that by itself (turbo, heat) is not told.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/collector.h"
#include "collectors/skeleton.h"
#include "frequency.skel.h"
#include "userspace/cpufreq.h"
#include "userspace/session.h"

#define MAX_CPUS 8192

/* For tests: a tree of files in the place of the host's /sys and /proc. */
static const char *sysfs_root(void)
{
	const char *root = getenv("TOKPROF_CPUFREQ_ROOT");

	return root ? root : "";
}

static size_t count_cpus(void)
{
	const int n = libbpf_num_possible_cpus();

	return n < 1 ? 1 : n > MAX_CPUS ? MAX_CPUS : (size_t)n;
}

/* Before any process is let in, and before the first change can be told. */
static int watch_cpus(struct session *s, const uint32_t *khz, size_t n_cpus)
{
	for (uint32_t cpu = 0; cpu < n_cpus; cpu++) {
		const struct cpu_state state = { .value = CPU_WATCHED | clock__weight(khz[cpu]) };
		int err = bpf_map_update_elem(s->cpus_fd, &cpu, &state, BPF_ANY);

		if (err)
			return err;
	}
	return 0;
}

static int load(struct session *s, struct frequency_bpf *skel, const uint32_t *khz, size_t n_cpus)
{
	int err = session__share_maps(s, skel->obj);

	if (!err)
		err = frequency_bpf__load(skel);
	if (!err)
		err = watch_cpus(s, khz, n_cpus);
	return err ? err : frequency_bpf__attach(skel);
}

static int frequency_open(struct session *s, void **out)
{
	const size_t n_cpus = count_cpus();
	uint32_t *khz = calloc(n_cpus, sizeof(*khz));
	char driver[32], reason[160] = "", remedy[160];
	struct frequency_bpf *skel = NULL;
	int err = -ENOMEM;

	if (!khz)
		return err;
	err = cpufreq__read(sysfs_root(), khz, n_cpus, driver, reason, sizeof(reason), remedy, sizeof(remedy));
	if (!err) {
		skel = frequency_bpf__open();
		err = skel ? load(s, skel, khz, n_cpus) : -errno;
		snprintf(reason, sizeof(reason), "tracepoint power:cpu_frequency: %s", strerror(-err));
	}
	free(khz);
	if (err) {
		session__note(s, "frequency", "absent", reason);
		frequency_bpf__destroy(skel);
		return err;
	}
	s->clock_running = true;
	*out = skel;
	return 0;
}

static int frequency_set_enabled(struct session *s, void *state, bool on)
{
	(void)s;
	if (on)
		return frequency_bpf__attach(state);
	frequency_bpf__detach(state);
	return 0;
}

static size_t frequency_programs(void *state, int *fds, size_t max)
{
	return skeleton__programs(((struct frequency_bpf *)state)->obj, fds, max);
}

static void frequency_close(struct session *s, void *state)
{
	s->clock_running = false;
	frequency_bpf__destroy(state);
}

static int frequency_probe(struct sensor *out, int max)
{
	const size_t n_cpus = count_cpus();
	uint32_t *khz = calloc(n_cpus, sizeof(*khz));
	struct frequency_bpf *skel;
	char driver[32];
	int err;

	if (max < 1 || !khz) {
		free(khz);
		return 0;
	}
	out[0] = (struct sensor){ .id = "cpu_frequency", .resource = "clock frequency of steps" };
	snprintf(out[0].source, sizeof(out[0].source), "tracepoint power:cpu_frequency");
	err = cpufreq__read(sysfs_root(), khz, n_cpus, driver, out[0].reason, sizeof(out[0].reason), out[0].remedy,
			    sizeof(out[0].remedy));
	free(khz);
	if (err)
		return 1;
	skel = frequency_bpf__open_and_load();
	err = skel ? frequency_bpf__attach(skel) : -errno;
	frequency_bpf__destroy(skel);
	if (!err) {
		out[0].grade = GRADE_DERIVED;
		snprintf(out[0].source, sizeof(out[0].source), "tracepoint power:cpu_frequency, driver %s", driver);
		snprintf(out[0].reason, sizeof(out[0].reason),
			 "as the kernel sets it; what turbo and heat make of it is not told");
	} else {
		snprintf(out[0].reason, sizeof(out[0].reason), "the program could not be attached: %s", strerror(-err));
		snprintf(out[0].remedy, sizeof(out[0].remedy), "run as root on a kernel 5.17 or later that has it");
	}
	return 1;
}

const struct collector collector_frequency = {
	.name = "frequency",
	.doc = "clock frequency of the CPUs that the server's threads run on, as the kernel sets it",
	.probe = frequency_probe,
	.open = frequency_open,
	.set_enabled = frequency_set_enabled,
	.programs = frequency_programs,
	.close = frequency_close,
};
