/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/calibrate/carry.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "userspace/calibrate/fits.h"
#include "userspace/cost/fit_store.h"

/* Loading and joining 100,000 steps takes about half a second. */
#define MOST_STEPS_LOADED 60000
#define LEAST_STEPS 200
#define MOST_STEPS_FITTED 1500
#define DRAWS 16

static void describe(const struct fit *fits, size_t n, char *words, size_t size)
{
	const struct fit *cpu = fit__find(fits, n, "target", RESOURCE_CPU_NS), *told = cpu ? cpu : &fits[0];
	time_t made;
	struct tm date;
	char day[16] = "";

	made = (time_t)(told->made_unix_ns / 1000000000);
	if (localtime_r(&made, &date))
		strftime(day, sizeof(day), " %Y-%m-%d", &date);
	if (strcmp(told->origin, FIT_ORIGIN_CALIBRATE) == 0)
		snprintf(words, size, "calibrated%s, ", day);
	else
		snprintf(words, size, "fitted to this recording's own traffic, ");
	snprintf(words + strlen(words), size - strlen(words), "%lld steps, median residual %.1f %%%s",
		 (long long)told->cost.n_steps, 100 * told->cost.median_residual,
		 told->cost.identified ? "" : ", not identified");
}

static size_t put(const struct fit *fits, size_t n, struct recording_writer *writer, char *words, size_t size)
{
	if (n == 0 || fit_set__write(fits, n, writer))
		return 0;
	describe(fits, n, words, size);
	return n;
}

static size_t carry_stored(struct recording_writer *writer, const struct recording *facts, char *words, size_t size)
{
	struct fit_set set = { 0 };
	struct fit_key key;
	size_t n = 0;

	fit_key__of_server(&key, facts);
	if (fit_store__find(&key, &set, words, size) == 0)
		n = put(set.fits, set.n, writer, words, size);
	fit_set__free(&set);
	return n;
}

static size_t carry_own(struct recording_writer *writer, const char *path, char *words, size_t size)
{
	const struct fits_options options = { .origin = FIT_ORIGIN_RECORDING,
					      .most_steps = MOST_STEPS_FITTED,
					      .identified_only = true,
					      .n_draws = DRAWS };
	struct recording recording;
	struct timeline timeline;
	struct fits fits;
	char why[512];
	size_t n = 0;

	if (recording__load(&recording, path, why, sizeof(why)))
		return 0;
	if (timeline__build(&timeline, &recording) == 0) {
		if (fits__make(&fits, &timeline, &options) == 0) {
			n = put(fits.fits, fits.n, writer, words, size);
			fits__free(&fits);
		}
		timeline__free(&timeline);
	}
	recording__free(&recording);
	return n;
}

size_t carry__fits(struct recording_writer *writer, const char *path, int64_t n_steps, char *words, size_t size)
{
	struct recording facts;
	size_t n = 0;

	words[0] = 0;
	if (n_steps == 0 || recording_writer__flush(writer) || recording__load_facts(&facts, path, words, size))
		return 0;
	if (!fit_key__several(&facts, words, size)) {
		n = carry_stored(writer, &facts, words, size);
		if (n == 0 && n_steps >= LEAST_STEPS && n_steps <= MOST_STEPS_LOADED)
			n = carry_own(writer, path, words, size);
	}
	recording__free(&facts);
	return n;
}
