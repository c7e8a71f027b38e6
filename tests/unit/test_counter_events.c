/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel is told for an event's name. Encodings are held against the vendors' own documents, named at each table; a
 * processor is chosen with LIBPFM_FORCE_PMU, which libpfm4 reads once: every check runs in a process of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/counters/event_catalog.h"
#include "userspace/counters/event_defaults.h"
#include "userspace/counters/event_list.h"
#include "userspace/recording.h"

struct encoding {
	const char *pmu, *event;
	uint64_t config;
};

/* @return whether the check held in a process with this processor; NULL: the host's own */
static bool in_process(const char *pmu, bool (*check)(const void *), const void *arg)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		if (pmu)
			setenv("LIBPFM_FORCE_PMU", pmu, 1);
		_exit(check(arg) ? 0 : 1);
	}
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool parses(struct event_list *list, const char *text)
{
	char error[320], remedy[400];

	if (event_list__parse(list, text, error, sizeof(error), remedy, sizeof(remedy)) == 0)
		return true;
	fprintf(stderr, "%s: %s\n", text, error);
	return false;
}

static bool encodes(const void *arg)
{
	const struct encoding *e = arg;
	struct event_list list;

	if (!parses(&list, e->event))
		return false;
	if (list.events[0].attr.type == PERF_TYPE_RAW && list.events[0].attr.config == e->config && list.hardware)
		return true;
	fprintf(stderr, "%s: type %u config %#llx\n", e->event, list.events[0].attr.type,
		(unsigned long long)list.events[0].attr.config);
	return false;
}

static void check_encodings(const struct encoding *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!in_process(list[i].pmu, encodes, &list[i]))
			fail_msg("%s is not encoded as its vendor says", list[i].event);
}

/*
 * IA32_PERFEVTSELx: event in bits 0-7, unit mask in 8-15, counter mask in 24-31 (Intel SDM volume 3B, 20.2.1). Architectural events
 * by its table 20-1: 3CH/00H, C0H/00H, 2EH/41H. The others by Intel's event lists (github.com/intel/perfmon): A3H/04H with counter mask
 * 4, C7H, E7H/20H, B7H/02H.
 */
static void intel_events_are_encoded_as_the_manual_has_them(void **state)
{
	static const struct encoding list[] = {
		{ "skx", "skx::CPU_CLK_THREAD_UNHALTED:THREAD_P", 0x003c },
		{ "skx", "skx::INST_RETIRED:ANY_P", 0x00c0 },
		{ "clx", "clx::LONGEST_LAT_CACHE:MISS", 0x412e },
		{ "clx", "clx::FP_ARITH_INST_RETIRED:512B_PACKED_SINGLE", 0x80c7 },
		{ "icx", "icx::CPU_CLK_UNHALTED:THREAD_P", 0x003c },
		{ "icx", "icx::CYCLE_ACTIVITY:STALLS_TOTAL", 0x40004a3 },
		{ "spr", "spr::INST_RETIRED:ANY_P", 0x00c0 },
		{ "spr", "spr::LONGEST_LAT_CACHE:MISS", 0x412e },
		{ "spr", "spr::INT_VEC_RETIRED:VNNI_256", 0x20e7 },
		{ "spr", "spr::EXE:AMX_BUSY", 0x02b7 },
	};

	(void)state;
	check_encodings(list, sizeof(list) / sizeof(list[0]));
}

/*
 * PERF_CTL: event in bits 0-7 and 32-35, unit mask in 8-15. Processor Programming References for families 17h (55803) and 19h
 * (55898, 55901): PMCx076 LsNotHaltedCyc, PMCx0C0 ExRetInstr, PMCx003 FpRetSseAvxOps (all kinds: 0Fh, with bfloat16 1Fh), PMCx044
 * LsAnyFillsFromSys (near and far memory: 48h), PMCx1A0 DeNoDispatchPerSlot (back end: 1Eh).
 */
static void amd_events_are_encoded_as_the_manual_has_them(void **state)
{
	static const struct encoding list[] = {
		{ "amd64_fam17h_zen2", "amd64_fam17h_zen2::CYCLES_NOT_IN_HALT", 0x76 },
		{ "amd64_fam17h_zen2", "amd64_fam17h_zen2::RETIRED_SSE_AVX_FLOPS:ANY", 0x0f03 },
		{ "amd64_fam19h_zen3", "amd64_fam19h_zen3::RETIRED_INSTRUCTIONS", 0xc0 },
		{ "amd64_fam19h_zen3", "amd64_fam19h_zen3::ANY_DATA_CACHE_FILLS_FROM_SYSTEM:MEM_IO_LCL:MEM_IO_RMT",
		  0x4844 },
		{ "amd64_fam19h_zen4", "amd64_fam19h_zen4::RETIRED_SSE_AVX_FLOPS:ANY", 0x1f03 },
		{ "amd64_fam19h_zen4", "amd64_fam19h_zen4::DISPATCH_STALLS_1:BE_STALLS", 0x100001ea0 },
	};

	(void)state;
	check_encodings(list, sizeof(list) / sizeof(list[0]));
}

/*
 * Common events of the Arm Architecture Reference Manual (DDI 0487, D13.12): 0x11 CPU_CYCLES, 0x08 INST_RETIRED, 0x24 STALL_BACKEND, 0x37
 * LL_CACHE_MISS_RD, 0x75 VFP_SPEC, 0x74 ASE_SPEC, 0x8006 SVE_INST_SPEC. libpfm4 has the names of a processor only where it was
 * built for its architecture; elsewhere the numbers go through its raw PMU.
 */
static void arm_events_are_encoded_as_the_manual_has_them(void **state)
{
#ifdef __aarch64__
	static const struct encoding list[] = {
		{ "arm_n1", "arm_n1::CPU_CYCLES", 0x11 },	{ "arm_n1", "arm_n1::INST_RETIRED", 0x08 },
		{ "arm_n1", "arm_n1::LL_CACHE_MISS_RD", 0x37 }, { "arm_n1", "arm_n1::STALL_BACKEND", 0x24 },
		{ "arm_n1", "arm_n1::VFP_SPEC", 0x75 },		{ "arm_n1", "arm_n1::ASE_SPEC", 0x74 },
	};
#else
	static const struct encoding list[] = {
		{ NULL, "perf_raw::r11", 0x11 }, { NULL, "perf_raw::r08", 0x08 },     { NULL, "perf_raw::r37", 0x37 },
		{ NULL, "perf_raw::r24", 0x24 }, { NULL, "perf_raw::r8006", 0x8006 },
	};
#endif

	(void)state;
	check_encodings(list, sizeof(list) / sizeof(list[0]));
}

/* linux/perf_event.h, enum perf_sw_ids: a part of the kernel's stable interface. */
static bool software_is_encoded(const void *arg)
{
	static const struct {
		const char *name;
		uint64_t config;
	} known[] = { { "perf::PERF_COUNT_SW_CPU_CLOCK", 0 },
		      { "perf::PERF_COUNT_SW_PAGE_FAULTS", 2 },
		      { "perf::PERF_COUNT_SW_CONTEXT_SWITCHES", 3 } };
	bool ok = true;

	(void)arg;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct event_list list;

		ok &= parses(&list, known[i].name) && list.events[0].attr.type == 1 &&
		      list.events[0].attr.config == known[i].config && !list.hardware &&
		      list.events[0].resource == RESOURCE_COUNTER_FIRST && !list.events[0].attr.inherit &&
		      strcmp(list.events[0].unit, i == 0 ? "ns" : "count") == 0;
	}
	return ok;
}

static void software_events_need_no_processor_and_are_never_inherited(void **state)
{
	(void)state;
	assert_true(in_process(NULL, software_is_encoded, NULL));
}

/* --- default sets -------------------------------------------------------------------------------------------------- */

static bool default_is_of(const void *arg)
{
	const char *pmu = arg, *chosen = NULL;
	struct event_list list;
	char error[320];
	size_t n = 0, n_table = 0;

	if (event_list__default(&list, &chosen, error, sizeof(error)) || strcmp(chosen, pmu) != 0)
		return false;
	while (event_defaults__at(n_table))
		n_table++;
	for (size_t i = 0; i < list.n; i++) {
		n += list.events[i].resource == RESOURCE_CYCLES && i == 0;
		n += list.events[i].resource == RESOURCE_INSTRUCTIONS && list.events[i].group == list.events[0].group;
		if (i > 1 && list.events[i].group <= list.events[i - 1].group)
			return false;
	}
	if (list.n != n_table)
		fprintf(stderr, "%s: libpfm4 knows %zu of %zu default events\n", pmu, list.n, n_table);
	return n == 2 && list.n == n_table && list.hardware;
}

static void every_family_of_the_table_has_a_default_set_that_libpfm4_knows(void **state)
{
	static const char *const pmus[] = {
#ifdef __aarch64__
		"arm_n1",
#else
		"spr", "icx", "clx", "skx", "amd64_fam19h_zen4", "amd64_fam19h_zen3", "amd64_fam17h_zen2",
#endif
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pmus) / sizeof(pmus[0]); i++)
		if (!in_process(pmus[i], default_is_of, pmus[i]))
			fail_msg("%s", pmus[i]);
}

static bool asked_by_the_processors_name(const void *arg)
{
	struct event_list list;

	(void)arg;
	return parses(&list,
		      "spr::INST_RETIRED:ANY_P,spr::CPU_CLK_UNHALTED:THREAD_P,spr::CPU_CLK_UNHALTED:THREAD_P:u") &&
	       list.events[0].resource == RESOURCE_INSTRUCTIONS && list.events[1].resource == RESOURCE_CYCLES &&
	       list.events[2].resource == RESOURCE_COUNTER_FIRST + 2 && list.events[2].attr.exclude_kernel == 1;
}

static bool asked_by_the_kernels_name(const void *arg)
{
	struct event_list list;

	(void)arg;
	return parses(&list, "perf::instructions,perf::CPU-CYCLES") &&
	       list.events[0].resource == RESOURCE_INSTRUCTIONS && list.events[1].resource == RESOURCE_CYCLES;
}

static void cycles_and_instructions_are_resources_of_their_own_by_any_name_but_not_a_part_of_them(void **state)
{
	(void)state;
	assert_true(in_process("spr", asked_by_the_processors_name, NULL));
	assert_true(in_process(NULL, asked_by_the_kernels_name, NULL));
}

/* --- lists --------------------------------------------------------------------------------------------------------- */

static bool groups_are_read(const void *arg)
{
	static const char text[] =
		" perf::CPU-CLOCK , {perf::PAGE-FAULTS,perf::CS}, perf::MIGRATIONS,{perf::MINOR-FAULTS}";
	static const int groups[] = { 0, 1, 1, 2, 3 };
	struct event_list list;
	bool ok = parses(&list, text) && list.n == 5;

	(void)arg;
	for (size_t i = 0; ok && i < 5; i++)
		ok = list.events[i].group == groups[i];
	return ok && strcmp(list.events[0].name, "perf::CPU-CLOCK") == 0;
}

static void braces_make_groups_and_blanks_do_not_matter(void **state)
{
	(void)state;
	assert_true(in_process(NULL, groups_are_read, NULL));
}

struct bad {
	const char *text, *error, *remedy;
};

static bool is_refused(const void *arg)
{
	const struct bad *bad = arg;
	char error[320] = "", remedy[400] = "";
	struct event_list list;

	if (event_list__parse(&list, bad->text, error, sizeof(error), remedy, sizeof(remedy)) == 0)
		return false;
	if (strstr(error, bad->error) && strstr(remedy, bad->remedy))
		return true;
	fprintf(stderr, "%s: %s / %s\n", bad->text, error, remedy);
	return false;
}

static void a_list_that_is_none_is_refused_with_the_reason(void **state)
{
	static const struct bad list[] = {
		{ "", "empty name", "" },
		{ "perf::CPU-CLOCK,", "empty name", "" },
		{ "perf::CPU-CLOCK,,perf::CS", "empty name", "" },
		{ "{perf::CPU-CLOCK", "'{' without '}'", "" },
		{ "perf::CPU-CLOCK}", "'}' without '{'", "" },
		{ "{perf::CPU-CLOCK,{perf::CS}}", "braces inside braces", "" },
		{ "{perf::CPU-CLOCK}perf::CS", "after a closing brace", "" },
		{ "perf::CPU-CLOCK{", "brace within a name", "" },
		{ "perf::CS,perf::cs", "named twice", "" },
		{ "perf::CS,perf::CONTEXT-SWITCHES", "another name of perf::CS", "" },
		{ "perf::PERF_COUNT_SW_CPU_CLOK", "no event of this host", "perf::PERF_COUNT_SW_CPU_CLOCK" },
		{ "perf::page-fualts", "no event of this host", "perf::PAGE-FAULTS" },
		{ "cycels", "no event of this host", "CYCLES" },
		{ "prf::PAGE-FAULTS", "no event of this host", "perf::PAGE-FAULTS" },
		{ "quite_another_thing", "no event of this host", "tokprof list --events" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (!in_process(NULL, is_refused, &list[i]))
			fail_msg("'%s'", list[i].text);
}

static void an_unknown_part_of_an_event_is_told_the_nearest_parts(void **state)
{
	static const struct bad bad = { "spr::LONGEST_LAT_CACHE:MIS", "no event of this host",
					"spr::LONGEST_LAT_CACHE:MISS" };

	(void)state;
	assert_true(in_process("spr", is_refused, &bad));
}

static bool too_many(const void *arg)
{
	char text[64 * (MAX_COUNTERS + 1)] = "", error[320], remedy[400];
	struct event_list list;

	(void)arg;
	for (int i = 0; i <= MAX_COUNTERS; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%sperf_raw::r%x", i ? "," : "", 0x100 + i);
	return event_list__parse(&list, text, error, sizeof(error), remedy, sizeof(remedy)) != 0 &&
	       strstr(error, "more than") && remedy[0];
}

static void more_events_than_a_recording_holds_are_refused(void **state)
{
	(void)state;
	assert_true(in_process(NULL, too_many, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(intel_events_are_encoded_as_the_manual_has_them),
		cmocka_unit_test(amd_events_are_encoded_as_the_manual_has_them),
		cmocka_unit_test(arm_events_are_encoded_as_the_manual_has_them),
		cmocka_unit_test(software_events_need_no_processor_and_are_never_inherited),
		cmocka_unit_test(every_family_of_the_table_has_a_default_set_that_libpfm4_knows),
		cmocka_unit_test(cycles_and_instructions_are_resources_of_their_own_by_any_name_but_not_a_part_of_them),
		cmocka_unit_test(braces_make_groups_and_blanks_do_not_matter),
		cmocka_unit_test(a_list_that_is_none_is_refused_with_the_reason),
		cmocka_unit_test(an_unknown_part_of_an_event_is_told_the_nearest_parts),
		cmocka_unit_test(more_events_than_a_recording_holds_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
