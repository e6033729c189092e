/* SPDX-License-Identifier: ISC */
/*
 * served - a directory with more names than the kernel gives watches for: those that
 * clients ask for have one.
 *
 * The program and its pair are in a user namespace that allows LIMIT watches; whoever
 * stands outside counts them.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ours.h"

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

static void
plant(void)
{
	char name[64];

	(void)snprintf(tls, sizeof(tls), "%s/tls", world.dir);
	want_eq(mkdir(tls, 0711), 0);
	for (int i = 0; i < FOLDERS; i++) {
		struct pki_cert *c;

		(void)snprintf(name, sizeof(name), "n%d.example", i);
		c = pki_issue(world.ca, &(struct pki_spec){ .san = name });
		want_eq(mkdir(folder(i), 0711), 0);
		(void)snprintf(name, sizeof(name), "n%d/cert.pem", i);
		pki_write_pair(tls, name, c);
		pki_free(c);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_that_clients_ask_for_get_a_watch_first),
	};

	world_begin();
	return world_end(tests);
}
