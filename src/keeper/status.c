/* SPDX-License-Identifier: ISC */
#include "status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG	8
#define TRIES	3	/* another keeper may take the directory away */

void
sst_status_dir(uid_t uid, char *out, size_t size)
{
	if (uid == 0)
		(void)snprintf(out, size, "/run/securesockets");
	else
		(void)snprintf(out, size, "/run/user/%lu/securesockets",
		    (unsigned long)uid);
}

/* The directory is there, and nobody else can put anything into it. */
static int
directory(const char *dir)
{
	struct stat st;

	if (mkdir(dir, geteuid() == 0 ? 0755 : 0700) == 0) {
		/* The umask of the keeper is 077. */
		if (chmod(dir, geteuid() == 0 ? 0755 : 0700) != 0)
			return -1;
	} else if (errno != EEXIST) {
		return -1;
	}
	if (lstat(dir, &st) != 0)
		return -1;
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

/* Binds under a name of its own, then takes the place of the final one. */
static int
put_in_place(struct sst_status *s)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;

	if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/.%ld", s->dir,
	    (long)getpid()) >= (int)sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	(void)unlink(addr.sun_path);
	if (bind(s->fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		return -1;
	if (chmod(addr.sun_path, 0600) != 0 || listen(s->fd, BACKLOG) != 0 ||
	    lstat(addr.sun_path, &st) != 0 || rename(addr.sun_path, s->path) != 0) {
		(void)unlink(addr.sun_path);
		return -1;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

int
sst_status_open(struct sst_status *s, const char *dir, unsigned long pid)
{
	int error;

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	if (snprintf(s->dir, sizeof(s->dir), "%s", dir) >= (int)sizeof(s->dir)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	(void)snprintf(s->path, sizeof(s->path), "%s/%lu.sock", s->dir, pid);
	for (int i = 0; i < TRIES; i++) {
		if (directory(dir) != 0)
			return -1;
		s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (s->fd < 0)
			return -1;
		if (put_in_place(s) == 0)
			return 0;
		error = errno;
		(void)close(s->fd);
		s->fd = -1;
		errno = error;
		if (error != ENOENT)
			return -1;
	}
	return -1;
}

int
sst_status_may_ask(int conn)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	    (cred.uid == geteuid() || cred.uid == 0);
}

void
sst_status_close(struct sst_status *s)
{
	struct stat st;

	if (s->fd < 0)
		return;
	(void)close(s->fd);
	s->fd = -1;
	if (lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		(void)unlink(s->path);
	(void)rmdir(s->dir);
}
