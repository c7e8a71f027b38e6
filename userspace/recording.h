/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recording: one SQLite database, the only thing that passes from collectors to analysis.
 *
 * Writer: rows are handed over by the collecting thread, copied into a queue and committed by a thread of its own at
 * least once a second (WAL, synchronous=FULL), so that a killed recorder or a lost machine costs the last second at most.
 * Reader: loads all of it into flat arrays, in a fixed order, and never writes: a recording in a read-only place, or one
 * whose recorder was killed and left a -wal behind, is read through a private copy.
 *
 * The schema is a public interface, described in docs/recording.md. Times are u64 nanoseconds of CLOCK_MONOTONIC of the
 * recorded host. Functions return 0 or a negative errno; recording__error() has the sentence for the user.
 */
#ifndef TOKPROF_RECORDING_H
#define TOKPROF_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORDING_SCHEMA_VERSION 6

/* A figure that may be absent: not sent, not measured. Never 0 in its place. */
#define ABSENT INT64_MIN

enum grade {
	GRADE_UNAVAILABLE = 0,
	GRADE_SELF_REPORTED = 1,
	GRADE_DERIVED = 2,
	GRADE_MEASURED = 3,
};

enum resource_kind {
	RESOURCE_ADDITIVE = 0,	/* requests + accounts = total */
	RESOURCE_DURATION = 1,	/* of one request; overlaps between requests; has no total */
};

/* Resources known to the first schema; later collectors append. `name` in the table is the key in every output. */
enum resource_id {
	RESOURCE_CPU_NS = 1,
	RESOURCE_KERNEL_NS = 2,
	RESOURCE_FAULTS = 3,
	RESOURCE_DEVICE_NS = 4,
	RESOURCE_MEM_BYTES = 5,
	RESOURCE_ENERGY_UJ = 6,
	RESOURCE_CYCLES = 7,
	RESOURCE_INSTRUCTIONS = 8,
	RESOURCE_RUNQ_NS = 9,
	RESOURCE_BLOCKED_NS = 10,
	RESOURCE_FUTEX_NS = 11,
	RESOURCE_COUNTER_FIRST = 100, /* and the nine after it: events that have no resource of their own */
};

/* --- rows: one struct per table, strings borrowed for the length of the call (writer) or owned by the data (reader) --- */

struct row_resource {
	int id;			/* enum resource_id, or one that a later collector registered */
	const char *name, *unit;
	int kind;		/* enum resource_kind */
	int grade;		/* enum grade */
	const char *source;	/* where the figure comes from */
	const char *reason;	/* why it is unavailable or only derived; NULL */
};

struct row_total {		/* the whole server's use of an additive resource, by an account independent of the steps */
	int resource;
	int64_t value;
	const char *source;	/* "schedstat", ... */
	int64_t check_value;	/* the same by a second account, ABSENT where there is none */
	const char *check_source;
};

struct row_collector {
	const char *name, *doc;
	const char *state;	/* "attached", "partial", "absent" */
	const char *reason;	/* NULL when attached */
};

struct row_probe {
	const char *collector, *point;	/* e.g. "engine", "llama_process" */
	uint32_t pid;
	bool found;
	const char *detail;	/* file offset and module, or why it is missing */
};

struct row_loss {		/* n more lost in this second; also rows with n = 0 are never written */
	const char *collector, *kind;
	uint64_t second_ns;	/* start of the second in which the loss was noticed */
	int64_t n;
};

struct row_process {
	uint32_t pid, ppid;
	uint64_t start_ns, end_ns;	/* in the recording; end 0: alive at the end */
	const char *comm, *exe, *role;
};

struct row_thread {
	uint32_t tid, pid;
	const char *comm;
	int64_t cpu_ns;		/* on-CPU time in the recording, by the scheduler's account */
	int64_t runq_ns, blocked_futex_ns, blocked_io_ns, blocked_sleep_ns, blocked_other_ns;
	int64_t n_switches_voluntary, n_switches_involuntary, faults_minor, faults_major;
	bool exited;
};

struct row_engine {
	int id;
	uint32_t pid;
	const char *name, *version, *build_id, *path;	/* path as the server sees it */
	uint64_t device, inode;
	const char *
		rows_source; /* "ubatch layout <name>", "public batch", "calls that fill the batch", "unknown: <why>" */
};

struct row_model {		/* facts of a model file, see struct model_facts of gguf.h; ABSENT: not read, not said */
	int id;
	uint32_t pid;
	const char *name, *path, *arch, *quantization;
	int64_t n_params, weight_bytes;
	int64_t n_layers, n_embd;
	int64_t n_heads, n_kv_heads;	/* of a layer; ABSENT where layers differ */
	int64_t attention_flops_per_pair, kv_elements_per_token;	/* over all layers */
	int64_t n_vocab, n_experts, n_experts_used;
	int64_t active_params, active_weight_bytes;	/* that one token is computed with */
	const char *digest;
	const char *header_error;	/* why facts are absent; NULL: the header was read */
	const char *tensor_types;	/* bytes by number format, the most first: "Q8_0 31261696, F32 34816" */
	int64_t lookup_params;		/* of n_params: tables of which one row is looked up (token embedding, positions) */
	int64_t expert_params, nextn_params;	/* of experts; of layers that predict further tokens */
	int64_t context_length;		/* tokens that it was made for */
	uint64_t device, inode;		/* of the file, or of the first part; 0: not known */
	int64_t expert_weight_bytes;	/* of weight_bytes: experts */
	int64_t output_weight_bytes;	/* the matrix that makes outputs, also where it is the token embedding; 0: none */
	int64_t lookup_weight_bytes;	/* tables of which one row is looked up */
	int64_t sliding_window;		/* tokens that some or all layers look back at most; ABSENT: all of them */
};

struct row_kv_cache {			/* a cache of keys and values, as its tensors stand in the server's memory */
	int id;
	uint32_t pid;
	uint64_t address;		/* of its first tensor */
	int64_t n_layers, n_tokens;	/* that it has room for */
	int64_t elements_per_token, bytes_per_token;	/* over all layers, keys and values */
	const char *type_k, *type_v;	/* number formats: "F16", "Q8_0" */
};

/* Sources of memory traffic, best first; more are made of what else is recorded (analysis/traffic.h). */
enum traffic_source_id {
	TRAFFIC_UNCORE = 1,		/* memory controllers, of the whole host */
	TRAFFIC_RESCTRL = 2,		/* a monitoring group of the server */
};

struct row_traffic_source {
	int id;				/* enum traffic_source_id */
	const char *name;
	int grade;			/* enum grade */
	const char *source, *reason, *remedy;	/* NULL */
	int64_t n_counters;		/* that were read; ABSENT */
	int64_t check_known_bytes, check_bytes;	/* self-check: streamed, and seen by it; ABSENT: not made */
};

struct row_traffic_sample {		/* bytes between memory and caches, as a source counted them */
	uint64_t time_ns;		/* end of the interval */
	int source;			/* row_traffic_source.id */
	int64_t duration_ns, bytes;
	int64_t write_bytes;		/* of them written to memory; ABSENT: not told apart */
};

struct row_context {		/* an engine context: a model with its key-value memory */
	int id;
	uint32_t pid;
	uint64_t address, memory;	/* memory 0: not known */
	const char *role;		/* "target", "draft" */
	int64_t n_ctx;			/* tokens that one sequence may have, by the engine's own field; ABSENT */
};

struct row_step {
	int64_t id;
	int context;			/* row_context.id */
	uint32_t tid;
	uint64_t start_ns, end_ns;
	int kind;			/* enum step_kind of bpf/records.h */
	uint32_t flags;			/* enum step_flag */
	int ret;
	int64_t n_tokens;		/* of the batch where public, else the sum of the ubatches; ABSENT unknown */
	uint64_t runq_ns, blocked_ns;
	int64_t server_runq_ns;		/* the same of all threads of the server, waits that ended in it; ABSENT */
	int64_t server_fault_ns;	/* waits of all threads for a disk in page faults, that ended in it; ABSENT */
	int64_t mean_khz;		/* frequency of the CPUs that threads of the server were on, while they were; ABSENT */
	int64_t clock_changes;		/* changes of it meanwhile; ABSENT */
	int64_t futex_ns;		/* of blocked_ns: on another thread; ABSENT */
};

struct row_step_resource {		/* cumulative meters of the server at the step's start, and the use inside it */
	uint32_t step;			/* narrow, since these rows are the most; a recording ends long before 2^32 steps */
	int resource;
	int64_t start_value, value;
};

struct row_sample {			/* cumulative meters of the server at some instant between steps */
	uint64_t time_ns;
	int resource;
	int64_t value;
};

struct row_row {			/* one sequence's share of an ubatch */
	int64_t step;
	int ubatch, idx;
	int seq;			/* -1: unknown (layout failed its check), n_tokens is then the ubatch's */
	int first_pos;
	int64_t n_tokens, n_outputs;	/* n_outputs ABSENT where seq is -1 */
};

struct row_memory {
	uint64_t time_ns;
	uint32_t tid;
	int context;			/* row_context.id, 0 unknown */
	int op;				/* enum memory_op of bpf/records.h */
	int seq, seq_dst, p0, p1, delta;
};

enum request_incomplete {		/* why a request cannot be accounted for whole; bits */
			  INCOMPLETE_LOSS = 1, /* records were lost in its time */
			  INCOMPLETE_BEFORE_ATTACH = 2, /* began before the recorder was attached */
			  INCOMPLETE_AT_END = 4, /* still open when the recording ended */
			  INCOMPLETE_GAP = 8, /* bytes of its body were not copied */
			  INCOMPLETE_PARSE = 16, /* its bytes are no HTTP that the parser understands */
			  INCOMPLETE_ROWS = 32, /* per-sequence rows unknown in its time (set by the analysis) */
			  INCOMPLETE_EMITTED =
				  64, /* tokens emitted in a speculative step cannot be proven (set by the analysis) */
			  INCOMPLETE_UNANSWERED = 128, /* the server did not answer it, or not to the end */
			  INCOMPLETE_UNMATCHED =
				  256, /* not all of its generations could be told from others (set by the analysis) */
			  INCOMPLETE_UNWATCHED =
				  512, /* no engine was watched that could have computed it (set by the analysis) */
};

struct row_request {
	int64_t id;
	uint64_t connection;
	uint32_t pid;
	const char *client;		/* "127.0.0.1:40312", "[::1]:5", "unix" */
	uint64_t arrival_ns;		/* first byte of the request */
	uint64_t request_end_ns;	/* last byte of the request; 0: never */
	uint64_t first_byte_ns;		/* first byte of the response; 0: never */
	uint64_t first_token_ns;	/* first chunk (or body) that carries generated text; 0: none */
	uint64_t last_token_ns;
	uint64_t end_ns;		/* last byte of the response, or the end of the connection; 0: open at the end */
	const char *method, *path;
	int status;			/* 0: none seen */
	const char *model;		/* as the client asked */
	const char *response_model;	/* as the server answered; NULL */
	bool stream;
	bool client_left;		/* the client closed before the response had ended */
	int64_t max_tokens;		/* ABSENT: not given */
	int64_t n;			/* completions asked for, of each prompt; 1 */
	int64_t n_prompts;		/* prompts in its list; 1; ABSENT: its body was not seen whole */
	int64_t body_bytes;		/* of the request's body */
	int64_t prompt_bytes;		/* of all prompt text in it, ABSENT where not understood */
	int64_t sent_prompt_tokens;	/* ids in it, all prompts together; ABSENT where not all of it was sent as token ids */
	uint64_t prompt_hash;		/* FNV-1a 64 of the prompt text; 0 none */
	const char *api_id;		/* response id; NULL */
	const char *finish_reason;	/* "stop", "length", ...; NULL */
	int64_t slot;			/* the engine's own id_slot; ABSENT */
	int64_t n_chunks;		/* events that carry generated text */
	int64_t billed_prompt_tokens, billed_cached_tokens, billed_completion_tokens;		/* `usage`; ABSENT */
	int64_t reported_prompt_tokens, reported_cached_tokens, reported_completion_tokens;	/* the engine's `timings` */
	int64_t reported_draft_tokens, reported_draft_accepted_tokens;				/* and native fields; ABSENT */
	int64_t reported_prompt_us, reported_completion_us;
	uint32_t incomplete;		/* enum request_incomplete */
	const char *text;		/* only with --capture-text; NULL */
};

struct row_chunk {			/* one event of a stream that carries generated text */
	int64_t request;
	int64_t idx;
	uint64_t time_ns;
};

/* Reals are finite, 0 or more, and below 2^62; one that may be absent is NAN then. */
struct row_fit {			/* a cost model of one resource in one role, and what it was fitted to */
	int64_t id;
	const char *role;		/* "target", "draft" */
	int resource;			/* row_resource.id; 0: wall time of a step */
	const char *model_digest;	/* NULL where the weight file was not read */
	const char *model_name, *engine, *engine_version, *build_id;
	int64_t n_threads;		/* that compute; ABSENT */
	const char *host, *cpu_model;
	int64_t made_unix_ns;
	const char *origin;		/* "calibrate", "recording" */
	int64_t n_steps, n_held_out;
	double sigma, model_error, median_residual;
	double condition;		/* NAN: beyond any figure */
	bool identified;
	const char *reason;		/* why it is not; NULL */
	double affine_fixed, affine_token, affine_context, affine_pair, affine_residual;	/* NAN: not fitted */
	double roofline_fixed, roofline_weights, roofline_context, roofline_token, roofline_pair, roofline_residual;
	int64_t least_context,
		most_context; /* that it was fitted to: tokens before a row's first, and before a row's last */
	int64_t least_rows, most_rows;		/* of a part */
	int64_t least_tokens, most_tokens;	/* of a part; all ABSENT in fits before schema version 3 */
	double waited;			/* struct fit; NAN: not known */
};

struct row_fit_term {
	int64_t fit;			/* row_fit.id */
	const char *term;		/* "G(8)", "context", ... */
	double value, low, high;
	bool fitted;
	const char *merged_with;	/* the term that it could not be told from; NULL */
};

struct row_fit_draw {			/* bootstrap replicates of the fitted terms */
	int64_t fit, draw;
	const char *term;
	double value;
};

struct row_file {			/* a weight file that the server had mapped or open */
	int id;
	uint32_t pid;
	const char *path;		/* as the server sees it */
	uint64_t device, inode;
	int64_t size_bytes;		/* ABSENT: it could not be asked */
	const char *access;		/* "mapped", "open" */
	uint64_t first_ns, last_ns;	/* when it was first and last seen so */
	int64_t mapped_bytes;		/* the most at one time; ABSENT: never mapped */
	int64_t resident_bytes;		/* of them in the server's page tables; ABSENT: not known */
	uint64_t looked_ns;		/* when that was; 0: never */
	const char *sha256;		/* of all of it; NULL */
	const char *reason;		/* why it has none; NULL */
};

struct row_footprint {			/* memory of a process of the server, by the kernel's account */
	uint32_t pid;
	uint64_t time_ns;
	int64_t anon_bytes, file_bytes, shared_bytes, swap_bytes;	/* ABSENT: not said */
	int64_t peak_bytes;		/* the most that was resident since it began */
};

struct row_ioctl {			/* calls of one kind that one process made into a device driver, in sum */
	int64_t id;
	uint32_t pid;			/* of a neighbour the one seen last of several of that name */
	const char *comm;
	bool neighbour;			/* no process of the server, on a device that the server uses */
	const char *device, *driver;	/* "/dev/nvidiactl"; "nvidia", NULL: no driver that is known */
	const char *name, *class;	/* "NV_ESC_RM_ALLOC"; "submit", ... (userspace/ioctl_class.h) */
	bool known;			/* to the table of calls: else the name is generic and the class by how long they took */
	uint32_t command;		/* magic << 8 | number, or the whole command where the driver's are compared so */
	uint64_t sub;			/* sub-command in the argument */
	int64_t n, ns, failed;
	int64_t retries;		/* ended by EINTR or EAGAIN and made again: one call with the next */
	int64_t unpaired;		/* whose beginning was not seen: not in n */
};

struct row_step_ioctl {			/* calls that began and ended in one step */
	int64_t step, ioctl;		/* row_ioctl.id */
	int64_t n, ns, failed;
};

struct row_ioctl_sample {		/* calls in no one step that ended since the sample before */
	uint64_t time_ns;
	int64_t ioctl;
	int64_t n, ns, failed;
};

struct row_step_operator {		/* nodes of one step's graphs, of a step whose operators were probed */
	int64_t step;
	const char *name;		/* operator_class__name() */
	int layer;			/* LAYER_NONE: of no layer, or of none that is known */
	int64_t n;			/* nodes; of "sampling", choices of a token after the step; of "graph start", graphs */
	int64_t ns;			/* of the step's thread */
	int64_t cpu_ns;			/* of all threads of the server meanwhile; ABSENT: not measured */
};

struct row_touched {			/* memory of one kind that a process touched in a window of --touched-bytes */
	int64_t window;
	uint32_t pid;
	int idx;			/* place among the rows of window and process, from 0 */
	const char *kind;		/* "weights": one file of weights; "anonymous"; "other": all other files, shared memory */
	const char *path;		/* of weights, as the server sees it; NULL */
	uint64_t device, inode;		/* of weights; 0 */
	uint64_t start_ns, end_ns;	/* all marks were off; they began to be counted */
	int64_t clear_ns, read_ns;	/* that it took before the start and after the end */
	int64_t mapped_bytes;
	int64_t before_bytes,
		resident_bytes; /* in the page table, before the start and after the end; ABSENT: not said */
	int64_t touched_bytes;		/* of them marked as touched */
	int64_t shared_bytes;		/* resident in other processes too: these may have touched it */
	int64_t huge_bytes, hugetlb_bytes;	/* struct smaps_mapping */
};

/* --- stacks: what was sampled, loaded by recording__load_all() only --- */

struct row_module {			/* code that samples were in */
	int64_t id;
	const char *kind;		/* "user", "kernel", "kernel_module", "vdso", "jit" */
	const char *path;		/* as the server sees it; name of a kernel module; NULL */
	const char *build_id;		/* in hex; NULL: the file has none */
	uint64_t device, inode;		/* 0: no file */
	int64_t size_bytes;		/* of the file; ABSENT */
};

enum frame_kind {
	FRAME_USER = 0,
	FRAME_KERNEL = 1,
	FRAME_PYTHON = 2,
};

struct row_frame {			/* a place in code */
	int64_t id;
	int kind;			/* enum frame_kind */
	int64_t module;			/* row_module.id; ABSENT: no mapping is known there */
	uint64_t address;		/* docs/recording.md: of the file, of the kernel, or absolute without a module */
};

struct row_stack {			/* a prefix tree: a stack is its innermost frame, and the stack that called it */
	int64_t id;
	int64_t parent;			/* row_stack.id, less than id; ABSENT: the frame is the outermost */
	int64_t frame;			/* row_frame.id */
};

struct row_symbol {			/* what a frame is called: several functions where some were inlined */
	int64_t frame;			/* row_frame.id */
	int64_t depth;			/* 0: the function that has code of its own; then those inlined into it */
	const char *name;		/* demangled */
	int64_t offset_bytes;		/* from the start of function 0; the same at every depth */
	const char *file;		/* NULL */
	int64_t line;			/* ABSENT */
	const char *source;		/* "symtab", "dynsym", "dwarf", "gnu_debugdata", "debug_file", ... */
};

enum stack_sample_kind {
	STACK_SAMPLE_CPU = 0,		/* on a CPU at that instant */
	STACK_SAMPLE_WAIT = 1,		/* had been off it until then */
};

enum wait_reason {			/* the first as enum blocked_kind of bpf/shared.h */
		   WAIT_OTHER = 0,
		   WAIT_FUTEX = 1,
		   WAIT_IO = 2,
		   WAIT_SLEEP = 3,
		   WAIT_FAULT = 4,
		   WAIT_RUNQUEUE = 5, /* runnable, waiting for a CPU */
		   N_WAIT_REASONS = 6,
};

enum user_end {				/* where the walk up the user stack ended */
		USER_END_COMPLETE = 0, /* at the thread's start */
		USER_END_TRUNCATED = 1, /* at the most frames that are walked */
		USER_END_NO_TABLE = 2, /* in code without unwind tables */
		USER_END_BAD_MEMORY = 3, /* the stack could not be read, or made no sense */
		USER_END_KERNEL_THREAD = 4, /* there is no user stack */
		USER_END_NONE = 5, /* nobody walked */
		N_USER_ENDS = 6,
};

struct row_stack_sample {
	int64_t id;
	uint64_t time_ns;		/* of a wait: its end */
	uint32_t tid;
	int cpu;
	int kind;			/* enum stack_sample_kind */
	int64_t weight_ns;		/* CPU time that it stands for; waiting time that it stands for */
	int64_t step;			/* row_step.id; ABSENT: between steps, or not told */
	int64_t stack;			/* row_stack.id; ABSENT: none could be taken */
	int64_t reason;			/* enum wait_reason; ABSENT: no wait */
	int64_t waker_tid;		/* ABSENT: not known */
	int64_t waker_stack;		/* row_stack.id; ABSENT */
	int user_end;			/* enum user_end */
	int64_t length_ns;		/* of a wait: how long it was; ABSENT: no wait */
};

struct row_kernel_kind {		/* what the kernel does: a system call, an interrupt */
	int64_t id;			/* KERNEL_KIND() of bpf/shared.h */
	const char *name, *path;	/* "read"; "receive", ... (userspace/kernel_kind.h) */
};

struct row_kernel_burst {		/* a time in which system calls and interrupts were timed */
	uint64_t start_ns, end_ns;
	int64_t cpu_ns;			/* CPU time of the server in it */
};

struct row_step_kernel {		/* what ended in a step while it was timed */
	int64_t step, kind;		/* row_kernel_kind.id */
	int64_t n, ns;			/* ns: of CPUs, without what interrupted it */
};

struct row_kernel_sample {		/* the same in no one step, since the sample before */
	uint64_t time_ns;
	int64_t kind;
	int64_t n, ns;
};

/* ------------------------------------------------------------------------------------------------------ writer --- */

struct recording_writer;

/*
 * Create the file (fails with -EEXIST where one is there and `overwrite` is false) and start the writing thread.
 * @return 0, -EEXIST, -EACCES, -EROFS, -ENOSPC, -EIO, -ENOMEM; the sentence in recording_writer__error() even on
 *         failure, when *out is a shell that only carries the sentence and must be freed too
 */
int recording_writer__open(struct recording_writer **out, const char *path, bool overwrite);

/*
 * Put a key of the `recording` table ("host", "kernel", ...). Replaces an earlier value; NULL or ABSENT: not known. The
 * writer's own keys (state, schema_version, origin_mono_ns, origin_unix_ns) are refused with -EINVAL.
 */
int recording_writer__put_meta(struct recording_writer *w, const char *key, const char *value);
int recording_writer__put_meta_int(struct recording_writer *w, const char *key, int64_t value);

/*
 * Queue one row. Thread-safe; copies; blocks only where the queue is full (back-pressure: nothing recorded is lost).
 * A row with the key of an earlier one replaces it; losses of one second add up.
 * @return 0; the writing thread's first error; -ERANGE where a figure cannot be what docs/recording.md says of its
 *	   column (the row is counted as a loss of collector "recording"); -ENOMEM
 */
int recording_writer__resource(struct recording_writer *w, const struct row_resource *row);
int recording_writer__total(struct recording_writer *w, const struct row_total *row);
int recording_writer__collector(struct recording_writer *w, const struct row_collector *row);
int recording_writer__probe(struct recording_writer *w, const struct row_probe *row);
int recording_writer__loss(struct recording_writer *w, const struct row_loss *row);
int recording_writer__process(struct recording_writer *w, const struct row_process *row);	/* replaces (pid,start) */
int recording_writer__thread(struct recording_writer *w, const struct row_thread *row);		/* replaces (tid,pid) */
int recording_writer__engine(struct recording_writer *w, const struct row_engine *row);		/* replaces (id) */
int recording_writer__model(struct recording_writer *w, const struct row_model *row);
int recording_writer__context(struct recording_writer *w, const struct row_context *row);	/* replaces (id) */
int recording_writer__step(struct recording_writer *w, const struct row_step *row);
/* A use below 0 by less than 1,000,000 is stored as 0, below that not at all: a loss of kind "negative step resource". */
int recording_writer__step_resource(struct recording_writer *w, const struct row_step_resource *row);
int recording_writer__sample(struct recording_writer *w, const struct row_sample *row);
int recording_writer__row(struct recording_writer *w, const struct row_row *row);
int recording_writer__memory(struct recording_writer *w, const struct row_memory *row);
int recording_writer__request(struct recording_writer *w, const struct row_request *row);	/* replaces (id) */
int recording_writer__chunk(struct recording_writer *w, const struct row_chunk *row);
int recording_writer__fit(struct recording_writer *w, const struct row_fit *row);
int recording_writer__fit_term(struct recording_writer *w, const struct row_fit_term *row);
int recording_writer__fit_draw(struct recording_writer *w, const struct row_fit_draw *row);
int recording_writer__file(struct recording_writer *w, const struct row_file *row);		/* replaces (id) */
int recording_writer__footprint(struct recording_writer *w, const struct row_footprint *row);	/* replaces (pid) */
int recording_writer__ioctl(struct recording_writer *w, const struct row_ioctl *row);		/* replaces (id) */
int recording_writer__step_ioctl(struct recording_writer *w, const struct row_step_ioctl *row);
int recording_writer__ioctl_sample(struct recording_writer *w, const struct row_ioctl_sample *row);
int recording_writer__step_operator(struct recording_writer *w, const struct row_step_operator *row);
int recording_writer__touched(struct recording_writer *w, const struct row_touched *row);
int recording_writer__kv_cache(struct recording_writer *w, const struct row_kv_cache *row);		/* replaces (id) */
int recording_writer__traffic_source(struct recording_writer *w,
				     const struct row_traffic_source *row); /* replaces (id) */
int recording_writer__traffic_sample(struct recording_writer *w, const struct row_traffic_sample *row);
int recording_writer__module(struct recording_writer *w, const struct row_module *row);		/* replaces (id) */
int recording_writer__frame(struct recording_writer *w, const struct row_frame *row);
int recording_writer__stack(struct recording_writer *w, const struct row_stack *row);
int recording_writer__symbol(struct recording_writer *w, const struct row_symbol *row);	/* replaces (frame,depth) */
int recording_writer__stack_sample(struct recording_writer *w, const struct row_stack_sample *row);
int recording_writer__kernel_kind(struct recording_writer *w, const struct row_kernel_kind *row);
int recording_writer__kernel_burst(struct recording_writer *w,
				   const struct row_kernel_burst *row); /* replaces (start) */
int recording_writer__step_kernel(struct recording_writer *w,
				  const struct row_step_kernel *row); /* replaces (step, kind) */
int recording_writer__kernel_sample(struct recording_writer *w, const struct row_kernel_sample *row);

/* 0, or the first error of the writing thread (-ENOSPC, -EIO, ...): the recorder then stops cleanly. Cheap: poll it. */
int recording_writer__status(const struct recording_writer *w);
const char *recording_writer__error(const struct recording_writer *w);

/* Commit what is queued and wait until it is durable. */
int recording_writer__flush(struct recording_writer *w);

/*
 * End: flush, mark the recording complete where `complete`, checkpoint, switch to journal_mode=DELETE (one file is
 * left), close. Frees w in every case. @return the first error
 */
int recording_writer__close(struct recording_writer *w, bool complete);
void recording_writer__free(struct recording_writer *w);	/* close without marking; NULL is legal */

/* ------------------------------------------------------------------------------------------------------ reader --- */

struct recording_meta {
	const char *key, *value;
};

/* A whole recording in memory. Arrays are sorted by the primary key of their table, steps by (start_ns, id). */
struct recording {
	struct recording_meta *meta;
	size_t n_meta;
	struct row_resource *resources;
	size_t n_resources;
	struct row_total *totals;
	size_t n_totals;
	struct row_collector *collectors;
	size_t n_collectors;
	struct row_probe *probes;
	size_t n_probes;
	struct row_loss *losses;
	size_t n_losses;
	struct row_process *processes;
	size_t n_processes;
	struct row_thread *threads;
	size_t n_threads;
	struct row_engine *engines;
	size_t n_engines;
	struct row_model *models;
	size_t n_models;
	struct row_context *contexts;
	size_t n_contexts;
	struct row_step *steps;
	size_t n_steps;
	struct row_step_resource *step_resources;
	size_t n_step_resources; /* by (step, resource) */
	struct row_sample *samples;
	size_t n_samples; /* by (time, resource) */
	struct row_row *rows;
	size_t n_rows; /* by (step, ubatch, idx) */
	struct row_memory *memories;
	size_t n_memories; /* by time */
	struct row_request *requests;
	size_t n_requests; /* by (arrival_ns, id) */
	struct row_chunk *chunks;
	size_t n_chunks; /* by (request, idx) */
	struct row_fit *fits;
	size_t n_fits;
	struct row_fit_term *fit_terms;
	size_t n_fit_terms; /* by (fit, term) */
	struct row_fit_draw *fit_draws;
	size_t n_fit_draws; /* by (fit, draw, term) */
	struct row_file *files;
	size_t n_files;
	struct row_footprint *footprints;
	size_t n_footprints; /* by pid */
	struct row_ioctl *ioctls;
	size_t n_ioctls;
	struct row_step_ioctl *step_ioctls;
	size_t n_step_ioctls; /* by (step, ioctl) */
	struct row_ioctl_sample *ioctl_samples;
	size_t n_ioctl_samples; /* by (time, ioctl) */
	struct row_step_operator *step_operators;
	size_t n_step_operators; /* by (step, operator, layer) */
	struct row_touched *toucheds;
	size_t n_toucheds; /* by (window, pid, idx) */
	struct row_kv_cache *kv_caches;
	size_t n_kv_caches;
	struct row_traffic_source *traffic_sources;
	size_t n_traffic_sources;
	struct row_traffic_sample *traffic_samples;
	size_t n_traffic_samples; /* by (time, source) */
	struct row_kernel_kind *kernel_kinds;
	size_t n_kernel_kinds;
	struct row_kernel_burst *kernel_bursts;
	size_t n_kernel_bursts; /* by start */
	struct row_step_kernel *step_kernels;
	size_t n_step_kernels; /* by (step, kind) */
	struct row_kernel_sample *kernel_samples;
	size_t n_kernel_samples; /* by (time, kind) */
	struct row_module *modules; /* from here on: recording__load_all() only */
	size_t n_modules;
	struct row_frame *frames;
	size_t n_frames;
	struct row_stack *stacks;
	size_t n_stacks;
	struct row_symbol *symbols;
	size_t n_symbols; /* by (frame, depth) */
	struct row_stack_sample *stack_samples;
	size_t n_stack_samples; /* by id */
	void *strings;				/* owner of every string above */
};

/*
 * Load a recording without its stacks, also one that is being written. Texts whose column docs/recording.md calls NULL may be NULL.
 * @error	where a sentence for the user goes: what, where, why, remedy; at least 1 byte
 * @return	0; -EBADMSG (no recording, damaged, or of a newer schema); -ENOENT, -EACCES, -EISDIR, -ENOMEM, -EIO,
 *		-EBUSY; -ENOSPC (no room for a private copy). Nothing is to be freed after an error
 */
int recording__load(struct recording *out, const char *path, char *error, size_t error_size);
/* The same with stacks and their samples, which may be millions. */
int recording__load_all(struct recording *out, const char *path, char *error, size_t error_size);
/* The same without steps and all that comes after them: host, server, engine, models, threads. */
int recording__load_facts(struct recording *out, const char *path, char *error, size_t error_size);
/* These facts, modules and frames: what names are looked up for. */
int recording__load_frames(struct recording *out, const char *path, char *error, size_t error_size);
void recording__free(struct recording *r);

const char *recording__meta(const struct recording *r, const char *key);	/* NULL where absent */
int64_t recording__meta_int(const struct recording *r, const char *key);	/* ABSENT where absent */
bool recording__complete(const struct recording *r);				/* its recorder ended in good order */

#endif
