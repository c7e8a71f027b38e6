/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program with an engine's public function in it that computes nothing: more rows a second than a CPU's model makes here, to see
 * what the meter takes. Steps are on time by a fixed clock, so that what a slow probe holds up shows as fewer of them.
 *
 * Usage: row_engine SECONDS STEPS_PER_SECOND ROWS
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MOST_ROWS 512

struct llama_batch {
	int n_tokens;
	int *token;
	float *embd;
	int *pos;
	int *n_seq_id;
	int **seq_id;
	signed char *logits;
};

int llama_decode(void *context, struct llama_batch batch);
int process_ubatch(void *context, const void *ubatch) __asm__("_ZN13llama_context14process_ubatchERK12llama_ubatch");

__attribute__((noinline)) int process_ubatch(void *context, const void *ubatch)
{
	__asm__ volatile("" : : "r"(context), "r"(ubatch) : "memory");
	return 0;
}

/* The ubatch is of no known layout: the rows are those of the public batch. */
__attribute__((noinline)) int llama_decode(void *context, struct llama_batch batch)
{
	static const char unknown[256];

	__asm__ volatile("" : : "r"(context), "r"(batch.n_tokens) : "memory");
	return process_ubatch(context, unknown);
}

int main(int argc, char **argv)
{
	long seconds = argc > 3 ? atol(argv[1]) : 0, rate = argc > 3 ? atol(argv[2]) : 0,
	     rows = argc > 3 ? atol(argv[3]) : 0;
	static int pos[MOST_ROWS], seq[MOST_ROWS], *seqs[MOST_ROWS], n_seq[MOST_ROWS], token[MOST_ROWS];
	static signed char logits[MOST_ROWS];
	struct timespec next;
	long i, k;

	if (seconds <= 0 || rate <= 0 || rows <= 0 || rows > MOST_ROWS)
		return 2;
	for (k = 0; k < rows; k++) {
		seq[k] = (int)k;
		seqs[k] = &seq[k];
		n_seq[k] = 1;
		logits[k] = 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (i = 0; i < seconds * rate; i++) {
		struct llama_batch batch = { (int)rows, token, NULL, pos, n_seq, seqs, logits };

		for (k = 0; k < rows; k++)
			pos[k] = (int)i;
		llama_decode(&next, batch);
		next.tv_nsec += 1000000000 / rate;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	printf("%ld steps\n", i);
	return 0;
}
