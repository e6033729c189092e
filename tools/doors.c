/* SPDX-License-Identifier: ISC */
#include "doors.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

long long
sst_doors_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* PID.sock: the cache service has a socket there too. */
static int
is_door(const struct dirent *entry)
{
	size_t len = strspn(entry->d_name, "0123456789");

	return len > 0 && strcmp(entry->d_name + len, ".sock") == 0;
}

static void
look_into(const char *directory, void (*each)(void *, const char *), void *arg)
{
	struct dirent **list = NULL;
	char path[4096];
	int n = scandir(directory, &list, is_door, alphasort);

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, list[i]->d_name);
		free(list[i]);
		each(arg, path);
	}
	free(list);
}

/* The directories of all users, for root; else that of this one. */
static void
look_at_users(void (*each)(void *, const char *), void *arg)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char path[4096];
	glob_t found = { .gl_pathc = 0 };

	if (runtime != NULL && *runtime == '/' &&
	    (geteuid() != 0 || strncmp(runtime, "/run/user/", 10) != 0)) {
		snprintf(path, sizeof(path), "%s/securesockets", runtime);
		look_into(path, each, arg);
	}
	if (geteuid() == 0) {
		if (glob("/run/user/*/securesockets", 0, NULL, &found) == 0)
			for (size_t i = 0; i < found.gl_pathc; i++)
				look_into(found.gl_pathv[i], each, arg);
		globfree(&found);
	} else if (runtime == NULL || *runtime != '/') {
		snprintf(path, sizeof(path), "/run/user/%u/securesockets",
		    (unsigned)getuid());
		look_into(path, each, arg);
	}
}

void
sst_doors_each(void (*each)(void *, const char *), void *arg)
{
	look_into("/run/securesockets", each, arg);
	look_at_users(each, arg);
}

/* The line, and its end: a pair of an older release answers whatever it is asked, and
 * unread bytes would be a reset, so that who wants the status says nothing. */
static int
put_question(int fd, const char *question)
{
	char line[4096];
	int len = snprintf(line, sizeof(line), "%s\n", question);

	if (len >= (int)sizeof(line)) {
		errno = EMSGSIZE;
		return -1;
	}
	if (*question != '\0' && send(fd, line, (size_t)len, MSG_NOSIGNAL) != len)
		return -1;
	return shutdown(fd, SHUT_WR);
}

int
sst_door_open(const char *path, const char *question)
{
	/* for a place in the queue of who does not accept, and for the line */
	const struct timeval patience = { .tv_sec = SST_DOOR_MS / 1000 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, error;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	    put_question(fd, question) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}
