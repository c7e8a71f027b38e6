/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/wire/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_BYTES 16384

int buffer__append(struct buffer *b, const void *data, size_t n, size_t max)
{
	if (n > max || b->n > max - n)
		return -E2BIG;
	if (b->cap - b->n < n) {
		size_t cap = b->cap ? b->cap : 512;
		char *grown;

		while (cap < b->n + n)
			cap *= 2;
		if (cap > max)
			cap = max;
		grown = realloc(b->data, cap);
		if (!grown)
			return -ENOMEM;
		b->data = grown;
		b->cap = cap;
	}
	if (n)
		memcpy(b->data + b->n, data, n);
	b->n += n;
	return 0;
}

void buffer__reset(struct buffer *b)
{
	if (b->cap > KEPT_BYTES)
		buffer__free(b);
	b->n = 0;
}

void buffer__free(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){ 0 };
}
