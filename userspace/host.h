/* SPDX-License-Identifier: Apache-2.0 */
/* The host that is recorded, and what this process may do on it. */
#ifndef TOKPROF_HOST_H
#define TOKPROF_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recording_writer;

/* host, kernel, cpu_model, n_cpus, tokprof_version: keys of the recording's own table. */
void host__write_meta(struct recording_writer *writer);
/*
 * The fastest clock of any CPU under a directory like /sys/devices/system/cpu. ABSENT: none says, as in most virtual machines, or a
 * driver leaves out by how much they go beyond
 */
int64_t host__max_khz(const char *cpus);
/* May this process load BPF programs and look into others? `error` says why not. */
bool host__may_trace(char *error, size_t error_size);

#endif
