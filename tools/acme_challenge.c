/* SPDX-License-Identifier: ISC */
/*
 * acme_challenge - sstool acme-challenge: has a listener answer tls-alpn-01
 * (RFC 8737), as the hook of an ACME client calls it.
 *
 * Always true:
 *   1. The file appears whole, by a rename in its own directory.
 *   2. Whoever may read the directory's certificates may read it, and nobody else: it
 *      has the owner of the directory it lies in, so a hook that runs as root serves
 *      a program that does not.
 *   3. No link is followed below the directory that was named.
 *   4. In a directory of another user's root does nothing that this user could not do,
 *      whatever is put in its way: it acts as that user.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <securesockets/certstore.h>

#include "acme_cert.h"
#include "acme_wait.h"
#include "nudge.h"
#include "out.h"
#include "verb.h"

#define VERB	"acme-challenge"
#define FOLDER	"acme-challenge"
#define WAIT_MS	10000
#define NUDGE_MS	2000

struct place {
	const char	*store;
	const char	*wait;		/* HOST:PORT that must answer with it, or NULL */
	int		 json;
	char		 name[256];	/* folded */
	char		 file[300];	/* of the challenge, in the folder */
	int		 folder;	/* descriptor */
};

static int
trouble(const struct place *p, const char *file)
{
	const int why = errno;
	char path[1024], shown[1024];

	(void)snprintf(path, sizeof(path), "%s/" FOLDER "%s%s", p->store,
	    *file != '\0' ? "/" : "", file);
	return sst_out_trouble(SST_EXIT_CANNOT_TELL, "%s: %s",
	    sst_out_clean(shown, sizeof(shown), path), strerror(why));
}

/* Files belong to `st`'s owner from now on, and are reached with that one's rights, when
 * root does it. The groups do not come back. 0, or -1 with errno. */
static int
act_as_owner(const struct stat *st)
{
	if (geteuid() != 0 || st->st_uid == 0)
		return 0;
	if (setgroups(0, NULL) < 0)
		return -1;
	/* both return what was there before, whether it is over or not */
	(void)setfsgid(st->st_gid);
	(void)setfsuid(st->st_uid);
	if ((uid_t)setfsuid((uid_t)-1) == st->st_uid &&
	    (gid_t)setfsgid((gid_t)-1) == st->st_gid)
		return 0;
	errno = EPERM;
	return -1;
}

static void
act_as_oneself(void)
{
	(void)setfsuid(geteuid());
	(void)setfsgid(getegid());
}

/* Whether it is the folder that was made just now: it may be another by the time that it
 * is opened, and is not given away then. */
static int
is_fresh(int folder)
{
	struct stat st;

	return fstat(folder, &st) == 0 && (st.st_mode & 0777) == 0700 &&
	    st.st_uid == (uid_t)setfsuid((uid_t)-1);
}

/* Opens the folder; with `make`, it is made as the store's directory is. What follows is
 * done as its owner. An exit code; NO: there is none. */
static int
folder_open(struct place *p, int make)
{
	int store = open(p->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int made = 0, rc = SST_EXIT_YES;
	struct stat st;
	char shown[1024];

	if (store < 0 || fstat(store, &st) < 0 || act_as_owner(&st) < 0) {
		rc = sst_out_trouble(SST_EXIT_CANNOT_TELL, "%s: %s",
		    sst_out_clean(shown, sizeof(shown), p->store), strerror(errno));
		goto out;
	}
	if (make)
		made = mkdirat(store, FOLDER, 0700) == 0;
	p->folder = openat(store, FOLDER,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (p->folder < 0)
		rc = errno == ENOENT && !make ? SST_EXIT_NO : trouble(p, "");
	/* Who may not give it away keeps it, as its files. */
	else if (made && is_fresh(p->folder) &&
	    fchown(p->folder, st.st_uid, st.st_gid) == 0)
		(void)fchmod(p->folder, st.st_mode & 0750);
out:
	if (store >= 0)
		(void)close(store);
	return rc;
}

static int
write_all(int fd, const char *bytes, size_t len)
{
	ssize_t n;

	for (; len > 0; bytes += n, len -= (size_t)n) {
		n = write(fd, bytes, len);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n < 0)
			n = 0;
	}
	return 0;
}

/* 0, or -1 with errno; nothing is left behind then. */
static int
put(const struct place *p, const char *bytes, size_t len)
{
	struct stat st;
	char aside[300];
	int fd, bad, why;

	/* A name with a dot in front is none that a store looks at. */
	(void)snprintf(aside, sizeof(aside), ".%ld", (long)getpid());
	(void)unlinkat(p->folder, aside, 0);
	fd = openat(p->folder, aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (fd < 0)
		return -1;
	bad = fstat(p->folder, &st) < 0 || write_all(fd, bytes, len) < 0;
	if (!bad && fchown(fd, st.st_uid, st.st_gid) == 0 && (st.st_mode & S_IXGRP) != 0)
		bad = fchmod(fd, 0640) < 0;
	bad |= close(fd) < 0;
	if (!bad && renameat(p->folder, aside, p->folder, p->file) == 0)
		return 0;
	why = errno;
	(void)unlinkat(p->folder, aside, 0);
	errno = why;
	return -1;
}

static void
say(const struct place *p)
{
	char path[1024], shown[1024];
	json_t *o;

	(void)snprintf(path, sizeof(path), "%s/" FOLDER "/%s", p->store, p->file);
	if (!p->json) {
		puts(sst_out_clean(shown, sizeof(shown), path));
		return;
	}
	o = sst_out_object();
	json_object_set_new(o, "name", json_string(p->name));
	json_object_set_new(o, "file", sst_out_string(path));
	sst_out_json(o);
}

/* Programs that can be told look at once; `ms`: and are waited for. */
static void
tell(const struct place *p, struct sst_nudge *nudge, unsigned ms)
{
	char store[PATH_MAX], path[PATH_MAX + sizeof("/" FOLDER)];

	if (realpath(p->store, store) == NULL)
		return;
	(void)snprintf(path, sizeof(path), "%s/" FOLDER, store);
	sst_nudge_ring(nudge, path);
	if (ms > 0)
		sst_nudge_wait(nudge, ms, 0);
}

/* The ACME server comes as soon as the hook has ended: by then it must be served. */
static int
wait_for(const struct place *p, const char *bytes, size_t len)
{
	char shown[600];
	int rc;

	if (p->wait == NULL)
		return SST_EXIT_YES;
	rc = sst_acme_wait(p->wait, p->name, bytes, len, WAIT_MS);
	if (rc == 1)
		return SST_EXIT_YES;
	return sst_out_trouble(rc < 0 ? SST_EXIT_UNAVAILABLE : SST_EXIT_TRY_LATER,
	    "%s does not answer with it: no program there serves this directory",
	    sst_out_clean(shown, sizeof(shown), p->wait));
}

static int
answer(struct place *p, const uint8_t digest[32])
{
	struct sst_nudge nudge = { 0 };
	char *bytes = NULL;
	BIO *pem = NULL;
	long len;
	int rc;

	if (sst_acme_cert(p->name, digest, time(NULL), &pem) < 0)
		return sst_out_trouble(SST_EXIT_UNAVAILABLE, "no certificate: %s",
		    ERR_reason_error_string(ERR_peek_last_error()));
	len = BIO_get_mem_data(pem, &bytes);
	sst_nudge_look(&nudge);
	rc = folder_open(p, 1);
	if (rc == SST_EXIT_YES && put(p, bytes, (size_t)len) < 0)
		rc = trouble(p, p->file);
	act_as_oneself();
	if (rc == SST_EXIT_YES) {
		tell(p, &nudge, NUDGE_MS);
		rc = wait_for(p, bytes, (size_t)len);
	}
	if (rc == SST_EXIT_YES)
		say(p);
	sst_nudge_done(&nudge);
	BIO_free(pem);
	return rc;
}

static int
take_back(struct place *p)
{
	struct sst_nudge nudge = { 0 };
	int rc;

	sst_nudge_look(&nudge);
	rc = folder_open(p, 0);
	if (rc == SST_EXIT_YES && unlinkat(p->folder, p->file, 0) < 0)
		rc = errno == ENOENT ? SST_EXIT_NO : trouble(p, p->file);
	act_as_oneself();
	if (rc == SST_EXIT_YES) {
		tell(p, &nudge, 0);
		say(p);
	}
	sst_nudge_done(&nudge);
	return rc == SST_EXIT_NO ? sst_out_trouble(rc, "no challenge for %s", p->name) : rc;
}

static int
run(struct place *p, const char *name, const char *authorization)
{
	struct sst_error err = { 0 };
	uint8_t digest[32];
	int rc;

	if (sst_name_fold(name, p->name, sizeof(p->name), &err) < 0)
		return sst_out_usage(VERB, "%s", err.text);
	if (p->name[0] == '*')
		return sst_out_usage(VERB, "tls-alpn-01 is not for wildcards: dns-01 is");
	(void)snprintf(p->file, sizeof(p->file), "%s.pem", p->name);
	if (authorization != NULL && !sst_acme_digest(authorization, digest))
		return sst_out_usage(VERB, "KEYAUTH is TOKEN.THUMBPRINT, or its SHA-256 in"
		    " base64url or hex");
	rc = authorization != NULL ? answer(p, digest) : take_back(p);
	if (p->folder >= 0)
		(void)close(p->folder);
	return rc;
}

int
sst_verb_acme_challenge(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "remove", no_argument, NULL, 'r' },
		{ "store", required_argument, NULL, 's' },
		{ "wait", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 }
	};
	struct place p = { .folder = -1 };
	int c, take = 0;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == 'j')
			p.json = 1;
		else if (c == 'r')
			take = 1;
		else if (c == 's')
			p.store = optarg;
		else if (c == 'w')
			p.wait = optarg;
		else
			return sst_out_option(VERB, c, argv);
	}
	if (p.store == NULL)
		return sst_out_usage(VERB, "--store DIR is needed");
	if (argc - optind != (take ? 1 : 2))
		return sst_out_usage(VERB, take ? "one NAME" : "NAME and KEYAUTH");
	return run(&p, argv[optind], take ? NULL : argv[optind + 1]);
}
