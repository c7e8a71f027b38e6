/* SPDX-License-Identifier: Apache-2.0 */
/* An engine found in a living process: a child that has opened a small library with llama.cpp's names. */
#include "userspace/engine.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "compiled.h"

/* In the shape of a build of 2026-05: the batch by value, the ubatch with a field more than any known layout has. */
static const char source[] =
	"#include <stdint.h>\n"
	"struct llama_batch { int32_t n_tokens; void *p[6]; };\n"
	"struct llama_ubatch { uint32_t b_equal_seqs, n_tokens, n_seq_tokens, n_seqs, n_seqs_unq, n_pos;\n"
	"	int32_t *token; float *embd; double *another; int32_t *pos; int32_t *n_seq_id; int32_t **seq_id;\n"
	"	int32_t *seq_id_unq; int32_t *seq_idx; int8_t *output; };\n"
	"enum llm_graph_type { X };\n"
	"struct llama_context { char pad[0x88]; void *memory; void *get_memory() const;\n"
	"	int process_ubatch(const llama_ubatch &u, llm_graph_type t); };\n"
	"__attribute__((noinline)) void *llama_context::get_memory() const { return memory; }\n"
	"__attribute__((noinline)) int llama_context::process_ubatch(const llama_ubatch &u, llm_graph_type t)\n"
	"	{ return (int)u.n_tokens + u.output[0] + u.pos[0] + t; }\n"
	"extern \"C\" int llama_decode(llama_context *c, llama_batch b)\n"
	"	{ llama_ubatch u = {}; return c ? c->process_ubatch(u, X) + b.n_tokens : -1; }\n"
	"extern \"C\" bool llama_memory_seq_rm(void *m, int s, int a, int b) { return m && s + a + b; }\n";

/* In the shape of a build of 2026-10: a private batch, which calls fill. */
#define BATCH_SOURCE(more)                                                                                             \
	"struct llama_batch_ext { int n; };\n"                                                                         \
	"struct llama_context { int decode(const llama_batch_ext &b); };\n"                                            \
	"int llama_context::decode(const llama_batch_ext &b) { return b.n; }\n"                                        \
	"extern \"C\" int llama_process(llama_context *c, int type, llama_batch_ext *b)\n"                             \
	"	{ return type ? c->decode(*b) : -1; }\n"                                                                     \
	"#define CALL(name) extern \"C\" int llama_batch_ext_##name(llama_batch_ext *b) { return b->n; }\n"            \
	"CALL(init) CALL(clear) CALL(add_token) CALL(set_pos) CALL(add_seq) CALL(free)\n" more

static const char common_source[] = "struct common_speculative { int n; };\n"
				    "void common_speculative_draft(common_speculative *s) { s->n++; }\n";

#define SHARED "-shared -fPIC -O1 -fno-inline "

static struct engine_profiles profiles;
static struct engine_instance *engine;

static int load(void **state)
{
	char error[512];

	(void)state;
	setenv("HOME", "/nonexistent", 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("TOKPROF_ENGINES");
	compiled__directory();
	engine = malloc(sizeof(*engine));
	return engine ? engine_profiles__load(&profiles, NULL, error, sizeof(error)) : -1;
}

static int unload(void **state)
{
	(void)state;
	free(engine);
	engine_profiles__free(&profiles);
	return 0;
}

/* A child that holds the libraries open until it is killed. */
static pid_t start(const char *library, const char *another)
{
	int ready[2];
	char byte = 0;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		byte = dlopen(library, RTLD_NOW) && (!another || dlopen(another, RTLD_NOW));
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 1);
	close(ready[0]);
	close(ready[1]);
	return child;
}

static void stop(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static size_t count(enum probe_role role)
{
	size_t n = 0, i;

	for (i = 0; i < engine->n_probes; i++)
		n += engine->probes[i].role == role;
	return n;
}

static const struct engine_missing *missing(const char *point)
{
	size_t i;

	for (i = 0; i < engine->n_missing; i++)
		if (strstr(engine->missing[i].point, point))
			return &engine->missing[i];
	return NULL;
}

static void steps_ubatches_and_memory_are_found_and_the_rest_is_said_to_be_missing(void **state)
{
	char path[160];
	pid_t child;

	(void)state;
	compiled__build("libllama.v1.2.3.cpp.so", source, SHARED, path, sizeof(path));
	child = start(path, NULL);
	assert_int_equal(engine__find(engine, (uint32_t)child, &profiles), 0);
	stop(child);
	assert_string_equal(engine->name, "llama.cpp");
	assert_string_equal(engine->version, "1.2.3");
	assert_string_equal(engine->modules[0].path, path);
	assert_int_equal(strlen(engine->modules[0].build_id) % 2, 0);
	assert_int_equal(count(PROBE_STEP_ENTRY), 1);
	assert_true(count(PROBE_STEP_RETURN) >= 1);
	assert_int_equal(engine->probes[0].role, PROBE_STEP_ENTRY);
	assert_int_equal(engine->probes[0].batch_stack, 8);
	assert_string_equal(engine->probes[0].symbol, "llama_decode");
	assert_int_equal(count(PROBE_UBATCH), 1);
	assert_int_equal(count(PROBE_MEMORY), 1);
	assert_int_equal(engine->context_memory, 0x88);
	assert_non_null(missing("encode"));
	assert_non_null(missing("llama_memory_seq_add"));
	assert_non_null(missing("speculation"));
	assert_null(missing("decode"));
}

static void without_debug_information_and_a_known_build_all_layouts_are_candidates(void **state)
{
	char path[160];
	pid_t child;

	(void)state;
	compiled__build("libplain.cpp.so", source, SHARED, path, sizeof(path));
	child = start(path, NULL);
	assert_int_equal(engine__find(engine, (uint32_t)child, &profiles), 0);
	stop(child);
	assert_false(engine->layout_certain);
	assert_true(engine->n_layouts >= 2);
	assert_string_equal(engine->layout_source, "candidates");
}

static void debug_information_gives_the_layout_of_an_unknown_build(void **state)
{
	static const char *const formats[] = { "-g", "-g -gdwarf-4", "-g -fdebug-types-section" };
	char path[160], name[64], flags[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		pid_t child;

		snprintf(name, sizeof(name), "libdebug%zu.cpp.so", i);
		snprintf(flags, sizeof(flags), SHARED "%s", formats[i]);
		compiled__build(name, source, flags, path, sizeof(path));
		child = start(path, NULL);
		assert_int_equal(engine__find(engine, (uint32_t)child, &profiles), 0);
		stop(child);
		assert_true(engine->layout_certain);
		assert_string_equal(engine->layout_source, "debug information");
		assert_int_equal(engine->layouts[0].fields.n_tokens, 4);
		assert_int_equal(engine->layouts[0].fields.n_seqs_unq, 16);
		assert_int_equal(engine->layouts[0].fields.token, 24);
		assert_int_equal(engine->layouts[0].fields.embd, 32);
		assert_int_equal(engine->layouts[0].fields.pos, 48);
		assert_int_equal(engine->layouts[0].fields.n_seq_id, 56);
		assert_int_equal(engine->layouts[0].fields.seq_id, 64);
		assert_int_equal(engine->layouts[0].fields.output, 88);
	}
}

static void a_build_id_in_the_table_gives_its_layout(void **state)
{
	char path[160];
	pid_t child;

	(void)state;
	compiled__build("libknown.cpp.so", source, SHARED "-Wl,--build-id=0xb84727b71c71a6ecb12e0d28686ece50f7bb6b4f",
			path, sizeof(path));
	child = start(path, NULL);
	assert_int_equal(engine__find(engine, (uint32_t)child, &profiles), 0);
	stop(child);
	assert_true(engine->layout_certain);
	assert_int_equal(engine->n_layouts, 1);
	assert_int_equal(engine->layouts[0].fields.pos, 40);
}

static void a_build_that_hides_all_but_its_c_interface_still_has_steps(void **state)
{
	char path[160], flags[256];
	pid_t child;
	FILE *script;

	(void)state;
	snprintf(path, sizeof(path), "%s/exports", compiled__directory());
	script = fopen(path, "w");
	assert_non_null(script);
	fputs("{ global: llama_decode; local: *; };\n", script);
	fclose(script);
	snprintf(flags, sizeof(flags), SHARED "-s -Wl,--version-script=%s", path);
	compiled__build("libhidden.cpp.so", source, flags, path, sizeof(path));
	child = start(path, NULL);
	assert_int_equal(engine__find(engine, (uint32_t)child, &profiles), 0);
	stop(child);
	assert_int_equal(count(PROBE_STEP_ENTRY), 1);
	assert_int_equal(count(PROBE_UBATCH), 0);
	assert_non_null(missing("ubatch"));
	assert_non_null(strstr(missing("ubatch")->reason, "stripped"));
	assert_int_equal(engine->context_memory, LAYOUT_ABSENT);
}

static void a_library_beside_the_engines_is_part_of_it(void **state)
{
	char path[160], common[160];
	pid_t child;

	(void)state;
	compiled__build("libbase.cpp.so", source, SHARED, path, sizeof(path));
	compiled__build("libcommon.cpp.so", common_source, SHARED, common, sizeof(common));
	child = start(path, common);
	assert_int_equal(engine__find(engine, (uint32_t)child, &profiles), 0);
	stop(child);
	assert_int_equal(engine->n_modules, 2);
	assert_int_equal(count(PROBE_SPECULATION_ENTRY), 1);
	assert_int_equal(engine->probes[engine->n_probes - 1].module, 1);
	assert_string_equal(engine->modules[1].path, common);
}

static void find_batch_calls(const char *name, const char *text)
{
	char path[160];
	pid_t child;

	compiled__build(name, text, SHARED, path, sizeof(path));
	child = start(path, NULL);
	assert_int_equal(engine__find(engine, (uint32_t)child, &profiles), 0);
	stop(child);
}

static void calls_that_fill_a_private_batch_are_found_all_or_none(void **state)
{
	(void)state;
	find_batch_calls("libbatch.cpp.so", BATCH_SOURCE("CALL(set_output_logits)\n"));
	assert_int_equal(engine->probes[0].batch_argument, 2);
	assert_int_equal(engine->probes[0].batch_stack, 0);
	assert_int_equal(count(PROBE_BATCH), 6);
	/* An output that is set by a call that this build has under another name would not be seen. */
	find_batch_calls("libpart.cpp.so", BATCH_SOURCE("CALL(want_logits)\n"));
	assert_int_equal(count(PROBE_BATCH), 0);
	assert_non_null(strstr(missing("calls on a batch")->reason, "all of them"));
	/* Nor would what a new call does. */
	find_batch_calls("libmore.cpp.so", BATCH_SOURCE("CALL(set_output_logits) CALL(swap)\n"));
	assert_int_equal(count(PROBE_BATCH), 0);
	assert_non_null(missing("llama_batch_ext_swap"));
}

static void the_package_beside_a_module_names_its_version(void **state)
{
	char path[200], package[200];
	pid_t child;

	(void)state;
	snprintf(package, sizeof(package),
		 "mkdir -p %s/site-packages/my_llama/lib %s/site-packages/My.Llama-4.5.6.dist-info",
		 compiled__directory(), compiled__directory());
	assert_int_equal(system(package), 0);
	compiled__build("site-packages/my_llama/lib/libengine.cpp.so", source, SHARED, path, sizeof(path));
	child = start(path, NULL);
	assert_int_equal(engine__find(engine, (uint32_t)child, &profiles), 0);
	stop(child);
	assert_string_equal(engine->version, "4.5.6");
}

static void the_engines_own_build_number_is_its_version_outside_of_a_package(void **state)
{
	char path[160], numbered[sizeof(source) + 64];
	pid_t child;

	(void)state;
	snprintf(numbered, sizeof(numbered), "%sint LLAMA_BUILD_NUMBER = 6123;\n", source);
	compiled__build("libnumbered.cpp.so", numbered, SHARED, path, sizeof(path));
	child = start(path, NULL);
	assert_int_equal(engine__find(engine, (uint32_t)child, &profiles), 0);
	stop(child);
	assert_string_equal(engine->version, "b6123");
}

static void a_deleted_file_is_found_through_its_mapping(void **state)
{
	char path[160];
	struct stat st;
	pid_t child;
	int err;

	(void)state;
	compiled__build("libdeleted.cpp.so", source, SHARED, path, sizeof(path));
	assert_int_equal(stat(path, &st), 0);
	child = start(path, NULL);
	assert_int_equal(unlink(path), 0);
	err = engine__find(engine, (uint32_t)child, &profiles);
	if (err == 0) {
		assert_true(engine->modules[0].deleted);
		assert_string_equal(engine->modules[0].path, path);
		assert_int_equal(engine->modules[0].inode, st.st_ino);
		assert_int_equal(access(engine->modules[0].attach_path, R_OK), 0);
	}
	stop(child);
	/* Files behind map_files are for the privileged. */
	assert_true(err == 0 || (err == -EACCES && geteuid() != 0));
}

static void a_process_without_an_engine_or_that_is_gone_has_none(void **state)
{
	struct engine_cache *cache = engine_cache__new();
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	assert_int_equal(engine__find(engine, (uint32_t)child, &profiles), -ESRCH);
	assert_int_equal(engine__find_cached(engine, (uint32_t)getpid(), &profiles, cache), -ENOENT);
	assert_int_equal(engine__find_cached(engine, (uint32_t)getpid(), &profiles, cache), -ENOENT);
	engine_cache__free(cache);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_ubatches_and_memory_are_found_and_the_rest_is_said_to_be_missing),
		cmocka_unit_test(without_debug_information_and_a_known_build_all_layouts_are_candidates),
		cmocka_unit_test(debug_information_gives_the_layout_of_an_unknown_build),
		cmocka_unit_test(a_build_id_in_the_table_gives_its_layout),
		cmocka_unit_test(a_build_that_hides_all_but_its_c_interface_still_has_steps),
		cmocka_unit_test(a_library_beside_the_engines_is_part_of_it),
		cmocka_unit_test(calls_that_fill_a_private_batch_are_found_all_or_none),
		cmocka_unit_test(the_package_beside_a_module_names_its_version),
		cmocka_unit_test(the_engines_own_build_number_is_its_version_outside_of_a_package),
		cmocka_unit_test(a_deleted_file_is_found_through_its_mapping),
		cmocka_unit_test(a_process_without_an_engine_or_that_is_gone_has_none),
	};

	return cmocka_run_group_tests_name("engine", tests, load, unload);
}
