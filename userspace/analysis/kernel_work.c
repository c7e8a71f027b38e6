/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/kernel_work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/facts.h"
#include "userspace/analysis/in_flight.h"

__extension__ typedef __int128 i128;

#define MOST_KINDS 256
#define DRAIN_NS 200000000u	/* of what time a sample may be */

/* Of whose calls a time that was not timed is taken to be made up. */
enum profile {
	PROFILE_HOST = N_PHASES,
	PROFILE_IDLE,
	PROFILE_STEPS,		/* of all phases, with rows of nobody's */
	PROFILE_ALL,
	N_PROFILES,
};

struct part {
	uint32_t request;
	size_t phase;
	enum account_id account;
	int64_t ns;		/* of kernel time */
};

struct kernel_making {
	struct part *parts;
	size_t n_parts, capacity;
	int64_t fault_ns;
	int kernel, fault;	/* positions in the ledger's resources */
	int64_t *untimed;	/* per request and phase */
	int64_t untimed_accounts[N_ACCOUNTS];
	struct kernel_figure *profiles;		/* N_PROFILES x n_kinds */
	i128 *carry;				/* the same, of counts */
	bool overflow;
};

/* ------------------------------------------------------------------------------------------------------------ opening --- */

/* Were calls timed from the first to the last instant? */
static bool all_timed(const struct recording *r)
{
	return r->n_kernel_bursts == 1 && r->kernel_bursts[0].start_ns <= recording__start_ns(r) &&
	       r->kernel_bursts[0].end_ns >= recording__end_ns(r);
}

static int allocate(struct kernel_work *w, size_t n_requests)
{
	struct kernel_making *m = calloc(1, sizeof(*m));
	const size_t n = w->n_kinds;

	w->making = m;
	w->requests = array__zeroed(n_requests * n, sizeof(*w->requests));
	w->phases = array__zeroed(N_PHASES * n, sizeof(*w->phases));
	w->accounts = array__zeroed(N_ACCOUNTS * n, sizeof(*w->accounts));
	w->totals = array__zeroed(n, sizeof(*w->totals));
	w->timed = array__zeroed(n, sizeof(*w->timed));
	if (!m || !w->requests || !w->phases || !w->accounts || !w->totals || !w->timed)
		return -ENOMEM;
	m->untimed = array__zeroed(n_requests * N_PHASES, sizeof(*m->untimed));
	m->profiles = array__zeroed(N_PROFILES * n, sizeof(*m->profiles));
	m->carry = array__zeroed(N_PROFILES * n, sizeof(*m->carry));
	return m->untimed && m->profiles && m->carry ? 0 : -ENOMEM;
}

static int position(const struct ledger *l, int id)
{
	for (size_t k = 0; k < l->n_resources; k++)
		if (l->resources[k].row->id == id)
			return l->resources[k].measured ? (int)k : -1;
	return -1;
}

int kernel_work__open(struct kernel_work **out, const struct ledger *l)
{
	const struct recording *r = l->timeline->recording;
	const int64_t fault_ns = recording__meta_int(r, META_FAULT_NS);
	const int kernel = position(l, RESOURCE_KERNEL_NS);
	const int fault = fault_ns != ABSENT && fault_ns > 0 ? position(l, RESOURCE_FAULTS) : -1;
	struct kernel_work *w;

	*out = NULL;
	if (r->n_kernel_bursts == 0 || kernel < 0)
		return 0;
	if (r->n_kernel_kinds > MOST_KINDS)
		return -EINVAL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->recording = r;
	w->faults = fault >= 0 ? r->n_kernel_kinds : SIZE_MAX;
	w->untold = r->n_kernel_kinds + (fault >= 0);
	w->n_kinds = w->untold + 1;
	w->exact = all_timed(r);
	for (size_t i = 0; i < r->n_kernel_bursts; i++)
		w->timed_cpu_ns += r->kernel_bursts[i].cpu_ns;
	if (allocate(w, r->n_requests)) {
		kernel_work__free(w);
		return -ENOMEM;
	}
	w->making->kernel = kernel;
	w->making->fault = fault;
	w->making->fault_ns = fault >= 0 ? fault_ns : 0;
	*out = w;
	return 0;
}

static void end_making(struct kernel_work *w)
{
	if (!w->making)
		return;
	free(w->making->parts);
	free(w->making->untimed);
	free(w->making->profiles);
	free(w->making->carry);
	free(w->making);
	w->making = NULL;
}

void kernel_work__free(struct kernel_work *w)
{
	if (!w)
		return;
	end_making(w);
	free(w->requests);
	free(w->phases);
	free(w->accounts);
	free(w->totals);
	free(w->timed);
	free(w);
}

/* ------------------------------------------------------------------------------------------------------------ booking --- */

static void add_to(struct kernel_making *m, struct kernel_figure *to, int64_t n, int64_t ns)
{
	m->overflow |= __builtin_add_overflow(to->n, n, &to->n);
	m->overflow |= __builtin_add_overflow(to->ns, ns, &to->ns);
}

static void book(struct kernel_work *w, const struct part *part, size_t kind, int64_t n, int64_t ns)
{
	if (part->request == REQUEST_NONE) {
		add_to(w->making, &w->accounts[(size_t)part->account * w->n_kinds + kind], n, ns);
		return;
	}
	add_to(w->making, &w->requests[part->request * w->n_kinds + kind], n, ns);
	add_to(w->making, &w->phases[part->phase * w->n_kinds + kind], n, ns);
}

static void book_untimed(struct kernel_work *w, const struct part *part, int64_t ns)
{
	struct kernel_making *m = w->making;
	int64_t *to = part->request == REQUEST_NONE ? &m->untimed_accounts[part->account] :
						      &m->untimed[part->request * N_PHASES + part->phase];

	m->overflow |= __builtin_add_overflow(*to, ns, to);
}

static ptrdiff_t find_kind(const struct recording *r, int64_t id)
{
	size_t low = 0, high = r->n_kernel_kinds;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (r->kernel_kinds[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->n_kernel_kinds && r->kernel_kinds[low].id == id ? (ptrdiff_t)low : -1;
}

/* -------------------------------------------------------------------------------------------------------------- steps --- */

int kernel_work__add_part(struct kernel_work *w, uint32_t request, size_t phase, enum account_id account,
			  int64_t kernel_ns)
{
	struct kernel_making *m = w->making;
	struct part *moved = array__reserve(m->parts, &m->capacity, m->n_parts + 1, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	m->parts = moved;
	m->parts[m->n_parts++] = (struct part){ request, phase, account, kernel_ns };
	return 0;
}

static size_t first_of_step(const struct recording *r, int64_t step)
{
	size_t low = 0, high = r->n_step_kernels;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (r->step_kernels[middle].step < step)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_timed(const struct recording *r, const struct row_step *step)
{
	size_t low = 0, high = r->n_kernel_bursts;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (r->kernel_bursts[middle].start_ns <= step->start_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && r->kernel_bursts[low - 1].end_ns >= step->end_ns;
}

/* Weights are the parts' kernel time; of a step that took none, all alike. */
struct split {
	i128 whole, upto;
	bool even;
};

static int64_t split__next(struct split *s, int64_t value, const struct part *part)
{
	const i128 before = s->upto;

	s->upto += s->even ? 1 : part->ns;
	return (int64_t)(value * s->upto / s->whole - value * before / s->whole);
}

static enum profile profile_of(const struct part *part)
{
	return part->request == REQUEST_NONE ? PROFILE_STEPS : (enum profile)part->phase;
}

static void add_to_profile(struct kernel_work *w, enum profile profile, size_t kind, int64_t n, int64_t ns)
{
	add_to(w->making, &w->making->profiles[(size_t)profile * w->n_kinds + kind], n, ns);
}

/* Spread one kind's figures over the step's parts; `told` receives what each part was given. */
static void spread(struct kernel_work *w, const struct split *all, size_t kind, int64_t n, int64_t ns, bool timed,
		   int64_t *told)
{
	struct split of_n = *all, of_ns = *all;

	for (size_t i = 0; i < w->making->n_parts; i++) {
		const struct part *part = &w->making->parts[i];
		const int64_t part_n = split__next(&of_n, n, part), part_ns = split__next(&of_ns, ns, part);

		if (kind != w->faults) {
			add_to_profile(w, profile_of(part), kind, part_n, part_ns);
			if (part->request != REQUEST_NONE)
				add_to_profile(w, PROFILE_STEPS, kind, part_n, part_ns);
			add_to_profile(w, PROFILE_ALL, kind, part_n, part_ns);
			add_to(w->making, &w->timed[kind], part_n, part_ns);
		}
		if (!timed)
			continue;
		book(w, part, kind, part_n, part_ns);
		told[i] += part_ns;
	}
}

static int64_t price_faults(const struct kernel_making *m, int64_t faults, int64_t most)
{
	const i128 price = (i128)faults * m->fault_ns;

	return most <= 0 || price <= 0 ? 0 : price > most ? most : (int64_t)price;
}

int kernel_work__end_step(struct kernel_work *w, uint32_t step, int64_t faults)
{
	struct kernel_making *m = w->making;
	const struct recording *r = w->recording;
	const struct row_step *row = &r->steps[step];
	struct split all = { .whole = 0 };
	int64_t *told = array__zeroed(m->n_parts, sizeof(*told));
	bool backwards = false, timed = is_timed(r, row);
	size_t n_parts = m->n_parts;

	if (!told)
		return -ENOMEM;
	for (size_t i = 0; i < n_parts; i++) {
		all.whole += m->parts[i].ns;
		backwards |= m->parts[i].ns < 0;
	}
	all.even = all.whole == 0;
	if (all.even)
		all.whole = (i128)n_parts;
	if (!backwards && n_parts) {
		/* The number of faults is the ledger's own figure of that name: here is their time. */
		if (w->faults != SIZE_MAX)
			spread(w, &all, w->faults, 0, all.even ? 0 : price_faults(m, faults, (int64_t)all.whole), true,
			       told);
		for (size_t i = first_of_step(r, row->id); i < r->n_step_kernels && r->step_kernels[i].step == row->id;
		     i++) {
			const ptrdiff_t kind = find_kind(r, r->step_kernels[i].kind);

			if (kind >= 0)
				spread(w, &all, (size_t)kind, r->step_kernels[i].n, r->step_kernels[i].ns, timed, told);
		}
	}
	for (size_t i = 0; i < n_parts; i++) {
		const int64_t left = m->parts[i].ns - told[i];

		if (timed || backwards)
			book(w, &m->parts[i], w->untold, 0, left);
		else
			book_untimed(w, &m->parts[i], left);
	}
	free(told);
	m->n_parts = 0;
	return m->overflow ? -EINVAL : 0;
}

/* ------------------------------------------------------------------------------------------------------------ the rest --- */

static i128 profile_ns(const struct kernel_work *w, enum profile profile)
{
	i128 sum = 0;

	for (size_t k = 0; k < w->n_kinds; k++)
		sum += w->making->profiles[(size_t)profile * w->n_kinds + k].ns;
	return sum;
}

/* Of parts that each have less than a call the sum is rounded, to the nearest: rounded down it would be less than what was seen. */
static i128 rounded(i128 n, i128 whole)
{
	return n / whole + (2 * (n % whole) >= whole);
}

/* Kernel time that was not timed, made up as the profile is; of one that is empty, as the next more general. */
static void make_up(struct kernel_work *w, const struct part *part, enum profile profile, int64_t ns)
{
	struct kernel_making *m = w->making;
	i128 whole = profile_ns(w, profile), upto = 0;

	if (whole == 0 && profile < PROFILE_HOST)
		whole = profile_ns(w, profile = PROFILE_STEPS);
	if (whole == 0)
		whole = profile_ns(w, profile = PROFILE_ALL);
	if (whole <= 0 || ns <= 0) {
		book(w, part, w->untold, 0, ns);
		return;
	}
	for (size_t k = 0; k < w->n_kinds; k++) {
		const struct kernel_figure *of = &m->profiles[(size_t)profile * w->n_kinds + k];
		i128 *carry = &m->carry[(size_t)profile * w->n_kinds + k];
		const i128 before = upto;
		i128 n = rounded(*carry, whole);

		upto += of->ns;
		*carry += (i128)of->n * ns;
		n = rounded(*carry, whole) - n;
		*carry %= whole;
		m->overflow |= n > INT64_MAX / 8;
		book(w, part, k, (int64_t)n, (int64_t)((i128)ns * upto / whole - (i128)ns * before / whole));
	}
}

static int read_samples(struct kernel_work *w, const struct ledger *l)
{
	const struct recording *r = w->recording;
	struct interval *busy = NULL;
	size_t n_busy = 0;
	int err = r->n_kernel_samples ? in_flight__build(l->timeline, &busy, &n_busy) : 0;

	for (size_t i = 0; !err && i < r->n_kernel_samples; i++) {
		const struct row_kernel_sample *row = &r->kernel_samples[i];
		const uint64_t start_ns = row->time_ns > DRAIN_NS ? row->time_ns - DRAIN_NS : 0;
		const ptrdiff_t kind = find_kind(r, row->kind);
		const bool in_flight = in_flight__any(busy, n_busy, start_ns, row->time_ns);

		if (kind < 0)
			continue;
		add_to_profile(w, in_flight ? PROFILE_HOST : PROFILE_IDLE, (size_t)kind, row->n, row->ns);
		add_to_profile(w, PROFILE_ALL, (size_t)kind, row->n, row->ns);
		add_to(w->making, &w->timed[kind], row->n, row->ns);
	}
	free(busy);
	return err;
}

static int64_t account_sum(const struct kernel_work *w, size_t account)
{
	int64_t sum = 0;

	for (size_t k = 0; k < w->n_kinds; k++)
		sum += w->accounts[account * w->n_kinds + k].ns;
	return sum;
}

static void make_up_steps(struct kernel_work *w)
{
	const struct kernel_making *m = w->making;

	for (uint32_t i = 0; i < w->recording->n_requests; i++)
		for (size_t p = 0; p < N_PHASES; p++) {
			const struct part part = { .request = i, .phase = p };

			if (m->untimed[i * N_PHASES + p])
				make_up(w, &part, (enum profile)p, m->untimed[i * N_PHASES + p]);
		}
	for (size_t a = 0; a < N_ACCOUNTS; a++) {
		const struct part part = { .request = REQUEST_NONE, .account = (enum account_id)a };

		if (m->untimed_accounts[a])
			make_up(w, &part, PROFILE_STEPS, m->untimed_accounts[a]);
	}
}

/* What passed between steps. */
static void make_up_outside(struct kernel_work *w, const struct ledger *l, enum account_id account,
			    enum profile profile)
{
	const struct part part = { .request = REQUEST_NONE, .account = account };
	const struct kernel_making *m = w->making;
	int64_t left = l->accounts[account][m->kernel] - account_sum(w, account), faults;

	if (w->faults != SIZE_MAX) {
		faults = price_faults(m, l->accounts[account][m->fault], left);
		book(w, &part, w->faults, 0, faults);
		left -= faults;
	}
	if (!w->exact) {
		make_up(w, &part, profile, left);
		return;
	}
	for (size_t k = 0; k < w->n_kinds; k++) {
		const struct kernel_figure *of = &m->profiles[(size_t)profile * w->n_kinds + k];

		book(w, &part, k, of->n, of->ns);
		left -= of->ns;
	}
	book(w, &part, w->untold, 0, left);
}

static void count_faults(struct kernel_work *w, const struct ledger *l)
{
	const size_t k = (size_t)w->making->fault;

	for (size_t i = 0; i < w->recording->n_requests; i++) {
		w->requests[i * w->n_kinds + w->faults].n = l->requests[i].cost[k];
		for (size_t p = 0; p < N_PHASES; p++)
			add_to(w->making, &w->phases[p * w->n_kinds + w->faults], l->requests[i].by_phase[p][k], 0);
	}
	for (size_t a = 0; a < N_ACCOUNTS; a++)
		w->accounts[a * w->n_kinds + w->faults].n = l->accounts[a][k];
}

static struct kernel_figure sum_of_kind(const struct kernel_work *w, size_t kind)
{
	struct kernel_figure sum = { 0, 0 };

	for (size_t i = 0; i < w->recording->n_requests; i++)
		add_to(w->making, &sum, w->requests[i * w->n_kinds + kind].n, w->requests[i * w->n_kinds + kind].ns);
	for (size_t a = 0; a < N_ACCOUNTS; a++)
		add_to(w->making, &sum, w->accounts[a * w->n_kinds + kind].n, w->accounts[a * w->n_kinds + kind].ns);
	return sum;
}

/* Where all was timed the total is what was: calls of steps that are in no request or lost are unexplained. */
static void find_totals(struct kernel_work *w)
{
	struct kernel_figure *unexplained = &w->accounts[ACCOUNT_UNEXPLAINED * w->n_kinds];
	const struct recording *r = w->recording;

	for (size_t k = 0; w->exact && k < r->n_kernel_kinds; k++) {
		struct kernel_figure all = { 0, 0 }, sum = sum_of_kind(w, k);

		for (size_t i = 0; i < r->n_step_kernels; i++)
			if (r->step_kernels[i].kind == r->kernel_kinds[k].id)
				add_to(w->making, &all, r->step_kernels[i].n, r->step_kernels[i].ns);
		for (size_t i = 0; i < r->n_kernel_samples; i++)
			if (r->kernel_samples[i].kind == r->kernel_kinds[k].id)
				add_to(w->making, &all, r->kernel_samples[i].n, r->kernel_samples[i].ns);
		add_to(w->making, &unexplained[k], all.n - sum.n, all.ns - sum.ns);
		add_to(w->making, &unexplained[w->untold], 0, sum.ns - all.ns);
	}
	for (size_t k = 0; k < w->n_kinds; k++)
		w->totals[k] = sum_of_kind(w, k);
}

int kernel_work__finish(struct kernel_work **work, const struct ledger *l)
{
	const struct part nobody = { .request = REQUEST_NONE, .account = ACCOUNT_UNEXPLAINED };
	struct kernel_work *w = *work;
	int err;

	/* Of a recorder that was killed before its first figure of kernel time. */
	if (position(l, RESOURCE_KERNEL_NS) < 0) {
		kernel_work__free(w);
		*work = NULL;
		return 0;
	}
	err = read_samples(w, l);
	if (err)
		return err;
	make_up_steps(w);
	make_up_outside(w, l, ACCOUNT_HOST, PROFILE_HOST);
	make_up_outside(w, l, ACCOUNT_IDLE, PROFILE_IDLE);
	book(w, &nobody, w->untold, 0,
	     l->accounts[ACCOUNT_UNEXPLAINED][w->making->kernel] - account_sum(w, ACCOUNT_UNEXPLAINED));
	if (w->faults != SIZE_MAX)
		count_faults(w, l);
	find_totals(w);
	err = w->making->overflow ? -EINVAL : 0;
	end_making(w);
	return err;
}

/* -------------------------------------------------------------------------------------------------------------- asked --- */

const char *kernel_work__name(const struct kernel_work *w, size_t kind)
{
	return kind == w->untold ? "not told" :
	       kind == w->faults ? "page faults" :
				   w->recording->kernel_kinds[kind].name;
}

const char *kernel_work__path(const struct kernel_work *w, size_t kind)
{
	return kind == w->untold ? "" : kind == w->faults ? "fault" : w->recording->kernel_kinds[kind].path;
}

const struct kernel_figure *kernel_work__request(const struct ledger *l, size_t i)
{
	const int k = position(l, RESOURCE_KERNEL_NS);

	return l->kernel && k >= 0 && ledger__has_share(l, i, (size_t)k) ?
		       &l->kernel->requests[i * l->kernel->n_kinds] :
		       NULL;
}

static bool adds_up(const struct kernel_work *w, const struct kernel_figure *figures, int64_t kernel_ns)
{
	i128 sum = 0;

	for (size_t k = 0; k < w->n_kinds; k++)
		sum += figures[k].ns;
	return sum == kernel_ns;
}

int kernel_work__broken(const struct ledger *l)
{
	const struct kernel_work *w = l->kernel;
	const int kernel = position(l, RESOURCE_KERNEL_NS);

	if (!w)
		return -1;
	for (size_t k = 0; k < w->n_kinds; k++) {
		i128 n = 0, ns = 0;

		for (size_t i = 0; i < w->recording->n_requests; i++) {
			n += w->requests[i * w->n_kinds + k].n;
			ns += w->requests[i * w->n_kinds + k].ns;
		}
		for (size_t a = 0; a < N_ACCOUNTS; a++) {
			n += w->accounts[a * w->n_kinds + k].n;
			ns += w->accounts[a * w->n_kinds + k].ns;
		}
		if (n != w->totals[k].n || ns != w->totals[k].ns)
			return (int)k;
	}
	for (size_t i = 0; i < w->recording->n_requests; i++)
		if (!adds_up(w, &w->requests[i * w->n_kinds], l->requests[i].cost[kernel]))
			return (int)w->untold;
	for (size_t a = 0; a < N_ACCOUNTS; a++)
		if (!adds_up(w, &w->accounts[a * w->n_kinds], l->accounts[a][kernel]))
			return (int)w->untold;
	return adds_up(w, w->totals, l->resources[kernel].total) ? -1 : (int)w->untold;
}
