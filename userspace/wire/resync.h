/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the thread of a connection is lost: does this look like the place to take it up again?
 *
 * Servers and clients begin a message with a system call of its own, so only the front of a record is looked at.
 */
#ifndef TOKPROF_WIRE_RESYNC_H
#define TOKPROF_WIRE_RESYNC_H

#include <stdbool.h>
#include <stddef.h>

enum resync { RESYNC_NO = 0, RESYNC_YES, RESYNC_MORE /* so far; it takes more bytes to tell */ };

#define RESYNC_MAX_HELD 24 /* bytes after which it is yes or no */

enum resync resync__request(const char *p, size_t n);
enum resync resync__response(const char *p, size_t n);
/* The size of an HTTP chunk and behind it what an event, a line of JSON or the last chunk begins with. */
bool resync__chunk(const char *p, size_t n);
/* It begins as an event or an object does. */
bool resync__field(const char *p, size_t n);
/* A line of it begins as an event or an object does. */
bool resync__stream(const char *p, size_t n);

/* Protocols whose first bytes are known and that are not read: TLS, HTTP/2. */
bool resync__other_protocol(const char *p, size_t n);

#endif
