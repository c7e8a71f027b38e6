/* SPDX-License-Identifier: Apache-2.0 */
/* What libpfm4 knows of this host's counters: the list for `tokprof list --events`, and the nearest to a name that it does not know. */
#ifndef TOKPROF_COUNTERS_EVENT_CATALOG_H
#define TOKPROF_COUNTERS_EVENT_CATALOG_H

#include <stddef.h>

struct catalog_event {
	const char *pmu, *pmu_doc;
	const char *name, *doc;		/* of the event */
	const char *unit_mask;		/* attribute that chooses a part of it; NULL: the event itself */
	const char *mask_doc;
};

/* Once per process; LIBPFM_FORCE_PMU is read then. @return 0, or libpfm4's negative code */
int event_catalog__begin(void);
/* Every event of every PMU that is there, with its unit masks. @return what `each` returned, where that was not 0 */
int event_catalog__each(int (*each)(void *ctx, const struct catalog_event *event), void *ctx);
/* Why a name is none: libpfm4's words, and up to three names near it. */
void event_catalog__explain(const char *name, int code, char *error, size_t error_size, char *remedy,
			    size_t remedy_size);

#endif
