/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/file_digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (1 << 20)
#define NICE_LEAST 19
/* include/uapi/linux/ioprio.h, which is no header of the C library. */
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_IDLE (3 << 13)

struct job {
	int fd, err;
	uint64_t size, done;
	bool finished;
	char hex[FILE_DIGEST_SIZE];
};

struct file_digests {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct job *jobs;
	size_t n, capacity;
	size_t next;			/* the first that is not finished */
	bool stop, hurry;
};

static void take_least_share(void)
{
	const struct sched_param none = { 0 };

	/* Of the calling thread alone. Refused, it is only less kind. */
	sched_setscheduler(0, SCHED_IDLE, &none);
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
}

static void take_small_share(void)
{
	const struct sched_param none = { 0 };

	sched_setscheduler(0, SCHED_OTHER, &none);
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE_LEAST);
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, 0);
}

static bool is_the_same(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Notes the progress. @return whether to go on */
static bool go_on(struct file_digests *d, size_t number, uint64_t done, bool *hurried)
{
	bool stop, hurry;

	pthread_mutex_lock(&d->lock);
	d->jobs[number].done = done;
	stop = d->stop;
	hurry = d->hurry && !*hurried;
	pthread_mutex_unlock(&d->lock);
	if (hurry) {
		take_small_share();
		*hurried = true;
	}
	return !stop;
}

static int digest(struct file_digests *d, size_t number, int fd, char hex[FILE_DIGEST_SIZE], unsigned char *buffer,
		  bool *hurried)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int n_sum = 0;
	uint64_t done = 0;
	struct stat before, after;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int err = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;

	if (!err && fstat(fd, &before))
		err = -errno;
	while (!err) {
		const ssize_t got = pread(fd, buffer, CHUNK, (off_t)done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			err = -errno;
		if (got <= 0)
			break;
		EVP_DigestUpdate(context, buffer, (size_t)got);
		done += (uint64_t)got;
		if (!go_on(d, number, done, hurried))
			err = -EINPROGRESS;
	}
	if (!err && (fstat(fd, &after) || !is_the_same(&before, &after) || done != (uint64_t)after.st_size))
		err = -ESTALE;
	if (!err && (EVP_DigestFinal_ex(context, sum, &n_sum) != 1 || 2 * n_sum + 1 != FILE_DIGEST_SIZE))
		err = -EIO;
	EVP_MD_CTX_free(context);
	for (unsigned int i = 0; i < n_sum && !err; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	return err;
}

static void *work(void *arg)
{
	struct file_digests *d = arg;
	unsigned char *buffer = malloc(CHUNK);
	bool hurried = false;

	take_least_share();
	pthread_mutex_lock(&d->lock);
	while (!d->stop) {
		char hex[FILE_DIGEST_SIZE] = "";
		const size_t number = d->next;
		int err;

		if (number == d->n) {
			pthread_cond_wait(&d->changed, &d->lock);
			continue;
		}
		err = d->jobs[number].err;
		pthread_mutex_unlock(&d->lock);
		if (!err)
			err = buffer ? digest(d, number, d->jobs[number].fd, hex, buffer, &hurried) : -ENOMEM;
		pthread_mutex_lock(&d->lock);
		if (err == -EINPROGRESS)
			break;
		d->jobs[number].err = err;
		memcpy(d->jobs[number].hex, hex, sizeof(hex));
		d->jobs[number].finished = true;
		d->next++;
		pthread_cond_broadcast(&d->changed);
	}
	pthread_mutex_unlock(&d->lock);
	free(buffer);
	return NULL;
}

int file_digests__open(struct file_digests **out)
{
	struct file_digests *d = calloc(1, sizeof(*d));
	pthread_condattr_t attributes;
	int err;

	if (!d)
		return -ENOMEM;
	/* Never moved: the thread reads a job's descriptor without the lock. */
	d->capacity = 256;
	d->jobs = calloc(d->capacity, sizeof(*d->jobs));
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&d->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	err = d->jobs ? -pthread_create(&d->thread, NULL, work, d) : -ENOMEM;
	if (err) {
		free(d->jobs);
		free(d);
		return err;
	}
	*out = d;
	return 0;
}

int file_digests__add(struct file_digests *d, int fd)
{
	struct job job = { .fd = fcntl(fd, F_DUPFD_CLOEXEC, 3) };
	struct stat st;
	int number = -ENOSPC;

	if (job.fd < 0)
		return -errno;
	if (fstat(job.fd, &st))
		job.err = -errno;
	else
		job.size = (uint64_t)st.st_size;
	pthread_mutex_lock(&d->lock);
	if (d->n < d->capacity) {
		d->jobs[d->n] = job;
		number = (int)d->n++;
		pthread_cond_broadcast(&d->changed);
	}
	pthread_mutex_unlock(&d->lock);
	if (number < 0)
		close(job.fd);
	return number;
}

uint64_t file_digests__left(struct file_digests *d)
{
	uint64_t left = 0;

	pthread_mutex_lock(&d->lock);
	for (size_t i = d->next; i < d->n; i++)
		if (d->jobs[i].size > d->jobs[i].done)
			left += d->jobs[i].size - d->jobs[i].done;
	pthread_mutex_unlock(&d->lock);
	return left;
}

void file_digests__hurry(struct file_digests *d)
{
	pthread_mutex_lock(&d->lock);
	d->hurry = true;
	pthread_mutex_unlock(&d->lock);
}

bool file_digests__wait(struct file_digests *d, int timeout_ms)
{
	struct timespec until;
	bool done;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += timeout_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&d->lock);
	while (d->next < d->n && !err)
		err = pthread_cond_timedwait(&d->changed, &d->lock, &until);
	done = d->next == d->n;
	pthread_mutex_unlock(&d->lock);
	return done;
}

int file_digests__get(struct file_digests *d, int number, char out[FILE_DIGEST_SIZE], uint64_t *n_done)
{
	int err = -EINVAL;

	out[0] = 0;
	*n_done = 0;
	pthread_mutex_lock(&d->lock);
	if (number >= 0 && (size_t)number < d->n) {
		const struct job *job = &d->jobs[number];

		err = job->finished ? job->err : -EINPROGRESS;
		*n_done = job->done;
		if (!err)
			memcpy(out, job->hex, FILE_DIGEST_SIZE);
	}
	pthread_mutex_unlock(&d->lock);
	return err;
}

void file_digests__free(struct file_digests *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	for (size_t i = 0; i < d->n; i++)
		close(d->jobs[i].fd);
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->changed);
	free(d->jobs);
	free(d);
}
