/* SPDX-License-Identifier: Apache-2.0 */
/* What a statement bills beyond what was recorded of its requests, priced by the token. */
#ifndef TOKPROF_VERIFY_BEYOND_H
#define TOKPROF_VERIFY_BEYOND_H

#include "userspace/verify/books.h"

/* What one more token needs, for tokens that no step computed; ns, 0: not known. */
struct token_prices {
	double prompt, completion;
};

/* Tokens of a time that was not recorded, or whose steps were lost, need no compute that was. */
bool statement__is_recorded(const struct books *b, const struct statement *s);
/* Which of its tokens are its is open: what it has too much of, another one may have too little of. Not so of a sum over all. */
bool statement__may_share(const struct books *b, const struct verify_input *in, const struct statement *s);
/* ns >= 0 */
double statement__beyond(const struct books *b, const struct statement *s, struct token_prices prices);
/* The same, below 0 where less is billed, for sums over statements that may share. */
double statement__difference(const struct books *b, const struct statement *s, struct token_prices prices);

#endif
