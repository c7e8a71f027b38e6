/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapley values of T. The value is additive, so each term is shared by itself: a row's private terms are its own, the
 * mixed term has a closed form, and G is a function of nothing but the coalition's tokens. Players with as many tokens
 * are of one type, and a coalition is then how many of each type it has: a decode step has one type, and is shared
 * evenly whatever G is; 32 rows of one token beside a prompt have 33 x 2 coalitions instead of 2^33.
 *
 * The number K of others that come before a player is uniform on 0 .. N - 1, and given K each of the C(N - 1, K) sets of
 * them is as likely. Sources: Shapley 1953; for the limit of many players Aumann and Shapley 1974.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/cost/features.h"
#include "userspace/cost/owners.h"

#define N_ON_STACK 64
/* Six types of one player, or fewer of more: so many sets of players of more than one token are gone through. */
#define MAX_TYPES 6
#define MAX_SETS 64
/* Beyond, the probability of one coalition comes near the least double. */
#define MAX_EXACT_PLAYERS 65536

struct player {
	double tokens;
	double share;		/* of G */
	double mixed;		/* of the mixed term, for its longer rows */
	uint32_t n_single;	/* rows of one token */
	double long_tokens;	/* of the longer rows */
};

struct type {
	double tokens;
	uint32_t n;
	double share;		/* of each of its players */
};

/* ------------------------------------------------------------------------------------------------- G, exactly --- */

/* Types of more than one token, in the order of their first player. @return how many; MAX_TYPES + 1: too many sets */
static size_t find_types(const struct player *players, size_t n, struct type *types, struct type *single)
{
	size_t n_types = 0, n_sets = 1;

	*single = (struct type){ 1, 0, 0 };
	for (size_t i = 0; i < n; i++) {
		size_t t = 0;

		if (players[i].tokens == 1) {
			single->n++;
			continue;
		}
		while (t < n_types && types[t].tokens != players[i].tokens)
			t++;
		if (t == n_types) {
			if (n_types == MAX_TYPES)
				return MAX_TYPES + 1;
			types[n_types++] = (struct type){ players[i].tokens, 0, 0 };
		}
		n_sets = n_sets / (types[t].n + 1) * (types[t].n + 2);
		types[t].n++;
		if (n_sets > MAX_SETS)
			return MAX_TYPES + 1;
	}
	return n_types;
}

static double choose(double n, uint32_t k)
{
	double c = 1;

	for (uint32_t i = 1; i <= k; i++)
		c = c * (n - k + i) / i;
	return c;
}

/* G along rising arguments, without a search for each. */
struct walk {
	const double *values;
	size_t knot;
	double slope;
};

static void walk__enter(struct walk *w, size_t knot)
{
	w->knot = knot;
	w->slope = knot == COST_KNOTS - 1 ?
			   w->values[knot] / cost_knots[knot] :
			   (w->values[knot + 1] - w->values[knot]) / (double)(cost_knots[knot + 1] - cost_knots[knot]);
}

static double walk__at(struct walk *w, double q)
{
	if (q < 1)
		return 0;
	while (w->knot < COST_KNOTS - 1 && q >= cost_knots[w->knot + 1])
		walk__enter(w, w->knot + 1);
	return w->values[w->knot] + (q - cost_knots[w->knot]) * w->slope;
}

/*
 * Every coalition is worth its G to those inside, and costs it to those outside, who would otherwise have come to it. Of
 * N players, a coalition of K with j of a type's n is met with the probability p of drawing it as K of N; a player of the
 * type is inside for j / n of them, and gains p G / K there, else loses p G / (N - K).
 */
static void share_types(const double *terms, struct type *types, size_t n_types, struct type *single)
{
	struct walk walk = { .values = terms };
	uint32_t taken[MAX_TYPES] = { 0 };
	double n = single->n;
	size_t t;

	for (t = 0; t < n_types; t++)
		n += types[t].n;
	do {
		double tokens = 0, inside = 0, outside = 0, ways = 1, p;
		uint32_t size = 0;

		for (t = 0; t < n_types; t++) {
			tokens += taken[t] * types[t].tokens;
			size += taken[t];
			ways *= choose(types[t].n, taken[t]);
		}
		p = ways / choose(n, size);
		walk__enter(&walk, tokens < 1 ? 0 : curve__knot(tokens));
		for (uint32_t j = 0;; j++) {
			const double k = (double)size + j, worth = p * walk__at(&walk, tokens + j);
			const double gain = k > 0 ? worth / k : 0, loss = k < n ? worth / (n - k) : 0;

			inside += gain;
			outside += loss;
			if (single->n)
				single->share += (j * gain - (single->n - j) * loss) / single->n;
			if (j == single->n)
				break;
			p *= ((single->n - j) * (k + 1)) / ((j + 1) * (n - k));
		}
		for (t = 0; t < n_types; t++)
			types[t].share += (taken[t] * inside - (types[t].n - taken[t]) * outside) / types[t].n;
		for (t = 0; t < n_types && taken[t] == types[t].n; t++)
			taken[t] = 0;
		if (t < n_types)
			taken[t]++;
	} while (t < n_types);
}

/* ---------------------------------------------------------------------------------------- G, with many players --- */

/*
 * K others before a player have about K / (N - 1) of the others' tokens. The player is first with probability 1 / N, which
 * stays exact, since G jumps there; the rest is an integral over the others' tokens from half a player of them to all.
 */
static double mean_field(const double *terms, const double *areas, double tokens, double others, double n)
{
	const double from = others / (n - 1) / 2;
	const double grown = curve__area(terms, areas, others + tokens) - curve__area(terms, areas, from + tokens);
	const double before = curve__area(terms, areas, others) - curve__area(terms, areas, from);

	return curve__at(terms, tokens) / n + (1 - 1 / n) * (grown - before) / (others - from);
}

static void share_by_tokens(struct player *players, size_t n, double amount, double tokens)
{
	for (size_t i = 0; i < n; i++)
		players[i].share = tokens > 0 ? amount * (players[i].tokens / tokens) : amount / (double)n;
}

static void share_mean_field(const double *terms, struct player *players, size_t n, double tokens)
{
	const double amount = curve__at(terms, tokens);
	double areas[COST_KNOTS], sum = 0;

	curve__areas(terms, areas);
	for (size_t i = 0; i < n; i++) {
		if (i && players[i].tokens == players[i - 1].tokens)
			players[i].share = players[i - 1].share;
		else
			players[i].share =
				mean_field(terms, areas, players[i].tokens, tokens - players[i].tokens, (double)n);
		sum += players[i].share;
	}
	if (!(sum > 0)) {
		share_by_tokens(players, n, amount, tokens);
		return;
	}
	for (size_t i = 0; i < n; i++)
		players[i].share *= amount / sum;
}

static void share_joint(const double *terms, struct player *players, size_t n)
{
	struct type types[MAX_TYPES], single;
	size_t n_types = find_types(players, n, types, &single);
	double tokens = 0;

	for (size_t i = 0; i < n; i++)
		tokens += players[i].tokens;
	if (n_types > MAX_TYPES || n > MAX_EXACT_PLAYERS) {
		share_mean_field(terms, players, n, tokens);
		return;
	}
	if (n_types + (single.n > 0) == 1) {
		for (size_t i = 0; i < n; i++)
			players[i].share = curve__at(terms, tokens) / (double)n;
		return;
	}
	share_types(terms, types, n_types, &single);
	for (size_t i = 0; i < n; i++) {
		size_t t = 0;

		if (players[i].tokens == 1) {
			players[i].share = single.share;
			continue;
		}
		while (types[t].tokens != players[i].tokens)
			t++;
		players[i].share = types[t].share;
	}
}

/* ---------------------------------------------------------------------------------------------- the mixed term --- */

/*
 * A row of one token costs e more as soon as one of the m players with longer rows is there: it is last of these m + 1 to
 * come with probability m / (m + 1), and pays itself then; else the first longer one, before which it came, does.
 * @return what each row of one token pays where its player has no longer row
 */
static double share_mixed(double e, struct player *players, size_t n)
{
	double n_long = 0, n_single_outside = 0;

	for (size_t i = 0; i < n; i++) {
		if (players[i].long_tokens > 0)
			n_long++;
		else
			n_single_outside += players[i].n_single;
	}
	if (n_long == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		players[i].mixed = players[i].long_tokens > 0 ? e * n_single_outside / n_long / (n_long + 1) : 0;
	return e * n_long / (n_long + 1);
}

/* --------------------------------------------------------------------------------------------------- the rows --- */

static void make_players(const struct cost_row *rows, size_t n, const uint32_t *player_of, struct player *players,
			 size_t n_players)
{
	memset(players, 0, n_players * sizeof(*players));
	for (size_t i = 0; i < n; i++) {
		struct player *p = &players[player_of[i]];

		p->tokens += rows[i].n_tokens;
		if (rows[i].n_tokens == 1)
			p->n_single++;
		else
			p->long_tokens += rows[i].n_tokens;
	}
}

static void share_rows(const double *terms, const struct cost_row *rows, size_t n, enum fixed_by fixed_by,
		       struct player *players, struct owned *order, uint32_t *player_of, double *shares)
{
	size_t n_players = n;
	double mixed, tokens = 0;

	if (fixed_by == FIXED_BY_REQUEST) {
		n_players = owners__number(rows, n, order, player_of);
	} else {
		for (size_t i = 0; i < n; i++)
			player_of[i] = (uint32_t)i;
	}
	make_players(rows, n, player_of, players, n_players);
	mixed = share_mixed(terms[COST_TERM_MIXED], players, n_players);
	for (size_t i = 0; i < n; i++)
		tokens += rows[i].n_tokens;
	if (fixed_by == FIXED_BY_TOKEN)
		share_by_tokens(players, n_players, curve__at(terms, tokens), tokens);
	else
		share_joint(terms, players, n_players);
	for (size_t i = 0; i < n; i++) {
		const struct player *p = &players[player_of[i]];

		shares[i] = row__private(terms, &rows[i]);
		shares[i] += p->tokens > 0 ? p->share * (rows[i].n_tokens / p->tokens) : p->share;
		if (rows[i].n_tokens != 1)
			shares[i] += p->long_tokens > 0 ? p->mixed * (rows[i].n_tokens / p->long_tokens) : 0;
		else
			shares[i] += p->long_tokens > 0 ? terms[COST_TERM_MIXED] : mixed;
	}
}

int cost__share(const double *terms, const struct cost_row *rows, size_t n, enum fixed_by fixed_by, double *shares)
{
	struct player players_on_stack[N_ON_STACK], *players = players_on_stack;
	struct owned order_on_stack[N_ON_STACK], *order = order_on_stack;
	uint32_t of_on_stack[N_ON_STACK], *player_of = of_on_stack;
	int err = 0;

	if (n == 0)
		return 0;
	if (n > N_ON_STACK) {
		players = malloc(n * sizeof(*players));
		order = malloc(n * sizeof(*order));
		player_of = malloc(n * sizeof(*player_of));
	}
	if (players && order && player_of)
		share_rows(terms, rows, n, fixed_by, players, order, player_of, shares);
	else
		err = -ENOMEM;
	if (n > N_ON_STACK) {
		free(player_of);
		free(order);
		free(players);
	}
	return err;
}
