/* SPDX-License-Identifier: Apache-2.0 */
/* Which recordings take a stored fit along: those of one server with one model, or with one and its draft. */
#include "tests/unit/recording_example.h"

#include "make_fit.h"
#include "userspace/calibrate/carry.h"
#include "userspace/calibrate/fits.h"
#include "userspace/cost/fit_store.h"

#define N_STEPS 300	/* enough for a fit of the recording's own */

static const struct fit_key here = { "00ff", "llama.cpp", "11ee", 1, "a host", "a processor", NULL };

struct scene {
	struct folder *recordings;
	struct folder *fits;
};

static int set_up(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct made_fit made;
	struct fit fit;
	char error[512];

	assert_non_null(s);
	*state = s;
	if (folder__set_up((void **)&s->recordings) || folder__set_up((void **)&s->fits))
		return -1;
	setenv("TOKPROF_FITS", s->fits->path, 1);
	make_fit(&made, "target", RESOURCE_CPU_NS);
	fit = made.fit;
	memcpy(fit.cost.low, fit.cost.value, sizeof(fit.cost.low));
	memcpy(fit.cost.high, fit.cost.value, sizeof(fit.cost.high));
	fit.origin = FIT_ORIGIN_CALIBRATE;
	fit.made_unix_ns = INT64_C(1700000000000000000);
	return fit_store__save(&here, &fit, 1, NULL, 0, error, sizeof(error));
}

static int tear_down(void **state)
{
	struct scene *s = *state;

	unsetenv("TOKPROF_FITS");
	folder__tear_down((void **)&s->recordings);
	folder__tear_down((void **)&s->fits);
	free(s);
	return 0;
}

/* Of the server that the stored fit is of. */
static struct recording_writer *record(const struct folder *f)
{
	static const struct row_engine engine = { .id = 1, .pid = 41, .name = "llama.cpp", .build_id = "11ee" };
	static const struct row_thread thread = { .tid = 41, .pid = 41, .cpu_ns = 1000 };
	static const struct row_model model = { .id = 1, .pid = 41, .digest = "00ff", .weight_bytes = 1000 };
	static const struct row_context context = { .id = 1, .pid = 41, .role = "target" };
	struct recording_writer *w = open_writer(f);

	assert_int_equal(recording_writer__put_meta(w, "host", "a host"), 0);
	assert_int_equal(recording_writer__put_meta(w, "cpu_model", "a processor"), 0);
	assert_int_equal(recording_writer__engine(w, &engine), 0);
	assert_int_equal(recording_writer__thread(w, &thread), 0);
	assert_int_equal(recording_writer__model(w, &model), 0);
	assert_int_equal(recording_writer__context(w, &context), 0);
	for (int64_t i = 1; i <= N_STEPS; i++)
		assert_int_equal(put_step(w, i), 0);
	return w;
}

/* Nothing is taken along, and for the same reason nothing can be fitted. */
static void check_refused(const struct scene *s, struct recording_writer *w, const char *reason)
{
	const struct fits_options options = { .origin = FIT_ORIGIN_RECORDING };
	struct recording r;
	struct timeline t;
	struct fits fits;
	char words[512];

	assert_int_equal(carry__fits(w, s->recordings->file, N_STEPS, words, sizeof(words)), 0);
	assert_non_null(strstr(words, reason));
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, s->recordings->file);
	assert_int_equal(r.n_fits, 0);
	assert_int_equal(timeline__build(&t, &r), 0);
	assert_int_equal(fits__make(&fits, &t, &options), 0);
	assert_int_equal(fits.n, 0);
	assert_non_null(strstr(fits.why, reason));
	fits__free(&fits);
	timeline__free(&t);
	recording__free(&r);
}

static void the_stored_fit_of_its_server_goes_with_a_recording(void **state)
{
	const struct scene *s = *state;
	struct recording_writer *w = record(s->recordings);
	struct recording r;
	char words[512];

	assert_int_equal(carry__fits(w, s->recordings->file, N_STEPS, words, sizeof(words)), 1);
	assert_non_null(strstr(words, "calibrated 2023-11-1"));
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, s->recordings->file);
	assert_int_equal(r.n_fits, 1);
	assert_string_equal(r.fits[0].model_digest, "00ff");
	recording__free(&r);
}

static void no_fit_goes_with_a_recording_of_two_servers_though_their_model_is_one(void **state)
{
	static const struct row_context second = { .id = 2, .pid = 42, .role = "target" };
	static const struct row_model again = { .id = 2, .pid = 42, .digest = "00ff", .weight_bytes = 1000 };
	const struct scene *s = *state;
	struct recording_writer *w = record(s->recordings);

	assert_int_equal(recording_writer__context(w, &second), 0);
	assert_int_equal(recording_writer__model(w, &again), 0);
	check_refused(s, w, "a fit is of one server");
}

static void no_fit_goes_with_a_recording_of_weight_files_that_cannot_be_told_apart(void **state)
{
	static const struct row_model other = { .id = 2, .pid = 41, .digest = "0011", .weight_bytes = 100 };
	const struct scene *s = *state;
	struct recording_writer *w = record(s->recordings);

	assert_int_equal(recording_writer__model(w, &other), 0);
	check_refused(s, w, "several weight files");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_stored_fit_of_its_server_goes_with_a_recording),
		TEST(no_fit_goes_with_a_recording_of_two_servers_though_their_model_is_one),
		TEST(no_fit_goes_with_a_recording_of_weight_files_that_cannot_be_told_apart),
	};

	return cmocka_run_group_tests_name("fits that go with a recording", tests, NULL, NULL);
}
