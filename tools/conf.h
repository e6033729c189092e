/* SPDX-License-Identifier: ISC */
/*
 * conf - the host names that a configuration of nginx or haproxy, or a list, has.
 *
 *	cert_check.c --> conf.c --> conf_nginx.c, conf_haproxy.c
 *
 * Always true:
 *   1. A configuration is read, never run: what only the server itself could know
 *      (an expression, a variable) is told as a name with `why`.
 *   2. Files are bounded in size, number and depth; one that includes itself ends in
 *      an error.
 * Threads: one.
 */
#ifndef SST_TOOLS_CONF_H
#define SST_TOOLS_CONF_H

#include <stddef.h>

struct sst_error;

enum sst_conf_kind {
	SST_CONF_GUESS = 0,	/* by what is in it */
	SST_CONF_NGINX,
	SST_CONF_HAPROXY,
	SST_CONF_LIST		/* names between white space, # to the end of a line */
};

/* One name where it stands. Pointers live for the call. */
struct sst_conf_name {
	const char	*name;	/* as it was written; "*.a.b" is every label before a.b */
	const char	*file;
	unsigned	 line;
	const char	*why;	/* it cannot be checked; NULL: it can */
	int		 plain;	/* of a server that speaks no TLS itself */
};

/* What is read, and whom to tell. `each` stops it with non-zero. */
struct sst_conf {
	enum sst_conf_kind kind;
	unsigned	 tls_port;	/* of nginx: TLS without "ssl", too; 0: each is */
	int		(*each)(void *arg, const struct sst_conf_name *);
	void		*arg;
	/* of the readers */
	const char	*root;		/* what relative paths start from */
	unsigned	 files, depth;
};

/* Reads `path` ("-": standard input; of haproxy also a directory) and what it includes.
 * 0; what `each` returned; or SST_E_*, and the text has file and line. */
int	sst_conf_read(struct sst_conf *, const char *path, struct sst_error *err);

/* For the readers. */
/* A file that the readers walk over. */
struct sst_conf_text {
	const char	*file;		/* its path, borrowed */
	char		*bytes;		/* owned, with a NUL behind them */
	size_t		 len;
};
int	sst_conf_load(struct sst_conf *, const char *path, struct sst_conf_text *ret,
	    struct sst_error *err);
void	sst_conf_unload(struct sst_conf_text *);
/* `path`, below root when it is relative. SST_E_LIMIT: too long. */
int	sst_conf_path(const struct sst_conf *, const char *path, char *out, size_t size,
	    struct sst_error *err);
/* Fills err: "FILE:LINE: text", without a line when that is 0. Returns code. */
int	sst_conf_fail(struct sst_error *err, int code, const char *file, unsigned line,
	    const char *text);
int	sst_conf_nginx(struct sst_conf *, const struct sst_conf_text *,
	    struct sst_error *err);
int	sst_conf_haproxy(struct sst_conf *, const struct sst_conf_text *,
	    struct sst_error *err);

#endif
