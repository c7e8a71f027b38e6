/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/engine_version.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_ENTRIES 100000 /* of a package folder; a bigger one is none */

static bool same_package_char(char a, char b)
{
	/* A folder's name is the package's with '-' and '.' as '_' (PEP 427), in either case. */
	a = a == '-' || a == '.' ? '_' : (char)tolower((unsigned char)a);
	b = b == '-' || b == '.' ? '_' : (char)tolower((unsigned char)b);
	return a == b;
}

/* "xllamacpp-2026.5.9294.dist-info" of package "xllamacpp": its version. */
static bool parse_dist_info(const char *entry, const char *package, size_t package_length, char *out, size_t size)
{
	static const char suffix[] = ".dist-info";
	size_t n = strlen(entry), i;

	if (n <= package_length + sizeof(suffix) || strcmp(entry + n - (sizeof(suffix) - 1), suffix) != 0 ||
	    entry[package_length] != '-')
		return false;
	for (i = 0; i < package_length; i++)
		if (!same_package_char(entry[i], package[i]))
			return false;
	snprintf(out, size, "%.*s", (int)(n - package_length - sizeof(suffix)), entry + package_length + 1);
	return true;
}

/* Packages stand side by side in site-packages; the module is anywhere in the package's own folder. */
static bool version_of_package(uint32_t pid, const char *module, char *out, size_t size)
{
	const char *packages = strstr(module, "-packages/"), *package;
	char path[600];
	struct dirent *entry;
	bool found = false;
	int left = MAX_ENTRIES;
	DIR *dir;

	if (!packages)
		return false;
	package = packages + strlen("-packages/");
	snprintf(path, sizeof(path), "/proc/%u/root%.*s", pid, (int)(package - module), module);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && left-- > 0 && (entry = readdir(dir)))
		found = parse_dist_info(entry->d_name, package, strcspn(package, "/"), out, size);
	closedir(dir);
	return found;
}

static bool version_of_number(uint32_t pid, uint64_t address, char *out, size_t size)
{
	char path[64];
	int number = 0, fd;
	ssize_t n;

	if (!address)
		return false;
	snprintf(path, sizeof(path), "/proc/%u/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = pread(fd, &number, sizeof(number), (off_t)address);
	close(fd);
	if (n != (ssize_t)sizeof(number) || number <= 0)
		return false;
	snprintf(out, size, "b%d", number);
	return true;
}

/* libllama.so.0.0.6325, libllama.v0.5.0.so */
static bool version_of_name(const char *module, char *out, size_t size)
{
	const char *name = strrchr(module, '/'), *at;
	size_t n;

	if (!name)
		return false;
	at = strstr(name, ".so.");
	if (at) {
		at += strlen(".so.");
	} else {
		at = strstr(name, ".v");
		if (!at)
			return false;
		at += strlen(".v");
	}
	n = strspn(at, "0123456789.");
	while (n > 0 && at[n - 1] == '.')
		n--;
	if (n == 0)
		return false;
	snprintf(out, size, "%.*s", (int)n, at);
	return true;
}

void engine_version__find(uint32_t pid, const char *module, uint64_t number, char *out, size_t size)
{
	out[0] = 0;
	if (version_of_package(pid, module, out, size) || version_of_number(pid, number, out, size) ||
	    version_of_name(module, out, size))
		return;
}
