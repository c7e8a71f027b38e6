/* SPDX-License-Identifier: Apache-2.0 */
/* How long the cost model takes: sharing a million rows in steps of several kinds, and fitting 4,000 steps. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "make_server.h"
#include "userspace/cost/cost.h"

#define N_ROWS 1000000
#define N_STEPS 4000

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double uniform(uint64_t *seed)
{
	return (double)(random_next(seed) >> 11) / 9007199254740992.0;
}

struct kind {
	const char *name;
	size_t n_single, n_long;
};

static void fill(struct cost_row *rows, size_t n, const struct kind *kind, uint64_t *seed)
{
	const size_t size = kind->n_single + kind->n_long;

	for (size_t i = 0; i < n; i++)
		rows[i] = (struct cost_row){ i % size < kind->n_single ? 1 : 2 + (uint32_t)random_below(seed, 500),
					     (uint32_t)random_below(seed, 8000), 1, (uint32_t)(i % size) };
}

static void bench_share(const double *terms, struct cost_row *rows, double *shares, uint64_t *seed)
{
	static const struct kind kinds[] = {
		{ "1 row", 1, 0 },
		{ "4 decoding", 4, 0 },
		{ "32 decoding", 32, 0 },
		{ "3 decoding, 1 prompt", 3, 1 },
		{ "31 decoding, 1 prompt", 31, 1 },
		{ "8 decoding, 6 prompts", 8, 6 },
		{ "64 prompts", 0, 64 },
	};
	static const char *const conventions[] = { "row", "token", "request" };

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		const size_t size = kinds[k].n_single + kinds[k].n_long;

		fill(rows, N_ROWS, &kinds[k], seed);
		printf("%-24s", kinds[k].name);
		for (int f = 0; f < 3; f++) {
			const double start = now();

			for (size_t i = 0; i + size <= N_ROWS; i += size)
				if (cost__share(terms, rows + i, size, (enum fixed_by)f, shares + i))
					exit(1);
			printf("  by %s %6.3f s", conventions[f], now() - start);
		}
		printf("\n");
	}
}

static void bench_fit(const double *terms, struct cost_row *rows, uint64_t *seed)
{
	const struct cost_fit_options options = { .n_draws = 64, .seed = 1, .hold_out = true };
	struct cost_sample *samples = calloc(N_STEPS, sizeof(*samples));
	uint32_t *ends = calloc(N_STEPS, sizeof(*ends));
	struct cost_model m;
	double start;

	if (!samples || !ends)
		exit(1);
	for (size_t i = 0; i < N_STEPS; i++) {
		struct cost_row *own = rows + 10 * i;

		ends[i] = 1 + (uint32_t)random_below(seed, 8);
		for (uint32_t k = 0; k < ends[i]; k++)
			own[k].n_tokens = k || random_below(seed, 4) ? 1 : 1 + (uint32_t)random_below(seed, 511);
		samples[i] = (struct cost_sample){ .rows = own, .part_end = &ends[i], .n_parts = 1 };
		samples[i].start_ns = i * 20000000;
		samples[i].value = cost__predict(terms, own, ends[i]) * (0.9 + 0.2 * uniform(seed));
	}
	start = now();
	if (cost__fit(&m, samples, N_STEPS, &options))
		exit(1);
	printf("fit of %d steps, 64 replicates: %.3f s\n", N_STEPS, now() - start);
	cost__free(&m);
	free(samples);
	free(ends);
}

int main(void)
{
	struct cost_row *rows = calloc(N_ROWS, sizeof(*rows));
	double *shares = calloc(N_ROWS, sizeof(*shares)), terms[COST_TERMS];
	uint64_t seed = 1;

	if (!rows || !shares)
		return 1;
	for (size_t t = 0; t < COST_TERMS; t++)
		terms[t] = t < COST_KNOTS ? 3e6 + 1.28e6 * cost_knots[t] * (0.9 + 0.2 * uniform(&seed)) : 1000;
	printf("a million rows in steps of\n");
	bench_share(terms, rows, shares, &seed);
	bench_fit(terms, rows, &seed);
	free(rows);
	free(shares);
	return 0;
}
