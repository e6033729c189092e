/* SPDX-License-Identifier: ISC */
/* unlinked - see unlinked.h. */
#include "unlinked.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

int
sst_open_unlinked(int at, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
		.resolve = RESOLVE_NO_SYMLINKS,
	};
	long fd = syscall(SYS_openat2, at, path, &how, sizeof(how));

	/* Linux before 5.6, and sandboxes that know no openat2. */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = openat(at, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY |
		    O_NOFOLLOW);
	return (int)fd;
}
