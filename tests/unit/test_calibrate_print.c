/* SPDX-License-Identifier: Apache-2.0 */
/* What calibrate says at its end, of fits that were made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>

#include "make_fit.h"
#include "userspace/calibrate/print.h"
#include "userspace/message.h"

/* A calibration of one server with fits of the duration and of CPU time. */
struct said {
	struct made_fit made[2];
	struct fit fits[2];
	struct quality quality[2];
	struct fits set;
	struct row_model model;
	struct row_resource cpu;
	struct recording recording;
	struct server server;
	struct calibration calibration;
	struct calibrated calibrated;
};

static struct said s;

static int set_up(void **state)
{
	static const struct quality_class classes[] = {
		{ "decode 1", 40, 40 * 5e6, 40 * 5.1e6, -0.0196, 0.031 },
		{ "prefill 17-128", 10, 10 * 50e6, 10 * 40e6, 0.25, 0.1 },
	};

	(void)state;
	memset(&s, 0, sizeof(s));
	make_fit(&s.made[0], "target", COST_RESOURCE_WALL);
	make_fit(&s.made[1], "target", RESOURCE_CPU_NS);
	for (size_t i = 0; i < 2; i++) {
		struct cost_model *m = &s.made[i].fit.cost;

		m->fitted[0] = m->fitted[COST_TERM_CONTEXT] = true;
		m->low[0] = 0.9 * m->value[0];
		m->high[0] = 1.1 * m->value[0];
		m->low[COST_TERM_CONTEXT] = 140;
		m->high[COST_TERM_CONTEXT] = 260;
		s.fits[i] = s.made[i].fit;
		memcpy(s.quality[i].classes, classes, sizeof(classes));
		s.quality[i].n = 2;
		s.quality[i].worst = 1;
	}
	s.set = (struct fits){ .fits = s.fits, .quality = s.quality, .n = 2, .n_steps = 900, .n_left_out = 3 };
	s.set.key = (struct fit_key){ "00ff", "llama.cpp", "11ee", 2, "a host", "a processor", NULL };
	s.model = (struct row_model){ .id = 1, .name = "small", .digest = "00ff" };
	s.cpu = (struct row_resource){ .id = RESOURCE_CPU_NS, .name = "cpu_ns", .unit = "ns", .grade = GRADE_MEASURED };
	s.recording = (struct recording){ .models = &s.model, .n_models = 1, .resources = &s.cpu, .n_resources = 1 };
	s.server = (struct server){ .pid = 4242, .engine = "llama.cpp", .version = "b9999", .address = "127.0.0.1:80" };
	s.calibration.facts = (struct sweep_facts){ .n_slots = 4, .context = 4096, .part = 512 };
	s.calibration.longest_context = 4096;
	s.calibration.longest_chunk = 512;
	s.calibration.start_ns = 1000000000;
	s.calibration.end_ns = 41000000000;
	s.calibration.n_waves = 12;
	s.calibration.n_rounds = 3;
	s.calibration.n_requests = 77;
	s.calibration.counts.n_steps = 903;
	s.calibrated = (struct calibrated){ .calibration = &s.calibration,
					    .server = &s.server,
					    .recording = &s.recording,
					    .fits = &s.set,
					    .stored = "/fits/one.fit" };
	return 0;
}

static char *print(int (*how)(const struct calibrated *, FILE *))
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	assert_int_equal(how(&s.calibrated, f), 0);
	fclose(f);
	return text;
}

static void expect_text(const char *const *parts, size_t n, bool there)
{
	char *text = print(calibrated__print_text);

	for (size_t i = 0; i < n; i++)
		if (!strstr(text, parts[i]) == there)
			fail_msg("'%s' is %s in:\n%s", parts[i], there ? "missing" : "there", text);
	free(text);
}

#define EXPECT(...)                                                                                                    \
	expect_text((const char *const[]){ __VA_ARGS__ },                                                              \
		    sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *), true)
#define EXPECT_NONE(...)                                                                                               \
	expect_text((const char *const[]){ __VA_ARGS__ },                                                              \
		    sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *), false)

static void a_calibration_says_what_was_measured_how_well_and_what_comes_next(void **state)
{
	(void)state;
	EXPECT("calibrated small (llama.cpp b9999, 2 threads) in 40 s: 12 waves in 3 rounds, 77 requests, 903 steps\n",
	       "step_ns", "cpu_ns", "1.4 %", "1.0 %", "yes",
	       "target: fitted to contexts of 0 to 4000 tokens, 1 to 8 rows and 1 to 512 tokens",
	       "widest interval: context, +- 30 % (cpu_ns)\n", "stored in /fits/one.fit\n",
	       "next: tokprof record -p 4242 takes this fit along\n");
	EXPECT_NONE("not identified", "time was up", "other clients", "recorded in", "draft", "(null)", "nan", "inf");
}

/* Per step of a class, in ms; the class that is farthest off is among them like the others. */
static void what_was_foretold_stands_beside_what_was_measured(void **state)
{
	(void)state;
	EXPECT("cpu_ns of target steps that were not fitted to, mean ms per step", "decode 1", "5.000", "5.100",
	       "-2.0 %", "prefill 17-128", "50.000", "40.000", "+25.0 %");
}

static void a_fit_that_is_not_identified_says_why_and_what_follows(void **state)
{
	(void)state;
	s.fits[1].cost.identified = false;
	strcpy(s.fits[1].cost.reason, "context and tokens cannot be told apart");
	s.calibrated.stored = NULL;
	EXPECT("no: context", "not identified: shares will be by the affine rule. Try a longer --seconds");
	EXPECT_NONE("stored in", "next: tokprof record");
}

static void what_was_cut_short_is_said(void **state)
{
	(void)state;
	s.calibration.time_was_up = true;
	s.calibration.longest_context = 1024;
	s.calibration.longest_chunk = 64;
	s.calibration.n_foreign = 5;
	s.calibrated.kept = "/kept.tokprof";
	EXPECT("time was up in round 4\n",
	       "measured with contexts up to 1024 tokens of 4096, and prompts in pieces up to 64; --seconds gives it "
	       "more",
	       "5 requests of other clients were served meanwhile\n", "recorded in /kept.tokprof\n");
}

/* Two weight files were told apart, and the smaller one's steps were too few. */
static void a_draft_without_a_fit_is_said(void **state)
{
	(void)state;
	s.set.key.draft_digest = "aa";
	EXPECT("draft: no fit, since too few steps of the draft model were measured");
	s.fits[0].cost.role = s.fits[1].cost.role = "draft";
	EXPECT_NONE("draft: no fit");
}

static void what_is_not_known_is_no_figure(void **state)
{
	(void)state;
	s.model.name = NULL;
	s.server.version[0] = '\0';
	s.set.key.n_threads = ABSENT;
	s.fits[0].range = s.fits[1].range = (struct fit_range){ ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT };
	EXPECT("calibrated a model without a name (llama.cpp of unknown version) in 40 s");
	EXPECT_NONE("threads", "target: fitted to", "(null)");
}

static void no_fits_at_all_print_no_fit(void **state)
{
	(void)state;
	s.set.n = 0;
	EXPECT("calibrated small");
	EXPECT_NONE("widest interval", "mean ms per step", "not identified");
}

static json_t *print_json(void)
{
	char *text = print(calibrated__print_json);
	json_error_t error;
	json_t *root = json_loads(text, 0, &error);

	if (!root)
		fail_msg("%s in %s", error.text, text);
	free(text);
	return root;
}

static const json_t *at(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!value)
		fail_msg("no key %s", key);
	return value;
}

static void the_json_has_the_same_figures_in_base_units(void **state)
{
	json_t *root = print_json();
	const json_t *sweep = at(root, "sweep"), *fit = json_array_get(at(root, "fits"), 1), *class, *term;

	(void)state;
	assert_string_equal(json_string_value(at(root, "schema")), "tokprof.calibrate/1");
	assert_int_equal(json_integer_value(at(at(root, "server"), "pid")), 4242);
	assert_int_equal(json_integer_value(at(at(root, "server"), "threads")), 2);
	assert_int_equal(json_integer_value(at(sweep, "duration_ns")), 40000000000);
	assert_int_equal(json_integer_value(at(sweep, "steps")), 903);
	assert_int_equal(json_integer_value(at(sweep, "steps_fitted")), 900);
	assert_int_equal(json_integer_value(at(sweep, "steps_left_out")), 3);
	assert_string_equal(json_string_value(at(fit, "resource")), "cpu_ns");
	assert_true(json_is_true(at(fit, "identified")));
	assert_true(json_is_null(at(fit, "reason")));
	assert_string_equal(json_string_value(at(fit, "worst_class")), "prefill 17-128");
	class = json_array_get(at(fit, "classes"), 0);
	assert_true(json_number_value(at(class, "measured")) == 40 * 5e6);
	assert_int_equal(json_array_size(at(fit, "terms")), 2);
	term = json_array_get(at(fit, "terms"), 1);
	assert_string_equal(json_string_value(at(term, "term")), "context");
	assert_true(json_number_value(at(term, "low")) == 140 && json_number_value(at(term, "high")) == 260);
	assert_true(json_is_null(at(term, "merged_with")));
	assert_true(json_is_null(at(root, "recording")));
	json_decref(root);
}

static void the_json_has_null_where_nothing_is_known(void **state)
{
	json_t *root;
	const json_t *fit;

	(void)state;
	s.set.key.n_threads = ABSENT;
	s.set.key.model_digest = NULL;
	s.server.version[0] = '\0';
	s.fits[1].cost.condition = INFINITY;
	s.quality[1].worst = s.quality[1].n;
	s.calibrated.stored = NULL;
	root = print_json();
	fit = json_array_get(at(root, "fits"), 1);
	assert_true(json_is_null(at(at(root, "server"), "threads")));
	assert_true(json_is_null(at(at(root, "server"), "model_digest")));
	assert_true(json_is_null(at(at(root, "server"), "engine_version")));
	assert_true(json_is_null(at(fit, "condition")));
	assert_true(json_is_null(at(fit, "worst_class")));
	assert_true(json_is_null(at(root, "stored")));
	json_decref(root);
}

static void a_term_that_was_merged_names_the_other(void **state)
{
	json_t *root;
	const json_t *term;

	(void)state;
	s.fits[1].cost.merged_with[COST_TERM_ATTENTION] = COST_TERM_CONTEXT;
	root = print_json();
	term = json_array_get(at(json_array_get(at(root, "fits"), 1), "terms"), 2);
	assert_string_equal(json_string_value(at(term, "term")), "attention");
	assert_true(json_is_false(at(term, "fitted")));
	assert_string_equal(json_string_value(at(term, "merged_with")), "context");
	json_decref(root);
}

static void a_stream_that_fails_is_an_error(void **state)
{
	FILE *f = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(f);
	setbuf(f, NULL);
	assert_true(calibrated__print_text(&s.calibrated, f) < 0);
	fclose(f);
	f = fopen("/dev/full", "w");
	assert_non_null(f);
	setbuf(f, NULL);
	assert_true(calibrated__print_json(&s.calibrated, f) < 0);
	fclose(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
	const struct CMUnitTest tests[] = {
		TEST(a_calibration_says_what_was_measured_how_well_and_what_comes_next),
		TEST(what_was_foretold_stands_beside_what_was_measured),
		TEST(a_fit_that_is_not_identified_says_why_and_what_follows),
		TEST(what_was_cut_short_is_said),
		TEST(a_draft_without_a_fit_is_said),
		TEST(what_is_not_known_is_no_figure),
		TEST(no_fits_at_all_print_no_fit),
		TEST(the_json_has_the_same_figures_in_base_units),
		TEST(the_json_has_null_where_nothing_is_known),
		TEST(a_term_that_was_merged_names_the_other),
		TEST(a_stream_that_fails_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
