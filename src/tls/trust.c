/* SPDX-License-Identifier: ISC */
#include "trust.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/ossl.h"

#define TRUST_BYTES_MAX	(16u << 20)

struct sst_trust {
	atomic_int	 refs;
	atomic_int	 frozen;
	atomic_int	 seen_anchor;	/* the directory is known not to be empty */
	size_t		 n_roots;	/* from bytes and files */
	X509_STORE	*roots;
	X509_STORE	*pins;		/* NULL: none */
	STACK_OF(X509)	*pinned;	/* what `pins` holds */
	char		*dir;		/* NULL: no system anchors */
	struct sst_trust *base;		/* NULL: none */
};

struct sst_trust *
sst_trust_ref(struct sst_trust *trust)
{
	atomic_fetch_add_explicit(&trust->refs, 1, memory_order_relaxed);
	return trust;
}

void
sst_trust_unref(struct sst_trust *trust)
{
	if (trust == NULL || atomic_fetch_sub(&trust->refs, 1) != 1)
		return;
	X509_STORE_free(trust->roots);
	X509_STORE_free(trust->pins);
	sk_X509_pop_free(trust->pinned, X509_free);
	sst_trust_unref(trust->base);
	free(trust->dir);
	free(trust);
}

void
sst_trust_freeze(struct sst_trust *trust)
{
	atomic_store(&trust->frozen, 1);
}

X509_STORE *
sst_trust_store(const struct sst_trust *trust)
{
	return trust->pins != NULL ? trust->pins : trust->roots;
}

int
sst_trust_allows(const struct sst_trust *trust, const X509 *leaf)
{
	if (trust->pins == NULL)
		return 1;
	for (int i = 0; i < sk_X509_num(trust->pinned); i++)
		if (X509_cmp(sk_X509_value(trust->pinned, i), leaf) == 0)
			return 1;
	return 0;
}

/* Whether `name` is what c_rehash makes: eight hex digits, a dot, a number. */
static int
is_hash_name(const char *name)
{
	static const char hex[] = "0123456789abcdef";
	static const char digits[] = "0123456789";
	size_t n;

	if (strspn(name, hex) != 8 || name[8] != '.')
		return 0;
	n = strspn(name + 9, digits);
	return n > 0 && name[9 + n] == '\0';
}

static int
dir_has_anchor(void *arg, const char *path)
{
	const struct dirent *e;
	DIR *d = opendir(path);
	int found = 0;

	(void)arg;
	if (d == NULL)
		return 0;
	while (!found && (e = readdir(d)) != NULL)
		found = is_hash_name(e->d_name);
	closedir(d);
	return found;
}

int
sst_trust_each_dir(const char *list, int (*each)(void *arg, const char *path), void *arg)
{
	char part[4096];
	size_t n;
	int found = 0;

	while (!found && *list != '\0') {
		n = strcspn(list, ":");
		if (n > 0 && n < sizeof(part)) {
			memcpy(part, list, n);
			part[n] = '\0';
			found = each(arg, part);
		}
		list += n + (list[n] == ':');
	}
	return found;
}

static int
dir_exists(void *arg, const char *path)
{
	struct stat st;

	(void)arg;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int
sst_trust_check(struct sst_trust *trust, struct sst_error *err)
{
	char where[300];

	if (trust->n_roots > 0 || trust->pins != NULL ||
	    atomic_load(&trust->seen_anchor) ||
	    (trust->base != NULL && trust->base->n_roots > 0))
		return SST_OK;
	if (trust->dir != NULL && sst_trust_each_dir(trust->dir, dir_has_anchor, NULL)) {
		atomic_store(&trust->seen_anchor, 1);
		return SST_OK;
	}
	if (trust->dir == NULL)
		return sst_fail(err, SST_E_REFUSED, "no trust anchors: the system's "
		    "are not asked for, set TLS_TRUSTED_PEER_CERTIFICATES");
	return sst_fail(err, SST_E_REFUSED, "no trust anchors in %s: install "
	    "ca-certificates or set TLS_TRUSTED_PEER_CERTIFICATES",
	    sst_escape(where, sizeof(where), trust->dir, strlen(trust->dir)));
}

/* Parses PEM (any number, text between them) or DER (one after the other). */
static int
certs_parse(const void *bytes, size_t len, STACK_OF(X509) *out,
    struct sst_error *err)
{
	const unsigned char *p = bytes;
	const unsigned char *const end = p + len;
	BIO *bio = NULL;
	X509 *cert;
	int rc = SST_OK;

	if (len > 0 && *p == 0x30) {
		while (p < end) {
			cert = d2i_X509(NULL, &p, end - p);
			if (cert == NULL || !sk_X509_push(out, cert)) {
				X509_free(cert);
				return sst_fail_ossl(err, SST_E_MALFORMED,
				    "certificate %d does not parse",
				    sk_X509_num(out) + 1);
			}
		}
		return SST_OK;
	}
	bio = BIO_new_mem_buf(bytes, (int)len);
	if (bio == NULL)
		return sst_fail_ossl(err, SST_E_NOMEM, "out of memory");
	while ((cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL)
		if (!sk_X509_push(out, cert)) {
			X509_free(cert);
			break;
		}
	/* The end of the input is this very reason; all else is damage. */
	if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
		ERR_clear_error();
	else
		rc = sst_fail_ossl(err, SST_E_MALFORMED,
		    "certificate %d does not parse", sk_X509_num(out) + 1);
	BIO_free(bio);
	return rc;
}

static int
pin_add(struct sst_trust *trust, X509 *cert)
{
	if (trust->pins == NULL) {
		trust->pinned = sk_X509_new_null();
		trust->pins = X509_STORE_new();
		/* A pin vouches for itself without its issuer. */
		if (trust->pinned == NULL || trust->pins == NULL ||
		    !X509_STORE_set_flags(trust->pins, X509_V_FLAG_PARTIAL_CHAIN))
			return 0;
	}
	if (!X509_STORE_add_cert(trust->pins, cert) || !X509_up_ref(cert))
		return 0;
	if (!sk_X509_push(trust->pinned, cert)) {
		X509_free(cert);
		return 0;
	}
	return 1;
}

static int
root_add(struct sst_trust *trust, X509 *cert)
{
	/* An intermediate that was named is an anchor like a root. */
	if (X509_NAME_cmp(X509_get_subject_name(cert),
	    X509_get_issuer_name(cert)) != 0 &&
	    !X509_STORE_set_flags(trust->roots, X509_V_FLAG_PARTIAL_CHAIN))
		return 0;
	if (!X509_STORE_add_cert(trust->roots, cert))
		return 0;
	trust->n_roots++;
	return 1;
}

int
sst_trust_add(struct sst_trust *trust, const void *bytes, size_t len,
    size_t *ret_count, struct sst_error *err)
{
	STACK_OF(X509) *certs = NULL;
	int rc;

	if (atomic_load(&trust->frozen))
		return sst_fail(err, SST_E_STATE, "these trust anchors are in use");
	if (len > TRUST_BYTES_MAX)
		return sst_fail(err, SST_E_LIMIT, "%zu bytes of certificates", len);
	ERR_clear_error();
	certs = sk_X509_new_null();
	if (certs == NULL)
		return sst_fail_ossl(err, SST_E_NOMEM, "out of memory");
	rc = certs_parse(bytes, len, certs, err);
	if (rc == SST_OK && sk_X509_num(certs) == 0)
		rc = sst_fail(err, SST_E_MALFORMED, "no certificate in %zu bytes",
		    len);
	for (int i = 0; rc == SST_OK && i < sk_X509_num(certs); i++) {
		X509 *cert = sk_X509_value(certs, i);

		if (!(X509_check_ca(cert) != 0 ? root_add(trust, cert) :
		    pin_add(trust, cert)))
			rc = sst_fail_ossl(err, SST_E_NOMEM, "trust anchors");
	}
	if (rc == SST_OK && ret_count != NULL)
		*ret_count = (size_t)sk_X509_num(certs);
	sk_X509_pop_free(certs, X509_free);
	return rc;
}

/* All of a file whose size was `size`; a shorter one is as it is. */
static int
file_read(int fd, char *bytes, size_t size, size_t *ret_len)
{
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		n = read(fd, bytes + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

/* Reads the bundle with one open descriptor: no size is believed. */
static int
file_add(struct sst_trust *trust, const char *path, struct sst_error *err)
{
	char shown[300];
	char *bytes = NULL;
	size_t len = 0;
	struct stat st;
	int fd, rc = SST_OK;

	sst_escape(shown, sizeof(shown), path, strlen(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return sst_fail_errno(err, errno, "trust anchors in %s", shown);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size > (off_t)TRUST_BYTES_MAX) {
		rc = sst_fail(err, SST_E_MALFORMED,
		    "%s is no file of trust anchors", shown);
		goto out;
	}
	bytes = malloc((size_t)st.st_size + 1);
	if (bytes == NULL) {
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
		goto out;
	}
	/* A part of the roots would pass for all of them. */
	if (file_read(fd, bytes, (size_t)st.st_size, &len) < 0) {
		rc = sst_fail_errno(err, errno, "trust anchors in %s", shown);
		goto out;
	}
	rc = sst_trust_add(trust, bytes, len, NULL, NULL);
	if (rc < 0)
		sst_fail(err, rc, "%s holds no readable certificates", shown);
out:
	free(bytes);
	close(fd);
	return rc;
}

/* Anchors by hash from `dir`, or from each part of a list. */
static int
dir_add(struct sst_trust *trust, const char *dir, struct sst_error *err)
{
	X509_LOOKUP *lookup;

	trust->dir = strdup(dir);
	if (trust->dir == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	/* When needed: reading the bundle costs some 15 ms. */
	lookup = X509_STORE_add_lookup(trust->roots, X509_LOOKUP_hash_dir());
	if (lookup == NULL || !X509_LOOKUP_add_dir(lookup, dir, X509_FILETYPE_PEM))
		return sst_fail_ossl(err, SST_E_NOMEM, "trust anchors");
	return SST_OK;
}

static int
system_add(struct sst_trust *trust, const char *file, const char *dir,
    struct sst_error *err)
{
	const int named_file = file != NULL && file[0] != '\0';
	int rc;

	if (dir == NULL || dir[0] == '\0')
		dir = X509_get_default_cert_dir();
	rc = dir_add(trust, dir, err);
	if (rc < 0)
		return rc;
	if (named_file)
		return file_add(trust, file, err);
	file = X509_get_default_cert_file();
	if (!sst_trust_each_dir(dir, dir_exists, NULL) && access(file, R_OK) == 0)
		return file_add(trust, file, err);
	return SST_OK;
}

int
sst_trust_new(int with_system, const char *file, const char *dir,
    struct sst_trust **ret_trust, struct sst_error *err)
{
	struct sst_trust *trust = calloc(1, sizeof(*trust));
	int rc = SST_OK;

	if (trust == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	atomic_init(&trust->refs, 1);
	ERR_clear_error();
	trust->roots = X509_STORE_new();
	if (trust->roots == NULL)
		rc = sst_fail_ossl(err, SST_E_NOMEM, "trust anchors");
	else if (with_system)
		rc = system_add(trust, file, dir, err);
	if (rc < 0) {
		sst_trust_unref(trust);
		return rc;
	}
	*ret_trust = trust;
	return SST_OK;
}

/* One anchor of the base by its name; it becomes the asking store's as well, as
 * OpenSSL's own look-up by hash does. */
static int
base_lookup(X509_LOOKUP *lookup, X509_LOOKUP_TYPE type, const X509_NAME *name,
    X509_OBJECT *ret)
{
	const struct sst_trust *base = X509_LOOKUP_get_method_data(lookup);
	X509_OBJECT *found;
	X509 *cert = NULL;
	int ok;

	if (type != X509_LU_X509 || !X509_STORE_lock(base->roots))
		return 0;
	found = X509_OBJECT_retrieve_by_subject(X509_STORE_get0_objects(base->roots),
	    X509_LU_X509, name);
	if (found != NULL)
		cert = X509_OBJECT_get0_X509(found);
	if (cert != NULL && !X509_up_ref(cert))
		cert = NULL;
	(void)X509_STORE_unlock(base->roots);
	if (cert == NULL)
		return 0;
	ok = X509_STORE_add_cert(X509_LOOKUP_get_store(lookup), cert) &&
	    X509_OBJECT_set1_X509(ret, cert);
	if (ok)
		X509_free(cert);	/* *ret borrows; the store owns */
	X509_free(cert);
	return ok;
}

static X509_LOOKUP_METHOD *base_method;
static pthread_once_t base_once = PTHREAD_ONCE_INIT;

static void
base_method_make(void)
{
	base_method = X509_LOOKUP_meth_new("anchors of a shared trust");
	if (base_method != NULL)
		(void)X509_LOOKUP_meth_set_get_by_subject(base_method, base_lookup);
}

/* Whoever asks it also believes what `base` does. */
static int
base_add(struct sst_trust *trust, struct sst_trust *base, struct sst_error *err)
{
	const unsigned long flags = X509_VERIFY_PARAM_get_flags(
	    X509_STORE_get0_param(base->roots)) & X509_V_FLAG_PARTIAL_CHAIN;
	X509_LOOKUP *lookup = NULL;

	(void)pthread_once(&base_once, base_method_make);
	if (base_method != NULL)
		lookup = X509_STORE_add_lookup(trust->roots, base_method);
	if (lookup == NULL || !X509_LOOKUP_set_method_data(lookup, base) ||
	    !X509_STORE_set_flags(trust->roots, flags))
		return sst_fail_ossl(err, SST_E_NOMEM, "trust anchors");
	trust->base = sst_trust_ref(base);
	return base->dir == NULL ? SST_OK : dir_add(trust, base->dir, err);
}

int
sst_trust_new_over(struct sst_trust *base, struct sst_trust **ret_trust,
    struct sst_error *err)
{
	struct sst_trust *trust = NULL;
	int rc = sst_trust_new(0, NULL, NULL, &trust, err);

	if (rc == SST_OK)
		rc = base_add(trust, base, err);
	if (rc < 0) {
		sst_trust_unref(trust);
		return rc;
	}
	*ret_trust = trust;
	return SST_OK;
}
