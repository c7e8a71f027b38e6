# SPDX-License-Identifier: Apache-2.0
#
# llama.cpp: llama-server and everything that carries libllama (Ollama from 0.30, llama-cpp-python, xllamacpp, ...).
#
# The format. Sections of one kind are alternatives, tried in their order: the first of which the engine has a symbol is
# used ([step] sections: of the same `kind`). In symbols '*' stands for any characters but '.'. A copy of this file with
# changes in ~/.config/tokprof/engines/ or in the directory $TOKPROF_ENGINES takes its place.
#
#   [engine]       name; symbols: any one of these functions makes it this engine; build_number: an int variable with the
#                  number of the build; memory_getter: the context's method that returns its memory object;
#                  length_getters: up to two functions, each a mere read of a field of the context (32 bits), that return
#                  how many tokens one sequence may have; the first that is there and is no more than that is used
#   [step]         one forward pass: kind = decode or encode; symbols: functions whose first argument is the context;
#                  batch_stack: the llama_batch that is passed by value is so many bytes above the stack pointer at
#                  entry (x86-64: 8, behind the return address; AArch64 passes the address of a copy as the second
#                  argument, whatever the number says); batch_argument: or else which argument (2 or 3) is the address of
#                  a batch that the functions of [batch] fill
#   [ubatch]       symbols: functions whose second argument is a reference to the ubatch; struct: its name in DWARF
#   [memory]       operation = function(memory object, sequence, ...)
#   [batch]        functions that fill a batch whose struct is private: its first argument is the batch in each. clear(batch),
#                  free(batch), add(batch, sequence, ...), set_position(batch, index, pointer to the position),
#                  set_output(batch, index, bool), add_sequence(batch, index, sequence); neither: those that change
#                  nothing of these; family: names that any such function has. They are probed only where an ubatch's
#                  layout has failed, and only if all are there and family matches no function that is not named.
#   [speculation]  symbols: functions inside which every step is one of the draft model, never of the target
#   [layout NAME]  offsets of the ubatch's fields in bytes; builds: build ids for which they are known to be right. For
#                  any other build without DWARF all layouts are tried, and one is used only if it alone passes the
#                  self-check in every ubatch.
#   [operators]    what computes the graph of a step, probed in short bursts. node: functions that every thread calls for a node
#                  that it is about to compute, their second argument; graph: functions that compute the graph that is their
#                  first argument, called by one thread; sampling: functions that choose a token; op_names: a function that is
#                  nothing but `return NAMES[number]`; node_name: one that is nothing but `return node->name`, an array
#                  inside the node; length: one that is nothing but `return graph->n_nodes`; node_op: where in a node the number of its
#                  operator is, in bytes. A node whose number has no name, or whose name is none, makes its step unknown.
#   [http]         how `tokprof calibrate` asks for generations of exact lengths. properties: a GET path whose object has
#                  the members n_slots and context (a.b: a member of a member); slots: a GET path with an array of objects,
#                  whose member `busy` is true while the slot works; tokenize: a POST path that takes member tokenize_text
#                  and answers with member tokenize_ids; complete: the POST path of a generation; prompt, prompt_ids,
#                  outputs: its members for the text, or the token ids, and the tokens to generate; body: an object that is
#                  sent with every one; slot: the member that chooses the slot, so that none is looked for (which would
#                  put away what slots have cached). Without this section, or where its paths are not served, /v1/completions is used.

[engine]
name = llama.cpp
symbols = llama_decode llama_process
build_number = LLAMA_BUILD_NUMBER
memory_getter = _ZNK13llama_context10get_memoryEv
length_getters = _ZNK13llama_context9n_ctx_seqEv llama_n_ctx_seq

# Builds that have llama_process (2026-10): it and llama_decode both end in this method, whose batch is private.
[step]
kind = decode
symbols = _ZN13llama_context6decodeERK15llama_batch_ext
batch_argument = 2

# The same builds where C++ symbols are hidden. Encoder passes through llama_process are counted as decode here.
[step]
kind = decode
symbols = llama_process
batch_argument = 3

# Older builds.
[step]
kind = decode
symbols = llama_decode
batch_stack = 8

[step]
kind = encode
symbols = _ZN13llama_context6encodeERK15llama_batch_ext
batch_argument = 2

[step]
kind = encode
symbols = llama_encode
batch_stack = 8

[ubatch]
symbols = _ZN13llama_context14process_ubatchERK12llama_ubatch*
struct = llama_ubatch

[memory]
seq_rm = llama_memory_seq_rm
seq_cp = llama_memory_seq_cp
seq_keep = llama_memory_seq_keep
seq_add = llama_memory_seq_add
seq_div = llama_memory_seq_div
clear = llama_memory_clear

# Before June 2025 (ggml-org/llama.cpp#14006): the first argument is the context itself.
[memory]
seq_rm = llama_kv_self_seq_rm
seq_cp = llama_kv_self_seq_cp
seq_keep = llama_kv_self_seq_keep
seq_add = llama_kv_self_seq_add
seq_div = llama_kv_self_seq_div
clear = llama_kv_self_clear

[memory]
seq_rm = llama_kv_cache_seq_rm
seq_cp = llama_kv_cache_seq_cp
seq_keep = llama_kv_cache_seq_keep
seq_add = llama_kv_cache_seq_add
seq_div = llama_kv_cache_seq_div
clear = llama_kv_cache_clear

# Builds that have llama_process. Seen in the code of 2026.10.11549 (tests/engines/TRACES.md).
[batch]
clear = llama_batch_ext_clear
add = llama_batch_ext_add_token llama_batch_ext_add llama_batch_ext_add_embd
set_position = llama_batch_ext_set_pos
set_output = llama_batch_ext_set_output_logits llama_batch_ext_set_output_embd
add_sequence = llama_batch_ext_add_seq
free = llama_batch_ext_free
neither = llama_batch_ext_init llama_batch_ext_set_embd_token llama_batch_ext_set_embd_state
family = llama_batch_ext_*

# The implementations with a draft model. common_speculative_draft and _process themselves are called on every iteration
# also without one, which would double the number of hits.
[speculation]
symbols = _ZN*common_speculative_impl_draft_*5draftE* _ZN*common_speculative_impl_draft_*7processE*

[speculation]
symbols = _ZN*common_speculative_state_draft5draftE* _ZN*common_speculative_state_eagle35draftE*

[speculation]
symbols = _Z24common_speculative_draftP* _Z26common_speculative_processP*

# Every node goes through the first function but for a fused one, which has its own. struct ggml_tensor is public (ggml.h); its
# fields are where the debug information of all pinned builds has them.
[operators]
node = ggml_cpu_extra_compute_forward ggml_compute_forward_*_fused
graph = ggml_graph_compute
sampling = _Z21common_sampler_sampleP14common_samplerP13llama_context*
op_names = ggml_op_name
node_name = ggml_get_name
node_op = 80
length = ggml_graph_n_nodes

# From the functions that fill and read the struct (llama_batch_allocr::ubatch_add, llm_graph_input_*::set_input), and
# checked against known prompts on running servers: tests/engines/TRACES.md.
[layout 2026-10]
n_tokens = 4
n_seqs_unq = 16
token = 24
embd = 32
pos = 48
n_seq_id = 56
seq_id = 64
output = 88
# xllamacpp 2026.10.11549
builds = 8aedfa31af1c52fe94168556eb93295be603e89e

[layout 2026-03]
n_tokens = 4
n_seqs_unq = 16
token = 24
embd = 32
pos = 40
n_seq_id = 48
seq_id = 56
output = 80
# xllamacpp 2026.5.9294 and 0.2.14
builds = 73d15c96b2c7bc0a9ddcac88a191996a7163df70 b84727b71c71a6ecb12e0d28686ece50f7bb6b4f

# llama-server. A prompt's tokens are not taken from a slot's cache, so that as many are computed as are asked for.
[http]
properties = /props
n_slots = total_slots
context = default_generation_settings.n_ctx
slots = /slots
busy = is_processing
tokenize = /tokenize
tokenize_text = content
tokenize_ids = tokens
complete = /completion
prompt_ids = prompt
outputs = n_predict
slot = id_slot
body = {"temperature": 0, "ignore_eos": true, "cache_prompt": false, "response_fields": ["tokens_predicted", "error"]}
