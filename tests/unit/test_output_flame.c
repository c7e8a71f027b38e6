/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/golden.h"

#include "output/flame.h"
#include "output/flame_boxes.h"
#include "tests/unit/flame_scene.h"

/* What a server could be made to be called. */
#define HOSTILE "mul_mat</script>&\"';\x1b[31m\xff\n99 99"

static const struct flame_output *find(const char *name)
{
	for (int i = 0; flame_outputs[i]; i++)
		if (strcmp(flame_outputs[i]->name, name) == 0)
			return flame_outputs[i];
	fail_msg("no format %s", name);
	return NULL;
}

/* @return text, to be freed */
static char *write_view(const char *format, const struct flame_view *view, size_t *n)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, n);

	assert_non_null(f);
	assert_int_equal(find(format)->write(f, view), 0);
	assert_int_equal(fclose(f), 0);
	return text;
}

static char *draw(const char *format, const char *function, const struct flame_options *options, size_t *n)
{
	struct flame_options how = *options;
	struct flame_scene f;
	struct flame_graph g;
	struct flame_view view = { .ledger = &f.s.ledger, .title = "run.tokprof" };
	char *text;

	flame_scene__open(&f, function);
	flame_scene__report(&f);
	how.by_request = find(format)->by_request;
	if (!find(format)->is_trace) {
		flame_scene__graph(&f, &how, &g);
		view.graph = &g;
	}
	text = write_view(format, &view, n);
	if (view.graph)
		flame_graph__free(&g);
	scene__close(&f.s);
	return text;
}

static void check_golden(const char *format, const char *function, enum flame_per per, const char *name)
{
	struct flame_options options = flame_scene__options("cpu");
	size_t n;
	char *text;

	options.per = per;
	text = draw(format, function, &options, &n);
	golden__check(name, text, n);
	free(text);
}

static void the_folded_text_is_as_it_was(void **state)
{
	(void)state;
	check_golden("folded", "mul_mat", PER_TOTAL, "flame.folded");
	check_golden("folded", "mul_mat", PER_TOKEN, "flame-per-token.folded");
	check_golden("folded", "mul_mat", PER_REQUEST, "flame-per-request.folded");
}

static void the_drawings_are_as_they_were(void **state)
{
	(void)state;
	check_golden("svg", "mul_mat", PER_TOTAL, "flame.svg");
	check_golden("html", "mul_mat", PER_TOKEN, "flame-per-token.html");
}

static void json_and_speedscope_are_as_they_were(void **state)
{
	(void)state;
	check_golden("json", "mul_mat", PER_TOTAL, "flame.json");
	check_golden("speedscope", "mul_mat", PER_TOKEN, "flame-per-token.speedscope.json");
}

static void the_trace_is_as_it_was(void **state)
{
	(void)state;
	check_golden("perfetto", "mul_mat", PER_TOTAL, "flame.perfetto");
}

/* Its golden file would be zlib's as much as ours: `go tool pprof` reads it in tests/flame. */
static void a_profile_is_a_gzip_file(void **state)
{
	const struct flame_options options = flame_scene__options("cpu");
	size_t n;
	char *bytes = draw("pprof", "mul_mat", &options, &n);

	(void)state;
	assert_true(n > 100);
	assert_memory_equal(bytes, "\x1f\x8b\x08", 3);
	free(bytes);
}

static void a_hostile_name_stays_a_name_in_every_format(void **state)
{
	check_golden("folded", HOSTILE, PER_TOTAL, "flame-hostile.folded");
	check_golden("svg", HOSTILE, PER_TOTAL, "flame-hostile.svg");
	for (int i = 0; flame_outputs[i]; i++) {
		const struct flame_options options = flame_scene__options("cpu");
		size_t n;
		char *text = draw(flame_outputs[i]->name, HOSTILE, &options, &n);

		(void)state;
		/* JSON has the escape character escaped; a document that a browser reads must not hold the end tag. */
		assert_null(memchr(text, '\x1b', flame_outputs[i]->is_binary ? 0 : n));
		if (strcmp(flame_outputs[i]->name, "html") == 0 || strcmp(flame_outputs[i]->name, "svg") == 0)
			assert_null(strstr(text, "mul_mat</script>"));
		free(text);
	}
}

static void a_comparison_shows_both_figures(void **state)
{
	const struct flame_options options = flame_scene__options("cpu");
	struct flame_scene before, after;
	struct flame_graph base, g;
	struct flame_view view = { .graph = &g, .title = "after.tokprof", .base_title = "before.tokprof" };
	size_t n;
	char *text;

	(void)state;
	flame_scene__open(&before, "mul_mat");
	flame_scene__report(&before);
	flame_scene__graph(&before, &options, &base);
	flame_scene__open(&after, "tinyblas");
	scene__decode(&after.s, 2, 10);
	flame_scene__report(&after);
	flame_scene__graph(&after, &options, &g);
	assert_int_equal(flame_graph__compare(&g, &base), 0);
	view.ledger = &after.s.ledger;
	text = write_view("folded", &view, &n);
	golden__check("flame-diff.folded", text, n);
	free(text);
	text = write_view("svg", &view, &n);
	golden__check("flame-diff.svg", text, n);
	free(text);
	flame_graph__free(&g);
	flame_graph__free(&base);
	scene__close(&before.s);
	scene__close(&after.s);
}

/* Boxes on a box are never more than it, and what is too narrow is counted in one beside them. */
static void what_is_too_narrow_stays_in_the_sum(void **state)
{
	const struct flame_options options = flame_scene__options("cpu");
	struct flame_scene f;
	struct flame_graph g;
	struct flame_boxes boxes;

	(void)state;
	flame_scene__open(&f, "mul_mat");
	flame_scene__report(&f);
	flame_scene__graph(&f, &options, &g);
	for (int64_t least = 1; least < g.nodes[0].total; least *= 3) {
		int64_t on_root = 0;
		uint32_t n_frames = 0;

		assert_int_equal(flame_boxes__build(&boxes, &g, least), 0);
		for (size_t i = 0; i < boxes.n; i++) {
			on_root += boxes.boxes[i].depth == 1 ? boxes.boxes[i].value : 0;
			n_frames += boxes.boxes[i].n_frames;
			assert_true(boxes.boxes[i].start + boxes.boxes[i].value <= g.nodes[0].total);
			assert_true(boxes.boxes[i].value >= least);
		}
		assert_in_range(g.nodes[0].total - on_root, 0, least - 1);
		assert_true(n_frames <= g.n_nodes);
		flame_boxes__free(&boxes);
	}
	flame_graph__free(&g);
	scene__close(&f.s);
}

static void the_name_of_a_file_tells_its_format(void **state)
{
	static const char *const names[][2] = {
		{ "run.svg", "svg" },
		{ "dir.html/run.folded", "folded" },
		{ "run.pb.gz", "pprof" },
		{ "run.pprof", "pprof" },
		{ "run.speedscope.json", "speedscope" },
		{ "run.json", "json" },
		{ "run.perfetto-trace", "perfetto" },
		{ "run.html", "html" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_ptr_equal(flame_output__of_file(names[i][0]), find(names[i][1]));
	assert_null(flame_output__of_file("run"));
	assert_null(flame_output__of_file("run.txt"));
	assert_null(flame_output__of_file(".svg"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_folded_text_is_as_it_was),
		cmocka_unit_test(the_drawings_are_as_they_were),
		cmocka_unit_test(json_and_speedscope_are_as_they_were),
		cmocka_unit_test(the_trace_is_as_it_was),
		cmocka_unit_test(a_profile_is_a_gzip_file),
		cmocka_unit_test(a_hostile_name_stays_a_name_in_every_format),
		cmocka_unit_test(a_comparison_shows_both_figures),
		cmocka_unit_test(what_is_too_narrow_stays_in_the_sum),
		cmocka_unit_test(the_name_of_a_file_tells_its_format),
	};

	return cmocka_run_group_tests_name("formats of flame graphs", tests, NULL, NULL);
}
