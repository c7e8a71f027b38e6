/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names on their way from the process that reads symbols: one message per address, with the functions there, outermost
 * first. What is received is checked like any other input: that process has read a file that nobody vouches for.
 */
#ifndef TOKPROF_SYMBOLS_RESULTS_H
#define TOKPROF_SYMBOLS_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/symbols/demangle.h"
#include "userspace/symbols/symbol.h"

#define SYMBOL_FILE_SIZE 1024	/* longer paths of source files are left out */
#define RESULTS_MAX_BYTES (32u << 20)	/* of all names of one group of addresses */
#define RESULT_ALIGNMENT 8	/* of every message's size */
#define RESULT_END UINT32_MAX	/* index of the last message, whose count is the status */

struct result_message {
	uint32_t size;		/* of the whole message */
	uint32_t index;		/* of the address */
	int32_t n;		/* names; in the last message 0 or a negative errno */
	uint32_t reserved;
};

struct symbol_results {
	struct result_message **of;	/* of each address; NULL: no name */
	size_t n;
	size_t bytes;
};

int symbol_results__init(struct symbol_results *r, size_t n);
void symbol_results__free(struct symbol_results *r);
/* Names at an address, 0 where there are none, and the depth-th of them (borrowed from r). */
size_t symbol_results__count(const struct symbol_results *r, size_t index);
void symbol_results__get(const struct symbol_results *r, size_t index, size_t depth, struct symbol_name *out);
/* Replaces what was known of the address. @return 0, -EBADMSG: no such message, -ENOSPC: too much in sum, -ENOMEM */
int symbol_results__put(struct symbol_results *r, const struct result_message *message);

void symbol_results__drop(struct symbol_results *r, size_t index);

/* A message in the making. */
struct result_writer {
	int fd;
	size_t size;
	union {
		struct result_message message;
		uint64_t aligned;
		char bytes[sizeof(struct result_message) +
			   SYMBOL_MAX_DEPTH * (SYMBOL_NAME_SIZE + SYMBOL_FILE_SIZE + 32) + RESULT_ALIGNMENT];
	} u;
};
void result_writer__begin(struct result_writer *w, size_t index);
/* The name is demangled here. */
void result_writer__add(struct result_writer *w, const struct symbol_name *symbol);
int result_writer__send(struct result_writer *w);
int result_writer__end(struct result_writer *w, int status);

#endif
