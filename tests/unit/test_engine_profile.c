/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/engine_profile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "compiled.h"

#define ENGINE "[engine]\nname = toy\nsymbols = toy_decode toy_run\n"
#define STEP "[step]\nkind = decode\nsymbols = toy_decode\n"
#define BATCH                                                                                                          \
	"[batch]\nclear = b_clear\nadd = b_add b_add_more\nset_position = b_pos\nset_output = b_out\n"                 \
	"add_sequence = b_seq\nfree = b_free\nfamily = b_*\n"
#define LAYOUT "[layout first]\nn_tokens=4\ntoken=24\nembd=32\npos=40\nseq_id=56\noutput=80\n"

static struct engine_profile profile;
static char error[512];

static int parse(const char *text)
{
	return engine_profile__parse(&profile, "toy.profile", text, strlen(text), error, sizeof(error));
}

static void a_good_file_is_read_whole(void **state)
{
	(void)state;
	assert_int_equal(parse("# a comment\n\n" ENGINE "build_number = TOY_BUILD # behind a value\n"
			       "memory_getter = _ZNK3toy6memoryEv\n"
			       "[step]\nkind = encode\nsymbols = toy_encode*\n  batch_stack = 0x8\n" STEP
			       "[ubatch]\nsymbols = toy_ubatch\nstruct = toy_batch\n"
			       "[memory]\nseq_rm = toy_rm\nclear = toy_clear\n"
			       "[speculation]\nsymbols = toy_draft a_* b_*\n" LAYOUT
			       "[operators]\nnode = toy_node toy_fused*\ngraph = toy_graph\nop_names = toy_op\n"
			       "node_op = 80\nnode_name = toy_name\nlength = toy_length\n"
			       "[step]\nkind = decode\nsymbols = toy_run\nbatch_argument = 3\n" BATCH
			       "[layout second]\nn_tokens=4\ntoken=24\nembd=32\npos=40\nseq_id=56\noutput=80\n"
			       "builds = 00ff 11aa\nn_seqs_unq = 16\n"),
			 0);
	assert_string_equal(error, "");
	assert_string_equal(profile.name, "toy");
	assert_string_equal(profile.source, "toy.profile");
	assert_int_equal(profile.n_recognise, 2);
	assert_string_equal(profile.build_number, "TOY_BUILD");
	assert_string_equal(profile.memory_getter, "_ZNK3toy6memoryEv");
	assert_string_equal(profile.ubatch_struct, "toy_batch");
	assert_int_equal(profile.n_sections, 8);
	assert_int_equal(profile.sections[0].section, PROFILE_STEP);
	assert_int_equal(profile.sections[0].kind, STEP_ENCODE);
	assert_int_equal(profile.sections[0].batch_stack, 8);
	assert_int_equal(profile.sections[0].line, 8);
	assert_int_equal(profile.sections[1].kind, STEP_DECODE);
	assert_int_equal(profile.sections[3].symbols[0].kind, MEMORY_SEQ_RM);
	assert_int_equal(profile.sections[3].symbols[1].kind, MEMORY_CLEAR);
	assert_int_equal(profile.sections[4].n_symbols, 3);
	assert_int_equal(profile.sections[5].section, PROFILE_OPERATORS);
	assert_int_equal(profile.sections[5].n_symbols, 3);
	assert_int_equal(profile.sections[5].symbols[1].kind, OPERATOR_NODE);
	assert_int_equal(profile.sections[5].symbols[2].kind, OPERATOR_GRAPH);
	assert_string_equal(profile.graph.op_names, "toy_op");
	assert_string_equal(profile.graph.node_name, "toy_name");
	assert_int_equal(profile.graph.node_op, 80);
	assert_int_equal(profile.sections[6].batch_argument, 3);
	assert_int_equal(profile.sections[7].section, PROFILE_BATCH);
	assert_int_equal(profile.sections[7].n_symbols, 8);
	assert_int_equal(profile.sections[7].symbols[2].kind, BATCH_ADD);
	assert_int_equal(profile.sections[7].symbols[7].kind, BATCH_FAMILY);
	assert_int_equal(profile.n_layouts, 2);
	assert_int_equal(profile.layouts[0].fields.pos, 40);
	assert_int_equal(profile.layouts[1].fields.n_seqs_unq, 16);
	assert_int_equal(profile.layouts[1].n_builds, 2);
	assert_string_equal(profile.layouts[1].builds[1], "11aa");
}

static void a_field_that_is_not_given_is_absent_not_at_0(void **state)
{
	(void)state;
	assert_int_equal(parse(ENGINE STEP LAYOUT), 0);
	assert_int_equal(profile.layouts[0].fields.n_seqs_unq, LAYOUT_ABSENT);
	assert_int_equal(profile.layouts[0].fields.n_seq_id, LAYOUT_ABSENT);
}

static void a_file_without_a_final_newline_or_with_dos_ones_is_read(void **state)
{
	(void)state;
	assert_int_equal(parse(ENGINE "[step]\nsymbols = toy_decode"), 0);
	assert_int_equal(parse("[engine]\r\nname = toy\r\nsymbols = toy_decode\r\n[step]\r\nsymbols = toy_decode\r\n"),
			 0);
	assert_string_equal(profile.sections[0].symbols[0].pattern, "toy_decode");
}

static void every_bad_line_is_named_by_its_number(void **state)
{
	static const struct {
		const char *text;
		int line;
		const char *words;
	} bad[] = {
		{ "", 0, "no [engine]" },
		{ "\n\nname = x\n", 3, "no section" },
		{ "[engine\n", 1, "[NAME]" },
		{ "[engine] x\n", 1, "[NAME]" },
		{ "[motor]\n", 1, "unknown section" },
		{ STEP, 1, "before the [engine]" },
		{ ENGINE "[operators]\nnodes = x\n", 5, "knows no 'nodes'" },
		{ ENGINE "[operators]\nnode_op = 99999\n", 5, "0 to 4096" },
		{ ENGINE "[operators]\nnode = x\n[operators]\n", 6, "second [operators]" },
		{ "[engine]\nname = toy\n" STEP, 3, "no 'symbols'" },
		{ "[engine]\nsymbols = a\n" STEP, 3, "no 'name'" },
		{ "[engine]\nname = toy\nname = toy\n", 3, "twice" },
		{ "[engine]\nname = a-name-that-is-much-longer-than-a-name-may-be\n", 2, "longer" },
		{ "[engine]\nname =\n", 2, "no value" },
		{ "[engine]\nname toy\n", 2, "neither" },
		{ "[engine]\nsymbols = toy_*\n", 2, "whole names" },
		{ "[engine]\nname = toy\nsymbols = a;b\n", 3, "no symbol" },
		{ "[engine]\ncolour = red\n", 2, "knows no 'colour'" },
		{ ENGINE, 3, "no [step]" },
		{ ENGINE ENGINE, 4, "second [engine]" },
		{ ENGINE "[step]\nkind = decode\n", 5, "names no symbol" },
		{ ENGINE "[step]\nkind = train\n", 5, "decode or encode" },
		{ ENGINE "[step]\nsymbols = a\nkind = decode\n", 6, "before 'symbols'" },
		{ ENGINE "[step]\nsymbols = *\n", 5, "no symbol" },
		{ ENGINE "[step]\nbatch_stack = -8\n", 5, "number from 0" },
		{ ENGINE "[step]\nbatch_stack = 8x\n", 5, "number from 0" },
		{ ENGINE "[step]\nbatch_stack = 99999999999999999999\n", 5, "number from 0" },
		{ ENGINE "[step]\nsymbols = a\nbatch_argument = 1\n", 6, "2 or 3" },
		{ ENGINE "[step]\nsymbols = a\nbatch_argument = 4\n", 6, "number from 0" },
		{ ENGINE "[step]\nsymbols = a\nbatch_argument = 2\nbatch_stack = 8\n", 7, "both" },
		{ ENGINE STEP "[batch]\nclear = a\nadd = b\n", 9, "no 'set_position'" },
		{ ENGINE STEP "[batch]\nempty = a\n", 8, "knows no 'empty'" },
		{ ENGINE STEP "[memory]\nseq_swap = a\n", 8, "knows no 'seq_swap'" },
		{ ENGINE STEP "[layout]\n", 7, "needs a name" },
		{ ENGINE STEP "[layout x]\npos = 5\npos = 6\n", 9, "twice" },
		{ ENGINE STEP "[layout x]\npos = 70000\n", 8, "number from 0" },
		{ ENGINE STEP "[layout x]\nbuilds = 0xff\n", 8, "hexadecimal" },
		{ ENGINE STEP "[layout x]\npos = 5\n", 8, "has no 'n_tokens'" },
		{ ENGINE STEP LAYOUT LAYOUT, 14, "second layout" },
	};
	char start[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(bad[i].text), -EINVAL);
		snprintf(start, sizeof(start), "toy.profile:%d: ", bad[i].line);
		if (strncmp(error, start, strlen(start)) != 0 || !strstr(error, bad[i].words))
			fail_msg("case %zu: expected %s... %s, got: %s", i, start, bad[i].words, error);
	}
}

static void too_much_of_anything_is_refused_not_cut(void **state)
{
	char *text = malloc(PROFILE_MAX_BYTES + 2);
	size_t i;

	(void)state;
	assert_non_null(text);
	memset(text, '\n', PROFILE_MAX_BYTES + 1);
	assert_int_equal(engine_profile__parse(&profile, "x", text, PROFILE_MAX_BYTES + 1, error, sizeof(error)),
			 -EINVAL);
	memset(text, 'a', 5000);
	assert_int_equal(engine_profile__parse(&profile, "x", text, 5000, error, sizeof(error)), -EINVAL);
	assert_int_equal(engine_profile__parse(&profile, "x", "[engine]\nname = a\0b\n", 20, error, sizeof(error)),
			 -EINVAL);
	strcpy(text, ENGINE "[step]\nsymbols =");
	for (i = 0; i < PROFILE_MAX_SYMBOLS + 1; i++)
		strcat(text, " a");
	assert_int_equal(parse(text), -EINVAL);
	strcpy(text, ENGINE);
	for (i = 0; i < PROFILE_MAX_SECTIONS + 1; i++)
		strcat(text, STEP);
	assert_int_equal(parse(text), -EINVAL);
	strcpy(text, ENGINE STEP);
	for (i = 0; i < MAX_LAYOUTS + 1; i++)
		sprintf(text + strlen(text), "[layout %zu]\nn_tokens=4\ntoken=1\nembd=1\npos=1\nseq_id=1\noutput=1\n",
			i);
	assert_int_equal(parse(text), -EINVAL);
	free(text);
}

/* --- where profiles come from -------------------------------------------------------------------------------------- */

static void write_file(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", compiled__directory(), name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const struct engine_profile *find(const struct engine_profiles *profiles, const char *name)
{
	size_t i;

	for (i = 0; i < profiles->n; i++)
		if (strcmp(profiles->profiles[i].name, name) == 0)
			return &profiles->profiles[i];
	return NULL;
}

static int isolate(void **state)
{
	(void)state;
	setenv("HOME", "/nonexistent", 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("TOKPROF_ENGINES");
	return 0;
}

static void llama_cpp_is_built_in_and_knows_its_pinned_builds(void **state)
{
	struct engine_profiles profiles;
	const struct engine_profile *llama;
	size_t i, builds = 0;

	(void)state;
	assert_int_equal(engine_profiles__load(&profiles, NULL, error, sizeof(error)), 0);
	llama = find(&profiles, "llama.cpp");
	assert_non_null(llama);
	for (i = 0; i < llama->n_layouts; i++)
		builds += llama->layouts[i].n_builds;
	assert_true(llama->n_layouts >= 2);
	assert_true(builds >= 3);
	engine_profiles__free(&profiles);
	engine_profiles__free(NULL);
}

static void a_users_profile_takes_the_place_of_the_built_in_one(void **state)
{
	struct engine_profiles profiles;
	char path[256];

	(void)state;
	write_file("mine.profile", "[engine]\nname = llama.cpp\nsymbols = mine\n" STEP);
	write_file("notes.txt", "this is no profile");
	setenv("TOKPROF_ENGINES", compiled__directory(), 1);
	assert_int_equal(engine_profiles__load(&profiles, NULL, error, sizeof(error)), 0);
	assert_string_equal(find(&profiles, "llama.cpp")->recognise[0], "mine");
	assert_non_null(strstr(find(&profiles, "llama.cpp")->source, "/mine.profile"));
	engine_profiles__free(&profiles);

	write_file("extra", "[engine]\nname = llama.cpp\nsymbols = extra\n" STEP);
	snprintf(path, sizeof(path), "%s/extra", compiled__directory());
	assert_int_equal(engine_profiles__load(&profiles, path, error, sizeof(error)), 0);
	assert_string_equal(find(&profiles, "llama.cpp")->recognise[0], "extra");
	engine_profiles__free(&profiles);
}

static void a_profile_that_cannot_be_used_is_named(void **state)
{
	struct engine_profiles profiles;

	(void)state;
	write_file("mine.profile", ENGINE "[stop]\n");
	setenv("TOKPROF_ENGINES", compiled__directory(), 1);
	assert_int_equal(engine_profiles__load(&profiles, NULL, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "/mine.profile:4: unknown section [stop]"));
	unsetenv("TOKPROF_ENGINES");
	assert_int_equal(engine_profiles__load(&profiles, "/nonexistent", error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, "/nonexistent: "));
	assert_int_equal(engine_profiles__load(&profiles, "/", error, sizeof(error)), -EISDIR);
	assert_int_equal(profiles.n, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_file_is_read_whole),
		cmocka_unit_test(a_field_that_is_not_given_is_absent_not_at_0),
		cmocka_unit_test(a_file_without_a_final_newline_or_with_dos_ones_is_read),
		cmocka_unit_test(every_bad_line_is_named_by_its_number),
		cmocka_unit_test(too_much_of_anything_is_refused_not_cut),
		cmocka_unit_test_setup(llama_cpp_is_built_in_and_knows_its_pinned_builds, isolate),
		cmocka_unit_test_setup(a_users_profile_takes_the_place_of_the_built_in_one, isolate),
		cmocka_unit_test_setup(a_profile_that_cannot_be_used_is_named, isolate),
	};

	return cmocka_run_group_tests_name("engine_profile", tests, NULL, NULL);
}
