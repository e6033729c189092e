/* SPDX-License-Identifier: ISC */
#include "hold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>

#include "base/clock.h"
#include "certs.h"
#include "core.h"
#include "listener.h"
#include "settings.h"
#include "supply.h"

/* A state is a row of: tag (1 byte), length (2 bytes, little end first), bytes.
 * An unknown tag is passed over. */
enum tag {
	TAG_COOKIE = 1, TAG_SERIAL, TAG_FAMILY, TAG_BACKLOG, TAG_NAME, TAG_ALPN,
	TAG_DEFAULT, TAG_VERSION_MIN, TAG_VERSION_MAX, TAG_STRICT, TAG_TIMEOUT,
	TAG_KEY_EVENT, TAG_CERT_FILE, TAG_CERT_DIR, TAG_SOURCE, TAG_REMOVE,
	TAG_LINGER, TAG_REMOTE
};

struct writer {
	uint8_t	bytes[SST_WIRE_DATA_MAX];
	size_t	len;
	int	full;
};

static void
put(struct writer *w, enum tag tag, const void *bytes, size_t len)
{
	if (len > UINT16_MAX || w->len + len + 3 > sizeof(w->bytes)) {
		w->full = 1;
		return;
	}
	w->bytes[w->len++] = (uint8_t)tag;
	w->bytes[w->len++] = (uint8_t)len;
	w->bytes[w->len++] = (uint8_t)(len >> 8);
	if (len > 0)
		memcpy(w->bytes + w->len, bytes, len);
	w->len += len;
}

static void
put_number(struct writer *w, enum tag tag, uint64_t v)
{
	put(w, tag, &v, sizeof(v));
}

static void
put_text(struct writer *w, enum tag tag, const char *text)
{
	if (text != NULL)
		put(w, tag, text, strlen(text));
}

static int
put_source(void *arg, const struct sst_cert_source *s)
{
	struct writer *w = arg;

	if (s->id == 0)
		put_text(w, TAG_REMOVE, s->path);
	else
		put_number(w, TAG_SOURCE, s->id);
	return 0;
}

static void
encode(const struct sst_listener *l, struct writer *w)
{
	const struct sst_record *r = l->record;
	const struct sst_settings *set = r->set;

	put_number(w, TAG_COOKIE, r->cookie);
	put_number(w, TAG_SERIAL, r->serial);
	put_number(w, TAG_FAMILY, (uint64_t)r->family);
	put_number(w, TAG_BACKLOG, (uint64_t)(int64_t)l->backlog);
	for (size_t i = 0; i < set->names.n; i++)
		put_text(w, TAG_NAME, set->names.list[i]);
	put_text(w, TAG_REMOTE, set->remote);
	put_text(w, TAG_ALPN, set->alpn);
	put_text(w, TAG_DEFAULT, set->default_name);
	put_text(w, TAG_CERT_FILE, set->cert_file);
	put_text(w, TAG_CERT_DIR, set->cert_dir);
	put_number(w, TAG_VERSION_MIN, set->version_min);
	put_number(w, TAG_VERSION_MAX, set->version_max);
	put_number(w, TAG_STRICT, (uint64_t)set->strict);
	put_number(w, TAG_TIMEOUT, (uint64_t)set->timeout_ms);
	put_number(w, TAG_KEY_EVENT, (uint64_t)set->key_event);
	put_number(w, TAG_LINGER, (uint64_t)r->reset_on_close);
	(void)sst_certs_each(set->certs, put_source, w);
}

void
sst_hold_send(struct sst_listener *l)
{
	struct sst_relay *relay = l->record->relay;
	const int fds[2] = { l->record->tcp, l->record->end };
	struct sst_wire_head head;
	struct writer *w = calloc(1, sizeof(*w));

	if (w == NULL || l->closed || l->record->tcp < 0) {
		free(w);
		return;
	}
	encode(l, w);
	sst_wire_init(&head, SST_CHAN_HOLD);
	head.id = l->id;
	if (w->full)
		sst_log_event(&relay->log, SST_LOG_INTERNAL, sst_clock_ms(),
		    "a listener has more settings than survive a restart of the "
		    "helper process");
	else if (sst_wire_send(relay->channel, &head, w->bytes, w->len, fds, 2) < 0)
		sst_log_event(&relay->log, SST_LOG_INTERNAL, sst_clock_ms(),
		    "the keeper did not take a listener: %s", strerror(errno));
	free(w);
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

/* One field; text has a NUL behind it. */
struct field {
	enum tag	tag;
	uint64_t	number;
	char		text[UINT16_MAX + 1];
	size_t		len;
};

/* 1: *f is set; 0: the end; -1: not a state. */
static int
next_field(const uint8_t **at, size_t *left, struct field *f)
{
	if (*left == 0)
		return 0;
	if (*left < 3)
		return -1;
	f->tag = (enum tag)(*at)[0];
	f->len = (size_t)(*at)[1] | (size_t)(*at)[2] << 8;
	if (*left - 3 < f->len)
		return -1;
	memcpy(f->text, *at + 3, f->len);
	f->text[f->len] = '\0';
	f->number = 0;
	if (f->len == sizeof(f->number))
		memcpy(&f->number, f->text, sizeof(f->number));
	*at += 3 + f->len;
	*left -= 3 + f->len;
	return 1;
}

/* What a state says about the record itself. */
struct identity {
	uint64_t	cookie, serial;
	int		family, backlog, reset;
};

static void
decode_number(const struct field *f, struct identity *id, struct sst_settings *set)
{
	switch (f->tag) {
	case TAG_COOKIE:
		id->cookie = f->number;
		break;
	case TAG_SERIAL:
		id->serial = f->number;
		break;
	case TAG_FAMILY:
		id->family = (int)f->number;
		break;
	case TAG_BACKLOG:
		id->backlog = (int)(int64_t)f->number;
		break;
	case TAG_VERSION_MIN:
		set->version_min = (uint16_t)f->number;
		break;
	case TAG_VERSION_MAX:
		set->version_max = (uint16_t)f->number;
		break;
	case TAG_STRICT:
		set->strict = f->number != 0;
		break;
	case TAG_TIMEOUT:
		set->timeout_ms = (int)f->number;
		break;
	case TAG_KEY_EVENT:
		set->key_event = f->number != 0;
		break;
	case TAG_LINGER:
		id->reset = f->number != 0;
		break;
	default:
		break;
	}
}

static int
decode_text(const struct field *f, struct sst_settings *set)
{
	switch (f->tag) {
	case TAG_NAME:
		return sst_names_add(&set->names, f->text, NULL);
	case TAG_REMOTE:
		return sst_settings_text(&set->remote, f->text, NULL);
	case TAG_ALPN:
		return sst_settings_text(&set->alpn, f->text, NULL);
	case TAG_DEFAULT:
		return sst_settings_text(&set->default_name, f->text, NULL);
	case TAG_CERT_FILE:
		return sst_settings_text(&set->cert_file, f->text, NULL);
	case TAG_CERT_DIR:
		return sst_settings_text(&set->cert_dir, f->text, NULL);
	default:
		return SST_OK;
	}
}

static int
decode(const uint8_t *data, size_t len, struct identity *id,
    struct sst_settings *set, struct field *f)
{
	int rc;

	while ((rc = next_field(&data, &len, f)) > 0) {
		decode_number(f, id, set);
		if (decode_text(f, set) != SST_OK)
			return -1;
	}
	return rc < 0 || id->cookie == 0 ||
	    (id->family != AF_INET && id->family != AF_INET6) ? -1 : 0;
}

/* The sources and removals, in their order. */
static void
supply(struct sst_listener *l, const uint8_t *data, size_t len, struct field *f)
{
	struct sst_relay *relay = l->record->relay;
	struct sst_cert_source *source;

	while (next_field(&data, &len, f) > 0) {
		source = NULL;
		if (f->tag == TAG_SOURCE)
			source = take_source(relay, (uint32_t)f->number);
		else if (f->tag == TAG_REMOVE)
			source = sst_cert_source_new(0, TLS_CERTIFICATE_REMOVE, 0,
			    f->text, NULL, -1);
		if (source != NULL)
			sst_supply_again(l, source);
	}
	sst_supply_then_begin(l);
}

void
sst_hold_restore(struct sst_relay *relay, const struct sst_wire_head *head,
    const uint8_t *data, size_t len, int tcp, int end)
{
	struct identity id = { .cookie = 0 };
	struct sst_settings *set = sst_settings_new(NULL, NULL);
	struct field *f = calloc(1, sizeof(*f));
	struct sst_record *r = NULL;

	if (set == NULL || f == NULL || tcp < 0 || end < 0 ||
	    decode(data, len, &id, set, f) < 0 ||
	    sst_certs_new(&relay->files, &relay->log, set->key_event, &set->certs,
	    NULL) != SST_OK)
		goto out;
	r = sst_record_new(relay, id.cookie, SST_SOCKNAME_MADE, id.family, id.serial);
	if (r == NULL)
		goto out;
	r->tcp = tcp;
	r->end = end;
	r->set = set;
	r->reset_on_close = id.reset != 0;
	r->linger_on = id.reset;
	tcp = end = -1;
	set = NULL;
	if (sst_listener_adopt(r, head->id, id.backlog) < 0)
		sst_record_end(r, 0);
	else
		supply(r->listener, data, len, f);
out:
	if (r == NULL)
		sst_hold_release(relay, head->id);
	if (tcp >= 0)
		(void)close(tcp);
	if (end >= 0)
		(void)close(end);
	sst_settings_unref(set);
	free(f);
}
