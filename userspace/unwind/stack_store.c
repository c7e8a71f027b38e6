/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/unwind/stack_store.h"

#include <stdlib.h>

#define FIRST_SLOTS 1024

struct node {			/* a frame: module << 2 | kind, address; a stack: parent, frame */
	uint64_t a, b;
};

struct index {			/* nodes by number, and their numbers by what they are */
	struct node *nodes;
	uint32_t *slots;	/* number + 1; 0: free */
	size_t n, n_slots;
};

struct stack_store {
	struct stack_store_calls calls;
	struct index frames, stacks;
	size_t most;
};

static size_t hash(uint64_t a, uint64_t b)
{
	const uint64_t h = (a ^ (a >> 29)) * 0xbf58476d1ce4e5b9ULL + b * 0x94d049bb133111ebULL;

	return (size_t)((h ^ (h >> 32)) * 0x9e3779b97f4a7c15ULL >> 20);
}

static int grow(struct index *x)
{
	const size_t n_slots = x->n_slots ? 2 * x->n_slots : FIRST_SLOTS;
	struct node *nodes = reallocarray(x->nodes, n_slots / 2, sizeof(*nodes));
	uint32_t *slots = calloc(n_slots, sizeof(*slots));

	if (nodes)
		x->nodes = nodes;
	if (!nodes || !slots) {
		free(slots);
		return -1;
	}
	for (size_t i = 0; i < x->n; i++) {
		size_t at = hash(nodes[i].a, nodes[i].b) & (n_slots - 1);

		while (slots[at])
			at = (at + 1) & (n_slots - 1);
		slots[at] = (uint32_t)i + 1;
	}
	free(x->slots);
	x->slots = slots;
	x->n_slots = n_slots;
	return 0;
}

/* @return its number, from 1; 0: there is no room for one more */
static uint32_t intern(struct index *x, uint64_t a, uint64_t b, size_t most, bool *is_new)
{
	size_t at;

	*is_new = false;
	if (x->n >= x->n_slots / 2 && grow(x))
		return 0;
	for (at = hash(a, b) & (x->n_slots - 1); x->slots[at]; at = (at + 1) & (x->n_slots - 1)) {
		const struct node *node = &x->nodes[x->slots[at] - 1];

		if (node->a == a && node->b == b)
			return x->slots[at];
	}
	if (x->n >= most)
		return 0;
	x->nodes[x->n++] = (struct node){ a, b };
	x->slots[at] = (uint32_t)x->n;
	*is_new = true;
	return (uint32_t)x->n;
}

struct stack_store *stack_store__new(const struct stack_store_calls *calls, size_t most_nodes)
{
	struct stack_store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->calls = *calls;
	s->most = most_nodes;
	return s;
}

void stack_store__free(struct stack_store *s)
{
	if (!s)
		return;
	free(s->frames.nodes);
	free(s->frames.slots);
	free(s->stacks.nodes);
	free(s->stacks.slots);
	free(s);
}

int64_t stack_store__push(struct stack_store *s, int64_t parent, int kind, int64_t module, uint64_t address)
{
	const uint64_t code = (uint64_t)(module == ABSENT ? 0 : module + 1) << 2 | (uint64_t)kind;
	uint32_t frame, stack;
	bool is_new;

	frame = intern(&s->frames, code, address, s->most, &is_new);
	if (!frame)
		return ABSENT;
	if (is_new) {
		const struct row_frame row = { .id = frame, .kind = kind, .module = module, .address = address };

		s->calls.frame(s->calls.ctx, &row);
	}
	stack = intern(&s->stacks, parent == ABSENT ? 0 : (uint64_t)parent, frame, s->most, &is_new);
	if (!stack)
		return ABSENT;
	if (is_new) {
		const struct row_stack row = { .id = stack, .parent = parent, .frame = frame };

		s->calls.stack(s->calls.ctx, &row);
	}
	return stack;
}
