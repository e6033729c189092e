/* SPDX-License-Identifier: ISC */
/*
 * attach_serve - what sni.c tells attach.c: a server's certificates are watched whoever
 * its clients are, also where none of them asks for a staple.
 *
 * Threads: any.
 */
#ifndef SST_TLS_ATTACH_SERVE_H
#define SST_TLS_ATTACH_SERVE_H

#include <openssl/ssl.h>

struct sst_choice;

/* This was chosen for a client. What is due for it, and for what was chosen before, is
 * begun; nobody is waited for. Nothing where no checker is attached. */
void	sst_attach_served(SSL *, const struct sst_choice *);
/* Whether a checker judges the peers of this connection. */
int	sst_attach_judges(const SSL *);

#endif
