/* SPDX-License-Identifier: ISC */
#include "queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sst_packet {
	struct sst_packet	*next;
	struct sst_wire_head	 head;
	size_t			 len, n_fds;
	int			 fds[SST_WIRE_FDS];
	unsigned char		 data[];
};

void
sst_queue_init(struct sst_queue *q, int fd)
{
	*q = (struct sst_queue){ .fd = fd, .end = &q->first };
}

static void
packet_free(struct sst_packet *p)
{
	for (size_t i = 0; i < p->n_fds; i++)
		(void)close(p->fds[i]);
	free(p);
}

static struct sst_packet *
packet_new(const struct sst_wire_head *head, const void *data, size_t len,
    const int *fds, size_t n_fds)
{
	struct sst_packet *p;
	int error;

	if (len > SST_WIRE_DATA_MAX || n_fds > SST_WIRE_FDS) {
		errno = EMSGSIZE;
		return NULL;
	}
	p = calloc(1, sizeof(*p) + len);
	if (p == NULL)
		return NULL;
	p->head = *head;
	p->len = len;
	if (len > 0)
		memcpy(p->data, data, len);
	for (; p->n_fds < n_fds; p->n_fds++) {
		p->fds[p->n_fds] = fcntl(fds[p->n_fds], F_DUPFD_CLOEXEC, 3);
		if (p->fds[p->n_fds] < 0) {
			error = errno;
			packet_free(p);
			errno = error;
			return NULL;
		}
	}
	return p;
}

/* 1: sent, or can never be sent. 0: not now, or the peer is gone, which its
 * reader will see. -1: no room for descriptors in flight, which EPOLLOUT does
 * not announce. */
static int
send_one(int fd, struct sst_wire_head *head, const void *data, size_t len,
    const int *fds, size_t n_fds)
{
	if (sst_wire_send(fd, head, data, len, fds, n_fds) == 0)
		return 1;
	if (errno == EAGAIN || errno == EPIPE || errno == ECONNRESET)
		return 0;
	if (errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM)
		return -1;
	return 1;
}

int
sst_queue_send(struct sst_queue *q, struct sst_wire_head *head, const void *data,
    size_t len, const int *fds, size_t n_fds)
{
	struct sst_packet *p;

	if (q->fd >= 0 && q->first == NULL &&
	    send_one(q->fd, head, data, len, fds, n_fds) == 1)
		return 0;
	p = packet_new(head, data, len, fds, n_fds);
	if (p == NULL)
		return -1;
	*q->end = p;
	q->end = &p->next;
	q->n++;
	return 0;
}

int
sst_queue_flush(struct sst_queue *q)
{
	struct sst_packet *p;
	int rc;

	while ((p = q->first) != NULL) {
		if (q->fd < 0)
			return 0;
		rc = send_one(q->fd, &p->head, p->data, p->len, p->fds, p->n_fds);
		if (rc != 1)
			return rc;
		q->first = p->next;
		if (q->first == NULL)
			q->end = &q->first;
		q->n--;
		packet_free(p);
	}
	return 1;
}

size_t
sst_queue_count(const struct sst_queue *q, uint16_t verb, uint32_t id, int *ret_bare)
{
	size_t n = 0;

	*ret_bare = 0;
	for (const struct sst_packet *p = q->first; p != NULL; p = p->next)
		if (p->head.verb == verb && p->head.id == id) {
			*ret_bare |= p->len == 0;
			n++;
		}
	return n;
}

void
sst_queue_drop(struct sst_queue *q, uint16_t keep)
{
	struct sst_packet **link = &q->first;
	struct sst_packet *p;

	while ((p = *link) != NULL) {
		if (keep != 0 && p->head.verb == keep) {
			link = &p->next;
			continue;
		}
		*link = p->next;
		q->n--;
		packet_free(p);
	}
	q->end = link;
}

void
sst_queue_move(struct sst_queue *to, struct sst_queue *from)
{
	if (from->first == NULL)
		return;
	*to->end = from->first;
	to->end = from->end;
	to->n += from->n;
	sst_queue_init(from, from->fd);
}
