/* SPDX-License-Identifier: Apache-2.0 */
/* Events in the ledger and in reports: what a request, a phase and a token counted, and what two events say together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "output/output.h"
#include "scene.h"
#include "userspace/analysis/meters.h"
#include "userspace/analysis/ratios.h"

#define MISSES (RESOURCE_COUNTER_FIRST + 3)

/* 3 GHz everywhere; two instructions a cycle, and half of one where the context is long. */
static void count(struct scene *s, int64_t *cycles, int64_t *instructions, bool fast)
{
	const int64_t use = s->m.recording.step_resources[s->m.recording.n_step_resources - 1].value;

	maker__cut(&s->m, RESOURCE_CYCLES, *cycles, 3 * use);
	maker__cut(&s->m, RESOURCE_INSTRUCTIONS, *instructions, fast ? 6 * use : 3 * use / 2);
	*cycles += 3 * use;
	*instructions += fast ? 6 * use : 3 * use / 2;
}

static void open_counted(struct scene *s)
{
	static const struct row_resource events[] = {
		{ RESOURCE_CYCLES, "cycles", "count", RESOURCE_ADDITIVE, GRADE_MEASURED, "performance event", NULL },
		{ RESOURCE_INSTRUCTIONS, "instructions", "count", RESOURCE_ADDITIVE, GRADE_MEASURED,
		  "performance event", NULL },
		{ MISSES, "spr::LONGEST_LAT_CACHE:MISS", "count", RESOURCE_ADDITIVE, GRADE_UNAVAILABLE,
		  "performance event", "somebody else holds the counter for himself alone" },
	};

	scene__open(s, 2);
	for (size_t i = 0; i < 3; i++)
		maker__resource(&s->m, &events[i]);
}

/* A long prompt beside a stream, then both decode. */
static void run(struct scene *s, bool with_fit)
{
	int64_t cycles = 0, instructions = 0;

	open_counted(s);
	scene__step(s, (struct part[]){ { 0, 20, 1 } }, 1);
	count(s, &cycles, &instructions, true);
	scene__step(s, (struct part[]){ { 0, 1, 1 }, { 1, 600, 1 } }, 2);
	count(s, &cycles, &instructions, true);
	for (int k = 0; k < 20; k++) {
		scene__decode(s, 2, 1);
		count(s, &cycles, &instructions, false);
	}
	maker__total(&s->m, RESOURCE_CYCLES, cycles, "performance events");
	maker__total(&s->m, RESOURCE_INSTRUCTIONS, instructions, "performance events");
	scene__report(s, NULL, with_fit);
}

static size_t at(const struct scene *s, int id)
{
	const int k = resources__find(s->ledger.resources, s->ledger.n_resources, id);

	assert_true(k >= 0);
	return (size_t)k;
}

static void events_are_divided_as_cpu_time_is_so_that_a_requests_frequency_is_the_machines(void **state)
{
	struct scene s;

	(void)state;
	run(&s, true);
	for (size_t i = 0; i < 2; i++) {
		const struct ratios r = ratios__of(&s.ledger, request(&s, i)->cost);

		assert_true(fabs(r.frequency_hz / 3e9 - 1) < 1e-6);
		assert_true(isnan(r.bytes_per_instruction));
		for (int p = 0; p < N_PHASES; p++) {
			const struct ratios phase = ratios__of(&s.ledger, request(&s, i)->by_phase[p]);

			if (request(&s, i)->by_phase[p][cpu(&s)] > 1000)
				assert_true(fabs(phase.frequency_hz / 3e9 - 1) < 1e-3);
		}
	}
	assert_string_equal(s.ledger.pricing[ROLE_TARGET][at(&s, RESOURCE_CYCLES)].rule->name, "shapley");
	assert_int_equal(s.ledger.accounts[ACCOUNT_UNEXPLAINED][at(&s, RESOURCE_CYCLES)], 0);
	/* No model of cycles is there that could call a step disturbed, or price a token. */
	assert_int_equal(s.ledger.excess.n_by_resource[at(&s, RESOURCE_CYCLES)], 0);
	scene__close(&s);
}

static void instructions_per_cycle_tell_phases_apart(void **state)
{
	struct ratios prefill, decode;
	struct scene s;

	(void)state;
	run(&s, true);
	prefill = ratios__of(&s.ledger, request(&s, 1)->by_phase[PHASE_PREFILL]);
	decode = ratios__of(&s.ledger, request(&s, 1)->by_phase[PHASE_DECODE]);
	assert_true(fabs(prefill.ipc - 2) < 1e-6);
	assert_true(fabs(decode.ipc - 0.5) < 1e-3);
	scene__close(&s);
}

static void without_cycles_there_are_no_ratios_and_nothing_is_zero(void **state)
{
	struct scene s;
	struct ratios r;

	(void)state;
	scene__open(&s, 1);
	scene__step(&s, (struct part[]){ { 0, 20, 1 } }, 1);
	scene__report(&s, NULL, true);
	assert_false(ratios__any(&s.ledger));
	r = ratios__of(&s.ledger, request(&s, 0)->cost);
	assert_true(isnan(r.ipc) && isnan(r.frequency_hz) && isnan(r.bytes_per_instruction));
	scene__close(&s);
}

/* --- reports ------------------------------------------------------------------------------------------------------- */

static char *report(const struct scene *s, const char *format, enum report_by by)
{
	const struct output_options options = { .by = by, .columns = 120 };
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	assert_int_equal(output__find(format)->write(f, &s->ledger, &options), 0);
	fclose(f);
	return text;
}

static void the_json_report_has_events_by_phase_and_an_event_that_failed_without_a_value(void **state)
{
	json_int_t sum = 0;
	json_t *root, *event, *counters;
	struct scene s;
	size_t i, n_missing = 0;
	char *text;

	(void)state;
	run(&s, true);
	text = report(&s, "json", BY_REQUEST);
	root = json_loads(text, 0, NULL);
	assert_non_null(root);
	counters = json_object_get(root, "counters");
	json_array_foreach(counters, i, event)
	{
		const char *name = json_string_value(json_object_get(event, "event"));

		if (strcmp(name, "cycles") == 0)
			sum += json_integer_value(json_object_get(event, "value"));
		if (strcmp(name, "spr::LONGEST_LAT_CACHE:MISS") == 0) {
			assert_true(json_is_null(json_object_get(event, "value")));
			assert_string_equal(json_string_value(json_object_get(event, "grade")), "unavailable");
			n_missing++;
		}
	}
	assert_int_equal(n_missing, 1);
	assert_int_equal(sum,
			 request(&s, 0)->cost[at(&s, RESOURCE_CYCLES)] + request(&s, 1)->cost[at(&s, RESOURCE_CYCLES)]);
	event = json_object_get(json_array_get(json_object_get(root, "requests"), 0), "cost");
	assert_true(json_is_real(json_object_get(event, "ipc")));
	assert_true(json_is_null(json_object_get(event, "bytes_per_instruction")));
	assert_true(json_is_null(json_object_get(json_object_get(event, "counters"), "spr::LONGEST_LAT_CACHE:MISS")));
	json_decref(root);
	free(text);
	scene__close(&s);
}

static void text_and_csv_name_events_as_json_does(void **state)
{
	struct scene s;
	char *text, *csv;

	(void)state;
	run(&s, true);
	text = report(&s, "text", BY_PHASE);
	assert_non_null(strstr(text, "instructions per cycle"));
	assert_non_null(strstr(text, "GHz on a CPU"));
	assert_non_null(strstr(text, "spr::LONGEST_LAT_CACHE:MISS"));
	assert_null(strstr(text, "bytes per instruction"));
	csv = report(&s, "csv", BY_PHASE);
	assert_non_null(strstr(csv, ",spr::LONGEST_LAT_CACHE:MISS,ipc,bytes_per_instruction,frequency_hz\r\n"));
	assert_non_null(strstr(csv, ",2.0000,,3000000000\r\n"));
	free(text);
	free(csv);
	scene__close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_divided_as_cpu_time_is_so_that_a_requests_frequency_is_the_machines),
		cmocka_unit_test(instructions_per_cycle_tell_phases_apart),
		cmocka_unit_test(without_cycles_there_are_no_ratios_and_nothing_is_zero),
		cmocka_unit_test(the_json_report_has_events_by_phase_and_an_event_that_failed_without_a_value),
		cmocka_unit_test(text_and_csv_name_events_as_json_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
