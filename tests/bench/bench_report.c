/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the recording of a simulated server with about a million tokens and a fit of its CPU time, kernel time and step
 * duration, for timing `tokprof report`.
 *
 *	bench_report FILE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "make_fit.h"
#include "make_server.h"
#include "userspace/analysis/ledger.h"

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The ledger alone, of a recording and a timeline that are there already. */
static void time_attribution(const struct recording *r)
{
	struct timeline timeline;
	struct ledger ledger;
	double start;

	if (timeline__build(&timeline, r) < 0)
		return;
	start = cpu_seconds();
	if (ledger__build(&ledger, &timeline, NULL) == 0) {
		printf("%zu rows attributed in %.2f s of CPU time\n", timeline.n_rows, cpu_seconds() - start);
		ledger__free(&ledger);
	}
	timeline__free(&timeline);
}

int main(int argc, char **argv)
{
	const struct server_options options = {
		.seed = 1,
		.n_requests = 10000,
		.n_slots = 4,
		.max_prompt = 400,
		.max_completion = 200,
		.mean_gap_ns = 100000000,
		.percent_cached = 10,
		.percent_stream = 70,
		.percent_leaves = 2,
	};
	struct maker m;
	static const int fitted[] = { COST_RESOURCE_WALL, RESOURCE_CPU_NS, RESOURCE_KERNEL_NS };
	struct made_fit fits[sizeof(fitted) / sizeof(fitted[0])];
	struct server_truth *truth;
	int64_t tokens = 0, i;
	int err;

	if (argc != 2) {
		fprintf(stderr, "usage: bench_report FILE\n");
		return 2;
	}
	maker__init(&m);
	truth = make_server(&m, &options);
	for (i = 0; i < options.n_requests; i++)
		tokens += truth[i].completion;
	for (size_t k = 0; k < sizeof(fitted) / sizeof(fitted[0]); k++) {
		make_fit(&fits[k], "target", fitted[k]);
		maker__fit(&m, &fits[k].fit);
	}
	err = maker__write(&m, argv[1]);
	printf("%lld requests, %lld tokens generated\n", (long long)options.n_requests, (long long)tokens);
	if (err)
		fprintf(stderr, "bench_report: %s: %s\n", argv[1], strerror(-err));
	else
		time_attribution(&m.recording);
	free(truth);
	maker__free(&m);
	return err ? 1 : 0;
}
