/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The accelerators' nodes: which there are, which a server has open, which driver's they are; and what the kernel's side has to
 * know of them.
 */
#ifndef TOKPROF_IOCTL_DEVICES_H
#define TOKPROF_IOCTL_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/shared.h"
#include "userspace/driver_table.h"

#define IOCTL_NODE_SIZE 128

struct ioctl_device {
	uint32_t id;			/* of map `devices` */
	char path[IOCTL_NODE_SIZE];	/* as it would be without a device root: "/dev/nvidiactl" */
	uint64_t drivers;		/* set of the table's; 0: none that is known */
	bool common;			/* no accelerator */
};

struct ioctl_devices {
	struct driver_table table;
	char root[256];			/* before /dev and /sys; "" */
	struct ioctl_device *devices;
	size_t n, capacity;
	int devices_fd, arguments_fd;	/* maps of the programs; -1 before these are loaded */
	struct ioctl_control *control;	/* mapped; NULL */
	uint64_t next_seen;		/* devices below it are known here */
};

/* @root NULL: none. @table a file of the user's, NULL. @return 0 or negative errno with a sentence */
int ioctl_devices__open(struct ioctl_devices *d, const char *root, const char *table, char *error, size_t size);
void ioctl_devices__close(struct ioctl_devices *d);

/* Nodes of known drivers on this host, as far as they can be asked. */
size_t ioctl_devices__count_nodes(const struct ioctl_devices *d);
/* Has the process a device open that may be an accelerator? Reads the names of its descriptors only. */
bool ioctl_devices__has_open(const struct ioctl_devices *d, uint32_t pid);

struct ioctl_open_device {
	char path[IOCTL_NODE_SIZE];
	const char *driver;		/* of the table; "": none that is known */
};
/* Devices that the process has open, each once. @return number, at most `max` */
size_t ioctl_devices__list_open(const struct ioctl_devices *d, uint32_t pid, struct ioctl_open_device *out, size_t max);

/* From here on the programs' maps are there. Every node of a known driver is made known to them. @return 0, -ENOMEM */
int ioctl_devices__use(struct ioctl_devices *d, int devices_fd, int arguments_fd, struct ioctl_control *control);
/* Make what the process has open known, as devices that the server uses. */
void ioctl_devices__take_open(struct ioctl_devices *d, uint32_t pid);
/* Find out what devices are that the programs have met. */
void ioctl_devices__resolve(struct ioctl_devices *d);

/* NULL: not known yet */
const struct ioctl_device *ioctl_devices__find(const struct ioctl_devices *d, uint32_t id);

#endif
