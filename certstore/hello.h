/* SPDX-License-Identifier: ISC */
/*
 * hello - what a ClientHello says that the choice depends on.
 *
 * store_choose.c calls it.
 *
 * Always true:
 *   1. The server_name extension is one host_name of at least one byte, and
 *      nothing else (RFC 6066 3); whatever differs is a decode_error.
 *   2. Nothing is copied: the name points into the bytes given.
 * Threads: pure.
 */
#ifndef SST_CERTSTORE_HELLO_H
#define SST_CERTSTORE_HELLO_H

#include <stddef.h>
#include <stdint.h>

#include "key.h"

struct sst_hello;

#define SST_ALERT_HANDSHAKE_FAILURE	40
#define SST_ALERT_ILLEGAL_PARAMETER	47
#define SST_ALERT_DECODE_ERROR		50
#define SST_ALERT_MISSING_EXTENSION	109
#define SST_ALERT_UNRECOGNIZED_NAME	112

/* 0 and the name inside `ext`, or the alert to send. */
int	sst_hello_name(const uint8_t *ext, size_t len, const uint8_t **ret_name,
	    size_t *ret_len);

/*
 * Which kinds of key this client can verify: bit `1 << enum sst_key_kind`. The
 * same bit moved up by SST_KEY_KINDS means the curve's own hash is offered
 * too, so that it is the better of two curves.
 */
uint32_t sst_hello_kinds(const struct sst_hello *);

#endif
