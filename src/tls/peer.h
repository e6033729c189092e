/* SPDX-License-Identifier: ISC */
/*
 * peer - texts about the other side: its certificates, its alerts.
 *
 *	conn.c --> peer --> base/escape.h
 * Threads: pure.
 */
#ifndef SST_TLS_PEER_H
#define SST_TLS_PEER_H

#include <openssl/ssl.h>
#include <stddef.h>

struct sst_error;

/* As sst_conn_peer_chain() and sst_conn_peer_identity() promise. */
int	sst_peer_chain(const SSL *, char *buf, size_t size, size_t *ret_len,
	    struct sst_error *err);
int	sst_peer_identity(const SSL *, char *buf, size_t size, size_t *ret_len,
	    struct sst_error *err);
/* The RFC's name of an alert: "unrecognized_name"; "unknown alert". */
const char *sst_alert_name(int alert);

#endif
