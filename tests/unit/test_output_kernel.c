/* SPDX-License-Identifier: Apache-2.0 */
/* System calls and interrupts in every format of the report. */
#include <asm/unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/shared.h"
#include "output/output.h"
#include "tests/unit/make_recording.h"
#include "userspace/analysis/kernel_work.h"

#define MS 1000000
#define RECEIVING KERNEL_KIND(KERNEL_SYSCALL, KERNEL_RECEIVES, 0)

struct scene {
	struct maker m;
	struct timeline t;
	struct ledger l;
	char *text;
	size_t size;
};

static void scene__begin(struct scene *s, bool whole, bool with_kernel)
{
	memset(s, 0, sizeof(*s));
	maker__init(&s->m);
	maker__meta(&s->m, "start_ns", "900000000");
	maker__meta(&s->m, "end_ns", "2000000000");
	maker__meta(&s->m, META_FAULT_NS, "500");
	maker__request(&s->m, 990u * MS, 1600u * MS);
	if (with_kernel) {
		maker__kernel_kind(&s->m, 202, "futex", "futex");
		maker__kernel_kind(&s->m, RECEIVING, "read", "receive");
		maker__kernel_burst(&s->m, 800u * MS, whole ? 2100u * MS : 1150u * MS);
	}
	maker__step(&s->m, MAKER_TARGET, 1000u * MS, 1100u * MS);
	maker__row(&s->m, 0, 0, 8, 1);
	maker__cut(&s->m, RESOURCE_KERNEL_NS, 0, 700000);
	if (with_kernel)
		maker__step_kernel(&s->m, 202, 7, 700000);
	maker__step(&s->m, MAKER_TARGET, 1200u * MS, 1300u * MS);
	maker__row(&s->m, 0, 8, 1, 1);
	maker__cut(&s->m, RESOURCE_KERNEL_NS, 700000, 100000);
	if (with_kernel && whole)
		maker__step_kernel(&s->m, RECEIVING, 1, 100000);
	maker__total(&s->m, RESOURCE_KERNEL_NS, 800000, "test");
	assert_int_equal(timeline__build(&s->t, maker__finish(&s->m)), 0);
	assert_int_equal(ledger__build(&s->l, &s->t, NULL), 0);
	assert_int_equal(kernel_work__broken(&s->l), -1);
}

static const char *written(struct scene *s, const char *format, int columns)
{
	const struct output_options options = { .by = BY_REQUEST, .columns = columns };
	FILE *f;

	free(s->text);
	f = open_memstream(&s->text, &s->size);
	assert_non_null(f);
	assert_int_equal(output__find(format)->write(f, &s->l, &options), 0);
	fclose(f);
	return s->text;
}

static void scene__end(struct scene *s)
{
	free(s->text);
	ledger__free(&s->l);
	timeline__free(&s->t);
	maker__free(&s->m);
}

static void assert_says(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("no '%s' in:\n%s", words, text);
}

static void the_text_names_calls_and_what_they_are_there_for(void **state)
{
	struct scene s;
	const char *text;

	(void)state;
	scene__begin(&s, true, true);
	text = written(&s, "text", 100);
	assert_says(text, "Kernel time\n");
	assert_says(text, "\nfutex ");
	assert_says(text, "\nread ");
	assert_says(text, "receive");
	assert_says(text, "Measured: every call and interrupt was timed");
	scene__end(&s);
}

/* Two tokens were generated, the first by the prompt's step: the other's 100 us are not those of two. */
static void a_tokens_part_is_of_those_after_the_first(void **state)
{
	struct scene s;
	char *line;
	int n = 0;

	(void)state;
	scene__begin(&s, true, true);
	written(&s, "text", 100);
	line = strstr(s.text, "\nreceive ");
	assert_non_null(line);
	line[1 + strcspn(line + 1, "\n")] = '\0';
	for (const char *at = line; (at = strstr(at, "100us")); at++)
		n++;
	assert_int_equal(n, 3);	/* time, per token, tokens */
	scene__end(&s);
}

static void a_line_is_no_wider_than_eighty_columns(void **state)
{
	struct scene s;
	const char *at;

	(void)state;
	scene__begin(&s, true, true);
	written(&s, "text", 80);
	at = strstr(s.text, "Kernel time\n");
	assert_non_null(at);
	for (const char *end; (end = strchr(at, '\n')) && end[1] != '\0'; at = end + 1)
		assert_true(end - at <= 80);
	scene__end(&s);
}

static void what_was_timed_in_bursts_is_derived_and_says_how_much_was(void **state)
{
	struct scene s;
	const char *text;

	(void)state;
	scene__begin(&s, false, true);
	text = written(&s, "text", 200);
	assert_says(text, "Derived: calls and interrupts were timed in 1 bursts");
	text = written(&s, "json", 80);
	assert_says(text, "\"exact\": false");
	/* The token was not timed: its 100 us are made up as the steps that were. */
	assert_says(text, "\"name\": \"futex\", \"path\": \"futex\", \"count\": 8, \"ns\": 800000");
	scene__end(&s);
}

static void the_json_has_them_under_requests_accounts_and_totals(void **state)
{
	struct scene s;
	const char *text;

	(void)state;
	scene__begin(&s, true, true);
	text = written(&s, "json", 80);
	assert_says(text, "\"exact\": true");
	assert_says(text, "\"kernel\": [{\"name\": \"futex\", \"path\": \"futex\", \"count\": 7, \"ns\": 700000}, "
			  "{\"name\": \"read\", \"path\": \"receive\", \"count\": 1, \"ns\": 100000}]");
	scene__end(&s);
}

static void the_csv_has_a_column_for_each_path(void **state)
{
	struct scene s;
	const char *text;

	(void)state;
	scene__begin(&s, true, true);
	text = written(&s, "csv", 80);
	assert_says(text, ",kernel_receive_count,kernel_receive_ns,kernel_send_count,kernel_send_ns,kernel_futex_count,"
			  "kernel_futex_ns,");
	assert_says(text, ",1,100000,0,0,7,700000,");
	scene__end(&s);
}

static void nothing_that_was_not_recorded_is_shown_as_0(void **state)
{
	struct scene s;
	const char *text;

	(void)state;
	scene__begin(&s, true, false);
	text = written(&s, "text", 80);
	assert_null(strstr(text, "Kernel time\n"));
	text = written(&s, "csv", 80);
	assert_null(strstr(text, "kernel_futex_ns"));
	text = written(&s, "json", 80);
	assert_says(text, "\"kernel\": null");
	assert_says(text, "system calls and interrupts were not collected by name");
	scene__end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_names_calls_and_what_they_are_there_for),
		cmocka_unit_test(a_tokens_part_is_of_those_after_the_first),
		cmocka_unit_test(a_line_is_no_wider_than_eighty_columns),
		cmocka_unit_test(what_was_timed_in_bursts_is_derived_and_says_how_much_was),
		cmocka_unit_test(the_json_has_them_under_requests_accounts_and_totals),
		cmocka_unit_test(the_csv_has_a_column_for_each_path),
		cmocka_unit_test(nothing_that_was_not_recorded_is_shown_as_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
