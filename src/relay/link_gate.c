/* SPDX-License-Identifier: ISC */
/*
 * link_gate - the gate of a pending connection, and a listener's for good: junk
 * in the send buffer of the application's end (link.h).
 *
 * All gates are filled from one sealed memfd by sendfile(), so that its pages are
 * shared, and emptied by splice() into /dev/null: nothing is copied. A listener wants
 * little of it; what a pending connection wants is made when the first one comes.
 *
 * Always true:
 *   1. Every page of the junk starts with the nonce, which tells it from what a
 *      thread of the program wrote in between; those bytes are kept.
 *   2. Opening leaves at least one byte in the queue, the spent one.
 * Threads: as link.h.
 */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "link_inside.h"

#define PAGE		4096u
#define CHUNK		65536u		/* what sendfile() moves at once */
#define CHUNK_COST	(CHUNK + 2048u)	/* at most, on the sender's books */
#define JUNK_LEN	(16 * CHUNK)
#define DRAIN_LEN	(128 * PAGE)	/* a gate's junk, and some more */
#define DISCARD		16		/* pieces that are thrown away at once */

/* Pages that all start with the nonce. 0, or -1 with errno. */
static int
junk_write(int fd, const uint8_t nonce[SST_LINK_NONCE], size_t len)
{
	uint8_t *map;

	if (ftruncate(fd, (off_t)len) < 0)
		return -1;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -1;
	for (size_t at = 0; at < len; at += PAGE)
		memcpy(map + at, nonce, SST_LINK_NONCE);
	(void)munmap(map, len);
	return fcntl(fd, F_ADD_SEALS,
	    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}

/* The memory behind every gate, `len` bytes of it at least. What is in queues by now
 * stays, and starts with the same nonce. */
static int
want_junk(struct sst_link *link, size_t len)
{
	int fd, error;

	if (link->junk_len >= len)
		return 0;
	fd = memfd_create("gate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	if (junk_write(fd, link->nonce, len) < 0) {
		error = errno;
		(void)close(fd);
		errno = error;
		return -1;
	}
	if (link->junk >= 0)
		(void)close(link->junk);
	link->junk = fd;
	link->junk_len = len;
	return 0;
}

static void
close_drain(struct sst_link *link)
{
	for (int i = 0; i < 2; i++)
		if (link->drain[i] >= 0)
			(void)close(link->drain[i]);
	if (link->null >= 0)
		(void)close(link->null);
	link->drain[0] = link->drain[1] = link->null = -1;
}

/* Without it junk is copied. */
static void
make_drain(struct sst_link *link)
{
	link->drain[0] = link->drain[1] = -1;
	link->null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (link->null < 0 || pipe2(link->drain, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    fcntl(link->drain[1], F_SETPIPE_SZ, DRAIN_LEN) < 0)
		close_drain(link);
}

int
sst_link_gate_init(struct sst_link *link)
{
	link->junk = -1;
	link->junk_len = 0;
	make_drain(link);
	return getrandom(link->nonce, sizeof(link->nonce), 0) == sizeof(link->nonce) ?
	    0 : -1;
}

void
sst_link_gate_done(struct sst_link *link)
{
	close_drain(link);
	if (link->junk >= 0)
		(void)close(link->junk);
	link->junk = -1;
	link->junk_len = 0;
}

size_t
sst_link_queued(int app)
{
	int n = 0;

	return ioctl(app, SIOCOUTQ, &n) < 0 || n < 0 ? 0 : (size_t)n;
}

size_t
sst_link_send_buffer(int app)
{
	int size = 0;
	socklen_t len = sizeof(size);

	return getsockopt(app, SOL_SOCKET, SO_SNDBUF, &size, &len) < 0 || size < 0 ?
	    0 : (size_t)size;
}

static ssize_t
send_junk(struct sst_link *link, int app, size_t len)
{
	const timer_t *timer;
	off_t at = 0;
	ssize_t n;

	if (sst_link_alarm_begin(link, app, &timer) < 0)
		return -1;
	n = sendfile(app, link->junk, &at, len);
	sst_link_alarm_end(timer);
	return n;
}

/* The kernel takes a piece whenever the books are below the buffer's size, so none
 * of these calls waits. */
int
sst_link_fill(struct sst_link *link, int app, size_t goal, size_t *ret_junk)
{
	size_t have, bulk;
	ssize_t n;

	*ret_junk = 0;
	while ((have = sst_link_queued(app)) < goal) {
		bulk = (goal - have) / CHUNK_COST * CHUNK;
		if (bulk < CHUNK)
			bulk = CHUNK;
		if (bulk > JUNK_LEN)
			bulk = JUNK_LEN;
		if (want_junk(link, bulk > CHUNK ? JUNK_LEN : CHUNK) < 0)
			return -1;
		n = send_junk(link, app, bulk);
		if (n < 0 && errno == EAGAIN)
			return 0;	/* another thread filled the rest */
		if (n < 0 && errno == EINTR)
			return 0;
		if (n <= 0)
			return -1;
		*ret_junk += (size_t)n;
	}
	return 0;
}

int
sst_link_gate(struct sst_link *link, int app, size_t *ret_junk)
{
	int flags = fcntl(app, F_GETFL);
	off_t at = 0;
	ssize_t n;

	*ret_junk = 0;
	if (want_junk(link, JUNK_LEN) < 0)
		return -1;
	if (flags < 0 || (flags & O_NONBLOCK) == 0)
		return sst_link_fill(link, app, sst_link_send_buffer(app), ret_junk);
	/* As much as there is room for. */
	n = sendfile(app, link->junk, &at, link->junk_len);
	if (n == (ssize_t)link->junk_len)
		return sst_link_fill(link, app, sst_link_send_buffer(app), ret_junk);
	*ret_junk = n < 0 ? 0 : (size_t)n;
	return n < 0 && errno != EAGAIN ? -1 : 0;
}

int
sst_link_quiet(struct sst_link *link, int app)
{
	size_t junk;

	/* The kernel says writable below a quarter of the buffer. */
	return sst_link_fill(link, app, sst_link_send_buffer(app) / 4 + 1, &junk);
}

/* Appends to what a thread wrote before the gate opened. */
static int
keep_early(uint8_t **early, size_t *len, const uint8_t *bytes, size_t n)
{
	uint8_t *more = realloc(*early, *len + n);

	if (more == NULL)
		return -1;
	memcpy(more + *len, bytes, n);
	*early = more;
	*len += n;
	return 0;
}

/* Splits what was read into junk and early bytes. `skip` is what is left of a
 * page of junk that began in an earlier piece. Returns the bytes judged; the
 * rest is too short to tell and must be looked at again with more. */
static ssize_t
sift(const struct sst_link *link, const uint8_t *in, size_t n, int last, size_t *skip,
    uint8_t **early, size_t *early_len)
{
	const uint8_t *page;
	size_t at = 0;
	size_t own;

	while (at < n) {
		if (*skip > 0) {
			own = *skip < n - at ? *skip : n - at;
			*skip -= own;
			at += own;
			continue;
		}
		page = memmem(in + at, n - at, link->nonce, SST_LINK_NONCE);
		own = page != NULL ? (size_t)(page - (in + at)) : n - at;
		if (page == NULL && !last) {
			if (own < SST_LINK_NONCE)
				break;
			own -= SST_LINK_NONCE - 1;
		}
		if (own > 0 && keep_early(early, early_len, in + at, own) < 0)
			return -1;
		at += own;
		if (page != NULL)
			*skip = PAGE;
	}
	return (ssize_t)at;
}

/* Descriptors that came with the bytes cut a recv() short. */
int
sst_link_take_out(int end, uint8_t *buf, size_t n)
{
	ssize_t got;

	while (n > 0) {
		got = recv(end, buf, n, MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		n -= (size_t)got;
	}
	return 0;
}

/* Takes up to `n` bytes out without copying them; how many. */
static size_t
discard_pages(struct sst_link *link, int end, size_t n)
{
	size_t gone = 0;
	ssize_t got, out;

	while (gone < n && link->null >= 0) {
		got = splice(end, NULL, link->drain[1], NULL, n - gone,
		    SPLICE_F_NONBLOCK);
		if (got <= 0)
			break;
		gone += (size_t)got;
		do {
			out = splice(link->drain[0], NULL, link->null, NULL,
			    (size_t)got, SPLICE_F_NONBLOCK);
			got -= out;
		} while (out > 0 && got > 0);
		if (got > 0)	/* nobody takes what is stuck in it */
			close_drain(link);
	}
	return gone;
}

/* Takes `n` bytes out that nobody wants to see. */
static int
discard(struct sst_link *link, int end, void *scratch, size_t size, size_t n)
{
	struct iovec iov[DISCARD];
	struct msghdr msg = { .msg_iov = iov };
	size_t rest;
	ssize_t got;

	n -= discard_pages(link, end, n);
	while (n > 0) {
		rest = n;
		msg.msg_iovlen = 0;
		while (rest > 0 && msg.msg_iovlen < DISCARD) {
			iov[msg.msg_iovlen] = (struct iovec){ .iov_base = scratch,
			    .iov_len = rest < size ? rest : size };
			rest -= iov[msg.msg_iovlen++].iov_len;
		}
		got = recvmsg(end, &msg, MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		n -= (size_t)got;
	}
	return 0;
}

int
sst_link_open(struct sst_link *link, int end, size_t junk, void *scratch, size_t size,
    uint8_t **ret_early, size_t *ret_len)
{
	uint8_t *buf = scratch;
	uint8_t *early = NULL;
	int inq = 0;
	size_t early_len = 0;
	size_t skip = 0;	/* of a page of junk */
	size_t spent = 1;	/* the queue's first byte */
	ssize_t n, judged;
	int last;

	*ret_early = NULL;
	*ret_len = 0;
	/* As a rule nobody wrote: it is all junk behind the first byte. */
	if (ioctl(end, FIONREAD, &inq) == 0 && (size_t)inq == spent + junk)
		return discard(link, end, scratch, size, junk);
	for (;;) {
		n = recv(end, buf, size, MSG_PEEK | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= (ssize_t)spent)
			break;
		last = (size_t)n < size;
		judged = sift(link, buf + spent, (size_t)n - spent, last, &skip,
		    &early, &early_len);
		if (judged < 0)
			goto fail;
		if (judged == 0)
			break;
		/* All but the last: the queue is never left empty. */
		if (sst_link_take_out(end, buf, (size_t)judged) < 0)
			goto fail;
	}
	*ret_early = early;
	*ret_len = early_len;
	return 0;
fail:
	free(early);
	return -1;
}
