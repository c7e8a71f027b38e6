/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/counters/event_catalog.h"

#include <ctype.h>
#include <perfmon/pfmlib.h>
#include <perfmon/pfmlib_perf_event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "userspace/counters/event_list.h"
#include "userspace/suggest.h"

#define MAX_NEAREST 3
#define SEPARATOR "::"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int begun;

static void begin(void)
{
	begun = pfm_initialize();
}

int event_catalog__begin(void)
{
	pthread_once(&once, begin);
	return begun == PFM_SUCCESS ? 0 : begun;
}

static int each_of_event(int id, const pfm_pmu_info_t *pmu, int (*each)(void *, const struct catalog_event *),
			 void *ctx)
{
	pfm_event_info_t info = { .size = sizeof(info) };
	struct catalog_event event = { .pmu = pmu->name, .pmu_doc = pmu->desc };
	int rc;

	if (pfm_get_event_info(id, PFM_OS_PERF_EVENT_EXT, &info) != PFM_SUCCESS)
		return 0;
	event.name = info.name;
	event.doc = info.desc;
	rc = each(ctx, &event);
	for (int i = 0; i < info.nattrs && !rc; i++) {
		pfm_event_attr_info_t attribute = { .size = sizeof(attribute) };

		if (pfm_get_event_attr_info(id, i, PFM_OS_PERF_EVENT_EXT, &attribute) != PFM_SUCCESS ||
		    attribute.type != PFM_ATTR_UMASK)
			continue;
		event.unit_mask = attribute.name;
		event.mask_doc = attribute.desc;
		rc = each(ctx, &event);
	}
	return rc;
}

int event_catalog__each(int (*each)(void *ctx, const struct catalog_event *event), void *ctx)
{
	int pmu, rc = event_catalog__begin();

	if (rc)
		return 0;
	pfm_for_all_pmus(pmu)
	{
		pfm_pmu_info_t info = { .size = sizeof(info) };

		if (pfm_get_pmu_info((pfm_pmu_t)pmu, &info) != PFM_SUCCESS || !info.is_present)
			continue;
		for (int id = info.first_event; id != -1 && !rc; id = pfm_get_event_next(id))
			rc = each_of_event(id, &info, each, ctx);
		if (rc)
			return rc;
	}
	return 0;
}

/* Candidates: the last part of what was typed against the last parts of what there is. */
struct search {
	const char *pmu;	/* only of this one; NULL: of any */
	const char *event;	/* not NULL: unit masks of this event */
	const char **words;	/* NULL-terminated, borrowed from libpfm4 */
	const char **pmus;
	size_t n, capacity;
};

static int collect(void *ctx, const struct catalog_event *event)
{
	struct search *s = ctx;
	const char *word = event->name;

	if (s->pmu && strcasecmp(s->pmu, event->pmu) != 0)
		return 0;
	if (s->event) {
		if (!event->unit_mask || strcasecmp(s->event, event->name) != 0)
			return 0;
		word = event->unit_mask;
	} else if (event->unit_mask) {
		return 0;
	}
	if (s->n + 1 >= s->capacity) {
		const size_t capacity = s->capacity ? 2 * s->capacity : 256;
		const char **words = realloc(s->words, capacity * sizeof(*words));
		const char **pmus;

		if (!words)
			return -1;
		s->words = words;
		pmus = realloc(s->pmus, capacity * sizeof(*pmus));
		if (!pmus)
			return -1;
		s->pmus = pmus;
		s->capacity = capacity;
	}
	s->words[s->n] = word;
	s->pmus[s->n++] = event->pmu;
	s->words[s->n] = NULL;
	return 0;
}

/* Names are in capitals in nearly all of libpfm4's tables, and case does not count when they are looked up. */
static const char *nearest_word(const struct search *s, const char *typed)
{
	char capitals[EVENT_NAME_SIZE];
	const char *word;
	size_t i = 0;

	for (; typed[i] && i + 1 < sizeof(capitals); i++)
		capitals[i] = (char)toupper((unsigned char)typed[i]);
	capitals[i] = '\0';
	word = suggest__nearest(capitals, s->words);
	return word ? word : suggest__nearest(typed, s->words);
}

/* The nearest MAX_NEAREST, by taking each out of the list when it was found. */
static size_t put_nearest(struct search *s, const char *typed, char *out, size_t size)
{
	size_t found = 0, at = 0;

	for (; found < MAX_NEAREST && s->n; found++) {
		const char *word = nearest_word(s, typed);
		size_t i = 0;
		int length;

		if (!word)
			break;
		while (s->words[i] != word)
			i++;
		length = snprintf(out + at, size - at, "%s%s%s%s%s%s", at ? ", " : "", s->pmus[i], SEPARATOR,
				  s->event ? s->event : word, s->event ? ":" : "", s->event ? word : "");
		if (length < 0 || (size_t)length >= size - at) {
			out[at] = '\0';
			break;
		}
		at += (size_t)length;
		s->words[i] = s->words[s->n - 1];
		s->pmus[i] = s->pmus[s->n - 1];
		s->words[--s->n] = NULL;
	}
	return found;
}

void event_catalog__explain(const char *name, int code, char *error, size_t error_size, char *remedy,
			    size_t remedy_size)
{
	char pmu[EVENT_NAME_SIZE] = "", event[EVENT_NAME_SIZE], nearest[256] = "", *mask;
	const char *separator = strstr(name, SEPARATOR), *rest = separator ? separator + 2 : name;
	struct search s = { .pmu = NULL };

	if (separator) {
		snprintf(pmu, sizeof(pmu), "%.*s", (int)(separator - name), name);
		s.pmu = pmu;
	}
	snprintf(event, sizeof(event), "%s", rest);
	mask = event + strcspn(event, ":.");
	if (*mask)
		*mask++ = '\0';
	if (code == PFM_ERR_ATTR || code == PFM_ERR_UMASK)
		s.event = event;
	event_catalog__each(collect, &s);
	/* A PMU that is not here, or misspelt: the event's name still says what was meant. */
	if (!s.n && s.pmu && !s.event) {
		s.pmu = NULL;
		event_catalog__each(collect, &s);
	}
	put_nearest(&s, s.event ? mask : event, nearest, sizeof(nearest));
	free(s.words);
	free(s.pmus);
	snprintf(error, error_size, "--events: '%s' is no event of this host: %s", name, pfm_strerror(code));
	if (nearest[0])
		snprintf(remedy, remedy_size, "did you mean %s? tokprof list --events has all", nearest);
	else
		snprintf(remedy, remedy_size, "tokprof list --events [PATTERN] shows what there is");
}
