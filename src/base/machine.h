/* SPDX-License-Identifier: ISC */
/*
 * machine - the administrator's file: what holds for every program.
 *
 *	/etc/securesockets.conf, then /etc/securesockets.conf.d/NAME.conf in the
 *	order of their bytes: a later file's keys replace an earlier one's
 *	$SECURESOCKETS_CONF where there is neither of them
 *	~/.config/securesockets.conf: may tighten the result, never loosen it
 *
 * The relay, way 2 and sstool load it; it calls libconfig and nobody else. The
 * shim never refers to it, so that the library needs libc alone.
 *
 * Always true:
 *   1. Immutable once loaded; a change on disk is another load.
 *   2. All or nothing: one key that is unknown, misspelt or out of range, or one
 *      file that cannot be read, and nothing is loaded; the text says FILE:LINE.
 *   3. sst_machine_keys is every key there is: securesockets.conf(5) is compared
 *      with it.
 * Threads: any number may read one.
 */
#ifndef SST_BASE_MACHINE_H
#define SST_BASE_MACHINE_H

#include <stdint.h>

#include <securesockets/revocation.h>

#define SST_MACHINE_FILE	"/etc/securesockets.conf"
#define SST_MACHINE_DIR		"/etc/securesockets.conf.d"
#define SST_MACHINE_VAR		"SECURESOCKETS_CONF"

enum sst_machine_key {
	SST_KEY_MODE,
	SST_KEY_BUDGET,
	SST_KEY_HARD_CHAIN,
	SST_KEY_REFUSE_NO_SOURCE,
	SST_KEY_EXEMPT_SHORT,
	SST_KEY_MAX_AGE,
	SST_KEY_FETCH,
	SST_KEY_STAPLES,
	SST_KEY_OCSP,
	SST_KEY_CRL,
	SST_KEY_KEPT,
	SST_KEY_CACHE_DIR,
	SST_KEY_CACHE_SIZE,
	SST_KEY_ALLOW,
	SST_KEY_NAT64,
	SST_KEY_PROXY,
	SST_MACHINE_KEYS
};

enum sst_machine_type {
	SST_MACHINE_WORD = 1,	/* one of `words` */
	SST_MACHINE_BOOL,
	SST_MACHINE_INT,	/* min to max */
	SST_MACHINE_PATH,	/* absolute, or "" */
	SST_MACHINE_URL,	/* http://HOST:PORT */
	SST_MACHINE_LIST	/* of strings */
};

struct sst_machine_row {
	const char	*name;		/* "revocation.mode" */
	enum sst_machine_type type;
	const char	*range;		/* "off, soft, hard, staple"; "0 to 60000"; "" */
	long long	 min, max;	/* INT */
	const char	*fallback;	/* what holds without it, as text */
	int		 in_user_file;	/* 1: a user's own file may set it */
	const char	*meaning;	/* one line for the manual */
};
/* SST_MACHINE_KEYS rows, in the order of the enum. */
extern const struct sst_machine_row sst_machine_keys[];
/* "word", "bool", "int", "path", "url", "list". */
const char *sst_machine_type_name(enum sst_machine_type);

struct sst_machine {
	struct sst_revocation_policy revocation;	/* 0: no file says it */
	char		*cache_dir;	/* NULL: no file says it */
	uint64_t	 cache_bytes;	/* 0: likewise */
	char		**allow, **nat64;	/* NULL-terminated, or NULL */
	char		*proxy;		/* NULL: none */
	char		*origin[SST_MACHINE_KEYS];	/* "FILE:LINE", or NULL */
	unsigned	 refs;
};

/* Where to look; each may be NULL. Borrowed. */
struct sst_machine_paths {
	const char	*file, *dir;	/* the machine's */
	const char	*other;		/* where neither exists */
	const char	*user;
};

/*
 * This process's: SECURESOCKETS_CONF and the user's file count only where
 * secure_getenv() gives them, and the latter not for root. `room` holds the
 * user's path.
 */
void	sst_machine_paths_of(struct sst_machine_paths *ret, char room[4096]);
/* No file at all is a machine that says nothing. */
int	sst_machine_load(const struct sst_machine_paths *, struct sst_machine **ret,
	    struct sst_error *err);
struct sst_machine *sst_machine_ref(struct sst_machine *);
void	sst_machine_unref(struct sst_machine *);	/* NULL is allowed */
/* Another value when any of the files was changed, added or removed. */
uint64_t sst_machine_stamp(const struct sst_machine_paths *);

/* Of who goes on for long; all zero: nothing was read yet. */
struct sst_machine_watch {
	struct sst_error wrong;		/* why the files as they are cannot be used */
	uint64_t	 stamp;
	int64_t		 look_at;	/* ms */
	int		 knows;		/* 1: what the files of this stamp come to */
};
/*
 * At most every 2 s: loads this process's files where they are others than they
 * were, and gives what they say to `take`, which makes it hold or refuses it.
 * SST_OK: it was taken, or there is nothing new. Else what was taken before goes on,
 * and `wrong` says why: SST_E_REFUSED, once for each state of the files, except that
 * what they have no part in (memory, descriptors) is tried again at the next look;
 * SST_E_NOMEM.
 */
int	sst_machine_look(struct sst_machine_watch *, int64_t now_ms,
	    int (*take)(void *arg, struct sst_machine *, struct sst_error *err), void *arg);

/*
 * What holds for a program that wants *wanted: in *wanted, whatever is not set is
 * filled in from the machine. SST_E_REFUSED: the program would loosen a rule, and
 * `err` names the rule and its file; *wanted is unchanged. Pure.
 *
 * Where the machine sets a mode other than off, the defaults of the other keys are
 * rules too: a mode of which every source is switched off would say nothing.
 */
int	sst_machine_tighten(const struct sst_machine *, struct sst_revocation_policy *wanted,
	    struct sst_error *err);

#endif
