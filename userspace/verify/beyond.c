/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/beyond.h"

#define STEPS_MISSING                                                                                                  \
	(INCOMPLETE_LOSS | INCOMPLETE_BEFORE_ATTACH | INCOMPLETE_AT_END | INCOMPLETE_ROWS | INCOMPLETE_UNMATCHED |     \
	 INCOMPLETE_UNWATCHED)

bool statement__is_recorded(const struct books *b, const struct statement *s)
{
	for (size_t i = 0; i < s->n_members; i++)
		if (b->counts[b->members[s->first_member + i]].incomplete & STEPS_MISSING)
			return false;
	return !s->open;
}

bool statement__may_share(const struct books *b, const struct verify_input *in, const struct statement *s)
{
	if (s->excuse || s->n_edges || statement__is_all(b, in, s))
		return s->excuse || s->n_edges;
	for (size_t i = 0; i < s->n_members; i++)
		if (b->counts[b->members[s->first_member + i]].flags & REQUEST_AMBIGUOUS)
			return true;
	return false;
}

double statement__beyond(const struct books *b, const struct statement *s, struct token_prices prices)
{
	const struct span completion = statement__completion(b, s);
	const int64_t prompt = statement__prompt(b, s), cached = statement__cached(b, s);
	double tokens, ns = 0;

	if (s->completion != ABSENT && completion.high != ABSENT && s->completion > completion.high)
		ns += (double)(s->completion - completion.high) * prices.completion;
	if (s->prompt == ABSENT || prompt == ABSENT)
		return ns;
	tokens = (double)(s->prompt - prompt);
	if (s->cached != ABSENT && cached != ABSENT)
		tokens += (double)(cached - s->cached);
	return tokens > 0 ? ns + tokens * prices.prompt : ns;
}

double statement__difference(const struct books *b, const struct statement *s, struct token_prices prices)
{
	const struct span completion = statement__completion(b, s);
	const int64_t prompt = statement__prompt(b, s);
	double ns = statement__beyond(b, s, prices);

	if (s->completion != ABSENT && completion.low != ABSENT && s->completion < completion.low)
		ns -= (double)(completion.low - s->completion) * prices.completion;
	if (s->prompt != ABSENT && prompt != ABSENT && s->prompt < prompt)
		ns -= (double)(prompt - s->prompt) * prices.prompt;
	return ns;
}
