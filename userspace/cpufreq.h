/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel's cpufreq says of the CPUs' frequencies, and whether it tells of their changes: not where there is no driver, as
 * in most virtual machines, and not where the processor or its firmware chooses.
 */
#ifndef TOKPROF_CPUFREQ_H
#define TOKPROF_CPUFREQ_H

#include <stddef.h>
#include <stdint.h>

/*
 * @root	stands before every path: "" but for tests
 * @khz		receives of each CPU below n_cpus what the kernel has set where that follows from its governor, else 0: it is known
 *		from its first change on. Not scaling_cur_freq, which is measured on some processors, and another figure than the
 *		one that changes are told with
 * @driver	receives the driver's name, also with -EOPNOTSUPP
 * @reason, remedy	receive sentences with an error
 * @return 0; -ENODEV (no driver), -EOPNOTSUPP (a driver that does not tell of changes)
 */
int cpufreq__read(const char *root, uint32_t *khz, size_t n_cpus, char driver[32], char *reason, size_t n_reason,
		  char *remedy, size_t n_remedy);

#endif
