/* SPDX-License-Identifier: Apache-2.0 */
#include "collectors/engine_batches.h"

#include <bpf/bpf.h>
#include <string.h>

#include "userspace/process.h"

bool batch_budget__exceeded(struct batch_budget *b, int64_t cpu_ns, int64_t cost_ns)
{
	b->cpu_ns += cpu_ns - b->cpu_seen;
	b->cost_ns += cost_ns - b->cost_seen;
	b->cpu_seen = cpu_ns;
	b->cost_seen = cost_ns;
	if (b->cpu_ns < BATCH_LEAST_CPU_NS)
		return false;
	if ((double)b->cost_ns > BATCH_BUDGET * (double)b->cpu_ns)
		return true;
	if (b->cpu_ns > BATCH_MOST_CPU_NS) {
		b->cpu_ns /= 2;
		b->cost_ns /= 2;
	}
	return false;
}

void engine_batches__init(struct engine_batches *b, const struct engine_instance *in)
{
	memset(b, 0, sizeof(*b));
	for (size_t i = 0; i < in->n_probes; i++)
		if (in->probes[i].role == PROBE_BATCH)
			b->state = BATCHES_READY;
}

void engine_batches__forget(int batches_fd, uint32_t pid)
{
	struct batch_key keys[MAX_BATCHES], *last = NULL;
	size_t n = 0;

	while (n < MAX_BATCHES && bpf_map_get_next_key(batches_fd, last, &keys[n]) == 0)
		last = &keys[n++];
	while (n-- > 0)
		if (keys[n].tgid == pid)
			bpf_map_delete_elem(batches_fd, &keys[n]);
}

static int attach_some(struct uprobe_links *links, const struct engine_instance *in,
		       const struct engine_batches_bpf *bpf, size_t module, bool clears)
{
	struct uprobe_point points[MAX_ENGINE_PROBES];
	size_t n = 0;

	for (size_t i = 0; i < in->n_probes; i++) {
		const struct engine_probe *p = &in->probes[i];

		if (p->role == PROBE_BATCH && p->module == module && (p->kind == BATCH_CLEAR) == clears)
			points[n++] = (struct uprobe_point){ p->place.file_offset, bpf->first_probe + i };
	}
	if (n == 0)
		return 0;
	return uprobe_links__attach(links, bpf->program_fd, in->modules[module].attach_path, in->pid, points, n);
}

/*
 * A batch is followed from its `clear` on, which is therefore probed last, when no other call can be missed, and let go
 * first.
 */
int engine_batches__attach(struct engine_batches *b, const struct engine_instance *in,
			   const struct engine_batches_bpf *bpf)
{
	int err = 0;

	engine_batches__forget(bpf->batches_fd, in->pid);
	for (size_t m = 0; m < in->n_modules && !err; m++)
		err = attach_some(&b->others[m], in, bpf, m, false);
	for (size_t m = 0; m < in->n_modules && !err; m++)
		err = attach_some(&b->clears[m], in, bpf, m, true);
	if (err)
		engine_batches__detach(b, in, bpf);
	return err;
}

void engine_batches__detach(struct engine_batches *b, const struct engine_instance *in,
			    const struct engine_batches_bpf *bpf)
{
	for (size_t m = 0; m < in->n_modules; m++)
		uprobe_links__detach(&b->clears[m]);
	engine_batches__forget(bpf->batches_fd, in->pid);
	for (size_t m = 0; m < in->n_modules; m++)
		uprobe_links__detach(&b->others[m]);
}

bool engine_batches__exceeded(struct engine_batches *b, const struct engine_instance *in,
			      const struct engine_batches_bpf *bpf)
{
	int64_t cost_ns = 0, cpu_ns = process__cpu_ns(in->pid);

	for (size_t i = 0; i < in->n_probes; i++) {
		uint32_t key = bpf->first_probe + (uint32_t)i;
		struct engine_probe_config config;

		if (in->probes[i].role == PROBE_BATCH && !bpf_map_lookup_elem(bpf->probes_fd, &key, &config))
			cost_ns += (int64_t)config.hits *
				   (in->probes[i].place.emulated ? BATCH_HIT_NS : BATCH_STEPPED_HIT_NS);
	}
	return cpu_ns >= 0 && batch_budget__exceeded(&b->budget, cpu_ns, cost_ns);
}
