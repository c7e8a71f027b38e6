/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a bill: read whole, or refused with a sentence that says where and a remedy. The first byte says whether it
 * is JSON (bit 0) and which map is used (the other bits).
 */
#include "userspace/verify/bill.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "userspace/recording.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct bill_map maps[] = {
	{ .names = { NULL } },
	{ .names = { [BILL_REQUEST_ID] = "id", [BILL_PROMPT_TOKENS] = "usage.prompt_tokens", [BILL_PRICE] = "cost" } },
	{ .prompt_excludes_cached = true, .time_zone_offset = "-07:30", .currency = "CNY" },
	{ .names = { [BILL_TIME] = "t" }, .time_unit = "us", .currency = "USD" },
};

static void check_count(int64_t n, int64_t max)
{
	assert(n == ABSENT || (n >= 0 && n <= max));
}

static void check_line(const struct bill_line *line)
{
	char text[DECIMAL_TEXT];
	struct decimal again;

	check_count(line->prompt_tokens, 2 * BILL_MAX_COUNT); /* the cached ones added */
	check_count(line->cached_tokens, BILL_MAX_COUNT);
	check_count(line->completion_tokens, BILL_MAX_COUNT);
	check_count(line->reasoning_tokens, BILL_MAX_COUNT);
	check_count(line->n_requests, BILL_MAX_COUNT);
	assert(line->end_unix_ns == ABSENT || line->end_unix_ns > line->begin_unix_ns);
	assert(!line->request_id || line->request_id[0]);
	if (line->has_price) {
		int n = decimal__format(&line->price, text);

		assert(n < DECIMAL_TEXT && decimal__parse(&again, text, (size_t)n) == 0);
		assert(decimal__compare(&again, &line->price) == 0 && again.scale == line->price.scale);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[512], remedy[512];
	struct bill bill;
	int err;

	if (!size)
		return 0;
	err = bill__parse(&bill, "f", (const char *)data + 1, size - 1, data[0] & 1, &maps[data[0] / 2 % 4], error,
			  sizeof(error), remedy, sizeof(remedy));
	assert((err == 0) == (error[0] == 0) && (err == 0) == (remedy[0] == 0));
	assert(err == 0 || strncmp(error, "f:", 2) == 0);
	for (size_t i = 0; i < bill.n; i++) {
		check_line(&bill.lines[i]);
		assert(i == 0 || bill.lines[i].line >= bill.lines[i - 1].line);
	}
	bill__free(&bill);
	return 0;
}
