/* SPDX-License-Identifier: ISC */
/*
 * Names without a watch, on a file system that is marked: a change is told without a
 * sweep, and whoever else writes there costs next to nothing.
 *
 * The file system is the test's own, so that nobody else is on it; for one test it is
 * that of the build, which is of a real kind, with others on it.
 */
#include "place.h"

#include "watch/watch.h"

#include "base/below.h"

#include "support/fds.h"
#include "support/mark.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#define ID	7
#define OTHER_ID 8
#define LOOK_MS	100	/* between two looks at what the kernel tells */
#define SLOW_MS	60000	/* between two sweeps meanwhile */
#define NAMES	9

struct scene {
	struct place	*p;
	struct sst_watch *w;
	struct sst_below told;
	int		 n_told;
	int64_t		 now;
	char		 said[700];	/* last, to people */
};

static int can;			/* there is such a mark here */
static int look_ups;		/* of directories, by their handles */
static int64_t cpu, a_look;	/* what a look at the clock costs */

int	__real_open_by_handle_at(int at, struct file_handle *, int flags);
int	__wrap_open_by_handle_at(int at, struct file_handle *, int flags);

int
__wrap_open_by_handle_at(int dir, struct file_handle *h, int flags)
{
	look_ups++;
	return __real_open_by_handle_at(dir, h, flags);
}

static int mark_errno;		/* of marks from now on; 0: as the kernel has it */
static int marks_spared;	/* so many are as the kernel has them before that */

int	__real_fanotify_mark(int fd, unsigned int, uint64_t, int at, const char *);
int	__wrap_fanotify_mark(int fd, unsigned int, uint64_t, int at, const char *);

int
__wrap_fanotify_mark(int fd, unsigned int flags, uint64_t mask, int dir, const char *path)
{
	if (mark_errno != 0 && (flags & FAN_MARK_ADD) != 0 && marks_spared-- <= 0) {
		errno = mark_errno;
		return -1;
	}
	return __real_fanotify_mark(fd, flags, mask, dir, path);
}

static int64_t
cpu_us(void)
{
	cpu += a_look;
	return cpu;
}

static void
say(void *arg, const char *text)
{
	struct scene *s = arg;

	(void)snprintf(s->said, sizeof(s->said), "%s", text);
}

static void
begin(struct scene *s, size_t most, int mark)
{
	const struct sst_watch_plan plan = { .most = most, .mark = mark,
	    .cpu_us = cpu_us, .say = say, .arg = s };

	sst_watch_free(s->w);
	s->w = sst_watch_new(&plan, s->now);
	assert_non_null(s->w);
}

static int
scene_open_in(void **state, const char *above)
{
	struct scene *s = calloc(1, sizeof(*s));
	void *p;

	if (s == NULL || place_open_in(&p, above) != 0)
		return -1;
	*state = s;
	s->p = p;
	s->now = 1000;
	a_look = 1;
	mark_errno = marks_spared = 0;
	return 0;
}

static int
scene_open(void **state)
{
	const char *dir;

	if (scene_open_in(state, "/tmp") != 0)
		return -1;
	dir = ((struct scene *)*state)->p->dir;
	can = mount("tmpfs", dir, "tmpfs", 0, "mode=0755") == 0 && mark_is_granted(dir);
	return 0;
}

static int
scene_open_here(void **state)
{
	char here[512];
	struct statfs fs;

	if (getcwd(here, sizeof(here)) == NULL || scene_open_in(state, here) != 0)
		return -1;
	can = statfs(here, &fs) == 0 && fs.f_type != TMPFS_MAGIC && mark_is_granted(here);
	return 0;
}

static int
scene_close(void **state)
{
	struct scene *s = *state;
	void *p = s->p;

	sst_watch_free(s->w);
	sst_below_done(&s->told);
	(void)umount2(s->p->dir, MNT_DETACH);
	free(s);
	return place_close(&p);
}

static void
count(void *arg, uint32_t id, const struct sst_below *below)
{
	struct scene *s = arg;

	assert_true(id == ID || id == OTHER_ID);
	s->n_told++;
	sst_below_join(&s->told, below);
}

static void
settle(struct scene *s)
{
	do {
		sst_watch_read(s->w, s->now);
		sst_watch_step(s->w, s->now, count, s);
	} while (sst_watch_due(s->w) <= s->now);
}

/* What is told within so many ms, with a comma behind each name; "*": all of it. */
static const char *
told_in(struct scene *s, int64_t ms)
{
	const int64_t end = s->now + ms;
	static char text[1000];
	size_t at = 0;

	place_tick();
	s->n_told = 0;
	sst_below_done(&s->told);
	sst_watch_read(s->w, s->now);
	while (sst_watch_due(s->w) <= end) {
		if (sst_watch_due(s->w) > s->now)
			s->now = sst_watch_due(s->w);
		sst_watch_step(s->w, s->now, count, s);
		sst_watch_read(s->w, s->now);
	}
	s->now = end;
	text[0] = '\0';
	for (const char *p = NULL; (p = sst_below_next(&s->told, p)) != NULL;)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s,", p);
	return s->told.all ? "*" : text;
}

#define AT_ONCE	(LOOK_MS + SST_WATCH_QUIET_MS)

/* DIR/0 ... with a file in each. */
static void
put_names(struct scene *s, const char *dir)
{
	char name[32];

	put_dir(s->p, dir);
	for (int i = 0; i < NAMES; i++) {
		(void)snprintf(name, sizeof(name), "%s/%d", dir, i);
		put_dir(s->p, name);
		(void)snprintf(name, sizeof(name), "%s/%d/cert", dir, i);
		put_file(s->p, name, "one");
	}
	place_tick();
}

/* Of tls/0 ... four have a watch: the first four. */
static void
watch_names(struct scene *s)
{
	char name[32];

	assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "tls"), 1, s->now), 0);
	settle(s);
	for (int i = 0; i < 4; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		sst_watch_hot(s->w, ID, name, s->now);
	}
}

static void
plant(struct scene *s, int mark)
{
	begin(s, 7, mark);
	put_dir(s->p, "beside");
	put_names(s, "tls");
	watch_names(s);
	/* Past the first sweep, which looks for what came before the mark. */
	assert_string_equal(told_in(s, SST_WATCH_SWEEP_MS + 1000), "");
}

static enum sst_watch_mark
mark_of(struct scene *s, unsigned *ret_every_ms)
{
	struct sst_watch_rule rule;

	assert_int_equal(sst_watch_rule(s->w, ID, &rule), 1);
	if (ret_every_ms != NULL)
		*ret_every_ms = rule.every_ms;
	return (enum sst_watch_mark)rule.mark;
}

static void
see_changes_told_at_once(struct scene *s)
{
	unsigned every;

	plant(s, 1);
	assert_int_equal(mark_of(s, &every), SST_MARK_HELD);
	assert_int_equal(every, SLOW_MS);
	/* In place, and not before it was quiet. */
	put_file(s->p, "tls/7/cert", "again");
	assert_string_equal(told_in(s, LOOK_MS), "");
	assert_string_equal(told_in(s, SST_WATCH_QUIET_MS), "7,");
	/* Renamed over, taken away, its mode, moved away, a link made. */
	put_file(s->p, "beside/new", "again");
	put_over(s->p, "beside/new", "tls/8/cert");
	assert_string_equal(told_in(s, AT_ONCE), "8,");
	assert_int_equal(unlink(at(s->p, "tls/6/cert")), 0);
	assert_string_equal(told_in(s, AT_ONCE), "6,");
	assert_int_equal(chmod(at(s->p, "tls/5/cert"), 0600), 0);
	assert_string_equal(told_in(s, AT_ONCE), "5,");
	put_over(s->p, "tls/5/cert", "beside/cert");
	assert_string_equal(told_in(s, AT_ONCE), "5,");
	put_link(s->p, "tls/6/cert", "../../beside/cert");
	assert_string_equal(told_in(s, AT_ONCE), "6,");
	/* And one that has a watch, as ever; each of them once. */
	put_file(s->p, "tls/2/cert", "again");
	assert_string_equal(told_in(s, AT_ONCE + SST_WATCH_QUIET_MS), "2,");
	assert_string_equal(told_in(s, 2 * SLOW_MS), "");
}

static void
a_name_without_a_watch_is_told_at_once_where_there_is_a_mark(void **state)
{
	if (!can)
		skip();
	see_changes_told_at_once(*state);
}

static void
a_file_system_on_a_disk_is_marked_as_one_in_memory(void **state)
{
	if (!can)
		skip();
	see_changes_told_at_once(*state);
}

static void
without_the_mark_the_sweep_finds_it(void **state)
{
	struct scene *s = *state;
	unsigned every;

	plant(s, 0);
	assert_int_equal(mark_of(s, &every), SST_MARK_NONE);
	assert_int_equal(every, SST_WATCH_SWEEP_MS);
	put_file(s->p, "tls/7/cert", "again");
	assert_string_equal(told_in(s, AT_ONCE), "");
	assert_string_equal(told_in(s, SST_WATCH_SWEEP_MS), "7,");
}

static void
who_may_set_no_mark_sweeps(void **state)
{
	struct scene *s = *state;

	if (geteuid() != 0)
		skip();
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(chown(s->p->dir, 65534, 65534), 0);
	assert_int_equal(seteuid(65534), 0);
	plant(s, 1);
	assert_int_equal(mark_of(s, NULL), SST_MARK_NONE);
	put_file(s->p, "tls/7/cert", "again");
	assert_string_equal(told_in(s, AT_ONCE), "");
	assert_string_equal(told_in(s, SST_WATCH_SWEEP_MS), "7,");
	assert_int_equal(seteuid(0), 0);
}

static void
who_was_refused_the_mark_keeps_nothing_of_it_and_asks_no_more(void **state)
{
	struct scene *s = *state;
	int before;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(s->p->dir, 65534, 65534), 0);
	assert_int_equal(seteuid(65534), 0);
	before = fds_open();
	plant(s, 1);
	/* that of inotify */
	assert_int_equal(fds_open(), before + 1);
	assert_int_equal(seteuid(0), 0);
	(void)told_in(s, 2 * SST_WATCH_SWEEP_MS);
	assert_int_equal(mark_of(s, NULL), SST_MARK_NONE);
}

/* Descriptors above `n` more are not to be had. */
static void
leave_descriptors(int n, struct rlimit *ret_before)
{
	struct rlimit few;
	int lowest = dup(STDERR_FILENO);

	assert_true(lowest >= 0);
	assert_int_equal(close(lowest), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, ret_before), 0);
	few = *ret_before;
	few.rlim_cur = (rlim_t)(lowest + n);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
}

/* At each of the steps to it. */
static void
a_mark_that_failed_for_want_of_descriptors_is_tried_again(void **state)
{
	struct scene *s = *state;
	struct rlimit before;
	int failed = 0;

	if (!can)
		skip();
	put_names(s, "tls");
	/* one for inotify, one to list the directory */
	for (int n = 2; n < 6; n++) {
		begin(s, 7, 1);
		leave_descriptors(n, &before);
		watch_names(s);
		(void)told_in(s, SST_WATCH_SWEEP_MS + 1000);
		failed += mark_of(s, NULL) == SST_MARK_NONE;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		(void)told_in(s, SST_WATCH_SWEEP_MS + 1000);
		assert_int_equal(mark_of(s, NULL), SST_MARK_HELD);
		put_file(s->p, "tls/7/cert", "again");
		assert_string_equal(told_in(s, AT_ONCE), "7,");
	}
	assert_true(failed > 1 && failed < 4);
}

/* What the kernel has no room for it may have later; what it refuses it refuses again. */
static void
what_is_wanting_is_asked_for_again_and_what_is_refused_is_not(void **state)
{
	static const struct { int error, again; } v[] = {
		{ ENOMEM, 1 }, { EMFILE, 1 }, { ENFILE, 1 }, { ENOSPC, 1 },
		{ EPERM, 0 }, { EXDEV, 0 }, { EOPNOTSUPP, 0 },
	};
	struct scene *s = *state;
	int before;

	if (!can)
		skip();
	put_names(s, "tls");
	before = fds_open();
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		begin(s, 7, 1);
		mark_errno = v[i].error;
		marks_spared = 0;
		watch_names(s);
		(void)told_in(s, SST_WATCH_SWEEP_MS + 1000);
		mark_errno = 0;
		assert_int_equal(mark_of(s, NULL), SST_MARK_NONE);
		/* that of inotify */
		assert_int_equal(fds_open(), before + 1);
		(void)told_in(s, SST_WATCH_SWEEP_MS + 1000);
		assert_int_equal(mark_of(s, NULL), v[i].again ? SST_MARK_HELD :
		    SST_MARK_NONE);
	}
}

/* A second source that cannot be marked takes nothing from the first. */
static void
who_is_refused_leaves_the_mark_of_another(void **state)
{
	struct scene *s = *state;
	struct sst_watch_rule other;
	const char *first;

	if (!can)
		skip();
	put_names(s, "tls");
	put_names(s, "two");
	begin(s, 9, 1);
	mark_errno = EPERM;
	marks_spared = 1;
	assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "tls"), 1, s->now), 0);
	assert_int_equal(sst_watch_add(s->w, OTHER_ID, at(s->p, "two"), 1, s->now), 0);
	settle(s);
	(void)told_in(s, SST_WATCH_SWEEP_MS + 1000);
	mark_errno = marks_spared = 0;
	assert_int_equal(sst_watch_rule(s->w, OTHER_ID, &other), 1);
	first = other.mark == SST_MARK_HELD ? "two/8/cert" : "tls/8/cert";
	assert_int_not_equal(mark_of(s, NULL), other.mark);
	put_file(s->p, first, "again");
	assert_string_equal(told_in(s, AT_ONCE), "8,");
	/* and is swept itself */
	put_file(s->p, other.mark == SST_MARK_HELD ? "tls/8/cert" : "two/8/cert", "again");
	assert_string_equal(told_in(s, AT_ONCE), "");
	assert_string_equal(told_in(s, SST_WATCH_SWEEP_MS), "8,");
}

/* What a process under a filter of system calls is shown; the filter stays with it. */
static void
under_a_filter_of_system_calls_nothing_is_marked(void **state)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct sock_fprog all = { .len = 1, .filter = &allow };
	struct scene *s = *state;
	struct sst_watch_rule rule;
	int status;
	pid_t pid;

	if (!can)
		skip();
	put_names(s, "tls");
	for (int filtered = 0; filtered < 2; filtered++) {
		pid = fork();
		if (pid == 0) {
			if (filtered && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
			    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all) != 0))
				_exit(99);
			begin(s, 7, 1);
			if (sst_watch_add(s->w, ID, at(s->p, "tls"), 1, s->now) != 0)
				_exit(98);
			settle(s);
			_exit(sst_watch_rule(s->w, ID, &rule) ? rule.mark : 97);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, (filtered ? SST_MARK_NONE : SST_MARK_HELD) << 8);
	}
}

static void
nothing_is_marked_where_the_directory_itself_has_no_watch(void **state)
{
	struct scene *s = *state;

	for (size_t most = 2; most <= 3; most++) {
		begin(s, most, 1);
		if (most == 2)
			put_names(s, "tls");
		assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "tls"), 1, s->now), 0);
		settle(s);
		assert_int_equal(mark_of(s, NULL), most == 3 && can ? SST_MARK_HELD :
		    SST_MARK_NONE);
	}
}

/* File systems that this process has marked. */
static int
marks(void)
{
	char path[64], line[256];
	int n = 0;
	FILE *f;

	for (int fd = 0; fd < 64; fd++) {
		(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		f = fopen(path, "re");
		while (f != NULL && fgets(line, sizeof(line), f) != NULL)
			n += strncmp(line, "fanotify sdev:", 14) == 0;
		if (f != NULL)
			(void)fclose(f);
	}
	return n;
}

static void
a_mark_goes_with_the_last_source_on_its_file_system(void **state)
{
	struct scene *s = *state;
	int before;

	if (!can)
		skip();
	put_dir(s->p, "far");
	assert_int_equal(mount("tmpfs", at(s->p, "far"), "tmpfs", 0, "mode=0755"), 0);
	put_names(s, "one");
	put_names(s, "two");
	put_names(s, "far/three");
	before = fds_open();
	begin(s, 9, 1);
	assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "one"), 1, s->now), 0);
	assert_int_equal(sst_watch_add(s->w, OTHER_ID, at(s->p, "two"), 1, s->now), 0);
	assert_int_equal(sst_watch_add(s->w, OTHER_ID + 1, at(s->p, "far/three"), 1,
	    s->now), 0);
	settle(s);
	(void)told_in(s, SST_WATCH_SWEEP_MS + 1000);
	assert_int_equal(marks(), 2);
	sst_watch_remove(s->w, OTHER_ID + 1);
	assert_int_equal(marks(), 1);
	sst_watch_remove(s->w, OTHER_ID);
	assert_int_equal(marks(), 1);
	put_file(s->p, "one/8/cert", "again");
	assert_string_equal(told_in(s, AT_ONCE), "8,");
	sst_watch_remove(s->w, ID);
	assert_int_equal(marks(), 0);
	/* that of inotify */
	assert_int_equal(fds_open(), before + 1);
	assert_int_equal(umount2(at(s->p, "far"), MNT_DETACH), 0);
}

static void
nothing_is_marked_where_all_names_have_a_watch(void **state)
{
	struct scene *s = *state;

	begin(s, 100, 1);
	put_dir(s->p, "tls");
	put_dir(s->p, "tls/a");
	assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "tls"), 1, s->now), 0);
	settle(s);
	assert_int_equal(mark_of(s, NULL), SST_MARK_NONE);
}

static void
the_archive_of_certbot_is_told_of_by_the_name_in_live(void **state)
{
	struct scene *s = *state;
	char name[64];

	if (!can)
		skip();
	begin(s, 7, 1);
	put_dir(s->p, "live");
	put_dir(s->p, "archive");
	for (int i = 0; i < NAMES; i++) {
		(void)snprintf(name, sizeof(name), "live/%d", i);
		put_dir(s->p, name);
		(void)snprintf(name, sizeof(name), "archive/%d", i);
		put_dir(s->p, name);
	}
	place_tick();
	assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "live"), 1, s->now), 0);
	settle(s);
	(void)told_in(s, SST_WATCH_SWEEP_MS + 1000);
	for (int i = 0; i < NAMES; i++) {
		(void)snprintf(name, sizeof(name), "archive/%d/cert2.pem", i);
		put_file(s->p, name, "two");
		(void)snprintf(name, sizeof(name), "%d,", i);
		assert_string_equal(told_in(s, AT_ONCE + SST_WATCH_QUIET_MS), name);
	}
	put_file(s->p, "archive/README", "nobody's");
	assert_string_equal(told_in(s, AT_ONCE + SST_WATCH_QUIET_MS), "");
}

static void
a_strangers_directory_that_becomes_a_name_is_known(void **state)
{
	struct scene *s = *state;

	if (!can)
		skip();
	plant(s, 1);
	put_dir(s->p, "beside/d");
	put_file(s->p, "beside/d/cert", "one");
	assert_string_equal(told_in(s, AT_ONCE), "");
	put_over(s->p, "beside/d", "tls/d");
	assert_string_equal(told_in(s, AT_ONCE), "d,");
	put_file(s->p, "tls/d/cert", "two");
	assert_string_equal(told_in(s, AT_ONCE), "d,");
	assert_false(place_is_watched(sst_watch_fd(s->w), at(s->p, "tls/d")));
	/* And one that is none any more. */
	put_over(s->p, "tls/d", "beside/d");
	assert_string_equal(told_in(s, AT_ONCE), "d,");
	put_file(s->p, "beside/d/cert", "three");
	assert_string_equal(told_in(s, AT_ONCE), "");
}

static void
a_directory_of_strangers_is_looked_up_once(void **state)
{
	struct scene *s = *state;

	if (!can)
		skip();
	plant(s, 1);
	put_dir(s->p, "beside/d");
	(void)told_in(s, AT_ONCE);
	for (int i = 0; i < 3; i++) {
		look_ups = 0;
		put_file(s->p, "beside/d/cert", "of a stranger");
		assert_string_equal(told_in(s, AT_ONCE), "");
		assert_int_equal(look_ups, i == 0);
	}
	/* a name of ours each time, and after that the strangers once more */
	for (int i = 0; i < 2; i++) {
		look_ups = 0;
		put_file(s->p, "tls/7/cert", "again");
		assert_string_equal(told_in(s, AT_ONCE), "7,");
		assert_int_equal(look_ups, 1);
	}
	look_ups = 0;
	put_file(s->p, "beside/d/cert", "of a stranger");
	assert_string_equal(told_in(s, AT_ONCE), "");
	assert_int_equal(look_ups, 1);
}

/* live/0 ... of which the first have a watch, and the last one leads to archive/8. */
static void
plant_live(struct scene *s)
{
	char name[64];

	begin(s, 7, 1);
	if (access(at(s->p, "live"), F_OK) != 0) {
		put_names(s, "live");
		put_link(s->p, "live/8/cert.pem", "../../archive/8/cert1.pem");
	}
	place_tick();
	assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "live"), 1, s->now), 0);
	settle(s);
	for (int i = 0; i < 4; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		sst_watch_hot(s->w, ID, name, s->now);
	}
	(void)told_in(s, SST_WATCH_SWEEP_MS + 1000);
	assert_false(place_is_watched(sst_watch_fd(s->w), at(s->p, "live/8")));
}

/* archive/8 is another directory from now on, with what live/8 leads to. */
static void
a_strangers_directory_that_comes_to_the_archive_is_known(void **state)
{
	struct scene *s = *state;

	if (!can)
		skip();
	put_dir(s->p, "archive");
	put_dir(s->p, "beside");
	plant_live(s);
	put_dir(s->p, "beside/8");
	put_file(s->p, "beside/8/cert1.pem", "one");
	assert_string_equal(told_in(s, AT_ONCE), "");
	put_over(s->p, "beside/8", "archive/8");
	assert_string_equal(told_in(s, AT_ONCE), "");
	put_file(s->p, "archive/8/cert2.pem", "two");
	assert_string_equal(told_in(s, AT_ONCE), "8,");
	/* that it came the next pass finds, and not one a minute later */
	put_over(s->p, "archive/8", "beside/8");
	assert_string_equal(told_in(s, AT_ONCE), "");
	assert_string_equal(told_in(s, SST_WATCH_SWEEP_MS), "8,");
	assert_string_equal(told_in(s, 2 * SLOW_MS), "");
}

/* `where` is a mount of its own: what it has is told of as if there were no mark, and
 * what the others have at once. */
static void
see_a_mount(struct scene *s, const char *where, const char *type)
{
	unsigned every;

	assert_int_equal(mark_of(s, &every), SST_MARK_HELD);
	assert_int_equal(every, SLOW_MS);
	put_dir(s->p, "bound");
	if (strcmp(type, "bind") == 0)
		assert_int_equal(mount(at(s->p, "bound"), at(s->p, where), NULL,
		    MS_BIND, NULL), 0);
	else
		assert_int_equal(mount(type, at(s->p, where), type, 0, "mode=0755"), 0);
	(void)told_in(s, SLOW_MS + SST_WATCH_SWEEP_MS);
	assert_int_equal(mark_of(s, &every), SST_MARK_HELD);
	assert_int_equal(every, SST_WATCH_SWEEP_MS);
}

static void
a_name_that_is_a_mount_is_swept_as_without_a_mark(void **state)
{
	static const char *const types[] = { "tmpfs", "bind" };
	struct scene *s = *state;
	unsigned every;

	if (!can)
		skip();
	plant(s, 1);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		see_a_mount(s, "tls/8", types[i]);
		put_file(s->p, "tls/8/cert", "again");
		assert_string_equal(told_in(s, AT_ONCE), "");
		assert_string_equal(told_in(s, SST_WATCH_SWEEP_MS), "8,");
		put_file(s->p, "tls/6/cert", "again");
		assert_string_equal(told_in(s, AT_ONCE), "6,");
		assert_int_equal(umount2(at(s->p, "tls/8"), MNT_DETACH), 0);
		(void)told_in(s, 2 * SST_WATCH_SWEEP_MS);
		(void)mark_of(s, &every);
		assert_int_equal(every, SLOW_MS);
		(void)remove(at(s->p, "bound/cert"));
		assert_int_equal(rmdir(at(s->p, "bound")), 0);
		(void)told_in(s, SST_WATCH_SWEEP_MS);
	}
}

static void
an_archive_that_is_a_mount_is_swept_as_without_a_mark(void **state)
{
	static const char *const where[] = { "archive", "archive/8", "live/8" };
	static const char *const file[] = { "archive/8/cert1.pem", "archive/8/cert1.pem",
	    "live/8/cert.pem" };
	struct scene *s = *state;

	if (!can)
		skip();
	put_dir(s->p, "archive");
	put_dir(s->p, "archive/8");
	for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
		plant_live(s);
		see_a_mount(s, where[i], "tmpfs");
		if (i == 0)
			put_dir(s->p, "archive/8");
		put_file(s->p, file[i], "one");
		assert_string_equal(told_in(s, AT_ONCE), "");
		assert_string_equal(told_in(s, SST_WATCH_SWEEP_MS), "8,");
		assert_int_equal(umount2(at(s->p, where[i]), MNT_DETACH), 0);
		assert_int_equal(rmdir(at(s->p, "bound")), 0);
	}
}

static void
a_source_that_is_a_mount_is_marked_as_any(void **state)
{
	struct scene *s = *state;
	char name[32];

	if (!can)
		skip();
	put_dir(s->p, "far \\");
	assert_int_equal(mount("tmpfs", at(s->p, "far \\"), "tmpfs", 0, "mode=0755"), 0);
	for (int i = 0; i < NAMES; i++) {
		(void)snprintf(name, sizeof(name), "far \\/%d", i);
		put_dir(s->p, name);
	}
	place_tick();
	begin(s, 7, 1);
	assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "far \\"), 1, s->now), 0);
	settle(s);
	(void)told_in(s, SST_WATCH_SWEEP_MS + 1000);
	see_a_mount(s, "far \\/0", "tmpfs");
	assert_int_equal(umount2(at(s->p, "far \\/0"), MNT_DETACH), 0);
	assert_int_equal(umount2(at(s->p, "far \\"), MNT_DETACH), 0);
}

/* A look with something to read that costs so much. */
static enum sst_watch_mark
after_a_look(struct scene *s, int64_t us)
{
	put_file(s->p, "beside/a", "again");
	a_look = us;
	assert_string_equal(told_in(s, AT_ONCE), "");
	a_look = 1;
	return mark_of(s, NULL);
}

static void
what_strangers_cost_counts_for_as_long_as_a_sweep_saves(void **state)
{
	struct scene *s = *state;

	if (!can)
		skip();
	plant(s, 1);
	/* Just as much as it may cost. */
	assert_int_equal(after_a_look(s, 20000), SST_MARK_HELD);
	/* In another ten seconds, and in others. */
	for (int i = 0; i < 3; i++) {
		(void)told_in(s, SST_WATCH_SWEEP_MS + 500);
		assert_int_equal(after_a_look(s, 15000), SST_MARK_HELD);
	}
	/* In the same it is too much. */
	assert_int_equal(after_a_look(s, 15000), SST_MARK_BUSY);
}

/* ... which is more where a sweep is more, and not without end. */
static void
what_strangers_may_cost_is_what_a_sweep_costs(void **state)
{
	static const struct { int64_t walk, look; enum sst_watch_mark mark; } rows[] = {
		{ 4000, 40000, SST_MARK_HELD }, { 4000, 60000, SST_MARK_BUSY },
		{ 100000, 199000, SST_MARK_HELD }, { 100000, 201000, SST_MARK_BUSY },
	};
	struct scene *s = *state;

	if (!can)
		skip();
	plant(s, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(s, 7, 1);
		assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "tls"), 1, s->now), 0);
		settle(s);
		a_look = rows[i].walk;
		(void)told_in(s, SST_WATCH_SWEEP_MS + 1000);
		a_look = 1;
		assert_int_equal(mark_of(s, NULL), SST_MARK_HELD);
		assert_int_equal(after_a_look(s, rows[i].look), rows[i].mark);
	}
}

static void
strangers_who_cost_more_than_a_sweep_end_the_mark(void **state)
{
	struct scene *s = *state;
	unsigned every;

	if (!can)
		skip();
	plant(s, 1);
	/* Cheap ones do not. */
	put_file(s->p, "beside/a", "one");
	assert_string_equal(told_in(s, AT_ONCE), "");
	assert_int_equal(mark_of(s, NULL), SST_MARK_HELD);
	assert_non_null(strstr(s->said, "the file system is marked"));
	assert_int_equal(after_a_look(s, 50000), SST_MARK_BUSY);
	assert_non_null(strstr(s->said, "too much is written on that file system"));
	/* Nobody looks ten times a second any more. */
	assert_true(sst_watch_due(s->w) > s->now + 2 * LOOK_MS);
	(void)mark_of(s, &every);
	assert_int_equal(every, SST_WATCH_SWEEP_MS);
	put_file(s->p, "tls/7/cert", "again");
	assert_string_equal(told_in(s, AT_ONCE), "");
	assert_string_equal(told_in(s, SST_WATCH_SWEEP_MS), "7,");
	/* Not at once, but later it is tried again. */
	(void)told_in(s, 3 * SLOW_MS);
	assert_int_equal(mark_of(s, NULL), SST_MARK_BUSY);
	(void)told_in(s, 8 * SLOW_MS);
	assert_int_equal(mark_of(s, NULL), SST_MARK_HELD);
	put_file(s->p, "tls/7/cert", "once more");
	assert_string_equal(told_in(s, AT_ONCE), "7,");
}

static void
what_the_mark_does_not_tell_the_sweep_finds_a_while_later(void **state)
{
	struct scene *s = *state;

	if (!can)
		skip();
	plant(s, 1);
	/* The same file, by a name in another directory. */
	assert_int_equal(link(at(s->p, "tls/7/cert"), at(s->p, "beside/cert")), 0);
	assert_string_equal(told_in(s, 2 * SLOW_MS), "7,");
	put_file(s->p, "beside/cert", "again");
	assert_string_equal(told_in(s, 2 * SST_WATCH_SWEEP_MS), "");
	assert_string_equal(told_in(s, SLOW_MS), "7,");
}

static void
a_source_that_leads_elsewhere_is_marked_anew(void **state)
{
	struct scene *s = *state;
	char name[64];

	if (!can)
		skip();
	begin(s, 8, 1);
	for (int i = 0; i < 2 * NAMES; i++) {
		(void)snprintf(name, sizeof(name), "v%d", i / NAMES);
		if (i % NAMES == 0)
			put_dir(s->p, name);
		(void)snprintf(name, sizeof(name), "v%d/%d", i / NAMES, i % NAMES);
		put_dir(s->p, name);
	}
	put_link(s->p, "now", "v0");
	place_tick();
	assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "now"), 1, s->now), 0);
	settle(s);
	(void)told_in(s, SST_WATCH_SWEEP_MS + 1000);
	put_link(s->p, "next", "v1");
	put_over(s->p, "next", "now");
	assert_string_equal(told_in(s, AT_ONCE), "*");
	(void)told_in(s, SST_WATCH_SWEEP_MS + 1000);
	assert_int_equal(mark_of(s, NULL), SST_MARK_HELD);
	for (int i = 0; i < NAMES; i++) {
		(void)snprintf(name, sizeof(name), "v0/%d/cert", i);
		put_file(s->p, name, "of the old one");
		assert_string_equal(told_in(s, AT_ONCE + SST_WATCH_QUIET_MS), "");
		(void)snprintf(name, sizeof(name), "v1/%d/cert", i);
		put_file(s->p, name, "of the new one");
		(void)snprintf(name, sizeof(name), "%d,", i);
		assert_string_equal(told_in(s, AT_ONCE + SST_WATCH_QUIET_MS), name);
	}
}

static void
events_that_the_kernel_lost_are_made_up_for_by_the_next_sweep(void **state)
{
	struct scene *s = *state;
	FILE *f = fopen("/proc/sys/fs/fanotify/max_queued_events", "re");
	char name[64];
	int most = 16384;

	if (f != NULL) {
		assert_int_equal(fscanf(f, "%d", &most), 1);
		(void)fclose(f);
	}
	if (!can || most > 100000)
		skip();
	plant(s, 1);
	/* Those of one directory are one event. */
	for (int i = 0; i <= most; i++) {
		(void)snprintf(name, sizeof(name), "beside/%d", i);
		put_dir(s->p, name);
		(void)snprintf(name, sizeof(name), "beside/%d/f", i);
		put_file(s->p, name, "");
	}
	put_file(s->p, "tls/7/cert", "again");
	assert_string_equal(told_in(s, AT_ONCE), "");
	assert_string_equal(told_in(s, SST_WATCH_SWEEP_MS), "7,");
}

#define SCENE(f)	cmocka_unit_test_setup_teardown(f, scene_open, scene_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(a_name_without_a_watch_is_told_at_once_where_there_is_a_mark),
		cmocka_unit_test_setup_teardown(
		    a_file_system_on_a_disk_is_marked_as_one_in_memory,
		    scene_open_here, scene_close),
		SCENE(without_the_mark_the_sweep_finds_it),
		SCENE(who_may_set_no_mark_sweeps),
		SCENE(who_was_refused_the_mark_keeps_nothing_of_it_and_asks_no_more),
		SCENE(a_mark_that_failed_for_want_of_descriptors_is_tried_again),
		SCENE(what_is_wanting_is_asked_for_again_and_what_is_refused_is_not),
		SCENE(who_is_refused_leaves_the_mark_of_another),
		SCENE(under_a_filter_of_system_calls_nothing_is_marked),
		SCENE(nothing_is_marked_where_the_directory_itself_has_no_watch),
		SCENE(a_mark_goes_with_the_last_source_on_its_file_system),
		SCENE(what_strangers_cost_counts_for_as_long_as_a_sweep_saves),
		SCENE(what_strangers_may_cost_is_what_a_sweep_costs),
		SCENE(nothing_is_marked_where_all_names_have_a_watch),
		SCENE(the_archive_of_certbot_is_told_of_by_the_name_in_live),
		SCENE(a_strangers_directory_that_becomes_a_name_is_known),
		SCENE(a_directory_of_strangers_is_looked_up_once),
		SCENE(a_strangers_directory_that_comes_to_the_archive_is_known),
		SCENE(a_name_that_is_a_mount_is_swept_as_without_a_mark),
		SCENE(an_archive_that_is_a_mount_is_swept_as_without_a_mark),
		SCENE(a_source_that_is_a_mount_is_marked_as_any),
		SCENE(strangers_who_cost_more_than_a_sweep_end_the_mark),
		SCENE(what_the_mark_does_not_tell_the_sweep_finds_a_while_later),
		SCENE(a_source_that_leads_elsewhere_is_marked_anew),
		SCENE(events_that_the_kernel_lost_are_made_up_for_by_the_next_sweep),
	};

	/* Nobody else is to see the file systems of these tests. */
	if (unshare(CLONE_NEWNS) == 0)
		(void)mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
