/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/recording_example.h"

#include <errno.h>
#include <pthread.h>

/* Bytes of the struct, with texts compared as texts. Padding is 0 on both sides: static here, cleared by the reader. */
static void assert_row(enum table_id id, const void *expected, const void *loaded)
{
	const struct table *t = &tables[id];
	char copy[1024];

	assert_true(t->row_size <= sizeof(copy));
	memcpy(copy, loaded, t->row_size);
	for (unsigned int i = 0; i < t->n_columns; i++) {
		const struct column *c = &t->columns[i];
		const char *a, *b;

		if (!column__is_text(c))
			continue;
		memcpy(&a, (const char *)expected + c->offset, sizeof(a));
		memcpy(&b, copy + c->offset, sizeof(b));
		if (a && b)
			assert_string_equal(a, b);
		else
			assert_ptr_equal(a, b);
		memcpy(copy + c->offset, &a, sizeof(a));
	}
	assert_memory_equal(expected, copy, t->row_size);
}

static void check_rows(const struct recording *r, size_t i, bool full)
{
	assert_row(TABLE_RESOURCE, full ? &full_resource : &bare_resource, &r->resources[i]);
	assert_row(TABLE_TOTAL, full ? &full_total : &bare_total, &r->totals[i]);
	assert_row(TABLE_COLLECTOR, full ? &full_collector : &bare_collector, &r->collectors[i]);
	assert_row(TABLE_PROBE, full ? &full_probe : &bare_probe, &r->probes[i]);
	assert_row(TABLE_LOSS, full ? &full_loss : &bare_loss, &r->losses[i]);
	assert_row(TABLE_PROCESS, full ? &full_process : &bare_process, &r->processes[i]);
	assert_row(TABLE_THREAD, full ? &full_thread : &bare_thread, &r->threads[i]);
	assert_row(TABLE_ENGINE, full ? &full_engine : &bare_engine, &r->engines[i]);
	assert_row(TABLE_MODEL, full ? &full_model : &bare_model, &r->models[i]);
	assert_row(TABLE_CONTEXT, full ? &full_context : &bare_context, &r->contexts[i]);
	assert_row(TABLE_STEP, full ? &full_step : &bare_step, &r->steps[i]);
	assert_row(TABLE_STEP_RESOURCE, full ? &full_step_resource : &bare_step_resource, &r->step_resources[i]);
	assert_row(TABLE_SAMPLE, full ? &full_sample : &bare_sample, &r->samples[i]);
	assert_row(TABLE_ROW, full ? &full_row : &bare_row, &r->rows[i]);
	assert_row(TABLE_MEMORY, full ? &full_memory : &bare_memory, &r->memories[i]);
	assert_row(TABLE_REQUEST, full ? &full_request : &bare_request, &r->requests[i]);
	assert_row(TABLE_CHUNK, full ? &full_chunk : &bare_chunk, &r->chunks[i]);
	assert_row(TABLE_FIT, full ? &full_fit : &bare_fit, &r->fits[i]);
	assert_row(TABLE_FIT_TERM, full ? &full_fit_term : &bare_fit_term, &r->fit_terms[i]);
	assert_row(TABLE_FIT_DRAW, full ? &full_fit_draw : &bare_fit_draw, &r->fit_draws[i]);
	assert_row(TABLE_FILE, full ? &full_file : &bare_file, &r->files[i]);
	assert_row(TABLE_FOOTPRINT, full ? &full_footprint : &bare_footprint, &r->footprints[i]);
	assert_row(TABLE_IOCTL, full ? &full_ioctl : &bare_ioctl, &r->ioctls[i]);
	assert_row(TABLE_STEP_IOCTL, full ? &full_step_ioctl : &bare_step_ioctl, &r->step_ioctls[i]);
	assert_row(TABLE_IOCTL_SAMPLE, full ? &full_ioctl_sample : &bare_ioctl_sample, &r->ioctl_samples[i]);
	assert_row(TABLE_MODULE, full ? &full_module : &bare_module, &r->modules[i]);
	assert_row(TABLE_FRAME, full ? &full_frame : &bare_frame, &r->frames[i]);
	assert_row(TABLE_STACK, full ? &full_stack : &bare_stack, &r->stacks[i]);
	assert_row(TABLE_SYMBOL, full ? &full_symbol : &bare_symbol, &r->symbols[i]);
	assert_row(TABLE_STACK_SAMPLE, full ? &full_stack_sample : &bare_stack_sample, &r->stack_samples[i]);
	assert_row(TABLE_KERNEL_KIND, full ? &full_kernel_kind : &bare_kernel_kind, &r->kernel_kinds[i]);
	assert_row(TABLE_KERNEL_BURST, full ? &full_kernel_burst : &bare_kernel_burst, &r->kernel_bursts[i]);
	assert_row(TABLE_STEP_KERNEL, full ? &full_step_kernel : &bare_step_kernel, &r->step_kernels[i]);
	assert_row(TABLE_KERNEL_SAMPLE, full ? &full_kernel_sample : &bare_kernel_sample, &r->kernel_samples[i]);
	assert_row(TABLE_KV_CACHE, full ? &full_kv_cache : &bare_kv_cache, &r->kv_caches[i]);
	assert_row(TABLE_TRAFFIC_SOURCE, full ? &full_traffic_source : &bare_traffic_source, &r->traffic_sources[i]);
	assert_row(TABLE_TRAFFIC_SAMPLE, full ? &full_traffic_sample : &bare_traffic_sample, &r->traffic_samples[i]);
	assert_row(TABLE_TOUCHED, full ? &full_touched : &bare_touched, &r->toucheds[i]);
	assert_row(TABLE_STEP_OPERATOR, full ? &full_step_operator : &bare_step_operator, &r->step_operators[i]);
}

static void every_row_comes_back_with_all_its_fields(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	struct recording r;

	put_full_rows(w);
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, f->file);
	for (int i = TABLE_RECORDING + 1; i < N_TABLES; i++)
		assert_int_equal(*(size_t *)(void *)((char *)&r + tables[i].count), 1);
	check_rows(&r, 0, true);
	recording__free(&r);
}

static void what_is_absent_comes_back_absent(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	struct recording r;

	put_full_rows(w);
	put_bare_rows(w);
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, f->file);
	check_rows(&r, 1, false);
	recording__free(&r);
}

static void a_row_with_the_same_key_replaces_the_earlier_one(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	struct row_request request = full_request;
	struct row_process process = full_process;
	struct recording r;

	assert_int_equal(recording_writer__request(w, &request), 0);
	assert_int_equal(recording_writer__flush(w), 0);
	request.status = 500;
	request.api_id = NULL;
	assert_int_equal(recording_writer__request(w, &request), 0);
	assert_int_equal(recording_writer__process(w, &process), 0);
	process.end_ns = 0;
	assert_int_equal(recording_writer__process(w, &process), 0);
	assert_int_equal(recording_writer__put_meta(w, "host", "a"), 0);
	assert_int_equal(recording_writer__put_meta(w, "host", "b"), 0);
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, f->file);
	assert_int_equal(r.n_requests, 1);
	assert_row(TABLE_REQUEST, &request, &r.requests[0]);
	assert_int_equal(r.n_processes, 1);
	assert_row(TABLE_PROCESS, &process, &r.processes[0]);
	assert_string_equal(recording__meta(&r, "host"), "b");
	recording__free(&r);
}

static void losses_of_one_second_add_up(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	const struct row_loss none = { "engine", "ring", 3000000000u, 0 };
	struct recording r;

	assert_int_equal(recording_writer__loss(w, &full_loss), 0);
	assert_int_equal(recording_writer__loss(w, &full_loss), 0);
	assert_int_equal(recording_writer__loss(w, &none), 0);
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, f->file);
	assert_int_equal(r.n_losses, 1);
	assert_int_equal(r.losses[0].n, 2 * full_loss.n);
	recording__free(&r);
}

static void steps_and_requests_are_in_the_order_of_time(void **state)
{
	static const uint64_t starts[] = { 50, 10, 30, 10, 20 };
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	struct recording r;

	for (int64_t i = 0; i < 5; i++) {
		struct row_step step = bare_step;
		struct row_request request = bare_request;
		struct row_memory memory = bare_memory;

		step.id = request.id = 10 - i;
		step.start_ns = step.end_ns = request.arrival_ns = memory.time_ns = starts[i];
		memory.seq = (int)i;
		assert_int_equal(recording_writer__step(w, &step), 0);
		assert_int_equal(recording_writer__request(w, &request), 0);
		assert_int_equal(recording_writer__memory(w, &memory), 0);
	}
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, f->file);
	assert_int_equal(r.n_steps, 5);
	for (size_t i = 1; i < 5; i++) {
		assert_true(r.steps[i - 1].start_ns < r.steps[i].start_ns ||
			    (r.steps[i - 1].start_ns == r.steps[i].start_ns && r.steps[i - 1].id < r.steps[i].id));
		assert_true(r.requests[i - 1].arrival_ns < r.requests[i].arrival_ns ||
			    (r.requests[i - 1].arrival_ns == r.requests[i].arrival_ns &&
			     r.requests[i - 1].id < r.requests[i].id));
		assert_true(r.memories[i - 1].time_ns <= r.memories[i].time_ns);
	}
	assert_int_equal(r.memories[0].seq, 1);
	assert_int_equal(r.memories[1].seq, 3);
	recording__free(&r);
}

static void an_absent_fact_is_absent_and_a_number_is_a_number(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	struct recording r;

	assert_int_equal(recording_writer__put_meta(w, "kernel", "6.10"), 0);
	assert_int_equal(recording_writer__put_meta(w, "cpu", NULL), 0);
	assert_int_equal(recording_writer__put_meta_int(w, "n_cpus", -8), 0);
	assert_int_equal(recording_writer__put_meta_int(w, "unknown", ABSENT), 0);
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, f->file);
	assert_string_equal(recording__meta(&r, "kernel"), "6.10");
	assert_null(recording__meta(&r, "cpu"));
	assert_null(recording__meta(&r, "never put"));
	assert_int_equal(recording__meta_int(&r, "n_cpus"), -8);
	assert_true(recording__meta_int(&r, "unknown") == ABSENT);
	assert_true(recording__meta_int(&r, "kernel") == ABSENT);
	assert_int_equal(recording__meta_int(&r, "schema_version"), RECORDING_SCHEMA_VERSION);
	assert_int_equal(strlen(recording__meta(&r, "id")), 32);
	recording__free(&r);
}

static void what_every_time_depends_on_cannot_be_overwritten(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	struct recording r;

	assert_int_equal(recording_writer__put_meta(w, "state", "complete"), -EINVAL);
	assert_int_equal(recording_writer__put_meta_int(w, "origin_mono_ns", 0), -EINVAL);
	assert_int_equal(recording_writer__put_meta_int(w, "schema_version", 9), -EINVAL);
	assert_int_equal(recording_writer__close(w, false), 0);
	load(&r, f->file);
	assert_false(recording__complete(&r));
	recording__free(&r);
}

static void a_clean_end_leaves_one_file_that_says_complete(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	struct recording r;

	assert_true(exists(beside(f, "-wal")));
	put_full_rows(w);
	assert_int_equal(recording_writer__close(w, true), 0);
	assert_false(exists(beside(f, "-wal")));
	assert_false(exists(beside(f, "-shm")));
	assert_false(exists(beside(f, "-journal")));
	load(&r, f->file);
	assert_true(recording__complete(&r));
	recording__free(&r);
}

static void a_recording_that_was_given_up_is_not_complete(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	struct recording r;

	put_full_rows(w);
	recording_writer__free(w);
	load(&r, f->file);
	assert_false(recording__complete(&r));
	check_rows(&r, 0, true);
	recording__free(&r);
	recording_writer__free(NULL);
	assert_int_equal(recording_writer__close(NULL, true), 0);
}

static void a_row_that_cannot_be_is_refused_and_listed_as_a_loss(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	struct row_step backwards = full_step;
	struct row_row negative = full_row;
	struct row_collector nameless = full_collector;
	struct row_resource graded = full_resource;
	struct recording r;

	backwards.end_ns = backwards.start_ns - 1;
	negative.n_tokens = -1;
	nameless.name = NULL;
	graded.grade = 4;
	assert_int_equal(recording_writer__step(w, &backwards), -ERANGE);
	assert_int_equal(recording_writer__row(w, &negative), -ERANGE);
	assert_int_equal(recording_writer__row(w, &negative), -ERANGE);
	assert_int_equal(recording_writer__collector(w, &nameless), -ERANGE);
	assert_int_equal(recording_writer__resource(w, &graded), -ERANGE);
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, f->file);
	assert_int_equal(r.n_losses, 4);
	for (size_t i = 0; i < r.n_losses; i++) {
		assert_string_equal(r.losses[i].collector, "recording");
		assert_int_equal(r.losses[i].n, strcmp(r.losses[i].kind, "row") ? 1 : 2);
	}
	assert_int_equal(r.n_steps + r.n_rows + r.n_collectors + r.n_resources, 0);
	recording__free(&r);
}

static void a_meter_that_seems_to_go_back_has_used_nothing(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	struct row_step_resource backwards = full_step_resource;
	struct recording r;

	backwards.value = -999999;
	assert_int_equal(recording_writer__step_resource(w, &backwards), 0);
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, f->file);
	assert_int_equal(r.n_losses, 0);
	assert_int_equal(r.n_step_resources, 1);
	assert_int_equal(r.step_resources[0].value, 0);
	recording__free(&r);
}

static void a_meter_that_went_back_by_a_millisecond_has_no_figure_and_is_a_loss(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	struct row_step_resource backwards = full_step_resource;
	struct recording r;

	backwards.value = -1000000;
	assert_int_equal(recording_writer__step_resource(w, &backwards), 0);
	backwards.step++;
	backwards.value = -INT64_MAX;
	assert_int_equal(recording_writer__step_resource(w, &backwards), 0);
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, f->file);
	assert_int_equal(r.n_step_resources, 0);
	assert_true(r.n_losses > 0);
	assert_string_equal(r.losses[0].collector, "recording");
	assert_string_equal(r.losses[0].kind, "negative step resource");
	assert_int_equal(r.losses[0].n + (r.n_losses > 1 ? r.losses[1].n : 0), 2);
	recording__free(&r);
}

static void every_real_comes_back_to_the_last_bit_and_no_impossible_one_is_taken(void **state)
{
	static const double impossible[] = { NAN, INFINITY, -INFINITY, -1, -1e-300, 1e300 };
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	struct row_fit fit = full_fit;
	uint64_t random = 1;
	double values[500];
	struct recording r;

	for (int64_t i = 0; i < 500; i++) {
		uint64_t bits;

		do {
			random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			bits = (random ^ random >> 29) & INT64_MAX;
			memcpy(&values[i], &bits, sizeof(bits));
		} while (!(values[i] <= 0x1p62));
		assert_int_equal(recording_writer__fit_draw(w, &(struct row_fit_draw){ 1, i, "row", values[i] }), 0);
	}
	for (int i = 0; i < 6; i++) {
		const struct row_fit_draw draw = { 2, i, "row", impossible[i] };

		assert_int_equal(recording_writer__fit_draw(w, &draw), -ERANGE);
		fit.condition = impossible[i];
		assert_int_equal(recording_writer__fit(w, &fit), i ? -ERANGE : 0);
	}
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, f->file);
	assert_int_equal(r.n_fit_draws, 500);
	for (size_t i = 0; i < 500; i++)
		assert_memory_equal(&r.fit_draws[i].value, &values[i], sizeof(values[i]));
	assert_true(isnan(r.fits[0].condition));
	recording__free(&r);
}

#define N_PRODUCERS 4
#define N_EACH 30000

struct producer {
	struct recording_writer *w;
	int number;
	int result;
};

static void *produce(void *arg)
{
	struct producer *p = arg;

	for (int i = 0; i < N_EACH && !p->result; i++) {
		struct row_chunk chunk = { p->number, i, (uint64_t)i + 1 };
		char name[32];
		struct row_probe probe = { "c", name, (uint32_t)p->number, true, name };

		snprintf(name, sizeof(name), "%d", i);
		p->result = recording_writer__chunk(p->w, &chunk);
		if (!p->result && i % 100 == 0)
			p->result = recording_writer__probe(p->w, &probe);
	}
	return NULL;
}

static void no_row_of_many_threads_is_lost(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	struct producer producers[N_PRODUCERS];
	pthread_t threads[N_PRODUCERS];
	struct recording r;

	for (int i = 0; i < N_PRODUCERS; i++) {
		producers[i] = (struct producer){ w, i, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
	}
	for (int i = 0; i < N_PRODUCERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(producers[i].result, 0);
	}
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, f->file);
	assert_int_equal(r.n_chunks, N_PRODUCERS * N_EACH);
	assert_int_equal(r.n_probes, N_PRODUCERS * N_EACH / 100);
	for (size_t i = 0; i < r.n_chunks; i++) {
		assert_int_equal(r.chunks[i].request, i / N_EACH);
		assert_int_equal(r.chunks[i].idx, i % N_EACH);
		assert_int_equal(r.chunks[i].time_ns, i % N_EACH + 1);
	}
	for (size_t i = 0; i < r.n_probes; i++)
		assert_string_equal(r.probes[i].point, r.probes[i].detail);
	recording__free(&r);
}

static void a_text_longer_than_the_queue_passes_through_it(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	const size_t n = (size_t)5 << 20;
	struct row_request request = full_request;
	char *text = malloc(n + 1);
	struct recording r;

	assert_non_null(text);
	for (int i = 0; i < 3; i++) {
		memset(text, 'a' + i, n);
		text[n] = '\0';
		request.id = i;
		request.text = text;
		assert_int_equal(put_step(w, i), 0);
		assert_int_equal(recording_writer__request(w, &request), 0);
	}
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, f->file);
	assert_int_equal(r.n_requests, 3);
	assert_int_equal(r.n_steps, 3);
	for (int i = 0; i < 3; i++) {
		memset(text, 'a' + i, n);
		assert_int_equal(strlen(r.requests[i].text), n);
		assert_memory_equal(r.requests[i].text, text, n);
	}
	recording__free(&r);
	free(text);
}

static void a_text_that_many_rows_share_is_kept_once(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	struct row_request request = full_request;
	struct recording r;
	char id[16];

	for (int i = 0; i < 2000; i++) {
		snprintf(id, sizeof(id), "cmpl-%d", i);
		request.id = i;
		request.api_id = id;
		assert_int_equal(recording_writer__request(w, &request), 0);
	}
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, f->file);
	assert_int_equal(r.n_requests, 2000);
	for (int i = 0; i < 2000; i++) {
		snprintf(id, sizeof(id), "cmpl-%d", i);
		assert_string_equal(r.requests[i].api_id, id);
		assert_ptr_equal(r.requests[i].path, r.requests[0].path);
	}
	recording__free(&r);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder__set_up, folder__tear_down)
	const struct CMUnitTest tests[] = {
		TEST(every_row_comes_back_with_all_its_fields),
		TEST(what_is_absent_comes_back_absent),
		TEST(a_row_with_the_same_key_replaces_the_earlier_one),
		TEST(losses_of_one_second_add_up),
		TEST(steps_and_requests_are_in_the_order_of_time),
		TEST(an_absent_fact_is_absent_and_a_number_is_a_number),
		TEST(what_every_time_depends_on_cannot_be_overwritten),
		TEST(a_clean_end_leaves_one_file_that_says_complete),
		TEST(a_recording_that_was_given_up_is_not_complete),
		TEST(a_row_that_cannot_be_is_refused_and_listed_as_a_loss),
		TEST(a_meter_that_seems_to_go_back_has_used_nothing),
		TEST(a_meter_that_went_back_by_a_millisecond_has_no_figure_and_is_a_loss),
		TEST(every_real_comes_back_to_the_last_bit_and_no_impossible_one_is_taken),
		TEST(no_row_of_many_threads_is_lost),
		TEST(a_text_longer_than_the_queue_passes_through_it),
		TEST(a_text_that_many_rows_share_is_kept_once),
	};

	return cmocka_run_group_tests_name("recording round trip", tests, NULL, NULL);
}
