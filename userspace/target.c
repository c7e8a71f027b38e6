/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/target.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/engine.h"
#include "userspace/model_file.h"
#include "userspace/process.h"

#define MAX_CLIMB 8

struct finder {
	struct engine_profiles profiles;
	struct engine_cache *cache;
	struct engine_instance *instance;
};

static int finder__open(struct finder *f, char *error, size_t size)
{
	int err = engine_profiles__load(&f->profiles, NULL, error, size);

	if (err)
		return err;
	f->cache = engine_cache__new();
	f->instance = calloc(1, sizeof(*f->instance));
	return f->cache && f->instance ? 0 : -ENOMEM;
}

static void finder__close(struct finder *f)
{
	engine_cache__free(f->cache);
	free(f->instance);
	engine_profiles__free(&f->profiles);
}

static bool has_engine(struct finder *f, uint32_t pid)
{
	int err = engine__find_cached(f->instance, pid, &f->profiles, f->cache);

	return err == 0 || err == -ENOTSUP;
}

static bool is_listening(uint32_t pid)
{
	struct process_socket *sockets = NULL;
	size_t n = 0, i;
	bool found = false;

	process__sockets(pid, &sockets, &n);
	for (i = 0; i < n; i++)
		found |= sockets[i].state == PROCESS_SOCKET_LISTENING;
	free(sockets);
	return found;
}

static bool target__has(const struct target *t, uint32_t pid)
{
	size_t i;

	for (i = 0; i < t->n_pids; i++)
		if (t->pids[i] == pid)
			return true;
	return false;
}

static void target__add(struct target *t, uint32_t pid)
{
	if (!target__has(t, pid) && t->n_pids < TARGET_MAX_PIDS)
		t->pids[t->n_pids++] = pid;
}

/* The process and all that descend from it. */
static void add_tree(struct target *t, uint32_t root)
{
	uint32_t *all = NULL;
	size_t n = 0, i;
	bool more = true;

	target__add(t, root);
	if (process__all(&all, &n))
		return;
	while (more) {
		more = false;
		for (i = 0; i < n; i++)
			if (!target__has(t, all[i]) && target__has(t, process__parent(all[i])) &&
			    t->n_pids < TARGET_MAX_PIDS) {
				target__add(t, all[i]);
				more = true;
			}
	}
	free(all);
}

static void describe(struct target *t, struct finder *f, uint32_t pid)
{
	char comm[32] = "?";

	process__comm(pid, comm, sizeof(comm));
	if (has_engine(f, pid))
		snprintf(t->text, sizeof(t->text), "pid %u (%s %s)", pid, f->instance->name, f->instance->version);
	else
		snprintf(t->text, sizeof(t->text), "pid %u (%s, engine unknown: traffic and CPU time only)", pid, comm);
}

static bool tree_is_server(struct finder *f, uint32_t root)
{
	struct target tree = { .n_pids = 0 };
	bool server = false;
	size_t i;

	add_tree(&tree, root);
	for (i = 0; i < tree.n_pids && !server; i++)
		server = has_engine(f, tree.pids[i]) || is_listening(tree.pids[i]);
	return server;
}

/*
 * The root of the server that a process belongs to: itself where its own tree serves, else the nearest of its parents that
 * has an engine. A parent that merely listens (a shell's sshd) is none. A fork has its parent's engine and sockets and is
 * never the server itself. @return 0: no server
 */
static uint32_t server_root(struct finder *f, uint32_t pid)
{
	int climbed;

	for (climbed = 0; climbed < MAX_CLIMB && process__is_fork(pid); climbed++) {
		uint32_t parent = process__parent(pid);

		if (parent <= 1 || !has_engine(f, parent))
			break;
		pid = parent;
	}
	if (tree_is_server(f, pid))
		return pid;
	for (climbed = 0; climbed < MAX_CLIMB && pid > 1; climbed++) {
		pid = process__parent(pid);
		if (pid > 1 && has_engine(f, pid))
			return pid;
	}
	return 0;
}

static int add_named(struct target *t, struct finder *f, uint32_t pid, char *error, size_t size)
{
	uint32_t process = process__of_thread(pid), root;

	if (kill((pid_t)pid, 0) && errno == ESRCH) {
		snprintf(error, size, "there is no process %u", pid);
		return -ESRCH;
	}
	if (pid == 1) {
		snprintf(error, size, "process 1 is the host's init, and its tree is the whole host; name the server");
		return -ENOENT;
	}
	root = server_root(f, process ? process : pid);	/* where a thread was named its process is meant */
	if (!root) {
		snprintf(error, size,
			 "process %u is no server: neither a known engine nor a listening socket in it or its children",
			 pid);
		return -ENOENT;
	}
	add_tree(t, root);
	describe(t, f, root);
	return 0;
}

static bool answers_to(struct finder *f, uint32_t pid, const char *name)
{
	char text[4096];

	if (!has_engine(f, pid))
		return false;
	if (!name || strcmp(f->instance->name, name) == 0)
		return true;
	if (process__comm(pid, text, sizeof(text)) == 0 && strcmp(text, name) == 0)
		return true;
	return model_file__find(pid, text, sizeof(text)) == 0 && strstr(text, name);
}

static int add_all(struct target *t, struct finder *f, const char *name, char *error, size_t size)
{
	uint32_t *all = NULL;
	size_t n = 0, n_servers = 0, i;

	process__all(&all, &n);
	for (i = 0; i < n; i++) {
		if (target__has(t, all[i]) || !answers_to(f, all[i], name))
			continue;
		describe(t, f, all[i]);
		add_tree(t, all[i]);
		n_servers++;
	}
	free(all);
	if (n_servers == 0) {
		if (name)
			snprintf(error, size, "no server with the name '%s' runs here", name);
		else
			snprintf(error, size, "no known inference server runs here");
		return -ENOENT;
	}
	if (n_servers > 1)
		snprintf(t->text, sizeof(t->text), "%zu servers", n_servers);
	return 0;
}

int target__find(struct target *out, const struct target_request *request, char *error, size_t error_size)
{
	struct finder f = { 0 };
	size_t i;
	int err;

	memset(out, 0, sizeof(*out));
	err = finder__open(&f, error, error_size);
	for (i = 0; i < request->n_pids && !err; i++)
		err = add_named(out, &f, request->pids[i], error, error_size);
	if (!err && request->n_pids == 0)
		err = add_all(out, &f, request->all ? NULL : request->name, error, error_size);
	if (!err && request->n_pids > 1)
		snprintf(out->text, sizeof(out->text), "%zu processes named", request->n_pids);
	finder__close(&f);
	return err;
}

void target__set_child(struct target *out, uint32_t pid, const char *command)
{
	memset(out, 0, sizeof(*out));
	out->pids[0] = pid;
	out->n_pids = 1;
	snprintf(out->text, sizeof(out->text), "pid %u (%s)", pid, command);
}
