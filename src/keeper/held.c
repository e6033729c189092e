/* SPDX-License-Identifier: ISC */
#include "held.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct entry {
	struct sst_node	 node;
	int		 fds[SST_HELD_FDS];
	size_t		 len;		/* on the books: bytes and file */
	size_t		 bytes;		/* of state */
	unsigned char	*state;
};

static void
take_fd(struct entry *e, int fds[SST_HELD_FDS], int i)
{
	if (e->fds[i] >= 0)
		(void)close(e->fds[i]);
	e->fds[i] = fds[i];
	fds[i] = -1;
}

/* Its size, which can change no more; -1 with errno. */
static long
file_size(int fd)
{
	const int sealed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & sealed) != sealed || fstat(fd, &st) != 0) {
		errno = EINVAL;
		return -1;
	}
	return (long)st.st_size;
}

int
sst_held_put(struct sst_held *h, uint32_t id, const void *state, size_t len,
    int fds[SST_HELD_FDS])
{
	struct entry *e = (struct entry *)sst_table_get(&h->table, id);
	size_t old = e == NULL ? 0 : e->len;
	unsigned char *copy;
	long file = fds[2] >= 0 ? file_size(fds[2]) : 0;

	if ((fds[0] < 0) != (fds[1] < 0) || (e == NULL && fds[0] < 0)) {
		errno = EINVAL;
		return -1;
	}
	if (file < 0)
		return -1;
	if (h->state - old + len + (size_t)file > SST_HELD_STATE_MAX) {
		errno = ENOSPC;
		return -1;
	}
	copy = malloc(len + 1);
	if (copy == NULL)
		return -1;
	if (len > 0)
		memcpy(copy, state, len);
	if (e == NULL) {
		e = calloc(1, sizeof(*e));
		if (e == NULL || sst_table_put(&h->table, &e->node, id) != 0) {
			free(e);
			free(copy);
			errno = ENOMEM;
			return -1;
		}
		e->fds[0] = e->fds[1] = e->fds[2] = -1;
	}
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			take_fd(e, fds, i);
	take_fd(e, fds, 2);
	free(e->state);
	e->state = copy;
	e->bytes = len;
	e->len = len + (size_t)file;
	h->state = h->state - old + e->len;
	return 0;
}

static void
entry_free(struct sst_held *h, struct entry *e)
{
	h->state -= e->len;
	sst_table_take(&h->table, &e->node);
	for (int i = 0; i < SST_HELD_FDS; i++)
		if (e->fds[i] >= 0)
			(void)close(e->fds[i]);
	free(e->state);
	free(e);
}

void
sst_held_release(struct sst_held *h, uint32_t id)
{
	struct entry *e = (struct entry *)sst_table_get(&h->table, id);

	if (e != NULL)
		entry_free(h, e);
}

int
sst_held_restore(const struct sst_held *h, struct sst_queue *q)
{
	struct sst_place place = { 0 };
	struct sst_wire_head head;
	const struct entry *e;

	while ((e = (const struct entry *)sst_table_next(&h->table, &place)) != NULL) {
		sst_wire_init(&head, SST_CHAN_RESTORE);
		head.id = e->node.key;
		if (sst_queue_send(q, &head, e->state, e->bytes, e->fds,
		    e->fds[2] >= 0 ? 3 : 2) != 0)
			return -1;
	}
	return 0;
}

void
sst_held_done(struct sst_held *h)
{
	struct sst_place place = { 0 };
	struct sst_node *n;

	while ((n = sst_table_next(&h->table, &place)) != NULL)
		entry_free(h, (struct entry *)n);
	sst_table_done(&h->table);
}
