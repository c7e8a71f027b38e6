/* SPDX-License-Identifier: Apache-2.0 */
/* What counters say together: instructions per cycle, bytes per instruction, clock frequency. */
#ifndef TOKPROF_ANALYSIS_RATIOS_H
#define TOKPROF_ANALYSIS_RATIOS_H

#include "userspace/analysis/ledger.h"

struct ratios {			/* NAN: a part of it was not measured, or the divisor is 0 */
	double ipc;		/* instructions per cycle */
	double bytes_per_instruction;	/* of memory traffic */
	double frequency_hz;	/* cycles per second on a CPU */
};

/* Is a resource an event of `--events`: of its own name, cycles or instructions? */
bool resource__is_event(const struct row_resource *row);
/* Were cycles or instructions measured, so that there is a ratio at all? */
bool ratios__any(const struct ledger *l);
/* Of any figures that the ledger has by resource: a request's, a phase's, a token's. */
struct ratios ratios__of(const struct ledger *l, const int64_t *figures);

#endif
