/* SPDX-License-Identifier: ISC */
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fail.h"
#include "client_inside.h"
#include "core.h"
#include "door.h"
#include "fault.h"
#include "rules.h"
#include "settings.h"
#include "stream.h"
#include "upgrade.h"

/* 0: an attempt may begin; else why not. */
static int
state_fault(const struct sst_record *r, const struct sst_call *call)
{
	switch (r->state) {
	case SST_REC_FRESH:
		return 0;
	case SST_REC_HANDSHAKE:
		if (r->was_open)
			return EISCONN;	/* it is being upgraded */
		return call->head.a == 1 ? EALREADY : 0;
	case SST_REC_CONNECTING:
		return call->head.a == 1 ? EALREADY : 0;
	case SST_REC_OPEN:
	case SST_REC_LISTENING:
		return EISCONN;
	default:
		return r->was_open ? EISCONN : ECONNABORTED;
	}
}

/* As TCP: the first connect() after an attempt that nobody waited for takes its
 * result, and SO_ERROR has it no more. */
static int
take_result(struct sst_record *r, int code)
{
	int taken = r->error;

	if (code == ECONNABORTED && taken != 0) {
		r->error = 0;
		return taken;
	}
	if (r->state == SST_REC_OPEN && r->untold) {
		r->untold = 0;
		return 0;
	}
	return code;
}

/* Begins TCP's part. 0, or an errno: nothing was changed. */
static int
start_tcp(struct sst_record *r, const struct sst_call *call)
{
	int rc;

	do
		rc = connect(r->tcp, (const struct sockaddr *)(const void *)call->data,
		    (socklen_t)call->len);
	while (rc < 0 && errno == EINTR);
	if (rc < 0 && errno != EINPROGRESS)
		return errno;
	sst_record_employ(r);
	r->state = SST_REC_CONNECTING;
	return 0;
}

/* Settings that cannot work are refused before a packet is sent. */
static int
prepare(struct sst_record *r, int plain, struct sst_error *err)
{
	struct sst_client *c = calloc(1, sizeof(*c));
	const char *host;
	int rc = SST_OK;

	if (c == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	c->app = -1;
	r->client = c;
	if (!plain)
		rc = sst_settings_host(r->set, &host, err);
	if (rc == SST_OK && !plain)
		rc = sst_settings_client_conf(r->set, &c->conf, err);
	if (rc == SST_OK && !plain)
		rc = sst_rules_revoke(r, &c->judge, err);
	if (rc != SST_OK)
		sst_client_free(r);
	return rc;
}

/* The worker has it from sst_loop_add() on: TCP's answer is an event. */
static void
go_on(struct sst_call *call, struct sst_record *r, int waits)
{
	char text[160];

	if (waits) {
		r->client->app = call->fds[0];
		call->fds[0] = -1;
		sst_client_wait(call, r);
	} else if (sst_client_join_pending(r, call->fds[0]) < 0) {
		(void)snprintf(text, sizeof(text), "the connection could not be "
		    "handed over: %s", strerror(errno));
		sst_client_fail(r, errno, text);
		sst_call_fail(call, ENOBUFS, text);
		return;
	}
	if (sst_loop_add(sst_record_loop(r), &r->tcp_watch, r->tcp, SST_CLIENT_EVENTS,
	    sst_client_tcp_ready) < 0)
		sst_client_fail(r, ENOBUFS, "the helper process has no memory left");
	if (!waits)
		sst_call_fail(call, EINPROGRESS, NULL);
}

static void
begin(struct sst_call *call, struct sst_record *r)
{
	int plain = call->head.b == SST_MODE_PLAIN || r->set->start_plain;
	struct sst_error err = { 0 };
	int code;

	if (prepare(r, plain, &err) != SST_OK) {
		sst_record_say(r, err.text);
		sst_call_fail(call, sst_fault_call(&err), err.text);
		return;
	}
	code = start_tcp(r, call);
	if (code != 0) {
		sst_client_free(r);
		sst_call_fail(call, code, NULL);
		return;
	}
	go_on(call, r, call->head.a != 1);
}

void
sst_client_adopt(struct sst_call *call, struct sst_record *r)
{
	if (prepare(r, 1, NULL) != SST_OK) {
		sst_call_fail(call, ENOMEM, NULL);
		return;
	}
	sst_record_employ(r);
	r->state = SST_REC_CONNECTING;
	go_on(call, r, 1);
}

/* The stream's watches become the attempt's. 0, or -1 with errno. */
static int
watch_again(struct sst_record *r)
{
	struct sst_loop *loop = &r->worker->loop;

	sst_loop_forget(&r->tcp_watch);
	sst_loop_del(loop, &r->end_watch);
	if (sst_loop_take_over(loop, &r->tcp_watch, r->tcp, SST_CLIENT_EVENTS,
	    sst_client_tcp_ready) < 0)
		return -1;
	return sst_loop_add(loop, &r->end_watch, r->end, EPOLLRDHUP | EPOLLET,
	    sst_client_end_ready);
}

void
sst_client_upgrade(struct sst_call *call, struct sst_record *r,
    struct sst_upgrade *upgrade, int ms)
{
	struct sst_client *c = calloc(1, sizeof(*c));
	int rc = -1;

	r->state = SST_REC_HANDSHAKE;
	r->plain = 0;
	r->again = 0;
	sst_record_say(r, NULL);	/* what was refused before */
	r->wait = SST_WAIT_NOTHING;
	r->client = c;
	if (c != NULL) {
		c->app = -1;
		c->upgrade = upgrade;
		rc = sst_link_gate(&r->relay->link, call->fds[0], &c->junk);
	}
	if (rc < 0 || watch_again(r) < 0) {
		sst_call_fail(call, ENOBUFS, "the helper process has no memory left");
		if (c == NULL)
			sst_upgrade_free(upgrade);
		sst_client_free(r);
		sst_record_end(r, 0);
		return;
	}
	/* Or its closing would not be seen. */
	(void)close(call->fds[0]);
	call->fds[0] = -1;
	if (call->head.a == 1)
		sst_call_fail(call, EINPROGRESS, NULL);
	else
		sst_client_wait(call, r);
	sst_client_limit(r, ms);
	sst_client_shake(r);
}

const struct sst_upgrade *
sst_client_upgrading(const struct sst_record *r)
{
	return r->client->upgrade;
}

void
sst_client_connect(struct sst_call *call, struct sst_record *r)
{
	sa_family_t family = AF_UNSPEC;
	int code = state_fault(r, call);

	if (call->len >= sizeof(family))
		memcpy(&family, call->data, sizeof(family));
	if (call->len < sizeof(family) || family == AF_UNSPEC) {
		/* Dissolving: there is nothing to dissolve, or it cannot be. */
		code = call->len < sizeof(family) ? EINVAL :
		    r->state == SST_REC_FRESH ? 0 : EOPNOTSUPP;
		if (code == 0)
			sst_call_answer(call, 0, NULL, 0, -1);
		else
			sst_call_fail(call, code, code == EOPNOTSUPP ?
			    "connect to AF_UNSPEC: a connection of TLS cannot be "
			    "dissolved" : NULL);
		return;
	}
	code = take_result(r, code);
	if (code != 0)
		sst_call_fail(call, code, code != EISCONN && code != EALREADY ?
		    r->text : NULL);
	else if (r->state == SST_REC_OPEN)
		sst_call_answer(call, 0, NULL, 0, -1);
	else if (r->state == SST_REC_FRESH)
		begin(call, r);
	else
		sst_client_wait(call, r);
}
