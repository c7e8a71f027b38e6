/* SPDX-License-Identifier: Apache-2.0 */
/* The list of verdicts as it grows. Texts and evidence lie in blocks that go together: a million checks are a few allocations. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/verify/verify.h"

#define BLOCK_BYTES 65536

const char *const verdict_names[] = {
	[VERDICT_CONFIRMED] = "CONFIRMED",
	[VERDICT_INCONCLUSIVE] = "INCONCLUSIVE",
	[VERDICT_REFUTED] = "REFUTED",
};

struct text_block {
	struct text_block *next;
	size_t used, size;
	char bytes[];
};

static void *take(struct verification *v, size_t n, size_t align)
{
	struct text_block *block = v->texts;
	size_t at = block ? (block->used + align - 1) / align * align : 0;

	if (!block || at > block->size || block->size - at < n) {
		const size_t size = n > BLOCK_BYTES ? n : BLOCK_BYTES;

		block = malloc(sizeof(*block) + size);
		if (!block) {
			v->out_of_memory = true;
			return NULL;
		}
		*block = (struct text_block){ .next = v->texts, .size = size };
		v->texts = block;
		at = 0;
	}
	block->used = at + n;
	return block->bytes + at;
}

static const char *text(struct verification *v, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

static const char *text(struct verification *v, const char *format, va_list args)
{
	char small[256];
	va_list again;
	char *out;
	int n;

	va_copy(again, args);
	n = vsnprintf(small, sizeof(small), format, args);
	out = n < 0 ? NULL : take(v, (size_t)n + 1, 1);
	if (out && (size_t)n < sizeof(small))
		memcpy(out, small, (size_t)n + 1);
	else if (out)
		vsnprintf(out, (size_t)n + 1, format, again);
	va_end(again);
	return out;
}

const char *verification__text(struct verification *v, const char *format, ...)
{
	const char *out;
	va_list args;

	va_start(args, format);
	out = text(v, format, args);
	va_end(args);
	return out;
}

const char *verification__integer(struct verification *v, int64_t value)
{
	char digits[24];
	size_t at = sizeof(digits);
	uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
	char *out;

	if (value == ABSENT)
		return NULL;
	/* Several of these for each of a million lines. */
	digits[--at] = 0;
	do {
		digits[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	if (value < 0)
		digits[--at] = '-';
	out = take(v, sizeof(digits) - at, 1);
	return out ? memcpy(out, digits + at, sizeof(digits) - at) : NULL;
}

static struct tally *tally_of(struct verification *v, const char *id, uint32_t kind)
{
	struct tally *moved;

	for (size_t i = 0; i < v->n_tallies; i++)
		if (v->tallies[i].id == id || strcmp(v->tallies[i].id, id) == 0)
			return &v->tallies[i];
	moved = array__reserve(v->tallies, &v->tallies_capacity, v->n_tallies + 1, sizeof(*moved));
	if (!moved) {
		v->out_of_memory = true;
		return NULL;
	}
	v->tallies = moved;
	moved[v->n_tallies] = (struct tally){ .id = id, .kind = kind };
	return &moved[v->n_tallies++];
}

static bool count_confirmed(struct verification *v, const struct check *c)
{
	struct tally *tally = tally_of(v, c->id, c->kind);

	if (!tally)
		return false;
	tally->n++;
	tally->n_measured += c->grade == GRADE_MEASURED;
	tally->n_self_reported += c->grade == GRADE_SELF_REPORTED;
	return true;
}

void verification__end_check(struct verification *v)
{
	if (v->drops && v->n && v->checks[v->n - 1].kind == v->kind &&
	    v->checks[v->n - 1].verdict == VERDICT_CONFIRMED && count_confirmed(v, &v->checks[v->n - 1])) {
		v->n--;
		v->n_dropped++;
		if (v->mark && v->mark == v->texts)
			v->texts->used = v->mark_used;
	}
	v->mark = v->texts;
	v->mark_used = v->texts ? v->texts->used : 0;
}

static int compare_tallies(const void *a, const void *b)
{
	const struct tally *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return strcmp(x->id, y->id);
}

int verification__settle(struct verification *v)
{
	/* Nothing was stated: that is no confirmation. */
	v->verdict = v->n + v->n_dropped ? VERDICT_CONFIRMED : VERDICT_INCONCLUSIVE;
	memset(v->n_by_verdict, 0, sizeof(v->n_by_verdict));
	v->n_by_verdict[VERDICT_CONFIRMED] = v->n_dropped;
	for (size_t i = 0; i < v->n; i++) {
		v->n_by_verdict[v->checks[i].verdict]++;
		if (v->checks[i].verdict > v->verdict)
			v->verdict = v->checks[i].verdict;
		if (v->checks[i].verdict == VERDICT_CONFIRMED)
			count_confirmed(v, &v->checks[i]);
	}
	if (v->n_tallies)
		qsort(v->tallies, v->n_tallies, sizeof(*v->tallies), compare_tallies);
	return v->out_of_memory ? -ENOMEM : 0;
}

static struct check *append_check(struct verification *v, const char *id, const char *subject)
{
	struct check *moved = array__reserve(v->checks, &v->checks_capacity, v->n + 1, sizeof(*moved));

	if (!moved || !subject) {
		v->out_of_memory = true;
		return NULL;
	}
	v->checks = moved;
	v->checks[v->n] = (struct check){ .id = id, .subject = subject, .unit = "", .rule = "", .text = "" };
	v->checks[v->n].grade = GRADE_SELF_REPORTED;
	v->checks[v->n].kind = v->kind;
	return &v->checks[v->n++];
}

struct check *verification__add_shared(struct verification *v, const char *id, const char *subject)
{
	verification__end_check(v);
	return append_check(v, id, subject);
}

struct check *verification__add(struct verification *v, const char *id, const char *subject_format, ...)
{
	const char *subject;
	va_list args;

	verification__end_check(v);
	va_start(args, subject_format);
	subject = text(v, subject_format, args);
	va_end(args);
	return append_check(v, id, subject);
}

struct note *verification__note(struct verification *v, const char *id, const char *format, ...)
{
	struct note *moved = array__reserve(v->notes, &v->notes_capacity, v->n_notes + 1, sizeof(*moved));
	const char *words;
	va_list args;

	va_start(args, format);
	words = text(v, format, args);
	va_end(args);
	v->mark = NULL;
	if (!moved || !words) {
		v->out_of_memory = true;
		v->notes = moved ? moved : v->notes;
		return NULL;
	}
	v->notes = moved;
	v->notes[v->n_notes] = (struct note){ .id = id, .text = words };
	return &v->notes[v->n_notes++];
}

/* Doubling inside the blocks leaves the old list behind: at most as much again as is in use. */
static int append(struct verification *v, int64_t **list, uint32_t *n, uint32_t *capacity, int64_t id)
{
	if (*n == *capacity) {
		const uint32_t room = *capacity ? 2 * *capacity : 1;
		int64_t *moved = take(v, room * sizeof(*moved), sizeof(*moved));

		if (!moved)
			return -ENOMEM;
		if (*n)
			memcpy(moved, *list, *n * sizeof(*moved));
		*list = moved;
		*capacity = room;
	}
	(*list)[(*n)++] = id;
	return 0;
}

int verification__evidence(struct verification *v, struct check *c, int64_t request_id)
{
	return append(v, &c->evidence, &c->n_evidence, &c->evidence_capacity, request_id);
}

int verification__note_evidence(struct verification *v, struct note *note, int64_t request_id)
{
	return append(v, &note->evidence, &note->n_evidence, &note->evidence_capacity, request_id);
}

void verification__free(struct verification *v)
{
	if (!v)
		return;
	while (v->texts) {
		struct text_block *block = v->texts;

		v->texts = block->next;
		free(block);
	}
	free(v->checks);
	free(v->notes);
	free(v->tallies);
	memset(v, 0, sizeof(*v));
}
