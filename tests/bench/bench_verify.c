/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time and memory of verdicts: a recording of many short requests made in memory, and a bill of as many lines, of which the first is
 * one token off.
 *
 *	bench_verify [REQUESTS]		(1,000,000)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "make_recording.h"
#include "userspace/verify/books.h"

#define MS 1000000ull
#define N_TOKENS 8
#define ID_SIZE 24

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long peak_mb(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss / 1024;
}

static void add_request(struct maker *m, uint64_t *now, const char *id)
{
	struct row_request *q = maker__request(m, *now, *now + 4 * MS);

	q->api_id = id;
	q->slot = 0;
	q->first_token_ns = q->last_token_ns = q->end_ns;
	q->billed_prompt_tokens = N_TOKENS;
	q->billed_cached_tokens = 0;
	q->billed_completion_tokens = 1;
	maker__remove(m, *now + MS, MAKER_TARGET, 0, 0);
	maker__step(m, MAKER_TARGET, *now + 2 * MS, *now + 3 * MS);
	maker__row(m, 0, 0, N_TOKENS, 1);
	*now += 5 * MS;
}

static int run(struct maker *m, struct bill *bill)
{
	struct verify_input in = { .bill = bill, .window_begin_unix_ns = ABSENT, .window_end_unix_ns = ABSENT };
	struct timeline timeline;
	struct ledger ledger;
	struct verification v;
	double start = cpu_seconds();
	long before;

	in.recording = maker__finish(m);
	if (timeline__build(&timeline, in.recording) || ledger__build(&ledger, &timeline, NULL))
		return 1;
	in.timeline = &timeline;
	in.ledger = &ledger;
	before = peak_mb();
	printf("timeline and ledger: %.2f s of CPU time, %ld MB in all\n", cpu_seconds() - start, before);
	start = cpu_seconds();
	if (verify__run(&v, &in))
		return 1;
	printf("verdicts: %.2f s of CPU time, %ld MB more; %zu statements, %zu refuted\n", cpu_seconds() - start,
	       peak_mb() - before, v.n, v.n_by_verdict[VERDICT_REFUTED]);
	verification__free(&v);
	ledger__free(&ledger);
	timeline__free(&timeline);
	return 0;
}

int main(int argc, char **argv)
{
	const size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
	char(*ids)[ID_SIZE] = calloc(n ? n : 1, sizeof(*ids));
	struct bill bill = { .path = "bill.csv", .lines = calloc(n ? n : 1, sizeof(*bill.lines)), .n = n };
	struct maker m;
	uint64_t now = MS;
	int rc = 1;

	maker__init(&m);
	for (size_t i = 0; ids && bill.lines && i < n; i++) {
		snprintf(ids[i], sizeof(ids[i]), "cmpl-%zu", i);
		add_request(&m, &now, ids[i]);
		bill.lines[i] = (struct bill_line){
			.line = (int64_t)i + 2,
			.request_id = ids[i],
			.prompt_tokens = N_TOKENS,
			.cached_tokens = 0,
			.completion_tokens = i ? 1 : 2,
			.reasoning_tokens = ABSENT,
			.n_requests = ABSENT,
			.begin_unix_ns = ABSENT,
			.end_unix_ns = ABSENT,
		};
	}
	if (ids && bill.lines)
		rc = run(&m, &bill);
	maker__free(&m);
	free(ids);
	free(bill.lines);
	return rc;
}
