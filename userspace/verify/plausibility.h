/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What arithmetic alone says of claims: figures that contradict each other, rates above what a device's memory or arithmetic
 * can give, models that do not fit. REFUTED is what breaks the rule that the check states, which takes the reading that is kindest
 * to the sheet; what needs a measurement, or words that the sheet does not have, is INCONCLUSIVE and says so; CONFIRMED is a
 * statement of arithmetic that holds, never a measurement.
 */
#ifndef TOKPROF_VERIFY_PLAUSIBILITY_H
#define TOKPROF_VERIFY_PLAUSIBILITY_H

#include "userspace/verify/devices.h"
#include "userspace/verify/sheet.h"
#include "userspace/verify/verify.h"

/* A kind of check. With a recording it speaks of the claims list only where arithmetic refutes. @return 0; -ENOMEM */
int plausibility__run(struct verification *v, const struct verify_input *in);

/* Of tables of published figures; parts of it, one kind of table each. */
int plausibility__sheet(struct verification *v, const struct sheet *s);
int plausibility__prices(struct verification *v, const struct sheet *s);
int plausibility__techniques(struct verification *v, const struct sheet *s);
/* Of the list of claims and the price list. */
int plausibility__claims(struct verification *v, const struct claims *c, bool only_refuted);

/* Of the list of claims and the host that was recorded (in->timeline is there). */
int plausibility__host(struct verification *v, const struct verify_input *in);

/* Bits of memory that a weight takes in a number format: "F16", "INT4", "Q4_K_M" (at least 4.5); NAN: not known. */
double precision__bits(const char *name);
/* Those of the smallest format there is: whatever does not fit in it fits in none. */
double precision__fewest_bits(const char **name);

/* A figure for people, three digits or all of the whole part. "" out of memory. */
const char *plausibility__figure(struct verification *v, double value);
/* A check that is INCONCLUSIVE until it says otherwise. Good until the next one. NULL: no memory */
struct check *plausibility__add(struct verification *v, const char *id, int64_t line, const char *subject,
				const char *rule);
/* The same of a row of a table, or of a figure that is a table of its own (row NULL); its rule is still to come. */
struct check *plausibility__row(struct verification *v, const char *id, int64_t line, const char *table,
				const char *row);
/* Verdicts outlive the sheet. */
const char *plausibility__copy(struct verification *v, const char *text);
/* Whatever the case of the letters. */
bool plausibility__mentions(const char *text, const char *word);

#endif
