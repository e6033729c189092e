/* SPDX-License-Identifier: ISC */
#include "make_vfs.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* Ours in front, what it stands for behind. */
struct file {
	sqlite3_file	 base;
	sqlite3_file	*real;
};

static sqlite3_vfs *under, shim;
static struct { unsigned kinds; long left; int code, lasting, fired; } fault;

static int
fails(unsigned kind)
{
	if ((fault.kinds & kind) == 0)
		return 0;
	if (fault.left > 0 && --fault.left > 0)
		return 0;
	if (fault.fired > 0 && !fault.lasting)
		return 0;
	fault.fired++;
	return fault.code;
}

#define REAL(f)		(((struct file *)(f))->real)
#define CALL(f, m, ...)	(REAL(f)->pMethods->m(REAL(f) __VA_OPT__(,) __VA_ARGS__))

static int
f_close(sqlite3_file *f)
{
	int rc = CALL(f, xClose);

	free(REAL(f));
	return rc;
}

static int
f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	int rc = fails(VFS_READ);

	return rc != 0 ? rc : CALL(f, xRead, p, n, at);
}

static int
f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	int rc = fails(VFS_WRITE);

	/* half of it arrives, as on a full disk */
	if (rc != 0 && n > 1)
		(void)CALL(f, xWrite, p, n / 2, at);
	return rc != 0 ? rc : CALL(f, xWrite, p, n, at);
}

static int
f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int rc = fails(VFS_WRITE);

	return rc != 0 ? rc : CALL(f, xTruncate, size);
}

static int
f_sync(sqlite3_file *f, int flags)
{
	int rc = fails(VFS_SYNC);

	return rc != 0 ? rc : CALL(f, xSync, flags);
}

static int
f_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	return CALL(f, xFileSize, ret);
}

static int
f_lock(sqlite3_file *f, int how)
{
	return CALL(f, xLock, how);
}

static int
f_unlock(sqlite3_file *f, int how)
{
	return CALL(f, xUnlock, how);
}

static int
f_reserved(sqlite3_file *f, int *ret)
{
	return CALL(f, xCheckReservedLock, ret);
}

static int
f_control(sqlite3_file *f, int op, void *arg)
{
	return CALL(f, xFileControl, op, arg);
}

static int
f_sector(sqlite3_file *f)
{
	return CALL(f, xSectorSize);
}

static int
f_device(sqlite3_file *f)
{
	return CALL(f, xDeviceCharacteristics);
}

static int
f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
	int rc = fails(VFS_SHM);

	return rc != 0 ? rc : CALL(f, xShmMap, page, size, extend, ret);
}

static int
f_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
	int rc = (flags & SQLITE_SHM_LOCK) != 0 ? fails(VFS_SHM) : 0;

	return rc != 0 ? rc : CALL(f, xShmLock, at, n, flags);
}

static void
f_shm_barrier(sqlite3_file *f)
{
	CALL(f, xShmBarrier);
}

static int
f_shm_unmap(sqlite3_file *f, int remove)
{
	return CALL(f, xShmUnmap, remove);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2, .xClose = f_close, .xRead = f_read, .xWrite = f_write,
	.xTruncate = f_truncate, .xSync = f_sync, .xFileSize = f_size, .xLock = f_lock,
	.xUnlock = f_unlock, .xCheckReservedLock = f_reserved, .xFileControl = f_control,
	.xSectorSize = f_sector, .xDeviceCharacteristics = f_device, .xShmMap = f_shm_map,
	.xShmLock = f_shm_lock, .xShmBarrier = f_shm_barrier, .xShmUnmap = f_shm_unmap
};

static int
v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	struct file *file = (struct file *)f;
	int rc = fails(VFS_OPEN);

	(void)v;
	file->base.pMethods = NULL;
	if (rc != 0)
		return rc;
	file->real = calloc(1, (size_t)under->szOsFile);
	if (file->real == NULL)
		return SQLITE_NOMEM;
	rc = under->xOpen(under, name, file->real, flags, ret_flags);
	if (rc != SQLITE_OK)
		free(file->real);
	else
		file->base.pMethods = &methods;
	return rc;
}

static int
v_delete(sqlite3_vfs *v, const char *name, int sync)
{
	int rc = fails(VFS_OPEN);

	(void)v;
	return rc != 0 ? rc : under->xDelete(under, name, sync);
}

void
vfs_install(void)
{
	under = sqlite3_vfs_find(NULL);
	shim = *under;
	shim.zName = "faulty";
	shim.szOsFile = sizeof(struct file);
	shim.xOpen = v_open;
	shim.xDelete = v_delete;
	(void)sqlite3_vfs_register(&shim, 1);
}

void
vfs_arm(unsigned kinds, long n, int code, int lasting)
{
	fault.kinds = kinds;
	fault.left = n;
	fault.code = code;
	fault.lasting = lasting;
	fault.fired = 0;
}

int
vfs_fired(void)
{
	fault.kinds = 0;
	return fault.fired;
}
