/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger's accounts that are no request: one line each. */
#include "userspace/analysis/ledger.h"

const struct account accounts[N_ACCOUNTS] = {
	[ACCOUNT_HOST] = { "host",
			   "between steps, while a request was in flight: scheduler, sampling, HTTP, tokenizer" },
	[ACCOUNT_IDLE] = { "idle", "between steps, while no request was in flight" },
	[ACCOUNT_RECOMPUTE] = { "recompute", "positions computed again after the server had dropped them, and keys "
					     "turned where a context was shifted, beyond what the model expects" },
	[ACCOUNT_DISTURBANCE] = { "disturbance", "beyond what the model expects of a step, where the step was "
						 "preempted, slowed down, faulted or thrown out of" },
	[ACCOUNT_UNEXPLAINED] = { "unexplained", "the total less everything else; signed, and spread over nobody" },
};
