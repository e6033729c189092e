/* SPDX-License-Identifier: ISC */
/*
 * service_ask - asks the machine's cache service, for a process that may not write
 * the machine's cache.
 *
 * Always true:
 *   1. What is asked: a certificate, its issuer and the issuer above. Never a URL.
 *   2. An answer is believed from the machine cache's owner, from root (a socket of
 *      systemd's) and from our own user, who could change us anyway.
 *   3. It ends within the budget and half a second.
 * Threads: any number; it waits.
 */
#ifndef SST_OCSP_SERVICE_ASK_H
#define SST_OCSP_SERVICE_ASK_H

#include <stddef.h>

#include "evidence.h"
#include "work.h"

#define SST_SERVICE_SOCKET	"/run/securesockets/cache.sock"

/*
 * Pieces of evidence about ask->cert. SST_E_NOT_FOUND: there is no service;
 * SST_E_REFUSED, SST_E_LIMIT: it said no, and `err` says why; SST_E_TIMEOUT: it did
 * not say anything in time, or stop_fd (-1: none) became readable; others: it is out
 * of order.
 */
int	sst_service_ask(const char *path, const struct sst_work_ask *ask, int stop_fd,
	    struct sst_evidence *list, size_t max, struct sst_error *err);

#endif
