/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts for people: the verdict first, then what is wrong or open with figures, rule and evidence, then what holds. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "output/scorecard.h"
#include "output/table.h"
#include "output/utf8.h"
#include "output/verify.h"
#include "userspace/analysis/facts.h"

#define LABEL_WIDTH 11
#define MAX_TEXT 1024
/* The rest is in JSON: a letter with a thousand findings is read by nobody. */
#define MAX_SHOWN 100
#define MAX_EVIDENCE 8

struct page {
	FILE *f;
	const struct verification *v;
	const struct verify_input *in;
	const struct verify_output_options *options;
};

static const enum cell_style styles[] = {
	[VERDICT_CONFIRMED] = STYLE_GOOD,
	[VERDICT_INCONCLUSIVE] = STYLE_WARN,
	[VERDICT_REFUTED] = STYLE_BAD,
};

static void wrap(const struct page *p, int column, int indent, const char *format, va_list args)
	__attribute__((format(printf, 4, 0)));

static void wrap(const struct page *p, int column, int indent, const char *format, va_list args)
{
	char text[MAX_TEXT], safe[MAX_TEXT];

	vsnprintf(text, sizeof(text), format, args);
	utf8__defuse(safe, sizeof(safe), text, strlen(text));
	text__wrap(p->f, safe, column, indent, p->options->columns);
	putc('\n', p->f);
}

static void put_fact(const struct page *p, int indent, const char *label, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void put_fact(const struct page *p, int indent, const char *label, const char *format, ...)
{
	const bool color = p->options->color;
	va_list args;

	fprintf(p->f, "%*s%s%-*s%s", indent, "", style__begin(STYLE_DIM, color), LABEL_WIDTH, label,
		style__end(STYLE_DIM, color));
	va_start(args, format);
	wrap(p, indent + LABEL_WIDTH, indent + LABEL_WIDTH, format, args);
	va_end(args);
}

static void put_heading(const struct page *p, const char *title)
{
	fprintf(p->f, "\n%s%s%s\n", style__begin(STYLE_BOLD, p->options->color), title,
		style__end(STYLE_BOLD, p->options->color));
}

/* ------------------------------------------------------------------------------------------------------------- a check --- */

static void put_figures(const struct page *p, const struct check *c)
{
	char range[200] = "";
	const char *space = c->unit[0] ? " " : "";

	if (c->low && c->high && strcmp(c->low, c->high) != 0)
		snprintf(range, sizeof(range), "%s%s to %s%s%s", c->measured ? ", within " : "", c->low, c->high, space,
			 c->unit);
	else if (!c->measured && c->high)
		snprintf(range, sizeof(range), "at most %s%s%s", c->high, space, c->unit);
	else if (!c->measured && c->low)
		snprintf(range, sizeof(range), "at least %s%s%s", c->low, space, c->unit);
	if (c->claimed)
		put_fact(p, 4, "claimed", "%s%s%s", c->claimed, space, c->unit);
	if (c->measured || range[0])
		put_fact(p, 4, "measured", "%s%s%s%s (%s)", c->measured ? c->measured : "", c->measured ? space : "",
			 c->measured ? c->unit : "", range, grade__name((int)c->grade));
	else
		put_fact(p, 4, "measured", "-");
}

static void put_evidence(const struct page *p, const struct check *c)
{
	char text[400] = "";
	size_t n = 0;

	if (c->bill_line)
		n += (size_t)snprintf(text, sizeof(text), "line %" PRId64 " of %s", c->bill_line,
				      p->options->bill_path ? p->options->bill_path : "the bill");
	if (c->claim_line && n < sizeof(text))
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%sline %" PRId64 " of %s", n ? "; " : "",
				      c->claim_line, p->options->claims_path ? p->options->claims_path : "the claims");
	for (size_t i = 0; i < c->n_evidence && i < MAX_EVIDENCE && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%" PRId64,
				      i ? ", " :
				      n ? "; request " :
					  "request ",
				      c->evidence[i]);
	if (c->n_evidence > MAX_EVIDENCE && n < sizeof(text))
		snprintf(text + n, sizeof(text) - n, ", and %u more", c->n_evidence - MAX_EVIDENCE);
	if (text[0])
		put_fact(p, 4, "evidence", "%s", text);
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

const char *check__remedy(const struct check *c)
{
	if (c->verdict == VERDICT_INCONCLUSIVE && begins(c->id, "plausibility."))
		return "ask the vendor for what the finding misses, or record the server and verify the claim with "
		       "that";
	if (begins(c->id, "identity."))
		return c->verdict == VERDICT_REFUTED ? "ask the vendor for the file's SHA-256 and set it beside that "
						       "of record --digest-models" :
						       "record the server from before it loads its model, with "
						       "requests enough, and without losses";
	if (c->verdict == VERDICT_INCONCLUSIVE)
		return begins(c->id, "claim.") ?
			       "record for longer, with the traffic that the claim is about and with what the "
			       "finding misses" :
			       "`tokprof report -v` shows what is known of the request; record from before the "
			       "first to after the last one, and without losses";
	if (begins(c->id, "compute.floor"))
		return "ask the provider what computed the rest: no calibration changes this figure; it believes the "
		       "header of the "
		       "weight file";
	if (begins(c->id, "compute."))
		return "calibrate again and record again; where it stays, batches were reported that were not computed";
	if (begins(c->id, "bill."))
		return "ask for a corrected bill; both sides can repeat this from the recording";
	return "ask for the conditions under which the figure was obtained";
}

static void put_check(const struct page *p, const struct check *c)
{
	char subject[MAX_TEXT];
	const bool color = p->options->color;

	utf8__defuse(subject, sizeof(subject), c->subject, strlen(c->subject));
	fprintf(p->f, "  %s%s%s  %s\n", style__begin(styles[c->verdict], color), c->id,
		style__end(styles[c->verdict], color), subject);
	put_fact(p, 4, "finding", "%s", c->text);
	put_figures(p, c);
	put_fact(p, 4, "rule", "%s", c->rule);
	put_evidence(p, c);
	if (c->verdict != VERDICT_CONFIRMED)
		put_fact(p, 4, "remedy", "%s", check__remedy(c));
}

static void put_checks(const struct page *p, const char *title, enum verdict verdict)
{
	size_t shown = 0;

	if (p->v->n_by_verdict[verdict] == 0)
		return;
	put_heading(p, title);
	for (size_t i = 0; i < p->v->n && shown < MAX_SHOWN; i++) {
		if (p->v->checks[i].verdict != verdict)
			continue;
		if (shown++)
			putc('\n', p->f);
		put_check(p, &p->v->checks[i]);
	}
	if (p->v->n_by_verdict[verdict] > shown)
		fprintf(p->f, "\n  and %zu more: --format json has all\n", p->v->n_by_verdict[verdict] - shown);
}

/* ----------------------------------------------------------------------------------------------------------- together --- */

static int put_confirmed(const struct page *p)
{
	static const struct table_column columns[] = {
		{ "statement", COLUMN_TEXT, 0 },
		{ "confirmed", COLUMN_NUMBER, 0 },
		{ "measured", COLUMN_NUMBER, 0 },
		{ "self-reported", COLUMN_NUMBER, 0 },
	};
	struct table *t;

	if (p->v->n_by_verdict[VERDICT_CONFIRMED] == 0)
		return 0;
	put_heading(p, "Confirmed");
	t = table__new(p->f, columns, 4, p->options->columns, 2, p->options->color);
	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < p->v->n_tallies; i++) {
		const struct tally *tally = &p->v->tallies[i];

		table__cell(t, "%s", tally->id);
		table__cell(t, "%zu", tally->n);
		table__cell(t, "%zu", tally->n_measured);
		table__cell(t, "%zu", tally->n_self_reported);
		table__end_row(t);
	}
	return table__finish(t);
}

static void put_head(const struct page *p)
{
	const struct verification *v = p->v;
	const enum cell_style style = styles[v->verdict];
	const bool color = p->options->color;

	fprintf(p->f, "%s%s%s\n", style__begin(style, color), verdict_names[v->verdict], style__end(style, color));
	put_fact(p, 0, "statements", "%zu: %zu refuted, %zu inconclusive, %zu confirmed", v->n + v->n_dropped,
		 v->n_by_verdict[VERDICT_REFUTED], v->n_by_verdict[VERDICT_INCONCLUSIVE],
		 v->n_by_verdict[VERDICT_CONFIRMED]);
	if (p->options->path)
		put_fact(p, 0, "recording", "%s%s", p->options->path,
			 p->in->recording && !recording__complete(p->in->recording) ? " (INCOMPLETE)" : "");
	if (p->in->bill)
		put_fact(p, 0, "bill", "%s, %zu line%s", p->options->bill_path ? p->options->bill_path : "",
			 p->in->bill->n, plural((int64_t)p->in->bill->n));
	else if (p->in->recording)
		put_fact(p, 0, "bill", "the usage that the server sent with its answers");
	if (p->options->claims_path)
		put_fact(p, 0, "claims", "%s", p->options->claims_path);
}

static int write_text(FILE *f, const struct verification *v, const struct verify_input *in,
		      const struct verify_output_options *options)
{
	const struct page p = { f, v, in, options };
	int err;

	put_head(&p);
	put_checks(&p, "Refuted", VERDICT_REFUTED);
	put_checks(&p, "Inconclusive", VERDICT_INCONCLUSIVE);
	err = put_confirmed(&p);
	if (options->verbose)
		put_checks(&p, "Confirmed, one by one", VERDICT_CONFIRMED);
	if (v->n_notes)
		put_heading(&p, "Notes");
	for (size_t i = 0; i < v->n_notes; i++)
		put_fact(&p, 2, "note", "%s", v->notes[i].text);
	if (!err && options->scorecard)
		err = scorecard_text__put(f, options->scorecard, options);
	if (err)
		return err;
	return ferror(f) ? -EIO : 0;
}

extern const struct verify_output verify_output_text;
const struct verify_output verify_output_text = {
	.name = "text", .counts_confirmed = true, .write = write_text, .compare = scorecard_text__compare
};
