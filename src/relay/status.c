/* SPDX-License-Identifier: ISC */
#include "status.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <securesockets/certstore.h>

#include "base/clock.h"
#include "base/escape.h"
#include "certs.h"
#include "core.h"
#include "listener.h"
#include "settings.h"
#include "shake.h"

#define SEND_BUFFER	(1 << 20)

static void
set(json_t *object, const char *key, json_t *value)
{
	(void)json_object_set_new(object, key, value);
}

static void
address_text(const union sst_inet *a, char *out, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "";

	if (a->any.sa_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &a->v6.sin6_addr, host, sizeof(host));
		(void)snprintf(out, size, "[%s]:%u", host, ntohs(a->v6.sin6_port));
		return;
	}
	(void)inet_ntop(AF_INET, &a->v4.sin_addr, host, sizeof(host));
	(void)snprintf(out, size, "%s:%u", host, ntohs(a->v4.sin_port));
}

/* How far the reading of a large directory is; null: none is read. */
static json_t *
scan_object(const struct sst_store_figures *f)
{
	if (f->reading == 0)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:o}", "names", (json_int_t)f->reading,
	    "read", (json_int_t)f->read, "since", (json_int_t)f->reading_since,
	    "left", f->read == 0 ? json_null() : json_integer((json_int_t)
	    (f->reading_ms * (f->reading - f->read) / f->read / 1000)));
}

/* What the index and the cache cost, and where they are. */
static json_t *
store_object(const struct sst_store_figures *f)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:b, s:b, s:o}",
	    "names", (json_int_t)f->names, "expired", (json_int_t)f->expired,
	    "cache_bytes", (json_int_t)f->cache_bytes,
	    "cache_hits", (json_int_t)f->cache_hits,
	    "cache_misses", (json_int_t)f->cache_misses,
	    "index", f->index_kept ? "file" : "memory",
	    "index_bytes", (json_int_t)f->index_bytes,
	    "index_writer", f->index_writer, "warm", f->warm, "scan", scan_object(f));
}

static void
add_certificates(json_t *o, struct sst_certs *certs)
{
	struct sst_store_figures f = { .usable = 0 };
	int64_t renewed = sst_certs_renewed(certs);
	struct sst_store *store = sst_certs_store(certs);
	int known = sst_store_figures(store, sst_clock_wall(), &f, NULL) == 0;

	set(o, "generation", json_integer((json_int_t)sst_store_generation(store)));
	set(o, "identities", json_pack("{s:I, s:I, s:I, s:I}",
	    "usable", (json_int_t)f.usable, "degraded", (json_int_t)f.expired,
	    "refused", (json_int_t)f.refused, "pending", (json_int_t)f.staged));
	set(o, "store", known ? store_object(&f) : json_null());
	set(o, "earliest_expiry", f.earliest == 0 ? json_null() :
	    json_integer((json_int_t)f.earliest));
	set(o, "last_renewal", renewed == 0 ? json_null() :
	    json_integer((json_int_t)renewed));
}

static json_t *
listener_object(const struct sst_listener *l)
{
	json_t *o = json_object(), *failed = json_object();
	union sst_inet local;
	socklen_t len = sizeof(local);
	char address[80];

	memset(&local, 0, sizeof(local));
	(void)getsockname(l->record->tcp, &local.any, &len);
	address_text(&local, address, sizeof(address));
	set(o, "address", json_string(address));
	set(o, "backlog", json_integer(l->backlog));
	add_certificates(o, l->record->set->certs);
	for (int i = SST_COUNT_ACME + 1; i < SST_COUNTS; i++)
		set(failed, sst_listener_count_name(i),
		    json_integer((json_int_t)l->counts[i]));
	set(o, "handshakes", json_pack("{s:I, s:I, s:I, s:o}",
	    "ok", (json_int_t)l->counts[SST_COUNT_OK],
	    "acme", (json_int_t)l->counts[SST_COUNT_ACME],
	    "under_way", (json_int_t)l->n_shakes, "failed", failed));
	set(o, "last_error", l->last_error == NULL ? json_null() :
	    json_string(l->last_error));
	set(o, "waiting", json_integer((json_int_t)l->ready.n));
	return o;
}

/* The library's file was replaced: the kernel says so in our own map. */
static int
restart_needed(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	int yes = 0;

	if (f == NULL)
		return 0;
	while (!yes && fgets(line, sizeof(line), f) != NULL)
		yes = (strstr(line, "/libssl") != NULL ||
		    strstr(line, "/libcrypto") != NULL) &&
		    strstr(line, "(deleted)") != NULL;
	(void)fclose(f);
	return yes;
}

static size_t
connections(const struct sst_relay *relay)
{
	size_t n = 0;

	for (size_t i = 0; i < SST_TABLE_BUCKETS; i++)
		for (const struct sst_record *r = relay->table.buckets[i]; r != NULL;
		    r = r->next)
			n += r->state == SST_REC_OPEN;
	return n;
}

/* What each worker has: connections, also handshakes. */
static json_t *
workers(const struct sst_relay *relay)
{
	json_t *list = json_array();

	for (int i = 0; i < relay->n_workers; i++)
		(void)json_array_append_new(list,
		    json_integer((json_int_t)relay->workers[i]->connections));
	return list;
}

static json_t *
document(const struct sst_relay *relay)
{
	json_t *o = json_object(), *list = json_array(), *events = json_object();
	char program[200];

	(void)sst_escape(program, sizeof(program), relay->program,
	    strlen(relay->program));
	for (const struct sst_listener *l = relay->listeners; l != NULL; l = l->next)
		if (!l->closed)
			(void)json_array_append_new(list, listener_object(l));
	for (int i = 0; i < SST_LOG_KINDS; i++)
		set(events, sst_log_kind_name(i),
		    json_integer((json_int_t)relay->log.events[i]));
	set(o, "schema", json_integer(1));
	set(o, "program", json_string(program));
	set(o, "pid", json_integer((json_int_t)relay->program_pid));
	set(o, "relay_pid", json_integer((json_int_t)getpid()));
	set(o, "uid", json_integer((json_int_t)getuid()));
	set(o, "version", json_string(SST_RELEASE));
	set(o, "openssl", json_string(OpenSSL_version(OPENSSL_VERSION)));
	set(o, "started", json_integer((json_int_t)relay->started));
	set(o, "draining", json_boolean(relay->draining));
	set(o, "restart_needed", json_boolean(restart_needed()));
	set(o, "sockets", json_integer((json_int_t)relay->table.count));
	set(o, "connections", json_pack("{s:I, s:I}",
	    "open", (json_int_t)connections(relay),
	    "total", (json_int_t)relay->connections));
	set(o, "workers", workers(relay));
	set(o, "listeners", list);
	set(o, "events", events);
	return o;
}

void
sst_status_write(struct sst_relay *relay, int fd)
{
	const int size = SEND_BUFFER;
	json_t *o;
	char *text;
	size_t len, at = 0;
	ssize_t n = 1;

	if (fd < 0)
		return;
	o = document(relay);
	text = json_dumps(o, JSON_COMPACT);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	for (len = text == NULL ? 0 : strlen(text); at < len && n > 0;
	    at += n > 0 ? (size_t)n : 0)
		n = send(fd, text + at, len - at, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (at == len)
		(void)send(fd, "\n", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	free(text);
	json_decref(o);
	(void)close(fd);
}
