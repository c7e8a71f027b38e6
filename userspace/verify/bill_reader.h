/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of CSV and of JSON share: the columns, and how a record's cells become a line of the bill. */
#ifndef TOKPROF_VERIFY_BILL_READER_H
#define TOKPROF_VERIFY_BILL_READER_H

#include "userspace/verify/bill.h"
#include "userspace/verify/bill_money.h"
#include "userspace/verify/bill_source.h"
#include "userspace/verify/bill_time.h"

struct bill_reader {
	struct bill_source source;
	struct bill *bill;
	size_t n_lines_room;
	const struct bill_map *map;
	const char *names[N_BILL_COLUMNS];	/* as the file has them; NULL: this column is not looked for */
	struct bill_clock clock;
	char currency[BILL_CURRENCY_SIZE];	/* of prices that do not say; "" not known */
	const char **present;			/* the names that the file has; NULL at the end */
	size_t n_present, n_present_room;
};

/* A value of a record, free of what the format puts around it. */
struct bill_cell {
	const char *at;		/* where it stands in the source; NULL: the record has none such */
	const char *text;
	size_t n;
};

/* Without the blanks around it; 0 bytes where the record has none such. */
struct bill_cell bill_cell__trimmed(const struct bill_cell *cell);

/* The map's names, and what else of it can be wrong. @return 0; -EINVAL in words */
int bill_columns__resolve(struct bill_reader *r);
/* @return 0; -ENOMEM */
int bill_columns__add_present(struct bill_reader *r, const char *name, size_t n);
/*
 * When r->present is whole: are those there that the map names, and none that nearly has a default name? Sets has_column.
 * @at: where names are told, for the message @return 0; -EINVAL in words
 */
int bill_columns__check(struct bill_reader *r, const char *at, const bool found[N_BILL_COLUMNS]);

/* One more line of the bill. @at: where the record begins @return 0; -EINVAL in words; -ENOMEM */
int bill_record__add(struct bill_reader *r, const char *at, const struct bill_cell cells[N_BILL_COLUMNS]);

/* The whole source into r->bill. @return 0; -EINVAL in words; -ENOMEM */
int bill_csv__read(struct bill_reader *r);
int bill_json__read(struct bill_reader *r);

#endif
