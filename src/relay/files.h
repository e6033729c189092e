/* SPDX-License-Identifier: ISC */
/*
 * files - questions to the keeper: open this path again, where does this link
 * lead.
 *
 * cert_files.c asks. One question is under way at a time; one whose answer does not
 * come within SST_WIRE_TIMEOUT_MS fails with ETIMEDOUT, which is no word about the file.
 * Its answer is taken before the next question is put, so that it is not mistaken for
 * that one's; until it comes every other one fails likewise, and at once: a keeper that a
 * file system holds up holds up no handshake but the first.
 *
 * Always true:
 *   1. The keeper decides what is opened: the id names the source that the
 *      program gave, and the keeper opens nothing that is not below it.
 * Threads: any.
 */
#ifndef SST_RELAY_FILES_H
#define SST_RELAY_FILES_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct sst_answer;
struct sst_error;

struct sst_files {
	/* mu: one question at a time */
	pthread_mutex_t	mu;
	int		channel;	/* -1: lost */
	unsigned	late;		/* answers that nobody waits for */
};

/* The channel stays the caller's. 0, or -1 with errno. */
int	sst_files_init(struct sst_files *, int channel);
/* 1: the keeper is gone, and answers no more. */
int	sst_files_gone(struct sst_files *);
/* How many questions of this thread were not answered so far: in time, or because one of
 * the two had no descriptor or no memory left for it. */
uint64_t sst_files_unanswered(void);
void	sst_files_done(struct sst_files *);
int	sst_files_open(struct sst_files *, uint32_t id, const char *path, int *ret_fd,
	    struct sst_error *err);
/* The same for a directory that is going to be listed: a source that is watched is so
 * from before the answer. */
int	sst_files_open_list(struct sst_files *, uint32_t id, const char *path, int *ret_fd,
	    struct sst_error *err);
/* A name right in the source with what its reader asks next; the caller closes the
 * descriptors. < 0: ask step by step. */
int	sst_files_ahead(struct sst_files *, uint32_t id, const char *path,
	    struct sst_answer *ret);
/* SST_E_NOT_FOUND: not a link. */
int	sst_files_link(struct sst_files *, uint32_t id, const char *path, char *out,
	    size_t size, struct sst_error *err);
/* 1, 0, or < 0. */
int	sst_files_exposed(struct sst_files *, uint32_t id, const char *path,
	    struct sst_error *err);
/* Returns when the keeper has acted on all that was sent to it before. */
void	sst_files_sync(struct sst_files *);

#endif
