/* SPDX-License-Identifier: ISC */
/*
 * shim - what the caught calls share: whose descriptor is it.
 *
 *	socket.c bind.c connect.c accept.c name.c option.c --> shim.h, call.h
 *
 * Every caught call asks sst_identify() first, or sst_is_ours() where it does not
 * matter how far the socket is: one getsockname(). What is not a
 * TLS socket goes to the kernel as it came, and its errno comes back as it is.
 *
 * Always true:
 *   1. No table: the descriptor's own name and its peer's name say everything.
 *   2. errno is untouched by a call that succeeds.
 *   3. System calls only: no allocation, no stdio, no lock, no libc call that
 *      this library itself replaces.
 * Threads: any number at once; the kernel orders what they do to a descriptor.
 */
#ifndef SST_SHIM_SHIM_H
#define SST_SHIM_SHIM_H

#include <securesockets.h>

#include "base/sockname.h"

enum sst_kind {
	SST_KIND_PLAIN = 0,	/* none of ours, or no socket at all */
	SST_KIND_FRESH,		/* neither connecting nor listening */
	SST_KIND_LINKED,	/* connecting or connected */
	SST_KIND_LISTENING,
	SST_KIND_ACCEPTED
};

struct sst_call;

/* 1: a socket of ours, whatever became of it; *ret_name is set. */
int	sst_is_ours(int fd, struct sst_sockname *ret_name);
/* *ret_name is set unless the answer is SST_KIND_PLAIN. */
enum sst_kind sst_identify(int fd, struct sst_sockname *ret_name);

/* Sets "OPERATION: reason" for the socket `name` and returns -err. */
int	sst_say_errno(const struct sst_sockname *name, const char *operation, int err);

/*
 * socket.c: `tcp`, a TCP socket that listens or is connected, becomes a socket
 * of ours of the same number, blocking mode, close-on-exec and timeouts; what is
 * registered with epoll and every duplicate stay with the TCP socket. `flags`:
 * SST_NEW_*. 0, or -errno: it is as it was.
 */
int	sst_adopt(int tcp, int flags, struct sst_sockname *ret_name);
/*
 * connect.c: a call about `fd` that waits for the network, as connect() does:
 * head.a says 1 when the descriptor does not block; else signals, SO_SNDTIMEO
 * and cancellation end the wait, and the attempt goes on in the relay.
 */
int	sst_ask_network(struct sst_call *, int fd);
/* connect.c: not writable: the gate of an attempt that is under way, if it is one. */
int	sst_is_shut(int fd);
/* upgrade.c: TCP_UPGRADE_TLS. 1: the value is one for the kernel. 0, -errno. */
int	sst_upgrade(int fd, enum sst_kind kind, const struct sst_sockname *name,
	    const void *value, socklen_t len);
/* accept.c: a listener that takes nobody any more; who waits is reset. */
long	sst_accept_shutdown(int fd, const struct sst_sockname *name);
/* bind.c: an option that the kernel checks a privilege for, on a fresh socket. */
int	sst_lend_option(int fd, const struct sst_sockname *name, int level,
	    int option, const void *value, socklen_t len);
/* source.c: sets an option whose value is a path or bytes. */
int	sst_set_source(int fd, const struct sst_sockname *name, int option,
	    const void *value, socklen_t len);
/* source.c: makes `path` (NUL-terminated) absolute in `out`; its length with
 * NUL, or -ENAMETOOLONG. */
long	sst_absolute(char *out, size_t size, const char *path);

/*
 * Exports sst_NAME under libc's name as well. No version node: a versioned
 * symbol would stop interposition without a word.
 */
#define SST_LIBC_NAME(name)						\
	__asm__(".globl " #name "\n"					\
	    ".type " #name ", %function\n"				\
	    ".set " #name ", sst_" #name)

#define SST_EXPORT	__attribute__((visibility("default")))

#endif
