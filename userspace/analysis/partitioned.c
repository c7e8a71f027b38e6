/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/partitioned.h"

#include <stddef.h>
#include <string.h>

bool row_model__is_partitioned(const struct row_model *m)
{
	static const char *const archs[] = { "t5", "cogvlm", "mllama" };

	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]) && m->arch; i++)
		if (strcmp(m->arch, archs[i]) == 0)
			return true;
	return false;
}
