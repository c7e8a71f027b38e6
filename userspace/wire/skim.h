/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON body that cannot be kept whole (too long, or with a gap), skimmed as it flows by: the short members of the
 * outermost object are kept, the long ones (`choices`, `data`, `messages`) are dropped. After a gap nobody knows how
 * deep in the structure the text goes on, so from there only its tail is kept and searched for a last
 * `"usage": {...}`.
 */
#ifndef TOKPROF_WIRE_SKIM_H
#define TOKPROF_WIRE_SKIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/wire/buffer.h"

struct skim {
	struct buffer out; /* the object made of the members kept so far, without its closing brace */
	struct buffer member; /* the member that is being read; after a gap: the tail */
	uint32_t depth;
	bool in_string, escaped;
	bool is_object; /* the outermost value is an object */
	bool overlong; /* the member that is being read is too long to keep */
	bool dropped; /* a member that may have told us something was dropped */
	bool gap;
	bool has_usage; /* a member `usage` of the outermost object was kept */
	bool usage_guessed; /* it was found in the tail after a gap, at an unknown depth */
};

/* Any split of the text gives the same result. Where memory fails, members are dropped and said to be. */
void skim__feed(struct skim *s, const char *data, size_t n);
void skim__gap(struct skim *s);
/*
 * The end of the body: a small object of what was kept, valid until skim__free; *n is 0 where nothing was.
 * *certain: all that is missing cannot matter to the bill or to what was generated.
 */
const char *skim__end(struct skim *s, size_t *n, bool *certain);
void skim__free(struct skim *s);

#endif
