/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of stacks in the recorder: the prefix tree, the time in flight, places in the kernel, tables in its maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "host_tree.h"
#include "userspace/unwind/flight.h"
#include "userspace/unwind/kernel_code.h"
#include "userspace/unwind/kernel_tables.h"
#include "userspace/unwind/stack_store.h"

/* --- the prefix tree ------------------------------------------------------------------------------------------------- */

static struct row_frame frames[16];
static struct row_stack stacks[16];
static size_t n_frames, n_stacks;

static void on_frame(void *ctx, const struct row_frame *row)
{
	(void)ctx;
	frames[n_frames++ % 16] = *row;
}

static void on_stack(void *ctx, const struct row_stack *row)
{
	(void)ctx;
	stacks[n_stacks++ % 16] = *row;
}

static struct stack_store *new_store(size_t most)
{
	static const struct stack_store_calls calls = { on_frame, on_stack, NULL };

	n_frames = n_stacks = 0;
	return stack_store__new(&calls, most);
}

static void stacks_with_the_same_callers_share_them(void **state)
{
	struct stack_store *s = new_store(100);
	int64_t start, run, f, g;

	(void)state;
	start = stack_store__push(s, ABSENT, FRAME_USER, 1, 0x10);
	run = stack_store__push(s, start, FRAME_USER, 1, 0x20);
	f = stack_store__push(s, run, FRAME_USER, 2, 0x30);
	g = stack_store__push(s, run, FRAME_USER, 2, 0x40);
	assert_int_not_equal(f, g);
	assert_int_equal(stack_store__push(s, run, FRAME_USER, 2, 0x30), f);
	assert_int_equal(n_frames, 4);
	assert_int_equal(n_stacks, 4);
	assert_int_equal(stacks[0].parent, ABSENT);
	assert_int_equal(stacks[3].parent, run);
	for (size_t i = 1; i < n_stacks; i++)
		assert_true(stacks[i].parent < stacks[i].id);
	/* Recursion is a frame that calls itself: one frame, two stacks. */
	stack_store__push(s, f, FRAME_USER, 2, 0x30);
	assert_int_equal(n_frames, 4);
	assert_int_equal(n_stacks, 5);
	stack_store__free(s);
}

static void one_address_in_two_kinds_of_code_is_two_frames(void **state)
{
	struct stack_store *s = new_store(100);

	(void)state;
	stack_store__push(s, ABSENT, FRAME_USER, 0, 0x10);
	stack_store__push(s, ABSENT, FRAME_KERNEL, 0, 0x10);
	stack_store__push(s, ABSENT, FRAME_USER, 1, 0x10);
	stack_store__push(s, ABSENT, FRAME_USER, ABSENT, 0x10);
	assert_int_equal(n_frames, 4);
	assert_int_equal(frames[3].module, ABSENT);
	stack_store__free(s);
}

static void a_full_tree_takes_known_stacks_and_no_new_ones(void **state)
{
	struct stack_store *s = new_store(2000);
	int64_t last = ABSENT;

	(void)state;
	for (uint64_t i = 0; i < 2000; i++) {
		last = stack_store__push(s, last, FRAME_USER, 1, i);
		assert_int_equal(last, i + 1);
	}
	assert_int_equal(stack_store__push(s, last, FRAME_USER, 1, 5000), ABSENT);
	assert_int_equal(stack_store__push(s, ABSENT, FRAME_USER, 1, 0), 1);
	assert_int_equal(stack_store__push(s, 1, FRAME_USER, 1, 1), 2);
	stack_store__free(s);
}

/* --- time in flight -------------------------------------------------------------------------------------------------- */

static void a_wait_counts_as_long_as_a_request_was_open(void **state)
{
	struct flight f = { 0 };

	(void)state;
	flight__requests(&f, 1, 100);
	flight__requests(&f, 2, 150);
	flight__requests(&f, 0, 200);
	flight__requests(&f, 0, 250);
	flight__requests(&f, 1, 300);
	assert_int_equal(flight__overlap(&f, 120, 180), 60);
	assert_int_equal(flight__overlap(&f, 50, 120), 20);
	assert_int_equal(flight__overlap(&f, 190, 310), 20);
	assert_int_equal(flight__overlap(&f, 210, 290), 0);
	assert_int_equal(flight__overlap(&f, 0, 1000), 100 + 700);
}

static void more_spans_than_are_kept_lose_the_oldest(void **state)
{
	struct flight f = { 0 };

	(void)state;
	for (uint64_t i = 1; i <= 2 * FLIGHT_SPANS; i++) {
		flight__requests(&f, 1, 10 * i);
		flight__requests(&f, 0, 10 * i + 5);
	}
	assert_int_equal(flight__overlap(&f, 0, UINT64_MAX), 5 * FLIGHT_SPANS);
	assert_int_equal(flight__overlap(&f, 20 * FLIGHT_SPANS, 20 * FLIGHT_SPANS + 3), 3);
}

/* --- places in the kernel -------------------------------------------------------------------------------------------- */

static void addresses_of_the_kernel_are_told_from_its_start_and_those_of_modules_from_theirs(void **state)
{
	static const uint8_t note[] = { 4, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0, 0xab, 0x01, 0, 0 };
	char root[] = "/tmp/tokprof-kernel-XXXXXX", path[128], command[160];
	struct kernel_code k;
	uint64_t place = 0;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(root));
	host_tree__put(root, "/proc/kallsyms",
		       "ffffffff81000000 T _text\nffffffff81000000 T startup_64\nffffffff81800000 t __schedule\n"
		       "ffffffff81800a00 T schedule\nffffffff82000000 T _etext\nffffffffa0000010 t probe\t[nf]\n");
	host_tree__put(root, "/proc/modules",
		       "other 4096 0 - Live 0xffffffffa0100000\nnf 8192 1 other, Live 0xffffffffa0000000 (O)\nhidden "
		       "10 0 - Live 0x0\n");
	host_tree__put(root, "/sys/module/nf/notes/.note.gnu.build-id", "");
	snprintf(path, sizeof(path), "%s/sys/module/nf/notes/.note.gnu.build-id", root);
	file = fopen(path, "w");
	assert_int_equal(fwrite(note, 1, sizeof(note), file), sizeof(note));
	fclose(file);
	kernel_code__read(&k, root);
	assert_int_equal(kernel_code__find(&k, 0xffffffff81000123, &place), 0);
	assert_int_equal(place, 0x123);
	assert_int_equal(kernel_code__find(&k, 0xffffffffa0000123, &place), 1);
	assert_int_equal(place, 0x123);
	assert_string_equal(k.modules[0].name, "nf");
	assert_string_equal(k.modules[0].build_id, "ab01");
	assert_int_equal(kernel_code__find(&k, 0xffffffffa0100fff, &place), 2);
	assert_int_equal(kernel_code__find(&k, 0xffffffffa0002000, &place), -1);
	assert_int_equal(kernel_code__find(&k, 0xffffffff82000000, &place), -1);
	assert_true(kernel_code__is_schedule(&k, 0xffffffff81800020));
	assert_false(kernel_code__is_schedule(&k, 0xffffffff81800a00));
	kernel_code__free(&k);
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	assert_int_equal(system(command), 0);
}

static void a_kernel_that_hides_its_addresses_has_no_places(void **state)
{
	struct kernel_code k;
	uint64_t place;

	(void)state;
	kernel_code__read(&k, "/nonexistent");
	assert_int_equal(kernel_code__find(&k, 0xffffffff81000123, &place), -1);
	assert_false(kernel_code__is_schedule(&k, 0));
	kernel_code__free(&k);
}

/* --- tables in the kernel's maps: a kernel made of arrays ------------------------------------------------------------ */

enum { PROCESSES, MAPPINGS, MODULES, RULES, SHARDS, FIRST_SHARD };

static struct unwind_process processes[64];	/* by pid */
static struct unwind_mapping mappings[UNWIND_MAX_MAPPINGS];
static struct unwind_module modules[UNWIND_MAX_MODULES];
static struct unwind_rule rules[UNWIND_MAX_RULES];
static struct unwind_shard *shards[8];
static int shard_of[8], n_made;

static int put(void *ctx, int map, const void *key, const void *value)
{
	uint32_t i;

	(void)ctx;
	memcpy(&i, key, sizeof(i));
	switch (map) {
	case PROCESSES:
		memcpy(&processes[i], value, sizeof(processes[i]));
		return 0;
	case MAPPINGS:
		memcpy(&mappings[i], value, sizeof(mappings[i]));
		return 0;
	case MODULES:
		memcpy(&modules[i], value, sizeof(modules[i]));
		return 0;
	case RULES:
		memcpy(&rules[i], value, sizeof(rules[i]));
		return 0;
	}
	memcpy(shards[map - FIRST_SHARD], value, sizeof(struct unwind_shard));
	return 0;
}

static int removed(void *ctx, int map, const void *key)
{
	uint32_t i;

	(void)ctx;
	(void)map;
	memcpy(&i, key, sizeof(i));
	processes[i] = (struct unwind_process){ 0, 0 };
	return 0;
}

static int made(void *ctx)
{
	(void)ctx;
	if (n_made == 8)
		return -ENOMEM;
	shards[n_made] = calloc(1, sizeof(struct unwind_shard));
	return FIRST_SHARD + n_made++;
}

static int put_shards(void *ctx, int map, uint32_t first, uint32_t n, const int *fds)
{
	(void)ctx;
	assert_int_equal(map, SHARDS);
	memcpy(&shard_of[first], fds, n * sizeof(*fds));
	return 0;
}

static void closed(void *ctx, int fd)
{
	(void)ctx;
	(void)fd;
}

static const struct table_calls calls = { put, removed, made, put_shards, closed, NULL };

static void init(struct kernel_tables *t)
{
	*t = (struct kernel_tables){ PROCESSES, MAPPINGS, MODULES, RULES, SHARDS, .calls = NULL };
	n_made = 0;
	memset(processes, 0, sizeof(processes));
	assert_int_equal(kernel_tables__init(t, &calls), 0);
}

static void end(struct kernel_tables *t)
{
	kernel_tables__free(t);
	for (int i = 0; i < n_made; i++)
		free(shards[i]);
}

static struct unwind_row row_in_kernel(uint32_t i)
{
	return shards[shard_of[i >> UNWIND_SHARD_SHIFT] - FIRST_SHARD]->row[i & (UNWIND_SHARD_ROWS - 1)];
}

static void rows_of_modules_lie_behind_each_other_and_rules_are_there_once(void **state)
{
	const size_t n = 2 * UNWIND_SHARD_ROWS + 100;
	struct unwind_rule own[2] = { { .cfa = UNWIND_CFA_UNKNOWN }, { .cfa = UNWIND_CFA_SP, .cfa_offset = 8 } };
	struct unwind_rule other[2] = { { .cfa = UNWIND_CFA_UNKNOWN }, { .cfa = UNWIND_CFA_FP, .cfa_offset = 16 } };
	struct unwind_table a = { .first_address = 0x1000, .n_rows = n, .rules = own, .n_rules = 2 };
	struct unwind_table b = { .first_address = 0x2000, .n_rows = n, .rules = other, .n_rules = 2 };
	struct unwind_module where;
	struct kernel_tables t;

	(void)state;
	a.rows = b.rows = calloc(n, sizeof(struct unwind_row));
	for (uint32_t i = 0; i < n; i++)
		a.rows[i] = (struct unwind_row){ 16 * i, i & 1 };
	init(&t);
	assert_int_equal(kernel_tables__put_module(&t, 1, &a, &where), 0);
	assert_int_equal(kernel_tables__put_module(&t, 2, &b, &where), 0);
	assert_int_equal(modules[1].n_rows, n);
	assert_int_equal(modules[1].first_block, n);
	assert_int_equal(modules[1].n_blocks, (16 * (n - 1) >> UNWIND_BLOCK_SHIFT) + 1);
	assert_int_equal(modules[2].first_row, n + modules[1].n_blocks);
	assert_int_equal(modules[2].first_address, 0x2000);
	assert_int_equal(t.n_rules, 3);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(row_in_kernel(i).pc, 16 * i);
		assert_int_equal(rules[row_in_kernel(i).rule].cfa, i & 1 ? UNWIND_CFA_SP : UNWIND_CFA_UNKNOWN);
		assert_int_equal(rules[row_in_kernel(modules[2].first_row + i).rule].cfa,
				 i & 1 ? UNWIND_CFA_FP : UNWIND_CFA_UNKNOWN);
	}
	for (uint32_t i = 0; i < modules[2].n_blocks; i++) {
		const struct unwind_row block = row_in_kernel(modules[2].first_block + i);

		assert_int_equal(block.pc, 32 * i + 1);
		assert_int_equal(block.rule, 32 * i + 32 < n ? 32 * i + 32 : n);
	}
	/* One more file of the same build takes no rows. */
	assert_int_equal(kernel_tables__share_module(&t, 3, &where), 0);
	assert_memory_equal(&modules[3], &modules[2], sizeof(modules[2]));
	free(a.rows);
	end(&t);
}

static void a_process_that_maps_again_and_again_never_runs_out_of_room(void **state)
{
	struct unwind_mapping list[100] = { 0 };
	struct kernel_tables t;

	(void)state;
	init(&t);
	for (uint32_t pid = 1; pid <= 4; pid++) {
		list[0].start = pid;
		assert_int_equal(kernel_tables__put_process(&t, pid, list, 100), 0);
	}
	for (uint64_t i = 0; i < 1000; i++) {
		list[0].start = 3;
		list[99].end = i + 1;
		assert_int_equal(kernel_tables__put_process(&t, 3, list, 100), 0);
		for (uint32_t pid = 1; pid <= 4; pid++) {
			assert_int_equal(processes[pid].n, 100);
			assert_int_equal(mappings[processes[pid].first].start, pid);
		}
		assert_int_equal(mappings[processes[3].first + 99].end, i + 1);
	}
	kernel_tables__forget_process(&t, 3);
	assert_int_equal(processes[3].n, 0);
	assert_int_equal(t.n_listed, 3);
	end(&t);
}

static void a_list_that_did_not_change_stays_where_it_is(void **state)
{
	struct unwind_mapping list[3] = { { .start = 1 } };
	struct unwind_process before;
	struct kernel_tables t;

	(void)state;
	init(&t);
	assert_int_equal(kernel_tables__put_process(&t, 1, list, 3), 0);
	before = processes[1];
	assert_int_equal(kernel_tables__put_process(&t, 1, list, 3), 0);
	assert_memory_equal(&before, &processes[1], sizeof(before));
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stacks_with_the_same_callers_share_them),
		cmocka_unit_test(one_address_in_two_kinds_of_code_is_two_frames),
		cmocka_unit_test(a_full_tree_takes_known_stacks_and_no_new_ones),
		cmocka_unit_test(a_wait_counts_as_long_as_a_request_was_open),
		cmocka_unit_test(more_spans_than_are_kept_lose_the_oldest),
		cmocka_unit_test(addresses_of_the_kernel_are_told_from_its_start_and_those_of_modules_from_theirs),
		cmocka_unit_test(a_kernel_that_hides_its_addresses_has_no_places),
		cmocka_unit_test(rows_of_modules_lie_behind_each_other_and_rules_are_there_once),
		cmocka_unit_test(a_process_that_maps_again_and_again_never_runs_out_of_room),
		cmocka_unit_test(a_list_that_did_not_change_stays_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
