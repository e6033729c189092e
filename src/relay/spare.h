/* SPDX-License-Identifier: ISC */
/*
 * spare - descriptors that are kept back for handshakes under way.
 *
 *	shake.c fills it before it accepts; listener.c uses it when the table is full
 *
 * A client costs one descriptor until it speaks and two more from then on. Were all
 * of them given to clients that have only connected, none could be served.
 *
 * Always true:
 *   1. Nobody is accepted while fewer are kept back than should be.
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_SPARE_H
#define SST_RELAY_SPARE_H

#define SST_SPARE_MOST	64	/* and never more than an eighth of the table */
#define SST_SPARE_PAIR	2

struct sst_spare {
	int	fds[SST_SPARE_MOST];
	int	n, wanted;
};

/* As many as RLIMIT_NOFILE lets us have. */
void	sst_spare_init(struct sst_spare *);
/* 0: all are there; -1 with errno. */
int	sst_spare_fill(struct sst_spare *);
/* Gives room for a pair. 0: there is none left. */
int	sst_spare_use(struct sst_spare *);

#endif
