/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/overhead/hit_cost.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "collectors/uprobe.h"
#include "userspace/process.h"
#include "userspace/session.h"

#define CALLS 500
#define ROUNDS 7
#define HITS_PER_CALL 2

/*
 * Instructions as compilers make them, in assembly, so that the probed addresses have names. x86: pushes are emulated by
 * the kernel, returns are stepped over in a copy; arm64: the other way round.
 */
#if defined(__x86_64__)
__asm__(".text\n"
	".globl hit_cost_step, hit_cost_emulated_1, hit_cost_emulated_2, hit_cost_stepped_1, hit_cost_stepped_2\n"
	"hit_cost_step:\n"
	"hit_cost_emulated_1:\n"
	"	push %rbp\n"
	"	call hit_cost_emulated_2\n"
	"	pop %rbp\n"
	"hit_cost_stepped_1:\n"
	"	ret\n"
	"hit_cost_emulated_2:\n"
	"	push %rbp\n"
	"	pop %rbp\n"
	"hit_cost_stepped_2:\n"
	"	ret\n");
#elif defined(__aarch64__)
__asm__(".text\n"
	".globl hit_cost_step, hit_cost_emulated_1, hit_cost_emulated_2, hit_cost_stepped_1, hit_cost_stepped_2\n"
	"hit_cost_step:\n"
	"hit_cost_stepped_1:\n"
	"	stp x29, x30, [sp, #-16]!\n"
	"	bl hit_cost_stepped_2\n"
	"	ldp x29, x30, [sp], #16\n"
	"hit_cost_emulated_1:\n"
	"	ret\n"
	"hit_cost_stepped_2:\n"
	"	stp x29, x30, [sp, #-16]!\n"
	"	ldp x29, x30, [sp], #16\n"
	"hit_cost_emulated_2:\n"
	"	ret\n");
#else
#error "hit_cost.c knows x86-64 and arm64"
#endif

void hit_cost_step(void);
extern const char hit_cost_emulated_1[], hit_cost_emulated_2[], hit_cost_stepped_1[], hit_cost_stepped_2[];

static int find_own_file(const struct process_map *maps, size_t n, uint64_t address, uint64_t *offset)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (maps[i].start <= address && address < maps[i].end) {
			*offset = address - maps[i].start + maps[i].offset;
			return 0;
		}
	return -ENOENT;
}

static int64_t time_calls(void)
{
	uint64_t start = monotonic_ns();
	int i;

	for (i = 0; i < CALLS; i++)
		hit_cost_step();
	return (int64_t)(monotonic_ns() - start);
}

static int compare_i64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t median_time(void)
{
	int64_t rounds[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++)
		rounds[i] = time_calls();
	qsort(rounds, ROUNDS, sizeof(rounds[0]), compare_i64);
	return rounds[ROUNDS / 2];
}

/* What a hit at these instructions adds to a call. */
static int time_hits(const char *const *addresses, int program_fd, int64_t bare, int64_t *out)
{
	struct uprobe_point points[HITS_PER_CALL] = { 0 };
	struct uprobe_links links;
	struct process_map *maps = NULL;
	size_t n_maps = 0, i;
	int64_t probed;
	int err = process__maps((uint32_t)getpid(), &maps, &n_maps);

	for (i = 0; i < HITS_PER_CALL && !err; i++)
		err = find_own_file(maps, n_maps, (uint64_t)(uintptr_t)addresses[i], &points[i].offset);
	free(maps);
	if (err)
		return err;
	err = uprobe_links__attach(&links, program_fd, "/proc/self/exe", (uint32_t)getpid(), points, HITS_PER_CALL);
	if (err)
		return err;
	probed = median_time();
	uprobe_links__detach(&links);
	*out = (probed - bare) / (CALLS * HITS_PER_CALL);
	return 0;
}

int hit_cost__calibrate(struct hit_cost *out, int program_fd)
{
	const char *const emulated[HITS_PER_CALL] = { hit_cost_emulated_1, hit_cost_emulated_2 };
	const char *const stepped[HITS_PER_CALL] = { hit_cost_stepped_1, hit_cost_stepped_2 };
	const int64_t bare = median_time();
	int err = time_hits(emulated, program_fd, bare, &out->emulated_ns);

	return err ? err : time_hits(stepped, program_fd, bare, &out->stepped_ns);
}
