/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOKPROF_RECORDING_SQLITE_H
#define TOKPROF_RECORDING_SQLITE_H

#include <sqlite3.h>

/*
 * What a result code of SQLite means to a caller that knows errno only. A full disk, a full quota and a file size limit
 * are all -ENOSPC; whatever says that the file is no good database is -EBADMSG.
 */
int sqlite__errno(sqlite3 *db, int rc);

#endif
