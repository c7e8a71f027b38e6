/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that code was mapped from, opened when the recording ends.
 *
 * What is mapped still is opened through /proc/PID/map_files: that is the very file, also where it was deleted or belongs to another
 * mount namespace. Else the path is followed inside the root directory of a process of the server, then of this host, and the
 * file counts only if it is the one that was mapped: by its build id, or where it has none by device, inode and size.
 * A separate debug file counts only with the same build id, or where there is none with the checksum of the debug link.
 */
#ifndef TOKPROF_SYMBOLS_MODULE_FILES_H
#define TOKPROF_SYMBOLS_MODULE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/elf_file.h"
#include "userspace/recording.h"

struct module_files;

/* @pids: the server's processes; those that have ended are passed over. @return 0, -ENOMEM */
int module_files__open(struct module_files **out, const uint32_t *pids, size_t n_pids);
void module_files__free(struct module_files *f);

/* @return a descriptor; -ENOENT: there is no file; -ESTALE: only another one; -EBADMSG: it is no ELF file that is understood */
int module_files__open_module(const struct module_files *f, const struct row_module *module);
/*
 * The separate debug file of an open module. @refused: only another build's was there. @return a descriptor; -ENOENT
 */
int module_files__open_debug(const struct module_files *f, const struct row_module *module, int fd, bool *refused);
/* The vDSO, which no file has: a copy of this process's own, the kernel's one for all. @return a descriptor, -ENOENT, ... */
int module_files__open_vdso(void);

/* Names that the i-th process wrote for code that it made. @return a descriptor; -ENOENT: none; -ERANGE: no such process */
int module_files__open_perf_map(const struct module_files *f, size_t i);
int module_files__open_jitdump(const struct module_files *f, size_t i);

#endif
