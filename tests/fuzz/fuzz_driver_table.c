/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a table of driver calls: read whole, or refused with a sentence that names a line; what was read can be looked up. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "userspace/driver_table.h"
#include "userspace/ioctl_class.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct driver_table t = { .n_drivers = 0 };
	char error[256], name[96];
	int err = driver_table__parse(&t, "f", (const char *)data, size, error, sizeof(error));

	assert((err == 0) == (error[0] == 0));
	assert(err == 0 || strncmp(error, "f:", 2) == 0);
	assert(t.n_drivers <= DRIVER_MAX && t.n_calls <= DRIVER_CALLS_MAX);
	for (size_t i = 0; i < t.n_calls && i < 16; i++) {
		const struct driver_call *call = &t.calls[i];

		assert(call->driver < t.n_drivers && call->class >= 0 && call->class < N_IOCTL_CLASSES);
		assert(driver_table__find(&t, UINT64_MAX, call->command, call->sub));
		assert(driver_table__call_name(&t, 1ull << call->driver, "/dev/x", call->command, call->sub, name,
					       sizeof(name)));
	}
	driver_table__free(&t);
	return 0;
}
