/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program whose stacks are known: spins at the bottom of a recursion without frame pointers, for some milliseconds of CPU time, then, where
 * it is named, inside a library that it has mapped only then. deep DEPTH MILLISECONDS [LIBRARY]
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long long limit_ns;

static long long cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

__attribute__((noinline)) int spin(void)
{
	volatile int sum = 0;

	while (cpu_ns() < limit_ns)
		for (int i = 0; i < 100000; i++)
			sum += i;
	return sum;
}

__attribute__((noinline)) int deep(int n)
{
	volatile char room[40];

	room[n % 40] = 1;
	return n > 1 ? deep(n - 1) + room[n % 40] : spin() + room[0];
}

int main(int argc, char **argv)
{
	const long long each_ns = atoll(argv[2]) * 1000000;
	int sum;

	limit_ns = each_ns;
	sum = deep(atoi(argv[1]));
	if (argc > 3) {
		void *library = dlopen(argv[3], RTLD_NOW);
		int (*in_library)(int, int (*)(void)) =
			library ? (int (*)(int, int (*)(void)))dlsym(library, "in_library") : NULL;

		if (!in_library)
			return 1;
		limit_ns = cpu_ns() + each_ns;
		sum += in_library(atoi(argv[1]), spin);
	}
	printf("%d\n", sum);
	return 0;
}
