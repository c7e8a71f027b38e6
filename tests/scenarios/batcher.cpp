// SPDX-License-Identifier: Apache-2.0
// A program with an engine's functions of 2026-10 in it, whose ubatch no profile knows: what a batch holds can be told only
// by the calls that fill it. For the seconds given it decodes rounds of batches, after each computing and then sleeping for so many
// microseconds (batcher SECONDS COMPUTE SLEEP). They are of 2 to 6 tokens by turns, each number of another kind: 2 with an output for the last token; 3 of which one is in two sequences; 4 of which one has no position; 5 that went on
// after a decode, without a clear; 6 in an own object, made and freed each time.
#include <cstdlib>
#include <ctime>
#include <unistd.h>
#include <vector>

#define EXPORTED extern "C" __attribute__((noinline, visibility("default")))

struct token {
	int id, sequence, position;
	bool output;
};
struct llama_batch_ext {
	std::vector<token> tokens;
};
struct llama_ubatch {
	unsigned equal_seqs, n_tokens;
	const void *garbage[16];
};
enum llm_graph_type { PLAIN };
struct llama_memory_context_i;
enum ggml_status { SUCCESS };

struct __attribute__((visibility("default"))) llama_context {
	int decode(const llama_batch_ext &batch);
	int process_ubatch(const llama_ubatch &ubatch, llm_graph_type type, llama_memory_context_i *memory,
			   ggml_status &status);
};

static volatile unsigned used; /* a call without a consequence would be left out by the compiler */

__attribute__((noinline)) int llama_context::process_ubatch(const llama_ubatch &ubatch, llm_graph_type,
							    llama_memory_context_i *, ggml_status &status)
{
	status = SUCCESS;
	used = ubatch.n_tokens;
	return (int)used;
}

__attribute__((noinline)) int llama_context::decode(const llama_batch_ext &batch)
{
	llama_ubatch ubatch = { 0, (unsigned)batch.tokens.size(), {} };
	ggml_status status;

	return process_ubatch(ubatch, PLAIN, nullptr, status) > 0 ? 0 : 1;
}

EXPORTED int llama_process(llama_context *context, int, llama_batch_ext *batch)
{
	return context->decode(*batch);
}
EXPORTED llama_batch_ext *llama_batch_ext_init(llama_context *)
{
	return new llama_batch_ext;
}
EXPORTED void llama_batch_ext_free(llama_batch_ext *batch)
{
	delete batch;
}
EXPORTED void llama_batch_ext_clear(llama_batch_ext *batch)
{
	batch->tokens.clear();
}
EXPORTED int llama_batch_ext_add_token(llama_batch_ext *batch, int sequence, int id)
{
	batch->tokens.push_back({ id, sequence, 0, false });
	return (int)batch->tokens.size() - 1;
}
EXPORTED bool llama_batch_ext_set_pos(llama_batch_ext *batch, int index, const int *position)
{
	batch->tokens[(size_t)index].position = *position;
	return true;
}
EXPORTED bool llama_batch_ext_set_output_logits(llama_batch_ext *batch, int index, bool output)
{
	batch->tokens[(size_t)index].output = output;
	return true;
}
EXPORTED bool llama_batch_ext_add_seq(llama_batch_ext *batch, int index, int sequence)
{
	used = (unsigned)sequence;
	return batch->tokens[(size_t)index].sequence != sequence;
}

static void add(llama_batch_ext *batch, int n, int first_position)
{
	for (int i = 0; i < n; i++) {
		int index = llama_batch_ext_add_token(batch, 7, 100 + i), position = first_position + i;

		llama_batch_ext_set_pos(batch, index, &position);
	}
}

static void compute(int microseconds)
{
	const clock_t end = clock() + (clock_t)microseconds * CLOCKS_PER_SEC / 1000000;

	while (clock() < end)
		;
}

int main(int argc, char **argv)
{
	const time_t end = time(nullptr) + (argc > 3 ? std::atoi(argv[1]) : 0);
	llama_context context;
	llama_batch_ext *batch = llama_batch_ext_init(&context);

	while (time(nullptr) < end) {
		llama_batch_ext_clear(batch);
		add(batch, 2, 1000);
		llama_batch_ext_set_output_logits(batch, 1, true);
		llama_process(&context, 1, batch);

		llama_batch_ext_clear(batch);
		add(batch, 3, 20);
		llama_batch_ext_add_seq(batch, 2, 8);
		llama_process(&context, 1, batch);

		llama_batch_ext_clear(batch);
		add(batch, 3, 30);
		llama_batch_ext_add_token(batch, 7, 1);
		llama_process(&context, 1, batch);

		llama_batch_ext_clear(batch);
		add(batch, 1, 40);
		llama_batch_ext_free(batch);
		batch = llama_batch_ext_init(&context);
		add(batch, 5, 41);
		llama_process(&context, 1, batch);

		llama_batch_ext_free(batch);
		batch = llama_batch_ext_init(&context);
		llama_batch_ext_clear(batch);
		add(batch, 6, 0);
		llama_process(&context, 1, batch);
		compute(std::atoi(argv[2]));
		usleep((unsigned)std::atoi(argv[3]));
	}
	llama_batch_ext_free(batch);
	return 0;
}
