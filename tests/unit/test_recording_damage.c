/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are no recording, or a broken one, or one made to deceive: a sentence each, and never a crash. */
#include "tests/unit/recording_example.h"

#include <errno.h>
#include <sqlite3.h>

struct bytes {
	unsigned char *data;
	size_t n;
};

static struct bytes read_file(const char *path)
{
	FILE *f = fopen(path, "re");
	struct bytes b;

	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	b.n = (size_t)ftell(f);
	rewind(f);
	b.data = malloc(b.n);
	assert_int_equal(fread(b.data, 1, b.n, f), b.n);
	fclose(f);
	return b;
}

static void write_file(const char *path, const unsigned char *data, size_t n)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, n, f), n);
	fclose(f);
}

/* @return what recording__load_all() returned; good or refused with a sentence are both well */
static int load_any(const struct folder *f)
{
	struct recording r;
	char error[4096];
	int result = recording__load_all(&r, f->file, error, sizeof(error));

	if (result) {
		assert_int_equal(result, -EBADMSG);
		assert_non_null(strstr(error, f->file));
		assert_non_null(strchr(error, ';'));
		assert_int_equal(r.n_steps, 0);
		assert_null(r.steps);
	}
	recording__free(&r);
	return result;
}

static void assert_refused(const struct folder *f, const char *says)
{
	struct recording r;
	char error[4096];

	assert_int_equal(recording__load_all(&r, f->file, error, sizeof(error)), -EBADMSG);
	if (!strstr(error, says))
		fail_msg("'%s' does not say '%s'", error, says);
}

static void run_sql(const struct folder *f, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->file, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL))
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void a_recording_cut_short_anywhere_is_refused(void **state)
{
	struct folder *f = *state;
	struct bytes b;

	write_example(f);
	b = read_file(f->file);
	for (size_t n = 0; n < b.n; n += n < 200 ? 1 : 509) {
		write_file(f->file, b.data, n);
		assert_int_equal(load_any(f), -EBADMSG);
	}
	write_file(f->file, b.data, b.n - 1);
	assert_refused(f, "cut short");
	write_file(f->file, b.data, 20);
	assert_refused(f, "no recording");
	free(b.data);
}

static void no_flipped_byte_crashes_the_reader(void **state)
{
	struct folder *f = *state;
	uint64_t seed = 1;
	struct bytes b;
	int n_refused = 0;

	write_example(f);
	b = read_file(f->file);
	for (int i = 0; i < 1000; i++) {
		size_t at;
		unsigned char was;

		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		/* Half of them where every byte has a meaning: page headers and cell pointers. */
		at = (size_t)(seed >> 33) % b.n;
		if (i & 1)
			at -= at % RECORDING_PAGE_SIZE - at % 40;
		at = at < b.n ? at : b.n - 1;
		was = b.data[at];
		b.data[at] ^= (unsigned char)(1 + (seed >> 24) % 255);
		write_file(f->file, b.data, b.n);
		n_refused += load_any(f) != 0;
		b.data[at] = was;
	}
	assert_true(n_refused > 30);
	free(b.data);
}

static void what_is_no_database_is_refused(void **state)
{
	struct folder *f = *state;
	char text[4096];

	write_file(f->file, (const unsigned char *)"", 0);
	assert_refused(f, "no recording");
	memset(text, 'x', sizeof(text));
	write_file(f->file, (const unsigned char *)text, sizeof(text));
	assert_refused(f, "no SQLite database");
}

static void a_database_of_another_application_is_refused(void **state)
{
	struct folder *f = *state;

	run_sql(f, "CREATE TABLE step(id INTEGER PRIMARY KEY)");
	assert_refused(f, "another application");
}

static void a_newer_schema_is_refused_with_its_version(void **state)
{
	struct folder *f = *state;

	write_example(f);
	run_sql(f, "PRAGMA user_version=7");
	assert_refused(f, "schema version 7");
	run_sql(f, "PRAGMA user_version=0");
	assert_refused(f, "no schema version");
}

/* Forget the columns of a table that came after a version: its text is cut before them, a constraint takes their place. */
static void make_table_older(struct folder *f, const struct table *t, unsigned int from, unsigned int version)
{
	const struct column *c = t->columns;
	char sql[512];

	while (c->since <= version)
		c++;
	if (c->since > from)
		return;
	snprintf(sql, sizeof(sql),
		 "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = substr(sql, 1, instr(sql, char(9) || '%s "
		 "')) || "
		 "'CHECK(1))' WHERE name = '%s'; PRAGMA writable_schema = RESET",
		 c->name, t->name);
	run_sql(f, sql);
}

static void make_older(struct folder *f, unsigned int from, unsigned int version)
{
	for (int i = 0; i < N_TABLES; i++)
		if (tables[i].columns[tables[i].n_columns - 1].since > version)
			make_table_older(f, &tables[i], from, version);
}

static void drop_tables_since_6(struct folder *f)
{
	run_sql(f, "DROP TABLE module; DROP TABLE frame; DROP TABLE stack; DROP TABLE symbol; DROP TABLE stack_sample");
	run_sql(f, "DROP TABLE kv_cache; DROP TABLE traffic_source; DROP TABLE traffic_sample; DROP TABLE touched; "
		   "DROP TABLE step_operator");
	run_sql(f, "DROP TABLE kernel_kind; DROP TABLE kernel_burst; DROP TABLE step_kernel; DROP TABLE kernel_sample");
}

static void drop_tables_since_5(struct folder *f)
{
	drop_tables_since_6(f);
	run_sql(f, "DROP TABLE ioctl; DROP TABLE step_ioctl; DROP TABLE ioctl_sample");
}

static void a_recording_of_version_5_is_read_and_has_no_stacks(void **state)
{
	struct folder *f = *state;
	struct recording r;

	write_example(f);
	make_older(f, RECORDING_SCHEMA_VERSION, 5);
	drop_tables_since_6(f);
	run_sql(f, "PRAGMA user_version=5");
	load(&r, f->file);
	assert_int_equal(r.n_modules + r.n_frames + r.n_stacks + r.n_symbols + r.n_stack_samples, 0);
	assert_true(r.n_ioctls > 0);
	recording__free(&r);
}

static void stacks_are_loaded_only_where_they_are_asked_for(void **state)
{
	struct folder *f = *state;
	struct recording r;
	char error[4096];

	write_example(f);
	assert_int_equal(recording__load(&r, f->file, error, sizeof(error)), 0);
	assert_int_equal(r.n_modules + r.n_frames + r.n_stacks + r.n_symbols + r.n_stack_samples, 0);
	assert_true(r.n_ioctls > 0);
	recording__free(&r);
}

static void a_recording_of_an_earlier_version_is_read_without_what_came_later(void **state)
{
	struct folder *f = *state;
	struct recording r;

	write_example(f);
	make_older(f, RECORDING_SCHEMA_VERSION, 2);
	run_sql(f, "DROP TABLE file; DROP TABLE footprint");
	drop_tables_since_5(f);
	assert_refused(f, "table model is missing or has other columns than schema version 6");
	run_sql(f, "PRAGMA user_version=2");
	load(&r, f->file);
	assert_int_equal(r.models[0].n_layers, full_model.n_layers);
	assert_string_equal(r.models[0].header_error, full_model.header_error);
	assert_null(r.models[0].tensor_types);
	assert_int_equal(r.models[0].expert_params, ABSENT);
	assert_int_equal(r.models[0].inode, 0);
	assert_int_equal(r.contexts[0].n_ctx, ABSENT);
	assert_int_equal(r.n_files + r.n_footprints + r.n_ioctls + r.n_step_ioctls + r.n_ioctl_samples, 0);
	assert_int_equal(r.n_kernel_kinds + r.n_kernel_bursts + r.n_step_kernels + r.n_kernel_samples, 0);
	assert_int_equal(r.n_kv_caches + r.n_traffic_sources + r.n_traffic_samples, 0);
	assert_int_equal(r.models[0].output_weight_bytes, ABSENT);
	assert_int_equal(r.n_files + r.n_footprints + r.n_ioctls + r.n_step_ioctls + r.n_ioctl_samples + r.n_toucheds,
			 0);
	assert_int_equal(
		r.n_files + r.n_footprints + r.n_ioctls + r.n_step_ioctls + r.n_ioctl_samples + r.n_step_operators, 0);
	assert_int_equal(r.steps[0].server_fault_ns, ABSENT);
	assert_int_equal(r.steps[0].mean_khz, ABSENT);
	assert_int_equal(r.steps[0].clock_changes, ABSENT);
	assert_int_equal(r.steps[0].futex_ns, ABSENT);
	recording__free(&r);
	make_older(f, 2, 1);
	run_sql(f, "DROP TABLE fit; DROP TABLE fit_term; DROP TABLE fit_draw; PRAGMA user_version=1");
	load(&r, f->file);
	assert_int_equal(r.n_models, 2);
	assert_string_equal(r.models[0].quantization, full_model.quantization);
	assert_int_equal(r.models[0].weight_bytes, full_model.weight_bytes);
	assert_int_equal(r.models[0].n_layers, ABSENT);
	assert_null(r.models[0].header_error);
	assert_true(r.n_requests > 0);
	assert_int_equal(r.requests[0].n_prompts, ABSENT);
	assert_int_equal(r.requests[0].sent_prompt_tokens, ABSENT);
	assert_int_equal(r.n_fits, 0);
	recording__free(&r);
}

static void a_fit_of_an_earlier_version_is_read_and_its_range_is_not_known(void **state)
{
	struct folder *f = *state;
	struct recording r;

	write_example(f);
	make_older(f, RECORDING_SCHEMA_VERSION, 2);
	drop_tables_since_5(f);
	run_sql(f, "DROP TABLE file; DROP TABLE footprint; PRAGMA user_version=2");
	load(&r, f->file);
	assert_true(r.n_fits > 0);
	assert_true(r.fits[0].sigma == full_fit.sigma);
	assert_true(r.fits[0].roofline_residual == full_fit.roofline_residual);
	assert_int_equal(r.fits[0].least_context, ABSENT);
	assert_int_equal(r.fits[0].most_tokens, ABSENT);
	assert_int_equal(r.models[0].n_layers, full_model.n_layers);
	recording__free(&r);
}

/* Before version 2 was released, n_prompts was the last column of requests; version 3 added none to them. */
static void a_figure_that_an_early_file_of_its_version_has_not_is_unavailable(void **state)
{
	struct folder *f = *state;

	for (int version = 2; version < 4; version++) {
		struct recording r;
		char sql[64];

		remove(f->file);
		write_example(f);
		make_older(f, RECORDING_SCHEMA_VERSION, (unsigned int)version);
		run_sql(f, "DROP TABLE file; DROP TABLE footprint");
		drop_tables_since_5(f);
		run_sql(f, "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = substr(sql, 1, instr(sql, "
			   "char(9) || 'sent_prompt_tokens ')) || 'CHECK(1))' WHERE name = 'request'; "
			   "PRAGMA writable_schema = RESET");
		assert_refused(f, "table");
		snprintf(sql, sizeof(sql), "PRAGMA user_version=%d", version);
		run_sql(f, sql);
		load(&r, f->file);
		assert_true(r.n_requests > 0);
		for (size_t i = 0; i < r.n_requests; i++)
			assert_int_equal(r.requests[i].sent_prompt_tokens, ABSENT);
		recording__free(&r);
	}
}

static void what_a_later_version_adds_is_optional_and_at_the_end(void **state)
{
	(void)state;
	for (int i = 0; i < N_TABLES; i++)
		for (unsigned int k = 1; k < tables[i].n_columns; k++) {
			const struct column *c = &tables[i].columns[k];

			assert_true(c->since >= c[-1].since && c->since <= RECORDING_SCHEMA_VERSION);
			assert_true(c->since == 1 || column__is_optional(c));
		}
}

static void values_that_no_writer_writes_are_refused_with_their_column(void **state)
{
	static const struct {
		const char *sql, *says;
	} lies[] = {
		{ "UPDATE step SET start_ns = 'noon' WHERE id = 7", "table step has a row whose start_ns is noon" },
		{ "UPDATE step SET start_ns = 1.5 WHERE id = 7", "start_ns" },
		{ "UPDATE step SET start_ns = x'00' WHERE id = 7", "start_ns is binary" },
		{ "UPDATE step SET duration_ns = -1 WHERE id = 7", "duration_ns is -1" },
		{ "UPDATE step SET start_ns = 9223372036854775807 WHERE id = 7", "start_ns" },
		{ "UPDATE step SET start_ns = -9223372036854775807 WHERE id = 7", "start_ns" },
		{ "UPDATE step SET tid = 4294967296 WHERE id = 7", "tid" },
		{ "UPDATE step SET kind = 2 WHERE id = 7", "kind" },
		{ "UPDATE step SET id = -1 WHERE id = 7", "id is -1" },
		{ "UPDATE row SET n_tokens = -1", "n_tokens is -1" },
		{ "UPDATE row SET n_tokens = 2147483648", "n_tokens" },
		{ "UPDATE row SET seq = 2147483648", "seq" },
		{ "UPDATE resource SET grade = 4", "grade" },
		{ "UPDATE resource SET kind = -1", "kind" },
		{ "UPDATE resource SET name = 5 WHERE id = 1; UPDATE resource SET name = x'41' WHERE id = 1", "name" },
		{ "UPDATE memory SET op = 6", "op" },
		{ "UPDATE request SET stream = 2", "stream" },
		{ "UPDATE thread SET cpu_ns = -1", "cpu_ns" },
		{ "UPDATE step_resource SET value = 4611686018427387904; INSERT INTO step_resource VALUES "
		  "(90, 1, 0, 4611686018427387904)",
		  "add up" },
		/* What is counted or consumed is never less than nothing ... */
		{ "UPDATE step_resource SET value = -1", "value is -1" },
		{ "UPDATE step_resource SET start_value = -1", "start_value is -1" },
		{ "UPDATE total SET value = -1", "value is -1" },
		{ "UPDATE total SET check_value = -1", "check_value is -1" },
		{ "UPDATE sample SET value = -1", "value is -1" },
		{ "UPDATE loss SET n = -1", "n is -1" },
		{ "UPDATE row SET seq = -2", "seq is -2" },
		{ "UPDATE row SET first_pos = -2", "first_pos is -2" },
		{ "UPDATE row SET n_outputs = -1", "n_outputs is -1" },
		{ "UPDATE step SET n_tokens = -1", "n_tokens is -1" },
		{ "UPDATE model SET weight_bytes = -1", "weight_bytes is -1" },
		{ "UPDATE request SET status = -1", "status is -1" },
		{ "UPDATE request SET n = -1", "n is -1" },
		{ "UPDATE request SET n_prompts = -1", "n_prompts is -1" },
		{ "UPDATE request SET sent_prompt_tokens = -1", "sent_prompt_tokens is -1" },
		{ "UPDATE request SET slot = -1", "slot is -1" },
		{ "UPDATE request SET max_tokens = -1", "max_tokens is -1" },
		{ "UPDATE request SET n_chunks = -1", "n_chunks is -1" },
		{ "UPDATE request SET billed_cached_tokens = -1", "billed_cached_tokens is -1" },
		{ "UPDATE request SET billed_completion_tokens = -9223372036854775807", "billed_completion_tokens" },
		{ "UPDATE request SET reported_draft_accepted_tokens = -1", "reported_draft_accepted_tokens is -1" },
		{ "UPDATE request SET reported_prompt_us = -1", "reported_prompt_us is -1" },
		/* ... and nothing happens to a request before it came. */
		{ "UPDATE request SET end_ns = arrival_ns - 1", "end_ns" },
		{ "UPDATE request SET first_token_ns = arrival_ns - 1", "first_token_ns" },
		{ "UPDATE request SET request_end_ns = arrival_ns - 1", "request_end_ns" },
		{ "UPDATE process SET end_ns = start_ns - 1", "end_ns" },
		{ "UPDATE fit SET sigma = 9e999", "table fit has a row whose sigma is Inf" },
		{ "UPDATE fit SET sigma = -0.5", "sigma is -0.5" },
		{ "UPDATE fit SET sigma = 1e19", "sigma" },
		{ "UPDATE fit SET sigma = 'much'", "sigma is much" },
		{ "UPDATE fit SET sigma = x'00'", "sigma is binary" },
		{ "UPDATE fit SET made_unix_ns = 0.5", "made_unix_ns" },
		{ "DROP TABLE fit_draw; CREATE TABLE fit_draw(fit, draw, term, value INTEGER, PRIMARY KEY(fit, draw, "
		  "term)) "
		  "WITHOUT ROWID; INSERT INTO fit_draw VALUES (1, 1, 'row', 1)",
		  "value is 1" },
		{ "DROP TABLE fit_term; CREATE VIEW fit_term AS SELECT 1", "table fit_term" },
		{ "UPDATE recording SET value = 'now' WHERE key = 'origin_mono_ns'", "origin_mono_ns" },
		{ "UPDATE recording SET value = '-5' WHERE key = 'origin_mono_ns'", "origin_mono_ns" },
		{ "UPDATE frame SET kind = 3", "kind is 3" },
		{ "UPDATE frame SET module = -1", "module is -1" },
		{ "UPDATE stack SET parent = -1", "parent is -1" },
		{ "UPDATE symbol SET name = x'00'", "name is binary" },
		{ "UPDATE stack_sample SET kind = 2", "kind is 2" },
		{ "UPDATE stack_sample SET weight_ns = -1", "weight_ns is -1" },
		{ "UPDATE stack_sample SET reason = 6", "reason is 6" },
		{ "UPDATE stack_sample SET user_end = 6", "user_end is 6" },
		{ "DELETE FROM recording", "origin_mono_ns" },
	};
	struct folder *f = *state;
	struct bytes b;

	write_example(f);
	b = read_file(f->file);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		write_file(f->file, b.data, b.n);
		run_sql(f, lies[i].sql);
		assert_refused(f, lies[i].says);
	}
	free(b.data);
}

static void a_table_that_is_missing_or_of_another_make_is_refused(void **state)
{
	static const char *const makes[] = {
		"DROP TABLE chunk",
		"DROP TABLE chunk; CREATE VIEW chunk AS SELECT 1 AS request, 1 AS idx, 1 AS time_ns",
		"ALTER TABLE chunk ADD COLUMN extra",
		"ALTER TABLE chunk RENAME COLUMN idx TO i",
		"DROP TABLE chunk; CREATE TABLE chunk(request INTEGER, idx INTEGER, time_ns INTEGER)",
		"DROP TABLE chunk; CREATE TABLE chunk(request, idx, time_ns AS (1), PRIMARY KEY(request, idx))",
		"DROP TABLE chunk; CREATE VIRTUAL TABLE chunk USING fts5(request, idx, time_ns)",
	};
	struct folder *f = *state;
	struct bytes b;

	write_example(f);
	b = read_file(f->file);
	for (size_t i = 0; i < sizeof(makes) / sizeof(makes[0]); i++) {
		write_file(f->file, b.data, b.n);
		run_sql(f, makes[i]);
		assert_refused(f, "table chunk");
	}
	free(b.data);
}

static void what_a_user_adds_beside_the_tables_does_no_harm(void **state)
{
	struct folder *f = *state;

	write_example(f);
	run_sql(f, "CREATE INDEX by_time ON chunk(time_ns, request, idx); CREATE TABLE note(text); "
		   "CREATE VIEW slow AS SELECT * FROM step_cost WHERE duration_ns > 1; ANALYZE; VACUUM");
	assert_int_equal(load_any(f), 0);
}

static void a_recording_from_before_there_were_fits_is_loaded_without_any(void **state)
{
	struct folder *f = *state;
	struct recording r;

	write_example(f);
	run_sql(f, "DROP TABLE fit; DROP TABLE fit_term; DROP TABLE fit_draw");
	load(&r, f->file);
	assert_int_equal(r.n_fits + r.n_fit_terms + r.n_fit_draws, 0);
	assert_true(r.n_chunks > 0);
	recording__free(&r);
}

static void a_row_of_an_unknown_step_is_loaded(void **state)
{
	struct folder *f = *state;
	struct recording r;

	write_example(f);
	run_sql(f, "INSERT INTO row VALUES (1000000, 0, 0, 0, 0, 1, 1)");
	load(&r, f->file);
	assert_int_equal(r.rows[r.n_rows - 1].step, 1000000);
	recording__free(&r);
}

/* Two leaves of one table made one: a walk along the tree meets each row twice. */
static void a_page_that_is_linked_twice_is_refused(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	unsigned char *page, *cell;
	struct bytes b;
	sqlite3_stmt *s;
	sqlite3 *db;
	size_t root;

	for (int64_t i = 1; i < 2000; i++)
		assert_int_equal(put_step(w, i), 0);
	assert_int_equal(recording_writer__close(w, true), 0);
	assert_int_equal(sqlite3_open(f->file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT rootpage FROM sqlite_master WHERE name = 'step'", -1, &s, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	root = (size_t)sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	b = read_file(f->file);
	page = b.data + (root - 1) * RECORDING_PAGE_SIZE;
	assert_int_equal(page[0], 5); /* interior page of a table: https://www.sqlite.org/fileformat2.html, 1.6 */
	cell = page + (page[12] << 8 | page[13]);
	memcpy(page + (page[14] << 8 | page[15]), cell, 4);
	write_file(f->file, b.data, b.n);
	assert_int_equal(load_any(f), -EBADMSG);
	free(b.data);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder__set_up, folder__tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_recording_cut_short_anywhere_is_refused),
		TEST(no_flipped_byte_crashes_the_reader),
		TEST(what_is_no_database_is_refused),
		TEST(a_database_of_another_application_is_refused),
		TEST(a_newer_schema_is_refused_with_its_version),
		TEST(a_recording_of_version_5_is_read_and_has_no_stacks),
		TEST(stacks_are_loaded_only_where_they_are_asked_for),
		TEST(a_recording_of_an_earlier_version_is_read_without_what_came_later),
		TEST(a_fit_of_an_earlier_version_is_read_and_its_range_is_not_known),
		TEST(a_figure_that_an_early_file_of_its_version_has_not_is_unavailable),
		TEST(what_a_later_version_adds_is_optional_and_at_the_end),
		TEST(values_that_no_writer_writes_are_refused_with_their_column),
		TEST(a_table_that_is_missing_or_of_another_make_is_refused),
		TEST(what_a_user_adds_beside_the_tables_does_no_harm),
		TEST(a_recording_from_before_there_were_fits_is_loaded_without_any),
		TEST(a_row_of_an_unknown_step_is_loaded),
		TEST(a_page_that_is_linked_twice_is_refused),
	};

	return cmocka_run_group_tests_name("damaged recordings", tests, NULL, NULL);
}
