/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/memory/self_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "userspace/recording.h"

#define LEAST_BUFFER (UINT64_C(64) << 20)
#define CACHES_TO_BUFFER 4

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t self_check__cache_bytes(const char *root)
{
	uint64_t most = 0;

	for (int i = 0; i < 8; i++) {
		char path[256], unit = '\0';
		unsigned long long size = 0;
		FILE *f;

		snprintf(path, sizeof(path), "%s/sys/devices/system/cpu/cpu0/cache/index%d/size", root, i);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%llu%c", &size, &unit) >= 1 && size < UINT64_C(1) << 30)
			size <<= unit == 'K' ? 10 : unit == 'M' ? 20 : 0;
		fclose(f);
		most = size > most ? size : most;
	}
	return most;
}

/* Every line once; the sum is kept so that the reading is. */
static uint64_t stream(const uint64_t *buffer, uint64_t bytes)
{
	uint64_t a = 0, b = 0, c = 0, d = 0;

	for (uint64_t i = 0; i < bytes / sizeof(*buffer); i += 32) {
		a += buffer[i];
		b += buffer[i + 8];
		c += buffer[i + 16];
		d += buffer[i + 24];
	}
	return a + b + c + d;
}

static void read_all(struct self_check_source *sources, size_t n, bool before)
{
	for (size_t i = 0; i < n; i++) {
		int64_t bytes = 0;
		const int err = sources[i].read(sources[i].ctx, &bytes);

		if (!before)
			sources[i].seen = err ? ABSENT : bytes;
	}
}

/* As long as the streaming is likely to take, nothing: what a source of the whole host sees meanwhile is the others'. */
static void find_others(struct self_check_source *sources, size_t n, uint64_t duration_ns, int64_t *others)
{
	const struct timespec wait = { (time_t)(duration_ns / 1000000000u), (long)(duration_ns % 1000000000u) };

	read_all(sources, n, true);
	nanosleep(&wait, NULL);
	for (size_t i = 0; i < n; i++) {
		int64_t bytes = 0;

		others[i] = sources[i].read(sources[i].ctx, &bytes) || !sources[i].whole_host ? 0 : bytes;
	}
}

int self_check__run(struct self_check *out, const char *root, unsigned int passes, struct self_check_source *sources,
		    size_t n)
{
	const uint64_t wanted = CACHES_TO_BUFFER * self_check__cache_bytes(root);
	const uint64_t bytes = wanted > LEAST_BUFFER ? wanted : LEAST_BUFFER;
	const long pages = sysconf(_SC_AVPHYS_PAGES);
	int64_t *others = calloc(n ? n : 1, sizeof(*others));
	volatile uint64_t sink = 0;
	uint64_t *buffer, once;

	*out = (struct self_check){ .buffer_bytes = bytes, .known_bytes = bytes * passes };
	for (size_t i = 0; i < n; i++)
		sources[i].seen = ABSENT;
	/* Memory that others need is not worth the check. */
	buffer = others && pages > 0 && (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) / 2 > bytes ?
			 mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) :
			 MAP_FAILED;
	if (buffer == MAP_FAILED) {
		free(others);
		return -ENOMEM;
	}
	memset(buffer, 1, bytes);
	once = now_ns();
	sink += stream(buffer, bytes);
	once = now_ns() - once;
	find_others(sources, n, once * passes, others);
	read_all(sources, n, true);
	out->duration_ns = now_ns();
	for (unsigned int i = 0; i < passes; i++)
		sink += stream(buffer, bytes);
	out->duration_ns = now_ns() - out->duration_ns;
	read_all(sources, n, false);
	for (size_t i = 0; i < n; i++)
		if (sources[i].seen != ABSENT)
			sources[i].seen -= others[i];
	munmap(buffer, bytes);
	free(others);
	return 0;
}
