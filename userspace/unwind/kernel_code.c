/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/unwind/kernel_code.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NOTES 4096

/* The build id among the notes of a file of sysfs. */
static void read_build_id(const char *root, const char *path, char *out, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	char name[256], bytes[MOST_NOTES];
	size_t n = 0, at = 0;
	FILE *f;

	out[0] = '\0';
	snprintf(name, sizeof(name), "%s%s", root, path);
	f = fopen(name, "re");
	if (f) {
		n = fread(bytes, 1, sizeof(bytes), f);
		fclose(f);
	}
	while (at + sizeof(Elf64_Nhdr) <= n) {
		Elf64_Nhdr note;
		size_t owner, id;

		memcpy(&note, bytes + at, sizeof(note));
		owner = at + sizeof(note);
		id = owner + ((size_t)note.n_namesz + 3) / 4 * 4;
		at = id + ((size_t)note.n_descsz + 3) / 4 * 4;
		if (note.n_namesz > MOST_NOTES || note.n_descsz > MOST_NOTES || at > n)
			return;
		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 || memcmp(bytes + owner, "GNU", 4) != 0 ||
		    2 * (size_t)note.n_descsz >= size)
			continue;
		for (size_t i = 0; i < note.n_descsz; i++) {
			out[2 * i] = digits[(unsigned char)bytes[id + i] >> 4];
			out[2 * i + 1] = digits[bytes[id + i] & 15];
		}
		out[2 * (size_t)note.n_descsz] = '\0';
		return;
	}
}

/* Lines of /proc/kallsyms are "ffffffff81000000 T _text", a hundred thousand of them: no sscanf. */
static void read_text(struct kernel_code *k, const char *root)
{
	uint64_t address, last = UINT64_MAX;
	char path[256], line[512], *end;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/kallsyms", root);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		address = strtoull(line, &end, 16);
		if (end[0] != ' ' || !end[1] || strchr(end, '[') || address == 0)
			continue;	/* of a module, or hidden */
		end += 3;
		if (strcmp(end, "_text\n") == 0)
			k->text = address;
		else if (strcmp(end, "_etext\n") == 0)
			k->text_end = address;
		else if (strcmp(end, "__schedule\n") == 0)
			k->schedule = address;
		if (k->schedule && address > k->schedule && address < last)
			last = address;	/* they are in the order of addresses */
		if (k->text && k->text_end && last != UINT64_MAX)
			break;
	}
	fclose(f);
	k->schedule_end = last == UINT64_MAX ? 0 : last;
}

static int by_start(const void *a, const void *b)
{
	const struct kernel_module *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static void read_modules(struct kernel_code *k, const char *root)
{
	struct kernel_module m = { 0 }, *grown;
	char path[256], line[1024], notes[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/modules", root);
	f = fopen(path, "re");
	if (!f)
		return;
	/* name, size, users, who uses it, state, address */
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %" SCNu64 " %*s %*s %*s %" SCNx64, m.name, &m.size, &m.start) != 3 || !m.start)
			continue;
		snprintf(notes, sizeof(notes), "/sys/module/%s/notes/.note.gnu.build-id", m.name);
		read_build_id(root, notes, m.build_id, sizeof(m.build_id));
		grown = reallocarray(k->modules, k->n + 1, sizeof(*grown));
		if (!grown)
			break;
		k->modules = grown;
		k->modules[k->n++] = m;
	}
	fclose(f);
	if (k->n)
		qsort(k->modules, k->n, sizeof(*k->modules), by_start);
}

void kernel_code__read(struct kernel_code *k, const char *root)
{
	memset(k, 0, sizeof(*k));
	read_text(k, root);
	read_build_id(root, "/sys/kernel/notes", k->build_id, sizeof(k->build_id));
	read_modules(k, root);
}

void kernel_code__free(struct kernel_code *k)
{
	free(k->modules);
	memset(k, 0, sizeof(*k));
}

bool kernel_code__is_schedule(const struct kernel_code *k, uint64_t address)
{
	return address >= k->schedule && address < k->schedule_end;
}

int kernel_code__find(const struct kernel_code *k, uint64_t address, uint64_t *place)
{
	if (k->text && address >= k->text && address < k->text_end) {
		*place = address - k->text;
		return 0;
	}
	for (size_t i = 0; i < k->n; i++)
		if (address >= k->modules[i].start && address - k->modules[i].start < k->modules[i].size) {
			*place = address - k->modules[i].start;
			return (int)i + 1;
		}
	return -1;
}
