/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/cost/fit_store.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".tokprof"
/* A folder with more is none of ours to search through. */
#define MAX_FILES 1000

/* ---------------------------------------------------------------------------------------------------- the folder --- */

/* With sudo, HOME may still be the caller's, where root should not leave files. */
static const char *home_folder(void)
{
	const char *home = getenv("HOME");
	const struct passwd *p;

	if (home && home[0] == '/' && !(geteuid() == 0 && getenv("SUDO_UID")))
		return home;
	p = getpwuid(geteuid());
	return p && p->pw_dir && p->pw_dir[0] == '/' ? p->pw_dir : NULL;
}

int fit_store__folder(char *out, size_t size)
{
	const char *named = getenv("TOKPROF_FITS"), *data = getenv("XDG_DATA_HOME"), *home;
	int length;

	if (named && *named) {
		length = snprintf(out, size, "%s", named);
	} else if (data && data[0] == '/') {
		length = snprintf(out, size, "%s/tokprof/fits", data);
	} else {
		home = home_folder();
		if (!home)
			return -ENOENT;
		length = snprintf(out, size, "%s/.local/share/tokprof/fits", home);
	}
	return length >= (int)size ? -ENAMETOOLONG : 0;
}

static int make_folder(const char *path)
{
	char part[PATH_MAX];
	struct stat st;

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0700) && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	if (mkdir(part, 0700) && errno != EEXIST)
		return -errno;
	if (stat(part, &st))
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* -------------------------------------------------------------------------------------------------------- files --- */

static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return (hash ^ 0xff) * UINT64_C(1099511628211);
}

static bool key__known(const struct fit_key *key)
{
	return key->model_digest && key->engine && key->build_id && key->n_threads != ABSENT && key->host &&
	       key->cpu_model;
}

/* The name is for finding; what is inside decides. */
static int key__path(const struct fit_key *key, const char *folder, char *out, size_t size)
{
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
	char threads[24];

	snprintf(threads, sizeof(threads), "%lld", (long long)key->n_threads);
	hash = hash_text(hash, key->model_digest);
	hash = hash_text(hash, key->engine);
	hash = hash_text(hash, key->build_id);
	hash = hash_text(hash, threads);
	hash = hash_text(hash, key->host);
	hash = hash_text(hash, key->cpu_model);
	if (key->draft_digest)
		hash = hash_text(hash, key->draft_digest);
	if (snprintf(out, size, "%s/%016llx" SUFFIX, folder, (unsigned long long)hash) >= (int)size)
		return -ENAMETOOLONG;
	return 0;
}

static int load_set(const char *path, struct fit_set *out, char *error, size_t size)
{
	struct recording r;
	char what[512];
	int err = recording__load(&r, path, error, size);

	if (err)
		return err;
	err = fit_set__from_recording(out, &r, what, sizeof(what));
	recording__free(&r);
	if (err)
		snprintf(error, size, "%s: %s", path, what);
	return err;
}

static int write_set(const char *path, const struct fit *fits, size_t n, char *error, size_t size)
{
	struct recording_writer *w;
	int err = recording_writer__open(&w, path, true);

	if (!err)
		err = fit_set__write(fits, n, w);
	if (!err)
		err = recording_writer__flush(w);
	if (err) {
		snprintf(error, size, "%s",
			 err == -ERANGE ? "a figure of the fit is no figure" : recording_writer__error(w));
		recording_writer__free(w);
		return err;
	}
	err = recording_writer__close(w, true);
	if (err)
		snprintf(error, size, "%s: cannot end the file: %s", path, strerror(-err));
	return err;
}

int fit_store__save(const struct fit_key *key, struct fit *fits, size_t n, char *path, size_t path_size, char *error,
		    size_t error_size)
{
	char folder[PATH_MAX], name[PATH_MAX + 32], temporary[PATH_MAX + 64];
	int err;

	error[0] = '\0';
	if (!key__known(key)) {
		snprintf(
			error, error_size,
			"the fit cannot be stored: weight file, engine, build, threads, host and processor must all be "
			"known to find it again");
		return -EINVAL;
	}
	err = fit_store__folder(folder, sizeof(folder));
	if (!err)
		err = make_folder(folder);
	if (!err)
		err = key__path(key, folder, name, sizeof(name));
	if (err) {
		snprintf(error, error_size,
			 "the fit cannot be stored: its folder cannot be made: %s; name another in $TOKPROF_FITS",
			 strerror(-err));
		return err;
	}
	for (size_t i = 0; i < n; i++)
		fits[i].key = fit_key__of_role(key, fits[i].cost.role);
	snprintf(temporary, sizeof(temporary), "%s.%d", name, (int)getpid());
	err = write_set(temporary, fits, n, error, error_size);
	if (!err && rename(temporary, name)) {
		err = -errno;
		snprintf(error, error_size, "%s: the fit cannot be put there: %s", name, strerror(errno));
	}
	if (err)
		unlink(temporary);
	else if (path)
		snprintf(path, path_size, "%s", name);
	return err;
}

/* ------------------------------------------------------------------------------------------------------ finding --- */

struct search {
	const struct fit_key *key;
	int fewest;			/* differences of the nearest of this model; INT_MAX: none */
	int64_t made_unix_ns;
	char differences[400];
	size_t n_files, n_of_model;
	/*
	 * One that differs in nothing, but that how many threads compute here is not known: a server that computed next to nothing
	 * while it was recorded must not get out of its model thereby.
	 */
	char twin[PATH_MAX + 300];
	int64_t twin_made_unix_ns;
};

static bool is_fit_file(const char *name)
{
	const size_t n = strlen(name);

	return n > strlen(SUFFIX) && name[0] != '.' && strcmp(name + n - strlen(SUFFIX), SUFFIX) == 0;
}

static struct fit_key key_of_set(const struct fit_set *set)
{
	struct fit_key key = set->fits[0].key;

	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->fits[i].cost.role, "draft") == 0)
			key.draft_digest = set->fits[i].key.model_digest;
	return key;
}

static void consider_as_twin(struct search *s, const struct fit_key *key, int64_t made_unix_ns, const char *path)
{
	struct fit_key as = *s->key;
	char words[16];

	if (as.n_threads != ABSENT || (s->twin[0] && made_unix_ns <= s->twin_made_unix_ns))
		return;
	as.n_threads = key->n_threads;
	if (fit_key__differences(key, &as, words, sizeof(words)))
		return;
	snprintf(s->twin, sizeof(s->twin), "%s", path);
	s->twin_made_unix_ns = made_unix_ns;
}

static void consider(struct search *s, const struct fit_set *set, const char *path)
{
	const struct fit_key key = key_of_set(set);
	const struct fit *f = &set->fits[0];
	char words[sizeof(s->differences)];
	int n;

	if (!s->key->model_digest || !key.model_digest || strcmp(s->key->model_digest, key.model_digest) != 0)
		return;
	s->n_of_model++;
	consider_as_twin(s, &key, f->made_unix_ns, path);
	n = fit_key__differences(&key, s->key, words, sizeof(words));
	if (n > s->fewest || (n == s->fewest && f->made_unix_ns <= s->made_unix_ns))
		return;
	s->fewest = n;
	s->made_unix_ns = f->made_unix_ns;
	memcpy(s->differences, words, sizeof(words));
}

static void search_folder(struct search *s, const char *folder)
{
	char path[PATH_MAX + 300], error[1024];
	struct dirent *entry;
	DIR *d = opendir(folder);

	while (d && s->n_files < MAX_FILES && (entry = readdir(d))) {
		struct fit_set set;

		if (!is_fit_file(entry->d_name))
			continue;
		s->n_files++;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (load_set(path, &set, error, sizeof(error)))
			continue;
		if (set.n)
			consider(s, &set, path);
		fit_set__free(&set);
	}
	if (d)
		closedir(d);
}

/* The exact file first: the search is only for the words. */
static int load_exact(const struct fit_key *key, const char *folder, struct fit_set *out, char *words, size_t size)
{
	char path[PATH_MAX + 32], differences[16];
	int err = key__known(key) ? key__path(key, folder, path, sizeof(path)) : -ENOENT;

	if (err)
		return err;
	if (access(path, F_OK))
		return errno == ENOENT || errno == ENOTDIR ? -ENOENT : -errno;
	err = load_set(path, out, words, size);
	if (err)
		return err;
	for (size_t i = 0; i < out->n; i++) {
		const struct fit_key own = fit_key__of_role(key, out->fits[i].cost.role);

		if (fit_key__differences(&out->fits[i].key, &own, differences, sizeof(differences)))
			err = -ENOENT;
	}
	err = out->n ? err : -ENOENT;
	if (err)
		fit_set__free(out);
	return err;
}

int fit_store__find(const struct fit_key *key, struct fit_set *out, char *words, size_t size)
{
	struct search s = { .key = key, .fewest = INT_MAX };
	char folder[PATH_MAX];
	int err = fit_store__folder(folder, sizeof(folder));

	memset(out, 0, sizeof(*out));
	words[0] = '\0';
	if (err) {
		snprintf(words, size, "no fit: no folder for fits is known; name one in $TOKPROF_FITS");
		return -ENOENT;
	}
	err = load_exact(key, folder, out, words, size);
	if (err == -EACCES)
		snprintf(words, size, "%s: fits cannot be read: %s", folder, strerror(EACCES));
	if (err != -ENOENT)
		return err;
	if (!key->model_digest) {
		snprintf(words, size, "no fit: the weight file was not read, so that none can be known to be its");
		return err;
	}
	search_folder(&s, folder);
	if (s.twin[0])
		return load_set(s.twin, out, words, size);
	if (s.n_of_model)
		snprintf(words, size, "no fit for this model as it runs here; the nearest differs in %s",
			 s.differences);
	else if (s.n_files)
		snprintf(words, size, "no fit for this model among %zu in %s; make one with: tokprof calibrate",
			 s.n_files, folder);
	else
		snprintf(words, size, "no fit: none is stored in %s; make one with: tokprof calibrate", folder);
	return err;
}
