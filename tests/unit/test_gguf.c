/* SPDX-License-Identifier: Apache-2.0 */
/* What a model's header says. The figures that are expected are worked out by hand beside each file. */
#include "tests/unit/gguf_example.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static struct model_facts facts_of(struct gguf_file *g)
{
	char error[GGUF_ERROR_SIZE];
	struct model_facts f;

	gguf_file__end(g);
	if (gguf__read_bytes(&f, g->bytes, g->n, error, sizeof(error)))
		fail_msg("%s", error);
	free(g->bytes);
	return f;
}

static void assert_absent(const struct model_facts *f)
{
	assert_int_equal(f->n_params, ABSENT);
	assert_int_equal(f->weight_bytes, ABSENT);
	assert_int_equal(f->active_params, ABSENT);
	assert_int_equal(f->n_layers, ABSENT);
	assert_int_equal(f->kv_elements_per_token, ABSENT);
	assert_string_equal(f->arch, "");
	assert_string_equal(f->digest, "");
}

static void assert_refused(struct gguf_file *g, int expected, const char *says)
{
	char error[GGUF_ERROR_SIZE];
	struct model_facts f;
	int err = gguf__read_bytes(&f, g->bytes, g->n, error, sizeof(error));

	if (err != expected || !strstr(error, says) || strncmp(error, "at byte ", 8) != 0)
		fail_msg("%d, '%s' where '%s' was expected", err, error, says);
	assert_absent(&f);
	free(g->bytes);
}

/* --- facts ---------------------------------------------------------------------------------------------------------- */

static void a_dense_model_is_what_its_header_says(void **state)
{
	struct gguf_file g = small_model("Small");
	struct model_facts f = facts_of(&g);

	(void)state;
	assert_string_equal(f.arch, "llama");
	assert_string_equal(f.name, "Small");
	assert_string_equal(f.quantization, "F16");
	assert_string_equal(f.missing, "");
	assert_int_equal(f.file_type, 1);
	assert_int_equal(f.n_layers, 2);
	assert_int_equal(f.n_embd, 64);
	assert_int_equal(f.n_ff, 96);
	assert_int_equal(f.n_heads, 4);
	assert_int_equal(f.n_kv_heads, 2);
	assert_int_equal(f.key_length, 16);
	assert_int_equal(f.value_length, 16);
	assert_int_equal(f.context_length, 4096);
	assert_int_equal(f.n_vocab, 10);
	assert_int_equal(f.n_experts, ABSENT);
	assert_int_equal(f.split_count, ABSENT);
	assert_int_equal(f.n_params, 640 + 2 * 4096 + 64 + 640);
	assert_int_equal(f.weight_bytes, 1280 + 2 * 8192 + 256 + 1280);
	/* Not the table of which one row is looked up. */
	assert_int_equal(f.active_params, 2 * 4096 + 64 + 640);
	assert_int_equal(f.active_weight_bytes, 2 * 8192 + 256 + 1280);
	/* 4 n_layers d_attn; 2 layers of 2 heads of 16 + 16. */
	assert_int_equal(f.attention_flops_per_pair, 4 * 2 * 64);
	assert_int_equal(f.kv_elements_per_token, 2 * 2 * 32);
	assert_int_equal(model_facts__kv_bytes_f16(&f), 2 * 2 * 2 * 32);
}

static void a_version_2_file_reads_the_same(void **state)
{
	struct gguf_file g = small_model("Small");
	struct model_facts f;

	(void)state;
	g.bytes[4] = 2;
	f = facts_of(&g);
	assert_int_equal(f.n_params, 640 + 2 * 4096 + 64 + 640);
}

static void the_number_format_is_the_one_that_most_bytes_have(void **state)
{
	struct gguf_file g = gguf_file__begin(3);
	struct model_facts f;

	(void)state;
	/* Blocks of 256 weights: 144 bytes in Q4_K, 210 in Q6_K. */
	tensor(&g, "blk.0.ffn_up.weight", 256, 20, 1, Q4_K, 20 * 144);
	tensor(&g, "blk.0.ffn_down.weight", 256, 10, 1, Q6_K, 10 * 210);
	tensor(&g, "output.weight", 256, 1, 1, F32, 1024);
	f = facts_of(&g);
	assert_string_equal(f.quantization, "Q4_K");
	assert_int_equal(f.weight_bytes, 2880 + 2100 + 1024);
	assert_int_equal(f.n_params, 256 * 31);
}

static void a_tied_embedding_counts_as_the_output_matrix(void **state)
{
	struct gguf_file g = gguf_file__begin(3);
	struct model_facts f;

	(void)state;
	put_shape(&g, "tied");
	tensor(&g, "token_embd.weight", 64, 10, 1, F16, 1280);
	put_layers(&g);
	f = facts_of(&g);
	assert_int_equal(f.n_params, 640 + 2 * 4096 + 64);
	assert_int_equal(f.active_params, f.n_params);
	assert_int_equal(f.active_weight_bytes, f.weight_bytes);
}

static void an_embedding_model_has_no_output_matrix(void **state)
{
	struct gguf_file g = gguf_file__begin(3);
	struct model_facts f;

	(void)state;
	key_text(&g, "general.architecture", "bert");
	key(&g, "bert.attention.causal", T_BOOL);
	put_number(&g, 0, 1);
	tensor(&g, "token_embd.weight", 64, 10, 1, F16, 1280);
	tensor(&g, "position_embd.weight", 64, 5, 1, F16, 640);
	put_layers(&g);
	f = facts_of(&g);
	assert_int_equal(f.n_params, 640 + 320 + 2 * 4096 + 64);
	assert_int_equal(f.active_params, 2 * 4096 + 64);
}

static void a_token_takes_two_of_eight_experts_and_all_of_the_shared_one(void **state)
{
	struct gguf_file g = gguf_file__begin(3);
	struct model_facts f;

	(void)state;
	put_shape(&g, "experts");
	key_u32(&g, "llama.expert_count", 8);
	key_u32(&g, "llama.expert_used_count", 2);
	tensor(&g, "token_embd.weight", 64, 10, 1, F16, 1280);
	put_layers(&g);
	tensor(&g, "blk.0.ffn_gate_inp.weight", 64, 8, 1, F32, 2048);
	tensor(&g, "blk.0.ffn_up_exps.weight", 64, 32, 8, Q8_0, 64 * 32 * 8 / 32 * 34);
	tensor(&g, "blk.0.ffn_up_shexp.weight", 64, 32, 1, Q8_0, 64 * 32 / 32 * 34);
	tensor(&g, "output.weight", 64, 10, 1, F16, 1280);
	f = facts_of(&g);
	assert_int_equal(f.n_experts, 8);
	assert_int_equal(f.n_experts_used, 2);
	assert_int_equal(f.params[TENSOR_EXPERT], 64 * 32 * 8);
	assert_int_equal(f.active_params, 2 * 4096 + 64 + 512 + 64 * 32 * 2 + 64 * 32 + 640);
	assert_int_equal(f.active_weight_bytes, 2 * 8192 + 256 + 2048 + 64 * 34 * 2 + 64 * 34 + 1280);
}

static void experts_in_a_tensor_each_are_experts_too(void **state)
{
	struct gguf_file g = gguf_file__begin(3);
	struct model_facts f;

	(void)state;
	key_text(&g, "general.architecture", "llama");
	key_u32(&g, "llama.expert_count", 2);
	key_u32(&g, "llama.expert_used_count", 1);
	tensor(&g, "blk.0.ffn_up.0.weight", 64, 2, 1, F16, 256);
	tensor(&g, "blk.0.ffn_up.1.weight", 64, 2, 1, F16, 256);
	tensor(&g, "output.weight", 64, 1, 1, F16, 128);
	f = facts_of(&g);
	assert_int_equal(f.params[TENSOR_EXPERT], 256);
	assert_int_equal(f.active_params, 128 + 64);
}

static void without_the_number_of_experts_used_what_a_token_takes_is_not_known(void **state)
{
	struct gguf_file g = gguf_file__begin(3);
	struct model_facts f;

	(void)state;
	key_text(&g, "general.architecture", "llama");
	key_u32(&g, "llama.expert_count", 8);
	tensor(&g, "blk.0.ffn_up_exps.weight", 64, 2, 8, F16, 2048);
	f = facts_of(&g);
	assert_int_equal(f.n_params, 1024);
	assert_int_equal(f.active_params, ABSENT);
	assert_int_equal(f.active_weight_bytes, ABSENT);
}

static void heads_may_be_given_per_layer(void **state)
{
	static const uint32_t kv_heads[3] = { 4, 0, 1 };
	struct gguf_file g = gguf_file__begin(3);
	struct model_facts f;

	(void)state;
	key_text(&g, "general.architecture", "deci");
	key_u32(&g, "deci.block_count", 3);
	key_u32(&g, "deci.embedding_length", 64);
	key_u32(&g, "deci.attention.head_count", 4);
	key_numbers(&g, "deci.attention.head_count_kv", 3, kv_heads);
	key_u32(&g, "deci.attention.key_length", 24);
	key_u32(&g, "deci.attention.value_length", 8);
	f = facts_of(&g);
	assert_int_equal(f.n_heads, 4);
	assert_int_equal(f.n_kv_heads, ABSENT);
	assert_int_equal(f.kv_elements_per_token, (4 + 0 + 1) * (24 + 8));
	assert_int_equal(f.attention_flops_per_pair, 2 * 3 * 4 * (24 + 8));
}

static void keys_may_come_before_the_name_of_their_architecture(void **state)
{
	struct gguf_file g = gguf_file__begin(3);
	struct model_facts f;

	(void)state;
	key_u32(&g, "other.block_count", 7);
	key_u32(&g, "qwen2.block_count", 5);
	key_text(&g, "general.architecture", "qwen2");
	f = facts_of(&g);
	assert_int_equal(f.n_layers, 5);
}

static void latent_attention_leaves_the_cache_unknown(void **state)
{
	struct gguf_file g = gguf_file__begin(3);
	struct model_facts f;

	(void)state;
	put_shape(&g, "latent");
	key_u32(&g, "llama.attention.key_length_mla", 192);
	f = facts_of(&g);
	assert_int_equal(f.n_layers, 2);
	assert_int_equal(f.kv_elements_per_token, ABSENT);
	assert_int_equal(f.attention_flops_per_pair, ABSENT);
	assert_int_equal(model_facts__kv_bytes_f16(&f), ABSENT);
}

static void layers_that_predict_further_tokens_are_not_active(void **state)
{
	struct gguf_file g = gguf_file__begin(3);
	struct model_facts f;

	(void)state;
	put_shape(&g, "next");
	key_u32(&g, "llama.nextn_predict_layers", 1);
	put_layers(&g);
	tensor(&g, "output.weight", 64, 10, 1, F16, 1280);
	f = facts_of(&g);
	assert_int_equal(f.n_params, 2 * 4096 + 64 + 640);
	assert_int_equal(f.active_params, 4096 + 64 + 640);
	assert_int_equal(f.kv_elements_per_token, 2 * 32);
}

static void all_kinds_of_values_are_passed_over(void **state)
{
	static const struct {
		uint32_t type;
		size_t bytes;
	} kinds[] = { { T_U8, 1 },  { T_I8, 1 },   { T_U16, 2 }, { T_I16, 2 }, { T_U32, 4 }, { T_I32, 4 },
		      { T_F32, 4 }, { T_BOOL, 1 }, { T_U64, 8 }, { T_I64, 8 }, { T_F64, 8 } };
	struct gguf_file g = gguf_file__begin(3);
	struct model_facts f;
	char name[32];

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		snprintf(name, sizeof(name), "x.kind%zu", i);
		key(&g, name, kinds[i].type);
		put_number(&g, 0, kinds[i].bytes);
		snprintf(name, sizeof(name), "x.list%zu", i);
		key_array(&g, name, kinds[i].type, 3);
		for (int k = 0; k < 3; k++)
			put_number(&g, 0, kinds[i].bytes);
	}
	key_array(&g, "x.nested", T_ARRAY, 2);
	for (int i = 0; i < 2; i++) {
		put_number(&g, T_STRING, 4);
		put_number(&g, 1, 8);
		put_text(&g, "inside");
	}
	key_text(&g, "general.architecture", "last");
	f = facts_of(&g);
	assert_string_equal(f.arch, "last");
}

static void a_format_that_is_not_known_leaves_out_the_bytes_and_says_so(void **state)
{
	struct gguf_file g = small_model("future");
	struct model_facts f;

	(void)state;
	tensor(&g, "blk.0.ffn_up.weight", 64, 4, 1, 77, 512);
	f = facts_of(&g);
	assert_int_equal(f.n_params, 640 + 2 * 4096 + 64 + 640 + 256);
	assert_int_equal(f.active_params, f.n_params - 640);
	assert_int_equal(f.weight_bytes, ABSENT);
	assert_int_equal(f.active_weight_bytes, ABSENT);
	assert_string_equal(f.quantization, "");
	assert_non_null(strstr(f.missing, "number format 77"));
	assert_int_equal(f.n_layers, 2);
}

static void the_digest_is_that_of_the_header_and_the_size(void **state)
{
	struct gguf_file g = gguf_file__begin(3);
	struct model_facts f = facts_of(&g);

	(void)state;
	/* printf 'GGUF\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\30\0\0\0\0\0\0\0' | sha256sum */
	assert_string_equal(f.digest, "55ea0b6f9cdc31aaf8652b77c172f2c37c558e5000784f6faf128cf58ec8bb10");
}

/* --- models in several files ---------------------------------------------------------------------------------------- */

static void three_parts_are_one_model(void **state)
{
	struct model_facts parts[3], whole, other;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		struct gguf_file g = gguf_file__begin(3);
		char name[64];

		if (i == 0)
			put_shape(&g, "in parts");
		key_u32(&g, "split.no", i);
		key_u32(&g, "split.count", 3);
		snprintf(name, sizeof(name), "blk.%u.attn_q.weight", i);
		tensor(&g, i == 2 ? "output.weight" : name, 64, 64, 1, F16, 8192);
		/* In any order. */
		parts[2 - i] = facts_of(&g);
	}
	assert_int_equal(model_facts__join(&whole, parts, 3), 0);
	assert_string_equal(whole.name, "in parts");
	assert_int_equal(whole.n_layers, 2);
	assert_int_equal(whole.n_params, 3 * 4096);
	assert_int_equal(whole.active_params, 3 * 4096);
	assert_int_equal(whole.weight_bytes, 3 * 8192);
	assert_string_equal(whole.quantization, "F16");
	assert_int_equal(strlen(whole.digest), 64);
	assert_int_equal(model_facts__join(&other, parts, 2), -EINVAL);
	parts[0] = parts[1];
	assert_int_equal(model_facts__join(&other, parts, 3), -EINVAL);
	assert_absent(&other);
}

/* --- what is refused ------------------------------------------------------------------------------------------------ */

static void what_is_no_gguf_file_is_refused(void **state)
{
	struct gguf_file g = gguf_file__begin(3);

	(void)state;
	g.bytes[0] = 'g';
	assert_refused(&g, -EBADMSG, "does not begin with GGUF but with 67 47 55 46");
	g = gguf_file__begin(1);
	assert_refused(&g, -ENOTSUP, "version 1 of GGUF");
	g = gguf_file__begin(4);
	assert_refused(&g, -ENOTSUP, "version 4 of GGUF");
	g = gguf_file__begin(3u << 24);
	assert_refused(&g, -ENOTSUP, "big-endian");
	g = gguf_file__begin(3);
	g.n = 0;
	assert_refused(&g, -EBADMSG, "the word GGUF of 4 bytes runs past the file's end at byte 0");
}

static void a_header_that_is_cut_short_anywhere_is_refused(void **state)
{
	struct gguf_file g = small_model("cut");
	char error[GGUF_ERROR_SIZE];
	struct model_facts f;

	(void)state;
	gguf_file__end(&g);
	for (size_t n = 0; n < g.n; n++) {
		unsigned char *exact = malloc(n ? n : 1); /* so that a sanitizer sees the byte after it */

		memcpy(exact, g.bytes, n);
		assert_int_equal(gguf__read_bytes(&f, exact, n, error, sizeof(error)), -EBADMSG);
		assert_int_equal(strncmp(error, "at byte ", 8), 0);
		free(exact);
	}
	free(g.bytes);
}

static void no_changed_byte_crashes_the_reader(void **state)
{
	struct gguf_file g = small_model("changed");
	char error[GGUF_ERROR_SIZE];
	struct model_facts f;
	size_t header = gguf_file__end(&g);

	(void)state;
	for (size_t i = 0; i < header; i++)
		for (unsigned int k = 0; k < 4; k++) {
			static const unsigned char changes[] = { 0x01, 0x80, 0xff, 0x55 };
			int err;

			g.bytes[i] ^= changes[k];
			err = gguf__read_bytes(&f, g.bytes, g.n, error, sizeof(error));
			assert_true(err ? error[0] != 0 : f.digest[0] != 0);
			g.bytes[i] ^= changes[k];
		}
	free(g.bytes);
}

static void counts_that_the_file_has_no_room_for_are_refused_at_once(void **state)
{
	struct gguf_file g = gguf_file__begin(3);

	(void)state;
	memset(g.bytes + 16, 0xff, 8);
	assert_refused(&g, -EBADMSG,
		       "18446744073709551615 keys are said to follow, but the file has only 0 bytes more");
	g = gguf_file__begin(3);
	memset(g.bytes + 8, 0xff, 8);
	assert_refused(&g, -EBADMSG, "18446744073709551615 tensors are said to follow");
	g = gguf_file__begin(3);
	key_array(&g, "x.list", T_STRING, UINT64_MAX);
	set_counts(&g);
	assert_refused(&g, -EBADMSG, "18446744073709551615 values of an array");
	g = gguf_file__begin(3);
	key_array(&g, "x.list", T_U64, UINT64_MAX / 8 + 2);
	put_number(&g, 0, 8);
	set_counts(&g);
	assert_refused(&g, -EBADMSG, "values of an array");
}

static void lengths_past_the_end_are_refused(void **state)
{
	struct gguf_file g = gguf_file__begin(3);

	(void)state;
	g.n_keys = 1;
	put_number(&g, UINT64_MAX, 8);
	put_number(&g, 0, 8);
	set_counts(&g);
	assert_refused(&g, -EBADMSG, "a key of 18446744073709551615 bytes, where 65535 are the most");
	g = gguf_file__begin(3);
	key(&g, "general.name", T_STRING);
	put_number(&g, UINT64_MAX, 8);
	set_counts(&g);
	assert_refused(&g, -EBADMSG, "a string of 18446744073709551615 bytes runs past the file's end");
	g = gguf_file__begin(3);
	key(&g, "x.text", T_STRING);
	put_number(&g, 1000, 8);
	set_counts(&g);
	assert_refused(&g, -EBADMSG, "a string of 1000 bytes runs past the file's end at byte 50");
}

static void keys_that_make_no_sense_are_refused_with_their_name(void **state)
{
	static const uint32_t three[3] = { 1, 2, 3 };
	struct gguf_file g = gguf_file__begin(3);

	(void)state;
	put_shape(&g, "a");
	key_u32(&g, "llama.block_count", 2);
	set_counts(&g);
	assert_refused(&g, -EBADMSG, "one of them is there twice");
	g = gguf_file__begin(3);
	key_text(&g, "llama.block_count", "2");
	set_counts(&g);
	assert_refused(&g, -EBADMSG, "the value of 'llama.block_count' is of type string, not a whole number");
	g = gguf_file__begin(3);
	key(&g, "llama.block_count", T_I32);
	put_number(&g, UINT32_MAX, 4);
	set_counts(&g);
	assert_refused(&g, -EBADMSG, "'llama.block_count' is -1");
	g = gguf_file__begin(3);
	key(&g, "llama.block_count", T_U64);
	put_number(&g, UINT64_MAX, 8);
	set_counts(&g);
	assert_refused(&g, -EBADMSG, "'llama.block_count' is 18446744073709551615");
	g = gguf_file__begin(3);
	key(&g, "x.y", 13);
	put_number(&g, 0, 8);
	set_counts(&g);
	assert_refused(&g, -EBADMSG, "the value of 'x.y' has the type 13");
	g = gguf_file__begin(3);
	key_u32(&g, "general.alignment", 24);
	set_counts(&g);
	assert_refused(&g, -EBADMSG, "'general.alignment' is 24, not a power of two");
	g = gguf_file__begin(3);
	key_text(&g, "general.architecture", "llama");
	key_u32(&g, "llama.block_count", 2);
	key_numbers(&g, "llama.attention.head_count_kv", 3, three);
	set_counts(&g);
	assert_refused(&g, -EBADMSG, "'llama.attention.head_count_kv' has 3 values for 2 layers");
	g = gguf_file__begin(3);
	key_u32(&g, "evil\x1b[2J\xff", 1);
	key_u32(&g, "evil\x1b[2J\xff", 1);
	set_counts(&g);
	assert_refused(&g, -EBADMSG, "twice");
}

static void arrays_in_arrays_end_at_a_depth(void **state)
{
	struct gguf_file g = gguf_file__begin(3);

	(void)state;
	key(&g, "x.deep", T_ARRAY);
	for (int i = 0; i < 1000; i++) {
		put_number(&g, T_ARRAY, 4);
		put_number(&g, 1, 8);
	}
	set_counts(&g);
	assert_refused(&g, -EBADMSG, "'x.deep' is an array inside 4 others");
}

static void tensors_that_cannot_be_are_refused_with_their_name(void **state)
{
	struct gguf_file g = gguf_file__begin(3);

	(void)state;
	tensor(&g, "big", UINT64_C(1) << 40, UINT64_C(1) << 40, 1, F16, 32);
	gguf_file__end(&g);
	assert_refused(&g, -EBADMSG, "tensor 'big' has more than 2^63 elements");
	g = gguf_file__begin(3);
	tensor(&g, "big", UINT64_C(1) << 62, 1, 1, F32, 32);
	gguf_file__end(&g);
	assert_refused(&g, -EBADMSG, "tensor 'big', 4611686018427387904 weights in F32");
	g = gguf_file__begin(3);
	tensor(&g, "none", 0, 1, 1, F32, 32);
	gguf_file__end(&g);
	assert_refused(&g, -EBADMSG, "tensor 'none' has a dimension of 0");
	g = gguf_file__begin(3);
	tensor(&g, "odd", 33, 1, 1, Q8_0, 64);
	gguf_file__end(&g);
	assert_refused(&g, -EBADMSG, "tensor 'odd' has rows of 33 weights, which are no whole blocks of Q8_0");
	g = gguf_file__begin(3);
	g.data = 7;
	tensor(&g, "skew", 8, 1, 1, F32, 32);
	g.data = 64;
	gguf_file__end(&g);
	assert_refused(&g, -EBADMSG, "tensor 'skew' begins at byte 7 of the data");
	g = gguf_file__begin(3);
	g.data = UINT64_MAX - 31;
	tensor(&g, "far", 64, 1, 1, F32, 256);
	g.data = 64;
	gguf_file__end(&g);
	assert_refused(&g, -EBADMSG, "tensor 'far', 64 weights in F32 from byte 18446744073709551584");
	g = gguf_file__begin(3);
	tensor(&g, "same", 8, 1, 1, F32, 32);
	tensor(&g, "same", 8, 1, 1, F32, 32);
	gguf_file__end(&g);
	assert_refused(&g, -EBADMSG, "the tensors end here, and one of them is there twice");
	g = gguf_file__begin(3);
	tensor(&g, "a", 64, 1, 1, F32, 256);
	g.data = 0;
	tensor(&g, "b", 64, 1, 1, F32, 256);
	gguf_file__end(&g);
	assert_refused(&g, -EBADMSG, "the tensors overlap: 512 bytes of them in 256");
	g = gguf_file__begin(3);
	tensor(&g, "a", 8, 1, 1, F32, 32);
	g.bytes[24 + 8 + 1] = 5;
	gguf_file__end(&g);
	assert_refused(&g, -EBADMSG, "tensor 'a' has 5 dimensions, where 4 are the most");
	g = small_model("cut");
	gguf_file__end(&g);
	g.n -= 1;
	assert_refused(&g, -EBADMSG, "tensor 'output.weight' ends");
}

/* --- sources -------------------------------------------------------------------------------------------------------- */

/* A file of terabytes that begins with some bytes and goes on with zeros; counts what is read of it. */
struct endless {
	const struct gguf_file *start;
	uint64_t n_read;
};

static int read_endless(void *ctx, uint64_t offset, void *out, size_t n)
{
	struct endless *e = ctx;

	memset(out, 0, n);
	if (offset < e->start->n)
		memcpy(out, e->start->bytes + offset, n < e->start->n - offset ? n : e->start->n - offset);
	e->n_read += n;
	return 0;
}

static void a_header_beyond_the_bound_is_refused_and_not_read(void **state)
{
	struct gguf_file g = gguf_file__begin(3);
	struct endless e = { &g, 0 };
	struct gguf_source source = { read_endless, &e, UINT64_C(1) << 42 };
	char error[GGUF_ERROR_SIZE];
	struct model_facts f;

	(void)state;
	key_array(&g, "x.list", T_U8, GGUF_MAX_HEADER);
	set_counts(&g);
	assert_int_equal(gguf__read(&f, &source, error, sizeof(error)), -EFBIG);
	assert_non_null(strstr(error, "67108864 values of an array make the header longer than the 64 MiB"));
	assert_true(e.n_read < 100000);
	free(g.bytes);
	g = gguf_file__begin(3);
	memset(g.bytes + 8, 0xff, 5);
	assert_int_equal(gguf__read(&f, &source, error, sizeof(error)), -EBADMSG);
	assert_non_null(strstr(error, "tensors"));
	free(g.bytes);
}

static void nothing_behind_the_header_is_read(void **state)
{
	struct gguf_file g = small_model("huge");
	struct endless e = { &g, 0 };
	struct gguf_source source = { read_endless, &e, UINT64_C(1) << 42 };
	char error[GGUF_ERROR_SIZE];
	struct model_facts f;

	(void)state;
	set_counts(&g);
	assert_int_equal(gguf__read(&f, &source, error, sizeof(error)), 0);
	assert_true(e.n_read < 100000);
	free(g.bytes);
}

static int read_badly(void *ctx, uint64_t offset, void *out, size_t n)
{
	(void)ctx;
	(void)offset;
	(void)out;
	(void)n;
	return -EIO;
}

static void a_file_that_cannot_be_read_says_why(void **state)
{
	struct gguf_source source = { read_badly, NULL, 1000 };
	char error[GGUF_ERROR_SIZE];
	struct model_facts f;
	int fds[2];

	(void)state;
	assert_int_equal(gguf__read(&f, &source, error, sizeof(error)), -EIO);
	assert_string_equal(error, "at byte 0: the file could not be read: Input/output error");
	assert_absent(&f);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(gguf__read_fd(&f, fds[0], error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "it is no regular file");
	close(fds[0]);
	close(fds[1]);
}

/* --- against another reader ----------------------------------------------------------------------------------------- */

#define PYTHON "build/venv/client/bin/python"

static int64_t figure_named(const struct model_facts *f, const char *name)
{
	static const struct {
		const char *name;
		size_t offset;
	} names[] = {
		{ "file_type", offsetof(struct model_facts, file_type) },
		{ "n_layers", offsetof(struct model_facts, n_layers) },
		{ "n_embd", offsetof(struct model_facts, n_embd) },
		{ "n_ff", offsetof(struct model_facts, n_ff) },
		{ "n_heads", offsetof(struct model_facts, n_heads) },
		{ "n_kv_heads", offsetof(struct model_facts, n_kv_heads) },
		{ "context_length", offsetof(struct model_facts, context_length) },
		{ "n_vocab", offsetof(struct model_facts, n_vocab) },
		{ "n_params", offsetof(struct model_facts, n_params) },
		{ "weight_bytes", offsetof(struct model_facts, weight_bytes) },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].name, name) == 0)
			return *(const int64_t *)((const char *)f + names[i].offset);
	fail_msg("the other reader tells of '%s'", name);
	return 0;
}

static void check_fact(const struct model_facts *f, const char *path, const char *name, const char *value)
{
	if (strcmp(name, "arch") == 0)
		assert_string_equal(f->arch, value);
	else if (strcmp(name, "name") == 0)
		assert_string_equal(f->name, value);
	else if (strcmp(name, "quantization") == 0)
		assert_string_equal(f->quantization, value);
	else if (strcmp(name, "digest") == 0)
		assert_string_equal(f->digest, value);
	else if (figure_named(f, name) != strtoll(value, NULL, 10))
		fail_msg("%s: %s is %lld and should be %s", path, name, (long long)figure_named(f, name), value);
}

/* The models that the engine tests serve, by the gguf package of their makers; see gguf_truth.py. */
static void real_files_are_read_as_llama_cpps_own_python_reads_them(void **state)
{
	char line[1024], path[512] = "", name[64], value[512], error[GGUF_ERROR_SIZE];
	struct model_facts f;
	int n_files = 0;
	FILE *truth;

	(void)state;
	if (access(PYTHON, X_OK) || access("build/models", R_OK))
		skip(); /* they come with the environments of the engine tests */
	truth = popen(PYTHON " tests/unit/gguf_truth.py build/models", "r");
	assert_non_null(truth);
	while (fgets(line, sizeof(line), truth)) {
		assert_int_equal(sscanf(line, "%63[^=]=%511[^\n]", name, value), 2);
		if (strcmp(name, "path") == 0) {
			int fd = open(value, O_RDONLY | O_CLOEXEC);

			snprintf(path, sizeof(path), "%s", value);
			if (gguf__read_fd(&f, fd, error, sizeof(error)))
				fail_msg("%s: %s", path, error);
			close(fd);
			n_files++;
		} else {
			check_fact(&f, path, name, value);
		}
	}
	assert_int_equal(pclose(truth), 0);
	assert_true(n_files > 0);
}

static void number_formats_have_the_sizes_that_llama_cpps_own_python_gives_them(void **state)
{
	unsigned int type, block_weights, block_bytes;
	int n = 0;
	char name[16];
	FILE *truth;

	(void)state;
	if (access(PYTHON, X_OK))
		skip();
	truth = popen(PYTHON " tests/unit/gguf_truth.py --formats", "r");
	assert_non_null(truth);
	while (fscanf(truth, "%u %15s %u %u", &type, name, &block_weights, &block_bytes) == 4) {
		const struct ggml_type_size *size = ggml_type__find(type);

		assert_non_null(size);
		assert_string_equal(size->name, name);
		assert_int_equal(size->block_weights, block_weights);
		assert_int_equal(size->block_bytes, block_bytes);
		n++;
	}
	assert_int_equal(pclose(truth), 0);
	assert_true(n > 30);
	assert_null(ggml_type__find(4));
	assert_null(ggml_type__find(31));
	assert_null(ggml_type__find(UINT32_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dense_model_is_what_its_header_says),
		cmocka_unit_test(a_version_2_file_reads_the_same),
		cmocka_unit_test(the_number_format_is_the_one_that_most_bytes_have),
		cmocka_unit_test(a_tied_embedding_counts_as_the_output_matrix),
		cmocka_unit_test(an_embedding_model_has_no_output_matrix),
		cmocka_unit_test(a_token_takes_two_of_eight_experts_and_all_of_the_shared_one),
		cmocka_unit_test(experts_in_a_tensor_each_are_experts_too),
		cmocka_unit_test(without_the_number_of_experts_used_what_a_token_takes_is_not_known),
		cmocka_unit_test(heads_may_be_given_per_layer),
		cmocka_unit_test(keys_may_come_before_the_name_of_their_architecture),
		cmocka_unit_test(latent_attention_leaves_the_cache_unknown),
		cmocka_unit_test(layers_that_predict_further_tokens_are_not_active),
		cmocka_unit_test(all_kinds_of_values_are_passed_over),
		cmocka_unit_test(a_format_that_is_not_known_leaves_out_the_bytes_and_says_so),
		cmocka_unit_test(the_digest_is_that_of_the_header_and_the_size),
		cmocka_unit_test(three_parts_are_one_model),
		cmocka_unit_test(what_is_no_gguf_file_is_refused),
		cmocka_unit_test(a_header_that_is_cut_short_anywhere_is_refused),
		cmocka_unit_test(no_changed_byte_crashes_the_reader),
		cmocka_unit_test(counts_that_the_file_has_no_room_for_are_refused_at_once),
		cmocka_unit_test(lengths_past_the_end_are_refused),
		cmocka_unit_test(keys_that_make_no_sense_are_refused_with_their_name),
		cmocka_unit_test(arrays_in_arrays_end_at_a_depth),
		cmocka_unit_test(tensors_that_cannot_be_are_refused_with_their_name),
		cmocka_unit_test(a_header_beyond_the_bound_is_refused_and_not_read),
		cmocka_unit_test(nothing_behind_the_header_is_read),
		cmocka_unit_test(a_file_that_cannot_be_read_says_why),
		cmocka_unit_test(real_files_are_read_as_llama_cpps_own_python_reads_them),
		cmocka_unit_test(number_formats_have_the_sizes_that_llama_cpps_own_python_gives_them),
	};

	return cmocka_run_group_tests_name("GGUF headers", tests, NULL, NULL);
}
