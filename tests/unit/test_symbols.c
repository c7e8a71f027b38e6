/* SPDX-License-Identifier: Apache-2.0 */
/* Names of real files, made here by gcc and clang, against what addr2line and nm say of the same bytes. */
#include "userspace/symbols/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "compiled.h"
#include "naming.h"

#define ID "-Wl,--build-id=0x00112233445566778899aabbccddeeff00112233"
#define OTHER_ID "-Wl,--build-id=0xffeeddccbbaa99887766554433221100ffeeddcc"

static const char inlined[] =
	"#line 1 \"decode.cpp\"\n"
	"#include <vector>\n"
	"#include <cmath>\n"
	"namespace kv {\n"
	"struct cell { float k, v; };\n"
	"static inline float score(const cell &c, float q) { return std::exp(c.k * q) * c.v; }\n"
	"template <typename T> inline T reduce(const std::vector<cell> &cells, T q)\n"
	"{\n"
	"	T sum = 0;\n"
	"	for (const cell &c : cells)\n"
	"		sum += score(c, q);\n"
	"	return sum;\n"
	"}\n"
	"}\n"
	"__attribute__((noinline)) float attention(const std::vector<kv::cell> &cells, float q)\n"
	"{\n"
	"	auto twice = [&](float x) { return kv::reduce<float>(cells, x) + kv::reduce<float>(cells, -x); };\n"
	"	if (cells.size() > 1000000)\n"
	"		throw 1;\n"
	"	return twice(q) * 0.5f;\n"
	"}\n"
	"extern \"C\" float step(int n)\n"
	"{\n"
	"	std::vector<kv::cell> cells(n, kv::cell{ 1, 2 });\n"
	"	return attention(cells, 0.25f);\n"
	"}\n";

static const char plain[] = "int exported(int x) { return x + 1; }\n"
			    "__attribute__((noinline)) static int hidden(int x) { __asm__(\"\"); return x * 3; }\n"
			    "int (*keep)(int) = hidden;\n"
			    "int last(int x) { return hidden(x) + exported(x); }\n";

/* --- DWARF against addr2line --------------------------------------------------------------------------------------- */

struct truth {
	char name[400], file[200];
	long line;
};

/* addr2line -i -f -C -a: an address, then two lines per function, innermost first. */
static size_t read_truth(FILE *f, struct truth *chain, size_t most)
{
	char line[600];
	size_t n = 0;
	int c;

	while ((c = getc(f)) != EOF && c != '0' && n < most) {
		char *colon;

		ungetc(c, f);
		assert_non_null(fgets(line, sizeof(line), f));
		line[strcspn(line, "\n")] = 0;
		snprintf(chain[n].name, sizeof(chain[n].name), "%s", line);
		assert_non_null(fgets(line, sizeof(line), f));
		colon = strrchr(line, ':');
		assert_non_null(colon);
		*colon = 0;
		snprintf(chain[n].file, sizeof(chain[n].file), "%s", line);
		chain[n++].line = strtol(colon + 1, NULL, 10);
	}
	if (c == '0')
		assert_non_null(fgets(line, sizeof(line), f));
	return n;
}

/* The last two parts of a path: the compiler's directory is written differently by different tools. */
static const char *tail(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/*
 * Two tools, since neither is right about all. Binutils' (2.40) calls an inlined function that has no linkage name as the one around it,
 * and of clang's DWARF 5 it misses ranges and files; LLVM's leaves some conditional templates mangled, or writes them
 * with other brackets.
 */
static const struct {
	const char *command;
	bool strings;
} tools[] = { { "addr2line", false }, { "llvm-addr2line", true } };

/* Where there is no linkage name the tools tell the function's own, without what it stands in. */
static void compare_names(const char *name, const char *truth)
{
	size_t n = strlen(name), own = strlen(truth);

	if (n > own + 2 && strcmp(name + n - own, truth) == 0 && memcmp(name + n - own - 2, "::", 2) == 0)
		name += n - own;
	assert_string_equal(name, truth);
}

static void compare(const struct naming *n, const struct row_frame *frame, const struct truth *chain, size_t depths,
		    bool strings)
{
	size_t i;

	if (naming__depths(n, frame->id) != depths)
		fail_msg("%#llx: %zu functions instead of %zu", (unsigned long long)frame->address,
			 naming__depths(n, frame->id), depths);
	for (i = 0; i < depths; i++) {
		const struct row_symbol *s = naming__symbol(n, frame->id, (int64_t)(depths - 1 - i));

		if (strings && strncmp(chain[i].name, "_Z", 2) != 0 && !strstr(chain[i].name, "enable_if"))
			compare_names(s->name, chain[i].name);
		if (strings && strcmp(chain[i].file, "??") != 0) {
			assert_non_null(s->file);
			assert_string_equal(tail(s->file), tail(chain[i].file));
		}
		if (chain[i].line > 0)
			assert_int_equal(s->line, chain[i].line);
	}
}

/* @return functions that were in each other at most */
static size_t compare_all(const struct naming *n, const char *command, bool strings)
{
	struct truth chain[16];
	size_t i, deepest = 0;
	char first[64];
	FILE *f = popen(command, "r");

	assert_non_null(f);
	assert_non_null(fgets(first, sizeof(first), f));
	for (i = 0; i < n->r.n_frames; i++) {
		size_t depths = read_truth(f, chain, 16);

		if (strcmp(chain[0].name, "??") == 0)
			continue;
		compare(n, &n->frames[i], chain, depths, strings);
		if (depths > deepest)
			deepest = depths;
	}
	pclose(f);
	return deepest;
}

#define BYTES_TRIED 160

static size_t check_against_addr2line(const char *path, const char *const *functions, size_t n_functions,
				      size_t first_tool)
{
	struct naming *n = malloc(sizeof(*n));
	char command[300], list[128];
	size_t i, deepest = 0;
	int64_t module;
	FILE *f;

	naming__begin(n);
	module = naming__file(n, path);
	for (i = 0; i < n_functions; i++) {
		uint64_t start = naming__address(path, functions[i]), at;

		for (at = start; at < start + BYTES_TRIED; at++)
			naming__frame(n, FRAME_USER, module, at);
	}
	naming__resolve(n);
	snprintf(list, sizeof(list), "%s/addresses", compiled__directory());
	f = fopen(list, "w");
	for (i = 0; i < n->r.n_frames; i++)
		fprintf(f, "%#llx\n", (unsigned long long)n->frames[i].address);
	fclose(f);
	for (i = first_tool; i < sizeof(tools) / sizeof(tools[0]); i++) {
		snprintf(command, sizeof(command), "%s -a -i -f -C -e %s < %s", tools[i].command, path, list);
		deepest = compare_all(n, command, tools[i].strings);
	}
	naming__free(n);
	free(n);
	return deepest;
}

static void a_static_function_and_a_lambda_are_named_with_what_they_stand_in(void **state)
{
	struct naming *n = malloc(sizeof(*n));
	bool score = false, lambda = false;
	char path[128];
	uint64_t start, at;
	int64_t module;
	size_t i;

	(void)state;
	compiled__build("scoped.cpp.so", inlined, "-O2 -g -shared -fPIC " ID, path, sizeof(path));
	naming__begin(n);
	module = naming__file(n, path);
	start = naming__address(path, "_Z9attentionRKSt6vectorIN2kv4cellESaIS1_EEf");
	for (at = start; at < start + BYTES_TRIED; at++)
		naming__frame(n, FRAME_USER, module, at);
	naming__resolve(n);
	for (i = 0; i < n->n_names; i++) {
		score |= strcmp(n->names[i].name, "kv::score") == 0;
		lambda |= strcmp(n->names[i].name, "attention::operator()") == 0;
	}
	assert_true(score && lambda);
	naming__free(n);
	free(n);
}

static void inlined_functions_and_their_lines_are_those_that_addr2line_tells(void **state)
{
	static const char *const functions[] = { "_Z9attentionRKSt6vectorIN2kv4cellESaIS1_EEf", "step" };
	char path[128];

	(void)state;
	compiled__build("inlined.cpp.so", inlined, "-O2 -g -shared -fPIC " ID, path, sizeof(path));
	assert_true(check_against_addr2line(path, functions, 2, 0) >= 4);
	/* clang leaves .debug_aranges out. */
	compiled__build_by("clang -x c++", "clang.so", inlined, "-O2 -g -gdwarf-5 -shared -fPIC " ID, path,
			   sizeof(path));
	assert_true(check_against_addr2line(path, functions, 2, 1) >= 4);
	compiled__build("dwarf4.cpp.so", inlined, "-O3 -g -gdwarf-4 -gz=zlib -shared -fPIC " ID, path, sizeof(path));
	assert_true(check_against_addr2line(path, functions, 2, 0) >= 4);
}

/* --- symbol tables -------------------------------------------------------------------------------------------------- */

static char library[128];

static int build(void **state)
{
	(void)state;
	compiled__build("plain.so", plain, "-O1 -shared -fPIC " ID, library, sizeof(library));
	return 0;
}

struct places {
	uint64_t exported, hidden, last;
};

static struct places places_of(const char *path)
{
	return (struct places){ naming__address(path, "exported"), naming__address(path, "hidden"),
				naming__address(path, "last") };
}

/* Frames of the three functions, one of each, and their names. */
static void name_three(struct naming *n, const char *path, const struct places *p)
{
	int64_t module = naming__file(n, path);

	naming__frame(n, FRAME_USER, module, p->exported + 1);
	naming__frame(n, FRAME_USER, module, p->hidden + 2);
	naming__frame(n, FRAME_USER, module, p->last + 3);
	naming__resolve(n);
}

static void expect_three(const struct naming *n, const char *exported, const char *hidden, const char *source)
{
	assert_string_equal(naming__name(n, 1), exported);
	assert_string_equal(naming__name(n, 2), hidden);
	if (exported[0])
		assert_int_equal(naming__symbol(n, 1, 0)->offset_bytes, 1);
	if (hidden[0]) {
		assert_int_equal(naming__symbol(n, 2, 0)->offset_bytes, 2);
		assert_string_equal(naming__symbol(n, 2, 0)->source, source);
	}
}

static void a_function_is_named_by_the_symbol_table_with_its_offset(void **state)
{
	struct places p = places_of(library);
	struct naming n;

	(void)state;
	naming__begin(&n);
	name_three(&n, library, &p);
	expect_three(&n, "exported", "hidden", "symtab");
	assert_null(naming__symbol(&n, 1, 0)->file);
	assert_true(naming__symbol(&n, 1, 0)->line == ABSENT);
	assert_int_equal(n.summary.n_frames, 3);
	assert_int_equal(n.summary.n_named, 3);
	naming__free(&n);
}

static void what_was_stripped_has_no_name_rather_than_that_of_its_neighbour(void **state)
{
	struct places p = places_of(library);
	struct naming n;
	char path[128], why[200];

	(void)state;
	compiled__copy(library, "stripped.so", -1, 0, NULL, 0, path, sizeof(path));
	naming__shell("strip %s", path);
	naming__begin(&n);
	name_three(&n, path, &p);
	expect_three(&n, "exported", "", "");
	assert_string_equal(naming__symbol(&n, 1, 0)->source, "dynsym");
	assert_int_equal(n.summary.nameless[NAMELESS_NO_SYMBOL], 1);
	assert_string_equal(n.summary.worst, "stripped.so");
	assert_string_equal(n.summary.worst_build_id, "00112233445566778899aabbccddeeff00112233");
	symbol_summary__reasons(&n.summary, why, sizeof(why));
	assert_string_equal(why, "1 in files without a symbol there");
	naming__free(&n);
}

static void a_stripped_file_is_named_by_the_packed_table_that_it_carries(void **state)
{
	struct places p = places_of(library);
	struct naming n;
	char path[128];
	const char *dir = compiled__directory();

	(void)state;
	compiled__copy(library, "mini.so", -1, 0, NULL, 0, path, sizeof(path));
	/* As rpm's find-debuginfo.sh makes it. */
	naming__shell("objcopy -S --keep-symbol=hidden %s %s/mini_debuginfo && xz -f %s/mini_debuginfo && "
		      "objcopy -S --add-section .gnu_debugdata=%s/mini_debuginfo.xz %s",
		      library, dir, dir, dir, path);
	naming__begin(&n);
	name_three(&n, path, &p);
	expect_three(&n, "exported", "hidden", "gnu_debugdata");
	naming__free(&n);
	/* And damaged: the other table is still there. */
	naming__shell("printf 'no xz file at all' > %s/bad && objcopy --update-section .gnu_debugdata=%s/bad %s", dir,
		      dir, path);
	naming__begin(&n);
	name_three(&n, path, &p);
	expect_three(&n, "exported", "", "");
	assert_int_equal(n.summary.nameless[NAMELESS_DAMAGED], 1);
	naming__free(&n);
}

static void a_function_without_a_size_reaches_to_the_next_symbol_or_the_end_of_its_section(void **state)
{
	static const char source[] = ".section .init,\"ax\",@progbits\n"
				     ".globl unsized\n.type unsized,@function\nunsized: nop\nnop\nnop\nnop\n"
				     ".type next,@function\nnext: nop\nnop\n"
				     ".section .plt.own,\"ax\",@progbits\nnop\nnop\nnop\nnop\n";
	struct naming n;
	char path[128];
	int64_t module;
	uint64_t start;

	(void)state;
	compiled__build_by("gcc -x assembler", "unsized.so", source, "-shared -nostdlib " ID, path, sizeof(path));
	start = naming__address(path, "unsized");
	naming__begin(&n);
	module = naming__file(&n, path);
	naming__frame(&n, FRAME_USER, module, start + 3);
	naming__frame(&n, FRAME_USER, module, start + 5);
	naming__frame(&n, FRAME_USER, module, start + 7);
	naming__resolve(&n);
	assert_string_equal(naming__name(&n, 1), "unsized");
	assert_string_equal(naming__name(&n, 2), "next");
	assert_string_equal(naming__name(&n, 3), "");
	naming__free(&n);
}

/* --- separate debug files ------------------------------------------------------------------------------------------- */

static void a_debug_file_is_found_by_its_link_and_must_be_of_the_same_build(void **state)
{
	struct naming n;
	char path[128], other[128];
	const char *dir = compiled__directory();
	struct places p;

	(void)state;
	compiled__build("linked.cpp.so", inlined, "-O2 -g -shared -fPIC " ID, path, sizeof(path));
	p.exported = naming__address(path, "step");
	p.hidden = naming__address(path, "_Z9attentionRKSt6vectorIN2kv4cellESaIS1_EEf");
	naming__shell("objcopy --only-keep-debug %s %s/linked.debug && strip %s && objcopy "
		      "--add-gnu-debuglink=%s/linked.debug %s",
		      path, dir, path, dir, path);
	naming__begin(&n);
	naming__frame(&n, FRAME_USER, naming__file(&n, path), p.hidden + 40);
	naming__resolve(&n);
	assert_true(naming__depths(&n, 1) >= 1);
	assert_string_equal(naming__name(&n, 1),
			    "attention(std::vector<kv::cell, std::allocator<kv::cell> > const&, float)");
	assert_non_null(naming__symbol(&n, 1, 0)->file);
	assert_int_equal(n.summary.n_debug_refused, 0);
	naming__free(&n);

	/* The same names at other places, under the name that the link gives. */
	compiled__build("other.cpp.so", inlined, "-O0 -g -shared -fPIC " OTHER_ID, other, sizeof(other));
	naming__shell("objcopy --only-keep-debug %s %s/linked.debug", other, dir);
	naming__begin(&n);
	naming__frame(&n, FRAME_USER, naming__file(&n, path), p.hidden + 40);
	naming__resolve(&n);
	assert_int_equal(n.summary.n_debug_refused, 1);
	assert_int_equal(naming__depths(&n, 1), 1);
	assert_string_equal(naming__symbol(&n, 1, 0)->source, "dynsym");
	assert_null(naming__symbol(&n, 1, 0)->file);
	naming__free(&n);
}

static void without_build_ids_the_links_checksum_decides(void **state)
{
	struct naming n;
	char path[128];
	const char *dir = compiled__directory();
	struct places p;
	int pass;

	(void)state;
	compiled__build("summed.so", plain, "-O1 -shared -fPIC -Wl,--build-id=none", path, sizeof(path));
	p = places_of(path);
	naming__shell("objcopy --only-keep-debug %s %s/summed.debug && strip %s && objcopy "
		      "--add-gnu-debuglink=%s/summed.debug %s",
		      path, dir, path, dir, path);
	for (pass = 0; pass < 2; pass++) {
		naming__begin(&n);
		name_three(&n, path, &p);
		assert_int_equal(n.summary.n_debug_refused, pass);
		expect_three(&n, "exported", pass ? "" : "hidden", "debug_file");
		naming__free(&n);
		/* One byte, in a string of a section that nobody reads. */
		naming__shell("printf x >> %s/summed.debug", dir);
	}
}

static void a_debug_file_is_found_by_build_id(void **state)
{
	struct naming n;
	char path[128];
	struct places p = places_of(library);

	(void)state;
	/* In a mount namespace of its own, where /usr/lib/debug can be ours. */
	if (geteuid() != 0)
		skip();
	compiled__copy(library, "byid.so", -1, 0, NULL, 0, path, sizeof(path));
	naming__shell("strip %s", path);
	if (fork() == 0) {
		if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mkdir("/usr/lib/debug", 0755) + mount("none", "/usr/lib/debug", "tmpfs", 0, NULL) < -1)
			_exit(77);
		naming__shell("mkdir -p /usr/lib/debug/.build-id/00 && objcopy --only-keep-debug %s "
			      "/usr/lib/debug/.build-id/00/112233445566778899aabbccddeeff00112233.debug",
			      library);
		naming__begin(&n);
		name_three(&n, path, &p);
		_exit(strcmp(naming__name(&n, 2), "hidden") || strcmp(naming__symbol(&n, 2, 0)->source, "debug_file"));
	}
	{
		int status;

		wait(&status);
		if (WEXITSTATUS(status) == 77)
			skip();
		assert_int_equal(status, 0);
	}
}

/* --- files that are not where they were ---------------------------------------------------------------------------- */

/* Mapped as code, as a process has it that runs it. */
static void *map_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	void *at;

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	*size = (size_t)st.st_size;
	at = mmap(NULL, *size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	assert_true(at != MAP_FAILED);
	close(fd);
	return at;
}

static void a_deleted_file_is_read_through_the_process_that_has_it_mapped(void **state)
{
	struct places p = places_of(library);
	struct naming n;
	char path[128];
	size_t size;
	void *at;

	(void)state;
	if (geteuid() != 0)
		skip(); /* map_files wants privilege */
	compiled__copy(library, "deleted.so", -1, 0, NULL, 0, path, sizeof(path));
	at = map_file(path, &size);
	naming__begin(&n);
	naming__file(&n, path);
	unlink(path);
	naming__frame(&n, FRAME_USER, 1, p.hidden);
	naming__resolve(&n);
	assert_string_equal(naming__name(&n, 1), "hidden");
	naming__free(&n);
	munmap(at, size);
}

static void a_file_that_is_gone_gives_no_names_and_is_counted(void **state)
{
	struct naming n;
	char path[128];

	(void)state;
	compiled__copy(library, "gone.so", -1, 0, NULL, 0, path, sizeof(path));
	naming__begin(&n);
	naming__file(&n, path);
	unlink(path);
	naming__frame(&n, FRAME_USER, 1, 0x1000);
	naming__resolve(&n);
	assert_string_equal(naming__name(&n, 1), "");
	assert_int_equal(n.summary.nameless[NAMELESS_NO_FILE], 1);
	naming__free(&n);
}

static void another_build_in_the_files_place_is_not_read(void **state)
{
	struct places p = places_of(library);
	struct naming n;
	char path[128], other[128];
	int pass;

	(void)state;
	/* With build ids, and without, where the file's number and size have to tell. */
	for (pass = 0; pass < 2; pass++) {
		compiled__build("replaced.so", plain,
				pass ? "-O1 -shared -fPIC -Wl,--build-id=none" : "-O1 -shared -fPIC " ID, path,
				sizeof(path));
		compiled__build("next.so", plain,
				pass ? "-O0 -shared -fPIC -Wl,--build-id=none" : "-O0 -shared -fPIC " OTHER_ID, other,
				sizeof(other));
		naming__begin(&n);
		naming__file(&n, path);
		assert_int_equal(rename(other, path), 0);
		naming__frame(&n, FRAME_USER, 1, p.hidden);
		naming__resolve(&n);
		assert_string_equal(naming__name(&n, 1), "");
		assert_int_equal(n.summary.nameless[NAMELESS_REPLACED], 1);
		naming__free(&n);
	}
}

static void a_process_that_has_ended_leaves_its_files_to_be_read(void **state)
{
	struct places p = places_of(library);
	struct naming n;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	naming__begin(&n);
	n.processes[0].pid = (uint32_t)child;
	name_three(&n, library, &p);
	expect_three(&n, "exported", "hidden", "symtab");
	naming__free(&n);
}

/* A process in a mount namespace where `directory` has other things in it; it ends when the pipe does. */
static pid_t start_in_namespace(const char *directory, const char *file, bool map, int *alive)
{
	int ready[2], ends[2];
	char at[500], c;
	size_t size;
	pid_t pid;

	assert_int_equal(pipe(ready) | pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		close(ends[1]);
		if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
			_exit(77);
		snprintf(at, sizeof(at), "cp %s %s/../kept && mount -t tmpfs none %s && cp %s/../kept %s", file,
			 directory, directory, directory, file);
		if (system(at))
			_exit(77);
		if (map)
			map_file(file, &size);
		if (write(ready[1], "r", 1) == 1 && read(ends[0], &c, 1) == 0)
			_exit(0);
		_exit(1);
	}
	close(ready[1]);
	close(ends[0]);
	*alive = ends[1];
	c = 0;
	if (read(ready[0], &c, 1) != 1)
		c = 0;
	close(ready[0]);
	return c == 'r' ? pid : -1;
}

static void a_file_in_another_mount_namespace_is_read_there(void **state)
{
	struct places p = places_of(library);
	char directory[128], file[160];
	struct naming n;
	int alive, pass;

	(void)state;
	if (geteuid() != 0)
		skip();
	snprintf(directory, sizeof(directory), "%s/inside", compiled__directory());
	snprintf(file, sizeof(file), "%s/lib.so", directory);
	/* Mapped, and only lying there. */
	for (pass = 0; pass < 2; pass++) {
		pid_t pid;

		naming__shell("mkdir -p %s && cp %s %s", directory, library, file);
		pid = start_in_namespace(directory, file, pass == 0, &alive);
		if (pid < 0)
			skip();
		naming__begin(&n);
		n.processes[0].pid = (uint32_t)pid;
		naming__file(&n, file);
		unlink(file);
		if (pass == 0) {
			char map_path[64];
			struct stat st;

			/* The number that the file has in there. */
			snprintf(map_path, sizeof(map_path), "/proc/%d/root%s", pid, file);
			assert_int_equal(stat(map_path, &st), 0);
			n.modules[0].device = st.st_dev;
			n.modules[0].inode = st.st_ino;
		}
		naming__frame(&n, FRAME_USER, 1, p.hidden);
		naming__resolve(&n);
		assert_string_equal(naming__name(&n, 1), "hidden");
		naming__free(&n);
		close(alive);
		waitpid(pid, NULL, 0);
	}
}

/* --- files made to do harm ----------------------------------------------------------------------------------------- */

static void a_damaged_file_costs_its_own_names_only(void **state)
{
	struct places p = places_of(library);
	struct naming n;
	char path[128];
	unsigned int seed;

	(void)state;
	compiled__build("whole.cpp.so", inlined, "-O2 -g -shared -fPIC " ID, path, sizeof(path));
	for (seed = 0; seed < 40; seed++) {
		unsigned char patch[64];
		char broken[128];
		struct stat st;
		size_t i;

		srand(seed);
		for (i = 0; i < sizeof(patch); i++)
			patch[i] = (unsigned char)rand();
		stat(path, &st);
		compiled__copy(path, "broken.so", seed % 4 ? -1 : st.st_size / 2, 64 + rand() % (st.st_size - 128),
			       patch, seed % 2 ? sizeof(patch) : 4, broken, sizeof(broken));
		naming__begin(&n);
		naming__module(&n, "user", broken);
		n.modules[0].build_id = strdup("00112233445566778899aabbccddeeff00112233");
		for (i = 0; i < 64; i++)
			naming__frame(&n, FRAME_USER, 1, 0x1000 + 16 * i);
		naming__file(&n, library);
		naming__frame(&n, FRAME_USER, 2, p.hidden);
		naming__resolve(&n);
		assert_string_equal(naming__name(&n, 65), "hidden");
		naming__free(&n);
	}
}

static uint64_t make_million(char *path, size_t size)
{
	char source_path[160];
	FILE *f;
	int i;

	snprintf(source_path, sizeof(source_path), "%s/million.s", compiled__directory());
	snprintf(path, size, "%s/million.so", compiled__directory());
	f = fopen(source_path, "w");
	assert_non_null(f);
	for (i = 0; i < 1000000; i++)
		fprintf(f,
			".type _ZN5model12layer%07dE,@function\n_ZN5model12layer%07dE: nop\n.size "
			"_ZN5model12layer%07dE,1\n",
			i, i, i);
	fclose(f);
	naming__shell("gcc -x assembler -shared -nostdlib " ID " -o %s %s", path, source_path);
	return naming__address(path, "_ZN5model12layer0000000E");
}

/* In kibibytes, of this process and of the largest that it has waited for. */
static long peak_memory(void)
{
	struct rusage own, children;

	getrusage(RUSAGE_SELF, &own);
	getrusage(RUSAGE_CHILDREN, &children);
	return own.ru_maxrss + children.ru_maxrss;
}

static void a_million_symbols_are_read_in_bounded_memory(void **state)
{
	uint64_t first;
	char path[128];
	pid_t child;
	int status;

	(void)state;
	first = make_million(path, sizeof(path));
	child = fork();
	if (child == 0) {
		struct naming *n = malloc(sizeof(*n));
		long most = 128 << 10;
		int i;

#ifdef __SANITIZE_ADDRESS__
		most = LONG_MAX;
#endif
		naming__begin(n);
		naming__file(n, path);
		for (i = 0; i < 1000; i++)
			naming__frame(n, FRAME_USER, 1, first + 997 * (uint64_t)i);
		n->options.budget_ns = 60000000000ULL;
		naming__resolve(n);
		_exit(n->summary.n_named != 1000 || strcmp(naming__name(n, 501), "model::layer0498500") ||
		      peak_memory() > most);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

static void time_that_is_up_leaves_the_rest_without_names(void **state)
{
	struct places p = places_of(library);
	struct naming n;
	char why[200];

	(void)state;
	naming__begin(&n);
	n.options.budget_ns = 1;
	name_three(&n, library, &p);
	assert_int_equal(n.summary.nameless[NAMELESS_NO_TIME], 3);
	symbol_summary__reasons(&n.summary, why, sizeof(why));
	assert_string_equal(why, "3 not looked up in time");
	naming__free(&n);
}

static void the_interrupt_that_ended_the_recording_does_not_end_the_search(void **state)
{
	struct places p = places_of(library);
	volatile sig_atomic_t interrupts = 1;
	struct naming n;

	(void)state;
	naming__begin(&n);
	n.options.interrupts = &interrupts;
	name_three(&n, library, &p);
	expect_three(&n, "exported", "hidden", "symtab");
	naming__free(&n);
}

/* --- the kernel's own pages ----------------------------------------------------------------------------------------- */

static void the_vdso_has_names(void **state)
{
	struct naming n;
	int64_t module;
	uint64_t at;

	(void)state;
	if (!getauxval(AT_SYSINFO_EHDR))
		skip();
	naming__begin(&n);
	module = naming__module(&n, "vdso", "[vdso]");
	for (at = 0x600; at < 0x1600; at += 8)
		naming__frame(&n, FRAME_USER, module, at);
	naming__resolve(&n);
	assert_true(n.summary.n_named > 0);
	for (at = 0; at < n.n_names && !strstr(n.names[at].name, "clock_gettime"); at++)
		;
	assert_true(at < n.n_names);
	naming__free(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inlined_functions_and_their_lines_are_those_that_addr2line_tells),
		cmocka_unit_test(a_static_function_and_a_lambda_are_named_with_what_they_stand_in),
		cmocka_unit_test(a_function_is_named_by_the_symbol_table_with_its_offset),
		cmocka_unit_test(what_was_stripped_has_no_name_rather_than_that_of_its_neighbour),
		cmocka_unit_test(a_stripped_file_is_named_by_the_packed_table_that_it_carries),
		cmocka_unit_test(a_function_without_a_size_reaches_to_the_next_symbol_or_the_end_of_its_section),
		cmocka_unit_test(a_debug_file_is_found_by_its_link_and_must_be_of_the_same_build),
		cmocka_unit_test(without_build_ids_the_links_checksum_decides),
		cmocka_unit_test(a_debug_file_is_found_by_build_id),
		cmocka_unit_test(a_deleted_file_is_read_through_the_process_that_has_it_mapped),
		cmocka_unit_test(a_file_that_is_gone_gives_no_names_and_is_counted),
		cmocka_unit_test(another_build_in_the_files_place_is_not_read),
		cmocka_unit_test(a_process_that_has_ended_leaves_its_files_to_be_read),
		cmocka_unit_test(a_file_in_another_mount_namespace_is_read_there),
		cmocka_unit_test(a_damaged_file_costs_its_own_names_only),
		cmocka_unit_test(a_million_symbols_are_read_in_bounded_memory),
		cmocka_unit_test(time_that_is_up_leaves_the_rest_without_names),
		cmocka_unit_test(the_interrupt_that_ended_the_recording_does_not_end_the_search),
		cmocka_unit_test(the_vdso_has_names),
	};

	return cmocka_run_group_tests(tests, build, NULL);
}
