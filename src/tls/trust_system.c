/* SPDX-License-Identifier: ISC */
/*
 * trust_system - the system's anchors, one object for the whole process (trust.h).
 *
 * Always true:
 *   1. What was handed out is frozen: it is replaced by another one, never changed.
 *   2. It is made anew when file or directory differ from what it was made of, asked
 *      for or on disk.
 * Threads: any; `mu` is held while the bundle is read, so that it is read once.
 */
#include "trust.h"

#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fail.h"

#define LOOK_AGAIN_MS	60000

/* The object of sst_trust_system(). mu guards all of it. */
static struct {
	pthread_mutex_t	 mu;
	struct sst_trust *trust;
	char		*file, *dir;	/* as asked for; never NULL with a trust */
	uint64_t	 stamp;
	int64_t		 looked_ms;
} shared = { .mu = PTHREAD_MUTEX_INITIALIZER };

static int
stamp_one(void *stamp, const char *path)
{
	uint64_t *h = stamp;
	struct stat st;

	if (stat(path, &st) < 0)
		memset(&st, 0, sizeof(st));
	*h = *h * 1000003u + (uint64_t)st.st_ino;
	*h = *h * 1000003u + (uint64_t)st.st_mtim.tv_sec;
	*h = *h * 1000003u + (uint64_t)st.st_mtim.tv_nsec;
	return 0;
}

/* A number that changes when the file or a directory of the list does. */
static uint64_t
make_stamp(const char *file, const char *dir)
{
	uint64_t h = 0;

	(void)stamp_one(&h, file[0] != '\0' ? file : X509_get_default_cert_file());
	(void)sst_trust_each_dir(dir[0] != '\0' ? dir : X509_get_default_cert_dir(),
	    stamp_one, &h);
	return h;
}

/* Puts a fresh object in the place of the shared one. */
static int
shared_make_locked(const char *file, const char *dir, uint64_t now_stamp,
    struct sst_error *err)
{
	struct sst_trust *trust = NULL;
	char *file_copy = strdup(file);
	char *dir_copy = strdup(dir);
	int rc;

	if (file_copy == NULL || dir_copy == NULL)
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
	else
		rc = sst_trust_new(1, file, dir, &trust, err);
	if (rc < 0) {
		free(file_copy);
		free(dir_copy);
		return rc;
	}
	sst_trust_freeze(trust);
	sst_trust_unref(shared.trust);
	free(shared.file);
	free(shared.dir);
	shared.trust = trust;
	shared.file = file_copy;
	shared.dir = dir_copy;
	shared.stamp = now_stamp;
	return SST_OK;
}

int
sst_trust_system(const char *file, const char *dir, struct sst_trust **ret_trust,
    struct sst_error *err)
{
	const int64_t now = sst_clock_ms();
	uint64_t now_stamp;
	int rc = SST_OK;
	int same;

	if (file == NULL)
		file = "";
	if (dir == NULL)
		dir = "";
	pthread_mutex_lock(&shared.mu);
	same = shared.trust != NULL && strcmp(shared.file, file) == 0 &&
	    strcmp(shared.dir, dir) == 0;
	if (!same || now - shared.looked_ms >= LOOK_AGAIN_MS) {
		now_stamp = make_stamp(file, dir);
		if (!same || now_stamp != shared.stamp)
			rc = shared_make_locked(file, dir, now_stamp, err);
		/* What cannot be read is an error until it can, for everybody. */
		if (rc == SST_OK)
			shared.looked_ms = now;
	}
	if (rc == SST_OK)
		*ret_trust = sst_trust_ref(shared.trust);
	pthread_mutex_unlock(&shared.mu);
	return rc;
}
