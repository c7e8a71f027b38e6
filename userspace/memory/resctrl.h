/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory bandwidth monitoring by resctrl: a monitoring group of the server's threads, made for the recording and taken away after it.
 * Documentation/filesystems/resctrl.rst.
 *
 * A group's tasks are a control group's, and only change which counter their traffic goes to: allocation stays as it is. When the group
 * goes, the kernel gives them back to their control group (fs/resctrl/rdtgroup.c, rdtgroup_rmdir_mon), so that nothing has to be
 * remembered to restore them. A thread that is in a monitoring group of somebody else's is left there. The group's name carries
 * the recorder's number and start, by which the next recorder knows and clears what a killed one has left.
 */
#ifndef TOKPROF_MEMORY_RESCTRL_H
#define TOKPROF_MEMORY_RESCTRL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RESCTRL_PATH "/sys/fs/resctrl"
#define MAX_RESCTRL_DOMAINS 64

/* What is done to the host, for tests to play. */
struct resctrl_calls {
	int (*mount)(void *ctx, const char *path);		/* @return 0, negative errno */
	int (*unmount)(void *ctx, const char *path);
	int (*rmdir)(void *ctx, const char *path);
	uint64_t (*start_of)(void *ctx, uint32_t pid);		/* of a process, in the kernel's ticks; 0: there is none */
	void *ctx;
};
extern const struct resctrl_calls resctrl_calls__kernel;

struct resctrl_domain {
	char name[32];		/* "mon_L3_00" */
	uint64_t total;
	bool known;
};

struct resctrl {
	const struct resctrl_calls *calls;
	char root[128];
	char group[400];		/* path of the monitoring group; "": none */
	bool mounted;			/* by this recorder, or by a killed one: unmounted at the end */
	struct resctrl_domain domains[MAX_RESCTRL_DOMAINS];
	size_t n_domains;
	uint32_t *threads;		/* that are in the group */
	size_t n_threads, threads_capacity;
	int64_t n_foreign;		/* threads in another control group, or in somebody else's monitoring group */
	int n_cleared;			/* groups of killed recorders */
};

/*
 * Can the host count a group's traffic? Changes nothing.
 * @root	stands before every path: "" but for tests
 * @return	0; -ENODEV, -EACCES and others with reason and remedy
 */
int resctrl__probe(const char *root, char *reason, size_t reason_size, char *remedy, size_t remedy_size);

/*
 * Reads the counters of the root's own group, where resctrl is mounted: a try that changes nothing.
 * @return 0, also where it is not mounted; -ENODATA: they tell nothing, with the reason
 */
int resctrl__try(const char *root, char *reason, size_t reason_size);

/* Mount it where it is not, and clear groups of recorders that are gone. @return as above; nothing is then to be closed */
int resctrl__open(struct resctrl *r, const char *root, const struct resctrl_calls *calls, char *reason,
		  size_t reason_size, char *remedy, size_t remedy_size);
/* A thread into the group, which is made in its control group with the first one. @return 0, also where it is already there, or gone;
   -EBUSY: it is another control group's, or somebody else monitors it; -ENOSPC: no counter is left */
int resctrl__add(struct resctrl *r, uint32_t pid, uint32_t tid);
/*
 * Bytes of the group since the last reading, all domains together. Domains begin to count at their first reading.
 * @return 0; -EAGAIN: the first reading, or no group yet; -ENODATA: a domain had none ("Unavailable"), or went back
 */
int resctrl__read(struct resctrl *r, int64_t *bytes);
/* Take the group away, and unmount where this recorder has mounted. */
void resctrl__close(struct resctrl *r);

#endif
