/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOKPROF_VERSION_H
#define TOKPROF_VERSION_H

/* From the file VERSION, by the Makefile. */
#define TOKPROF_VERSION TOKPROF_VERSION_STRING

#endif
