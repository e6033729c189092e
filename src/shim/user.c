/* SPDX-License-Identifier: ISC */
#include "sys.h"

#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

/*
 * process_vm_readv() on ourselves is the one way to learn that memory is not
 * there without a signal handler. Where a filter forbids it we copy as libc
 * does, and a bad pointer is a fault as in any other function.
 */
long
sst_user_read(void *to, const void *user, size_t len)
{
	struct iovec local = { .iov_base = to, .iov_len = len };
	struct iovec remote = { .iov_base = (void *)(uintptr_t)user, .iov_len = len };
	long r;

	if (len == 0)
		return 0;
	r = SST_SYS(SYS_process_vm_readv, getpid(), &local, 1UL, &remote, 1UL, 0UL);
	if (r == -ENOSYS || r == -EPERM) {
		memcpy(to, user, len);
		return (long)len;
	}
	return r;
}

int
sst_user_write(void *user, const void *from, size_t len)
{
	struct iovec local = { .iov_base = (void *)(uintptr_t)from, .iov_len = len };
	struct iovec remote = { .iov_base = user, .iov_len = len };
	long r;

	if (len == 0)
		return 0;
	r = SST_SYS(SYS_process_vm_writev, getpid(), &local, 1UL, &remote, 1UL, 0UL);
	if (r == -ENOSYS || r == -EPERM) {
		memcpy(user, from, len);
		return 0;
	}
	return r == (long)len ? 0 : -EFAULT;
}

int
sst_user_address(struct sockaddr *user, socklen_t *user_len, const void *addr,
    socklen_t len)
{
	int room;
	int r;

	if (sst_user_read(&room, user_len, sizeof(room)) != (long)sizeof(room))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if ((socklen_t)room > len)
		room = (int)len;
	r = sst_user_write(user, addr, (size_t)room);
	return r < 0 ? r : sst_user_write(user_len, &len, sizeof(len));
}
