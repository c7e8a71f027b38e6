/* SPDX-License-Identifier: Apache-2.0 */
/* What can be said of the rows of published tables without measuring anything: rates, latencies and sizes. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/verify/plausibility.h"

#define figure plausibility__figure
#define add plausibility__row

#define BILLION 1e9

/* --- accelerators: throughput and latency ------------------------------------------------------------------------------ */

/*
 * Little's law: what is in flight is throughput x time. Of tokens of one stream, which come one after the other, never
 * less than one is under way at full load.
 */
static int check_streams(struct verification *v, const struct sheet_accelerator *row)
{
	const struct sheet_figure *rate = &row->throughput_tokens_per_s, *time = &row->latency_ms_per_token;
	const double low = (rate->low - rate->step / 2) * (time->low - time->step / 2) / 1000;
	const double high = (rate->low + rate->step / 2) * (time->low + time->step / 2) / 1000;
	const double alone = 1000 / time->low;
	struct check *c = add(v, "plausibility.throughput_latency", row->line, "accelerators", row->device);

	if (!c)
		return -ENOMEM;
	c->measured = verification__text(v, "%.3f", rate->low * time->low / 1000);
	c->low = verification__text(v, "%.3f", low);
	c->high = verification__text(v, "%.3f", high);
	c->unit = "streams";
	c->rule = "throughput x latency per token = streams in flight, at full load not less than 1";
	if (high < 1) {
		c->verdict = VERDICT_REFUTED;
		c->text = verification__text(
			v,
			"a single stream with %s ms a token gives %s tokens/s, more than the throughput of %s: "
			"the two figures contradict each other, unless they were measured under different loads",
			time->text, figure(v, alone), rate->text);
	} else if (low <= 1) {
		c->verdict = VERDICT_CONFIRMED;
		c->text = verification__text(
			v,
			"the two figures agree and are one figure: %s ms is 1000 / %s within the rounding; so either "
			"this is "
			"the rate of a single stream, or the latency is no user's but the reciprocal of the throughput",
			time->text, rate->text);
	} else {
		c->text = verification__text(
			v, "possible with about %s streams in flight; the sheet does not say how many there were",
			figure(v, rate->low * time->low / 1000));
	}
	return 0;
}

/* How many bytes of weights a device can read for each token of a single stream. */
static int check_weights_per_token(struct verification *v, const struct sheet *s, const struct sheet_accelerator *row)
{
	const double rate = row->throughput_tokens_per_s.low, reference = s->reference_params_b.low;
	struct check *c = add(v, "plausibility.bytes_per_token", row->line, "accelerators", row->device);
	struct device d;
	double bytes;

	if (!c)
		return -ENOMEM;
	c->unit = "GB";
	c->rule = "a stream reads all active weights for each token: weights <= memory bandwidth / tokens per second";
	if (devices__find(&d, row->device) || isnan(d.bytes_per_s)) {
		c->text = verification__text(v, "no bound: tokprof knows no memory bandwidth of '%s'", row->device);
		return 0;
	}
	bytes = d.bytes_per_s / rate / BILLION;
	c->high = verification__text(v, "%.2f", bytes);
	if (s->reference_params_b.text)
		c->text = verification__text(
			v,
			"at %s tokens/s as one stream without drafts, a device with %s GB/s reads at most %.2f GB of "
			"weights a token: "
			"%s billion "
			"parameters at 16 bits, %s at 4. The row names no model; the sheet's reference model of %s "
			"billion has "
			"%s GB at 16 bits and %s GB at 4%s",
			row->throughput_tokens_per_s.text, figure(v, d.bytes_per_s / BILLION), bytes,
			figure(v, bytes / 2), figure(v, bytes * 2), s->reference_params_b.text,
			figure(v, reference * 2), figure(v, reference / 2),
			reference / 2 > bytes ? ", so the row is not that model as a single stream" : "");
	else
		c->text = verification__text(
			v,
			"at %s tokens/s as one stream without drafts, a device with %s GB/s reads at most %.2f GB of "
			"weights a token: "
			"%s billion "
			"parameters at 16 bits, %s at 4. The row names no model, precision or number of streams",
			row->throughput_tokens_per_s.text, figure(v, d.bytes_per_s / BILLION), bytes,
			figure(v, bytes / 2), figure(v, bytes * 2));
	return 0;
}

/* What an abstraction costs is the same device with and without it. */
static int check_penalty(struct verification *v, const struct sheet *s)
{
	const struct sheet_figure *claimed = &s->abstraction_penalty_pct;
	double low = INFINITY, high = -INFINITY, same_low = INFINITY, same_high = -INFINITY;
	const char *pairs = "";
	struct check *c;

	for (size_t i = 0; i < s->n_accelerators; i++) {
		const struct sheet_accelerator *with = &s->accelerators[i];

		for (size_t k = 0; k < s->n_accelerators && plausibility__mentions(with->stack, "abstract"); k++) {
			const struct sheet_accelerator *without = &s->accelerators[k];
			double penalty;

			if (plausibility__mentions(without->stack, "abstract") || !with->throughput_tokens_per_s.text ||
			    !without->throughput_tokens_per_s.text)
				continue;
			penalty = 100 * (1 - with->throughput_tokens_per_s.low / without->throughput_tokens_per_s.low);
			low = fmin(low, penalty);
			high = fmax(high, penalty);
			if (strcmp(with->device, without->device) == 0) {
				same_low = fmin(same_low, penalty);
				same_high = fmax(same_high, penalty);
			}
			pairs = verification__text(v, "%s%s%s/%s is %.1f %% less", pairs ? pairs : "",
						   pairs && *pairs ? ", " : "", with->throughput_tokens_per_s.text,
						   without->throughput_tokens_per_s.text, penalty);
		}
	}
	c = add(v, "plausibility.abstraction_penalty", s->penalty_line, "abstraction_penalty_pct_claimed", NULL);
	if (!c)
		return -ENOMEM;
	c->claimed = plausibility__copy(v, claimed->text);
	c->unit = "%";
	c->rule = "penalty = 1 - throughput with the abstraction / throughput without it, on the same device";
	if (low > high) {
		c->text = "no rows with and without an abstraction to compare";
		return 0;
	}
	c->low = verification__text(v, "%.1f", low);
	c->high = verification__text(v, "%.1f", high);
	if (same_low > same_high) {
		c->text = verification__text(v,
					     "%s; no two of these rows have the same device, so none of them is what "
					     "an abstraction costs, and the claim "
					     "fits only the choice of row that it is compared with",
					     pairs);
		return 0;
	}
	c->low = verification__text(v, "%.1f", same_low);
	c->high = c->measured = verification__text(v, "%.1f", same_high);
	c->verdict = same_low > claimed->high + claimed->step / 2 || same_high < claimed->low - claimed->step / 2 ?
			     VERDICT_REFUTED :
			     VERDICT_CONFIRMED;
	c->text = verification__text(v, "on the same device: %s to %s %% (%s)", c->low, c->high, pairs);
	return 0;
}

/* --- models on a device ------------------------------------------------------------------------------------------------ */

static int check_memory(struct verification *v, const struct sheet_model *row, const struct device *d)
{
	const double params = row->params_b.low * BILLION;
	struct check *c = add(v, "plausibility.memory", row->line, row->device, row->model);
	const char *smallest = "";
	double fewest;

	if (!c)
		return -ENOMEM;
	fewest = precision__fewest_bits(&smallest);
	c->measured = figure(v, params * 2 / BILLION);
	c->low = figure(v, params * fewest / 8 / BILLION);
	c->high = c->measured;
	c->unit = "GB of weights";
	c->rule = "weights fit the memory of one device (the largest variant, its GB taken as 2^30 bytes), in some "
		  "number format";
	if (params * fewest / 8 > d->memory_bytes) {
		c->verdict = VERDICT_REFUTED;
		c->text = verification__text(v,
					     "%s billion parameters are not on one device: %s GB at 16 bits, and even "
					     "in the smallest format "
					     "there is (%s, %.4g bits) %s GB, "
					     "beside %s GB of memory; at 16 bits it takes %.0f devices, at 4 bits "
					     "%.0f. The sheet gives no number of them",
					     row->params_b.text, c->measured, smallest, fewest, c->low,
					     figure(v, d->memory_gb), ceil(params * 2 / d->memory_bytes),
					     ceil(params / 2 / d->memory_bytes));
	} else if (params * 2 > d->memory_bytes) {
		c->text = verification__text(
			v,
			"%s billion parameters do not fit one device at 16 bits: %s GB of weights beside %s GB of "
			"memory, at least %.0f devices; "
			"%s GB at 8 bits (%.0f), %s GB at 4 (%.0f). The sheet gives neither the "
			"precision nor the number of devices",
			row->params_b.text, c->measured, figure(v, d->memory_gb), ceil(params * 2 / d->memory_bytes),
			figure(v, params / BILLION), ceil(params / d->memory_bytes), figure(v, params / 2 / BILLION),
			ceil(params / 2 / d->memory_bytes));
	} else {
		c->verdict = VERDICT_CONFIRMED;
		c->text = verification__text(
			v, "%s billion parameters fit one device at 16 bits: %s GB beside %s GB of memory",
			row->params_b.text, c->measured, figure(v, d->memory_gb));
	}
	return 0;
}

/* What the price and the rate make together: a figure that the sheet's author can compare with a device's rent. */
static const char *earnings(struct verification *v, const struct sheet_model *row)
{
	const char *text = "";

	if (row->usd_per_million_tokens.text)
		text = verification__text(v, "; at its price the rate earns %.2f USD an hour",
					  row->usd_per_million_tokens.low * row->throughput_tokens_per_s.low * 3600 /
						  1e6);
	return text ? text : "";
}

static int check_rate(struct verification *v, const struct sheet_model *row, const struct device *d)
{
	const double rate = row->throughput_tokens_per_s.low, params = row->params_b.low * BILLION;
	const double at16 = d->bytes_per_s / (2 * params), at4 = d->bytes_per_s / (params / 2);
	struct check *c = add(v, "plausibility.rate", row->line, row->device, row->model);

	if (!c)
		return -ENOMEM;
	c->claimed = plausibility__copy(v, row->throughput_tokens_per_s.text);
	c->unit = "tokens/s";
	c->rule = "one stream of a dense model on one device: tokens/s <= memory bandwidth / bytes of weights; "
		  "any number of streams: <= peak operations / (2 x parameters)";
	if (!row->params_b.text) {
		c->text = verification__text(v, "no number of parameters: nothing to compute a bound with%s",
					     earnings(v, row));
		return 0;
	}
	if (plausibility__mentions(row->params_note, "moe")) {
		c->text = verification__text(v,
					     "no bound: a mixture of experts reads a part of its weights for a token, "
					     "and the sheet does not say which "
					     "part%s",
					     earnings(v, row));
		return 0;
	}
	c->low = figure(v, at16);
	c->high = figure(v, at4);
	if (rate > fmax(d->ops16_per_s, fmax(d->ops8_per_s, d->ops4_per_s)) / (2 * params)) {
		c->verdict = VERDICT_REFUTED;
		c->text = verification__text(v, "more than one device can compute, whatever the number of streams%s",
					     earnings(v, row));
	} else if (rate > at4) {
		c->text = verification__text(v,
					     "not one stream on one device without drafts: that is at most %s tokens/s "
					     "at 16 bits and %s at 4; so it is the sum "
					     "of several streams, or of several devices, and the sheet says neither%s",
					     c->low, c->high, earnings(v, row));
	} else if (rate > at16) {
		c->text = verification__text(
			v,
			"one stream on one device without drafts has at most %s tokens/s at 16 bits and %s at 4: the "
			"rate needs fewer "
			"bits than 16, several streams or several devices, and the sheet says none of it%s",
			c->low, c->high, earnings(v, row));
	} else {
		c->text = verification__text(
			v, "possible: one stream has at most %s tokens/s at 16 bits; nothing here measures it%s",
			c->low, earnings(v, row));
	}
	return 0;
}

static int check_model(struct verification *v, const struct sheet_model *row)
{
	struct device d;
	struct check *c;
	int err = 0;

	if (devices__find(&d, row->device) || isnan(d.bytes_per_s) || isnan(d.memory_bytes)) {
		c = add(v, "plausibility.rate", row->line, row->device, row->model);
		if (!c)
			return -ENOMEM;
		c->claimed = plausibility__copy(v, row->throughput_tokens_per_s.text);
		c->unit = "tokens/s";
		c->rule = "rates are within what the device can read and compute";
		c->text = verification__text(v, "no bound: tokprof knows no memory bandwidth of '%s'", row->device);
		return 0;
	}
	if (row->params_b.text)
		err = check_memory(v, row, &d);
	if (!err && row->throughput_tokens_per_s.text)
		err = check_rate(v, row, &d);
	return err;
}

/* --- all of it --------------------------------------------------------------------------------------------------------- */

static int say_what_is_open(struct verification *v, const struct sheet *s)
{
	bool portability = false;

	for (size_t i = 0; i < s->n_accelerators; i++)
		portability |= s->accelerators[i].portability_pct.text != NULL;
	if (portability &&
	    !verification__note(v, "plausibility.not_checked",
				"portability_pct: the sheet does not define it, so there is nothing to check"))
		return -ENOMEM;
	if (s->reference_params_b.text &&
	    !verification__note(v, "plausibility.reference_token",
				"reference token of a model of %s billion parameters: %s GB of weights at 16 bits, %s "
				"GB at 4, and %s billion operations a "
				"token beside attention; the sheet names no precision and no device, so its cost is "
				"measured, never a constant",
				s->reference_params_b.text, figure(v, 2 * s->reference_params_b.low),
				figure(v, s->reference_params_b.low / 2), figure(v, 2 * s->reference_params_b.low)))
		return -ENOMEM;
	if (s->n_metrics > 0 &&
	    !verification__note(
		    v, "plausibility.not_checked",
		    "service_assessment: names %zu metric%s and no threshold, so there is nothing to verify",
		    s->n_metrics, plural((int64_t)s->n_metrics)))
		return -ENOMEM;
	return 0;
}

int plausibility__sheet(struct verification *v, const struct sheet *s)
{
	int err = 0;

	for (size_t i = 0; i < s->n_accelerators && !err; i++) {
		const struct sheet_accelerator *row = &s->accelerators[i];

		if (row->throughput_tokens_per_s.text && row->latency_ms_per_token.text)
			err = check_streams(v, row);
		if (!err && row->throughput_tokens_per_s.text)
			err = check_weights_per_token(v, s, row);
	}
	if (!err && s->abstraction_penalty_pct.text)
		err = check_penalty(v, s);
	for (size_t i = 0; i < s->n_models && !err; i++)
		err = check_model(v, &s->models[i]);
	if (!err)
		err = plausibility__prices(v, s);
	if (!err)
		err = plausibility__techniques(v, s);
	return err ? err : say_what_is_open(v, s);
}
