/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/suggest.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define MAX_WORD 32

static int min(int a, int b)
{
	return a < b ? a : b;
}

/* Optimal string alignment distance: Levenshtein's, with swapped neighbours ("reprot") as one edit. */
static int distance(const char *a, const char *b)
{
	size_t n_a = strlen(a), n_b = strlen(b);
	int d[MAX_WORD + 1][MAX_WORD + 1];

	if (n_a > MAX_WORD || n_b > MAX_WORD)
		return MAX_WORD;
	for (size_t i = 0; i <= n_a; i++)
		d[i][0] = (int)i;
	for (size_t j = 0; j <= n_b; j++)
		d[0][j] = (int)j;
	for (size_t i = 1; i <= n_a; i++) {
		for (size_t j = 1; j <= n_b; j++) {
			int cost = a[i - 1] != b[j - 1];

			d[i][j] = min(min(d[i - 1][j] + 1, d[i][j - 1] + 1), d[i - 1][j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[n_a][n_b];
}

const char *suggest__nearest(const char *typed, const char *const *words)
{
	const char *nearest = NULL;
	int best = MAX_WORD;

	if (!*typed)
		return NULL;
	for (; *words; words++) {
		int edits;

		/* A word begun and not ended ("rep") is nearer than any edit of another. */
		if (strlen(typed) >= 2 && strncasecmp(*words, typed, strlen(typed)) == 0)
			edits = 0;
		else
			edits = distance(typed, *words);
		if (edits < best) {
			best = edits;
			nearest = *words;
		}
	}
	/* More than a third of the word wrong is another word, not a slip. */
	return nearest && best <= (int)(strlen(nearest) + 2) / 3 ? nearest : NULL;
}
