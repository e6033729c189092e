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
#include <securesockets/certstore.h>

#include "base/clock.h"
#include "certs.h"
#include "core.h"
#include "listener.h"
#include "option_revoke.h"
#include "settings.h"
#include "supply.h"
#include "tls/staple.h"

/* A state is a row of: tag (1 byte), length (2 bytes, little end first), bytes.
 * An unknown tag is passed over. */
enum tag {
	TAG_COOKIE = 1, TAG_SERIAL, TAG_FAMILY, TAG_BACKLOG, TAG_NAME, TAG_ALPN,
	TAG_DEFAULT, TAG_VERSION_MIN, TAG_VERSION_MAX, TAG_STRICT, TAG_TIMEOUT,
	TAG_KEY_EVENT, TAG_CERT_FILE, TAG_CERT_DIR, TAG_SOURCE, TAG_REMOVE,
	TAG_LINGER, TAG_REMOTE, TAG_LINGER_TIME, TAG_NODELAY, TAG_GENERATION,
	TAG_PLAIN, TAG_START_PLAIN, TAG_FORCED, TAG_FOREIGN, TAG_REVOCATION, TAG_LIVE,
	TAG_NO_STAPLING, TAG_STAPLE
};

struct writer {
	uint8_t	*bytes;
	size_t	 len, room;
	int	 full;
};

static int
make_room(struct writer *w, size_t len)
{
	size_t room = w->room == 0 ? 4096 : w->room;
	uint8_t *more;

	while (room < w->len + len)
		room *= 2;
	if (room == w->room)
		return 0;
	more = room > SST_HOLD_MAX ? NULL : realloc(w->bytes, room);
	if (more == NULL)
		return -1;
	w->bytes = more;
	w->room = room;
	return 0;
}

static void
put(struct writer *w, enum tag tag, const void *bytes, size_t len)
{
	if (len > UINT16_MAX || make_room(w, len + 3) < 0) {
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

static int
put_staple(void *w, const void *der, size_t len)
{
	put(w, TAG_STAPLE, der, len);
	return 0;
}

static void
encode_revocation(const struct sst_settings *set, struct writer *w)
{
	put(w, TAG_REVOCATION, &set->revocation, sizeof(set->revocation));
	put_number(w, TAG_LIVE, (uint64_t)set->live);
	put_number(w, TAG_NO_STAPLING, (uint64_t)set->no_stapling);
	(void)sst_staples_each(set->staples, put_staple, w);
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
	put_number(w, TAG_LINGER, (uint64_t)r->linger_on);
	put_number(w, TAG_LINGER_TIME, (uint64_t)(int64_t)r->linger_time);
	put_number(w, TAG_NODELAY, (uint64_t)(int64_t)r->nodelay);
	put_number(w, TAG_PLAIN, r->plain);
	put_number(w, TAG_START_PLAIN, (uint64_t)set->start_plain);
	put_number(w, TAG_FORCED, r->forced);
	put_number(w, TAG_FOREIGN, r->foreign);
	encode_revocation(set, w);
	put_number(w, TAG_GENERATION,
	    sst_store_generation(sst_certs_store(set->certs)));
	(void)sst_certs_each(set->certs, put_source, w);
}

/* The state as a file that nobody can change. -1 with errno. */
static int
state_file(const struct writer *w)
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
send_state(const struct sst_listener *l, const struct writer *w)
{
	int fds[SST_HOLD_FDS] = { l->record->tcp, l->record->end, -1 };
	int is_long = w->len > SST_WIRE_DATA_MAX;
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
	struct writer w = { .len = 0 };

	if (l->closed || l->record->tcp < 0)
		return;
	encode(l, &w);
	if (w.full)
		sst_log_event(&relay->log, SST_LOG_INTERNAL, sst_clock_ms(),
		    "no memory for the settings of a listener: it keeps its older "
		    "ones when the helper process is restarted");
	else if (send_state(l, &w) < 0)
		sst_log_event(&relay->log, SST_LOG_INTERNAL, sst_clock_ms(),
		    "the keeper did not take a listener: %s", strerror(errno));
	free(w.bytes);
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
	uint64_t	cookie, serial, generation;
	int		family, backlog, linger_on, linger_time, nodelay;
	int		plain, forced, foreign;
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
		id->linger_on = f->number != 0;
		break;
	case TAG_LINGER_TIME:
		id->linger_time = (int)(int64_t)f->number;
		break;
	case TAG_NODELAY:
		id->nodelay = (int)(int64_t)f->number;
		break;
	case TAG_PLAIN:
		id->plain = f->number != 0;
		break;
	case TAG_START_PLAIN:
		set->start_plain = f->number != 0;
		break;
	case TAG_LIVE:
		set->live = f->number != 0;
		break;
	case TAG_NO_STAPLING:
		set->no_stapling = f->number != 0;
		break;
	case TAG_FORCED:
		id->forced = f->number != 0;
		break;
	case TAG_FOREIGN:
		id->foreign = f->number != 0;
		break;
	case TAG_GENERATION:
		id->generation = f->number <= INT64_MAX / 2 ? f->number : 0;
		break;
	default:
		break;
	}
}

/* One that cannot be taken is missed by nobody but those who ask for it. */
static void
decode_staple(const struct field *f, struct sst_settings *set)
{
	struct sst_staples *staples = NULL;

	if (sst_staples_with(set->staples, f->text, f->len, &staples, NULL) != SST_OK)
		return;
	sst_staples_unref(set->staples);
	set->staples = staples;
}

static int
decode_text(const struct field *f, struct sst_settings *set)
{
	switch (f->tag) {
	case TAG_REVOCATION:
		return sst_revoke_restore(set, f->text, f->len);
	case TAG_STAPLE:
		decode_staple(f, set);
		return SST_OK;
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
record_of(struct sst_relay *relay, const struct identity *id)
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
	struct identity id = { .cookie = 0 };
	struct sst_settings *set = sst_settings_new(NULL, NULL);
	struct field *f = calloc(1, sizeof(*f));
	struct sst_record *r = NULL;

	if (set != NULL && f != NULL && fds[0] >= 0 && fds[1] >= 0 &&
	    decode(data, len, &id, set, f) == 0 &&
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
	free(file);
	for (int i = 0; i < SST_HOLD_FDS; i++) {
		if (fds[i] >= 0)
			(void)close(fds[i]);
		fds[i] = -1;
	}
}
