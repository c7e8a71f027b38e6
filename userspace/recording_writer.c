/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of a recording. Collecting threads put rows into a queue; one thread owns the database from its creation
 * to its end, so that SQLite runs without locks of its own and no collector ever waits for a disk.
 *
 * The file is created in rollback mode with its whole schema and then switched to a write-ahead log: whatever happens
 * later, the file itself carries the application id and the tables. At a clean end it is switched back, which leaves
 * one file that opens anywhere, also on read-only media.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "userspace/recording_queue.h"
#include "userspace/recording_schema.h"
#include "userspace/recording_sqlite.h"

/* Half of the second that may be lost; the other half is for the disk. */
#define COMMIT_NS 500000000u

/* How long the end waits for a reader that is loading the recording, before it leaves the log in place. */
#define BUSY_TIMEOUT_MS 5000

/*
 * Two CPUs' additions to a meter may land in either order: a cut between them is some ns ahead of the next one, never as
 * much as a millisecond.
 */
#define MAX_RACE 1000000

struct recording_writer {
	char *path;			/* as the user gave it, for messages */
	char *real_path;		/* NULL: no file was created */
	struct recording_queue queue;
	bool has_queue;
	pthread_t thread;
	sem_t opened;
	sqlite3 *db;
	sqlite3_stmt *insert[N_TABLES];
	uint64_t origin_ns;
	_Atomic uint64_t n_refused[N_TABLES];
	bool has_tables;
	bool complete;
	_Atomic int status;
	char error[PATH_MAX + 512];
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ------------------------------------------------------------------------------------------------------ errors --- */

/* The first error stays. Called before the thread begins or by it, never by both at a time. */
__attribute__((format(printf, 3, 4))) static int fail(struct recording_writer *w, int error, const char *format, ...)
{
	va_list args;

	if (atomic_load(&w->status))
		return error;
	va_start(args, format);
	vsnprintf(w->error, sizeof(w->error), format, args);
	va_end(args);
	atomic_store(&w->status, error);
	return error;
}

static int fail_sqlite(struct recording_writer *w, int rc, const char *doing)
{
	int error = sqlite__errno(w->db, rc);
	const char *kept = w->has_tables ? "; what was committed until then stays readable" : "";

	switch (error) {
	case -ENOSPC:
		return fail(w, error,
			    "%s: cannot %s: the disk (or quota, or file size limit) is full%s; free some space or "
			    "record to another place",
			    w->path, doing, kept);
	case -EROFS:
		return fail(w, error, "%s: cannot %s: the file or its file system became read-only%s", w->path, doing,
			    kept);
	case -EBUSY:
		return fail(w, error, "%s: cannot %s: another program holds it locked%s; end that program", w->path,
			    doing, kept);
	default:
		return fail(w, error, "%s: cannot %s: %s (%s)%s", w->path, doing,
			    w->db ? sqlite3_errmsg(w->db) : sqlite3_errstr(rc), strerror(-error), kept);
	}
}

/* --------------------------------------------------------------------------------------------------- the files --- */

static int fail_create(struct recording_writer *w, int error)
{
	const char *why = strerror(error), *remedy = "choose another place";

	switch (error) {
	case ENOENT:
		why = "its directory does not exist";
		remedy = "create the directory or choose another place";
		break;
	case ENOTDIR:
		why = "a part of its path is no directory";
		break;
	case EACCES:
	case EPERM:
		why = "its directory may not be written by this user";
		break;
	case EROFS:
		why = "its file system is read-only";
		break;
	case ENOSPC:
	case EDQUOT:
		why = "the disk or the quota is full";
		remedy = "free some space or choose another place";
		error = ENOSPC;
		break;
	case EISDIR:
		why = "it is a directory";
		remedy = "name a file in it";
		break;
	case EEXIST:
		why = "a file of this name is there already";
		remedy = "choose another name or remove it";
		break;
	default:
		break;
	}
	return fail(w, -error, "%s: cannot create the recording: %s; %s", w->path, why, remedy);
}

/*
 * SQLite would take a log or journal that an earlier file of this name left behind for the new file's own, and play it
 * into the new recording.
 */
static int clear_leftovers(struct recording_writer *w, bool overwrite)
{
	static const char *const suffixes[] = { "-wal", "-shm", "-journal" };
	char name[PATH_MAX];

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		if (snprintf(name, sizeof(name), "%s%s", w->path, suffixes[i]) >= (int)sizeof(name))
			return fail_create(w, ENAMETOOLONG);
		if (access(name, F_OK))
			continue;
		if (!overwrite)
			return fail(w, -EEXIST,
				    "%s: cannot create the recording: %s of an earlier one is beside it; choose "
				    "another name or remove that file",
				    w->path, name);
		if (unlink(name))
			return fail_create(w, errno);
	}
	return 0;
}

static void sync_directory(const char *real_path)
{
	char directory[PATH_MAX];
	int fd;

	snprintf(directory, sizeof(directory), "%s", real_path);
	fd = open(dirname(directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

static int create_file(struct recording_writer *w, bool overwrite)
{
	struct stat st;
	int fd, r;

	if (!stat(w->path, &st)) {
		if (S_ISDIR(st.st_mode))
			return fail_create(w, EISDIR);
		if (!S_ISREG(st.st_mode))
			return fail(w, -EINVAL,
				    "%s: cannot create the recording: it is no regular file; choose another name",
				    w->path);
		if (!overwrite)
			return fail_create(w, EEXIST);
		/* Never truncated: another recorder may still have it open, and then finds that it has moved. */
		if (unlink(w->path))
			return fail_create(w, errno);
	}
	r = clear_leftovers(w, overwrite);
	if (r)
		return r;
	/* Like perf.data: a recording tells of clients and their prompts, so only its owner reads it. */
	fd = open(w->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_create(w, errno);
	close(fd);
	w->real_path = realpath(w->path, NULL);
	if (!w->real_path) {
		unlink(w->path);
		return fail_create(w, errno);
	}
	sync_directory(w->real_path);
	return 0;
}

/* ------------------------------------------------------------------------------------------------ the database --- */

static int exec(struct recording_writer *w, const char *sql)
{
	return sqlite3_exec(w->db, sql, NULL, NULL, NULL);
}

/* The new mode, or what SQLite stayed with. */
static int set_journal_mode(struct recording_writer *w, const char *sql, const char *wanted)
{
	sqlite3_stmt *s;
	int rc = sqlite3_prepare_v2(w->db, sql, -1, &s, NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		rc = strcmp((const char *)sqlite3_column_text(s, 0), wanted) ? SQLITE_BUSY : SQLITE_OK;
	sqlite3_finalize(s);
	return rc;
}

static int create_tables(struct recording_writer *w)
{
	int rc = SQLITE_OK;

	for (int i = 0; i < N_TABLES && rc == SQLITE_OK; i++) {
		char *sql = table__create_sql(&tables[i]);

		rc = sql ? exec(w, sql) : SQLITE_NOMEM;
		free(sql);
	}
	for (const char *const *view = views; *view && rc == SQLITE_OK; view++)
		rc = exec(w, *view);
	return rc;
}

static int prepare(struct recording_writer *w)
{
	int rc = SQLITE_OK;

	for (int i = 0; i < N_TABLES && rc == SQLITE_OK; i++) {
		char *sql = table__insert_sql(&tables[i]);

		rc = sql ? sqlite3_prepare_v3(w->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &w->insert[i], NULL) :
			   SQLITE_NOMEM;
		free(sql);
	}
	return rc;
}

static int insert_meta(struct recording_writer *w, const char *key, const char *value)
{
	sqlite3_stmt *s = w->insert[TABLE_RECORDING];
	int rc;

	sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, value, -1, SQLITE_STATIC);
	rc = sqlite3_step(s);
	sqlite3_reset(s);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int insert_meta_int(struct recording_writer *w, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return insert_meta(w, key, text);
}

static int insert_first_meta(struct recording_writer *w)
{
	unsigned char bits[16];
	char id[2 * sizeof(bits) + 1];
	int rc;

	if (getrandom(bits, sizeof(bits), 0) != (ssize_t)sizeof(bits))
		return SQLITE_IOERR;
	for (size_t i = 0; i < sizeof(bits); i++)
		snprintf(id + 2 * i, 3, "%02x", bits[i]);
	rc = insert_meta(w, META_STATE, STATE_RECORDING);
	if (rc == SQLITE_OK)
		rc = insert_meta(w, META_ID, id);
	if (rc == SQLITE_OK)
		rc = insert_meta_int(w, META_SCHEMA_VERSION, RECORDING_SCHEMA_VERSION);
	if (rc == SQLITE_OK)
		rc = insert_meta_int(w, META_ORIGIN_UNIX_NS, clock_ns(CLOCK_REALTIME));
	if (rc == SQLITE_OK)
		rc = insert_meta_int(w, META_ORIGIN_MONO_NS, w->origin_ns);
	return rc;
}

static int create_database(struct recording_writer *w)
{
	char settings[256];
	int rc = sqlite3_open_v2(w->real_path, &w->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc != SQLITE_OK)
		return rc;
	sqlite3_extended_result_codes(w->db, 1);
	sqlite3_busy_timeout(w->db, BUSY_TIMEOUT_MS);
	snprintf(settings, sizeof(settings),
		 "PRAGMA page_size=%d; PRAGMA application_id=%d; PRAGMA user_version=%d; PRAGMA synchronous=FULL; "
		 "PRAGMA secure_delete=OFF; BEGIN",
		 RECORDING_PAGE_SIZE, RECORDING_APPLICATION_ID, RECORDING_SCHEMA_VERSION);
	rc = exec(w, settings);
	if (rc == SQLITE_OK)
		rc = create_tables(w);
	if (rc == SQLITE_OK)
		rc = prepare(w);
	if (rc == SQLITE_OK)
		rc = insert_first_meta(w);
	if (rc == SQLITE_OK)
		rc = exec(w, "COMMIT");
	if (rc == SQLITE_OK)
		rc = set_journal_mode(w, "PRAGMA journal_mode=WAL", "wal");
	/* SQLite makes the log at the first write. A reader takes a file without one for a file that nobody writes. */
	if (rc == SQLITE_OK)
		rc = insert_meta(w, META_STATE, STATE_RECORDING);
	w->has_tables = rc == SQLITE_OK;
	return rc;
}

static void close_database(struct recording_writer *w)
{
	for (int i = 0; i < N_TABLES; i++)
		sqlite3_finalize(w->insert[i]);
	sqlite3_close(w->db);
	w->db = NULL;
}

/* -------------------------------------------------------------------------------------------------- the thread --- */

static void bind_real(sqlite3_stmt *s, int column, int64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	sqlite3_bind_double(s, column, value);
}

static int insert_row(struct recording_writer *w, const struct queued_row *row)
{
	const struct table *t = &tables[row->table];
	sqlite3_stmt *s = w->insert[row->table];
	int rc;

	for (unsigned int i = 0; i < t->n_columns; i++) {
		int column = (int)i + 1;

		if (row->nulls >> i & 1)
			sqlite3_bind_null(s, column);
		else if (column__is_text(&t->columns[i]))
			sqlite3_bind_text(s, column, (const char *)row + ((uint64_t)row->values[i] >> 32),
					  (int)(uint32_t)row->values[i], SQLITE_STATIC);
		else if (column__is_real(&t->columns[i]))
			bind_real(s, column, row->values[i]);
		else
			sqlite3_bind_int64(s, column, row->values[i]);
	}
	rc = sqlite3_step(s);
	sqlite3_reset(s);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* A row that was refused is a loss like any other. */
static int insert_refusals(struct recording_writer *w)
{
	sqlite3_stmt *s = w->insert[TABLE_LOSS];
	int rc = SQLITE_OK;

	for (int i = 0; i < N_TABLES && rc == SQLITE_OK; i++) {
		uint64_t n = atomic_exchange(&w->n_refused[i], 0);

		if (!n)
			continue;
		sqlite3_bind_text(s, 1, "recording", -1, SQLITE_STATIC);
		sqlite3_bind_text(s, 2, tables[i].name, -1, SQLITE_STATIC);
		sqlite3_bind_int64(s, 3, (int64_t)(clock_ns(CLOCK_MONOTONIC) - w->origin_ns));
		sqlite3_bind_int64(s, 4, (int64_t)n);
		rc = sqlite3_step(s);
		sqlite3_reset(s);
		rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
	}
	return rc;
}

/* A file that was moved or removed would go on to be written where nobody finds it. */
static bool has_moved(struct recording_writer *w)
{
	int moved = 0;

	return sqlite3_file_control(w->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved;
}

static int commit_rows(struct recording_writer *w, bool mark_complete)
{
	const struct queued_row *row = NULL;
	int rc;

	if (has_moved(w))
		return fail(w, -ENOENT,
			    "%s: cannot go on recording: the file was moved or removed; leave it in place until the "
			    "recording has ended",
			    w->path);
	rc = exec(w, "BEGIN IMMEDIATE");
	while (rc == SQLITE_OK && (row = recording_queue__next(&w->queue, row)))
		rc = insert_row(w, row);
	if (rc == SQLITE_OK)
		rc = insert_refusals(w);
	if (rc == SQLITE_OK && mark_complete)
		rc = insert_meta(w, META_STATE, STATE_COMPLETE);
	if (rc == SQLITE_OK)
		rc = exec(w, "COMMIT");
	if (rc == SQLITE_OK)
		return 0;
	fail_sqlite(w, rc, "write");
	exec(w, "ROLLBACK");
	return atomic_load(&w->status);
}

/*
 * One file is left, unless a reader holds the recording or there is no room: then the log stays beside it, and the two
 * together are as good a recording.
 */
static void finish_database(struct recording_writer *w)
{
	int rc = set_journal_mode(w, "PRAGMA journal_mode=DELETE", "delete");

	if (rc != SQLITE_OK && sqlite__errno(w->db, rc) != -EBUSY)
		fail_sqlite(w, rc, "write the log back into the file");
	close_database(w);
}

static void *run(void *arg)
{
	struct recording_writer *w = arg;
	uint64_t ticket;
	bool more = true;
	int rc;

	w->origin_ns = clock_ns(CLOCK_MONOTONIC);
	rc = create_database(w);
	if (rc != SQLITE_OK) {
		fail_sqlite(w, rc, "create the recording");
		close_database(w);
		sem_post(&w->opened);
		return NULL;
	}
	sem_post(&w->opened);
	while (more) {
		more = recording_queue__take(&w->queue, COMMIT_NS, &ticket);
		if (commit_rows(w, !more && w->complete))
			break;
		recording_queue__done(&w->queue, ticket);
	}
	recording_queue__close(&w->queue);
	finish_database(w);
	return NULL;
}

/*
 * With every signal blocked: those of the program are for its own threads, and SIGXFSZ, which goes to the thread that
 * wrote past a file size limit, then leaves write() to fail with EFBIG.
 */
static int start_thread(struct recording_writer *w)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r)
		return fail(w, -r, "%s: cannot start the writing thread: %s", w->path, strerror(r));
	while (sem_wait(&w->opened) && errno == EINTR)
		;
	if (atomic_load(&w->status))
		pthread_join(w->thread, NULL);
	return atomic_load(&w->status);
}

/* ----------------------------------------------------------------------------------------------- the interface --- */

static void free_writer(struct recording_writer *w)
{
	if (w->has_queue)
		recording_queue__free(&w->queue);
	sem_destroy(&w->opened);
	free(w->real_path);
	free(w->path);
	free(w);
}

int recording_writer__open(struct recording_writer **out, const char *path, bool overwrite)
{
	struct recording_writer *w = calloc(1, sizeof(*w));
	int r;

	*out = w;
	if (!w)
		return -ENOMEM;
	sem_init(&w->opened, 0, 0);
	w->path = strdup(path);
	if (!w->path || recording_queue__init(&w->queue))
		return fail(w, -ENOMEM, "%s: cannot create the recording: out of memory", path);
	w->has_queue = true;
	r = create_file(w, overwrite);
	if (!r)
		r = start_thread(w);
	if (r) {
		if (w->real_path) {
			unlink(w->real_path);
			clear_leftovers(w, true);
		}
		recording_queue__free(&w->queue);
		w->has_queue = false;
	}
	return r;
}

int recording_writer__close(struct recording_writer *w, bool complete)
{
	int r;

	if (!w)
		return 0;
	if (w->has_queue) {
		w->complete = complete;
		recording_queue__stop(&w->queue);
		pthread_join(w->thread, NULL);
	}
	r = atomic_load(&w->status);
	free_writer(w);
	return r;
}

void recording_writer__free(struct recording_writer *w)
{
	recording_writer__close(w, false);
}

int recording_writer__status(const struct recording_writer *w)
{
	return atomic_load(&w->status);
}

const char *recording_writer__error(const struct recording_writer *w)
{
	return w ? w->error : "out of memory";
}

int recording_writer__flush(struct recording_writer *w)
{
	if (!atomic_load(&w->status))
		recording_queue__flush(&w->queue);
	return atomic_load(&w->status);
}

static int put(struct recording_writer *w, enum table_id table, const void *row)
{
	int r = atomic_load_explicit(&w->status, memory_order_relaxed);

	if (r)
		return r;
	r = recording_queue__put(&w->queue, table, row, w->origin_ns);
	if (r == -EPIPE)
		return atomic_load(&w->status);
	if (r)
		atomic_fetch_add(&w->n_refused[table], 1);
	return r;
}

int recording_writer__put_meta(struct recording_writer *w, const char *key, const char *value)
{
	static const char *const own[] = { META_STATE, META_SCHEMA_VERSION, META_ORIGIN_MONO_NS, META_ORIGIN_UNIX_NS };
	const struct recording_meta row = { key, value };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (!strcmp(key, own[i]))
			return -EINVAL;
	return put(w, TABLE_RECORDING, &row);
}

int recording_writer__put_meta_int(struct recording_writer *w, const char *key, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	return recording_writer__put_meta(w, key, value == ABSENT ? NULL : text);
}

int recording_writer__resource(struct recording_writer *w, const struct row_resource *row)
{
	return put(w, TABLE_RESOURCE, row);
}

int recording_writer__total(struct recording_writer *w, const struct row_total *row)
{
	return put(w, TABLE_TOTAL, row);
}

int recording_writer__collector(struct recording_writer *w, const struct row_collector *row)
{
	return put(w, TABLE_COLLECTOR, row);
}

int recording_writer__probe(struct recording_writer *w, const struct row_probe *row)
{
	return put(w, TABLE_PROBE, row);
}

int recording_writer__loss(struct recording_writer *w, const struct row_loss *row)
{
	return row->n ? put(w, TABLE_LOSS, row) : 0;
}

int recording_writer__process(struct recording_writer *w, const struct row_process *row)
{
	return put(w, TABLE_PROCESS, row);
}

int recording_writer__thread(struct recording_writer *w, const struct row_thread *row)
{
	return put(w, TABLE_THREAD, row);
}

int recording_writer__engine(struct recording_writer *w, const struct row_engine *row)
{
	return put(w, TABLE_ENGINE, row);
}

int recording_writer__model(struct recording_writer *w, const struct row_model *row)
{
	return put(w, TABLE_MODEL, row);
}

int recording_writer__context(struct recording_writer *w, const struct row_context *row)
{
	return put(w, TABLE_CONTEXT, row);
}

int recording_writer__step(struct recording_writer *w, const struct row_step *row)
{
	return put(w, TABLE_STEP, row);
}

int recording_writer__step_resource(struct recording_writer *w, const struct row_step_resource *row)
{
	struct row_step_resource used = *row;

	/* A meter that went back further than a race is wrong, and so would be any figure in its place. */
	if (used.value <= -MAX_RACE) {
		const struct row_loss loss = { "recording", "negative step resource", clock_ns(CLOCK_MONOTONIC), 1 };

		return recording_writer__loss(w, &loss);
	}
	if (used.value < 0)
		used.value = 0;
	return put(w, TABLE_STEP_RESOURCE, &used);
}

int recording_writer__sample(struct recording_writer *w, const struct row_sample *row)
{
	return put(w, TABLE_SAMPLE, row);
}

int recording_writer__row(struct recording_writer *w, const struct row_row *row)
{
	return put(w, TABLE_ROW, row);
}

int recording_writer__memory(struct recording_writer *w, const struct row_memory *row)
{
	return put(w, TABLE_MEMORY, row);
}

int recording_writer__request(struct recording_writer *w, const struct row_request *row)
{
	return put(w, TABLE_REQUEST, row);
}

int recording_writer__chunk(struct recording_writer *w, const struct row_chunk *row)
{
	return put(w, TABLE_CHUNK, row);
}

int recording_writer__fit(struct recording_writer *w, const struct row_fit *row)
{
	return put(w, TABLE_FIT, row);
}

int recording_writer__fit_term(struct recording_writer *w, const struct row_fit_term *row)
{
	return put(w, TABLE_FIT_TERM, row);
}

int recording_writer__fit_draw(struct recording_writer *w, const struct row_fit_draw *row)
{
	return put(w, TABLE_FIT_DRAW, row);
}

int recording_writer__file(struct recording_writer *w, const struct row_file *row)
{
	return put(w, TABLE_FILE, row);
}

int recording_writer__footprint(struct recording_writer *w, const struct row_footprint *row)
{
	return put(w, TABLE_FOOTPRINT, row);
}

int recording_writer__ioctl(struct recording_writer *w, const struct row_ioctl *row)
{
	return put(w, TABLE_IOCTL, row);
}

int recording_writer__step_ioctl(struct recording_writer *w, const struct row_step_ioctl *row)
{
	return put(w, TABLE_STEP_IOCTL, row);
}

int recording_writer__ioctl_sample(struct recording_writer *w, const struct row_ioctl_sample *row)
{
	return put(w, TABLE_IOCTL_SAMPLE, row);
}

int recording_writer__module(struct recording_writer *w, const struct row_module *row)
{
	return put(w, TABLE_MODULE, row);
}

int recording_writer__frame(struct recording_writer *w, const struct row_frame *row)
{
	return put(w, TABLE_FRAME, row);
}

int recording_writer__stack(struct recording_writer *w, const struct row_stack *row)
{
	return put(w, TABLE_STACK, row);
}

int recording_writer__symbol(struct recording_writer *w, const struct row_symbol *row)
{
	return put(w, TABLE_SYMBOL, row);
}

int recording_writer__stack_sample(struct recording_writer *w, const struct row_stack_sample *row)
{
	return put(w, TABLE_STACK_SAMPLE, row);
}

int recording_writer__kernel_kind(struct recording_writer *w, const struct row_kernel_kind *row)
{
	return put(w, TABLE_KERNEL_KIND, row);
}

int recording_writer__kernel_burst(struct recording_writer *w, const struct row_kernel_burst *row)
{
	return put(w, TABLE_KERNEL_BURST, row);
}

int recording_writer__step_kernel(struct recording_writer *w, const struct row_step_kernel *row)
{
	return put(w, TABLE_STEP_KERNEL, row);
}

int recording_writer__kernel_sample(struct recording_writer *w, const struct row_kernel_sample *row)
{
	return put(w, TABLE_KERNEL_SAMPLE, row);
}

int recording_writer__kv_cache(struct recording_writer *w, const struct row_kv_cache *row)
{
	return put(w, TABLE_KV_CACHE, row);
}

int recording_writer__traffic_source(struct recording_writer *w, const struct row_traffic_source *row)
{
	return put(w, TABLE_TRAFFIC_SOURCE, row);
}

int recording_writer__traffic_sample(struct recording_writer *w, const struct row_traffic_sample *row)
{
	return put(w, TABLE_TRAFFIC_SAMPLE, row);
}

int recording_writer__touched(struct recording_writer *w, const struct row_touched *row)
{
	return put(w, TABLE_TOUCHED, row);
}

int recording_writer__step_operator(struct recording_writer *w, const struct row_step_operator *row)
{
	return put(w, TABLE_STEP_OPERATOR, row);
}
