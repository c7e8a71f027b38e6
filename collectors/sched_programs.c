/* SPDX-License-Identifier: Apache-2.0 */
#include "collectors/sched_programs.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sched.skel.h"
#include "userspace/recording.h"

/* Does the kernel have the tracepoint, as far as tp_btf can attach? And how many arguments has it? -1: absent */
static int tracepoint_args(const struct btf *btf, const char *name)
{
	char symbol[64];
	const struct btf_type *t;
	int id;

	snprintf(symbol, sizeof(symbol), "btf_trace_%s", name);
	id = btf__find_by_name_kind(btf, symbol, BTF_KIND_TYPEDEF);
	if (id < 0)
		return -1;
	t = btf__type_by_id(btf, btf__type_by_id(btf, (uint32_t)id)->type);
	t = btf__type_by_id(btf, t->type);
	return btf_is_func_proto(t) ? (int)btf_vlen(t) - 1 : -1;	/* less the context */
}

void sched_programs__choose(struct sched_bpf *skel, struct sched_features *has)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool old_switch;

	if (!btf)
		return;
	old_switch = tracepoint_args(btf, "sched_switch") < 4;
	bpf_program__set_autoload(skel->progs.on_sched_switch, !old_switch);
	bpf_program__set_autoload(skel->progs.on_sched_switch_old, old_switch);

	has->interrupts = tracepoint_args(btf, "irq_handler_entry") >= 0 && tracepoint_args(btf, "softirq_entry") >= 0;
	bpf_program__set_autoload(skel->progs.on_irq_entry, has->interrupts);
	bpf_program__set_autoload(skel->progs.on_irq_exit, has->interrupts);
	bpf_program__set_autoload(skel->progs.on_softirq_entry, has->interrupts);
	bpf_program__set_autoload(skel->progs.on_softirq_exit, has->interrupts);
	if (tracepoint_args(btf, "local_timer_entry") >= 0) {
		bpf_program__set_autoload(skel->progs.on_timer_entry, true);
		bpf_program__set_autoload(skel->progs.on_timer_exit, true);
	}
	has->sockets = tracepoint_args(btf, "sock_send_length") >= 0;	/* 6.3, commit 6e6eda44b939 */
	bpf_program__set_autoload(skel->progs.on_socket_receive, has->sockets);
	bpf_program__set_autoload(skel->progs.on_socket_send, has->sockets);
	has->faults = tracepoint_args(btf, "page_fault_user") >= 0;
	bpf_program__set_autoload(skel->progs.on_page_fault, has->faults);
	btf__free(btf);
}

/* --- doctor -------------------------------------------------------------------------------------------------------- */

enum sched_sensor {
	SENSOR_SCHED,
	SENSOR_SYSCALLS,
	SENSOR_INTERRUPTS,
	SENSOR_FAULTS,
	SENSOR_SOCKETS,
	N_SCHED_SENSORS,
};

/* A program whose name begins so belongs to the sensor; the first that fits. */
static const struct {
	const char *begin;
	enum sched_sensor sensor;
} owners[] = {
	{ "on_sys_", SENSOR_SYSCALLS },
	{ "on_irq_", SENSOR_INTERRUPTS },
	{ "on_softirq_", SENSOR_INTERRUPTS },
	{ "on_timer_", SENSOR_INTERRUPTS },
	{ "on_page_fault", SENSOR_FAULTS },
	{ "on_socket_", SENSOR_SOCKETS },
	{ "on_", SENSOR_SCHED },
};

static enum sched_sensor owner_of(const char *name)
{
	size_t i = 0;

	while (strncmp(name, owners[i].begin, strlen(owners[i].begin)) != 0)
		i++;
	return owners[i].sensor;
}

/* Each program by itself, so that one that is refused says nothing of the others. */
static void try_programs(struct sched_bpf *skel, int errors[N_SCHED_SENSORS])
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, skel->obj)
	{
		struct bpf_link *link;

		if (bpf_program__fd(program) < 0)
			continue;	/* its tracepoint is not there */
		link = bpf_program__attach(program);
		if (!link)
			errors[owner_of(bpf_program__name(program))] = -errno;
		bpf_link__destroy(link);
	}
}

static const struct sensor sensors[N_SCHED_SENSORS] = {
	[SENSOR_SCHED] = { .id = "sched",
			   .resource = "cpu_ns, runq_ns, blocked_ns",
			   .source = "tp_btf sched_switch, sched_waking" },
	[SENSOR_SYSCALLS] = { .id = "syscalls",
			      .resource = "kernel_ns by system call",
			      .source = "tp_btf sys_enter, sys_exit" },
	[SENSOR_INTERRUPTS] = { .id = "interrupts",
				.resource = "kernel_ns by interrupt",
				.source = "tp_btf irq_handler, softirq, local_timer: entry and exit" },
	[SENSOR_FAULTS] = { .id = "page_faults",
			    .resource = "faults",
			    .source = "tp_btf page_fault_user; their time is derived, at a calibrated price each" },
	[SENSOR_SOCKETS] = { .id = "sockets",
			     .resource = "kernel_ns of receiving and sending",
			     .source = "tp_btf sock_recv_length, sock_send_length" },
};

static void absent(struct sensor *out, const char *reason, const char *remedy)
{
	snprintf(out->reason, sizeof(out->reason), "%s", reason);
	snprintf(out->remedy, sizeof(out->remedy), "%s", remedy);
	out->source[0] = '\0';
}

static void judge(struct sensor *out, bool there, int err)
{
	char reason[96];

	if (there && !err) {
		out->grade = GRADE_MEASURED;
		return;
	}
	snprintf(reason, sizeof(reason), "the programs could not be attached: %s", strerror(-err));
	absent(out, there ? reason : "this kernel does not have these tracepoints",
	       there ? "run as root on a kernel 5.17 or later with CONFIG_DEBUG_INFO_BTF" :
		       "a kernel that has them: sock_recv_length is of 6.3 and later, page_fault_user of x86");
}

int sched_programs__probe(struct sensor *out, int max)
{
	struct sched_features has = { .interrupts = false };
	int errors[N_SCHED_SENSORS] = { 0 }, err = 0;
	struct sched_bpf *skel;

	if (max < N_SCHED_SENSORS)
		return 0;
	memcpy(out, sensors, sizeof(sensors));
	skel = sched_bpf__open();
	if (!skel) {
		err = -errno;
	} else {
		sched_programs__choose(skel, &has);
		err = sched_bpf__load(skel);
	}
	if (!err)
		try_programs(skel, errors);
	for (int i = 0; i < N_SCHED_SENSORS; i++) {
		const bool there = err || (i == SENSOR_INTERRUPTS ? has.interrupts :
					   i == SENSOR_FAULTS	  ? has.faults :
					   i == SENSOR_SOCKETS	  ? has.sockets :
								    true);

		judge(&out[i], there, err ? err : errors[i]);
	}
	sched_bpf__destroy(skel);
	return N_SCHED_SENSORS;
}
