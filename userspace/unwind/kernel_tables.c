/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/unwind/kernel_tables.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_SHARDS 4		/* a server of llama.cpp has all its rows in them */
#define HALF (UNWIND_MAX_MAPPINGS / 2)

struct listed {
	uint32_t pid;
	struct unwind_mapping *mappings;
	size_t n;
};

static int kernel_update(void *ctx, int map, const void *key, const void *value)
{
	(void)ctx;
	return bpf_map_update_elem(map, key, value, BPF_ANY);
}

static int kernel_remove(void *ctx, int map, const void *key)
{
	(void)ctx;
	return bpf_map_delete_elem(map, key);
}

static int kernel_new_shard(void *ctx)
{
	(void)ctx;
	return bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_shard", sizeof(uint32_t), sizeof(struct unwind_shard), 1,
			      NULL);
}

/*
 * In one go where the kernel can (5.17, commit 9263dddc7b6f): after each put it waits until no program can be using what was there
 * (maybe_wait_bpf_programs), on a busy host a tenth of a second.
 */
static int kernel_put_shards(void *ctx, int map, uint32_t first, uint32_t n, const int *fds)
{
	uint32_t keys[UNWIND_MAX_SHARDS] = { 0 }, count = n;
	int err = 0;

	(void)ctx;
	for (uint32_t i = 0; i < n; i++)
		keys[i] = first + i;
	if (bpf_map_update_batch(map, keys, fds, &count, NULL) == 0)
		return 0;
	for (uint32_t i = 0; !err && i < n; i++)
		err = bpf_map_update_elem(map, &keys[i], &fds[i], BPF_ANY);
	return err;
}

static void kernel_close(void *ctx, int fd)
{
	(void)ctx;
	close(fd);
}

const struct table_calls table_calls__kernel = { kernel_update,	    kernel_remove, kernel_new_shard,
						 kernel_put_shards, kernel_close,  NULL };

static int reserve_shards(struct kernel_tables *t, uint32_t n)
{
	int err = 0;
	uint32_t made = 0;

	if (t->n_shards + n > UNWIND_MAX_SHARDS)
		return -ENOSPC;
	while (!err && made < n) {
		const int fd = t->calls->new_shard(t->calls->ctx);

		if (fd < 0)
			err = fd;
		else
			t->shard_fds[t->n_shards + made++] = fd;
	}
	if (!err)
		err = t->calls->put_shards(t->calls->ctx, t->shards_fd, t->n_shards, n, &t->shard_fds[t->n_shards]);
	if (!err) {
		t->n_shards += n;
		return 0;
	}
	while (made-- > 0) {
		t->calls->close(t->calls->ctx, t->shard_fds[t->n_shards + made]);
		t->shard_fds[t->n_shards + made] = -1;
	}
	return err;
}

int kernel_tables__init(struct kernel_tables *t, const struct table_calls *calls)
{
	int err;

	t->calls = calls;
	for (size_t i = 0; i < UNWIND_MAX_SHARDS; i++)
		t->shard_fds[i] = -1;
	t->shard = calloc(1, sizeof(*t->shard));
	t->rules = calloc(UNWIND_MAX_RULES, sizeof(*t->rules));
	err = t->shard && t->rules ? reserve_shards(t, FIRST_SHARDS) : -ENOMEM;
	if (err)
		kernel_tables__free(t);
	return err;
}

void kernel_tables__free(struct kernel_tables *t)
{
	for (size_t i = 0; i < UNWIND_MAX_SHARDS; i++)
		if (t->shard_fds[i] >= 0)
			t->calls->close(t->calls->ctx, t->shard_fds[i]);
	for (size_t i = 0; i < t->n_listed; i++)
		free(t->listed[i].mappings);
	free(t->listed);
	free(t->shard);
	free(t->rules);
	t->listed = NULL;
	t->n_listed = t->listed_capacity = 0;
	t->shard = NULL;
	t->rules = NULL;
}

/* --- rows ----------------------------------------------------------------------------------------------------------- */

static int write_shard(struct kernel_tables *t, uint32_t number)
{
	const uint32_t zero = 0;

	return t->calls->update(t->calls->ctx, t->shard_fds[number], &zero, t->shard);
}

/* The one before the next row has its last. */
static int fill_shard(struct kernel_tables *t)
{
	const uint32_t number = (t->n_rows >> UNWIND_SHARD_SHIFT) - 1;
	int err = write_shard(t, number);

	t->calls->close(t->calls->ctx, t->shard_fds[number]);
	t->shard_fds[number] = -1;
	memset(t->shard, 0, sizeof(*t->shard));
	return err;
}

/* @rules the kernel's number of each rule of the table; NULL: these are blocks */
static int put_rows(struct kernel_tables *t, const struct unwind_row *rows, size_t n, const uint32_t *rules)
{
	const uint32_t needed = (uint32_t)((t->n_rows + n) >> UNWIND_SHARD_SHIFT) + 1;
	int err = needed > t->n_shards ? reserve_shards(t, needed - t->n_shards) : 0;

	for (size_t i = 0; !err && i < n; i++) {
		const uint32_t at = t->n_rows & (UNWIND_SHARD_ROWS - 1);

		t->shard->row[at] = (struct unwind_row){ rows[i].pc, rules ? rules[rows[i].rule] : rows[i].rule };
		t->n_rows++;
		if (at == UNWIND_SHARD_ROWS - 1)
			err = fill_shard(t);
	}
	if (!err && t->n_rows & (UNWIND_SHARD_ROWS - 1))
		err = write_shard(t, t->n_rows >> UNWIND_SHARD_SHIFT);
	return err;
}

static int put_rules(struct kernel_tables *t, const struct unwind_table *table, uint32_t *out)
{
	for (size_t i = 0; i < table->n_rules; i++) {
		uint32_t j = 0;
		int err;

		while (j < t->n_rules && memcmp(&t->rules[j], &table->rules[i], sizeof(t->rules[j])) != 0)
			j++;
		out[i] = j;
		if (j < t->n_rules)
			continue;
		if (j == UNWIND_MAX_RULES)
			return -ENOSPC;
		err = t->calls->update(t->calls->ctx, t->rules_fd, &j, &table->rules[i]);
		if (err)
			return err;
		t->rules[t->n_rules++] = table->rules[i];
	}
	return 0;
}

int kernel_tables__put_module(struct kernel_tables *t, uint32_t id, const struct unwind_table *table,
			      struct unwind_module *out)
{
	const uint64_t room = ((uint64_t)UNWIND_MAX_SHARDS << UNWIND_SHARD_SHIFT) - t->n_rows - 1;
	struct unwind_row *blocks;
	uint32_t *rules;
	size_t n_blocks;
	int err;

	*out = (struct unwind_module){ table->first_address, t->n_rows, (uint32_t)table->n_rows, 0, 0 };
	if (table->n_rows > room)
		return -ENOSPC;
	rules = reallocarray(NULL, table->n_rules + 1, sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	n_blocks = unwind_table__blocks(table, &blocks);
	if (n_blocks > room - table->n_rows)
		n_blocks = 0;
	err = put_rules(t, table, rules);
	if (!err)
		err = put_rows(t, table->rows, table->n_rows, rules);
	out->first_block = t->n_rows;
	out->n_blocks = (uint32_t)n_blocks;
	if (!err)
		err = put_rows(t, blocks, n_blocks, NULL);
	free(blocks);
	free(rules);
	return err ? err : kernel_tables__share_module(t, id, out);
}

int kernel_tables__share_module(struct kernel_tables *t, uint32_t id, const struct unwind_module *module)
{
	return t->calls->update(t->calls->ctx, t->modules_fd, &id, module);
}

/* --- processes ------------------------------------------------------------------------------------------------------ */

static struct listed *find_listed(const struct kernel_tables *t, uint32_t pid)
{
	for (size_t i = 0; i < t->n_listed; i++)
		if (t->listed[i].pid == pid)
			return &t->listed[i];
	return NULL;
}

/* First where no process looks, then the one word that leads the process there. */
static int put_list(struct kernel_tables *t, const struct listed *l)
{
	struct unwind_process process = { .first = t->half * HALF + t->next_mapping, .n = (uint32_t)l->n };
	int err = t->next_mapping + l->n > HALF ? -ENOSPC : 0;

	for (uint32_t i = 0; !err && i < l->n; i++) {
		const uint32_t key = process.first + i;

		err = t->calls->update(t->calls->ctx, t->mappings_fd, &key, &l->mappings[i]);
	}
	if (!err)
		err = t->calls->update(t->calls->ctx, t->processes_fd, &l->pid, &process);
	if (!err)
		t->next_mapping += (uint32_t)l->n;
	return err;
}

/* What was there is of no process any more since the last time, and no program has been looking at it for so long. */
static int use_other_half(struct kernel_tables *t)
{
	int err = 0;

	t->half = !t->half;
	t->next_mapping = 0;
	for (size_t i = 0; !err && i < t->n_listed; i++)
		err = put_list(t, &t->listed[i]);
	return err;
}

static struct listed *add_listed(struct kernel_tables *t, uint32_t pid)
{
	if (t->n_listed == t->listed_capacity) {
		const size_t capacity = t->listed_capacity ? 2 * t->listed_capacity : 16;
		struct listed *grown = reallocarray(t->listed, capacity, sizeof(*grown));

		if (!grown)
			return NULL;
		t->listed = grown;
		t->listed_capacity = capacity;
	}
	t->listed[t->n_listed] = (struct listed){ .pid = pid };
	return &t->listed[t->n_listed++];
}

int kernel_tables__put_process(struct kernel_tables *t, uint32_t pid, const struct unwind_mapping *mappings, size_t n)
{
	struct listed *l = find_listed(t, pid);
	struct unwind_mapping *copy;

	if (l && l->n == n && memcmp(l->mappings, mappings, n * sizeof(*mappings)) == 0)
		return 0;
	copy = reallocarray(NULL, n + 1, sizeof(*copy));
	if (copy && !l)
		l = add_listed(t, pid);
	if (!copy || !l) {
		free(copy);
		return -ENOMEM;
	}
	memcpy(copy, mappings, n * sizeof(*copy));
	free(l->mappings);
	l->mappings = copy;
	l->n = n;
	return t->next_mapping + n > HALF ? use_other_half(t) : put_list(t, l);
}

void kernel_tables__forget_process(struct kernel_tables *t, uint32_t pid)
{
	struct listed *l = find_listed(t, pid);

	if (!l)
		return;
	t->calls->remove(t->calls->ctx, t->processes_fd, &pid);
	free(l->mappings);
	*l = t->listed[--t->n_listed];
}
