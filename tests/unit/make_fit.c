/* SPDX-License-Identifier: Apache-2.0 */
#include "make_fit.h"

#include <string.h>

#include "make_server.h"

static void put_defaults(struct made_fit *out, const char *role, int resource)
{
	memset(out, 0, sizeof(*out));
	out->fit.cost.role = role;
	out->fit.cost.resource = resource;
	out->fit.cost.sigma = 0.02;
	out->fit.cost.model_error = 0.01;
	out->fit.cost.median_residual = 0.0135;
	out->fit.cost.condition = 10;
	out->fit.cost.n_steps = 300;
	out->fit.cost.n_held_out = 150;
	out->fit.cost.identified = true;
	out->fit.cost.n_draws = MADE_DRAWS;
	out->fit.cost.draws = out->draws;
	out->fit.key.n_threads = ABSENT;
	out->fit.waited = 0.01;
	out->fit.range = (struct fit_range){ 0, 4000, 1, 8, 1, 512 };
	out->fit.origin = FIT_ORIGIN_RECORDING;
	out->fit.has_affine = out->fit.has_roofline = true;
	for (size_t t = 0; t < COST_TERMS; t++)
		out->fit.cost.merged_with[t] = -1;
}

static void draw(struct made_fit *out, uint64_t *random, uint64_t thousandths)
{
	for (size_t i = 0; i < (size_t)MADE_DRAWS * COST_TERMS; i++)
		out->draws[i] = out->fit.cost.value[i % COST_TERMS] *
				(1 + ((double)random_below(random, 2 * thousandths) - (double)thousandths) / 1000);
}

void make_fit(struct made_fit *out, const char *role, int resource)
{
	double *value = out->fit.cost.value;
	uint64_t random = 7;

	put_defaults(out, role, resource);
	for (size_t i = 0; i < COST_KNOTS; i++)
		value[i] = 4e6 + 1e5 * cost_knots[i];
	value[3] += 1e6;
	value[COST_TERM_ROW] = 10e3;
	value[COST_TERM_CONTEXT] = 200;
	value[COST_TERM_ATTENTION] = 1;
	value[COST_TERM_OUTPUT] = 50e3;
	out->fit.affine = (struct affine_fit){ 4e6, 1.6e5, 200, 1, 0.03 };
	out->fit.roofline = (struct roofline_fit){ 1e6, 3e6, 200, 1.6e5, 1, 0.03 };
	draw(out, &random, 10);
}

void make_random_fit(struct made_fit *out, const char *role, int resource, uint64_t *random)
{
	put_defaults(out, role, resource);
	for (size_t t = 0; t < COST_TERMS; t++) {
		double scale = (double)random_below(random, 1000);

		for (uint64_t k = random_below(random, 8); k > 0; k--)
			scale *= 10;
		out->fit.cost.value[t] = random_below(random, 4) ? scale : 0;
	}
	out->fit.affine =
		(struct affine_fit){ (double)random_below(random, 9999999), (double)random_below(random, 99999),
				     (double)random_below(random, 999), 0, 0.1 };
	out->fit.roofline = (struct roofline_fit){
		(double)random_below(random, 9999999), (double)random_below(random, 9999999),
		(double)random_below(random, 999),     (double)random_below(random, 99999),
		(double)random_below(random, 9),       0.1,
	};
	out->fit.cost.identified = random_below(random, 5) > 0;
	out->fit.cost.sigma = (double)random_below(random, 100) / 100;
	out->fit.cost.median_residual = out->fit.cost.sigma * 0.6745;
	draw(out, random, 500);
}
