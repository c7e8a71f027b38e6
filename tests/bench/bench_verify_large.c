/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the recording of many short requests, and a bill of as many lines of which the first is one token off, for timing
 * `tokprof verify PREFIX.tokprof --bill PREFIX.csv`.
 *
 *	bench_verify_large PREFIX [REQUESTS]		(1,000,000)
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "make_recording.h"

#define MS 1000000ull
#define N_TOKENS 8
#define ID_SIZE 48

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
	maker__cut(m, RESOURCE_CPU_NS, (int64_t)(*now / 5), (int64_t)MS);
	*now += 5 * MS;
}

static int write_bill(const char *prefix, size_t n)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s.csv", prefix);
	f = fopen(path, "w");
	if (!f)
		return -1;
	fputs("request_id,prompt_tokens,cached_tokens,completion_tokens\n", f);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "chatcmpl-%032zx,%d,0,%d\n", i, N_TOKENS, i ? 1 : 2);
	return fclose(f);
}

int main(int argc, char **argv)
{
	const size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000;
	char(*ids)[ID_SIZE] = calloc(n ? n : 1, sizeof(*ids));
	char path[PATH_MAX];
	struct maker m;
	uint64_t now = MS;
	int err = 1;

	if (argc < 2) {
		fprintf(stderr, "usage: bench_verify_large PREFIX [REQUESTS]\n");
		return 2;
	}
	maker__init(&m);
	for (size_t i = 0; ids && i < n; i++) {
		snprintf(ids[i], sizeof(ids[i]), "chatcmpl-%032zx", i);
		add_request(&m, &now, ids[i]);
	}
	snprintf(path, sizeof(path), "%s.tokprof", argv[1]);
	if (ids)
		err = maker__write(&m, path) || write_bill(argv[1], n);
	if (err)
		fprintf(stderr, "bench_verify_large: %s could not be written\n", argv[1]);
	else
		printf("%zu requests in %s.tokprof, as many lines in %s.csv\n", n, argv[1], argv[1]);
	maker__free(&m);
	free(ids);
	return err ? 1 : 0;
}
