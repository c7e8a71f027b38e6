/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the recording of a simulated server with as many stack samples as are asked for, a million unless told, of up to 60,000
 * different stacks that are 12 to 60 frames deep, for timing `tokprof flame`.
 *
 *	bench_flame FILE [SAMPLES]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "make_fit.h"
#include "make_server.h"

#define N_FRAMES 6000
#define MOST_STACKS 60000
#define LEAST_DEPTH 12
#define DEPTHS 48

/* A name that tries to end what it stands in, in every format. */
static const char hostile[] =
	"</script></title></text><script>document.title='owned'</script>\";\\ &amp; '\x1b[31m\xff\n99 99";

/* Frames of kernels are the deepest ones; of small numbers there are many. */
static void make_frames(struct maker *m, uint64_t *seed)
{
	static const char *const modules[] = { "/usr/lib/libggml-cpu.so", "/usr/lib/libllama.so", "/usr/lib/libc.so.6",
					       "/opt/server/llama-server" };

	for (int i = 0; i < N_FRAMES; i++) {
		const bool kernel = i % 10 == 9;
		char name[80];
		int64_t frame;

		snprintf(name, sizeof(name),
			 kernel ? "kernel_function_%d" : "ggml::kernels::function_%d<float, %d>(float const*, long)", i,
			 (int)random_below(seed, 64));
		frame = maker__frame(m, kernel ? FRAME_KERNEL : FRAME_USER, kernel ? "kernel" : modules[i % 4],
				     strdup(name));
		if (i % 7 == 0)
			maker__inlined(m, frame, i % 21 ? "vec_dot" : hostile);
	}
}

static int64_t random_frame(uint64_t *seed, bool kernel)
{
	const uint64_t n = 1 + random_below(seed, 12) * random_below(seed, 5) * random_below(seed, 9);

	return (int64_t)(n * 10 + (kernel ? 0 : random_below(seed, 9) + 1)) % N_FRAMES + (kernel ? 10 : 1);
}

/* Leaves of stacks, each grown from a place on an earlier one. */
static int64_t *make_stacks(struct maker *m, uint64_t *seed, int n_stacks)
{
	int64_t *leaves = malloc((size_t)n_stacks * sizeof(*leaves));

	for (int i = 0; leaves && i < n_stacks; i++) {
		const int depth = LEAST_DEPTH + (int)random_below(seed, DEPTHS);
		int64_t at = ABSENT;
		int d = 0;

		if (i) {
			at = leaves[random_below(seed, (uint64_t)i)];
			for (d = depth - 2 - (int)random_below(seed, 5); at > 8 && random_below(seed, 3); d--)
				at = m->recording.stacks[at - 1].parent;
			d = at == ABSENT ? 0 : d;
		}
		for (; d < depth || at == ABSENT; d++)
			at = maker__stack(m, at, random_frame(seed, d > depth - 3 && i % 9 == 0));
		leaves[i] = at;
	}
	return leaves;
}

int main(int argc, char **argv)
{
	const long n_samples = argc > 2 ? strtol(argv[2], NULL, 10) : 1000000;
	const int n_stacks = n_samples < MOST_STACKS ? (int)n_samples : MOST_STACKS;
	const struct server_options options = {
		.seed = 1,
		.n_requests = n_samples < 100000 ? 50 : 1000,
		.n_slots = 4,
		.max_prompt = 400,
		.max_completion = 200,
		.mean_gap_ns = 100000000,
		.percent_stream = 70,
	};
	struct server_truth *truth;
	struct made_fit fit;
	struct maker m;
	uint64_t seed = 7, span;
	int64_t *leaves;
	int err;

	if (argc < 2 || n_samples < 1) {
		fprintf(stderr, "bench_flame FILE [SAMPLES]\n");
		return 2;
	}
	maker__init(&m);
	make_fit(&fit, "target", RESOURCE_CPU_NS);
	truth = make_server(&m, &options);
	maker__fit(&m, &fit.fit);
	make_frames(&m, &seed);
	leaves = make_stacks(&m, &seed, n_stacks);
	if (!truth || !leaves)
		return 1;
	span = m.recording.steps[m.recording.n_steps - 1].end_ns - m.recording.steps[0].start_ns;
	for (long i = 0; i < n_samples; i++)
		maker__cpu_samples(&m, m.recording.steps[0].start_ns + span / (uint64_t)n_samples * (uint64_t)i,
				   leaves[random_below(&seed, (uint64_t)n_stacks) * random_below(&seed, 1000) / 1000],
				   1);
	maker__finish(&m);
	err = maker__write(&m, argv[1]);
	printf("%zu samples, %zu stacks, %zu steps: %s\n", m.recording.n_stack_samples, m.recording.n_stacks,
	       m.recording.n_steps, err ? strerror(-err) : "written");
	return err ? 1 : 0;
}
