/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "output/verify.h"

static const char *reason_of(int err)
{
	if (err == -EINVAL)
		return "no regular file: what it held was read once and is gone";
	return err == -ENOMEM ? "out of memory" : strerror(-err);
}

static void add_file(struct verify_files *files, const char *role, const char *path)
{
	struct verify_file *file = &files->list[files->n++];
	int err;

	file->role = role;
	file->path = path;
	err = input__digest(file->digest, path);
	if (err) {
		file->digest[0] = 0;
		file->why = reason_of(err);
	}
}

/* What a killed recorder left beside the recording is part of it. */
static void add_log(struct verify_files *files, int i, const char *path)
{
	char *log_path = files->log_paths[i];
	struct stat st;

	if (snprintf(log_path, PATH_MAX, "%s-wal", path) < PATH_MAX && stat(log_path, &st) == 0 && st.st_size > 0)
		add_file(files, "its log", log_path);
}

void verify_files__list(struct verify_files *files, char *const *recordings, int n_recordings, const char *bill_path,
			const char *claims_path)
{
	memset(files, 0, sizeof(*files));
	for (int i = 0; i < n_recordings; i++) {
		add_file(files, "recording", recordings[i]);
		add_log(files, i, recordings[i]);
	}
	if (bill_path)
		add_file(files, "bill", bill_path);
	if (claims_path)
		add_file(files, "claims", claims_path);
}
