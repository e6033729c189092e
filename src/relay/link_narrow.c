/* SPDX-License-Identifier: ISC */
/*
 * link_narrow - the gate of a descriptor whose program waits in connect() (link.h).
 *
 * Who waits has his descriptor here, so its send buffer can be made the smallest
 * there is, which one small write fills together with the seed, and large again
 * when the gate opens: three calls, where a gate that must do without the
 * descriptor takes many.
 *
 *	seed and junk, one piece of the kernel's | the junk's last byte, another
 *
 * Always true:
 *   1. What a thread of the program writes comes behind the junk: one that gets
 *      between the two pieces has filled the buffer, and the second is not sent.
 *   2. The byte that stays behind an open gate holds no more memory than a seed.
 * Threads: as link.h.
 */
#include "link.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link_inside.h"

#define SMALLEST	1		/* the kernel takes its minimum */

static void
set_buffer(int app, int size)
{
	(void)setsockopt(app, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* What fills the smallest buffer: by this kernel's books. 0: not in two pieces. */
static size_t
measure(void)
{
	uint8_t bytes[SST_LINK_NARROW];
	size_t len = 0, room;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return 0;
	set_buffer(sv[0], SMALLEST);
	room = sst_link_send_buffer(sv[0]);
	/* The largest piece (unix_stream_sendmsg), and one of one byte. */
	len = room / 2 - 64 + 1;
	memset(bytes, 0, sizeof(bytes));
	if (room < 256 || len > sizeof(bytes) ||
	    send(sv[0], bytes, len - 1, MSG_DONTWAIT) != (ssize_t)len - 1 ||
	    sst_link_queued(sv[0]) >= room ||
	    send(sv[0], bytes, 1, MSG_DONTWAIT) != 1 ||
	    sst_link_queued(sv[0]) < room)
		len = 0;
	(void)close(sv[0]);
	(void)close(sv[1]);
	return len;
}

void
sst_link_narrow_init(struct sst_link *link)
{
	link->narrow_len = measure();
}

int
sst_link_join_narrow(struct sst_link *link, int app, int *ret_end, size_t *ret_junk)
{
	uint8_t bytes[SST_LINK_NARROW] = { 0 };
	ssize_t n;

	if (link->narrow_len == 0)
		return 0;
	set_buffer(app, SMALLEST);
	n = sst_link_join_with(link, app, SST_LINK_CONNECT, bytes, link->narrow_len,
	    ret_end);
	if (n < 0)
		return -1;
	*ret_junk = (size_t)n - 1;
	return 1;
}

int
sst_link_open_narrow(int app, int end, size_t junk, int size, void *scratch)
{
	set_buffer(app, size);
	/* It goes with the spent byte before it, and its own last byte stays. */
	return sst_link_take_out(end, scratch, junk);
}

int
sst_link_widen(struct sst_link *link, int app, int end, int size, void *scratch,
    size_t *junk)
{
	const size_t narrow = *junk;
	size_t more, room;
	size_t have = sst_link_send_buffer(app);

	*junk = 0;
	for (;;) {
		/* Whoever polls sees room at a quarter. The kernel doubles it. */
		room = (4 * sst_link_queued(app) - 1) / 2;
		set_buffer(app, room < (size_t)size ? (int)room : size);
		room = sst_link_send_buffer(app);
		if (room <= have)
			break;
		have = room;
		if (sst_link_fill(link, app, room, &more) < 0)
			return -1;
		*junk += more;
	}
	/* What has no nonce goes, and the room that it leaves. */
	if (sst_link_take_out(end, scratch, narrow) < 0 ||
	    sst_link_fill(link, app, have, &more) < 0)
		return -1;
	*junk += more;
	return 0;
}
