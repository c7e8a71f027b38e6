/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * The engine's steps, seen by uprobes at function entries and before `ret` instructions. Never a return probe: it replaces
 * the return address, so that an exception thrown through the function aborts the server and no unwinder gets past it.
 *
 * A step's frame is known by its stack pointer: at a `ret` it equals the entry's, whatever was called in between and also
 * through tail jumps, and before the `ret` by how far it is still away (userspace/probe_place.h); a frame that an exception
 * has unwound is recognised by the next entry at the same depth or above.
 *
 * Budget: three hits per step (entry, ubatch, return) whatever the number of streams, at instructions that the kernel
 * emulates where the code allows it: 0.6 us each, elsewhere 1 (metal) to 10 us (virtual machines). The program takes 0.3 to
 * 0.6 us of a hit where its data is in the cache, and about 4 us after a step that has streamed a model's weights through it;
 * in the ubatch about 30 ns more per token. Where a layout has failed, two more per prompt token (collectors/engine_batches.h);
 * where events are counted a step's two cuts add about 1 us each (counters.bpf.h). In bursts a hit per node and thread (operators.bpf.h).
 * The verifier follows 88,000 instructions of the million that it allows.
 */
#include "bpf/common.bpf.h"
#include "bpf/counters.bpf.h"
#include "bpf/operators.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MAX_NESTED 2
#define MAX_SEQUENCES 1024

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENGINE_PROBE_ENTRIES);
	__type(key, tp_u32);
	__type(value, struct engine_probe_config);
} engine_probes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENGINE_LAYOUT_ENTRIES);
	__type(key, tp_u32);
	__type(value, struct layout);
} engine_layouts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, tp_u32);
	__type(value, struct engine_control);
} engine_control SEC(".maps");

/* Whose sequence ids are below MAX_SEQUENCES, so that 16 bits hold them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_BATCHES);
	__type(key, struct batch_key);
	__type(value, struct batch);
} batches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, tp_u32);
	__type(value, struct batch);
} empty_batch SEC(".maps");

struct step {
	tp_u64 sp;		/* 0: none */
	tp_u64 batch;		/* address of the public batch; 0: none */
	tp_u64 filled;		/* address of a batch that calls fill; 0: none */
	tp_u64 told;		/* the rows of the whole step are out, by its batch */
	tp_u64 shown;		/* it is in map step_now */
	tp_u64 operators;	/* its operators are told */
	struct record_step record;
};

/* The public llama_batch, passed by value: unchanged since its introduction in the fields that are read here. */
struct public_batch {
	tp_s32 n_tokens;
	tp_u64 token;
	tp_u64 embd;
	tp_u64 pos;
	tp_u64 n_seq_id;
	tp_u64 seq_id;
	tp_u64 logits;
};

/*
 * Work space of a thread that decodes. Not per CPU: a uprobe program can be preempted by another thread's on the same
 * CPU. Few threads decode, and a thread's entry goes with it.
 */
struct workspace {
	struct step steps[MAX_NESTED];
	tp_u64 speculation_sp;	/* inside the engine's speculation code, entered at this stack pointer; 0: not */
	tp_u64 seen[MAX_SEQUENCES / 64];
	/*
	 * What a reading has gathered. Here and not on the stack: the verifier follows every value on the stack through
	 * the loop over tokens, and takes a map's for unknown.
	 */
	tp_u32 n_rows;		/* in the buffer; the last one is still open */
	tp_u32 n_seqs;
	tp_u32 check;		/* enum layout_check */
	tp_u32 emit;		/* hand rows over when the buffer is full */
	tp_u32 overflow;	/* the buffer was full: not all rows are in it */
	tp_s32 pos[MAX_UBATCH_TOKENS];	/* copies of the engine's arrays, one entry per token */
	tp_u64 seq_ids[MAX_UBATCH_TOKENS];
	tp_u8 outputs[MAX_UBATCH_TOKENS];
	tp_u64 rows[(sizeof(struct record_rows) + MAX_ROWS_PER_RECORD * sizeof(struct record_row)) / 8];
	struct node_list nodes;
};

static __always_inline struct record_rows *workspace__rows(struct workspace *w)
{
	return (struct record_rows *)w->rows;
}

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, tp_u32);
	__type(value, struct workspace);
} workspaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, tp_u32);
	__type(value, struct workspace);
} empty_workspace SEC(".maps");

static __always_inline struct workspace *workspace__get(bool create)
{
	tp_u32 tid = (tp_u32)bpf_get_current_pid_tgid(), zero = 0;
	struct workspace *w = bpf_map_lookup_elem(&workspaces, &tid);
	void *empty;

	if (w || !create)
		return w;
	empty = bpf_map_lookup_elem(&empty_workspace, &zero);
	if (!empty || bpf_map_update_elem(&workspaces, &tid, empty, BPF_NOEXIST)) {
		count_loss(LOSS_ENGINE_UNREADABLE);
		return NULL;
	}
	return bpf_map_lookup_elem(&workspaces, &tid);
}

static __always_inline void cut(tp_u64 *out, tp_u64 now)
{
	struct meters *m = meters__get();

	if (!m)
		return;
	out[METER_CPU_NS] = meter__read(m->word[METER_CPU_NS].value, now - m->base_ns);
	out[METER_KERNEL_NS] = meter__read(m->word[METER_KERNEL_NS].value, now - m->base_ns);
	out[METER_FAULTS] = m->word[METER_FAULTS].value;
	out[METER_RUNQ_NS] = m->word[METER_RUNQ_NS].value;
	out[METER_FAULT_WAIT_NS] = m->rare[METER_FAULT_WAIT_NS - METER_RARE];
	out[METER_CLOCK] = clock__read(m->word[METER_CLOCK].value, now - m->base_ns);
	out[METER_CLOCK_BLIND] = m->rare[METER_CLOCK_BLIND - METER_RARE];
	out[METER_CLOCK_CHANGES] = m->rare[METER_CLOCK_CHANGES - METER_RARE];
}

/* What the thread waited since the attach. At entry kept in the record, at the end subtracted from it. */
static __always_inline void own_waits(struct record_step *r)
{
	tp_u32 tid = (tp_u32)bpf_get_current_pid_tgid();
	struct thread_state *ts = bpf_map_lookup_elem(&threads, &tid);

	if (!ts)
		return;		/* the scheduler's collector is not attached: all stay 0 and its resources unavailable */
	r->runq_ns = ts->times.runq_ns - r->runq_ns;
	r->futex_ns = ts->times.blocked_futex_ns - r->futex_ns;
	r->blocked_ns = ts->times.blocked_futex_ns + ts->times.blocked_io_ns + ts->times.blocked_sleep_ns +
			ts->times.blocked_other_ns - r->blocked_ns;
}

static __always_inline void step_now__add(tp_u32 process, tp_u64 amount)
{
	tp_u32 key = process | STEP_OF_PROCESS;
	tp_u64 *now = bpf_map_lookup_elem(&step_now, &key), none = 0;

	if (!now) {
		bpf_map_update_elem(&step_now, &key, &none, BPF_NOEXIST);	/* or another thread was first */
		now = bpf_map_lookup_elem(&step_now, &key);
	}
	if (now)
		__sync_fetch_and_add(now, amount);
}

/* A nested step's use is inside that of the step around it. Two map operations, where anybody asks which step it is. */
static __always_inline void step_now__enter(const struct meters *m, struct step *s)
{
	const struct record_step *r = &s->record;
	tp_u32 tid = r->h.tid;
	tp_u64 step = r->step;

	if (!m->shows_steps || r->h.flags & STEP_NESTED)
		return;
	s->shown = 1;
	bpf_map_update_elem(&step_now, &tid, &step, BPF_ANY);
	step_now__add(r->h.tgid, STEP_ONE + step);
}

static __always_inline void step_now__leave(const struct step *s)
{
	const struct record_step *r = &s->record;
	tp_u32 tid = r->h.tid;

	if (!s->shown)
		return;
	bpf_map_delete_elem(&step_now, &tid);
	step_now__add(r->h.tgid, -(STEP_ONE + r->step));
}

static __always_inline void emit_step(struct step *s, tp_u64 now, int ret, tp_u16 flags)
{
	struct record_step *r = &s->record;
	const struct meters *m = meters__get();

	if (m)
		counters__cut(m, r->step, CUT_STEP_END);
	r->end_ns = now;
	r->ret = ret;
	r->h.flags |= flags;
	if (s->told && r->n_ubatches > 1)
		r->h.flags |= STEP_PARTS_UNKNOWN;
	cut(r->meter_end, now);
	own_waits(r);
	step_now__leave(s);
	if (bpf_ringbuf_output(&events, r, sizeof(*r), wakeup_flags()))
		count_loss(LOSS_ENGINE_RING);
	s->sp = 0;
}

/* A step within a step may be of any kind: then what is told of the one around it would not be of its own rows. */
static __always_inline void operators__begin(struct workspace *w, struct step *s, bool nested)
{
	struct operator_control *control = operator_control__get();

	w->nodes.sampled_step = 0;
	if (nested) {
		w->steps[0].operators = 0;
		return;
	}
	if (!control || !control->steps_left)
		return;
	control->steps_left--;	/* engines are not more than a few: a step too many does no harm */
	s->operators = 1;
	node_list__begin(&w->nodes);
}

/*
 * Prompts are rare among steps and take most of the time: a burst waits for some, and tells no more of the others than it
 * has to. Which one a step is shows with its first ubatch, before there is a graph.
 */
static __always_inline void operators__choose(struct workspace *w, struct step *s, tp_u32 n_tokens, tp_u32 n_seqs)
{
	struct operator_control *control = operator_control__get();
	tp_u32 *left;

	if (!s->operators || s->record.n_ubatches > 1 || !control)
		return;
	left = n_seqs && n_tokens > n_seqs ? &control->several_left : &control->single_left;
	if (!*left) {
		s->operators = 0;
		return;
	}
	(*left)--;
	w->nodes.sampled_step = s->record.step + 1;
}

/* Has the burst all that it wants? Then the recorder shall let go of the probes. */
static __always_inline tp_u64 operators__wakeup(const struct operator_control *control)
{
	return control->steps_left && (control->single_left || control->several_left) ? BPF_RB_NO_WAKEUP :
											BPF_RB_FORCE_WAKEUP;
}

static __always_inline void operators__end(struct workspace *w, const struct step *s)
{
	const struct operator_control *control = operator_control__get();

	if (!s->operators || !control)
		return;
	if (w->nodes.in_graph)
		w->nodes.broken = 1;
	node_list__add_probes(&w->nodes, s->record.step);
	node_list__emit(&w->nodes, s->record.step, NODES_LAST, operators__wakeup(control));
}

static __always_inline void on_step_entry(const struct engine_probe_config *config, tp_u64 sp, tp_u64 context,
					  tp_u64 batch)
{
	struct workspace *w = workspace__get(true);
	struct meters *m = meters__get();
	tp_u64 now = bpf_ktime_get_ns();
	struct step *s;
	bool nested;

	if (!w || !m)
		return;
	/* A decode that has jumped to encode at its end, as for models without memory: one step, and that is its kind. */
	s = &w->steps[0];
	if (s->sp == sp && config->kind == STEP_ENCODE && s->record.step_kind == STEP_DECODE && !s->record.n_ubatches) {
		s->record.step_kind = STEP_ENCODE;
		return;
	}
	/* The stack grows down: an active frame at or below the new one has been unwound by an exception. */
	if (w->steps[1].sp && w->steps[1].sp <= sp)
		emit_step(&w->steps[1], now, 0, STEP_NO_RETURN);
	if (w->steps[0].sp && w->steps[0].sp <= sp)
		emit_step(&w->steps[0], now, 0, STEP_NO_RETURN);
	nested = w->steps[0].sp != 0;
	s = nested ? &w->steps[1] : &w->steps[0];
	if (s->sp)
		return;		/* deeper than any known engine nests: part of the step around it */
	if (w->speculation_sp && w->speculation_sp <= sp)
		w->speculation_sp = 0;

	__builtin_memset(s, 0, sizeof(*s));
	s->sp = sp;
	fill_header(&s->record.h, RECORD_STEP, sizeof(s->record), now);
	s->record.h.flags = (nested ? STEP_NESTED : 0) | (w->speculation_sp ? STEP_DRAFT : 0);
	s->record.step = __sync_fetch_and_add(&m->next_step, 1);
	s->record.context = context;
	s->record.step_kind = config->kind;
	s->record.batch_tokens = -1;
	if (config->batch_stack) {
		s->batch = batch;
		if (bpf_probe_read_user(&s->record.batch_tokens, sizeof(s->record.batch_tokens), (void *)s->batch)) {
			s->record.batch_tokens = -1;
			s->batch = 0;
			count_loss(LOSS_ENGINE_UNREADABLE);
		}
	} else if (config->batch_argument) {
		s->filled = batch;
	}
	operators__begin(w, s, nested);
	step_now__enter(m, s);
	own_waits(&s->record);
	cut(s->record.meter_start, now);
	counters__cut(m, s->record.step, CUT_STEP_START);
}

static __always_inline void on_step_return(tp_u64 sp, int ret)
{
	struct workspace *w = workspace__get(false);
	tp_u64 now = bpf_ktime_get_ns();

	if (!w)
		return;		/* entered before the recorder came */
	if (w->steps[1].sp == sp) {
		emit_step(&w->steps[1], now, ret, 0);
		return;
	}
	if (w->steps[0].sp != sp)
		return;
	if (w->steps[1].sp)
		emit_step(&w->steps[1], now, 0, STEP_NO_RETURN);
	operators__end(w, &w->steps[0]);
	emit_step(&w->steps[0], now, ret, 0);
}

/* Where the rows of an ubatch or of a public batch are. */
struct row_reader {
	struct workspace *w;
	tp_u64 pos, seq_id, output;	/* addresses of the arrays */
	const struct batch *filled;
	tp_u32 n_tokens;
	tp_u32 max_sequences;
	tp_s32 max_position;
};

static __always_inline int emit_rows(struct workspace *w, tp_u32 n_rows, tp_u16 flags)
{
	struct record_rows *r = workspace__rows(w);

	if (n_rows > MAX_ROWS_PER_RECORD)
		n_rows = MAX_ROWS_PER_RECORD;
	r->n_rows = n_rows;
	r->h.size = sizeof(*r) + n_rows * sizeof(struct record_row);
	r->h.flags = flags | (r->h.flags & ~ROWS_MORE);
	if (bpf_ringbuf_output(&events, r, r->h.size, wakeup_flags())) {
		count_loss(LOSS_ENGINE_RING);
		return -1;
	}
	return 0;
}

static __always_inline bool add_token(struct row_reader *rd, tp_s32 pos, tp_s32 seq, tp_u8 output)
{
	struct workspace *w = rd->w;
	struct record_row *last;
	tp_u32 i = w->n_rows;

	if (pos < 0 || pos >= rd->max_position) {
		w->check = LAYOUT_POSITION;
		return false;
	}
	if (seq < 0 || (tp_u32)seq >= rd->max_sequences || seq >= MAX_SEQUENCES) {
		w->check = LAYOUT_SEQUENCE;
		return false;
	}
	if (output > 1) {
		w->check = LAYOUT_OUTPUT;
		return false;
	}
	if (!(w->seen[((tp_u32)seq / 64) & (MAX_SEQUENCES / 64 - 1)] & (1ULL << (seq & 63)))) {
		w->seen[((tp_u32)seq / 64) & (MAX_SEQUENCES / 64 - 1)] |= 1ULL << (seq & 63);
		w->n_seqs++;
	}
	if (i > 0 && i <= MAX_ROWS_PER_RECORD) {
		last = &workspace__rows(w)->row[(i - 1) & (MAX_ROWS_PER_RECORD - 1)];
		if (last->seq == seq && last->first_pos + (tp_s32)last->n_tokens == pos) {
			last->n_tokens++;
			last->n_outputs += output;
			return true;
		}
	}
	if (i >= MAX_ROWS_PER_RECORD) {
		w->overflow = 1;
		if (w->emit)
			emit_rows(w, i, ROWS_MORE);
		i = 0;
	}
	last = &workspace__rows(w)->row[i & (MAX_ROWS_PER_RECORD - 1)];
	last->seq = seq;
	last->first_pos = pos;
	last->n_tokens = 1;
	last->n_outputs = output;
	w->n_rows = i + 1;
	return true;
}

static long read_token(tp_u32 i, void *ctx)
{
	struct row_reader *rd = ctx;
	struct workspace *w = rd->w;
	tp_s32 seq;

	if (i >= rd->n_tokens || i >= MAX_UBATCH_TOKENS)
		return 1;
	if (bpf_probe_read_user(&seq, sizeof(seq), (void *)w->seq_ids[i])) {
		w->check = LAYOUT_UNREADABLE;
		return 1;
	}
	return !add_token(rd, w->pos[i], seq, w->outputs[i]);
}

static __always_inline void begin_rows(struct workspace *w)
{
	w->n_rows = 0;
	w->n_seqs = 0;
	w->overflow = 0;
	__builtin_memset(w->seen, 0, sizeof(w->seen));
}

static __always_inline void read_rows(struct row_reader *rd)
{
	struct workspace *w = rd->w;
	tp_u32 n = rd->n_tokens;

	begin_rows(w);
	w->check = LAYOUT_SUM;
	if (n == 0 || n > MAX_UBATCH_TOKENS)
		return;
	w->check = LAYOUT_UNREADABLE;
	if (bpf_probe_read_user(w->pos, n * sizeof(w->pos[0]), (void *)rd->pos) ||
	    bpf_probe_read_user(w->seq_ids, n * sizeof(w->seq_ids[0]), (void *)rd->seq_id) ||
	    bpf_probe_read_user(w->outputs, n, (void *)rd->output))
		return;
	w->check = LAYOUT_OK;
	bpf_loop(n, read_token, rd, 0);
}

struct ubatch_fields {
	tp_u32 n_tokens;
	tp_u32 n_seqs_unq;
	bool embeddings;
};

static __always_inline bool read_u64(tp_u64 *out, tp_u64 address)
{
	return bpf_probe_read_user(out, sizeof(*out), (void *)address) == 0;
}

/* Point the reader at an ubatch as the layout says. @return false where not even the pointers make sense */
static __always_inline bool use_layout(struct row_reader *rd, tp_u64 ubatch, const struct layout *l,
				       struct ubatch_fields *f)
{
	tp_u64 embd = 0, token = 0;

	rd->w->check = LAYOUT_UNREADABLE;
	f->n_seqs_unq = 0;
	if (bpf_probe_read_user(&f->n_tokens, sizeof(f->n_tokens), (void *)(ubatch + l->n_tokens)))
		return false;
	if (l->n_seqs_unq != LAYOUT_ABSENT)
		bpf_probe_read_user(&f->n_seqs_unq, sizeof(f->n_seqs_unq), (void *)(ubatch + l->n_seqs_unq));
	read_u64(&token, ubatch + l->token);
	read_u64(&embd, ubatch + l->embd);
	f->embeddings = embd && !token;
	if (!read_u64(&rd->pos, ubatch + l->pos) || !read_u64(&rd->seq_id, ubatch + l->seq_id) ||
	    !read_u64(&rd->output, ubatch + l->output))
		return false;
	if (f->n_tokens == 0 || f->n_tokens > MAX_UBATCH_TOKENS) {
		rd->w->check = LAYOUT_SUM;
		return false;
	}
	rd->n_tokens = f->n_tokens;
	return true;
}

struct layout_search {
	struct row_reader *rd;
	tp_u64 ubatch;
	tp_u32 first;
	tp_u32 limit;		/* tokens that the step's batch has; 0 unknown */
	tp_u32 found;		/* number of layouts that passed */
	tp_u32 which;
	tp_u32 check;		/* of the last one that failed */
	struct ubatch_fields fields;
};

static long try_layout(tp_u32 i, void *ctx)
{
	struct layout_search *search = ctx;
	struct row_reader *rd = search->rd;
	tp_u32 key = search->first + i;
	struct layout *l = bpf_map_lookup_elem(&engine_layouts, &key);

	if (!l)
		return 1;
	if (use_layout(rd, search->ubatch, l, &search->fields)) {
		if (search->limit && search->fields.n_tokens > search->limit) {
			rd->w->check = LAYOUT_SUM;
		} else {
			read_rows(rd);
			if (rd->w->check == LAYOUT_OK && search->fields.n_seqs_unq &&
			    search->fields.n_seqs_unq != rd->w->n_seqs)
				rd->w->check = LAYOUT_SUM;
		}
	}
	if (rd->w->check == LAYOUT_OK) {
		search->found++;
		search->which = key;
	} else {
		search->check = rd->w->check;
	}
	return 0;
}

/* The public batch holds all rows of the step: a fallback where no layout of the ubatch passes. */
static __always_inline bool use_public_batch(struct row_reader *rd, tp_u64 address)
{
	struct public_batch b;

	if (!address || bpf_probe_read_user(&b, sizeof(b), (void *)address))
		return false;
	if (!b.pos || !b.seq_id || !b.logits || b.n_tokens <= 0 || b.n_tokens > MAX_UBATCH_TOKENS)
		return false;
	rd->pos = b.pos;
	rd->seq_id = b.seq_id;
	rd->output = b.logits;
	rd->n_tokens = b.n_tokens;
	return true;
}

/* --- batches that calls fill --------------------------------------------------------------------------------------- */

static __always_inline struct batch *batch__find(tp_u64 address, struct batch_key *key)
{
	key->tgid = bpf_get_current_pid_tgid() >> 32;
	key->reserved = 0;
	key->address = address;
	return bpf_map_lookup_elem(&batches, key);
}

/* What goes before a `clear` is not known, so that only there a batch begins. */
static __always_inline void clear_batch(struct batch *b, const struct batch_key *key)
{
	tp_u32 zero = 0;
	void *empty;

	if (b) {
		b->n = 0;
		b->lost = 0;
		return;
	}
	/* Where the map is full the batch stays unknown. */
	empty = bpf_map_lookup_elem(&empty_batch, &zero);
	if (empty)
		bpf_map_update_elem(&batches, key, empty, BPF_NOEXIST);
}

static __always_inline void add_to_batch(struct batch *b, tp_s32 seq)
{
	struct batch_token *token;
	tp_u32 i = b->n;

	if (i >= MAX_UBATCH_TOKENS || seq < 0 || seq >= MAX_SEQUENCES) {
		b->lost = 1;
		return;
	}
	token = &b->token[i & (MAX_UBATCH_TOKENS - 1)];
	token->pos = 0;
	token->seq = (tp_u16)seq;
	token->output = 0;
	token->has_pos = 0;
	b->n = i + 1;
}

static __always_inline void on_batch(tp_u32 op, tp_u64 address, tp_s32 a1, tp_u64 a2)
{
	struct batch_key key;
	struct batch *b = batch__find(address, &key);
	struct batch_token *token;
	tp_s32 pos;

	if (op == BATCH_CLEAR) {
		clear_batch(b, &key);
		return;
	}
	if (!b)
		return;
	if (op == BATCH_FREE) {
		bpf_map_delete_elem(&batches, &key);
		return;
	}
	if (op == BATCH_ADD) {
		add_to_batch(b, a1);
		return;
	}
	if (a1 < 0 || (tp_u32)a1 >= b->n) {
		b->lost = 1;
		return;
	}
	token = &b->token[a1 & (MAX_UBATCH_TOKENS - 1)];
	if (op == BATCH_SET_POSITION && !bpf_probe_read_user(&pos, sizeof(pos), (void *)a2)) {
		token->pos = pos;
		token->has_pos = 1;
	} else if (op == BATCH_SET_OUTPUT) {
		token->output = (tp_u8)a2 != 0;
	} else if (op != BATCH_ADD_SEQUENCE || (tp_s32)a2 != token->seq) {
		b->lost = 1;	/* unreadable, or a token of several sequences, which a row cannot tell */
	}
}

static long read_batch_token(tp_u32 i, void *ctx)
{
	struct row_reader *rd = ctx;
	const struct batch_token *token = &rd->filled->token[i & (MAX_UBATCH_TOKENS - 1)];

	if (!token->has_pos) {
		rd->w->check = LAYOUT_POSITION;
		return 1;
	}
	return !add_token(rd, token->pos, token->seq, token->output);
}

static __always_inline void read_batch(struct row_reader *rd)
{
	begin_rows(rd->w);
	rd->w->check = LAYOUT_OK;
	bpf_loop(rd->n_tokens, read_batch_token, rd, 0);
}

/* ------------------------------------------------------------------------------------------------------------------- */

/* The rows of the whole step, as its batch has them. @return false where nothing of it was handed over */
static __always_inline bool tell_batch(struct row_reader *rd, struct step *s)
{
	struct workspace *w = rd->w;
	struct record_rows *r = workspace__rows(w);
	struct batch_key key;

	w->emit = 0;
	if (s->filled) {
		rd->filled = batch__find(s->filled, &key);
		if (!rd->filled || rd->filled->lost || !rd->filled->n || rd->filled->n > MAX_UBATCH_TOKENS)
			return false;
		rd->n_tokens = rd->filled->n;
		read_batch(rd);
	} else {
		if (!use_public_batch(rd, s->batch))
			return false;
		read_rows(rd);
	}
	if (w->check == LAYOUT_OK && w->overflow)
		count_loss(LOSS_ENGINE_ROWS);
	if (w->check != LAYOUT_OK || w->overflow)
		return false;
	r->n_tokens = rd->n_tokens;
	emit_rows(w, w->n_rows, ROWS_FROM_BATCH);
	s->told = 1;
	return true;
}

static __always_inline void on_ubatch(const struct engine_probe_config *config, tp_u64 ubatch)
{
	struct workspace *w = workspace__get(false);
	tp_u64 now = bpf_ktime_get_ns();
	struct layout_search search = {};
	struct engine_control *control;
	struct row_reader rd = {};
	struct record_rows *r;
	tp_u32 zero = 0;
	struct layout *l;
	struct step *s;

	control = bpf_map_lookup_elem(&engine_control, &zero);
	if (!w || !control)
		return;		/* the step began before the recorder came */
	s = w->steps[1].sp ? &w->steps[1] : &w->steps[0];
	if (!s->sp)
		return;
	if (s->told) {
		s->record.n_ubatches++;
		return;
	}
	r = workspace__rows(w);
	fill_header(&r->h, RECORD_ROWS, sizeof(*r), now);
	r->step = s->record.step;
	r->context = s->record.context;
	r->ubatch = s->record.n_ubatches++;
	r->check = LAYOUT_NONE;
	r->layout = 0;
	r->n_seqs = 0;

	rd.w = w;
	w->emit = 0;
	rd.max_sequences = control->max_sequences;
	rd.max_position = control->max_position;
	search.rd = &rd;
	search.ubatch = ubatch;
	search.first = config->layout_first;
	search.limit = s->record.batch_tokens > 0 ? s->record.batch_tokens : 0;
	search.check = LAYOUT_NONE;
	bpf_loop(config->layout_count, try_layout, &search, 0);
	operators__choose(w, s, search.found == 1 ? search.fields.n_tokens : 0, search.fields.n_seqs_unq);

	if (search.found == 1) {
		/* Read again to emit: with one candidate this costs the second pass only where rows overflow. */
		if (config->layout_count > 1 || w->overflow) {
			l = bpf_map_lookup_elem(&engine_layouts, &search.which);
			if (!l || !use_layout(&rd, ubatch, l, &search.fields))
				return;
			r->check = LAYOUT_OK;
			r->layout = search.which;
			r->n_tokens = search.fields.n_tokens;
			w->emit = 1;
			read_rows(&rd);
		}
		r->check = LAYOUT_OK;
		r->layout = search.which;
		r->n_tokens = search.fields.n_tokens;
		r->n_seqs = search.fields.n_seqs_unq;
		emit_rows(w, w->n_rows, search.fields.embeddings ? ROWS_EMBEDDINGS : 0);
		return;
	}
	r->check = search.found > 1 ? LAYOUT_NONE : search.check;
	/* Before the first ubatch's rows are out, all of the step can still be told by its batch. */
	if (r->ubatch == 0 && tell_batch(&rd, s))
		return;
	r->n_tokens = search.fields.n_tokens <= MAX_UBATCH_TOKENS ? search.fields.n_tokens : 0;
	emit_rows(w, 0, ROWS_UNKNOWN);
}

static __always_inline void on_memory(const struct engine_probe_config *config, tp_u64 memory, tp_s32 a1, tp_s32 a2,
				      tp_s32 a3, tp_s32 a4)
{
	struct record_memory *r = bpf_ringbuf_reserve(&events, sizeof(*r), 0);

	if (!r) {
		count_loss(LOSS_ENGINE_RING);
		return;
	}
	fill_header(&r->h, RECORD_MEMORY, sizeof(*r), bpf_ktime_get_ns());
	r->memory = memory;
	r->op = config->kind;
	r->seq = a1;
	r->seq_dst = -1;
	r->delta = 0;
	r->p0 = a2;
	r->p1 = a3;
	switch (config->kind) {
	case MEMORY_SEQ_CP:	/* (mem, src, dst, p0, p1) */
		r->seq_dst = a2;
		r->p0 = a3;
		r->p1 = a4;
		break;
	case MEMORY_SEQ_ADD:	/* (mem, seq, p0, p1, delta) */
	case MEMORY_SEQ_DIV:
		r->delta = a4;
		break;
	case MEMORY_SEQ_KEEP:	/* (mem, seq) */
		r->p0 = -1;
		r->p1 = -1;
		break;
	case MEMORY_CLEAR:	/* (mem, data) */
		r->seq = -1;
		r->p0 = -1;
		r->p1 = -1;
		break;
	}
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

/* The stack pointer and user arguments in the platform's calling convention. */
#if defined(__TARGET_ARCH_x86)
struct user_regs {		/* asm/ptrace.h, a stable interface */
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};
#define ARG1(r) ((r)->di)
#define ARG2(r) ((r)->si)
#define ARG3(r) ((r)->dx)
#define ARG4(r) ((r)->cx)
#define ARG5(r) ((r)->r8)
#define FLAGS(r) ((r)->flags)
/* The public batch is larger than two registers: the caller leaves it on the stack. */
#define BATCH(r, config) ((r)->sp + (config)->batch_stack)
#elif defined(__TARGET_ARCH_arm64)
struct user_regs {
	unsigned long regs[31], sp, pc, pstate;
};
#define ARG1(r) ((r)->regs[0])
#define ARG2(r) ((r)->regs[1])
#define ARG3(r) ((r)->regs[2])
#define ARG4(r) ((r)->regs[3])
#define ARG5(r) ((r)->regs[4])
#define FLAGS(r) 0	/* no place has a condition */
/* AAPCS64 6.8.2, B.4: of what is larger than 16 bytes the caller makes a copy, and passes its address. */
#define BATCH(r, config) ARG2(r)
#endif

/* Whether a conditional jump with these flags is taken (Intel SDM volume 1, appendix B). */
static __always_inline bool holds(tp_u32 condition, tp_u64 flags)
{
	const bool carry = flags & 1, parity = flags & 4, zero = flags & 0x40, sign = flags & 0x80,
		   overflow = flags & 0x800;
	bool yes;

	switch (condition >> 1) {
	case 0:
		yes = overflow;
		break;
	case 1:
		yes = carry;
		break;
	case 2:
		yes = zero;
		break;
	case 3:
		yes = carry || zero;
		break;
	case 4:
		yes = sign;
		break;
	case 5:
		yes = parity;
		break;
	case 6:
		yes = sign != overflow;
		break;
	default:
		yes = zero || sign != overflow;
		break;
	}
	return yes != (condition & 1);
}

static __always_inline tp_u64 saved_word(struct user_regs *regs, tp_u32 word)
{
	tp_u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)regs + (word & 31) * sizeof(value));
	return value;
}

static __always_inline int value_of(const struct engine_probe_config *config, struct user_regs *regs)
{
	if (config->value_word == PROBE_CONSTANT)
		return config->value;
	return (int)saved_word(regs, config->value_word);
}

/* The stack pointer at the entry of the function that is being left. */
static __always_inline tp_u64 entry_sp(const struct engine_probe_config *config, struct user_regs *regs)
{
	return saved_word(regs, config->frame_word) + (tp_s64)config->frame;
}

static __always_inline tp_u64 batch_of(const struct engine_probe_config *config, struct user_regs *regs)
{
	tp_u64 second = ARG2(regs), third = ARG3(regs);

	/* Loads at a chosen offset, into which clang would turn this, are no reads of the context to the verifier. */
	asm volatile("" : "+r"(second), "+r"(third));
	if (config->batch_argument)
		return config->batch_argument == 2 ? second : third;
	return BATCH(regs, config);
}

/* Only the step's thread has a workspace: the others' hits end here. */
static __always_inline void on_operator(const struct engine_probe_config *config, struct user_regs *regs)
{
	struct workspace *w = workspace__get(false);
	struct step *s;

	if (!w)
		return;
	if (config->role == PROBE_SAMPLING_ENTRY) {
		on_sampling_entry(&w->nodes, regs->sp);
		return;
	}
	if (config->role == PROBE_SAMPLING_RETURN) {
		on_sampling_return(&w->nodes, entry_sp(config, regs));
		return;
	}
	s = &w->steps[0];
	if (!s->sp || w->steps[1].sp)
		return;
	s->record.h.flags |= STEP_OPERATORS;
	if (!s->operators)
		return;
	if (config->role == PROBE_NODE)
		on_node(&w->nodes, s->record.step, config, ARG2(regs));
	else if (config->role == PROBE_GRAPH_ENTRY)
		on_graph_entry(&w->nodes, s->record.step, config, ARG1(regs));
	else
		on_graph_return(&w->nodes);
}

static __always_inline int on_probe(struct user_regs *regs)
{
	struct engine_probe_config *config;
	struct workspace *w;
	tp_u32 index;

	if (!is_server(bpf_get_current_pid_tgid() >> 32))
		return 0;
	index = (tp_u32)bpf_get_attach_cookie(regs);
	config = bpf_map_lookup_elem(&engine_probes, &index);
	if (!config)
		return 0;
	__sync_fetch_and_add(&config->hits, 1);
	if (config->condition != PROBE_ALWAYS && !holds(config->condition, FLAGS(regs)))
		return 0;
	switch (config->role) {
	case PROBE_STEP_ENTRY:
		on_step_entry(config, regs->sp, ARG1(regs), batch_of(config, regs));
		break;
	case PROBE_STEP_RETURN:
		on_step_return(entry_sp(config, regs), value_of(config, regs));
		break;
	case PROBE_UBATCH:
		on_ubatch(config, ARG2(regs));
		break;
	case PROBE_MEMORY:
		on_memory(config, ARG1(regs), (int)ARG2(regs), (int)ARG3(regs), (int)ARG4(regs), (int)ARG5(regs));
		break;
	case PROBE_BATCH:
		on_batch(config->kind, ARG1(regs), (int)ARG2(regs), ARG3(regs));
		break;
	case PROBE_SPECULATION_ENTRY:
		w = workspace__get(true);
		if (w)
			w->speculation_sp = regs->sp;
		break;
	case PROBE_SPECULATION_RETURN:
		w = workspace__get(false);
		if (w && w->speculation_sp == entry_sp(config, regs))
			w->speculation_sp = 0;
		break;
	default:
		on_operator(config, regs);
		break;
	}
	return 0;
}

/* The same program for both ways to attach: one link for all points (6.6, commit 89ae89f53d20), or one per point. */
SEC("kprobe")
int on_uprobe(struct user_regs *regs)
{
	return on_probe(regs);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	tp_u32 tid = task->pid;

	if (is_server(task->tgid))
		bpf_map_delete_elem(&workspaces, &tid);
	return 0;
}
