/* SPDX-License-Identifier: Apache-2.0 */
/* Calls into device drivers in the report: the machine interface of the contract, and what people read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/output.h"
#include "tests/unit/make_recording.h"
#include "userspace/ioctl_class.h"

#define MS 1000000

static const struct row_ioctl kinds[] = {
	{ .id = 1,
	  .pid = 41,
	  .comm = "server",
	  .device = "/dev/nvidiactl",
	  .driver = "nvidia",
	  .name = "NV_ESC_RM_ALLOC/0xc661",
	  .class = "alloc",
	  .known = true,
	  .n = 5,
	  .ns = 5 * MS,
	  .failed = 1,
	  .retries = 2,
	  .unpaired = 1 },
	{ .id = 2,
	  .pid = 43,
	  .comm = "nvidia-smi",
	  .neighbour = true,
	  .device = "/dev/nvidiactl",
	  .driver = "nvidia",
	  .name = "NV_ESC_RM_CONTROL/0x1",
	  .class = "control",
	  .known = true,
	  .n = 7,
	  .ns = 70000 },
};

/* One request of a prefill and a decode step with a call in each, three calls outside. */
struct scene {
	struct maker m;
	struct timeline t;
	struct ledger l;
};

static void scene__init(struct scene *s, bool with_calls)
{
	static const int64_t totals[N_IOCTL_MEASURES] = { 5, 5 * MS, 1 };

	memset(s, 0, sizeof(*s));
	maker__init(&s->m);
	maker__request(&s->m, 990u * MS, 1600u * MS);
	maker__step(&s->m, MAKER_TARGET, 1000u * MS, 1100u * MS);
	maker__row(&s->m, 0, 0, 8, 1);
	if (with_calls)
		maker__step_ioctl(&s->m, 1, 1, MS, 1);
	maker__step(&s->m, MAKER_TARGET, 1200u * MS, 1300u * MS);
	maker__row(&s->m, 0, 8, 1, 1);
	for (int i = 0; with_calls && i < N_IOCTL_RESOURCES; i++) {
		const struct row_resource row = { RESOURCE_IOCTL + i,
						  ioctl_resource_names[i],
						  i % N_IOCTL_MEASURES == IOCTL_NS ? "ns" : "count",
						  RESOURCE_ADDITIVE,
						  GRADE_MEASURED,
						  "entries and exits",
						  NULL };

		maker__resource(&s->m, &row);
		maker__total(&s->m, RESOURCE_IOCTL + i,
			     i / N_IOCTL_MEASURES == IOCTL_ALLOC ? totals[i % N_IOCTL_MEASURES] : 0, "sums by process");
	}
	if (with_calls) {
		maker__step_ioctl(&s->m, 1, 1, MS, 0);
		maker__ioctl_sample(&s->m, 1500u * MS, 1, 3, 3 * MS, 0);
		maker__ioctl(&s->m, &kinds[0]);
		maker__ioctl(&s->m, &kinds[1]);
	}
	assert_int_equal(timeline__build(&s->t, maker__finish(&s->m)), 0);
	assert_int_equal(ledger__build(&s->l, &s->t, &(struct ledger_options){ .want_rows = true }), 0);
}

static void scene__free(struct scene *s)
{
	ledger__free(&s->l);
	timeline__free(&s->t);
	maker__free(&s->m);
}

static char *print(const struct scene *s, const char *format, enum report_by by)
{
	const struct output_options options = { .by = by, .columns = 120 };
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	assert_int_equal(output__find(format)->write(f, &s->l, &options), 0);
	fclose(f);
	return text;
}

static json_t *print_json(const struct scene *s, enum report_by by)
{
	char *text = print(s, "json", by);
	json_t *root = json_loads(text, 0, NULL);

	assert_non_null(root);
	free(text);
	return root;
}

static int64_t figure(json_t *object, const char *class, const char *measure)
{
	json_t *value = json_object_get(json_object_get(json_object_get(object, "ioctl"), class), measure);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static void the_contract_has_calls_per_request_account_and_total(void **state)
{
	struct scene s;
	json_t *root, *cost, *call;

	(void)state;
	scene__init(&s, true);
	root = print_json(&s, BY_REQUEST);
	cost = json_object_get(json_array_get(json_object_get(root, "requests"), 0), "cost");
	assert_int_equal(figure(cost, "alloc", "count"), 2);
	assert_int_equal(figure(cost, "alloc", "ns"), 2 * MS);
	assert_int_equal(figure(cost, "alloc", "failed"), 1);
	assert_int_equal(figure(cost, "submit", "count"), 0);
	assert_int_equal(figure(json_object_get(json_object_get(cost, "by_phase"), "decode"), "alloc", "count"), 1);
	assert_int_equal(figure(json_object_get(json_object_get(root, "accounts"), "host"), "alloc", "count"), 3);
	assert_int_equal(figure(json_object_get(root, "totals"), "alloc", "ns"), 5 * MS);
	assert_int_equal(json_array_size(json_object_get(root, "ioctls")), 1);
	call = json_array_get(json_object_get(root, "ioctls"), 0);
	assert_string_equal(json_string_value(json_object_get(call, "name")), "NV_ESC_RM_ALLOC/0xc661");
	assert_string_equal(json_string_value(json_object_get(call, "class")), "alloc");
	assert_int_equal(json_integer_value(json_object_get(call, "count")), 5);
	assert_int_equal(json_integer_value(json_object_get(call, "in_step_count")), 2);
	assert_int_equal(json_integer_value(json_object_get(call, "in_decode_count")), 1);
	assert_true(json_is_true(json_object_get(call, "anomaly")));
	call = json_array_get(json_object_get(root, "neighbours"), 0);
	assert_int_equal(json_integer_value(json_object_get(call, "pid")), 43);
	assert_int_equal(json_integer_value(json_object_get(call, "ns")), 70000);
	/* Calls have places of their own: they are no counters. */
	assert_int_equal(json_object_size(json_object_get(json_object_get(root, "totals"), "counters")), 0);
	json_decref(root);
	scene__free(&s);
}

static void steps_and_tokens_have_their_calls(void **state)
{
	struct scene s;
	json_t *root, *token;
	int64_t sum = 0;
	size_t i;

	(void)state;
	scene__init(&s, true);
	root = print_json(&s, BY_STEP);
	assert_int_equal(
		figure(json_object_get(json_array_get(json_object_get(root, "steps"), 0), "cost"), "alloc", "failed"),
		1);
	json_decref(root);
	root = print_json(&s, BY_TOKEN);
	json_array_foreach(json_object_get(root, "tokens"), i, token) sum +=
		figure(json_object_get(token, "cost"), "alloc", "ns");
	assert_int_equal(sum, 2 * MS);
	json_decref(root);
	scene__free(&s);
}

static void people_read_classes_calls_anomalies_and_neighbours(void **state)
{
	struct scene s;
	char *text;

	(void)state;
	scene__init(&s, true);
	text = print(&s, "text", BY_REQUEST);
	assert_non_null(strstr(text, "\nDriver calls\n"));
	/* Two tokens, the first put out by the prompt's step: its call is not the other's. */
	assert_null(strstr(text, "500us"));
	assert_non_null(
		strstr(text, "Anomaly: NV_ESC_RM_ALLOC/0xc661 on /dev/nvidiactl in 1 decode steps, 1 calls, 1.00ms"));
	assert_non_null(strstr(text, "nvidia-smi 43"));
	assert_non_null(strstr(text, "2 attempts that ended with EINTR or EAGAIN"));
	assert_non_null(strstr(text, "1 calls had begun unseen"));
	assert_null(strstr(text, "ioctl_alloc_ns"));
	free(text);
	text = print(&s, "csv", BY_REQUEST);
	assert_non_null(strstr(text, ",ioctl_alloc_count,ioctl_alloc_ns,ioctl_alloc_failed,"));
	assert_non_null(strstr(text, ",2,2000000,1,"));
	free(text);
	scene__free(&s);
}

static void without_an_accelerator_there_is_nothing_to_read_and_no_zero(void **state)
{
	struct scene s;
	json_t *root;
	char *text;

	(void)state;
	scene__init(&s, false);
	root = print_json(&s, BY_REQUEST);
	assert_true(json_is_null(json_object_get(
		json_object_get(json_array_get(json_object_get(root, "requests"), 0), "cost"), "ioctl")));
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(json_object_get(root, "evidence"), "ioctl"), "grade")),
			    "unavailable");
	json_decref(root);
	text = print(&s, "text", BY_REQUEST);
	assert_null(strstr(text, "Driver calls"));
	free(text);
	scene__free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_contract_has_calls_per_request_account_and_total),
		cmocka_unit_test(steps_and_tokens_have_their_calls),
		cmocka_unit_test(people_read_classes_calls_anomalies_and_neighbours),
		cmocka_unit_test(without_an_accelerator_there_is_nothing_to_read_and_no_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
