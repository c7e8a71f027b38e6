/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a text is JSON, strictly (RFC 8259), and if not, where and why.
 *
 * wire/json.h, which reads what is found to be good here, is lenient inside of strings and says no place, for it reads what
 * nobody can correct; jansson makes doubles of prices.
 */
#ifndef TOKPROF_VERIFY_JSON_SCAN_H
#define TOKPROF_VERIFY_JSON_SCAN_H

struct json_fault {
	const char *at;
	const char *why, *remedy;	/* a sentence without its full stop each */
};

const char *json_scan__space(const char *p, const char *end);
/* One value, UTF-8 being checked already. @return behind it; NULL and *fault */
const char *json_scan__value(const char *p, const char *end, struct json_fault *fault);

#endif
