/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings for the tests of the recording: a folder of their own, and two rows of every kind, full and bare. */
#ifndef TOKPROF_RECORDING_EXAMPLE_H
#define TOKPROF_RECORDING_EXAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/recording_schema.h"

struct folder {
	char path[256];
	char file[512];		/* path/run.tokprof */
};

static inline int folder__set_up(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");

	if (!f)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/tokprof-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(f->path)) {
		free(f);
		return -1;
	}
	snprintf(f->file, sizeof(f->file), "%s/run.tokprof", f->path);
	*state = f;
	return 0;
}

static inline int folder__tear_down(void **state)
{
	struct folder *f = *state;
	struct dirent *entry;
	DIR *d;

	chmod(f->path, 0700);
	d = opendir(f->path);
	while (d && (entry = readdir(d))) {
		char name[1024];

		snprintf(name, sizeof(name), "%s/%s", f->path, entry->d_name);
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			remove(name);
	}
	if (d)
		closedir(d);
	rmdir(f->path);
	free(f);
	return 0;
}

static inline const char *beside(const struct folder *f, const char *suffix)
{
	static char name[1024];

	snprintf(name, sizeof(name), "%s%s", f->file, suffix);
	return name;
}

static inline bool exists(const char *path)
{
	return !access(path, F_OK);
}

/* Every field of every row set, each to a figure of its own; the greatest there can be where that is telling. */
static const struct row_resource full_resource = { 1, "cpu_ns", "ns", RESOURCE_DURATION, GRADE_MEASURED, "s", "why" };
static const struct row_total full_total = { 1, 7, "schedstat", 12, "meter" };
static const struct row_collector full_collector = { "engine", "steps", "partial", "no layout" };
static const struct row_probe full_probe = { "engine", "llama_decode", UINT32_MAX, true, "libllama.so+0x1234" };
static const struct row_loss full_loss = { "engine", "ring", 3000000000u, 17 };
static const struct row_process full_process = { 41, 40, 1, UINT64_C(1) << 62, "server", "/usr/bin/server", "engine" };
static const struct row_thread full_thread = { 42, 41, "worker", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, true };
static const struct row_engine full_engine = {
	1, 41, "llama.cpp", "b9294", "00ff", "/opt/libllama.so", UINT64_MAX, UINT64_C(1) << 63, "ubatch layout x"
};
static const struct row_model full_model = { 1,	 41,  "small",	  "/m.gguf", "llama", "Q8_0",	7,  INT64_C(1) << 62,
					     8,	 512, 16,	  4,	     9,	      10,	11, 12,
					     13, 14,  15,	  "00ff",    "some",  "Q8_0 8", 16, 17,
					     18, 19,  UINT64_MAX, 20,	     21,      22,	23, 24 };
static const struct row_context full_context = { 1, 41, UINT64_C(0x7fffdeadbeef), UINT64_MAX, "draft", 4096 };
static const struct row_step full_step = {
	7, 1, 42, 1000, 5000, 1, 7, INT32_MIN, INT32_MAX, 11, 12, 13, 14, 15, 16, 17
};
static const struct row_step_resource full_step_resource = { 7, 1, INT64_C(1) << 62, 5 };
static const struct row_sample full_sample = { 6000, 1, 99 };
static const struct row_row full_row = { 7, 1, 2, -1, INT32_MAX, 512, 3 };
static const struct row_memory full_memory = { 4000, 42, 1, 5, -1, 3, 4, -1, INT32_MIN };
static const struct row_request full_request = { .id = 3,
						 .connection = UINT64_MAX,
						 .pid = 41,
						 .client = "[::1]:5",
						 .arrival_ns = 10,
						 .request_end_ns = 20,
						 .first_byte_ns = 30,
						 .first_token_ns = 40,
						 .last_token_ns = 50,
						 .end_ns = 60,
						 .method = "POST",
						 .path = "/v1/completions?a='\"%",
						 .status = 200,
						 .model = "m",
						 .response_model = "\xc3\xa9\xff",
						 .stream = true,
						 .client_left = true,
						 .max_tokens = 100,
						 .n = 2,
						 .n_prompts = 3,
						 .body_bytes = 1000,
						 .prompt_bytes = 900,
						 .sent_prompt_tokens = 250,
						 .prompt_hash = UINT64_C(0xfedcba9876543210),
						 .api_id = "cmpl-1",
						 .finish_reason = "stop",
						 .slot = 2,
						 .n_chunks = 8,
						 .billed_prompt_tokens = INT64_MAX,
						 .billed_cached_tokens = 0,
						 .billed_completion_tokens = 13,
						 .reported_prompt_tokens = 14,
						 .reported_cached_tokens = 15,
						 .reported_completion_tokens = 16,
						 .reported_draft_tokens = 17,
						 .reported_draft_accepted_tokens = 18,
						 .reported_prompt_us = 19,
						 .reported_completion_us = 20,
						 .incomplete = 0xff,
						 .text = "line 1\nline 2" };
static const struct row_chunk full_chunk = { 3, 5, 45 };
static const struct row_fit full_fit = { 1,	      "target", 1,     "00ff", "small",	 "llama.cpp",
					 "b9294",     "11ee",	2,     "h",    "cpu",	 INT64_C(1) << 62,
					 "calibrate", 700,	350,   0.1,    1e-9,	 1.0 / 3,
					 1e17 / 3,    true,	"why", 0x1p62, 4.9e-324, 0x1.fffffffffffffp-3,
					 3,	      4,	5,     6,      7,	 8,
					 9,	      10,	11,    12,     13,	 14,
					 15,	      16,	0.17 };
static const struct row_fit_term full_fit_term = { 1, "G(8)", 1e6 / 7, 1e5, 0x1p62, true, "row" };
static const struct row_fit_draw full_fit_draw = { 1, 31, "context", 1e-7 / 3 };

/* Everything that may be absent is. */
static const struct row_resource bare_resource = { .id = 2, .name = "x", .unit = "" };
static const struct row_total bare_total = { .resource = 2, .check_value = ABSENT };
static const struct row_collector bare_collector = { .name = "wire", .state = "attached" };
static const struct row_probe bare_probe = { .collector = "wire", .point = "accept" };
static const struct row_loss bare_loss = { "wire", "ring", 0, 1 };
static const struct row_process bare_process = { .pid = 43 };
static const struct row_thread bare_thread = { 43,     43,     NULL,   ABSENT, ABSENT, ABSENT, ABSENT,
					       ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, false };
static const struct row_engine bare_engine = { .id = 2, .name = "x" };
static const struct row_model bare_model = { .id = 2,
					     .n_params = ABSENT,
					     .weight_bytes = ABSENT,
					     .n_layers = ABSENT,
					     .n_embd = ABSENT,
					     .n_heads = ABSENT,
					     .n_kv_heads = ABSENT,
					     .attention_flops_per_pair = ABSENT,
					     .kv_elements_per_token = ABSENT,
					     .n_vocab = ABSENT,
					     .n_experts = ABSENT,
					     .n_experts_used = ABSENT,
					     .active_params = ABSENT,
					     .active_weight_bytes = ABSENT,
					     .lookup_params = ABSENT,
					     .expert_params = ABSENT,
					     .nextn_params = ABSENT,
					     .context_length = ABSENT,
					     .expert_weight_bytes = ABSENT,
					     .output_weight_bytes = ABSENT,
					     .lookup_weight_bytes = ABSENT,
					     .sliding_window = ABSENT };
static const struct row_context bare_context = { .id = 2, .role = "target", .n_ctx = ABSENT };
static const struct row_step bare_step = {
	.id = 8,
	.start_ns = 1001,
	.end_ns = 1001,
	.n_tokens = ABSENT,
	.server_runq_ns = ABSENT,
	.server_fault_ns = ABSENT,
	.mean_khz = ABSENT,
	.clock_changes = ABSENT,
	.futex_ns = ABSENT,
};
static const struct row_step_resource bare_step_resource = { 8, 1, 0, 0 };
static const struct row_sample bare_sample = { 6001, 0, 0 };
static const struct row_row bare_row = { .step = 8 };
static const struct row_memory bare_memory = { .time_ns = 4000 };
static const struct row_request bare_request = { .id = 4,
						 .arrival_ns = 11,
						 .max_tokens = ABSENT,
						 .n = ABSENT,
						 .n_prompts = ABSENT,
						 .body_bytes = ABSENT,
						 .prompt_bytes = ABSENT,
						 .sent_prompt_tokens = ABSENT,
						 .slot = ABSENT,
						 .n_chunks = ABSENT,
						 .billed_prompt_tokens = ABSENT,
						 .billed_cached_tokens = ABSENT,
						 .billed_completion_tokens = ABSENT,
						 .reported_prompt_tokens = ABSENT,
						 .reported_cached_tokens = ABSENT,
						 .reported_completion_tokens = ABSENT,
						 .reported_draft_tokens = ABSENT,
						 .reported_draft_accepted_tokens = ABSENT,
						 .reported_prompt_us = ABSENT,
						 .reported_completion_us = ABSENT };
static const struct row_chunk bare_chunk = { 4, 0, 0 };
static const struct row_fit bare_fit = { .id = 2,
					 .role = "draft",
					 .n_threads = ABSENT,
					 .origin = "recording",
					 .condition = NAN,
					 .affine_fixed = NAN,
					 .affine_token = NAN,
					 .affine_context = NAN,
					 .affine_pair = NAN,
					 .affine_residual = NAN,
					 .roofline_fixed = NAN,
					 .roofline_weights = NAN,
					 .roofline_context = NAN,
					 .roofline_token = NAN,
					 .roofline_pair = NAN,
					 .roofline_residual = NAN,
					 .least_context = ABSENT,
					 .most_context = ABSENT,
					 .least_rows = ABSENT,
					 .most_rows = ABSENT,
					 .least_tokens = ABSENT,
					 .most_tokens = ABSENT };
static const struct row_fit_term bare_fit_term = { .fit = 2, .term = "row" };
static const struct row_file full_file = { 1,  41,   "/m.gguf", UINT64_MAX, 20,	  1000,	  "mapped",
					   10, 4000, 900,	800,	    3000, "00ff", "why" };
static const struct row_file bare_file = {
	.id = 2, .path = "/n", .size_bytes = ABSENT, .access = "open", .mapped_bytes = ABSENT, .resident_bytes = ABSENT
};
static const struct row_footprint full_footprint = { 41, 4000, 1, 2, 3, 4, 5 };
static const struct row_footprint bare_footprint = { 43, 4000, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT };
static const struct row_ioctl full_ioctl = { 1,	   43,	   "smi", true,	  "/dev/nvidiactl", "nvidia",
					     "RM", "wait", true,  0x462a, UINT64_MAX,	    9,
					     8,	   7,	   6,	  5 };
static const struct row_ioctl bare_ioctl = { .id = 2, .device = "/dev/x", .name = "x:F:0x2a", .class = "control" };
static const struct row_step_ioctl full_step_ioctl = { 7, 1, 9, 8, 7 };
static const struct row_step_ioctl bare_step_ioctl = { .step = 8, .ioctl = 2 };
static const struct row_ioctl_sample full_ioctl_sample = { 4000, 1, 9, 8, 7 };
static const struct row_ioctl_sample bare_ioctl_sample = { .time_ns = 5000, .ioctl = 2 };
static const struct row_kernel_kind full_kernel_kind = { 1, "read", "receive" };
static const struct row_kernel_kind bare_kernel_kind = { .id = 2, .name = "x", .path = "other" };
static const struct row_kernel_burst full_kernel_burst = { 4000, 5000, 9 };
static const struct row_kernel_burst bare_kernel_burst = { .start_ns = 6000, .end_ns = 6000 };
static const struct row_step_kernel full_step_kernel = { 7, 1, 9, 8 };
static const struct row_step_kernel bare_step_kernel = { .step = 8, .kind = 2 };
static const struct row_kernel_sample full_kernel_sample = { 4000, 1, 9, 8 };
static const struct row_kernel_sample bare_kernel_sample = { .time_ns = 5000, .kind = 2 };
static const struct row_kv_cache full_kv_cache = { 1, 43, UINT64_MAX, 10, 4096, 5120, 10240, "F16", "Q8_0" };
static const struct row_kv_cache bare_kv_cache = { .id = 2 };
static const struct row_traffic_source full_traffic_source = { 1, "uncore", 3, "imc", "why", "do", 12, 100, 99 };
static const struct row_traffic_source bare_traffic_source = {
	.id = 2, .name = "resctrl", .n_counters = ABSENT, .check_known_bytes = ABSENT, .check_bytes = ABSENT
};
static const struct row_traffic_sample full_traffic_sample = { 4000, 1, 900, 80, 7 };
static const struct row_traffic_sample bare_traffic_sample = { .time_ns = 5000, .source = 2, .write_bytes = ABSENT };
static const struct row_touched full_touched = { 3,  41, 1,   "weights", "/m.gguf", UINT64_MAX, 20,  2000, 4000,
						 50, 60, 900, 700,	 800,	    600,	500, 400,  300 };
static const struct row_touched bare_touched = { .window = 4,
						 .kind = "other",
						 .before_bytes = ABSENT,
						 .resident_bytes = ABSENT,
						 .touched_bytes = ABSENT,
						 .shared_bytes = ABSENT,
						 .huge_bytes = ABSENT,
						 .hugetlb_bytes = ABSENT };
static const struct row_step_operator full_step_operator = { 7, "matmul", 3, 9, 8, 7 };
static const struct row_step_operator bare_step_operator = { 8, "other", -1, 0, 0, ABSENT };
static const struct row_fit_draw bare_fit_draw = { .fit = 2, .term = "row" };

static const struct row_module full_module = { 1, "user", "/lib/libllama.so", "00ff", UINT64_MAX, 20, 1000 };
static const struct row_module bare_module = { .id = 2, .kind = "jit", .size_bytes = ABSENT };
static const struct row_frame full_frame = { 1, FRAME_KERNEL, 1, UINT64_MAX };
static const struct row_frame bare_frame = { .id = 2, .module = ABSENT };
static const struct row_stack full_stack = { 2, 1, 1 };
static const struct row_stack bare_stack = { 3, ABSENT, 2 };
static const struct row_symbol full_symbol = { 1, 1, "ggml_mul_mat", 16, "ggml.c", 12, "dwarf" };
static const struct row_symbol bare_symbol = { 2, 0, "f", 0, NULL, ABSENT, "perf_map" };
static const struct row_stack_sample full_stack_sample = { 1, 4000,	     43, 1, STACK_SAMPLE_WAIT, 900, 7,
							   2, WAIT_RUNQUEUE, 44, 3, USER_END_NONE,     450 };
static const struct row_stack_sample bare_stack_sample = { .id = 2,
							   .time_ns = 5000,
							   .step = ABSENT,
							   .stack = ABSENT,
							   .reason = ABSENT,
							   .waker_tid = ABSENT,
							   .waker_stack = ABSENT,
							   .length_ns = ABSENT };

static inline void put_full_rows(struct recording_writer *w)
{
	assert_int_equal(recording_writer__resource(w, &full_resource), 0);
	assert_int_equal(recording_writer__total(w, &full_total), 0);
	assert_int_equal(recording_writer__collector(w, &full_collector), 0);
	assert_int_equal(recording_writer__probe(w, &full_probe), 0);
	assert_int_equal(recording_writer__loss(w, &full_loss), 0);
	assert_int_equal(recording_writer__process(w, &full_process), 0);
	assert_int_equal(recording_writer__thread(w, &full_thread), 0);
	assert_int_equal(recording_writer__engine(w, &full_engine), 0);
	assert_int_equal(recording_writer__model(w, &full_model), 0);
	assert_int_equal(recording_writer__context(w, &full_context), 0);
	assert_int_equal(recording_writer__step(w, &full_step), 0);
	assert_int_equal(recording_writer__step_resource(w, &full_step_resource), 0);
	assert_int_equal(recording_writer__sample(w, &full_sample), 0);
	assert_int_equal(recording_writer__row(w, &full_row), 0);
	assert_int_equal(recording_writer__memory(w, &full_memory), 0);
	assert_int_equal(recording_writer__request(w, &full_request), 0);
	assert_int_equal(recording_writer__chunk(w, &full_chunk), 0);
	assert_int_equal(recording_writer__fit(w, &full_fit), 0);
	assert_int_equal(recording_writer__fit_term(w, &full_fit_term), 0);
	assert_int_equal(recording_writer__fit_draw(w, &full_fit_draw), 0);
	assert_int_equal(recording_writer__file(w, &full_file), 0);
	assert_int_equal(recording_writer__footprint(w, &full_footprint), 0);
	assert_int_equal(recording_writer__ioctl(w, &full_ioctl), 0);
	assert_int_equal(recording_writer__step_ioctl(w, &full_step_ioctl), 0);
	assert_int_equal(recording_writer__ioctl_sample(w, &full_ioctl_sample), 0);
	assert_int_equal(recording_writer__module(w, &full_module), 0);
	assert_int_equal(recording_writer__frame(w, &full_frame), 0);
	assert_int_equal(recording_writer__stack(w, &full_stack), 0);
	assert_int_equal(recording_writer__symbol(w, &full_symbol), 0);
	assert_int_equal(recording_writer__stack_sample(w, &full_stack_sample), 0);
	assert_int_equal(recording_writer__kernel_kind(w, &full_kernel_kind), 0);
	assert_int_equal(recording_writer__kernel_burst(w, &full_kernel_burst), 0);
	assert_int_equal(recording_writer__step_kernel(w, &full_step_kernel), 0);
	assert_int_equal(recording_writer__kernel_sample(w, &full_kernel_sample), 0);
	assert_int_equal(recording_writer__kv_cache(w, &full_kv_cache), 0);
	assert_int_equal(recording_writer__traffic_source(w, &full_traffic_source), 0);
	assert_int_equal(recording_writer__traffic_sample(w, &full_traffic_sample), 0);
	assert_int_equal(recording_writer__touched(w, &full_touched), 0);
	assert_int_equal(recording_writer__step_operator(w, &full_step_operator), 0);
}

static inline void put_bare_rows(struct recording_writer *w)
{
	assert_int_equal(recording_writer__resource(w, &bare_resource), 0);
	assert_int_equal(recording_writer__total(w, &bare_total), 0);
	assert_int_equal(recording_writer__collector(w, &bare_collector), 0);
	assert_int_equal(recording_writer__probe(w, &bare_probe), 0);
	assert_int_equal(recording_writer__loss(w, &bare_loss), 0);
	assert_int_equal(recording_writer__process(w, &bare_process), 0);
	assert_int_equal(recording_writer__thread(w, &bare_thread), 0);
	assert_int_equal(recording_writer__engine(w, &bare_engine), 0);
	assert_int_equal(recording_writer__model(w, &bare_model), 0);
	assert_int_equal(recording_writer__context(w, &bare_context), 0);
	assert_int_equal(recording_writer__step(w, &bare_step), 0);
	assert_int_equal(recording_writer__step_resource(w, &bare_step_resource), 0);
	assert_int_equal(recording_writer__sample(w, &bare_sample), 0);
	assert_int_equal(recording_writer__row(w, &bare_row), 0);
	assert_int_equal(recording_writer__memory(w, &bare_memory), 0);
	assert_int_equal(recording_writer__request(w, &bare_request), 0);
	assert_int_equal(recording_writer__chunk(w, &bare_chunk), 0);
	assert_int_equal(recording_writer__fit(w, &bare_fit), 0);
	assert_int_equal(recording_writer__fit_term(w, &bare_fit_term), 0);
	assert_int_equal(recording_writer__fit_draw(w, &bare_fit_draw), 0);
	assert_int_equal(recording_writer__file(w, &bare_file), 0);
	assert_int_equal(recording_writer__footprint(w, &bare_footprint), 0);
	assert_int_equal(recording_writer__ioctl(w, &bare_ioctl), 0);
	assert_int_equal(recording_writer__step_ioctl(w, &bare_step_ioctl), 0);
	assert_int_equal(recording_writer__ioctl_sample(w, &bare_ioctl_sample), 0);
	assert_int_equal(recording_writer__module(w, &bare_module), 0);
	assert_int_equal(recording_writer__frame(w, &bare_frame), 0);
	assert_int_equal(recording_writer__stack(w, &bare_stack), 0);
	assert_int_equal(recording_writer__symbol(w, &bare_symbol), 0);
	assert_int_equal(recording_writer__stack_sample(w, &bare_stack_sample), 0);
	assert_int_equal(recording_writer__kernel_kind(w, &bare_kernel_kind), 0);
	assert_int_equal(recording_writer__kernel_burst(w, &bare_kernel_burst), 0);
	assert_int_equal(recording_writer__step_kernel(w, &bare_step_kernel), 0);
	assert_int_equal(recording_writer__kernel_sample(w, &bare_kernel_sample), 0);
	assert_int_equal(recording_writer__kv_cache(w, &bare_kv_cache), 0);
	assert_int_equal(recording_writer__traffic_source(w, &bare_traffic_source), 0);
	assert_int_equal(recording_writer__traffic_sample(w, &bare_traffic_sample), 0);
	assert_int_equal(recording_writer__touched(w, &bare_touched), 0);
	assert_int_equal(recording_writer__step_operator(w, &bare_step_operator), 0);
}

/* n steps from 1 on, each with one row of sequence 0 and one sample. */
static inline int put_step(struct recording_writer *w, int64_t i)
{
	const struct row_step step = {
		.id = i, .start_ns = (uint64_t)i * 1000, .end_ns = (uint64_t)i * 1000 + 900, .n_tokens = 1
	};
	const struct row_row row = { .step = i, .first_pos = (int)i, .n_tokens = 1, .n_outputs = 1 };
	int r = recording_writer__step(w, &step);

	return r ? r : recording_writer__row(w, &row);
}

static inline struct recording_writer *open_writer(const struct folder *f)
{
	struct recording_writer *w;

	if (recording_writer__open(&w, f->file, false))
		fail_msg("%s", recording_writer__error(w));
	return w;
}

static inline void load(struct recording *r, const char *path)
{
	char error[4096];

	if (recording__load_all(r, path, error, sizeof(error)))
		fail_msg("%s", error);
}

/* A whole recording with everything in it, for tests that then damage or query it. */
static inline void write_example(const struct folder *f)
{
	struct recording_writer *w = open_writer(f);

	put_full_rows(w);
	put_bare_rows(w);
	for (int64_t i = 100; i < 400; i++)
		assert_int_equal(put_step(w, i), 0);
	for (int64_t i = 6; i < 300; i++)
		assert_int_equal(recording_writer__chunk(w, &(struct row_chunk){ 3, i, (uint64_t)(i * i) + 50 }), 0);
	assert_int_equal(recording_writer__put_meta(w, "host", "h"), 0);
	assert_int_equal(recording_writer__close(w, true), 0);
}

#endif
