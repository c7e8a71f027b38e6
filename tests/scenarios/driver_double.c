/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device driver that is none: each file given becomes a FUSE mount whose root is a regular file, so that open(), ioctl() and
 * poll() on it take the kernel's own paths and this program says how long they take and what they return.
 *
 *	driver_double [-t THREADS] [-c CMD=DELAY_US[,ERRNO[,EVERY[,OFFSET=STATUS]]]]... FILE...
 *
 * CMD 1 is poll() (as an ioctl it never gets here: FIBMAP). Every call of CMD takes DELAY_US; the first and then every EVERY-th fails with ERRNO, or has STATUS at OFFSET of its argument
 * where one is given; others return 0 at once. With fewer THREADS than callers, calls queue. Prints "ready", ends with its stdin, and then
 * prints one line for each command: CMD, calls answered. Raw protocol (include/uapi/linux/fuse.h), no library.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_RULES 32
#define MAX_NODES 32
#define BUFFER 65536
#define POLL_COMMAND 1

struct rule {
	uint32_t command;
	long delay_us;
	int error;
	unsigned long every;
	int status_offset;	/* -1: none */
	uint32_t status;
	unsigned long answered;
};

static struct rule rules[MAX_RULES];
static int n_rules;
static const char *nodes[MAX_NODES];
static int n_nodes;

static struct rule *find_rule(uint32_t command)
{
	for (int i = 0; i < n_rules; i++)
		if (rules[i].command == command)
			return &rules[i];
	return NULL;
}

/* Up to an absolute time, so that the caller's wait does not grow with how long this thread takes to wake. */
static void wait_us(long us)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += us * 1000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

static size_t answer_ioctl(const struct fuse_ioctl_in *in, const char *argument, char *out)
{
	struct fuse_ioctl_out *reply = (struct fuse_ioctl_out *)out;
	struct rule *r = find_rule(in->cmd);
	const size_t n = in->out_size < BUFFER / 2 ? in->out_size : 0;
	unsigned long turn;

	memset(reply, 0, sizeof(*reply));
	memcpy(out + sizeof(*reply), argument, n < in->in_size ? n : in->in_size);
	if (r) {
		wait_us(r->delay_us);
		turn = __atomic_fetch_add(&r->answered, 1, __ATOMIC_RELAXED);
		if (r->every && turn % r->every == 0) {
			if (r->status_offset < 0)
				reply->result = -r->error;
			else if ((size_t)r->status_offset + 4 <= n)
				memcpy(out + sizeof(*reply) + r->status_offset, &r->status, 4);
		}
	}
	return sizeof(*reply) + n;
}

static void fill_attributes(struct fuse_attr *attr)
{
	memset(attr, 0, sizeof(*attr));
	attr->ino = FUSE_ROOT_ID;
	attr->size = 4096;
	attr->mode = S_IFREG | 0666;
	attr->nlink = 1;
	attr->blksize = 4096;
}

/* @return bytes of the answer behind the header; -1: none is wanted */
static ssize_t answer(const struct fuse_in_header *in, const void *body, char *out, int *error)
{
	switch (in->opcode) {
	case FUSE_INIT: {
		struct fuse_init_out *reply = (struct fuse_init_out *)out;

		memset(reply, 0, sizeof(*reply));
		reply->major = FUSE_KERNEL_VERSION;
		reply->minor = 31;
		reply->max_write = 4096;
		return sizeof(*reply);
	}
	case FUSE_GETATTR: {
		struct fuse_attr_out *reply = (struct fuse_attr_out *)out;

		memset(reply, 0, sizeof(*reply));
		reply->attr_valid = 3600;
		fill_attributes(&reply->attr);
		return sizeof(*reply);
	}
	case FUSE_OPEN: {
		struct fuse_open_out *reply = (struct fuse_open_out *)out;

		memset(reply, 0, sizeof(*reply));
		reply->open_flags = FOPEN_DIRECT_IO;
		return sizeof(*reply);
	}
	case FUSE_IOCTL:
		return (ssize_t)answer_ioctl(body, (const char *)body + sizeof(struct fuse_ioctl_in), out);
	case FUSE_POLL: {
		struct fuse_poll_out *reply = (struct fuse_poll_out *)out;
		struct rule *r = find_rule(POLL_COMMAND);

		if (r) {
			wait_us(r->delay_us);
			__atomic_fetch_add(&r->answered, 1, __ATOMIC_RELAXED);
		}
		memset(reply, 0, sizeof(*reply));
		reply->revents = 1;	/* POLLIN */
		return sizeof(*reply);
	}
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return -1;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_ACCESS:
		return 0;
	default:
		*error = -ENOSYS;
		return 0;
	}
}

static void *serve(void *arg)
{
	const int fd = (int)(intptr_t)arg;
	char *request = malloc(BUFFER), *reply = malloc(BUFFER);

	while (request && reply) {
		struct fuse_out_header *out = (struct fuse_out_header *)reply;
		const struct fuse_in_header *in = (const struct fuse_in_header *)request;
		ssize_t n = read(fd, request, BUFFER);
		int error = 0;

		if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT))
			continue;
		if (n < (ssize_t)sizeof(*in))
			break;
		n = answer(in, in + 1, reply + sizeof(*out), &error);
		if (n < 0)
			continue;
		out->len = (uint32_t)(sizeof(*out) + (error ? 0 : (size_t)n));
		out->error = error;
		out->unique = in->unique;
		if (write(fd, reply, out->len) < 0 && errno != ENOENT)
			break;
	}
	free(request);
	free(reply);
	return NULL;
}

static void parse_rule(const char *text)
{
	struct rule *r = &rules[n_rules++];
	char *end;

	r->status_offset = -1;
	r->command = (uint32_t)strtoul(text, &end, 0);
	r->delay_us = *end == '=' ? strtol(end + 1, &end, 0) : 0;
	r->error = *end == ',' ? (int)strtol(end + 1, &end, 0) : 0;
	r->every = *end == ',' ? strtoul(end + 1, &end, 0) : 0;
	if (*end == ',') {
		r->status_offset = (int)strtol(end + 1, &end, 0);
		r->status = *end == '=' ? (uint32_t)strtoul(end + 1, &end, 0) : 0;
	}
}

static int mount_node(const char *path, int n_threads)
{
	char options[128];
	const int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	snprintf(options, sizeof(options), "fd=%d,rootmode=100666,user_id=0,group_id=0,allow_other", fd);
	if (mount("driver_double", path, "fuse.driver_double", MS_NOSUID | MS_NODEV, options) < 0)
		return -1;
	for (int i = 0; i < n_threads; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd))
			return -1;
	}
	return 0;
}

static void unmount_all(void)
{
	for (int i = 0; i < n_nodes; i++)
		umount2(nodes[i], MNT_DETACH);
}

int main(int argc, char **argv)
{
	int option, n_threads = 8;
	char byte;

	while ((option = getopt(argc, argv, "t:c:")) != -1) {
		if (option == 't')
			n_threads = atoi(optarg);
		else if (option == 'c' && n_rules < MAX_RULES)
			parse_rule(optarg);
		else
			return 2;
	}
	for (int i = optind; i < argc && n_nodes < MAX_NODES; i++) {
		if (mount_node(argv[i], n_threads)) {
			fprintf(stderr, "driver_double: %s: %s\n", argv[i], strerror(errno));
			unmount_all();
			return 1;
		}
		nodes[n_nodes++] = argv[i];
	}
	printf("ready\n");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	unmount_all();
	for (int i = 0; i < n_rules; i++)
		printf("0x%x %lu\n", rules[i].command, rules[i].answered);
	fflush(stdout);
	_exit(0);
}
