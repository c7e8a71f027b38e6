/* SPDX-License-Identifier: Apache-2.0 */
#include "collectors/engine_operators.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "userspace/recording.h"

void operator_schedule__init(struct operator_schedule *s)
{
	*s = (struct operator_schedule){ .pause_ns = OPERATOR_SHORTEST_PAUSE_NS };
}

bool operator_schedule__due(const struct operator_schedule *s, uint64_t now_ns, int64_t cpu_ns)
{
	return now_ns >= s->next_ns && cpu_ns >= s->next_cpu_ns;
}

void operator_schedule__ended(struct operator_schedule *s, uint64_t now_ns, int64_t cpu_ns, int64_t cost_ns)
{
	s->next_ns = now_ns + s->pause_ns;
	s->next_cpu_ns = cpu_ns + (int64_t)((double)cost_ns / OPERATOR_BUDGET);
	s->pause_ns *= 2;
	if (s->pause_ns > OPERATOR_LONGEST_PAUSE_NS)
		s->pause_ns = OPERATOR_LONGEST_PAUSE_NS;
}

bool operator_role(enum probe_role role)
{
	return role >= PROBE_NODE && role <= PROBE_SAMPLING_RETURN;
}

/* @return bytes, 0 where there are none */
static size_t read_memory(uint32_t pid, uint64_t address, void *out, size_t size)
{
	struct iovec local = { .iov_base = out, .iov_len = size };
	struct iovec remote = { .iov_base = (void *)(uintptr_t)address, .iov_len = size };
	ssize_t n = process_vm_readv((pid_t)pid, &local, 1, &remote, 1, 0);

	return n > 0 ? (size_t)n : 0;
}

/* A name may stand at the end of what is mapped: less is asked for then. */
static size_t read_name(uint32_t pid, uint64_t address, char *out)
{
	const uint64_t left = 4096 - address % 4096;
	size_t n = read_memory(pid, address, out, MAX_OPERATOR_NAME);

	return n == 0 && left < MAX_OPERATOR_NAME ? read_memory(pid, address, out, left) : n;
}

static void read_names(struct operator_names *names, uint32_t pid, uint64_t table)
{
	char text[MAX_OPERATOR_NAME];
	uint64_t pointer;
	size_t n;

	while (read_memory(pid, table + names->n * sizeof(pointer), &pointer, sizeof(pointer)) == sizeof(pointer)) {
		n = read_name(pid, pointer, text);
		if (n == 0 || !operator_names__add(names, text, n))
			return;
	}
}

void engine_operators__init(struct engine_operators *o, const struct engine_instance *in)
{
	bool has_nodes = false;

	memset(o, 0, sizeof(*o));
	for (size_t i = 0; i < in->n_probes; i++)
		has_nodes |= in->probes[i].role == PROBE_NODE;
	if (!has_nodes) {
		snprintf(o->reason, sizeof(o->reason),
			 "the functions that compute a graph are not known in this build");
		return;
	}
	read_names(&o->names, in->pid, in->op_names);
	o->usable = operator_names__plausible(&o->names);
	if (!o->usable)
		snprintf(o->reason, sizeof(o->reason), "the engine's table of operators cannot be read");
}

int engine_operators__attach(struct engine_operators *o, const struct engine_instance *in,
			     const struct engine_operators_bpf *bpf)
{
	struct uprobe_point points[MAX_ENGINE_PROBES];
	int err = 0;

	for (size_t m = 0; m < in->n_modules && !err; m++) {
		size_t n = 0;

		for (size_t i = 0; i < in->n_probes; i++)
			if (in->probes[i].module == m && operator_role(in->probes[i].role))
				points[n++] =
					(struct uprobe_point){ in->probes[i].place.file_offset, bpf->first_probe + i };
		if (n > 0)
			err = uprobe_links__attach(&o->links[m], bpf->program_fd, in->modules[m].attach_path, in->pid,
						   points, n);
	}
	if (err)
		engine_operators__detach(o, in);
	return err;
}

void engine_operators__detach(struct engine_operators *o, const struct engine_instance *in)
{
	for (size_t m = 0; m < in->n_modules; m++)
		uprobe_links__detach(&o->links[m]);
}

int64_t engine_operators__cost(struct engine_operators *o, const struct engine_instance *in,
			       const struct engine_operators_bpf *bpf)
{
	uint64_t hits = 0, stepped = 0;
	int64_t cost_ns;

	for (size_t i = 0; i < in->n_probes; i++) {
		uint32_t key = bpf->first_probe + (uint32_t)i;
		struct engine_probe_config config;

		if (!operator_role(in->probes[i].role) || bpf_map_lookup_elem(bpf->probes_fd, &key, &config))
			continue;
		if (in->probes[i].place.emulated)
			hits += config.hits;
		else
			stepped += config.hits;
	}
	cost_ns = (int64_t)(hits - o->hits_seen) * OPERATOR_HIT_NS +
		  (int64_t)(stepped - o->stepped_seen) * OPERATOR_STEPPED_HIT_NS;
	o->hits_seen = hits;
	o->stepped_seen = stepped;
	return cost_ns;
}

int operator_hit__calibrate(struct hit_cost *out)
{
	int program_fd = uprobe__empty_program(), err;

	if (program_fd < 0)
		return program_fd;
	err = hit_cost__calibrate(out, program_fd);
	close(program_fd);
	return err;
}

int64_t engine_operators__node_hit_ns(const struct engine_instance *in, const struct engine_operators_bpf *bpf,
				      const struct hit_cost *cost)
{
	int64_t hits = 0, ns = 0;

	for (size_t i = 0; i < in->n_probes; i++) {
		uint32_t key = bpf->first_probe + (uint32_t)i;
		struct engine_probe_config config;

		if (in->probes[i].role != PROBE_NODE || bpf_map_lookup_elem(bpf->probes_fd, &key, &config))
			continue;
		hits += (int64_t)config.hits;
		ns += (int64_t)config.hits * (in->probes[i].place.emulated ? cost->emulated_ns : cost->stepped_ns);
	}
	return hits > 0 ? ns / hits : ABSENT;
}
