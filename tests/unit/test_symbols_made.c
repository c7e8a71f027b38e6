/* SPDX-License-Identifier: Apache-2.0 */
/* Names of code that has no file: the kernel's, and what just-in-time compilers make. */
#include "userspace/symbols/resolve.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "compiled.h"
#include "naming.h"

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* --- the kernel ----------------------------------------------------------------------------------------------------- */

static const char kallsyms[] = "0000000000000000 A fixed_percpu_data\n"
			       "ffffffff81000000 T _text\n"
			       "ffffffff81000000 T startup_64\n"
			       "ffffffff81000200 t secondary_startup_64\n"
			       "ffffffff81001000 T schedule\n"
			       "ffffffff81001000 t __sched_text_start\n"
			       "ffffffff81001400 t try_to_wake_up.part.0\n"
			       "ffffffff81001400 W wake_alias\n"
			       "ffffffff81002000 T _etext\n"
			       "ffffffff81800000 D jiffies\n"
			       "ffffffffc0501000 t xfs_read\t[xfs]\n"
			       "ffffffffc0501080 t xfs_write\t[xfs]\n"
			       "ffffffffc0700000 t bpf_prog_6deef7357e7b4530_step_enter\t[bpf]\n";

static const char modules[] = "nf_tables 380928 0 - Live 0xffffffffc0600000\n"
			      "xfs 2080768 2 - Live 0xffffffffc0501000\n";

static void begin_kernel(struct naming *n, const char *symbols)
{
	static char symbols_path[128], modules_path[128];

	snprintf(symbols_path, sizeof(symbols_path), "%s/kallsyms", compiled__directory());
	snprintf(modules_path, sizeof(modules_path), "%s/modules", compiled__directory());
	write_file(symbols_path, symbols);
	write_file(modules_path, modules);
	naming__begin(n);
	n->options.kallsyms = symbols_path;
	n->options.modules = modules_path;
	naming__module(n, "kernel", NULL);
	naming__module(n, "kernel_module", "xfs");
	naming__module(n, "kernel_module", "nf_tables");
}

static void kernel_frames_are_named_by_their_distance_from_text(void **state)
{
	struct naming n;

	(void)state;
	begin_kernel(&n, kallsyms);
	naming__frame(&n, FRAME_KERNEL, 1, 0x10);
	naming__frame(&n, FRAME_KERNEL, 1, 0x1000);
	naming__frame(&n, FRAME_KERNEL, 1, 0x13ff);
	naming__frame(&n, FRAME_KERNEL, 1, 0x1410);
	naming__frame(&n, FRAME_KERNEL, 1, 0x2000);
	naming__frame(&n, FRAME_KERNEL, 1, 0x900000);
	naming__resolve(&n);
	assert_string_equal(naming__name(&n, 1), "startup_64");
	assert_string_equal(naming__name(&n, 2), "schedule");
	assert_string_equal(naming__name(&n, 3), "schedule");
	assert_int_equal(naming__symbol(&n, 3, 0)->offset_bytes, 0x3ff);
	assert_string_equal(naming__name(&n, 4), "try_to_wake_up.part.0");
	/* Behind the code, and in data. */
	assert_string_equal(naming__name(&n, 5), "");
	assert_string_equal(naming__name(&n, 6), "");
	assert_string_equal(naming__symbol(&n, 2, 0)->source, "kallsyms");
	naming__free(&n);
}

static void frames_of_kernel_modules_are_named_from_the_modules_start(void **state)
{
	struct naming n;

	(void)state;
	begin_kernel(&n, kallsyms);
	naming__frame(&n, FRAME_KERNEL, 2, 0x7f);
	naming__frame(&n, FRAME_KERNEL, 2, 0x84);
	naming__frame(&n, FRAME_KERNEL, 3, 0x10);
	naming__frame(&n, FRAME_KERNEL, ABSENT, 0xffffffffc0700022);
	naming__resolve(&n);
	assert_string_equal(naming__name(&n, 1), "xfs_read");
	assert_string_equal(naming__name(&n, 2), "xfs_write");
	/* Of this module there are no symbols: another one's name would be wrong. */
	assert_string_equal(naming__name(&n, 3), "");
	assert_string_equal(naming__name(&n, 4), "bpf_prog_6deef7357e7b4530_step_enter");
	naming__free(&n);
}

static void a_kernel_that_hides_its_addresses_gives_no_names_and_that_is_said(void **state)
{
	struct naming n;
	char why[200];

	(void)state;
	begin_kernel(&n, "0000000000000000 T _text\n0000000000000000 T schedule\n");
	naming__frame(&n, FRAME_KERNEL, 1, 0x10);
	naming__frame(&n, FRAME_KERNEL, ABSENT, 0xffffffff81000010);
	naming__resolve(&n);
	assert_int_equal(n.summary.n_named, 0);
	symbol_summary__reasons(&n.summary, why, sizeof(why));
	assert_string_equal(why, "2 in the kernel, which hides its addresses");
	naming__free(&n);
}

static void the_running_kernels_schedule_is_found_at_its_address(void **state)
{
	unsigned long long text = 0, schedule = 0, address;
	char line[600], name[512], type;
	struct naming n;
	FILE *f = fopen("/proc/kallsyms", "r");

	(void)state;
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx %c %511s", &address, &type, name) == 3 && !strchr(line, '[')) {
			if (strcmp(name, "_text") == 0)
				text = address;
			else if (strcmp(name, "schedule") == 0)
				schedule = address;
		}
	if (f)
		fclose(f);
	if (!text || !schedule)
		skip(); /* hidden from who runs this */
	naming__begin(&n);
	naming__frame(&n, FRAME_KERNEL, naming__module(&n, "kernel", NULL), schedule - text + 8);
	naming__resolve(&n);
	assert_string_equal(naming__name(&n, 1), "schedule");
	naming__free(&n);
}

/* --- perf maps ------------------------------------------------------------------------------------------------------ */

static char map_path[64];

static void write_map(uint32_t pid, const char *text)
{
	snprintf(map_path, sizeof(map_path), "/tmp/perf-%u.map", pid);
	unlink(map_path);
	write_file(map_path, text);
}

static int remove_map(void **state)
{
	(void)state;
	if (map_path[0])
		unlink(map_path);
	map_path[0] = 0;
	return 0;
}

static void code_of_a_jit_is_named_by_the_perf_map_whose_later_lines_win(void **state)
{
	struct naming n;

	(void)state;
	write_map((uint32_t)getpid(), "7f0000001000 100 py::generate:/srv/serve.py\n"
				      "7f0000001100 80 old_code\n"
				      "no line of a map\n"
				      "7f0000001140 20 new_code\n"
				      "0x7f0000002000 0x10 with prefix and blanks\n"
				      "7f0000003000 0 of no size\n"
				      "7f0000004000 ffffffffffffffff all\n");
	naming__begin(&n);
	naming__frame(&n, FRAME_USER, ABSENT, 0x7f0000001010);
	naming__frame(&n, FRAME_USER, ABSENT, 0x7f0000001120);
	naming__frame(&n, FRAME_USER, ABSENT, 0x7f0000001141);
	naming__frame(&n, FRAME_USER, ABSENT, 0x7f0000001170);
	naming__frame(&n, FRAME_USER, naming__module(&n, "jit", NULL), 0x7f000000200f);
	naming__frame(&n, FRAME_USER, ABSENT, 0x7f0000003000);
	naming__resolve(&n);
	assert_string_equal(naming__name(&n, 1), "py::generate:/srv/serve.py");
	assert_int_equal(naming__symbol(&n, 1, 0)->offset_bytes, 0x10);
	assert_string_equal(naming__name(&n, 2), "old_code");
	assert_string_equal(naming__name(&n, 3), "new_code");
	assert_string_equal(naming__name(&n, 4), "old_code");
	assert_string_equal(naming__name(&n, 5), "with prefix and blanks");
	assert_string_equal(naming__name(&n, 6), "");
	assert_int_equal(n.summary.nameless[NAMELESS_NO_MODULE], 1);
	naming__free(&n);
}

static void a_map_that_another_user_has_put_there_is_not_believed(void **state)
{
	struct naming n;

	(void)state;
	if (geteuid() != 0)
		skip();
	write_map((uint32_t)getpid(), "7f0000001000 100 forged\n");
	assert_int_equal(chown(map_path, 12345, 12345), 0);
	naming__begin(&n);
	naming__frame(&n, FRAME_USER, ABSENT, 0x7f0000001010);
	naming__resolve(&n);
	assert_string_equal(naming__name(&n, 1), "");
	naming__free(&n);
}

static void code_that_two_processes_name_differently_has_no_name(void **state)
{
	struct naming n;
	char other_path[64], c;
	int ends[2];
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		close(ends[1]);
		_exit((int)read(ends[0], &c, 1));
	}
	close(ends[0]);
	write_map((uint32_t)child, "7f0000001000 100 mine\n7f0000002000 100 ours\n");
	memcpy(other_path, map_path, sizeof(other_path));
	write_map((uint32_t)getpid(), "7f0000001000 100 yours\n7f0000002000 100 ours\n");
	naming__begin(&n);
	naming__process(&n, (uint32_t)child);
	naming__frame(&n, FRAME_USER, ABSENT, 0x7f0000001010);
	naming__frame(&n, FRAME_USER, ABSENT, 0x7f0000002010);
	naming__resolve(&n);
	assert_string_equal(naming__name(&n, 1), "");
	assert_string_equal(naming__name(&n, 2), "ours");
	assert_int_equal(n.summary.nameless[NAMELESS_AMBIGUOUS], 1);
	naming__free(&n);
	unlink(other_path);
	close(ends[1]);
	waitpid(child, NULL, 0);
}

/* A file of a terabyte, of which nothing is on the disk: no reader comes to its end. */
static void write_endless_map(void)
{
	write_map((uint32_t)getpid(), "7f0000001000 100 first\n");
	if (truncate(map_path, 1LL << 40))
		skip();	/* this file system has no such files */
}

static void a_map_without_end_costs_the_time_that_there_is_and_no_more(void **state)
{
	struct naming n;

	(void)state;
	write_endless_map();
	naming__begin(&n);
	n.options.budget_ns = 200000000;
	naming__frame(&n, FRAME_USER, ABSENT, 0x7f0000001010);
	naming__resolve(&n);
	assert_int_equal(n.summary.nameless[NAMELESS_NO_TIME], 1);
	naming__free(&n);
}

static volatile sig_atomic_t interrupts;

static void on_alarm(int number)
{
	(void)number;
	interrupts++;
}

static void an_interrupt_ends_the_search_at_once(void **state)
{
	struct naming n;

	(void)state;
	write_endless_map();
	naming__begin(&n);
	n.options.budget_ns = 3600000000000ULL;
	n.options.interrupts = &interrupts;
	naming__frame(&n, FRAME_USER, ABSENT, 0x7f0000001010);
	signal(SIGALRM, on_alarm);
	alarm(1);
	naming__resolve(&n);
	assert_int_equal(n.summary.nameless[NAMELESS_NO_TIME], 1);
	naming__free(&n);
}

/* --- jitdump -------------------------------------------------------------------------------------------------------- */

static void put32(FILE *f, uint32_t value)
{
	fwrite(&value, sizeof(value), 1, f);
}

static void put64(FILE *f, uint64_t value)
{
	fwrite(&value, sizeof(value), 1, f);
}

/* As linux/tools/perf/jvmti/jvmti_agent.c writes them. */
static void put_load(FILE *f, uint64_t address, uint64_t size, uint64_t index, const char *name)
{
	uint64_t i;

	put32(f, 0);
	put32(f, (uint32_t)(16 + 40 + strlen(name) + 1 + size));
	put64(f, 1000);
	put32(f, 1);
	put32(f, 1);
	put64(f, address);
	put64(f, address);
	put64(f, size);
	put64(f, index);
	fwrite(name, strlen(name) + 1, 1, f);
	for (i = 0; i < size; i++)
		putc(0x90, f);
}

static void put_move(FILE *f, uint64_t from, uint64_t to, uint64_t size, uint64_t index)
{
	put32(f, 1);
	put32(f, 16 + 48);
	put64(f, 2000);
	put32(f, 1);
	put32(f, 1);
	put64(f, to);
	put64(f, from);
	put64(f, to);
	put64(f, size);
	put64(f, index);
}

static void code_of_a_jit_is_named_by_the_dump_that_the_process_has_mapped(void **state)
{
	char path[128];
	struct naming n;
	FILE *f;
	void *at;

	(void)state;
	if (geteuid() != 0)
		skip(); /* map_files wants privilege */
	snprintf(path, sizeof(path), "%s/jit-%d.dump", compiled__directory(), getpid());
	f = fopen(path, "w+");
	assert_non_null(f);
	put32(f, 0x4A695444);
	put32(f, 1);
	put32(f, 40);
	put32(f, 62);
	put32(f, 0);
	put32(f, (uint32_t)getpid());
	put64(f, 0);
	put64(f, 0);
	put_load(f, 0x7e0000001000, 64, 1, "Builtins_first");
	put_load(f, 0x7e0000002000, 64, 2, "second");
	put_move(f, 0x7e0000001000, 0x7e0000003000, 64, 1);
	put_load(f, 0x7e0000001000, 32, 3, "_ZN2v85third5callsEv");
	fflush(f);
	at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fileno(f), 0);
	assert_true(at != MAP_FAILED);
	unlink(path);
	naming__begin(&n);
	naming__frame(&n, FRAME_USER, ABSENT, 0x7e0000001010);
	naming__frame(&n, FRAME_USER, ABSENT, 0x7e0000001030);
	naming__frame(&n, FRAME_USER, ABSENT, 0x7e000000203f);
	naming__frame(&n, FRAME_USER, ABSENT, 0x7e0000003004);
	naming__frame(&n, FRAME_USER, ABSENT, 0x7e0000003040);
	naming__resolve(&n);
	assert_string_equal(naming__name(&n, 1), "v8::third::calls()");
	assert_string_equal(naming__name(&n, 2), "Builtins_first");
	assert_string_equal(naming__name(&n, 3), "second");
	assert_string_equal(naming__name(&n, 4), "Builtins_first");
	assert_string_equal(naming__name(&n, 5), "");
	assert_string_equal(naming__symbol(&n, 4, 0)->source, "jitdump");
	assert_int_equal(naming__symbol(&n, 4, 0)->offset_bytes, 4);
	naming__free(&n);
	munmap(at, 4096);
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_frames_are_named_by_their_distance_from_text),
		cmocka_unit_test(frames_of_kernel_modules_are_named_from_the_modules_start),
		cmocka_unit_test(a_kernel_that_hides_its_addresses_gives_no_names_and_that_is_said),
		cmocka_unit_test(the_running_kernels_schedule_is_found_at_its_address),
		cmocka_unit_test_teardown(code_of_a_jit_is_named_by_the_perf_map_whose_later_lines_win, remove_map),
		cmocka_unit_test_teardown(a_map_that_another_user_has_put_there_is_not_believed, remove_map),
		cmocka_unit_test_teardown(code_that_two_processes_name_differently_has_no_name, remove_map),
		cmocka_unit_test_teardown(a_map_without_end_costs_the_time_that_there_is_and_no_more, remove_map),
		cmocka_unit_test_teardown(an_interrupt_ends_the_search_at_once, remove_map),
		cmocka_unit_test(code_of_a_jit_is_named_by_the_dump_that_the_process_has_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
