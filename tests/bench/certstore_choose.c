/* SPDX-License-Identifier: ISC */
/*
 * certstore_choose [NAMES] - what one choice costs, in nanoseconds.
 *
 * NAMES (default 10000) certificates in one directory, asked for uniformly at
 * random when all are hot; then names that nobody has, strict and lax; then
 * hot names from two threads; then with the default cache, in which not all
 * fit. Prints the median of five runs. Needs NAMES * 2 KB of disk.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <securesockets/certstore.h>

#include "support/pki.h"

#define RUNS	5

static const uint16_t sigalgs[] = { 0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809,
	0x080a, 0x080b, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601 };
static const uint16_t groups[] = { 29, 23, 30, 24, 25 };

static struct sst_store *store;
static int names = 10000;

static double
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Asks for one name. Returns whether something was chosen. */
static int
ask(const char *name, int strict)
{
	const struct sst_choose_policy p = { .strict = strict };
	struct sst_choice *c = NULL;
	size_t len = strlen(name);
	uint8_t ext[300];
	struct sst_hello h = { .version = 0x0304, .has_server_name = 1,
	    .server_name = ext, .server_name_len = len + 5, .sigalgs = sigalgs,
	    .n_sigalgs = sizeof(sigalgs) / 2, .groups = groups,
	    .n_groups = sizeof(groups) / 2 };
	int rc;

	ext[0] = 0;
	ext[1] = (uint8_t)(len + 3);
	ext[2] = ext[3] = 0;
	ext[4] = (uint8_t)len;
	memcpy(ext + 5, name, len);
	rc = sst_store_choose(store, &p, &h, PKI_NOW, &c, NULL);
	sst_choice_unref(c);
	return rc;
}

struct job {
	const char	*head, *tail;	/* of a name, around its number */
	int		 rounds, strict, wanted;
	unsigned int	 seed;
	double		 ns;
};

static void *
work(void *arg)
{
	struct job *j = arg;
	char name[64];
	double start, text;

	/* what it costs to spell the names is taken off */
	start = now_ns();
	for (int i = 0; i < j->rounds; i++)
		(void)snprintf(name, sizeof(name), "%s%d%s", j->head,
		    rand_r(&j->seed) % names, j->tail);
	text = now_ns() - start;
	start = now_ns();
	for (int i = 0; i < j->rounds; i++) {
		(void)snprintf(name, sizeof(name), "%s%d%s", j->head,
		    rand_r(&j->seed) % names, j->tail);
		if (ask(name, j->strict) != j->wanted) {
			(void)fprintf(stderr, "%s: not as expected\n", name);
			exit(1);
		}
	}
	j->ns = (now_ns() - start - text) / j->rounds;
	return NULL;
}

static int
double_cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
measure(const char *what, const char *head, const char *tail, int rounds, int strict, int wanted,
    int threads)
{
	double ns[RUNS];

	for (int run = 0; run < RUNS; run++) {
		struct job jobs[8];
		pthread_t id[8];

		for (int i = 0; i < threads; i++) {
			jobs[i] = (struct job){ head, tail, rounds, strict, wanted,
			    (unsigned int)(run * 8 + i), 0 };
			if (pthread_create(&id[i], NULL, work, &jobs[i]) != 0)
				exit(1);
		}
		ns[run] = 0;
		for (int i = 0; i < threads; i++) {
			(void)pthread_join(id[i], NULL);
			ns[run] += jobs[i].ns / threads;
		}
	}
	qsort(ns, RUNS, sizeof(ns[0]), double_cmp);
	(void)printf("%-44s %9.0f ns\n", what, ns[RUNS / 2]);
}

static void
load(const char *dir, size_t cache_bytes)
{
	const struct sst_store_config config = { .cache_bytes = cache_bytes };
	struct sst_error err = { .code = SST_OK };
	char name[64];
	double start;

	sst_store_unref(store);
	store = NULL;
	start = now_ns();
	if (sst_store_new(&config, &store, &err) < 0 ||
	    sst_store_add(store, dir, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	(void)printf("%-44s %9.0f ns\n", "one certificate of the directory loaded",
	    (now_ns() - start) / names);
	for (int i = 0; i < names; i++) {
		(void)snprintf(name, sizeof(name), "n%d.example.com", i);
		(void)ask(name, 1);
	}
}

int
main(int argc, char **argv)
{
	struct pki_cert *root, *ca, *c;
	char *dir = pki_dir_new(), name[64];

	if (argc > 1)
		names = atoi(argv[1]);
	if (names < 1)
		return 64;
	root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	ca = pki_issue(root, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	for (int i = 0; i < names; i++) {
		(void)snprintf(name, sizeof(name), "n%d.example.com", i);
		c = pki_issue(ca, &(struct pki_spec){ .san = name });
		(void)snprintf(name, sizeof(name), "d/n%d.pem", i);
		pki_write_pair(dir, name, c);
		pki_free(c);
	}
	(void)printf("%d names\n", names);
	load(pki_path(dir, "d"), (size_t)1 << 30);
	measure("hot, uniform", "n", ".example.com", 1000000, 1, 1, 1);
	measure("hot, uniform, two threads", "n", ".example.com", 500000, 1, 1, 2);
	measure("a name that nobody has, strict", "x", ".nobody.org", 100000, 1, 0, 1);
	measure("a name that nobody has, lax, no default", "x", ".nobody.org", 100000, 0,
	    0, 1);
	load(pki_path(dir, "d"), 0);
	measure("uniform, cache of 32 MiB", "n", ".example.com", 5000, 1, 1, 1);
	sst_store_unref(store);
	pki_free(ca);
	pki_free(root);
	pki_dir_free(dir);
	return 0;
}
