/* SPDX-License-Identifier: ISC */
#include "upgrade.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fail.h"
#include "client.h"
#include "core.h"
#include "door.h"
#include "fault.h"
#include "listener.h"
#include "rules.h"
#include "settings.h"
#include "tls/conf.h"
#include "tls/revoke.h"

#define TIMEOUT_SERVER_MS	10000
#define RECORD_HANDSHAKE	0x16	/* RFC 8446 5.1: how a ClientHello begins */

struct sst_upgrade {
	struct sst_tls_conf *conf;
	struct sst_revoke *judge;	/* client */
	int		 server;
	struct sst_names names;		/* client; none: the address */
	union sst_inet	 addr;		/* client: the peer's; server: our own */
	uint8_t		*before;	/* plaintext of the program, to be sent */
	size_t		 before_len, before_off;
	uint8_t		*ahead;		/* early bytes of the ClientHello */
	size_t		 ahead_len;
};

void
sst_upgrade_free(struct sst_upgrade *u)
{
	if (u == NULL)
		return;
	sst_tls_conf_unref(u->conf);
	sst_revoke_unref(u->judge);
	sst_names_clear(&u->names);
	free(u->before);
	free(u->ahead);
	free(u);
}

static int
begin_tls(struct sst_upgrade *u, struct sst_conn *conn, struct sst_error *err)
{
	int rc;

	if (u->server)
		return sst_conn_upgrade_server(conn, u->conf, &u->addr.any, u->ahead,
		    u->ahead_len, err);
	rc = sst_conn_upgrade_client(conn, u->conf, u->names.n == 0 ? NULL :
	    u->names.list[0], &u->addr.any, err);
	if (rc == SST_OK)
		rc = sst_conn_judge_by(conn, u->judge, err);
	for (size_t i = 1; i < u->names.n && rc == SST_OK; i++)
		rc = sst_conn_require(conn, u->names.list[i], err);
	return rc;
}

enum sst_step
sst_upgrade_step(struct sst_upgrade *u, struct sst_conn *conn, struct sst_error *err)
{
	enum sst_step step;
	size_t n = 0;

	while (u->before_off < u->before_len) {
		step = sst_conn_write(conn, u->before + u->before_off,
		    u->before_len - u->before_off, &n, err);
		if (step != SST_STEP_DONE)
			return step;
		u->before_off += n;
	}
	if (sst_conn_is_plain(conn) && begin_tls(u, conn, err) != SST_OK)
		return SST_STEP_FAILED;
	return SST_STEP_DONE;
}

/* Whom a client reaches: the call says it, or the options did. */
static int
name_peer(struct sst_upgrade *u, const struct sst_record *r, const char *host,
    struct sst_error *err)
{
	const char *name = NULL;
	int rc;

	if (host[0] == '\0' && r->set->all_names)
		return sst_names_copy(&u->names, &r->set->names, err);
	rc = host[0] == '\0' ? sst_settings_host(r->set, &name, err) : SST_OK;
	if (host[0] != '\0')
		name = host;
	if (rc == SST_OK && name != NULL)
		rc = sst_names_add(&u->names, name, err);
	if (rc == SST_OK && name != NULL && u->names.list[0][0] == '*')
		rc = sst_fail(err, SST_E_USAGE, "a pattern is no host to connect to");
	return rc;
}

static int
prepare(struct sst_upgrade *u, const struct sst_record *r, const char *host,
    struct sst_error *err)
{
	int rc;

	u->addr = u->server ? r->local : r->peer;
	if (u->server) {
		rc = sst_settings_can_serve(r->set, err);
		return rc != SST_OK ? rc :
		    sst_settings_server_conf(r->set, &u->conf, err);
	}
	rc = name_peer(u, r, host, err);
	if (rc == SST_OK)
		rc = sst_settings_client_conf(r->set, &u->conf, err);
	return rc != SST_OK ? rc : sst_rules_revoke(r, &u->judge, err);
}

/* What the program was given and has not read. */
static size_t
unread(int app)
{
	int n = 0;

	return ioctl(app, FIONREAD, &n) < 0 || n < 0 ? 0 : (size_t)n;
}

/* Whether it begins as a ClientHello does. */
static int
is_hello(const struct sst_pump *p, int app)
{
	uint8_t first = 0;

	if (recv(app, &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1 &&
	    p->down.bytes != NULL)
		first = p->down.bytes[p->down.off];
	return first == RECORD_HANDSHAKE;
}

/* Takes the early bytes of the ClientHello back, those in the program's
 * descriptor first. */
static int
take_back(struct sst_upgrade *u, const struct sst_pump *p, int app,
    struct sst_error *err)
{
	size_t theirs = unread(app);
	size_t ours = p->down.len - p->down.off;
	ssize_t n = 1;

	if (theirs + ours == 0)
		return SST_OK;
	if (!u->server || !is_hello(p, app))
		return sst_fail(err, SST_E_STATE, "%zu bytes of plaintext are "
		    "buffered: they must be read first", theirs + ours);
	u->ahead = malloc(theirs + ours);
	if (u->ahead == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	while (u->ahead_len < theirs && n > 0) {
		n = recv(app, u->ahead + u->ahead_len, theirs - u->ahead_len,
		    MSG_DONTWAIT);
		u->ahead_len += n > 0 ? (size_t)n : 0;
	}
	if (ours > 0)
		memcpy(u->ahead + u->ahead_len, p->down.bytes + p->down.off, ours);
	u->ahead_len += ours;
	return SST_OK;
}

/* 0: an upgrade may begin; else why not. */
static int
state_fault(const struct sst_record *r, const char **ret_text)
{
	const struct sst_pump *p = &r->pump;

	*ret_text = NULL;
	if (r->state == SST_REC_OPEN && !r->plain) {
		*ret_text = "the connection is TLS already";
		return EISCONN;
	}
	if (r->state != SST_REC_OPEN) {
		*ret_text = r->text != NULL ? r->text : "only a connection can be "
		    "upgraded";
		return ENOTCONN;
	}
	if (p->peer_ended || p->broken || p->app_ended || p->fin_sent) {
		*ret_text = "one direction of the connection has ended";
		return ENOTCONN;
	}
	return 0;
}

static void
refuse(struct sst_call *call, struct sst_record *r, const struct sst_error *err)
{
	sst_record_say(r, err->text);
	/* Nothing is wrong but the moment. */
	sst_call_fail(call, err->code == SST_E_STATE ? EBUSY : sst_fault_call(err),
	    err->text);
}

static void
begin(struct sst_call *call, struct sst_record *r)
{
	struct sst_upgrade *u = calloc(1, sizeof(*u));
	struct sst_error err = { 0 };
	int rc;

	if (u == NULL) {
		sst_call_fail(call, ENOMEM, NULL);
		return;
	}
	u->server = call->head.b == SST_UPGRADE_SERVER;
	/* The data ends in a NUL of our own, whatever was sent. */
	rc = prepare(u, r, call->data, &err);
	if (rc == SST_OK)
		rc = take_back(u, &r->pump, call->fds[0], &err);
	if (rc == SST_OK)
		rc = sst_pump_stop(&r->pump, &u->before, &u->before_len, &err);
	if (rc != SST_OK) {
		refuse(call, r, &err);
		sst_upgrade_free(u);
		return;
	}
	/* The program uses what it accepted: it has it. */
	if (r->kind == SST_SOCKNAME_ACCEPTED)
		sst_queue_used(r);
	r->proven = 1;
	sst_client_upgrade(call, r, u, u->server ? TIMEOUT_SERVER_MS :
	    SST_TIMEOUT_CLIENT_MS);
}

/* Whether the call asks for what is under way: the same role and peer. */
static int
is_same(const struct sst_call *call, const struct sst_upgrade *u)
{
	struct sst_names asked = { .n = 0 };
	int same = (call->head.b == SST_UPGRADE_SERVER) == u->server;

	if (same && !u->server && call->data[0] != '\0')
		same = u->names.n == 1 &&
		    sst_names_add(&asked, call->data, NULL) == SST_OK &&
		    strcmp(asked.list[0], u->names.list[0]) == 0;
	sst_names_clear(&asked);
	return same;
}

void
sst_upgrade(struct sst_call *call, struct sst_record *r)
{
	const char *text;
	int code;

	if (r->state == SST_REC_HANDSHAKE && r->was_open) {
		if (call->head.a == 1)
			sst_call_fail(call, EALREADY, NULL);
		else if (!is_same(call, sst_client_upgrading(r)))
			sst_call_fail(call, EALREADY, "it is being upgraded for "
			    "another peer");
		else
			sst_client_wait(call, r);
		return;
	}
	code = state_fault(r, &text);
	if (code != 0)
		sst_call_fail(call, code, text);
	else
		begin(call, r);
}
