/* SPDX-License-Identifier: ISC */
#include "record.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core.h"
#include "link.h"
#include "listener.h"
#include "live.h"
#include "settings.h"
#include "tls/conn.h"

#define SWEEP_MS	1000
#define SWEEP_DRAIN_MS	50

uint64_t
sst_record_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0)
		return 0;
	return cookie;
}

static struct sst_record **
bucket(struct sst_table *table, uint64_t cookie)
{
	return &table->buckets[cookie % SST_TABLE_BUCKETS];
}

struct sst_record *
sst_record_new(struct sst_relay *relay, uint64_t cookie, char kind, int family,
    uint64_t serial)
{
	struct sst_record *r = calloc(1, sizeof(*r));
	struct sst_record **at = bucket(&relay->table, cookie);

	if (r == NULL)
		return NULL;
	r->relay = relay;
	r->cookie = cookie;
	r->serial = serial;
	r->kind = kind;
	r->family = family;
	r->sndbuf = SST_LINK_SNDBUF;
	r->state = SST_REC_FRESH;
	r->tcp = r->end = r->held = -1;
	r->next = *at;
	*at = r;
	relay->table.count++;
	sst_core_busy(relay);
	return r;
}

struct sst_record *
sst_record_find(struct sst_relay *relay, uint64_t cookie)
{
	struct sst_record *r;

	if (cookie == 0)
		return NULL;
	for (r = *bucket(&relay->table, cookie); r != NULL; r = r->next)
		if (r->cookie == cookie)
			return r;
	return NULL;
}

/* Whether it counts as a connection of its worker. */
static int
active(const struct sst_record *r)
{
	return r->worker != NULL && (r->state == SST_REC_CONNECTING ||
	    r->state == SST_REC_HANDSHAKE || r->state == SST_REC_OPEN);
}

struct sst_worker *
sst_record_owner(const struct sst_record *r)
{
	return active(r) ? r->worker : NULL;
}

struct sst_loop *
sst_record_loop(const struct sst_record *r)
{
	return r->worker != NULL ? &r->worker->loop : &r->relay->loop;
}

void
sst_record_employ(struct sst_record *r)
{
	/* One that failed before may have events under way where it was. */
	if (r->worker == NULL)
		r->worker = sst_worker_pick(r->relay);
	else
		r->worker->connections++;
}

static void
sweep_again(struct sst_timer *t)
{
	sst_record_sweep(SST_HOLDER(t, struct sst_relay, sweep), 0);
}

static void
arm_sweep(struct sst_relay *relay)
{
	int after = relay->draining ? SWEEP_DRAIN_MS : SWEEP_MS;

	if (relay->table.by_name != NULL)
		sst_loop_arm(&relay->loop, &relay->sweep, relay->loop.clock() + after,
		    sweep_again);
}

void
sst_record_watch_name(struct sst_record *r)
{
	struct sst_table *table = &r->relay->table;

	if (r->name_at != NULL)
		return;
	r->name_next = table->by_name;
	r->name_at = &table->by_name;
	if (r->name_next != NULL)
		r->name_next->name_at = &r->name_next;
	table->by_name = r;
	if (r->relay->sweep.at_me == NULL)
		arm_sweep(r->relay);
}

void
sst_record_unwatch_name(struct sst_record *r)
{
	if (r->name_at == NULL)
		return;
	*r->name_at = r->name_next;
	if (r->name_next != NULL)
		r->name_next->name_at = r->name_at;
	r->name_next = NULL;
	r->name_at = NULL;
}

void
sst_record_say(struct sst_record *r, const char *text)
{
	free(r->text);
	r->text = text == NULL || text[0] == '\0' ? NULL : strdup(text);
}

/* Others may hold a copy of the TCP socket: it was lent, or they made it, or the
 * keeper holds the listener. */
static int
shared(const struct sst_record *r)
{
	return r->lent || r->foreign || r->state == SST_REC_LISTENING;
}

/* Closing takes what has no copy out of the loop as well. */
static void
unwatch(struct sst_record *r, struct sst_watch *w, int copies)
{
	if (copies)
		sst_loop_del(sst_record_loop(r), w);
	else
		sst_loop_forget(w);
}

void
sst_record_close_end(struct sst_record *r)
{
	unwatch(r, &r->end_watch, r->state == SST_REC_LISTENING);
	if (r->end >= 0)
		(void)close(r->end);
	r->end = -1;
}

static void
keep_verdict(struct sst_record *r)
{
	const char *text = r->conn == NULL ? "" : sst_conn_verdict(r->conn);

	if (text[0] == '\0')
		return;
	free(r->verdict);
	r->verdict = strdup(text);
}

void
sst_record_close_tcp(struct sst_record *r, int reset)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	unwatch(r, &r->tcp_watch, shared(r));
	sst_pump_done(&r->pump);
	sst_live_stop(r);
	keep_verdict(r);
	sst_conn_free(r->conn);
	r->conn = NULL;
	if (r->tcp < 0)
		return;
	/* Both act on the connection, whoever else holds a copy of it. */
	if (reset)
		(void)connect(r->tcp, &none, sizeof(none));
	else if ((!r->foreign || r->was_open) && (shared(r) || !r->pump.fin_sent))
		(void)shutdown(r->tcp, SHUT_RDWR);
	(void)close(r->tcp);
	r->tcp = -1;
}

static int
name_free(const struct sst_record *r)
{
	struct sst_sockname name = {
		.kind = r->kind, .family = r->family, .serial = r->serial,
		.local = r->local, .peer = r->peer,
	};
	struct sockaddr_un addr;
	socklen_t len;

	memcpy(name.door, r->relay->door, sizeof(name.door));
	len = sst_sockname_encode(&name, &addr);
	return sst_link_name_free(&addr, len);
}

void
sst_record_end(struct sst_record *r, int reset)
{
	if (r->kind == SST_SOCKNAME_ACCEPTED)
		sst_queue_forget(r);
	sst_order_cancel(&r->order);
	sst_loop_disarm(sst_record_loop(r), &r->timer);
	sst_record_close_tcp(r, reset);
	sst_record_close_end(r);
	if (active(r))
		sst_worker_leave(r->worker);
	r->was_open |= r->state == SST_REC_OPEN;
	r->state = SST_REC_ENDED;
	if (name_free(r))
		sst_record_free(r);
	else
		sst_record_watch_name(r);
}

void
sst_record_free(struct sst_record *r)
{
	struct sst_relay *relay = r->relay;
	struct sst_record **at = bucket(&relay->table, r->cookie);

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	relay->table.count--;
	sst_record_unwatch_name(r);
	sst_order_cancel(&r->order);
	sst_loop_disarm(sst_record_loop(r), &r->timer);
	if (r->kind == SST_SOCKNAME_ACCEPTED)
		sst_queue_forget(r);
	sst_record_close_tcp(r, 0);
	sst_record_close_end(r);
	free(r->text);
	free(r->verdict);
	sst_settings_unref(r->set);
	/* Its worker may have fetched an event of it. */
	sst_loop_free(sst_record_loop(r), &r->object);
	sst_core_check_idle(relay);
}

void
sst_record_sweep(struct sst_relay *relay, int lent)
{
	struct sst_record *r, *next;

	for (r = relay->table.by_name; r != NULL; r = next) {
		next = r->name_next;
		if ((!lent || r->lent) && name_free(r))
			sst_record_free(r);
	}
	if (!lent)
		arm_sweep(relay);
}
