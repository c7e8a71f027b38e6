/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of an engine, as data: by which symbols it is recognised, which functions begin a step, which move its
 * key-value memory, where the fields of its structs are. A profile is a text file (collectors/engines/NAME.profile; the
 * format is described at the head of llama.cpp.profile) that a user can copy, change and put beside the known ones.
 */
#ifndef TOKPROF_ENGINE_PROFILE_H
#define TOKPROF_ENGINE_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/records.h"
#include "bpf/shared.h"

#define PROFILE_MAX_BYTES (256u << 10)
#define PROFILE_MAX_SECTIONS 48
#define PROFILE_MAX_SYMBOLS 16
#define PROFILE_MAX_BUILDS 16
#define PROFILE_SYMBOL_SIZE 160
#define PROFILE_NAME_SIZE 32

enum profile_section_kind {
	PROFILE_STEP, /* functions that are one forward pass; `kind`: enum step_kind */
	PROFILE_UBATCH, /* functions whose second argument is a reference to the ubatch */
	PROFILE_MEMORY, /* functions that change the key-value memory; each symbol's `kind`: enum memory_op */
	PROFILE_SPECULATION, /* functions inside which every step is one of the draft model */
	PROFILE_BATCH, /* functions that fill a batch; each symbol's `kind`: enum batch_op */
	PROFILE_OPERATORS, /* functions that compute the graph of a step; each symbol's `kind`: enum operator_point */
};

enum operator_point {
	OPERATOR_NODE = 0, /* called by every thread for every node that is computed: the second argument */
	OPERATOR_GRAPH = 1, /* computes the graph that is the first argument */
	OPERATOR_SAMPLING = 2, /* chooses a token */
};

struct profile_symbol {
	char pattern[PROFILE_SYMBOL_SIZE];
	uint32_t kind;
};

/* Sections of one kind (steps: of one step kind) are alternatives: the first of which the engine has a symbol is used. */
struct profile_section {
	enum profile_section_kind section;
	int line; /* where it begins in its file, for messages */
	uint32_t kind;
	uint32_t batch_stack; /* steps: offset of the public batch from the stack pointer at entry; 0 none */
	uint32_t
		batch_argument; /* steps: which argument is the address of a batch that PROFILE_BATCH's functions fill; 0 none */
	struct profile_symbol symbols[PROFILE_MAX_SYMBOLS];
	size_t n_symbols;
};

struct ubatch_layout {
	char name[PROFILE_NAME_SIZE];
	struct layout fields;
	char builds[PROFILE_MAX_BUILDS][48]; /* build ids, hexadecimal */
	size_t n_builds;
};

/*
 * How a server of the engine is asked for a generation of exact lengths (tokprof calibrate). A path is of HTTP, a member
 * one of a JSON object, "a.b" one inside another; "" the engine has no such thing.
 */
struct profile_http {
	int line; /* where the section begins; 0: there is none */
	char properties[64]; /* GET path: an object with ... */
	char n_slots[64], context[64]; /* ... members: sequences at once; tokens that one may have */
	char slots[64], busy[64]; /* GET path: an array with one object per slot, and its member: it works */
	char tokenize[64], tokenize_text[64], tokenize_ids[64]; /* POST path, its member, and the answer's */
	char complete[64]; /* POST path */
	char prompt[64], prompt_ids[64]; /* member for a text, or for an array of token ids */
	char outputs[64]; /* member: tokens to generate */
	char slot[64]; /* member: number of the slot that is to work on it, from 0 */
	char body[512]; /* a JSON object whose members are sent with every request */
};

/* What is inside a graph of the engine; "" not known. All three are needed, and `node_op`. */
struct profile_graph {
	char op_names[PROFILE_SYMBOL_SIZE]; /* function: the name of an operator by its number, out of a table */
	char node_name[PROFILE_SYMBOL_SIZE]; /* function: the address of a node's name, which is inside the node */
	char length[PROFILE_SYMBOL_SIZE]; /* function: how many nodes a graph has */
	uint32_t node_op; /* offset of the operator's number in a node; 0 none */
};

struct engine_profile {
	char name[PROFILE_NAME_SIZE];
	char source[256]; /* where it was read from */
	char recognise[PROFILE_MAX_SYMBOLS][PROFILE_SYMBOL_SIZE]; /* any one of these functions makes the engine */
	size_t n_recognise;
	struct profile_section sections[PROFILE_MAX_SECTIONS];
	size_t n_sections;
	char ubatch_struct[PROFILE_SYMBOL_SIZE]; /* its name in debug information; "" none */
	char memory_getter[PROFILE_SYMBOL_SIZE]; /* method of the context that returns its memory; "" none */
	/* Methods of the context, or functions of it, that return the tokens that one sequence may have; "" none */
	char length_getters[2][PROFILE_SYMBOL_SIZE];
	char build_number[PROFILE_SYMBOL_SIZE]; /* an int of the engine that holds its build; "" none */
	struct ubatch_layout layouts[MAX_LAYOUTS];
	size_t n_layouts;
	struct profile_graph graph;
	struct profile_http http;
};

struct engine_profiles {
	struct engine_profile *profiles; /* in the order in which they are tried */
	size_t n;
};

/*
 * @name	of the file, for messages
 * @error	a sentence that names file, line and remedy
 * @return	0, -EINVAL, -ENOMEM
 */
int engine_profile__parse(struct engine_profile *out, const char *name, const char *text, size_t size, char *error,
			  size_t error_size);

/*
 * All profiles: `extra` (NULL: none), then those of $TOKPROF_ENGINES, of ~/.config/tokprof/engines, of
 * PREFIX/share/tokprof/engines, then the ones built in. One of the same name and an earlier place wins.
 * @return 0; -EINVAL, -ENOENT and so on with a sentence in `error` where one cannot be used
 */
int engine_profiles__load(struct engine_profiles *out, const char *extra, char *error, size_t error_size);
void engine_profiles__free(struct engine_profiles *profiles);

const char *memory_op__name(enum memory_op op); /* "seq_rm", ...; NULL where unknown */

#endif
