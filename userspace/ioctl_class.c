/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/ioctl_class.h"

#include <stddef.h>

const char *const ioctl_class_names[N_IOCTL_CLASSES + 1] = {
	"submit", "wait", "alloc", "map", "copy", "control", NULL,
};

#define NAMES(class) "ioctl_" class "_count", "ioctl_" class "_ns", "ioctl_" class "_failed"

const char *const ioctl_resource_names[N_IOCTL_RESOURCES] = {
	NAMES("submit"), NAMES("wait"), NAMES("alloc"), NAMES("map"), NAMES("copy"), NAMES("control"),
};
