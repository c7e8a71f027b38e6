/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as /proc/PID/smaps: mappings whose figures are absent or sizes, or none. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/recording.h"
#include "userspace/smaps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static int check(void *ctx, const struct smaps_mapping *m)
{
	const int64_t figures[] = { m->resident, m->referenced, m->shared, m->huge, m->hugetlb };

	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		require(figures[i] == ABSENT || figures[i] >= 0);
	require(memchr(m->map.path, 0, sizeof(m->map.path)) != NULL);
	++*(int *)ctx;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *f = size ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
	int n = 0, err;

	if (!f)
		return 0;
	err = smaps__parse(f, check, &n);
	require((err == 0) == (n > 0));
	fclose(f);
	return 0;
}
