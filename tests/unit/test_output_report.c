/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/golden.h"

#include <errno.h>
#include <stdlib.h>

#include "output/output.h"
#include "tests/unit/example_report.h"

/* Write the example in one format. Frees nothing of the example. @return text, to be freed */
static char *write_example(struct example *e, const char *format, const struct output_options *options, size_t *n)
{
	const struct output *output = output__find(format);
	char *text = NULL;
	FILE *f = open_memstream(&text, n);

	assert_non_null(output);
	assert_non_null(f);
	assert_int_equal(output->write(f, &e->ledger, options), 0);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void check_golden(const char *format, enum report_by by, int verbose, bool color, int columns, const char *name)
{
	struct output_options options = { .by = by, .verbose = verbose, .color = color, .columns = columns };
	struct example example;
	size_t n = 0;
	char *text;

	example__make(&example);
	text = write_example(&example, format, &options, &n);
	golden__check(name, text, n);
	free(text);
}

static void the_text_report_reads_as_it_did(void **state)
{
	(void)state;
	check_golden("text", BY_REQUEST, 0, false, 80, "report.txt");
	check_golden("text", BY_REQUEST, 1, false, 80, "report-verbose.txt");
	check_golden("text", BY_REQUEST, 0, true, 120, "report-wide-color.txt");
}

static void the_text_of_every_grouping_reads_as_it_did(void **state)
{
	(void)state;
	check_golden("text", BY_STEP, 0, false, 80, "report-by-step.txt");
	check_golden("text", BY_TOKEN, 0, false, 80, "report-by-token.txt");
	check_golden("text", BY_PHASE, 0, false, 80, "report-by-phase.txt");
	check_golden("text", BY_MODEL, 0, false, 80, "report-by-model.txt");
	check_golden("text", BY_CLIENT, 0, false, 80, "report-by-client.txt");
}

static void the_json_report_is_as_it_was(void **state)
{
	(void)state;
	check_golden("json", BY_REQUEST, 0, false, 80, "report.json");
}

static void the_csv_report_is_as_it_was(void **state)
{
	(void)state;
	check_golden("csv", BY_REQUEST, 0, false, 80, "report.csv");
	check_golden("csv", BY_STEP, 0, false, 80, "report-by-step.csv");
	check_golden("csv", BY_TOKEN, 0, false, 80, "report-by-token.csv");
	check_golden("csv", BY_PHASE, 0, false, 80, "report-by-phase.csv");
	check_golden("csv", BY_CLIENT, 0, false, 80, "report-by-client.csv");
}

/* Columns that a terminal shows: escape sequences none, UTF-8 continuation bytes none. */
static int columns_of(const char *line, size_t n)
{
	int columns = 0;

	for (size_t i = 0; i < n; i++)
		columns += ((unsigned char)line[i] & 0xc0) != 0x80;
	return columns;
}

static void no_line_of_the_report_is_wider_than_the_terminal(void **state)
{
	(void)state;
	for (int by = 0; by < N_REPORT_BY; by++) {
		struct output_options options = { .by = (enum report_by)by,
						  .verbose = by == BY_REQUEST,
						  .columns = 80 };
		struct example example;
		size_t n = 0;
		char *text;

		example__make(&example);
		text = write_example(&example, "text", &options, &n);
		for (const char *line = text; *line;) {
			size_t length = strcspn(line, "\n");

			if (columns_of(line, length) > 80)
				fail_msg("wider than 80 columns: %.*s", (int)length, line);
			line += length + (line[length] == '\n');
		}
		free(text);
	}
}

static void a_hostile_path_reaches_no_terminal_as_an_escape_sequence(void **state)
{
	struct output_options options = { .by = BY_REQUEST, .verbose = 1, .columns = 80 };
	struct example example;
	size_t n = 0;
	char *text;

	(void)state;
	example__make(&example);
	text = write_example(&example, "text", &options, &n);
	assert_null(memchr(text, '\033', n));
	free(text);
}

static void a_hostile_name_reaches_no_csv_as_a_control(void **state)
{
	struct output_options options = { .by = BY_REQUEST, .columns = 80 };
	struct example example;
	size_t n = 0;
	char *text;

	(void)state;
	example__make(&example);
	example.requests[0].path = "/a\tb\r\nc\x7f\xc2\x9b"
				   "1m\xe2\x80\xae\"q\",d";
	text = write_example(&example, "csv", &options, &n);
	assert_non_null(strstr(text, ",\"/a?b??c??1m?\"\"q\"\",d\","));
	assert_non_null(strstr(text, ",/?[31m\xef\xbf\xbd/caf\xc3\xa9,"));
	for (size_t i = 0; i < n; i++) {
		const bool ends_record = (text[i] == '\r' && text[i + 1] == '\n') || text[i] == '\n';

		assert_true((unsigned char)text[i] >= 0x20 || ends_record);
		assert_int_not_equal(text[i], 0x7f);
	}
	free(text);
}

static void a_request_without_a_generation_has_no_costs_in_text(void **state)
{
	struct output_options options = { .by = BY_REQUEST, .verbose = 1, .columns = 200 };
	struct example example;
	size_t n = 0;
	char *text, *line;

	(void)state;
	example__make(&example);
	example.joined[0].n_runs = 0;
	example.joined[0].match = MATCH_NONE;
	example.joined[0].prompt_tokens = ABSENT;
	example.joined[0].cached_tokens = ABSENT;
	example.joined[0].completion_tokens = ABSENT;
	text = write_example(&example, "text", &options, &n);
	line = strstr(text, "Requests: times");
	assert_non_null(line);
	line = strchr(strchr(line, '\n') + 1, '\n') + 1; /* below the heads of the columns */
	line[strcspn(line, "\n")] = '\0';
	assert_non_null(strstr(line, " -    "));
	assert_null(strstr(line, " 0ns"));
	assert_non_null(strstr(line, "none"));
	free(text);
}

static void a_figure_that_was_not_measured_is_never_printed_as_0(void **state)
{
	struct output_options options = { .by = BY_REQUEST, .columns = 80 };
	struct example example;
	size_t n = 0;
	char *text;

	(void)state;
	example__make(&example);
	for (int k = 0; k < EXAMPLE_RESOURCES; k++) {
		example.resources[k].grade = GRADE_UNAVAILABLE;
		example.ledger.resources[k].measured = false;
	}
	text = write_example(&example, "json", &options, &n);
	assert_null(strstr(text, "\"cpu_ns\": 0"));
	assert_non_null(strstr(text, "\"cpu_ns\": null"));
	free(text);
	text = write_example(&example, "text", &options, &n);
	assert_non_null(strstr(text, "Nothing that adds up was measured"));
	free(text);
}

/* The line of a table that begins with these words, made a string of its own. */
static const char *line_of(char *text, const char *table, const char *begin)
{
	char *line = strstr(text, table);

	assert_non_null(line);
	while (line && strncmp(line, begin, strlen(begin)) != 0) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	assert_non_null(line);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

static void a_cost_without_an_interval_has_reference_tokens_without_one(void **state)
{
	struct output_options options = { .by = BY_REQUEST, .verbose = 1, .columns = 80 };
	struct example example;
	size_t n = 0;
	char *text;

	(void)state;
	example__make(&example);
	example.costs[0].low[0] = example.costs[1].high[0] = ABSENT;
	text = write_example(&example, "text", &options, &n);
	assert_null(strstr(text, "nan"));
	assert_string_equal(line_of(text, "Requests: shares", " 1 "),
			    " 1  60.0ms                -   120ms  50.0%         0       0.07");
	free(text);
	text = write_example(&example, "text", &options, &n);
	assert_string_equal(line_of(text, "Requests: shares", " 2 "),
			    " 2   319ms                -   638ms  50.0%         0       0.35");
	free(text);
}

/* The report with every run of blanks and line ends made one blank. */
static char *write_flat(struct example *e)
{
	struct output_options options = { .by = BY_REQUEST, .columns = 80 };
	size_t n = 0, to = 0;
	char *text = write_example(e, "text", &options, &n);

	for (size_t i = 0; i < n; i++) {
		const bool blank = text[i] == ' ' || text[i] == '\n';

		if (!blank || (to && text[to - 1] != ' '))
			text[to++] = blank ? ' ' : text[i];
	}
	text[to] = '\0';
	return text;
}

static void one_more_token_that_saves_is_explained_and_others_are_not(void **state)
{
	static const char words[] = "Below 0: by the fit a step of 5 sequences takes less than one of 4.";
	struct example example;
	char *text;

	(void)state;
	example__make(&example);
	text = write_flat(&example);
	assert_null(strstr(text, "Below 0"));
	free(text);
	/* 5 rows are cheaper than 4 by the fit's curve. */
	example.ledger.batch.n_rows = 4;
	text = write_flat(&example);
	assert_non_null(strstr(text, words));
	free(text);
}

static void a_drafts_fit_is_named_beside_the_targets(void **state)
{
	struct made_fit made;
	struct example example;
	char *text;

	(void)state;
	example__make(&example);
	make_fit(&made, "draft", RESOURCE_CPU_NS);
	made.fit.model_name = "draft-f16";
	made.fit.made_unix_ns = 1795230000000000000;
	example.ledger.pricing[ROLE_DRAFT][0].fit = &made.fit;
	example.ledger.pricing[ROLE_DRAFT][0].rule = rule__find("shapley");
	example.ledger.pricing[ROLE_DRAFT][0].scope.model = &made.fit.cost;
	text = write_flat(&example);
	assert_non_null(
		strstr(text, "Fit of 2026-11-21 03:00 UTC, by tokprof calibrate, 300 steps, small-f16; it saw"));
	assert_non_null(
		strstr(text, "Fit of drafts of 2026-11-21 03:00 UTC, by a recording, 300 steps, draft-f16; it saw"));
	free(text);
}

static void contexts_beyond_those_that_the_fit_saw_are_said_to_be_drawn_on(void **state)
{
	static const char marginal[] =
		"fitted to contexts of up to 4000 tokens: what is said of longer ones is drawn on",
			  own[] = "Contexts here go up to 6000 tokens, beyond those that it saw",
			  nothing[] = "The fit does not say up to which contexts it was measured";
	static const struct fit_range unknown = { ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT };
	struct example example;
	char *text;

	(void)state;
	/* Stored by calibrate, up to 4,000 tokens. */
	example__make(&example);
	text = write_flat(&example);
	assert_non_null(
		strstr(text, "small-f16; it saw contexts of 0 to 4000 tokens, 1 to 8 rows and 1 to 512 tokens"));
	assert_non_null(strstr(text, marginal));
	assert_null(strstr(text, "Contexts here go up"));
	free(text);
	/* A row whose last token has 6,000 before it. */
	example.rows[0].first_pos = 6001 - (int32_t)example.rows[0].n_tokens;
	text = write_flat(&example);
	assert_non_null(strstr(text, own));
	free(text);

	example__make(&example);
	example.fitted[0].range.most_context = 8192;
	text = write_flat(&example);
	assert_null(strstr(text, "drawn on"));
	free(text);

	/* Of a tokprof that did not keep it: nothing is known of a stored fit, of one of this recording its contexts. */
	example__make(&example);
	example.fitted[0].range = unknown;
	text = write_flat(&example);
	assert_non_null(strstr(text, nothing));
	assert_null(strstr(text, "it saw"));
	free(text);
	example.fitted[0].origin = FIT_ORIGIN_RECORDING;
	example.rows[0].first_pos = 4001 - (int32_t)example.rows[0].n_tokens;
	text = write_flat(&example);
	assert_non_null(strstr(text, marginal));
	free(text);
}

static void a_full_disk_is_an_error_of_every_format(void **state)
{
	struct output_options options = { .by = BY_REQUEST, .columns = 80 };
	struct example example;

	(void)state;
	example__make(&example);
	for (int i = 0; outputs[i]; i++) {
		FILE *f = fopen("/dev/full", "w");

		assert_non_null(f);
		setvbuf(f, NULL, _IONBF, 0);
		assert_int_equal(outputs[i]->write(f, &example.ledger, &options), -EIO);
		fclose(f);
	}
}

static void an_empty_recording_has_a_report_in_every_format_and_grouping(void **state)
{
	(void)state;
	for (int i = 0; outputs[i]; i++) {
		for (int by = 0; by < N_REPORT_BY; by++) {
			struct output_options options = { .by = (enum report_by)by, .columns = 80 };
			struct recording recording = { 0 };
			uint32_t first[1] = { 0 };
			struct timeline timeline = { .recording = &recording, .step_first_row = first };
			struct ledger ledger = { .timeline = &timeline, .rule = &example_rule };
			char *text = NULL;
			size_t n = 0;
			FILE *f = open_memstream(&text, &n);

			assert_int_equal(outputs[i]->write(f, &ledger, &options), 0);
			fclose(f);
			assert_true(n > 0);
			free(text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_report_reads_as_it_did),
		cmocka_unit_test(the_text_of_every_grouping_reads_as_it_did),
		cmocka_unit_test(the_json_report_is_as_it_was),
		cmocka_unit_test(the_csv_report_is_as_it_was),
		cmocka_unit_test(no_line_of_the_report_is_wider_than_the_terminal),
		cmocka_unit_test(a_hostile_path_reaches_no_terminal_as_an_escape_sequence),
		cmocka_unit_test(a_hostile_name_reaches_no_csv_as_a_control),
		cmocka_unit_test(a_request_without_a_generation_has_no_costs_in_text),
		cmocka_unit_test(a_figure_that_was_not_measured_is_never_printed_as_0),
		cmocka_unit_test(a_cost_without_an_interval_has_reference_tokens_without_one),
		cmocka_unit_test(one_more_token_that_saves_is_explained_and_others_are_not),
		cmocka_unit_test(a_drafts_fit_is_named_beside_the_targets),
		cmocka_unit_test(contexts_beyond_those_that_the_fit_saw_are_said_to_be_drawn_on),
		cmocka_unit_test(a_full_disk_is_an_error_of_every_format),
		cmocka_unit_test(an_empty_recording_has_a_report_in_every_format_and_grouping),
	};

	return cmocka_run_group_tests_name("output_report", tests, NULL, NULL);
}
