/* SPDX-License-Identifier: Apache-2.0 */
/* The text report's section on calls into device drivers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "output/facts.h"
#include "output/figure.h"
#include "output/text.h"
#include "userspace/analysis/device_calls.h"
#include "userspace/analysis/facts.h"

#define CALLS_SHOWN 12	/* kinds, those that took the most time; all of them with -v */

static int64_t requests_sum(const struct ledger *l, int k, bool completion)
{
	int64_t sum = 0;

	if (k < 0 || !l->resources[k].measured)
		return ABSENT;
	for (size_t i = 0; i < l->timeline->recording->n_requests; i++)
		sum += completion ? l->requests[i].completion_cost[k] : l->requests[i].cost[k];
	return sum;
}

static int64_t total_of(const struct ledger *l, int k)
{
	return k >= 0 && l->resources[k].measured ? l->resources[k].total : ABSENT;
}

static int64_t account_of(const struct ledger *l, int account, int k)
{
	return k >= 0 && l->resources[k].measured ? l->accounts[account][k] : ABSENT;
}

/* What each class took, and whose it was. */
static int put_classes(const struct text *t)
{
	static const struct table_column columns[] = {
		{ "class", COLUMN_TEXT, 0 },  { "calls", COLUMN_NUMBER, 0 },	{ "failed", COLUMN_NUMBER, 0 },
		{ "time", COLUMN_NUMBER, 0 }, { "requests", COLUMN_NUMBER, 0 }, { "per token", COLUMN_NUMBER, 0 },
		{ "host", COLUMN_NUMBER, 0 }, { "idle", COLUMN_NUMBER, 0 },
	};
	struct table *table = text__table(t, columns, 8);
	const int64_t n_tokens = requests__later_tokens(t->l);

	if (!table)
		return -ENOMEM;
	for (int class = 0; class < N_IOCTL_CLASSES; class ++) {
		const char *const *names = &ioctl_resource_names[class * N_IOCTL_MEASURES];
		const int count = resource__find(t->l, names[IOCTL_COUNT]), ns = resource__find(t->l, names[IOCTL_NS]);

		if (total_of(t->l, count) == ABSENT || total_of(t->l, count) == 0)
			continue;
		table__cell(table, "%s", ioctl_class_names[class]);
		table__cell(table, "%s", figure__count(total_of(t->l, count)).s);
		table__cell(table, "%s", figure__count(total_of(t->l, resource__find(t->l, names[IOCTL_FAILED]))).s);
		table__cell(table, "%s", figure__time(total_of(t->l, ns)).s);
		table__cell(table, "%s", figure__time(requests_sum(t->l, ns, false)).s);
		table__cell(table, "%s", figure__time(figure__each(requests_sum(t->l, ns, true), n_tokens)).s);
		table__cell(table, "%s", figure__time(account_of(t->l, ACCOUNT_HOST, ns)).s);
		table__cell(table, "%s", figure__time(account_of(t->l, ACCOUNT_IDLE, ns)).s);
		table__end_row(table);
	}
	return table__finish(table);
}

struct listed {
	const struct row_ioctl *row;
};

static int compare_time(const void *a, const void *b)
{
	const struct row_ioctl *x = ((const struct listed *)a)->row, *y = ((const struct listed *)b)->row;

	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static void put_call(struct table *table, const struct row_ioctl *row, const struct call_places *places)
{
	if (row->neighbour)
		table__cell(table, "%s %u", row->comm && row->comm[0] ? row->comm : "pid", row->pid);
	table__cell(table, "%s", row->device);
	table__cell(table, "%s", row->name);
	table__cell(table, "%s", row->class);
	table__cell(table, "%s", figure__count(row->n).s);
	table__cell(table, "%s", figure__count(row->failed).s);
	table__cell(table, "%s", figure__time(row->ns).s);
	table__cell(table, "%s", figure__time(figure__each(row->ns, row->n)).s);
	if (!row->neighbour)
		table__cell(table, "%s", figure__count(places->in_steps).s);
	table__end_row(table);
}

static int put_calls(const struct text *t, const struct call_places *places, bool neighbours)
{
	static const struct table_column own[] = {
		{ "device", COLUMN_SHRINK_MIDDLE, 12 }, { "call", COLUMN_SHRINK_END, 16 }, { "class", COLUMN_TEXT, 0 },
		{ "calls", COLUMN_NUMBER, 0 },		{ "failed", COLUMN_NUMBER, 0 },	   { "time", COLUMN_NUMBER, 0 },
		{ "each", COLUMN_NUMBER, 0 },		{ "in steps", COLUMN_NUMBER, 0 },
	};
	static const struct table_column others[] = {
		{ "neighbour", COLUMN_SHRINK_END, 12 }, { "device", COLUMN_SHRINK_MIDDLE, 12 },
		{ "call", COLUMN_SHRINK_END, 16 },	{ "class", COLUMN_TEXT, 0 },
		{ "calls", COLUMN_NUMBER, 0 },		{ "failed", COLUMN_NUMBER, 0 },
		{ "time", COLUMN_NUMBER, 0 },		{ "each", COLUMN_NUMBER, 0 },
	};
	struct listed *rows = calloc(t->r->n_ioctls + 1, sizeof(*rows));
	struct table *table;
	size_t n = 0, shown;
	int rc;

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < t->r->n_ioctls; i++)
		if (t->r->ioctls[i].neighbour == neighbours)
			rows[n++].row = &t->r->ioctls[i];
	qsort(rows, n, sizeof(*rows), compare_time);
	shown = n > CALLS_SHOWN && !t->options->verbose ? CALLS_SHOWN : n;
	table = n ? text__table(t, neighbours ? others : own, 8) : NULL;
	if (n)
		putc('\n', t->f);
	for (size_t i = 0; table && i < shown; i++)
		put_call(table, rows[i].row, &places[rows[i].row - t->r->ioctls]);
	rc = !n ? 0 : table ? table__finish(table) : -ENOMEM;
	free(rows);
	if (shown < n)
		text__paragraph(t, "%zu more kinds of calls took less time; -v lists them", n - shown);
	return rc;
}

static void put_notes(const struct text *t, const struct call_places *places)
{
	int64_t retries = 0, unpaired = 0, unknown = 0;

	for (size_t i = 0; i < t->r->n_ioctls; i++) {
		const struct row_ioctl *row = &t->r->ioctls[i];

		if (row->neighbour)
			continue;
		retries += row->retries;
		unpaired += row->unpaired;
		unknown += !row->known;
		if (places[i].anomaly)
			text__paragraph(t,
					"Anomaly: %s on %s in %s decode steps, %s calls, %s: this driver's work is "
					"launched without "
					"calls, so that one in a decode step means allocation, migration or capture",
					row->name, row->device, figure__count(places[i].decode_steps).s,
					figure__count(places[i].in_decode).s, figure__time(places[i].in_decode_ns).s);
	}
	if (retries)
		text__paragraph(
			t,
			"%s attempts that ended with EINTR or EAGAIN are counted with the call they were made again as",
			figure__count(retries).s);
	if (unpaired)
		text__paragraph(t, "%s calls had begun unseen: they are in no figure", figure__count(unpaired).s);
	if (unknown)
		text__paragraph(t,
				"%s kinds of calls are in no table: named by node, magic and number, classed by how "
				"long they took",
				figure__count(unknown).s);
}

int text__ioctls(const struct text *t)
{
	struct call_places *places;
	int rc;

	if (!ledger__has_ioctl(t->l))
		return 0;
	text__heading(t, "Driver calls");
	if (t->r->n_ioctls == 0) {
		text__paragraph(t, "The server had an accelerator open and made no call into its driver.");
		return 0;
	}
	rc = device_calls__places(t->l->timeline, &places);
	if (rc)
		return rc;
	rc = put_classes(t);
	if (!rc)
		rc = put_calls(t, places, false);
	if (!rc)
		put_notes(t, places);
	if (!rc)
		rc = put_calls(t, places, true);
	free(places);
	return rc;
}
