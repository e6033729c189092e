/* SPDX-License-Identifier: ISC */
/* conn_judge - what the relay asks of a connection about revocation. */
#include "conn.h"

#include "base/fail.h"
#include "conn_inside.h"

int
sst_conn_judge_by(struct sst_conn *conn, struct sst_revoke *by, struct sst_error *err)
{
	if (conn->ssl == NULL || conn->revoked.by != NULL)
		return sst_fail(err, SST_E_STATE, "the connection is plain, or is judged");
	return sst_revoked_init(&conn->revoked, by, conn->ssl, err);
}

int
sst_conn_judge_start(struct sst_conn *conn, void (*done)(void *arg), void *arg,
    struct sst_error *err)
{
	return sst_revoked_start(&conn->revoked, done, arg, err);
}

unsigned
sst_conn_judge_budget(const struct sst_conn *conn)
{
	return sst_revoked_budget(&conn->revoked);
}

void
sst_conn_judge_end(struct sst_conn *conn)
{
	if (!conn->revoked.over)
		sst_revoked_stop(&conn->revoked);
}

int
sst_conn_judge_again(struct sst_conn *conn, struct sst_error *err)
{
	return sst_revoked_again(&conn->revoked, err);
}

const char *
sst_conn_verdict(const struct sst_conn *conn)
{
	return conn->revoked.text == NULL ? "" : conn->revoked.text;
}
