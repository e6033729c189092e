/* SPDX-License-Identifier: ISC */
/*
 * cache_serve - sstool cache serve: the machine's cache service.
 *
 * systemd starts it on demand (securesockets-cache.socket); --socket is for where
 * there is no systemd. As root it takes the rights of the cache's owner first.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "arg.h"
#include "cache.h"
#include "out.h"
#include "verb.h"

#define VERB		"cache serve"
#define LISTEN_FD	3
#define IDLE_S		300
#define BACKLOG		256

/* The one socket that systemd hands over, or -1. */
static int
handed_over(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	int type = 0, is_listening = 0;
	socklen_t len = sizeof(type);

	if (pid == NULL || n == NULL || strtol(pid, NULL, 10) != getpid() ||
	    strcmp(n, "1") != 0)
		return -1;
	if (getsockopt(LISTEN_FD, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    type != SOCK_SEQPACKET)
		return -1;
	len = sizeof(is_listening);
	if (getsockopt(LISTEN_FD, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) < 0 ||
	    !is_listening)
		return -1;
	return LISTEN_FD;
}

/* A socket at `path` that everybody may connect to; what a service left there goes,
 * what one is listening at does not. -1: a line was said. */
static int
listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char name[512];
	struct stat st;
	int is_over;

	sst_out_clean(name, sizeof(name), path);
	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		goto failed;
	}
	(void)strcpy(addr.sun_path, path);
	if (fd < 0)
		goto failed;
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		is_over = connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 &&
		    errno == ECONNREFUSED;
		errno = EADDRINUSE;
		if (!is_over || unlink(path) < 0)
			goto failed;
	}
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	    chmod(path, 0666) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
failed:
	(void)sst_out_trouble(0, "%s: %s", name, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

/* A descriptor that is readable when the service is to end. */
static int
stop_signals(void)
{
	sigset_t set;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int
serve(const char *dir, struct sst_service_config *config)
{
	struct sst_checker *checker = NULL;
	struct sst_error err = { 0 };
	int rc = sst_cache_checker(dir, 0, &checker);

	if (rc != 0)
		return rc;
	/* nothing that it is made to run or to dump gets more than it has */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		rc = sst_out_trouble(SST_EXIT_UNAVAILABLE, "prctl: %s", strerror(errno));
	(void)umask(022);
	config->stop_fd = stop_signals();
	if (rc == 0 && sst_service_run(checker, config, &err) < 0)
		rc = sst_out_trouble(SST_EXIT_UNAVAILABLE, "cache serve: %s", err.text);
	sst_checker_unref(checker);
	return rc;
}

int
sst_verb_cache_serve(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "idle", required_argument, NULL, 'i' },
		{ "socket", required_argument, NULL, 's' },
		{ "trust", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 }
	};
	struct sst_service_config config = { .listen_fd = -1, .stop_fd = -1 };
	const char *dir = NULL, *path = NULL;
	unsigned long idle = 0;
	int c, has_idle = 0;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == 'd') {
			dir = optarg;
		} else if (c == 's') {
			path = optarg;
		} else if (c == 't') {
			config.trust = optarg;
		} else if (c == 'i') {
			has_idle = 1;
			if (!sst_arg_number(optarg, 0, 86400, &idle))
				return sst_out_usage(VERB, "--idle takes seconds");
		} else {
			return sst_out_option(VERB, c, argv);
		}
	}
	if (argc != optind)
		return sst_out_usage(VERB, "no argument is needed");
	if (path == NULL) {
		config.listen_fd = handed_over();
		if (config.listen_fd < 0)
			return sst_out_usage(VERB, "--socket PATH, where systemd does not "
			    "hand one over");
		if (!has_idle)
			idle = IDLE_S;
	} else {
		config.listen_fd = listen_at(path);
		if (config.listen_fd < 0)
			return SST_EXIT_UNAVAILABLE;
	}
	config.idle_ms = (unsigned)idle * 1000;
	return serve(dir, &config);
}
