/* SPDX-License-Identifier: Apache-2.0 */
/* Fits are kept to the last bit, found again where they hold, and where they do not, the user is told why. */
#include "tests/unit/recording_example.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>

#include "make_recording.h"
#include "make_server.h"
#include "userspace/cost/fit_store.h"

static const struct fit_key here = { "00ff", "llama.cpp", "11ee", 4, "a host", "a processor", NULL };

/* A folder for the fits, in the one of the test. */
static int set_up(void **state)
{
	struct folder *f;

	if (folder__set_up(state))
		return -1;
	f = *state;
	return setenv("TOKPROF_FITS", f->path, 1);
}

static int tear_down(void **state)
{
	unsetenv("TOKPROF_FITS");
	return folder__tear_down(state);
}

static double uniform(uint64_t *seed)
{
	return (double)(random_next(seed) >> 11) / 9007199254740992.0;
}

/* As a fit of random steps leaves it. */
static void make_fit(struct fit *out, uint64_t seed, const char *role, int resource)
{
	const struct cost_fit_options options = { .seed = 1, .hold_out = true };
	struct cost_sample samples[300];
	struct cost_row rows[300][4];
	uint32_t ends[300];
	struct cost_samples all = { .samples = samples, .n = 300 };

	for (size_t i = 0; i < 300; i++) {
		ends[i] = 1 + (uint32_t)random_below(&seed, 4);
		for (uint32_t k = 0; k < ends[i]; k++)
			rows[i][k] =
				(struct cost_row){ random_below(&seed, 3) ? 1 : 1 + (uint32_t)random_below(&seed, 300),
						   (uint32_t)random_below(&seed, 3000), 1, k };
		samples[i] = (struct cost_sample){ .rows = rows[i], .part_end = &ends[i], .n_parts = 1 };
		samples[i].value = 1e6 + 3e6 * uniform(&seed);
		for (uint32_t k = 0; k < ends[i]; k++)
			samples[i].value += 1e6 * rows[i][k].n_tokens + 3e3 * rows[i][k].context;
	}
	assert_int_equal(fit__make(out, &all, role, resource, &options), 0);
	out->key = here;
	out->model_name = "small";
	out->made_unix_ns = INT64_C(1700000000000000000);
	out->origin = FIT_ORIGIN_CALIBRATE;
}

static void assert_same(const struct fit *a, const struct fit *b)
{
	assert_string_equal(a->cost.role, b->cost.role);
	assert_int_equal(a->cost.resource, b->cost.resource);
	assert_memory_equal(a->cost.value, b->cost.value, sizeof(a->cost.value));
	assert_memory_equal(a->cost.low, b->cost.low, sizeof(a->cost.low));
	assert_memory_equal(a->cost.high, b->cost.high, sizeof(a->cost.high));
	assert_memory_equal(a->cost.fitted, b->cost.fitted, sizeof(a->cost.fitted));
	assert_memory_equal(a->cost.merged_with, b->cost.merged_with, sizeof(a->cost.merged_with));
	assert_true(a->cost.sigma == b->cost.sigma && a->cost.model_error == b->cost.model_error);
	assert_true(a->cost.median_residual == b->cost.median_residual && a->cost.condition == b->cost.condition);
	assert_int_equal(a->cost.n_steps, b->cost.n_steps);
	assert_int_equal(a->cost.n_held_out, b->cost.n_held_out);
	assert_int_equal(a->cost.identified, b->cost.identified);
	assert_string_equal(a->cost.reason, b->cost.reason);
	assert_true(a->has_affine && b->has_affine && a->has_roofline && b->has_roofline);
	assert_memory_equal(&a->affine, &b->affine, sizeof(a->affine));
	assert_memory_equal(&a->roofline, &b->roofline, sizeof(a->roofline));
	assert_int_equal(fit_key__differences(&a->key, &b->key, NULL, 0), 0);
	assert_string_equal(a->model_name, b->model_name);
	assert_true(!a->engine_version && !b->engine_version);
	assert_int_equal(a->made_unix_ns, b->made_unix_ns);
	assert_string_equal(a->origin, b->origin);
	assert_true(fit_range__known(&a->range));
	assert_memory_equal(&a->range, &b->range, sizeof(a->range));
	assert_true(a->waited == b->waited || (isnan(a->waited) && isnan(b->waited)));
}

static void a_fit_comes_back_from_a_recording_to_the_last_bit(void **state)
{
	struct folder *f = *state;
	struct fit fits[2];
	struct fit_set set;
	struct recording r;
	struct recording_writer *w = open_writer(f);
	char error[512];

	make_fit(&fits[0], 1, "target", RESOURCE_CPU_NS);
	make_fit(&fits[1], 2, "draft", COST_RESOURCE_WALL);
	assert_int_equal(fit_set__write(fits, 2, w), 0);
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, f->file);
	assert_int_equal(fit_set__from_recording(&set, &r, error, sizeof(error)), 0);
	recording__free(&r);
	assert_int_equal(set.n, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_same(&fits[i], &set.fits[i]);
		assert_int_equal(set.fits[i].cost.n_draws, FIT_DRAWS_KEPT);
		for (size_t k = 0; k < (size_t)FIT_DRAWS_KEPT * COST_TERMS; k++) {
			const double a = fits[i].cost.draws[k], b = set.fits[i].cost.draws[k];

			/* Knots without steps are not kept, but drawn again between those with them. */
			assert_true(fits[i].cost.fitted[k % COST_TERMS] ? a == b : fabs(a - b) <= 1e-9 * (a + b));
		}
	}
	assert_ptr_equal(fit__find(set.fits, set.n, "draft", COST_RESOURCE_WALL), &set.fits[1]);
	assert_null(fit__find(set.fits, set.n, "draft", RESOURCE_CPU_NS));
	fit_set__free(&set);
	fit_set__free(NULL);
	fit__free(&fits[0]);
	fit__free(&fits[1]);
	fit__free(NULL);
}

static void a_recording_without_fits_has_an_empty_set(void **unused)
{
	const struct recording none = { 0 };
	struct fit_set set;
	char error[64];

	(void)unused;
	assert_int_equal(fit_set__from_recording(&set, &none, error, sizeof(error)), 0);
	assert_int_equal(set.n, 0);
	assert_null(fit__find(set.fits, set.n, "target", RESOURCE_CPU_NS));
	fit_set__free(&set);
}

static void a_fit_that_was_tampered_with_is_refused(void **state)
{
	static const struct {
		const char *sql, *says;
	} lies[] = {
		{ "DELETE FROM fit_term WHERE term = 'context'", "has 36 terms of 37" },
		{ "UPDATE fit_term SET term = 'G(3000)' WHERE term = 'row'", "'G(3000)' is not known" },
		{ "UPDATE fit_term SET value = high * 2 + 1 WHERE term = 'G(1)'", "G(1) is outside" },
		{ "DELETE FROM fit_draw WHERE draw = 3 AND term = 'G(1)'", "replicates are not complete" },
		{ "DELETE FROM fit_draw WHERE draw = 3", "replicates are not complete" },
		{ "UPDATE fit_draw SET term = 'x' WHERE draw = 3 AND term = 'G(1)'", "replicates are not complete" },
		{ "UPDATE fit_term SET fitted = 0", "replicates are not complete" },
		{ "DELETE FROM fit_term", "has 0 terms" },
		{ "UPDATE fit SET most_context = least_context - 1 WHERE least_context > 0", "ends before it begins" },
		{ "UPDATE fit SET least_rows = most_rows + 1", "ends before it begins" },
		{ "UPDATE fit SET least_tokens = most_tokens + 1", "ends before it begins" },
		{ "WITH RECURSIVE n(i) AS (SELECT 64 UNION ALL SELECT i + 1 FROM n WHERE i < 1100) "
		  "INSERT INTO fit_draw SELECT fit, i, term, value FROM fit_draw JOIN n WHERE draw = 0",
		  "at most 1024" },
	};
	struct folder *f = *state;
	struct fit fit;

	make_fit(&fit, 3, "target", RESOURCE_CPU_NS);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct recording_writer *w;
		struct recording r;
		struct fit_set set;
		char error[512];
		sqlite3 *db;

		assert_int_equal(recording_writer__open(&w, f->file, true), 0);
		assert_int_equal(fit_set__write(&fit, 1, w), 0);
		assert_int_equal(recording_writer__close(w, true), 0);
		assert_int_equal(sqlite3_open(f->file, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, lies[i].sql, NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(db);
		load(&r, f->file);
		assert_int_equal(fit_set__from_recording(&set, &r, error, sizeof(error)), -EBADMSG);
		if (!strstr(error, lies[i].says) || !strstr(error, "calibrate again"))
			fail_msg("'%s' does not say '%s'", error, lies[i].says);
		assert_int_equal(set.n, 0);
		recording__free(&r);
	}
	fit__free(&fit);
}

/* A store of the tokprof before has files of schema version 2. */
static void a_fit_that_was_stored_without_a_range_is_found_and_says_nothing_of_it(void **state)
{
	char path[PATH_MAX], words[1024];
	struct fit fit;
	struct fit_set set;
	sqlite3 *db;

	(void)state;
	make_fit(&fit, 4, "target", RESOURCE_CPU_NS);
	assert_int_equal(fit_store__save(&here, &fit, 1, path, sizeof(path), words, sizeof(words)), 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db,
			     "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = substr(sql, 1, "
			     "instr(sql, char(9) || CASE name WHEN 'fit' THEN 'least_context ' WHEN 'step' THEN "
			     "'server_runq_ns ' WHEN 'model' THEN 'tensor_types ' ELSE 'n_ctx ' END)) "
			     "|| 'CHECK(1))' WHERE name IN ('fit', 'step', 'model', 'context'); "
			     "PRAGMA writable_schema = RESET; DROP TABLE file; DROP TABLE footprint; "
			     "DROP TABLE kv_cache; DROP TABLE traffic_source; DROP TABLE traffic_sample; "
			     "DROP TABLE ioctl; DROP TABLE step_ioctl; DROP TABLE ioctl_sample; "
			     "DROP TABLE module; DROP TABLE frame; DROP TABLE stack; DROP TABLE symbol; "
			     "DROP TABLE stack_sample; "
			     "DROP TABLE kernel_kind; DROP TABLE kernel_burst; DROP TABLE step_kernel; "
			     "DROP TABLE kernel_sample; "
			     "DROP TABLE touched; "
			     "DROP TABLE step_operator; "
			     "PRAGMA user_version = 2",
			     NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(fit_store__find(&here, &set, words, sizeof(words)), 0);
	assert_int_equal(set.n, 1);
	assert_true(set.fits[0].cost.sigma == fit.cost.sigma);
	assert_false(fit_range__known(&set.fits[0].range));
	assert_true(isnan(set.fits[0].waited));
	fit_range__describe(&set.fits[0].range, words, sizeof(words));
	assert_string_equal(words, "");
	fit_set__free(&set);
	fit__free(&fit);
}

static void a_stored_fit_is_found_where_it_holds_and_nowhere_else(void **state)
{
	const struct fit_key others[] = {
		{ "00ff", "llama.cpp", "11ee", 2, "a host", "a processor", NULL },
		{ "00ff", "llama.cpp", "22", 4, "a host", "a processor", NULL },
		{ "00ff", "llama.cpp", "11ee", 4, "b host", "b processor", NULL },
		{ "0011", "llama.cpp", "11ee", 4, "a host", "a processor", NULL },
		{ NULL, "llama.cpp", "11ee", 4, "a host", "a processor", NULL },
		{ "00ff", "llama.cpp", "11ee", ABSENT, "b host", "a processor", NULL },
	};
	static const char *const says[] = {
		"nearest differs in threads (4, here 2)",
		"engine build (11ee, here 22)",
		"host (a host, here b host) and processor",
		"no fit for this model among 1 in",
		"the weight file was not read",
		"threads (4, here unknown) and host",
	};
	char path[PATH_MAX], words[1024];
	struct fit fit, again;
	struct fit_set set;

	(void)state;
	assert_int_equal(fit_store__find(&here, &set, words, sizeof(words)), -ENOENT);
	assert_non_null(strstr(words, "tokprof calibrate"));
	make_fit(&fit, 4, "target", RESOURCE_CPU_NS);
	assert_int_equal(fit_store__save(&here, &fit, 1, path, sizeof(path), words, sizeof(words)), 0);
	assert_true(exists(path));
	assert_int_equal(fit_store__find(&here, &set, words, sizeof(words)), 0);
	assert_int_equal(set.n, 1);
	assert_same(&fit, &set.fits[0]);
	fit_set__free(&set);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(fit_store__find(&others[i], &set, words, sizeof(words)), -ENOENT);
		if (!strstr(words, says[i]))
			fail_msg("'%s' does not say '%s'", words, says[i]);
		assert_int_equal(set.n, 0);
	}

	make_fit(&again, 5, "target", RESOURCE_CPU_NS);
	assert_int_equal(fit_store__save(&here, &again, 1, NULL, 0, words, sizeof(words)), 0);
	assert_int_equal(fit_store__find(&here, &set, words, sizeof(words)), 0);
	assert_same(&again, &set.fits[0]);
	fit_set__free(&set);
	fit__free(&fit);
	fit__free(&again);
}

static void a_fit_of_a_draft_is_stored_and_found_by_the_drafts_own_weights(void **state)
{
	struct fit_key with = here, other = here;
	char words[1024];
	struct fit fits[2];
	struct fit_set set;

	(void)state;
	with.draft_digest = "dd";
	other.draft_digest = "ee";
	make_fit(&fits[0], 8, "target", RESOURCE_CPU_NS);
	make_fit(&fits[1], 9, "draft", RESOURCE_CPU_NS);
	assert_int_equal(fit_store__save(&with, fits, 2, NULL, 0, words, sizeof(words)), 0);
	assert_string_equal(fits[0].key.model_digest, here.model_digest);
	assert_string_equal(fits[1].key.model_digest, "dd");
	assert_int_equal(fit_store__find(&with, &set, words, sizeof(words)), 0);
	assert_int_equal(set.n, 2);
	assert_string_equal(fit__find(set.fits, set.n, "draft", RESOURCE_CPU_NS)->key.model_digest, "dd");
	fit_set__free(&set);
	assert_int_equal(fit_store__find(&other, &set, words, sizeof(words)), -ENOENT);
	assert_non_null(strstr(words, "draft's weight file (dd, here ee)"));
	fit__free(&fits[0]);
	fit__free(&fits[1]);
}

static void a_servers_weight_files_are_told_apart_by_what_drafts(void **unused)
{
	static const struct row_model large = { .id = 1, .digest = "aa", .weight_bytes = 1000 },
				      small = { .id = 2, .digest = "bb", .weight_bytes = 100 },
				      third = { .id = 3, .digest = "cc", .weight_bytes = 500 },
				      eyes = { .id = 4, .digest = "ff", .weight_bytes = 5000, .arch = "clip" };
	struct fit_key key;
	struct maker m;
	char why[160];

	(void)unused;
	maker__init(&m);
	maker__model(&m, &large);
	maker__model(&m, &eyes);
	fit_key__of_server(&key, maker__finish(&m));
	assert_string_equal(key.model_digest, "aa");
	assert_null(key.draft_digest);
	assert_false(fit_key__lacks_draft(&m.recording));
	maker__model(&m, &small);
	assert_true(fit_key__several(maker__finish(&m), why, sizeof(why)));
	assert_true(fit_key__lacks_draft(&m.recording));
	fit_key__of_server(&key, &m.recording);
	assert_null(key.model_digest);
	maker__context(&m, 2, "draft");
	assert_false(fit_key__several(maker__finish(&m), why, sizeof(why)));
	assert_false(fit_key__lacks_draft(&m.recording));
	fit_key__of_server(&key, &m.recording);
	assert_string_equal(key.model_digest, "aa");
	assert_string_equal(key.draft_digest, "bb");
	maker__model(&m, &third);
	assert_true(fit_key__several(maker__finish(&m), why, sizeof(why)));
	assert_non_null(strstr(why, "cannot be told"));
	maker__free(&m);

	/* No draft would tell which is whose of three, or of two that are as large. */
	maker__init(&m);
	maker__model(&m, &large);
	maker__model(&m, &small);
	maker__model(&m, &third);
	assert_false(fit_key__lacks_draft(maker__finish(&m)));
	maker__free(&m);
	maker__init(&m);
	maker__model(&m, &large);
	maker__model(&m, &(struct row_model){ .id = 2, .digest = "bb", .weight_bytes = 1000 });
	assert_false(fit_key__lacks_draft(maker__finish(&m)));
	maker__free(&m);
}

static void two_servers_of_one_weight_file_have_its_shape_and_no_fit(void **unused)
{
	static const struct row_model model = { .id = 1, .digest = "aa", .weight_bytes = 1000 };
	struct maker m;
	char why[160];

	(void)unused;
	maker__init(&m);
	maker__model(&m, &model);
	maker__model(&m, &model);
	maker__context(&m, 2, "target");
	assert_false(fit_key__several(maker__finish(&m), why, sizeof(why)));
	m.recording.contexts[1].pid = MAKER_PID + 1;
	assert_true(fit_key__several(&m.recording, why, sizeof(why)));
	assert_non_null(strstr(why, "one server"));
	assert_string_equal(fit_key__model(&m.recording, false, why, sizeof(why))->digest, "aa");
	maker__free(&m);
}

static void what_could_not_be_found_again_is_not_stored(void **state)
{
	struct fit_key key = here;
	struct fit fit = { .origin = FIT_ORIGIN_CALIBRATE };
	char words[1024];

	(void)state;
	key.model_digest = NULL;
	assert_int_equal(fit_store__save(&key, &fit, 1, NULL, 0, words, sizeof(words)), -EINVAL);
	assert_non_null(strstr(words, "weight file"));
}

static void a_fit_of_no_figures_is_not_stored_and_leaves_no_file(void **state)
{
	struct folder *f = *state;
	struct fit fit;
	struct fit_set set;
	char words[1024];
	DIR *d;
	int n = 0;

	make_fit(&fit, 6, "target", RESOURCE_CPU_NS);
	fit.cost.sigma = NAN;
	assert_int_equal(fit_store__save(&here, &fit, 1, NULL, 0, words, sizeof(words)), -ERANGE);
	assert_int_equal(fit_store__find(&here, &set, words, sizeof(words)), -ENOENT);
	d = opendir(f->path);
	while (readdir(d))
		n++;
	closedir(d);
	assert_int_equal(n, 2);
	fit__free(&fit);
}

static void a_damaged_or_foreign_file_is_told_or_passed_over(void **state)
{
	struct folder *f = *state;
	char path[PATH_MAX], words[1024], other[1024];
	struct fit_key elsewhere = here;
	struct fit_set set;
	struct fit fit;
	FILE *file;

	make_fit(&fit, 7, "target", RESOURCE_CPU_NS);
	assert_int_equal(fit_store__save(&here, &fit, 1, path, sizeof(path), words, sizeof(words)), 0);
	snprintf(other, sizeof(other), "%s/0000.tokprof", f->path);
	file = fopen(other, "we");
	fputs("no fit", file);
	fclose(file);
	elsewhere.host = "b host";
	assert_int_equal(fit_store__find(&elsewhere, &set, words, sizeof(words)), -ENOENT);
	assert_non_null(strstr(words, "host (a host, here b host)"));
	assert_int_equal(truncate(path, 5000), 0);
	assert_int_equal(fit_store__find(&here, &set, words, sizeof(words)), -EBADMSG);
	assert_non_null(strstr(words, path));
	fit__free(&fit);
}

static void the_folder_follows_the_environment(void **state)
{
	const char *home = getenv("HOME");
	char was[512], path[PATH_MAX];

	(void)state;
	snprintf(was, sizeof(was), "%s", home ? home : "/");
	unsetenv("TOKPROF_FITS");
	unsetenv("SUDO_UID");
	setenv("XDG_DATA_HOME", "/data", 1);
	assert_int_equal(fit_store__folder(path, sizeof(path)), 0);
	assert_string_equal(path, "/data/tokprof/fits");
	setenv("XDG_DATA_HOME", "data", 1);
	setenv("HOME", "/home/u", 1);
	assert_int_equal(fit_store__folder(path, sizeof(path)), 0);
	assert_string_equal(path, "/home/u/.local/share/tokprof/fits");
	assert_int_equal(fit_store__folder(path, 10), -ENAMETOOLONG);
	unsetenv("XDG_DATA_HOME");
	setenv("HOME", was, 1);
}

static void threads_that_compute_are_told_from_those_that_wait(void **unused)
{
	struct row_thread threads[] = {
		{ .tid = 1, .cpu_ns = 1000000000 }, { .tid = 2, .cpu_ns = 900000000 },
		{ .tid = 3, .cpu_ns = 100000000 },  { .tid = 4, .cpu_ns = 99000000 },
		{ .tid = 5, .cpu_ns = 0 },	    { .tid = 6, .cpu_ns = ABSENT },
	};
	struct recording r = { .threads = threads, .n_threads = 6 };

	(void)unused;
	assert_int_equal(fit_key__threads(&r), 3);
	r.threads = &threads[4];
	r.n_threads = 2;
	assert_true(fit_key__threads(&r) == ABSENT);
	r.threads = &threads[3];
	r.n_threads = 1;
	assert_true(fit_key__threads(&r) == ABSENT);
}

static void a_server_that_computed_next_to_nothing_has_the_fit_that_is_else_its_own(void **state)
{
	const struct fit_key idle = { "00ff", "llama.cpp", "11ee", ABSENT, "a host", "a processor", NULL };
	char path[PATH_MAX], words[1024];
	struct fit_set set;
	struct fit fit;

	(void)state;
	make_fit(&fit, 4, "target", RESOURCE_CPU_NS);
	assert_int_equal(fit_store__save(&here, &fit, 1, path, sizeof(path), words, sizeof(words)), 0);
	assert_int_equal(fit_store__find(&idle, &set, words, sizeof(words)), 0);
	assert_int_equal(set.n, 1);
	fit_set__free(&set);
	fit__free(&fit);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_fit_comes_back_from_a_recording_to_the_last_bit),
		TEST(a_recording_without_fits_has_an_empty_set),
		TEST(a_fit_that_was_tampered_with_is_refused),
		TEST(a_fit_that_was_stored_without_a_range_is_found_and_says_nothing_of_it),
		TEST(a_stored_fit_is_found_where_it_holds_and_nowhere_else),
		TEST(a_fit_of_a_draft_is_stored_and_found_by_the_drafts_own_weights),
		TEST(a_servers_weight_files_are_told_apart_by_what_drafts),
		TEST(two_servers_of_one_weight_file_have_its_shape_and_no_fit),
		TEST(what_could_not_be_found_again_is_not_stored),
		TEST(a_fit_of_no_figures_is_not_stored_and_leaves_no_file),
		TEST(a_damaged_or_foreign_file_is_told_or_passed_over),
		TEST(the_folder_follows_the_environment),
		TEST(threads_that_compute_are_told_from_those_that_wait),
		TEST(a_server_that_computed_next_to_nothing_has_the_fit_that_is_else_its_own),
	};

	return cmocka_run_group_tests_name("stored fits", tests, NULL, NULL);
}
