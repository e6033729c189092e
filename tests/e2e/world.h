/* SPDX-License-Identifier: ISC */
/*
 * world - what every end-to-end program stands on: scenes, and processes.
 *
 * A program of this folder is a list of *scenes*. A scene runs in a process of
 * its own, so it starts its own keeper and relay, and nothing that one scene
 * breaks is met by the next. Around all scenes stands a supervisor that removes
 * what is left, however the program ends.
 *
 *	SCENE(a_client_reads_what_the_server_wrote)
 *	{
 *		want(...);
 *	}
 *	int main(void) { world_begin(); ... return world_end(tests, n); }
 *
 * Always true:
 *   1. The agent is started through a link in the program's own directory, so
 *      its processes are told from those of every other test.
 *   2. After each scene no process of a pair is left: SIGTERM must end it.
 *   3. A relay that died in a SCENE fails it, even when nobody noticed.
 *      COLD_SCENE leaves the start and the death of the pair to the scene.
 *   4. A scene that hangs ends with the line that it hung behind.
 *   5. What this machine keeps, in /var/cache or for this user, no scene sees: each
 *      has a cache of its own, in a file.
 *   6. Nothing sleeps: what is waited for is polled, against a deadline.
 * Threads: want() may be used in any thread of a scene.
 */
#ifndef SST_E2E_WORLD_H
#define SST_E2E_WORLD_H

#include <securesockets.h>	/* renames the socket calls of every scene */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <sys/types.h>

#include "support/pki.h"

/* --- saying what is wanted; a failure ends the process ------------------- */
void	world_fail(const char *file, int line, const char *fmt, ...)
	    __attribute__((noreturn, format(printf, 3, 4)));
void	world_pass(const char *file, int line);	/* remembered for rule 4 */

#define want(cond) do {							\
	world_pass(__FILE__, __LINE__);					\
	if (!(cond))							\
		world_fail(__FILE__, __LINE__, "%s", #cond);		\
} while (0)

/* The numbers are equal. */
#define want_eq(got, expected) do {					\
	long long got_, expected_;					\
	world_pass(__FILE__, __LINE__);					\
	got_ = (long long)(got);					\
	expected_ = (long long)(expected);				\
	if (got_ != expected_)						\
		world_fail(__FILE__, __LINE__, "%s is %lld, not %s (%lld)", \
		    #got, got_, #expected, expected_);			\
} while (0)

/* The call fails with this errno. */
#define want_errno(call, number) do {					\
	long long rc_;							\
	world_pass(__FILE__, __LINE__);					\
	errno = 0;							\
	rc_ = (long long)(call);					\
	if (rc_ != -1 || errno != (number))				\
		world_fail(__FILE__, __LINE__, "%s gave %lld, not -1 with %s", \
		    #call, rc_, #number);				\
} while (0)

/* The text has this part; or has it not. */
#define want_has(text, part) do {					\
	const char *text_ = (text);					\
	world_pass(__FILE__, __LINE__);					\
	if (strstr(text_, (part)) == NULL)				\
		world_fail(__FILE__, __LINE__, "no \"%s\" in \"%s\"", (part), text_); \
} while (0)
#define want_has_not(text, part) do {					\
	const char *text_ = (text);					\
	world_pass(__FILE__, __LINE__);					\
	if (strstr(text_, (part)) != NULL)				\
		world_fail(__FILE__, __LINE__, "\"%s\" in \"%s\"", (part), text_); \
} while (0)

/* Polls `cond` until it holds; fails after WORLD_PATIENCE_MS. */
#define want_soon(cond) do {						\
	long long end_ = world_now_ms() + WORLD_PATIENCE_MS;		\
	world_pass(__FILE__, __LINE__);					\
	while (!(cond)) {						\
		if (world_now_ms() > end_)				\
			world_fail(__FILE__, __LINE__, "never came: %s", #cond); \
		world_breathe();					\
	}								\
} while (0)

#define WORLD_PATIENCE_MS	(20000 * WORLD_SLOW)
#define WORLD_SCENE_SECONDS	(45 * WORLD_SLOW)
#ifndef WORLD_SLOW
#define WORLD_SLOW		1	/* under sanitizers more */
#endif

long long world_now_ms(void);	/* monotonic */
void	world_breathe(void);	/* gives the processor away for about 2 ms */
/* Ends the scene as skipped; the reason is printed. */
void	world_skip(const char *why) __attribute__((noreturn));

/* --- scenes --------------------------------------------------------------- */
enum world_start { WORLD_WARM, WORLD_COLD };
void	world_play(const char *name, void (*body)(void), enum world_start);
/* The same without a verdict: the wait status of the scene's process, or: */
int	world_try(const char *name, void (*body)(void), enum world_start);
#define WORLD_TRY_SKIPPED	(-1)
#define WORLD_TRY_LEFT		(-2)	/* agents that SIGTERM does not end */

#define SCENE_(name, start)						\
	static void name##_body(void);					\
	static void							\
	name(void **state)						\
	{								\
		(void)state;						\
		world_play(#name, name##_body, start);			\
	}								\
	static void							\
	name##_body(void)
#define SCENE(name)		SCENE_(name, WORLD_WARM)
#define COLD_SCENE(name)	SCENE_(name, WORLD_COLD)

/* The scene's machine file: these keys, and a cache of the scene's own. Each scene
 * begins with one without keys; a running pair takes a change in. */
void	world_machine(const char *keys);

/* Before anything else in main(): makes the directory, the authority and one
 * certificate, and forks the supervisor off. */
void	world_begin(void);
int	world_end_(const char *group, const struct CMUnitTest *tests, size_t n);
#define world_end(tests) \
	world_end_(#tests, (tests), sizeof(tests) / sizeof((tests)[0]))

struct world {
	char		*dir;		/* for files; mode 0711 */
	struct pki_cert	*ca;
	struct pki_cert	*one;		/* one.example and both loopback addresses */
	char		 ca_file[600];	/* DIR/ca.pem */
	char		 one_file[600];	/* DIR/one.pem: chain and key */
	int		 families[2];	/* AF_INET, AF_INET6: those that work */
	int		 n_families;
};
extern struct world world;

/* --- addresses -------------------------------------------------------------- */
struct addr {
	union {
		struct sockaddr		any;
		struct sockaddr_in	v4;
		struct sockaddr_in6	v6;
	} u;
	socklen_t len;
};

/* The loopback address of this family, this port. */
void	addr_loop(struct addr *, int family, int port);
int	addr_port(const struct addr *);
int	addr_same(const struct addr *, const struct addr *);
void	addr_of_sock(int fd, struct addr *ret);	/* getsockname() */

/* --- processes --------------------------------------------------------------- */
/* A program beside the scene: it dies with the scene. */
struct prog {
	pid_t	pid;
	int	ch;	/* socket to the program, and in it to the scene */
};

void	prog_start(struct prog *, void (*body)(int ch, void *arg), void *arg);
/* Waits for its end, which must be this wait status. */
void	prog_end_as(struct prog *, int status);
void	prog_end(struct prog *);	/* exit status 0 */
/* One byte, there and back: the two meet. */
void	prog_tell(int ch);
void	prog_await(int ch);
/* Bytes of a fixed length between the two. */
void	prog_send(int ch, const void *, size_t len);
void	prog_recv(int ch, void *, size_t len);

/* Starts a keeper as the library does; `start` says door (empty: a random one),
 * secret and idle time. The scene is its parent. */
struct sst_wire_start;
struct sst_wire_hello;
void	prog_keeper(struct prog *, const struct sst_wire_start *,
	    struct sst_wire_hello *ret_hello);

/* keeper and relay behind a TLS descriptor. 0, or -1 when they do not answer. */
int	world_pair(int fd, pid_t *ret_keeper, pid_t *ret_relay);
/* What the status door of this program's pair, which is root's, says to a line. 1, or
 * 0: nothing. */
int	world_ask(const char *line, char *out, size_t size);
/* All agents of this program's directory; returns how many. */
int	world_agents(pid_t *pids, int room);
int	world_alive(pid_t);
/* Open descriptors of a process, -1 if it cannot be looked at. */
int	world_count_fds(pid_t);
/* "Uid:" of /proc/PID/status and the like: the text after the label. */
void	world_status_line(pid_t, const char *label, char *out, size_t size);

#endif
