/* SPDX-License-Identifier: ISC */
/*
 * duo - two plain OpenSSL ends in one thread, of which one has a checker attached.
 *
 * Root, an intermediate, and leaves of every kind that way 2 is tested with; a
 * server of lists on loopback. The time is the clock's: what is made here begins
 * the day before and ends the day after.
 *
 * Always true:
 *   1. A failure of the set-up aborts: a test checks what it is about.
 *   2. duo_setup() gives each test a memory, and counters, of its own.
 * Threads: the responder's alone.
 */
#ifndef SST_TEST_DUO_H
#define SST_TEST_DUO_H

#include <securesockets/openssl.h>

#include "support/pki.h"
#include "support/responder.h"
#include "unit/ocsp/make_response.h"

#define DUO_HOST	"www.example.com"

struct duo_world {
	struct pki_cert	*root, *mid;
	struct pki_cert	*www, *other;	/* name no source */
	struct pki_cert	*must;		/* demands a staple */
	struct pki_cert	*listed;	/* names the list of duo_list_url() */
	struct pki_cert	*user, *user_listed;	/* clients' */
	struct responder *lists;
	struct sst_checker *checker;
	time_t		 now;
	/* the list has it (listed or user_listed); NULL: it is empty. The responder's
	 * thread reads it. */
	const struct pki_cert *_Atomic revoked;
	int		 asked;		/* requests before this test */
};
extern struct duo_world w;

/* CMocka's group and test fixtures. */
int	duo_world_make(void **);
int	duo_world_free(void **);
int	duo_setup(void **);
int	duo_teardown(void **);
/* Requests since the test began. */
int	duo_requests(void);

/* An OCSP response of `signer` about `cert`, from a day ago to tomorrow. */
struct pki_buf duo_response(const struct pki_cert *signer, const struct pki_cert *cert,
	    enum made_status);
struct pki_buf duo_response_of(const struct pki_cert *signer, const struct pki_cert *cert,
	    enum made_status, time_t from, time_t to);
/* The checker learns from elsewhere that `cert` is revoked. */
void	duo_revoke(struct sst_checker *, const struct pki_cert *cert);

/* A client that trusts the root and wants a certificate of it. `config` NULL: the
 * defaults; `checker` NULL: none is attached. */
SSL_CTX	*duo_client(struct sst_checker *, const struct sst_openssl_check *config);
/* A server that shows `cert`, and this staple (NULL: none; must outlive it). */
SSL_CTX	*duo_server(const struct pki_cert *cert, const struct pki_buf *staple);
/* Both only this version. */
void	duo_version(SSL_CTX *client, SSL_CTX *server, int version);

struct duo {
	SSL	*client, *server;
	int	 client_ok, server_ok;	/* the handshake succeeded there */
	int	 alert;			/* that the server received; 0: none */
};

/* A handshake; `resume` may be NULL. The contexts stay the caller's. */
void	duo_meet(struct duo *, SSL_CTX *client, SSL_CTX *server, SSL_SESSION *resume);
/* The two halves of it. */
void	duo_begin(struct duo *, SSL_CTX *client, SSL_CTX *server, SSL_SESSION *resume);
void	duo_shake(struct duo *);
/* A handshake of who asks for this name, which succeeds. */
void	duo_ask(struct duo *, SSL_CTX *client, SSL_CTX *server, SSL_SESSION *resume,
	    const char *name);
/* The same with the SSL that the server has used. */
void	duo_ask_again(struct duo *, SSL_CTX *client, SSL_SESSION *resume, const char *name);
/* A byte goes to the client, and tickets with it. */
void	duo_talk(struct duo *);
void	duo_done(struct duo *);
/* Frees both contexts as well. */
void	duo_over(struct duo *, SSL_CTX *client, SSL_CTX *server);

/* A handshake with all that belongs to it. */
struct duo_scene {
	SSL_CTX *client, *server;
	struct pki_buf staple;
	struct duo d;
};

/* With who shows `cert` and `staple` (NULL: none; taken over); `version` 0: any. */
void	duo_scene(struct duo_scene *, const struct sst_openssl_check *,
	    const struct pki_cert *cert, struct pki_buf *staple, int version);
void	duo_scene_over(struct duo_scene *);
/* By handshake and call. */
void	duo_scene_accepted(struct duo_scene *);
/* In the handshake already, with the alert of RFC 6066 8. */
void	duo_scene_refused(struct duo_scene *, const char *word);

/* The verdict of sst_openssl_judge(), and whether its text has the word. */
void	duo_accepted(SSL *);
void	duo_refused(SSL *, const char *word);

#endif
