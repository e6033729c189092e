/* SPDX-License-Identifier: ISC */
/*
 * escape - a program that the library may not be in: linked statically as well,
 * and once more with the section that the Go linker leaves (ESCAPE_GO).
 *
 *	escape		what the kernel says to a TCP socket and to an io_uring
 *	escape pause	waits for ever
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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

int
main(int argc, char **argv)
{
	char params[256] = "";

	if (argc > 1 && strcmp(argv[1], "pause") == 0)
		for (;;)
			(void)pause();
	report("inet", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	report("inet6", socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP));
	report("sctp", socket(AF_INET, SOCK_STREAM, 132));
	report("smc", socket(43, SOCK_STREAM, 0));
	report("datagrams", socket(AF_INET, SOCK_DGRAM, 0));
	report("unix", socket(AF_UNIX, SOCK_STREAM, 0));
	report("io_uring", syscall(425, 4, params));
	return 0;
}
