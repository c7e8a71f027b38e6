/* SPDX-License-Identifier: Apache-2.0 */
#include "output/json_model.h"

void json_model__write(struct json_writer *w, const struct row_model *model)
{
	static const struct row_model none = {
		.n_params = ABSENT,
		.weight_bytes = ABSENT,
		.n_layers = ABSENT,
		.n_embd = ABSENT,
		.n_heads = ABSENT,
		.n_kv_heads = ABSENT,
		.attention_flops_per_pair = ABSENT,
		.kv_elements_per_token = ABSENT,
		.n_vocab = ABSENT,
		.n_experts = ABSENT,
		.n_experts_used = ABSENT,
		.active_params = ABSENT,
		.active_weight_bytes = ABSENT,
	};
	const struct row_model *m = model ? model : &none;

	json_writer__begin_object(w);
	json_writer__put_string(w, "name", m->name);
	json_writer__put_string(w, "path", m->path);
	json_writer__put_string(w, "arch", m->arch);
	json_writer__put_optional(w, "n_params", m->n_params);
	json_writer__put_string(w, "quantization", m->quantization);
	json_writer__put_optional(w, "weight_bytes", m->weight_bytes);
	json_writer__put_optional(w, "n_layers", m->n_layers);
	json_writer__put_optional(w, "n_embd", m->n_embd);
	json_writer__put_optional(w, "n_heads", m->n_heads);
	json_writer__put_optional(w, "n_kv_heads", m->n_kv_heads);
	json_writer__put_optional(w, "attention_flops_per_pair", m->attention_flops_per_pair);
	json_writer__put_optional(w, "kv_elements_per_token", m->kv_elements_per_token);
	json_writer__put_optional(w, "n_vocab", m->n_vocab);
	json_writer__put_optional(w, "n_experts", m->n_experts);
	json_writer__put_optional(w, "n_experts_used", m->n_experts_used);
	json_writer__put_optional(w, "active_params", m->active_params);
	json_writer__put_optional(w, "active_weight_bytes", m->active_weight_bytes);
	json_writer__put_string(w, "digest", m->digest);
	json_writer__put_string(w, "header_error", m->header_error);
	json_writer__end_object(w);
}
