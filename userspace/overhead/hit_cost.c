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
#define HITS_PER_CALL 3

/*
 * Instructions as compilers make them: the entry's push is emulated by the kernel, the return is stepped over in a copy,
 * which costs more. Written in assembly, so that the probed addresses have names.
 */
#if defined(__x86_64__)
__asm__(".text\n"
	".globl hit_cost_step, hit_cost_ubatch, hit_cost_return\n"
	"hit_cost_step:\n"
	"	push %rbp\n"
	"	call hit_cost_ubatch\n"
	"	pop %rbp\n"
	"hit_cost_return:\n"
	"	ret\n"
	"hit_cost_ubatch:\n"
	"	push %rbp\n"
	"	pop %rbp\n"
	"	ret\n");
#elif defined(__aarch64__)
__asm__(".text\n"
	".globl hit_cost_step, hit_cost_ubatch, hit_cost_return\n"
	"hit_cost_step:\n"
	"	stp x29, x30, [sp, #-16]!\n"
	"	bl hit_cost_ubatch\n"
	"	ldp x29, x30, [sp], #16\n"
	"hit_cost_return:\n"
	"	ret\n"
	"hit_cost_ubatch:\n"
	"	stp x29, x30, [sp, #-16]!\n"
	"	ldp x29, x30, [sp], #16\n"
	"	ret\n");
#else
#error "hit_cost.c knows x86-64 and arm64"
#endif

void hit_cost_step(void);
extern const char hit_cost_ubatch[], hit_cost_return[];

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

int64_t hit_cost__calibrate(int program_fd)
{
	const uint64_t addresses[HITS_PER_CALL] = {
		(uint64_t)(uintptr_t)hit_cost_step,
		(uint64_t)(uintptr_t)hit_cost_ubatch,
		(uint64_t)(uintptr_t)hit_cost_return,
	};
	struct uprobe_point points[HITS_PER_CALL] = { 0 };
	struct uprobe_links links;
	struct process_map *maps = NULL;
	size_t n_maps = 0, i;
	int64_t bare, probed;
	int err = process__maps((uint32_t)getpid(), &maps, &n_maps);

	for (i = 0; i < HITS_PER_CALL && !err; i++)
		err = find_own_file(maps, n_maps, addresses[i], &points[i].offset);
	free(maps);
	if (err)
		return err;
	bare = median_time();
	err = uprobe_links__attach(&links, program_fd, "/proc/self/exe", (uint32_t)getpid(), points, HITS_PER_CALL);
	if (err)
		return err;
	probed = median_time();
	uprobe_links__detach(&links);
	return (probed - bare) / (CALLS * HITS_PER_CALL);
}
