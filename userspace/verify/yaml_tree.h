/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One YAML document as a tree of texts, lists and maps with their places in the file.
 *
 * Of YAML only what a sheet of figures needs: anchors, aliases and tags are refused, so that a small file cannot grow into
 * a large tree, and so are a second document, a key that stands twice and a key that is no text. No type is guessed from a
 * text ("no" stays "no"): what it means is the reader's business.
 */
#ifndef TOKPROF_VERIFY_YAML_TREE_H
#define TOKPROF_VERIFY_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define YAML_MAX_BYTES (1 << 20)
#define YAML_MAX_NODES 50000
#define YAML_MAX_DEPTH 16
#define YAML_MAX_KEYS 64	/* of one map */

enum yaml_kind { YAML_TEXT = 0, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_kind kind;
	int64_t line, column;		/* from 1; columns in characters */
	const char *text;		/* YAML_TEXT */
	bool quoted;
	const struct yaml_node *key;	/* of a map's value */
	struct yaml_node *first, *last, *next;	/* children, and the next one of the same parent */
	struct yaml_node *allocated;	/* the node that was made before this one */
};

struct yaml_tree {
	struct yaml_node *root;		/* NULL: nothing but comments and blanks */
	struct yaml_node *newest;
	size_t n_nodes;
};

struct yaml_error {
	int64_t line, column;
	char what[240];
	const char *remedy;
};

/* @return 0; -EINVAL, with *error; -ENOMEM */
int yaml_tree__parse(struct yaml_tree *out, const char *text, size_t n, struct yaml_error *error);
void yaml_tree__free(struct yaml_tree *t);

/* A text that stands for nothing: null, ~ or empty, not in quotes. */
bool yaml_node__is_null(const struct yaml_node *node);

#endif
