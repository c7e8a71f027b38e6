/* SPDX-License-Identifier: Apache-2.0 */
/* The sections of the HTML report; verify_html.c puts them in order. */
#ifndef TOKPROF_VERIFY_HTML_H
#define TOKPROF_VERIFY_HTML_H

#include "output/html.h"
#include "output/verify.h"

struct verify_page {
	FILE *f;
	const struct verification *v;
	const struct verify_input *in;
	const struct verify_output_options *options;
};

/* The overview by kind of statement, then every kind's statements, of many the first. @return 0, -ENOMEM */
int verify_html__checks(const struct verify_page *p);
/* Digests, command, and what the words mean. */
void verify_html__repeat(const struct verify_page *p);
void verify_html__glossary(const struct verify_page *p);

/* All up to the first section, and what closes the page. @return 0, -ENOMEM, -ENOENT */
int verify_html__begin(const struct verify_page *p, const char *title);
int verify_html__end(const struct verify_page *p);
/* "<section id=ID><h2>TITLE</h2>"; the caller closes it. */
void verify_html__section(FILE *f, const char *id, const char *title);
/* A row of a table of facts: its name, and what it is, which is another's text. "" and NULL: no row. */
void verify_html__fact(FILE *f, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
