/* SPDX-License-Identifier: ISC */
/*
 * cache_prefetch - sstool cache prefetch: fetches the evidence about certificates
 * before anybody waits for it.
 *
 * Files are read with the rights of who calls; then root becomes the cache's owner,
 * and many are asked for at once.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cache.h"
#include "load.h"
#include "out.h"
#include "progress.h"
#include "verb.h"

#define VERB		"cache prefetch"
#define AT_ONCE		64
#define BUDGET_MS	30000
#define DEPTH_MAX	4	/* of directories: archive/NAME/fullchain1.pem */

struct item {
	char		*path;
	STACK_OF(X509)	*given;		/* of the file, leaf first */
	STACK_OF(X509)	*chain;		/* verified; NULL: why says why not */
	char		 why[300];
	struct sst_check *check;
	atomic_int	 answered;
	sem_t		*bell;
	int		 printed;
};

struct job {
	struct item	*items;
	size_t		 n, room, done, failed;
	int		 json;
	sem_t		 bell;
	struct sst_progress progress;
};

static int
is_known(const struct job *j, X509 *leaf)
{
	for (size_t i = 0; i < j->n; i++)
		if (X509_cmp(sk_X509_value(j->items[i].given, 0), leaf) == 0)
			return 1;
	return 0;
}

/* One file. `must`: it was named, so that what is wrong with it is said. */
static int
add_file(struct job *j, const char *path, int must)
{
	STACK_OF(X509) *given = sk_X509_new_null();
	struct sst_error err = { 0 };
	struct item *more;
	int rc;

	rc = given != NULL ? sst_load_certs(path, given, &err) : SST_E_NOMEM;
	if (rc < 0 || is_known(j, sk_X509_value(given, 0))) {
		sk_X509_pop_free(given, X509_free);
		return rc < 0 && must ? sst_out_error(path, &err) : 0;
	}
	if (j->n == j->room) {
		j->room = j->room != 0 ? 2 * j->room : 64;
		more = realloc(j->items, j->room * sizeof(*more));
		if (more == NULL)
			return sst_out_trouble(SST_EXIT_UNAVAILABLE, "out of memory");
		j->items = more;
	}
	memset(&j->items[j->n], 0, sizeof(j->items[j->n]));
	j->items[j->n].path = strdup(path);
	j->items[j->n++].given = given;
	return 0;
}

static int add_path(struct job *, const char *path, int depth);

static int
add_dir(struct job *j, const char *path, int depth)
{
	struct dirent **list = NULL;
	char below[4096];
	int n = scandir(path, &list, NULL, alphasort), rc = 0;

	if (n < 0)
		return sst_out_trouble(SST_EXIT_CANNOT_TELL, "%s: %s",
		    sst_out_clean(below, sizeof(below), path), strerror(errno));
	for (int i = 0; i < n; i++) {
		if (rc == 0 && list[i]->d_name[0] != '.' && snprintf(below, sizeof(below),
		    "%s/%s", path, list[i]->d_name) < (int)sizeof(below))
			rc = add_path(j, below, depth + 1);
		free(list[i]);
	}
	free(list);
	return rc;
}

static int
add_path(struct job *j, const char *path, int depth)
{
	struct stat st;

	if (strcmp(path, "-") != 0 && stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return depth < DEPTH_MAX ? add_dir(j, path, depth) : 0;
		if (!S_ISREG(st.st_mode) && depth > 0)
			return 0;
	}
	return add_file(j, path, depth == 0);
}

static X509_STORE *
store_of(const char *trust)
{
	X509_STORE *store = X509_STORE_new();

	if (store == NULL || !(trust != NULL ? X509_STORE_load_file(store, trust) :
	    X509_STORE_set_default_paths(store)) ||
	    !X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN)) {
		X509_STORE_free(store);
		return NULL;
	}
	return store;
}

static void
find_chain(struct item *item, X509_STORE *store)
{
	X509_STORE_CTX *x = X509_STORE_CTX_new();
	STACK_OF(X509) *rest = sk_X509_dup(item->given);

	if (x == NULL || rest == NULL)
		(void)snprintf(item->why, sizeof(item->why), "out of memory");
	else if (sk_X509_shift(rest) == NULL ||
	    !X509_STORE_CTX_init(x, store, sk_X509_value(item->given, 0), rest) ||
	    X509_verify_cert(x) != 1)
		(void)snprintf(item->why, sizeof(item->why), "the chain does not verify: %s",
		    X509_verify_cert_error_string(X509_STORE_CTX_get_error(x)));
	else
		item->chain = X509_STORE_CTX_get1_chain(x);
	X509_STORE_CTX_free(x);
	sk_X509_free(rest);
	ERR_clear_error();
}

static void
on_done(void *arg)
{
	struct item *item = arg;
	sem_t *bell = item->bell;

	atomic_store(&item->answered, 1);
	(void)sem_post(bell);
}

static void
start(struct job *j, struct item *item, struct sst_checker *checker)
{
	const struct sst_revocation_policy policy = { .mode = SST_REVOCATION_HARD,
	    .hard_chain = SST_SWITCH_ON, .budget_ms = BUDGET_MS };
	struct sst_error err = { 0 };
	int rc = SST_OK;

	item->bell = &j->bell;
	if (item->chain != NULL)
		rc = sst_check_new(checker, &policy, item->chain, &item->check, &err);
	if (item->check != NULL)
		rc = sst_check_start(item->check, on_done, item, &err);
	if (rc < 0) {
		(void)snprintf(item->why, sizeof(item->why), "%.290s", err.text);
		sst_check_free(item->check);
		item->check = NULL;
	}
	if (item->check == NULL)
		on_done(item);
}

/* The first of the chain that is neither good nor exempt, else the leaf. */
static const struct sst_revocation_result *
worst(const struct sst_check *check)
{
	const struct sst_revocation_result *r;

	for (int i = 0; i < sst_check_count(check); i++) {
		r = sst_check_result(check, i);
		if (r->verdict != SST_VERDICT_GOOD && r->verdict != SST_VERDICT_EXEMPT)
			return r;
	}
	return sst_check_count(check) > 0 ? sst_check_result(check, 0) : NULL;
}

static void
print(struct job *j, struct item *item)
{
	const struct sst_revocation_result *r = NULL;
	const char *verdict = "error", *why = item->why;
	char path[1024], text[400];
	json_t *o;
	int ok;

	if (item->check != NULL) {
		(void)sst_check_now(item->check, NULL);
		r = worst(item->check);
		verdict = r != NULL ? sst_verdict_name(r->verdict) : "exempt";
		why = r != NULL ? r->why : "it is a trust anchor itself";
	}
	ok = item->check != NULL && (r == NULL || r->verdict == SST_VERDICT_GOOD ||
	    r->verdict == SST_VERDICT_EXEMPT);
	j->failed += !ok;
	sst_progress_hide(&j->progress);
	if (!j->json) {
		printf("%-9s %s\n", verdict, sst_out_clean(path, sizeof(path), item->path));
		if (!ok)
			printf("          %s\n", sst_out_clean(text, sizeof(text), why));
		return;
	}
	o = sst_out_object();
	json_object_set_new(o, "path", sst_out_string(item->path));
	json_object_set_new(o, "verdict", json_string(verdict));
	json_object_set_new(o, "why", sst_out_string(why));
	json_object_set_new(o, "until", r != NULL && r->until != 0 ?
	    json_integer(r->until) : json_null());
	sst_out_json(o);
}

/* What was answered is printed in the order of the files. */
static void
collect(struct job *j, size_t started)
{
	for (size_t i = 0; i < started; i++) {
		struct item *item = &j->items[i];

		if (item->printed || !atomic_load(&item->answered))
			continue;
		print(j, item);
		sst_check_free(item->check);
		item->check = NULL;
		item->printed = 1;
		j->done++;
	}
}

static void
fetch(struct job *j, struct sst_checker *checker)
{
	size_t started = 0;
	struct timespec until;

	(void)sem_init(&j->bell, 0, 0);
	sst_progress_begin(&j->progress, "certificates", j->n);
	while (j->done < j->n) {
		while (started < j->n && started - j->done < AT_ONCE)
			start(j, &j->items[started++], checker);
		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 100000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		(void)sem_timedwait(&j->bell, &until);
		collect(j, started);
		sst_progress_at(&j->progress, j->done);
	}
	sst_progress_hide(&j->progress);
	(void)sem_destroy(&j->bell);
}

static int
prefetch(struct job *j, const char *dir, const char *trust)
{
	X509_STORE *store = store_of(trust);
	struct sst_checker *checker = NULL;
	char name[512];
	int rc;

	if (store == NULL)
		return sst_out_trouble(SST_EXIT_CANNOT_TELL, "no trust anchors in %s",
		    trust != NULL ? sst_out_clean(name, sizeof(name), trust) :
		    X509_get_default_cert_dir());
	for (size_t i = 0; i < j->n; i++)
		find_chain(&j->items[i], store);
	X509_STORE_free(store);
	rc = sst_cache_checker(dir, 0, &checker);
	if (rc == 0) {
		fetch(j, checker);
		/* a reader is not kept waiting; without a cache to write there is nothing
		 * to publish */
		(void)sst_checker_publish(checker, NULL);
		rc = j->failed == 0 ? SST_EXIT_YES : SST_EXIT_NO;
	}
	sst_checker_unref(checker);
	return rc;
}

int
sst_verb_cache_prefetch(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "trust", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 }
	};
	struct job j = { 0 };
	const char *dir = NULL, *trust = NULL;
	int c, rc = 0;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == 'd')
			dir = optarg;
		else if (c == 'j')
			j.json = 1;
		else if (c == 't')
			trust = optarg;
		else
			return sst_out_option(VERB, c, argv);
	}
	if (argc == optind)
		return sst_out_usage(VERB, "which FILE or DIRECTORY?");
	for (int i = optind; rc == 0 && i < argc; i++)
		rc = add_path(&j, argv[i], 0);
	if (rc == 0 && j.n == 0)
		rc = sst_out_trouble(SST_EXIT_NO, "no certificate there");
	if (rc == 0)
		rc = prefetch(&j, dir, trust);
	for (size_t i = 0; i < j.n; i++) {
		sk_X509_pop_free(j.items[i].given, X509_free);
		sk_X509_pop_free(j.items[i].chain, X509_free);
		free(j.items[i].path);
	}
	free(j.items);
	return rc;
}
