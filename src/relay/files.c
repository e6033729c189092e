/* SPDX-License-Identifier: ISC */
#include "files.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/fail.h"
#include "base/wire.h"
#include "certstore/source.h"

_Static_assert(SST_ANSWER_FDS == SST_WIRE_FDS && SST_ANSWER_SIZE >= SST_OPEN_DATA_MAX,
    "room for all that an answer can carry");

static _Thread_local uint64_t unanswered;	/* questions of this thread */

int
sst_files_init(struct sst_files *files, int channel)
{
	const struct timeval limit = { .tv_sec = SST_WIRE_TIMEOUT_MS / 1000 };

	files->channel = channel;
	(void)pthread_mutex_init(&files->mu, NULL);
	if (setsockopt(channel, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    setsockopt(channel, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return -1;
	return 0;
}

void
sst_files_done(struct sst_files *files)
{
	(void)pthread_mutex_destroy(&files->mu);
}

/* Takes what the keeper owes to questions that were given up. 0, or -1 with errno:
 * EAGAIN when it did not come yet, for which nobody waits again. */
static int
take_late(struct sst_files *files)
{
	struct pollfd p = { .fd = files->channel, .events = POLLIN };
	struct sst_wire_head head;
	char data[PATH_MAX];
	int fd;

	for (; files->late > 0; files->late--) {
		if (poll(&p, 1, 0) == 0) {
			errno = EAGAIN;
			return -1;
		}
		if (sst_wire_recv(files->channel, &head, data, sizeof(data), &fd,
		    1) < 0 && errno != EMFILE)
			return -1;
		if (fd >= 0)
			(void)close(fd);
	}
	return 0;
}

/* The length of the answer's data, or -1 with errno. */
static long
ask_locked(struct sst_files *files, struct sst_wire_head *head, const char *path,
    char *data, size_t size, int *fds, size_t n_fds)
{
	long n;

	if (files->channel < 0) {
		errno = EPIPE;
		return -1;
	}
	n = take_late(files);
	if (n == 0)
		n = sst_wire_send(files->channel, head, path, strlen(path) + 1, NULL,
		    0);
	if (n == 0) {
		n = sst_wire_recv(files->channel, head, data, size, fds, n_fds);
		if (n < 0 && errno == EAGAIN)
			files->late++;
	}
	if (n < 0 && errno == EAGAIN) {
		unanswered++;
		errno = ETIMEDOUT;
	} else if (n < 0 && errno != EMFILE) {
		files->channel = -1;
	}
	return n;
}

uint64_t
sst_files_unanswered(void)
{
	return unanswered;
}

int
sst_files_gone(struct sst_files *files)
{
	int gone;

	(void)pthread_mutex_lock(&files->mu);
	gone = files->channel < 0;
	(void)pthread_mutex_unlock(&files->mu);
	return gone;
}

static int
path_fail(struct sst_error *err, int code, const char *path)
{
	char shown[400];

	return sst_fail_errno(err, code, "%s",
	    sst_escape(shown, sizeof(shown), path, strlen(path)));
}

static void
close_all(const int *fds, size_t n_fds)
{
	for (size_t i = 0; i < n_fds; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
}

/* *ret_len: of the data; fds: -1 where none came. -1 with *ret_errno. */
static int
ask(struct sst_files *files, uint16_t verb, uint32_t id, const char *path, char *data,
    size_t size, size_t *ret_len, int *ret_a, int *fds, size_t n_fds, int *ret_errno)
{
	struct sst_wire_head head;
	long n;

	for (size_t i = 0; i < n_fds; i++)
		fds[i] = -1;
	sst_wire_init(&head, verb);
	head.id = id;
	(void)pthread_mutex_lock(&files->mu);
	n = ask_locked(files, &head, path, data, size, fds, n_fds);
	(void)pthread_mutex_unlock(&files->mu);
	if (n >= 0 && head.verb == SST_WIRE_REPLY && head.a >= 0) {
		*ret_len = (size_t)n;
		*ret_a = head.a;
		return 0;
	}
	if (n >= 0) {
		close_all(fds, n_fds);
		errno = head.b != 0 ? head.b : EPROTO;
	}
	*ret_errno = errno;
	/* what the keeper lacks, or this process, says nothing of the file */
	unanswered += (uint64_t)sst_source_is_want(*ret_errno);
	return -1;
}

static int
open_as(struct sst_files *files, uint16_t verb, uint32_t id, const char *path, int *ret_fd,
    struct sst_error *err)
{
	char data[PATH_MAX];
	int fd = -1;
	size_t len;
	int a, code;

	if (ask(files, verb, id, path, data, sizeof(data), &len, &a, &fd, 1,
	    &code) < 0)
		return path_fail(err, code, path);
	if (fd < 0)
		return path_fail(err, EPROTO, path);
	*ret_fd = fd;
	return SST_OK;
}

int
sst_files_open(struct sst_files *files, uint32_t id, const char *path, int *ret_fd,
    struct sst_error *err)
{
	return open_as(files, SST_OPEN_PATH, id, path, ret_fd, err);
}

int
sst_files_open_list(struct sst_files *files, uint32_t id, const char *path, int *ret_fd,
    struct sst_error *err)
{
	return open_as(files, SST_OPEN_LIST, id, path, ret_fd, err);
}

int
sst_files_ahead(struct sst_files *files, uint32_t id, const char *path,
    struct sst_answer *ret)
{
	int a, code;

	ret->n_fds = 0;
	if (ask(files, SST_OPEN_AHEAD, id, path, ret->text, sizeof(ret->text), &ret->len,
	    &a, ret->fd, SST_ANSWER_FDS, &code) < 0)
		return SST_E_SYSTEM;
	ret->is_folder = a == 1;
	while (ret->n_fds < SST_ANSWER_FDS && ret->fd[ret->n_fds] >= 0)
		ret->n_fds++;
	return SST_OK;
}

int
sst_files_link(struct sst_files *files, uint32_t id, const char *path, char *out,
    size_t size, struct sst_error *err)
{
	char data[PATH_MAX];
	size_t len;
	int a, code;

	if (ask(files, SST_OPEN_LINK, id, path, data, sizeof(data), &len, &a, NULL, 0,
	    &code) < 0) {
		if (code == EINVAL || code == ENOENT || code == ENOTDIR)
			return SST_E_NOT_FOUND;
		return path_fail(err, code, path);
	}
	len = strnlen(data, len);
	if (len >= size)
		return path_fail(err, ENAMETOOLONG, path);
	memcpy(out, data, len);
	out[len] = '\0';
	return SST_OK;
}

int
sst_files_exposed(struct sst_files *files, uint32_t id, const char *path,
    struct sst_error *err)
{
	char data[PATH_MAX];
	size_t len;
	int a, code;

	if (ask(files, SST_OPEN_EXPOSED, id, path, data, sizeof(data), &len, &a, NULL, 0,
	    &code) < 0)
		return path_fail(err, code, path);
	return a != 0;
}

void
sst_files_sync(struct sst_files *files)
{
	char data[PATH_MAX];
	size_t len;
	int a, code;

	/* No source has the id 0: any answer will do. The keeper takes events in
	 * the order in which they came, this question after the messages. */
	(void)ask(files, SST_OPEN_EXPOSED, 0, "/", data, sizeof(data), &len, &a, NULL, 0,
	    &code);
}
