/* SPDX-License-Identifier: Apache-2.0 */
/* The cost model that goes with a recording: the stored fit of its server, else one to the recording's own traffic. */
#ifndef TOKPROF_CALIBRATE_CARRY_H
#define TOKPROF_CALIBRATE_CARRY_H

#include <stddef.h>

#include "userspace/recording.h"

/*
 * To be called at a recording's end, when all its rows are written, and before it is closed. Traffic is fitted only where there
 * is little enough of it for that to take less than a second, and kept only where it identifies a model.
 * @n_steps of the recording @words what was put, for the user: "calibrated 2026-11-21, ..."; where nothing was, why
 * @return how many fits were put
 */
size_t carry__fits(struct recording_writer *writer, const char *path, int64_t n_steps, char *words, size_t size);

#endif
