/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report for people: what was measured on which server, every request, then the ledger, then how far each figure can
 * be trusted. Nothing in it depends on the machine that prints it: times are UTC, widths are Unicode's, sums are integers.
 */
#include "output/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "output/facts.h"
#include "output/figure.h"
#include "output/utf8.h"

#define LABEL_WIDTH 13
#define MAX_PARAGRAPH 1024
#define MAX_PIDS_SHOWN 6

void text__heading(const struct text *t, const char *title)
{
	bool color = t->options->color;

	fprintf(t->f, "\n%s%s%s\n", style__begin(STYLE_BOLD, color), title, style__end(STYLE_BOLD, color));
}

static void wrap(const struct text *t, int column, int indent, const char *format, va_list args)
	__attribute__((format(printf, 4, 0)));

static void wrap(const struct text *t, int column, int indent, const char *format, va_list args)
{
	char text[MAX_PARAGRAPH], safe[MAX_PARAGRAPH];

	vsnprintf(text, sizeof(text), format, args);
	utf8__defuse(safe, sizeof(safe), text, strlen(text));
	text__wrap(t->f, safe, column, indent, t->options->columns);
	putc('\n', t->f);
}

void text__fact(const struct text *t, const char *label, const char *format, ...)
{
	bool color = t->options->color;
	va_list args;

	fprintf(t->f, "%s%-*s%s", style__begin(STYLE_DIM, color), LABEL_WIDTH, label, style__end(STYLE_DIM, color));
	va_start(args, format);
	wrap(t, LABEL_WIDTH, LABEL_WIDTH, format, args);
	va_end(args);
}

void text__paragraph(const struct text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	wrap(t, 0, 2, format, args);
	va_end(args);
}

struct table *text__table(const struct text *t, const struct table_column *columns, int n_columns)
{
	return table__new(t->f, columns, n_columns, t->options->columns, 0, t->options->color);
}

static void put_server(const struct text *t)
{
	const struct row_engine *engine = recording__engine(t->r);
	char pids[96] = "";
	size_t n = 0, shown = 0;

	for (size_t i = 0; i < t->r->n_processes && n < sizeof(pids); i++) {
		if (i > 0 && t->r->processes[i].pid == t->r->processes[i - 1].pid)
			continue;
		if (shown == MAX_PIDS_SHOWN) {
			snprintf(pids + n, sizeof(pids) - n, ", ...");
			break;
		}
		n += (size_t)snprintf(pids + n, sizeof(pids) - n, "%s%" PRIu32, shown ? ", " : "",
				      t->r->processes[i].pid);
		shown++;
	}
	text__fact(t, "Server", "%s%s%s, pid %s", engine ? engine->name : "of no known engine",
		   engine && engine->version ? " " : "", engine && engine->version ? engine->version : "",
		   shown ? pids : "not recorded");
}

static void put_recording(const struct text *t)
{
	int64_t start = recording__start_unix_ns(t->r);
	const char *id = recording__meta(t->r, "id"), *end_reason = recording__meta(t->r, "end_reason");
	char when[64] = "at an unknown time", end[128] = "complete";
	struct tm tm;
	time_t seconds = (time_t)(start / 1000000000);

	if (start != ABSENT && gmtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
	if (!recording__complete(t->r))
		snprintf(end, sizeof(end),
			 "INCOMPLETE: the recorder was killed, or has not ended; up to its last second is "
			 "missing");
	else if (end_reason)
		snprintf(end, sizeof(end), "complete (%s)", end_reason);
	text__fact(t, "Recording", "%.8s, %s, %s, %s", id ? id : "no id", when,
		   figure__time((int64_t)(recording__end_ns(t->r) - recording__start_ns(t->r))).s, end);
}

static void put_host(const struct text *t)
{
	const char *host = recording__meta(t->r, "host"), *kernel = recording__meta(t->r, "kernel");
	const char *cpu = recording__meta(t->r, "cpu_model");
	int64_t n_cpus = recording__meta_int(t->r, "n_cpus");

	if (!host && !kernel && !cpu)
		return;
	text__fact(t, "Host", "%s, %s, %s%s%s", host ? host : "not named", kernel ? kernel : "unknown kernel",
		   n_cpus == ABSENT ? "" : figure__integer(n_cpus).s, n_cpus == ABSENT ? "" : " x ",
		   cpu ? cpu : "unknown CPU");
}

static void put_rows_source(const struct text *t)
{
	const struct row_engine *engine = recording__engine(t->r);

	if (!engine || !engine->rows_source)
		return;
	if (t->options->verbose || strstr(engine->rows_source, "unknown"))
		text__fact(t, "Rows", "%s", engine->rows_source);
}

static void put_unexplained(const struct text *t)
{
	int k = resource__find(t->l, "cpu_ns");
	int64_t total, unexplained;

	if (k < 0 || !t->l->resources[k].measured)
		return;
	total = t->l->resources[k].total;
	unexplained = t->l->accounts[ACCOUNT_UNEXPLAINED][k];
	text__fact(t, "CPU time", "%s by %s, of which unexplained %s", figure__time(total).s,
		   t->l->resources[k].total_source ? t->l->resources[k].total_source : "the kernel",
		   figure__percent(unexplained, total).s);
}

int text__header(const struct text *t)
{
	put_server(t);
	text__models(t);
	put_recording(t);
	put_host(t);
	put_rows_source(t);
	put_unexplained(t);
	text__shared_by(t);
	return 0;
}

static int text__write(FILE *f, const struct ledger *l, const struct output_options *options)
{
	typedef int (*section)(const struct text *);
	static const section report[] = {
		text__header,	text__requests, text__ledger,	   text__phases,  text__counters,
		text__kernel,	text__ioctls,	text__memory,	   text__touched, text__attribution,
		text__evidence, text__losses,	text__definitions, NULL
	};
	static const section steps[] = { text__header, text__steps, NULL };
	static const section tokens[] = { text__header, text__tokens, NULL };
	static const section groups[] = { text__header, text__groups, NULL };
	static const section operators[] = { text__header, text__operators, NULL };
	static const section *const sections[N_REPORT_BY] = {
		[BY_REQUEST] = report, [BY_TOKEN] = tokens,  [BY_STEP] = steps,		[BY_PHASE] = groups,
		[BY_MODEL] = groups,   [BY_CLIENT] = groups, [BY_OPERATOR] = operators, [BY_LAYER] = operators,
	};
	struct text t = { .f = f, .l = l, .r = l->timeline->recording, .options = options };

	for (const section *put = sections[options->by]; *put; put++) {
		int rc = (*put)(&t);

		if (rc < 0)
			return rc;
	}
	return ferror(f) ? -EIO : 0;
}

const struct output output_text = {
	.name = "text",
	.extension = "txt",
	.write = text__write,
};
