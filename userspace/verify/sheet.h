/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of published figures, as the trade press prints them: rows of figures whose units are in the keys. What is known of
 * each table is its keys; what can be said of its rows is userspace/verify/plausibility_sheet.c.
 */
#ifndef TOKPROF_VERIFY_SHEET_H
#define TOKPROF_VERIFY_SHEET_H

#include "userspace/verify/decimal.h"

struct yaml_node;

/* A number, or a range of them: -30, "4-8", "-60..-80". */
struct sheet_figure {
	const char *text;	/* as it was written; NULL: not given */
	double low, high;	/* low <= high */
	double step;		/* one unit of the last digit */
};

struct sheet_accelerator {
	int64_t line;
	const char *device, *stack;
	struct sheet_figure throughput_tokens_per_s, latency_ms_per_token, portability_pct;
};

struct sheet_model {
	int64_t line;
	const char *device;	/* of the table's key: "a100" of models_on_a100 */
	const char *model, *params_note;
	struct sheet_figure params_b, usd_per_million_tokens, throughput_tokens_per_s;
};

struct sheet_price {
	int64_t line;
	const char *currency;	/* of the table's key: "CNY" of token_prices_cny_per_token */
	const char *provider, *hardware, *approach;
	const char *text;
	struct decimal price;	/* per token */
};

struct sheet_technique {
	int64_t line;
	const char *technique, *effect, *against;
	struct sheet_figure pct, factor;
};

struct sheet {
	struct sheet_accelerator *accelerators;
	struct sheet_model *models;
	struct sheet_price *prices;
	struct sheet_technique *techniques;
	size_t n_accelerators, n_models, n_prices, n_techniques;
	struct sheet_figure abstraction_penalty_pct, off_peak_discount_pct, reference_params_b, reference_context;
	int64_t penalty_line, off_peak_line, reference_line, assessment_line;
	size_t n_metrics;	/* that the service assessment names */
};

#define SHEET_MAX_KEYS 8
bool sheet__has_key(const char *key);
/* The names of the tables. */
void sheet__keys(const char *out[SHEET_MAX_KEYS]);
void sheet__free(struct sheet *s);

#endif
