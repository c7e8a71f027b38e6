// SPDX-License-Identifier: Apache-2.0
// A program with an engine's public function in it that throws through its caller's frames, as engines do on bad input: a
// return probe would abort it. Prints one line per round; ends after the number of rounds given.
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <unistd.h>

struct llama_batch {
	int n_tokens;
	int *token;
	float *embd;
	int *pos;
	int *n_seq_id;
	int **seq_id;
	signed char *logits;
};

extern "C" {
__attribute__((noinline, visibility("default"))) int llama_decode(void *context, llama_batch batch)
{
	volatile int n = batch.n_tokens;

	if (n % 2)
		throw std::runtime_error("odd");
	return context ? 0 : 1;
}
__attribute__((noinline, visibility("default"))) int llama_encode(void *, llama_batch)
{
	return 0;
}
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? std::atoi(argv[1]) : 1000, caught = 0;
	int pos[4] = { 0, 1, 2, 3 }, seq = 0, *seqs[4] = { &seq, &seq, &seq, &seq }, n_seq[4] = { 1, 1, 1, 1 };
	signed char logits[4] = { 0, 0, 0, 1 };

	for (int i = 0; i < rounds; i++) {
		llama_batch batch = { 1 + i % 4, pos, nullptr, pos, n_seq, seqs, logits };
		try {
			llama_decode(&rounds, batch);
		} catch (const std::exception &) {
			caught++;
		}
		usleep(2000);
	}
	std::printf("%d caught\n", caught);
	return 0;
}
