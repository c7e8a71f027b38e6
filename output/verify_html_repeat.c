/* SPDX-License-Identifier: Apache-2.0 */
/* How another party gets the same verdict, and what the words of the report mean. */
#include <string.h>

#include "output/verify_html.h"
#include "userspace/version.h"

/* As a shell reads it back: plain words as they are, everything else in single quotes. */
static void put_argument(FILE *f, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:,+@%";

	if (text[0] && strspn(text, plain) == strlen(text)) {
		html__text(f, text);
		return;
	}
	html__text(f, "'");
	while (*text) {
		const size_t n = strcspn(text, "'");

		html__bytes(f, text, n);
		text += n;
		if (*text == '\'') {
			html__text(f, "'\\''");
			text++;
		}
	}
	html__text(f, "'");
}

void verify_html__repeat(const struct verify_page *p)
{
	const struct verify_output_options *o = p->options;
	FILE *f = p->f;

	verify_html__section(f, "repeat", "How to repeat this");
	fputs("<p>It is made of the files below and of nothing else. Whoever has them, whatever the machine, gets the "
	      "same "
	      "bytes from the same version of tokprof, without root and without a network.</p>\n"
	      "<table class=\"files\">\n<thead><tr><th scope=\"col\">file</th><th scope=\"col\">name</th>"
	      "<th scope=\"col\">SHA-256</th></tr></thead>\n<tbody>\n",
	      f);
	for (size_t i = 0; i < o->n_files; i++) {
		const struct verify_file *file = &o->files[i];

		fprintf(f, "<tr><th scope=\"row\">%s</th><td>", file->role);
		html__foreign(f, file->path);
		fputs("</td><td><code>", f);
		html__text(f, file->digest[0] ? file->digest : file->why);
		fputs("</code></td></tr>\n", f);
	}
	fputs("</tbody>\n</table>\n<p>Compare the digests with <code>sha256sum</code>, then run tokprof ", f);
	html__text(f, TOKPROF_VERSION);
	fputs(":</p>\n<pre id=\"command\">tokprof", f);
	for (int i = 0; i < o->n_arguments; i++) {
		putc(' ', f);
		put_argument(f, o->arguments[i]);
	}
	fputs("</pre>\n</section>\n", f);
}

void verify_html__glossary(const struct verify_page *p)
{
	static const struct {
		const char *word, *meaning;
	} words[] = {
		{ "CONFIRMED", "The figure is the recorded one, or the rule holds over all of its interval." },
		{ "REFUTED", "It is not so, and nothing that is missing in the recording could make it so." },
		{ "INCONCLUSIVE", "Something is missing, and the finding says what. Nobody is accused by it." },
		{ "measured",
		  "Counted or timed by the kernel or a device of the recorded host. The server cannot make it up." },
		{ "derived", "Calculated by a model from measured figures, with an interval." },
		{ "self_reported",
		  "The server's own word: read out of its memory or its messages, and no measured compute "
		  "backs it." },
		{ "unavailable", "Not known here. It is never shown as 0." },
		{ "claimed", "What the bill or the claim says." },
		{ "interval",
		  "What the figure lies within: exact for a count, else with the confidence that the finding or the "
		  "rule names." },
		{ "evidence",
		  "Lines of the bill or the claims, and ids of requests in the recording: tokprof report shows "
		  "them." },
	};
	FILE *f = p->f;

	verify_html__section(f, "glossary", "What the words mean");
	fputs("<dl>\n", f);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		fprintf(f, "<dt>%s</dt><dd>", words[i].word);
		html__text(f, words[i].meaning);
		fputs("</dd>\n", f);
	}
	fputs("</dl>\n<p>The verdict binds two parties of which the one that recorded controls the kernel and the "
	      "tokprof "
	      "binary of the recorded host, and the server is not trusted. Who has root over that kernel can forge a "
	      "recording.</p>\n</section>\n",
	      f);
}
