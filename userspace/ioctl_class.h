/* SPDX-License-Identifier: Apache-2.0 */
/* What a call into a device driver does; each class has a count, a time and failures in the ledger. */
#ifndef TOKPROF_IOCTL_CLASS_H
#define TOKPROF_IOCTL_CLASS_H

enum ioctl_class {		/* append-only: the numbers are in recordings */
		   IOCTL_SUBMIT = 0, /* work is handed to the device */
		   IOCTL_WAIT = 1, /* until the device has done something */
		   IOCTL_ALLOC = 2, /* memory, queues, contexts: made or given back */
		   IOCTL_MAP = 3, /* memory into an address space */
		   IOCTL_COPY = 4, /* between host and device */
		   IOCTL_CONTROL = 5, /* queries, events, set-up */
		   N_IOCTL_CLASSES = 6,
};
extern const char *const ioctl_class_names[N_IOCTL_CLASSES + 1];	/* NULL-terminated */

/* What the ledger has of each class. */
enum ioctl_measure {
	IOCTL_COUNT = 0,
	IOCTL_NS = 1,
	IOCTL_FAILED = 2,
	N_IOCTL_MEASURES = 3,
};

/* Their resources: id RESOURCE_IOCTL + class * N_IOCTL_MEASURES + measure, name "ioctl_submit_count", "ioctl_wait_ns", ... */
#define RESOURCE_IOCTL 40
#define N_IOCTL_RESOURCES (N_IOCTL_CLASSES * N_IOCTL_MEASURES)
extern const char *const ioctl_resource_names[N_IOCTL_RESOURCES];

#endif
