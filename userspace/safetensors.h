/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts of a model, from the header of a safetensors file (https://huggingface.co/docs/safetensors): a length of 8 bytes and
 * so much JSON, which has the name, number format, shape and place of every tensor, and nothing of the architecture.
 *
 * What follows from the names that PyTorch models give their tensors is taken: layers, experts, embedding and output. How
 * many experts a token takes is not in the file, nor are heads: what depends on them is absent.
 *
 * The file is not trusted: see gguf.h. Beyond SAFETENSORS_MAX_HEADER no header is read (the format's own limit is 100 MB;
 * the largest models' have a few).
 */
#ifndef TOKPROF_SAFETENSORS_H
#define TOKPROF_SAFETENSORS_H

#include "userspace/gguf.h"

#define SAFETENSORS_MAX_HEADER (32u << 20)

/* As gguf__read(). */
int safetensors__read(struct model_facts *out, const struct gguf_source *source, char *error, size_t size);
int safetensors__read_fd(struct model_facts *out, int fd, char *error, size_t size);
int safetensors__read_bytes(struct model_facts *out, const void *bytes, size_t n, char *error, size_t size);

/* "model-00002-of-00004.safetensors" is the second of four: the header does not say so. @return whether it is a part */
bool safetensors__part(const char *path, int64_t *no, int64_t *count);

#endif
