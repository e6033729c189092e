/* SPDX-License-Identifier: ISC */
/*
 * run_filter - what the kernel refuses to a program under `sstool run`.
 *
 * Only the helper processes make TCP sockets, and they were started before. So
 * a child in which the library is not loaded gets EPERM where it would have
 * spoken plain TCP.
 *
 * Always true:
 *   1. Refused: socket() of a stream of AF_INET, AF_INET6 or AF_SMC, which
 *      falls back to TCP; io_uring_setup(), whose ring makes sockets unseen.
 *   2. Of foreign system calls, 32 bit or x32, those are refused that may do
 *      the same: there arguments cannot be looked at, or nobody looks.
 *   3. A connect() cannot be judged here, since its address is in memory; no
 *      TCP socket that could connect is left when the program starts.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "out.h"
#include "run.h"

#define IO_URING_SETUP	425	/* the same everywhere */

#if defined(__x86_64__)
#define NATIVE		AUDIT_ARCH_X86_64
#define X32_BIT		0x40000000U
#define FOREIGN		AUDIT_ARCH_I386
#define FOREIGN_CALL	102	/* socketcall */
#define FOREIGN_SOCKET	359
#elif defined(__aarch64__)
#define NATIVE		AUDIT_ARCH_AARCH64
#define X32_BIT		0x80000000U	/* there is none */
#define FOREIGN		AUDIT_ARCH_ARM
#define FOREIGN_CALL	281	/* socket */
#define FOREIGN_SOCKET	281
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE		AUDIT_ARCH_RISCV64
#define X32_BIT		0x80000000U
#define FOREIGN		AUDIT_ARCH_RISCV32
#define FOREIGN_CALL	198	/* socket */
#define FOREIGN_SOCKET	198
#else
#error "sstool run needs the numbers of this machine's system calls"
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW_WORD	0
#else
#define LOW_WORD	4
#endif

#define LOAD(field)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS,		\
			    (unsigned)offsetof(struct seccomp_data, field))
#define LOAD_ARG(n)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS,		\
			    (unsigned)offsetof(struct seccomp_data, args) +	\
			    8 * (n) + LOW_WORD)
/* Equal: skip the next `yes` instructions, else the next `no`. */
#define IF_EQUAL(v, yes, no)	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (v), (yes), (no))
#define ALLOW		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

static struct sock_filter program[] = {
	LOAD(arch),
	IF_EQUAL(NATIVE, 7, 0),
	IF_EQUAL(FOREIGN, 0, 4),
	LOAD(nr),
	IF_EQUAL(FOREIGN_CALL, 2, 0),
	IF_EQUAL(FOREIGN_SOCKET, 1, 0),
	IF_EQUAL(IO_URING_SETUP, 0, 1),
	REFUSE,
	ALLOW,
	/* native */
	LOAD(nr),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 9, 0),
	IF_EQUAL(IO_URING_SETUP, 8, 0),
	IF_EQUAL(SYS_socket, 0, 8),
	LOAD_ARG(0),
	IF_EQUAL(AF_INET, 2, 0),
	IF_EQUAL(AF_INET6, 1, 0),
	IF_EQUAL(AF_SMC, 0, 4),
	LOAD_ARG(1),
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf),	/* SOCK_TYPE_MASK */
	IF_EQUAL(SOCK_STREAM, 0, 1),
	REFUSE,
	ALLOW,
};

static long
load(unsigned flags)
{
	struct sock_fprog prog = {
		.len = sizeof(program) / sizeof(program[0]), .filter = program,
	};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

/* With the descriptor where the kernel gives one: a sandbox around us may have
 * taken the one that a process can have. */
static long
load_any(int *ret_fd)
{
	long fd = load(SECCOMP_FILTER_FLAG_NEW_LISTENER);

	*ret_fd = (int)fd;
	if (fd >= 0 || errno == EACCES)
		return fd;
	return load(0);
}

int
sst_run_filter(int *ret_fd)
{
	/* With the right to do so, set-uid programs stay what they are. */
	long r = load_any(ret_fd);

	if (r < 0 && errno == EACCES) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
			r = load_any(ret_fd);
	}
	if (r >= 0)
		return 0;
	return sst_out_trouble(SST_EXIT_UNAVAILABLE, "run: the kernel takes no "
	    "filter of system calls (%s): --lenient runs the program without",
	    strerror(errno));
}
