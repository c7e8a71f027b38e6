/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/calibrate/server.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/engine.h"

/* The first process of the target in which an engine's steps can be probed. */
static int find_engine(struct server *s, const struct target *target, const struct engine_profiles *profiles,
		       struct profile_http *http, char *error, size_t size)
{
	struct engine_instance *instance = malloc(sizeof(*instance));
	int err = -ENOENT;
	size_t i, p;

	if (!instance)
		return -ENOMEM;
	for (i = 0; i < target->n_pids && err; i++) {
		err = engine__find(instance, target->pids[i], profiles);
		s->pid = target->pids[i];
	}
	if (!err) {
		snprintf(s->engine, sizeof(s->engine), "%s", instance->name);
		snprintf(s->version, sizeof(s->version), "%s", instance->version);
		for (p = 0; p < profiles->n; p++)
			if (strcmp(profiles->profiles[p].name, instance->name) == 0)
				*http = profiles->profiles[p].http;
	} else {
		snprintf(error, size, "%s has no engine whose steps can be probed, and a calibration fits their cost",
			 target->text);
		err = -ENOTSUP;
	}
	free(instance);
	return err;
}

/* Addresses of a process are those of its own network. */
static int enter_network(uint32_t pid)
{
	struct stat ours, theirs;
	char path[64];
	int fd, err;

	snprintf(path, sizeof(path), "/proc/%u/ns/net", pid);
	if (stat("/proc/self/ns/net", &ours) || stat(path, &theirs))
		return -errno;
	if (ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = setns(fd, CLONE_NEWNET) ? -errno : 0;
	close(fd);
	return err;
}

/* A Unix socket's path is the server's, which may live under another root. */
static void address_of(char *out, size_t size, uint32_t pid, const char *local)
{
	if (strncmp(local, "unix:/", 6) == 0)
		snprintf(out, size, "unix:/proc/%u/root%s", pid, local + 5);
	else
		snprintf(out, size, "%s", local);
}

static int try_address(struct server *s, uint32_t pid, const char *local, const struct profile_http *http,
		       const char *key, char *error, size_t size)
{
	int err;

	address_of(s->address, sizeof(s->address), pid, local);
	err = http_client__new(&s->http, s->address, key);
	if (err)
		return err;
	err = api__open(&s->api, s->http, http, error, size);
	if (err) {
		api__close(&s->api);
		http_client__free(s->http);
		s->http = NULL;
	}
	return err;
}

/* What is worth telling most, of several addresses that are no server's. */
static bool says_more(int err, int than)
{
	return than == -ENOENT || err == -EACCES || (err == -EAGAIN && than != -EACCES);
}

static int try_process(struct server *s, uint32_t pid, const struct profile_http *http, const char *key, int worst,
		       char *error, size_t size)
{
	struct process_socket *sockets = NULL;
	char words[API_ERROR_SIZE] = "";
	size_t n = 0, i;

	process__sockets(pid, &sockets, &n);
	for (i = 0; i < n && worst; i++) {
		int err;

		if (sockets[i].state != PROCESS_SOCKET_LISTENING)
			continue;
		err = try_address(s, pid, sockets[i].local, http, key, words, sizeof(words));
		if (!err) {
			worst = 0;
		} else if (says_more(err, worst)) {
			worst = err == -EACCES || err == -EAGAIN || err == -ENOMEM ? err : -ENOENT;
			snprintf(error, size, "%s: %s", sockets[i].local, words);
		}
	}
	free(sockets);
	return worst;
}

int server__open(struct server *out, const struct target *target, const struct server_options *options, char *error,
		 size_t size)
{
	struct engine_profiles profiles = { 0 };
	struct profile_http http = { 0 };
	int err;
	size_t i;

	memset(out, 0, sizeof(*out));
	err = engine_profiles__load(&profiles, options->engine_profile, error, size);
	if (err)
		return err == -ENOMEM ? err : -EINVAL;
	err = find_engine(out, target, &profiles, &http, error, size);
	engine_profiles__free(&profiles);
	if (err)
		return err;
	err = enter_network(out->pid);
	if (err) {
		snprintf(error, size, "the network of process %u cannot be entered: %s", out->pid, strerror(-err));
		return err == -ENOENT ? -ESRCH : -ENOENT;
	}
	snprintf(error, size, "%s does not listen on any port", target->text);
	/* The engine's own process first: what its parent serves may be another interface. */
	err = try_process(out, out->pid, &http, options->key, -ENOENT, error, size);
	for (i = 0; i < target->n_pids && err; i++)
		if (target->pids[i] != out->pid)
			err = try_process(out, target->pids[i], &http, options->key, err, error, size);
	return err;
}

void server__close(struct server *s)
{
	api__close(&s->api);
	http_client__free(s->http);
	s->http = NULL;
}
