/* SPDX-License-Identifier: Apache-2.0 */
/* .gnu_debuglink: the name of a stripped file's separate debug file, and the CRC-32 of that file's bytes. */
#ifndef TOKPROF_SYMBOLS_DEBUG_LINK_H
#define TOKPROF_SYMBOLS_DEBUG_LINK_H

#include <stdint.h>

#include "userspace/elf_file.h"

struct debug_link {
	char name[256];		/* without a directory */
	uint32_t crc;
};

/* @return 0; -ENOENT: there is none; -EBADMSG: it is none */
int debug_link__read(const struct elf_file *f, struct debug_link *out);
/* The checksum of a whole file. @return 0, -EFBIG: it would take too long, -EIO, -ENOMEM */
int debug_link__crc(int fd, uint32_t *crc);

#endif
