/* SPDX-License-Identifier: Apache-2.0 */
/* The sums of the programs of bpf/ioctl.bpf.c, taken out and made into rows of the recording. */
#ifndef TOKPROF_IOCTL_CALLS_H
#define TOKPROF_IOCTL_CALLS_H

#include "collectors/ioctl_devices.h"
#include "userspace/ioctl_class.h"
#include "userspace/session.h"

struct ioctl_call;

struct ioctl_calls {
	struct session *session;
	struct ioctl_devices *devices;
	int calls_fd, uses_fd, inflight_fd;
	struct ioctl_call *calls;
	size_t n, capacity;
	int64_t *ended, *ending;	/* steps that ended before the last drain, and since; sorted */
	size_t n_ended, n_ending, ended_capacity, ending_capacity;
	void *batch;			/* what one drain takes out of the map */
};

int ioctl_calls__open(struct ioctl_calls *c, struct session *s, struct ioctl_devices *devices, int calls_fd,
		      int uses_fd, int inflight_fd);
void ioctl_calls__close(struct ioctl_calls *c);

/* A step has ended: what was called in it is complete with the drain after the next. */
void ioctl_calls__step_ended(struct ioctl_calls *c, int64_t step);
/* Write what is complete. @last of all steps: nothing is attached any more */
void ioctl_calls__drain(struct ioctl_calls *c, uint64_t now_ns, bool last);
/* Write who called what so far. */
void ioctl_calls__write(struct ioctl_calls *c);
/* Calls that ended with EINTR or EAGAIN and were not made again have failed. When nothing is attached any more. */
void ioctl_calls__settle(struct ioctl_calls *c);
/* The same of threads that have ended, while the programs run. */
void ioctl_calls__forget_threads(struct ioctl_calls *c);
/* The server's own calls, by class and measure. */
void ioctl_calls__totals(struct ioctl_calls *c, int64_t out[N_IOCTL_RESOURCES]);

#endif
