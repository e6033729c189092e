/* SPDX-License-Identifier: ISC */
/*
 * doctor - what the files of sstool doctor share: findings, and trials.
 *
 *	doctor.c ---> doctor_try.c	what can be tried
 *	         \--> doctor_system.c	what can be read
 *	         |        \--> doctor_serve.c	one whole connection
 *	         \--> doctor_watch.c	how running programs watch their files
 *	         \--> doctor_run.c	what keeps a program from `sstool run`
 *	         \--> doctor_unit.c	what a unit's settings forbid
 *	              \--> doctor_access.c	which files its user cannot read
 *	               --> doctor_calls.c	which system calls a pair makes
 *
 * Always true:
 *   1. A finding is one line, or one JSON object: ok, warn or fail; what was
 *      looked at; why; what to type. Only something that makes TLS sockets
 *      impossible is a fail.
 *   2. What a filter may answer with a deadly signal is tried in a process of
 *      its own.
 * Threads: one.
 */
#ifndef SST_TOOLS_DOCTOR_H
#define SST_TOOLS_DOCTOR_H

#include <stddef.h>
#include <sys/socket.h>

struct sst_unit;

enum sst_level { SST_FINE, SST_WARN, SST_FAIL };

struct sst_doctor {
	int		 json;
	unsigned	 warns, fails;
	int		 alone;		/* no process can be started */
	const char	*agent;		/* path of securesocketsd */
};

/* `what` is one word; `type` (a command or a setting) may be NULL. */
void	sst_find(struct sst_doctor *, enum sst_level, const char *what,
	    const char *type, const char *fmt, ...)
	    __attribute__((format(printf, 5, 6)));

/* How a trial went. */
struct sst_trial {
	int	error;		/* errno; 0: it worked */
	int	signal;		/* it was killed, mostly by SIGSYS */
	long	number;		/* what the trial returns besides */
	char	text[700];	/* a sentence, or "" */
};

/* What a process writes and another reads: a pipe, or sockets where a filter takes
 * pipe2(). Both are closed on exec. 0, or -1 with errno. */
int	sst_ends(int ends[2]);
/* Runs `body` in a process of its own, 10 s at most. */
void	sst_try(void (*body)(struct sst_trial *, const void *), const void *arg,
	    struct sst_trial *);
/* "Bad system call", the sentence, or the errno as text. */
const char *sst_trial_why(const struct sst_trial *);

/* A body: runs a command; what it prints first is the trial's sentence. */
struct sst_command {
	const char *const	*argv;
	const char		*preload;	/* or NULL */
};
void	sst_try_command(struct sst_trial *, const void *command);

/* A body: a listener at an address (port 0), and a client of it. */
struct sst_served {
	struct sockaddr_storage	at;
	socklen_t		len;
};
void	sst_doctor_serve(struct sst_trial *, const void *served);

/* Whether `sstool run PROGRAM` would work. */
void	sst_doctor_run(struct sst_doctor *, const char *program);
/* The parts of doctor without --unit. */
void	sst_doctor_try(struct sst_doctor *);
void	sst_doctor_system(struct sst_doctor *);
/* Asks the programs that serve now. */
void	sst_doctor_watch(struct sst_doctor *);
/* --unit. An exit code: SST_EXIT_YES when the unit was judged. */
int	sst_doctor_unit(struct sst_doctor *, const char *unit);
/* What `user` cannot read of what the unit's settings name. */
void	sst_doctor_access(struct sst_doctor *, const struct sst_unit *,
	    const char *user);

/* Descriptors that a pair takes before its first connection. */
#define SST_DOCTOR_PAIR_FILES	38
/* Its processes and threads: keeper, relay, loader, a worker for each core. */
unsigned long sst_doctor_tasks(void);
/* Connections for which there is room under limits of descriptors. */
unsigned long sst_doctor_room(unsigned long soft, unsigned long hard);

#endif
