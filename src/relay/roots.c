/* SPDX-License-Identifier: ISC */
#include "roots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/fail.h"
#include "core.h"
#include "settings.h"
#include "tls/trust.h"

#define FILE_MAX	(16u << 20)	/* a bundle of all roots is 0.3 MB */
#define ENTRIES_MAX	4096

/* One file's bytes into the trust. */
static int
add_file(struct sst_trust *trust, int fd, struct sst_error *err)
{
	struct stat st;
	uint8_t *bytes;
	size_t at = 0;
	ssize_t n = 1;
	int rc;

	if (fstat(fd, &st) < 0)
		return sst_fail_errno(err, errno, "trusted certificates");
	if (!S_ISREG(st.st_mode))
		return sst_fail(err, SST_E_MALFORMED, "not a regular file");
	if (st.st_size > (off_t)FILE_MAX)
		return sst_fail(err, SST_E_LIMIT, "more than %u bytes of trusted "
		    "certificates", FILE_MAX);
	bytes = malloc((size_t)st.st_size + 1);
	if (bytes == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	while (n > 0 && at < (size_t)st.st_size) {
		n = pread(fd, bytes + at, (size_t)st.st_size - at, (off_t)at);
		if (n > 0)
			at += (size_t)n;
	}
	if (n < 0)
		rc = sst_fail_errno(err, errno, "trusted certificates");
	else
		rc = sst_trust_add(trust, bytes, at, NULL, err);
	free(bytes);
	return rc;
}

static int
add_directory(struct sst_trust *trust, int fd, struct sst_error *err)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *e;
	int file, added = 0;

	if (dir == NULL) {
		if (copy >= 0)
			(void)close(copy);
		return sst_fail_errno(err, errno, "directory of trusted certificates");
	}
	for (int i = 0; i < ENTRIES_MAX && (e = readdir(dir)) != NULL; i++) {
		if (e->d_name[0] == '.')
			continue;
		file = openat(fd, e->d_name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (file < 0)
			continue;
		added |= add_file(trust, file, NULL) == SST_OK;
		(void)close(file);
	}
	(void)closedir(dir);
	if (!added)
		return sst_fail(err, SST_E_MALFORMED, "no certificate in the directory");
	return SST_OK;
}

/* A trust of the socket's own beside the process's anchors. */
static int
over_system(const struct sst_settings *set, struct sst_trust **ret_trust,
    struct sst_error *err)
{
	struct sst_trust *base = NULL;
	int rc = sst_trust_system(set->cert_file, set->cert_dir, &base, err);

	if (rc == SST_OK)
		rc = sst_trust_new_over(base, ret_trust, err);
	sst_trust_unref(base);
	return rc;
}

int
sst_roots_add(struct sst_record *r, int fd, const char *path, struct sst_error *err)
{
	struct sst_error why = { 0 };
	struct sst_trust *trust = NULL;
	char shown[300];
	struct stat st;
	int rc = sst_settings_own(&r->set, err);

	if (rc != SST_OK)
		return rc;
	if (fstat(fd, &st) < 0)
		return sst_fail_errno(err, errno, "trusted certificates");
	if (r->set->trust == NULL) {
		rc = over_system(r->set, &trust, err);
		if (rc != SST_OK)
			return rc;
	} else {
		trust = sst_trust_ref(r->set->trust);
	}
	rc = S_ISDIR(st.st_mode) ? add_directory(trust, fd, &why) :
	    add_file(trust, fd, &why);
	if (rc != SST_OK) {
		sst_trust_unref(trust);
		if (why.sys_errno != 0)
			return sst_fail_errno(err, why.sys_errno, "%s", sst_escape(shown,
			    sizeof(shown), path, strlen(path)));
		return sst_fail(err, rc, "%s: %s", path[0] == '\0' ? "bytes" :
		    sst_escape(shown, sizeof(shown), path, strlen(path)), why.text);
	}
	sst_trust_unref(r->set->trust);
	r->set->trust = trust;
	return SST_OK;
}
