/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a recording for reading in whatever state its recorder left it, never writing to it or beside it.
 *
 *	beside the file		how it is read
 *	nothing			as it is, with a shared lock; a file in log mode as immutable, for nobody writes it
 *	-wal and -shm		in place with SQLite's readonly_shm: a live recorder goes on meanwhile, and after a
 *				killed one SQLite rebuilds the log's index in memory
 *	-wal alone		through a private copy: the index has to be written somewhere
 *	-journal		the same where its writer is dead, which SQLite finds out
 *
 * The recording's files are opened by SQLite alone where it may be a live one: a close() of a second descriptor would
 * drop the POSIX locks of a writer in this same process (https://www.sqlite.org/howtocorrupt.html, 2.2).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/recording_schema.h"
#include "userspace/recording_source.h"
#include "userspace/recording_sqlite.h"

/* Of the database header, https://www.sqlite.org/fileformat2.html, 1.3. Big-endian. */
#define HEADER_BYTES 100
#define HEADER_PAGE_SIZE 16
#define HEADER_READ_VERSION 19		/* 2: write-ahead log */
#define HEADER_N_PAGES 28
#define HEADER_USER_VERSION 60
#define HEADER_APPLICATION_ID 68

/* A recorder that ends just now moves from one row of the table above to another. */
#define MAX_ATTEMPTS 5

struct message {
	char *text;
	size_t size;
	const char *path;
};

#define NOT_A_RECORDING "give a file that `tokprof record` wrote"
#define GET_IT_AGAIN "copy it again from where it was made, or save what is left with: sqlite3 FILE .recover"

static uint32_t big_endian(const unsigned char *p, int n)
{
	uint32_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

static uint64_t size_beside(const char *path, const char *suffix, bool *exists)
{
	char name[PATH_MAX];
	struct stat st;

	*exists = snprintf(name, sizeof(name), "%s%s", path, suffix) < (int)sizeof(name) && !stat(name, &st);
	return *exists ? (uint64_t)st.st_size : 0;
}

/* As a URI, because only a URI carries immutable and readonly_shm. @path is absolute. */
static int open_uri(sqlite3 **db, const char *path, const char *parameters)
{
	char uri[3 * PATH_MAX + 64], *to = uri;
	int rc;

	to += sprintf(to, "file:");
	for (; *path; path++) {
		if (strchr("%?#", *path))
			to += sprintf(to, "%%%02X", (unsigned int)(unsigned char)*path);
		else
			*to++ = *path;
	}
	sprintf(to, "?%s", parameters);
	rc = sqlite3_open_v2(uri, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
	if (*db)
		sqlite3_extended_result_codes(*db, 1);
	return rc;
}

/* Reads are lazy: this is where a file turns out to be readable or not. The transaction stays open. */
static int begin(sqlite3 *db)
{
	/* What a stranger may have put into the schema is not run: https://www.sqlite.org/security.html */
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	return sqlite3_exec(db, "PRAGMA cell_size_check=ON; BEGIN; SELECT count(*) FROM sqlite_master", NULL, NULL,
			    NULL);
}

/* ------------------------------------------------------------------------------------------- what kind of file --- */

static int read_header(struct message *m, const char *path, unsigned char *header, uint64_t *size)
{
	sqlite3 *db = NULL;
	sqlite3_file *file = NULL;
	sqlite3_int64 n = 0;
	int rc = open_uri(&db, path, "immutable=1"), r = 0;

	if (rc == SQLITE_OK)
		rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	if (rc == SQLITE_OK && file && file->pMethods)
		rc = file->pMethods->xFileSize(file, &n);
	if (rc == SQLITE_OK && n >= HEADER_BYTES)
		rc = file->pMethods->xRead(file, header, HEADER_BYTES, 0);
	if (rc != SQLITE_OK) {
		r = sqlite__errno(db, rc);
		snprintf(m->text, m->size, "%s: cannot read the recording: %s; check its permissions", m->path,
			 strerror(-r));
	} else if (n < HEADER_BYTES) {
		r = -EBADMSG;
		snprintf(m->text, m->size, "%s: no recording: it has only %lld bytes; %s", m->path, (long long)n,
			 NOT_A_RECORDING);
	}
	*size = (uint64_t)n;
	sqlite3_close(db);
	return r;
}

static int check_header(struct message *m, const unsigned char *header, uint64_t size, bool has_log)
{
	uint32_t page_size = big_endian(header + HEADER_PAGE_SIZE, 2);
	uint64_t n_pages = big_endian(header + HEADER_N_PAGES, 4);
	uint32_t application = big_endian(header + HEADER_APPLICATION_ID, 4);
	uint32_t version = big_endian(header + HEADER_USER_VERSION, 4);

	if (memcmp(header, "SQLite format 3", 16) != 0)
		snprintf(m->text, m->size, "%s: no recording: it is no SQLite database; %s", m->path, NOT_A_RECORDING);
	else if (application != RECORDING_APPLICATION_ID)
		snprintf(m->text, m->size, "%s: no recording: it is a database of another application (id 0x%08x); %s",
			 m->path, application, NOT_A_RECORDING);
	else if (version > RECORDING_SCHEMA_VERSION)
		snprintf(m->text, m->size,
			 "%s: cannot read a recording of schema version %u: this tokprof knows versions up to %d; use "
			 "the tokprof that wrote it or a newer one",
			 m->path, version, RECORDING_SCHEMA_VERSION);
	else if (version < 1)
		snprintf(m->text, m->size, "%s: damaged recording: it has no schema version; " GET_IT_AGAIN, m->path);
	/* A recorder killed while it wrote the log back leaves a short file, and all of it in the log. */
	else if (!has_log && size < n_pages * (page_size == 1 ? 65536 : page_size))
		snprintf(m->text, m->size,
			 "%s: damaged recording: it was cut short and has %llu of %llu bytes; " GET_IT_AGAIN, m->path,
			 (unsigned long long)size, (unsigned long long)n_pages * (page_size == 1 ? 65536 : page_size));
	else
		return 0;
	return -EBADMSG;
}

/* ---------------------------------------------------------------------------------------------- a private copy --- */

static int copy_file(const char *from, const char *to)
{
	char buffer[1 << 16];
	int in = open(from, O_RDONLY | O_CLOEXEC), out, r = 0;
	ssize_t n;

	if (in < 0)
		return -errno;
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0) {
		r = -errno;
		close(in);
		return r;
	}
	while (!r && (n = read(in, buffer, sizeof(buffer))) != 0) {
		for (ssize_t done = 0, k; n > 0 && done < n; done += k) {
			k = write(out, buffer + done, (size_t)(n - done));
			if (k < 0) {
				r = -errno;
				break;
			}
		}
		if (n < 0)
			r = -errno;
	}
	if (close(out) && !r)
		r = -errno;
	close(in);
	return r;
}

static int make_copy(struct recording_source *s, struct message *m, const char *path)
{
	static const char *const suffixes[] = { "", "-wal", "-journal" };
	char from[PATH_MAX + 16], to[PATH_MAX + 16];
	int r = temporary__new(&s->copy);

	for (size_t i = 0; !r && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		snprintf(from, sizeof(from), "%s%s", path, suffixes[i]);
		snprintf(to, sizeof(to), "%s%s", s->copy.path, suffixes[i]);
		if (!i || !access(from, F_OK))
			r = copy_file(from, to);
	}
	if (!r)
		return 0;
	snprintf(m->text, m->size,
		 "%s: cannot make the private copy in %s that a recording with an open log is read "
		 "through: %s; set TMPDIR to a place with room for it",
		 m->path, temporary__place(), strerror(-r));
	return r;
}

static int open_copy(struct recording_source *s, struct message *m, const char *path)
{
	int rc, r = make_copy(s, m, path);

	if (r)
		return r;
	rc = sqlite3_open_v2(s->copy.path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_extended_result_codes(s->db, 1);
		rc = begin(s->db);
	}
	if (rc == SQLITE_OK)
		return 0;
	r = sqlite__errno(s->db, rc);
	snprintf(m->text, m->size, "%s: damaged recording: %s; " GET_IT_AGAIN, m->path, sqlite3_errmsg(s->db));
	return r;
}

/* ----------------------------------------------------------------------------------------------------- opening --- */

/* @return 0; -EAGAIN where the recorder just changed the state of the file; another negative errno */
static int try_open(struct recording_source *s, struct message *m, const char *path)
{
	unsigned char header[HEADER_BYTES];
	bool has_wal, has_shm, has_journal;
	uint64_t n_log, n_file;
	const char *how;
	int rc, r;

	n_log = size_beside(path, "-wal", &has_wal) + size_beside(path, "-journal", &has_journal);
	size_beside(path, "-shm", &has_shm);
	r = read_header(m, path, header, &n_file);
	if (!r)
		r = check_header(m, header, n_file, n_log > 0);
	if (r)
		return r;
	s->version = big_endian(header + HEADER_USER_VERSION, 4);
	s->n_bytes = n_file + n_log;
	if (has_wal && !has_shm)
		return open_copy(s, m, path);
	if (has_wal)
		how = "readonly_shm=1";
	else if (header[HEADER_READ_VERSION] == 2 && !has_journal)
		how = "immutable=1";
	else
		how = "mode=ro";
	rc = open_uri(&s->db, path, how);
	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(s->db, 1000);
		rc = begin(s->db);
	}
	if (rc == SQLITE_OK)
		return 0;
	r = sqlite__errno(s->db, rc);
	snprintf(m->text, m->size, "%s: %s: %s; " GET_IT_AGAIN, m->path,
		 r == -EBADMSG ? "damaged recording" : "cannot read the recording", sqlite3_errmsg(s->db));
	return r == -EBADMSG || r == -ENOMEM ? r : -EAGAIN;
}

int recording_source__open(struct recording_source *s, const char *path, char *error, size_t error_size)
{
	struct message m = { error, error_size, path };
	char real_path[PATH_MAX];
	struct stat st;
	int r = 0;

	memset(s, 0, sizeof(*s));
	if (!realpath(path, real_path) || stat(real_path, &st)) {
		r = -errno;
		snprintf(error, error_size, "%s: cannot read the recording: %s; %s", path, strerror(-r),
			 r == -EACCES ? "check the permissions of its directory" : "check its name");
		return r;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(error, error_size, "%s: no recording: it is %s; %s", path,
			 S_ISDIR(st.st_mode) ? "a directory" : "no regular file", NOT_A_RECORDING);
		return S_ISDIR(st.st_mode) ? -EISDIR : -EBADMSG;
	}
	for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
		r = try_open(s, &m, real_path);
		if (r != -EAGAIN)
			break;
		recording_source__close(s);
	}
	if (r == -EAGAIN)
		r = open_copy(s, &m, real_path);
	if (r)
		recording_source__close(s);
	return r;
}

void recording_source__close(struct recording_source *s)
{
	sqlite3_close(s->db);
	s->db = NULL;
	temporary__remove(&s->copy);
}
