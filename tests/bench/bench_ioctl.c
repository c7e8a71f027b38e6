/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one call into a device costs more while it is traced: this process stands for the server and /dev/null, whose ioctl() ends at once,
 * for its accelerator. Rounds with and without the programs take turns; medians of this thread's CPU time, since others use the CPUs, too. The bound is 1.5 us a pair.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bpf/shared.h"
#include "ioctl.skel.h"

#define ROUNDS 15
#define CALLS 100000
#define COMMAND 0xc020462au	/* with a sub-command and a status in the argument */
#define BOUND_NS 1500

static int null;

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double one_round(bool futexes)
{
	unsigned char argument[64] = { 0 };
	double start = now_ns();

	for (int i = 0; i < CALLS; i++)
		if (futexes)
			syscall(SYS_getppid);
		else
			ioctl(null, COMMAND, argument);
	return (now_ns() - start) / CALLS;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), compare);
	return values[ROUNDS / 2];
}

static void be_server(struct ioctl_bpf *skel, bool server)
{
	const struct device_key key = { DEVICE_NODE, 1 << 20 | 3, 0 };
	const struct device_state device = { .id = 1, .used = server };
	const struct argument_key call = { 1, COMMAND & 0xffff };
	const struct argument_rule rule = { .sub_offset = 8, .sub_size = 4, .n_status = 1, .status_offset = { 28 } };
	const uint32_t pid = (uint32_t)getpid(), one = 1;
	const uint64_t step = 7;

	bpf_map_update_elem(bpf_map__fd(skel->maps.devices), &key, &device, BPF_ANY);
	bpf_map_update_elem(bpf_map__fd(skel->maps.arguments), &call, &rule, BPF_ANY);
	bpf_map_update_elem(bpf_map__fd(skel->maps.step_now), &pid, &step, BPF_ANY);
	if (server)
		bpf_map_update_elem(bpf_map__fd(skel->maps.servers), &pid, &one, BPF_ANY);
	else
		bpf_map_delete_elem(bpf_map__fd(skel->maps.servers), &pid);
}

/* @return what a call costs more with the programs attached */
static double measure(struct ioctl_bpf *skel, const char *what, bool server, bool typed, bool others)
{
	double off[ROUNDS], on[ROUNDS], more;

	be_server(skel, server);
	for (int i = 0; i < ROUNDS; i++) {
		struct bpf_link *enter, *leave;

		off[i] = one_round(others);
		leave = bpf_program__attach(typed ? skel->progs.ioctl_exit : skel->progs.ioctl_sys_exit);
		enter = bpf_program__attach(typed ? skel->progs.ioctl_enter : skel->progs.ioctl_sys_enter);
		if (!enter || !leave) {
			fprintf(stderr, "the programs cannot be attached\n");
			exit(1);
		}
		on[i] = one_round(others);
		bpf_link__destroy(enter);
		bpf_link__destroy(leave);
	}
	more = median(on) - median(off);
	printf("%-60s %7.0f ns without, %7.0f ns with, %7.0f ns more\n", what, median(off), median(on), more);
	return more;
}

int main(void)
{
	struct ioctl_bpf *skel = ioctl_bpf__open();
	const struct bpf_program *program;
	double pair;

	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (!skel || null < 0)
		return 1;
	for (program = NULL; (program = bpf_object__next_program(skel->obj, (struct bpf_program *)program));)
		bpf_program__set_autoload((struct bpf_program *)program, true);
	if (ioctl_bpf__load(skel)) {
		fprintf(stderr, "the programs cannot be loaded: run as root\n");
		return 1;
	}
	pair = measure(skel, "a server's call into its device", true, true, false);
	measure(skel, "a stranger's call into another device", false, true, false);
	measure(skel, "another system call (getppid)", true, true, true);
	measure(skel, "a server's call, by the tracepoints of all system calls", true, false, false);
	measure(skel, "another system call, by the tracepoints of all", true, false, true);
	printf("bound: %d ns a pair: %s\n", BOUND_NS, pair < BOUND_NS ? "met" : "NOT met");
	ioctl_bpf__destroy(skel);
	return 0;
}
