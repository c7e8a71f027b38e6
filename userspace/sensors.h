/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this host could tell, tried for real: `tokprof doctor`. Collectors speak for themselves (collector.probe); sensors
 * that no collector uses yet are tried here, graded unavailable, and the reason says whether host or tokprof lacks it.
 */
#ifndef TOKPROF_SENSORS_H
#define TOKPROF_SENSORS_H

#include <stddef.h>
#include <stdio.h>

#include "collectors/collector.h"

#define MAX_SENSORS 64

struct memory_check;

/* One sensor of the host that no collector reads yet; one line each in the table of sensors.c. */
struct host_sensor {
	const char *id, *resource, *source;
	/*
	 * Try it. `detail` gets what was found (0) or why it cannot be had (negative errno), `remedy` what the user can
	 * do about it. `root` stands before every path: "" but for tests.
	 */
	int (*probe)(const char *root, char *detail, size_t n_detail, char *remedy, size_t n_remedy);
};
extern const struct host_sensor *const host_sensors[]; /* NULL-terminated */

/* All of them: first those of the collectors (NULL-terminated list), then of the host. @return how many, at most `max` */
size_t sensors__gather(const struct collector *const *list, const char *root, struct sensor *out, size_t max);

/* Schema "tokprof.doctor/1". @check of memory traffic; NULL: not asked for @return 0, -EIO */
int sensors__write_json(FILE *f, const struct sensor *sensors, size_t n, const struct memory_check *check);
int sensors__write_text(FILE *f, const struct sensor *sensors, size_t n, int columns, bool color);

#endif
