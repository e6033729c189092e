/* SPDX-License-Identifier: ISC */
/*
 * sni - the hook in the ClientHello that asks the store and installs.
 *
 *	conf.c, openssl.h --attach--> SSL_CTX; OpenSSL --callback--> sni
 *	sni --> hello.c, sst_store_choose(), SSL_use_cert_and_key(), ticket.c
 *
 * Always true: openssl.h's list.
 * Threads: the attachment is read-only; the state belongs to its connection.
 */
#ifndef SST_TLS_SNI_H
#define SST_TLS_SNI_H

#include <openssl/ssl.h>
#include <stdint.h>
#include <sys/socket.h>

#include "ticket.h"

struct sst_choice;
struct sst_choose_policy;
struct sst_error;
struct sst_ours;
struct sst_store;

/* What the hook keeps of one connection. */
struct sst_sni {
	struct sst_choice	*choice;	/* owned; NULL before the hello */
	uint64_t		 name_mark;	/* of the first hello's server_name */
	const struct sockaddr	*local;		/* borrowed; NULL: ask the socket */
	int			 saw_hello;
	int			 late_alert;	/* for on_servername(); 0: none */
	int			 late_install;	/* what was chosen is, there or */
	int			 late_asked;	/* by a callback of this SSL's own */
	int			 embedded;	/* 1: part of a sst_conn, 0: malloc */
	struct sst_ticket_bond	 bond;
};

/* sst_openssl_attach_store() for who has its own rule for tickets: its `tickets` are
 * referenced, its `alpn` is borrowed for the life of the SSL_CTX. */
struct sst_sni_config {
	struct sst_store	*store;
	const struct sst_choose_policy *policy;	/* NULL: every name, lax */
	struct sst_ours		*ours;		/* told of what is served; or NULL */
	struct sst_ticket_rule	 rule;
	unsigned		 life;		/* of a session, seconds */
};
int	sst_sni_attach(SSL_CTX *, const struct sst_sni_config *, struct sst_error *);

/*
 * Gives `ssl` a state of the caller's, which must outlive it: saves conn.c an
 * allocation. Without it the hook makes one. 0 or SST_E_NOMEM.
 */
int	sst_sni_embed(SSL *ssl, struct sst_sni *state);
/* What is attached to the SSL_CTX; NULL: nothing. Borrowed. */
struct sst_store *sst_sni_store(SSL_CTX *);
/* What its sessions are bound to; NULL: there was no ClientHello. Borrowed. */
const struct sst_ticket_bond *sst_sni_bond(const SSL *);
/* A ticket is looked at: what was not installed because of it will be, should it be of
 * no use. */
void	sst_sni_late(SSL *);
/* Frees what `state` owns, not the state. */
void	sst_sni_done(struct sst_sni *state);

#endif
