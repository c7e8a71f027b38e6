/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/unwind/kernel_tables.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static void kernel_close(void *ctx, int fd)
{
	(void)ctx;
	close(fd);
}

const struct table_calls table_calls__kernel = { kernel_update, kernel_remove, kernel_new_shard, kernel_close, NULL };

int kernel_tables__init(struct kernel_tables *t, const struct table_calls *calls)
{
	t->calls = calls;
	t->shard_fd = -1;
	t->shard = calloc(1, sizeof(*t->shard));
	t->rules = calloc(UNWIND_MAX_RULES, sizeof(*t->rules));
	if (!t->shard || !t->rules) {
		kernel_tables__free(t);
		return -ENOMEM;
	}
	return 0;
}

void kernel_tables__free(struct kernel_tables *t)
{
	if (t->shard_fd >= 0)
		t->calls->close(t->calls->ctx, t->shard_fd);
	t->shard_fd = -1;
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

static int write_shard(struct kernel_tables *t)
{
	const uint32_t zero = 0;

	return t->calls->update(t->calls->ctx, t->shard_fd, &zero, t->shard);
}

static int begin_shard(struct kernel_tables *t)
{
	const uint32_t number = t->n_rows >> UNWIND_SHARD_SHIFT;
	int fd = t->calls->new_shard(t->calls->ctx), err;

	if (fd < 0)
		return fd;
	err = t->calls->update(t->calls->ctx, t->shards_fd, &number, &fd);
	if (err) {
		t->calls->close(t->calls->ctx, fd);
		return err;
	}
	if (t->shard_fd >= 0)
		t->calls->close(t->calls->ctx, t->shard_fd);
	t->shard_fd = fd;
	t->n_shards = number + 1;
	memset(t->shard, 0, sizeof(*t->shard));
	return 0;
}

/* @rules the kernel's number of each rule of the table */
static int put_rows(struct kernel_tables *t, const struct unwind_table *table, const uint32_t *rules)
{
	int err = 0;

	for (size_t i = 0; !err && i < table->n_rows; i++) {
		const uint32_t at = t->n_rows & (UNWIND_SHARD_ROWS - 1);

		if (at == 0 && t->n_rows >> UNWIND_SHARD_SHIFT == t->n_shards)
			err = begin_shard(t);
		if (err)
			break;
		t->shard->row[at] = (struct unwind_row){ table->rows[i].pc, rules[table->rows[i].rule] };
		t->n_rows++;
		if (at == UNWIND_SHARD_ROWS - 1)
			err = write_shard(t);
	}
	if (!err && t->n_rows & (UNWIND_SHARD_ROWS - 1))
		err = write_shard(t);
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
	const uint64_t room = ((uint64_t)UNWIND_MAX_SHARDS << UNWIND_SHARD_SHIFT) - t->n_rows;
	uint32_t *rules;
	int err;

	*out = (struct unwind_module){ table->first_address, t->n_rows, (uint32_t)table->n_rows };
	if (table->n_rows > room)
		return -ENOSPC;
	rules = reallocarray(NULL, table->n_rules + 1, sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	err = put_rules(t, table, rules);
	if (!err)
		err = put_rows(t, table, rules);
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
