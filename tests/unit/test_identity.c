/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about what was served against recordings whose server is known: no true claim is refuted, every false one is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bpf/records.h"
#include "make_recording.h"
#include "userspace/verify/identity.h"

#define MS 1000000ull
#define BILLION 1000000000ll

/* A server on one processor: a 7.2 billion parameter model in F16, mapped and resident, 25 generations of 12 tokens. */
struct scene {
	struct maker m;
	struct row_model model;
	struct row_file file;
	struct row_footprint footprint;
	struct claim claims[4];
	struct claims list;
	struct timeline timeline;
	struct ledger ledger;
	struct verify_input in;
	struct verification v;
	const char *wire;
	const char *devices;
	const char *features;
	struct row_thread thread;
	bool no_faults_known;
	int64_t ns_per_token;
	int n_requests;
	bool speculative;
	int n_windows;			/* of record --touched-bytes */
	int64_t file_touched, anon_touched, huge;
};

/* A window about all steps of a generation. */
static void window(struct scene *s, int i, uint64_t start_ns, uint64_t end_ns)
{
	struct row_touched row = { .window = i,
				   .pid = MAKER_PID,
				   .kind = "weights",
				   .path = s->model.path,
				   .device = s->model.device,
				   .inode = s->model.inode,
				   .start_ns = start_ns,
				   .end_ns = end_ns,
				   .mapped_bytes = s->file.mapped_bytes,
				   .before_bytes = s->file.resident_bytes,
				   .resident_bytes = s->file.resident_bytes,
				   .touched_bytes = s->file_touched };

	maker__touched(&s->m, &row);
	row.idx = 1;
	row.kind = "anonymous";
	row.path = NULL;
	row.device = row.inode = 0;
	row.touched_bytes = s->anon_touched;
	row.resident_bytes = 15 * BILLION;
	row.huge_bytes = s->huge;
	maker__touched(&s->m, &row);
}

static void generation(struct scene *s, uint64_t *now, int64_t *meter, int i)
{
	struct row_request *q = maker__request(&s->m, *now, 0);
	const uint64_t begun = *now;
	int pos = 0;

	q->response_model = s->wire;
	maker__remove(&s->m, *now, MAKER_TARGET, 0, 0);
	for (int k = 0; k < 12; k++) {
		const int n = k == 0 ? 40 + i : s->speculative ? 3 : 1;
		const int64_t use = s->ns_per_token * n;

		*now += MS;
		maker__step(&s->m, MAKER_TARGET, *now, *now + MS);
		maker__row(&s->m, 0, pos, n, k == 0 ? 1 : n);
		maker__cut(&s->m, RESOURCE_CPU_NS, *meter, use);
		*meter += use;
		*now += MS;
		/* One of two drafts is taken. */
		pos += k == 0 || !s->speculative ? n : 2;
		if (k > 0 && s->speculative)
			maker__remove(&s->m, *now, MAKER_TARGET, 0, pos);
	}
	*now += MS;
	if (i < s->n_windows)
		window(s, i, begun, *now);
	q = &s->m.recording.requests[i];
	q->end_ns = q->first_byte_ns = q->first_token_ns = q->last_token_ns = *now;
	q->status = 200;
	*now += 10 * MS;
}

static void scene__open(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	s->model = (struct row_model){
		.id = 1,
		.pid = MAKER_PID,
		.name = "Fine 7B Instruct",
		.path = "/models/fine-7b-instruct-f16.gguf",
		.arch = "llama",
		.quantization = "F16",
		.tensor_types = "F16 14500000000",
		.n_params = 7250 * (BILLION / 1000),
		.weight_bytes = 14500 * (BILLION / 1000),
		.n_layers = 32,
		.n_embd = ABSENT,
		.n_heads = ABSENT,
		.n_kv_heads = ABSENT,
		.attention_flops_per_pair = ABSENT,
		.kv_elements_per_token = ABSENT,
		.n_vocab = ABSENT,
		.n_experts = ABSENT,
		.n_experts_used = ABSENT,
		.active_params = 7100 * (BILLION / 1000),
		.active_weight_bytes = 14200 * (BILLION / 1000),
		.lookup_params = 150 * (BILLION / 1000),
		.expert_params = 0,
		.nextn_params = 0,
		.context_length = 32768,
		.digest = "aa",
		.device = 5,
		.inode = 6,
	};
	s->file = (struct row_file){
		.id = 1,
		.pid = MAKER_PID,
		.path = s->model.path,
		.device = 5,
		.inode = 6,
		.size_bytes = 14501 * (BILLION / 1000),
		.access = "mapped",
		.mapped_bytes = 14501 * (BILLION / 1000),
		.resident_bytes = 14400 * (BILLION / 1000),
	};
	s->footprint = (struct row_footprint){ MAKER_PID, 0, BILLION, 15 * BILLION, 0, 0, 16 * BILLION };
	s->wire = "fine-7b-instruct";
	s->devices = "";
	s->features = "fma avx2 avx512f avx512_vnni";
	/* 20 ms: 256 operations x 6.5 GHz have room for 16.6 billion parameters. */
	s->ns_per_token = 20 * (int64_t)MS;
	s->n_requests = 25;
	s->thread = (struct row_thread){ .tid = MAKER_TID, .pid = MAKER_PID, .cpu_ns = ABSENT, .faults_major = 3 };
	s->list = (struct claims){ .path = "c.yaml", .claims = s->claims };
	maker__init(&s->m);
	maker__meta(&s->m, "cpu_model", "AMD EPYC 9654 96-Core Processor");
}

static struct claim *claim(struct scene *s, enum claim_metric metric)
{
	struct claim *c = &s->claims[s->list.n++];

	*c = (struct claim){ .id = claim_metric_names[metric],
			     .line = (int64_t)s->list.n,
			     .metric = metric,
			     .value = NAN,
			     .n_devices = 1,
			     .confidence = 0.95 };
	return c;
}

static void claim_number(struct scene *s, enum claim_metric metric, double value, double step)
{
	struct claim *c = claim(s, metric);

	c->value = c->active = value;
	c->step = step;
}

static void claim_text(struct scene *s, enum claim_metric metric, const char *text)
{
	claim(s, metric)->text = text;
}

static void scene__verify(struct scene *s)
{
	uint64_t now = 1000000;
	int64_t meter = 0;

	s->m.recording.threads = &s->thread;
	s->m.recording.n_threads = !s->no_faults_known;

	maker__meta(&s->m, "touched_blind_bytes", "67100000");
	maker__meta(&s->m, "cpu_features", s->features);
	if (s->devices)
		maker__meta(&s->m, "device_files", s->devices);
	if (s->model.id)
		maker__model(&s->m, &s->model);
	if (s->file.id)
		maker__file(&s->m, &s->file);
	maker__footprint(&s->m, &s->footprint);
	for (int i = 0; i < s->n_requests; i++)
		generation(s, &now, &meter, i);
	maker__total(&s->m, RESOURCE_CPU_NS, meter, "schedstat");
	s->in = (struct verify_input){ .claims = &s->list,
				       .window_begin_unix_ns = ABSENT,
				       .window_end_unix_ns = ABSENT };
	assert_int_equal(timeline__build(&s->timeline, maker__finish(&s->m)), 0);
	assert_int_equal(ledger__build(&s->ledger, &s->timeline, NULL), 0);
	s->in.recording = &s->m.recording;
	s->in.timeline = &s->timeline;
	s->in.ledger = &s->ledger;
	assert_int_equal(verify__run(&s->v, &s->in), 0);
}

static void scene__close(struct scene *s)
{
	verification__free(&s->v);
	ledger__free(&s->ledger);
	timeline__free(&s->timeline);
	maker__free(&s->m);
}

static const struct check *find(const struct scene *s, const char *id)
{
	for (size_t i = 0; i < s->v.n; i++)
		if (strcmp(s->v.checks[i].id, id) == 0)
			return &s->v.checks[i];
	fail_msg("no check %s", id);
	return NULL;
}

static void expect(const struct scene *s, const char *id, enum verdict verdict, const char *says)
{
	const struct check *c = find(s, id);

	if (c->verdict != verdict || (says && !strstr(c->text, says)))
		fail_msg("%s %s: %s", verdict_names[c->verdict], id, c->text);
}

/* One claim of a number, one verdict. */
static void parameters_are(const char *name, double value, double step, enum verdict verdict, const char *says)
{
	struct scene s;

	(void)name;
	scene__open(&s);
	claim_number(&s, CLAIM_PARAMETERS, value, step);
	scene__verify(&s);
	expect(&s, "identity.parameters", verdict, says);
	scene__close(&s);
}

static void the_right_size_is_confirmed_as_people_round_it(void **unused)
{
	(void)unused;
	parameters_are("7B", 7e9, 1e9, VERDICT_CONFIRMED, "For it: files");
	parameters_are("7.2B", 7.2e9, 1e8, VERDICT_CONFIRMED, "14400.0 MB of weights are resident");
	parameters_are("7250000000", 7.25e9, 1, VERDICT_CONFIRMED, NULL);
}

static void another_size_is_refuted_in_both_directions(void **unused)
{
	(void)unused;
	parameters_are("13B", 13e9, 1e9, VERDICT_REFUTED, "Against it: files");
	parameters_are("3B", 3e9, 1e9, VERDICT_REFUTED, "Against it: files");
	parameters_are("7250000001", 7250000001., 1, VERDICT_REFUTED, NULL);
	parameters_are("70B", 70e9, 1e9, VERDICT_REFUTED, "all of the server never had more than 16000.0 MB");
	parameters_are("70B", 70e9, 1e9, VERDICT_REFUTED, "time: 59.9 billion parameters take at least");
}

static void a_file_that_is_mapped_for_show_is_refuted_by_the_memory(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	s.file.resident_bytes = 100000000;
	s.footprint = (struct row_footprint){ MAKER_PID, 0, BILLION, BILLION, 0, 0, 2 * BILLION };
	claim_number(&s, CLAIM_PARAMETERS, 7e9, 1e9);
	scene__verify(&s);
	expect(&s, "identity.parameters", VERDICT_REFUTED, "no disk was read");
	scene__close(&s);
}

static void weights_that_are_read_again_or_on_a_device_are_not_called_a_lie(void **unused)
{
	for (int i = 0; i < 3; i++) {
		struct scene s;

		scene__open(&s);
		s.file.resident_bytes = 100000000;
		s.footprint = (struct row_footprint){ MAKER_PID, 0, BILLION, BILLION, 0, 0, 2 * BILLION };
		/* Faults are not known; a graphics card; nobody looked for devices. */
		s.no_faults_known = i == 0;
		s.devices = i == 0 ? "" : i == 1 ? "/dev/nvidia0" : NULL;
		claim_number(&s, CLAIM_PARAMETERS, 7e9, 1e9);
		scene__verify(&s);
		expect(&s, "identity.parameters", VERDICT_CONFIRMED,
		       i ? "may be in a device's" : "read from disk again");
		assert_int_equal(find(&s, "identity.parameters")->grade, GRADE_SELF_REPORTED);
		scene__close(&s);
	}
	(void)unused;
}

static void a_file_that_is_resident_for_show_is_refuted_by_what_was_touched(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	s.n_windows = 5;
	s.file_touched = 100000000;
	s.anon_touched = 3 * BILLION;
	claim_number(&s, CLAIM_PARAMETERS, 7e9, 1e9);
	scene__verify(&s);
	/* 3,100 MB, and what goes unseen on this host. */
	expect(&s, "identity.parameters", VERDICT_REFUTED,
	       "memory: in the steps of 5 windows the server touched at most 3167.1 MB of all its memory (100.0 MB of "
	       "the file), 14200.0 MB are needed for every token");
	assert_int_equal(find(&s, "identity.parameters")->grade, GRADE_MEASURED);
	scene__close(&s);
}

static void weights_that_every_step_touches_are_in_use(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	s.n_windows = 5;
	s.file_touched = 14190 * (BILLION / 1000);
	claim_number(&s, CLAIM_PARAMETERS, 7e9, 1e9);
	scene__verify(&s);
	expect(&s, "identity.parameters", VERDICT_CONFIRMED,
	       "14190.0 MB of the file were touched in the steps of 5 windows");
	scene__close(&s);
}

/* Each of these servers is honest, and its marks look like those of one that is not. */
static void little_that_is_touched_is_no_lie_where_it_has_another_reason(void **unused)
{
	enum { REPACKED, ON_A_DEVICE, DEVICES_UNKNOWN, HUGE_PAGES, TWO_WINDOWS, FAULTS_UNKNOWN, ELSEWHERE, IN_PART, N };

	(void)unused;
	for (int i = 0; i < N; i++) {
		struct scene s;

		scene__open(&s);
		s.n_windows = i == TWO_WINDOWS ? 2 : 5;
		s.file_touched = i == IN_PART ? 8 * BILLION : 100000000;
		s.anon_touched = i == REPACKED ? 14 * BILLION : BILLION;
		s.huge = i == HUGE_PAGES ? 14 * BILLION : 0;
		s.devices = i == ON_A_DEVICE ? "/dev/nvidia0" : i == DEVICES_UNKNOWN ? NULL : "";
		s.no_faults_known = i == FAULTS_UNKNOWN;
		s.ns_per_token = i == ELSEWHERE ? 0 : s.ns_per_token;
		claim_number(&s, CLAIM_PARAMETERS, 7e9, 1e9);
		scene__verify(&s);
		expect(&s, "identity.parameters", VERDICT_CONFIRMED,
		       i == TWO_WINDOWS ? "are resident" : "the rest may be read from a copy");
		scene__close(&s);
	}
}

/* A smaller model than its name says, whose file nobody could read. */
static void a_claim_that_needs_more_than_was_touched_is_refuted(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	s.n_windows = 5;
	s.file_touched = 14190 * (BILLION / 1000);
	s.footprint.peak_bytes = 200 * BILLION;
	claim_number(&s, CLAIM_PARAMETERS, 70e9, 1e9);
	scene__verify(&s);
	expect(&s, "identity.parameters", VERDICT_REFUTED,
	       "in the steps of 5 windows the server touched at most 14257.1 MB of all its memory");
	scene__close(&s);
	/* Of a mixture a token takes a part, and the claim does not say which. */
	scene__open(&s);
	s.n_windows = 5;
	s.model.n_experts = 8;
	s.model.n_experts_used = 2;
	s.model.n_params = 46700 * (BILLION / 1000);
	s.model.active_weight_bytes = 26 * BILLION;
	s.model.expert_weight_bytes = 80 * BILLION;
	s.file_touched = 27 * BILLION;
	s.file.resident_bytes = s.footprint.peak_bytes = 93 * BILLION;
	claim_number(&s, CLAIM_PARAMETERS, 46.7e9, 1e8);
	scene__verify(&s);
	expect(&s, "identity.parameters", VERDICT_CONFIRMED, "27000.0 MB of the file were touched");
	scene__close(&s);
}

static void a_token_that_took_too_little_time_refutes_what_the_header_says(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	/* 2 x 7 billion operations in 1 ms on a processor that can do 1664 in a nanosecond. */
	s.ns_per_token = (int64_t)MS;
	claim_number(&s, CLAIM_PARAMETERS, 7e9, 1e9);
	scene__verify(&s);
	expect(&s, "identity.parameters", VERDICT_REFUTED, "Against it: time");
	scene__close(&s);
}

static void a_precision_is_the_format_of_most_weights(void **unused)
{
	static const struct {
		const char *has, *claimed;
		enum verdict verdict;
	} cases[] = {
		{ "F16", "F16", VERDICT_CONFIRMED },	 { "F16", "FP16", VERDICT_CONFIRMED },
		{ "F16", "BF16", VERDICT_INCONCLUSIVE }, { "F16", "F32", VERDICT_REFUTED },
		{ "F16", "Q8_0", VERDICT_REFUTED },	 { "F16", "bananas", VERDICT_INCONCLUSIVE },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;

		scene__open(&s);
		s.model.quantization = cases[i].has;
		claim_text(&s, CLAIM_PRECISION, cases[i].claimed);
		scene__verify(&s);
		expect(&s, "identity.precision", cases[i].verdict, NULL);
		scene__close(&s);
	}
}

static void a_quantized_file_is_no_f16(void **unused)
{
	static const struct {
		const char *claimed;
		enum verdict verdict;
	} cases[] = { { "F16", VERDICT_REFUTED },  { "Q8_0", VERDICT_CONFIRMED },   { "INT8", VERDICT_CONFIRMED },
		      { "INT4", VERDICT_REFUTED }, { "FP8", VERDICT_INCONCLUSIVE }, { "Q4_K_M", VERDICT_REFUTED } };

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;

		scene__open(&s);
		s.model.quantization = "Q8_0";
		s.model.weight_bytes = 7704 * (BILLION / 1000);
		s.model.active_weight_bytes = 7540 * (BILLION / 1000);
		s.file.resident_bytes = s.file.mapped_bytes = 7704 * (BILLION / 1000);
		claim_text(&s, CLAIM_PRECISION, cases[i].claimed);
		scene__verify(&s);
		expect(&s, "identity.precision", cases[i].verdict, NULL);
		if (i == 3)
			expect(&s, "identity.precision", VERDICT_REFUTED, "in the customer's favour");
		scene__close(&s);
	}
}

static void a_mixture_of_formats_is_named_by_the_first_part_of_its_name(void **unused)
{
	const struct row_model m = { .quantization = "Q4_K", .n_params = 1000, .weight_bytes = 606 };

	(void)unused;
	assert_int_equal(precision__agrees(&m, "Q4_K_M"), SAYS_YES);
	assert_int_equal(precision__agrees(&m, "q4_k_s"), SAYS_YES);
	assert_int_equal(precision__agrees(&m, "INT4"), SAYS_YES);
	assert_int_equal(precision__agrees(&m, "Q8_0"), SAYS_NO);
	assert_int_equal(precision__agrees(&m, "Q5_K_M"), SAYS_NO);
}

static void a_context_is_what_the_engine_allows_or_what_was_computed(void **unused)
{
	static const struct {
		int64_t n_ctx;
		double claimed;
		enum verdict verdict;
		enum grade grade;
	} cases[] = {
		{ 4096, 4096, VERDICT_CONFIRMED, GRADE_SELF_REPORTED },
		{ 4096, 4097, VERDICT_REFUTED, GRADE_SELF_REPORTED },
		{ ABSENT, 4096, VERDICT_INCONCLUSIVE, GRADE_SELF_REPORTED },
		{ ABSENT, 64, VERDICT_CONFIRMED, GRADE_MEASURED },	  /* 40 + 24 + 11 were computed */
		{ 65536, 65536, VERDICT_INCONCLUSIVE, GRADE_SELF_REPORTED }, /* made for 32768 */
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;

		scene__open(&s);
		s.m.recording.contexts[0].n_ctx = cases[i].n_ctx;
		claim_number(&s, CLAIM_CONTEXT, cases[i].claimed, 1);
		scene__verify(&s);
		expect(&s, "identity.context", cases[i].verdict, NULL);
		assert_int_equal(find(&s, "identity.context")->grade, cases[i].grade);
		scene__close(&s);
	}
}

static void speculation_is_seen_in_the_steps(void **unused)
{
	static const struct {
		bool used, claimed;
		int n;
		enum verdict verdict;
	} cases[] = { { false, false, 25, VERDICT_CONFIRMED },	 { false, true, 25, VERDICT_REFUTED },
		      { true, false, 25, VERDICT_REFUTED },	 { true, true, 25, VERDICT_CONFIRMED },
		      { false, false, 5, VERDICT_INCONCLUSIVE }, { true, false, 5, VERDICT_REFUTED } };

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;

		scene__open(&s);
		s.speculative = cases[i].used;
		s.n_requests = cases[i].n;
		claim_number(&s, CLAIM_SPECULATION, cases[i].claimed, 0);
		scene__verify(&s);
		expect(&s, "identity.speculation", cases[i].verdict, NULL);
		scene__close(&s);
	}
}

static void a_name_is_the_wires_and_the_files(void **unused)
{
	static const struct {
		const char *claimed;
		enum verdict verdict;
		const char *says;
	} cases[] = {
		{ "fine-7b-instruct", VERDICT_CONFIRMED, "so it is named in 25 answers" },
		{ "Fine-7B-Instruct", VERDICT_CONFIRMED, NULL },
		{ "fine-70b-instruct", VERDICT_REFUTED, "25 of 25 answers name" },
		/*
		 * A vendor's "7b" is often the instruct model, and a base model is another one: the name alone accuses nobody. What contradicts it
		 * does.
		 */
		{ "fine-7b", VERDICT_INCONCLUSIVE, "25 of 25 answers name" },
		{ "fine-7b-base", VERDICT_REFUTED, "25 of 25 answers name" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;

		scene__open(&s);
		claim_text(&s, CLAIM_MODEL, cases[i].claimed);
		scene__verify(&s);
		expect(&s, "identity.model", cases[i].verdict, cases[i].says);
		scene__close(&s);
	}
}

static void a_small_model_under_the_name_of_a_large_one_is_refuted_by_its_size(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	s.wire = "fine-70b-instruct";
	claim_text(&s, CLAIM_MODEL, "fine-70b-instruct");
	scene__verify(&s);
	expect(&s, "identity.model", VERDICT_REFUTED, "For it: memory");
	expect(&s, "identity.model", VERDICT_REFUTED, "words: so it is named in 25 answers");
	expect(&s, "identity.model", VERDICT_REFUTED, "Against it: files");
	scene__close(&s);
}

static void a_name_that_the_file_does_not_know_is_open(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	s.wire = "our-best";
	claim_text(&s, CLAIM_MODEL, "our-best");
	scene__verify(&s);
	expect(&s, "identity.model", VERDICT_INCONCLUSIVE, "the header calls it 'Fine 7B Instruct'");
	scene__close(&s);
}

static void a_distilled_model_is_not_the_one_that_it_was_made_of(void **unused)
{
	(void)unused;
	assert_true(model_name__agrees("DeepSeek R1", "deepseek-r1"));
	assert_false(model_name__agrees("DeepSeek R1 Distill Qwen 7B", "deepseek-r1"));
	assert_true(model_name__agrees("/m/Qwen2.5-7B-Instruct-Q4_K_M.gguf", "qwen2.5-7b-instruct"));
	assert_false(model_name__agrees("qwen2.5-7b", "qwen2.5-72b"));
	assert_true(model_name__is("/a/b/small-f16.gguf", "small-f16"));
	assert_false(model_name__is("small-f16-v2", "small-f16"));
}

static void a_processor_is_no_graphics_card(void **unused)
{
	static const struct {
		const char *devices, *names, *claimed;
		int n;
		enum verdict verdict;
	} cases[] = {
		{ "", NULL, "AMD EPYC 9654", 1, VERDICT_CONFIRMED },
		{ "", NULL, "NVIDIA A100", 1, VERDICT_REFUTED },
		{ "", NULL, "Some Processor", 1, VERDICT_INCONCLUSIVE },
		/* How many sockets it has, nobody recorded. */
		{ "", NULL, "AMD EPYC 9654", 2, VERDICT_INCONCLUSIVE },
		{ NULL, NULL, "NVIDIA A100", 1, VERDICT_INCONCLUSIVE },
		{ "/dev/nvidia0", NULL, "NVIDIA A100", 1, VERDICT_INCONCLUSIVE },
		{ "/dev/nvidia0", "NVIDIA A100-SXM4-80GB", "NVIDIA A100", 1, VERDICT_CONFIRMED },
		{ "/dev/nvidia0", "NVIDIA A100-SXM4-80GB", "NVIDIA A100", 2, VERDICT_INCONCLUSIVE },
		{ "/dev/nvidia0", "NVIDIA A100-SXM4-80GB; NVIDIA A100-SXM4-80GB", "NVIDIA A100", 2, VERDICT_CONFIRMED },
		{ "/dev/nvidia0", "NVIDIA L4", "NVIDIA A100", 1, VERDICT_REFUTED },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;

		scene__open(&s);
		s.devices = cases[i].devices;
		if (cases[i].names)
			maker__meta(&s.m, "accelerators", cases[i].names);
		claim_text(&s, CLAIM_HARDWARE, cases[i].claimed);
		s.claims[0].n_devices = cases[i].n;
		scene__verify(&s);
		expect(&s, "identity.hardware", cases[i].verdict, NULL);
		scene__close(&s);
	}
}

/* Two processors of 256 operations x 6.5 GHz, 2 x 6.95 billion operations a token: 239 tokens a second, whatever the batch. */
static void a_rate_that_no_processor_of_the_host_can_reach_is_refuted_by_arithmetic(void **unused)
{
	static const struct {
		enum claim_metric metric;
		double value;
		const char *devices;
		bool refuted;
	} cases[] = {
		{ CLAIM_THROUGHPUT, 238, "", false },	  { CLAIM_THROUGHPUT, 241, "", true },
		{ CLAIM_USER_THROUGHPUT, 241, "", true }, { CLAIM_TPOT, 4.1e6, "", true },
		{ CLAIM_TPOT, 4.3e6, "", false },	  { CLAIM_THROUGHPUT, 241, "/dev/nvidia0", false },
		{ CLAIM_THROUGHPUT, 241, NULL, false },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;
		size_t n = 0;

		scene__open(&s);
		maker__meta(&s.m, "n_cpus", "2");
		s.devices = cases[i].devices;
		claim_number(&s, cases[i].metric, cases[i].value, 1);
		scene__verify(&s);
		for (size_t k = 0; k < s.v.n; k++)
			n += strcmp(s.v.checks[k].id, "plausibility.host") == 0;
		assert_int_equal(n, cases[i].refuted);
		if (cases[i].refuted)
			expect(&s, "plausibility.host", VERDICT_REFUTED, "2 processors do at most 3.33 x 10^12");
		scene__close(&s);
	}
}

static void without_a_file_nothing_is_confirmed(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	s.model.id = s.file.id = 0;
	claim_number(&s, CLAIM_PARAMETERS, 7e9, 1e9);
	claim_text(&s, CLAIM_PRECISION, "F16");
	claim_text(&s, CLAIM_MODEL, "fine-7b-instruct");
	scene__verify(&s);
	expect(&s, "identity.parameters", VERDICT_INCONCLUSIVE, "no weight file was mapped");
	expect(&s, "identity.precision", VERDICT_INCONCLUSIVE, "no weight file was mapped");
	expect(&s, "identity.model", VERDICT_INCONCLUSIVE, "no weight file was mapped");
	scene__close(&s);
}

static void of_two_files_that_disagree_neither_is_believed(void **unused)
{
	struct scene s;
	struct row_model other;

	(void)unused;
	scene__open(&s);
	other = s.model;
	other.id = 2;
	other.digest = "bb";
	other.inode = 7;
	other.n_params = 70 * BILLION;
	maker__model(&s.m, &other);
	claim_number(&s, CLAIM_PARAMETERS, 7e9, 1e9);
	claim_number(&s, CLAIM_PARAMETERS, 500e9, 1e9);
	claim_text(&s, CLAIM_PRECISION, "F16");
	scene__verify(&s);
	expect(&s, "identity.parameters", VERDICT_INCONCLUSIVE, "which of them computed, cannot be told");
	/* But neither has these. */
	for (size_t i = 0; i < s.v.n; i++)
		if (s.v.checks[i].claim_line == 2 && strcmp(s.v.checks[i].id, "identity.parameters") == 0)
			assert_int_equal(s.v.checks[i].verdict, VERDICT_REFUTED);
	expect(&s, "identity.precision", VERDICT_CONFIRMED, NULL);
	scene__close(&s);
}

static void a_longer_name_or_that_of_the_file_proves_nothing(void **unused)
{
	static const struct {
		const char *wire, *claimed;
		enum verdict verdict;
	} cases[] = {
		{ "vendor/Fine-7B-Instruct", "fine-7b-instruct", VERDICT_CONFIRMED },
		{ "fine-7b-instruct-awq", "fine-7b-instruct", VERDICT_INCONCLUSIVE },
		{ "/hub/fine-7b-instruct/snapshots/0a1b", "fine-7b-instruct", VERDICT_INCONCLUSIVE },
		{ "fine-7b-instruct-distill", "fine-7b-instruct", VERDICT_REFUTED },
		{ "/models/fine-7b-instruct-f16.gguf", "Fine-7B", VERDICT_INCONCLUSIVE },
		{ "/models/fine-7b-instruct-f16.gguf", "large-7b", VERDICT_REFUTED },
		{ "tiny", "fine-7b-instruct", VERDICT_REFUTED },
		/* An alias that leaves words out, and one with another size. */
		{ "fine", "fine-7b-instruct", VERDICT_INCONCLUSIVE },
		{ "fine-1b", "fine-7b-instruct", VERDICT_REFUTED },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;

		scene__open(&s);
		s.wire = cases[i].wire;
		claim_text(&s, CLAIM_MODEL, cases[i].claimed);
		scene__verify(&s);
		expect(&s, "identity.model", cases[i].verdict, NULL);
		scene__close(&s);
	}
}

static void the_files_own_name_on_the_wire_is_no_other_model(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	s.model.path = "/models/weights.gguf";
	s.wire = "weights.gguf";
	claim_text(&s, CLAIM_MODEL, "fine-7b-instruct");
	scene__verify(&s);
	expect(&s, "identity.model", VERDICT_INCONCLUSIVE, "which is but the file");
	scene__close(&s);
}

static void who_asked_for_another_model_and_got_it_is_left_out(void **unused)
{
	for (int all = 0; all < 2; all++) {
		struct scene s;
		struct row_request *q;

		(void)unused;
		scene__open(&s);
		if (all)
			s.n_requests = 0;
		q = maker__request(&s.m, 500, 600);
		q->status = 200;
		q->model = q->response_model = "embedder";
		claim_text(&s, CLAIM_MODEL, "fine-7b-instruct");
		/* generation() counts requests from 0. */
		if (!all)
			s.n_requests = 0;
		for (int i = 0; !all && i < 3; i++) {
			q = maker__request(&s.m, 700 + 100 * (uint64_t)i, 750 + 100 * (uint64_t)i);
			q->status = 200;
			q->response_model = s.wire;
		}
		scene__verify(&s);
		expect(&s, "identity.model", all ? VERDICT_INCONCLUSIVE : VERDICT_CONFIRMED,
		       all ? "nobody asked for it" : "left out");
		scene__close(&s);
	}
}

static void a_claim_of_a_model_that_was_not_served_is_open(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	claim_number(&s, CLAIM_PARAMETERS, 70e9, 1e9);
	s.claims[0].model = "large";
	claim(&s, CLAIM_SPECULATION)->value = 0;
	s.claims[1].model = s.wire;
	scene__verify(&s);
	expect(&s, "identity.parameters", VERDICT_INCONCLUSIVE, "no answer is of 'large'");
	expect(&s, "identity.speculation", VERDICT_CONFIRMED, NULL);
	scene__close(&s);
}

static void a_token_of_a_mixture_takes_a_part_of_its_parameters(void **unused)
{
	for (int mixture = 0; mixture < 2; mixture++) {
		struct scene s;

		(void)unused;
		scene__open(&s);
		/* Room for 3.3 billion parameters. */
		s.ns_per_token = 4 * (int64_t)MS;
		s.model.n_experts = mixture ? 64 : ABSENT;
		s.model.active_params = mixture ? 2 * BILLION : s.model.active_params;
		claim_number(&s, CLAIM_PARAMETERS, 7e9, 1e9);
		scene__verify(&s);
		expect(&s, "identity.parameters", mixture ? VERDICT_CONFIRMED : VERDICT_REFUTED, NULL);
		scene__close(&s);
	}
}

static void what_the_recording_refused_leaves_every_claim_open(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	maker__loss(&s.m, "recording", 1, 1);
	claim_number(&s, CLAIM_PARAMETERS, 7e9, 1e9);
	scene__verify(&s);
	expect(&s, "identity.parameters", VERDICT_INCONCLUSIVE, "records of the engine were lost");
	scene__close(&s);
}

static void lost_records_leave_every_claim_open(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	maker__loss(&s.m, "engine", 1, 1);
	claim_number(&s, CLAIM_PARAMETERS, 7e9, 1e9);
	claim_text(&s, CLAIM_PRECISION, "F32");
	scene__verify(&s);
	expect(&s, "identity.parameters", VERDICT_INCONCLUSIVE, "records of the engine were lost");
	expect(&s, "identity.precision", VERDICT_INCONCLUSIVE, NULL);
	scene__close(&s);
}

static void a_recording_says_which_file_was_served_without_being_asked(void **unused)
{
	struct scene s;
	const struct note *note = NULL;

	(void)unused;
	scene__open(&s);
	s.file.sha256 = "0123";
	scene__verify(&s);
	for (size_t i = 0; i < s.v.n_notes; i++)
		if (strcmp(s.v.notes[i].id, "identity.file") == 0)
			note = &s.v.notes[i];
	assert_non_null(note);
	assert_non_null(strstr(note->text, "7250000000 parameters"));
	assert_non_null(strstr(note->text, "14400.0 of 14500.0 MB in memory"));
	assert_non_null(strstr(note->text, "SHA-256 0123"));
	scene__close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_size_is_confirmed_as_people_round_it),
		cmocka_unit_test(another_size_is_refuted_in_both_directions),
		cmocka_unit_test(a_file_that_is_mapped_for_show_is_refuted_by_the_memory),
		cmocka_unit_test(weights_that_are_read_again_or_on_a_device_are_not_called_a_lie),
		cmocka_unit_test(a_file_that_is_resident_for_show_is_refuted_by_what_was_touched),
		cmocka_unit_test(weights_that_every_step_touches_are_in_use),
		cmocka_unit_test(little_that_is_touched_is_no_lie_where_it_has_another_reason),
		cmocka_unit_test(a_claim_that_needs_more_than_was_touched_is_refuted),
		cmocka_unit_test(a_token_that_took_too_little_time_refutes_what_the_header_says),
		cmocka_unit_test(a_precision_is_the_format_of_most_weights),
		cmocka_unit_test(a_quantized_file_is_no_f16),
		cmocka_unit_test(a_mixture_of_formats_is_named_by_the_first_part_of_its_name),
		cmocka_unit_test(a_context_is_what_the_engine_allows_or_what_was_computed),
		cmocka_unit_test(speculation_is_seen_in_the_steps),
		cmocka_unit_test(a_name_is_the_wires_and_the_files),
		cmocka_unit_test(a_small_model_under_the_name_of_a_large_one_is_refuted_by_its_size),
		cmocka_unit_test(a_name_that_the_file_does_not_know_is_open),
		cmocka_unit_test(a_distilled_model_is_not_the_one_that_it_was_made_of),
		cmocka_unit_test(a_processor_is_no_graphics_card),
		cmocka_unit_test(a_rate_that_no_processor_of_the_host_can_reach_is_refuted_by_arithmetic),
		cmocka_unit_test(without_a_file_nothing_is_confirmed),
		cmocka_unit_test(of_two_files_that_disagree_neither_is_believed),
		cmocka_unit_test(a_longer_name_or_that_of_the_file_proves_nothing),
		cmocka_unit_test(the_files_own_name_on_the_wire_is_no_other_model),
		cmocka_unit_test(who_asked_for_another_model_and_got_it_is_left_out),
		cmocka_unit_test(a_claim_of_a_model_that_was_not_served_is_open),
		cmocka_unit_test(a_token_of_a_mixture_takes_a_part_of_its_parameters),
		cmocka_unit_test(what_the_recording_refused_leaves_every_claim_open),
		cmocka_unit_test(lost_records_leave_every_claim_open),
		cmocka_unit_test(a_recording_says_which_file_was_served_without_being_asked),
	};

	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
