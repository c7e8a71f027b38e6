/* SPDX-License-Identifier: Apache-2.0 */
#include "collectors/skeleton.h"

#include <bpf/btf.h>
#include <stdio.h>

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

int tracepoint__arguments(const struct btf *btf, const char *name)
{
	char symbol[64];
	const struct btf_type *t;
	int id;

	snprintf(symbol, sizeof(symbol), "btf_trace_%s", name);
	id = btf__find_by_name_kind(btf, symbol, BTF_KIND_TYPEDEF);
	if (id < 0)
		return -1;
	t = btf__type_by_id(btf, btf__type_by_id(btf, (uint32_t)id)->type);
	t = btf__type_by_id(btf, t->type);
	return btf_is_func_proto(t) ? (int)btf_vlen(t) - 1 : -1;	/* less the context */
}
