/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/temporary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *temporary__place(void)
{
	const char *tmp = getenv("TMPDIR");

	return tmp && *tmp ? tmp : "/var/tmp";
}

int temporary__new(struct temporary *t)
{
	int n = snprintf(t->folder, sizeof(t->folder), "%s/tokprof-XXXXXX", temporary__place());

	if (n < 0 || (size_t)n >= sizeof(t->folder)) {
		t->folder[0] = '\0';
		return -ENAMETOOLONG;
	}
	if (!mkdtemp(t->folder)) {
		t->folder[0] = '\0';
		return -errno;
	}
	snprintf(t->path, sizeof(t->path), "%s/run.tokprof", t->folder);
	return 0;
}

void temporary__remove(struct temporary *t)
{
	if (!t->folder[0])
		return;
	recording__remove(t->path);
	rmdir(t->folder);
	t->folder[0] = '\0';
}

void recording__remove(const char *path)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	char name[PATH_MAX + 16];

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		unlink(name);
	}
}
