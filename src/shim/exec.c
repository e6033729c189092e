/* SPDX-License-Identifier: ISC */
/*
 * exec - what a program under a policy starts is under it as well, also when it
 * gets an environment of its own: servers clean it before they start themselves
 * anew.
 *
 *	program --execve, posix_spawn, ...--> exec.c --> kernel, libc
 *
 * Always true:
 *   1. Without a policy a call is passed on as it is.
 *   2. What an environment says itself stays: a policy that is there, and the
 *      libraries that LD_PRELOAD names, behind this one.
 *   3. Usable between vfork and exec: what is added is on the stack.
 * system() and popen() go past this, within libc: they hand on what the program's
 * own environment has. A child that gets no library so gets no TCP socket either.
 * Threads: any.
 */
#include "forced.h"
#include "real.h"
#include "sys.h"

#include <alloca.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PRELOAD_VAR	"LD_PRELOAD"
#define AGENT_VAR	"SECURESOCKETS_AGENT"
#define LIBRARY		"libsecuresockets.so"
#define PATH_ROOM	4096
#define ENV_MAX		65536	/* beyond: passed on as it is */

extern char **environ;

/* Not in every C library's headers. */
int	execveat(int dir, const char *path, char *const argv[], char *const env[],
	    int flags);

/* "NAME=value" as it was before main(); "": there was none. */
static char policy[sizeof(SST_POLICY_VAR) + SST_POLICY_TEXT_MAX];
static char agent[sizeof(AGENT_VAR) + PATH_ROOM];
static char preload[sizeof(PRELOAD_VAR) + PATH_ROOM];
static size_t library_at, library_len;	/* this library's path in `preload` */

/* What is to be started, all but its environment. */
struct start {
	int	(*run)(const struct start *, char *const *env);
	const char *path;
	char *const *argv;
	int	 dir, flags;				/* execveat */
	pid_t	*pid;					/* posix_spawn */
	const posix_spawn_file_actions_t *actions;
	const posix_spawnattr_t *attr;
};

/* --- before main() -------------------------------------------------------------- */
static void
keep(char *out, size_t size, const char *variable)
{
	const char *value = secure_getenv(variable);
	size_t n = strlen(variable);

	if (value == NULL || n + 1 + strlen(value) + 1 > size)
		return;
	memcpy(out, variable, n);
	out[n] = '=';
	memcpy(out + n + 1, value, strlen(value) + 1);
}

/* The word of LD_PRELOAD that brought this library here. */
static void
find_library(void)
{
	const char *at = strstr(preload, "/" LIBRARY);
	const char *begin = at, *end = at;

	if (at == NULL)
		return;
	while (begin > preload && strchr("=: ", begin[-1]) == NULL)
		begin--;
	end += strcspn(at, ": ");
	library_at = (size_t)(begin - preload);
	library_len = (size_t)(end - begin);
}

static void __attribute__((constructor))
look_around(void)
{
	keep(policy, sizeof(policy), SST_POLICY_VAR);
	keep(agent, sizeof(agent), AGENT_VAR);
	keep(preload, sizeof(preload), PRELOAD_VAR);
	find_library();
}

/* --- an environment -------------------------------------------------------------- */
/* The place of the variable of `kept`, "NAME=...", or -1. */
static long
place_of(char *const *env, const char *kept)
{
	size_t n = strcspn(kept, "=") + 1;

	for (long i = 0; env != NULL && env[i] != NULL; i++)
		if (strncmp(env[i], kept, n) == 0)
			return i;
	return -1;
}

static int
names_library(const char *value)
{
	const char *library = preload + library_at;
	const char *end = value;

	for (; *value != '\0'; value = end + strspn(end, ": ")) {
		end = value + strcspn(value, ": ");
		if ((size_t)(end - value) == library_len &&
		    memcmp(value, library, library_len) == 0)
			return 1;
	}
	return 0;
}

/* 1: this program is under a policy, and there is a library to load. */
static int
goes_along(void)
{
	return library_len > 0 && *policy != '\0' && sst_forced_policy(NULL) != NULL;
}

/* `env` with what is missing; `all` has room for three more and NULL, `both` for
 * both values of LD_PRELOAD. */
static void
complete(char *const *env, long n, char **all, char *both)
{
	long at = place_of(env, preload);

	if (n > 0)
		memcpy(all, env, (size_t)n * sizeof(*all));
	if (place_of(env, policy) < 0)
		all[n++] = policy;
	if (*agent != '\0' && place_of(env, agent) < 0)
		all[n++] = agent;
	if (at < 0) {
		all[n++] = preload;
	} else if (!names_library(env[at] + sizeof(PRELOAD_VAR))) {
		(void)strcpy(both, preload);
		(void)strcat(both, ":");
		(void)strcat(both, env[at] + sizeof(PRELOAD_VAR));
		all[at] = both;
	}
	all[n] = NULL;
}

static int
begin(const struct start *s, char *const *env)
{
	char **all, *both;
	size_t room;
	long n = 0, at;

	if (!goes_along())
		return s->run(s, env);
	while (env != NULL && env[n] != NULL)
		n++;
	at = place_of(env, preload);
	room = strlen(preload) + 2 + (at < 0 ? 0 : strlen(env[at]));
	if (n > ENV_MAX || room > ENV_MAX)
		return s->run(s, env);
	all = alloca(((size_t)n + 4) * sizeof(*all));
	both = alloca(room);
	complete(env, n, all, both);
	return s->run(s, all);
}

/* --- exec ------------------------------------------------------------------------- */
static int
run_at(const struct start *s, char *const *env)
{
	return (int)SST_SYS(SYS_execveat, s->dir, s->path, s->argv, env, s->flags);
}

static int
run_path(const struct start *s, char *const *env)
{
	return (int)SST_SYS(SYS_execve, s->path, s->argv, env);
}

static int
run_search(const struct start *s, char *const *env)
{
	(void)SST_REAL(execvpe)(s->path, s->argv, env);
	return -errno;
}

static int
exec_path(const char *path, char *const argv[], char *const env[])
{
	const struct start s = { .run = run_path, .path = path, .argv = argv };

	return sst_sys_return(begin(&s, env), errno);
}

static int
exec_search(const char *file, char *const argv[], char *const env[])
{
	const struct start s = { .run = run_search, .path = file, .argv = argv };

	return sst_sys_return(begin(&s, env), errno);
}

SST_EXPORT int
execve(const char *path, char *const argv[], char *const env[])
{
	return exec_path(path, argv, env);
}

SST_EXPORT int
execv(const char *path, char *const argv[])
{
	return exec_path(path, argv, environ);
}

SST_EXPORT int
execvpe(const char *file, char *const argv[], char *const env[])
{
	return exec_search(file, argv, env);
}

SST_EXPORT int
execvp(const char *file, char *const argv[])
{
	return exec_search(file, argv, environ);
}

SST_EXPORT int
execveat(int dir, const char *path, char *const argv[], char *const env[], int flags)
{
	const struct start s = { .run = run_at, .dir = dir, .path = path,
	    .argv = argv, .flags = flags };

	return sst_sys_return(begin(&s, env), errno);
}

SST_EXPORT int
fexecve(int fd, char *const argv[], char *const env[])
{
	return execveat(fd, "", argv, env, AT_EMPTY_PATH);
}

/* --- arguments one by one ------------------------------------------------------------ */
static size_t
count_arguments(const char *first, va_list *ap)
{
	size_t n = 1;

	for (const char *a = first; a != NULL; n++)
		a = va_arg(*ap, const char *);
	return n;
}

/* Up to the NULL, which is the last that is taken. */
static void
take_arguments(char **argv, const char *first, va_list *ap)
{
	const char *a = first;

	for (; a != NULL; a = va_arg(*ap, const char *))
		*argv++ = (char *)(uintptr_t)a;
	*argv = NULL;
}

SST_EXPORT int
execl(const char *path, const char *arg, ...)
{
	char **argv;
	va_list ap;

	va_start(ap, arg);
	argv = alloca(count_arguments(arg, &ap) * sizeof(*argv));
	va_end(ap);
	va_start(ap, arg);
	take_arguments(argv, arg, &ap);
	va_end(ap);
	return exec_path(path, argv, environ);
}

SST_EXPORT int
execlp(const char *file, const char *arg, ...)
{
	char **argv;
	va_list ap;

	va_start(ap, arg);
	argv = alloca(count_arguments(arg, &ap) * sizeof(*argv));
	va_end(ap);
	va_start(ap, arg);
	take_arguments(argv, arg, &ap);
	va_end(ap);
	return exec_search(file, argv, environ);
}

SST_EXPORT int
execle(const char *path, const char *arg, ...)
{
	char **argv;
	char *const *env;
	va_list ap;

	va_start(ap, arg);
	argv = alloca(count_arguments(arg, &ap) * sizeof(*argv));
	va_end(ap);
	va_start(ap, arg);
	take_arguments(argv, arg, &ap);
	env = va_arg(ap, char *const *);
	va_end(ap);
	return exec_path(path, argv, env);
}

/* --- posix_spawn ------------------------------------------------------------------------ */
static int
run_spawn(const struct start *s, char *const *env)
{
	return SST_REAL(posix_spawn)(s->pid, s->path, s->actions, s->attr, s->argv,
	    env);
}

static int
run_spawn_search(const struct start *s, char *const *env)
{
	return SST_REAL(posix_spawnp)(s->pid, s->path, s->actions, s->attr, s->argv,
	    env);
}

SST_EXPORT int
posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
    const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	const struct start s = { .run = run_spawn, .path = path, .argv = argv,
	    .pid = pid, .actions = actions, .attr = attr };

	return begin(&s, env);
}

SST_EXPORT int
posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
    const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	const struct start s = { .run = run_spawn_search, .path = file, .argv = argv,
	    .pid = pid, .actions = actions, .attr = attr };

	return begin(&s, env);
}
