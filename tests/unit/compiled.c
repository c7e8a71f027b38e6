/* SPDX-License-Identifier: Apache-2.0 */
#include "compiled.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64];
static pid_t owner;

static void remove_directory(void)
{
	char command[128];

	/* Children of a test inherit the handler, not the directory. */
	if (getpid() != owner)
		return;
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	if (system(command))
		fprintf(stderr, "%s is left behind\n", directory);
}

const char *compiled__directory(void)
{
	if (directory[0])
		return directory;
	snprintf(directory, sizeof(directory), "/tmp/tokprof-test-XXXXXX");
	assert_non_null(mkdtemp(directory));
	owner = getpid();
	atexit(remove_directory);
	return directory;
}

void compiled__build_by(const char *compiler, const char *name, const char *source, const char *flags, char *path,
			size_t size)
{
	char command[1024];
	FILE *pipe;

	snprintf(path, size, "%s/%s", compiled__directory(), name);
	snprintf(command, sizeof(command), "%s -o '%s' %s -", compiler, path, flags);
	pipe = popen(command, "w");
	assert_non_null(pipe);
	fputs(source, pipe);
	assert_int_equal(pclose(pipe), 0);
}

void compiled__build(const char *name, const char *source, const char *flags, char *path, size_t size)
{
	compiled__build_by(strstr(name, ".cpp.") ? "gcc -x c++" : "gcc -x c", name, source, flags, path, size);
}

void compiled__copy(const char *from, const char *name, long length, long patch_at, const void *patch,
		    size_t patch_size, char *path, size_t size)
{
	FILE *in = fopen(from, "rb"), *out;
	long at;
	int c;

	assert_non_null(in);
	snprintf(path, size, "%s/%s", compiled__directory(), name);
	out = fopen(path, "wb");
	assert_non_null(out);
	for (at = 0; at != length && (c = getc(in)) != EOF; at++)
		putc(patch && at >= patch_at && at < patch_at + (long)patch_size ?
			     ((const unsigned char *)patch)[at - patch_at] :
			     c,
		     out);
	fclose(in);
	assert_int_equal(fclose(out), 0);
}
