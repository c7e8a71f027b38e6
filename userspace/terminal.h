/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream of the user's can show. */
#ifndef TOKPROF_TERMINAL_H
#define TOKPROF_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

/* Colour: only on a terminal that is not "dumb", and never with a NO_COLOR that is not empty (no-color.org). */
bool terminal__has_color(FILE *f);
/* Columns of the terminal, 80 off a terminal. */
int terminal__columns(FILE *f);

#endif
