/* SPDX-License-Identifier: ISC */
/* arm - sets the watches of the way to a source (inside.h); those of the names in it
 * follow in sweep. */
#include "inside.h"

#include "certbot.h"
#include "trail.h"

#include <string.h>

struct arming {
	struct sst_watch *w;
	struct sst_target *t;
	int failed;
};

static int
subscribe(struct sst_watch *w, struct sst_target *t, const char *path, const char *name,
    int kind)
{
	return sst_dirs_subscribe(&w->dirs, &t->held, t, t->round, path, name, kind);
}

static int
arm_route(void *arg, const char *dir, const char *name)
{
	struct arming *a = arg;

	a->failed = subscribe(a->w, a->t, dir, name, SST_SUB_ROUTE) < 0;
	return a->failed ? -1 : 0;
}

/* What certbot keeps beside live/. 0, or -1. */
static int
arm_beside(struct sst_watch *w, struct sst_target *t)
{
	char path[PATH_MAX];

	if (sst_certbot_renewal(t->path, path, sizeof(path)))
		return t->is_dir && subscribe(w, t, path, NULL, SST_SUB_RENEWAL) < 0 ?
		    -1 : 0;
	if (sst_certbot_archive(t->path, path, sizeof(path)))
		return subscribe(w, t, path, NULL, SST_SUB_LEAF) < 0 ? -1 : 0;
	return 0;
}

int
sst_target_arm(struct sst_watch *w, struct sst_target *t, int64_t now)
{
	struct arming a = { .w = w, .t = t };
	struct stat st = { 0 };
	int rc = 0;

	sst_fan_leave(w, t);
	t->fan_refused = 0;
	t->round++;
	t->error = 0;
	w->dirs.error = 0;
	/* The clock that files get their times from. */
	(void)clock_gettime(CLOCK_REALTIME_COARSE, &t->since);
	/* Too many links is not our trouble: then nothing can be opened. */
	(void)sst_trail(t->path, arm_route, &a);
	(void)stat(t->path, &st);
	t->dev = st.st_dev;
	t->ino = st.st_ino;
	if (a.failed || arm_beside(w, t) != 0)
		return -1;
	if (t->is_dir)
		rc = subscribe(w, t, t->path, NULL, SST_SUB_ROOT);
	if (rc < 0)
		return -1;
	t->root_watched = rc;
	t->error = w->dirs.error;
	sst_dirs_prune(&w->dirs, &t->held, t, t->round);
	if (!t->is_dir)
		sst_watch_say(w, t);
	else if (sst_walk_begin(w, t, 1) != 0)
		sst_target_mark(w, t, "", now + SST_WATCH_SWEEP_MS);
	return 0;
}
