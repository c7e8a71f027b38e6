/* SPDX-License-Identifier: Apache-2.0 */
#include "output/verify.h"

extern const struct verify_output verify_output_text;
extern const struct verify_output verify_output_json;
extern const struct verify_output verify_output_html;

const struct verify_output *const verify_outputs[] = { &verify_output_text, &verify_output_json, &verify_output_html,
						       NULL };
