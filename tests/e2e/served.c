/* SPDX-License-Identifier: ISC */
/*
 * served - a directory with more names than the kernel gives watches for: those that
 * clients ask for have one, and a mark on the file system tells of the others.
 *
 * For the first, the program and its pair are in a user namespace that allows LIMIT
 * watches; whoever stands outside counts them. For the second, which takes root, the
 * scene has a file system of its own and is shown another limit.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ours.h"
#include "support/mark.h"

enum {
	FOLDERS = 6,
	LIMIT = 5,		/* the way there, and two of them */
	INSIDE = 1000		/* who the program is there: not root, so nobody drops */
};

static char tls[600];

static const char *
folder(int i)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "n%d", i);
	return pki_path(tls, name);
}

/* Issues what folder i has; the file is there in one step. */
static struct pki_cert *
put_cert(int i)
{
	char name[32];
	struct pki_cert *c;

	(void)snprintf(name, sizeof(name), "n%d.example", i);
	c = pki_issue(world.ca, &(struct pki_spec){ .san = name });
	(void)snprintf(name, sizeof(name), "n%d/cert.pem", i);
	pki_write_pair(tls, name, c);
	return c;
}

static void
make_tls(const char *name)
{
	(void)snprintf(tls, sizeof(tls), "%s/%s", world.dir, name);
	want_eq(mkdir(tls, 0711), 0);
}

static void
plant(void)
{
	for (int i = 0; i < FOLDERS; i++) {
		want_eq(mkdir(folder(i), 0711), 0);
		pki_free(put_cert(i));
	}
}

static int
write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		(void)close(fd);
	return ok;
}

/* 0: this machine has no such namespace. Its capabilities go, as those of a keeper do:
 * who has other rights than the keeper is not watched for. */
static int
enter(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };
	char map[64], limit[32];

	(void)snprintf(map, sizeof(map), "%d %u 1", INSIDE, (unsigned)geteuid());
	(void)snprintf(limit, sizeof(limit), "%d", LIMIT);
	return unshare(CLONE_NEWUSER) == 0 && write_text("/proc/self/uid_map", map) &&
	    write_text("/proc/sys/user/max_inotify_watches", limit) &&
	    syscall(SYS_capset, &head, none) == 0;
}

/* What the scene needs to know of the program's pair; no keeper: not here. */
struct news {
	struct addr	at;
	pid_t		keeper;
};

/* The program: serves whoever comes, one for each byte that it is told. */
static void
program(int ch, void *arg)
{
	struct news n = { 0 };
	pid_t relay;
	int l, s;

	(void)arg;
	if (!enter()) {
		prog_send(ch, &n, sizeof(n));
		return;
	}
	l = ours_listener(&n.at, world.families[0], tls, NULL);
	want_eq(world_pair(l, &n.keeper, &relay), 0);
	prog_send(ch, &n, sizeof(n));
	for (int i = 0; i < FOLDERS; i++) {
		s = ours_accept(l);
		(void)close(s);
	}
	prog_await(ch);
	(void)close(l);
}

/* Whether the keeper has a watch for this folder; -1: it cannot be looked at. */
static int
is_watched(pid_t keeper, int i)
{
	char path[64], line[512], wanted[32];
	struct stat st;
	int found = -1;

	want_eq(stat(folder(i), &st), 0);
	(void)snprintf(wanted, sizeof(wanted), " ino:%lx ", (unsigned long)st.st_ino);
	for (int fd = 0; fd < 64; fd++) {
		FILE *f;

		(void)snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)keeper, fd);
		f = fopen(path, "re");
		if (f == NULL)
			continue;
		found = found < 0 ? 0 : found;
		while (fgets(line, sizeof(line), f) != NULL)
			if (strncmp(line, "inotify ", 8) == 0 &&
			    strstr(line, wanted) != NULL)
				found = 1;
		(void)fclose(f);
	}
	return found;
}

static int
count_watched(pid_t keeper)
{
	int n = 0;

	for (int i = 0; i < FOLDERS; i++)
		n += is_watched(keeper, i);
	return n;
}

static void
client(const struct addr *at, int i)
{
	char name[32];
	int fd;

	(void)snprintf(name, sizeof(name), "n%d.example", i);
	fd = ours_client(world.families[0], 0, name);
	want_eq(ours_connect(fd, at), 0);
	ours_want_end(fd);
	(void)close(fd);
}

COLD_SCENE(names_that_clients_ask_for_get_a_watch_first)
{
	int watched = 0, without = 0;
	struct prog p;
	struct news n;

	make_tls("asked");
	plant();
	prog_start(&p, program, NULL);
	prog_recv(p.ch, &n, sizeof(n));
	if (n.keeper == 0) {
		prog_end(&p);
		world_skip("no user namespace with a limit of watches");
	}
	if (is_watched(n.keeper, 0) < 0)
		world_skip("the keeper cannot be looked at");
	/* Some have one from the beginning. */
	want_soon((watched = count_watched(n.keeper)) > 0);
	want(watched < FOLDERS / 2);
	for (int i = 0; i < FOLDERS; i++) {
		without += !is_watched(n.keeper, i);
		client(&n.at, i);
		want_soon(is_watched(n.keeper, i));
	}
	want(without >= FOLDERS - LIMIT);
	prog_tell(p.ch);
	prog_end(&p);
}

/* What a pair that is started from now on has of watches: those on the way to the
 * names, and two of theirs. The file system of the names is the scene's own, so that
 * nobody else writes there. 0: this machine does not let us. */
static int
limit_watches(void)
{
	char text[32];
	int share = 3;

	for (const char *p = tls; *p != '\0'; p++)
		share += *p == '/';
	(void)snprintf(text, sizeof(text), "%d\n", 4 * share);
	pki_write_text(world.dir, "max_user_watches", text);
	return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("tmpfs", tls, "tmpfs", 0, "mode=0711") == 0 &&
	    mount(pki_path(world.dir, "max_user_watches"),
	    "/proc/sys/fs/inotify/max_user_watches", NULL, MS_BIND, NULL) == 0 &&
	    mark_is_granted(tls);
}

static const char *
watches(void)
{
	static char text[4096];

	want(world_ask("watches", text, sizeof(text)));
	return text;
}

/* Three renewals of names without a watch: a sweep, of which there is one in a minute
 * and so at most one in this scene, would find one of them. */
COLD_SCENE(a_renewal_without_a_watch_is_served_without_a_sweep)
{
	struct pki_cert *c;
	pid_t keeper, relay;
	uint64_t before;
	struct addr at;
	char name[32];
	int l, n = 0;

	make_tls("marked");
	if (!limit_watches())
		world_skip("no file system may be mounted or marked");
	plant();
	l = ours_listener(&at, world.families[0], tls, NULL);
	want_eq(world_pair(l, &keeper, &relay), 0);
	want_soon(strstr(ours_get(l, TLS_CERTIFICATE_STATUS), "\"loaded\":6,") != NULL);
	want_soon(strstr(watches(), "\"mark\":\"held\"") != NULL);
	want_has(watches(), "\"every_ms\":60000,");
	for (int i = 0; i < FOLDERS && n < 3; i++) {
		if (is_watched(keeper, i))
			continue;
		before = ours_generation(l);
		c = put_cert(i);
		want_soon(ours_generation(l) > before);
		(void)snprintf(name, sizeof(name), "n%d.example", i);
		ours_want_soon_shown(l, &at, name, c);
		pki_free(c);
		n++;
	}
	want_eq(n, 3);
	want_has(watches(), "\"mark\":\"held\"");
	(void)close(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_that_clients_ask_for_get_a_watch_first),
		cmocka_unit_test(a_renewal_without_a_watch_is_served_without_a_sweep),
	};

	world_begin();
	return world_end(tests);
}
