/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probe places against the processor: compiled functions run in a child under breakpoints at their entries, their places and
 * their `ret` instructions. What a place says of a return (where the stack was, which value it has) must be what the `ret`
 * then shows, for every call.
 */
#include "userspace/probe_place.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "compiled.h"
#include "returns_example.h"

#if defined(__x86_64__)

#define MAX_CALLS 64

/* Every function takes two numbers and gives one. */
static const char source[] =
	"#define FUNCTION __attribute__((noinline, visibility(\"default\"))) int\n"
	"#ifdef __cplusplus\nextern \"C\" {\n#endif\n"
	"volatile int sink;\n"
	"FUNCTION callee(int a, int b) { sink += a; return a * 3 - b; }\n"
	"FUNCTION constant(int a, int b) { (void)a; (void)b; sink = 5; return 42; }\n"
	"FUNCTION logs_errors(int a, int b) { int r = callee(a, b); if (r < 0) callee(1, 2); return r; }\n"
	"FUNCTION unsigned_limit(int a, int b) { int r = callee(a, b); if ((unsigned)r > 9) callee(r, 2); return r; }\n"
	"FUNCTION three_ways(int a, int b) {\n"
	"	if (a < b) return -1;\n"
	"	if (a == b) { callee(a, b); return -2; }\n"
	"	return callee(a, b) + callee(b, a);\n"
	"}\n"
	"FUNCTION leaves_a_loop(int a, int b) {\n"
	"	int i; for (i = 0; i < a; i++) { if (callee(i, b) == 7) return i; if (sink == 12345) return -7; }\n"
	"	return -1;\n"
	"}\n"
	"FUNCTION chooses(int a, int b) {\n"
	"	switch (a) { case 0: return b; case 1: return callee(b, a); case 2: sink++; return 9;\n"
	"	case 3: return -b; case 4: callee(a, a); return 4; case 5: return 55; case 6: return b + 1; default: "
	"return -1; }\n"
	"}\n"
	"FUNCTION recurses(int a, int b) { if (a <= 0) return b; return recurses(a - 1, b + 1) + (a & 1); }\n"
	"FUNCTION jumps(int a, int b) { if (a == 3) return 77; return callee(b, a); }\n"
	"FUNCTION keeps_much(int a, int b) {\n"
	"	int x[40], i, s = 0; for (i = 0; i < 40; i++) x[i] = callee(a + i, b);\n"
	"	for (i = 0; i < 40; i++) s += x[i] * (i & 3); if (s < 0) goto out; callee(s, s); s = 1;\n"
	"out:	callee(0, 0); return s;\n"
	"}\n"
	"FUNCTION many_ends(int a, int b) {\n"
	"	int r = -1; if (a == 0) goto out; r = callee(a, b); if (r == 5) goto out; r = -2; if (callee(b, a) == "
	"1) goto out;\n"
	"	r = callee(r, r); if (b & 1) { callee(1, 1); goto out; } r = 0;\n"
	"out:	sink++; return r;\n"
	"}\n"
	"FUNCTION nothing_first(int a, int b) { if (b == 1) return callee(a, b); if (b == 2) return callee(b, a); "
	"return -1; }\n"
	"#ifdef __cplusplus\n"
	"FUNCTION throws_at(int a, int b) { if (a == b) throw a; return callee(a, b); }\n"
	"FUNCTION catches(int a, int b) { try { return throws_at(a, b) + 1; } catch (int) { return -2; } }\n"
	"FUNCTION lets_pass(int a, int b) {\n"
	"	struct S { int v; ~S() { sink += v; } } s = { a }; int r = throws_at(a, b); s.v = r; return r ? r : "
	"-3;\n"
	"}\n"
	"}\n#endif\n";

static const char *const names[] = { "callee",	      "constant",   "logs_errors", "unsigned_limit",
				     "three_ways",    "chooses",    "recurses",	   "jumps",
				     "leaves_a_loop", "keeps_much", "many_ends",   "nothing_first" };
static const char *const throwing[] = { "throws_at", "catches", "lets_pass" };

struct subject {
	char path[160];
	struct elf_file *file;
	uint64_t base;
	void *library;
};

/* A function's probes, and what was seen at them. */
struct watched {
	struct probe_place entry;
	struct return_places places;
	struct function_returns returns;
	uint64_t start;
};

struct call {
	uint64_t sp;
	struct user_regs_struct at_entry;
	int value;
	bool entered, left;
};

struct tally {
	size_t calls, emulated, stepped;
};

static void open_subject(struct subject *s, const char *compiler, const char *name, const char *flags)
{
	uint64_t vaddr;

	compiled__build_by(compiler, name, source, flags, s->path, sizeof(s->path));
	assert_int_equal(elf_file__open(&s->file, s->path), 0);
	s->library = dlopen(s->path, RTLD_NOW);
	assert_non_null(s->library);
	vaddr = symbol(s->file, "callee").vaddr;
	s->base = (uint64_t)(uintptr_t)dlsym(s->library, "callee") - vaddr;
}

static void close_subject(struct subject *s)
{
	dlclose(s->library);
	elf_file__free(s->file);
}

/* --- breakpoints ------------------------------------------------------------------------------------------------------- */

static void write_byte(pid_t pid, uint64_t address, uint8_t byte, uint8_t *before)
{
	const uint64_t word = address & ~7ull;
	const unsigned shift = (unsigned)(address & 7) * 8;
	long old;

	errno = 0;
	old = ptrace(PTRACE_PEEKTEXT, pid, (void *)word, NULL);
	assert_int_equal(errno, 0);
	if (before)
		*before = (uint8_t)((uint64_t)old >> shift);
	old = (long)(((uint64_t)old & ~(0xffull << shift)) | (uint64_t)byte << shift);
	assert_int_equal(ptrace(PTRACE_POKETEXT, pid, (void *)word, (void *)old), 0);
}

struct breakpoints {
	uint64_t at[4 * MAX_RETURNS];
	uint8_t byte[4 * MAX_RETURNS];
	size_t n;
};

static void add_breakpoint(struct breakpoints *b, pid_t pid, uint64_t address)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (b->at[i] == address)
			return;
	b->at[b->n] = address;
	write_byte(pid, address, 0xcc, &b->byte[b->n]);
	b->n++;
}

static void step_over(const struct breakpoints *b, pid_t pid, uint64_t address)
{
	size_t i;
	int status;

	for (i = 0; i < b->n && b->at[i] != address; i++)
		;
	assert_true(i < b->n);
	write_byte(pid, address, b->byte[i], NULL);
	assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	write_byte(pid, address, 0xcc, NULL);
}

/* --- the law ----------------------------------------------------------------------------------------------------------- */

static uint64_t register_of(const struct user_regs_struct *r, uint8_t number)
{
	const unsigned long long values[16] = { r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
						r->r8,	r->r9,	r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 };

	return values[number];
}

/* As the manual has it, one by one, unlike the BPF program. */
static bool condition_holds(uint8_t condition, uint64_t flags)
{
	const int cf = flags & 1, pf = flags >> 2 & 1, zf = flags >> 6 & 1, sf = flags >> 7 & 1, of = flags >> 11 & 1;
	const int results[16] = { of, !of, cf, !cf, zf,	      zf == 0,	cf | zf,	!cf && !zf,
				  sf, !sf, pf, !pf, sf != of, sf == of, zf || sf != of, !zf && sf == of };

	return condition == PROBE_ALWAYS || results[condition];
}

static void at_entry(const struct call *c, const struct user_regs_struct *r)
{
	assert_int_equal(r->rsp, c->at_entry.rsp);
	assert_int_equal(r->rdi, c->at_entry.rdi);
	assert_int_equal(r->rsi, c->at_entry.rsi);
	assert_int_equal(r->rdx, c->at_entry.rdx);
	assert_int_equal(r->rcx, c->at_entry.rcx);
	assert_int_equal(r->r8, c->at_entry.r8);
}

struct run {
	const struct watched *w;
	uint64_t base;
	struct call calls[MAX_CALLS];
	size_t depth;
	struct tally *tally;
};

static struct call *top(struct run *run)
{
	return run->depth > 0 ? &run->calls[run->depth - 1] : NULL;
}

static void visit(struct run *run, uint64_t vaddr, const struct user_regs_struct *r)
{
	const struct watched *w = run->w;
	struct call *c;
	uint64_t sp;
	size_t i;

	if (vaddr == w->start) {
		while (run->depth > 0 && top(run)->sp <= r->rsp)
			run->depth--; /* an exception has unwound it */
		assert_true(run->depth < MAX_CALLS);
		run->calls[run->depth++] = (struct call){ .sp = r->rsp, .at_entry = *r };
		run->tally->calls++;
	}
	c = top(run);
	if (!c)
		return;
	if (vaddr == w->entry.vaddr) {
		assert_false(c->entered);
		c->entered = true;
		at_entry(c, r);
	}
	for (i = 0; i < w->places.n; i++) {
		const struct probe_place *p = &w->places.at[i];

		if (p->vaddr != vaddr || !condition_holds(p->condition, r->eflags))
			continue;
		sp = register_of(r, p->frame_register) + (uint64_t)(int64_t)p->frame;
		while (run->depth > 0 && top(run)->sp < sp)
			run->depth--;
		c = top(run);
		if (!c || c->sp != sp)
			continue; /* of another function that shares the code */
		assert_false(c->left);
		c->left = true;
		c->value = p->value_is_constant ? p->constant : (int)register_of(r, p->value_register);
		p->emulated ? run->tally->emulated++ : run->tally->stepped++;
	}
	for (i = 0; i < w->returns.n; i++)
		if (w->returns.vaddr[i] == vaddr && c && c->sp == r->rsp) {
			assert_true(c->entered);
			assert_true(c->left);
			assert_int_equal(c->value, (int)r->rax);
			run->depth--;
		}
}

/* In the child: all calls, among them some that throw. */
static void call_all(void *function, const char *name)
{
	int (*f)(int, int) = (int (*)(int, int))function;
	int a, b;

	for (a = -2; a < 9; a++)
		for (b = -1; b < 8; b++)
			if (strcmp(name, "throws_at") != 0 && (strcmp(name, "lets_pass") != 0 || a != b))
				f(a, b);
			else if (a != b)
				f(a, b);
}

static void watch(const struct subject *s, const char *name, struct tally *tally)
{
	static struct watched w;
	static struct run run;
	struct breakpoints breakpoints = { .n = 0 };
	const struct elf_symbol function = symbol(s->file, name);
	struct user_regs_struct r;
	size_t i;
	int status;
	pid_t pid;

	memset(&w, 0, sizeof(w));
	w.start = function.vaddr;
	probe_place__entry(s->file, &function, &w.entry);
	assert_int_equal(probe_place__returns(s->file, &function, RETURNS_WITH_VALUE, &w.places), 0);
	assert_int_equal(disassemble__returns(s->file, &function, RETURNS_WITH_VALUE, &w.returns), 0);
	run = (struct run){ .w = &w, .base = s->base, .tally = tally };
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		call_all(dlsym(s->library, name), name);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	add_breakpoint(&breakpoints, pid, s->base + w.start);
	add_breakpoint(&breakpoints, pid, s->base + w.entry.vaddr);
	for (i = 0; i < w.places.n; i++)
		add_breakpoint(&breakpoints, pid, s->base + w.places.at[i].vaddr);
	for (i = 0; i < w.returns.n; i++)
		add_breakpoint(&breakpoints, pid, s->base + w.returns.vaddr[i]);
	for (;;) {
		assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status))
			break;
		assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
		assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &r), 0);
		r.rip--;
		visit(&run, r.rip - s->base, &r);
		assert_int_equal(ptrace(PTRACE_SETREGS, pid, NULL, &r), 0);
		step_over(&breakpoints, pid, r.rip);
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static const struct {
	const char *compiler, *name, *flags;
	bool cpp;
} builds[] = {
	{ "gcc -x c", "places_O0.so", "-shared -fPIC -O0", false },
	{ "gcc -x c", "places_O1.so", "-shared -fPIC -O1", false },
	{ "gcc -x c", "places_O2.so", "-shared -fPIC -O2 -fno-optimize-sibling-calls", false },
	{ "gcc -x c", "places_O3.so", "-shared -fPIC -O3 -fstack-protector-all", false },
	{ "gcc -x c", "places_Os.so", "-shared -fPIC -Os -fno-omit-frame-pointer", false },
	{ "gcc -x c", "places_cet.so", "-shared -fPIC -O2 -fcf-protection=full -fno-plt", false },
	{ "clang -x c", "places_clang.so", "-shared -fPIC -O2", false },
	{ "g++ -x c++", "places_cpp.so", "-shared -fPIC -O2", true },
	{ "g++ -x c++", "places_cpp_O1.so", "-shared -fPIC -O1 -fstack-protector-strong", true },
};

static void every_place_tells_what_the_return_shows(void **state)
{
	struct tally all = { 0 };
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(builds) / sizeof(builds[0]); i++) {
		struct tally tally = { 0 };
		struct subject s;

		open_subject(&s, builds[i].compiler, builds[i].name, builds[i].flags);
		for (k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			watch(&s, names[k], &tally);
		for (k = 0; builds[i].cpp && k < sizeof(throwing) / sizeof(throwing[0]); k++)
			watch(&s, throwing[k], &tally);
		assert_true(tally.calls > 1000);
		close_subject(&s);
		print_message("%-18s %5zu calls: %5zu returns at emulated instructions, %5zu at others\n",
			      builds[i].name, tally.calls, tally.emulated, tally.stepped);
		all.calls += tally.calls;
		all.emulated += tally.emulated;
	}
	assert_true(all.emulated * 10 > all.calls); /* or this test would be about `ret` alone */
}

/* --- shapes ------------------------------------------------------------------------------------------------------------ */

/* clang-format off */
/* As the functions of llama.cpp's wheels are. */
static const char shapes[] =
	"__asm__(R\"(\n.text\n"
	FUNCTION("callee", "push %rbp\n pop %rbp\n ret")
	FUNCTION("decode", "push %r12\n lea 16(%rsp),%rsi\n call callee\n mov %eax,%r12d\n cmp $1,%eax\n jbe 1f\n"	/* jbe at 18 */
			   " mov %eax,%ecx\n call callee\n1: mov %r12d,%eax\n pop %r12\n ret")				/* call at 22 */
	FUNCTION("process", "test %esi,%esi\n je 1f\n cmp $1,%esi\n je 2f\n mov $-1,%eax\n ret\n"			/* je at 2, 7 */
			    "1: jmp callee\n2: jmp callee")
	FUNCTION("joined", "push %rbx\n call callee\n mov %eax,%ebx\n test %eax,%eax\n js 2f\n jmp 1f\n"
			   "2: mov $-7,%ebx\n1: mov %ebx,%eax\n pop %rbx\n ret")
	FUNCTION("called_last", "push %rbx\n call callee\n xor %eax,%eax\n pop %rbx\n ret")				/* ret at 9 */
	FUNCTION("throws_before_its_end", "push %rbx\n call callee\n mov %eax,%ebx\n test %eax,%eax\n jns 1f\n"
					  " call __cxa_throw@PLT\n1: mov %ebx,%eax\n pop %rbx\n ret")			/* ret at 20 */
	FUNCTION("value_of_call", "push %rbx\n call callee\n pop %rbx\n ret")						/* ret at 7 */
	FUNCTION("loop", "mov %esi,%eax\n1: dec %eax\n cmp %edi,%eax\n je 2f\n jmp 1b\n2: ret")
	FUNCTION("table", "push %rbx\n mov %edi,%eax\n cmp $3,%eax\n je 1f\n jmp *%rdx\n1: pop %rbx\n ret")		/* ret at 11 */
	FUNCTION("frame", "push %rbp\n mov %rsp,%rbp\n mov %edi,%eax\n test %eax,%eax\n je 1f\n mov $5,%eax\n"
			  "1: leave\n ret")										
	FUNCTION("entered_from_outside", "push %rbx\n mov %edi,%ebx\n test %ebx,%ebx\n je 1f\n inc %ebx\n"
					 "1: mov %ebx,%eax\n pop %rbx\n ret\n.globl inner\n.set inner,1b")
	".size entered_from_outside,.-entered_from_outside\n"
	"jmp inner\n"	/* code without a symbol */
	FUNCTION("changes_argument", "mov %edi,%eax\n xor %edi,%edi\n jmp callee")
	FUNCTION("begins_with_loop", "1: dec %eax\n jne 1b\n ret")
	")\");\n";
/* clang-format on */

static int build_shapes(void **state)
{
	char path[160];

	(void)state;
	compiled__build("shapes.so", shapes, "-shared -fPIC -nostdlib -Wl,-Bsymbolic -Wl,-z,lazy", path, sizeof(path));
	return elf_file__open(&file, path);
}

static void places_of(const char *name, struct return_places *out)
{
	const struct elf_symbol s = symbol(file, name);

	assert_int_equal(probe_place__returns(file, &s, RETURNS_WITH_VALUE, out), 0);
}

static const struct probe_place *place_at(const struct return_places *places, const char *name, uint64_t offset)
{
	const uint64_t vaddr = symbol(file, name).vaddr + offset;
	size_t i;

	for (i = 0; i < places->n; i++)
		if (places->at[i].vaddr == vaddr)
			return &places->at[i];
	fail_msg("no place at %s+%llu", name, (unsigned long long)offset);
	return NULL;
}

static void a_jump_over_the_error_message_stands_for_the_return(void **state)
{
	struct return_places places;
	const struct probe_place *p;

	(void)state;
	places_of("decode", &places);
	assert_int_equal(places.n, 2);
	p = place_at(&places, "decode", 18);
	assert_true(p->emulated);
	assert_int_equal(p->condition, 6); /* below or equal */
	assert_int_equal(p->frame, 8);
	assert_int_equal(p->value_register, 12);
	assert_int_equal(p->value_word, 3); /* struct pt_regs: r15, r14, r13, r12 */
	p = place_at(&places, "decode", 22);
	assert_int_equal(p->condition, PROBE_ALWAYS);
	assert_int_equal(p->frame, 8);
}

static void a_jump_that_is_not_taken_stands_for_the_return_behind_it(void **state)
{
	struct return_places places;
	const struct probe_place *p;

	(void)state;
	places_of("process", &places);
	p = place_at(&places, "process", 7);
	assert_int_equal(p->condition, 5); /* not equal */
	assert_int_equal(p->frame, 0);
	assert_true(p->value_is_constant);
	assert_int_equal(p->constant, -1);
}

static void an_entry_moves_to_the_first_emulated_instruction(void **state)
{
	const struct elf_symbol process = symbol(file, "process"), decode = symbol(file, "decode");
	struct probe_place entry;

	(void)state;
	probe_place__entry(file, &process, &entry);
	assert_true(entry.emulated);
	assert_int_equal(entry.vaddr, process.vaddr + 2);
	probe_place__entry(file, &decode, &entry);
	assert_true(entry.emulated);
	assert_int_equal(entry.vaddr, decode.vaddr);
}

static void an_entry_stays_where_moving_it_would_lose_an_argument_or_count_twice(void **state)
{
	static const char *const stay[] = { "changes_argument", "begins_with_loop" };
	struct probe_place entry;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		const struct elf_symbol function = symbol(file, stay[i]);

		probe_place__entry(file, &function, &entry);
		assert_false(entry.emulated);
		assert_int_equal(entry.vaddr, function.vaddr);
	}
}

static void the_return_itself_stays_where_anything_is_uncertain(void **state)
{
	/* a call after which the value is made; a call that makes it; a loop; a table; a jump from outside; a call that never
	 * comes back */
	static const struct {
		const char *name;
		uint64_t ret;
	} stay[] = { { "called_last", 9 }, { "value_of_call", 7 }, { "table", 11 }, { "throws_before_its_end", 20 } };
	struct return_places places;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(stay) / sizeof(stay[0]); i++) {
		places_of(stay[i].name, &places);
		assert_int_equal(places.n, 1);
		assert_false(place_at(&places, stay[i].name, stay[i].ret)->emulated);
	}
	places_of("loop", &places);
	assert_int_equal(places.n, 1);
	assert_false(places.at[0].emulated);
	places_of("entered_from_outside", &places);
	assert_int_equal(places.n, 1);
	assert_false(places.at[0].emulated);
}

static void with_a_frame_pointer_that_tells_where_the_stack_was(void **state)
{
	struct return_places places;
	size_t i;

	(void)state;
	places_of("frame", &places);
	assert_int_equal(places.n, 2);
	for (i = 0; i < 2; i++) {
		assert_int_equal(places.at[i].frame_register, 5);
		assert_int_equal(places.at[i].frame_word, 4); /* struct pt_regs: r15, r14, r13, r12, rbp */
		assert_int_equal(places.at[i].frame, 8); /* the saved rbp itself */
	}
}

static void a_constant_decided_before_a_join_is_told_apart(void **state)
{
	struct return_places places;
	size_t i, constants = 0, registers = 0;

	(void)state;
	places_of("joined", &places);
	assert_int_equal(places.n, 2);
	for (i = 0; i < 2; i++) {
		assert_int_equal(places.at[i].frame, 8);
		if (places.at[i].value_is_constant && places.at[i].constant == -7)
			constants++;
		else if (places.at[i].value_register == 3)
			registers++;
	}
	assert_int_equal(constants, 1);
	assert_int_equal(registers, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_place_tells_what_the_return_shows),
		cmocka_unit_test(a_jump_over_the_error_message_stands_for_the_return),
		cmocka_unit_test(a_jump_that_is_not_taken_stands_for_the_return_behind_it),
		cmocka_unit_test(an_entry_moves_to_the_first_emulated_instruction),
		cmocka_unit_test(an_entry_stays_where_moving_it_would_lose_an_argument_or_count_twice),
		cmocka_unit_test(the_return_itself_stays_where_anything_is_uncertain),
		cmocka_unit_test(with_a_frame_pointer_that_tells_where_the_stack_was),
		cmocka_unit_test(a_constant_decided_before_a_join_is_told_apart),
	};

	return cmocka_run_group_tests(tests, build_shapes, close_file);
}

#else

int main(void)
{
	return 0; /* elsewhere a `ret` is emulated, and nothing moves */
}

#endif
