/* SPDX-License-Identifier: Apache-2.0 */
#include "output/protobuf.h"

#include <stdlib.h>
#include <string.h>

#include "output/utf8.h"
#include "userspace/analysis/array.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2 };

static void put(struct protobuf *p, const void *data, size_t n)
{
	unsigned char *bigger = p->failed ? NULL : array__reserve(p->data, &p->capacity, p->n + n, 1);

	if (!bigger) {
		p->failed = true;
		return;
	}
	p->data = bigger;
	if (n)
		memcpy(p->data + p->n, data, n);
	p->n += n;
}

static void put_varint(struct protobuf *p, uint64_t value)
{
	unsigned char bytes[10];
	size_t n = 0;

	do {
		bytes[n] = (unsigned char)(value & 0x7f);
		value >>= 7;
		if (value)
			bytes[n] |= 0x80;
		n++;
	} while (value);
	put(p, bytes, n);
}

static void put_tag(struct protobuf *p, unsigned int field, enum wire_type type)
{
	put_varint(p, (uint64_t)field << 3 | type);
}

void protobuf__integer(struct protobuf *p, unsigned int field, int64_t value)
{
	put_tag(p, field, WIRE_VARINT);
	put_varint(p, (uint64_t)value);
}

void protobuf__fixed64(struct protobuf *p, unsigned int field, uint64_t value)
{
	unsigned char bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(value >> 8 * i);
	put_tag(p, field, WIRE_FIXED64);
	put(p, bytes, sizeof(bytes));
}

void protobuf__bytes(struct protobuf *p, unsigned int field, const void *data, size_t n)
{
	put_tag(p, field, WIRE_BYTES);
	put_varint(p, n);
	put(p, data, n);
}

static bool is_well_formed(const char *text, size_t n)
{
	while (n > 0) {
		uint32_t code_point;
		const size_t used = utf8__decode(text, n, &code_point);

		if (code_point == UTF8_REPLACEMENT || code_point < 0x20)
			return false;
		text += used;
		n -= used;
	}
	return true;
}

void protobuf__text(struct protobuf *p, unsigned int field, const char *text)
{
	const size_t n = text ? strlen(text) : 0;
	char *defused;

	if (!text)
		return;
	if (is_well_formed(text, n)) {
		protobuf__bytes(p, field, text, n);
		return;
	}
	/* A byte that is replaced becomes three. */
	defused = malloc(3 * n + 1);
	if (!defused) {
		p->failed = true;
		return;
	}
	utf8__defuse(defused, 3 * n + 1, text, n);
	protobuf__bytes(p, field, defused, strlen(defused));
	free(defused);
}

void protobuf__packed(struct protobuf *p, unsigned int field, const uint64_t *values, size_t n)
{
	struct protobuf packed = { .n = 0 };

	for (size_t i = 0; i < n; i++)
		put_varint(&packed, values[i]);
	protobuf__message(p, field, &packed);
	protobuf__free(&packed);
}

void protobuf__message(struct protobuf *p, unsigned int field, struct protobuf *message)
{
	p->failed |= message->failed;
	protobuf__bytes(p, field, message->data, message->n);
	message->n = 0;
}

void protobuf__free(struct protobuf *p)
{
	free(p->data);
	memset(p, 0, sizeof(*p));
}
