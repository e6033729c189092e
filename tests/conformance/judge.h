/* SPDX-License-Identifier: ISC */
/*
 * judge - notes of one run against those of another, and the two tables.
 *
 * divergences.tsv: number, modes, label, what TCP shows, what TLS shows, section,
 * reason. modes.tsv: number, modes, reason. Modes are a list as in client,both.
 *
 * Always true:
 *   1. The section of a divergence is one of "sockets 6.1" to "sockets 6.9" and
 *      "relay 11"; another one is an error of the table.
 *   2. A complaint names the mode, the label and both values.
 */
#ifndef SST_CONFORMANCE_JUDGE_H
#define SST_CONFORMANCE_JUDGE_H

#include <stdatomic.h>
#include <stddef.h>

#define NOTE_LABEL	96
#define NOTE_VALUE	160
#define NOTES_MAX	4096

/* Lies in memory that the processes of a run share. */
struct notes {
	atomic_uint	n;	/* more than NOTES_MAX: the rest is lost */
	struct note {
		char	label[NOTE_LABEL];
		char	value[NOTE_VALUE];
	} at[NOTES_MAX];
};

struct divergence {
	int	 number;
	unsigned int modes;	/* bit per enum mode */
	char	*label, *tcp, *tls;
};

struct absence {
	int	 number;
	unsigned int modes;
};

struct tables {
	struct divergence *divergences;
	size_t		 n_divergences;
	struct absence	*absences;
	size_t		 n_absences;
};

/* A growing text of complaints. */
struct complaints {
	int	n;
	char	text[8192];
};
void	complain(struct complaints *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

const char *judge_mode_name(int mode);
/* 0, or -1 and a complaint with file and line. Freed with judge_free(). */
int	judge_load(struct tables *, const char *divergences, const char *modes,
	    struct complaints *);
void	judge_free(struct tables *);
/* The modes in which a case runs: bits. */
unsigned int judge_modes(const struct tables *, int number);
/* The second run, in `mode`, against the first. */
void	judge_notes(const struct tables *, int number, int mode,
	    const struct notes *base, const struct notes *seen, struct complaints *);

#endif
