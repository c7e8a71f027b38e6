/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures of a scorecard. A new one is one line here, and where it is of the whole recording one case in scorecard_whole.c.
 *
 * Names: AIPerf's tags from its metrics reference (v0.13), LoadGen's from the summary that loadgen/results.cc of MLPerf
 * Inference writes.
 */
#include "userspace/verify/scorecard.h"

const struct scorecard_part_doc scorecard_parts[N_PARTS] = {
	[PART_TOKENS_PER_SECOND] = { "tokens_per_second", "Tokens per second of one request",
				     "How fast text comes to one user: (output tokens - 1) / (last - first token), of "
				     "streamed "
				     "requests" },
	[PART_TTFT] = { "ttft", "Time to first token",
			"From the first byte of the request at the server's socket to the first chunk that carries "
			"text, of "
			"streamed requests: an answer in one piece does not tell its first token" },
	[PART_LATENCY] = { "latency", "Latency",
			   "End to end from the first byte of the request to the last of the answer; between tokens; "
			   "and the time "
			   "in which no step computed the request" },
	[PART_THROUGHPUT] = { "throughput", "Throughput",
			      "Of requests that succeeded, over the time from the first arrival to the last text, "
			      "under the "
			      "traffic that there was: what the server could do under more of it is not known" },
	[PART_STABILITY] = { "stability", "Stability",
			     "The last third of that time beside the first, and how much its parts differ" },
	[PART_RELIABILITY] = { "reliability", "Reliability",
			       "How requests for text ended, of those that were seen whole" },
	[PART_COST] = { "cost_efficiency", "Cost efficiency",
			"What the whole server took, idle time and all, over the tokens that its steps put out" },
	[PART_ENERGY] = { "energy", "Energy", "What the host's or the device's counters say, over the same tokens" },
	[PART_SECURITY] = { "security", "Security",
			    "What can be seen at the server's socket alone; the rest has to be assessed by other "
			    "means" },
	[PART_INTEROPERABILITY] = { "interoperability", "Interoperability",
				    "What answers carried that clients of the OpenAI API rely on, of requests that "
				    "succeeded" },
	[PART_AIPERF] = { "aiperf", "By AIPerf's names",
			  "NVIDIA AIPerf's metrics of the same names, with its formulae and its percentiles (linear "
			  "between "
			  "values); times in ns, clocks at the server's socket instead of the client's, tokens as the "
			  "server "
			  "computed them instead of a tokenizer's recount. Intervals are those of the same figures "
			  "above; JSON has each" },
	[PART_MLPERF] = { "mlperf", "By LoadGen's names",
			  "What LoadGen of MLPerf Inference prints in its summary, by its formulae (percentile p of n "
			  "is the "
			  "sorted value at floor(n p)), clocks at the server's socket. No MLPerf result: its rules fix "
			  "the "
			  "traffic, the data set, at least 600 s and the accuracy" },
};

const char *const condition_names[N_CONDITIONS] = {
	[CONDITION_HOST] = "host",	     [CONDITION_CPU] = "processor", [CONDITION_KERNEL] = "kernel",
	[CONDITION_ENGINE] = "engine",	     [CONDITION_MODEL] = "model",   [CONDITION_WEIGHTS] = "weights",
	[CONDITION_VERSION] = "recorded by",
};

#define VALUE_OF(part_, id_, name_, unit_, scale_, better_, quantity_, statistic_, p_, definition_)                    \
	{                                                                                                              \
		.part = (part_), .id = (id_), .name = (name_), .unit = (unit_), .scale = (scale_),                     \
		.better = (better_), .quantity = (quantity_), .statistic = (statistic_), .per_10000 = (p_),            \
		.definition = (definition_)                                                                            \
	}
#define WHOLE_OF(part_, id_, name_, unit_, scale_, better_, whole_, definition_)                                       \
	{                                                                                                              \
		.part = (part_), .id = (id_), .name = (name_), .unit = (unit_), .scale = (scale_),                     \
		.better = (better_), .whole = (whole_), .definition = (definition_)                                    \
	}
#define TIMES(part_, id_, name_, quantity_, definition_)                                                               \
	VALUE_OF(part_, id_ ".mean", name_ " mean", "ns", 0, -1, quantity_, STAT_MEAN, 0, definition_),                \
		VALUE_OF(part_, id_ ".p50", name_ " p50", "ns", 0, -1, quantity_, STAT_RANK, 5000, definition_),       \
		VALUE_OF(part_, id_ ".p90", name_ " p90", "ns", 0, -1, quantity_, STAT_RANK, 9000, definition_),       \
		VALUE_OF(part_, id_ ".p99", name_ " p99", "ns", 0, -1, quantity_, STAT_RANK, 9900, definition_)

#define AIPERF_VALUE(tag_, id_, unit_, scale_, better_, quantity_, statistic_, p_, definition_)                        \
	{                                                                                                              \
		.part = PART_AIPERF, .group = (tag_), .id = (id_), .name = (id_), .unit = (unit_), .scale = (scale_),  \
		.better = (better_), .quantity = (quantity_), .statistic = (statistic_), .per_10000 = (p_),            \
		.definition = (definition_)                                                                            \
	}
#define AIPERF(tag_, unit_, scale_, better_, q_, definition_)                                                          \
	AIPERF_VALUE(tag_, "avg", unit_, scale_, better_, q_, STAT_MEAN, 0, definition_),                              \
		AIPERF_VALUE(tag_, "min", unit_, scale_, better_, q_, STAT_MIN, 0, definition_),                       \
		AIPERF_VALUE(tag_, "max", unit_, scale_, better_, q_, STAT_MAX, 0, definition_),                       \
		AIPERF_VALUE(tag_, "p50", unit_, scale_, better_, q_, STAT_LINEAR, 5000, definition_),                 \
		AIPERF_VALUE(tag_, "p90", unit_, scale_, better_, q_, STAT_LINEAR, 9000, definition_),                 \
		AIPERF_VALUE(tag_, "p95", unit_, scale_, better_, q_, STAT_LINEAR, 9500, definition_),                 \
		AIPERF_VALUE(tag_, "p99", unit_, scale_, better_, q_, STAT_LINEAR, 9900, definition_)
#define AIPERF_WHOLE(tag_, unit_, scale_, better_, whole_, definition_)                                                \
	{                                                                                                              \
		.part = PART_AIPERF, .group = (tag_), .id = "avg", .name = "avg", .unit = (unit_), .scale = (scale_),  \
		.better = (better_), .whole = (whole_), .definition = (definition_)                                    \
	}

#define LOADGEN_VALUE(group_, name_, quantity_, statistic_, p_)                                                        \
	{                                                                                                              \
		.part = PART_MLPERF, .group = (group_), .id = (name_), .name = (name_), .unit = "ns", .better = -1,    \
		.quantity = (quantity_), .statistic = (statistic_), .per_10000 = (p_)                                  \
	}
#define LOADGEN(group_, extreme_, percentile_, quantity_)                                                              \
	LOADGEN_VALUE(group_, "Min " extreme_, quantity_, STAT_MIN, 0),                                                \
		LOADGEN_VALUE(group_, "Max " extreme_, quantity_, STAT_MAX, 0),                                        \
		LOADGEN_VALUE(group_, "Mean " extreme_, quantity_, STAT_MEAN_DOWN, 0),                                 \
		LOADGEN_VALUE(group_, "50.00 percentile " percentile_, quantity_, STAT_RANK, 5000),                    \
		LOADGEN_VALUE(group_, "90.00 percentile " percentile_, quantity_, STAT_RANK, 9000),                    \
		LOADGEN_VALUE(group_, "95.00 percentile " percentile_, quantity_, STAT_RANK, 9500),                    \
		LOADGEN_VALUE(group_, "97.00 percentile " percentile_, quantity_, STAT_RANK, 9700),                    \
		LOADGEN_VALUE(group_, "99.00 percentile " percentile_, quantity_, STAT_RANK, 9900),                    \
		LOADGEN_VALUE(group_, "99.90 percentile " percentile_, quantity_, STAT_RANK, 9990)

const struct scorecard_metric scorecard_metrics[] = {
	VALUE_OF(PART_TOKENS_PER_SECOND, "user_rate.mean", "of one request mean", "tokens/s", 6, 1, QUANTITY_USER_RATE,
		 STAT_MEAN, 0, "The mean over requests, not over tokens"),
	VALUE_OF(PART_TOKENS_PER_SECOND, "user_rate.p50", "of one request p50", "tokens/s", 6, 1, QUANTITY_USER_RATE,
		 STAT_RANK, 5000, "One request of two is slower than this"),
	VALUE_OF(PART_TOKENS_PER_SECOND, "user_rate.p10", "of one request p10", "tokens/s", 6, 1, QUANTITY_USER_RATE,
		 STAT_RANK, 1000, "One request of ten is slower than this"),

	TIMES(PART_TTFT, "ttft", "TTFT", QUANTITY_TTFT, NULL),

	TIMES(PART_LATENCY, "e2e", "end to end", QUANTITY_E2E, "First byte of the request to the last of the answer"),
	TIMES(PART_LATENCY, "tpot", "TPOT", QUANTITY_TPOT,
	      "Time per output token: (last - first token) / (output tokens - 1), of streamed requests"),
	VALUE_OF(PART_LATENCY, "chunk.p99", "chunk to chunk p99", "ns", 0, -1, QUANTITY_CHUNK, STAT_RANK, 9900,
		 "Between chunks that carry text: a chunk may hold several tokens"),
	VALUE_OF(PART_LATENCY, "chunk.max", "chunk to chunk longest", "ns", 0, -1, QUANTITY_CHUNK, STAT_MAX, 0,
		 "Between chunks that carry text: a chunk may hold several tokens"),
	VALUE_OF(PART_LATENCY, "wait.p50", "waiting p50", "ns", 0, -1, QUANTITY_WAIT, STAT_RANK, 5000,
		 "From arrival to its last step, less the time in its own steps"),
	VALUE_OF(PART_LATENCY, "wait.p99", "waiting p99", "ns", 0, -1, QUANTITY_WAIT, STAT_RANK, 9900,
		 "From arrival to its last step, less the time in its own steps"),

	WHOLE_OF(PART_THROUGHPUT, "output_rate", "output tokens", "tokens/s", 6, 1, WHOLE_OUTPUT_RATE, NULL),
	WHOLE_OF(PART_THROUGHPUT, "total_rate", "input and output tokens", "tokens/s", 6, 1, WHOLE_TOTAL_RATE,
		 "Prompt tokens out of the cache count as input"),
	WHOLE_OF(PART_THROUGHPUT, "request_rate", "requests", "requests/s", 6, 1, WHOLE_REQUEST_RATE, NULL),
	WHOLE_OF(PART_THROUGHPUT, "concurrency", "requests at once", "requests", 3, 0, WHOLE_CONCURRENCY,
		 "Sum of end-to-end latencies over the time: how much traffic there was"),
	VALUE_OF(PART_THROUGHPUT, "input_tokens.mean", "input tokens mean", "tokens", 3, 0, QUANTITY_INPUT_TOKENS,
		 STAT_MEAN, 0, "Of a request: what the traffic was"),
	VALUE_OF(PART_THROUGHPUT, "output_tokens.mean", "output tokens mean", "tokens", 3, 0, QUANTITY_OUTPUT_TOKENS,
		 STAT_MEAN, 0, "Of a request: what the traffic was"),

	WHOLE_OF(PART_STABILITY, "throughput_thirds", "throughput in last third / first", "ratio", 3, 1,
		 WHOLE_THROUGHPUT_THIRDS, "Tokens that recorded steps put out"),
	WHOLE_OF(PART_STABILITY, "ttft_thirds", "TTFT p50 in last third / first", "ratio", 3, -1, WHOLE_TTFT_THIRDS,
		 "By the arrival of the request"),
	WHOLE_OF(PART_STABILITY, "tpot_thirds", "TPOT p50 in last third / first", "ratio", 3, -1, WHOLE_TPOT_THIRDS,
		 "By the arrival of the request"),
	WHOLE_OF(PART_STABILITY, "throughput_spread", "throughput spread", "ratio", 3, -1, WHOLE_THROUGHPUT_SPREAD,
		 "Standard deviation over mean of the tokens put out in 20 equal parts of the time"),

	WHOLE_OF(PART_RELIABILITY, "success_rate", "success rate", "fraction", 4, 1, WHOLE_SUCCESS_RATE,
		 "Succeeded / (succeeded + failed). Succeeded: answered to the end with a status below 400"),
	WHOLE_OF(PART_RELIABILITY, "succeeded", "succeeded", "requests", 0, 0, WHOLE_SUCCEEDED, NULL),
	WHOLE_OF(PART_RELIABILITY, "failed", "failed", "requests", 0, -1, WHOLE_FAILED,
		 "Status 408, 429, 500 and above, or never answered to the end"),
	WHOLE_OF(PART_RELIABILITY, "client_errors", "wrong requests", "requests", 0, 0, WHOLE_CLIENT_ERRORS,
		 "All other status from 400 to 499: the client's mistake, which is in no rate"),
	WHOLE_OF(PART_RELIABILITY, "cancelled", "client left", "requests", 0, 0, WHOLE_CANCELLED,
		 "Before the answer had ended; in no rate"),

	WHOLE_OF(PART_COST, "cpu_per_token", "CPU time per output token", "ns", 0, -1, WHOLE_CPU_PER_TOKEN, NULL),
	WHOLE_OF(PART_COST, "device_per_token", "device time per output token", "ns", 0, -1, WHOLE_DEVICE_PER_TOKEN,
		 NULL),
	WHOLE_OF(PART_COST, "bytes_per_token", "memory traffic per output token", "bytes", 0, -1, WHOLE_BYTES_PER_TOKEN,
		 NULL),
	WHOLE_OF(PART_COST, "cpu_share", "CPU time that requests took", "fraction", 4, 1, WHOLE_CPU_SHARE,
		 "Of the server's total; the rest is in accounts: host, idle, recomputed, disturbed, unexplained"),
	WHOLE_OF(PART_COST, "price", "billed per million tokens", "money", 6, -1, WHOLE_PRICE,
		 "Sum of the bill's prices over its prompt and completion tokens"),

	WHOLE_OF(PART_ENERGY, "energy_per_token", "energy per output token", "uJ", 0, -1, WHOLE_ENERGY_PER_TOKEN, NULL),
	WHOLE_OF(PART_ENERGY, "tokens_per_joule", "output tokens per joule", "tokens/J", 6, 1, WHOLE_TOKENS_PER_JOULE,
		 NULL),

	WHOLE_OF(PART_SECURITY, "remote_plaintext", "unencrypted from elsewhere", "requests", 0, -1,
		 WHOLE_REMOTE_PLAINTEXT,
		 "Readable HTTP at the server's socket whose client has another address than this host's loopback; a "
		 "proxy "
		 "or a container counts as elsewhere"),
	WHOLE_OF(PART_SECURITY, "unauthorised", "refused as unauthorised", "requests", 0, 0, WHOLE_UNAUTHORISED,
		 "Status 401 or 403: 0 may mean that nobody tried, or that nothing is refused"),
	WHOLE_OF(PART_SECURITY, "controls", "all other controls", "", 0, 0, WHOLE_CONTROLS, NULL),

	WHOLE_OF(PART_INTEROPERABILITY, "openai_paths", "by OpenAI's paths", "fraction", 4, 0, WHOLE_OPENAI_PATHS,
		 "/v1/chat/completions, /v1/completions, /v1/responses"),
	WHOLE_OF(PART_INTEROPERABILITY, "usage_sent", "answers with usage", "fraction", 4, 1, WHOLE_USAGE_SENT,
		 "A stream has it where its client asked for it"),
	WHOLE_OF(PART_INTEROPERABILITY, "cached_sent", "usage with cached tokens", "fraction", 4, 1, WHOLE_CACHED_SENT,
		 "Of answers with usage"),
	WHOLE_OF(PART_INTEROPERABILITY, "finish_sent", "answers with a reason to end", "fraction", 4, 1,
		 WHOLE_FINISH_SENT, "finish_reason"),
	WHOLE_OF(PART_INTEROPERABILITY, "unknown_paths", "paths not known to the server", "requests", 0, 0,
		 WHOLE_UNKNOWN_PATHS, "Status 404 or 405, whatever was asked for"),

	AIPERF("time_to_first_token", "ns", 0, -1, QUANTITY_TTFT, "First content - request, streamed"),
	AIPERF("time_to_second_token", "ns", 0, -1, QUANTITY_TTST, "Second content - first, streamed"),
	AIPERF("inter_token_latency", "ns", 0, -1, QUANTITY_TPOT,
	       "(request_latency - time_to_first_token) / (output_sequence_length - 1), streamed"),
	AIPERF("inter_chunk_latency", "ns", 0, -1, QUANTITY_CHUNK, "Content to content, streamed"),
	AIPERF("request_latency", "ns", 0, -1, QUANTITY_LAST_CHUNK, "Last content - request"),
	AIPERF("output_token_throughput_per_user", "tokens/s/user", 6, 1, QUANTITY_USER_RATE,
	       "1 / inter_token_latency"),
	AIPERF("prefill_throughput_per_user", "tokens/s/user", 6, 1, QUANTITY_PREFILL_RATE,
	       "input_sequence_length / time_to_first_token, streamed"),
	AIPERF("e2e_output_token_throughput", "tokens/s/user", 6, 1, QUANTITY_E2E_RATE,
	       "output_sequence_length / request_latency"),
	AIPERF("output_sequence_length", "tokens", 3, 0, QUANTITY_OUTPUT_TOKENS,
	       "Output tokens, reasoning ones included"),
	AIPERF("input_sequence_length", "tokens", 3, 0, QUANTITY_INPUT_TOKENS,
	       "Prompt tokens, those of the chat template and out of the cache included"),
	AIPERF_WHOLE("output_token_throughput", "tokens/s", 6, 1, WHOLE_OUTPUT_RATE, "total_osl / benchmark_duration"),
	AIPERF_WHOLE("total_token_throughput", "tokens/s", 6, 1, WHOLE_TOTAL_RATE,
		     "(total_isl + total_osl) / benchmark_duration"),
	AIPERF_WHOLE("request_throughput", "requests/s", 6, 1, WHOLE_REQUEST_RATE,
		     "request_count / benchmark_duration"),
	AIPERF_WHOLE("request_count", "requests", 0, 0, WHOLE_SUCCEEDED, "That succeeded"),
	AIPERF_WHOLE("error_request_count", "requests", 0, -1, WHOLE_ERRORS, "Any status from 400, or never answered"),
	AIPERF_WHOLE("total_osl", "tokens", 0, 0, WHOLE_OUTPUT_TOKENS, "Sum of output_sequence_length"),
	AIPERF_WHOLE("total_isl", "tokens", 0, 0, WHOLE_INPUT_TOKENS, "Sum of input_sequence_length"),
	AIPERF_WHOLE("benchmark_duration", "ns", 0, 0, WHOLE_DURATION, "First request to last content"),

	{ .part = PART_MLPERF,
	  .group = "rate",
	  .id = "Completed samples per second",
	  .name = "Completed samples per second",
	  .unit = "samples/s",
	  .scale = 6,
	  .better = 1,
	  .whole = WHOLE_COMPLETED_SAMPLES },
	{ .part = PART_MLPERF,
	  .group = "rate",
	  .id = "Completed tokens per second",
	  .name = "Completed tokens per second",
	  .unit = "tokens/s",
	  .scale = 6,
	  .better = 1,
	  .whole = WHOLE_COMPLETED_TOKENS },
	LOADGEN("latency", "latency (ns)", "latency (ns)", QUANTITY_E2E),
	LOADGEN("first token latency", "First Token latency (ns)", "first token latency (ns)", QUANTITY_TTFT),
	LOADGEN("time to output token", "Time to Output Token (ns)", "time to output token (ns)", QUANTITY_TPOT),
};

const size_t n_scorecard_metrics = sizeof(scorecard_metrics) / sizeof(scorecard_metrics[0]);
