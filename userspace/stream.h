/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOKPROF_STREAM_H
#define TOKPROF_STREAM_H

#include <stdio.h>

/*
 * The end of writing results to a stream: flush it, and say what went wrong where `rc`, what the writer returned, or the
 * flush tells so. A reader that left (EPIPE) is no error. @return enum exit_code
 */
int stream__finish(FILE *f, const char *name, int rc);

#endif
