/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>

#include "userspace/recording_sqlite.h"

/* Of the file that `pointer` asks for: the database or its log. */
static int last_errno(sqlite3 *db, int pointer)
{
	sqlite3_file *file = NULL;
	int error = 0;

	if (sqlite3_file_control(db, "main", pointer, &file) != SQLITE_OK || !file || !file->pMethods)
		return 0;
	file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error);
	return error;
}

/* sqlite3_system_errno() is 0 after a COMMIT that failed (seen with 3.40.1); the files themselves remember. */
static int system_errno(sqlite3 *db)
{
	int error = db ? sqlite3_system_errno(db) : 0;

	if (db && !error)
		error = last_errno(db, SQLITE_FCNTL_FILE_POINTER);
	if (db && !error)
		error = last_errno(db, SQLITE_FCNTL_JOURNAL_POINTER);
	switch (error) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return -ENOSPC;
	case 0:
		return -EIO;
	default:
		return -error;
	}
}

int sqlite__errno(sqlite3 *db, int rc)
{
	switch (rc) {
	case SQLITE_IOERR_NOMEM:
		return -ENOMEM;
	case SQLITE_IOERR_SHORT_READ:
	case SQLITE_IOERR_CORRUPTFS:
		return -EBADMSG;
	case SQLITE_READONLY_DBMOVED:
		return -ENOENT;
	default:
		break;
	}
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return system_errno(db);
	default:
		return -EBADMSG;
	}
}
