/* SPDX-License-Identifier: Apache-2.0 */
/* Scorecards as bytes; what the formats of verdicts (output/verify.h) put there of them. */
#ifndef TOKPROF_OUTPUT_SCORECARD_H
#define TOKPROF_OUTPUT_SCORECARD_H

#include <stdio.h>

#include "output/figure.h"
#include "output/json_writer.h"
#include "output/verify.h"

#define INTERVALS                                                                                                      \
	"Intervals are of 95 %, each of its figure alone, by batch means (means, rates) and block bootstrap over "     \
	"requests (percentiles, parts), and of the traffic of its recording: one recording is one sample of the "      \
	"service. Counts, extremes and totals have none."

/* All digits, as JSON has it; "" where it is not known. */
struct figure scorecard__exact(const struct scorecard_metric *m, const struct scorecard_figure *f);
/* As people read it, its unit included where that is one of time, bytes or energy; "-", never 0, where it is not known. */
struct figure scorecard__text(const struct scorecard_metric *m, const struct scorecard_figure *f);
/* "1.2 ms to 1.4 ms"; "- to 1.4 ms" where an end is missing; "" where there is none. */
struct figure scorecard__interval(const struct scorecard_metric *m, const struct scorecard_figure *f);
/* An end of it, all digits; "". */
struct figure scorecard__exact_end(const struct scorecard_metric *m, int64_t end);
/* The unit beside scorecard__text(); "" where that has it. */
const char *scorecard__unit(const struct scorecard_metric *m, const struct scorecard_figure *f);
/* "+5.70 %", or the change itself where there is no percentage, with a * where it is more than chance; "-". */
struct figure scorecard__change(const struct scorecard *from, const struct scorecard *to, size_t metric);
/* "22", "22 of 24" */
struct figure scorecard__made_of(const struct scorecard_figure *f);

/* @return 0, -ENOMEM */
int scorecard_text__put(FILE *f, const struct scorecard *s, const struct verify_output_options *options);
int scorecard_text__compare(FILE *f, const struct scorecard *cards, size_t n,
			    const struct verify_output_options *options);

/* An object. */
void scorecard_json__put(struct json_writer *w, const struct scorecard *s);
int scorecard_json__compare(FILE *f, const struct scorecard *cards, size_t n,
			    const struct verify_output_options *options);

/* A section of the page. */
void scorecard_html__put(FILE *f, const struct scorecard *s);
int scorecard_html__compare(FILE *f, const struct scorecard *cards, size_t n,
			    const struct verify_output_options *options);

#endif
