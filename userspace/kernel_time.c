/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/kernel_time.h"

/* A burst's weight halves with every three that follow: traffic changes, and a single burst of a tenth of a second is noisy. */
#define DECAY 0.8

static struct kernel_burst *latest(struct kernel_time *k)
{
	return &k->bursts[(k->n - 1) % KERNEL_TIME_BURSTS];
}

void kernel_time__begin(struct kernel_time *k, int64_t cpu)
{
	const int64_t base = kernel_time__at(k, cpu, 0);

	k->n++;
	*latest(k) = (struct kernel_burst){ .cpu_on = cpu, .cpu_off = -1, .base = base };
}

void kernel_time__end(struct kernel_time *k, int64_t cpu, int64_t measured)
{
	struct kernel_burst *b;

	if (k->n == 0)
		return;
	b = latest(k);
	b->cpu_off = cpu > b->cpu_on ? cpu : b->cpu_on;
	b->measured = measured < 0 ? 0 : measured > b->cpu_off - b->cpu_on ? b->cpu_off - b->cpu_on : measured;
	k->kernel = k->kernel * DECAY + (double)b->measured;
	k->cpu = k->cpu * DECAY + (double)(b->cpu_off - b->cpu_on);
	k->covered += b->cpu_off - b->cpu_on;
	b->ratio = k->cpu > 0 ? k->kernel / k->cpu : 0;
}

static int64_t at_burst(const struct kernel_burst *b, int64_t cpu, int64_t measured)
{
	if (b->cpu_off >= 0 && cpu >= b->cpu_off)
		return b->base + b->measured + (int64_t)((double)(cpu - b->cpu_off) * b->ratio);
	if (measured < 0)
		measured = 0;
	/* A cut races with the threads that it counts: never more than the burst turned out to hold. */
	if (b->cpu_off >= 0 && measured > b->measured)
		measured = b->measured;
	return b->base + measured;
}

int64_t kernel_time__at(const struct kernel_time *k, int64_t cpu, int64_t measured)
{
	const size_t oldest = k->n > KERNEL_TIME_BURSTS ? k->n - KERNEL_TIME_BURSTS : 0;
	const struct kernel_burst *b = NULL;
	int64_t value;

	for (size_t i = k->n; i > oldest; i--) {
		b = &k->bursts[(i - 1) % KERNEL_TIME_BURSTS];
		if (cpu < b->cpu_on)
			continue;
		value = at_burst(b, cpu, measured);
		/* The next burst's beginning was taken a moment after: do not pass it. */
		if (i < k->n && value > k->bursts[i % KERNEL_TIME_BURSTS].base)
			value = k->bursts[i % KERNEL_TIME_BURSTS].base;
		return value;
	}
	return b ? b->base : 0;
}

bool kernel_time__exact(const struct kernel_time *k)
{
	return k->n <= 1 && (k->n == 0 || k->bursts[0].cpu_off < 0);
}
