/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verdicts as one HTML file that an auditor can attach to a letter: nothing is fetched, nothing depends on when or where it was
 * written. Without its script all that is there is shown.
 */
#include "output/verify_html.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "output/figure.h"
#include "output/scorecard.h"
#include "userspace/analysis/facts.h"
#include "userspace/version.h"

#define STYLE "verify.css"
#define SCRIPT "verify.js"
#define MAX_FACT 1024
#define MAX_NOTE_EVIDENCE 20

void verify_html__section(FILE *f, const char *id, const char *title)
{
	fprintf(f, "<section id=\"%s\">\n<h2>%s</h2>\n", id, title);
}

void verify_html__fact(FILE *f, const char *name, const char *format, ...)
{
	char text[MAX_FACT];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!text[0])
		return;
	fprintf(f, "<tr><th scope=\"row\">%s</th><td>", name);
	html__foreign(f, text);
	fputs("</td></tr>\n", f);
}

/* -------------------------------------------------------------------------------------------------------------- header --- */

static const char *meaning_of(const struct verification *v, bool measured)
{
	switch (v->verdict) {
	case VERDICT_CONFIRMED:
		return measured ? "Every statement that was asked about agrees with what was recorded." :
				  "Every statement that was asked about holds by arithmetic. Nothing was measured.";
	case VERDICT_REFUTED:
		return measured ? "At least one statement is not so, and nothing that is missing in the recording "
				  "could make "
				  "it so." :
				  "At least one statement is not so by arithmetic, whichever way it is read.";
	default:
		return v->n ? "Nothing is refuted, and not everything is confirmed: something is missing, and each "
			      "statement says what." :
			      "Nothing was stated that could be checked. That is no confirmation.";
	}
}

int verify_html__begin(const struct verify_page *p, const char *title)
{
	FILE *f = p->f;
	int err;

	fprintf(f, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>%s: ", title);
	for (size_t i = 0; i < p->options->n_files; i++) {
		fputs(i ? ", " : "", f);
		html__text(f, p->options->files[i].path);
	}
	fputs("</title>\n", f);
	err = html__policy(f, (const char *const[]){ STYLE, NULL }, (const char *const[]){ SCRIPT, NULL });
	fputs("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	      "<meta name=\"generator\" content=\"tokprof ",
	      f);
	html__text(f, TOKPROF_VERSION);
	fputs("\">\n", f);
	if (!err)
		err = html__embed(f, "style", STYLE);
	fputs("</head>\n<body>\n", f);
	return err;
}

int verify_html__end(const struct verify_page *p)
{
	const int err = html__embed(p->f, "script", SCRIPT);

	fputs("</body>\n</html>\n", p->f);
	return err;
}

static void put_verdict(const struct verify_page *p)
{
	static const enum verdict worst_first[] = { VERDICT_REFUTED, VERDICT_INCONCLUSIVE, VERDICT_CONFIRMED };
	const struct verification *v = p->v;
	FILE *f = p->f;

	fprintf(f,
		"<header id=\"verdict\">\n<p class=\"tool\">tokprof verify</p>\n<h1 class=\"%s\">%s</h1>\n<p>%s</p>\n",
		verdict_names[v->verdict], verdict_names[v->verdict], meaning_of(v, p->in->recording));
	fprintf(f, "<dl class=\"counts\">\n<div><dt>statements</dt><dd>%zu</dd></div>\n", v->n);
	for (size_t i = 0; i < 3; i++)
		fprintf(f, "<div class=\"%s\"><dt>%s</dt><dd>%zu</dd></div>\n", verdict_names[worst_first[i]],
			verdict_names[worst_first[i]], v->n_by_verdict[worst_first[i]]);
	fputs("</dl>\n</header>\n", f);
}

/* ---------------------------------------------------------------------------------------------------------------- asked --- */

static void put_asked(const struct verify_page *p)
{
	const struct verify_input *in = p->in;
	FILE *f = p->f;

	verify_html__section(f, "asked", "What was asked");
	fputs("<table class=\"facts\">\n", f);
	if (in->bill)
		verify_html__fact(f, "bill", "%s, %zu line%s", p->options->bill_path ? p->options->bill_path : "a file",
				  in->bill->n, plural((int64_t)in->bill->n));
	else if (in->recording)
		verify_html__fact(f, "bill", "the usage that the server sent with its answers: no bill was given");
	if (in->window_begin_unix_ns != ABSENT)
		verify_html__fact(f, "it covers", "%s to %s, that moment left out",
				  figure__moment(in->window_begin_unix_ns).s, figure__moment(in->window_end_unix_ns).s);
	else if (in->bill)
		verify_html__fact(f, "it covers", "what its lines say; those without a time exactly the recording");
	if (in->claims)
		verify_html__fact(f, "claims", "%s: %zu claim%s, %zu price list%s%s",
				  p->options->claims_path ? p->options->claims_path : "a file", in->claims->n,
				  plural((int64_t)in->claims->n), in->claims->n_tariffs,
				  plural((int64_t)in->claims->n_tariffs),
				  in->claims->sheet ? ", tables of published figures" : "");
	if (in->claims && !in->recording)
		verify_html__fact(f, "by", "arithmetic alone: there is no recording, so nothing was measured");
	fputs("</table>\n</section>\n", f);
}

/* ------------------------------------------------------------------------------------------------------------ recording --- */

struct losses {
	char text[MAX_FACT];
	size_t used;
};

static void add_loss(void *ctx, const char *collector, int64_t n)
{
	struct losses *l = ctx;

	if (l->used < sizeof(l->text))
		l->used += (size_t)snprintf(l->text + l->used, sizeof(l->text) - l->used, "%s%s %" PRId64,
					    l->used ? ", " : "", collector, n);
}

static void put_server(FILE *f, const struct recording *r)
{
	const struct row_engine *engine = recording__engine(r);

	if (engine)
		verify_html__fact(f, "engine", "%s %s", engine->name ? engine->name : "unknown",
				  engine->version ? engine->version : "of unknown version");
	for (size_t i = 0; i < r->n_models; i++) {
		const struct row_model *m = &r->models[i];

		verify_html__fact(f, "model file", "%s%s%s%s%s",
				  m->path ? m->path :
				  m->name ? m->name :
					    "unknown",
				  m->quantization ? ", " : "", m->quantization ? m->quantization : "",
				  m->digest ? ", digest of its header and size " : "", m->digest ? m->digest : "");
	}
}

static void put_recording(const struct verify_page *p)
{
	static const struct {
		const char *name, *key;
	} metas[] = {
		{ "id", "id" },
		{ "host", "host" },
		{ "kernel", "kernel" },
		{ "processor", "cpu_model" },
		{ "recorded by", "tokprof_version" },
		{ "ended because", "end_reason" },
	};
	const struct recording *r = p->in->recording;
	struct losses losses = { "", 0 };
	FILE *f = p->f;
	uint64_t duration;

	if (!r)
		return;
	duration = recording__end_ns(r) - recording__start_ns(r);
	verify_html__section(f, "recording", "The recording");
	fputs("<table class=\"facts\">\n", f);
	verify_html__fact(f, "file", "%s", p->options->path ? p->options->path : "");
	for (size_t i = 0; i < p->options->n_files; i++)
		if (p->options->files[i].digest[0] && strcmp(p->options->files[i].role, "recording") == 0)
			verify_html__fact(f, "SHA-256", "%s", p->options->files[i].digest);
	for (size_t i = 0; i < sizeof(metas) / sizeof(metas[0]); i++) {
		const char *value = recording__meta(r, metas[i].key);

		verify_html__fact(f, metas[i].name, "%s%s", value && i == 4 ? "tokprof " : "", value ? value : "");
	}
	verify_html__fact(f, "from", "%s", figure__moment(recording__start_unix_ns(r)).s);
	if (recording__start_unix_ns(r) != ABSENT)
		verify_html__fact(f, "to", "%s (%s)", figure__moment(recording__start_unix_ns(r) + (int64_t)duration).s,
				  figure__time((int64_t)duration).s);
	verify_html__fact(f, "complete", "%s",
			  recording__complete(r) ? "yes" : "no: its recorder did not end in good order");
	recording__each_loss(r, add_loss, &losses);
	verify_html__fact(f, "records lost", "%s", losses.text);
	put_server(f, r);
	fputs("</table>\n</section>\n", f);
}

/* ---------------------------------------------------------------------------------------------------------------- notes --- */

static void put_notes(const struct verify_page *p)
{
	FILE *f = p->f;

	if (p->v->n_notes == 0)
		return;
	verify_html__section(f, "notes", "Notes");
	fputs("<p>Findings that nobody asked a verdict of. They change no verdict and accuse nobody: each says what "
	      "else "
	      "could have "
	      "made it so.</p>\n",
	      f);
	for (size_t i = 0; i < p->v->n_notes; i++) {
		const struct note *note = &p->v->notes[i];

		fputs("<div class=\"note\"><h3>", f);
		html__text(f, note->id);
		fputs("</h3><p>", f);
		html__foreign(f, note->text);
		fputs("</p>", f);
		if (note->n_evidence)
			fputs("<p class=\"evidence\">requests", f);
		for (uint32_t k = 0; k < note->n_evidence && k < MAX_NOTE_EVIDENCE; k++)
			fprintf(f, "%s %" PRId64, k ? "," : "", note->evidence[k]);
		if (note->n_evidence > MAX_NOTE_EVIDENCE)
			fprintf(f, ", and %u more: --format json has all", note->n_evidence - MAX_NOTE_EVIDENCE);
		fputs(note->n_evidence ? "</p></div>\n" : "</div>\n", f);
	}
	fputs("</section>\n", f);
}

static int write_html(FILE *f, const struct verification *v, const struct verify_input *in,
		      const struct verify_output_options *options)
{
	const struct verify_page p = { f, v, in, options };
	int err = verify_html__begin(&p, verdict_names[v->verdict]);

	put_verdict(&p);
	put_asked(&p);
	put_recording(&p);
	if (!err)
		err = verify_html__checks(&p);
	if (options->scorecard)
		scorecard_html__put(f, options->scorecard);
	put_notes(&p);
	verify_html__repeat(&p);
	verify_html__glossary(&p);
	if (!err)
		err = verify_html__end(&p);
	if (err)
		return err;
	return ferror(f) ? -EIO : 0;
}

extern const struct verify_output verify_output_html;
const struct verify_output verify_output_html = {
	.name = "html", .names_files = true, .write = write_html, .compare = scorecard_html__compare
};
