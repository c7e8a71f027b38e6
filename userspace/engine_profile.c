/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser of engine profiles. Sections and keys are tables: a new key is one line and one function.
 */
#include "userspace/engine_profile.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINE 2048

struct parser {
	struct engine_profile *profile;
	const char *file;
	int line;
	const struct section_type *type; /* of the section that is open; NULL none yet */
	struct profile_section *section; /* NULL for sections that are not in profile->sections */
	struct ubatch_layout *layout;
	uint32_t layout_seen; /* bits of layout_fields */
	char *error;
	size_t error_size;
};

struct key {
	const char *name; /* NULL ends the table; with a function: it takes all other keys */
	int (*set)(struct parser *p, const char *key, char *value);
};

struct section_type {
	const char *name;
	int (*open)(struct parser *p, char *label);
	int (*end)(struct parser *p);
	const struct key *keys;
};

static int fail(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail(struct parser *p, const char *format, ...)
{
	int at = snprintf(p->error, p->error_size, "%s:%d: ", p->file, p->line);
	va_list args;

	if (at >= 0 && (size_t)at < p->error_size) {
		va_start(args, format);
		vsnprintf(p->error + at, p->error_size - (size_t)at, format, args);
		va_end(args);
	}
	return -EINVAL;
}

/* --- values -------------------------------------------------------------------------------------------------------- */

static int set_text(struct parser *p, const char *key, const char *value, char *out, size_t size)
{
	if (strlen(value) >= size)
		return fail(p, "the value of '%s' is longer than %zu characters", key, size - 1);
	if (out[0])
		return fail(p, "'%s' is given twice", key);
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

/* The next of several values separated by blanks; NULL at the end. */
static char *next_word(char **rest)
{
	char *word = *rest + strspn(*rest, " \t");
	size_t n = strcspn(word, " \t");

	if (n == 0)
		return NULL;
	*rest = word[n] ? word + n + 1 : word + n;
	word[n] = 0;
	return word;
}

static int parse_number(struct parser *p, const char *key, const char *value, unsigned long max, unsigned long *out)
{
	char *end;

	errno = 0;
	*out = strtoul(value, &end, 0);
	if (!isdigit((unsigned char)value[0]) || errno || *end || *out > max)
		return fail(p, "'%s' must be a number from 0 to %lu, not '%.40s'", key, max, value);
	return 0;
}

static bool is_symbol(const char *word)
{
	for (; *word; word++)
		if (!isalnum((unsigned char)*word) && !strchr("_*.$@", *word))
			return false;
	return true;
}

static int add_symbol(struct parser *p, struct profile_section *section, const char *word, uint32_t kind)
{
	struct profile_symbol *symbol;

	if (!is_symbol(word) || strcmp(word, "*") == 0)
		return fail(p, "'%.80s' is no symbol", word);
	if (strlen(word) >= PROFILE_SYMBOL_SIZE)
		return fail(p, "the symbol '%.40s...' is longer than %d characters; shorten it with '*'", word,
			    PROFILE_SYMBOL_SIZE - 1);
	if (section->n_symbols == PROFILE_MAX_SYMBOLS)
		return fail(p, "more than %d symbols in one section", PROFILE_MAX_SYMBOLS);
	symbol = &section->symbols[section->n_symbols++];
	memcpy(symbol->pattern, word, strlen(word) + 1);
	symbol->kind = kind;
	return 0;
}

/* --- [engine] ------------------------------------------------------------------------------------------------------ */

static int open_engine(struct parser *p, char *label)
{
	(void)label;
	if (p->profile->name[0])
		return fail(p, "a second [engine] section; a file describes one engine");
	return 0;
}

static int engine_name(struct parser *p, const char *key, char *value)
{
	return set_text(p, key, value, p->profile->name, sizeof(p->profile->name));
}

static int engine_symbols(struct parser *p, const char *key, char *value)
{
	struct engine_profile *profile = p->profile;
	char *word;

	(void)key;
	while ((word = next_word(&value))) {
		if (!is_symbol(word) || strchr(word, '*'))
			return fail(p, "'%.80s' is no symbol; an engine is recognised by whole names", word);
		if (profile->n_recognise == PROFILE_MAX_SYMBOLS || strlen(word) >= PROFILE_SYMBOL_SIZE)
			return fail(p, "more than %d symbols, or a longer one than %d characters", PROFILE_MAX_SYMBOLS,
				    PROFILE_SYMBOL_SIZE - 1);
		memcpy(profile->recognise[profile->n_recognise++], word, strlen(word) + 1);
	}
	return 0;
}

static int engine_build_number(struct parser *p, const char *key, char *value)
{
	return set_text(p, key, value, p->profile->build_number, sizeof(p->profile->build_number));
}

static int engine_memory_getter(struct parser *p, const char *key, char *value)
{
	return set_text(p, key, value, p->profile->memory_getter, sizeof(p->profile->memory_getter));
}

static int engine_length_getters(struct parser *p, const char *key, char *value)
{
	const size_t most = sizeof(p->profile->length_getters) / sizeof(p->profile->length_getters[0]);
	char *word;

	(void)key;
	for (size_t i = 0; (word = next_word(&value)); i++) {
		if (i == most || !is_symbol(word) || strchr(word, '*') || strlen(word) >= PROFILE_SYMBOL_SIZE)
			return fail(p, "'%.80s' is no symbol, or one of more than %zu", word, most);
		memcpy(p->profile->length_getters[i], word, strlen(word) + 1);
	}
	return 0;
}

static int end_engine(struct parser *p)
{
	if (!p->profile->name[0])
		return fail(p, "the [engine] section has no 'name'");
	if (p->profile->n_recognise == 0)
		return fail(p, "the [engine] section has no 'symbols' to recognise it by");
	return 0;
}

/* --- [step], [ubatch], [memory], [batch], [speculation] ------------------------------------------------------------- */

static int open_points(struct parser *p, enum profile_section_kind kind)
{
	struct engine_profile *profile = p->profile;

	if (profile->n_sections == PROFILE_MAX_SECTIONS)
		return fail(p, "more than %d sections", PROFILE_MAX_SECTIONS);
	p->section = &profile->sections[profile->n_sections++];
	p->section->section = kind;
	p->section->line = p->line;
	return 0;
}

static int open_step(struct parser *p, char *label)
{
	(void)label;
	return open_points(p, PROFILE_STEP);
}

static int open_ubatch(struct parser *p, char *label)
{
	(void)label;
	return open_points(p, PROFILE_UBATCH);
}

static int open_memory(struct parser *p, char *label)
{
	(void)label;
	return open_points(p, PROFILE_MEMORY);
}

static int open_batch(struct parser *p, char *label)
{
	(void)label;
	return open_points(p, PROFILE_BATCH);
}

static int open_speculation(struct parser *p, char *label)
{
	(void)label;
	return open_points(p, PROFILE_SPECULATION);
}

static int end_points(struct parser *p)
{
	return p->section->n_symbols ? 0 :
				       fail(p, "the section that begins at line %d names no symbol", p->section->line);
}

static int end_step(struct parser *p)
{
	if (p->section->batch_stack && p->section->batch_argument)
		return fail(p, "the section that begins at line %d has both 'batch_stack' and 'batch_argument'",
			    p->section->line);
	return end_points(p);
}

static int point_symbols(struct parser *p, const char *key, char *value)
{
	char *word;
	int err;

	(void)key;
	while ((word = next_word(&value))) {
		err = add_symbol(p, p->section, word, p->section->kind);
		if (err)
			return err;
	}
	return 0;
}

static int step_kind(struct parser *p, const char *key, char *value)
{
	if (p->section->n_symbols)
		return fail(p, "'%s' must stand before 'symbols'", key);
	if (strcmp(value, "decode") == 0)
		p->section->kind = STEP_DECODE;
	else if (strcmp(value, "encode") == 0)
		p->section->kind = STEP_ENCODE;
	else
		return fail(p, "'%s' is decode or encode, not '%.40s'", key, value);
	return 0;
}

static int step_batch_stack(struct parser *p, const char *key, char *value)
{
	unsigned long number;
	int err = parse_number(p, key, value, 4096, &number);

	if (!err)
		p->section->batch_stack = (uint32_t)number;
	return err;
}

static int step_batch_argument(struct parser *p, const char *key, char *value)
{
	unsigned long number;
	int err = parse_number(p, key, value, 3, &number);

	if (err)
		return err;
	if (number < 2)
		return fail(p, "'%s' is 2 or 3: the first argument is the context", key);
	p->section->batch_argument = (uint32_t)number;
	return 0;
}

static int ubatch_struct(struct parser *p, const char *key, char *value)
{
	return set_text(p, key, value, p->profile->ubatch_struct, sizeof(p->profile->ubatch_struct));
}

static const char *const memory_ops[] = {
	[MEMORY_SEQ_RM] = "seq_rm",   [MEMORY_SEQ_CP] = "seq_cp",   [MEMORY_SEQ_KEEP] = "seq_keep",
	[MEMORY_SEQ_ADD] = "seq_add", [MEMORY_SEQ_DIV] = "seq_div", [MEMORY_CLEAR] = "clear",
};
#define N_MEMORY_OPS (sizeof(memory_ops) / sizeof(memory_ops[0]))

const char *memory_op__name(enum memory_op op)
{
	return (size_t)op < N_MEMORY_OPS ? memory_ops[op] : NULL;
}

static int memory_symbol(struct parser *p, const char *key, char *value)
{
	uint32_t op;

	for (op = 0; op < N_MEMORY_OPS; op++)
		if (strcmp(key, memory_ops[op]) == 0)
			return add_symbol(p, p->section, value, op);
	return fail(p, "unknown operation '%.40s'", key);
}

static const char *const batch_ops[] = {
	[BATCH_CLEAR] = "clear",
	[BATCH_ADD] = "add",
	[BATCH_SET_POSITION] = "set_position",
	[BATCH_SET_OUTPUT] = "set_output",
	[BATCH_ADD_SEQUENCE] = "add_sequence",
	[BATCH_FREE] = "free",
	[BATCH_NEITHER] = "neither",
	[BATCH_FAMILY] = "family",
};
#define N_BATCH_OPS (sizeof(batch_ops) / sizeof(batch_ops[0]))

static int batch_symbols(struct parser *p, const char *key, char *value)
{
	uint32_t op;
	char *word;
	int err = 0;

	for (op = 0; op < N_BATCH_OPS && strcmp(key, batch_ops[op]) != 0; op++)
		;
	if (op == N_BATCH_OPS)
		return fail(p, "section [batch] knows no '%.40s'", key);
	while (!err && (word = next_word(&value)))
		err = add_symbol(p, p->section, word, op);
	return err;
}

/* Calls that were left out would leave rows out, and nothing would show it. */
static int end_batch(struct parser *p)
{
	for (uint32_t op = 0; op < N_BATCH_OPS; op++) {
		bool given = op == BATCH_NEITHER;

		for (size_t i = 0; i < p->section->n_symbols; i++)
			given |= p->section->symbols[i].kind == op;
		if (!given)
			return fail(p, "the [batch] section that begins at line %d has no '%s'", p->section->line,
				    batch_ops[op]);
	}
	return 0;
}

/* --- [operators] --------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum operator_point point;
} operator_points[] = {
	{ "node", OPERATOR_NODE },
	{ "graph", OPERATOR_GRAPH },
	{ "sampling", OPERATOR_SAMPLING },
};
#define N_OPERATOR_POINTS (sizeof(operator_points) / sizeof(operator_points[0]))

static int open_operators(struct parser *p, char *label)
{
	(void)label;
	for (size_t i = 0; i < p->profile->n_sections; i++)
		if (p->profile->sections[i].section == PROFILE_OPERATORS)
			return fail(p, "a second [operators] section");
	return open_points(p, PROFILE_OPERATORS);
}

static int operator_symbols(struct parser *p, const char *key, char *value)
{
	size_t i;
	char *word;
	int err = 0;

	for (i = 0; i < N_OPERATOR_POINTS && strcmp(key, operator_points[i].name) != 0; i++)
		;
	if (i == N_OPERATOR_POINTS)
		return fail(p, "section [operators] knows no '%.40s'", key);
	while (!err && (word = next_word(&value)))
		err = add_symbol(p, p->section, word, operator_points[i].point);
	return err;
}

static int operator_names(struct parser *p, const char *key, char *value)
{
	return set_text(p, key, value, p->profile->graph.op_names, sizeof(p->profile->graph.op_names));
}

static int operator_node_name(struct parser *p, const char *key, char *value)
{
	return set_text(p, key, value, p->profile->graph.node_name, sizeof(p->profile->graph.node_name));
}

static int operator_length(struct parser *p, const char *key, char *value)
{
	return set_text(p, key, value, p->profile->graph.length, sizeof(p->profile->graph.length));
}

static int operator_offset(struct parser *p, const char *key, char *value)
{
	unsigned long number;
	int err = parse_number(p, key, value, 4096, &number);

	if (!err)
		p->profile->graph.node_op = (uint32_t)number;
	return err;
}

/* --- [layout NAME] ------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	size_t at; /* in struct layout */
	bool required;
} layout_fields[] = {
	{ "n_tokens", offsetof(struct layout, n_tokens), true },
	{ "n_seqs_unq", offsetof(struct layout, n_seqs_unq), false },
	{ "token", offsetof(struct layout, token), true },
	{ "embd", offsetof(struct layout, embd), true },
	{ "pos", offsetof(struct layout, pos), true },
	{ "n_seq_id", offsetof(struct layout, n_seq_id), false },
	{ "seq_id", offsetof(struct layout, seq_id), true },
	{ "output", offsetof(struct layout, output), true },
};
#define N_LAYOUT_FIELDS (sizeof(layout_fields) / sizeof(layout_fields[0]))

static int open_layout(struct parser *p, char *label)
{
	struct engine_profile *profile = p->profile;
	size_t i;

	if (!label[0] || strlen(label) >= PROFILE_NAME_SIZE)
		return fail(p, "a layout needs a name of 1 to %d characters: [layout NAME]", PROFILE_NAME_SIZE - 1);
	for (i = 0; i < profile->n_layouts; i++)
		if (strcmp(profile->layouts[i].name, label) == 0)
			return fail(p, "a second layout with the name '%s'", label);
	if (profile->n_layouts == MAX_LAYOUTS)
		return fail(p, "more than %d layouts", MAX_LAYOUTS);
	p->layout = &profile->layouts[profile->n_layouts++];
	p->layout_seen = 0;
	memset(&p->layout->fields, 0xff, sizeof(p->layout->fields)); /* LAYOUT_ABSENT */
	memcpy(p->layout->name, label, strlen(label) + 1);
	return 0;
}

static int layout_field(struct parser *p, const char *key, char *value)
{
	unsigned long number;
	uint16_t offset;
	size_t i;

	for (i = 0; i < N_LAYOUT_FIELDS && strcmp(key, layout_fields[i].name) != 0; i++)
		;
	if (i == N_LAYOUT_FIELDS)
		return fail(p, "unknown field '%.40s'", key);
	if (p->layout_seen & 1u << i)
		return fail(p, "'%s' is given twice", key);
	if (parse_number(p, key, value, 4096, &number))
		return -EINVAL;
	p->layout_seen |= 1u << i;
	offset = (uint16_t)number;
	memcpy((char *)&p->layout->fields + layout_fields[i].at, &offset, sizeof(offset));
	return 0;
}

static int layout_builds(struct parser *p, const char *key, char *value)
{
	struct ubatch_layout *l = p->layout;
	char *word;

	while ((word = next_word(&value))) {
		if (strspn(word, "0123456789abcdef") != strlen(word) || strlen(word) >= sizeof(l->builds[0]))
			return fail(p, "'%s' must be build ids in lower-case hexadecimal, not '%.60s'", key, word);
		if (l->n_builds == PROFILE_MAX_BUILDS)
			return fail(p, "more than %d builds; begin another layout with the same offsets",
				    PROFILE_MAX_BUILDS);
		memcpy(l->builds[l->n_builds++], word, strlen(word) + 1);
	}
	return 0;
}

static int end_layout(struct parser *p)
{
	size_t i;

	for (i = 0; i < N_LAYOUT_FIELDS; i++)
		if (layout_fields[i].required && !(p->layout_seen & 1u << i))
			return fail(p, "the layout '%s' has no '%s'", p->layout->name, layout_fields[i].name);
	return 0;
}

/* --- [http] -------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	size_t at, size; /* in struct profile_http */
	bool is_path;
} http_members[] = {
#define MEMBER(name, is_path)                                                                                          \
	{                                                                                                              \
#name, offsetof(struct profile_http, name), sizeof(((struct profile_http *)0)->name), is_path          \
	}
	MEMBER(properties, true), MEMBER(n_slots, false), MEMBER(context, false),	MEMBER(slots, true),
	MEMBER(busy, false),	  MEMBER(tokenize, true), MEMBER(tokenize_text, false), MEMBER(tokenize_ids, false),
	MEMBER(complete, true),	  MEMBER(prompt, false),  MEMBER(prompt_ids, false),	MEMBER(outputs, false),
	MEMBER(body, false),	  MEMBER(slot, false),
#undef MEMBER
};
#define N_HTTP_MEMBERS (sizeof(http_members) / sizeof(http_members[0]))

static int open_http(struct parser *p, char *label)
{
	(void)label;
	if (p->profile->http.line)
		return fail(p, "a second [http] section");
	p->profile->http.line = p->line;
	return 0;
}

static int http_member(struct parser *p, const char *key, char *value)
{
	size_t i;

	for (i = 0; i < N_HTTP_MEMBERS && strcmp(key, http_members[i].name) != 0; i++)
		;
	if (i == N_HTTP_MEMBERS)
		return fail(p, "section [http] knows no '%.40s'", key);
	if (http_members[i].is_path && (value[0] != '/' || strpbrk(value, " \t")))
		return fail(p, "'%s' is a path that begins with '/', not '%.60s'", key, value);
	return set_text(p, key, value, (char *)&p->profile->http + http_members[i].at, http_members[i].size);
}

static int end_http(struct parser *p)
{
	const struct profile_http *h = &p->profile->http;
	json_t *body;

	if (!h->complete[0] || !h->outputs[0] || !(h->prompt[0] || h->prompt_ids[0]))
		return fail(p, "the [http] section needs 'complete', 'outputs', and 'prompt' or 'prompt_ids'");
	if (!h->body[0])
		return 0;
	body = json_loads(h->body, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(body)) {
		json_decref(body);
		return fail(p, "'body' of the [http] section is no JSON object");
	}
	json_decref(body);
	return 0;
}

/* --- the grammar --------------------------------------------------------------------------------------------------- */

static const struct key engine_keys[] = {
	{ "name", engine_name },
	{ "symbols", engine_symbols },
	{ "build_number", engine_build_number },
	{ "memory_getter", engine_memory_getter },
	{ "length_getters", engine_length_getters },
	{ NULL, NULL },
};
static const struct key step_keys[] = {
	{ "kind", step_kind },
	{ "symbols", point_symbols },
	{ "batch_stack", step_batch_stack },
	{ "batch_argument", step_batch_argument },
	{ NULL, NULL },
};
static const struct key ubatch_keys[] = {
	{ "symbols", point_symbols },
	{ "struct", ubatch_struct },
	{ NULL, NULL },
};
static const struct key memory_keys[] = {
	{ "seq_rm", memory_symbol },
	{ "seq_cp", memory_symbol },
	{ "seq_keep", memory_symbol },
	{ "seq_add", memory_symbol },
	{ "seq_div", memory_symbol },
	{ "clear", memory_symbol },
	{ NULL, NULL },
};
static const struct key batch_keys[] = {
	{ NULL, batch_symbols }, /* its own table */
};
static const struct key operators_keys[] = {
	{ "op_names", operator_names }, { "node_name", operator_node_name }, { "node_op", operator_offset },
	{ "length", operator_length },	{ NULL, operator_symbols }, /* its own table */
};
static const struct key speculation_keys[] = {
	{ "symbols", point_symbols },
	{ NULL, NULL },
};
static const struct key layout_keys[] = {
	{ "n_tokens", layout_field }, { "n_seqs_unq", layout_field },
	{ "token", layout_field },    { "embd", layout_field },
	{ "pos", layout_field },      { "n_seq_id", layout_field },
	{ "seq_id", layout_field },   { "output", layout_field },
	{ "builds", layout_builds },  { NULL, NULL },
};

static const struct key http_keys[] = {
	{ NULL, http_member }, /* its own table */
};

static const struct section_type section_types[] = {
	{ "engine", open_engine, end_engine, engine_keys },
	{ "step", open_step, end_step, step_keys },
	{ "ubatch", open_ubatch, end_points, ubatch_keys },
	{ "memory", open_memory, end_points, memory_keys },
	{ "batch", open_batch, end_batch, batch_keys },
	{ "speculation", open_speculation, end_points, speculation_keys },
	{ "operators", open_operators, end_points, operators_keys },
	{ "layout", open_layout, end_layout, layout_keys },
	{ "http", open_http, end_http, http_keys },
};
#define N_SECTION_TYPES (sizeof(section_types) / sizeof(section_types[0]))

static int end_section(struct parser *p)
{
	const struct section_type *type = p->type;

	p->type = NULL;
	return type ? type->end(p) : 0;
}

static int begin_section(struct parser *p, char *line)
{
	char *close = strchr(line, ']'), *name = line + 1, *label;
	size_t i;
	int err = end_section(p);

	if (err)
		return err;
	if (!close || close[1])
		return fail(p, "a section is [NAME] on a line of its own");
	*close = 0;
	label = name + strcspn(name, " \t");
	if (*label)
		*label++ = 0;
	label += strspn(label, " \t");
	for (i = 0; i < N_SECTION_TYPES && strcmp(name, section_types[i].name) != 0; i++)
		;
	if (i == N_SECTION_TYPES)
		return fail(p,
			    "unknown section [%.40s]; known are engine, step, ubatch, memory, batch, speculation, "
			    "operators, layout, http",
			    name);
	if (i > 0 && !p->profile->name[0])
		return fail(p, "[%s] before the [engine] section with the engine's name", name);
	err = section_types[i].open(p, label);
	if (!err)
		p->type = &section_types[i];
	return err;
}

static int set_key(struct parser *p, char *line)
{
	char *equals = strchr(line, '='), *value, *end;
	const struct key *key;

	if (!equals || equals == line)
		return fail(p, "'%.60s' is neither [SECTION] nor 'key = value'", line);
	if (!p->type)
		return fail(p, "'%.40s' stands in no section", line);
	for (end = equals; end > line && isspace((unsigned char)end[-1]); end--)
		;
	*end = 0;
	value = equals + 1 + strspn(equals + 1, " \t");
	if (!value[0])
		return fail(p, "'%.40s' has no value", line);
	for (key = p->type->keys; key->name && strcmp(key->name, line) != 0; key++)
		;
	if (!key->set)
		return fail(p, "section [%s] knows no '%.40s'", p->type->name, line);
	return key->set(p, line, value);
}

/* '#' at the start of a line or after a blank begins a comment. */
static void strip(char *line)
{
	size_t i, n;

	for (i = 0; line[i]; i++)
		if (line[i] == '#' && (i == 0 || isspace((unsigned char)line[i - 1])))
			line[i] = 0;
	n = strlen(line);
	while (n > 0 && isspace((unsigned char)line[n - 1]))
		line[--n] = 0;
}

static int parse_line(struct parser *p, char *line)
{
	strip(line);
	line += strspn(line, " \t");
	if (!line[0])
		return 0;
	return line[0] == '[' ? begin_section(p, line) : set_key(p, line);
}

static int check_whole(struct parser *p)
{
	const struct engine_profile *profile = p->profile;
	size_t i;

	if (!profile->name[0])
		return fail(p, "no [engine] section");
	for (i = 0; i < profile->n_sections; i++)
		if (profile->sections[i].section == PROFILE_STEP)
			return 0;
	return fail(p, "no [step] section: without steps there is nothing to measure");
}

int engine_profile__parse(struct engine_profile *out, const char *name, const char *text, size_t size, char *error,
			  size_t error_size)
{
	struct parser p = { .profile = out, .file = name, .error = error, .error_size = error_size };
	const char *end = text + size;
	char line[MAX_LINE];
	int err = 0;

	memset(out, 0, sizeof(*out));
	snprintf(out->source, sizeof(out->source), "%s", name);
	error[0] = 0;
	if (size > PROFILE_MAX_BYTES)
		return fail(&p, "larger than %u bytes", PROFILE_MAX_BYTES);
	while (text < end && !err) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((newline ? newline : end) - text);

		p.line++;
		if (n >= sizeof(line))
			return fail(&p, "a line longer than %d characters", MAX_LINE - 1);
		if (memchr(text, 0, n))
			return fail(&p, "a zero byte: this is no text file");
		memcpy(line, text, n);
		line[n] = 0;
		err = parse_line(&p, line);
		text += n + (newline ? 1 : 0);
	}
	if (!err)
		err = end_section(&p);
	return err ? err : check_whole(&p);
}
