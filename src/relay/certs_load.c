/* SPDX-License-Identifier: ISC */
/*
 * certs_load - what comes into a socket's certificates and what goes (certs.h).
 *
 *	change.c --> load, remove, rescan --> certstore, and the list
 *
 * Always true:
 *   1. A chain that is for none of the socket's names never reaches the store that
 *      serves: it is tried in one of its own.
 *   2. Bytes are wiped after they were read.
 *   3. What left the list and has an id is in `dropped`, until somebody tells the
 *      keeper.
 * Threads: the loader's; `mu` is never held while the store or the keeper is asked.
 */
#include "certs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>
#include <securesockets/certstore.h>

#include "base/below.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/fail.h"
#include "certstore/store.h"
#include "cert_files.h"
#include "certs_inside.h"
#include "log.h"
#include "names.h"

#define BYTES_MAX	(1u << 20)

/* Takes one entry out; its id is to be dropped when it has one. */
static void
detach_locked(struct sst_certs *certs, struct sst_cert_source *s)
{
	struct sst_cert_source **at = &certs->list;
	uint32_t *more;

	while (*at != NULL && *at != s)
		at = &(*at)->next;
	if (*at == NULL)
		return;
	*at = s->next;
	if (certs->end == &s->next)
		certs->end = at;
	if (s->id == 0)
		return;
	more = realloc(certs->dropped, (certs->n_dropped + 1) * sizeof(*more));
	if (more == NULL)
		return;		/* the keeper holds it on: a leak, not a fault */
	certs->dropped = more;
	certs->dropped[certs->n_dropped++] = s->id;
}

static void
append_locked(struct sst_certs *certs, struct sst_cert_source *s)
{
	s->next = NULL;
	*certs->end = s;
	certs->end = &s->next;
}

/* Drops the entries that `match` points out, but for `keep`, and those that came after the
 * change under way: they are not loaded yet. */
static void
drop_matching(struct sst_certs *certs, const struct sst_cert_source *keep,
    int (*match)(const struct sst_cert_source *, const void *arg), const void *arg)
{
	struct sst_cert_source *s, *next;

	(void)pthread_mutex_lock(&certs->mu);
	for (s = certs->list; s != NULL; s = next) {
		next = s->next;
		if (s == keep || s->fresh || !match(s, arg))
			continue;
		detach_locked(certs, s);
		sst_cert_source_free(s);
	}
	(void)pthread_mutex_unlock(&certs->mu);
}

static int
same_file(const struct sst_cert_source *s, const void *arg)
{
	const struct sst_cert_source *other = arg;

	return s->id != 0 && other->path[0] != '\0' && s->option == other->option &&
	    strcmp(s->path, other->path) == 0;
}

static int
has_path(const struct sst_cert_source *s, const void *what)
{
	return s->id != 0 && s->path[0] != '\0' && strcmp(s->path, what) == 0;
}

static int
has_tag(const struct sst_cert_source *s, const void *what)
{
	return s->tag != NULL && strcmp(s->tag, what) == 0;
}

static int
any(const struct sst_cert_source *s, const void *what)
{
	(void)s;
	(void)what;
	return 1;
}

/* All of a memfd; the caller frees it. */
static int
read_bytes(int fd, uint8_t **ret_bytes, size_t *ret_len, struct sst_error *err)
{
	struct stat st;
	uint8_t *bytes;
	size_t at = 0;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return sst_fail_errno(err, errno, "certificate bytes");
	if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		return sst_fail(err, SST_E_USAGE, "empty value");
	if (st.st_size > (off_t)BYTES_MAX)
		return sst_fail(err, SST_E_LIMIT, "%lld bytes: at most %u are taken",
		    (long long)st.st_size, BYTES_MAX);
	bytes = malloc((size_t)st.st_size);
	if (bytes == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	while (at < (size_t)st.st_size) {
		n = pread(fd, bytes + at, (size_t)st.st_size - at, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	*ret_bytes = bytes;
	*ret_len = at;
	return SST_OK;
}

static int
add_bytes(struct sst_store *store, const struct sst_cert_source *s,
    struct sst_error *err)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	int rc = read_bytes(s->fd, &bytes, &len, err);

	if (rc != SST_OK)
		return rc;
	rc = s->option == TLS_PRIVATE_KEY ?
	    sst_store_add_key_bytes(store, bytes, len, err) :
	    sst_store_add_bytes(store, bytes, len, err);
	explicit_bzero(bytes, len);
	free(bytes);
	return rc;
}

int
sst_certs_read(struct sst_store *store, const struct sst_cert_source *s,
    struct sst_error *err)
{
	if (s->path[0] == '\0')
		return add_bytes(store, s, err);
	return s->option == TLS_PRIVATE_KEY ? sst_store_add_key(store, s->path, err) :
	    sst_store_add(store, s->path, err);
}

struct meeting {
	const struct sst_names	*names;
	int			 met;
	char			 sans[200];
};

static int
meet_each(void *arg, const struct sst_entry *e)
{
	struct meeting *m = arg;
	size_t len = strlen(m->sans);

	for (size_t i = 0; i < e->n_names; i++) {
		for (size_t k = 0; k < m->names->n; k++)
			m->met |= sst_names_meet(m->names->list[k], e->names[i]);
		if (len + strlen(e->names[i]) + 3 < sizeof(m->sans)) {
			if (len > 0)
				m->sans[len++] = ' ';
			(void)sst_escape(m->sans + len, sizeof(m->sans) - len,
			    e->names[i], strlen(e->names[i]));
			len = strlen(m->sans);
		}
	}
	return 0;
}

static void
join_names(const struct sst_names *names, char *out, size_t size)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < names->n; i++) {
		size_t len = strlen(names->list[i]);

		if (at + len + 6 > size) {
			memcpy(out + at, " ...", 5);
			return;
		}
		if (at > 0)
			out[at++] = ' ';
		memcpy(out + at, names->list[i], len + 1);
		at += len;
	}
}

/* A chain that is for none of the listed names is a mistake of the program:
 * tried in a store of its own, so that a live listener never sees it. */
static int
check_names(struct sst_certs *certs, const struct sst_cert_source *s,
    const struct sst_names *names, struct sst_error *err)
{
	const struct sst_store_config config = { .keys_may_be_open = 1 };
	struct meeting m = { .names = names };
	struct sst_store *trial = NULL;
	char listed[200];
	int rc;

	if (names == NULL || names->n == 0 || s->is_dir || s->option == TLS_PRIVATE_KEY)
		return SST_OK;
	rc = sst_store_new_from(&config, &sst_cert_files, certs, &trial, err);
	if (rc != SST_OK)
		return rc;
	rc = sst_certs_read(trial, s, err);
	if (rc == SST_OK)
		rc = sst_store_each(trial, meet_each, &m, err);
	sst_store_unref(trial);
	if (rc != SST_OK || m.met)
		return rc;
	join_names(names, listed, sizeof(listed));
	return sst_fail(err, SST_E_MISMATCH, "the certificate is for %s; this socket "
	    "answers for %s", m.sans[0] == '\0' ? "no name" : m.sans, listed);
}

struct tagging {
	struct sst_certs	*certs;
	char			*tag;
};

/* The entry of bytes that no source of ours is tagged with yet. */
static int
tag_each(void *arg, const struct sst_entry *e)
{
	struct tagging *t = arg;
	int known = 0;

	if (strncmp(e->source, "bytes:", 6) != 0)
		return 0;
	(void)pthread_mutex_lock(&t->certs->mu);
	for (const struct sst_cert_source *s = t->certs->list; s != NULL; s = s->next)
		known |= s->tag != NULL && strcmp(s->tag, e->source) == 0;
	(void)pthread_mutex_unlock(&t->certs->mu);
	if (known)
		return 0;
	t->tag = strdup(e->source);
	return 1;
}

static void
tag_bytes(struct sst_certs *certs, struct sst_cert_source *s)
{
	struct tagging t = { .certs = certs };

	if (s->path[0] != '\0')
		return;
	(void)sst_store_each(certs->store, tag_each, &t, NULL);
	(void)pthread_mutex_lock(&certs->mu);
	s->tag = t.tag;
	(void)pthread_mutex_unlock(&certs->mu);
}

static void
leave(struct sst_certs *certs, struct sst_cert_source *s)
{
	(void)pthread_mutex_lock(&certs->mu);
	detach_locked(certs, s);
	(void)pthread_mutex_unlock(&certs->mu);
	sst_cert_source_free(s);
}

int
sst_certs_enter(struct sst_certs *certs, struct sst_cert_source *s,
    const struct sst_names *names, struct sst_error *err)
{
	int rc;

	if (s->id == 0)
		return SST_OK;
	s->fresh = 1;
	(void)pthread_mutex_lock(&certs->mu);
	append_locked(certs, s);
	(void)pthread_mutex_unlock(&certs->mu);
	rc = s->option == TLS_ACME_CHALLENGE ? sst_certs_acme_check(certs, s, err) :
	    check_names(certs, s, names, err);
	if (rc != SST_OK)
		leave(certs, s);
	return rc;
}

int
sst_certs_load(struct sst_certs *certs, struct sst_cert_source *s, struct sst_error *err)
{
	int rc;

	if (s->id == 0) {
		rc = sst_certs_remove(certs, s->path, err);
		sst_cert_source_free(s);
		return rc;
	}
	rc = sst_certs_read(certs->store, s, err);
	if (rc != SST_OK) {
		leave(certs, s);
		return rc;
	}
	sst_certs_sync(certs);
	if (sst_await_any())
		return SST_OK;
	tag_bytes(certs, s);
	drop_matching(certs, s, same_file, s);
	(void)pthread_mutex_lock(&certs->mu);
	s->fresh = 0;
	(void)pthread_mutex_unlock(&certs->mu);
	return SST_OK;
}

struct origin {
	const char	*digest;
	char		*source;
};

static int
origin_each(void *arg, const struct sst_entry *e)
{
	static const char hex[] = "0123456789abcdef";
	struct origin *o = arg;
	char text[65];

	for (size_t i = 0; i < 32; i++) {
		text[2 * i] = hex[e->digest[i] >> 4];
		text[2 * i + 1] = hex[e->digest[i] & 15];
	}
	text[64] = '\0';
	if (strcasecmp(text, o->digest) != 0)
		return 0;
	o->source = strdup(e->source);
	return 1;
}

/* Notes a removal that dropping a source does not express, so that a replay
 * comes to the same. */
static void
note_removal(struct sst_certs *certs, const char *what)
{
	struct sst_cert_source *s = sst_cert_source_new(0, TLS_CERTIFICATE_REMOVE, 0,
	    what, NULL, -1);

	if (s == NULL)
		return;
	(void)pthread_mutex_lock(&certs->mu);
	append_locked(certs, s);
	(void)pthread_mutex_unlock(&certs->mu);
}

int
sst_certs_remove(struct sst_certs *certs, const char *what, struct sst_error *err)
{
	struct origin o = { .digest = what };
	int rc;

	if (strncmp(what, "acme:", 5) == 0)
		return sst_certs_acme_remove(certs, what + 5, err);
	if (what[0] != '/' && strcmp(what, "*") != 0)
		(void)sst_store_each(certs->store, origin_each, &o, NULL);
	rc = sst_store_remove(certs->store, what, err);
	if (rc != SST_OK) {
		free(o.source);
		return rc;
	}
	sst_certs_sync(certs);
	if (strcmp(what, "*") == 0)
		drop_matching(certs, NULL, any, what);
	else if (what[0] == '/')
		drop_matching(certs, NULL, has_path, what);
	else if (o.source != NULL && strncmp(o.source, "bytes:", 6) == 0)
		drop_matching(certs, NULL, has_tag, o.source);
	else
		note_removal(certs, what);
	free(o.source);
	return SST_OK;
}

struct sst_cert_source *
sst_certs_source(struct sst_certs *certs, uint32_t id)
{
	struct sst_cert_source *s;

	(void)pthread_mutex_lock(&certs->mu);
	for (s = certs->list; s != NULL && s->id != id;)
		s = s->next;
	(void)pthread_mutex_unlock(&certs->mu);
	return s;
}

/* The first failure is told, the rest is read all the same. */
static int
reread(struct sst_store *store, const char *path, const struct sst_below *below,
    struct sst_error *err)
{
	const char *name = NULL;
	int rc = SST_OK, one;

	if (below == NULL || below->all)
		return sst_store_rescan(store, path, err);
	while ((name = sst_below_next(below, name)) != NULL) {
		one = sst_store_rescan_below(store, path, name, err);
		if (one < 0 && rc == SST_OK)
			rc = one;
	}
	return rc;
}

void
sst_certs_rescan(struct sst_certs *certs, uint32_t id, const struct sst_below *below)
{
	const struct sst_cert_source *s = sst_certs_source(certs, id);
	struct sst_error err = { 0 };
	int rc;

	if (s == NULL || s->path[0] == '\0')
		return;
	rc = reread(certs->store, s->path, below, &err);
	sst_certs_sync(certs);
	if (rc < 0)
		sst_log_event(certs->log, SST_LOG_CERT_KEPT, sst_clock_ms(), "%s",
		    err.text);
}

void
sst_certs_retry(struct sst_certs *certs)
{
	const uint64_t before = sst_store_generation(certs->store);
	struct sst_error err = { 0 };

	if (sst_store_retry(certs->store, &err) < 0)
		sst_log_event(certs->log, SST_LOG_CERT_KEPT, sst_clock_ms(), "%s",
		    err.text);
	if (sst_store_generation(certs->store) != before)
		sst_certs_sync(certs);
}

int64_t
sst_certs_retry_due(struct sst_certs *certs)
{
	return sst_store_retry_due(certs->store);
}
