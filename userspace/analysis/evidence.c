/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "userspace/analysis/evidence.h"

#define MILLISECOND_NS 1000000ull

/* One kind of evidence that is a delay: so much per doubling of it beyond `unit_ns`, and no more than `cap`. */
struct delay_weight {
	uint64_t unit_ns;
	int64_t per_doubling, cap;
};

/* Waiting for a slot is no evidence against; a delay within one step says little. */
static const struct delay_weight arrival_to_start = { 4 * MILLISECOND_NS, 300, 4000 };
/* A token goes out right after its step. Heavy-tailed: a thread may be kept from the CPU. */
static const struct delay_weight output_to_first_token = { MILLISECOND_NS, 1000, 16000 };
static const struct delay_weight output_to_end = { MILLISECOND_NS, 700, 10000 };
static const struct delay_weight output_to_chunk = { MILLISECOND_NS / 4, 600, 6000 };

#define MAX_SAMPLED_CHUNKS 64
#define COST_IMPOSSIBLE_BUT_FOR_LOSSES 15000
#define COST_ONE_CHUNK_TOO_MANY 3000
#define COST_PER_MISSING_CHUNK 700
#define COST_PER_TOKEN_AHEAD 300
#define COST_OVER_MAX_TOKENS 20000
#define COST_LENGTH_BELOW_MAX_TOKENS 6000
#define COST_STOP_AT_MAX_TOKENS 1000
#define COST_OTHER_SLOT 40000
#define COST_UNEXPECTED 8000
#define COST_COPIES_DIFFER 20000
#define COST_FEWER_COPIES 3000
#define COST_NO_EMBEDDING 2000
#define COST_PROMPT_CAP 12000
#define COST_ONE_PROMPT_TOKEN_OFF 4000

int64_t log2_milli(uint64_t x)
{
	const int exponent = 63 - __builtin_clzll(x | 1);
	const uint64_t below = x - (1ull << exponent);

	return exponent * 1000 +
	       (int64_t)(exponent > 50 ? (below >> (exponent - 10)) * 1000 >> 10 : below * 1000 >> exponent);
}

int64_t prompt_ratio(int64_t n_tokens, int64_t n_bytes)
{
	/* Marks of beginning and template: about 16 tokens that no byte of the client's accounts for. */
	return log2_milli((uint64_t)n_tokens + 16) - log2_milli((uint64_t)n_bytes + 64);
}

static int64_t delay_cost(const struct delay_weight *w, uint64_t from_ns, uint64_t to_ns)
{
	const uint64_t delay = to_ns > from_ns ? to_ns - from_ns : 0;
	const int64_t cost = log2_milli(1000 + delay / (w->unit_ns / 1000)) - log2_milli(1000);
	const int64_t weighed = cost * w->per_doubling / 1000;

	return weighed < w->cap ? weighed : w->cap;
}

static bool contains_any(const char *text, const char *const *words)
{
	for (size_t i = 0; text && words[i]; i++) {
		if (strstr(text, words[i]))
			return true;
	}
	return false;
}

/* First chunk of a request in recording.chunks, which is sorted by request. */
static void find_chunks(struct request_facts *facts, const struct row_request *q, const struct recording *r)
{
	size_t low = 0, high = r->n_chunks, end;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (r->chunks[mid].request < q->id)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < r->n_chunks && r->chunks[end].request == q->id;)
		end++;
	facts->chunks = &r->chunks[low];
	facts->n_chunks = end - low;
}

/* What a client asks for may be any number; more than a server could ever begin is as good as that. */
#define MAX_EXPECTED (1 << 20)

static int64_t asked_for(int64_t claim)
{
	if (claim < 1)
		return 1;
	return claim < MAX_EXPECTED ? claim : MAX_EXPECTED;
}

bool request__asks_a_model(const struct row_request *q)
{
	static const char *const generating[] = { "completion", "messages",  "responses", "generate", "infill",
						  "chat",	"embedding", "rerank",	  NULL };
	static const char *const safe_methods[] = { "GET", "HEAD", "OPTIONS", "DELETE", NULL };

	return contains_any(q->path, generating) && !contains_any(q->method, safe_methods);
}

bool request__asks_for_embedding(const struct row_request *q)
{
	static const char *const embedding[] = { "embedding", "rerank", NULL };

	return contains_any(q->path, embedding);
}

void request__facts(struct request_facts *facts, const struct row_request *q, const struct blind_spots *w,
		    const struct recording *r)
{
	static const char *const chatting[] = { "chat", "messages", "responses", NULL };
	/* To these a server adds tokens of its own: marks of what is to be filled in, a query before each document. */
	static const char *const adding[] = { "infill", "rerank", NULL };
	const uint64_t end_ns = q->end_ns ? q->end_ns : UINT64_MAX;

	memset(facts, 0, sizeof(*facts));
	find_chunks(facts, q, r);
	facts->carries_text = q->first_token_ns || facts->n_chunks || q->n_chunks > 0;
	facts->embedding = request__asks_for_embedding(q);
	facts->eligible = facts->carries_text || request__asks_a_model(q);
	facts->expects_run = facts->carries_text || (facts->eligible && q->status < 400);
	facts->several = q->n_prompts > 1 || (q->n_prompts == ABSENT && !contains_any(q->path, chatting));
	facts->n_expected = ABSENT;
	if (q->n_prompts != ABSENT || !facts->several)
		facts->n_expected = asked_for(q->n_prompts) * (facts->embedding ? 1 : asked_for(q->n));
	facts->n_sent = ABSENT;
	if (!facts->several && q->sent_prompt_tokens <= INT32_MAX && !contains_any(q->path, adding) &&
	    !blind_spots__unknown(w, q->arrival_ns, end_ns))
		facts->n_sent = q->sent_prompt_tokens;
	facts->begun_before = q->incomplete & INCOMPLETE_BEFORE_ATTACH;
	facts->relaxed = facts->begun_before ||
			 (q->incomplete & (INCOMPLETE_LOSS | INCOMPLETE_GAP | INCOMPLETE_PARSE)) ||
			 blind_spots__lost(w, q->arrival_ns, end_ns);
	facts->earliest_ns = facts->begun_before ? 0 : q->arrival_ns;
	/* Nothing is computed before the whole prompt is there. */
	if (!facts->begun_before && q->request_end_ns > facts->earliest_ns)
		facts->earliest_ns = q->request_end_ns;
	facts->latest_ns = end_ns;
	/* A body that is no stream is sent at once; the end of a stream waits for a slow client. */
	if (!q->stream && q->end_ns && !q->client_left)
		facts->answer_ns = q->first_byte_ns ? q->first_byte_ns : q->end_ns;
}

/* ------------------------------------------------------------------------------------------------- chunks and outputs --- */

/* Tokens of one run out by `time_ns`, and when the last of them came. */
static int64_t outputs_until(const struct families *f, uint32_t run, uint64_t time_ns, uint64_t *last_ns)
{
	size_t low = f->first_output[run], high = f->first_output[run + 1];

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (f->outputs[mid].time_ns <= time_ns)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == f->first_output[run])
		return 0;
	if (f->outputs[low - 1].time_ns > *last_ns)
		*last_ns = f->outputs[low - 1].time_ns;
	return f->outputs[low - 1].n_until;
}

/* A chunk needs a token of its own before it, and leaves soon after one. */
static int64_t chunk_cost(const struct families *f, const struct family *family, const struct request_facts *facts)
{
	const size_t n = facts->n_chunks;
	const size_t stride = n / MAX_SAMPLED_CHUNKS + 1;
	int64_t delay = 0, ahead = 0, n_sampled = 0, impossible = 0;

	for (size_t i = 0; i < n; i += stride) {
		uint64_t last_ns = 0;
		int64_t n_out = 0;

		for (uint32_t m = 0; m < family->n_members; m++)
			n_out += outputs_until(f, f->members[family->first_member + m], facts->chunks[i].time_ns,
					       &last_ns);
		/* The last chunk may carry text held back from earlier tokens. */
		if (n_out < (int64_t)i + 1 && (i + 1 < n || n_out < (int64_t)i))
			impossible++;
		delay += delay_cost(&output_to_chunk, last_ns, facts->chunks[i].time_ns);
		ahead += n_out > (int64_t)i + 1 ? n_out - (int64_t)i - 1 : 0;
		n_sampled++;
	}
	if (n_sampled == 0)
		return 0;
	if (impossible && !facts->relaxed)
		return EVIDENCE_NEVER;
	ahead = ahead * COST_PER_TOKEN_AHEAD / n_sampled;
	return delay / n_sampled + (ahead < 6000 ? ahead : 6000) + (impossible ? COST_IMPOSSIBLE_BUT_FOR_LOSSES : 0);
}

static int64_t count_cost(const struct family *family, const struct row_request *q, const struct request_facts *facts)
{
	const int64_t n_chunks = q->n_chunks > (int64_t)facts->n_chunks ? q->n_chunks : (int64_t)facts->n_chunks;
	const int64_t missing = family->n_low - n_chunks;

	if (!q->stream || n_chunks == 0)
		return 0;
	if (n_chunks > family->n_high + 1)
		return facts->relaxed ? COST_IMPOSSIBLE_BUT_FOR_LOSSES : EVIDENCE_NEVER;
	if (n_chunks > family->n_high)
		return COST_ONE_CHUNK_TOO_MANY;
	if (missing <= 0)
		return 0;
	/* Who has left gets no more chunks, whatever is still computed. */
	return (missing < 10 ? missing : 10) * (q->client_left ? COST_PER_MISSING_CHUNK / 7 : COST_PER_MISSING_CHUNK);
}

bool request__ended_by_length(const struct row_request *q)
{
	return q->finish_reason &&
	       (strcmp(q->finish_reason, "length") == 0 || strcmp(q->finish_reason, "max_tokens") == 0);
}

/* max_tokens is the client's, and only that a limit was reached is taken from the answer. */
static int64_t limit_cost(const struct family *family, const struct row_request *q)
{
	/* Asked for none, llama.cpp samples one all the same. */
	const int64_t each = q->max_tokens > 0 ? q->max_tokens : 1;
	/* A limit beyond any context is none; it is a client's number and may be any. */
	const bool limited = q->max_tokens != ABSENT && q->max_tokens >= 0 && each <= INT32_MAX;
	const int64_t limit = limited ? each * family->n_members : ABSENT;

	if (limit == ABSENT || family->embed)
		return 0;
	if (family->n_low - family->n_overshoot > limit)
		return COST_OVER_MAX_TOKENS;
	if (request__ended_by_length(q))
		return family->n_high < limit ? COST_LENGTH_BELOW_MAX_TOKENS : 0;
	return q->finish_reason && family->n_low == limit ? COST_STOP_AT_MAX_TOKENS : 0;
}

/* ---------------------------------------------------------------------------------------------------------- the sum --- */

static int64_t time_cost(const struct family *family, const struct row_request *q, const struct request_facts *facts)
{
	int64_t cost = 0;

	if (!facts->begun_before)
		cost += delay_cost(&arrival_to_start, facts->earliest_ns, family->start_ns);
	if (!family->first_output_ns) {
		if (facts->carries_text && !facts->relaxed)
			return EVIDENCE_NEVER;
		return cost;
	}
	if (q->stream && q->first_token_ns && family->from_start && !facts->several) {
		if (q->first_token_ns < family->first_output_ns) {
			if (!facts->relaxed)
				return EVIDENCE_NEVER;
			cost += COST_IMPOSSIBLE_BUT_FOR_LOSSES;
		}
		cost += delay_cost(&output_to_first_token, family->first_output_ns, q->first_token_ns);
	}
	if (q->end_ns && !q->client_left) {
		const uint64_t answer_ns = facts->answer_ns ? facts->answer_ns : q->end_ns;

		if (answer_ns < family->last_output_ns) {
			if (!facts->relaxed)
				return EVIDENCE_NEVER;
			cost += COST_IMPOSSIBLE_BUT_FOR_LOSSES;
		}
		/* Of several the last one ends the answer, the others any time before. */
		if (!facts->several)
			cost += delay_cost(q->stream ? &output_to_end : &output_to_first_token, family->last_output_ns,
					   answer_ns);
	}
	return cost;
}

static int64_t kind_cost(const struct family *family, const struct row_request *q, const struct request_facts *facts)
{
	int64_t cost = facts->expects_run ? 0 : COST_UNEXPECTED;
	const int64_t n = q->n > 0 ? q->n : 1;

	if (facts->embedding && family->generates)
		return EVIDENCE_NEVER;
	if (facts->embedding && !family->embed)
		cost += COST_NO_EMBEDDING;
	if (!facts->embedding && family->embed)
		cost += COST_IMPOSSIBLE_BUT_FOR_LOSSES;
	if (family->n_members > n)
		cost += COST_COPIES_DIFFER;
	else if (family->n_members < n)
		cost += COST_FEWER_COPIES;
	return cost;
}

/*
 * Token ids are computed, or taken from the cache, as the client sent them; a server may put one that marks the beginning
 * before them. Fewer were computed only where it ended before its first output.
 */
static int64_t sent_cost(const struct family *family, const struct request_facts *facts)
{
	int64_t off;

	if (facts->n_sent == ABSENT || family->prompt_cached == ABSENT)
		return 0;
	off = family->prompt_computed + family->prompt_cached - facts->n_sent;
	if (off == 0 || (off < 0 && !family->first_output_ns))
		return 0;
	if (off == 1 || off == -1)
		return COST_ONE_PROMPT_TOKEN_OFF;
	return facts->relaxed ? COST_IMPOSSIBLE_BUT_FOR_LOSSES : EVIDENCE_NEVER;
}

bool prompt__is_sized(const struct row_request *q)
{
	return q->prompt_bytes != ABSENT && q->prompt_bytes >= 0 && q->n_prompts <= 1 && q->n_prompts != ABSENT;
}

int64_t evidence__prompt_cost(const struct family *family, const struct row_request *q,
			      const struct prompt_scale *scale)
{
	int64_t off, cost;

	if (!scale->known || !prompt__is_sized(q) || family->prompt_cached == ABSENT)
		return 0;
	off = prompt_ratio(family->prompt_computed + family->prompt_cached, q->prompt_bytes) - scale->center;
	/* Half a square of a standard score, in thousandths: the spread is one standard deviation. */
	cost = 500 * (off * off / scale->spread) / scale->spread;
	return cost < COST_PROMPT_CAP ? cost : COST_PROMPT_CAP;
}

int64_t evidence__cost(const struct families *f, const struct family *family, const struct row_request *q,
		       const struct request_facts *facts)
{
	const bool parts_elsewhere = facts->several || q->n > family->n_members;
	int64_t sum, part;

	/* A run whose beginning was not seen is the one of a request whose beginning was not seen. */
	if (!family->from_start && !facts->begun_before && !facts->relaxed)
		return EVIDENCE_NEVER;
	sum = time_cost(family, q, facts);
	if (sum == EVIDENCE_NEVER)
		return sum;
	part = kind_cost(family, q, facts);
	if (part == EVIDENCE_NEVER)
		return part;
	sum += part;
	part = sent_cost(family, facts);
	if (part == EVIDENCE_NEVER)
		return part;
	sum += part;
	part = parts_elsewhere ? 0 : count_cost(family, q, facts);
	if (part == EVIDENCE_NEVER)
		return part;
	sum += part;
	if (q->stream && family->from_start && !parts_elsewhere) {
		part = chunk_cost(f, family, facts);
		if (part == EVIDENCE_NEVER)
			return part;
		sum += part;
	}
	if (q->slot != ABSENT && q->slot >= 0 && q->slot != f->t->runs[family->parent].seq)
		sum += COST_OTHER_SLOT;
	return sum + limit_cost(family, q);
}

void evidence__describe(char *out, size_t size, const struct family *family, const struct row_request *q,
			const struct request_facts *facts, bool prompt_scale_known, bool only_candidate)
{
	const bool by_ids = facts->n_sent != ABSENT && family->prompt_cached != ABSENT;
	char counted[32] = "", copies[24] = "";
	const bool length = request__ended_by_length(q) && q->max_tokens != ABSENT;

	if (facts->n_chunks && q->stream)
		snprintf(counted, sizeof(counted), ", %zu chunks", facts->n_chunks);
	if (family->n_members > 1)
		snprintf(copies, sizeof(copies), ", %u copies", family->n_members);
	snprintf(out, size, "%s%s%s%s%s%s%s%s%s", facts->begun_before ? "overlap" : "arrival", counted,
		 q->end_ns && !q->client_left ? ", end" : "", q->slot != ABSENT && q->slot >= 0 ? ", slot" : "",
		 length ? ", limit" : "", by_ids ? ", prompt tokens" : "",
		 prompt_scale_known && prompt__is_sized(q) ? ", prompt size" : "", copies,
		 only_candidate ? ", no other" : "");
}
