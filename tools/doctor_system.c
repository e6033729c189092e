/* SPDX-License-Identifier: ISC */
/*
 * doctor_system - the part of sstool doctor that reads: limits, users, where the
 * status lies, roots, filters, libraries, the clock.
 */
#include "doctor.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define USER		"_securesockets"
#define FEW		500	/* connections at once */
#define BACKLOG		128	/* finished connections that wait for accept */
#define FEW_WATCHES	256
#define RELEASED	1767225600L	/* 2026-01-01: no clock is before it */

/* A number from a file of /proc. -1: it cannot be read. */
static long
number_in(const char *path)
{
	FILE *f = fopen(path, "re");
	long n = -1;

	if (f == NULL)
		return -1;
	if (fscanf(f, "%ld", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

/* The number after `key` in /proc/self/status. -1: not there. */
static long
status_number(const char *key)
{
	FILE *f = fopen("/proc/self/status", "re");
	size_t len = strlen(key);
	char line[256];
	long n = -1;

	if (f == NULL)
		return -1;
	while (n < 0 && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, len) == 0 && line[len] == ':')
			n = strtol(line + len + 1, NULL, 10);
	fclose(f);
	return n;
}

/* 1: only one uid exists here, so the relay has nobody else to become. */
static int
only_one_uid(void)
{
	unsigned long inside, outside, count;
	FILE *f = fopen("/proc/self/uid_map", "re");
	char more;
	int n;

	if (f == NULL)
		return 0;
	n = fscanf(f, "%lu %lu %lu %c", &inside, &outside, &count, &more);
	fclose(f);
	return n == 3 && count == 1;
}

static void
report_descriptors(struct sst_doctor *d)
{
	struct rlimit r;
	unsigned long room;
	char line[64];

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return;
	room = sst_doctor_room(r.rlim_cur, r.rlim_max);
	snprintf(line, sizeof(line), "LimitNOFILE=65536:131072");
	if (r.rlim_max < SST_DOCTOR_PAIR_FILES)
		sst_find(d, SST_FAIL, "RLIMIT_NOFILE", line, "the hard limit %lu "
		    "is below the %d descriptors that a pair starts with",
		    (unsigned long)r.rlim_max, SST_DOCTOR_PAIR_FILES);
	else
		sst_find(d, room < FEW ? SST_WARN : SST_FINE, "RLIMIT_NOFILE",
		    room < FEW ? line : NULL, "%lu connections at once: soft %lu "
		    "(one each, in the program), hard %lu (two each, in the relay)",
		    room, (unsigned long)r.rlim_cur, (unsigned long)r.rlim_max);
}

static void
report_kernel(struct sst_doctor *d)
{
	long most = number_in("/proc/sys/net/core/somaxconn");
	long watches = number_in("/proc/sys/fs/inotify/max_user_watches");
	long instances = number_in("/proc/sys/fs/inotify/max_user_instances");

	if (most < 0)
		sst_find(d, SST_WARN, "somaxconn", NULL,
		    "/proc/sys cannot be read: limits of the kernel are unknown");
	else
		sst_find(d, most < BACKLOG ? SST_WARN : SST_FINE, "somaxconn",
		    most < BACKLOG ? "sysctl net.core.somaxconn=4096" : NULL,
		    "%ld connections may wait for a listener", most);
	if (watches < 0)
		return;
	sst_find(d, watches / 4 < FEW_WATCHES ? SST_WARN : SST_FINE, "watches",
	    watches / 4 < FEW_WATCHES ?
	    "sysctl fs.inotify.max_user_watches=65536" : NULL,
	    "%ld directories for each program, a quarter of max_user_watches "
	    "%ld, one of %ld instances; more are looked at every 10 s",
	    watches / 4, watches, instances);
}

static void
report_place(struct sst_doctor *d)
{
	int subreaper = 0;

	(void)prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0);
	sst_find(d, SST_FINE, "place", NULL, "pid %d%s%s%s", (int)getpid(),
	    getpid() == 1 ? ", PID 1: the pair is not its child" : "",
	    subreaper ? ", a subreaper: the pair is not its child" : "",
	    only_one_uid() ? ", a user namespace with one uid" : "");
	if (access("/proc/self/ns/mnt", F_OK) != 0)
		sst_find(d, SST_WARN, "/proc", "mount -t proc proc /proc",
		    "not there: certificates are loaded once, renewals are not "
		    "seen, and TLS_CERT_DECISION says static");
	else
		sst_find(d, SST_FINE, "/proc", NULL, "mounted");
}

static void
report_user(struct sst_doctor *d)
{
	const struct passwd *pw = getpwnam(USER);

	if (geteuid() != 0)
		sst_find(d, SST_FINE, "user", NULL,
		    "the relay keeps uid %lu", (unsigned long)geteuid());
	else if (only_one_uid())
		sst_find(d, SST_FINE, "user", NULL,
		    "the relay stays uid 0 of this user namespace, without "
		    "capabilities");
	else if (pw == NULL)
		sst_find(d, SST_WARN, "user", "useradd --system --no-create-home "
		    "--shell /usr/sbin/nologin --user-group " USER,
		    "no " USER ": the relay shares `nobody` with others");
	else
		sst_find(d, SST_FINE, "user", NULL, "the relay becomes " USER
		    ", uid %lu", (unsigned long)pw->pw_uid);
}

static void
report_status(struct sst_doctor *d)
{
	static const char *const parent = "/run";
	char dir[128], above[64];
	struct stat st;
	int root = geteuid() == 0;

	if (root)
		snprintf(above, sizeof(above), "%s", parent);
	else
		snprintf(above, sizeof(above), "%s/user/%lu", parent,
		    (unsigned long)geteuid());
	snprintf(dir, sizeof(dir), "%s/securesockets", above);
	if (lstat(dir, &st) == 0) {
		if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
		    (st.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
		    eaccess(dir, W_OK | X_OK) == 0)
			sst_find(d, SST_FINE, "status", NULL, "%s", dir);
		else
			sst_find(d, SST_WARN, "status", NULL, "%s is not a "
			    "directory of uid %lu alone: no sstool status", dir,
			    (unsigned long)geteuid());
	} else if (eaccess(above, W_OK | X_OK) == 0) {
		sst_find(d, SST_FINE, "status", NULL, "%s can be made", dir);
	} else {
		sst_find(d, SST_WARN, "status", root ? NULL :
		    "loginctl enable-linger", "%s cannot be made: %s: sstool "
		    "status does not see the program", dir, strerror(errno));
	}
}

/* Where clients look for roots. */
struct roots {
	const char	*file, *dir;
	int		 named;		/* the file is a wish, not a default */
};

static long
certificates_in(const char *path)
{
	FILE *f = fopen(path, "re");
	X509 *cert;
	long n = 0;

	if (f == NULL)
		return -1;
	while ((cert = PEM_read_X509(f, NULL, NULL, NULL)) != NULL) {
		X509_free(cert);
		n++;
	}
	fclose(f);
	return n;
}

/* Links of the form 0a1b2c3d.0, which is how OpenSSL finds a root. */
static long
hashes_in(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;
	long n = 0;

	if (dir == NULL)
		return -1;
	while ((e = readdir(dir)) != NULL)
		n += strspn(e->d_name, "0123456789abcdef") == 8 &&
		    e->d_name[8] == '.';
	closedir(dir);
	return n;
}

/* As the relay sees it: after it gave up root's rights. */
static void
look_at_roots(struct sst_trial *t, const void *arg)
{
	const struct roots *r = arg;
	const struct passwd *pw = getpwnam(USER);
	long in_file, in_dir;

	if (pw == NULL)
		pw = getpwnam("nobody");
	/* Where that is forbidden there is no pair either, and it was said. */
	if (geteuid() == 0 && pw != NULL && !only_one_uid() &&
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == 0 &&
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0)
		t->number = -1;
	errno = 0;
	in_file = certificates_in(r->file);
	if (in_file <= 0 && r->named) {
		t->error = in_file < 0 ? errno : EINVAL;
		snprintf(t->text, sizeof(t->text), "%s: %s", r->file, in_file < 0 ?
		    strerror(errno) : "no certificate in PEM");
		return;
	}
	in_dir = hashes_in(r->dir);
	t->number = (in_file > 0 ? in_file : 0) + (in_dir > 0 ? in_dir : 0);
	if (t->number > 0)
		return;
	t->error = ENOENT;
	snprintf(t->text, sizeof(t->text), "nothing in %s and %s", r->file, r->dir);
}

static void
report_roots(struct sst_doctor *d)
{
	struct roots r = { .file = secure_getenv("SSL_CERT_FILE"),
	    .dir = secure_getenv("SSL_CERT_DIR") };
	const char *fix = "apt-get install ca-certificates";
	struct sst_trial t;

	r.named = r.file != NULL && *r.file != '\0';
	if (!r.named)
		r.file = X509_get_default_cert_file();
	if (r.dir == NULL || *r.dir == '\0')
		r.dir = X509_get_default_cert_dir();
	sst_try(look_at_roots, &r, &t);
	if (r.named)
		fix = t.error == EACCES ? "chmod o+r \"$SSL_CERT_FILE\"" :
		    "unset SSL_CERT_FILE";
	if (t.error != 0)
		sst_find(d, SST_WARN, "roots", fix, "clients believe nobody: %s%s",
		    sst_trial_why(&t), t.error == EACCES && geteuid() == 0 ?
		    " (the relay reads it without root's rights)" : "");
	else
		sst_find(d, SST_FINE, "roots", NULL, "%s and %s", r.file, r.dir);
}

static void
report_filter(struct sst_doctor *d)
{
	long mode = status_number("Seccomp"), privs;

	privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	if (mode < 0)
		sst_find(d, SST_FINE, "filter", NULL, "seccomp: unknown; "
		    "no_new_privs: %s", privs == 1 ? "yes" : "no");
	else
		sst_find(d, SST_FINE, "filter", NULL, "seccomp: %s; no_new_privs: "
		    "%s", mode == 2 ? "a filter, tried above" : "none",
		    privs == 1 ? "yes" : "no");
}

/* 1: the process has a library mapped that is gone from the disk. */
static int
maps_old_libssl(const char *pid)
{
	char path[300], line[4400];
	FILE *f;
	int old = 0;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fgets(line, sizeof(line), f) == NULL ||
	    strcmp(line, "securesocketsd\n") != 0)
		line[0] = '\0';
	fclose(f);
	if (line[0] == '\0')
		return 0;
	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	while (!old && fgets(line, sizeof(line), f) != NULL)
		old = (strstr(line, "/libssl.so") != NULL ||
		    strstr(line, "/libcrypto.so") != NULL) &&
		    strstr(line, " (deleted)") != NULL;
	fclose(f);
	return old;
}

static void
report_libssl(struct sst_doctor *d)
{
	DIR *proc = opendir("/proc");
	const struct dirent *e;
	unsigned long old = 0;

	while (proc != NULL && (e = readdir(proc)) != NULL)
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			old += (unsigned long)maps_old_libssl(e->d_name);
	if (proc != NULL)
		closedir(proc);
	if (old > 0)
		sst_find(d, SST_WARN, "libssl", "sstool status, and restart the "
		    "programs that it names", "%lu processes still use a libssl "
		    "that was replaced", old);
	else
		sst_find(d, SST_FINE, "libssl", NULL, "%s",
		    OpenSSL_version(OPENSSL_VERSION));
}

static void
report_clock(struct sst_doctor *d)
{
	struct timex state = { .modes = 0 };
	struct tm tm;
	time_t now = time(NULL);
	char text[40] = "";

	if (gmtime_r(&now, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	if (now < RELEASED)
		sst_find(d, SST_FAIL, "clock", "timedatectl set-ntp true",
		    "%s is before this release: certificates are not valid yet",
		    text);
	else if (adjtimex(&state) == TIME_ERROR)
		sst_find(d, SST_WARN, "clock", "timedatectl set-ntp true",
		    "%s, and nobody keeps it right: certificates begin and end "
		    "by it", text);
	else
		sst_find(d, SST_FINE, "clock", NULL, "%s", text);
}

void
sst_doctor_system(struct sst_doctor *d)
{
	report_place(d);
	report_descriptors(d);
	report_kernel(d);
	report_user(d);
	report_status(d);
	if (!d->alone)
		report_roots(d);
	report_filter(d);
	report_libssl(d);
	report_clock(d);
}
