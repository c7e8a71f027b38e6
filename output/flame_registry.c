/* SPDX-License-Identifier: Apache-2.0 */
/* The formats of flame graphs. A new one is one file in this folder and two lines here. */
#include "output/flame.h"

#include <stddef.h>

extern const struct flame_output flame_output_svg;
extern const struct flame_output flame_output_html;
extern const struct flame_output flame_output_folded;
extern const struct flame_output flame_output_pprof;
extern const struct flame_output flame_output_speedscope;
extern const struct flame_output flame_output_perfetto;
extern const struct flame_output flame_output_json;

const struct flame_output *const flame_outputs[] = {
	&flame_output_svg,	  &flame_output_html,	  &flame_output_folded, &flame_output_pprof,
	&flame_output_speedscope, &flame_output_perfetto, &flame_output_json,	NULL,
};
