/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of a recording. Described for users in docs/recording.md; a test holds the two against each other.
 *
 * What decides the shape: one generated token of a lone stream costs one step, two or three step_resource, one row and
 * one chunk. So these four have natural keys without a rowid beside them, no index, and times relative to the
 * recording's origin: an INTEGER of SQLite takes 6 bytes for the first 39 hours and 8 above.
 */
#include "userspace/recording_schema.h"

#define COLUMN(row, field, type, unit, doc)                                                                            \
	{                                                                                                              \
#field, type, offsetof(struct row, field), unit, doc, 0, 1                                             \
	}

/* A time that may be absent, and otherwise is not before that of an earlier column. */
#define COLUMN_NOT_BEFORE(row, earlier, field, doc)                                                                    \
	{                                                                                                              \
#field, COLUMN_TIME_OPTIONAL, offsetof(struct row, field), "ns since origin", doc,                     \
			offsetof(struct row, earlier), 1                                                               \
	}

/* Added to the end of a table by a later version: NULL in the recordings of earlier ones. */
#define COLUMN_SINCE(version, row, field, type, unit, doc)                                                             \
	{                                                                                                              \
#field, type, offsetof(struct row, field), unit, doc, 0, version                                       \
	}

static const struct column recording_columns[] = {
	COLUMN(recording_meta, key, COLUMN_TEXT, "", "name of the fact"),
	COLUMN(recording_meta, value, COLUMN_TEXT_OPTIONAL, "", "the fact; numbers in decimal; NULL: not known"),
};

static const struct column resource_columns[] = {
	COLUMN(row_resource, id, COLUMN_COUNT_INT, "", "number of the resource"),
	COLUMN(row_resource, name, COLUMN_TEXT, "", "its key in every output: cpu_ns, kernel_ns, faults, ..."),
	COLUMN(row_resource, unit, COLUMN_TEXT, "", "unit of every value of it"),
	COLUMN(row_resource, kind, COLUMN_RESOURCE_KIND, "", "0 additive, has a total; 1 a duration, has none"),
	COLUMN(row_resource, grade, COLUMN_GRADE, "", "0 unavailable, 1 self-reported, 2 derived, 3 measured"),
	COLUMN(row_resource, source, COLUMN_TEXT_OPTIONAL, "", "where the figure comes from"),
	COLUMN(row_resource, reason, COLUMN_TEXT_OPTIONAL, "", "why it is unavailable or only derived; NULL: measured"),
};

static const struct column total_columns[] = {
	COLUMN(row_total, resource, COLUMN_COUNT_INT, "", "resource.id"),
	COLUMN(row_total, value, COLUMN_COUNT, "of the resource", "the whole server's use while it was recorded"),
	COLUMN(row_total, source, COLUMN_TEXT_OPTIONAL, "", "the account it comes from, such as schedstat"),
	COLUMN(row_total, check_value, COLUMN_COUNT_OPTIONAL, "of the resource", "by a second account; NULL: none"),
	COLUMN(row_total, check_source, COLUMN_TEXT_OPTIONAL, "", "the second account"),
};

static const struct column collector_columns[] = {
	COLUMN(row_collector, name, COLUMN_TEXT, "", "name of the collector"),
	COLUMN(row_collector, doc, COLUMN_TEXT_OPTIONAL, "", "what it collects"),
	COLUMN(row_collector, state, COLUMN_TEXT, "", "attached, partial or absent"),
	COLUMN(row_collector, reason, COLUMN_TEXT_OPTIONAL, "", "why it is partial or absent; NULL: attached"),
};

static const struct column probe_columns[] = {
	COLUMN(row_probe, collector, COLUMN_TEXT, "", "collector.name"),
	COLUMN(row_probe, point, COLUMN_TEXT, "", "what was looked for: a function, a tracepoint"),
	COLUMN(row_probe, pid, COLUMN_U32, "", "process; 0: of the whole host"),
	COLUMN(row_probe, found, COLUMN_BOOL, "", "1: attached; 0: not there"),
	COLUMN(row_probe, detail, COLUMN_TEXT_OPTIONAL, "", "module and file offset, or why it is missing"),
};

static const struct column loss_columns[] = {
	COLUMN(row_loss, collector, COLUMN_TEXT, "", "collector.name, or recording where the row itself was refused"),
	COLUMN(row_loss, kind, COLUMN_TEXT, "", "what was lost and why"),
	COLUMN(row_loss, second_ns, COLUMN_TIME, "ns since origin", "start of the second in which it was noticed"),
	COLUMN(row_loss, n, COLUMN_COUNT, "records", "how many"),
};

static const struct column process_columns[] = {
	COLUMN(row_process, pid, COLUMN_U32, "", "process of the server"),
	COLUMN(row_process, start_ns, COLUMN_TIME, "ns since origin", "when it joined the recording"),
	COLUMN_NOT_BEFORE(row_process, start_ns, end_ns, "when it ended; NULL: alive at the end"),
	COLUMN(row_process, ppid, COLUMN_U32, "", "its parent"),
	COLUMN(row_process, comm, COLUMN_TEXT_OPTIONAL, "", "short name, as in ps"),
	COLUMN(row_process, exe, COLUMN_TEXT_OPTIONAL, "", "program file, as the server sees it"),
	COLUMN(row_process, role, COLUMN_TEXT_OPTIONAL, "", "its part in the server"),
};

static const struct column thread_columns[] = {
	COLUMN(row_thread, tid, COLUMN_U32, "", "thread of the server"),
	COLUMN(row_thread, pid, COLUMN_U32, "", "process.pid"),
	COLUMN(row_thread, comm, COLUMN_TEXT_OPTIONAL, "", "short name, as in ps -L"),
	COLUMN(row_thread, cpu_ns, COLUMN_COUNT_OPTIONAL, "ns", "on a CPU while recorded, by the scheduler's account"),
	COLUMN(row_thread, runq_ns, COLUMN_COUNT_OPTIONAL, "ns", "runnable, waiting for a CPU"),
	COLUMN(row_thread, blocked_futex_ns, COLUMN_COUNT_OPTIONAL, "ns", "blocked on another thread"),
	COLUMN(row_thread, blocked_io_ns, COLUMN_COUNT_OPTIONAL, "ns", "blocked on a disk"),
	COLUMN(row_thread, blocked_sleep_ns, COLUMN_COUNT_OPTIONAL, "ns", "blocked on time, a socket or a poll"),
	COLUMN(row_thread, blocked_other_ns, COLUMN_COUNT_OPTIONAL, "ns", "blocked on anything else"),
	COLUMN(row_thread, n_switches_voluntary, COLUMN_COUNT_OPTIONAL, "switches", "it gave the CPU up"),
	COLUMN(row_thread, n_switches_involuntary, COLUMN_COUNT_OPTIONAL, "switches", "it was taken off the CPU"),
	COLUMN(row_thread, faults_minor, COLUMN_COUNT_OPTIONAL, "faults", "page faults served from memory"),
	COLUMN(row_thread, faults_major, COLUMN_COUNT_OPTIONAL, "faults", "page faults that read a disk"),
	COLUMN(row_thread, exited, COLUMN_BOOL, "", "1: ended while recorded"),
};

static const struct column engine_columns[] = {
	COLUMN(row_engine, id, COLUMN_COUNT_INT, "", "number of the engine"),
	COLUMN(row_engine, pid, COLUMN_U32, "", "process.pid"),
	COLUMN(row_engine, name, COLUMN_TEXT, "", "engine, such as llama.cpp"),
	COLUMN(row_engine, version, COLUMN_TEXT_OPTIONAL, "", "its version; NULL: not known"),
	COLUMN(row_engine, build_id, COLUMN_TEXT_OPTIONAL, "", "build id of the file, in hex"),
	COLUMN(row_engine, path, COLUMN_TEXT_OPTIONAL, "", "file with the engine's code, as the server sees it"),
	COLUMN(row_engine, device, COLUMN_BITS, "", "device number of that file"),
	COLUMN(row_engine, inode, COLUMN_BITS, "", "inode of that file"),
	COLUMN(row_engine, rows_source, COLUMN_TEXT_OPTIONAL, "", "how rows of a step are read, or why not"),
};

static const struct column model_columns[] = {
	COLUMN(row_model, id, COLUMN_COUNT_INT, "", "number of the model"),
	COLUMN(row_model, pid, COLUMN_U32, "", "process.pid"),
	COLUMN(row_model, name, COLUMN_TEXT_OPTIONAL, "", "name in the file's header, else that of the file"),
	COLUMN(row_model, path, COLUMN_TEXT_OPTIONAL, "", "weight file, as the server sees it"),
	COLUMN(row_model, arch, COLUMN_TEXT_OPTIONAL, "", "architecture in the file's header"),
	COLUMN(row_model, quantization, COLUMN_TEXT_OPTIONAL, "", "number format of most weights"),
	COLUMN(row_model, n_params, COLUMN_COUNT_OPTIONAL, "parameters", "in all tensors; NULL: not read"),
	COLUMN(row_model, weight_bytes, COLUMN_COUNT_OPTIONAL, "bytes", "size of all tensors; NULL: not read"),
	COLUMN_SINCE(2, row_model, n_layers, COLUMN_COUNT_OPTIONAL, "layers", "blocks; NULL: not read, not said"),
	COLUMN_SINCE(2, row_model, n_embd, COLUMN_COUNT_OPTIONAL, "", "width of the embedding"),
	COLUMN_SINCE(2, row_model, n_heads, COLUMN_COUNT_OPTIONAL, "", "query heads of a layer; NULL: layers differ"),
	COLUMN_SINCE(2, row_model, n_kv_heads, COLUMN_COUNT_OPTIONAL, "", "key-value heads of a layer; the same"),
	COLUMN_SINCE(2, row_model, attention_flops_per_pair, COLUMN_COUNT_OPTIONAL, "operations",
		     "over all layers, for a query and a key that it attends to"),
	COLUMN_SINCE(2, row_model, kv_elements_per_token, COLUMN_COUNT_OPTIONAL, "numbers",
		     "keys and values that a token of context leaves behind, over all layers"),
	COLUMN_SINCE(2, row_model, n_vocab, COLUMN_COUNT_OPTIONAL, "", "tokens of the vocabulary"),
	COLUMN_SINCE(2, row_model, n_experts, COLUMN_COUNT_OPTIONAL, "", "experts of a layer; NULL: none"),
	COLUMN_SINCE(2, row_model, n_experts_used, COLUMN_COUNT_OPTIONAL, "", "of them used for a token"),
	COLUMN_SINCE(2, row_model, active_params, COLUMN_COUNT_OPTIONAL, "parameters", "that a token is computed with"),
	COLUMN_SINCE(2, row_model, active_weight_bytes, COLUMN_COUNT_OPTIONAL, "bytes", "size of those"),
	COLUMN_SINCE(2, row_model, digest, COLUMN_TEXT_OPTIONAL, "", "SHA-256 of the header and the file's size"),
	COLUMN_SINCE(2, row_model, header_error, COLUMN_TEXT_OPTIONAL, "", "why facts are missing; NULL: none are"),
	COLUMN_SINCE(4, row_model, tensor_types, COLUMN_TEXT_OPTIONAL, "",
		     "bytes by number format, the most first: Q8_0 31261696, F32 34816"),
	COLUMN_SINCE(4, row_model, lookup_params, COLUMN_COUNT_OPTIONAL, "parameters",
		     "in tables of which one row is looked up: token embedding, positions"),
	COLUMN_SINCE(4, row_model, expert_params, COLUMN_COUNT_OPTIONAL, "parameters", "in experts"),
	COLUMN_SINCE(4, row_model, nextn_params, COLUMN_COUNT_OPTIONAL, "parameters",
		     "in layers that predict further tokens"),
	COLUMN_SINCE(4, row_model, context_length, COLUMN_COUNT_OPTIONAL, "tokens", "that it was made for"),
	COLUMN_SINCE(4, row_model, device, COLUMN_BITS_OPTIONAL, "",
		     "device number of the file; of several, the first"),
	COLUMN_SINCE(4, row_model, inode, COLUMN_BITS_OPTIONAL, "", "its inode"),
	COLUMN_SINCE(6, row_model, expert_weight_bytes, COLUMN_COUNT_OPTIONAL, "bytes", "of weight_bytes: experts"),
	COLUMN_SINCE(6, row_model, output_weight_bytes, COLUMN_COUNT_OPTIONAL, "bytes",
		     "the matrix that makes outputs, also where it is the token embedding; 0: none"),
	COLUMN_SINCE(6, row_model, lookup_weight_bytes, COLUMN_COUNT_OPTIONAL, "bytes",
		     "tables of which one row is looked up"),
	COLUMN_SINCE(6, row_model, sliding_window, COLUMN_COUNT_OPTIONAL, "tokens",
		     "that some or all layers look back at most; NULL: all of them"),
};

static const struct column context_columns[] = {
	COLUMN(row_context, id, COLUMN_COUNT_INT, "", "number of the context: a model with its key-value memory"),
	COLUMN(row_context, pid, COLUMN_U32, "", "process.pid"),
	COLUMN(row_context, address, COLUMN_BITS, "", "address in the server"),
	COLUMN(row_context, memory, COLUMN_BITS_OPTIONAL, "", "address of its key-value memory; NULL: not known"),
	COLUMN(row_context, role, COLUMN_TEXT, "", "target or draft"),
	COLUMN_SINCE(4, row_context, n_ctx, COLUMN_COUNT_OPTIONAL, "tokens",
		     "that one sequence may have, by the engine's own field"),
};

static const struct column step_columns[] = {
	COLUMN(row_step, id, COLUMN_ID, "", "number of the step: one forward pass over one batch"),
	COLUMN(row_step, context, COLUMN_COUNT_INT, "", "context.id"),
	COLUMN(row_step, tid, COLUMN_U32, "", "thread that ran it"),
	COLUMN(row_step, start_ns, COLUMN_TIME, "ns since origin", "its start"),
	{ "duration_ns", COLUMN_END, offsetof(struct row_step, end_ns), "ns", "from its start to its end", 0, 1 },
	COLUMN(row_step, kind, COLUMN_STEP_KIND, "", "0 decode, 1 encode"),
	COLUMN(row_step, flags, COLUMN_U32, "bits",
	       "1 draft model, 2 did not return, 4 inside another step, 8 several parts, all rows in part 0, 16 slowed "
	       "by probes of its operators"),
	COLUMN(row_step, ret, COLUMN_INT, "", "what the engine returned; tokens count only where it is 0"),
	COLUMN(row_step, n_tokens, COLUMN_TOKENS_OPTIONAL, "tokens", "in the whole batch; NULL: not known"),
	COLUMN(row_step, runq_ns, COLUMN_DURATION, "ns", "its thread, inside the step: runnable, waiting for a CPU"),
	COLUMN(row_step, blocked_ns, COLUMN_DURATION, "ns", "its thread, inside the step: blocked"),
	COLUMN_SINCE(
		3, row_step, server_runq_ns, COLUMN_COUNT_OPTIONAL, "ns",
		"all threads of the server: waits for a CPU, of 20 us or more, that ended in it; NULL: not measured"),
	COLUMN_SINCE(
		5, row_step, server_fault_ns, COLUMN_COUNT_OPTIONAL, "ns",
		"all threads of the server: waits for a disk in page faults, that ended in it; NULL: not measured"),
	COLUMN_SINCE(5, row_step, mean_khz, COLUMN_COUNT_OPTIONAL, "kHz",
		     "of CPUs while threads of the server were on them, as the kernel set them; NULL: not known"),
	COLUMN_SINCE(5, row_step, clock_changes, COLUMN_COUNT_OPTIONAL, "changes",
		     "of the frequency of a CPU that a thread of the server was on; NULL: not known"),
	COLUMN_SINCE(6, row_step, futex_ns, COLUMN_COUNT_OPTIONAL, "ns",
		     "of blocked_ns: on another thread; NULL: not measured"),
};

static const struct column step_resource_columns[] = {
	COLUMN(row_step_resource, step, COLUMN_U32, "", "step.id"),
	COLUMN(row_step_resource, resource, COLUMN_COUNT_INT, "", "resource.id"),
	COLUMN(row_step_resource, start_value, COLUMN_METER, "of the resource", "the server's meter at its start"),
	COLUMN(row_step_resource, value, COLUMN_COUNT, "of the resource", "what the whole server used in it"),
};

static const struct column sample_columns[] = {
	COLUMN(row_sample, time_ns, COLUMN_TIME, "ns since origin", "an instant between steps"),
	COLUMN(row_sample, resource, COLUMN_COUNT_INT, "", "resource.id"),
	COLUMN(row_sample, value, COLUMN_METER, "of the resource", "the server's meter at that instant"),
};

static const struct column row_columns[] = {
	COLUMN(row_row, step, COLUMN_ID, "", "step.id"),
	COLUMN(row_row, ubatch, COLUMN_COUNT_INT, "", "part of the batch, from 0"),
	COLUMN(row_row, idx, COLUMN_COUNT_INT, "", "place in that part, from 0"),
	COLUMN(row_row, seq, COLUMN_INT_OR_UNKNOWN, "", "sequence; -1: not known, n_tokens is then the whole part's"),
	COLUMN(row_row, first_pos, COLUMN_INT_OR_UNKNOWN, "tokens", "context length before the row; -1: not known"),
	COLUMN(row_row, n_tokens, COLUMN_TOKENS, "tokens", "computed for this sequence"),
	COLUMN(row_row, n_outputs, COLUMN_TOKENS_OPTIONAL, "tokens",
	       "for which the engine wanted an output; NULL where the rows are unknown"),
};

static const struct column memory_columns[] = {
	{ "id", COLUMN_SEQUENCE, 0, "", "order in which the events were recorded", 0, 1 },
	COLUMN(row_memory, time_ns, COLUMN_TIME, "ns since origin", "when the key-value memory was changed"),
	COLUMN(row_memory, tid, COLUMN_U32, "", "thread that did it"),
	COLUMN(row_memory, context, COLUMN_COUNT_INT, "", "context.id; 0: not known"),
	COLUMN(row_memory, op, COLUMN_MEMORY_OP, "", "0 remove, 1 copy, 2 keep only, 3 shift, 4 divide, 5 clear"),
	COLUMN(row_memory, seq, COLUMN_INT, "", "sequence; negative: all"),
	COLUMN(row_memory, seq_dst, COLUMN_INT, "", "sequence copied to"),
	COLUMN(row_memory, p0, COLUMN_INT, "tokens", "first position"),
	COLUMN(row_memory, p1, COLUMN_INT, "tokens", "position after the last; negative: to the end"),
	COLUMN(row_memory, delta, COLUMN_INT, "tokens", "by how much positions are shifted, or divided"),
};

static const struct column request_columns[] = {
	COLUMN(row_request, id, COLUMN_ID, "", "number of the request, in order of arrival"),
	COLUMN(row_request, connection, COLUMN_BITS, "", "number of the connection it came on"),
	COLUMN(row_request, pid, COLUMN_U32, "", "process.pid that received it"),
	COLUMN(row_request, client, COLUMN_TEXT_OPTIONAL, "", "address of the client; NULL: not known"),
	COLUMN(row_request, arrival_ns, COLUMN_TIME, "ns since origin", "first byte of the request"),
	COLUMN_NOT_BEFORE(row_request, arrival_ns, request_end_ns, "last byte of it; NULL: never"),
	COLUMN_NOT_BEFORE(row_request, arrival_ns, first_byte_ns, "first response byte; NULL: never"),
	COLUMN_NOT_BEFORE(row_request, arrival_ns, first_token_ns, "first generated text; or NULL"),
	COLUMN_NOT_BEFORE(row_request, arrival_ns, last_token_ns, "last generated text; or NULL"),
	COLUMN_NOT_BEFORE(row_request, arrival_ns, end_ns, "last response byte; NULL: still open"),
	COLUMN(row_request, method, COLUMN_TEXT_OPTIONAL, "", "HTTP method"),
	COLUMN(row_request, path, COLUMN_TEXT_OPTIONAL, "", "HTTP path"),
	COLUMN(row_request, status, COLUMN_COUNT_INT, "", "HTTP status; 0: none seen"),
	COLUMN(row_request, model, COLUMN_TEXT_OPTIONAL, "", "model that the client asked for"),
	COLUMN(row_request, response_model, COLUMN_TEXT_OPTIONAL, "", "model that the server named"),
	COLUMN(row_request, stream, COLUMN_BOOL, "", "1: the client asked for a stream"),
	COLUMN(row_request, client_left, COLUMN_BOOL, "", "1: the client closed before the response had ended"),
	COLUMN(row_request, max_tokens, COLUMN_CLAIM, "tokens", "limit that the client set; NULL: none"),
	COLUMN(row_request, n, COLUMN_CLAIM, "", "completions asked for, of each prompt"),
	COLUMN(row_request, body_bytes, COLUMN_COUNT_OPTIONAL, "bytes", "size of the request's body"),
	COLUMN(row_request, prompt_bytes, COLUMN_COUNT_OPTIONAL, "bytes", "size of its prompt; NULL: not understood"),
	COLUMN(row_request, prompt_hash, COLUMN_BITS_OPTIONAL, "", "FNV-1a 64 of its prompt text; NULL: none"),
	COLUMN(row_request, api_id, COLUMN_TEXT_OPTIONAL, "", "response id, as a bill names it"),
	COLUMN(row_request, finish_reason, COLUMN_TEXT_OPTIONAL, "", "why the generation ended, by the server"),
	COLUMN(row_request, slot, COLUMN_CLAIM, "", "the engine's own slot number, by the server"),
	COLUMN(row_request, n_chunks, COLUMN_COUNT_OPTIONAL, "chunks", "events that carried generated text"),
	COLUMN(row_request, billed_prompt_tokens, COLUMN_CLAIM, "tokens", "usage: prompt tokens; NULL: no bill"),
	COLUMN(row_request, billed_cached_tokens, COLUMN_CLAIM, "tokens", "usage: of them cached"),
	COLUMN(row_request, billed_completion_tokens, COLUMN_CLAIM, "tokens", "usage: completion tokens"),
	COLUMN(row_request, reported_prompt_tokens, COLUMN_CLAIM, "tokens", "timings: prompt tokens computed"),
	COLUMN(row_request, reported_cached_tokens, COLUMN_CLAIM, "tokens", "timings: prompt tokens cached"),
	COLUMN(row_request, reported_completion_tokens, COLUMN_CLAIM, "tokens", "timings: tokens generated"),
	COLUMN(row_request, reported_draft_tokens, COLUMN_CLAIM, "tokens", "timings: tokens drafted"),
	COLUMN(row_request, reported_draft_accepted_tokens, COLUMN_CLAIM, "tokens", "timings: of them accepted"),
	COLUMN(row_request, reported_prompt_us, COLUMN_CLAIM, "us", "timings: time for the prompt"),
	COLUMN(row_request, reported_completion_us, COLUMN_CLAIM, "us", "timings: time for the completion"),
	COLUMN(row_request, incomplete, COLUMN_U32, "bits", "why it cannot be accounted for whole; 0: it can"),
	COLUMN(row_request, text, COLUMN_TEXT_OPTIONAL, "", "prompt and completion, only with --capture-text"),
	COLUMN_SINCE(2, row_request, n_prompts, COLUMN_CLAIM, "prompts",
		     "in its list; 1: no list; NULL: not all of it was seen"),
	COLUMN_SINCE(2, row_request, sent_prompt_tokens, COLUMN_CLAIM, "tokens",
		     "token ids in it, of all prompts; NULL: not sent as token ids alone"),
};

static const struct column chunk_columns[] = {
	COLUMN(row_chunk, request, COLUMN_ID, "", "request.id"),
	COLUMN(row_chunk, idx, COLUMN_ID, "", "number of the chunk in its request"),
	COLUMN(row_chunk, time_ns, COLUMN_TIME, "ns since origin", "when the server sent it"),
};

static const struct column fit_columns[] = {
	COLUMN(row_fit, id, COLUMN_ID, "", "number of the fit"),
	COLUMN(row_fit, role, COLUMN_TEXT, "", "context.role whose steps it prices"),
	COLUMN(row_fit, resource, COLUMN_COUNT_INT, "", "resource.id; 0: wall time of a step, in ns"),
	COLUMN(row_fit, model_digest, COLUMN_TEXT_OPTIONAL, "", "digest of the weight file; NULL: not read"),
	COLUMN(row_fit, model_name, COLUMN_TEXT_OPTIONAL, "", "its name, for people"),
	COLUMN(row_fit, engine, COLUMN_TEXT_OPTIONAL, "", "engine.name that was fitted"),
	COLUMN(row_fit, engine_version, COLUMN_TEXT_OPTIONAL, "", "its version; NULL: not known"),
	COLUMN(row_fit, build_id, COLUMN_TEXT_OPTIONAL, "", "its build id"),
	COLUMN(row_fit, n_threads, COLUMN_COUNT_OPTIONAL, "threads", "that computed; NULL: not measured"),
	COLUMN(row_fit, host, COLUMN_TEXT_OPTIONAL, "", "host that it was fitted on"),
	COLUMN(row_fit, cpu_model, COLUMN_TEXT_OPTIONAL, "", "its processor"),
	COLUMN(row_fit, made_unix_ns, COLUMN_METER, "ns since 1970", "when it was fitted"),
	COLUMN(row_fit, origin, COLUMN_TEXT, "", "calibrate: of a designed sweep; recording: of traffic as it came"),
	COLUMN(row_fit, n_steps, COLUMN_COUNT, "steps", "that it was fitted to"),
	COLUMN(row_fit, n_held_out, COLUMN_COUNT, "steps", "that judged a fit of the others"),
	COLUMN(row_fit, sigma, COLUMN_REAL, "", "relative standard deviation of a step about the model, robust"),
	COLUMN(row_fit, model_error, COLUMN_REAL, "", "the same of the mean of many steps of one composition"),
	COLUMN(row_fit, median_residual, COLUMN_REAL, "", "median of |measured - model| / model, held out"),
	COLUMN(row_fit, condition, COLUMN_REAL_OPTIONAL, "", "condition number of the scaled columns; NULL: infinite"),
	COLUMN(row_fit, identified, COLUMN_BOOL, "", "1: steps can be shared by it"),
	COLUMN(row_fit, reason, COLUMN_TEXT_OPTIONAL, "", "why they cannot"),
	COLUMN(row_fit, affine_fixed, COLUMN_REAL_OPTIONAL, "of the resource",
	       "affine form: per part; NULL: not fitted"),
	COLUMN(row_fit, affine_token, COLUMN_REAL_OPTIONAL, "of the resource", "affine form: per token"),
	COLUMN(row_fit, affine_context, COLUMN_REAL_OPTIONAL, "of the resource", "affine form: per token of context"),
	COLUMN(row_fit, affine_pair, COLUMN_REAL_OPTIONAL, "of the resource", "affine form: per pair of attention"),
	COLUMN(row_fit, affine_residual, COLUMN_REAL_OPTIONAL, "", "affine form: median residual"),
	COLUMN(row_fit, roofline_fixed, COLUMN_REAL_OPTIONAL, "of the resource", "roofline: c0; NULL: not fitted"),
	COLUMN(row_fit, roofline_weights, COLUMN_REAL_OPTIONAL, "of the resource", "roofline: W, reading the weights"),
	COLUMN(row_fit, roofline_context, COLUMN_REAL_OPTIONAL, "of the resource", "roofline: b, per token of context"),
	COLUMN(row_fit, roofline_token, COLUMN_REAL_OPTIONAL, "of the resource", "roofline: f, per token"),
	COLUMN(row_fit, roofline_pair, COLUMN_REAL_OPTIONAL, "of the resource", "roofline: h, per pair of attention"),
	COLUMN(row_fit, roofline_residual, COLUMN_REAL_OPTIONAL, "", "roofline: median residual"),
	COLUMN_SINCE(3, row_fit, least_context, COLUMN_COUNT_OPTIONAL, "tokens",
		     "fitted to: fewest before the first token of a row; NULL, as all that follow: not known"),
	COLUMN_SINCE(3, row_fit, most_context, COLUMN_COUNT_OPTIONAL, "tokens", "most before the last token of a row"),
	COLUMN_SINCE(3, row_fit, least_rows, COLUMN_COUNT_OPTIONAL, "rows", "fewest in a part of a step"),
	COLUMN_SINCE(3, row_fit, most_rows, COLUMN_COUNT_OPTIONAL, "rows", "most in a part"),
	COLUMN_SINCE(3, row_fit, least_tokens, COLUMN_COUNT_OPTIONAL, "tokens", "fewest in a part"),
	COLUMN_SINCE(3, row_fit, most_tokens, COLUMN_COUNT_OPTIONAL, "tokens", "most in a part"),
	COLUMN_SINCE(4, row_fit, waited, COLUMN_REAL_OPTIONAL, "",
		     "the server's threads, in the steps that it was fitted to: waits for a CPU per CPU time; NULL: "
		     "not known"),
};

static const struct column fit_term_columns[] = {
	COLUMN(row_fit_term, fit, COLUMN_ID, "", "fit.id"),
	COLUMN(row_fit_term, term, COLUMN_TEXT, "", "G(Q): a part of Q tokens; row, context, attention, output, mixed"),
	COLUMN(row_fit_term, value, COLUMN_REAL, "of the resource", "its cost"),
	COLUMN(row_fit_term, low, COLUMN_REAL, "of the resource", "lower end of the 95 % interval"),
	COLUMN(row_fit_term, high, COLUMN_REAL, "of the resource", "upper end of it"),
	COLUMN(row_fit_term, fitted, COLUMN_BOOL, "", "0: not told by the steps; a G then lies between its neighbours"),
	COLUMN(row_fit_term, merged_with, COLUMN_TEXT_OPTIONAL, "",
	       "the term that it could not (fitted: hardly) be told from"),
};

static const struct column fit_draw_columns[] = {
	COLUMN(row_fit_draw, fit, COLUMN_ID, "", "fit.id"),
	COLUMN(row_fit_draw, draw, COLUMN_ID, "", "number of the bootstrap replicate, from 0"),
	COLUMN(row_fit_draw, term, COLUMN_TEXT, "", "fit_term.term, fitted ones only"),
	COLUMN(row_fit_draw, value, COLUMN_REAL, "of the resource", "its cost in this replicate"),
};

static const struct column file_columns[] = {
	COLUMN(row_file, id, COLUMN_COUNT_INT, "", "number of the file"),
	COLUMN(row_file, pid, COLUMN_U32, "", "process.pid that had it"),
	COLUMN(row_file, path, COLUMN_TEXT, "", "its name, as the server sees it"),
	COLUMN(row_file, device, COLUMN_BITS, "", "device number"),
	COLUMN(row_file, inode, COLUMN_BITS, "", "inode"),
	COLUMN(row_file, size_bytes, COLUMN_COUNT_OPTIONAL, "bytes", "its size; NULL: it could not be asked"),
	COLUMN(row_file, access, COLUMN_TEXT, "", "mapped, or open"),
	COLUMN(row_file, first_ns, COLUMN_TIME, "ns since origin", "when it was first seen so"),
	COLUMN(row_file, last_ns, COLUMN_TIME, "ns since origin", "and last"),
	COLUMN(row_file, mapped_bytes, COLUMN_COUNT_OPTIONAL, "bytes", "mapped, the most at one time; NULL: never"),
	COLUMN(row_file, resident_bytes, COLUMN_COUNT_OPTIONAL, "bytes",
	       "of the mapping that the server has in its page tables; NULL: not known"),
	COLUMN(row_file, looked_ns, COLUMN_TIME_OPTIONAL, "ns since origin", "when that was"),
	COLUMN(row_file, sha256, COLUMN_TEXT_OPTIONAL, "", "of the whole file; with --digest-models"),
	COLUMN(row_file, reason, COLUMN_TEXT_OPTIONAL, "", "why there is none"),
};

static const struct column footprint_columns[] = {
	COLUMN(row_footprint, pid, COLUMN_U32, "", "process.pid"),
	COLUMN(row_footprint, time_ns, COLUMN_TIME, "ns since origin", "when it was last looked at"),
	COLUMN(row_footprint, anon_bytes, COLUMN_COUNT_OPTIONAL, "bytes", "resident, of no file"),
	COLUMN(row_footprint, file_bytes, COLUMN_COUNT_OPTIONAL, "bytes", "resident, of files"),
	COLUMN(row_footprint, shared_bytes, COLUMN_COUNT_OPTIONAL, "bytes", "resident, of shared memory"),
	COLUMN(row_footprint, swap_bytes, COLUMN_COUNT_OPTIONAL, "bytes", "swapped out"),
	COLUMN(row_footprint, peak_bytes, COLUMN_COUNT_OPTIONAL, "bytes", "the most that was resident since it began"),
};

static const struct column ioctl_columns[] = {
	COLUMN(row_ioctl, id, COLUMN_ID, "", "number of the kind of call"),
	COLUMN(row_ioctl, pid, COLUMN_U32, "", "process that made them; of several neighbours of one name the last"),
	COLUMN(row_ioctl, comm, COLUMN_TEXT_OPTIONAL, "", "its short name, as in ps"),
	COLUMN(row_ioctl, neighbour, COLUMN_BOOL, "", "1: no process of the server, on a device that the server uses"),
	COLUMN(row_ioctl, device, COLUMN_TEXT, "", "the device's node"),
	COLUMN(row_ioctl, driver, COLUMN_TEXT_OPTIONAL, "", "its driver; NULL: none that is known"),
	COLUMN(row_ioctl, name, COLUMN_TEXT, "", "what the driver calls it, else node:magic:number"),
	COLUMN(row_ioctl, class, COLUMN_TEXT, "", "submit, wait, alloc, map, copy or control"),
	COLUMN(row_ioctl, known, COLUMN_BOOL, "", "0: not in the table of calls; class by how long they took"),
	COLUMN(row_ioctl, command, COLUMN_U32, "", "magic * 256 + number, or the whole command"),
	COLUMN(row_ioctl, sub, COLUMN_BITS, "", "sub-command in the argument"),
	COLUMN(row_ioctl, n, COLUMN_COUNT, "calls", "how many ended while recorded"),
	COLUMN(row_ioctl, ns, COLUMN_COUNT, "ns", "from entry to exit, in sum"),
	COLUMN(row_ioctl, failed, COLUMN_COUNT, "calls", "of them by errno, or by the status in the argument"),
	COLUMN(row_ioctl, retries, COLUMN_COUNT, "attempts",
	       "ended by EINTR or EAGAIN and made again: one call with it"),
	COLUMN(row_ioctl, unpaired, COLUMN_COUNT, "calls", "whose beginning was not seen: not in n"),
};

static const struct column step_ioctl_columns[] = {
	COLUMN(row_step_ioctl, step, COLUMN_ID, "", "step.id"),
	COLUMN(row_step_ioctl, ioctl, COLUMN_ID, "", "ioctl.id"),
	COLUMN(row_step_ioctl, n, COLUMN_COUNT, "calls", "that began and ended in the step"),
	COLUMN(row_step_ioctl, ns, COLUMN_COUNT, "ns", "that they took"),
	COLUMN(row_step_ioctl, failed, COLUMN_COUNT, "calls", "of them that failed"),
};

static const struct column ioctl_sample_columns[] = {
	COLUMN(row_ioctl_sample, time_ns, COLUMN_TIME, "ns since origin", "an instant"),
	COLUMN(row_ioctl_sample, ioctl, COLUMN_ID, "", "ioctl.id"),
	COLUMN(row_ioctl_sample, n, COLUMN_COUNT, "calls", "in no one step, ended since the sample before"),
	COLUMN(row_ioctl_sample, ns, COLUMN_COUNT, "ns", "that they took"),
	COLUMN(row_ioctl_sample, failed, COLUMN_COUNT, "calls", "of them that failed"),
};

static const struct column module_columns[] = {
	COLUMN(row_module, id, COLUMN_ID, "", "number of the module: code that samples were in"),
	COLUMN(row_module, kind, COLUMN_TEXT, "", "user, kernel, kernel_module, vdso or jit"),
	COLUMN(row_module, path, COLUMN_TEXT_OPTIONAL, "", "file, as the server sees it; name of a kernel module"),
	COLUMN(row_module, build_id, COLUMN_TEXT_OPTIONAL, "", "build id in hex; NULL: it has none"),
	COLUMN(row_module, device, COLUMN_BITS_OPTIONAL, "", "device number of the file"),
	COLUMN(row_module, inode, COLUMN_BITS_OPTIONAL, "", "its inode"),
	COLUMN(row_module, size_bytes, COLUMN_COUNT_OPTIONAL, "bytes", "its size"),
};

static const struct column frame_columns[] = {
	COLUMN(row_frame, id, COLUMN_ID, "", "number of the frame: a place in code"),
	COLUMN(row_frame, kind, COLUMN_FRAME_KIND, "", "0 user, 1 kernel, 2 Python"),
	COLUMN(row_frame, module, COLUMN_ID_OPTIONAL, "", "module.id; NULL: no mapping is known there"),
	COLUMN(row_frame, address, COLUMN_BITS, "",
	       "user: as the file's ELF says it (p_vaddr); kernel: less _text; kernel module: less its start; without "
	       "a "
	       "module: as it was in the process"),
};

static const struct column stack_columns[] = {
	COLUMN(row_stack, id, COLUMN_ID, "", "number of the stack: a frame and the stack that called it"),
	COLUMN(row_stack, parent, COLUMN_ID_OPTIONAL, "",
	       "stack.id of the caller, less than id; NULL: this frame is the outermost"),
	COLUMN(row_stack, frame, COLUMN_ID, "", "frame.id of its innermost frame"),
};

static const struct column symbol_columns[] = {
	COLUMN(row_symbol, frame, COLUMN_ID, "", "frame.id"),
	COLUMN(row_symbol, depth, COLUMN_ID, "",
	       "0: the function that the code belongs to; 1 and up: inlined into the one before, innermost last"),
	COLUMN(row_symbol, name, COLUMN_TEXT, "", "name of the function, demangled"),
	COLUMN(row_symbol, offset_bytes, COLUMN_ID, "bytes", "from the start of the function of depth 0"),
	COLUMN(row_symbol, file, COLUMN_TEXT_OPTIONAL, "", "source file; NULL: not known"),
	COLUMN(row_symbol, line, COLUMN_ID_OPTIONAL, "", "line in it"),
	COLUMN(row_symbol, source, COLUMN_TEXT, "",
	       "symtab, dynsym, dwarf, gnu_debugdata, debug_file, perf_map, jitdump or kallsyms"),
};

static const struct column stack_sample_columns[] = {
	COLUMN(row_stack_sample, id, COLUMN_ID, "", "number of the sample"),
	COLUMN(row_stack_sample, time_ns, COLUMN_TIME, "ns since origin", "when it was taken; of a wait: its end"),
	COLUMN(row_stack_sample, tid, COLUMN_U32, "", "thread of the server"),
	COLUMN(row_stack_sample, cpu, COLUMN_COUNT_INT, "", "number of the CPU"),
	COLUMN(row_stack_sample, kind, COLUMN_STACK_SAMPLE_KIND, "", "0 on a CPU, 1 a wait"),
	COLUMN(row_stack_sample, weight_ns, COLUMN_COUNT, "ns", "time on a CPU, or waiting, that it stands for"),
	COLUMN(row_stack_sample, step, COLUMN_ID_OPTIONAL, "", "step.id; NULL: between steps, or not told"),
	COLUMN(row_stack_sample, stack, COLUMN_ID_OPTIONAL, "", "stack.id; NULL: none could be taken"),
	COLUMN(row_stack_sample, reason, COLUMN_WAIT_REASON, "",
	       "0 other, 1 futex, 2 disk, 3 sleep, 4 disk in a page fault, 5 run queue; NULL: no wait"),
	COLUMN(row_stack_sample, waker_tid, COLUMN_ID_OPTIONAL, "", "thread that ended the wait; NULL: not known"),
	COLUMN(row_stack_sample, waker_stack, COLUMN_ID_OPTIONAL, "", "stack.id of that thread; NULL: not known"),
	COLUMN(row_stack_sample, user_end, COLUMN_USER_END, "",
	       "where the user stack ended: 0 at the thread's start, 1 too deep, 2 no unwind table, 3 unreadable, 4 "
	       "kernel thread, 5 not walked"),
	COLUMN(row_stack_sample, length_ns, COLUMN_COUNT_OPTIONAL, "ns", "of the wait itself; NULL: no wait"),
};

static const struct column kernel_kind_columns[] = {
	COLUMN(row_kernel_kind, id, COLUMN_ID, "",
	       "number of the kind: of a system call its own, plus 65536 where it "
	       "received, 131072 where it sent bytes of a socket"),
	COLUMN(row_kernel_kind, name, COLUMN_TEXT, "", "the system call, or the interrupt"),
	COLUMN(row_kernel_kind, path, COLUMN_TEXT, "",
	       "receive, send, futex, poll, file, memory, time, other or interrupt"),
};

static const struct column kernel_burst_columns[] = {
	COLUMN(row_kernel_burst, start_ns, COLUMN_TIME, "ns since origin", "from here on they were timed"),
	{ "duration_ns", COLUMN_END, offsetof(struct row_kernel_burst, end_ns), "ns", "how long they were", 0, 1 },
	COLUMN(row_kernel_burst, cpu_ns, COLUMN_COUNT, "ns", "CPU time of the server in it"),
};

static const struct column step_kernel_columns[] = {
	COLUMN(row_step_kernel, step, COLUMN_ID, "", "step.id"),
	COLUMN(row_step_kernel, kind, COLUMN_ID, "", "kernel_kind.id"),
	COLUMN(row_step_kernel, n, COLUMN_COUNT, "calls", "that ended in the step while they were timed"),
	COLUMN(row_step_kernel, ns, COLUMN_COUNT, "ns", "of CPUs in them, without what interrupted them"),
};

static const struct column kernel_sample_columns[] = {
	COLUMN(row_kernel_sample, time_ns, COLUMN_TIME, "ns since origin", "an instant"),
	COLUMN(row_kernel_sample, kind, COLUMN_ID, "", "kernel_kind.id"),
	COLUMN(row_kernel_sample, n, COLUMN_COUNT, "calls", "in no one step, ended since the sample before"),
	COLUMN(row_kernel_sample, ns, COLUMN_COUNT, "ns", "of CPUs in them, without what interrupted them"),
};

static const struct column kv_cache_columns[] = {
	COLUMN(row_kv_cache, id, COLUMN_COUNT_INT, "", "number of the cache"),
	COLUMN(row_kv_cache, pid, COLUMN_U32, "", "process.pid that has it in its memory"),
	COLUMN(row_kv_cache, address, COLUMN_BITS, "", "address of its first tensor"),
	COLUMN(row_kv_cache, n_layers, COLUMN_COUNT, "layers", "that it has keys and values of"),
	COLUMN(row_kv_cache, n_tokens, COLUMN_COUNT, "tokens", "that it has room for"),
	COLUMN(row_kv_cache, elements_per_token, COLUMN_COUNT, "numbers", "of a token, over all layers"),
	COLUMN(row_kv_cache, bytes_per_token, COLUMN_COUNT, "bytes", "the same"),
	COLUMN(row_kv_cache, type_k, COLUMN_TEXT_OPTIONAL, "", "number format of keys"),
	COLUMN(row_kv_cache, type_v, COLUMN_TEXT_OPTIONAL, "", "number format of values"),
};

static const struct column traffic_source_columns[] = {
	COLUMN(row_traffic_source, id, COLUMN_COUNT_INT, "", "number of the source, the best first"),
	COLUMN(row_traffic_source, name, COLUMN_TEXT, "", "uncore, resctrl"),
	COLUMN(row_traffic_source, grade, COLUMN_GRADE, "", "as in resource"),
	COLUMN(row_traffic_source, source, COLUMN_TEXT_OPTIONAL, "", "what was read"),
	COLUMN(row_traffic_source, reason, COLUMN_TEXT_OPTIONAL, "", "why it is unavailable, or what its figures lack"),
	COLUMN(row_traffic_source, remedy, COLUMN_TEXT_OPTIONAL, "", "what can be done about that"),
	COLUMN(row_traffic_source, n_counters, COLUMN_COUNT_OPTIONAL, "", "counters that were read"),
	COLUMN(row_traffic_source, check_known_bytes, COLUMN_COUNT_OPTIONAL, "bytes",
	       "self-check: streamed from memory; NULL: not made"),
	COLUMN(row_traffic_source, check_bytes, COLUMN_COUNT_OPTIONAL, "bytes", "of them seen by this source"),
};

static const struct column traffic_sample_columns[] = {
	COLUMN(row_traffic_sample, time_ns, COLUMN_TIME, "ns since origin", "end of the interval"),
	COLUMN(row_traffic_sample, source, COLUMN_COUNT_INT, "", "traffic_source.id"),
	COLUMN(row_traffic_sample, duration_ns, COLUMN_COUNT, "ns", "its length"),
	COLUMN(row_traffic_sample, bytes, COLUMN_COUNT, "bytes", "between memory and caches in it"),
	COLUMN(row_traffic_sample, write_bytes, COLUMN_COUNT_OPTIONAL, "bytes",
	       "of them written to memory; NULL: not told apart"),
};

static const struct column touched_columns[] = {
	COLUMN(row_touched, window, COLUMN_ID, "", "number of the window"),
	COLUMN(row_touched, pid, COLUMN_U32, "", "process.pid"),
	COLUMN(row_touched, idx, COLUMN_COUNT_INT, "", "place among the rows of window and process, from 0"),
	COLUMN(row_touched, kind, COLUMN_TEXT, "",
	       "weights: one file of weights; anonymous; other: all other files, and shared memory"),
	COLUMN(row_touched, path, COLUMN_TEXT_OPTIONAL, "", "of weights, as the server sees it"),
	COLUMN(row_touched, device, COLUMN_BITS_OPTIONAL, "", "of weights: device number of the file"),
	COLUMN(row_touched, inode, COLUMN_BITS_OPTIONAL, "", "its inode"),
	COLUMN(row_touched, start_ns, COLUMN_TIME, "ns since origin", "the marks were off all pages"),
	COLUMN(row_touched, end_ns, COLUMN_TIME, "ns since origin", "pages that were marked again began to be counted"),
	COLUMN(row_touched, clear_ns, COLUMN_COUNT, "ns", "before the start: that it took to take the marks off"),
	COLUMN(row_touched, read_ns, COLUMN_COUNT, "ns", "after the end: that it took to count"),
	COLUMN(row_touched, mapped_bytes, COLUMN_COUNT, "bytes", "of all mappings of the kind"),
	COLUMN(row_touched, before_bytes, COLUMN_COUNT_OPTIONAL, "bytes",
	       "in the process's page table before the start; NULL, as all that follow: the kernel does not say"),
	COLUMN(row_touched, resident_bytes, COLUMN_COUNT_OPTIONAL, "bytes", "the same after the end"),
	COLUMN(row_touched, touched_bytes, COLUMN_COUNT_OPTIONAL, "bytes", "of them marked as touched"),
	COLUMN(row_touched, shared_bytes, COLUMN_COUNT_OPTIONAL, "bytes",
	       "of them resident in other processes too, which may have touched them"),
	COLUMN(row_touched, huge_bytes, COLUMN_COUNT_OPTIONAL, "bytes",
	       "of them mapped by huge pages, marked as a whole"),
	COLUMN(row_touched, hugetlb_bytes, COLUMN_COUNT_OPTIONAL, "bytes", "of hugetlbfs: in none of the others"),
};

static const struct column step_operator_columns[] = {
	COLUMN(row_step_operator, step, COLUMN_ID, "", "step.id, of a step whose operators were probed"),
	{ "operator", COLUMN_TEXT, offsetof(struct row_step_operator, name), "",
	  "matmul, attention, recurrence, norm, rope, embedding, elementwise, copy, other; graph start: threads are "
	  "called together; sampling: after the step; probes: of all these",
	  0, 1 },
	COLUMN(row_step_operator, layer, COLUMN_INT_OR_UNKNOWN, "", "block of the model, from 0; -1: of none"),
	COLUMN(row_step_operator, n, COLUMN_COUNT, "nodes", "of the step's graph; tokens chosen; graphs"),
	COLUMN(row_step_operator, ns, COLUMN_COUNT, "ns", "until the step's thread began the next"),
	COLUMN(row_step_operator, cpu_ns, COLUMN_COUNT_OPTIONAL, "ns",
	       "all threads of the server meanwhile; NULL: not measured"),
};

#define TABLE(name, plural, row, n_key, doc)                                                                           \
	{                                                                                                              \
#name, doc, name##_columns, sizeof(name##_columns) / sizeof(name##_columns[0]), n_key, false,          \
			sizeof(struct row), offsetof(struct recording, plural),                                        \
			offsetof(struct recording, n_##plural), false                                                  \
	}
#define TABLE_LATER(name, plural, row, n_key, doc)                                                                     \
	{                                                                                                              \
#name, doc, name##_columns, sizeof(name##_columns) / sizeof(name##_columns[0]), n_key, false,          \
			sizeof(struct row), offsetof(struct recording, plural),                                        \
			offsetof(struct recording, n_##plural), true                                                   \
	}

const struct table tables[N_TABLES] = {
	[TABLE_RECORDING] = TABLE(recording, meta, recording_meta, 1, "facts about the recording as a whole"),
	[TABLE_RESOURCE] = TABLE(resource, resources, row_resource, 1, "what can be measured, and how well it was"),
	[TABLE_TOTAL] = TABLE(total, totals, row_total, 1, "the whole server's use, by an account that knows no steps"),
	[TABLE_COLLECTOR] = TABLE(collector, collectors, row_collector, 1, "who collected, and why one did not"),
	[TABLE_PROBE] = TABLE(probe, probes, row_probe, 3, "every place where a collector wanted to attach"),
	[TABLE_LOSS] = { "loss", "records that were lost, per collector, kind and second", loss_columns,
			 sizeof(loss_columns) / sizeof(loss_columns[0]), 3, true, sizeof(struct row_loss),
			 offsetof(struct recording, losses), offsetof(struct recording, n_losses), false },
	[TABLE_PROCESS] = TABLE(process, processes, row_process, 2, "processes of the server"),
	[TABLE_THREAD] = TABLE(thread, threads, row_thread, 2, "threads of the server; NULL: not measured"),
	[TABLE_ENGINE] = TABLE(engine, engines, row_engine, 1, "engines found in the server"),
	[TABLE_MODEL] = TABLE(model, models, row_model, 1, "weight files that the server uses"),
	[TABLE_CONTEXT] = TABLE(context, contexts, row_context, 1, "engine contexts"),
	[TABLE_STEP] = TABLE(step, steps, row_step, 1, "forward passes"),
	[TABLE_STEP_RESOURCE] = TABLE(step_resource, step_resources, row_step_resource, 2, "what each step used"),
	[TABLE_SAMPLE] = TABLE(sample, samples, row_sample, 2, "the server's meters at instants between steps"),
	[TABLE_ROW] = TABLE(row, rows, row_row, 3, "each sequence's share of each step"),
	[TABLE_MEMORY] = TABLE(memory, memories, row_memory, 1, "changes of an engine's key-value memory"),
	[TABLE_REQUEST] = TABLE(request, requests, row_request, 1, "API calls seen on the wire"),
	[TABLE_CHUNK] = TABLE(chunk, chunks, row_chunk, 2, "events of a stream that carried generated text"),
	[TABLE_FIT] = TABLE_LATER(fit, fits, row_fit, 1, "cost models of steps, and what they were fitted to"),
	[TABLE_FIT_TERM] = TABLE_LATER(fit_term, fit_terms, row_fit_term, 2, "the terms of the cost models"),
	[TABLE_FIT_DRAW] = TABLE_LATER(fit_draw, fit_draws, row_fit_draw, 3, "bootstrap replicates of the terms"),
	[TABLE_FILE] = TABLE_LATER(file, files, row_file, 1, "weight files that the server had mapped or open"),
	[TABLE_FOOTPRINT] = TABLE_LATER(footprint, footprints, row_footprint, 1, "memory of the server's processes"),
	[TABLE_IOCTL] = TABLE_LATER(ioctl, ioctls, row_ioctl, 1, "calls into device drivers, by process and kind"),
	[TABLE_STEP_IOCTL] =
		TABLE_LATER(step_ioctl, step_ioctls, row_step_ioctl, 2, "calls into device drivers in steps"),
	[TABLE_IOCTL_SAMPLE] = TABLE_LATER(ioctl_sample, ioctl_samples, row_ioctl_sample, 2,
					   "calls into device drivers in no one step"),
	[TABLE_MODULE] = TABLE_LATER(module, modules, row_module, 1, "files and other code that samples were in"),
	[TABLE_FRAME] = TABLE_LATER(frame, frames, row_frame, 1, "places in code that samples were in"),
	[TABLE_STACK] = TABLE_LATER(stack, stacks, row_stack, 1, "stacks of calls, as a prefix tree"),
	[TABLE_SYMBOL] = TABLE_LATER(symbol, symbols, row_symbol, 2, "names of frames, with functions inlined there"),
	[TABLE_STACK_SAMPLE] =
		TABLE_LATER(stack_sample, stack_samples, row_stack_sample, 1, "what threads were seen doing"),
	[TABLE_KERNEL_KIND] = TABLE_LATER(kernel_kind, kernel_kinds, row_kernel_kind, 1, "system calls and interrupts"),
	[TABLE_KERNEL_BURST] = TABLE_LATER(kernel_burst, kernel_bursts, row_kernel_burst, 1,
					   "when system calls and interrupts were timed"),
	[TABLE_STEP_KERNEL] = TABLE_LATER(step_kernel, step_kernels, row_step_kernel, 2,
					  "system calls and interrupts in steps, as far as they were timed"),
	[TABLE_KERNEL_SAMPLE] = TABLE_LATER(kernel_sample, kernel_samples, row_kernel_sample, 2,
					    "system calls and interrupts in no one step, as far as they were timed"),
	[TABLE_KV_CACHE] = TABLE_LATER(kv_cache, kv_caches, row_kv_cache, 1,
				       "caches of keys and values, as they stand in the server's memory"),
	[TABLE_TRAFFIC_SOURCE] = TABLE_LATER(traffic_source, traffic_sources, row_traffic_source, 1,
					     "who counts memory traffic, and why one does not"),
	[TABLE_TRAFFIC_SAMPLE] = TABLE_LATER(traffic_sample, traffic_samples, row_traffic_sample, 2,
					     "memory traffic, interval by interval"),
	[TABLE_TOUCHED] = TABLE_LATER(touched, toucheds, row_touched, 3,
				      "memory that the server touched in windows of record --touched-bytes"),
	[TABLE_STEP_OPERATOR] = TABLE_LATER(step_operator, step_operators, row_step_operator, 3,
					    "what was computed in some steps, by operator and layer"),
};

const char *const views[] = {
	"CREATE VIEW step_cost AS -- one line per step with its resources side by side\n"
	"SELECT step.id, context.role, step.start_ns, step.start_ns + step.duration_ns AS end_ns, step.duration_ns,\n"
	"\tstep.ret, step.n_tokens,\n"
	"\t(SELECT count(DISTINCT seq) FROM row WHERE row.step = step.id AND seq >= 0) AS n_sequences,\n"
	"\t(SELECT value FROM step_resource WHERE step_resource.step = step.id AND resource = 1) AS cpu_ns,\n"
	"\t(SELECT value FROM step_resource WHERE step_resource.step = step.id AND resource = 2) AS kernel_ns,\n"
	"\t(SELECT value FROM step_resource WHERE step_resource.step = step.id AND resource = 3) AS faults,\n"
	"\tstep.runq_ns, step.blocked_ns\n"
	"FROM step LEFT JOIN context ON context.id = step.context",

	"CREATE VIEW request_time AS -- one line per request, its times as a client would state them\n"
	"SELECT id, api_id, method, path, status,\n"
	"\t(SELECT CAST(value AS INTEGER) FROM recording WHERE key = 'origin_unix_ns') + arrival_ns\n"
	"\t\tAS arrival_unix_ns,\n"
	"\tfirst_token_ns - arrival_ns AS ttft_ns, end_ns - arrival_ns AS e2el_ns, n_chunks,\n"
	"\tbilled_prompt_tokens, billed_cached_tokens, billed_completion_tokens, incomplete\n"
	"FROM request",

	"CREATE VIEW chunk_gap AS -- one line per chunk with the time since the one before; NULL for the first\n"
	"SELECT request, idx, time_ns,\n"
	"\ttime_ns - lag(time_ns) OVER (PARTITION BY request ORDER BY idx) AS gap_ns\n"
	"FROM chunk",
	NULL,
};
