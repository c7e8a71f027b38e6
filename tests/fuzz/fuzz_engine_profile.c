/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an engine profile: read whole, or refused with a sentence that names a line. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "userspace/engine_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct engine_profile profile;
	char error[256];
	int err = engine_profile__parse(&profile, "f", (const char *)data, size, error, sizeof(error));

	assert((err == 0) == (error[0] == 0));
	assert(err == 0 || strncmp(error, "f:", 2) == 0);
	assert(profile.n_sections <= PROFILE_MAX_SECTIONS && profile.n_layouts <= MAX_LAYOUTS);
	return 0;
}
