/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/device_calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/in_flight.h"

/* The recorder takes them out ten times a second, and was late at times. */
#define DRAIN_NS 200000000u
#define MOVED_MOST (INT64_MAX / 8)	/* as in meters.c */

static int find_class(const char *name)
{
	for (int i = 0; i < N_IOCTL_CLASSES; i++)
		if (strcmp(ioctl_class_names[i], name) == 0)
			return i;
	return -1;
}

/* Position in recording.ioctls; -1 */
static ptrdiff_t find_ioctl(const struct recording *r, int64_t id)
{
	size_t low = 0, high = r->n_ioctls;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (r->ioctls[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->n_ioctls && r->ioctls[low].id == id ? (ptrdiff_t)low : -1;
}

static size_t first_of_step(const struct recording *r, int64_t step)
{
	size_t low = 0, high = r->n_step_ioctls;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (r->step_ioctls[middle].step < step)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int device_calls__open(struct device_calls *c, const struct recording *r, const struct ledger_resource *resources,
		       size_t n)
{
	*c = (struct device_calls){ .recording = r };
	c->classes = array__zeroed(r->n_ioctls, sizeof(*c->classes));
	if (!c->classes)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_ioctls; i++) {
		c->classes[i] = find_class(r->ioctls[i].class);
		if (c->classes[i] < 0)
			return -EINVAL;
		if (r->ioctls[i].neighbour)
			c->classes[i] = -1;
	}
	for (int i = 0; i < N_IOCTL_RESOURCES; i++) {
		c->position[i] = -1;
		for (size_t k = 0; k < n; k++)
			if (resources[k].row->id == RESOURCE_IOCTL + i && resources[k].measured &&
			    resources[k].row->kind == RESOURCE_ADDITIVE)
				c->position[i] = (int)k;
	}
	return 0;
}

void device_calls__close(struct device_calls *c)
{
	free(c->classes);
	memset(c, 0, sizeof(*c));
}

static int add(struct device_calls *c, int64_t ioctl, const int64_t figures[N_IOCTL_MEASURES], int64_t *to)
{
	const ptrdiff_t at = find_ioctl(c->recording, ioctl);
	int first;

	if (at < 0 || c->classes[at] < 0)
		return 0;	/* what it was is not known: it stays in the total */
	first = c->classes[at] * N_IOCTL_MEASURES;
	for (int m = 0; m < N_IOCTL_MEASURES; m++) {
		int64_t *moved = &c->moved[first + m];

		if (figures[m] < 0 || __builtin_add_overflow(*moved, figures[m], moved) || *moved > MOVED_MOST)
			return -EINVAL;
		if (c->position[first + m] >= 0)
			to[c->position[first + m]] += figures[m];
	}
	return 0;
}

int device_calls__add_step(struct device_calls *c, int64_t step_id, int64_t *use)
{
	const struct recording *r = c->recording;
	int err = 0;

	for (size_t i = first_of_step(r, step_id); !err && i < r->n_step_ioctls && r->step_ioctls[i].step == step_id;
	     i++) {
		const struct row_step_ioctl *row = &r->step_ioctls[i];

		err = add(c, row->ioctl, (const int64_t[]){ row->n, row->ns, row->failed }, use);
	}
	return err;
}

int device_calls__add_outside(struct device_calls *c, const struct timeline *t, int64_t *host, int64_t *idle)
{
	const struct recording *r = c->recording;
	struct interval *busy = NULL;
	size_t n_busy = 0;
	int err = r->n_ioctl_samples ? in_flight__build(t, &busy, &n_busy) : 0;

	for (size_t i = 0; !err && i < r->n_ioctl_samples; i++) {
		const struct row_ioctl_sample *row = &r->ioctl_samples[i];
		const uint64_t start_ns = row->time_ns > DRAIN_NS ? row->time_ns - DRAIN_NS : 0;

		err = add(c, row->ioctl, (const int64_t[]){ row->n, row->ns, row->failed },
			  in_flight__any(busy, n_busy, start_ns, row->time_ns) ? host : idle);
	}
	free(busy);
	return err;
}

bool device_calls__has(const struct device_calls *c, size_t position)
{
	for (int i = 0; i < N_IOCTL_RESOURCES; i++)
		if (c->position[i] == (int)position)
			return c->recording->n_ioctls > 0;
	return false;
}

int64_t recording__step_calls(const struct recording *r, int64_t step_id, int resource)
{
	const int i = resource - RESOURCE_IOCTL, class = i / N_IOCTL_MEASURES, measure = i % N_IOCTL_MEASURES;
	int64_t sum = 0;

	if (i < 0 || i >= N_IOCTL_RESOURCES)
		return ABSENT;
	for (size_t k = first_of_step(r, step_id); k < r->n_step_ioctls && r->step_ioctls[k].step == step_id; k++) {
		const struct row_step_ioctl *row = &r->step_ioctls[k];
		const ptrdiff_t at = find_ioctl(r, row->ioctl);
		const int64_t figures[] = { row->n, row->ns, row->failed };

		if (at >= 0 && !r->ioctls[at].neighbour && find_class(r->ioctls[at].class) == class)
			sum += figures[measure];
	}
	return sum;
}

/* --- where ----------------------------------------------------------------------------------------------------------- */

static bool is_decode(const struct timeline *t, size_t step)
{
	const uint32_t first = t->step_first_row[step], end = t->step_first_row[step + 1];

	for (uint32_t i = first; i < end; i++)
		if (t->rows[i].phase != PHASE_DECODE && t->rows[i].phase != PHASE_VERIFY)
			return false;
	return end > first;
}

int device_calls__places(const struct timeline *t, struct call_places **out)
{
	const struct recording *r = t->recording;
	struct call_places *places = array__zeroed(r->n_ioctls, sizeof(*places));

	if (!places)
		return -ENOMEM;
	for (size_t s = 0; s < r->n_steps && r->n_step_ioctls; s++) {
		const int64_t id = r->steps[s].id;
		const bool decode = is_decode(t, s);

		for (size_t i = first_of_step(r, id); i < r->n_step_ioctls && r->step_ioctls[i].step == id; i++) {
			const struct row_step_ioctl *row = &r->step_ioctls[i];
			const ptrdiff_t at = find_ioctl(r, row->ioctl);

			if (at < 0)
				continue;
			places[at].in_steps += row->n;
			if (!decode)
				continue;
			places[at].in_decode += row->n;
			places[at].in_decode_ns += row->ns;
			places[at].decode_steps++;
		}
	}
	for (size_t i = 0; i < r->n_ioctls; i++)
		places[i].anomaly =
			places[i].in_decode && r->ioctls[i].driver && strncmp(r->ioctls[i].driver, "nvidia", 6) == 0;
	*out = places;
	return 0;
}
