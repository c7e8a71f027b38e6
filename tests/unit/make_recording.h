/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings made in memory, row by row: what recording__load would have given. Strings are borrowed. */
#ifndef TOKPROF_MAKE_RECORDING_H
#define TOKPROF_MAKE_RECORDING_H

#include "userspace/cost/fit_set.h"
#include "userspace/recording.h"

#define MAKER_PID 100
#define MAKER_TID 101
#define MAKER_TARGET 1		/* id of the context that maker__init describes */

struct maker {
	struct recording recording;
	struct {
		size_t resources, totals, collectors, losses, contexts, steps, step_resources, samples, rows, memories,
			requests;
		size_t chunks, meta, models, fits, fit_terms, fit_draws, files, footprints, ioctls, step_ioctls,
			ioctl_samples, kernel_kinds, kernel_bursts, step_kernels, kernel_samples, kv_caches,
			traffic_sources, traffic_samples, toucheds, step_operators, modules, frames, stacks, symbols,
			stack_samples;
	} capacity;
};

/*
 * An empty recording of a server with process MAKER_PID and one target context: resources cpu_ns, kernel_ns and faults
 * measured, runq_ns and blocked_ns too; collectors engine, wire and sched attached. All functions abort without memory.
 */
void maker__init(struct maker *m);
void maker__free(struct maker *m);

void maker__meta(struct maker *m, const char *key, const char *value);
void maker__resource(struct maker *m, const struct row_resource *row);
void maker__total(struct maker *m, int resource, int64_t value, const char *source);
void maker__loss(struct maker *m, const char *collector, uint64_t second_ns, int64_t n);
void maker__context(struct maker *m, int id, const char *role);
void maker__sample(struct maker *m, uint64_t time_ns, int resource, int64_t value);

/* A step of thread MAKER_TID that returned 0; ids count up from 1. The pointer is good until the next step. */
struct row_step *maker__step(struct maker *m, int context, uint64_t start_ns, uint64_t end_ns);
/* A row, and a meter's cut, of the step made last. */
void maker__row(struct maker *m, int seq, int first_pos, int64_t n_tokens, int64_t n_outputs);
void maker__cut(struct maker *m, int resource, int64_t start_value, int64_t value);

/* seq_rm(seq, p0, -1) */
void maker__remove(struct maker *m, uint64_t time_ns, int context, int seq, int p0);
void maker__memory(struct maker *m, const struct row_memory *row);

/*
 * A POST of /v1/completions over connection id + 1000 that was answered whole with 200; ids count up from 1. end_ns 0: still
 * open. The pointer is good until the next request.
 */
struct row_request *maker__request(struct maker *m, uint64_t arrival_ns, uint64_t end_ns);
/* A chunk; keeps stream, n_chunks, first_byte_ns, first_token_ns and last_token_ns of its request. */
void maker__chunk(struct maker *m, int64_t request, uint64_t time_ns);

/* A fit, as `tokprof calibrate` leaves it there; its texts are borrowed. */
void maker__fit(struct maker *m, const struct fit *fit);
void maker__model(struct maker *m, const struct row_model *row);
void maker__file(struct maker *m, const struct row_file *row);
void maker__footprint(struct maker *m, const struct row_footprint *row);
void maker__touched(struct maker *m, const struct row_touched *row);
void maker__ioctl(struct maker *m, const struct row_ioctl *row);
/* Calls in the step made last; and in no one step, until then. */
void maker__step_ioctl(struct maker *m, int64_t ioctl, int64_t n, int64_t ns, int64_t failed);
void maker__step_operator(struct maker *m, const char *name, int layer, int64_t n, int64_t ns, int64_t cpu_ns);
void maker__ioctl_sample(struct maker *m, uint64_t time_ns, int64_t ioctl, int64_t n, int64_t ns, int64_t failed);
void maker__kv_cache(struct maker *m, const struct row_kv_cache *row);
void maker__traffic_source(struct maker *m, const struct row_traffic_source *row);
void maker__traffic_sample(struct maker *m, const struct row_traffic_sample *row);

void maker__kernel_kind(struct maker *m, int64_t id, const char *name, const char *path);
void maker__kernel_burst(struct maker *m, uint64_t start_ns, uint64_t end_ns);
/* System calls and interrupts in the step made last; and in no one step, until then. */
void maker__step_kernel(struct maker *m, int64_t kind, int64_t n, int64_t ns);
void maker__kernel_sample(struct maker *m, uint64_t time_ns, int64_t kind, int64_t n, int64_t ns);

/*
 * A frame of a function in a module that is made with it: "libggml.so" in user space, "kernel" in the kernel; a NULL name: no symbol is
 * known. A function inlined into the frame made last. A stack, whose caller is another or ABSENT. @return their ids
 */
int64_t maker__frame(struct maker *m, int kind, const char *module, const char *function);
void maker__inlined(struct maker *m, int64_t frame, const char *function);
int64_t maker__stack(struct maker *m, int64_t parent, int64_t frame);
/* n samples of a thread on a CPU, 1 ms each, all at one moment; and a wait that ended then. */
void maker__cpu_samples(struct maker *m, uint64_t time_ns, int64_t stack, int n);
void maker__wait(struct maker *m, uint64_t time_ns, int64_t stack, int64_t ns, int64_t reason);

/* Sort as the reader does. More may be added afterwards, and this called again. */
const struct recording *maker__finish(struct maker *m);

/* Write it to a file, for what reads files. @return 0 or negative errno */
int maker__write(const struct maker *m, const char *path);

#endif
