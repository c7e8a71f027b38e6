/* SPDX-License-Identifier: Apache-2.0 */
/* The report as a page: it adds up, stays text whatever a server calls itself, and stays a page whatever the recording holds. */
#include "tests/unit/golden.h"

#include <ctype.h>
#include <inttypes.h>

#include "output/output.h"
#include "tests/unit/example_report.h"
#include "tests/unit/flame_scene.h"

#define HOSTILE "\"><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\xff&"
#define MAX_DEPTH 64

static char *page_of(const struct ledger *l, size_t *n)
{
	const struct output_options options = { .by = BY_REQUEST, .columns = 80 };
	const struct output *output = output__find("html");
	char *text = NULL;
	FILE *f = open_memstream(&text, n);

	assert_non_null(output);
	assert_non_null(f);
	assert_int_equal(output->write(f, l, &options), 0);
	assert_int_equal(fclose(f), 0);
	return text;
}

static char *example_page(struct example *e, size_t *n)
{
	return page_of(&e->ledger, n);
}

static char *scene_page(struct flame_scene *f, const char *function, size_t *n)
{
	flame_scene__open(f, function);
	flame_scene__report(f);
	return page_of(&f->s.ledger, n);
}

static size_t occurrences(const char *text, const char *word)
{
	size_t n = 0;

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		n++;
	return n;
}

/* What lies between these marks is taken out: style sheets and scripts are files of their own, the policy has their digests. */
static void cut_between(char *text, const char *begin, const char *end)
{
	char *from = text;

	while ((from = strstr(from, begin)) != NULL) {
		char *to;

		from += strlen(begin);
		to = strstr(from, end);
		assert_non_null(to);
		memmove(from, to, strlen(to) + 1);
	}
}

static void check_golden(char *page, const char *name)
{
	cut_between(page, "<style>", "</style>");
	cut_between(page, "<script>", "</script>");
	cut_between(page, "style-src", "\">");
	golden__check(name, page, strlen(page));
}

static void the_page_is_as_it_was(void **state)
{
	struct flame_scene f;
	struct example e;
	size_t n;
	char *page = scene_page(&f, "mul_mat", &n);

	(void)state;
	check_golden(page, "report-flame.html");
	free(page);
	scene__close(&f.s);
	example__make(&e);
	page = example_page(&e, &n);
	check_golden(page, "report.html");
	free(page);
}

/* ----------------------------------------------------------------------------------------------------- well-formedness --- */

static bool is_void(const char *name)
{
	return strcmp(name, "meta") == 0 || strcmp(name, "input") == 0;
}

/* Past an attribute list, each value in double quotes and none given twice, to '>' or "/>". */
static const char *past_attributes(const char *at)
{
	char names[16][32];
	size_t n = 0;

	while (isspace((unsigned char)*at)) {
		const char *name = ++at;
		const size_t length = strcspn(at, "= >/");

		assert_true(length > 0 && length < sizeof(names[0]) && n < 16);
		snprintf(names[n], sizeof(names[0]), "%.*s", (int)length, name);
		for (size_t i = 0; i < n; i++)
			assert_string_not_equal(names[i], names[n]);
		n++;
		at += length;
		if (*at != '=')
			continue;
		assert_int_equal(at[1], '"');
		at += 2;
		at += strcspn(at, "\"<");
		assert_int_equal(*at, '"');
		at++;
	}
	return at;
}

static void check_text(const char *from, const char *to)
{
	for (; from < to; from++) {
		assert_true((unsigned char)*from >= 0x20 || *from == '\n');
		assert_int_not_equal(*from, '>');
		if (*from == '&')
			assert_true(strncmp(from, "&amp;", 5) == 0 || strncmp(from, "&lt;", 4) == 0 ||
				    strncmp(from, "&gt;", 4) == 0 || strncmp(from, "&quot;", 6) == 0 ||
				    strncmp(from, "&#39;", 5) == 0 || strncmp(from, "&ndash;", 7) == 0);
	}
}

/* Every element is closed, in order, but for those of HTML that have no end. */
static void check_elements(const char *page)
{
	static const char doctype[] = "<!DOCTYPE html>";
	char open[MAX_DEPTH][32];
	size_t depth = 0;
	const char *at = page;

	assert_memory_equal(at, doctype, sizeof(doctype) - 1);
	at += sizeof(doctype) - 1;
	while (*at) {
		const char *tag = strchr(at, '<');
		const bool ends = tag && tag[1] == '/';
		char name[32];
		size_t length;

		check_text(at, tag ? tag : at + strlen(at));
		if (!tag)
			break;
		at = tag + 1 + ends;
		length = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789");
		assert_true(length > 0 && length < sizeof(name));
		snprintf(name, sizeof(name), "%.*s", (int)length, at);
		at = past_attributes(at + length);
		if (ends) {
			assert_true(depth > 0);
			assert_string_equal(name, open[--depth]);
		} else if (*at == '/') {
			at++;
		} else if (!is_void(name)) {
			assert_true(depth < MAX_DEPTH);
			memcpy(open[depth++], name, sizeof(name));
		}
		assert_int_equal(*at++, '>');
		if (!ends && (strcmp(name, "script") == 0 || strcmp(name, "style") == 0)) {
			at = strstr(at, "</s");
			assert_non_null(at);
		}
	}
	assert_int_equal(depth, 0);
}

/* Ids are there once, what refers to them is right, and what is drawn has a name for those who do not see it. */
static void check_names(const char *page)
{
	for (const char *at = strstr(page, " id=\""); at; at = strstr(at + 1, " id=\"")) {
		char id[96];

		snprintf(id, sizeof(id), "%.*s", (int)(strcspn(at + 5, "\"") + 6), at);
		assert_int_equal(occurrences(page, id), 1);
	}
	for (const char *at = strstr(page, "href=\"#"); at; at = strstr(at + 1, "href=\"#")) {
		char id[96];

		snprintf(id, sizeof(id), " id=\"%.*s\"", (int)strcspn(at + 7, "\""), at + 7);
		assert_int_equal(occurrences(page, id), 1);
	}
	assert_int_equal(occurrences(page, "class=\"frame\""), occurrences(page, "class=\"frame\" tabindex=\"0\" "
										 "role=\"region\" aria-label=\""));
	for (const char *at = strstr(page, "class=\"chart"); at; at = strstr(at + 1, "class=\"chart")) {
		char element[512];

		snprintf(element, sizeof(element), "%.*s", (int)strcspn(at, ">"), at);
		assert_non_null(strstr(element, "role=\"img\" aria-label=\""));
	}
}

static void every_element_is_closed_and_every_drawing_has_a_name(void **state)
{
	struct flame_scene f;
	struct example e;
	size_t n;
	char *page = scene_page(&f, HOSTILE, &n);

	(void)state;
	check_elements(page);
	check_names(page);
	free(page);
	scene__close(&f.s);
	example__make(&e);
	page = example_page(&e, &n);
	check_elements(page);
	check_names(page);
	free(page);
}

static void nothing_is_fetched_from_anywhere(void **state)
{
	struct flame_scene f;
	size_t n;
	char *page = scene_page(&f, "mul_mat", &n);

	(void)state;
	for (const char *const *word = (const char *const[]){ "https:", "url(", "@import", " src=", "<link", NULL };
	     *word; word++)
		assert_null(strstr(page, *word));
	/* The one name of the kind is that of SVG, which nobody fetches. */
	assert_int_equal(occurrences(page, "http:"), occurrences(page, "\"http://www.w3.org/2000/svg\""));
	assert_non_null(strstr(page, "default-src &#39;none&#39;"));
	assert_int_equal(occurrences(page, "&#39;sha256-"), 4);
	free(page);
	scene__close(&f.s);
}

/* -------------------------------------------------------------------------------------------------------------- content --- */

static void hostile_names_stay_text(void **state)
{
	struct example e;
	size_t n;
	char *page;

	(void)state;
	example__make(&e);
	for (int i = 0; i < 5; i++) {
		e.requests[i].api_id = e.requests[i].path = e.requests[i].client = HOSTILE;
		e.requests[i].model = e.requests[i].response_model = HOSTILE;
	}
	e.engines[0].name = e.engines[0].version = e.engines[0].rows_source = HOSTILE;
	e.models[0].name = e.models[0].quantization = HOSTILE;
	for (int k = 0; k < EXAMPLE_RESOURCES; k++)
		e.resources[k].source = e.resources[k].reason = HOSTILE;
	e.collectors[1].reason = HOSTILE;
	page = example_page(&e, &n);
	assert_null(strstr(page, "<script>alert"));
	assert_null(strstr(page, "<img"));
	assert_null(memchr(page, '\x1b', n));
	assert_true(occurrences(page, "&lt;script&gt;alert(1)&lt;/script&gt;") > 10);
	check_elements(page);
	check_names(page);
	free(page);
}

/* The figure in the next cell with one, in its row; ABSENT where the row ends. */
static int64_t next_figure(const char **at, const char *end)
{
	const char *data = strstr(*at, "<data value=\"");

	if (!data || data > end)
		return ABSENT;
	*at = data + 1;
	return strtoll(data + strlen("<data value=\""), NULL, 10);
}

static void requests_and_accounts_of_the_page_make_its_total(void **state)
{
	struct example e;
	int64_t sums[EXAMPLE_RESOURCES] = { 0 }, totals[EXAMPLE_RESOURCES] = { 0 };
	size_t n, n_columns = 0;
	char *page;
	const char *table, *end;

	(void)state;
	example__make(&e);
	page = example_page(&e, &n);
	table = strstr(page, "<table class=\"ledger\">");
	assert_non_null(table);
	end = strstr(table, "</table>");
	for (const char *row = strstr(table, "<tr"); row && row < end; row = strstr(row + 1, "<tr")) {
		const char *at = row, *row_end = strstr(row, "</tr>");
		const bool is_total = strstr(row, ">total<") && strstr(row, ">total<") < row_end;
		int64_t value;

		/* Parts of the requests stand below their sum. */
		if (strncmp(row, "<tr class=\"of\"", 14) == 0)
			continue;
		for (size_t k = 0; (value = next_figure(&at, row_end)) != ABSENT; k++) {
			assert_true(k < EXAMPLE_RESOURCES);
			*(is_total ? &totals[k] : &sums[k]) += value;
			n_columns = k + 1;
			next_figure(&at, row_end); /* its share */
		}
	}
	/* CPU time, kernel time, page faults: energy is not measured. */
	assert_int_equal(n_columns, 3);
	for (size_t k = 0; k < n_columns; k++) {
		assert_true(totals[k] > 0);
		assert_true(sums[k] == totals[k]);
		assert_true(totals[k] == e.ledger.resources[k].total);
	}
	free(page);
}

/* From 1 to 5 ms and from 3 to 7 ms, the meter moves by 1,000 a ms: both together took 6,000 for 20 tokens, not 8,000. */
static void steps_at_one_time_share_what_a_token_took(void **state)
{
	const struct ledger_options how = { .want_rows = true };
	struct flame_scene f = { 0 };
	struct maker *m = &f.s.m;
	char *page, *at;
	size_t n;

	(void)state;
	maker__init(m);
	for (unsigned int i = 0; i < 2; i++) {
		const uint64_t start = 1000000 + 2000000u * i;

		maker__step(m, MAKER_TARGET, start, start + 4000000);
		maker__row(m, (int)i, 0, 10, 1);
		maker__cut(m, RESOURCE_CPU_NS, 2000 * (int64_t)i, 4000);
		maker__request(m, 900000, 8000000);
	}
	maker__total(m, RESOURCE_CPU_NS, 6000, "test");
	assert_int_equal(timeline__build(&f.s.timeline, maker__finish(m)), 0);
	assert_int_equal(ledger__build(&f.s.ledger, &f.s.timeline, &how), 0);
	page = page_of(&f.s.ledger, &n);
	at = strstr(page, "Steps by their number of rows");
	assert_non_null(at);
	at = strstr(at, "<tbody>");
	assert_non_null(at);
	*strstr(at, "</tbody>") = '\0';
	assert_non_null(strstr(at, "<data value=\"300\">"));
	assert_null(strstr(at, "<data value=\"400\">"));
	free(page);
	ledger__free(&f.s.ledger);
	timeline__free(&f.s.timeline);
	maker__free(m);
}

static void what_was_not_measured_is_never_printed_as_0(void **state)
{
	struct example e;
	size_t n;
	char *page;

	(void)state;
	example__make(&e);
	for (int k = 0; k < EXAMPLE_RESOURCES; k++) {
		e.resources[k].grade = GRADE_UNAVAILABLE;
		e.ledger.resources[k].measured = false;
	}
	page = example_page(&e, &n);
	assert_non_null(strstr(page, "<dt>CPU time</dt><dd>\xe2\x80\x93<small>unavailable</small>"));
	assert_non_null(strstr(page, "nothing that adds up was measured"));
	assert_non_null(strstr(page, "nothing that a token takes was measured"));
	assert_null(strstr(page, "<table class=\"ledger\">"));
	check_elements(page);
	free(page);
}

static void a_recording_without_samples_says_how_to_get_a_flame_graph(void **state)
{
	struct example e;
	size_t n;
	char *page;

	(void)state;
	example__make(&e);
	page = example_page(&e, &n);
	assert_non_null(strstr(page, "<b>unavailable:</b> the recording has no stacks of threads on a CPU"));
	assert_non_null(strstr(page, "record the server again"));
	assert_null(strstr(page, "id=\"data\""));
	free(page);
}

static void an_empty_recording_is_a_page_too(void **state)
{
	struct recording recording = { 0 };
	struct timeline timeline = { .recording = &recording };
	struct ledger ledger = { .timeline = &timeline, .rule = rule__find("shapley") };
	size_t n;
	char *page = page_of(&ledger, &n);

	(void)state;
	assert_non_null(strstr(page, "no step was recorded"));
	assert_non_null(strstr(page, "No request was seen on the wire"));
	check_elements(page);
	check_names(page);
	free(page);
}

/* ----------------------------------------------------------------------------------------------------------------- size --- */

#define MANY_REQUESTS 20000
#define MANY_STEPS 100000
#define ROWS_PER_STEP 10

/* Requests of fifty tokens, ten at a time, each step a gap away from the next one, with names as long as a server likes. */
static void a_million_tokens_are_a_page_below_3_megabytes(void **state)
{
	static char name[5000];
	struct example e;
	struct row_step *steps = calloc(MANY_STEPS, sizeof(*steps));
	struct timeline_row *rows = calloc(MANY_STEPS * ROWS_PER_STEP, sizeof(*rows));
	uint32_t *first = calloc(MANY_STEPS + 1, sizeof(*first));
	struct timeline_run *runs = calloc(MANY_REQUESTS, sizeof(*runs));
	struct row_request *requests = calloc(MANY_REQUESTS, sizeof(*requests));
	struct timeline_request *joined = calloc(MANY_REQUESTS, sizeof(*joined));
	struct ledger_request *costs = calloc(MANY_REQUESTS, sizeof(*costs));
	int64_t *row_cost = calloc(MANY_STEPS * ROWS_PER_STEP * EXAMPLE_RESOURCES, sizeof(*row_cost));
	size_t n;
	char *page;

	(void)state;
	memset(name, '<', sizeof(name) - 1);
	example__make(&e);
	for (size_t i = 0; i < MANY_STEPS; i++) {
		steps[i] = e.steps[1];
		steps[i].id = (int64_t)i + 100;
		steps[i].start_ns = EXAMPLE_START + i * 100000;
		steps[i].end_ns = steps[i].start_ns + 90000;
		first[i + 1] = (uint32_t)((i + 1) * ROWS_PER_STEP);
		for (size_t k = 0; k < ROWS_PER_STEP; k++) {
			struct timeline_row *row = &rows[i * ROWS_PER_STEP + k];

			*row = e.rows[1];
			row->step = (uint32_t)i;
			row->run = (uint32_t)(i / 50 * ROWS_PER_STEP + k);
			row->first_pos = (int32_t)(i % 50 + 100 * k);
			row->phase = i % 2 ? PHASE_DECODE : PHASE_PREFILL;
			row_cost[(i * ROWS_PER_STEP + k) * EXAMPLE_RESOURCES] = (int64_t)(10000 + i % 977);
		}
	}
	for (size_t i = 0; i < MANY_REQUESTS; i++) {
		runs[i] = e.runs[0];
		runs[i].request = (uint32_t)i;
		requests[i] = e.requests[0];
		requests[i].id = (int64_t)i + 1;
		requests[i].arrival_ns = steps[i / ROWS_PER_STEP * 50].start_ns;
		requests[i].end_ns = requests[i].arrival_ns + 5000000;
		requests[i].api_id = requests[i].path = requests[i].client = requests[i].response_model = name;
		joined[i] = e.joined[0];
		costs[i] = e.costs[0];
	}
	e.recording.steps = steps;
	e.recording.n_steps = MANY_STEPS;
	e.recording.requests = requests;
	e.recording.n_requests = MANY_REQUESTS;
	e.timeline.rows = rows;
	e.timeline.n_rows = MANY_STEPS * ROWS_PER_STEP;
	e.timeline.step_first_row = first;
	e.timeline.runs = runs;
	e.timeline.n_runs = MANY_REQUESTS;
	e.timeline.requests = joined;
	e.ledger.requests = costs;
	e.ledger.row_cost = row_cost;
	e.ledger.row_wall = NULL;
	page = example_page(&e, &n);
	assert_in_range(n, 100000, 3000000);
	assert_non_null(strstr(page, "The 100 that took longest of 20000 requests with tokens."));
	assert_non_null(strstr(page, "The 1000 that took longest of 20000 requests with tokens;"));
	assert_int_equal(occurrences(page, "<tr id=\"request-"), 1000);
	check_elements(page);
	free(page);
	free(steps);
	free(rows);
	free(first);
	free(runs);
	free(requests);
	free(joined);
	free(costs);
	free(row_cost);
}

#define MANY_FUNCTIONS 6000

static void long_names_of_many_functions_are_a_page_below_3_megabytes(void **state)
{
	static char names[MANY_FUNCTIONS][900];
	struct flame_scene f;
	char *page;
	size_t n;

	(void)state;
	flame_scene__open(&f, "mul_mat");
	for (int i = 0; i < MANY_FUNCTIONS; i++) {
		struct maker *m = &f.s.m;

		memset(names[i], '<', sizeof(names[i]) - 1);
		names[i][snprintf(names[i], sizeof(names[i]), "%d", i)] = '<';
		maker__cpu_samples(m, flame_scene__within(&f),
				   maker__stack(m, f.main, maker__frame(m, FRAME_USER, "/opt/long.so", names[i])), 1);
	}
	flame_scene__report(&f);
	page = page_of(&f.s.ledger, &n);
	assert_in_range(n, 100000, 3000000);
	assert_non_null(strstr(page, "(others)"));
	check_elements(page);
	free(page);
	scene__close(&f.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_is_as_it_was),
		cmocka_unit_test(every_element_is_closed_and_every_drawing_has_a_name),
		cmocka_unit_test(nothing_is_fetched_from_anywhere),
		cmocka_unit_test(hostile_names_stay_text),
		cmocka_unit_test(requests_and_accounts_of_the_page_make_its_total),
		cmocka_unit_test(steps_at_one_time_share_what_a_token_took),
		cmocka_unit_test(what_was_not_measured_is_never_printed_as_0),
		cmocka_unit_test(a_recording_without_samples_says_how_to_get_a_flame_graph),
		cmocka_unit_test(an_empty_recording_is_a_page_too),
		cmocka_unit_test(a_million_tokens_are_a_page_below_3_megabytes),
		cmocka_unit_test(long_names_of_many_functions_are_a_page_below_3_megabytes),
	};

	return cmocka_run_group_tests_name("the report as a page", tests, NULL, NULL);
}
