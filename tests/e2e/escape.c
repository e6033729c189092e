/* SPDX-License-Identifier: ISC */
/*
 * escape - a program that the library may not be in: linked statically as well,
 * and once more with the section that the Go linker leaves (ESCAPE_GO).
 *
 *	escape		what the kernel says to a TCP socket and to an io_uring
 *	escape pause	waits for ever
 *	escape bare	the first again, started by a system call and with an empty
 *			environment: the library hears of nothing
 *	escape HOW	the first again, started by that function of libc and with an
 *			environment of its own; for those that have one, an empty one
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef ESCAPE_GO
#define ESCAPE_GO 0
#endif
#if ESCAPE_GO == 1
__attribute__((section(".go.buildinfo"), used))
static const char go[] = "\xff Go buildinf:";
#elif ESCAPE_GO == 2
/* A note of type 4 and name "Go", in a section of any name. */
__asm__(".pushsection .note.other, \"a\", @note\n"
    ".long 4, 4, 4\n.asciz \"Go\"\n.balign 4\n.long 0\n.popsection");
#endif

static void
report(const char *what, long r)
{
	printf("%s: %s\n", what, r >= 0 ? "made" : strerror(errno));
	if (r >= 0)
		(void)close((int)r);
}

/* A way to start itself anew. 0: there is none of that name. */
static int
start(const char *how, const char *path)
{
	char name[] = "escape", other[] = "LD_PRELOAD=";
	char *argv[] = { name, NULL }, *none[] = { NULL }, *odd[] = { other, NULL };
	pid_t pid = -1;

	environ = none;
	if (strcmp(how, "bare") == 0)
		return (int)syscall(SYS_execve, path, argv, none);
	if (strcmp(how, "execve") == 0)
		return execve(path, argv, NULL);
	if (strcmp(how, "execv") == 0)
		return execv(path, argv);
	if (strcmp(how, "execvp") == 0)
		return execvp(path, argv);
	if (strcmp(how, "execvpe") == 0)
		return execvpe(path, argv, odd);
	if (strcmp(how, "execl") == 0)
		return execl(path, name, (char *)NULL);
	if (strcmp(how, "execlp") == 0)
		return execlp(path, name, (char *)NULL);
	if (strcmp(how, "execle") == 0)
		return execle(path, name, (char *)NULL, odd);
	if (strcmp(how, "fexecve") == 0)
		return fexecve(open(path, O_RDONLY | O_CLOEXEC), argv, none);
	if (strcmp(how, "execveat") == 0)
		return execveat(AT_FDCWD, path, argv, none, 0);
	if (strcmp(how, "posix_spawn") == 0)
		(void)posix_spawn(&pid, path, NULL, NULL, argv, none);
	else if (strcmp(how, "posix_spawnp") == 0)
		(void)posix_spawnp(&pid, path, NULL, NULL, argv, odd);
	(void)waitpid(pid, NULL, 0);
	return pid > 0;
}

int
main(int argc, char **argv)
{
	char params[256] = "";

	if (argc > 1 && strcmp(argv[1], "pause") == 0)
		for (;;)
			(void)pause();
	if (argc > 1)
		return start(argv[1], argv[0]) > 0 ? 0 : 1;
	report("inet", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	report("inet6", socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP));
	report("sctp", socket(AF_INET, SOCK_STREAM, 132));
	report("smc", socket(43, SOCK_STREAM, 0));
	report("datagrams", socket(AF_INET, SOCK_DGRAM, 0));
	report("unix", socket(AF_UNIX, SOCK_STREAM, 0));
	report("io_uring", syscall(425, 4, params));
	return 0;
}
