/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recording session: target processes, the BPF maps that all collectors share, the collectors that are attached, and
 * the writer that their rows go to.
 *
 * Acts apart, as in libbpf: session__open loads, session__start lets the target in, session__poll drains, session__close
 * detaches and ends the recording. Everything that is attached lives in descriptors of this process, so that nothing
 * is left on the host when it is killed.
 */
#ifndef TOKPROF_SESSION_H
#define TOKPROF_SESSION_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bpf/counters.h"
#include "bpf/shared.h"
#include "collectors/collector.h"
#include "userspace/kernel_time.h"
#include "userspace/recording.h"

#define MAX_COLLECTORS 16
#define MAX_TARGETS 1024	/* processes over a whole recording, ended ones too */

struct bpf_object;
struct ring_buffer;

struct session_options {
	uint32_t ring_bytes;		/* power of two, whole pages; 0: default */
	bool capture_text;
	bool digest_models;		/* SHA-256 of the weight files */
	int64_t touched_ns;		/* a window of what memory is touched, this often; 0: none */
	bool no_operators;		/* no bursts inside steps: every step is wanted as it is (calibrate) */
	const volatile sig_atomic_t *interrupts;	/* grows with every ^C: one more ends waiting for them; NULL */
	const char *events;		/* to count: libpfm4's names, EVENTS_DEFAULT; NULL: none */
	const char *device_root;	/* what stands before /dev and /sys when devices are looked for; NULL: nothing */
	const char *device_table;	/* a table of driver calls beside the known ones; NULL */
	const char *engine_profile;	/* a file that is tried before the known profiles; NULL */
	uint32_t sample_rate;		/* stacks per second and CPU; 0: none */
	uint64_t wait_least_ns;		/* shorter waits have no sample; 0: none has */
	bool sample_idle;		/* also while no request is open */
};

#define DEFAULT_SAMPLE_RATE 49		/* of no common factor with timers of 10, 100, 250 or 1,000 Hz */
#define MOST_SAMPLE_RATE 1000
#define DEFAULT_WAIT_LEAST_NS 1000000
#define MOST_WAIT_LEAST_US 60000000

#define EVENTS_DEFAULT "default"	/* what data/counters.tsv has of this host's processor; none without one */
#define EVENTS_NONE "none"

/* Figures for the live line and the summary. */
struct session_counts {
	uint64_t n_records;
	int64_t n_requests, n_steps, n_tokens, n_chunks, n_lost;
	int64_t requests_in_flight;
};

/* A process of the server, alive or gone. */
struct session_target {
	uint32_t pid, parent;
	bool newborn;		/* joined since the start: all of its time counts */
	int pidfd;		/* readable when the process has ended, also while it is a zombie; -1 */
	uint64_t joined_ns, ended_ns;	/* ended_ns 0: alive, as far as is known */
	char comm[32];
	char exe[256];
};

struct session {
	struct session_options options;
	struct recording_writer *writer;	/* borrowed; NULL in `overhead`, which records nothing */

	struct session_target targets[MAX_TARGETS];	/* in the order in which they joined */
	size_t n_targets;
	uint64_t start_ns;			/* CLOCK_MONOTONIC when the targets were let in */

	struct meters *meters;			/* the kernel's, mapped */
	int events_fd, servers_fd, meters_fd, threads_fd, step_now_fd, losses_fd, cpus_fd;
	int counters_fd, counter_cpus_fd, counter_events_fd;
	int wait_programs_fd, waking_programs_fd;	/* what sched.bpf.c calls at the start and at the end of a wait */
	struct counter_control *counters;	/* the kernel's, mapped */
	struct counter_cpu *counter_cpus;	/* the kernel's, mapped: n_cpus of them */
	size_t n_cpus;				/* possible ones */
	struct ring_buffer *ring;

	const struct collector *active[MAX_COLLECTORS];
	void *state[MAX_COLLECTORS];
	size_t n_active;

	bool meters_running;			/* the scheduler's collector feeds the meters */
	bool clock_running;			/* changes of frequency are told: METER_CLOCK says something */
	bool reads_weights;			/* a digest of weight files is being made: tokprof itself touches them */
	int64_t fault_ns;			/* calibrated cost of a page fault on this host; 0: faults are not counted */
	int64_t meter_latest[N_METERS];		/* the latest value, laps put back */
	struct kernel_time kernel_time;		/* METER_KERNEL_NS, which runs in bursts, made whole */
	char notes[MAX_COLLECTORS][200];	/* per collector of the registry: its state and reason */
	uint64_t lost_seen[N_LOSSES];		/* losses already written */
	struct session_counts counts;
	/* Who else wants to see records as they come (overhead reads tokens' times); NULL */
	void (*on_chunk)(void *ctx, const struct row_chunk *chunk);
	void *on_chunk_ctx;
	void (*on_step)(void *ctx, const struct record_step *step);
	void *on_step_ctx;
	/* (calibrate: what its requests became, and whose the others are) */
	void (*on_record)(void *ctx, const struct record_header *h);
	void *on_record_ctx;
	void (*on_request)(void *ctx, const struct row_request *request);
	void *on_request_ctx;
};

/*
 * Make the shared maps and load every collector that this host allows; the others are noted with their reason.
 * @return 0; -EPERM (not root), -EOPNOTSUPP (no BTF, no BPF); `error` has the sentence
 */
int session__open(struct session *s, const struct session_options *options, struct recording_writer *writer,
		  char *error, size_t error_size);
/* Let the processes in: from here on everything they do counts. @return 0, -ESRCH where none is alive */
int session__start(struct session *s, const uint32_t *pids, size_t n_pids, char *error, size_t error_size);
/* Drain what the kernel has, for at most timeout_ms. @return number of records, negative errno */
int session__poll(struct session *s, int timeout_ms);
/* About once a second: samples, losses. */
void session__tick(struct session *s);
/* Switch all probes off or on (overhead). */
int session__set_enabled(struct session *s, bool on);
/* A process of the server, forked by `parent` (0: as the kernel says now); `newborn`: since the start. Known ones are looked at
   again (exec). */
void session__add_target(struct session *s, uint32_t pid, uint32_t parent, bool newborn);
bool session__is_newborn(const struct session *s, uint32_t pid);
bool session__is_target(const struct session *s, uint32_t pid);
bool session__any_alive(const struct session *s);
/* What is attached and what is not, for the user. */
void session__describe(const struct session *s, FILE *f);
/* Drain, detach, write the last rows. Frees all but s itself. */
void session__close(struct session *s);

/* For collectors: use the session's maps in a BPF object that has not been loaded yet. */
int session__share_maps(struct session *s, struct bpf_object *object);
/* For collectors: say how one is attached: "attached", "partial" or "absent", with the reason (NULL when attached). */
void session__note(struct session *s, const char *collector, const char *state, const char *reason);
/*
 * Additive resources from one cut of the meters: kernel time is the measured part plus the faults' derived one.
 * METER_RESOURCES figures, in the order of meter_resources.
 */
#define METER_RESOURCES 3
extern const int meter_resources[METER_RESOURCES];	/* enum resource_id */
void session__cut(struct session *s, const tp_u64 meters[N_METERS], int64_t out[METER_RESOURCES]);
void session__cut_now(struct session *s, int64_t out[METER_RESOURCES]);
int64_t session__cpu_now(struct session *s);	/* the CPU meter */
/*
 * Mean frequency of the CPUs of the server's threads between two cuts, as long as they were on them. ABSENT: none was, or no
 * frequency is known, or more laps were between than can be told
 */
int64_t session__mean_khz(const struct session *s, const tp_u64 start[N_METERS], const tp_u64 end[N_METERS]);
/* For collectors: METER_KERNEL_NS begins to run, ends, and is put back to its origin (no program may be adding to it). */
void session__kernel_begin(struct session *s);
void session__kernel_end(struct session *s);
void session__kernel_clear(struct session *s);
/* For collectors: n records of this kind were lost, noticed now. */
void session__lost(struct session *s, const char *collector, const char *kind, int64_t n);
/* Losses of a kind that the kernel's side has counted so far. */
uint64_t session__kernel_losses(struct session *s, enum loss_kind kind);
/* The collector that a kind of loss belongs to, and its name there. */
const char *loss__collector(enum loss_kind kind);
const char *loss__name(enum loss_kind kind);

uint64_t monotonic_ns(void);

#endif
