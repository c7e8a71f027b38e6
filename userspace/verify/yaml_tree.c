/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/yaml_tree.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct builder {
	struct yaml_tree *tree;
	struct yaml_node *open[YAML_MAX_DEPTH];	/* lists and maps that have not ended */
	size_t depth;
	struct yaml_node *key;			/* of the innermost map, when its value is to come */
	bool has_document;
	struct yaml_error *error;
};

static int fail(struct yaml_error *e, const yaml_mark_t *at, const char *remedy, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static int fail(struct yaml_error *e, const yaml_mark_t *at, const char *remedy, const char *format, ...)
{
	va_list args;

	e->line = (int64_t)at->line + 1;
	e->column = (int64_t)at->column + 1;
	e->remedy = remedy;
	va_start(args, format);
	vsnprintf(e->what, sizeof(e->what), format, args);
	va_end(args);
	return -EINVAL;
}

bool yaml_node__is_null(const struct yaml_node *node)
{
	return node->kind == YAML_TEXT && !node->quoted &&
	       (!node->text[0] || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

static struct yaml_node *make_node(struct builder *b, enum yaml_kind kind, const yaml_mark_t *at, size_t n_text)
{
	struct yaml_node *node = calloc(1, sizeof(*node) + n_text + 1);

	if (!node)
		return NULL;
	node->kind = kind;
	node->line = (int64_t)at->line + 1;
	node->column = (int64_t)at->column + 1;
	node->allocated = b->tree->newest;
	b->tree->newest = node;
	b->tree->n_nodes++;
	return node;
}

static int set_key(struct builder *b, struct yaml_node *node, const yaml_mark_t *at)
{
	const struct yaml_node *map = b->open[b->depth - 1];
	int n = 0;

	if (node->kind != YAML_TEXT)
		return fail(b->error, at, "write 'key: value', each key a plain word", "a key that is no text");
	for (const struct yaml_node *child = map->first; child; child = child->next, n++)
		if (strcmp(child->key->text, node->text) == 0)
			return fail(b->error, at, "keep one of them", "'%.60s' stands twice; the first is in line %lld",
				    node->text, (long long)child->key->line);
	if (n == YAML_MAX_KEYS)
		return fail(b->error, at, "no map of this format has so many", "more than %d keys in one map",
			    YAML_MAX_KEYS);
	b->key = node;
	return 0;
}

/* Puts the node where the file has it: the root, an element of a list, a key or its value. */
static int place(struct builder *b, struct yaml_node *node, const yaml_mark_t *at)
{
	struct yaml_node *parent;

	if (b->depth == 0) {
		b->tree->root = node;
		return 0;
	}
	parent = b->open[b->depth - 1];
	if (parent->kind == YAML_MAP && !b->key)
		return set_key(b, node, at);
	node->key = b->key;
	b->key = NULL;
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	return 0;
}

static int take(struct builder *b, enum yaml_kind kind, const yaml_event_t *event, const unsigned char *anchor,
		const unsigned char *tag)
{
	const yaml_mark_t *at = &event->start_mark;
	const size_t n_text = kind == YAML_TEXT ? event->data.scalar.length : 0;
	struct yaml_node *node;
	int err;

	if (anchor)
		return fail(b->error, at, "write the values out where they are meant", "an anchor (&%.40s)",
			    (const char *)anchor);
	if (tag)
		return fail(b->error, at, "leave it out", "a tag (%.60s)", (const char *)tag);
	if (b->tree->n_nodes == YAML_MAX_NODES)
		return fail(b->error, at, "split the file", "more than %d values", YAML_MAX_NODES);
	node = make_node(b, kind, at, n_text);
	if (!node)
		return -ENOMEM;
	if (kind == YAML_TEXT) {
		char *text = (char *)(node + 1);

		memcpy(text, event->data.scalar.value, n_text);
		if (strlen(text) != n_text)
			return fail(b->error, at, "leave it out", "a text with a zero byte in it");
		node->text = text;
		node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	}
	err = place(b, node, at);
	if (err || kind == YAML_TEXT)
		return err;
	if (b->depth == YAML_MAX_DEPTH)
		return fail(b->error, at, "no part of this format is so deep",
			    "more than %d lists and maps in each other", YAML_MAX_DEPTH);
	b->open[b->depth++] = node;
	return 0;
}

static int handle(struct builder *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->has_document)
			return fail(b->error, &event->start_mark, "put each document into a file of its own",
				    "a second document");
		b->has_document = true;
		return 0;
	case YAML_ALIAS_EVENT:
		return fail(b->error, &event->start_mark, "write the values out where they are meant",
			    "an alias (*%.40s)", (const char *)event->data.alias.anchor);
	case YAML_SCALAR_EVENT:
		return take(b, YAML_TEXT, event, event->data.scalar.anchor, event->data.scalar.tag);
	case YAML_SEQUENCE_START_EVENT:
		return take(b, YAML_LIST, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return take(b, YAML_MAP, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return 0;
	default:
		return 0;
	}
}

/* libyaml tells of bytes that are no text by their offset, of the rest by line and column. */
static int fail_syntax(const yaml_parser_t *parser, const char *text, size_t n, struct yaml_error *error)
{
	yaml_mark_t at = parser->problem_mark;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR) {
		size_t begin = 0, end = parser->problem_offset < n ? parser->problem_offset : n;

		at.line = 0;
		for (size_t i = 0; i < end; i++)
			if (text[i] == '\n') {
				at.line++;
				begin = i + 1;
			}
		at.column = end - begin;
		return fail(error, &at, "save the file as UTF-8 without control characters", "not readable as text: %s",
			    parser->problem ? parser->problem : "a character that no text has");
	}
	return fail(error, &at,
		    "YAML wants spaces, never tabs, for indentation, 'key: value', and quotes around texts with ': ' "
		    "or ' #'",
		    "no YAML: %s%s%s", parser->problem ? parser->problem : "it breaks off", parser->context ? " " : "",
		    parser->context ? parser->context : "");
}

int yaml_tree__parse(struct yaml_tree *out, const char *text, size_t n, struct yaml_error *error)
{
	struct builder b = { .tree = out, .error = error };
	yaml_parser_t parser;
	bool done = false;
	int err = 0;

	memset(out, 0, sizeof(*out));
	memset(error, 0, sizeof(*error));
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
	while (!err && !done) {
		yaml_event_t event;

		if (!yaml_parser_parse(&parser, &event)) {
			err = fail_syntax(&parser, text, n, error);
			break;
		}
		err = handle(&b, &event);
		done = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	if (err)
		yaml_tree__free(out);
	return err;
}

void yaml_tree__free(struct yaml_tree *t)
{
	if (!t)
		return;
	while (t->newest) {
		struct yaml_node *older = t->newest->allocated;

		free(t->newest);
		t->newest = older;
	}
	memset(t, 0, sizeof(*t));
}
