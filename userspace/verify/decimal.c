/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products and quotients go through 320 bits, so that a figure is refused only where the result itself has no room, never
 * because of a step on the way to it.
 */
#include "userspace/verify/decimal.h"

#include <errno.h>
#include <string.h>

#define TEN_TO_12 UINT64_C(1000000000000)
#define N_LIMBS 5		/* 10^36 * 2^64 * 10^24 < 2^320 */

typedef unsigned __int128 u128;

/* A natural number, the least limb first. */
struct wide {
	uint64_t limbs[N_LIMBS];
};

static u128 ten_to(int power)
{
	u128 value = 1;

	while (power-- > 0)
		value *= 10;
	return value;
}

static u128 limit(void)
{
	return (u128)TEN_TO_12 * TEN_TO_12 * TEN_TO_12;
}

static u128 magnitude(__int128 digits)
{
	return digits < 0 ? -(u128)digits : (u128)digits;
}

static uint64_t magnitude_64(int64_t n)
{
	return n < 0 ? -(uint64_t)n : (uint64_t)n;
}

/* @value: below 10^36, so that its sign can be changed */
static __int128 with_sign(u128 value, bool is_negative)
{
	return is_negative ? -(__int128)value : (__int128)value;
}

/* --- wide numbers -------------------------------------------------------------------------------------------------- */

static struct wide wide__from(u128 value)
{
	return (struct wide){ { (uint64_t)value, (uint64_t)(value >> 64) } };
}

static void wide__multiply(struct wide *w, uint64_t by)
{
	u128 carry = 0;

	for (int i = 0; i < N_LIMBS; i++) {
		carry += (u128)w->limbs[i] * by;
		w->limbs[i] = (uint64_t)carry;
		carry >>= 64;
	}
}

/* @return the remainder */
static uint64_t wide__divide(struct wide *w, uint64_t by)
{
	u128 rest = 0;

	for (int i = N_LIMBS - 1; i >= 0; i--) {
		rest = rest << 64 | w->limbs[i];
		w->limbs[i] = (uint64_t)(rest / by);
		rest %= by;
	}
	return (uint64_t)rest;
}

static struct wide wide__product(u128 a, u128 b)
{
	struct wide low = wide__from(a), high = low;
	u128 carry = 0;

	wide__multiply(&low, (uint64_t)b);
	wide__multiply(&high, (uint64_t)(b >> 64));
	for (int i = 1; i < N_LIMBS; i++) {
		carry += (u128)low.limbs[i] + high.limbs[i - 1];
		low.limbs[i] = (uint64_t)carry;
		carry >>= 64;
	}
	return low;
}

static bool wide__fits(const struct wide *w, u128 *value)
{
	*value = (u128)w->limbs[1] << 64 | w->limbs[0];
	return !w->limbs[2] && !w->limbs[3] && !w->limbs[4] && *value < limit();
}

/* --- text ---------------------------------------------------------------------------------------------------------- */

/* Zeros at the end are counted apart until another digit follows, so that those without room can be left out. */
struct mantissa {
	u128 value;
	int64_t zeros, n_fraction;
	bool too_long;
};

static void mantissa__add(struct mantissa *m, char digit)
{
	if (digit == '0') {
		m->zeros++;
		return;
	}
	for (; m->value && m->zeros >= 0 && !m->too_long; m->zeros--) {
		m->too_long = m->value >= limit() / 10;
		m->value *= 10;
	}
	m->value += (u128)(digit - '0');
	m->zeros = 0;
}

static const char *read_digits(struct mantissa *m, const char *p, const char *end)
{
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		mantissa__add(m, *p);
	return p;
}

/* @return behind it; NULL: none. Beyond a million it is cut, which is as much too large. */
static const char *read_exponent(int64_t *out, const char *p, const char *end)
{
	bool is_negative = p < end && *p == '-';
	const char *start;

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	for (start = p; p < end && *p >= '0' && *p <= '9'; p++)
		if (*out < 1000000)
			*out = *out * 10 + (*p - '0');
	if (is_negative)
		*out = -*out;
	return p > start ? p : NULL;
}

/* value * 10^power */
static int shift(u128 *out, u128 value, int64_t power)
{
	for (; value && power > 0; power--) {
		value *= 10;
		if (value >= limit())
			return -ERANGE;
	}
	*out = value;
	return 0;
}

static int settle(struct decimal *out, const struct mantissa *m, int64_t exponent, bool is_negative)
{
	int64_t wanted = m->n_fraction - exponent;
	int scale = wanted < 0 ? 0 : wanted > DECIMAL_MAX_SCALE ? DECIMAL_MAX_SCALE : (int)wanted;
	u128 digits = 0;

	if (m->too_long)
		return -ERANGE;
	for (;; scale--) {
		int64_t power = m->zeros + scale - wanted;

		if (m->value && power < 0)
			return -ERANGE;
		if (shift(&digits, m->value, power) == 0)
			break;
		if (scale == 0)
			return -ERANGE;
	}
	*out = (struct decimal){ with_sign(digits, is_negative), scale };
	return 0;
}

int decimal__parse(struct decimal *out, const char *text, size_t n)
{
	const char *p = text, *end = text + n, *start;
	struct mantissa m = { 0 };
	int64_t exponent = 0;
	bool is_negative = n && *text == '-', has_digits;

	if (is_negative)
		p++;
	start = p;
	p = read_digits(&m, p, end);
	has_digits = p > start;
	if (p < end && *p == '.') {
		start = ++p;
		p = read_digits(&m, p, end);
		m.n_fraction = p - start;
		has_digits = p > start;
	}
	if (!has_digits)
		return -EINVAL;
	if (p < end && (*p == 'e' || *p == 'E'))
		p = read_exponent(&exponent, p + 1, end);
	if (p != end)
		return -EINVAL;
	return settle(out, &m, exponent, is_negative);
}

int decimal__format(const struct decimal *d, char out[DECIMAL_TEXT])
{
	char reversed[DECIMAL_TEXT];
	u128 rest = magnitude(d->digits);
	int n = 0, length = 0;

	do {
		if (n == d->scale && n)
			reversed[n] = '.';
		reversed[n + (d->scale && n >= d->scale)] = (char)('0' + (int)(rest % 10));
		rest /= 10;
		n++;
	} while (rest || n <= d->scale);
	n += d->scale > 0;
	if (d->digits < 0)
		out[length++] = '-';
	while (n)
		out[length++] = reversed[--n];
	out[length] = '\0';
	return length;
}

/* --- arithmetic ---------------------------------------------------------------------------------------------------- */

static int aligned(__int128 *out, const struct decimal *d, int scale)
{
	u128 digits = 0;
	int err = shift(&digits, magnitude(d->digits), scale - d->scale);

	if (!err)
		*out = with_sign(digits, d->digits < 0);
	return err;
}

int decimal__add(struct decimal *out, const struct decimal *a, const struct decimal *b)
{
	int scale = a->scale > b->scale ? a->scale : b->scale;
	__int128 left, right;

	if (aligned(&left, a, scale) || aligned(&right, b, scale) || magnitude(left + right) >= limit())
		return -ERANGE;
	*out = (struct decimal){ left + right, scale };
	return 0;
}

int decimal__subtract(struct decimal *out, const struct decimal *a, const struct decimal *b)
{
	const struct decimal negative = { -b->digits, b->scale };

	return decimal__add(out, a, &negative);
}

int decimal__multiply(struct decimal *out, const struct decimal *a, const struct decimal *b)
{
	struct wide product = wide__product(magnitude(a->digits), magnitude(b->digits));
	int scale = a->scale + b->scale;
	u128 digits;

	while (!wide__fits(&product, &digits) || scale > DECIMAL_MAX_SCALE) {
		if (scale == 0 || wide__divide(&product, 10))
			return -ERANGE;
		scale--;
	}
	*out = (struct decimal){ with_sign(digits, (a->digits < 0) != (b->digits < 0)), scale };
	return 0;
}

int decimal__times(struct decimal *out, const struct decimal *a, int64_t n)
{
	const struct decimal count = { n, 0 };

	return decimal__multiply(out, a, &count);
}

/* Where the rest of a division lies: beyond the whole part by nothing, less than a half, a half, more. */
enum rest { REST_NONE, REST_BELOW_HALF, REST_HALF, REST_ABOVE_HALF };

/* @by is even where `before` is more than nothing: else what is left of an earlier division could tip an odd half */
static enum rest divide_further(struct wide *w, uint64_t by, enum rest before)
{
	uint64_t rest = wide__divide(w, by);

	if (rest > by / 2 || (rest == by / 2 && rest && (by % 2 == 0) && before != REST_NONE))
		return REST_ABOVE_HALF;
	if (rest && rest == by / 2 && by % 2 == 0)
		return REST_HALF;
	return rest || before != REST_NONE ? REST_BELOW_HALF : REST_NONE;
}

static bool rounds_up(enum rest rest, bool is_odd, enum decimal_rounding how)
{
	switch (how) {
	case ROUND_HALF_EVEN:
		return rest == REST_ABOVE_HALF || (rest == REST_HALF && is_odd);
	case ROUND_HALF_UP:
		return rest >= REST_HALF;
	case ROUND_UP:
		return rest != REST_NONE;
	case ROUND_DOWN:
		break;
	}
	return false;
}

int decimal__ratio(struct decimal *out, const struct decimal *a, int64_t n, int64_t d, int scale,
		   enum decimal_rounding how)
{
	struct wide w = wide__from(magnitude(a->digits));
	enum rest rest = REST_NONE;
	int power = scale - a->scale;
	u128 digits;

	if (d == 0)
		return -EDOM;
	if (scale < 0 || scale > DECIMAL_MAX_SCALE)
		return -ERANGE;
	wide__multiply(&w, magnitude_64(n));
	for (int left = power; left > 0; left -= 12)
		wide__multiply(&w, (uint64_t)ten_to(left < 12 ? left : 12));
	rest = divide_further(&w, magnitude_64(d), REST_NONE);
	for (int left = -power; left > 0; left -= 12)
		rest = divide_further(&w, (uint64_t)ten_to(left < 12 ? left : 12), rest);
	if (!wide__fits(&w, &digits))
		return -ERANGE;
	digits += rounds_up(rest, digits & 1, how);
	if (digits >= limit())
		return -ERANGE;
	*out = (struct decimal){ with_sign(digits, (a->digits < 0) != ((n < 0) != (d < 0))), scale };
	return 0;
}

int decimal__round(struct decimal *out, const struct decimal *a, int scale, enum decimal_rounding how)
{
	return decimal__ratio(out, a, 1, 1, scale, how);
}

int decimal__compare(const struct decimal *a, const struct decimal *b)
{
	int scale = a->scale > b->scale ? a->scale : b->scale;
	const __int128 one_a = (__int128)ten_to(a->scale), one_b = (__int128)ten_to(b->scale);
	__int128 left = a->digits / one_a, right = b->digits / one_b;

	if (left == right) { /* then what is behind the point, of the same sign as the whole */
		left = a->digits % one_a * (__int128)ten_to(scale - a->scale);
		right = b->digits % one_b * (__int128)ten_to(scale - b->scale);
	}
	return (left > right) - (left < right);
}
