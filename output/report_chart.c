/* SPDX-License-Identifier: Apache-2.0 */
#include "output/report_chart.h"

#include "output/html.h"

#define X_LABELS 10
#define Y_LABELS 4

double chart__x(const struct chart *c, double value)
{
	return c->left + value / (double)c->x_most * c->width;
}

double chart__y(const struct chart *c, double value)
{
	return c->top + c->height - value / (double)c->y_most * c->height;
}

int64_t chart__round(int64_t most, int n)
{
	static const int64_t mantissas[] = { 1, 2, 5 };
	const int64_t least = most / n + (most % n != 0);
	int64_t power = 1;

	for (;; power *= 10)
		for (int i = 0; i < 3; i++)
			if (power >= INT64_MAX / 100 || power * mantissas[i] >= least)
				return power * mantissas[i];
}

/* A label left out where it would stand on the next one's place is no loss: the line is there. */
void chart__x_axis(FILE *f, const struct chart *c, struct figure (*label)(int64_t))
{
	const int64_t step = chart__round(c->x_most, X_LABELS);

	fputs("<g class=\"axis\">", f);
	for (int64_t at = 0; at <= c->x_most; at += step) {
		const double x = chart__x(c, (double)at);

		fprintf(f, "<path d=\"M%.1f %.0fv%.0f\"/><text class=\"m\" x=\"%.1f\" y=\"%.0f\">", x, c->top,
			c->height + 4, x, c->top + c->height + 17);
		html__text(f, label(at).s);
		fputs("</text>", f);
	}
	fputs("</g>\n", f);
}

void chart__y_axis(FILE *f, const struct chart *c, struct figure (*label)(int64_t))
{
	const int64_t step = chart__round(c->y_most, Y_LABELS);

	fputs("<g class=\"axis\">", f);
	for (int64_t at = 0; at <= c->y_most; at += step) {
		const double y = chart__y(c, (double)at);

		fprintf(f, "<path d=\"M%.0f %.1fh%.0f\"/><text class=\"e\" x=\"%.0f\" y=\"%.1f\">", c->left - 4, y,
			c->width + 4, c->left - 8, y + 4);
		html__text(f, label(at).s);
		fputs("</text>", f);
	}
	fputs("</g>\n", f);
}
