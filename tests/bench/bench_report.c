/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the recording of a simulated server with about a million tokens, for timing `tokprof report`.
 *
 *	bench_report FILE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "make_server.h"

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
	err = maker__write(&m, argv[1]);
	printf("%lld requests, %lld tokens generated\n", (long long)options.n_requests, (long long)tokens);
	if (err)
		fprintf(stderr, "bench_report: %s: %s\n", argv[1], strerror(-err));
	free(truth);
	maker__free(&m);
	return err ? 1 : 0;
}
