/* SPDX-License-Identifier: ISC */
/*
 * A store that changes 1,000 times under eight clients: no handshake fails,
 * and each client meets a (chain, key, generation) that existed.
 *
 * That the handshake is complete proves chain and key; the digest that the
 * client was shown, and the generation that the server's choice names, are
 * compared with the changer's own record after all have ended.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "meet.h"

enum { CLIENTS = 8, CHANGES = 1000, CERTS = 12, LOG = 20000, FEW = 25 };

static struct pki_cert *root, *certs[CERTS], *fixed, *guest;
static struct pki_buf pairs[CERTS], guest_pair;
static struct sst_store *store;
static struct sst_tls_conf *conf;
static SSL_CTX *client_ctx;

/* Which of certs[] was in the store at each generation; -1: no such one. */
static int at_generation[CHANGES + 100];
static atomic_int over;

struct met {
	uint64_t	generation;
	unsigned char	digest[32];
};

struct client {
	pthread_t	 thread;
	struct met	 log[LOG];
	int		 n_log, failed, wrong_fixed;
	char		 text[500];
};

static void
pair_put(struct pki_buf *pem, const struct pki_cert *cert)
{
	pki_put_chain(pem, cert);
	pki_put_key(pem, cert);
}

static int
world_make(void **state)
{
	(void)state;
	root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	for (int i = 0; i < CERTS; i++) {
		/* Later ones last longer, so that each takes the other's place. */
		certs[i] = pki_issue(root, &(struct pki_spec){
		    .san = "swap.example" });
		pair_put(&pairs[i], certs[i]);
	}
	fixed = pki_issue(root, &(struct pki_spec){ .san = "fixed.example" });
	guest = pki_issue(root, &(struct pki_spec){ .san = "guest.example" });
	pair_put(&guest_pair, guest);
	store = meet_store((struct pki_cert *[]){ fixed, certs[0] }, 2);
	client_ctx = raw_client_ctx(&(struct raw){ 0 });
	for (size_t i = 0; i < sizeof(at_generation) / sizeof(int); i++)
		at_generation[i] = -1;
	at_generation[sst_store_generation(store)] = 0;
	return sst_tls_conf_new(&(struct sst_tls_settings){ .server = 1,
	    .store = store, .policy = &(struct sst_choose_policy){ .strict = 1 } },
	    &conf, NULL);
}

static int
world_free(void **state)
{
	(void)state;
	sst_tls_conf_unref(conf);
	SSL_CTX_free(client_ctx);
	sst_store_unref(store);
	for (int i = 0; i < CERTS; i++) {
		pki_buf_free(&pairs[i]);
		pki_free(certs[i]);
	}
	pki_buf_free(&guest_pair);
	pki_free(guest);
	pki_free(fixed);
	pki_free(root);
	return 0;
}

static void
client_once(struct client *c, int turn)
{
	const int ask_fixed = turn % 4 == 3;
	struct meet m;

	meet_server(&m, NULL, &(struct raw){ .ctx = client_ctx, .conf = conf,
	    .sni = ask_fixed ? "fixed.example" : "swap.example",
	    .version = turn % 2 ? TLS1_2_VERSION : TLS1_3_VERSION });
	if (m.step != SST_STEP_DONE || !m.raw_done) {
		if (c->failed++ == 0)
			memcpy(c->text, m.err.text, sizeof(c->text));
	} else if (ask_fixed) {
		c->wrong_fixed += !meet_got(&m, fixed);
	} else if (c->n_log < LOG) {
		c->log[c->n_log].generation =
		    sst_choice_generation(sst_conn_choice(m.conn));
		meet_leaf(&m, c->log[c->n_log].digest);
		c->n_log++;
	}
	meet_done(&m);
}

static void *
client_run(void *arg)
{
	struct client *c = arg;

	for (int turn = 0; !atomic_load(&over) || turn < FEW; turn++)
		client_once(c, turn);
	return NULL;
}

/* One change; `*now` is the certificate that swap.example has after it. */
static int
change(int i, int *now)
{
	unsigned char digest[32];
	char hex[65];

	switch (i % 4) {
	case 0:
	case 2:
		*now = (*now + 1 + i % 3) % CERTS;
		return sst_store_add_bytes(store, pairs[*now].data,
		    pairs[*now].len, NULL);
	case 1:
		return sst_store_add_bytes(store, guest_pair.data, guest_pair.len,
		    NULL);
	default:
		pki_digest(guest, digest);
		for (int k = 0; k < 32; k++)
			snprintf(hex + 2 * k, 3, "%02x", digest[k]);
		return sst_store_remove(store, hex, NULL);
	}
}

static int
existed(const struct met *met)
{
	unsigned char digest[32];
	int i;

	if (met->generation >= sizeof(at_generation) / sizeof(int))
		return 0;
	i = at_generation[met->generation];
	if (i < 0)
		return 0;
	pki_digest(certs[i], digest);
	return memcmp(digest, met->digest, sizeof(digest)) == 0;
}

static void
a_thousand_changes_fail_no_handshake_and_mix_nothing(void **state)
{
	static struct client clients[CLIENTS];
	uint64_t generation = sst_store_generation(store);
	int now = 0, seen = 0, distinct = 0;

	(void)state;
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(pthread_create(&clients[i].thread, NULL,
		    client_run, &clients[i]), 0);
	for (int i = 0; i < CHANGES; i++) {
		assert_int_equal(change(i, &now), 0);
		assert_int_equal(sst_store_generation(store), ++generation);
		at_generation[generation] = now;
	}
	atomic_store(&over, 1);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(clients[i].thread, NULL);
	for (int i = 0; i < CLIENTS; i++) {
		const struct client *c = &clients[i];

		if (c->failed > 0)
			fail_msg("%d handshakes failed: %s", c->failed, c->text);
		assert_int_equal(c->wrong_fixed, 0);
		for (int k = 0; k < c->n_log; k++) {
			if (!existed(&c->log[k]))
				fail_msg("generation %llu had no such certificate",
				    (unsigned long long)c->log[k].generation);
			distinct += k > 0 && c->log[k].generation !=
			    c->log[k - 1].generation;
		}
		seen += c->n_log;
	}
	/* The test is worth nothing unless they did meet. */
	assert_true(seen >= CLIENTS * FEW / 2);
	assert_true(distinct > 10);
	print_message("%d handshakes, %d times another generation\n", seen, distinct);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thousand_changes_fail_no_handshake_and_mix_nothing),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
