/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a claims file's reader share: messages with their place, maps as tables of keys, texts. */
#ifndef TOKPROF_VERIFY_CLAIMS_PARSER_H
#define TOKPROF_VERIFY_CLAIMS_PARSER_H

#include "userspace/verify/claims.h"
#include "userspace/verify/quantity.h"
#include "userspace/verify/sheet.h"
#include "userspace/verify/yaml_tree.h"

struct strings;

struct claims_parser {
	const char *path;
	struct claims *claims;
	struct strings *texts;
	char *error, *remedy;
	size_t error_size, remedy_size;
};

struct claims_key {
	const char *name;	/* NULL ends the table; with a function: it takes words that have no value */
	int (*set)(struct claims_parser *p, const struct yaml_node *value, void *into);
};

/* Sets error and remedy. @return -EINVAL */
int claims_parser__fail(struct claims_parser *p, const struct yaml_node *at, const char *remedy, const char *format,
			...) __attribute__((format(printf, 4, 5)));
/* A word that is none of a NULL-terminated list: names them, and the nearest. @return -EINVAL */
int claims_parser__fail_word(struct claims_parser *p, const struct yaml_node *at, const char *what, const char *word,
			     const char *const *known);

/* Calls the function of each key of a map. @what "a claim" */
int claims_parser__map(struct claims_parser *p, const struct yaml_node *node, const char *what,
		       const struct claims_key *keys, void *into);
/* Calls `each` for every element of a list of maps; one map alone is a list of one. */
int claims_parser__list(struct claims_parser *p, const struct yaml_node *node, const char *what,
			int (*each)(struct claims_parser *p, const struct yaml_node *element));

/* Keeps a text of a value. */
int claims_parser__text(struct claims_parser *p, const struct yaml_node *value, const char **out);
int claims_parser__flag(struct claims_parser *p, const struct yaml_node *value, bool *out);
int claims_parser__quantity(struct claims_parser *p, const struct yaml_node *value, enum dimension d,
			    struct quantity *out);
int claims_parser__price(struct claims_parser *p, const struct yaml_node *value, struct decimal *out,
			 const char **currency);
/* "+08:00", "-03:30", "UTC"; in minutes */
int claims_parser__offset(struct claims_parser *p, const struct yaml_node *value, int *minutes);
/* The position of the value in a NULL-terminated list of words. */
int claims_parser__word(struct claims_parser *p, const struct yaml_node *value, const char *what,
			const char *const *words, int *out);
/* An array with room for one element more, which is cleared. NULL: no memory */
void *claims_parser__grow(void *array, size_t *n, size_t size);

/* The parts of a file. */
int claims_list__parse(struct claims_parser *p, const struct yaml_node *node);
int claims_tariff__parse(struct claims_parser *p, const struct yaml_node *node);
int sheet__parse(struct claims_parser *p, const struct yaml_node *node);	/* of a key that sheet__has_key() */

#endif
