/* SPDX-License-Identifier: ISC */
/* What files and directories may look like, and what is refused of them. */
#include <errno.h>
#include <openssl/pkcs12.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "certstore/apart.h"
#include "certstore/identity.h"
#include "certstore/source.h"
#include "each.h"
#include "world.h"

static const struct sst_choose_policy strict = { .strict = 1 };

static struct pki_cert *www, *rsa;

static int
files_setup(void **state)
{
	(void)world_setup(state);
	www = leaf(PKI_P256, "www.example.com");
	rsa = leaf(PKI_RSA, "rsa.example.com");
	return 0;
}

static int
files_teardown(void **state)
{
	pki_free(www);
	pki_free(rsa);
	return world_teardown(state);
}

static void
add_ok(const char *path)
{
	struct sst_error err = { .code = SST_OK };

	if (sst_store_add(store, path, &err) < 0)
		fail_msg("%s", err.text);
}

/* Adding `path` fails with this code and this text, and changes nothing. */
static void
add_fails(const char *path, int code, const char *text)
{
	struct sst_error err = { .code = SST_OK };
	uint64_t generation = sst_store_generation(store);
	int rc = sst_store_add(store, path, &err);

	if (rc != code || err.code != code || strstr(err.text, text) == NULL)
		fail_msg("wanted %d and \"%s\", got %d: %s", code, text, rc, err.text);
	assert_int_equal(sst_store_generation(store), generation);
}

static void
cs_45_text_about_the_blocks_does_not_matter(void **state)
{
	struct pki_buf plain = { 0 }, crlf = { 0 }, full = { 0 };

	(void)state;
	pki_put_chain(&plain, www);
	pki_put_key(&plain, www);
	pki_put_text(&full, "\xef\xbb\xbf");
	pki_put(&full, plain.data, plain.len);
	pki_put_text(&full, "garbage at the end\n");
	pki_write(dir, "bom.pem", 0600, &full);
	add_ok(pki_path(dir, "bom.pem"));
	assert_true(serves("www.example.com", www));
	assert_int_equal(sst_store_remove(store, "*", NULL), 0);
	pki_put_text(&crlf, "subject=CN = x\r\n\r\n");
	for (size_t i = 0; i < plain.len; i++) {
		if (plain.data[i] == '\n')
			pki_put_text(&crlf, "\r");
		pki_put(&crlf, plain.data + i, 1);
	}
	pki_write(dir, "crlf.pem", 0600, &crlf);
	add_ok(pki_path(dir, "crlf.pem"));
	assert_true(serves("www.example.com", www));
	/* cut off in the middle, empty, or no PEM at all */
	plain.len /= 3;
	pki_write(dir, "cut.pem", 0600, &plain);
	add_fails(pki_path(dir, "cut.pem"), SST_E_MALFORMED, "cut.pem");
	pki_write_text(dir, "empty.pem", "");
	add_fails(pki_path(dir, "empty.pem"), SST_E_MALFORMED, "no certificate");
	pki_write_text(dir, "text.pem", "hello\n");
	add_fails(pki_path(dir, "text.pem"), SST_E_MALFORMED, "no certificate");
	add_fails(pki_path(dir, "none.pem"), SST_E_SYSTEM, "No such file");
	pki_buf_free(&plain);
	pki_buf_free(&crlf);
	pki_buf_free(&full);
}

static const char *first_warning;

static int
note_warning(void *arg, const struct sst_entry *e)
{
	(void)arg;
	first_warning = e->n_warnings > 0 ? "yes" : NULL;
	return 0;
}

static void
cs_49_order_is_repaired_and_a_foreign_key_is_refused(void **state)
{
	struct sst_error err = { .code = SST_OK };
	struct pki_buf b = { 0 };
	STACK_OF(X509) *chain;
	struct sst_choice *c;

	(void)state;
	/* key first, root, CA, leaf: the chain comes out without the root */
	pki_put_key(&b, www);
	pki_put_cert(&b, world_root);
	pki_put_cert(&b, world_ca);
	pki_put_cert(&b, www);
	pki_write(dir, "mixed.pem", 0600, &b);
	add_ok(pki_path(dir, "mixed.pem"));
	c = ask(store, &strict, &(struct client){ .name = "www.example.com" });
	expect(c, SST_TIER_EXACT, www);
	chain = sst_identity_chain(sst_choice_identity(c, 0));
	assert_int_equal(sk_X509_num(chain), 1);
	assert_int_equal(X509_cmp(sk_X509_value(chain, 0), world_ca->cert), 0);
	assert_int_equal(EVP_PKEY_eq(sst_identity_key(sst_choice_identity(c, 0)),
	    www->key), 1);
	pki_buf_free(&b);
	(void)sst_store_each(store, note_warning, NULL, NULL);
	assert_null(first_warning);
	/* another key: refused, and what was there goes on */
	pki_put_chain(&b, www);
	pki_put_key(&b, rsa);
	pki_write(dir, "mixed.pem", 0600, &b);
	add_fails(pki_path(dir, "mixed.pem"), SST_E_MISMATCH, "does not belong");
	assert_true(serves("www.example.com", www));
	pki_buf_free(&b);
	/* two leaves with their keys in one file */
	pki_put_cert(&b, www);
	pki_put_cert(&b, rsa);
	pki_put_key(&b, rsa);
	pki_put_key(&b, www);
	assert_int_equal(sst_store_add_bytes(store, b.data, b.len, &err), 0);
	assert_true(serves("rsa.example.com", rsa));
	assert_true(serves("www.example.com", www));
	(void)sst_store_each(store, note_warning, NULL, NULL);
	assert_non_null(first_warning);		/* no intermediate */
	pki_buf_free(&b);
}

static void
cs_49_a_directory_pairs_chains_and_keys_by_public_key(void **state)
{
	struct pki_cert *lone = leaf(PKI_P256, "lone.example.com");

	(void)state;
	pki_write_chain(dir, "d/a.crt", www);
	pki_write_key(dir, "d/zzz.key", www);
	pki_write_pair(dir, "d/haproxy.pem", rsa);
	pki_write_chain(dir, "d/lone.crt", lone);
	pki_write_text(dir, "d/README", "This directory holds certificates.\n");
	pki_write_text(dir, "d/broken.pem",
	    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	add_ok(pki_path(dir, "d"));
	assert_true(serves("www.example.com", www));
	assert_true(serves("rsa.example.com", rsa));
	assert_false(serves("lone.example.com", lone));
	assert_int_equal(events.count[SST_STORE_ADDED], 2);
	assert_int_equal(events.count[SST_STORE_REFUSED], 2);
	assert_int_equal(sst_store_add_key(store, pki_path(dir, "d"), NULL), 0);
	assert_int_equal(sst_store_generation(store), 1);
	pki_free(lone);
}

/* A directory that others can reach, unlike mkdtemp's. */
static void
reachable(int yes)
{
	assert_int_equal(chmod(dir, yes ? 0755 : 0700), 0);
}

static void
cs_50_a_key_that_others_can_reach_is_refused(void **state)
{
	struct sst_error err = { .code = SST_OK };
	struct pki_buf b = { 0 };

	(void)state;
	pki_put_chain(&b, www);
	pki_put_key(&b, www);
	pki_write(dir, "open.pem", 0644, &b);
	reachable(1);
	add_fails(pki_path(dir, "open.pem"), SST_E_SYSTEM, "chmod");
	assert_int_equal(sst_store_add(store, pki_path(dir, "open.pem"), &err),
	    SST_E_SYSTEM);
	assert_int_equal(err.sys_errno, EACCES);
	/* the same file behind a directory that others cannot search */
	reachable(0);
	add_ok(pki_path(dir, "open.pem"));
	assert_true(serves("www.example.com", www));
	/* a chain is public: its mode does not matter */
	reachable(1);
	pki_write_chain(dir, "chain.pem", rsa);
	add_ok(pki_path(dir, "chain.pem"));
	pki_buf_free(&b);
	pki_put_key(&b, rsa);
	pki_write(dir, "key.pem", 0604, &b);
	err = (struct sst_error){ .code = SST_OK };
	assert_int_equal(sst_store_add_key(store, pki_path(dir, "key.pem"), &err),
	    SST_E_SYSTEM);
	assert_int_equal(err.sys_errno, EACCES);
	pki_buf_free(&b);
}

static void
cs_50_root_ssl_cert_0640_is_allowed(void **state)
{
	struct pki_buf b = { 0 };

	(void)state;
	reachable(1);
	pki_put_chain(&b, www);
	pki_put_key(&b, www);
	pki_write(dir, "ssl/private.pem", 0640, &b);
	add_ok(pki_path(dir, "ssl/private.pem"));
	assert_true(serves("www.example.com", www));
	pki_write(dir, "ssl/private.pem", 0644, &b);
	add_fails(pki_path(dir, "ssl/private.pem"), SST_E_SYSTEM, "every user");
	assert_true(serves("www.example.com", www));
	pki_buf_free(&b);
}

/* The layout of a mounted secret: links through ..data, modes 1777 and 0644. */
static void
kubernetes_write(const char *data, const struct pki_cert *c)
{
	struct pki_buf chain = { 0 }, key = { 0 };
	char name[128];

	pki_put_chain(&chain, c);
	pki_put_key(&key, c);
	(void)snprintf(name, sizeof(name), "secret/%s/tls.crt", data);
	pki_write(dir, name, 0644, &chain);
	(void)snprintf(name, sizeof(name), "secret/%s/tls.key", data);
	pki_write(dir, name, 0644, &key);
	assert_int_equal(chmod(pki_path(dir, "secret"), 01777), 0);
	(void)unlink(pki_path(dir, "secret/..data"));
	pki_link(dir, "secret/..data", data);
	pki_buf_free(&chain);
	pki_buf_free(&key);
}

static void
cs_50_a_kubernetes_secret_is_judged_by_reachability(void **state)
{
	struct sst_store_config open_ok = { .keys_may_be_open = 1 };

	(void)state;
	kubernetes_write("..2026_01", www);
	pki_link(dir, "secret/tls.crt", "..data/tls.crt");
	pki_link(dir, "secret/tls.key", "..data/tls.key");
	/* every directory above can be searched: refused */
	reachable(1);
	add_ok(pki_path(dir, "secret"));
	assert_false(serves("www.example.com", www));
	assert_true(events.count[SST_STORE_REFUSED] > 0);
	/* inside a pod nobody else gets there: taken, and renewed by the swap */
	reachable(0);
	assert_int_equal(sst_store_rescan(store, NULL, NULL), 0);
	assert_true(serves("www.example.com", www));
	kubernetes_write("..2026_02", rsa);
	assert_int_equal(sst_store_rescan(store, NULL, NULL), 0);
	assert_true(serves("rsa.example.com", rsa));
	assert_false(serves("www.example.com", www));
	/* or the switch allows it, and an event says so */
	reachable(1);
	sst_store_unref(store);
	store = store_make(&open_ok);
	add_ok(pki_path(dir, "secret"));
	assert_true(serves("rsa.example.com", rsa));
	assert_int_equal(events.count[SST_STORE_REFUSED], 1);
}

struct refused {
	const char	*end, *why;
	int		 n;
};

static int
refused_take(void *arg, const struct sst_entry *e)
{
	struct refused *r = arg;
	const size_t len = strlen(e->source), end = strlen(r->end);

	r->n += e->state == SST_ENTRY_REFUSED && len >= end &&
	    strcmp(e->source + len - end, r->end) == 0 && strstr(e->why, r->why) != NULL;
	return 0;
}

/* How many entries of a path that ends so are refused, and the text has this in it. */
static int
refused_as(const char *end, const char *why)
{
	struct refused r = { end, why, 0 };

	assert_int_equal(sst_store_each(store, refused_take, &r, NULL), 0);
	return r.n;
}

static void
cs_51_links_lead_inside_the_directory_and_to_its_archive(void **state)
{
	(void)state;
	pki_write_pair(dir, "outside/www.pem", www);
	pki_write_pair(dir, "archive/rsa.pem", rsa);
	pki_write_text(dir, "in/README", "");
	pki_link(dir, "in/www.pem", "../outside/www.pem");
	pki_link(dir, "in/rsa.pem", "../archive/rsa.pem");
	pki_link(dir, "in/loop.pem", "loop2.pem");
	pki_link(dir, "in/loop2.pem", "loop.pem");
	pki_link(dir, "in/gone.pem", "nothing.pem");
	add_ok(pki_path(dir, "in"));
	assert_false(serves("www.example.com", www));
	assert_true(serves("rsa.example.com", rsa));
	assert_int_equal(events.count[SST_STORE_REFUSED], 4);
	/* inside is inside, however it is written */
	pki_write_pair(dir, "in/real/www.pem", www);
	(void)unlink(pki_path(dir, "in/www.pem"));
	pki_link(dir, "in/www.pem", pki_path(dir, "in/real/www.pem"));
	assert_int_equal(sst_store_rescan(store, NULL, NULL), 0);
	assert_true(serves("www.example.com", www));
	/* the index keeps paths as lines: of one that is two, no part is opened */
	pki_write_pair(dir, "in/real/two\nlines/www.pem", www);
	(void)unlink(pki_path(dir, "in/www.pem"));
	pki_link(dir, "in/www.pem", "real/two\nlines/www.pem");
	assert_int_equal(sst_store_rescan(store, NULL, NULL), 0);
	assert_int_equal(refused_as("/in/www.pem", "line"), 1);
	(void)unlink(pki_path(dir, "in/www.pem"));
	pki_write_pair(dir, "in/real/two lines/www.pem", www);
	pki_link(dir, "in/www.pem", "real/two lines/www.pem");
	assert_int_equal(sst_store_rescan(store, NULL, NULL), 0);
	assert_true(serves("www.example.com", www));
	assert_int_equal(refused_as("/in/www.pem", "line"), 0);
	/* a file that is named itself may be any link */
	sst_store_unref(store);
	store = store_make(NULL);
	pki_link(dir, "named.pem", "outside/www.pem");
	add_ok(pki_path(dir, "named.pem"));
	assert_true(serves("www.example.com", www));
}

/* When it was found that `path` is no link, `from` takes the place of `to`: once. */
static struct {
	const char	*path, *from, *to;
	int		 done;
} swap;

static int
swap_readlink(void *ctx, const char *path, char *out, size_t size, struct sst_error *err)
{
	int rc = sst_source_files.readlink(ctx, path, out, size, err);
	static int n;
	char away[32];

	if (swap.path != NULL && !swap.done && strcmp(path, swap.path) == 0) {
		assert_int_equal(rc, SST_E_NOT_FOUND);
		swap.done = 1;
		(void)snprintf(away, sizeof(away), "away%d", n++);
		assert_int_equal(rename(swap.to, pki_path(dir, away)), 0);
		assert_int_equal(rename(swap.from, swap.to), 0);
	}
	return rc;
}

/* What a store has of the directory `root` when that comes between. */
static struct sst_store *
swapped(const char *root, const char *path, const char *from, const char *to)
{
	static struct sst_source_ops ops;
	struct sst_error err = { .code = SST_OK };
	const struct sst_store_config config = { .cache_bytes = 0 };

	ops = sst_source_files;
	ops.readlink = swap_readlink;
	swap.done = 0;
	swap.path = path == NULL ? NULL : pki_path(dir, path);
	swap.from = pki_path(dir, from);
	swap.to = pki_path(dir, to);
	sst_store_unref(store);
	ok(sst_store_new_from(&config, &ops, NULL, &store, &err), &err);
	ok(sst_store_add(store, pki_path(dir, root), &err), &err);
	assert_int_equal(swap.done, path != NULL);
	return store;
}

static void
cs_51_a_link_that_comes_between_is_judged_before_it_is_followed(void **state)
{
	(void)state;
	pki_write_pair(dir, "outside/www.pem", www);
	pki_write_pair(dir, "in/real/www.pem", www);
	/* the file itself */
	pki_write_pair(dir, "in/a/x.pem", rsa);
	pki_link(dir, "link", pki_path(dir, "outside/www.pem"));
	assert_true(serves_in(swapped("in", "in/a/x.pem", "link", "in/a/x.pem"),
	    "www.example.com", www));	/* of in/real */
	assert_int_equal(refused_as("/in/a/x.pem", "leaves the directory"), 1);
	assert_int_equal(unlink(pki_path(dir, "in/real/www.pem")), 0);
	assert_int_equal(unlink(pki_path(dir, "in/a/x.pem")), 0);
	pki_write_pair(dir, "in/a/x.pem", rsa);
	pki_link(dir, "link", pki_path(dir, "outside/www.pem"));
	assert_false(serves_in(swapped("in", "in/a/x.pem", "link", "in/a/x.pem"),
	    "www.example.com", www));
	/* a folder above it */
	assert_int_equal(unlink(pki_path(dir, "in/a/x.pem")), 0);
	pki_write_pair(dir, "in/a/www.pem", rsa);
	pki_link(dir, "link", pki_path(dir, "outside"));
	(void)swapped("in", "in/a/www.pem", "link", "in/a");
	assert_false(serves("www.example.com", www));
	assert_int_equal(refused_as("/in/a/www.pem", "leaves the directory"), 1);
	/* one that stays inside is followed */
	assert_int_equal(unlink(pki_path(dir, "in/a")), 0);
	pki_write_pair(dir, "in/real/www.pem", www);
	pki_write_pair(dir, "in/b/x.pem", rsa);
	pki_link(dir, "link", "../real/www.pem");
	(void)swapped("in", "in/b/x.pem", "link", "in/b/x.pem");
	assert_true(serves("www.example.com", www));
	assert_int_equal(refused_as("/in/b/x.pem", ""), 0);
	/* of a folder of certbot's the same */
	pki_write_chain(dir, "archive/s/fullchain1.pem", rsa);
	pki_write_key(dir, "archive/s/privkey1.pem", rsa);
	pki_write_key(dir, "outside/key.pem", rsa);
	pki_link(dir, "in/s/fullchain.pem", "../../archive/s/fullchain1.pem");
	pki_link(dir, "in/s/privkey.pem", "../../archive/s/privkey1.pem");
	pki_link(dir, "link", pki_path(dir, "outside/key.pem"));
	(void)swapped("in", "archive/s/privkey1.pem", "link", "archive/s/privkey1.pem");
	assert_int_equal(refused_as("/in/s/privkey.pem", "symbolic links"), 1);
	/* and so are those on the way to the directory */
	pki_link(dir, "to", "in");
	(void)swapped("to", NULL, "", "");
	assert_true(serves("www.example.com", www));
	pki_write_pair(dir, "in/c/x.pem", rsa);
	pki_link(dir, "link", pki_path(dir, "outside/www.pem"));
	(void)swapped("to", "to/c/x.pem", "link", "in/c/x.pem");
	assert_int_equal(refused_as("/to/c/x.pem", "leaves the directory"), 1);
}

static void
cs_51_what_is_no_file_of_ours_is_skipped_without_waiting(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct pki_cert *left = leaf(PKI_P256, "left.example.com");
	static const char *const names[] = { "d/.hidden.pem", "d/x.pem~", "d/.x.pem.swp",
	    "d/x.pem.dpkg-new", "d/#x.pem#", "d/x.pem.bak", "d/line\nbreak.pem",
	    "d/previous_x.pem" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	pki_write_pair(dir, "d/www.pem", www);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		pki_write_pair(dir, names[i], left);
	assert_int_equal(mkfifo(pki_path(dir, "d/fifo.pem"), 0600), 0);
	pki_link(dir, "d/null.pem", "/dev/null");
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/d/sock", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	pki_write_text(dir, "d/huge.pem", "");
	assert_int_equal(truncate(pki_path(dir, "d/huge.pem"), (off_t)1 << 30), 0);
	add_ok(pki_path(dir, "d"));
	assert_true(serves("www.example.com", www));
	assert_false(serves("left.example.com", left));
	assert_int_equal(events.count[SST_STORE_ADDED], 1);
	assert_int_equal(events.count[SST_STORE_REFUSED], 4);
	add_fails(pki_path(dir, "d/fifo.pem"), SST_E_REFUSED, "not a regular file");
	add_fails(pki_path(dir, "d/huge.pem"), SST_E_LIMIT, "1073741824 bytes");
	add_fails("/dev/null", SST_E_REFUSED, "not a regular file");
	(void)close(fd);
	pki_free(left);
}

static void
cs_52_der_and_old_key_forms_are_read(void **state)
{
	struct sst_error err = { .code = SST_OK };
	struct pki_cert *pss = leaf(PKI_RSA_PSS, "pss.example.com");
	struct pki_buf b = { 0 };

	(void)state;
	pki_put_cert_der(&b, www);
	pki_put_cert_der(&b, world_ca);
	pki_put_key_der(&b, www);
	pki_write(dir, "www.der", 0600, &b);
	add_ok(pki_path(dir, "www.der"));
	assert_true(serves("www.example.com", www));
	/* cut short, or followed by something else */
	b.len--;
	pki_write(dir, "cut.der", 0600, &b);
	add_fails(pki_path(dir, "cut.der"), SST_E_MALFORMED, "cut.der");
	pki_buf_free(&b);
	/* EC PARAMETERS before the key, and PKCS#1 */
	pki_put_chain(&b, www);
	pki_put_key_old(&b, www);
	assert_non_null(strstr(b.data, "EC PARAMETERS"));
	assert_int_equal(sst_store_remove(store, "*", NULL), 0);
	assert_int_equal(sst_store_add_bytes(store, b.data, b.len, &err), 0);
	assert_true(serves("www.example.com", www));
	pki_buf_free(&b);
	pki_put_chain(&b, rsa);
	pki_put_key_old(&b, rsa);
	assert_non_null(strstr(b.data, "RSA PRIVATE KEY"));
	assert_int_equal(sst_store_add_bytes(store, b.data, b.len, &err), 0);
	assert_true(serves("rsa.example.com", rsa));
	pki_buf_free(&b);
	store_put(store, pss);
	assert_true(serves("pss.example.com", pss));
	pki_free(pss);
}

static void
pkcs12_write(const char *name)
{
	PKCS12 *p = PKCS12_create("x", "x", www->key, www->cert, NULL, 0, 0, 0, 0, 0);
	unsigned char *der = NULL;
	struct pki_buf b = { 0 };
	int len;

	assert_non_null(p);
	len = i2d_PKCS12(p, &der);
	assert_true(len > 0);
	pki_put(&b, der, (size_t)len);
	pki_write(dir, name, 0600, &b);
	pki_buf_free(&b);
	OPENSSL_free(der);
	PKCS12_free(p);
}

static void
cs_52_locked_keys_and_pkcs12_are_refused_without_a_question(void **state)
{
	struct pki_buf b = { 0 };

	(void)state;
	/* a prompt would read this */
	assert_non_null(freopen("/dev/null", "r", stdin));
	pki_put_chain(&b, www);
	pki_put_key_locked(&b, www, "secret");
	pki_write(dir, "locked.pem", 0600, &b);
	add_fails(pki_path(dir, "locked.pem"), SST_E_UNSUPPORTED, "encrypted");
	pki_buf_free(&b);
	pki_put_chain(&b, www);
	pki_put_text(&b, "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
	    "DEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n");
	pki_write(dir, "old-locked.pem", 0600, &b);
	add_fails(pki_path(dir, "old-locked.pem"), SST_E_UNSUPPORTED, "encrypted");
	pki_buf_free(&b);
	pkcs12_write("store.p12");
	add_fails(pki_path(dir, "store.p12"), SST_E_UNSUPPORTED, "PKCS#12");
}

/* Asks for admission of one certificate that breaks one rule. */
static int
admit(const struct pki_spec *spec, struct sst_error *err)
{
	struct pki_cert *c = pki_issue(world_ca, spec);
	struct pki_buf b = { 0 };
	int rc;

	*err = (struct sst_error){ .code = SST_OK };
	pki_put_chain(&b, c);
	pki_put_key(&b, c);
	rc = sst_store_add_bytes(store, b.data, b.len, err);
	pki_buf_free(&b);
	pki_free(c);
	return rc;
}

static void
cs_53_what_no_client_would_accept_is_refused(void **state)
{
	struct sst_error err;

	(void)state;
	assert_int_equal(admit(&(struct pki_spec){ .san = "a.b" }, &err), 0);
	assert_int_equal(admit(&(struct pki_spec){ .san = "a.b", .key = PKI_RSA_1024 },
	    &err), SST_E_REFUSED);
	assert_non_null(strstr(err.text, "1024 bits"));
	assert_int_equal(admit(&(struct pki_spec){ .san = "a.b", .sha1 = 1 }, &err),
	    SST_E_REFUSED);
	assert_non_null(strstr(err.text, "SHA1"));
	assert_int_equal(admit(&(struct pki_spec){ .san = "a.b", .ca = 1 }, &err),
	    SST_E_REFUSED);
	assert_non_null(strstr(err.text, "CA"));
	assert_int_equal(admit(&(struct pki_spec){ .san = "a.b", .eku = "clientAuth" },
	    &err), SST_E_REFUSED);
	assert_non_null(strstr(err.text, "serverAuth"));
	assert_int_equal(admit(&(struct pki_spec){ .san = "a.b", .unknown_critical = 1 },
	    &err), SST_E_REFUSED);
	assert_non_null(strstr(err.text, "critical"));
	/* no EKU at all allows everything, and so does anyExtendedKeyUsage */
	assert_int_equal(admit(&(struct pki_spec){ .san = "a.c", .eku = "" }, &err), 0);
	assert_int_equal(admit(&(struct pki_spec){ .san = "a.d",
	    .eku = "anyExtendedKeyUsage" }, &err), 0);
	assert_int_equal(sst_store_generation(store), 3);
}

static void
one_broken_certificate_among_many_voids_only_itself(void **state)
{
	struct pki_cert *c;
	char name[64];

	(void)state;
	for (int i = 0; i < 50; i++) {
		(void)snprintf(name, sizeof(name), "n%d.example.com", i);
		c = leaf(PKI_P256, name);
		(void)snprintf(name, sizeof(name), "d/n%d.pem", i);
		pki_write_pair(dir, name, c);
		pki_free(c);
	}
	pki_write_text(dir, "d/n20.pem",
	    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
	add_ok(pki_path(dir, "d"));
	assert_int_equal(events.count[SST_STORE_ADDED], 49);
	assert_int_equal(events.count[SST_STORE_REFUSED], 1);
	assert_non_null(strstr(events.source, "n20.pem"));
	assert_int_equal(sst_store_generation(store), 1);
}

static void
an_empty_directory_is_no_error(void **state)
{
	(void)state;
	pki_write_text(dir, "d/README", "soon\n");
	add_ok(pki_path(dir, "d"));
	expect_alert(ask(store, NULL, &(struct client){ .name = "www.example.com" }), 112);
	pki_write_pair(dir, "d/www.pem", www);
	assert_int_equal(sst_store_rescan(store, pki_path(dir, "d"), NULL), 0);
	assert_true(serves("www.example.com", www));
	assert_int_equal(sst_store_rescan(store, pki_path(dir, "e"), NULL),
	    SST_E_NOT_FOUND);
}

struct seen {
	pthread_t	 thread;
	sigset_t	 mask;
	int		 times;
};

static void
see(void *arg)
{
	struct seen *seen = arg;

	seen->thread = pthread_self();
	seen->times++;
	(void)pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
}

static void
reading_has_a_thread_of_its_own_or_the_callers(void **state)
{
	struct seen apart = { .times = 0 }, here = { .times = 0 };
	pthread_attr_t usual, huge;
	sigset_t before, after;

	(void)state;
	(void)pthread_sigmask(SIG_SETMASK, NULL, &before);
	sst_apart(see, &apart);
	assert_int_equal(apart.times, 1);
	assert_false(pthread_equal(apart.thread, pthread_self()));
	assert_true(sigismember(&apart.mask, SIGTERM));
	assert_false(sigismember(&before, SIGTERM));

	/* no room for its stack: no thread */
	assert_int_equal(pthread_getattr_default_np(&usual), 0);
	assert_int_equal(pthread_attr_init(&huge), 0);
	assert_int_equal(pthread_attr_setstacksize(&huge, (size_t)1 << 50), 0);
	assert_int_equal(pthread_setattr_default_np(&huge), 0);
	sst_apart(see, &here);
	assert_int_equal(pthread_setattr_default_np(&usual), 0);
	assert_int_equal(here.times, 1);
	assert_true(pthread_equal(here.thread, pthread_self()));
	(void)pthread_attr_destroy(&huge);
	(void)pthread_attr_destroy(&usual);

	(void)pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int sig = 1; sig < SIGRTMIN; sig++)
		assert_int_equal(sigismember(&after, sig), sigismember(&before, sig));
}

#define T(f) cmocka_unit_test_setup_teardown(f, each_setup, each_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(cs_45_text_about_the_blocks_does_not_matter),
		T(cs_49_order_is_repaired_and_a_foreign_key_is_refused),
		T(cs_49_a_directory_pairs_chains_and_keys_by_public_key),
		T(cs_50_a_key_that_others_can_reach_is_refused),
		T(cs_50_root_ssl_cert_0640_is_allowed),
		T(cs_50_a_kubernetes_secret_is_judged_by_reachability),
		T(cs_51_links_lead_inside_the_directory_and_to_its_archive),
		T(cs_51_a_link_that_comes_between_is_judged_before_it_is_followed),
		T(cs_51_what_is_no_file_of_ours_is_skipped_without_waiting),
		T(cs_52_der_and_old_key_forms_are_read),
		T(cs_52_locked_keys_and_pkcs12_are_refused_without_a_question),
		T(cs_53_what_no_client_would_accept_is_refused),
		T(one_broken_certificate_among_many_voids_only_itself),
		T(an_empty_directory_is_no_error),
		T(reading_has_a_thread_of_its_own_or_the_callers),
	};

	return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
