/* SPDX-License-Identifier: ISC */
#include "hold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>

#include "base/clock.h"
#include "certs.h"
#include "core.h"
#include "hold_state.h"
#include "listener.h"
#include "settings.h"
#include "supply.h"

/* The state as a file that nobody can change. -1 with errno. */
static int
state_file(const struct sst_hold_writer *w)
{
	int fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t at = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -1;
	for (; at < w->len && n >= 0; at += n > 0 ? (size_t)n : 0)
		n = write(fd, w->bytes + at, w->len - at);
	if (n < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK |
	    F_SEAL_GROW | F_SEAL_WRITE) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* 0, or -1 with errno. */
static int
send_state(const struct sst_listener *l, const struct sst_hold_writer *w)
{
	int fds[SST_HOLD_FDS] = { l->record->tcp, l->record->end, -1 };
	/* a secret stays out of the keeper's memory */
	int is_long = w->secret || w->len > SST_WIRE_DATA_MAX;
	struct sst_wire_head head;
	int rc;

	sst_wire_init(&head, SST_CHAN_HOLD);
	head.id = l->id;
	if (is_long && (fds[2] = state_file(w)) < 0)
		return -1;
	rc = sst_wire_send(l->record->relay->channel, &head, w->bytes,
	    is_long ? 0 : w->len, fds, is_long ? 3 : 2);
	if (fds[2] >= 0)
		(void)close(fds[2]);
	return rc;
}

void
sst_hold_send(struct sst_listener *l)
{
	struct sst_relay *relay = l->record->relay;
	struct sst_hold_writer w = { .len = 0 };

	if (l->closed || l->record->tcp < 0)
		return;
	sst_hold_encode(l, &w);
	if (w.full || send_state(l, &w) < 0) {
		sst_log_event(&relay->log, SST_LOG_INTERNAL, sst_clock_ms(),
		    "the settings of a listener cannot be handed over (%s): it ends "
		    "when the helper process is restarted",
		    w.full ? "out of memory, or they are too long" : strerror(errno));
		/* Older ones may lack what the program demanded since. */
		sst_hold_release(relay, l->id);
	}
	sst_hold_forget(&w);
}

void
sst_hold_release(struct sst_relay *relay, uint32_t id)
{
	struct sst_wire_head head;

	relay->released = 1;
	sst_wire_init(&head, SST_CHAN_RELEASE);
	head.id = id;
	(void)sst_wire_send(relay->channel, &head, NULL, 0, NULL, 0);
}

/* A source that came before its listener. */
struct sst_restored {
	struct sst_restored	*next;
	struct sst_cert_source	*source;
};

void
sst_hold_source(struct sst_relay *relay, const struct sst_wire_head *head,
    const char *data, size_t len, int fd)
{
	struct sst_restored *s = calloc(1, sizeof(*s));
	const char *why = "";
	size_t path_len = strnlen(data, len);

	if (path_len + 1 < len)
		why = data + path_len + 1;
	if (s != NULL)
		s->source = sst_cert_source_new(head->id, head->b, head->c != 0, data,
		    why, fd);
	if (s == NULL || s->source == NULL) {
		free(s);
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	s->next = relay->restored;
	relay->restored = s;
}

static struct sst_cert_source *
take_source(struct sst_relay *relay, uint32_t id)
{
	struct sst_restored **at, *s;
	struct sst_cert_source *source;

	for (at = &relay->restored; (s = *at) != NULL; at = &s->next) {
		if (s->source->id != id)
			continue;
		source = s->source;
		*at = s->next;
		free(s);
		return source;
	}
	return NULL;
}

void
sst_hold_restored(struct sst_relay *relay)
{
	struct sst_wire_head head;
	struct sst_restored *s;

	while ((s = relay->restored) != NULL) {
		relay->restored = s->next;
		sst_wire_init(&head, SST_CHAN_DROP);
		head.id = s->source->id;
		(void)sst_wire_send(relay->channel, &head, NULL, 0, NULL, 0);
		sst_cert_source_free(s->source);
		free(s);
	}
}

/* The sources and removals, in their order. */
static void
supply(struct sst_listener *l, const uint8_t *data, size_t len,
    struct sst_hold_field *f)
{
	struct sst_relay *relay = l->record->relay;
	struct sst_cert_source *source;

	while (sst_hold_next(&data, &len, f) > 0) {
		source = NULL;
		if (f->tag == SST_HOLD_TAG_SOURCE)
			source = take_source(relay, (uint32_t)f->number);
		else if (f->tag == SST_HOLD_TAG_REMOVE)
			source = sst_cert_source_new(0, TLS_CERTIFICATE_REMOVE, 0,
			    f->text, NULL, -1);
		if (source != NULL)
			sst_supply_again(l, source);
	}
	sst_supply_then_begin(l);
}

/* All of a long state; NULL: it cannot be had. */
static uint8_t *
read_state(int fd, size_t *ret_len)
{
	uint8_t *bytes;
	size_t at = 0;
	struct stat st;
	ssize_t n = 1;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
	    st.st_size > (off_t)SST_HOLD_MAX)
		return NULL;
	bytes = malloc((size_t)st.st_size);
	if (bytes == NULL)
		return NULL;
	for (; at < (size_t)st.st_size && n > 0; at += n > 0 ? (size_t)n : 0)
		n = pread(fd, bytes + at, (size_t)st.st_size - at, (off_t)at);
	*ret_len = at;
	return bytes;
}

static struct sst_record *
record_of(struct sst_relay *relay, const struct sst_hold_identity *id)
{
	struct sst_record *r = sst_record_new(relay, id->cookie, SST_SOCKNAME_MADE,
	    id->family, id->serial);

	if (r == NULL)
		return NULL;
	r->linger_on = id->linger_on;
	r->linger_time = id->linger_time;
	r->reset_on_close = id->linger_on && id->linger_time == 0;
	r->nodelay = id->nodelay;
	r->plain = id->plain != 0;
	r->forced = id->forced != 0;
	r->foreign = id->foreign != 0;
	return r;
}

/* Takes the first two descriptors if it can. */
static void
restore(struct sst_relay *relay, uint32_t hold_id, const uint8_t *data, size_t len,
    int fds[SST_HOLD_FDS])
{
	struct sst_hold_identity id = { .cookie = 0 };
	struct sst_settings *set = sst_settings_new(NULL, NULL);
	struct sst_hold_field *f = calloc(1, sizeof(*f));
	struct sst_record *r = NULL;

	if (set != NULL && f != NULL && fds[0] >= 0 && fds[1] >= 0 &&
	    sst_hold_decode(data, len, &id, set, f) == 0 &&
	    sst_record_find(relay, id.cookie) == NULL &&
	    sst_supply_certs(relay, set->key_event, id.generation, &set->certs,
	    NULL) == SST_OK)
		r = record_of(relay, &id);
	if (r == NULL) {
		sst_hold_release(relay, hold_id);
	} else {
		r->tcp = fds[0];
		r->end = fds[1];
		r->set = set;
		fds[0] = fds[1] = -1;
		set = NULL;
		if (sst_listener_adopt(r, hold_id, id.backlog) < 0) {
			sst_record_end(r, 0);
			sst_hold_release(relay, hold_id);
		} else {
			supply(r->listener, data, len, f);
		}
	}
	sst_settings_unref(set);
	if (f != NULL)
		explicit_bzero(f, sizeof(*f));
	free(f);
}

void
sst_hold_restore(struct sst_relay *relay, const struct sst_wire_head *head,
    const uint8_t *data, size_t len, int fds[SST_HOLD_FDS])
{
	uint8_t *file = NULL;

	if (fds[2] >= 0) {
		file = read_state(fds[2], &len);
		data = file;
		if (file == NULL)
			len = 0;
	}
	restore(relay, head->id, data, len, fds);
	if (file != NULL)
		explicit_bzero(file, len);
	free(file);
	for (int i = 0; i < SST_HOLD_FDS; i++) {
		if (fds[i] >= 0)
			(void)close(fds[i]);
		fds[i] = -1;
	}
}
