/* SPDX-License-Identifier: ISC */
#include "plain.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/fail.h"

/* What errno means after a call that failed; `want`: what to wait for. */
static enum sst_step
failed(enum sst_step want, struct sst_error *err)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return want;
	if (errno == ECONNRESET || errno == EPIPE)
		(void)sst_fail(err, SST_E_PEER, "the peer reset the connection");
	else
		(void)sst_fail_errno(err, errno, "connection");
	return SST_STEP_FAILED;
}

enum sst_step
sst_plain_read(int fd, void *buf, size_t size, size_t *ret_n, int *ret_drained,
    struct sst_error *err)
{
	ssize_t n;

	do
		n = recv(fd, buf, size, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	*ret_drained = n < (ssize_t)size;
	if (n < 0)
		return failed(SST_STEP_WANT_READ, err);
	if (n == 0)
		return SST_STEP_END;
	*ret_n = (size_t)n;
	return SST_STEP_DONE;
}

enum sst_step
sst_plain_write(int fd, const void *buf, size_t len, size_t *ret_n,
    struct sst_error *err)
{
	ssize_t n;

	do
		n = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return failed(SST_STEP_WANT_WRITE, err);
	*ret_n = (size_t)n;
	return SST_STEP_DONE;
}
