/* SPDX-License-Identifier: ISC */
/*
 * make_vfs - SQLite's file system with a fault in it: the n-th call of a kind fails.
 */
#ifndef SST_TEST_MAKE_VFS_H
#define SST_TEST_MAKE_VFS_H

enum vfs_kind {
	VFS_NONE = 0,
	VFS_WRITE = 1,		/* xWrite, xTruncate */
	VFS_SYNC = 2,
	VFS_READ = 4,
	VFS_OPEN = 8,		/* xOpen, xDelete */
	VFS_SHM = 16		/* xShmMap, xShmLock */
};

void	vfs_install(void);	/* the default from now on */
/* The n-th call from now of any of `kinds` fails with `code`, and so do those after
 * it when `lasting`. */
void	vfs_arm(unsigned kinds, long n, int code, int lasting);
/* How often it did; disarms. */
int	vfs_fired(void);

#endif
