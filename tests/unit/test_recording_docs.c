/* SPDX-License-Identifier: Apache-2.0 */
/* docs/recording.md against the schema: its tables are the schema's, and its examples run. Run from the root. */
#include "tests/unit/recording_example.h"

#include <ctype.h>
#include <sqlite3.h>

#define DOCS "docs/recording.md"
#define TABLES_BEGIN "<!-- tables:"
#define TABLES_END "<!-- end of tables -->"

static char *read_docs(void)
{
	FILE *f = fopen(DOCS, "re");
	char *text = NULL;
	size_t size = 0;

	if (!f)
		fail_msg("cannot open %s: run the tests from the root of the repository", DOCS);
	assert_true(getdelim(&text, &size, '\0', f) > 0);
	fclose(f);
	return text;
}

/* The schema as docs/recording.md shows it. */
static char *describe_tables(void)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	for (int i = 0; i < N_TABLES; i++) {
		const struct table *t = &tables[i];

		fprintf(f, "\n### %s\n\n%c%s. Key: ", t->name, toupper((unsigned char)t->doc[0]), t->doc + 1);
		for (unsigned int k = 0; k < t->n_key; k++)
			fprintf(f, "%s`%s`", k ? ", " : "", t->columns[k].name);
		fprintf(f, ".\n\n| column | unit | may be NULL | meaning |\n|---|---|---|---|\n");
		for (unsigned int k = 0; k < t->n_columns; k++) {
			const struct column *c = &t->columns[k];

			fprintf(f, "| `%s` | %s | %s | %s |\n", c->name, c->unit,
				k >= t->n_key && column__is_optional(c) ? "yes" : "", c->doc);
		}
	}
	fputc('\n', f);
	fclose(f);
	return text;
}

static void the_documented_tables_are_the_tables(void **state)
{
	char *docs = read_docs(), *expected = describe_tables();
	char *begin = strstr(docs, TABLES_BEGIN), *end = strstr(docs, TABLES_END);

	(void)state;
	assert_true(begin && end && begin < end);
	begin = strchr(begin, '\n') + 1;
	if (getenv("BLESS")) {
		FILE *f = fopen(DOCS, "we");

		assert_non_null(f);
		fprintf(f, "%.*s%s%s", (int)(begin - docs), docs, expected, end);
		fclose(f);
	} else {
		*end = '\0';
		assert_string_equal(begin, expected);
	}
	free(docs);
	free(expected);
}

static void every_example_of_the_docs_runs_and_finds_something(void **state)
{
	struct folder *f = *state;
	char *docs = read_docs(), *at = docs;
	int n_examples = 0;
	sqlite3 *db;

	write_example(f);
	assert_int_equal(sqlite3_open_v2(f->file, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	while ((at = strstr(at, "```sql\n"))) {
		char *sql = at + strlen("```sql\n"), *end = strstr(sql, "```");
		sqlite3_stmt *s;
		int n_rows = 0, rc;

		assert_non_null(end);
		*end = '\0';
		if (sqlite3_prepare_v2(db, sql, -1, &s, NULL))
			fail_msg("%s\n%s", sqlite3_errmsg(db), sql);
		while ((rc = sqlite3_step(s)) == SQLITE_ROW)
			n_rows++;
		if (rc != SQLITE_DONE || !n_rows)
			fail_msg("%d rows, %s\n%s", n_rows, sqlite3_errmsg(db), sql);
		sqlite3_finalize(s);
		at = end + 1;
		n_examples++;
	}
	assert_true(n_examples >= 8);
	sqlite3_close(db);
	free(docs);
}

static int64_t ask(const struct folder *f, const char *sql)
{
	sqlite3_stmt *s;
	int64_t value;
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(f->file, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL))
		fail_msg("%s\n%s", sqlite3_errmsg(db), sql);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	value = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return value;
}

static void the_documented_numbers_are_in_the_file(void **state)
{
	struct folder *f = *state;
	char *docs = read_docs(), version[64];

	snprintf(version, sizeof(version), "| schema version | %d,", RECORDING_SCHEMA_VERSION);
	assert_non_null(strstr(docs, version));
	snprintf(version, sizeof(version), "user version %d,", RECORDING_SCHEMA_VERSION);
	assert_non_null(strstr(docs, version));
	free(docs);
	write_example(f);
	assert_int_equal(ask(f, "PRAGMA application_id"), 0x746f6b70);
	assert_int_equal(ask(f, "PRAGMA user_version"), RECORDING_SCHEMA_VERSION);
	assert_int_equal(ask(f, "PRAGMA page_size"), 4096);
	assert_int_equal(ask(f, "SELECT value FROM recording WHERE key = 'schema_version'"), RECORDING_SCHEMA_VERSION);
	assert_int_equal(ask(f, "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"), 0);
}

static void times_in_the_file_are_relative_to_the_origin(void **state)
{
	struct folder *f = *state;

	write_example(f);
	assert_int_equal(ask(f, "SELECT start_ns + (SELECT CAST(value AS INTEGER) FROM recording WHERE key = "
				"'origin_mono_ns') FROM step WHERE id = 7"),
			 full_step.start_ns);
}

static void the_views_show_what_the_docs_say(void **state)
{
	struct folder *f = *state;

	write_example(f);
	assert_int_equal(ask(f, "SELECT ttft_ns FROM request_time WHERE id = 3"), 30);
	assert_int_equal(ask(f, "SELECT e2el_ns FROM request_time WHERE id = 3"), 50);
	assert_int_equal(ask(f, "SELECT ttft_ns IS NULL FROM request_time WHERE id = 4"), 1);
	assert_int_equal(ask(f, "SELECT cpu_ns FROM step_cost WHERE id = 7"), 5);
	assert_int_equal(ask(f, "SELECT kernel_ns IS NULL FROM step_cost WHERE id = 7"), 1);
	assert_int_equal(ask(f, "SELECT gap_ns IS NULL FROM chunk_gap WHERE request = 3 AND idx = 5"), 1);
	assert_int_equal(ask(f, "SELECT gap_ns FROM chunk_gap WHERE request = 3 AND idx = 7"), 7 * 7 - 6 * 6);
	assert_int_equal(ask(f, "SELECT count(*) FROM step_cost"), ask(f, "SELECT count(*) FROM step"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder__set_up, folder__tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_documented_tables_are_the_tables),   TEST(every_example_of_the_docs_runs_and_finds_something),
		TEST(the_documented_numbers_are_in_the_file), TEST(times_in_the_file_are_relative_to_the_origin),
		TEST(the_views_show_what_the_docs_say),
	};

	return cmocka_run_group_tests_name("docs/recording.md", tests, NULL, NULL);
}
