/* SPDX-License-Identifier: ISC */
/* pki_files - the part of pki.h that writes to a directory. */
#include "pki.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
must(int ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "pki: %s: %s\n", what, strerror(errno));
	abort();
}

char *
pki_dir_new(void)
{
	const char *tmp = getenv("TMPDIR");
	char text[512];
	char *dir;

	(void)snprintf(text, sizeof(text), "%s/sst-test-XXXXXX",
	    tmp != NULL && *tmp == '/' ? tmp : "/tmp");
	dir = strdup(text);
	must(dir != NULL && mkdtemp(dir) != NULL, text);
	return dir;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	(void)remove(path);
	return 0;
}

void
pki_dir_free(char *dir)
{
	if (dir == NULL)
		return;
	(void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(dir);
}

const char *
pki_path(const char *dir, const char *name)
{
	static char ring[8][1024];
	static unsigned int next;
	char *out = ring[next++ % 8];

	(void)snprintf(out, sizeof(ring[0]), "%s/%s", dir, name);
	return out;
}

/* Makes the folders between `dir` and the last part of `path`. */
static void
make_folders(const char *dir, const char *path)
{
	char part[1024];

	for (const char *p = path + strlen(dir) + 1; (p = strchr(p, '/')) != NULL; p++) {
		(void)snprintf(part, sizeof(part), "%.*s", (int)(p - path), path);
		must(mkdir(part, 0755) == 0 || errno == EEXIST, part);
	}
}

void
pki_write(const char *dir, const char *name, mode_t mode, const struct pki_buf *b)
{
	char path[1024], tmp[1024 + 16];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)snprintf(tmp, sizeof(tmp), "%s.pki-new~", path);
	make_folders(dir, path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0, tmp);
	must(write(fd, b->data, b->len) == (ssize_t)b->len, tmp);
	must(fchmod(fd, mode) == 0, tmp);
	must(close(fd) == 0, tmp);
	must(rename(tmp, path) == 0, path);
}

void
pki_write_pair(const char *dir, const char *name, const struct pki_cert *c)
{
	struct pki_buf b = { 0 };

	pki_put_chain(&b, c);
	pki_put_key(&b, c);
	pki_write(dir, name, 0600, &b);
	pki_buf_free(&b);
}

void
pki_write_chain(const char *dir, const char *name, const struct pki_cert *c)
{
	struct pki_buf b = { 0 };

	pki_put_chain(&b, c);
	pki_write(dir, name, 0644, &b);
	pki_buf_free(&b);
}

void
pki_write_key(const char *dir, const char *name, const struct pki_cert *c)
{
	struct pki_buf b = { 0 };

	pki_put_key(&b, c);
	pki_write(dir, name, 0600, &b);
	pki_buf_free(&b);
}

void
pki_write_text(const char *dir, const char *name, const char *text)
{
	struct pki_buf b = { 0 };

	pki_put_text(&b, text);
	pki_write(dir, name, 0600, &b);
	pki_buf_free(&b);
}

void
pki_link(const char *dir, const char *name, const char *target)
{
	char path[1024];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	make_folders(dir, path);
	must(symlink(target, path) == 0, path);
}

void
pki_certbot_archive(const char *dir, const char *name, const struct pki_cert *c, int n)
{
	struct pki_buf cert = { 0 }, full = { 0 }, key = { 0 };
	char path[512];

	pki_put_cert(&cert, c);
	pki_put_chain(&full, c);
	pki_put_key(&key, c);
	(void)snprintf(path, sizeof(path), "archive/%s/cert%d.pem", name, n);
	pki_write(dir, path, 0644, &cert);
	(void)snprintf(path, sizeof(path), "archive/%s/chain%d.pem", name, n);
	pki_write(dir, path, 0644, &(struct pki_buf){ full.data + cert.len,
	    full.len - cert.len });
	(void)snprintf(path, sizeof(path), "archive/%s/fullchain%d.pem", name, n);
	pki_write(dir, path, 0644, &full);
	(void)snprintf(path, sizeof(path), "archive/%s/privkey%d.pem", name, n);
	pki_write(dir, path, 0600, &key);
	pki_buf_free(&cert);
	pki_buf_free(&full);
	pki_buf_free(&key);
}

void
pki_certbot_unlink(const char *dir, const char *name, const char *kind)
{
	char path[1024];

	(void)snprintf(path, sizeof(path), "%s/live/%s/%s.pem", dir, name, kind);
	must(unlink(path) == 0 || errno == ENOENT, path);
}

void
pki_certbot_link(const char *dir, const char *name, const char *kind, int n)
{
	char link[512], target[512];

	(void)snprintf(link, sizeof(link), "live/%s/%s.pem", name, kind);
	(void)snprintf(target, sizeof(target), "../../archive/%s/%s%d.pem", name,
	    kind, n);
	pki_link(dir, link, target);
}

void
pki_certbot(const char *dir, const char *name, const struct pki_cert *c, int n)
{
	static const char *const order[] = { "cert", "privkey", "chain", "fullchain" };

	pki_certbot_archive(dir, name, c, n);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		pki_certbot_unlink(dir, name, order[i]);
		pki_certbot_link(dir, name, order[i], n);
	}
}
