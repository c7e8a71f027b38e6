/* SPDX-License-Identifier: Apache-2.0 */
#include "collectors/skeleton.h"

size_t skeleton__programs(const struct bpf_object *object, int *fds, size_t max)
{
	struct bpf_program *program;
	size_t n = 0;

	bpf_object__for_each_program(program, object)
	{
		int fd = bpf_program__fd(program);

		if (fd >= 0 && n < max)
			fds[n++] = fd;
	}
	return n;
}
