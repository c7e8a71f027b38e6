/* SPDX-License-Identifier: Apache-2.0 */
#include "collectors/sched_bursts.h"

#include <errno.h>

#include "userspace/session.h"

void bursts__init(struct bursts *b, struct bpf_program *const *programs, size_t n)
{
	*b = (struct bursts){ .random = monotonic_ns() | 1 };
	for (size_t i = 0; i < n && b->n_programs < MAX_BURST_PROGRAMS; i++) {
		if (bpf_program__fd(programs[i]) >= 0)	/* else this kernel lacks its tracepoint */
			b->programs[b->n_programs++] = programs[i];
	}
}

static void detach(struct bursts *b)
{
	for (size_t i = 0; i < b->n_programs; i++) {
		bpf_link__destroy(b->links[i]);
		b->links[i] = NULL;
	}
}

static int attach(struct bursts *b)
{
	for (size_t i = 0; i < b->n_programs; i++) {
		b->links[i] = bpf_program__attach(b->programs[i]);
		if (!b->links[i]) {
			int err = -errno;

			detach(b);
			return err;
		}
	}
	return 0;
}

static int begin(struct bursts *b, struct session *s)
{
	int err = attach(b);

	if (err)
		return err;
	__atomic_store_n(&s->meters->kernel_on, 1, __ATOMIC_RELEASE);
	session__kernel_begin(s);
	b->begun_ns = monotonic_ns();
	b->begun_cpu_ns = session__cpu_now(s);
	b->ended_ns = 0;
	return 0;
}

/* From here on no thread counts as being in the kernel, whatever it was when its exit was no longer seen. */
static void end(struct bursts *b, struct session *s)
{
	b->ended_ns = monotonic_ns();
	b->ended_cpu_ns = session__cpu_now(s);
	session__kernel_end(s);
	__atomic_store_n(&s->meters->kernel_on, 0, __ATOMIC_RELEASE);
	detach(b);
	__atomic_fetch_add(&s->meters->kernel_epoch, 1, __ATOMIC_RELEASE);
}

int bursts__start(struct bursts *b, struct session *s)
{
	b->state = BURSTS_ALWAYS;
	b->ns_at_check = monotonic_ns();
	b->until_ns = b->ns_at_check + 1000000000ULL;
	return begin(b, s);
}

/* xorshift64 (Marsaglia 2003) */
static uint64_t pause_ns(struct bursts *b)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return (SHORTEST_PAUSE_NS + b->random % (LONGEST_PAUSE_NS - SHORTEST_PAUSE_NS)) *
	       (b->n_bursts < FIRST_BURSTS ? 1 : LATER_PAUSES);
}

/* Of the server's CPU time since the last check. */
static double cost(struct bursts *b, struct session *s, uint64_t n_syscalls)
{
	const int64_t cpu = session__cpu_now(s);
	const int64_t used = cpu - b->cpu_at_check;
	const uint64_t n = n_syscalls - b->syscalls_at_check, now_ns = monotonic_ns();
	const double cost_ns = (double)n * SYSCALL_COST_NS;
	const double passed_ns = (double)(now_ns - b->ns_at_check);

	b->cpu_at_check = cpu;
	b->ns_at_check = now_ns;
	b->syscalls_at_check = n_syscalls;
	return used > 0 && cost_ns > SYSCALL_LEAST_COST * passed_ns ? cost_ns / (double)used : 0;
}

bool bursts__timed(const struct bursts *b)
{
	return b->begun_ns && !b->ended_ns;
}

bool bursts__due(const struct bursts *b, uint64_t now_ns)
{
	return !b->suspended && now_ns >= b->until_ns;
}

void bursts__turn(struct bursts *b, struct session *s, uint64_t now_ns, uint64_t n_syscalls)
{
	switch (b->state) {
	case BURSTS_ALWAYS:
		b->until_ns = now_ns + 1000000000ULL;
		if (cost(b, s, n_syscalls) <= SYSCALL_BUDGET)
			return;
		end(b, s);
		b->state = BURSTS_ENDED;
		b->until_ns = now_ns + BURST_NS;
		return;
	case BURSTS_ON:
		/* Half the budget: no wavering at its edge. An idle server is within any. */
		if (cost(b, s, n_syscalls) <= SYSCALL_BUDGET / 2) {
			b->state = BURSTS_ALWAYS;
			b->until_ns = now_ns + 1000000000ULL;
			return;
		}
		end(b, s);
		b->state = BURSTS_ENDED;
		b->until_ns = now_ns + BURST_NS;
		return;
	case BURSTS_ENDED:
		session__kernel_clear(s);
		b->state = BURSTS_PAUSE;
		b->until_ns = now_ns + pause_ns(b);
		return;
	case BURSTS_PAUSE:
		cost(b, s, n_syscalls);
		/* Where it cannot be attached again the next turn tries: the estimate goes on meanwhile. */
		b->until_ns = now_ns + BURST_NS;
		if (begin(b, s) == 0) {
			b->state = BURSTS_ON;
			b->n_bursts++;
		}
		return;
	}
}

int bursts__suspend(struct bursts *b, struct session *s, bool suspend)
{
	const bool attached = b->state == BURSTS_ALWAYS || b->state == BURSTS_ON;
	const uint64_t now_ns = monotonic_ns();

	if (suspend == b->suspended)
		return 0;
	b->suspended = suspend;
	if (suspend) {
		b->suspended_ns = now_ns;
		if (attached)
			detach(b);
		return 0;
	}
	b->until_ns += now_ns - b->suspended_ns;
	/* The time without probes is nobody's: the server's meters stood still. */
	b->cpu_at_check = session__cpu_now(s);
	b->ns_at_check = monotonic_ns();
	return attached ? attach(b) : 0;
}

void bursts__stop(struct bursts *b)
{
	detach(b);
}
