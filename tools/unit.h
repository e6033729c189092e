/* SPDX-License-Identifier: ISC */
/*
 * unit - the settings of a systemd service.
 *
 *	doctor_unit.c ---> unit_find.c	which files, in which order
 *	             \---> unit.c	what they say
 *
 * Always true:
 *   1. sst_unit_parse() is pure: text in, settings out. What a file says later
 *      comes later, so that the caller may judge it as systemd does.
 *   2. Only [Service] counts. Specifiers (%n) stay as they are.
 * Threads: one.
 */
#ifndef SST_TOOLS_UNIT_H
#define SST_TOOLS_UNIT_H

#include <stddef.h>

struct sst_unit;

struct sst_unit *sst_unit_new(void);		/* NULL: out of memory */
void	sst_unit_free(struct sst_unit *);	/* NULL is allowed */

/* Adds what `text` (`len` bytes) sets. 0, or -1: out of memory. `in_service`:
 * the text starts within [Service], as that of `systemctl show`. */
int	sst_unit_parse(struct sst_unit *, const char *text, size_t len,
	    int in_service);

/* The assignments of `key` in turn: start with *at = 0. NULL: no more. */
const char *sst_unit_each(const struct sst_unit *, const char *key, size_t *at);
/* The last assignment, NULL when there is none or it is empty. */
const char *sst_unit_last(const struct sst_unit *, const char *key);
/* 1: the last assignment is yes, true, on or 1. */
int	sst_unit_yes(const struct sst_unit *, const char *key);

/* The next word of *at, without quotes, to `out`. 1; 0: no more. */
int	sst_unit_word(const char **at, char *out, size_t size);

/*
 * Whether a list that allows (words) or denies (words after ~) lets something
 * through. `match` says whether a word is about it. `empty_denies`: an empty
 * assignment allows nothing, else it takes the list back.
 */
int	sst_unit_allows(const struct sst_unit *, const char *key, int empty_denies,
	    int (*match)(const char *word, const void *what), const void *what);

/*
 * The settings of the service `name`: by `systemctl show` where systemd runs,
 * else from its file and drop-ins in $SYSTEMD_UNIT_PATH or the usual
 * directories. A name with a slash is a file, with its drop-ins in FILE.d.
 * 0, or -1 with `why` filled: no such unit, or masked. `from` says what was
 * read.
 */
int	sst_unit_load(const char *name, struct sst_unit **ret_unit, char *from,
	    size_t from_size, char *why, size_t why_size);

#endif
