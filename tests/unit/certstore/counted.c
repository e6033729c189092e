/* SPDX-License-Identifier: ISC */
#include "counted.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "ask.h"
#include "base/fail.h"
#include "certstore/index_sql.h"
#include "certstore/store.h"

const char *counted_refuses;

static atomic_long opened, listed, links;

static int
count_open(void *ctx, const char *path, int *ret_fd, struct sst_error *err)
{
	atomic_fetch_add(&opened, 1);
	return sst_source_files.open(ctx, path, ret_fd, err);
}

static int
count_list(void *ctx, const char *path, int (*each)(void *arg, const char *name),
    void *arg, struct sst_error *err)
{
	atomic_fetch_add(&listed, 1);
	if (counted_refuses != NULL && strcmp(path, counted_refuses) == 0)
		return sst_fail_errno(err, EACCES, "%s", path);
	return sst_source_files.list(ctx, path, each, arg, err);
}

static int
count_exposed(void *ctx, const char *path, struct sst_error *err)
{
	return sst_source_files.exposed(ctx, path, err);
}

static int
count_readlink(void *ctx, const char *path, char *out, size_t size, struct sst_error *err)
{
	atomic_fetch_add(&links, 1);
	return sst_source_files.readlink(ctx, path, out, size, err);
}

static const struct sst_source_ops ops = {
	.open = count_open,
	.list = count_list,
	.exposed = count_exposed,
	.readlink = count_readlink,
};

struct sst_store *
counted_store(const struct sst_store_config *config)
{
	struct sst_error err = { .code = SST_OK };
	struct sst_store *s = NULL;

	if (sst_store_new_from(config, &ops, NULL, &s, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

struct counted
counted_since(struct sst_store *s)
{
	struct counted c = { .opened = atomic_exchange(&opened, 0),
	    .listed = atomic_exchange(&listed, 0), .links = atomic_exchange(&links, 0) };

	sst_store_lock(s);
	for (size_t i = 0; i < S_ALL; i++)
		if (s->index->st[i] != NULL)
			c.steps += sqlite3_stmt_status(s->index->st[i],
			    SQLITE_STMTSTATUS_VM_STEP, 1);
	sst_store_unlock(s);
	return c;
}
