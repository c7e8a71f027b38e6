/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's unwinder, compiled here and run on this process's own stack: through functions without frame pointers, as deep as it
 * gets, a signal, a library's callback, code without tables; and on stacks that are none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include "compiled.h"
#include "userspace/unwind/code_map.h"
#include "userspace/unwind/unwind_table.h"

/* --- what the kernel's side has in maps ------------------------------------------------------------------------------ */

static struct unwind_mapping *mappings;
static size_t n_mappings;
static struct unwind_module modules[UNWIND_MAX_MODULES];
static struct unwind_row *rows;
static struct unwind_rule *rules;
static size_t n_rows, n_rules;
static uint64_t n_reads;

static int unwind_read(tp_u64 address, tp_u64 *word)
{
	struct iovec local = { word, sizeof(*word) }, remote = { (void *)(uintptr_t)address, sizeof(*word) };

	n_reads++;
	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == sizeof(*word) ? 0 : -1;
}

static const struct unwind_mapping *unwind_mapping_at(tp_u32 i)
{
	return i < n_mappings ? &mappings[i] : NULL;
}

static const struct unwind_module *unwind_module_at(tp_u32 i)
{
	return i < UNWIND_MAX_MODULES ? &modules[i] : NULL;
}

static const struct unwind_row *unwind_row_at(tp_u32 i)
{
	return i < n_rows ? &rows[i] : NULL;
}

static const struct unwind_rule *unwind_rule_at(tp_u32 i)
{
	return i < n_rules ? &rules[i] : NULL;
}

#include "bpf/unwind.h"

static void put_table(void *ctx, const struct module *module, struct elf_file *f)
{
	struct unwind_table t;
	struct unwind_row *blocks;
	size_t n_blocks;

	(void)ctx;
	if (f && unwind_table__build(&t, f, SIZE_MAX) == 0) {
		n_blocks = unwind_table__blocks(&t, &blocks);
		modules[module->id] = (struct unwind_module){ t.first_address, (tp_u32)n_rows, (tp_u32)t.n_rows,
							      (tp_u32)(n_rows + t.n_rows), (tp_u32)n_blocks };
		rows = reallocarray(rows, n_rows + t.n_rows + n_blocks + 1, sizeof(*rows));
		rules = reallocarray(rules, n_rules + t.n_rules + 1, sizeof(*rules));
		assert_true(rows && rules);
		for (size_t i = 0; i < t.n_rows; i++)
			rows[n_rows + i] = (struct unwind_row){ t.rows[i].pc, t.rows[i].rule + (tp_u32)n_rules };
		memcpy(rules + n_rules, t.rules, t.n_rules * sizeof(*rules));
		if (blocks)
			memcpy(rows + n_rows + t.n_rows, blocks, n_blocks * sizeof(*rows));
		n_rows += t.n_rows + n_blocks;
		free(blocks);
		n_rules += t.n_rules;
		unwind_table__free(&t);
	}
	elf_file__free(f);
}

static struct code_map code;

static void look(void)
{
	free(mappings);
	assert_int_equal(code_map__look(&code, (uint32_t)getpid(), &mappings, &n_mappings, put_table, NULL), 0);
}

/* --- a stack --------------------------------------------------------------------------------------------------------- */

struct stack {
	uint64_t frames[MAX_USER_FRAMES];	/* addresses in this process */
	size_t n;
	int end;
};

static struct stack taken;

static uint64_t address_of(uint64_t frame)
{
	const uint32_t module = (uint32_t)(frame >> FRAME_MODULE_SHIFT);

	for (size_t i = 0; module && i < n_mappings; i++)
		if (mappings[i].module == module)
			return (frame & FRAME_ADDRESS) + mappings[i].bias;
	return frame & FRAME_ADDRESS;
}

static void unwind(struct unwind_state *s)
{
	uint64_t frame = 0;

	s->process = (struct unwind_process){ 0, (tp_u32)n_mappings };
	s->exact = s->innermost = 1;
	s->end = UNWIND_COMPLETE;
	taken.n = 0;
	taken.end = UNWIND_TRUNCATED;
	while (taken.n < MAX_USER_FRAMES) {
		const int end = unwind__step(s, (tp_u64 *)&frame);

		taken.frames[taken.n++] = address_of(frame);
		if (end != UNWIND_GOES_ON) {
			taken.end = end;
			break;
		}
	}
}

static void unwind_from(const ucontext_t *at)
{
	struct unwind_state s = { 0 };

#if defined(__x86_64__)
	s.ip = (uint64_t)at->uc_mcontext.gregs[REG_RIP];
	s.sp = (uint64_t)at->uc_mcontext.gregs[REG_RSP];
	s.fp = (uint64_t)at->uc_mcontext.gregs[REG_RBP];
	s.r10 = (uint64_t)at->uc_mcontext.gregs[REG_R10];
#else
	s.ip = at->uc_mcontext.pc;
	s.sp = at->uc_mcontext.sp;
	s.fp = at->uc_mcontext.regs[29];
	s.lr = at->uc_mcontext.regs[30];
#endif
	unwind(&s);
}

/* As a clock does: the thread is interrupted where it is, and its registers are those of that place. */
static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	unwind_from(context);
}

static void catch (int number)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };

	assert_int_equal(sigaction(number, &action, NULL), 0);
}

static size_t count_in(const void *function, size_t bytes)
{
	const uint64_t start = (uint64_t)(uintptr_t)function;
	size_t n = 0;

	for (size_t i = 0; i < taken.n; i++)
		n += taken.frames[i] >= start && taken.frames[i] < start + bytes;
	return n;
}

/* --- a library that is deep ------------------------------------------------------------------------------------------ */

static const char source[] =
	"#include <signal.h>\n#include <string.h>\n#include <stdlib.h>\n"
	"__attribute__((noipa)) int leaf(int n) { raise(SIGUSR1); return n; }\n"
	"__attribute__((noipa)) int deep(int n) { volatile char a[24 + 8]; a[n & 7] = 1;\n"
	"	return n > 0 ? deep(n - 1) + a[n & 7] : leaf(n); }\n"
	"__attribute__((noipa)) int wide(int n) { _Alignas(64) volatile char a[256]; memset((void *)a, n, 256);\n"
	"	volatile char *b = __builtin_alloca((unsigned)n + 16); b[n] = a[n & 63]; return n > 0 ? wide(n - 1) + "
	"b[n] : leaf(n); }\n"
	"static int compare(const void *a, const void *b) { (void)a; (void)b; return leaf(0); }\n"
	"int callback(int n) { int x[2] = { n, 1 }; qsort(x, 2, sizeof(x[0]), compare); return x[0]; }\n"
	"__attribute__((noipa)) static void handler(int s) { (void)s; deep(3); }\n"
	"int in_a_handler(int n) { signal(SIGUSR2, handler); raise(SIGUSR2); return n + 1; }\n";

static const char *const compilers[] = { "gcc -O2", "gcc -O0", "clang -O2", "gcc -O2 -fno-plt -mno-red-zone" };
#define N_COMPILERS (sizeof(compilers) / sizeof(compilers[0]))
static void *libraries[N_COMPILERS];

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_COMPILERS; i++) {
		char path[256], name[32], command[96];

		snprintf(name, sizeof(name), "deep%zu.so", i);
		snprintf(command, sizeof(command), "%s", compilers[i]);
#if !defined(__x86_64__)
		if (strstr(command, " -fno-plt"))
			*strstr(command, " -fno-plt") = '\0';
#endif
		compiled__build_by(command, name, source,
				   "-x c -shared -fPIC -fomit-frame-pointer -fno-inline -fno-optimize-sibling-calls -w",
				   path, sizeof(path));
		libraries[i] = dlopen(path, RTLD_NOW);
		assert_non_null(libraries[i]);
	}
	catch (SIGUSR1);
	look();
	return 0;
}

static int call(size_t library, const char *name, int n)
{
	int (*function)(int) = (int (*)(int))dlsym(libraries[library], name);

	assert_non_null(function);
	taken.n = 0;
	return function(n);
}

/* A function's frames end where the next one's begin: the library has them in the order of the source, and they are short. */
static void expect_calls(size_t library, const char *name, size_t n)
{
	Dl_info info;
	void *function = dlsym(libraries[library], name);
	uint64_t first = 0;

	assert_int_equal(taken.end, UNWIND_COMPLETE);
	assert_true(dladdr(function, &info));
	assert_int_equal(count_in(function, 512) >= n, 1);
	for (size_t i = 0; i < taken.n && !first; i++)
		if (dladdr((void *)(uintptr_t)taken.frames[i], &info) && info.dli_saddr == function)
			first = i;
	assert_true(first > 0);
	for (size_t i = 0; i < n; i++) {
		assert_true(dladdr((void *)(uintptr_t)taken.frames[first + i], &info));
		assert_ptr_equal(info.dli_saddr, function);
	}
	if (first + n < taken.n && dladdr((void *)(uintptr_t)taken.frames[first + n], &info))
		assert_ptr_not_equal(info.dli_saddr, function);
}

static void a_recursion_without_frame_pointers_has_all_its_frames(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_COMPILERS; i++) {
		call(i, "deep", 10);
		expect_calls(i, "deep", 11);
		call(i, "deep", 400);
		expect_calls(i, "deep", 401);
	}
}

static void functions_that_align_their_stack_are_unwound(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_COMPILERS; i++) {
		call(i, "wide", 20);
		expect_calls(i, "wide", 21);
	}
}

static void a_stack_that_is_too_deep_is_cut_off_and_says_so(void **state)
{
	(void)state;
	call(0, "deep", MAX_USER_FRAMES + 10);
	assert_int_equal(taken.end, UNWIND_TRUNCATED);
	assert_int_equal(taken.n, MAX_USER_FRAMES);
}

static void callbacks_of_the_c_library_are_followed_through_it(void **state)
{
	Dl_info info;

	(void)state;
	for (size_t i = 0; i < N_COMPILERS; i++) {
		bool sorts = false;

		call(i, "callback", 2);
		expect_calls(i, "callback", 1);
		for (size_t j = 0; j < taken.n; j++)
			sorts |= dladdr((void *)(uintptr_t)taken.frames[j], &info) && info.dli_sname &&
				 strncmp(info.dli_sname, "qsort", 5) == 0;
		assert_true(sorts);
	}
}

static void what_a_signal_interrupted_is_below_its_handler(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_COMPILERS; i++) {
		call(i, "in_a_handler", 1);
		expect_calls(i, "deep", 4);
		expect_calls(i, "in_a_handler", 1);
	}
}

static void *in_thread(void *arg)
{
	call(0, "deep", *(int *)arg);
	return NULL;
}

static void a_threads_stack_ends_where_the_thread_was_made(void **state)
{
	pthread_t thread;
	int depth = 5;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, in_thread, &depth), 0);
	pthread_join(thread, NULL);
	expect_calls(0, "deep", 6);
	/* In it there is nothing of the program's main(). */
	assert_true(taken.n < 6 + 12);
}

/* --- interrupted anywhere ------------------------------------------------------------------------------------------- */

static volatile int interrupted, incomplete, n_wrong_depth;
static void *spinning;

static void on_clock(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	unwind_from(context);
	interrupted++;
	incomplete += taken.end != UNWIND_COMPLETE;
}

/* A clock comes in prologues and epilogues, too. */
static void at_every_instant_the_stack_reaches_the_programs_start(void **state)
{
	struct sigaction action = { .sa_sigaction = on_clock, .sa_flags = SA_SIGINFO | SA_RESTART }, before;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF };
	const struct itimerspec every = { { 0, 200000 }, { 0, 200000 } };
	volatile int sum = 0;
	timer_t timer;

	(void)state;
	spinning = dlsym(libraries[0], "wide");
	assert_int_equal(sigaction(SIGPROF, &action, &before), 0);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	assert_int_equal(timer_settime(timer, 0, &every, NULL), 0);
	signal(SIGUSR1, SIG_IGN);
	while (interrupted < 500) {
		char text[64];

		snprintf(text, sizeof(text), "%d %f", interrupted, (double)sum);
		sum += call((size_t)interrupted % N_COMPILERS, interrupted & 1 ? "wide" : "deep", 6) + atoi(text);
		sum += (int)strlen(text);
		free(malloc((size_t)(sum & 1023)));
	}
	timer_delete(timer);
	sigaction(SIGPROF, &before, NULL);
	catch (SIGUSR1);
	print_message("%d interruptions, %d stacks incomplete\n", interrupted, incomplete);
	assert_int_equal(incomplete, 0);
}

/* --- where it cannot go on ------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
/* push rbp; mov rbp, rsp; call *rdi; pop rbp; ret -- and the same without a frame pointer. */
static const uint8_t with_pointer[] = { 0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3 };
static const uint8_t without_pointer[] = { 0x55, 0x31, 0xed, 0xff, 0xd7, 0x5d, 0xc3 };

static void leaf_of_made_code(void)
{
	raise(SIGUSR1);
}

static void run_made_code(const uint8_t *bytes, size_t n)
{
	uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(page != MAP_FAILED);
	memcpy(page, bytes, n);
	look();
	((void (*)(void (*)(void)))(void *)page)(leaf_of_made_code);
	munmap(page, 4096);
}

static void code_without_a_table_is_passed_by_its_frame_pointer_and_never_called_complete(void **state)
{
	Dl_info info;

	(void)state;
	run_made_code(with_pointer, sizeof(with_pointer));
	assert_int_equal(taken.end, UNWIND_NO_TABLE);
	/* It went through to the program's start all the same. */
	assert_true(taken.n > 5 && dladdr((void *)(uintptr_t)taken.frames[taken.n - 2], &info));
	assert_non_null(strstr(info.dli_fname, "libc"));
}

static void code_without_either_ends_the_stack(void **state)
{
	(void)state;
	run_made_code(without_pointer, sizeof(without_pointer));
	assert_int_equal(taken.end, UNWIND_NO_TABLE);
	assert_true(taken.n < 8);
}

static void a_stack_pointer_into_nothing_ends_at_the_first_frame(void **state)
{
	struct unwind_state s = { .ip = (uint64_t)(uintptr_t)leaf_of_made_code, .sp = 0x1000, .fp = 0x2000 };

	(void)state;
	unwind(&s);
	assert_int_equal(taken.end, UNWIND_BAD_MEMORY);
	assert_int_equal(taken.n, 1);
}

static void a_frame_that_points_back_at_itself_does_not_go_round(void **state)
{
	uint64_t words[64];
	struct unwind_state s = { .ip = (uint64_t)(uintptr_t)words,
				  .sp = (uint64_t)(uintptr_t)words,
				  .fp = (uint64_t)(uintptr_t)words };

	(void)state;
	for (size_t i = 0; i < 64; i += 2) {
		words[i] = (uint64_t)(uintptr_t)words;
		words[i + 1] = (uint64_t)(uintptr_t)leaf_of_made_code + 1;
	}
	unwind(&s);
	assert_int_not_equal(taken.end, UNWIND_COMPLETE);
	assert_true(taken.n <= MAX_USER_FRAMES);
}
#endif

static void the_vdso_is_a_module_with_a_table(void **state)
{
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < code.n; i++)
		if (code.modules[i]->is_vdso) {
			n++;
			assert_true(modules[code.modules[i]->id].n_rows > 0);
		}
	assert_int_equal(n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recursion_without_frame_pointers_has_all_its_frames),
		cmocka_unit_test(functions_that_align_their_stack_are_unwound),
		cmocka_unit_test(a_stack_that_is_too_deep_is_cut_off_and_says_so),
		cmocka_unit_test(callbacks_of_the_c_library_are_followed_through_it),
		cmocka_unit_test(what_a_signal_interrupted_is_below_its_handler),
		cmocka_unit_test(a_threads_stack_ends_where_the_thread_was_made),
		cmocka_unit_test(at_every_instant_the_stack_reaches_the_programs_start),
#if defined(__x86_64__)
		cmocka_unit_test(code_without_a_table_is_passed_by_its_frame_pointer_and_never_called_complete),
		cmocka_unit_test(code_without_either_ends_the_stack),
		cmocka_unit_test(a_stack_pointer_into_nothing_ends_at_the_first_frame),
		cmocka_unit_test(a_frame_that_points_back_at_itself_does_not_go_round),
#endif
		cmocka_unit_test(the_vdso_is_a_module_with_a_table),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
