/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a recording: recording__load_all() must not crash, hang or leak, and what it accepts must be in order.
 *
 * The first byte says what the rest is: a file (0), a file whose application id and version are mended (1), or changes
 * (place, place, place, byte) to a good recording (2), which reaches deepest and needs no seeds.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/cost/fit_set.h"
#include "userspace/recording_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Mutation finds neither by chance, and without them nothing behind the header is ever reached. */
static void mend_header(uint8_t *file, size_t size)
{
	static const uint8_t ids[12] = { 0, 0, 0, RECORDING_SCHEMA_VERSION, 0, 0, 0, 0, 't', 'o', 'k', 'p' };

	if (size < 100)
		return;
	memcpy(file, "SQLite format 3", 16);
	memcpy(file + 60, ids, sizeof(ids));
}

static void check(const struct recording *r)
{
	for (size_t i = 1; i < r->n_steps; i++)
		if (r->steps[i - 1].start_ns > r->steps[i].start_ns)
			abort();
	for (size_t i = 0; i < r->n_steps; i++)
		if (r->steps[i].end_ns < r->steps[i].start_ns)
			abort();
	for (size_t i = 0; i < r->n_resources; i++)
		if (!r->resources[i].name || r->resources[i].grade < 0 || r->resources[i].grade > GRADE_MEASURED)
			abort();
}

/* A fit is taken whole or refused in words. */
static void check_fits(const struct recording *r)
{
	struct fit_set set;
	char error[256];

	if (fit_set__from_recording(&set, r, error, sizeof(error)) && !error[0])
		abort();
	for (size_t i = 0; i < set.n; i++)
		for (size_t t = 0; t < COST_TERMS; t++)
			if (!(set.fits[i].cost.value[t] >= 0) || set.fits[i].cost.merged_with[t] >= COST_TERMS)
				abort();
	fit_set__free(&set);
}

static void write_fit(struct recording_writer *w)
{
	double draws[2 * COST_TERMS];
	struct fit fit = { .cost = { .role = "target", .resource = RESOURCE_CPU_NS, .draws = draws, .n_draws = 2 },
			   .key = { "00ff", "llama.cpp", "11ee", 2, "host", "processor" },
			   .origin = FIT_ORIGIN_CALIBRATE };

	for (size_t t = 0; t < COST_TERMS; t++) {
		fit.cost.value[t] = fit.cost.low[t] = fit.cost.high[t] = (double)t;
		fit.cost.fitted[t] = t % 2 == 0;
		fit.cost.merged_with[t] = t % 2 ? (int32_t)t - 1 : -1;
		draws[t] = draws[COST_TERMS + t] = (double)t;
	}
	if (fit_set__write(&fit, 1, w))
		abort();
}

static void write_good_recording(const char *path)
{
	const struct row_step step = { .id = 1, .start_ns = 1000, .end_ns = 2000, .n_tokens = 3 };
	const struct row_step_resource used = { 1, RESOURCE_CPU_NS, 5, 6 };
	const struct row_resource resource = { RESOURCE_CPU_NS, "cpu_ns", "ns", 0, 3, "scheduler", NULL };
	const struct row_request request = { .id = 1, .arrival_ns = 900, .path = "/v1/completions", .n = 1 };
	struct recording_writer *w;

	if (recording_writer__open(&w, path, true))
		abort();
	recording_writer__resource(w, &resource);
	recording_writer__step(w, &step);
	recording_writer__step_resource(w, &used);
	recording_writer__request(w, &request);
	write_fit(w);
	for (int i = 0; i < 500; i++) {
		const struct row_row row = { 1, 0, i, i, 0, 1, 1 };
		const struct row_chunk chunk = { 1, i, 2000 };

		recording_writer__row(w, &row);
		recording_writer__chunk(w, &chunk);
	}
	if (recording_writer__close(w, true))
		abort();
}

static uint8_t *read_file(const char *path, size_t *size)
{
	FILE *f = fopen(path, "re");
	uint8_t *bytes = NULL;

	if (!f || fseek(f, 0, SEEK_END))
		abort();
	*size = (size_t)ftell(f);
	rewind(f);
	bytes = malloc(*size);
	if (!bytes || fread(bytes, 1, *size, f) != *size)
		abort();
	fclose(f);
	return bytes;
}

static void write_file(const char *path, const uint8_t *bytes, size_t size)
{
	FILE *f = fopen(path, "we");

	if (!f || fwrite(bytes, 1, size, f) != size)
		abort();
	fclose(f);
}

/* The file that the input stands for; malloc()ed. */
static uint8_t *make_file(const uint8_t *good, size_t good_size, const uint8_t *data, size_t size, size_t *file_size)
{
	bool changes = size && data[0] % 3 == 2;
	uint8_t *file;

	*file_size = changes ? good_size : size ? size - 1 : 0;
	file = malloc(*file_size + 1);
	if (!file)
		abort();
	if (!changes) {
		if (*file_size)
			memcpy(file, data + 1, *file_size);
		if (size && data[0] % 3 == 1)
			mend_header(file, *file_size);
		return file;
	}
	memcpy(file, good, good_size);
	for (size_t i = 1; i + 4 <= size; i += 4)
		file[((size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | data[i + 2]) % good_size] = data[i + 3];
	return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[512];
	static uint8_t *good;
	static size_t good_size;
	const char *tmp = getenv("TMPDIR");
	struct recording r;
	char error[512];
	size_t file_size;
	uint8_t *file;

	if (!good) {
		snprintf(path, sizeof(path), "%s/tokprof-fuzz-%d", tmp && *tmp ? tmp : "/tmp", (int)getpid());
		write_good_recording(path);
		good = read_file(path, &good_size);
	}
	file = make_file(good, good_size, data, size, &file_size);
	write_file(path, file, file_size);
	free(file);
	if (recording__load_all(&r, path, error, sizeof(error)) == 0) {
		check(&r);
		check_fits(&r);
	} else if (!error[0]) {
		abort();
	}
	recording__free(&r);
	unlink(path);
	return 0;
}
