/* SPDX-License-Identifier: ISC */
#include "records.h"

#include "look.h"

#include <string.h>
#include <sys/fanotify.h>

/* `at`: a whole record of a directory, of `len` octets. 1, or 0: it is none. */
static int
take(const char *at, size_t len, struct sst_record *ret)
{
	const size_t fsid = offsetof(struct fanotify_event_info_fid, fsid);
	const size_t head = offsetof(struct fanotify_event_info_fid, handle);
	struct sst_handle *h = &ret->handle;

	memset(ret, 0, sizeof(*ret));
	if (len <= head + sizeof(h->head) || len - head > sizeof(*h))
		return 0;
	memcpy(ret->id, at + fsid, sizeof(ret->id));
	memcpy(h, at + head, len - head);
	if (h->head.handle_bytes > len - head - sizeof(h->head))
		return 0;
	ret->print = sst_look_mix(SST_LOOK_START, at + fsid, len - fsid);
	ret->print = (ret->print ^ ret->print >> 32) | 1;
	return 1;
}

/* What stands behind one event. */
static void
infos_each(const char *at, size_t left, void (*each)(void *arg, struct sst_record *),
    void *arg)
{
	struct fanotify_event_info_header h;
	struct sst_record r;

	for (; left >= sizeof(h); at += h.len, left -= h.len) {
		memcpy(&h, at, sizeof(h));
		if (h.len < sizeof(h) || h.len > left)
			return;
		/* Of a change of a file itself the first says its directory, too. */
		if ((h.info_type == FAN_EVENT_INFO_TYPE_FID ||
		    h.info_type == FAN_EVENT_INFO_TYPE_DFID) && take(at, h.len, &r))
			each(arg, &r);
	}
}

int
sst_records_each(const void *buf, size_t n, void (*each)(void *arg, struct sst_record *),
    void *arg)
{
	struct fanotify_event_metadata m;
	int lost = 0;

	/* The next one begins at a multiple of 4, and not always of 8. */
	for (const char *p = buf; n >= sizeof(m); p += m.event_len, n -= m.event_len) {
		memcpy(&m, p, sizeof(m));
		if (m.metadata_len < sizeof(m) || m.event_len < m.metadata_len ||
		    m.event_len > n)
			break;
		lost |= (m.mask & FAN_Q_OVERFLOW) != 0;
		infos_each(p + m.metadata_len, m.event_len - m.metadata_len, each, arg);
	}
	return lost;
}

int
sst_strangers_have(const uint64_t *table, uint64_t print)
{
	return table[(print >> 1) % SST_STRANGERS] == print;
}

void
sst_strangers_put(uint64_t *table, uint64_t print)
{
	table[(print >> 1) % SST_STRANGERS] = print;
}
