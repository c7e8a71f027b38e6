/* SPDX-License-Identifier: Apache-2.0 */
/* Names of models and of number formats, as vendors, hubs and files write them. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "userspace/verify/identity.h"
#include "userspace/verify/plausibility.h"

#define MAX_WORDS 24
#define WORD_SIZE 32
/* Vendors round: Llama 2 70B has 68.98 billion, Gemma 7B has 7.75 billion beside its embedding. */
#define TOLERANCE 0.05

struct words {
	char word[MAX_WORDS][WORD_SIZE];
	size_t n;
};

/* "Qwen/Qwen2.5-7B-Instruct.gguf": qwen2.5, 7b, instruct. A point between digits is part of a word. */
static void split(struct words *out, const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *p = slash && slash[1] ? slash + 1 : name;
	size_t n = strlen(p);

	out->n = 0;
	if (n > 5 && strcasecmp(p + n - 5, ".gguf") == 0)
		n -= 5;
	for (size_t i = 0; i < n && out->n < MAX_WORDS;) {
		char *word = out->word[out->n];
		size_t length = 0;

		while (i < n && !isalnum((unsigned char)p[i]))
			i++;
		while (i < n &&
		       (isalnum((unsigned char)p[i]) || (p[i] == '.' && i > 0 && isdigit((unsigned char)p[i - 1]) &&
							 i + 1 < n && isdigit((unsigned char)p[i + 1])))) {
			if (length + 1 < WORD_SIZE)
				word[length++] = (char)tolower((unsigned char)p[i]);
			i++;
		}
		word[length] = 0;
		out->n += length > 0;
	}
}

static bool has_word(const struct words *w, const char *word)
{
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->word[i], word) == 0)
			return true;
	return false;
}

bool model_name__is(const char *name, const char *claimed)
{
	struct words a, b;

	if (strcmp(name, claimed) == 0)
		return true;
	split(&a, name);
	split(&b, claimed);
	if (a.n != b.n || a.n == 0)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (strcmp(a.word[i], b.word[i]) != 0)
			return false;
	return true;
}

/* "7b", "0.5b", "350m". @return 0: no size */
static double size_of(const char *word, double *step)
{
	char *end;
	const char *point = strchr(word, '.');
	const double value = isdigit((unsigned char)word[0]) ? strtod(word, &end) : 0;
	double unit;

	if (!(value > 0) || end == word || end[0] == 0 || end[1] != 0)
		return 0;
	unit = end[0] == 'b' ? 1e9 : end[0] == 'm' ? 1e6 : 0;
	*step = unit;
	for (const char *p = point ? point + 1 : end; p < end; p++)
		*step /= 10;
	return value * unit;
}

double model_name__parameters(const char *name, double *step)
{
	double found = 0, one;
	struct words w;

	split(&w, name);
	for (size_t i = 0; i < w.n; i++) {
		const double size = size_of(w.word[i], &one);

		if (size > 0 && found > 0)
			return 0;
		if (size > 0) {
			found = size;
			*step = one;
		}
	}
	return found;
}

bool model_name__agrees(const char *name, const char *claimed)
{
	struct words have, want;
	double step;

	split(&have, name);
	split(&want, claimed);
	for (size_t i = 0; i < want.n; i++)
		if (!has_word(&have, want.word[i]))
			return false;
	for (size_t i = 0; i < have.n; i++) {
		if (has_word(&want, have.word[i]))
			continue;
		if (strncmp(have.word[i], "distil", 6) == 0 || strncmp(have.word[i], "prun", 4) == 0 ||
		    (size_of(have.word[i], &step) > 0 && model_name__parameters(claimed, &step) > 0))
			return false;
	}
	return want.n > 0;
}

/* --- parameters ------------------------------------------------------------------------------------------------------- */

void parameters__range(double value, double step, double *low, double *high)
{
	*low = fmin(value - step / 2, value * (1 - TOLERANCE));
	*high = fmax(value + step, value * (1 + TOLERANCE));
	/* All digits written: it is meant so. */
	if (step == 1)
		*low = *high = value;
}

enum testimony parameters__agree(const struct row_model *m, double value, double step)
{
	const int64_t lookup = m->lookup_params == ABSENT ? 0 : m->lookup_params;
	const int64_t nextn = m->nextn_params == ABSENT ? 0 : m->nextn_params;
	const int64_t readings[] = { m->n_params, m->n_params - lookup, m->n_params - nextn,
				     m->n_params - lookup - nextn };
	double low, high;

	if (m->n_params == ABSENT)
		return SAYS_NOTHING;
	parameters__range(value, step, &low, &high);
	for (size_t i = 0; i < sizeof(readings) / sizeof(readings[0]); i++)
		if ((double)readings[i] >= low && (double)readings[i] <= high)
			return SAYS_YES;
	return SAYS_NO;
}

/* --- number formats --------------------------------------------------------------------------------------------------- */

double model__bits(const struct row_model *m)
{
	return m->weight_bytes == ABSENT || m->n_params == ABSENT || m->n_params <= 0 ?
		       NAN :
		       8.0 * (double)m->weight_bytes / (double)m->n_params;
}

/* "FP16" -> "F16", "FP8" stays: there are several. */
static bool same_format(const char *have, const char *claimed)
{
	const size_t n = strlen(have);

	if (strncasecmp(claimed, have, n) == 0 && (!claimed[n] || claimed[n] == '_'))
		return true;
	if ((claimed[0] == 'f' || claimed[0] == 'F') && (claimed[1] == 'p' || claimed[1] == 'P'))
		return have[0] == 'F' && strcasecmp(have + 1, claimed + 2) == 0;
	if (strncasecmp(claimed, "fp8", 3) == 0)
		return strncmp(have, "F8_", 3) == 0;
	/* INT8 is I8 of a plain file, and the Q8_0 or Q8_K whose integers have scales. */
	if (strncasecmp(claimed, "int", 3) == 0 && isdigit((unsigned char)claimed[3]) && !claimed[4])
		return (have[0] == 'Q' && have[1] == claimed[3] && have[2] == '_') ||
		       (have[0] == 'I' && have[1] == claimed[3] && !have[2]);
	return false;
}

enum testimony precision__agrees(const struct row_model *m, const char *claimed)
{
	const double bits = model__bits(m), want = precision__bits(claimed);

	if (!m->quantization)
		return SAYS_NOTHING;
	if (same_format(m->quantization, claimed))
		return SAYS_YES;
	if (isnan(bits) || isnan(want))
		return SAYS_OPEN;
	/* Another format of as many bits may be what was meant, or not. */
	return fabs(bits / want - 1) <= 0.1 ? SAYS_OPEN : SAYS_NO;
}
