/* SPDX-License-Identifier: ISC */
#include "fetch_transfer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/fail.h"
#include "curl_calls.h"
#include "guard.h"

#define HOPS_MAX	2
#define HEAD_MAX	(64 * 1024)	/* octets of header lines */
#define CONNECT_MS	3000
#define SLOW_OCTETS	100L		/* a second, */
#define SLOW_SECONDS	2L		/* for so long: given up */
#define RETRY_AFTER_MAX	3600

void
sst_transfer_stop(struct sst_transfer *t)
{
	if (t->easy != NULL) {
		(void)t->f->curl->multi_remove_handle(t->f->multi, t->easy);
		t->f->curl->easy_cleanup(t->easy);
	}
	t->f->curl->slist_free_all(t->headers);
	free(t->body);
	t->easy = NULL;
	t->headers = NULL;
	t->body = NULL;
	t->len = t->room = t->head_len = 0;
	t->too_big = t->blocked = t->opened = t->connected = 0;
	sst_error_clear(&t->refusal);
}

void
sst_transfer_free(struct sst_transfer *t)
{
	if (t == NULL)
		return;
	sst_transfer_stop(t);
	free(t->url);
	free(t->host);
	free(t->post);
	free(t);
}

/* Whether the last label is a number, behind which a dot may stand: no name of the
 * DNS, and to who drops that dot or is lenient about numbers an address. */
static int
is_numeric(const char *host)
{
	size_t end = strlen(host), at;

	if (end > 0 && host[end - 1] == '.')
		end--;
	for (at = end; at > 0 && host[at - 1] != '.'; at--)
		;
	if (end - at >= 2 && host[at] == '0' && (host[at + 1] | 0x20) == 'x')
		return 1;
	return strspn(host + at, "0123456789") >= end - at;
}

/*
 * Behind a proxy no socket address of the target is ever seen here, so at least
 * a URL that is written with an address is judged by it. libcurl's parser knows
 * all the spellings (0x7f.1, 2130706433) but those with a dot at the end.
 */
static int
literal_ok(const struct sst_fetcher *f, const char *url, struct sst_error *err)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	char *host = NULL, *port = NULL;
	const struct sst_curl *c = f->curl;
	CURLU *u = c->url();
	int ok = 0;

	if (u == NULL || c->url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    c->url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    c->url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK) {
		sst_fail(err, SST_E_REFUSED, "the URL does not parse");
		goto out;
	}
	in.sin_port = in6.sin6_port = htons((uint16_t)atoi(port));
	if (host[0] == '[')
		host[strlen(host) - 1] = '\0';
	if (inet_pton(AF_INET, host, &in.sin_addr) == 1)
		ok = sst_guard_address(f->guard, (struct sockaddr *)&in, sizeof(in), err);
	else if (host[0] != '[' && !is_numeric(host))
		ok = 1;
	else if (host[0] == '[' && inet_pton(AF_INET6, host + 1, &in6.sin6_addr) == 1)
		ok = sst_guard_address(f->guard, (struct sockaddr *)&in6, sizeof(in6), err);
	else
		sst_fail(err, SST_E_REFUSED, "the URL's address does not parse");
out:
	c->free(host);
	c->free(port);
	c->url_cleanup(u);
	return ok;
}

int
sst_transfer_url_ok(const struct sst_fetcher *f, const char *url, struct sst_error *err)
{
	if (!sst_guard_url(f->guard, url, err))
		return 0;
	return f->proxy[0] == '\0' || literal_ok(f, url, err);
}

/* A header's value that is sent on must not be able to end its line. */
static void
value_copy(char *out, size_t size, const char *value)
{
	size_t len = value == NULL ? 0 : strlen(value);

	out[0] = '\0';
	if (len == 0 || len >= size)
		return;
	for (size_t i = 0; i < len; i++)
		if (value[i] < ' ' || value[i] >= 0x7f)
			return;
	memcpy(out, value, len + 1);
}

struct sst_transfer *
sst_transfer_new(struct sst_fetcher *f, const struct sst_fetch_ask *ask)
{
	struct sst_transfer *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->f = f;
	t->url = strdup(ask->url);
	t->host = sst_guard_host(ask->url);
	if (ask->post != NULL)
		t->post = malloc(ask->post_len + 1);
	if (t->url == NULL || t->host == NULL || (ask->post != NULL && t->post == NULL)) {
		sst_transfer_free(t);
		return NULL;
	}
	if (ask->post != NULL)
		memcpy(t->post, ask->post, ask->post_len);
	t->post_len = ask->post_len;
	t->max_bytes = ask->max_bytes;
	t->is_crl = ask->is_crl;
	value_copy(t->etag, sizeof(t->etag), ask->etag);
	value_copy(t->last_modified, sizeof(t->last_modified), ask->last_modified);
	t->conditional = t->etag[0] != '\0' || t->last_modified[0] != '\0';
	t->begun = sst_clock_ms();
	t->deadline = t->begun + ask->total_ms;
	return t;
}

/*
 * After name resolution and before connect: the address that is about to be
 * asked is judged, whatever the name was. With a proxy it is the operator's own
 * choice. The socket is a plain one of protocol TCP, which the library's own
 * socket layer passes by where a program has loaded it.
 */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *at)
{
	struct sst_transfer *t = arg;
	int fd;

	if (purpose != CURLSOCKTYPE_IPCXN || at->socktype != SOCK_STREAM)
		return CURL_SOCKET_BAD;
	if (t->f->proxy[0] == '\0' &&
	    !sst_guard_address(t->f->guard, &at->addr, at->addrlen, &t->refusal)) {
		t->blocked = 1;
		return CURL_SOCKET_BAD;
	}
	fd = socket(at->family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	t->opened = 1;
	return fd;
}

static int
before_request(void *arg, char *ip, char *local, int port, int local_port)
{
	struct sst_transfer *t = arg;

	(void)ip;
	(void)local;
	(void)port;
	(void)local_port;
	t->connected = 1;
	return CURL_PREREQFUNC_OK;
}

static size_t
take_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct sst_transfer *t = arg;
	size_t len = size * n, room = t->room == 0 ? 4096 : t->room;
	uint8_t *grown;

	if (len > t->max_bytes - t->len) {
		t->too_big = 1;
		return 0;
	}
	while (room < t->len + len)
		room *= 2;
	if (room != t->room) {
		grown = realloc(t->body, room);
		if (grown == NULL)
			return 0;
		t->body = grown;
		t->room = room;
	}
	memcpy(t->body + t->len, bytes, len);
	t->len += len;
	return len;
}

static size_t
take_header(char *bytes, size_t size, size_t n, void *arg)
{
	struct sst_transfer *t = arg;

	(void)bytes;
	t->head_len += size * n;
	if (t->head_len <= HEAD_MAX)
		return size * n;
	t->too_big = 1;
	return 0;
}

/* A condition that cannot be sent for lack of memory is left out: then the whole
 * body comes. */
static void
header_add(struct sst_transfer *t, const char *name, const char *value)
{
	char line[256];
	struct curl_slist *grown;

	if (value[0] == '\0')
		return;
	(void)snprintf(line, sizeof(line), "%s: %s", name, value);
	grown = t->f->curl->slist_append(t->headers, line);
	if (grown != NULL)
		t->headers = grown;
}

static void
set_rules(struct sst_transfer *t, CURL *h, long left)
{
	const struct sst_curl *c = t->f->curl;

	(void)c->easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http");
	(void)c->easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)c->easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	(void)c->easy_setopt(h, CURLOPT_PROXY, t->f->proxy);	/* "": not the environment's */
	(void)c->easy_setopt(h, CURLOPT_NOPROXY, "");
	(void)c->easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	(void)c->easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	(void)c->easy_setopt(h, CURLOPT_USERAGENT, "securesockets");
	(void)c->easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	(void)c->easy_setopt(h, CURLOPT_OPENSOCKETDATA, t);
	(void)c->easy_setopt(h, CURLOPT_PREREQFUNCTION, before_request);
	(void)c->easy_setopt(h, CURLOPT_PREREQDATA, t);
	(void)c->easy_setopt(h, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	/* a resolver's thread that hangs is left behind, not waited for */
	(void)c->easy_setopt(h, CURLOPT_QUICK_EXIT, 1L);
	(void)c->easy_setopt(h, CURLOPT_TIMEOUT_MS, left);
	(void)c->easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS,
	    left < CONNECT_MS ? left : (long)CONNECT_MS);
	(void)c->easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, SLOW_OCTETS);
	(void)c->easy_setopt(h, CURLOPT_LOW_SPEED_TIME, SLOW_SECONDS);
	(void)c->easy_setopt(h, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)t->max_bytes);
}

int
sst_transfer_start(struct sst_transfer *t, int64_t now)
{
	const struct sst_curl *c = t->f->curl;
	CURL *h = c->easy_init();

	if (h == NULL)
		return -1;
	t->easy = h;
	set_rules(t, h, (long)(t->deadline - now));
	if (t->post != NULL) {
		header_add(t, "Content-Type", "application/ocsp-request");
		(void)c->easy_setopt(h, CURLOPT_POST, 1L);
		(void)c->easy_setopt(h, CURLOPT_POSTFIELDS, t->post);
		(void)c->easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)t->post_len);
	}
	header_add(t, "If-None-Match", t->etag);
	header_add(t, "If-Modified-Since", t->last_modified);
	(void)c->easy_setopt(h, CURLOPT_HTTPHEADER, t->headers);
	(void)c->easy_setopt(h, CURLOPT_WRITEFUNCTION, take_body);
	(void)c->easy_setopt(h, CURLOPT_WRITEDATA, t);
	(void)c->easy_setopt(h, CURLOPT_HEADERFUNCTION, take_header);
	(void)c->easy_setopt(h, CURLOPT_HEADERDATA, t);
	(void)c->easy_setopt(h, CURLOPT_PRIVATE, t);
	if (c->easy_setopt(h, CURLOPT_URL, t->url) != CURLE_OK ||
	    c->multi_add_handle(t->f->multi, h) != CURLM_OK)
		return -1;
	t->next = t->f->active;
	t->f->active = t;
	t->f->n_active++;
	return 0;
}

/* A value of the answer's head; "" when it is not there, or not sent on. */
static void
header_get(struct sst_transfer *t, const char *name, char *out, size_t size)
{
	struct curl_header *h = NULL;

	if (t->f->curl->easy_header(t->easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK)
		value_copy(out, size, h->value);
}

static void
say(struct sst_fetch_answer *a, enum sst_fault fault, const char *text)
{
	a->fault = fault;
	(void)snprintf(a->text, sizeof(a->text), "%.*s", (int)sizeof(a->text) - 1, text);
}

/* The end without an answer. */
static void
end_failed(const struct sst_transfer *t, CURLcode code, struct sst_fetch_answer *a)
{
	if (t->too_big) {
		say(a, SST_FAULT_SIZE, "the answer is larger than its cap");
	} else if (t->blocked && !t->opened) {
		/* a hop that leads to the inside is that server's mistake, and may
		 * be gone the next time */
		say(a, t->hops == 0 ? SST_FAULT_BLOCKED : SST_FAULT_HTTP, t->refusal.text);
	} else if (code == CURLE_OPERATION_TIMEDOUT) {
		a->was_timeout = !t->connected;
		say(a, SST_FAULT_TIMEOUT, t->connected ? "no whole answer in time" :
		    "no connection in time");
	} else if (code == CURLE_OUT_OF_MEMORY || code == CURLE_WRITE_ERROR) {
		say(a, SST_FAULT_TIMEOUT, "out of memory");
	} else {
		say(a, SST_FAULT_CONNECT, t->f->curl->easy_strerror(code));
	}
}

static int
is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 ||
	    status == 308;
}

/* 1: `url` and `host` are those of the next hop. */
static int
next_hop(struct sst_transfer *t, struct sst_fetch_answer *a)
{
	struct sst_error err = { 0 };
	char *to = NULL, *url, *host;

	if (t->f->curl->easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &to) != CURLE_OK || to == NULL) {
		say(a, SST_FAULT_HTTP, "redirected to nowhere");
		return 0;
	}
	if (t->hops == HOPS_MAX) {
		say(a, SST_FAULT_HTTP, "redirected more than twice");
		return 0;
	}
	if (!sst_transfer_url_ok(t->f, to, &err)) {
		say(a, SST_FAULT_HTTP, err.text);
		return 0;
	}
	url = strdup(to);
	host = url == NULL ? NULL : sst_guard_host(url);
	if (host == NULL) {
		free(url);
		say(a, SST_FAULT_TIMEOUT, "out of memory");
		return 0;
	}
	free(t->url);
	free(t->host);
	t->url = url;
	t->host = host;
	t->hops++;
	return 1;
}

/* RFC 6960 A.2. A list is known by its bytes; servers name it anything. */
static int
type_ok(const struct sst_transfer *t)
{
	static const char want[] = "application/ocsp-response";
	const char *type = NULL;

	if (t->is_crl)
		return 1;
	(void)t->f->curl->easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
	if (type == NULL || strncasecmp(type, want, sizeof(want) - 1) != 0)
		return 0;
	return strchr("; \t", type[sizeof(want) - 1]) != NULL;
}

static void
end_refused(struct sst_transfer *t, struct sst_fetch_answer *a)
{
	curl_off_t after = 0;
	char text[48];

	(void)snprintf(text, sizeof(text), "the server answered %d", a->http_status);
	say(a, a->http_status >= 500 ? SST_FAULT_TRY_LATER : SST_FAULT_HTTP, text);
	if (t->f->curl->easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &after) == CURLE_OK && after > 0)
		a->retry_after = after > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : (int)after;
}

int
sst_transfer_end(struct sst_transfer *t, CURLcode code, struct sst_fetch_answer *a)
{
	long status = 0;

	memset(a, 0, sizeof(*a));
	if (code == CURLE_FILESIZE_EXCEEDED)	/* by its Content-Length */
		t->too_big = 1;
	(void)t->f->curl->easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	a->http_status = (int)status;
	/* the page that comes with a refusal may be of any size */
	if (code != CURLE_OK && !(t->too_big && status >= 400)) {
		end_failed(t, code, a);
		return 1;
	}
	if (is_redirect(a->http_status) && t->is_crl)
		return !next_hop(t, a);
	header_get(t, "ETag", a->etag, sizeof(a->etag));
	header_get(t, "Last-Modified", a->last_modified, sizeof(a->last_modified));
	if (a->http_status == 304 && t->conditional) {
		a->not_modified = 1;
	} else if (a->http_status != 200) {
		end_refused(t, a);
	} else if (!type_ok(t)) {
		say(a, SST_FAULT_MALFORMED, "the answer is not of type "
		    "application/ocsp-response");
	} else {
		a->body = t->body;
		a->len = t->len;
	}
	return 1;
}
