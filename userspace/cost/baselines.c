/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/cost/baselines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/cost/features.h"
#include "userspace/cost/owners.h"

static double sum_tokens(const struct cost_row *rows, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += rows[i].n_tokens;
	return sum;
}

static double row__context(const struct cost_row *row)
{
	return (double)row->context + row->n_tokens;
}

/* shares[i] += the row's part of `amount`, requests being alike and rows inside one sharing by tokens. */
static int add_by_request(double amount, const struct cost_row *rows, size_t n, double *shares)
{
	struct owned *order = array__zeroed(n, sizeof(*order));
	uint32_t *of = array__zeroed(n, sizeof(*of));
	double *tokens = array__zeroed(n, sizeof(*tokens));
	int err = order && of && tokens ? 0 : -ENOMEM;

	if (!err) {
		const double n_owners = (double)owners__number(rows, n, order, of);

		for (size_t i = 0; i < n; i++)
			tokens[of[i]] += rows[i].n_tokens;
		for (size_t i = 0; i < n; i++)
			shares[i] += amount / n_owners * (rows[i].n_tokens / tokens[of[i]]);
	}
	free(tokens);
	free(of);
	free(order);
	return err;
}

/* shares[i] += the row's part of `amount` by the convention. */
static int add_fixed(double amount, const struct cost_row *rows, size_t n, enum fixed_by fixed_by, double *shares)
{
	double tokens;

	if (fixed_by == FIXED_BY_REQUEST && n > 1)
		return add_by_request(amount, rows, n, shares);
	tokens = sum_tokens(rows, n);
	for (size_t i = 0; i < n; i++)
		shares[i] += fixed_by == FIXED_BY_TOKEN ? amount * (rows[i].n_tokens / tokens) : amount / (double)n;
	return 0;
}

/* ------------------------------------------------------------------------------------- by facts of the model alone --- */

int baseline__flop(const struct model_facts *facts, const struct cost_row *rows, size_t n, double *weights)
{
	if (!(facts->active_params > 0 && facts->n_layers > 0 && facts->d_attn > 0))
		return -ENODATA;
	/* Two operations per parameter; two products of keys and values with each pair, two operations each. */
	for (size_t i = 0; i < n; i++)
		weights[i] = 2 * facts->active_params * rows[i].n_tokens +
			     4 * facts->n_layers * facts->d_attn * row__pairs(&rows[i]);
	return 0;
}

int baseline__bytes(const struct model_facts *facts, const struct cost_row *rows, size_t n, enum fixed_by fixed_by,
		    double *weights)
{
	if (!(facts->active_weight_bytes > 0 && facts->kv_bytes_per_token > 0))
		return -ENODATA;
	for (size_t i = 0; i < n; i++)
		weights[i] = facts->kv_bytes_per_token * row__context(&rows[i]);
	return add_fixed(facts->active_weight_bytes, rows, n, fixed_by, weights);
}

/* ------------------------------------------------------------------------------------------------------- affine --- */

static double affine__own(const struct affine_fit *fit, const struct cost_row *row)
{
	return fit->token * row->n_tokens + fit->context * row__context(row) + fit->pair * row__pairs(row);
}

double affine__predict(const struct affine_fit *fit, const struct cost_row *rows, size_t n)
{
	double sum = n ? fit->fixed : 0;

	for (size_t i = 0; i < n; i++)
		sum += affine__own(fit, &rows[i]);
	return sum;
}

int affine__share(const struct affine_fit *fit, const struct cost_row *rows, size_t n, enum fixed_by fixed_by,
		  double *shares)
{
	for (size_t i = 0; i < n; i++)
		shares[i] = affine__own(fit, &rows[i]);
	return add_fixed(fit->fixed, rows, n, fixed_by, shares);
}

/* ----------------------------------------------------------------------------------------------------- roofline --- */

static double roofline__bytes(const struct roofline_fit *fit, const struct cost_row *row)
{
	return fit->context * row__context(row);
}

static double roofline__arithmetic(const struct roofline_fit *fit, const struct cost_row *row)
{
	return fit->token * row->n_tokens + fit->pair * row__pairs(row);
}

double roofline__predict(const struct roofline_fit *fit, const struct cost_row *rows, size_t n)
{
	double bytes = fit->weights, arithmetic = 0;

	for (size_t i = 0; i < n; i++) {
		bytes += roofline__bytes(fit, &rows[i]);
		arithmetic += roofline__arithmetic(fit, &rows[i]);
	}
	return n ? fit->fixed + (bytes > arithmetic ? bytes : arithmetic) : 0;
}

int roofline__share(const struct roofline_fit *fit, const struct cost_row *rows, size_t n, enum fixed_by fixed_by,
		    double *shares)
{
	double d = 0, t;

	for (size_t i = 0; i < n; i++)
		d += roofline__arithmetic(fit, &rows[i]) - roofline__bytes(fit, &rows[i]);
	t = d <= fit->weights ? 1 : fit->weights / d;
	for (size_t i = 0; i < n; i++)
		shares[i] = t * roofline__bytes(fit, &rows[i]) + (1 - t) * roofline__arithmetic(fit, &rows[i]);
	return add_fixed(fit->fixed + fit->weights, rows, n, fixed_by, shares);
}
