/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/recording_loader.h"

static int load_tables(struct recording *out, const char *path, int n_tables, char *error, size_t error_size)
{
	struct loader l;
	int r = loader__open(&l, out, path, error, error_size);

	if (!r)
		r = loader__load(&l, 0, n_tables);
	loader__close(&l);
	if (!r)
		r = loader__sort(&l, out);
	if (r)
		recording__free(out);
	return r;
}

int recording__load(struct recording *out, const char *path, char *error, size_t error_size)
{
	return load_tables(out, path, FIRST_STACK_TABLE, error, error_size);
}

int recording__load_all(struct recording *out, const char *path, char *error, size_t error_size)
{
	return load_tables(out, path, N_TABLES, error, error_size);
}

int recording__load_facts(struct recording *out, const char *path, char *error, size_t error_size)
{
	return load_tables(out, path, TABLE_STEP, error, error_size);
}

int recording__load_frames(struct recording *out, const char *path, char *error, size_t error_size)
{
	struct loader l;
	int r = loader__open(&l, out, path, error, error_size);

	if (!r)
		r = loader__load(&l, 0, TABLE_STEP);
	if (!r)
		r = loader__load(&l, TABLE_MODULE, TABLE_STACK);
	loader__close(&l);
	if (r)
		recording__free(out);
	return r;
}

void recording__free(struct recording *r)
{
	if (!r)
		return;
	for (int i = 0; i < N_TABLES; i++) {
		void *rows;

		memcpy(&rows, (char *)r + tables[i].array, sizeof(rows));
		free(rows);
	}
	strings__free(r->strings);
	memset(r, 0, sizeof(*r));
}

const char *recording__meta(const struct recording *r, const char *key)
{
	for (size_t i = 0; i < r->n_meta; i++)
		if (!strcmp(r->meta[i].key, key))
			return r->meta[i].value;
	return NULL;
}

int64_t recording__meta_int(const struct recording *r, const char *key)
{
	const char *text = recording__meta(r, key);
	char *end;
	long long value;

	if (!text || !*text)
		return ABSENT;
	errno = 0;
	value = strtoll(text, &end, 10);
	return errno || *end ? ABSENT : value;
}

bool recording__complete(const struct recording *r)
{
	const char *state = recording__meta(r, META_STATE);

	return state && !strcmp(state, STATE_COMPLETE);
}
