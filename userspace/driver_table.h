/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What calls into a device driver are called and what they do: data/ioctls.tsv, in the binary, and tables of the user's.
 *
 * The device's node comes first, since the same magic and number mean different things to different drivers; then the
 * magic and the number, never the direction or the size of the argument, which change between releases of a driver; where
 * the table says so the whole command; then, where one number stands for many calls, what its argument says.
 */
#ifndef TOKPROF_DRIVER_TABLE_H
#define TOKPROF_DRIVER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/recording.h"

#define DRIVER_MAX 64			/* a set of them is one word */
#define DRIVER_NAME_SIZE 32
#define DRIVER_CALL_NAME_SIZE 64
#define DRIVER_CALLS_MAX 16384		/* of all tables */
#define DRIVER_STATUS_MAX 2

/* How a call's argument is read: places in the struct that it points to. */
struct driver_argument {
	uint8_t sub_size;		/* of the sub-command: 0 (none), 1, 2, 4, 8 */
	uint16_t sub_offset;
	uint8_t n_status;
	struct {
		uint16_t offset;	/* of a 32-bit status that is not 0 where the call failed ... */
		uint16_t size;		/* ... in an argument of so many bytes; 0: of any */
	} status[DRIVER_STATUS_MAX];
	bool wraps;			/* another call of the same driver is in it: its number, and where its argument is */
	uint16_t number_offset, pointer_offset;
};

struct driver {
	char name[DRIVER_NAME_SIZE];
	char nodes[256];		/* globs, by semicolons */
	char module[DRIVER_NAME_SIZE];	/* kernel driver behind the node; "": any */
	char version[DRIVER_NAME_SIZE];	/* glob of its module's version; "": any */
	bool whole;			/* its commands are compared as a whole */
};

struct driver_call {
	int driver;			/* index */
	uint32_t command;		/* magic and number, or of a driver whose commands are compared as a whole all of it */
	bool has_sub;
	uint64_t sub;
	char name[DRIVER_CALL_NAME_SIZE];
	int class;			/* enum ioctl_class */
	struct driver_argument argument;
	int table, line;
};

struct driver_table {
	struct driver drivers[DRIVER_MAX];
	int n_drivers;
	struct driver_call
		*calls; /* of a later table after those of an earlier one, and before them in what is found */
	size_t n_calls, capacity;
	int n_tables;
};

/* The tables in the binary, then one of the user's (NULL: none). @return 0, -ENOMEM, or a negative errno with a sentence in `error` */
int driver_table__open(struct driver_table *t, const char *path, char *error, size_t size);
/* Add a table. @name for messages, which are "NAME:LINE: ...". @return 0; -EINVAL, -E2BIG with a sentence; -ENOMEM */
int driver_table__parse(struct driver_table *t, const char *name, const char *text, size_t n, char *error, size_t size);
void driver_table__free(struct driver_table *t);

/*
 * Drivers that a node belongs to, as a set. @path as "/dev/nvidia0". @root what stands before /sys; "" normally. @major of a DRM or
 * accel node, for /sys/dev/char; both 0: by the node's name
 */
uint64_t driver_table__of_node(const struct driver_table *t, const char *path, const char *root, unsigned int major,
			       unsigned int minor);
/* Does any driver of the set compare whole commands? */
bool driver_table__is_whole(const struct driver_table *t, uint64_t drivers);
/* NULL: not in the table. A call without a sub-command stands for those that are not there. */
const struct driver_call *driver_table__find(const struct driver_table *t, uint64_t drivers, uint32_t command,
					     uint64_t sub);
/* The first driver of a set, for people; "" where it is empty. */
const char *driver_table__name(const struct driver_table *t, uint64_t drivers);
/*
 * What a call is called: its name, with "/0xSUB" where the sub-command has none, and of an unknown one
 * "nvidiactl:F:0x2a". @return whether the table knows it
 */
bool driver_table__call_name(const struct driver_table *t, uint64_t drivers, const char *node, uint32_t command,
			     uint64_t sub, char *out, size_t size);

/* Is it a node that every program may have open, and no accelerator? @path as "/dev/null" */
bool device_node__is_common(const char *path);

#endif
