/* SPDX-License-Identifier: Apache-2.0 */
/* What a step is made of: nodes told apart, bursts paid for, shares that sum to what steps took. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "collectors/engine_nodes.h"
#include "collectors/engine_operators.h"
#include "make_recording.h"
#include "userspace/analysis/operators.h"
#include "userspace/graph_node.h"

#define SECOND 1000000000LL

/* --- names ------------------------------------------------------------------------------------------------------------ */

/* As a graph of llama.cpp 2026.10.11549 has them (Llama), and as graphs without fused operators do. */
static void a_node_is_told_by_its_operator_and_its_name(void **state)
{
	static const struct {
		const char *operator_name, *name;
		enum operator_class class;
		int layer;
	} nodes[] = {
		{ "GET_ROWS", "embd", OPERATOR_EMBEDDING, -1 },
		{ "RMS_NORM", "norm-0", OPERATOR_NORM, 0 },
		{ "MUL", "attn_norm-0", OPERATOR_NORM, 0 },
		{ "MUL_MAT", "Qcur-31", OPERATOR_MATMUL, 31 },
		{ "ROPE", "Kcur-3", OPERATOR_ROPE, 3 },
		{ "SET_ROWS", "cache_k_l3 (view)", OPERATOR_COPY, 3 },
		{ "SET_ROWS", "cache_v_l12", OPERATOR_COPY, 12 },
		{ "FLASH_ATTN_EXT", "node_24", OPERATOR_ATTENTION, -1 },
		{ "MUL_MAT", "kq-2", OPERATOR_ATTENTION, 2 },
		{ "SOFT_MAX", "kq_soft_max-2", OPERATOR_ATTENTION, 2 },
		{ "CONT", "kqv_out-2 (copy)", OPERATOR_ATTENTION, 2 },
		{ "SOFT_MAX", "ffn_moe_probs-2", OPERATOR_ELEMENTWISE, 2 },
		{ "MUL_MAT_ID", "ffn_moe_up-2", OPERATOR_MATMUL, 2 },
		{ "ADD", "l_out-7", OPERATOR_ELEMENTWISE, 7 },
		{ "GLU", "ffn_swiglu-7", OPERATOR_ELEMENTWISE, 7 },
		{ "GET_ROWS", "node_250", OPERATOR_COPY, -1 },
		{ "SSM_SCAN", "node_9", OPERATOR_RECURRENCE, -1 },
		{ "MUL_MAT", "result_output", OPERATOR_MATMUL, -1 },
		{ "MUL_MAT", "blk.5.attn_q.weight", OPERATOR_MATMUL, 5 },
		{ "CROSS_ENTROPY_LOSS", "loss", OPERATOR_OTHER, -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		assert_int_equal(node__class(nodes[i].operator_name, nodes[i].name), nodes[i].class);
		assert_int_equal(node_name__layer(nodes[i].name), nodes[i].layer);
	}
}

static void a_number_that_is_no_layer_is_none(void **state)
{
	(void)state;
	assert_int_equal(node_name__layer(""), LAYER_NONE);
	assert_int_equal(node_name__layer("l_out-"), LAYER_NONE);
	assert_int_equal(node_name__layer("l_out-3x"), LAYER_NONE);
	assert_int_equal(node_name__layer("l_out-99999999999999999999"), LAYER_NONE);
	assert_int_equal(node_name__layer("token-embd-4"), 4);
	assert_int_equal(node_name__layer("blk.x.1"), LAYER_NONE);
}

static void a_name_from_memory_is_text_that_ends(void **state)
{
	(void)state;
	assert_true(node_name__valid("ffn_out-3", 10));
	assert_false(node_name__valid("ffn_out-3", 9));
	assert_false(node_name__valid("a\x1b[2J", 8));
	assert_false(node_name__valid("caf\xc3\xa9", 8));
}

static const char *const ggml_names[] = { "NONE", "ADD",      "MUL",	  "RMS_NORM",	    "MUL_MAT", "GET_ROWS",
					  "ROPE", "SET_ROWS", "SOFT_MAX", "FLASH_ATTN_EXT", "GLU" };
enum { NONE, ADD, MUL, RMS_NORM, MUL_MAT, GET_ROWS, ROPE, SET_ROWS, SOFT_MAX, FLASH, GLU, N_NAMES };

static void fill_names(struct operator_names *names)
{
	memset(names, 0, sizeof(*names));
	for (int i = 0; i < N_NAMES; i++)
		assert_true(operator_names__add(names, ggml_names[i], MAX_OPERATOR_NAME));
}

static void a_table_of_operators_is_ggmls_or_none(void **state)
{
	struct operator_names names;

	(void)state;
	fill_names(&names);
	assert_true(operator_names__plausible(&names));
	assert_false(operator_names__add(&names, "no name", 8));
	assert_false(operator_names__add(&names, "", 1));
	assert_false(operator_names__add(&names, "WITHOUT_AN_END", 14));
	assert_int_equal(names.n, N_NAMES);
	names.n = SOFT_MAX;
	assert_false(operator_names__plausible(&names));
	fill_names(&names);
	strcpy(names.name[0], "ADD");
	assert_false(operator_names__plausible(&names));
}

/* --- records ---------------------------------------------------------------------------------------------------------- */

struct told {
	struct row_step_operator rows[64];
	size_t n;
};

static void take_row(void *ctx, const struct row_step_operator *row)
{
	struct told *told = ctx;

	assert_true(told->n < 64);
	told->rows[told->n++] = *row;
}

static int64_t told_n(const struct told *told, const char *name, int layer)
{
	for (size_t i = 0; i < told->n; i++)
		if (strcmp(told->rows[i].name, name) == 0 && told->rows[i].layer == layer)
			return told->rows[i].n;
	return 0;
}

struct tape {
	struct record_nodes *record;
	struct engine_nodes nodes;
	struct operator_names names;
	struct told told;
	uint32_t n_told;
};

static int setup(void **state)
{
	struct tape *t = calloc(1, sizeof(*t));

	if (!t || engine_nodes__init(&t->nodes))
		return -1;
	t->record = calloc(1, sizeof(*t->record) + MAX_NODES_PER_RECORD * sizeof(struct record_node));
	fill_names(&t->names);
	*state = t;
	return t->record ? 0 : -1;
}

static int teardown(void **state)
{
	struct tape *t = *state;

	engine_nodes__free(&t->nodes);
	free(t->record);
	free(t);
	return 0;
}

static void add(struct tape *t, uint32_t op, const char *name)
{
	struct record_node *node = &t->record->node[t->record->n++];

	*node = (struct record_node){ .ns = 10, .cpu_ns = 20, .op = op, .name_bytes = (tp_s32)strlen(name) + 1 };
	snprintf(node->name, sizeof(node->name), "%s", name);
}

static void send(struct tape *t, uint64_t step, uint16_t flags)
{
	struct record_nodes *r = t->record;

	r->h.kind = RECORD_NODES;
	r->h.flags = flags;
	r->h.size = (uint32_t)(sizeof(*r) + r->n * sizeof(r->node[0]));
	r->step = step;
	r->first = t->n_told;
	t->n_told = flags & NODES_LAST ? 0 : t->n_told + r->n;
	engine_nodes__take(&t->nodes, &t->names, r, take_row, &t->told);
	r->n = 0;
}

static void put_layer(struct tape *t, int layer)
{
	char name[32];

	snprintf(name, sizeof(name), "norm-%d", layer);
	add(t, RMS_NORM, name);
	snprintf(name, sizeof(name), "Qcur-%d", layer);
	add(t, MUL_MAT, name);
	add(t, FLASH, "node_7");
	snprintf(name, sizeof(name), "ffn_out-%d", layer);
	add(t, MUL_MAT, name);
}

static void put_graph(struct tape *t)
{
	add(t, NODE_GRAPH, "");
	add(t, GET_ROWS, "embd");
	put_layer(t, 0);
	add(t, GET_ROWS, "node_8");
	put_layer(t, 1);
	add(t, MUL_MAT, "result_output");
}

static void nodes_of_a_step_are_added_up_by_operator_and_layer(void **state)
{
	struct tape *t = *state;

	put_graph(t);
	send(t, 5, NODES_LAST);
	assert_int_equal(told_n(&t->told, "matmul", 0), 2);
	assert_int_equal(told_n(&t->told, "matmul", 1), 2);
	assert_int_equal(told_n(&t->told, "matmul", -1), 1);
	assert_int_equal(told_n(&t->told, "embedding", -1), 1);
	assert_int_equal(told_n(&t->told, "graph start", -1), 1);
	/* Between nodes of one layer it is of that layer; between two layers nobody knows. */
	assert_int_equal(told_n(&t->told, "attention", 0), 1);
	assert_int_equal(told_n(&t->told, "attention", 1), 1);
	assert_int_equal(told_n(&t->told, "copy", -1), 1);
	assert_int_equal(t->told.rows[0].step, 5);
	assert_int_equal(t->told.rows[0].ns, 10 * t->told.rows[0].n);
	assert_int_equal(t->told.rows[0].cpu_ns, 20 * t->told.rows[0].n);
	assert_int_equal(t->nodes.n_steps, 1);
}

static void a_step_may_come_in_several_records(void **state)
{
	struct tape *t = *state;

	add(t, NODE_GRAPH, "");
	put_layer(t, 0);
	send(t, 5, 0);
	put_layer(t, 1);
	send(t, 5, NODES_LAST);
	assert_int_equal(told_n(&t->told, "matmul", 1), 2);
	assert_int_equal(t->nodes.n_steps, 1);
}

static void a_step_of_which_something_is_missing_tells_nothing(void **state)
{
	struct tape *t = *state;

	add(t, NODE_GRAPH, "");
	put_layer(t, 0);
	t->n_told = 4;	/* a record was lost */
	send(t, 5, NODES_LAST);
	put_layer(t, 0);	/* the graph's begin was not seen */
	send(t, 6, NODES_LAST);
	put_graph(t);
	send(t, 7, NODES_LAST | NODES_BROKEN);
	put_graph(t);
	send(t, 8, 0);	/* its end never came: an exception went through it */
	t->n_told = 0;
	assert_int_equal(t->told.n, 0);
	assert_int_equal(t->nodes.n_faults[NODES_UNSEEN], 3);
	put_graph(t);
	send(t, 9, NODES_LAST);
	assert_true(t->told.n > 0);
	assert_int_equal(t->told.rows[0].step, 9);
}

static void what_is_no_graph_tells_nothing(void **state)
{
	struct tape *t = *state;

	put_graph(t);
	t->record->node[3].op = N_NAMES;
	send(t, 1, NODES_LAST);
	put_graph(t);
	t->record->node[3].op = NONE;
	send(t, 2, NODES_LAST);
	put_graph(t);
	t->record->node[3].name[0] = '\x01';
	send(t, 3, NODES_LAST);
	put_graph(t);
	t->record->node[3].name_bytes = -14;	/* EFAULT */
	send(t, 4, NODES_LAST);
	put_graph(t);
	t->record->n_graph = 4;	/* more were computed than there are */
	send(t, 5, NODES_LAST);
	t->record->n_graph = 0;
	add(t, NODE_GRAPH, "");
	add(t, ADD, "l_out-0");	/* and no model does without a matrix */
	send(t, 6, NODES_LAST);
	assert_int_equal(t->told.n, 0);
	assert_int_equal(t->nodes.n_faults[NODES_OPERATOR], 2);
	assert_int_equal(t->nodes.n_faults[NODES_NAME], 2);
	assert_int_equal(t->nodes.n_faults[NODES_NUMBER], 2);
}

static void choices_of_tokens_are_added_up_by_step(void **state)
{
	struct tape *t = *state;

	for (int i = 0; i < 3; i++) {
		add(t, 0, "");
		send(t, i < 2 ? 5 : 6, NODES_LAST | NODES_SAMPLING);
	}
	assert_int_equal(t->told.n, 1);
	assert_int_equal(told_n(&t->told, "sampling", -1), 2);
	engine_nodes__finish(&t->nodes, take_row, &t->told);
	engine_nodes__finish(&t->nodes, take_row, &t->told);
	assert_int_equal(t->told.n, 2);
	assert_int_equal(t->told.rows[1].step, 6);
}

/* --- bursts ----------------------------------------------------------------------------------------------------------- */

static void pauses_grow_and_a_burst_is_paid_for_before_the_next(void **state)
{
	struct operator_schedule s;

	(void)state;
	operator_schedule__init(&s);
	assert_true(operator_schedule__due(&s, 0, 0));
	operator_schedule__ended(&s, 5 * SECOND, 100, 0);
	assert_false(operator_schedule__due(&s, 5 * SECOND + 999999999, 100));
	assert_true(operator_schedule__due(&s, 6 * SECOND, 100));
	for (int i = 0; i < 9; i++)
		operator_schedule__ended(&s, 7 * SECOND, 100, 0);
	assert_false(operator_schedule__due(&s, 36 * SECOND, 100));
	assert_true(operator_schedule__due(&s, 37 * SECOND, 100));
	/* 1 ms at 0.1 % are of one second of the server's. */
	operator_schedule__ended(&s, 0, 100, 1000000);
	assert_false(operator_schedule__due(&s, 100 * SECOND, SECOND));
	assert_true(operator_schedule__due(&s, 100 * SECOND, SECOND + 100));
}

/* --- shares ----------------------------------------------------------------------------------------------------------- */

/* A step of `cpu` ns with n rows: prefill where a row has more than one token. */
static void put_step(struct maker *m, int64_t cpu, int64_t n_tokens, bool probed)
{
	static int64_t meter;
	const uint64_t start = 1000 + 1000000 * m->recording.n_steps;
	struct row_step *step = maker__step(m, MAKER_TARGET, start, start + 500000);

	if (probed)
		step->flags |= STEP_OPERATORS;
	maker__row(m, 0, n_tokens > 1 ? 0 : 100 + (int)m->recording.n_steps, n_tokens, 1);
	maker__cut(m, RESOURCE_CPU_NS, meter, cpu);
	meter += cpu;
}

static const struct operator_part *part(const struct operator_split *s, const char *name)
{
	for (size_t i = 0; i < s->n_parts; i++)
		if (s->parts[i].name && strcmp(s->parts[i].name, name) == 0)
			return &s->parts[i];
	fail();
	return NULL;
}

static void split(struct maker *m, struct timeline *t, struct operator_split *s, enum operator_split_by by)
{
	assert_int_equal(timeline__build(t, maker__finish(m)), 0);
	assert_int_equal(operator_split__build(s, t, by), 0);
}

static void parts_sum_to_what_all_steps_took(void **state)
{
	struct operator_split s;
	struct timeline t;
	struct maker m;
	int64_t sum = 0;

	(void)state;
	maker__init(&m);
	for (int i = 0; i < 7; i++) {
		put_step(&m, 1001 + 10 * i, 1, i % 2);
		if (i % 2) {
			maker__step_operator(&m, "matmul", 0, 2, 100, 600 + i);
			maker__step_operator(&m, "matmul", -1, 1, 50, 100);
			maker__step_operator(&m, "norm", 0, 1, 10, 77);
			maker__step_operator(&m, "kernel of tomorrow", 1, 1, 10, 13);
		}
	}
	split(&m, &t, &s, SPLIT_BY_OPERATOR);
	assert_string_equal(s.resource, "cpu_ns");
	assert_int_equal(s.n_probed, 3);
	assert_int_equal(s.total, 7 * 1001 + 10 * 21);
	assert_int_equal(s.not_split, 0);
	assert_int_equal(s.n_parts, 4);
	for (size_t i = 0; i < s.n_parts; i++) {
		sum += s.parts[i].total;
		assert_true(s.parts[i].low <= s.parts[i].total && s.parts[i].total <= s.parts[i].high);
	}
	assert_int_equal(sum, s.total);
	assert_string_equal(s.parts[0].name, "matmul");
	assert_string_equal(s.parts[3].name, PART_ENGINE);
	/* (700 + 702 + 704 + 3 + ...) of (1011 + 1031 + 1051): the shares of the probed steps. */
	assert_int_equal(part(&s, "matmul")->total / 10,
			 (int64_t)((double)(3 * 700 + 1 + 3 + 5) / (1011 + 1031 + 1051) * (double)s.total) / 10);
	operator_split__free(&s);
	assert_int_equal(operator_split__build(&s, &t, SPLIT_BY_LAYER), 0);
	assert_int_equal(s.n_parts, 4);
	assert_int_equal(s.parts[0].layer, 0);
	assert_int_equal(s.parts[1].layer, 1);
	assert_string_equal(s.parts[2].name, PART_NO_LAYER);
	assert_string_equal(s.parts[3].name, PART_ENGINE);
	operator_split__free(&s);
	timeline__free(&t);
	maker__free(&m);
}

/* From 1,000 to 5,000 us and from 3,000 to 7,000 us, while the meter moves by 1 a us: 4,000 in each, and 6,000 in both. */
static void steps_at_one_time_are_not_counted_twice(void **state)
{
	struct operator_split s;
	struct timeline t;
	struct maker m;

	(void)state;
	maker__init(&m);
	for (int i = 0; i < 2; i++) {
		struct row_step *step = maker__step(&m, MAKER_TARGET, 1000000 + 2000000u * (unsigned)i,
						    5000000 + 2000000u * (unsigned)i);

		step->flags |= STEP_OPERATORS;
		maker__row(&m, i, 10, 1, 1);
		maker__cut(&m, RESOURCE_CPU_NS, 2000 * i, 4000);
		maker__step_operator(&m, "matmul", 0, 2, 3000, 3000);
	}
	split(&m, &t, &s, SPLIT_BY_OPERATOR);
	assert_int_equal(s.total, 6000);
	assert_int_equal(part(&s, "matmul")->total, 4500);
	assert_int_equal(part(&s, PART_ENGINE)->total, 1500);
	operator_split__free(&s);
	timeline__free(&t);
	maker__free(&m);
}

/* Prompts are made of other things than single tokens: neither is told by the other. */
static void steps_of_a_kind_that_no_burst_met_are_not_split(void **state)
{
	struct operator_split s;
	struct timeline t;
	struct maker m;

	(void)state;
	maker__init(&m);
	maker__remove(&m, 500, MAKER_TARGET, 0, 0);
	put_step(&m, 90000, 50, false);
	put_step(&m, 1000, 1, true);
	maker__step_operator(&m, "matmul", 0, 2, 100, 800);
	split(&m, &t, &s, SPLIT_BY_OPERATOR);
	assert_int_equal(s.mixes[PHASE_PREFILL].n_steps, 1);
	assert_int_equal(s.mixes[PHASE_DECODE].n_probed, 1);
	assert_int_equal(s.not_split, 90000);
	assert_int_equal(part(&s, "matmul")->value[PHASE_PREFILL], ABSENT);
	assert_int_equal(part(&s, "matmul")->value[PHASE_DECODE], 800);
	assert_int_equal(part(&s, "matmul")->total, 800);
	assert_int_equal(part(&s, "matmul")->low, ABSENT);	/* one step tells nothing of how others differ */
	operator_split__free(&s);
	timeline__free(&t);
	maker__free(&m);
}

/* Two threads that are at work all the time both pay for a trap. */
static void what_the_probes_took_is_in_no_part(void **state)
{
	struct operator_split s;
	struct timeline t;
	struct maker m;

	(void)state;
	maker__init(&m);
	maker__meta(&m, "operator_hit_ns", "50");
	for (int i = 0; i < 2; i++) {
		put_step(&m, 20000, 1, true);
		maker__step_operator(&m, "matmul", 0, 10, 5000, 10000);	/* 10 hits of 50 ns on two threads: 9000 */
		maker__step_operator(&m, "norm", 0, 10, 1000, 2000);	/* 1000 */
		maker__step_operator(&m, "probes", -1, 1, 2000, 4000);
	}
	split(&m, &t, &s, SPLIT_BY_OPERATOR);
	assert_int_equal(s.n_parts, 3);	/* 9000 + 1000 + engine 4000 of 14000 */
	assert_int_equal(s.total, 40000);
	assert_int_equal(part(&s, "matmul")->total, 25714);
	assert_int_equal(part(&s, "norm")->total, 2857);
	assert_int_equal(part(&s, PART_ENGINE)->total, 11429);
	operator_split__free(&s);
	timeline__free(&t);
	maker__free(&m);
}

static void sampling_is_told_beside_the_steps(void **state)
{
	struct operator_split s;
	struct timeline t;
	struct maker m;

	(void)state;
	maker__init(&m);
	for (int i = 0; i < 4; i++) {
		put_step(&m, 1000, 1, i < 2);
		if (i < 2) {
			maker__step_operator(&m, "matmul", 0, 1, 100, 900);
			maker__step_operator(&m, "sampling", -1, 1, 30, 30);
		}
	}
	split(&m, &t, &s, SPLIT_BY_OPERATOR);
	assert_int_equal(s.sampling, 120);	/* four outputs at 30 */
	assert_int_equal(s.sampling_low, 120);
	assert_int_equal(s.n_sampled, 2);
	assert_int_equal(s.n_parts, 2);
	assert_int_equal(s.total, 4000);
	operator_split__free(&s);
	timeline__free(&t);
	maker__free(&m);
}

static void a_recording_without_operators_says_why(void **state)
{
	struct operator_split s;
	struct timeline t;
	struct maker m;

	(void)state;
	maker__init(&m);
	put_step(&m, 1000, 1, false);
	split(&m, &t, &s, SPLIT_BY_OPERATOR);
	assert_int_equal(s.n_parts, 0);
	assert_int_equal(s.total, 1000);
	assert_int_equal(s.sampling, ABSENT);
	assert_non_null(strstr(s.reason, "probed"));
	operator_split__free(&s);
	timeline__free(&t);
	maker__meta(&m, "operators_reason", "the functions that compute a graph are not known in this build");
	split(&m, &t, &s, SPLIT_BY_LAYER);
	assert_string_equal(s.reason, "the functions that compute a graph are not known in this build");
	operator_split__free(&s);
	timeline__free(&t);
	maker__free(&m);
}

#define ON_TAPE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_is_told_by_its_operator_and_its_name),
		cmocka_unit_test(a_number_that_is_no_layer_is_none),
		cmocka_unit_test(a_name_from_memory_is_text_that_ends),
		cmocka_unit_test(a_table_of_operators_is_ggmls_or_none),
		ON_TAPE(nodes_of_a_step_are_added_up_by_operator_and_layer),
		ON_TAPE(a_step_may_come_in_several_records),
		ON_TAPE(a_step_of_which_something_is_missing_tells_nothing),
		ON_TAPE(what_is_no_graph_tells_nothing),
		ON_TAPE(choices_of_tokens_are_added_up_by_step),
		cmocka_unit_test(pauses_grow_and_a_burst_is_paid_for_before_the_next),
		cmocka_unit_test(parts_sum_to_what_all_steps_took),
		cmocka_unit_test(steps_at_one_time_are_not_counted_twice),
		cmocka_unit_test(steps_of_a_kind_that_no_burst_met_are_not_split),
		cmocka_unit_test(what_the_probes_took_is_in_no_part),
		cmocka_unit_test(sampling_is_told_beside_the_steps),
		cmocka_unit_test(a_recording_without_operators_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
