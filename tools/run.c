/* SPDX-License-Identifier: ISC */
/*
 * run - sstool run: an unchanged program whose TCP ports become TLS.
 *
 * It becomes the program: same pid, same descriptors, the program's exit status.
 */
#include <securesockets.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "out.h"
#include "run.h"
#include "shim/policy.h"
#include "shim/preload.h"
#include "verb.h"

#define VERB	"run"

static const char help_text[] =
    "usage: sstool run [options] [--] PROGRAM [ARGUMENTS]\n"
    "\n"
    "Starts a program that knows nothing of TLS and makes its TCP ports TLS.\n"
    "\n"
    "  --tls-port N|any     listeners on, and connections to, this port\n"
    "  --tls ADDRESS:PORT   the same for one address; [IPV6]:PORT\n"
    "  --cert PATH          what listeners show: a directory, a file with chain\n"
    "                       and key, or twice: one file with each\n"
    "  --trust PATH         roots that clients believe besides the system's\n"
    "  --name HOST          whom every connection must reach; without it, the\n"
    "                       name that the program itself looked up\n"
    "  --name-from-address  without a name, the certificate must be for the address\n"
    "  --lenient            no filter of system calls\n"
    "  --verbose            say on stderr why a call failed\n"
    "  --help               this\n"
    "\n"
    "Everything else stays plain TCP. The page: sstool(1)\n";

struct options {
	struct sst_run_policy	 policy;
	int			 named, by_address, trusted, lenient, verbose, help;
};

/* --- options -------------------------------------------------------------------- */
static int
once(int *seen, const char *option)
{
	return (*seen)++ == 0 ? 0 : sst_out_usage(VERB, "%s is there twice", option);
}

static int
take(struct options *o, int c, const char *value)
{
	int rc = 0;

	switch (c) {
	case 'p':
		return sst_run_policy_port(&o->policy, value);
	case 'a':
		return sst_run_policy_tls(&o->policy, value);
	case 'c':
		return sst_run_policy_cert(&o->policy, value);
	case 't':
		rc = once(&o->trusted, "--trust");
		return rc != 0 ? rc : sst_run_policy_trust(&o->policy, value);
	case 'n':
		rc = once(&o->named, "--name");
		return rc != 0 ? rc : sst_run_policy_name(&o->policy, value);
	case 'f':
		o->by_address = 1;
		return 0;
	case 'l':
		o->lenient = 1;
		return 0;
	case 'v':
		o->verbose = 1;
		return 0;
	default:
		o->help = 1;
		return 0;
	}
}

static int
parse(struct options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "tls-port", required_argument, NULL, 'p' },
		{ "tls", required_argument, NULL, 'a' },
		{ "cert", required_argument, NULL, 'c' },
		{ "trust", required_argument, NULL, 't' },
		{ "name", required_argument, NULL, 'n' },
		{ "name-from-address", no_argument, NULL, 'f' },
		{ "lenient", no_argument, NULL, 'l' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int c, rc;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
		if (c == ':' || c == '?')
			return sst_out_option(VERB, c, argv);
		rc = take(o, c, optarg);
		if (rc != 0)
			return rc;
	}
	if (o->help)
		return 0;
	if (optind >= argc)
		return sst_out_usage(VERB, "which program?");
	if (o->named && o->by_address)
		return sst_out_usage(VERB, "--name and --name-from-address say "
		    "different things");
	if (o->by_address)
		sst_run_policy_line(&o->policy, "nameless address\n");
	return 0;
}

/* --- inherited sockets -------------------------------------------------------------- */
/* By system calls: the library's answers are about its own sockets. */
static int
int_option(int fd, int option)
{
	int v = -1;
	socklen_t len = sizeof(v);

	return syscall(SYS_getsockopt, fd, SOL_SOCKET, option, &v, &len) == 0 ? v : -1;
}

static int
covers(const struct sst_policy *p, int fd, long call)
{
	union sst_inet a;
	socklen_t len = sizeof(a);

	memset(&a, 0, sizeof(a));
	return syscall(call, fd, &a, &len) == 0 && sst_policy_covers(p, &a);
}

/* A socket that comes with us. 1: a listener that becomes TLS; 0: as it is. A
 * negative exit code: it could only be plain. */
static int
judge(const struct sst_policy *p, int fd)
{
	int protocol = int_option(fd, SO_PROTOCOL);
	union sst_inet peer;
	socklen_t len = sizeof(peer);

	if (protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP)
		return 0;
	if (int_option(fd, SO_ACCEPTCONN) == 1)
		return covers(p, fd, SYS_getsockname);
	if (syscall(SYS_getpeername, fd, &peer, &len) < 0)
		return -sst_out_trouble(SST_EXIT_UNAVAILABLE, "run: descriptor %d "
		    "is a TCP socket that is not connected: the program could "
		    "only use it for plain TCP; close it first", fd);
	if (covers(p, fd, SYS_getsockname) || covers(p, fd, SYS_getpeername))
		return -sst_out_trouble(SST_EXIT_UNAVAILABLE, "run: descriptor %d "
		    "is a connection of a port that is TLS by these options, and "
		    "it is plain TCP; let sstool run start what accepts it", fd);
	return 0;
}

/* The listeners' numbers to `out`, a comma after each. */
static int
inherited(const struct sst_policy *p, char *out, size_t size)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	size_t n = 0;
	int r = 0;

	out[0] = '\0';
	if (dir == NULL)
		return sst_out_trouble(SST_EXIT_UNAVAILABLE,
		    "run: /proc/self/fd: %s", strerror(errno));
	while (r >= 0 && (e = readdir(dir)) != NULL) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] == '.' || fd == dirfd(dir))
			continue;
		r = judge(p, fd);
		if (r == 1 && n + 16 >= size)
			r = -sst_out_trouble(SST_EXIT_UNAVAILABLE, "run: more "
			    "listeners than can be made TLS are inherited: close "
			    "some of them first");
		if (r == 1)
			n += (size_t)snprintf(out + n, size - n, "%d,", fd);
	}
	closedir(dir);
	return r < 0 ? -r : 0;
}

/* --- the start ------------------------------------------------------------------------ */
/* Makes the pair that all of the program's processes use; the socket that keeps
 * it there. */
static int
start_pair(struct sst_run_policy *policy, char *name, int *ret_fd)
{
	char line[SST_POLICY_PAIR_MAX], text[1024] = "";
	socklen_t len = sizeof(text) - 1;
	char *slash = strrchr(name, '/');

	program_invocation_short_name = slash != NULL ? slash + 1 : name;
	*ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TLS);
	if (*ret_fd < 0 && errno == EAFNOSUPPORT)
		*ret_fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TLS);
	if (*ret_fd < 0) {
		getsockopt(-1, IPPROTO_TLS, TLS_ERROR, text, &len);
		return sst_out_trouble(SST_EXIT_UNAVAILABLE, "run: %s", text);
	}
	if (sst_policy_pair(line, sizeof(line)) < 0)
		return sst_out_trouble(SST_EXIT_UNAVAILABLE,
		    "run: the library does not name its helper processes");
	sst_run_policy_line(policy, line);
	explicit_bzero(line, sizeof(line));
	return 0;
}

/* LD_PRELOAD with the library that this program itself uses, first. */
static int
preload(void)
{
	Dl_info info;
	const char *old = getenv("LD_PRELOAD");
	char *path, *value = NULL;
	int rc = SST_EXIT_UNAVAILABLE;

	if (dladdr(dlsym(RTLD_DEFAULT, "sst_policy_pair"), &info) == 0 ||
	    (path = realpath(info.dli_fname, NULL)) == NULL)
		return sst_out_trouble(rc, "run: where libsecuresockets is, is not "
		    "known");
	if (strpbrk(path, " :") != NULL)
		sst_out_trouble(rc, "run: LD_PRELOAD takes no path with a space or "
		    "a colon in it: %s", path);
	else if (asprintf(&value, "%s%s%s", path, old != NULL && *old ? ":" : "",
	    old != NULL ? old : "") < 0 || setenv("LD_PRELOAD", value, 1) < 0)
		sst_out_trouble(rc, "run: no memory");
	else
		rc = 0;
	free(value);
	free(path);
	return rc;
}

static int
environment(struct options *o, const struct sst_run_watch *watch,
    const char *listeners)
{
	char *report = NULL;
	struct stat st;
	int rc;

	if (fflush(o->policy.out) != 0 || fstat(watch->report, &st) < 0 ||
	    asprintf(&report, "%d:%llu:%s", watch->report,
	    (unsigned long long)st.st_ino, listeners) < 0 ||
	    setenv(SST_POLICY_VAR, o->policy.text, 1) < 0 ||
	    setenv(SST_REPORT_VAR, report, 1) < 0 ||
	    (o->verbose && setenv("SECURESOCKETS_DEBUG", "1", 1) < 0))
		rc = sst_out_trouble(SST_EXIT_UNAVAILABLE, "run: no memory");
	else
		rc = preload();
	free(report);
	return rc;
}

/* The library is told what to do, the kernel what not to, and this is over. */
static int
become(struct options *o, const char *path, char **argv, const char *listeners)
{
	struct sst_run_watch watch = { -1, -1 };
	int held = -1, filter = -1, rc;

	if (o->lenient)
		sst_out_trouble(0, "run: --lenient: what the library is not loaded "
		    "into (static and Go programs, set-user-ID ones) and "
		    "io_uring may speak plain TCP");
	else if ((rc = start_pair(&o->policy, argv[0], &held)) != 0)
		return rc;
	rc = sst_run_watch_start(&watch, held, argv[0]);
	if (rc == 0)
		rc = environment(o, &watch, listeners);
	if (rc == 0 && !o->lenient)
		rc = sst_run_filter(&filter);
	if (rc != 0)
		return rc;
	sst_run_watch_tell(&watch, filter);
	fcntl(watch.report, F_SETFD, 0);
	execv(path, argv);
	rc = errno;
	return sst_out_trouble(rc == ENOENT ? SST_EXIT_NOT_FOUND :
	    SST_EXIT_NOT_EXECUTABLE, "run: %s: %s", argv[0], strerror(rc));
}

/* Another policy in its place would make plain what the first one names. */
static int
alone(void)
{
	if (getenv(SST_POLICY_VAR) == NULL)
		return 0;
	return sst_out_trouble(SST_EXIT_UNAVAILABLE, "run: this is under sstool run "
	    "already, whose ports would be forgotten: give that one all options");
}

int
sst_verb_run(int argc, char **argv)
{
	static struct sst_policy policy;
	struct options o = { .named = 0 };
	char listeners[4096];
	char *path = NULL;
	int rc = sst_run_policy_begin(&o.policy);

	if (rc == 0)
		rc = parse(&o, argc, argv);
	if (rc == 0 && o.help) {
		fputs(help_text, stdout);
		goto out;
	}
	if (rc == 0)
		rc = alone();
	if (rc == 0)
		rc = sst_run_policy_end(&o.policy, &policy);
	if (rc == 0)
		rc = sst_run_find(argv[optind], &path);
	if (rc == 0)
		rc = sst_run_check(path);
	if (rc == 0)
		rc = inherited(&policy, listeners, sizeof(listeners));
	if (rc == 0)
		rc = become(&o, path, argv + optind, listeners);
out:
	if (o.policy.out != NULL)
		fclose(o.policy.out);
	free(o.policy.text);
	free(path);
	return rc;
}
