/* SPDX-License-Identifier: ISC */
/* pair - see pair.h; the handshake is in pair_try.c. */
#include "pair.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <securesockets/certstore.h>

#include "out.h"
#include "pair_try.h"

#define FILE_MOST	((size_t)512 << 10)	/* of each; the store takes 1 MiB */

static int __attribute__((format(printf, 4, 5)))
fail(struct sst_error *err, int code, const char *path, const char *fmt, ...)
{
	char name[200], text[280];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err->code = code;
	err->sys_errno = 0;
	(void)snprintf(err->text, sizeof(err->text), "%s: %s",
	    sst_out_clean(name, sizeof(name), path), text);
	return code;
}

/* All of a file behind what is there already, and a line's end. */
static int
append(struct sst_pair *p, const char *path, struct sst_error *err)
{
	struct stat st;
	ssize_t got = 1;
	char *more;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t room, from = p->len;

	if (fd < 0 || fstat(fd, &st) != 0) {
		if (fd >= 0)
			(void)close(fd);
		return fail(err, SST_E_SYSTEM, path, "%s", strerror(errno));
	}
	room = S_ISREG(st.st_mode) && st.st_size < (off_t)FILE_MOST ?
	    (size_t)st.st_size + 1 : 0;
	more = room == 0 ? NULL : OPENSSL_malloc(from + room + 1);
	if (more == NULL) {
		(void)close(fd);
		return fail(err, SST_E_LIMIT, path, "no file of at most %zu KiB",
		    FILE_MOST >> 10);
	}
	if (from > 0)
		memcpy(more, p->pem, from);
	OPENSSL_clear_free(p->pem, from);
	p->pem = more;
	while (got > 0 && p->len - from < room) {
		got = read(fd, p->pem + p->len, room - (p->len - from));
		p->len += got > 0 ? (size_t)got : 0;
	}
	(void)close(fd);
	if (got < 0)
		return fail(err, SST_E_SYSTEM, path, "%s", strerror(errno));
	if (p->len - from == room)
		return fail(err, SST_E_STATE, path, "it grows");
	if (p->len > from && p->pem[p->len - 1] != '\n')
		p->pem[p->len++] = '\n';
	if (memmem(p->pem + from, p->len - from, "-----BEGIN ", 11) == NULL)
		return fail(err, SST_E_MALFORMED, path, "it is no PEM");
	return SST_OK;
}

/* certbot's number of a link to .../KIND12.pem; 0: it is not certbot's. */
static unsigned
version_of(const char *path, const char *kind)
{
	char target[4096], *base;
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	size_t len = strlen(kind), digits;

	if (n <= 0)
		return 0;
	target[n] = '\0';
	base = strrchr(target, '/');
	base = base != NULL ? base + 1 : target;
	if (strncmp(base, kind, len) != 0)
		return 0;
	digits = strspn(base + len, "0123456789");
	if (digits == 0 || digits > 9 || strcmp(base + len + digits, ".pem") != 0)
		return 0;
	return (unsigned)strtoul(base + len, NULL, 10);
}

/* The number of both links. SST_E_STATE: they are of two. */
static int
look_at_links(const struct sst_pair *p, unsigned *ret, struct sst_error *err)
{
	unsigned chain = version_of(p->chain, "fullchain");
	unsigned key = p->key != NULL ? version_of(p->key, "privkey") : 0;

	if (chain != 0 && key != 0 && chain != key)
		return fail(err, SST_E_STATE, p->chain, "it is of version %u and the "
		    "key is of version %u: its renewal is not complete", chain, key);
	*ret = chain;
	return SST_OK;
}

/* When the file, or the link to it, was put there: the later one of both. */
static time_t
put_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? st.st_ctim.tv_sec : 0;
}

/* The last part of a path, without ".pem" and its like. */
static char *
name_of(const char *path)
{
	static const char *const ends[] = { ".pem", ".crt", ".cer" };
	char copy[4096], *base;
	size_t len;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	base = basename(copy);
	len = strlen(base);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (len > 4 && strcmp(base + len - 4, ends[i]) == 0)
			base[len - 4] = '\0';
	return strdup(base);
}

static char *
joined(const char *dir, const char *file)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", dir, file) < 0 ? NULL : path;
}

int
sst_pair_read(const char *path, const char *key, struct sst_pair *p,
    struct sst_error *err)
{
	unsigned again = 0;
	struct stat st;
	time_t changed;
	int rc;

	memset(p, 0, sizeof(*p));
	if (strlen(path) >= 4000)
		return fail(err, SST_E_LIMIT, path, "the path is too long");
	if (stat(path, &st) != 0)
		return fail(err, SST_E_SYSTEM, path, "%s", strerror(errno));
	p->name = name_of(path);
	if (S_ISDIR(st.st_mode)) {
		p->chain = joined(path, "fullchain.pem");
		p->key = joined(path, "privkey.pem");
	} else {
		p->chain = strdup(path);
		p->key = key != NULL ? strdup(key) : NULL;
	}
	if (p->name == NULL || p->chain == NULL || (p->key == NULL &&
	    (key != NULL || S_ISDIR(st.st_mode))))
		return fail(err, SST_E_NOMEM, path, "out of memory");
	rc = look_at_links(p, &p->version, err);
	if (rc == SST_OK)
		rc = append(p, p->chain, err);
	if (rc == SST_OK && p->key != NULL)
		rc = append(p, p->key, err);
	if (rc == SST_OK)
		rc = look_at_links(p, &again, err);
	if (rc == SST_OK && again != p->version)
		rc = fail(err, SST_E_STATE, path, "it is being renewed");
	p->changed = put_there(p->chain);
	changed = p->key != NULL ? put_there(p->key) : 0;
	if (changed > p->changed)
		p->changed = changed;
	return rc;
}

/* What the store took in. */
struct found {
	struct sst_pair	*pair;
	size_t		 usable;
	char		 why[300];	/* of what is not */
};

static json_t *
strings(const char *const *list, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, sst_out_string(list[i]));
	return array;
}

static int
take_entry(void *arg, const struct sst_entry *e)
{
	struct found *f = arg;
	struct sst_pair *p = f->pair;

	if (e->state != SST_ENTRY_USABLE) {
		(void)snprintf(f->why, sizeof(f->why), "%.290s", e->state ==
		    SST_ENTRY_STAGED ? "there is no key for it" :
		    e->why != NULL ? e->why : "it was refused");
		return 0;
	}
	if (f->usable++ > 0)
		return 0;
	(void)snprintf(p->key_type, sizeof(p->key_type), "%.31s",
	    e->key_type != NULL ? e->key_type : "");
	p->from = e->not_before;
	p->until = e->not_after;
	memcpy(p->digest, e->digest, sizeof(p->digest));
	p->names = strings(e->names, e->n_names);
	p->warnings = strings(e->warnings, e->n_warnings);
	return 0;
}

static int
judge(const struct found *f, time_t now, struct sst_error *err)
{
	const struct sst_pair *p = f->pair;
	char when[32];

	if (f->why[0] != '\0')
		return fail(err, SST_E_REFUSED, p->chain, "%s", f->why);
	if (f->usable != 1)
		return fail(err, SST_E_REFUSED, p->chain, "%zu pairs in it, and not one",
		    f->usable);
	if (p->until < now)
		return fail(err, SST_E_REFUSED, p->chain, "it expired at %s",
		    sst_out_time(when, p->until));
	return SST_OK;
}

int
sst_pair_verify(struct sst_pair *p, time_t now, struct sst_error *err)
{
	struct found f = { .pair = p };
	struct sst_store *store = NULL;
	int rc;

	rc = sst_store_new(NULL, &store, err);
	if (rc == SST_OK)
		rc = sst_store_add_bytes(store, p->pem, p->len, err);
	if (rc == SST_OK)
		rc = sst_store_each(store, take_entry, &f, err);
	if (rc == SST_OK)
		rc = judge(&f, now, err);
	/* One that is not valid yet is served from its day on. */
	if (rc == SST_OK && p->from <= now)
		rc = sst_pair_try(p, store, now, err);
	sst_store_unref(store);
	return rc < 0 ? rc : SST_OK;
}

void
sst_pair_done(struct sst_pair *p)
{
	OPENSSL_clear_free(p->pem, p->len);
	json_decref(p->names);
	json_decref(p->warnings);
	free(p->name);
	free(p->chain);
	free(p->key);
	memset(p, 0, sizeof(*p));
}
