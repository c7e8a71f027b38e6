/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls into device drivers: which, how many, how long, in which step; the server's own, and others' on the same devices.
 *
 * While any tracepoint of system calls is on, every system call of the host takes the kernel's slow path. So nothing is
 * attached before a process of the server is seen to have an accelerator open: looked for when it joins, and three times a
 * second as long as none is found, less often where a server with many descriptors takes more than one in 2,000 ns of that.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collectors/collector.h"
#include "collectors/ioctl_calls.h"
#include "collectors/ioctl_devices.h"
#include "collectors/skeleton.h"
#include "ioctl.skel.h"
#include "userspace/session.h"

#define N_PROGRAMS 12
#define LOOK_PART 2000	/* looking may take one in so many nanoseconds */
#define LOOK_LEAST_NS 250000000ULL	/* between two looks; turns come every tenth of a second */

struct ioctl_collector {
	struct ioctl_devices devices;
	struct ioctl_calls calls;
	struct ioctl_bpf *skel;		/* NULL: not loaded */
	struct ioctl_control *control;	/* mapped */
	struct bpf_link *links[N_PROGRAMS];
	bool begun;			/* an accelerator is open, or was */
	bool attached, failed;
	uint64_t look_ns;		/* when to look again */
	uint32_t targets[MAX_TARGETS];
	size_t n_targets;
};

/* --- programs -------------------------------------------------------------------------------------------------------- */

/* In the order of attaching: exits first, since an entry without its exit would wait for one. */
struct program {
	struct bpf_program *program;
	const char *event;	/* of its own; NULL: passed by all system calls */
};

static size_t list_programs(const struct ioctl_bpf *skel, struct program *out)
{
	const struct program programs[] = {
		{ skel->progs.ioctl_exit, "sys_exit_ioctl" },
		{ skel->progs.poll_exit, "sys_exit_poll" },
		{ skel->progs.ppoll_exit, "sys_exit_ppoll" },
		{ skel->progs.epoll_wait_exit, "sys_exit_epoll_wait" },
		{ skel->progs.epoll_pwait_exit, "sys_exit_epoll_pwait" },
		{ skel->progs.ioctl_enter, "sys_enter_ioctl" },
		{ skel->progs.poll_enter, "sys_enter_poll" },
		{ skel->progs.ppoll_enter, "sys_enter_ppoll" },
		{ skel->progs.epoll_wait_enter, "sys_enter_epoll_wait" },
		{ skel->progs.epoll_pwait_enter, "sys_enter_epoll_pwait" },
		{ skel->progs.ioctl_sys_exit, NULL },
		{ skel->progs.ioctl_sys_enter, NULL },
	};

	memcpy(out, programs, sizeof(programs));
	return sizeof(programs) / sizeof(programs[0]);
}

static bool has_event(const char *event)
{
	static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	char path[128];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/events/syscalls/%s/id", places[i], event);
		if (access(path, R_OK) == 0)
			return true;
	}
	return false;
}

/* Tracepoints of these system calls alone, where tracefs is there to name them; else (or for comparison) those of all. */
static void choose_programs(struct ioctl_bpf *skel)
{
	const bool typed =
		!getenv("TOKPROF_IOCTL_BY_SYSCALL") && has_event("sys_enter_ioctl") && has_event("sys_exit_ioctl");
	struct program programs[N_PROGRAMS];
	const size_t n = list_programs(skel, programs);

	for (size_t i = 0; i < n; i++)
		bpf_program__set_autoload(programs[i].program,
					  programs[i].event ? typed && has_event(programs[i].event) : !typed);
}

static bool is_typed(const struct ioctl_bpf *skel)
{
	return bpf_program__fd(skel->progs.ioctl_enter) >= 0;
}

static void detach_programs(struct bpf_link *links[N_PROGRAMS])
{
	for (int i = N_PROGRAMS - 1; i >= 0; i--) {
		bpf_link__destroy(links[i]);
		links[i] = NULL;
	}
}

static int attach_programs(struct ioctl_bpf *skel, struct bpf_link *links[N_PROGRAMS])
{
	struct program programs[N_PROGRAMS];
	const size_t n = list_programs(skel, programs);

	for (size_t i = 0; i < n; i++) {
		int err;

		if (bpf_program__fd(programs[i].program) < 0)
			continue;
		links[i] = bpf_program__attach(programs[i].program);
		if (links[i])
			continue;
		err = -errno;
		detach_programs(links);
		return err;
	}
	return 0;
}

static struct ioctl_control *map_control(struct ioctl_bpf *skel)
{
	void *p = mmap(NULL, sizeof(struct ioctl_control), PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(skel->maps.ioctl_control), 0);

	return p == MAP_FAILED ? NULL : p;
}

/* --- recording ------------------------------------------------------------------------------------------------------- */

static void register_resources(struct session *s)
{
	for (int i = 0; s->writer && i < N_IOCTL_RESOURCES; i++) {
		const struct row_resource row = {
			RESOURCE_IOCTL + i,
			ioctl_resource_names[i],
			i % N_IOCTL_MEASURES == IOCTL_NS ? "ns" : "count",
			RESOURCE_ADDITIVE,
			GRADE_MEASURED,
			"entries and exits of ioctl(), poll() and epoll_wait() on the server's accelerators",
			NULL,
		};

		recording_writer__resource(s->writer, &row);
	}
}

static void unload(struct ioctl_collector *c)
{
	detach_programs(c->links);
	ioctl_calls__close(&c->calls);
	if (c->control)
		munmap(c->control, sizeof(*c->control));
	c->control = NULL;
	ioctl_bpf__destroy(c->skel);
	c->skel = NULL;
}

static int load(struct session *s, struct ioctl_collector *c)
{
	int err;

	c->skel = ioctl_bpf__open();
	if (!c->skel)
		return -errno;
	choose_programs(c->skel);
	err = session__share_maps(s, c->skel->obj);
	if (!err)
		err = ioctl_bpf__load(c->skel);
	if (!err) {
		c->control = map_control(c->skel);
		err = c->control ? 0 : -errno;
	}
	if (!err)
		err = ioctl_calls__open(&c->calls, s, &c->devices, bpf_map__fd(c->skel->maps.calls),
					bpf_map__fd(c->skel->maps.uses), bpf_map__fd(c->skel->maps.inflight));
	if (err)
		unload(c);
	else
		s->meters->shows_steps = 1;
	return err;
}

static int begin(struct session *s, struct ioctl_collector *c)
{
	int err = c->skel ? 0 : load(s, c);

	if (!err)
		err = ioctl_devices__use(&c->devices, bpf_map__fd(c->skel->maps.devices),
					 bpf_map__fd(c->skel->maps.arguments), c->control);
	for (size_t i = 0; !err && i < c->n_targets; i++)
		ioctl_devices__take_open(&c->devices, c->targets[i]);
	if (!err)
		err = attach_programs(c->skel, c->links);
	c->begun = c->attached = !err;
	return err;
}

static void write_probe(struct session *s, const struct ioctl_collector *c)
{
	const struct row_probe row = {
		"ioctl",
		is_typed(c->skel) ? "syscalls:sys_enter_ioctl, sys_exit_ioctl and the like of poll, epoll_wait" :
				    "raw_syscalls:sys_enter, sys_exit",
		0, true, NULL
	};

	if (s->writer)
		recording_writer__probe(s->writer, &row);
}

/* Has any process of the server an accelerator open? Then the programs are loaded. */
static void look(struct session *s, struct ioctl_collector *c, uint64_t now_ns)
{
	bool found = false;
	uint64_t took_ns;
	char reason[160];
	int err;

	for (size_t i = 0; i < c->n_targets && !found; i++)
		found = ioctl_devices__has_open(&c->devices, c->targets[i]);
	took_ns = monotonic_ns() - now_ns;
	c->look_ns = now_ns + (LOOK_PART * took_ns > LOOK_LEAST_NS ? LOOK_PART * took_ns : LOOK_LEAST_NS);
	if (!found)
		return;
	err = begin(s, c);
	if (!err) {
		session__note(s, "ioctl", "attached", NULL);
		register_resources(s);
		write_probe(s, c);
		return;
	}
	unload(c);
	c->failed = true;
	snprintf(reason, sizeof(reason), "the programs could not be loaded: %s", strerror(-err));
	session__note(s, "ioctl", "absent", reason);
}

static int ioctl_open(struct session *s, void **out)
{
	struct ioctl_collector *c = calloc(1, sizeof(*c));
	char error[200];
	int err;

	if (!c)
		return -ENOMEM;
	err = ioctl_devices__open(&c->devices, s->options.device_root, s->options.device_table, error, sizeof(error));
	if (err) {
		session__note(s, "ioctl", "absent", error);
		ioctl_devices__close(&c->devices);
		free(c);
		return err;
	}
	/* Loading takes a good part of a second: where there are accelerators, not when the server has just opened one. */
	if (ioctl_devices__count_nodes(&c->devices) > 0)
		err = load(s, c);
	if (err) {
		ioctl_devices__close(&c->devices);
		free(c);
		return err;
	}
	*out = c;
	return 0;
}

static int ioctl_attach(struct session *s, void *state, uint32_t pid)
{
	struct ioctl_collector *c = state;
	size_t i = 0;

	while (i < c->n_targets && c->targets[i] != pid)
		i++;
	if (i == MAX_TARGETS)
		return -ENOSPC;
	if (i == c->n_targets)
		c->targets[c->n_targets++] = pid;
	if (c->begun)
		ioctl_devices__take_open(&c->devices, pid);
	else if (!c->failed)
		look(s, c, monotonic_ns());
	if (!c->begun && !c->failed)
		session__note(s, "ioctl", "absent", "the server has had no accelerator open");
	return 0;
}

static void ioctl_record(struct session *s, void *state, const struct record_header *h)
{
	struct ioctl_collector *c = state;

	(void)s;
	if (c->begun && h->size >= sizeof(struct record_step) && !(h->flags & STEP_NESTED))
		ioctl_calls__step_ended(&c->calls, (int64_t)((const struct record_step *)h)->step);
}

static void ioctl_turn(struct session *s, void *state, uint64_t now_ns)
{
	struct ioctl_collector *c = state;

	if (c->begun) {
		ioctl_devices__resolve(&c->devices);
		ioctl_calls__drain(&c->calls, now_ns, false);
	} else if (!c->failed && now_ns >= c->look_ns) {
		look(s, c, now_ns);
	}
}

static void ioctl_tick(struct session *s, void *state, uint64_t now_ns)
{
	struct ioctl_collector *c = state;

	(void)s;
	(void)now_ns;
	if (!c->begun)
		return;
	ioctl_calls__forget_threads(&c->calls);
	ioctl_calls__write(&c->calls);
}

static int ioctl_set_enabled(struct session *s, void *state, bool on)
{
	struct ioctl_collector *c = state;

	(void)s;
	if (!c->begun || on == c->attached)
		return 0;
	c->attached = on;
	if (on)
		return attach_programs(c->skel, c->links);
	detach_programs(c->links);
	/* What has begun will end unseen. */
	ioctl_calls__settle(&c->calls);
	return 0;
}

static size_t ioctl_programs(void *state, int *fds, size_t max)
{
	const struct ioctl_collector *c = state;

	return c->skel ? skeleton__programs(c->skel->obj, fds, max) : 0;
}

static void write_totals(struct session *s, struct ioctl_collector *c)
{
	int64_t totals[N_IOCTL_RESOURCES];

	ioctl_calls__totals(&c->calls, totals);
	for (int i = 0; i < N_IOCTL_RESOURCES; i++) {
		const struct row_total row = { RESOURCE_IOCTL + i, totals[i], "sums by process", ABSENT, NULL };

		recording_writer__total(s->writer, &row);
	}
}

static void ioctl_close(struct session *s, void *state)
{
	struct ioctl_collector *c = state;

	if (c->begun) {
		detach_programs(c->links);
		ioctl_calls__settle(&c->calls);
		ioctl_devices__resolve(&c->devices);
		ioctl_calls__write(&c->calls);
		ioctl_calls__drain(&c->calls, monotonic_ns(), true);
		if (s->writer)
			write_totals(s, c);
	}
	unload(c);
	ioctl_devices__close(&c->devices);
	free(c);
}

/* --- doctor ---------------------------------------------------------------------------------------------------------- */

/* A call of our own into a device that every host has, which the programs must have seen. @return 0, -ENODATA, negative errno */
static int try_programs(struct ioctl_bpf *skel)
{
	struct device_key device = { DEVICE_NODE, 1 << 20 | 3, 0 };	/* /dev/null, devices.txt */
	struct device_state state = { .id = 1, .used = 1 };
	struct call_key call = { .device = 1, .command = TCGETS & 0xffff, .tgid = (uint32_t)getpid() };
	struct bpf_link *links[N_PROGRAMS] = { NULL };
	struct call_state seen = { .id = 0 };
	const uint32_t pid = (uint32_t)getpid(), one = 1;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), err;
	char settings[64];

	if (null < 0)
		return -errno;
	bpf_map_update_elem(bpf_map__fd(skel->maps.servers), &pid, &one, BPF_ANY);
	bpf_map_update_elem(bpf_map__fd(skel->maps.devices), &device, &state, BPF_ANY);
	err = attach_programs(skel, links);
	if (!err) {
		ioctl(null, TCGETS, settings);
		detach_programs(links);
		err = bpf_map_lookup_elem(bpf_map__fd(skel->maps.calls), &call, &seen) || seen.use.count != 1 ?
			      -ENODATA :
			      0;
	}
	close(null);
	return err;
}

static int ioctl_probe(struct sensor *out, int max)
{
	struct ioctl_devices devices;
	struct ioctl_bpf *skel;
	char error[200] = "";
	size_t n_nodes;
	int err;

	if (max < 1)
		return 0;
	out[0] = (struct sensor){ .id = "ioctl", .resource = "calls into device drivers, by class and step" };
	skel = ioctl_bpf__open();
	err = skel ? 0 : -errno;
	if (!err) {
		choose_programs(skel);
		err = ioctl_bpf__load(skel);
	}
	if (!err)
		err = try_programs(skel);
	n_nodes = ioctl_devices__open(&devices, NULL, NULL, error, sizeof(error)) ?
			  0 :
			  ioctl_devices__count_nodes(&devices);
	ioctl_devices__close(&devices);
	if (err) {
		snprintf(out[0].reason, sizeof(out[0].reason), "%s",
			 err == -ENODATA ? "a call of tokprof's own was not seen by its programs" : strerror(-err));
		snprintf(out[0].remedy, sizeof(out[0].remedy),
			 "run as root on a kernel 5.17 or later with CONFIG_FTRACE_SYSCALLS");
	} else {
		snprintf(out[0].source, sizeof(out[0].source), "%s",
			 is_typed(skel) ? "tracepoints syscalls:sys_enter_ioctl, sys_exit_ioctl" :
					  "tracepoints of all system calls (no tracefs)");
		out[0].grade = n_nodes ? GRADE_MEASURED : GRADE_UNAVAILABLE;
		if (!n_nodes) {
			snprintf(out[0].reason, sizeof(out[0].reason),
				 "calls can be traced (tried), but no node of a known accelerator is in /dev");
			snprintf(out[0].remedy, sizeof(out[0].remedy),
				 "on a host with an accelerator, load its driver");
		}
	}
	ioctl_bpf__destroy(skel);
	return 1;
}

const struct collector collector_ioctl = {
	.name = "ioctl",
	.doc = "calls into the drivers of accelerators, by class and step, and neighbours' on the same devices",
	.record_kinds = 1u << RECORD_STEP,
	.probe = ioctl_probe,
	.open = ioctl_open,
	.attach = ioctl_attach,
	.record = ioctl_record,
	.tick = ioctl_tick,
	.turn = ioctl_turn,
	.set_enabled = ioctl_set_enabled,
	.programs = ioctl_programs,
	.close = ioctl_close,
};
