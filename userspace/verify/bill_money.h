/* SPDX-License-Identifier: Apache-2.0 */
/* Amounts of money as bills write them, with or without their currency: see bill.h for what is taken. */
#ifndef TOKPROF_VERIFY_BILL_MONEY_H
#define TOKPROF_VERIFY_BILL_MONEY_H

#include "userspace/verify/decimal.h"

#define BILL_CURRENCY_SIZE 17

struct bill_money {
	struct decimal amount;
	char currency[BILL_CURRENCY_SIZE];	/* "USD"; "": it does not say */
};

/* Why a text is none, as the end of a sentence that begins with it, and what to do. */
struct bill_money_fault {
	const char *why, *remedy;
};

/*
 * "USD", "usd", "RMB", the euro's sign. @known: what the line or the map says of its currency, "" nothing: by it a sign of
 * several currencies is told @return 0; -EINVAL and *fault says why
 */
int bill_currency__parse(char out[BILL_CURRENCY_SIZE], const char *text, size_t n, const char *known,
			 struct bill_money_fault *fault);
/* @return 0; -EINVAL and *fault says why */
int bill_money__parse(struct bill_money *out, const char *text, size_t n, const char *known,
		      struct bill_money_fault *fault);

#endif
