/* SPDX-License-Identifier: ISC */
/*
 * out - how sstool speaks: exit codes, text, JSON, progress.
 *
 * Every verb calls it; it calls jansson, libidn2 and stdio.
 *
 * Always true:
 *   1. Facts go to stdout, trouble to stderr.
 *   2. A JSON fact is one object on one line and has "schema": 1; times in it
 *      are UNIX seconds. Times in text are UTC, ISO 8601.
 *   3. No byte below 0x20 or above 0x7e that came from elsewhere is printed as
 *      it is, but for a U-label that libidn2 maps back to its A-label.
 * Threads: one.
 */
#ifndef SST_TOOLS_OUT_H
#define SST_TOOLS_OUT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct sst_error;

enum sst_exit {
	SST_EXIT_YES = 0,
	SST_EXIT_NO = 1,
	SST_EXIT_CANNOT_TELL = 2,
	SST_EXIT_USAGE = 64,
	SST_EXIT_UNAVAILABLE = 69,
	SST_EXIT_TRY_LATER = 75
};

/* One line on stderr, "sstool: " before it. Returns `code`. */
int	sst_out_trouble(int code, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
/* A wrong command line; names the page to read. Returns SST_EXIT_USAGE. */
int	sst_out_usage(const char *verb, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
/* What the last of them complained of. Borrowed. */
const char *sst_out_complaint(void);
/* What getopt_long() returned (':' or '?') as such a line. */
int	sst_out_option(const char *verb, int c, char **argv);
/* Says `err` about `what` and returns the exit code that fits it. */
int	sst_out_error(const char *what, const struct sst_error *err);
/* Ends the output: what could not be written is trouble. Returns an exit code. */
int	sst_out_finish(int code);

/* "2026-11-21T11:02:22Z" to `out`; returns it. */
char	*sst_out_time(char out[32], time_t);
/* 64 hex digits. */
char	*sst_out_hex(char out[65], const uint8_t digest[32]);
/* `text` with every unprintable byte as \xNN, cut with "..."; returns `out`. */
char	*sst_out_clean(char *out, size_t size, const char *text);
/* The same for a host name; on a UTF-8 terminal with the U-label in brackets. */
char	*sst_out_name(char *out, size_t size, const char *name);

/* A new object with "schema". */
json_t	*sst_out_object(void);
/* Cleaned string, or null for NULL. */
json_t	*sst_out_string(const char *text);
/* Prints the object on one line and gives the reference back. */
void	sst_out_json(json_t *object);
/* The last line of a list that was cut by --limit. */
void	sst_out_count(int json, size_t shown, size_t all);

/* A number after --limit; 0: not one. */
size_t	sst_out_limit(const char *arg);

/* "N read" on stderr: in place on a terminal, else a line every 5 seconds.
 * Says nothing during the first second. */
void	sst_out_progress(const char *what, size_t n);
/* Clears the line in place, when there is one. */
void	sst_out_progress_end(void);

#endif
