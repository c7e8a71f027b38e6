/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server with two requests whose stacks were sampled: prefill in matmul (with a function inlined into it) and attention, decode in
 * matmul and in a function without a name, a wait, a system call, and the HTTP thread between steps.
 */
#ifndef TOKPROF_TEST_FLAME_SCENE_H
#define TOKPROF_TEST_FLAME_SCENE_H

#include "scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/flame/graph.h"

struct flame_scene {
	struct scene s;
	int64_t main, matmul, attention, nameless, futex, http;	/* stacks */
	int64_t host_ns;	/* CPU time between the steps */
};

/* The middle of the step made last. */
static inline uint64_t flame_scene__within(const struct flame_scene *f)
{
	const struct row_step *step = &f->s.m.recording.steps[f->s.m.recording.n_steps - 1];

	return step->start_ns + (step->end_ns - step->start_ns) / 2;
}

static inline void flame_scene__stacks(struct flame_scene *f, const char *matmul)
{
	struct maker *m = &f->s.m;
	int64_t frame;

	f->main = maker__stack(m, ABSENT, maker__frame(m, FRAME_USER, "/opt/server", "main"));
	frame = maker__frame(m, FRAME_USER, "/opt/libggml.so", matmul);
	maker__inlined(m, frame, "vec_dot");
	f->matmul = maker__stack(m, f->main, frame);
	f->attention = maker__stack(
		m, f->main, maker__frame(m, FRAME_USER, "/opt/libggml.so", "flash_attn<half, 64>(float const*)"));
	f->nameless = maker__stack(m, f->main, maker__frame(m, FRAME_USER, "/opt/libggml.so", NULL));
	f->futex = maker__stack(m, f->main, maker__frame(m, FRAME_KERNEL, "kernel", "__x64_sys_futex"));
	f->futex = maker__stack(m, f->futex, maker__frame(m, FRAME_KERNEL, "kernel", "futex_wait"));
	f->http = maker__stack(m, f->main, maker__frame(m, FRAME_USER, "/opt/server", "http_loop"));
}

static inline void flame_scene__open(struct flame_scene *f, const char *matmul)
{
	memset(f, 0, sizeof(*f));
	scene__open(&f->s, 2);
	flame_scene__stacks(f, matmul);
	for (int i = 0; i < 2; i++) {
		scene__step(&f->s, &(struct part){ i, 40, 1 }, 1);
		maker__cpu_samples(&f->s.m, flame_scene__within(f), f->matmul, 6);
		maker__cpu_samples(&f->s.m, flame_scene__within(f), f->attention, 2);
	}
	for (int i = 0; i < 20; i++) {
		scene__decode(&f->s, 2, 1);
		maker__cpu_samples(&f->s.m, flame_scene__within(f), i % 4 ? f->matmul : f->nameless, 1);
		maker__cpu_samples(&f->s.m, flame_scene__within(f), f->futex, i % 5 == 0);
		maker__cpu_samples(&f->s.m, f->s.now - 50000, f->http, i % 10 == 0);
	}
}

/* The server used 12,345 ns between steps beyond what its steps did. */
static inline void flame_scene__report(struct flame_scene *f)
{
	const struct ledger_options how = { .want_rows = true, .want_wall = true };

	f->host_ns = 12345;
	maker__sample(&f->s.m, f->s.now, RESOURCE_CPU_NS, f->s.meter + f->host_ns);
	f->s.meter += f->host_ns;
	scene__report(&f->s, &how, true);
}

static inline struct flame_options flame_scene__options(const char *resource)
{
	struct flame_options options = { .resource = flame_resources, .phase = -1 };

	while (strcmp(options.resource->name, resource) != 0)
		options.resource++;
	return options;
}

static inline void flame_scene__graph(struct flame_scene *f, const struct flame_options *options, struct flame_graph *g)
{
	char error[512];

	if (flame_graph__build(g, &f->s.ledger, options, error, sizeof(error)))
		fail_msg("%s", error);
}

/* The figure of a node by the names that lead to it, with '/' between; -1: there is none. */
static inline int64_t flame_scene__at(const struct flame_graph *g, const char *path)
{
	uint32_t at = 0;

	while (*path) {
		const size_t n = strcspn(path, "/");
		uint32_t i = at + 1;

		while (i < g->nodes[at].end && (strncmp(g->names.all[g->nodes[i].name].text, path, n) != 0 ||
						g->names.all[g->nodes[i].name].text[n]))
			i = g->nodes[i].end;
		if (i >= g->nodes[at].end)
			return -1;
		at = i;
		path += n + (path[n] == '/');
	}
	return g->nodes[at].total;
}

#endif
