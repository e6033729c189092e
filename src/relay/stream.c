/* SPDX-License-Identifier: ISC */
#include "stream.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core.h"
#include "listener.h"
#include "record.h"

#define EVENTS	(EPOLLIN | EPOLLRDHUP | EPOLLET)

static void on_time(struct sst_timer *);

static void
arm(struct sst_record *r)
{
	struct sst_loop *loop = &r->worker->loop;

	if (r->again)
		sst_loop_arm(loop, &r->timer, loop->now, on_time);
	else if (r->wait != SST_WAIT_NOTHING)
		sst_loop_arm(loop, &r->timer, r->wait_until, on_time);
	else
		sst_loop_disarm(loop, &r->timer);
}

static void
wait_for(struct sst_record *r, enum sst_stream_wait wait, int ms)
{
	r->wait = (uint8_t)wait;
	r->wait_until = r->worker->loop.now + ms;
}

/* The program is gone and not all is sent: as long as something moves. */
static void
watch_flush(struct sst_record *r)
{
	if (r->wait == SST_WAIT_FLUSH && r->wait_bytes == r->pump.up_bytes)
		return;
	r->wait_bytes = r->pump.up_bytes;
	wait_for(r, SST_WAIT_FLUSH, SST_STREAM_FLUSH_MS);
}

/* All is with TCP: two seconds after the peer has it, whatever it still says is
 * read, since data that met nobody would be answered by a reset, which destroys
 * what is under way. Until then, as long as something moves. */
static void
watch_linger(struct sst_record *r)
{
	int left = 0;

	(void)ioctl(r->tcp, SIOCOUTQ, &left);
	left = left > 1 ? left : 0;	/* a FIN alone is nothing to lose */
	if (r->wait == SST_WAIT_LINGER && r->wait_bytes == (uint64_t)left)
		return;
	r->wait_bytes = (uint64_t)left;
	wait_for(r, SST_WAIT_LINGER, left > 0 ? SST_STREAM_FLUSH_MS :
	    SST_STREAM_LINGER_MS);
}

/* HUP also means that both directions were shut down by a program that still
 * holds its descriptor: without the spent byte it reads an end there. */
static void
close_clean(struct sst_record *r)
{
	if (r->end >= 0)
		(void)recv(r->end, r->worker->scratch, SST_PUMP_SCRATCH, MSG_DONTWAIT);
	sst_record_close_end(r);
	r->pump.end = -1;
}

/* Nobody took it from the listener's queue: not a byte was ever written, nor
 * read, since an end that goes with unread bytes is an error of its own. */
static int
never_used(const struct sst_record *r)
{
	int n = 0;

	return r->unproven && r->pump.up_bytes == 0 && r->pump.down_bytes == 0 &&
	    ioctl(r->end, FIONREAD, &n) == 0 && n <= 1;
}

static void
end(struct sst_record *r, int reset)
{
	struct sst_relay *relay = r->relay;

	/* What comes next is somebody else's. */
	r->worker->loop.flowing = 0;
	sst_core_lock(relay);
	sst_record_end(r, reset);
	sst_core_unlock(relay);
}

/* The program uses what it accepted: it has it. */
static void
prove(struct sst_record *r)
{
	r->proven = 1;
	if (r->wait == SST_WAIT_USE)
		r->wait = SST_WAIT_NOTHING;
	sst_core_lock(r->relay);
	sst_queue_used(r);
	sst_core_unlock(r->relay);
}

/* While there is a copy of its end, a close() by the program does not show. */
static void
look(struct sst_record *r)
{
	r->wait = SST_WAIT_NOTHING;
	sst_core_lock(r->relay);
	sst_queue_look(r);
	sst_core_unlock(r->relay);
}

/* The control thread says things of a plain connection too (supply.c). */
static void
say(struct sst_record *r, const char *text)
{
	sst_core_lock(r->relay);
	if (r->text == NULL)
		sst_record_say(r, text);
	sst_core_unlock(r->relay);
}

/* What the pump's answer leads to. */
static void
act(struct sst_record *r, enum sst_pump_state state)
{
	switch (state) {
	case SST_PUMP_OVER:
		close_clean(r);
		end(r, 0);
		return;
	case SST_PUMP_BROKEN:
		end(r, 0);
		return;
	case SST_PUMP_ABORT:
		end(r, 1);
		return;
	case SST_PUMP_LINGER:
		close_clean(r);
		watch_linger(r);
		break;
	case SST_PUMP_RUNS:
	case SST_PUMP_MORE:
		if (r->pump.app_gone)
			watch_flush(r);
		break;
	}
	arm(r);
}

/* Each read of the program would be an event, and most programs read as fast as
 * the network brings. It is one from the first time on that the relay waits for
 * it. */
static void
watch_reader(struct sst_record *r)
{
	if (r->pump.down.bytes == NULL || r->end_fills)
		return;
	r->end_fills = sst_loop_change(&r->worker->loop, &r->end_watch,
	    EVENTS | EPOLLOUT) == 0;
}

static void
run(struct sst_record *r, uint32_t tcp_events, uint32_t end_events)
{
	const uint64_t before = r->pump.up_bytes + r->pump.down_bytes;
	struct sst_error err = { 0 };
	enum sst_pump_state state;

	if ((end_events & EPOLLHUP) != 0 &&
	    (r->reset_on_close || never_used(r))) {
		/* What was written before is on its way, as on TCP; not its end. */
		if (r->reset_on_close)
			(void)sst_pump_run(&r->pump, 0, EPOLLIN, r->worker->scratch,
			    &err);
		end(r, 1);
		return;
	}
	state = sst_pump_run(&r->pump, tcp_events, end_events, r->worker->scratch, &err);
	if (r->pump.up_bytes + r->pump.down_bytes != before)
		r->worker->loop.flowing = SST_LOOP_FLOW;
	if (err.code != 0)
		say(r, err.text);
	if (!r->proven && (r->pump.up_bytes > 0 || r->pump.app_ended))
		prove(r);
	watch_reader(r);
	r->again = state == SST_PUMP_MORE;
	act(r, state);
}

static void
on_time(struct sst_timer *t)
{
	struct sst_record *r = SST_HOLDER(t, struct sst_record, timer);

	if (r->wait == SST_WAIT_LINGER)
		watch_linger(r);
	if (r->wait == SST_WAIT_USE && r->wait_until <= r->worker->loop.now)
		look(r);
	if (r->wait != SST_WAIT_NOTHING && r->wait_until <= r->worker->loop.now)
		end(r, r->wait == SST_WAIT_FLUSH);
	else if (r->again)
		run(r, 0, 0);
	else
		arm(r);
}

static void
tcp_ready(struct sst_watch *w, uint32_t events)
{
	run(SST_HOLDER(w, struct sst_record, tcp_watch), events, 0);
}

static void
end_ready(struct sst_watch *w, uint32_t events)
{
	run(SST_HOLDER(w, struct sst_record, end_watch), 0, events);
}

/* 0, or -1 with errno. */
static int
watch_end(struct sst_record *r)
{
	struct sst_loop *loop = &r->worker->loop;

	if (r->end_watch.ready == NULL)
		return sst_loop_add(loop, &r->end_watch, r->end, EVENTS, end_ready);
	if (r->end_heard) {
		r->end_watch.ready = end_ready;
		return 0;
	}
	/* An attempt's gate was watched. */
	return sst_loop_take_over(loop, &r->end_watch, r->end, EVENTS, end_ready);
}

int
sst_stream_start(struct sst_record *r, uint8_t *early, size_t early_len)
{
	struct sst_loop *loop = &r->worker->loop;

	sst_loop_disarm(loop, &r->timer);
	/* The handshake (client_shake.c) watched it for the same events. */
	if (r->tcp_watch.ready != NULL)
		r->tcp_watch.ready = tcp_ready;
	else if (sst_loop_take_over(loop, &r->tcp_watch, r->tcp, EVENTS | EPOLLOUT,
	    tcp_ready) < 0)
		return -1;
	if (watch_end(r) < 0) {
		sst_loop_del(loop, &r->tcp_watch);
		return -1;
	}
	r->end_fills = 0;
	r->state = SST_REC_OPEN;
	/* The second time after an upgrade. */
	if (!r->was_open)
		r->relay->connections++;
	r->was_open = 1;
	r->proven |= r->kind != SST_SOCKNAME_ACCEPTED;
	if (!r->proven)
		wait_for(r, SST_WAIT_USE, SST_LISTENER_USE_MS);
	sst_pump_init(&r->pump, r->conn, r->tcp, r->end);
	if (early != NULL)
		sst_pump_early(&r->pump, early, early_len);
	/* What the handshake read ahead raises no event. */
	r->pump.more_down = 1;
	r->pump.more_up = early != NULL || r->end_heard;
	r->end_heard = 0;
	r->again = 1;
	arm(r);
	return 0;
}
