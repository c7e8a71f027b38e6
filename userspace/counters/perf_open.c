/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/counters/perf_open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int kernel_open(void *ctx, struct perf_event_attr *attr, int cpu, int group_fd)
{
	int fd = (int)syscall(SYS_perf_event_open, attr, -1, cpu, group_fd, PERF_FLAG_FD_CLOEXEC);

	(void)ctx;
	return fd < 0 ? -errno : fd;
}

static int kernel_read(void *ctx, int fd, struct counter_reading *out)
{
	ssize_t n = read(fd, out, sizeof(*out));

	(void)ctx;
	return n == (ssize_t)sizeof(*out) ? 0 : n < 0 ? -errno : -EIO;
}

static void kernel_close(void *ctx, int fd)
{
	(void)ctx;
	close(fd);
}

static int kernel_paranoid(void *ctx)
{
	FILE *f = fopen("/proc/sys/kernel/perf_event_paranoid", "re");
	char line[16];
	int value = -2;

	(void)ctx;
	if (f && fgets(line, sizeof(line), f))
		value = (int)strtol(line, NULL, 10);
	if (f)
		fclose(f);
	return value;
}

const struct perf_calls perf_calls__kernel = { kernel_open, kernel_read, kernel_close, kernel_paranoid, NULL };

static void event__close(struct open_event *e, size_t n_cpus, const struct perf_calls *calls)
{
	for (size_t c = 0; e->fds && c < n_cpus; c++) {
		if (e->fds[c] >= 0)
			calls->close(calls->ctx, e->fds[c]);
		e->fds[c] = -1;
	}
}

/* @leader of its group, open on every CPU; NULL: none */
static int event__open(struct open_event *e, const struct counter_event *event, const struct open_event *leader,
		       const int *cpus, size_t n_cpus, const struct perf_calls *calls)
{
	size_t n_open = 0;
	int absent = -ENODEV;

	e->err = 0;
	for (size_t c = 0; c < n_cpus; c++) {
		struct perf_event_attr attr = event->attr;
		int fd;

		if (leader && leader->fds[c] < 0)
			continue;
		fd = calls->open(calls->ctx, &attr, cpus[c], leader ? leader->fds[c] : -1);
		if (fd >= 0) {
			e->fds[c] = fd;
			n_open++;
			continue;
		}
		if (!n_open || fd != -ENODEV)
			e->cpu = cpus[c];
		/* Went offline, or is a core of another kind: counted on the others. */
		if (fd == -ENODEV || fd == -ENOENT) {
			absent = fd;
			continue;
		}
		e->err = fd;
		event__close(e, n_cpus, calls);
		return fd;
	}
	if (!n_open)
		e->err = absent;
	return e->err;
}

int open_events__open(struct open_events *out, const struct event_list *list, const int *cpus, size_t n_cpus,
		      const struct perf_calls *calls)
{
	memset(out, 0, sizeof(*out));
	out->n = list->n;
	out->n_cpus = n_cpus;
	out->paranoid = calls->paranoid(calls->ctx);
	for (size_t i = 0; i < list->n; i++) {
		struct open_event *e = &out->events[i];
		const struct open_event *leader = NULL;

		e->fds = malloc(n_cpus * sizeof(*e->fds));
		if (!e->fds) {
			open_events__close(out, calls);
			return -ENOMEM;
		}
		for (size_t c = 0; c < n_cpus; c++)
			e->fds[c] = -1;
		for (size_t k = 0; k < i && !leader; k++)
			if (list->events[k].group == list->events[i].group && !out->events[k].err &&
			    !out->events[k].alone)
				leader = &out->events[k];
		event__open(e, &list->events[i], leader, cpus, n_cpus, calls);
		/* The kernel refuses a member that its group leaves no counter for; by itself it may well be counted. */
		if (e->err && leader) {
			e->alone = true;
			event__open(e, &list->events[i], NULL, cpus, n_cpus, calls);
		}
		out->n_open += !e->err;
	}
	return 0;
}

void open_events__close(struct open_events *o, const struct perf_calls *calls)
{
	/* Members before their leaders: a leader that goes first would leave its members to themselves. */
	for (size_t i = o->n; i-- > 0;) {
		event__close(&o->events[i], o->n_cpus, calls);
		free(o->events[i].fds);
	}
	memset(o, 0, sizeof(*o));
}

static bool is_of_processor(const struct perf_event_attr *attr)
{
	return attr->type == PERF_TYPE_HARDWARE || attr->type == PERF_TYPE_HW_CACHE || attr->type == PERF_TYPE_RAW;
}

/* perf_event_open(2), section ERRORS, and what leads to each here. */
void perf_open__explain(const struct perf_event_attr *attr, int err, int paranoid, char *reason, size_t reason_size,
			char *remedy, size_t remedy_size)
{
	char level[48] = "";

	if (paranoid != -2)
		snprintf(level, sizeof(level), " (kernel.perf_event_paranoid is %d)", paranoid);
	switch (-err) {
	case EACCES:
	case EPERM:
		snprintf(reason, reason_size, "the kernel does not let this user count whole CPUs%s", level);
		snprintf(remedy, remedy_size,
			 "run as root or with CAP_PERFMON; or sysctl kernel.perf_event_paranoid=0; in a container, "
			 "allow "
			 "perf_event_open in its seccomp profile");
		return;
	case ENOENT:
	case EOPNOTSUPP:
	case ENXIO:
		if (is_of_processor(attr)) {
			snprintf(reason, reason_size,
				 "this processor shows no such counter, as in virtual machines without a performance "
				 "monitoring unit");
			snprintf(remedy, remedy_size,
				 "bare metal, or a virtual machine with its counters passed through (KVM: -cpu "
				 "host,pmu=on)");
			return;
		}
		snprintf(reason, reason_size, "this kernel has no such event");
		snprintf(remedy, remedy_size, "tokprof list --events shows what there is");
		return;
	case ENODEV:
		snprintf(reason, reason_size, "no CPU of this host has the event");
		snprintf(remedy, remedy_size, "tokprof list --events shows what there is");
		return;
	case EMFILE:
	case ENFILE:
		snprintf(reason, reason_size, "too many open files: an event takes a descriptor per CPU");
		snprintf(remedy, remedy_size, "%s",
			 -err == EMFILE ? "ulimit -n 65536, or fewer events" : "sysctl fs.file-max, or fewer events");
		return;
	case EINVAL:
		snprintf(reason, reason_size,
			 "the kernel does not take this event's encoding: it may not be counted by CPU, or the "
			 "processor is another than libpfm4 thinks");
		snprintf(remedy, remedy_size, "another event (tokprof list --events), or a newer kernel");
		return;
	case EBUSY:
		snprintf(reason, reason_size, "somebody else holds the counter for himself alone");
		snprintf(remedy, remedy_size,
			 "end other profilers, and the watchdog: sysctl kernel.nmi_watchdog=0 frees a counter");
		return;
	case ENOSYS:
		snprintf(reason, reason_size, "this kernel has no performance events");
		snprintf(remedy, remedy_size, "a kernel with CONFIG_PERF_EVENTS");
		return;
	case ENOMEM:
	case ENOSPC:
		snprintf(reason, reason_size, "the kernel has no room for another event: %s", strerror(-err));
		snprintf(remedy, remedy_size, "fewer events");
		return;
	}
	snprintf(reason, reason_size, "perf_event_open: %s", strerror(-err));
	snprintf(remedy, remedy_size, "another event (tokprof list --events)");
}

enum trial perf_open__try(const struct counter_event *event, int cpu, const struct perf_calls *calls,
			  void (*work)(void), int *err)
{
	struct perf_event_attr attr = event->attr;
	struct counter_reading first = { 0 }, second = { 0 };
	int fd = calls->open(calls->ctx, &attr, cpu, -1);
	struct counter_change change;

	*err = fd < 0 ? fd : 0;
	if (fd < 0)
		return TRIAL_FAILED;
	*err = calls->read(calls->ctx, fd, &first);
	if (work)
		work();
	if (!*err)
		*err = calls->read(calls->ctx, fd, &second);
	calls->close(calls->ctx, fd);
	if (*err)
		return TRIAL_FAILED;
	if (second.running_ns == 0)
		return TRIAL_STANDS;
	counter__change(&first, &second, second.enabled_ns - first.enabled_ns, &change);
	if (change.backwards)
		return TRIAL_BACKWARDS;
	return second.running_ns < second.enabled_ns ? TRIAL_SHARES : TRIAL_COUNTS;
}
