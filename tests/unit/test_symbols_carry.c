/* SPDX-License-Identifier: Apache-2.0 */
/* Names in a recording, and what the user is told of them. */
#include "userspace/symbols/carry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "compiled.h"
#include "naming.h"

static const char source[] = "int exported(int x) { return x + 1; }\n"
			     "__attribute__((noinline)) static int hidden(int x) { __asm__(\"\"); return x * 3; }\n"
			     "int (*keep)(int) = hidden;\n";

static char library[128];
static uint64_t exported, hidden;

static int build(void **state)
{
	(void)state;
	compiled__build("served.so", source,
			"-O1 -shared -fPIC -Wl,--build-id=0xabcdef2233445566778899aabbccddeeff001122", library,
			sizeof(library));
	exported = naming__address(library, "exported");
	hidden = naming__address(library, "hidden");
	naming__shell("strip %s", library);
	return 0;
}

/* A recording of this process, in two places of the library. */
static struct recording_writer *begin(const char *name, char *path, size_t size)
{
	const struct row_process process = {
		.pid = (uint32_t)getpid(), .start_ns = 1, .comm = "t", .exe = "t", .role = "server"
	};
	struct row_module module = { .id = 1, .kind = "user", .path = library };
	const struct row_frame frames[] = { { 1, FRAME_USER, 1, exported + 2 }, { 2, FRAME_USER, 1, hidden } };
	struct recording_writer *w;
	struct stat st;

	snprintf(path, size, "%s/%s", compiled__directory(), name);
	assert_int_equal(recording_writer__open(&w, path, true), 0);
	assert_int_equal(stat(library, &st), 0);
	module.build_id = "abcdef2233445566778899aabbccddeeff001122";
	module.device = st.st_dev;
	module.inode = st.st_ino;
	module.size_bytes = st.st_size;
	recording_writer__process(w, &process);
	recording_writer__module(w, &module);
	recording_writer__frame(w, &frames[0]);
	recording_writer__frame(w, &frames[1]);
	return w;
}

static void a_recording_carries_the_names_of_its_frames_and_why_some_have_none(void **state)
{
	const struct symbol_options options = { 0 };
	struct symbol_summary summary;
	struct recording_writer *w;
	struct recording r;
	char path[128], error[512];

	(void)state;
	w = begin("names.tokprof", path, sizeof(path));
	assert_int_equal(carry__names(w, path, &options, &summary, error, sizeof(error)), 0);
	assert_int_equal(recording_writer__close(w, true), 0);
	assert_int_equal(recording__load_all(&r, path, error, sizeof(error)), 0);
	assert_int_equal(r.n_symbols, 1);
	assert_int_equal(r.symbols[0].frame, 1);
	assert_int_equal(r.symbols[0].depth, 0);
	assert_string_equal(r.symbols[0].name, "exported");
	assert_int_equal(r.symbols[0].offset_bytes, 2);
	assert_null(r.symbols[0].file);
	assert_true(r.symbols[0].line == ABSENT);
	assert_string_equal(r.symbols[0].source, "dynsym");
	assert_int_equal(recording__meta_int(&r, "symbol_frames"), 2);
	assert_int_equal(recording__meta_int(&r, "symbol_named"), 1);
	assert_string_equal(recording__meta(&r, "symbol_missing"), "1 in files without a symbol there");
	recording__free(&r);
}

static void a_recording_without_stacks_says_nothing_of_names(void **state)
{
	const struct symbol_options options = { 0 };
	struct symbol_summary summary;
	struct recording_writer *w;
	struct recording r;
	char path[128], error[512];

	(void)state;
	snprintf(path, sizeof(path), "%s/none.tokprof", compiled__directory());
	assert_int_equal(recording_writer__open(&w, path, true), 0);
	assert_int_equal(carry__names(w, path, &options, &summary, error, sizeof(error)), 0);
	assert_int_equal(summary.n_frames, 0);
	assert_int_equal(recording_writer__close(w, true), 0);
	assert_int_equal(recording__load_all(&r, path, error, sizeof(error)), 0);
	assert_null(recording__meta(&r, "symbol_frames"));
	recording__free(&r);
}

/* What goes to stderr. */
static void tell(const struct symbol_summary *s, char *out, size_t size)
{
	char path[128];
	int saved = dup(STDERR_FILENO);
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/stderr", compiled__directory());
	assert_non_null(freopen(path, "w", stderr));
	carry__tell(s);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	f = fopen(path, "r");
	n = fread(out, 1, size - 1, f);
	out[n] = 0;
	fclose(f);
}

static void few_names_are_told_with_the_file_that_lacks_them_and_the_remedy(void **state)
{
	struct symbol_summary s = { .n_frames = 1000, .n_named = 400 };
	char text[1024];

	(void)state;
	s.nameless[NAMELESS_NO_SYMBOL] = 500;
	s.nameless[NAMELESS_NO_FILE] = 100;
	strcpy(s.worst, "libllama.so");
	strcpy(s.worst_build_id, "abcdef22");
	tell(&s, text, sizeof(text));
	assert_non_null(strstr(
		text, "names for only 400 of 1000 places in code; not those 500 in files without a symbol there, "
		      "100 in files that are gone"));
	assert_non_null(strstr(text, "install the debug symbols of libllama.so"));
	assert_non_null(strstr(text, "/usr/lib/debug/.build-id/ab/cdef22.debug"));
	s = (struct symbol_summary){ .n_frames = 10 };
	s.nameless[NAMELESS_HIDDEN] = 10;
	tell(&s, text, sizeof(text));
	assert_non_null(strstr(text, "Remedy: sysctl kernel.kptr_restrict=1"));
	s = (struct symbol_summary){ .n_frames = 10, .n_named = 10, .n_debug_refused = 2 };
	tell(&s, text, sizeof(text));
	assert_non_null(strstr(text, "names: 10 of 10 places in code\n"));
	assert_non_null(strstr(text, "debug symbols of another build were not used, for 2 files"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recording_carries_the_names_of_its_frames_and_why_some_have_none),
		cmocka_unit_test(a_recording_without_stacks_says_nothing_of_names),
		cmocka_unit_test(few_names_are_told_with_the_file_that_lacks_them_and_the_remedy),
	};

	return cmocka_run_group_tests(tests, build, NULL);
}
