/* SPDX-License-Identifier: ISC */
/*
 * run - the parts of `sstool run`.
 *
 *	run.c --> run_policy.c	   options -> the policy's text
 *	      --> run_program.c	   which file is started, and whether it can be
 *	      --> run_watch.c	   the process that waits for the library's word
 *	      --> run_filter.c	   what the kernel refuses from here on
 *
 * Always true:
 *   1. Whatever cannot be TLS is refused before the program starts, in one
 *      sentence; afterwards the program has sstool's pid.
 *   2. A part that fails has said why on stderr and returns an exit code > 0.
 * Threads: one.
 */
#ifndef SST_TOOLS_RUN_H
#define SST_TOOLS_RUN_H

#include <stddef.h>
#include <stdio.h>

#define SST_EXIT_NOT_EXECUTABLE	126
#define SST_EXIT_NOT_FOUND	127

struct sst_policy;

/* --- run_policy.c ---------------------------------------------------------- */
/* The text, while it grows. */
struct sst_run_policy {
	FILE	*out;
	char	*text;
	size_t	 len;
	int	 ports, certs, keys;	/* how many of each there are */
	char	 lone[256];		/* a certificate that came without its key */
};

int	sst_run_policy_begin(struct sst_run_policy *);
/* `option` is as typed, without dashes. 0 or an exit code. */
int	sst_run_policy_port(struct sst_run_policy *, const char *value);
int	sst_run_policy_tls(struct sst_run_policy *, const char *value);
int	sst_run_policy_cert(struct sst_run_policy *, const char *path);
int	sst_run_policy_trust(struct sst_run_policy *, const char *path);
int	sst_run_policy_name(struct sst_run_policy *, const char *name);
/* `line` ends with a line feed. */
void	sst_run_policy_line(struct sst_run_policy *, const char *line);
/* The text is whole in p->text, and *ret_policy is what the library makes of it. */
int	sst_run_policy_end(struct sst_run_policy *, struct sst_policy *ret_policy);

/* --- run_program.c --------------------------------------------------------- */
/* The file that `name` means; the caller frees it. 0 or an exit code. */
int	sst_run_find(const char *name, char **ret_path);
/* Whether the library will be in it, and in its interpreters. */
int	sst_run_check(const char *path);

/* --- run_watch.c ----------------------------------------------------------- */
struct sst_run_watch {
	int	report;		/* the program's end of the pipe; stays open */
	int	tell;		/* to the watcher */
};

/*
 * Starts the watcher, as nobody's child. It kills the program unless the
 * library reports within 2 s, and it holds `held` (or -1) for as long as there
 * is anybody under the filter.
 */
int	sst_run_watch_start(struct sst_run_watch *, int held, const char *program);
/* Hands the filter's descriptor over, or says that there is none (-1). */
void	sst_run_watch_tell(struct sst_run_watch *, int filter);

/* --- run_filter.c ---------------------------------------------------------- */
/* From here on this process and its children make no TCP socket. 0 or an exit
 * code; *ret_fd reports HUP when the last of them is gone, or is -1. */
int	sst_run_filter(int *ret_fd);

#endif
