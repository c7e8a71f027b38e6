/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/ratios.h"

#include <math.h>

#include "bpf/counters.h"
#include "userspace/analysis/meters.h"

bool resource__is_event(const struct row_resource *row)
{
	return row->id == RESOURCE_CYCLES || row->id == RESOURCE_INSTRUCTIONS ||
	       (row->id >= RESOURCE_COUNTER_FIRST && row->id < RESOURCE_COUNTER_FIRST + MAX_COUNTERS);
}

static double figure(const struct ledger *l, const int64_t *figures, int id)
{
	const int k = resources__find(l->resources, l->n_resources, id);

	return k < 0 || !l->resources[k].measured || figures[k] == ABSENT ? (double)NAN : (double)figures[k];
}

static bool is_measured(const struct ledger *l, int id)
{
	const int k = resources__find(l->resources, l->n_resources, id);

	return k >= 0 && l->resources[k].measured;
}

bool ratios__any(const struct ledger *l)
{
	return is_measured(l, RESOURCE_CYCLES) || is_measured(l, RESOURCE_INSTRUCTIONS);
}

static double divide(double a, double b)
{
	return b > 0 ? a / b : (double)NAN;
}

struct ratios ratios__of(const struct ledger *l, const int64_t *figures)
{
	const double cycles = figure(l, figures, RESOURCE_CYCLES);
	const double instructions = figure(l, figures, RESOURCE_INSTRUCTIONS);

	return (struct ratios){
		.ipc = divide(instructions, cycles),
		.bytes_per_instruction = divide(figure(l, figures, RESOURCE_MEM_BYTES), instructions),
		.frequency_hz = divide(cycles, figure(l, figures, RESOURCE_CPU_NS)) * 1e9,
	};
}
