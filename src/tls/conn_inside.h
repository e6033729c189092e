/* SPDX-License-Identifier: ISC */
/*
 * conn_inside - one connection, for its steps (conn.c), getters (conn_view.c) and
 * judge (conn_judge.c).
 *
 * Always true:
 *   1. Without an SSL it is plain, and everything below `drained` is zero.
 * Threads: as conn.h.
 */
#ifndef SST_TLS_CONN_INSIDE_H
#define SST_TLS_CONN_INSIDE_H

#include <openssl/ssl.h>
#include <stdint.h>

#include "base/sockname.h"
#include "revoke.h"
#include "sni.h"

struct sst_rule;
struct sst_tls_conf;

struct sst_conn {
	int		 fd;		/* borrowed */
	int		 drained;	/* the last look left the socket empty */
	SSL		*ssl;
	struct sst_tls_conf *conf;
	struct sst_rule	*rule;		/* client */
	struct sst_revoked revoked;
	struct sst_sni	 sni;		/* server */
	union sst_inet	 local;		/* server */
	uint64_t	 data_mark;	/* bytes received up to the last data */
	unsigned	 early : 1;	/* bytes from before the upgrade come first */
	unsigned	 got_finished : 1;
	unsigned	 writing : 1;	/* a write must be repeated */
	unsigned	 verified : 1;	/* client: chain and name */
	unsigned	 closed : 1;	/* our close_notify is out */
};

#endif
