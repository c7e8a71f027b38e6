/* SPDX-License-Identifier: Apache-2.0 */
/* The number format of a cache, read off tensors as ggml has them in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "userspace/memory/kv_cache.h"

#define F16 1
#define Q8_0 8

/* struct ggml_tensor of llama.cpp (ggml/include/ggml.h), written down from there. */
struct tensor {
	int32_t type;
	void *buffer;
	int64_t ne[4];
	size_t nb[4];
	int32_t op;
	int32_t op_params[16];
	int32_t flags;
	void *src[10];
	void *view_src;
	size_t view_offs;
	void *data;
	char name[64];
	void *extra;
	char padding[8];
};

static struct tensor tensor(const char *name, int type, int64_t elements, int64_t n_tokens)
{
	const size_t block = type == Q8_0 ? 34 : 2, weights = type == Q8_0 ? 32 : 1;
	struct tensor t = { .type = type,
			    .buffer = (void *)0x1000,
			    .ne = { elements, n_tokens, 1, 1 },
			    .nb = { block, (size_t)elements / weights * block } };

	t.nb[2] = t.nb[3] = t.nb[1] * (size_t)n_tokens;
	memcpy(t.name, name, strlen(name));
	return t;
}

static size_t find(const void *at, size_t n, struct kv_cache *caches)
{
	struct kv_tensor found[64];

	return kv_caches__join(found, kv_tensors__find(at, n, 0x10000, found, 0, 64), caches, 4);
}

static void keys_and_values_of_all_layers_are_one_cache(void **state)
{
	const struct tensor memory[] = { tensor("cache_k_l0", F16, 256, 4096), tensor("cache_v_l0", Q8_0, 256, 4096),
					 tensor("cache_k_l1", F16, 256, 4096), tensor("cache_v_l1", Q8_0, 256, 4096) };
	struct kv_cache caches[4];

	(void)state;
	assert_int_equal(sizeof(struct tensor), 336);
	assert_int_equal(find(memory, sizeof(memory), caches), 1);
	assert_int_equal(caches[0].n_layers, 2);
	assert_int_equal(caches[0].n_tokens, 4096);
	assert_int_equal(caches[0].elements_per_token, 1024);
	assert_int_equal(caches[0].bytes_per_token, 2 * (512 + 272));
	assert_string_equal(caches[0].type_k, "F16");
	assert_string_equal(caches[0].type_v, "Q8_0");
}

static void a_draft_models_cache_is_another_one(void **state)
{
	const struct tensor memory[] = { tensor("cache_k_l0", F16, 256, 64),  tensor("cache_v_l0", F16, 256, 64),
					 tensor("cache_k_l1", F16, 256, 64),  tensor("cache_v_l1", F16, 256, 64),
					 tensor("cache_k_l0", Q8_0, 64, 128), tensor("cache_v_l0", F16, 64, 128) };
	struct kv_cache caches[4];

	(void)state;
	assert_int_equal(find(memory, sizeof(memory), caches), 2);
	assert_int_equal(caches[0].elements_per_token, 1024);
	assert_int_equal(caches[1].elements_per_token, 128);
	assert_int_equal(caches[1].bytes_per_token, 68 + 128);
	assert_string_equal(caches[1].type_k, "Q8_0");
}

static void layers_of_several_formats_have_no_common_one(void **state)
{
	const struct tensor memory[] = { tensor("cache_k_l0", F16, 256, 64), tensor("cache_k_l1", Q8_0, 256, 64),
					 tensor("cache_k_l2", F16, 256, 64) };
	struct kv_cache caches[4];

	(void)state;
	assert_int_equal(find(memory, sizeof(memory), caches), 1);
	assert_null(caches[0].type_k);
	assert_int_equal(caches[0].bytes_per_token, 512 + 272 + 512);
}

static void what_only_calls_itself_a_cache_is_none(void **state)
{
	struct tensor good = tensor("cache_k_l0", F16, 256, 64), bad[10];
	struct kv_cache caches[4];

	(void)state;
	for (size_t i = 0; i < 10; i++)
		bad[i] = good;
	strcpy(bad[0].name, "cache_k_l0 (view)");
	strcpy(bad[1].name, "cache_k_lx");
	strcpy(bad[2].name, "cache_k_l");
	strcpy(bad[3].name, "cache_k_l99999");
	bad[4].type = 4;	/* removed from ggml */
	bad[5].nb[1]++;
	bad[6].buffer = NULL;
	bad[7].ne[0] = -256;
	bad[8].ne[1] = INT64_MAX;
	memcpy(bad[9].name, "cache_r_l0", 10);
	assert_int_equal(find(bad, sizeof(bad), caches), 0);
	/* Cut off in its middle, and at an address that no struct has. */
	assert_int_equal(find(&good, offsetof(struct tensor, name) + 30, caches), 0);
	assert_int_equal(find((char *)&good + 8, sizeof(good) - 8, caches), 0);
}

static void a_process_is_searched_where_its_pages_are_and_no_page_is_added(void **state)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 64;
	unsigned char present[64],
		*at = mmap(NULL, n * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kv_cache caches[MAX_KV_CACHES];
	bool found = false;
	int count;

	(void)state;
	assert_true(at != MAP_FAILED);
	/* Across the border of two pages, with untouched ones on both sides. */
	*(struct tensor *)(at + 11 * page - 80) = tensor("cache_k_l0", F16, 12345 * 2, 77);
	count = kv_caches__of_process((uint32_t)getpid(), caches, MAX_KV_CACHES);
	if (count == -EACCES || count == -EPERM)
		skip();
	assert_true(count >= 1);
	for (int i = 0; i < count; i++)
		found |= caches[i].elements_per_token == 24690 && caches[i].n_tokens == 77;
	assert_true(found);
	assert_int_equal(mincore(at, n * page, present), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(present[i] & 1, i == 10 || i == 11);
	munmap(at, n * page);
	assert_int_equal(kv_caches__of_process(0x7ffffffe, caches, MAX_KV_CACHES), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_and_values_of_all_layers_are_one_cache),
		cmocka_unit_test(a_draft_models_cache_is_another_one),
		cmocka_unit_test(layers_of_several_formats_have_no_common_one),
		cmocka_unit_test(what_only_calls_itself_a_cache_is_none),
		cmocka_unit_test(a_process_is_searched_where_its_pages_are_and_no_page_is_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
