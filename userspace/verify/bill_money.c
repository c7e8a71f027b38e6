/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/bill_money.h"

#include <errno.h>
#include <string.h>

#define MIN_CODE 3

/* Signs and other names of currencies; the first code of several is no better than the others. */
static const struct {
	const char *sign;
	const char *codes;		/* each ended by a blank */
} signs[] = {
	{ "US$", "USD " },
	{ "$", "USD CAD AUD HKD SGD NZD TWD MXN BRL CLP COP ARS " },
	{ "\u00a5", "CNY JPY " },	/* yen and yuan sign */
	{ "\uffe5", "CNY JPY " },	/* the same, full width */
	{ "\u5143", "CNY TWD HKD " },	/* yuan, the character */
	{ "\u5186", "JPY " },		/* yen, the character */
	{ "\u20ac", "EUR " },
	{ "\u00a3", "GBP EGP SYP LBP " },
	{ "\u20b9", "INR " },
	{ "\u20a9", "KRW KPW " },
	{ "RMB", "CNY " },
};
#define N_SIGNS (sizeof(signs) / sizeof(signs[0]))

struct span {
	const char *p, *end;
};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int refuse(struct bill_money_fault *fault, const char *why, const char *remedy)
{
	*fault = (struct bill_money_fault){ why, remedy };
	return -EINVAL;
}

static struct span trimmed(const char *p, const char *end)
{
	while (p < end && *p == ' ')
		p++;
	while (p < end && end[-1] == ' ')
		end--;
	return (struct span){ p, end };
}

/* --- currencies ---------------------------------------------------------------------------------------------------- */

/* The codes of a sign; NULL: it is none that is known. */
static const char *find_sign(const char *text, size_t n)
{
	for (size_t i = 0; i < N_SIGNS; i++)
		if (strlen(signs[i].sign) == n && memcmp(signs[i].sign, text, n) == 0)
			return signs[i].codes;
	return NULL;
}

/* Upper case; "": it is no code. */
static void read_code(char out[BILL_CURRENCY_SIZE], const char *text, size_t n)
{
	out[0] = '\0';
	if (n < MIN_CODE || n >= BILL_CURRENCY_SIZE)
		return;
	for (size_t i = 0; i < n; i++)
		if (!is_letter(text[i]))
			return;
	for (size_t i = 0; i < n; i++)
		out[i] = (char)(text[i] & ~0x20);
	out[n] = '\0';
}

static bool has_code(const char *codes, const char *code)
{
	const char *found = strstr(codes, code);

	return *code && found && found[strlen(code)] == ' ' && (found == codes || found[-1] == ' ');
}

int bill_currency__parse(char out[BILL_CURRENCY_SIZE], const char *text, size_t n, const char *known,
			 struct bill_money_fault *fault)
{
	char code[BILL_CURRENCY_SIZE];
	const char *codes;
	size_t first;

	read_code(code, text, n);
	codes = code[0] ? find_sign(code, n) : find_sign(text, n);
	if (!codes) {
		if (!code[0])
			return refuse(fault, "names no currency", "write its code: USD, CNY, EUR");
		memcpy(out, code, sizeof(code));
		return 0;
	}
	first = strcspn(codes, " ");
	if (has_code(codes, known)) {
		memmove(out, known, strlen(known) + 1); /* may be the same */
	} else if (codes[first + 1]) {
		return refuse(fault, "has a sign that several currencies share",
			      "name the currency by its code in a column 'currency', or in the map (currency: USD)");
	} else {
		memcpy(out, codes, first);
		out[first] = '\0';
	}
	return 0;
}

/* --- amounts ------------------------------------------------------------------------------------------------------- */

/* Of a currency's name: a letter, a sign, or a part of a character that is no ASCII. */
static bool is_of_name(char c)
{
	return is_letter(c) || c == '$' || (unsigned char)c >= 0x80;
}

static int refuse_number(const struct span *number, struct bill_money_fault *fault)
{
	if (memchr(number->p, ',', (size_t)(number->end - number->p)))
		return refuse(fault, "has a comma, which separates thousands here and decimals there",
			      "write 1234.50: a point before the decimals and nothing between thousands");
	if (number->p < number->end && *number->p == '(')
		return refuse(fault, "has brackets", "write what is less than nothing with a minus: -1.50");
	return refuse(fault, "is no amount of money",
		      "write it like 0.0035 or CNY 0.0035; leave it empty where there is none");
}

/* Takes the minus of "-$1", which stands before the currency. */
static bool take_minus(struct span *s)
{
	if (s->end - s->p < 2 || *s->p != '-' || !is_of_name(s->p[1]))
		return false;
	s->p++;
	return true;
}

int bill_money__parse(struct bill_money *out, const char *text, size_t n, const char *known,
		      struct bill_money_fault *fault)
{
	struct span all = trimmed(text, text + n), number, before, behind;
	bool is_negative = take_minus(&all);
	const char *p = all.p, *end = all.end;
	int err;

	while (p < end && is_of_name(*p))
		p++;
	before = (struct span){ all.p, p };
	while (end > p && is_of_name(end[-1]))
		end--;
	behind = (struct span){ end, all.end };
	number = trimmed(p, end);
	if (number.p == number.end || (is_negative && *number.p == '-'))
		return refuse_number(&all, fault);
	err = decimal__parse(&out->amount, number.p, (size_t)(number.end - number.p));
	if (err == -ERANGE)
		return refuse(fault, "has more than 36 digits, or more than 24 after the point",
			      "have it exported as a decimal, not as a floating point number");
	if (err)
		return refuse_number(&number, fault);
	if (is_negative)
		out->amount.digits = -out->amount.digits;
	out->currency[0] = '\0';
	if (before.p < before.end && behind.p < behind.end)
		return refuse(fault, "has two currencies", "write one");
	if (behind.p < behind.end)
		before = behind;
	if (before.p == before.end)
		return 0;
	return bill_currency__parse(out->currency, before.p, (size_t)(before.end - before.p), known, fault);
}
