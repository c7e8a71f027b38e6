/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stacks of a recording as a tree of names: frames that differ by address only are one, functions inlined at a place
 * are frames of their own, and what has no name keeps its module and offset.
 */
#ifndef TOKPROF_FLAME_STACK_TREE_H
#define TOKPROF_FLAME_STACK_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/flame/map64.h"
#include "userspace/recording.h"
#include "userspace/recording_strings.h"

enum flame_kind {
	FLAME_ALL = 0,		/* the root */
	FLAME_REQUEST = 1,
	FLAME_PHASE = 2,
	FLAME_ACCOUNT = 3,
	FLAME_USER = 4,
	FLAME_INLINED = 5,
	FLAME_KERNEL = 6,
	FLAME_PYTHON = 7,
	FLAME_NO_NAME = 8,	/* module and offset */
	FLAME_NO_STACK = 9,	/* stands for what no stack is known of */
	N_FLAME_KINDS = 10,
};
extern const char *const flame_kind_names[N_FLAME_KINDS];

struct flame_name {
	const char *text;
	const char *module;	/* path, or name of a kernel module; NULL */
	const char *file;	/* source file; NULL */
	uint8_t kind;		/* enum flame_kind */
};

struct flame_names {
	struct flame_name *all;
	size_t n, capacity;
	struct map64 by_hash;
	struct strings *strings;	/* owner of every text */
};

/* Copies what it has not got yet. @return its number; UINT32_MAX: out of memory */
uint32_t flame_names__put(struct flame_names *names, const struct flame_name *name);
int flame_names__init(struct flame_names *names);	/* @return 0, -ENOMEM */
void flame_names__free(struct flame_names *names);

#define TREE_ROOT 0u

struct tree_node {
	uint32_t parent;	/* less than its own number; of the root itself */
	uint32_t name;
};

struct stack_tree {
	const struct recording *recording;
	struct flame_names *names;	/* borrowed */
	struct tree_node *nodes;
	size_t n, capacity;
	struct map64 by_parent;		/* parent << 32 | name */
	uint32_t *node_of_stack;	/* by position in recording.stacks */
	uint8_t *leaf_kind;		/* the same: enum frame_kind of the innermost frame */
};

/*
 * @kernel_only	leave the frames of user code out
 * @return 0; -ENOMEM; -EINVAL: stacks refer to each other or to frames in a way that no writer does
 */
int stack_tree__build(struct stack_tree *out, const struct recording *r, struct flame_names *names, bool kernel_only);
void stack_tree__free(struct stack_tree *t);
/* A child of a node. @return UINT32_MAX: out of memory */
uint32_t stack_tree__child(struct stack_tree *t, uint32_t parent, uint32_t name);
/* Position in recording.stacks; SIZE_MAX: there is none of that id. */
size_t stack_tree__find(const struct recording *r, int64_t stack);

#endif
