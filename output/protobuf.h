/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol buffers as they are written (https://protobuf.dev/programming-guides/encoding): fields one after another into a buffer
 * that grows. Out of memory shows once, in `failed`.
 */
#ifndef TOKPROF_PROTOBUF_H
#define TOKPROF_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct protobuf {
	unsigned char *data;
	size_t n, capacity;
	bool failed;
};

void protobuf__integer(struct protobuf *p, unsigned int field, int64_t value);
void protobuf__fixed64(struct protobuf *p, unsigned int field, uint64_t value);
void protobuf__bytes(struct protobuf *p, unsigned int field, const void *data, size_t n);
void protobuf__text(struct protobuf *p, unsigned int field, const char *text); /* made valid UTF-8; NULL: nothing */
void protobuf__packed(struct protobuf *p, unsigned int field, const uint64_t *values, size_t n);
/* A message of its own as a field, which is emptied for the next one. */
void protobuf__message(struct protobuf *p, unsigned int field, struct protobuf *message);
void protobuf__free(struct protobuf *p);

#endif
