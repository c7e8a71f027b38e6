/* SPDX-License-Identifier: Apache-2.0 */
/* The formats of a report. A new one is one file in this folder and two lines here. */
#include "output/output.h"

#include <stddef.h>
#include <string.h>

extern const struct output output_text;
extern const struct output output_json;
extern const struct output output_csv;
extern const struct output output_html;

const struct output *const outputs[] = {
	&output_text, &output_json, &output_csv, &output_html, NULL,
};

const struct output *output__find(const char *name)
{
	for (int i = 0; outputs[i]; i++)
		if (strcmp(outputs[i]->name, name) == 0)
			return outputs[i];
	return NULL;
}
