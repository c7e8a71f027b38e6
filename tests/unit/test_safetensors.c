/* SPDX-License-Identifier: Apache-2.0 */
/* What a safetensors header says, after https://huggingface.co/docs/safetensors; the figures are worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/safetensors.h"

struct file {
	unsigned char *bytes;
	size_t n;
};

/* A header and so many bytes of data. */
static struct file make(const char *header, size_t n_data)
{
	const size_t n = strlen(header);
	struct file f = { calloc(1, 8 + n + n_data + 1), 8 + n + n_data };

	assert_non_null(f.bytes);
	for (int i = 0; i < 8; i++)
		f.bytes[i] = (unsigned char)((uint64_t)n >> 8 * i);
	memcpy(f.bytes + 8, header, n);
	return f;
}

static struct model_facts facts_of(const char *header, size_t n_data)
{
	struct file f = make(header, n_data);
	char error[GGUF_ERROR_SIZE];
	struct model_facts facts;

	if (safetensors__read_bytes(&facts, f.bytes, f.n, error, sizeof(error)))
		fail_msg("%s", error);
	free(f.bytes);
	return facts;
}

static void assert_refused(const char *header, size_t n_data, int expected, const char *says)
{
	struct file f = make(header, n_data);
	char error[GGUF_ERROR_SIZE];
	struct model_facts facts;
	const int err = safetensors__read_bytes(&facts, f.bytes, f.n, error, sizeof(error));

	if (err != expected || !strstr(error, says) || strncmp(error, "at byte ", 8) != 0)
		fail_msg("%s: %d, '%s' where '%s' was expected", header, err, error, says);
	assert_int_equal(facts.n_params, ABSENT);
	assert_string_equal(facts.digest, "");
	free(f.bytes);
}

#define T(name, dtype, shape, places)                                                                                  \
	"\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" places "]}"

static void a_model_is_what_its_tensors_are(void **state)
{
	/* Embedding 8 x 4, output the same, two layers of 4 x 4 and a norm of 4. */
	struct model_facts f = facts_of("{\"__metadata__\":{\"format\":\"pt\",\"a \\\"b\\\"\":\"\"}," //
					T("model.embed_tokens.weight", "BF16", "8,4", "0,64") "," //
					T("model.layers.0.self_attn.q_proj.weight", "BF16", "4,4", "64,96") "," //
					T("model.layers.1.self_attn.q_proj.weight", "BF16", "4,4", "96,128") "," //
					T("model.norm.weight", "F32", "4", "128,144") "," //
					T("lm_head.weight", "BF16", "8,4", "144,208") "}   ",
					208);

	(void)state;
	assert_int_equal(f.n_params, 32 + 16 + 16 + 4 + 32);
	assert_int_equal(f.weight_bytes, 208);
	assert_int_equal(f.params[TENSOR_EMBEDDING], 32);
	assert_int_equal(f.params[TENSOR_OUTPUT], 32);
	assert_int_equal(f.active_params, 16 + 16 + 4 + 32);
	assert_int_equal(f.n_layers, 2);
	assert_int_equal(f.n_vocab, 8);
	assert_int_equal(f.n_embd, 4);
	assert_int_equal(f.n_experts, ABSENT);
	assert_string_equal(f.quantization, "BF16");
	assert_string_equal(f.tensor_types, "BF16 192, F32 16");
	assert_string_equal(f.arch, "");
	assert_string_equal(f.missing, "");
	assert_int_equal(strlen(f.digest), GGUF_DIGEST_SIZE - 1);
}

static void a_tied_embedding_is_computed_with(void **state)
{
	struct model_facts f = facts_of("{" T("wte.weight", "F16", "8,4", "0,64") "," //
					T("wpe.weight", "F16", "2,4", "64,80") "," T("h.3.w", "F16", "4", "80,88") "}",
					88);

	(void)state;
	assert_int_equal(f.active_params, 32 + 4);
	assert_int_equal(f.params[TENSOR_LOOKUP], 8);
	assert_int_equal(f.n_layers, 4);
}

static void experts_are_counted_and_how_many_a_token_takes_is_not_known(void **state)
{
	struct model_facts f = facts_of("{" T("model.layers.0.mlp.experts.0.w", "F8_E4M3", "4,4", "0,16") "," //
					T("model.layers.0.mlp.experts.1.w", "F8_E4M3", "4,4", "16,32") "," //
					T("model.layers.0.mlp.shared_experts.w", "F8_E4M3", "4,4", "32,48") "}",
					48);

	(void)state;
	assert_int_equal(f.n_experts, 2);
	assert_int_equal(f.params[TENSOR_EXPERT], 32);
	assert_int_equal(f.params[TENSOR_OTHER], 16);
	assert_int_equal(f.n_params, 48);
	assert_int_equal(f.active_params, ABSENT);
	assert_string_equal(f.quantization, "F8_E4M3");
}

static void packed_weights_cannot_be_counted_but_their_bytes_can(void **state)
{
	struct model_facts f = facts_of("{" T("model.layers.0.q_proj.qweight", "I32", "4,4", "0,64") "}", 64);

	(void)state;
	assert_int_equal(f.n_params, ABSENT);
	assert_int_equal(f.weight_bytes, 64);
	assert_non_null(strstr(f.missing, "packed"));
}

static void four_bits_are_half_a_byte(void **state)
{
	struct model_facts f = facts_of("{" T("a", "F4", "4,4", "0,8") "}", 8);

	(void)state;
	assert_int_equal(f.n_params, 16);
	assert_refused("{" T("a", "F4", "5", "0,3") "}", 3, -EBADMSG, "is no number of bytes");
}

static void what_is_wrong_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *header, *says;
		size_t n_data;
	} cases[] = {
		{ "", "'{' should stand", 0 },
		{ "[]", "'{' should stand here", 0 },
		{ "{", "should stand", 0 },
		{ "{}x", "behind the header's end", 0 },
		{ "{\"a\":1}", "'{' should stand here", 0 },
		{ "{\"a\":{}}", "lacks dtype, shape or data_offsets", 0 },
		{ "{" T("a", "F16", "2", "0,4") "}", "the tensors take 4 bytes from here, but the file has 3", 3 },
		{ "{" T("a", "F16", "2", "0,4") "}", "the tensors take 4 bytes from here, but the file has 5", 5 },
		{ "{" T("a", "F16", "2", "0,5") "}", "takes 4 bytes, not those from 0 to 5", 5 },
		{ "{" T("a", "F16", "2", "4,0") "}", "takes 4 bytes, not those", 4 },
		{ "{" T("a", "F99", "2", "0,4") "}", "number format 'F99', which is not known", 4 },
		{ "{" T("a", "F16", "-2", "0,4") "}", "a whole number should stand here", 4 },
		{ "{" T("a", "F16", "2.0", "0,4") "}", "']' should stand here", 4 },
		{ "{" T("a", "F16", "99999999999999999999", "0,4") "}", "more than 2^63", 4 },
		{ "{" T("a", "F16", "4294967296,4294967296", "0,4") "}", "more than 2^63 elements", 4 },
		{ "{" T("a", "F16", "2", "0,4") "," T("a", "F16", "2", "4,8") "}", "there twice", 8 },
		{ "{" T("a", "F16", "2", "0,4") "," T("b", "F16", "2", "2,6") "}", "overlap at byte 4", 8 },
		{ "{" T("a", "F16", "2", "0,4") "," T("b", "F16", "2", "6,10") "}", "leave a gap at byte 4", 10 },
		{ "{" T("a\\u0041", "F16", "2", "0,4") "}", "an escape in a name", 4 },
		{ "{\"a\":{\"dtype\":\"F16\",\"dtype\":\"F16\"}}", "or has it twice", 4 },
		{ "{\"a\n\":{}}", "a control character", 0 },
		{ "{" T("a", "F16", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", "0,2") "}", "more than 16 dimensions", 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused(cases[i].header, cases[i].n_data, -EBADMSG, cases[i].says);
}

static void a_length_that_the_file_has_no_room_for_allocates_nothing(void **state)
{
	unsigned char bytes[16] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, '{', '}' };
	char error[GGUF_ERROR_SIZE];
	struct model_facts f;

	(void)state;
	assert_int_equal(safetensors__read_bytes(&f, bytes, sizeof(bytes), error, sizeof(error)), -EBADMSG);
	assert_non_null(strstr(error, "the file has only 8 bytes more"));
	assert_int_equal(safetensors__read_bytes(&f, bytes, 3, error, sizeof(error)), -EBADMSG);
}

static void a_header_cut_short_at_any_byte_is_refused(void **state)
{
	const char *header = "{\"__metadata__\":{\"x\":\"y\"}," T("a", "F16", "2", "0,4") "}";
	struct file f = make(header, 4);
	char error[GGUF_ERROR_SIZE];
	struct model_facts facts;

	(void)state;
	for (size_t n = 0; n < f.n; n++) {
		unsigned char *copy = malloc(n + 1);

		assert_non_null(copy);
		memcpy(copy, f.bytes, n);
		assert_true(safetensors__read_bytes(&facts, copy, n, error, sizeof(error)) < 0);
		assert_true(error[0] != 0);
		free(copy);
	}
	assert_int_equal(safetensors__read_bytes(&facts, f.bytes, f.n, error, sizeof(error)), 0);
	free(f.bytes);
}

static void parts_are_known_by_their_names(void **state)
{
	int64_t no = -1, count = -1;

	(void)state;
	assert_true(safetensors__part("/m/model-00002-of-00004.safetensors", &no, &count));
	assert_int_equal(no, 1);
	assert_int_equal(count, 4);
	assert_false(safetensors__part("/m/model.safetensors", &no, &count));
	assert_false(safetensors__part("/m/model-00005-of-00004.safetensors", &no, &count));
	assert_false(safetensors__part("/m/model-00001-of-00001.safetensors", &no, &count));
	assert_false(safetensors__part("-00001-of-00002.safetensors", &no, &count));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_model_is_what_its_tensors_are),
		cmocka_unit_test(a_tied_embedding_is_computed_with),
		cmocka_unit_test(experts_are_counted_and_how_many_a_token_takes_is_not_known),
		cmocka_unit_test(packed_weights_cannot_be_counted_but_their_bytes_can),
		cmocka_unit_test(four_bits_are_half_a_byte),
		cmocka_unit_test(what_is_wrong_is_refused_with_its_place),
		cmocka_unit_test(a_length_that_the_file_has_no_room_for_allocates_nothing),
		cmocka_unit_test(a_header_cut_short_at_any_byte_is_refused),
		cmocka_unit_test(parts_are_known_by_their_names),
	};

	return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
