/* SPDX-License-Identifier: ISC */
#include "pump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/ioctl.h>

#include "base/fail.h"
#include "tls/conn.h"

#define ROUNDS	32	/* pieces a direction before others have their turn */
#define RECORD	16384

/* What one direction says of itself. */
enum flow {
	FLOW_IDLE,	/* nothing to do until an event */
	FLOW_MORE,	/* there is more to do at once */
	FLOW_FAILED	/* the connection is broken; err is set */
};

void
sst_pump_init(struct sst_pump *p, struct sst_conn *conn, int tcp, int end)
{
	memset(p, 0, sizeof(*p));
	p->conn = conn;
	p->tcp = tcp;
	p->end = end;
	sst_conn_heard(conn);	/* its events were the handshake's */
}

static void
block_free(struct sst_block *b)
{
	free(b->bytes);
	memset(b, 0, sizeof(*b));
}

void
sst_pump_done(struct sst_pump *p)
{
	block_free(&p->up);
	block_free(&p->down);
}

void
sst_pump_early(struct sst_pump *p, uint8_t *bytes, size_t len)
{
	p->up.bytes = bytes;
	p->up.off = 0;
	p->up.len = (uint32_t)len;
}

/* Takes what is behind the spent byte of the queue out of it, but for the last
 * byte, which is looked at: `n` bytes behind out[0]. */
static void
take_queue(struct sst_pump *p, uint8_t *out, size_t n)
{
	size_t at = 0;
	ssize_t got;

	/* Descriptors that the application passed along cut a recv() short. */
	while (at <= n) {
		got = recv(p->end, out + at, at < n ? n - at : 1,
		    MSG_DONTWAIT | (at < n ? 0 : MSG_PEEK));
		if (got == 0 || (got < 0 && errno != EINTR))
			return;
		at += got > 0 ? (size_t)got : 0;
	}
}

int
sst_pump_stop(struct sst_pump *p, uint8_t **ret_up, size_t *ret_len,
    struct sst_error *err)
{
	size_t rest = p->up.len - p->up.off;
	size_t fresh;
	uint8_t *all;
	int inq = 0;

	fresh = ioctl(p->end, FIONREAD, &inq) < 0 || inq < 2 ? 0 : (size_t)inq - 1;
	all = rest + fresh == 0 ? NULL : calloc(1, rest + fresh + 1);
	if (all == NULL && rest + fresh > 0)
		return sst_fail(err, SST_E_NOMEM, "out of memory for %zu bytes",
		    rest + fresh);
	if (fresh > 0) {
		take_queue(p, all + rest, fresh);
		memmove(all + rest, all + rest + 1, fresh);
	}
	if (rest > 0)
		memcpy(all, p->up.bytes + p->up.off, rest);
	*ret_up = all;
	*ret_len = rest + fresh;
	sst_pump_done(p);
	return SST_OK;
}

static int
block_keep(struct sst_block *b, const uint8_t *bytes, size_t len, struct sst_error *err)
{
	b->bytes = malloc(len);
	if (b->bytes == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory for %zu bytes", len);
	memcpy(b->bytes, bytes, len);
	b->off = 0;
	b->len = (uint32_t)len;
	return SST_OK;
}

/*
 * What a writing step means. OpenSSL reports any failed write as the peer's end
 * once the peer's close_notify is in.
 */
static enum flow
write_outcome(struct sst_pump *p, enum sst_step step, struct sst_error *err)
{
	p->up_waits = step == SST_STEP_WANT_READ || step == SST_STEP_WANT_WRITE;
	if (step == SST_STEP_DONE)
		return FLOW_MORE;
	if (p->up_waits)
		return FLOW_IDLE;
	if (step == SST_STEP_END)
		(void)sst_fail(err, SST_E_PEER, "the peer reset the connection");
	return FLOW_FAILED;
}

/* Writes as much as TLS takes; *ret_n is how much. */
static enum flow
tls_write(struct sst_pump *p, const uint8_t *bytes, size_t len, size_t *ret_n,
    struct sst_error *err)
{
	enum flow flow;
	size_t n;

	*ret_n = 0;
	while (*ret_n < len) {
		flow = write_outcome(p, sst_conn_write(p->conn, bytes + *ret_n,
		    len - *ret_n, &n, err), err);
		if (flow != FLOW_MORE)
			return flow;
		*ret_n += n;
		p->up_bytes += n;
	}
	return FLOW_MORE;
}

static enum flow
up_block(struct sst_pump *p, struct sst_error *err)
{
	size_t n;
	enum flow flow = tls_write(p, p->up.bytes + p->up.off, p->up.len - p->up.off,
	    &n, err);

	p->up.off += (uint32_t)n;
	if (p->up.off == p->up.len)
		block_free(&p->up);
	return flow;
}

/* Takes `n` bytes out of the queue; descriptors that the application passed
 * along cut a recv() short, and are dropped by it. */
static void
consume(struct sst_pump *p, uint8_t *scratch, size_t n)
{
	ssize_t got;

	while (n > 0) {
		got = recv(p->end, scratch, n, MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EINTR))
			return;
		if (got > 0)
			n -= (size_t)got;
	}
}

/* Looks at the queue. *ret_whole: nothing was behind what fitted; descriptors
 * that the application passed along cut a look short. */
static ssize_t
peek(struct sst_pump *p, uint8_t *scratch, size_t size, int *ret_whole)
{
	struct iovec iov = { .iov_base = scratch, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = recvmsg(p->end, &msg, MSG_PEEK | MSG_DONTWAIT);

	*ret_whole = n < (ssize_t)size && (msg.msg_flags & MSG_CTRUNC) == 0;
	return n;
}

/* Few bytes: look at them, forward, and take out all but the last. What TLS
 * does not take stays in the kernel's queue. */
static enum flow
up_small(struct sst_pump *p, uint8_t *scratch, size_t fresh, int whole,
    struct sst_error *err)
{
	enum flow flow;
	size_t n;

	flow = tls_write(p, scratch + 1, fresh, &n, err);
	consume(p, scratch, n);
	/* Seen whole: what comes now is an event of its own. */
	return flow == FLOW_MORE && whole && !p->app_ended ? FLOW_IDLE : flow;
}

/* Many bytes: take them out, and look at one more, which becomes the spent
 * one. */
static enum flow
up_bulk(struct sst_pump *p, uint8_t *scratch, size_t fresh, struct sst_error *err)
{
	size_t want = fresh < SST_PUMP_SCRATCH ? fresh : SST_PUMP_SCRATCH;
	enum flow flow;
	ssize_t got, one;
	size_t n;

	got = recv(p->end, scratch, want, MSG_DONTWAIT);
	if (got <= 0)
		return FLOW_IDLE;
	one = recv(p->end, scratch + got, 1, MSG_PEEK | MSG_DONTWAIT);
	if (one != 1) {
		(void)sst_fail(err, SST_E_INTERNAL, "the queue lost its last byte");
		return FLOW_FAILED;
	}
	/* got - 1 bytes after the spent one, and the one that stays. */
	flow = tls_write(p, scratch + 1, (size_t)got, &n, err);
	if (flow == FLOW_IDLE &&
	    block_keep(&p->up, scratch + 1 + n, (size_t)got - n, err) != SST_OK)
		return FLOW_FAILED;
	return flow;
}

/* The application will write no more and all it wrote is forwarded. */
static enum flow
up_finish(struct sst_pump *p, struct sst_error *err)
{
	enum flow flow = write_outcome(p, sst_conn_close_notify(p->conn, err), err);

	if (flow != FLOW_MORE)
		return flow;
	(void)shutdown(p->tcp, SHUT_WR);
	p->fin_sent = 1;
	return FLOW_IDLE;
}

static enum flow
up_piece(struct sst_pump *p, uint8_t *scratch, struct sst_error *err)
{
	ssize_t n;
	int inq = 0;
	int whole;

	if (p->fin_sent || p->broken)
		return FLOW_IDLE;
	if (p->up.bytes != NULL)
		return up_block(p, err);
	n = peek(p, scratch, SST_PUMP_PEEK + 1, &whole);
	if (n > SST_PUMP_PEEK) {
		if (ioctl(p->end, FIONREAD, &inq) < 0 || inq < 2)
			return FLOW_IDLE;
		return up_bulk(p, scratch, (size_t)inq - 1, err);
	}
	if (n > 1)
		return up_small(p, scratch, (size_t)n - 1, whole, err);
	if (p->app_ended && !p->app_reset)
		return up_finish(p, err);
	return FLOW_IDLE;
}

/* 1: all went; 0: some is left in the block; -1: the application reads no
 * more. */
static int
deliver(struct sst_pump *p, const uint8_t *bytes, size_t len, size_t *ret_n)
{
	ssize_t n;

	*ret_n = 0;
	while (*ret_n < len) {
		n = send(p->end, bytes + *ret_n, len - *ret_n,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		*ret_n += (size_t)n;
		p->down_bytes += (size_t)n;
	}
	return 1;
}

static enum flow
down_block(struct sst_pump *p)
{
	size_t n;
	int rc = deliver(p, p->down.bytes + p->down.off, p->down.len - p->down.off, &n);

	p->down.off += (uint32_t)n;
	if (rc == 0)
		return FLOW_IDLE;
	if (rc < 0)
		p->app_deaf = 1;
	block_free(&p->down);
	return FLOW_MORE;
}

/* Plaintext into `scratch`: one record when it is a short one, since somebody
 * waits for it, else as much as there is. */
static enum sst_step
read_some(struct sst_pump *p, uint8_t *scratch, size_t *ret_n, struct sst_error *err)
{
	enum sst_step step;
	size_t n = 0;

	*ret_n = 0;
	do {
		step = sst_conn_read(p->conn, scratch + *ret_n,
		    SST_PUMP_SCRATCH - *ret_n, &n, err);
		if (step != SST_STEP_DONE)
			break;
		*ret_n += n;
	} while (*ret_n < SST_PUMP_SCRATCH &&
	    (n >= RECORD || sst_conn_pending(p->conn) > 0));
	return step;
}

/* Nobody reads any more. After close() data is answered by a reset, as TCP
 * does; after shutdown(SHUT_RD) it is thrown away. */
static enum flow
down_discard(struct sst_pump *p, size_t n, struct sst_error *err)
{
	if (n > 0 && p->app_gone) {
		p->app_reset = 1;
		(void)sst_fail(err, SST_E_PEER, "data arrived after the program closed");
		return FLOW_FAILED;
	}
	return FLOW_MORE;
}

static enum flow
down_piece(struct sst_pump *p, uint8_t *scratch, struct sst_error *err)
{
	enum sst_step step;
	size_t n, sent;
	int rc;

	if (p->down.bytes != NULL)
		return down_block(p);
	if (p->peer_ended) {
		if (!p->end_shut && p->end >= 0)
			(void)shutdown(p->end, SHUT_WR);
		p->end_shut = 1;
		return FLOW_IDLE;
	}
	if (p->broken)
		return FLOW_FAILED;
	step = read_some(p, scratch, &n, err);
	p->read_wants_write = step == SST_STEP_WANT_WRITE;
	if (step == SST_STEP_END)
		p->peer_ended = 1;
	if (step == SST_STEP_FAILED)
		p->broken = 1;
	if (n > 0 && (p->app_deaf || p->app_gone))
		return down_discard(p, n, err);
	if (n > 0) {
		rc = deliver(p, scratch, n, &sent);
		if (rc < 0)
			p->app_deaf = 1;
		if (rc == 0) {
			if (block_keep(&p->down, scratch + sent, n - sent, err) != SST_OK)
				return FLOW_FAILED;
			return FLOW_IDLE;
		}
	}
	if (step == SST_STEP_DONE)
		return !p->tcp_ended && sst_conn_drained(p->conn) ?
		    FLOW_IDLE : FLOW_MORE;
	return step == SST_STEP_WANT_READ || step == SST_STEP_WANT_WRITE ?
	    FLOW_IDLE : FLOW_MORE;
}

static void
note_events(struct sst_pump *p, uint32_t tcp, uint32_t end)
{
	/* Edge-triggered: it will not be said again, whoever reads next, and when. */
	if ((tcp & ~(uint32_t)EPOLLOUT) != 0)
		sst_conn_heard(p->conn);
	if ((tcp & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		p->tcp_ended = 1;
	if ((end & (EPOLLRDHUP | EPOLLHUP)) != 0)
		p->app_ended = 1;
	if ((end & EPOLLHUP) != 0)
		p->app_gone = 1;
	if ((end & EPOLLERR) != 0)
		p->app_reset = 1;
	if ((end & ~(uint32_t)EPOLLOUT) != 0 || (tcp != 0 && p->up_waits))
		p->more_up = 1;
	if ((tcp & ~(uint32_t)EPOLLOUT) != 0 || (end != 0 && p->down.bytes != NULL) ||
	    (tcp != 0 && p->read_wants_write) || p->app_gone)
		p->more_down = 1;
	if (p->app_gone && p->down.bytes != NULL)
		block_free(&p->down);
}

/* The program reads first what had come. If it waits in a write instead, nobody
 * would ever take what it writes: EPIPE now, as after a reset of TCP. */
static void
stop_writer(struct sst_pump *p)
{
	if (!p->end_deaf)
		(void)shutdown(p->end, SHUT_RD);
	p->end_deaf = 1;
}

/* Where the whole stands when both directions came to rest. */
static enum sst_pump_state
verdict(const struct sst_pump *p)
{
	if (p->app_reset)
		return SST_PUMP_ABORT;
	if (p->broken && p->down.bytes == NULL)
		return p->app_gone && p->fin_sent ? SST_PUMP_OVER : SST_PUMP_BROKEN;
	if (p->more_up || p->more_down)
		return SST_PUMP_MORE;
	if (p->fin_sent && p->app_gone)
		return p->peer_ended ? SST_PUMP_OVER : SST_PUMP_LINGER;
	return SST_PUMP_RUNS;
}

enum sst_pump_state
sst_pump_run(struct sst_pump *p, uint32_t tcp_events, uint32_t end_events,
    uint8_t *scratch, struct sst_error *err)
{
	enum flow flow = FLOW_MORE;

	note_events(p, tcp_events, end_events);
	/* First down: after a failed write nothing can be read any more, and
	 * what the peer said before it closed would be lost. */
	for (int i = 0; i < ROUNDS && p->more_down; i++) {
		flow = down_piece(p, scratch, err);
		p->more_down = flow == FLOW_MORE;
		p->broken |= flow == FLOW_FAILED;
	}
	for (int i = 0; i < ROUNDS && p->more_up; i++) {
		flow = up_piece(p, scratch, err);
		p->more_up = flow == FLOW_MORE;
		p->broken |= flow == FLOW_FAILED;
	}
	if (p->broken && p->down.bytes != NULL)
		stop_writer(p);
	return verdict(p);
}
