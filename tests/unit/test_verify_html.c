/* SPDX-License-Identifier: Apache-2.0 */
/* The HTML report: whatever a server, a client or a bill call themselves stays text, and a million statements stay a page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/figure.h"
#include "output/html.h"
#include "output/verify.h"
#include "userspace/input_digest.h"

static const struct verify_output *html(void)
{
	for (size_t i = 0; verify_outputs[i]; i++)
		if (strcmp(verify_outputs[i]->name, "html") == 0)
			return verify_outputs[i];
	fail_msg("no html");
	return NULL;
}

static char *page_of(struct verification *v, const struct verify_output_options *options, size_t *n)
{
	const struct verify_input in = { .window_begin_unix_ns = ABSENT, .window_end_unix_ns = ABSENT };
	char *text = NULL;
	FILE *f = open_memstream(&text, n);

	memset(v->n_by_verdict, 0, sizeof(v->n_by_verdict));
	for (size_t i = 0; i < v->n; i++)
		v->n_by_verdict[v->checks[i].verdict]++;
	assert_int_equal(html()->write(f, v, &in, options), 0);
	fclose(f);
	return text;
}

static void expect_text(const char *given, const char *written)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	html__text(f, given);
	fclose(f);
	assert_string_equal(text, written);
	free(text);
}

static size_t occurrences(const char *text, const char *word)
{
	size_t n = 0;

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		n++;
	return n;
}

static void marks_of_html_are_text(void **unused)
{
	(void)unused;
	expect_text("<script>alert('1' & \"2\")</script>",
		    "&lt;script&gt;alert(&#39;1&#39; &amp; &quot;2&quot;)&lt;/script&gt;");
	expect_text("&lt;", "&amp;lt;");
	expect_text("caf\xc3\xa9 \xe4\xbd\xa0", "caf\xc3\xa9 \xe4\xbd\xa0");
	expect_text(NULL, "");
}

static void controls_and_ill_formed_bytes_are_shown_as_such(void **unused)
{
	(void)unused;
	expect_text("a\033[31m\n\tb\x7f", "a?[31m??b?");
	expect_text("a\xff<\xe4\xbd", "a\xef\xbf\xbd&lt;\xef\xbf\xbd");
}

/* U+202E turns the writing around: "DETUFER" would be read as its opposite. */
static void nothing_turns_the_direction_of_writing(void **unused)
{
	(void)unused;
	expect_text("x\xe2\x80\xae"
		    "DEMRIFNOC\xe2\x80\xac",
		    "x\xef\xbf\xbd"
		    "DEMRIFNOC\xef\xbf\xbd");
	expect_text("\xe2\x81\xa6y\xe2\x81\xa9", "\xef\xbf\xbdy\xef\xbf\xbd");
}

static void a_hostile_bill_stays_text_in_every_place(void **unused)
{
	static const char hostile[] = "\"><script>alert(1)</script><img src=x onerror=alert(2)>";
	struct verify_file file = { .role = "bill", .path = hostile, .why = hostile };
	char *arguments[] = { "verify", (char *)hostile, "it's" };
	const struct verify_output_options options = {
		.bill_path = hostile, .files = &file, .n_files = 1, .arguments = arguments, .n_arguments = 3
	};
	struct verification v = { 0 };
	struct check *c = verification__add(&v, "bill.model", "request 1 (%s)", hostile);
	size_t n;
	char *page;

	(void)unused;
	c->verdict = VERDICT_REFUTED;
	c->claimed = c->measured = c->low = c->high = c->unit = c->text = hostile;
	c->rule = hostile;
	verification__note(&v, "guard.note", "%s", hostile);
	v.verdict = VERDICT_REFUTED;
	page = page_of(&v, &options, &n);
	assert_null(strstr(page, "<script>alert"));
	assert_null(strstr(page, "<img"));
	assert_int_equal(occurrences(page, "<script>"), 1);
	assert_true(occurrences(page, "&lt;script&gt;alert(1)&lt;/script&gt;") >= 8);
	/* As a shell reads it. */
	assert_non_null(strstr(page, "&#39;it&#39;\\&#39;&#39;s&#39;"));
	free(page);
	verification__free(&v);
}

static void nothing_is_fetched_from_anywhere(void **unused)
{
	const struct verify_output_options options = { 0 };
	struct verification v = { 0 };
	size_t n;
	char *page;

	(void)unused;
	verification__add(&v, "bill.model", "request 1");
	page = page_of(&v, &options, &n);
	for (const char *const *word =
		     (const char *const[]){ "http:", "https:", "url(", "@import", "src=", "<link", NULL };
	     *word; word++)
		assert_null(strstr(page, *word));
	assert_non_null(strstr(page, "default-src &#39;none&#39;"));
	/* The digests of a policy have 32 bytes. */
	assert_int_equal(occurrences(page, "&#39;sha256-"), 2);
	free(page);
	verification__free(&v);
}

static void the_worst_stand_first(void **unused)
{
	const struct verify_output_options options = { 0 };
	struct verification v = { 0 };
	size_t n;
	char *page;

	(void)unused;
	verification__add(&v, "bill.first", "good");
	verification__add(&v, "bill.second", "also good");
	verification__add(&v, "bill.second", "bad")->verdict = VERDICT_REFUTED;
	page = page_of(&v, &options, &n);
	assert_true(strstr(page, "<h3>bill.second") < strstr(page, "<h3>bill.first"));
	assert_true(strstr(page, "<bdi>bad<") < strstr(page, "<bdi>also good<"));
	free(page);
	verification__free(&v);
}

#define MANY 300000

static void a_million_statements_stay_a_page_that_says_what_it_leaves_out(void **unused)
{
	const struct verify_output_options options = { 0 };
	struct verification v = { 0 };
	size_t n;
	char *page;

	(void)unused;
	for (int i = 0; i < MANY; i++) {
		struct check *c = verification__add_shared(&v, i % 2 ? "bill.prompt_tokens" : "bill.cached_tokens",
							   "request 12345 (chatcmpl-abcdefghijklmnopqrstuvwxyz)");

		c->claimed = c->measured = c->low = c->high = "1234";
		c->text = "as many as the recorded steps put out";
		c->verdict = i % 1000 == 0 ? VERDICT_REFUTED : i % 4 == 1 ? VERDICT_INCONCLUSIVE : VERDICT_CONFIRMED;
	}
	page = page_of(&v, &options, &n);
	assert_true(n < 2 << 20);
	/* 300 refuted of one kind; 500 of 75,000 inconclusive of the other; 100 confirmed of each */
	assert_int_equal(occurrences(page, "<tbody data-verdict=\"REFUTED\">"), 300);
	assert_int_equal(occurrences(page, "<tbody data-verdict=\"INCONCLUSIVE\">"), 500);
	assert_int_equal(occurrences(page, "<tbody data-verdict=\"CONFIRMED\">"), 200);
	assert_non_null(strstr(page, "74500 more of this kind are INCONCLUSIVE"));
	assert_non_null(strstr(page, "--format json"));
	free(page);
	verification__free(&v);
}

static void no_statement_at_all_is_no_confirmation(void **unused)
{
	const struct verify_output_options options = { 0 };
	struct verification v = { .verdict = VERDICT_INCONCLUSIVE };
	size_t n;
	char *page;

	(void)unused;
	page = page_of(&v, &options, &n);
	assert_non_null(strstr(page, "That is no confirmation"));
	free(page);
}

/* printf abc | sha256sum */
static void a_files_digest_is_that_of_sha256sum(void **unused)
{
	char digest[INPUT_DIGEST_SIZE], path[] = "/tmp/tokprof-digest-XXXXXX", pipe_path[64];
	int fd = mkstemp(path);

	(void)unused;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "abc", 3), 3);
	close(fd);
	assert_int_equal(input__digest(digest, path), 0);
	assert_string_equal(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	unlink(path);
	assert_int_equal(input__digest(digest, path), -ENOENT);
	/* A pipe was read once: what can be read of it now is nobody's. */
	snprintf(pipe_path, sizeof(pipe_path), "%s.pipe", path);
	assert_int_equal(mkfifo(pipe_path, 0600), 0);
	assert_int_equal(input__digest(digest, pipe_path), -EINVAL);
	unlink(pipe_path);
	assert_int_equal(input__digest(digest, "/tmp"), -EINVAL);
}

static void moments_are_utc(void **unused)
{
	(void)unused;
	assert_string_equal(figure__moment(1795236612000000000).s, "2026-11-21 04:50:12 UTC");
	assert_string_equal(figure__moment(-1).s, "1969-12-31 23:59:59 UTC");
	assert_string_equal(figure__moment(ABSENT).s, "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_of_html_are_text),
		cmocka_unit_test(controls_and_ill_formed_bytes_are_shown_as_such),
		cmocka_unit_test(nothing_turns_the_direction_of_writing),
		cmocka_unit_test(a_hostile_bill_stays_text_in_every_place),
		cmocka_unit_test(nothing_is_fetched_from_anywhere),
		cmocka_unit_test(the_worst_stand_first),
		cmocka_unit_test(a_million_statements_stay_a_page_that_says_what_it_leaves_out),
		cmocka_unit_test(no_statement_at_all_is_no_confirmation),
		cmocka_unit_test(a_files_digest_is_that_of_sha256sum),
		cmocka_unit_test(moments_are_utc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
