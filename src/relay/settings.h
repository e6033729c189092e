/* SPDX-License-Identifier: ISC */
/*
 * settings - what the options of one socket say, until it connects or listens.
 *
 * option.c writes them, client.c and listener.c make a struct sst_tls_conf of
 * them, hold_state.c carries them over a restart.
 *
 * Always true:
 *   1. What is shared (an accepted socket holds its listener's) is not changed
 *      any more: sst_settings_own() makes a copy first.
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_SETTINGS_H
#define SST_RELAY_SETTINGS_H

#include <stdint.h>

#include <securesockets/revocation.h>

#include "names.h"

struct sst_certs;
struct sst_error;
struct sst_lists;
struct sst_rules;
struct sst_staples;
struct sst_tickets;
struct sst_tls_conf;
struct sst_trust;

#define SST_TIMEOUT_CLIENT_MS	30000

struct sst_settings {
	unsigned	 refs;
	struct sst_names names;		/* TLS_HOSTNAME */
	int		 all_names;	/* the peer must have every one of them */
	int		 start_plain;	/* TLS_START_PLAIN */
	char		*remote;	/* TLS_REMOTE_HOSTNAME, or NULL */
	char		*alpn;
	char		*default_name;	/* of TLS_SNI_POLICY, folded */
	char		*cert_file, *cert_dir;	/* SSL_CERT_* of the program */
	uint16_t	 version_min, version_max;	/* 0: the default */
	int		 strict;	/* TLS_SNI_POLICY */
	int		 timeout_ms;	/* TLS_HANDSHAKE_TIMEOUT; 0: the default */
	int		 key_event;	/* TLS_KEY_PERMISSIONS */
	struct sst_trust *trust;	/* NULL: the system's */
	struct sst_certs *certs;	/* NULL: none was ever set */
	struct sst_rules *rules;	/* as the socket was made; NULL: restored */
	struct sst_revocation_policy revocation;	/* the program's word */
	struct sst_lists *lists;	/* TLS_CRL_FILE, or NULL */
	struct sst_staples *staples;	/* TLS_OCSP_STAPLE, or NULL */
	int		 live;		/* TLS_REVOCATION_LIVE */
	int		 no_stapling;	/* TLS_SERVER_OCSP_STAPLING 0 */
	struct sst_tickets *tickets;	/* TLS_TICKET_KEY; NULL: those of `certs` */
	unsigned	 session_ttl;	/* TLS_SESSION_TTL, seconds; 0: no session lives */
	int		 no_reuse;	/* TLS_SESSION_REUSE 0 */
};

struct sst_settings *sst_settings_new(const char *cert_file, const char *cert_dir);
struct sst_settings *sst_settings_ref(struct sst_settings *);
void	sst_settings_unref(struct sst_settings *);	/* NULL is allowed */
/* *set may be written: replaced by a copy when somebody else holds it too. */
int	sst_settings_own(struct sst_settings **set, struct sst_error *err);
/* Sets a text member, or clears it (NULL). */
int	sst_settings_text(char **member, const char *text, struct sst_error *err);
/* The trust of a client: what was named, or the system's. The caller owns it. */
int	sst_settings_trust(const struct sst_settings *, struct sst_trust **ret_trust,
	    struct sst_error *err);
int	sst_settings_client_conf(const struct sst_settings *,
	    struct sst_tls_conf **ret_conf, struct sst_error *err);
int	sst_settings_server_conf(const struct sst_settings *,
	    struct sst_tls_conf **ret_conf, struct sst_error *err);
/* Whom a client connects to; *ret_host NULL: the address. SST_E_USAGE. */
int	sst_settings_host(const struct sst_settings *, const char **ret_host,
	    struct sst_error *err);
/* What must be there before anybody is served TLS. */
int	sst_settings_can_serve(const struct sst_settings *, struct sst_error *err);

#endif
