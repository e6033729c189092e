/* SPDX-License-Identifier: ISC */
/*
 * verdicts [NAMES] - what a verdict costs on a chain of three, in nanoseconds.
 *
 * NAMES (default 10000) leaves below one intermediate, each with an answer that
 * is kept, asked for uniformly at random: a check is made, decided and freed, with
 * the default policy. In process (memory, facts kept with the certificate); with
 * certificates that were never met; and from SQLite, where each leaf is read from
 * the file. A responder counts what is fetched: nothing.
 */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <securesockets/revocation.h>

#include "support/pki.h"
#include "support/responder.h"
#include "unit/ocsp/make_response.h"

#define RUNS	5
#define JUDGED	2	/* certificates of a chain that are judged */

static int names = 10000;
static struct responder *responder;
static struct pki_cert *root, *ca;
static STACK_OF(X509) **chains;

/* Of the clock on the wall, and of this thread's processor time: on a busy machine
 * they differ. */
struct span {
	double	 wall, cpu;
};

static double
clock_ns(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct span
begin(void)
{
	return (struct span){ clock_ns(CLOCK_MONOTONIC),
	    clock_ns(CLOCK_THREAD_CPUTIME_ID) };
}

/* Since `from`, for each of n. */
static struct span
end(const struct span *from, int n)
{
	const struct span now = begin();

	return (struct span){ (now.wall - from->wall) / n, (now.cpu - from->cpu) / n };
}

static void
die(const char *text)
{
	(void)fprintf(stderr, "%s\n", text);
	exit(1);
}

static struct sst_checker *
checker_of(const char *dir)
{
	const char *allow[] = { responder_allow(responder), NULL };
	const struct sst_checker_config config = { .cache_dir = dir, .allow = allow,
	    .no_service = 1 };
	struct sst_checker *checker = NULL;
	struct sst_error err = { 0 };

	if (sst_checker_new(&config, &checker, &err) < 0)
		die(err.text);
	return checker;
}

/* One check of one chain, as a connection makes it. */
static void
judge(struct sst_checker *checker, STACK_OF(X509) *chain)
{
	struct sst_check *k = NULL;
	struct sst_error err = { 0 };

	if (sst_check_new(checker, NULL, chain, &k, &err) < 0)
		die(err.text);
	if (sst_check_now(k, &err) != 1)
		die(err.text[0] != '\0' ? err.text : "something would have been fetched");
	sst_check_free(k);
}

static STACK_OF(X509) *
chain_of(X509 *leaf)
{
	STACK_OF(X509) *chain = sk_X509_new_null();

	if (!sk_X509_push(chain, leaf) || !sk_X509_push(chain, ca->cert) ||
	    !sk_X509_push(chain, root->cert))
		die("out of memory");
	return chain;
}

static void
give(struct sst_check *k, int depth, const struct pki_cert *cert, const struct pki_cert *issuer)
{
	const time_t now = time(NULL);
	struct pki_buf der = { 0 };

	make_response(&(struct made_response){ .signer = issuer, .produced_at = now - 3600,
	    .singles = { { .cert = cert, .issuer = issuer, .this_update = now - 3600,
	    .next_update = now + 7 * 86400 } } }, &der);
	if (sst_check_staple(k, depth, der.data, der.len, NULL) < 0)
		die("a staple was not taken");
	pki_buf_free(&der);
}

/* Makes the leaves and keeps an answer about each in `dir`. */
static void
learn(const char *dir)
{
	struct sst_checker *checker = checker_of(dir);
	const char *url = responder_url(responder, "/ocsp");
	EVP_PKEY *key = pki_key_new(PKI_P256);

	chains = calloc((size_t)names, sizeof(STACK_OF(X509) *));
	for (int i = 0; chains != NULL && i < names; i++) {
		struct pki_cert *leaf;
		struct sst_check *k = NULL;
		char cn[32];

		(void)snprintf(cn, sizeof(cn), "n%d.example.com", i);
		leaf = pki_issue(ca, &(struct pki_spec){ .cn = cn, .san = cn, .use_key = key,
		    .ocsp = url });
		chains[i] = chain_of(leaf->cert);
		(void)X509_up_ref(leaf->cert);
		if (sst_check_new(checker, NULL, chains[i], &k, NULL) < 0)
			die("no check");
		give(k, 0, leaf, ca);
		if (i == 0)
			give(k, 1, ca, root);
		sst_check_free(k);
		pki_free(leaf);
	}
	EVP_PKEY_free(key);
	sst_checker_unref(checker);
}

static int
span_cmp(const void *a, const void *b)
{
	double x = ((const struct span *)a)->wall, y = ((const struct span *)b)->wall;

	return (x > y) - (x < y);
}

/* The median run. */
static void
report(const char *what, struct span *ns, double per)
{
	qsort(ns, RUNS, sizeof(ns[0]), span_cmp);
	(void)printf("%-48s %8.0f ns, processor %8.0f ns\n", what, ns[RUNS / 2].wall / per,
	    ns[RUNS / 2].cpu / per);
}

/* Everything is in memory: `rounds` chains at random. */
static void
warm(struct sst_checker *checker, int rounds)
{
	unsigned int seed = 1;
	struct span ns[RUNS];

	for (int i = 0; i < names; i++)
		judge(checker, chains[i]);
	for (int run = 0; run < RUNS; run++) {
		const struct span from = begin();

		for (int i = 0; i < rounds; i++)
			judge(checker, chains[rand_r(&seed) % names]);
		ns[run] = end(&from, rounds);
	}
	report("in process, a certificate", ns, JUDGED);
}

/* The same, with certificates that were parsed for this connection. */
static void
parsed(struct sst_checker *checker)
{
	STACK_OF(X509) **fresh = calloc((size_t)names, sizeof(STACK_OF(X509) *));
	struct span ns[RUNS];

	for (int run = 0; fresh != NULL && run < RUNS; run++) {
		struct span from;

		for (int i = 0; i < names; i++) {
			X509 *leaf = X509_dup(sk_X509_value(chains[i], 0));

			/* what verifying the chain has done before */
			(void)X509_check_purpose(leaf, -1, 0);
			fresh[i] = chain_of(leaf);
		}
		from = begin();
		for (int i = 0; i < names; i++)
			judge(checker, fresh[i]);
		ns[run] = end(&from, names);
		for (int i = 0; i < names; i++) {
			X509_free(sk_X509_value(fresh[i], 0));
			sk_X509_free(fresh[i]);
		}
	}
	free(fresh);
	report("in process, a chain whose leaf was never met", ns, 1);
}

/* Each leaf is read from the file, once; the intermediate stays in memory. */
static void
from_file(const char *dir)
{
	int *order = calloc((size_t)names, sizeof(*order));
	unsigned int seed = 2;
	struct span ns[RUNS];

	for (int i = 0; order != NULL && i < names; i++) {
		int j = rand_r(&seed) % (i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (int run = 0; order != NULL && run < RUNS; run++) {
		struct sst_checker *checker = checker_of(dir);
		struct span from;

		judge(checker, chains[order[0]]);
		from = begin();
		for (int i = 1; i < names; i++)
			judge(checker, chains[order[i]]);
		ns[run] = end(&from, names - 1);
		sst_checker_unref(checker);
	}
	free(order);
	report("from SQLite, a chain (one certificate is read)", ns, 1);
}

static void
no_answer(void *arg, const struct responder_request *q, struct responder_reply *a)
{
	(void)arg;
	(void)q;
	a->status = 503;
}

int
main(int argc, char **argv)
{
	char *dir = pki_dir_new();
	struct sst_checker *checker;

	if (argc > 1)
		names = atoi(argv[1]);
	if (names < 2)
		return 64;
	responder = responder_new(no_answer, NULL);
	root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	ca = pki_issue(root, &(struct pki_spec){ .cn = "CA", .ca = 1,
	    .crl = responder_url(responder, "/crl") });
	learn(dir);
	(void)printf("%d leaves, chains of 3, %d of them judged\n", names, JUDGED);
	checker = checker_of(dir);
	warm(checker, 200000);
	parsed(checker);
	sst_checker_unref(checker);
	from_file(dir);
	(void)printf("%-48s %8d\n", "requests on the network", responder_requests(responder));
	for (int i = 0; i < names; i++) {
		X509_free(sk_X509_value(chains[i], 0));
		sk_X509_free(chains[i]);
	}
	free(chains);
	pki_free(ca);
	pki_free(root);
	responder_free(responder);
	pki_dir_free(dir);
	return 0;
}
