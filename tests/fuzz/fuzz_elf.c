/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an ELF file: symbols, notes, relocations, debug information and code are read within bounds. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "userspace/disassemble.h"
#include "userspace/dwarf_layout.h"
#include "userspace/elf_file.h"
#include "userspace/probe_place.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct elf_file *f)
{
	static const char *const patterns[] = { "llama_*", "*", "x" };
	char build_id[ELF_FILE_BUILD_ID_SIZE];
	struct function_returns returns;
	struct return_places places;
	struct probe_place place;
	struct elf_match *matches;
	struct layout layout;
	const char *name;
	uint64_t bias;
	uint32_t offset;
	size_t n, i;

	elf_file__build_id(f, build_id, sizeof(build_id));
	elf_file__bias(f, 0x7f0000000000, 0x1000, 0x1000, &bias);
	dwarf_layout__find(f, "llama_ubatch", &layout);
	if (elf_file__find(f, patterns, sizeof(patterns) / sizeof(patterns[0]), &matches, &n))
		return;
	for (i = 0; i < n && i < 16; i++) {
		disassemble__returns(f, &matches[i].symbol, i % 2 ? RETURNS_ANY : RETURNS_WITH_VALUE, &returns);
		probe_place__returns(f, &matches[i].symbol, i % 2 ? RETURNS_ANY : RETURNS_WITH_VALUE, &places);
		probe_place__entry(f, &matches[i].symbol, &place);
		disassemble__getter_offset(f, &matches[i].symbol, 8, &offset);
		elf_file__slot_symbol(f, matches[i].symbol.vaddr, &name);
	}
	free(matches);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct elf_file *f;

	if (fd < 0)
		return 0;
	if (write(fd, data, size) == (ssize_t)size && elf_file__open_fd(&f, fd) == 0) {
		look_at(f);
		elf_file__free(f);
	}
	close(fd);
	return 0;
}
