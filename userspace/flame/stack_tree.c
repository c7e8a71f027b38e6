/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/flame/stack_tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"

const char *const flame_kind_names[N_FLAME_KINDS] = {
	[FLAME_ALL] = "all",	       [FLAME_REQUEST] = "request", [FLAME_PHASE] = "phase",
	[FLAME_ACCOUNT] = "account",   [FLAME_USER] = "user",	    [FLAME_INLINED] = "inlined",
	[FLAME_KERNEL] = "kernel",     [FLAME_PYTHON] = "python",   [FLAME_NO_NAME] = "no name",
	[FLAME_NO_STACK] = "no stack",
};

/* -------------------------------------------------------------------------------------------------------------- names --- */

static uint64_t add_to_hash(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static const char *keep(struct strings *strings, const char *text, bool *failed)
{
	const char *kept = text ? strings__keep(strings, text, strlen(text)) : NULL;

	*failed |= text && !kept;
	return kept;
}

/* The file is no part of what a name is: one function may be in several, by what is inlined where. */
uint32_t flame_names__put(struct flame_names *names, const struct flame_name *name)
{
	uint64_t hash = add_to_hash(add_to_hash(UINT64_C(0xcbf29ce484222325) + name->kind, name->text), name->module);
	struct flame_name *all;
	bool failed = false;
	uint32_t *slot;

	for (;; hash++) {
		slot = map64__at(&names->by_hash, hash);
		if (!slot)
			return UINT32_MAX;
		if (*slot == MAP64_NONE)
			break;
		if (names->all[*slot].kind == name->kind && same_text(names->all[*slot].text, name->text) &&
		    same_text(names->all[*slot].module, name->module))
			return *slot;
	}
	all = array__reserve(names->all, &names->capacity, names->n + 1, sizeof(*all));
	if (!all)
		return UINT32_MAX;
	names->all = all;
	all[names->n] = (struct flame_name){ keep(names->strings, name->text, &failed),
					     keep(names->strings, name->module, &failed),
					     keep(names->strings, name->file, &failed), name->kind };
	if (failed)
		return UINT32_MAX;
	*slot = (uint32_t)names->n;
	return (uint32_t)names->n++;
}

int flame_names__init(struct flame_names *names)
{
	memset(names, 0, sizeof(*names));
	names->strings = strings__new();
	return names->strings ? 0 : -ENOMEM;
}

void flame_names__free(struct flame_names *names)
{
	free(names->all);
	map64__free(&names->by_hash);
	strings__free(names->strings);
	memset(names, 0, sizeof(*names));
}

/* --------------------------------------------------------------------------------------------------------------- tree --- */

uint32_t stack_tree__child(struct stack_tree *t, uint32_t parent, uint32_t name)
{
	uint32_t *slot = name == UINT32_MAX ? NULL : map64__at(&t->by_parent, (uint64_t)parent << 32 | name);
	struct tree_node *nodes;

	if (!slot)
		return UINT32_MAX;
	if (*slot != MAP64_NONE)
		return *slot;
	nodes = array__reserve(t->nodes, &t->capacity, t->n + 1, sizeof(*nodes));
	if (!nodes)
		return UINT32_MAX;
	t->nodes = nodes;
	nodes[t->n] = (struct tree_node){ parent, name };
	*slot = (uint32_t)t->n;
	return (uint32_t)t->n++;
}

/* Position of an id in an array sorted by it, whose ids mostly count up by one. */
#define FIND_ID(array, n_array, wanted, result)                                                                        \
	do {                                                                                                           \
		size_t low_ = 0, high_ = (n_array);                                                                    \
		int64_t guess_ = (n_array) ? (wanted) - (array)[0].id : -1;                                            \
		(result) = SIZE_MAX;                                                                                   \
		if (guess_ >= 0 && (uint64_t)guess_ < (n_array) && (array)[guess_].id == (wanted)) {                   \
			(result) = (size_t)guess_;                                                                     \
			break;                                                                                         \
		}                                                                                                      \
		while (low_ < high_) {                                                                                 \
			const size_t middle_ = low_ + (high_ - low_) / 2;                                              \
			if ((array)[middle_].id < (wanted))                                                            \
				low_ = middle_ + 1;                                                                    \
			else                                                                                           \
				high_ = middle_;                                                                       \
		}                                                                                                      \
		if (low_ < (n_array) && (array)[low_].id == (wanted))                                                  \
			(result) = low_;                                                                               \
	} while (0)

size_t stack_tree__find(const struct recording *r, int64_t stack)
{
	size_t found;

	FIND_ID(r->stacks, r->n_stacks, stack, found);
	return found;
}

static const struct row_module *module_of(const struct recording *r, const struct row_frame *frame)
{
	size_t found = SIZE_MAX;

	if (frame->module != ABSENT)
		FIND_ID(r->modules, r->n_modules, frame->module, found);
	return found == SIZE_MAX ? NULL : &r->modules[found];
}

static const char *file_name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* What a frame is called that has no symbol. */
static uint32_t name_by_address(struct flame_names *names, const struct row_frame *frame,
				const struct row_module *module)
{
	const char *of = !module ? NULL : module->path ? file_name_of(module->path) : module->kind;
	char text[512];
	const struct flame_name name = { text, module ? module->path : NULL, NULL,
					 frame->kind == FRAME_KERNEL ? FLAME_KERNEL : FLAME_NO_NAME };

	if (of)
		snprintf(text, sizeof(text), "%.400s+0x%" PRIx64, of, frame->address);
	else
		snprintf(text, sizeof(text), "[unknown] 0x%" PRIx64, frame->address);
	return flame_names__put(names, &name);
}

/* The first of a frame's symbols; both tables are in the order of frames. */
static size_t *first_symbols(const struct recording *r)
{
	size_t *first = array__zeroed(r->n_frames + 1, sizeof(*first)), at = 0;

	for (size_t i = 0; first && i < r->n_frames; i++) {
		while (at < r->n_symbols && r->symbols[at].frame < r->frames[i].id)
			at++;
		first[i] = at;
	}
	return first;
}

/* The nodes of one frame below a parent: one for each function at that place. @return UINT32_MAX: out of memory */
static uint32_t add_frame(struct stack_tree *t, uint32_t at, const struct row_frame *frame, size_t symbol)
{
	static const uint8_t kinds[] = { FLAME_USER, FLAME_KERNEL, FLAME_PYTHON };
	const struct recording *r = t->recording;
	const struct row_module *module = module_of(r, frame);
	bool named = false;

	for (; symbol < r->n_symbols && r->symbols[symbol].frame == frame->id && at != UINT32_MAX; symbol++) {
		const struct row_symbol *s = &r->symbols[symbol];
		const struct flame_name name = {
			s->name,
			module ? module->path : NULL,
			s->file,
			s->depth > 0 && frame->kind == FRAME_USER ? FLAME_INLINED : kinds[frame->kind],
		};

		at = stack_tree__child(t, at, flame_names__put(t->names, &name));
		named = true;
	}
	return named ? at : stack_tree__child(t, at, name_by_address(t->names, frame, module));
}

static int add_stacks(struct stack_tree *t, const size_t *symbols, bool kernel_only)
{
	const struct recording *r = t->recording;

	for (size_t i = 0; i < r->n_stacks; i++) {
		const struct row_stack *s = &r->stacks[i];
		uint32_t parent = TREE_ROOT;
		size_t frame, caller;

		FIND_ID(r->frames, r->n_frames, s->frame, frame);
		if (frame == SIZE_MAX)
			return -EINVAL;
		if (s->parent != ABSENT) {
			caller = s->parent < s->id ? stack_tree__find(r, s->parent) : SIZE_MAX;
			if (caller == SIZE_MAX)
				return -EINVAL;
			parent = t->node_of_stack[caller];
		}
		t->leaf_kind[i] = (uint8_t)r->frames[frame].kind;
		if (kernel_only && r->frames[frame].kind != FRAME_KERNEL)
			t->node_of_stack[i] = parent;
		else
			t->node_of_stack[i] = add_frame(t, parent, &r->frames[frame], symbols[frame]);
		if (t->node_of_stack[i] == UINT32_MAX)
			return -ENOMEM;
	}
	return 0;
}

int stack_tree__build(struct stack_tree *out, const struct recording *r, struct flame_names *names, bool kernel_only)
{
	size_t *symbols = first_symbols(r);
	int err = -ENOMEM;

	memset(out, 0, sizeof(*out));
	out->recording = r;
	out->names = names;
	out->node_of_stack = array__zeroed(r->n_stacks, sizeof(*out->node_of_stack));
	out->leaf_kind = array__zeroed(r->n_stacks, sizeof(*out->leaf_kind));
	out->nodes = array__reserve(NULL, &out->capacity, 1, sizeof(*out->nodes));
	if (symbols && out->node_of_stack && out->leaf_kind && out->nodes) {
		out->nodes[out->n++] = (struct tree_node){ TREE_ROOT, UINT32_MAX };
		err = add_stacks(out, symbols, kernel_only);
	}
	free(symbols);
	if (err)
		stack_tree__free(out);
	return err;
}

void stack_tree__free(struct stack_tree *t)
{
	free(t->nodes);
	free(t->node_of_stack);
	free(t->leaf_kind);
	map64__free(&t->by_parent);
	memset(t, 0, sizeof(*t));
}
