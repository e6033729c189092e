/* SPDX-License-Identifier: ISC */
/*
 * text - the sentence about the last failure of this thread.
 *
 * Everybody in the shim says why a call failed; getsockopt(-1, IPPROTO_TLS,
 * TLS_ERROR) reads it, and SECURESOCKETS_DEBUG=1 prints it to stderr.
 *
 * Always true:
 *   1. No allocation, no stdio, no lock: usable in a signal handler.
 *   2. Nothing is printed by a program that runs with raised rights (AT_SECURE).
 * Threads: each has its own sentence, in static thread storage.
 */
#ifndef SST_SHIM_TEXT_H
#define SST_SHIM_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define SST_TEXT_SIZE	480

/*
 * Sets the sentence to the parts, up to NULL, and returns `result`: what the
 * caller gives back. Parts from outside were escaped by the caller.
 */
int	sst_say(int result, const char *part, ...) __attribute__((sentinel));
/* The same for a text that is not NUL-terminated. */
int	sst_say_bytes(int result, const char *text, size_t len);
/* The sentence is about the socket `serial` and only the shim knows of it. */
void	sst_say_about(uint64_t serial);
/* Something newer happened on the socket `serial`. */
void	sst_say_forget(uint64_t serial);
/* Its length without NUL, 0: none. `serial` 0: whatever it is about. */
size_t	sst_said(uint64_t serial, const char **ret_text);
/* 1: SECURESOCKETS_DEBUG=1, and the program has no raised rights. */
int	sst_debugging(void);
/* "No such file or directory"; static, never translated. */
const char *sst_errno_text(int err);

#endif
