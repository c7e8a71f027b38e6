/* SPDX-License-Identifier: Apache-2.0 */
/* Where engine profiles come from: the user's own files first, the ones built into the program last. */
#include "userspace/engine_profile.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "userspace/embedded.h"

#ifndef TOKPROF_PREFIX
#define TOKPROF_PREFIX "/usr/local"
#endif

#define SUFFIX ".profile"
#define MAX_PROFILES 64

static int add(struct engine_profiles *list, const char *name, const char *text, size_t size, char *error,
	       size_t error_size)
{
	struct engine_profile *bigger, *added;
	size_t i;
	int err;

	if (list->n == MAX_PROFILES) {
		snprintf(error, error_size, "%s: more than %d engine profiles", name, MAX_PROFILES);
		return -E2BIG;
	}
	bigger = realloc(list->profiles, (list->n + 1) * sizeof(*bigger));
	if (!bigger) {
		snprintf(error, error_size, "%s: out of memory", name);
		return -ENOMEM;
	}
	list->profiles = bigger;
	added = &bigger[list->n];
	err = engine_profile__parse(added, name, text, size, error, error_size);
	if (err)
		return err;
	for (i = 0; i < list->n; i++)
		if (strcmp(list->profiles[i].name, added->name) == 0)
			return 0; /* an earlier place wins */
	list->n++;
	return 0;
}

static int add_file(struct engine_profiles *list, const char *path, char *error, size_t error_size)
{
	char *text = malloc(PROFILE_MAX_BYTES + 1);
	FILE *f = text ? fopen(path, "re") : NULL;
	struct stat st;
	size_t n;
	int err;

	if (!f) {
		err = text ? -errno : -ENOMEM;
		snprintf(error, error_size, "%s: engine profile cannot be read: %s", path, strerror(-err));
		free(text);
		return err;
	}
	if (fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode)) {
		snprintf(error, error_size, "%s: engine profile cannot be read: it is a directory", path);
		err = -EISDIR;
	} else {
		n = fread(text, 1, PROFILE_MAX_BYTES + 1, f);
		err = add(list, path, text, n, error, error_size);
	}
	fclose(f);
	free(text);
	return err;
}

static int is_profile(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > strlen(SUFFIX) && strcmp(entry->d_name + n - strlen(SUFFIX), SUFFIX) == 0;
}

/* All profiles of a directory, in order of their names; one that does not exist has none. */
static int add_directory(struct engine_profiles *list, const char *directory, char *error, size_t error_size)
{
	struct dirent **entries = NULL;
	int n = scandir(directory, &entries, is_profile, alphasort), i, err = 0;
	char path[1024];

	for (i = 0; i < n; i++) {
		if (!err && snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name) < (int)sizeof(path))
			err = add_file(list, path, error, error_size);
		free(entries[i]);
	}
	free(entries);
	return err;
}

static int add_user_directories(struct engine_profiles *list, char *error, size_t error_size)
{
	const char *named = getenv("TOKPROF_ENGINES"), *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char path[1024] = "";
	int err = 0;

	if (named && named[0])
		err = add_directory(list, named, error, error_size);
	if (config && config[0] == '/')
		snprintf(path, sizeof(path), "%s/tokprof/engines", config);
	else if (home && home[0] == '/')
		snprintf(path, sizeof(path), "%s/.config/tokprof/engines", home);
	if (!err && path[0])
		err = add_directory(list, path, error, error_size);
	if (!err)
		err = add_directory(list, TOKPROF_PREFIX "/share/tokprof/engines", error, error_size);
	return err;
}

int engine_profiles__load(struct engine_profiles *out, const char *extra, char *error, size_t error_size)
{
	const struct embedded_file *embedded;
	int err = 0;

	memset(out, 0, sizeof(*out));
	if (extra)
		err = add_file(out, extra, error, error_size);
	if (!err)
		err = add_user_directories(out, error, error_size);
	for (embedded = embedded_profiles; embedded->name && !err; embedded++)
		err = add(out, embedded->name, (const char *)embedded->data, embedded->size, error, error_size);
	if (err)
		engine_profiles__free(out);
	return err;
}

void engine_profiles__free(struct engine_profiles *profiles)
{
	if (!profiles)
		return;
	free(profiles->profiles);
	memset(profiles, 0, sizeof(*profiles));
}
