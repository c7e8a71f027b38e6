/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/model_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/process.h"
#include "userspace/recording.h"

static bool is_model(const char *path)
{
	static const char *const endings[] = { ".gguf", ".safetensors" };
	size_t length = strlen(path), i;

	for (i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t n = strlen(endings[i]);

		if (length > n && strcmp(path + length - n, endings[i]) == 0)
			return true;
	}
	return false;
}

/* A file is mapped in several parts: count it once. */
static bool is_new_model(const struct process_map *maps, size_t i)
{
	size_t k;

	if (!is_model(maps[i].path))
		return false;
	for (k = 0; k < i; k++)
		if (maps[k].inode == maps[i].inode && maps[k].device == maps[i].device)
			return false;
	return true;
}

int model_file__find(uint32_t pid, char *path, size_t size)
{
	struct process_map *maps = NULL;
	size_t n = 0, i;
	int err = process__maps(pid, &maps, &n);

	if (!err)
		err = -ENOENT;
	for (i = 0; i < n && err == -ENOENT; i++)
		if (is_new_model(maps, i)) {
			snprintf(path, size, "%s", maps[i].path);
			err = 0;
		}
	free(maps);
	return err;
}

void model_file__write(struct recording_writer *writer, uint32_t pid)
{
	struct process_map *maps = NULL;
	size_t n = 0, i;
	int id = 0;

	process__maps(pid, &maps, &n);
	for (i = 0; i < n; i++) {
		const char *base = strrchr(maps[i].path, '/');
		struct row_model row = {
			.id = ++id,
			.pid = pid,
			.name = base ? base + 1 : maps[i].path,
			.path = maps[i].path,
			.n_params = ABSENT,
			.weight_bytes = ABSENT,
		};

		if (is_new_model(maps, i))
			recording_writer__model(writer, &row);
		else
			id--;
	}
	free(maps);
}
