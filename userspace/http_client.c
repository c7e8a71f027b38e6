/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_URL 512
#define CONNECT_TIMEOUT_MS 5000
#define N_PORTS 65536

struct exchange {
	struct exchange *next, **link;
	struct http_client *client;
	CURL *curl;
	char *body;
	char *text;
	size_t n, room;
	char error[CURL_ERROR_SIZE];
	void (*done)(void *ctx, const struct http_answer *answer);
	void *ctx;
};

struct http_client {
	CURLM *multi;
	struct curl_slist *headers;
	struct exchange *exchanges;
	size_t n_exchanges;
	char base[MAX_URL];		/* "http://127.0.0.1:8080" */
	char unix_path[108];		/* "" none */
	uint8_t ports[N_PORTS / 8];	/* one bit each */
};

static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_NOTHING);
}

/* Where a server listens on every address, the loopback reaches it. */
static int set_address(struct http_client *c, const char *address)
{
	const char *colon = strrchr(address, ':');
	int n;

	if (strncmp(address, "unix:", 5) == 0) {
		n = snprintf(c->unix_path, sizeof(c->unix_path), "%s", address + 5);
		snprintf(c->base, sizeof(c->base), "http://localhost");
		return n > 0 && (size_t)n < sizeof(c->unix_path) ? 0 : -EINVAL;
	}
	if (!colon || !colon[1])
		return -EINVAL;
	if (strncmp(address, "0.0.0.0:", 8) == 0)
		n = snprintf(c->base, sizeof(c->base), "http://127.0.0.1%s", colon);
	else if (strncmp(address, "[::]:", 5) == 0)
		n = snprintf(c->base, sizeof(c->base), "http://[::1]%s", colon);
	else
		n = snprintf(c->base, sizeof(c->base), "http://%s", address);
	return n > 0 && (size_t)n < sizeof(c->base) ? 0 : -EINVAL;
}

static int add_header(struct http_client *c, const char *text)
{
	struct curl_slist *more = curl_slist_append(c->headers, text);

	if (!more)
		return -ENOMEM;
	c->headers = more;
	return 0;
}

int http_client__new(struct http_client **out, const char *address, const char *key)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http_client *c = calloc(1, sizeof(*c));
	char line[1024];
	int err;

	*out = NULL;
	if (!c)
		return -ENOMEM;
	pthread_once(&once, init_curl);
	err = set_address(c, address);
	if (!err)
		err = add_header(c, "Content-Type: application/json");
	if (!err)
		err = add_header(c, "Expect:");	/* no 100-continue: it would put a pause before long prompts */
	if (!err && key) {
		int n = snprintf(line, sizeof(line), "Authorization: Bearer %s", key);

		err = n > 0 && (size_t)n < sizeof(line) ? add_header(c, line) : -EINVAL;
	}
	c->multi = err ? NULL : curl_multi_init();
	if (!err && !c->multi)
		err = -ENOMEM;
	if (err) {
		http_client__free(c);
		return err;
	}
	*out = c;
	return 0;
}

static void exchange__unlink(struct exchange *x)
{
	if (!x->link)
		return;
	*x->link = x->next;
	if (x->next)
		x->next->link = x->link;
	x->link = NULL;
	x->client->n_exchanges--;
}

static void exchange__free(struct exchange *x)
{
	if (!x)
		return;
	exchange__unlink(x);
	if (x->curl) {
		curl_multi_remove_handle(x->client->multi, x->curl);
		curl_easy_cleanup(x->curl);
	}
	free(x->body);
	free(x->text);
	free(x);
}

void http_client__cancel(struct http_client *c)
{
	while (c->exchanges)
		exchange__free(c->exchanges);
}

int http_client__disconnect(struct http_client *c)
{
	CURLM *fresh = curl_multi_init();

	if (!fresh)
		return -ENOMEM;
	http_client__cancel(c);
	curl_multi_cleanup(c->multi);
	c->multi = fresh;
	return 0;
}

void http_client__free(struct http_client *c)
{
	if (!c)
		return;
	http_client__cancel(c);
	curl_multi_cleanup(c->multi);
	curl_slist_free_all(c->headers);
	free(c);
}

static size_t on_bytes(char *data, size_t size, size_t n, void *ctx)
{
	struct exchange *x = ctx;
	size_t more = size * n;

	if (more > HTTP_MAX_ANSWER - x->n)
		return 0;	/* libcurl ends the transfer */
	if (x->n + more + 1 > x->room) {
		size_t room = (x->n + more + 1) * 2;
		char *bigger = realloc(x->text, room);

		if (!bigger)
			return 0;
		x->text = bigger;
		x->room = room;
	}
	memcpy(x->text + x->n, data, more);
	x->n += more;
	x->text[x->n] = 0;
	return more;
}

/* Called when the connection stands and before the request is sent. */
static int on_connected(void *ctx, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
	struct exchange *x = ctx;

	(void)remote_ip;
	(void)local_ip;
	(void)remote_port;
	if (local_port > 0 && local_port < N_PORTS)
		x->client->ports[local_port / 8] |= (uint8_t)(1u << local_port % 8);
	return CURL_PREREQFUNC_OK;
}

bool http_client__owns_port(const struct http_client *c, uint16_t port)
{
	return c->ports[port / 8] >> port % 8 & 1;
}

static void prepare(struct exchange *x, const char *path, int timeout_ms)
{
	struct http_client *c = x->client;
	char url[MAX_URL + 256];

	snprintf(url, sizeof(url), "%s%s", c->base, path);
	curl_easy_setopt(x->curl, CURLOPT_URL, url);
	curl_easy_setopt(x->curl, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(x->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(x->curl, CURLOPT_PROXY, "");	/* also where the environment names one */
	curl_easy_setopt(x->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(x->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	curl_easy_setopt(x->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(x->curl, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(x->curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(x->curl, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(x->curl, CURLOPT_ERRORBUFFER, x->error);
	curl_easy_setopt(x->curl, CURLOPT_PRIVATE, x);
	curl_easy_setopt(x->curl, CURLOPT_PREREQFUNCTION, on_connected);
	curl_easy_setopt(x->curl, CURLOPT_PREREQDATA, x);
	if (c->unix_path[0])
		curl_easy_setopt(x->curl, CURLOPT_UNIX_SOCKET_PATH, c->unix_path);
	if (x->body) {
		curl_easy_setopt(x->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(x->body));
		curl_easy_setopt(x->curl, CURLOPT_POSTFIELDS, x->body);
	}
}

int http_client__start(struct http_client *c, const char *path, const char *body, int timeout_ms,
		       void (*done)(void *ctx, const struct http_answer *answer), void *ctx)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->client = c;
	x->done = done;
	x->ctx = ctx;
	x->body = body ? strdup(body) : NULL;
	x->curl = curl_easy_init();
	if (!x->curl || (body && !x->body)) {
		exchange__free(x);
		return -ENOMEM;
	}
	prepare(x, path, timeout_ms);
	x->next = c->exchanges;
	x->link = &c->exchanges;
	if (x->next)
		x->next->link = &x->next;
	c->exchanges = x;
	c->n_exchanges++;
	if (curl_multi_add_handle(c->multi, x->curl) != CURLM_OK) {
		exchange__free(x);
		return -ENOMEM;
	}
	return 0;
}

size_t http_client__in_flight(const struct http_client *c)
{
	return c->n_exchanges;
}

static int error_number(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return -EPROTO;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static void finish(struct exchange *x, CURLcode code)
{
	struct http_answer answer = { .body = x->text ? x->text : "", .n = x->n };
	long status = 0;

	curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
	answer.status = (int)status;
	answer.err = error_number(code);
	if (answer.err)
		answer.error = x->error[0] ? x->error : curl_easy_strerror(code);
	exchange__unlink(x);	/* the callback may cancel all others */
	x->done(x->ctx, &answer);
	exchange__free(x);
}

int http_client__poll(struct http_client *c, int timeout_ms, int fd)
{
	struct curl_waitfd extra = { .fd = fd, .events = CURL_WAIT_POLLIN };
	CURLMsg *message;
	int running, left;

	if (curl_multi_perform(c->multi, &running) != CURLM_OK)
		return -EIO;
	message = curl_multi_info_read(c->multi, &left);
	if (!message) {
		if (curl_multi_poll(c->multi, &extra, fd >= 0, timeout_ms, NULL) != CURLM_OK ||
		    curl_multi_perform(c->multi, &running) != CURLM_OK)
			return -EIO;
		message = curl_multi_info_read(c->multi, &left);
	}
	for (; message; message = curl_multi_info_read(c->multi, &left)) {
		struct exchange *x = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&x);
		finish(x, message->data.result);
	}
	return 0;
}

struct asked {
	bool over;
	int result;
	char **text;
};

static void on_asked(void *ctx, const struct http_answer *answer)
{
	struct asked *a = ctx;

	a->over = true;
	a->result = answer->err ? answer->err : answer->status;
	if (a->text)
		*a->text = strdup(answer->body);
	if (a->text && !*a->text)
		a->result = -ENOMEM;
}

int http_client__ask(struct http_client *c, const char *path, const char *body, int timeout_ms, char **text)
{
	struct asked a = { .text = text };
	int err;

	if (text)
		*text = NULL;
	err = http_client__start(c, path, body, timeout_ms, on_asked, &a);
	while (!err && !a.over)
		err = http_client__poll(c, 100, -1);
	if (err)
		http_client__cancel(c);	/* it would answer to a frame that is gone */
	return err ? err : a.result;
}
