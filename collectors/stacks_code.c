/* SPDX-License-Identifier: Apache-2.0 */
#include "collectors/stacks_code.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_INTERVAL_NS 1000000000ULL
#define MOST_INTERVAL_NS (64 * FIRST_INTERVAL_NS)
#define MOST_OPEN 64		/* files that wait for their tables */

struct looked {
	uint32_t pid;
	bool wanted, ended;
	uint64_t next_ns, interval_ns;	/* of looks because of an address */
};

struct open_module {
	const struct module *module;
	struct elf_file *file;
};

struct stacks_code {
	pthread_t thread;
	pthread_mutex_t lock;		/* of what follows, up to `counts` */
	pthread_cond_t wake;
	bool stop;
	struct looked *looked;
	size_t n_looked, looked_capacity;
	const struct module **modules;	/* by id - 1 */
	size_t n_modules, modules_capacity;
	struct stacks_code_counts counts;
	/* The thread's own. */
	struct code_map map;
	struct kernel_tables tables;
	struct unwind_module *where;	/* by module id; of whom a table was put */
	struct open_module open[MOST_OPEN];
	size_t n_open;
};

static void add_counts(struct stacks_code *c, const struct stacks_code_counts *more)
{
	pthread_mutex_lock(&c->lock);
	c->counts.n_tables += more->n_tables;
	c->counts.n_without += more->n_without;
	c->counts.n_no_room += more->n_no_room;
	c->counts.n_bad += more->n_bad;
	c->counts.n_rows = c->tables.n_rows;
	pthread_mutex_unlock(&c->lock);
}

/* --- tables --------------------------------------------------------------------------------------------------------- */

/* A module of the same build: the same file in another container's layer. */
static const struct unwind_module *same_build(const struct stacks_code *c, const struct module *module)
{
	for (size_t i = 0; module->build_id[0] && i < c->map.n; i++) {
		const struct module *other = c->map.modules[i];

		if (other != module && c->where[other->id].n_rows && strcmp(other->build_id, module->build_id) == 0)
			return &c->where[other->id];
	}
	return NULL;
}

static void build(struct stacks_code *c, const struct module *module, struct elf_file *f)
{
	const struct unwind_module *same = same_build(c, module);
	struct stacks_code_counts counts = { 0 };
	struct unwind_table table;
	int err;

	if (same) {
		if (kernel_tables__share_module(&c->tables, module->id, same) == 0)
			c->where[module->id] = *same;
		return;
	}
	err = f ? unwind_table__build(&table, f, TABLE_MOST_ROWS) : -ENODATA;
	if (!err) {
		counts.n_bad = table.n_bad;
		err = kernel_tables__put_module(&c->tables, module->id, &table, &c->where[module->id]);
		if (err)
			c->where[module->id].n_rows = 0;
		unwind_table__free(&table);
	}
	counts.n_tables = !err;
	counts.n_no_room = err == -E2BIG || err == -ENOSPC || err == -ENOMEM;
	counts.n_without = err && !counts.n_no_room;
	add_counts(c, &counts);
}

static void build_open(struct stacks_code *c)
{
	for (size_t i = 0; i < c->n_open; i++) {
		if (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED))
			build(c, c->open[i].module, c->open[i].file);
		elf_file__free(c->open[i].file);
	}
	c->n_open = 0;
}

/* The table comes later, so that the process's list of mappings is there first. */
static void on_module(void *ctx, const struct module *module, struct elf_file *f)
{
	struct stacks_code *c = ctx;

	pthread_mutex_lock(&c->lock);
	if (c->n_modules == c->modules_capacity) {
		const size_t capacity = c->modules_capacity ? 2 * c->modules_capacity : 64;
		const struct module **grown = reallocarray(c->modules, capacity, sizeof(const struct module *));

		if (grown) {
			c->modules = grown;
			c->modules_capacity = capacity;
		}
	}
	if (c->n_modules < c->modules_capacity)
		c->modules[c->n_modules++] = module;
	pthread_mutex_unlock(&c->lock);
	if (c->n_open == MOST_OPEN)
		build_open(c);
	c->open[c->n_open++] = (struct open_module){ module, f };
}

static void look_at(struct stacks_code *c, uint32_t pid)
{
	struct unwind_mapping *mappings;
	size_t n;

	if (code_map__look(&c->map, pid, &mappings, &n, on_module, c) == 0)
		kernel_tables__put_process(&c->tables, pid, mappings, n);
	free(mappings);
	build_open(c);
}

/* --- the thread ----------------------------------------------------------------------------------------------------- */

static struct looked *next_wanted(struct stacks_code *c)
{
	for (size_t i = 0; i < c->n_looked; i++)
		if (c->looked[i].wanted)
			return &c->looked[i];
	return NULL;
}

static void *work(void *arg)
{
	struct stacks_code *c = arg;

	pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		struct looked *l = next_wanted(c);
		uint32_t pid;
		bool ended;

		c->counts.busy = l != NULL;
		if (!l) {
			pthread_cond_wait(&c->wake, &c->lock);
			continue;
		}
		pid = l->pid;
		ended = l->ended;
		l->wanted = false;
		if (ended)
			*l = c->looked[--c->n_looked];
		pthread_mutex_unlock(&c->lock);
		if (ended)
			kernel_tables__forget_process(&c->tables, pid);
		else
			look_at(c, pid);
		pthread_mutex_lock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* @c->lock is held */
static struct looked *find_looked(struct stacks_code *c, uint32_t pid)
{
	for (size_t i = 0; i < c->n_looked; i++)
		if (c->looked[i].pid == pid)
			return &c->looked[i];
	if (c->n_looked == c->looked_capacity) {
		const size_t capacity = c->looked_capacity ? 2 * c->looked_capacity : 16;
		struct looked *grown = reallocarray(c->looked, capacity, sizeof(*grown));

		if (!grown)
			return NULL;
		c->looked = grown;
		c->looked_capacity = capacity;
	}
	c->looked[c->n_looked] = (struct looked){ .pid = pid, .interval_ns = FIRST_INTERVAL_NS };
	return &c->looked[c->n_looked++];
}

static void want(struct stacks_code *c, struct looked *l)
{
	l->wanted = true;
	c->counts.busy = true;
	pthread_cond_signal(&c->wake);
}

void stacks_code__look(struct stacks_code *c, uint32_t pid)
{
	struct looked *l;

	pthread_mutex_lock(&c->lock);
	l = find_looked(c, pid);
	if (l) {
		l->ended = false;
		l->next_ns = 0;
		l->interval_ns = FIRST_INTERVAL_NS;
		want(c, l);
	}
	pthread_mutex_unlock(&c->lock);
}

void stacks_code__look_again(struct stacks_code *c, uint32_t pid, uint64_t now_ns)
{
	struct looked *l;

	pthread_mutex_lock(&c->lock);
	l = find_looked(c, pid);
	if (l && !l->wanted && now_ns >= l->next_ns) {
		l->next_ns = now_ns + l->interval_ns;
		l->interval_ns = l->interval_ns < MOST_INTERVAL_NS ? 2 * l->interval_ns : MOST_INTERVAL_NS;
		want(c, l);
	}
	pthread_mutex_unlock(&c->lock);
}

void stacks_code__forget(struct stacks_code *c, uint32_t pid)
{
	struct looked *l;

	pthread_mutex_lock(&c->lock);
	l = find_looked(c, pid);
	if (l) {
		l->ended = true;
		want(c, l);
	}
	pthread_mutex_unlock(&c->lock);
}

const struct module *stacks_code__module(struct stacks_code *c, uint32_t id)
{
	const struct module *module;

	pthread_mutex_lock(&c->lock);
	module = id >= 1 && id <= c->n_modules ? c->modules[id - 1] : NULL;
	pthread_mutex_unlock(&c->lock);
	return module;
}

void stacks_code__counts(struct stacks_code *c, struct stacks_code_counts *out)
{
	pthread_mutex_lock(&c->lock);
	*out = c->counts;
	pthread_mutex_unlock(&c->lock);
}

int stacks_code__start(struct stacks_code **out, const struct kernel_tables *tables)
{
	struct stacks_code *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->tables = *tables;
	c->where = calloc(UNWIND_MAX_MODULES, sizeof(*c->where));
	err = c->where ? kernel_tables__init(&c->tables, &table_calls__kernel) : -ENOMEM;
	if (err) {
		free(c->where);
		free(c);
		return err;
	}
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	err = -pthread_create(&c->thread, NULL, work, c);
	if (err) {
		kernel_tables__free(&c->tables);
		free(c->where);
		free(c);
		return err;
	}
	*out = c;
	return 0;
}

void stacks_code__stop(struct stacks_code *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	__atomic_store_n(&c->stop, true, __ATOMIC_RELAXED);
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	kernel_tables__free(&c->tables);
	code_map__free(&c->map);
	free(c->modules);
	free(c->looked);
	free(c->where);
	free(c);
}
