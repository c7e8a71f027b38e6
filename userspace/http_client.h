/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP requests to one server of this host, many at once, over libcurl's multi interface. No proxy, no redirection, no TLS:
 * what is asked is the server itself, and its traffic is to be seen by the meter.
 */
#ifndef TOKPROF_HTTP_CLIENT_H
#define TOKPROF_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_MAX_ANSWER (8u << 20)

struct http_answer {
	int status;		/* HTTP's; 0: none came */
	const char *body;	/* ends with 0; owned by the client, until the callback returns */
	size_t n;
	int err;		/* 0; -ECONNREFUSED, -ETIMEDOUT, -EPROTO (no HTTP), -ENOMEM, -EIO: no whole answer, ... */
	const char *error;	/* ... and in libcurl's words; NULL */
};

struct http_client;

/*
 * @address	"127.0.0.1:8080", "[::]:8080" (any address: the loopback is taken) or "unix:/path", as process__sockets() has it
 * @key		sent as "Authorization: Bearer KEY"; NULL
 * @return	0; -EINVAL: no address that can be asked; -ENOMEM
 */
int http_client__new(struct http_client **out, const char *address, const char *key);
/* Ends what is going on by closing its connections. */
void http_client__free(struct http_client *c);

/*
 * Begin a request; `done` is called from http_client__poll(), once, also where there is no answer; not after a cancel.
 * @body JSON to POST; NULL: GET @timeout_ms 0: none
 * @return 0; -ENOMEM
 */
int http_client__start(struct http_client *c, const char *path, const char *body, int timeout_ms,
		       void (*done)(void *ctx, const struct http_answer *answer), void *ctx);
/* Let requests go on, for at most so long, or until `fd` (-1: none) can be read. @return 0; -EIO */
int http_client__poll(struct http_client *c, int timeout_ms, int fd);
size_t http_client__in_flight(const struct http_client *c);
/* Close the connections of all requests that go on; `done` is not called for them. */
void http_client__cancel(struct http_client *c);
/* ... and those that wait for a next request: it will open one. */
int http_client__disconnect(struct http_client *c);
/* A connection of this client has, or had, this local port. Known before its first byte is sent. */
bool http_client__owns_port(const struct http_client *c, uint16_t port);

/*
 * One request, until it is answered. @body, @answer as above; *text is the caller's to free, NULL where there is none
 * @return HTTP's status; -ECONNREFUSED: nobody there; -ETIMEDOUT; -EPROTO: it speaks no HTTP; -EIO; -ENOMEM
 */
int http_client__ask(struct http_client *c, const char *path, const char *body, int timeout_ms, char **text);

#endif
