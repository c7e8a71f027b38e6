/* SPDX-License-Identifier: Apache-2.0 */
/* What all collectors do alike with a skeleton's object. */
#ifndef TOKPROF_SKELETON_H
#define TOKPROF_SKELETON_H

#include <bpf/libbpf.h>
#include <stddef.h>

/* Descriptors of the object's loaded programs. @return their number, at most `max` */
size_t skeleton__programs(const struct bpf_object *object, int *fds, size_t max);

#endif
