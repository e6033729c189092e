/* SPDX-License-Identifier: ISC */
/*
 * program - what the tests of the shim share: a program that uses TLS sockets,
 * with the agent of agent.c behind them.
 */
#ifndef TESTS_UNIT_SHIM_PROGRAM_H
#define TESTS_UNIT_SHIM_PROGRAM_H

#include <errno.h>
#include <netinet/in.h>
#include <securesockets.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent.h"

/* Points the shim at an agent: "" is the ordinary one, or "_silent" ... */
void	use_agent(const char *suffix);
/* A TLS socket; the test fails when there is none. */
int	tls_socket(int type);
/* A TLS socket that listens. */
int	tls_listener(void);
int	steer_agent(int fd, int option, int value);
/* The agent's answer; its length. */
size_t	ask_agent(int fd, int option, void *value, size_t room);
int	agent_pid(int fd);
/* The agent of `fd` ends; returns when it is gone. */
void	end_agent(int fd);
struct sockaddr_in loopback(uint16_t port);
int	open_descriptors(void);
/* Runs fn in a child process: its result (0: all well), or 256 for a crash. */
int	in_child(int (*fn)(void));
/* In a child: a failed check ends it with the line's number. */
#define CHECK(cond)	do { if (!(cond)) return __LINE__ % 250 + 1; } while (0)
/* The sentence of the thread's last failure. */
const char *last_sentence(void);

#endif
