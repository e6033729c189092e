/* SPDX-License-Identifier: ISC */
#include "hold_state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <securesockets/certstore.h>

#include "certs.h"
#include "hold.h"
#include "listener.h"
#include "names.h"
#include "option_revoke.h"
#include "record.h"
#include "settings.h"
#include "tls/lists.h"
#include "tls/staple.h"
#include "tls/ticket_key.h"

void
sst_hold_forget(struct sst_hold_writer *w)
{
	if (w->bytes != NULL)
		explicit_bzero(w->bytes, w->len);
	free(w->bytes);
	w->bytes = NULL;
}

static int
make_room(struct sst_hold_writer *w, size_t len)
{
	size_t room = w->room == 0 ? 4096 : w->room;
	uint8_t *more;

	if (len > SST_HOLD_MAX - w->len)
		return -1;
	while (room < w->len + len)
		room = room < SST_HOLD_MAX / 2 ? 2 * room : SST_HOLD_MAX;
	if (room == w->room)
		return 0;
	more = malloc(room);	/* realloc() would leave a copy behind */
	if (more == NULL)
		return -1;
	if (w->len > 0)
		memcpy(more, w->bytes, w->len);
	sst_hold_forget(w);
	w->bytes = more;
	w->room = room;
	return 0;
}

static void
put_bytes(struct sst_hold_writer *w, const void *bytes, size_t len)
{
	if (len > 0)
		memcpy(w->bytes + w->len, bytes, len);
	w->len += len;
}

static void
put(struct sst_hold_writer *w, enum sst_hold_tag tag, const void *bytes, size_t len)
{
	if (len > UINT16_MAX || make_room(w, len + 3) < 0) {
		w->full = 1;
		return;
	}
	w->bytes[w->len++] = (uint8_t)tag;
	w->bytes[w->len++] = (uint8_t)len;
	w->bytes[w->len++] = (uint8_t)(len >> 8);
	put_bytes(w, bytes, len);
}

static void
put_number(struct sst_hold_writer *w, enum sst_hold_tag tag, uint64_t v)
{
	put(w, tag, &v, sizeof(v));
}

static void
put_text(struct sst_hold_writer *w, enum sst_hold_tag tag, const char *text)
{
	if (text != NULL)
		put(w, tag, text, strlen(text));
}

static int
put_source(void *arg, const struct sst_cert_source *s)
{
	struct sst_hold_writer *w = arg;

	if (s->id == 0)
		put_text(w, SST_HOLD_TAG_REMOVE, s->path);
	else
		put_number(w, SST_HOLD_TAG_SOURCE, s->id);
	return 0;
}

static int
put_staple(void *w, const void *der, size_t len)
{
	put(w, SST_HOLD_TAG_STAPLE, der, len);
	return 0;
}

/* In as many fields as it takes: one DER value after the other. */
static int
put_list(void *w, const void *der, size_t left)
{
	const uint8_t *at = der;
	size_t n;

	for (; left > 0; at += n, left -= n) {
		n = left < UINT16_MAX ? left : UINT16_MAX;
		put(w, SST_HOLD_TAG_LISTS, at, n);
	}
	return 0;
}

static void
encode_revocation(const struct sst_settings *set, struct sst_hold_writer *w)
{
	put(w, SST_HOLD_TAG_REVOCATION, &set->revocation, sizeof(set->revocation));
	put_number(w, SST_HOLD_TAG_LIVE, (uint64_t)set->live);
	put_number(w, SST_HOLD_TAG_NO_STAPLING, (uint64_t)set->no_stapling);
	(void)sst_staples_each(set->staples, put_staple, w);
	(void)sst_lists_each_der(set->lists, put_list, w);
}

static void
encode_sessions(const struct sst_settings *set, struct sst_hold_writer *w)
{
	uint8_t key[SST_TICKET_MASTER_MAX];

	put_number(w, SST_HOLD_TAG_SESSION_TTL, set->session_ttl);
	put_number(w, SST_HOLD_TAG_NO_REUSE, (uint64_t)set->no_reuse);
	if (set->tickets == NULL)
		return;
	w->secret = 1;
	put(w, SST_HOLD_TAG_TICKET_KEY, key, sst_tickets_master(set->tickets, key));
	explicit_bzero(key, sizeof(key));
}

void
sst_hold_encode(const struct sst_listener *l, struct sst_hold_writer *w)
{
	const struct sst_record *r = l->record;
	const struct sst_settings *set = r->set;

	put_number(w, SST_HOLD_TAG_COOKIE, r->cookie);
	put_number(w, SST_HOLD_TAG_SERIAL, r->serial);
	put_number(w, SST_HOLD_TAG_FAMILY, (uint64_t)r->family);
	put_number(w, SST_HOLD_TAG_BACKLOG, (uint64_t)(int64_t)l->backlog);
	for (size_t i = 0; i < set->names.n; i++)
		put_text(w, SST_HOLD_TAG_NAME, set->names.list[i]);
	put_text(w, SST_HOLD_TAG_REMOTE, set->remote);
	put_text(w, SST_HOLD_TAG_ALPN, set->alpn);
	put_text(w, SST_HOLD_TAG_DEFAULT, set->default_name);
	put_text(w, SST_HOLD_TAG_CERT_FILE, set->cert_file);
	put_text(w, SST_HOLD_TAG_CERT_DIR, set->cert_dir);
	put_number(w, SST_HOLD_TAG_VERSION_MIN, set->version_min);
	put_number(w, SST_HOLD_TAG_VERSION_MAX, set->version_max);
	put_number(w, SST_HOLD_TAG_STRICT, (uint64_t)set->strict);
	put_number(w, SST_HOLD_TAG_TIMEOUT, (uint64_t)set->timeout_ms);
	put_number(w, SST_HOLD_TAG_KEY_EVENT, (uint64_t)set->key_event);
	put_number(w, SST_HOLD_TAG_LINGER, (uint64_t)r->linger_on);
	put_number(w, SST_HOLD_TAG_LINGER_TIME, (uint64_t)(int64_t)r->linger_time);
	put_number(w, SST_HOLD_TAG_NODELAY, (uint64_t)(int64_t)r->nodelay);
	put_number(w, SST_HOLD_TAG_PLAIN, r->plain);
	put_number(w, SST_HOLD_TAG_START_PLAIN, (uint64_t)set->start_plain);
	put_number(w, SST_HOLD_TAG_FORCED, r->forced);
	put_number(w, SST_HOLD_TAG_FOREIGN, r->foreign);
	encode_revocation(set, w);
	encode_sessions(set, w);
	put_number(w, SST_HOLD_TAG_GENERATION,
	    sst_store_generation(sst_certs_store(set->certs)));
	(void)sst_certs_each(set->certs, put_source, w);
}

int
sst_hold_next(const uint8_t **at, size_t *left, struct sst_hold_field *f)
{
	if (*left == 0)
		return 0;
	if (*left < 3)
		return -1;
	f->tag = (enum sst_hold_tag)(*at)[0];
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

static void
decode_number(const struct sst_hold_field *f, struct sst_hold_identity *id,
    struct sst_settings *set)
{
	switch (f->tag) {
	case SST_HOLD_TAG_COOKIE:
		id->cookie = f->number;
		break;
	case SST_HOLD_TAG_SERIAL:
		id->serial = f->number;
		break;
	case SST_HOLD_TAG_FAMILY:
		id->family = (int)f->number;
		break;
	case SST_HOLD_TAG_BACKLOG:
		id->backlog = (int)(int64_t)f->number;
		break;
	case SST_HOLD_TAG_VERSION_MIN:
		set->version_min = (uint16_t)f->number;
		break;
	case SST_HOLD_TAG_VERSION_MAX:
		set->version_max = (uint16_t)f->number;
		break;
	case SST_HOLD_TAG_STRICT:
		set->strict = f->number != 0;
		break;
	case SST_HOLD_TAG_TIMEOUT:
		set->timeout_ms = (int)f->number;
		break;
	case SST_HOLD_TAG_KEY_EVENT:
		set->key_event = f->number != 0;
		break;
	case SST_HOLD_TAG_LINGER:
		id->linger_on = f->number != 0;
		break;
	case SST_HOLD_TAG_LINGER_TIME:
		id->linger_time = (int)(int64_t)f->number;
		break;
	case SST_HOLD_TAG_NODELAY:
		id->nodelay = (int)(int64_t)f->number;
		break;
	case SST_HOLD_TAG_PLAIN:
		id->plain = f->number != 0;
		break;
	case SST_HOLD_TAG_START_PLAIN:
		set->start_plain = f->number != 0;
		break;
	case SST_HOLD_TAG_LIVE:
		set->live = f->number != 0;
		break;
	case SST_HOLD_TAG_NO_STAPLING:
		set->no_stapling = f->number != 0;
		break;
	case SST_HOLD_TAG_SESSION_TTL:
		if (f->number <= SST_TICKET_LIFE_MAX_S)
			set->session_ttl = (unsigned)f->number;
		break;
	case SST_HOLD_TAG_NO_REUSE:
		set->no_reuse = f->number != 0;
		break;
	case SST_HOLD_TAG_FORCED:
		id->forced = f->number != 0;
		break;
	case SST_HOLD_TAG_FOREIGN:
		id->foreign = f->number != 0;
		break;
	case SST_HOLD_TAG_GENERATION:
		id->generation = f->number <= INT64_MAX / 2 ? f->number : 0;
		break;
	default:
		break;
	}
}

/* One that cannot be taken is missed by nobody but those who ask for it. */
static void
decode_staple(const struct sst_hold_field *f, struct sst_settings *set)
{
	struct sst_staples *staples = NULL;

	if (sst_staples_with(set->staples, f->text, f->len, &staples, NULL) != SST_OK)
		return;
	sst_staples_unref(set->staples);
	set->staples = staples;
}

/* Without it clients begin anew, which is what a random one would have them do. */
static void
decode_ticket_key(const struct sst_hold_field *f, struct sst_settings *set)
{
	struct sst_tickets *tickets = NULL;

	if (sst_tickets_new(f->text, f->len, 1, &tickets, NULL) != SST_OK)
		return;
	sst_tickets_unref(set->tickets);
	set->tickets = tickets;
}

static int
decode_text(const struct sst_hold_field *f, struct sst_settings *set)
{
	switch (f->tag) {
	case SST_HOLD_TAG_REVOCATION:
		return sst_revoke_restore(set, f->text, f->len);
	case SST_HOLD_TAG_STAPLE:
		decode_staple(f, set);
		return SST_OK;
	case SST_HOLD_TAG_TICKET_KEY:
		decode_ticket_key(f, set);
		return SST_OK;
	case SST_HOLD_TAG_NAME:
		return sst_names_add(&set->names, f->text, NULL);
	case SST_HOLD_TAG_REMOTE:
		return sst_settings_text(&set->remote, f->text, NULL);
	case SST_HOLD_TAG_ALPN:
		return sst_settings_text(&set->alpn, f->text, NULL);
	case SST_HOLD_TAG_DEFAULT:
		return sst_settings_text(&set->default_name, f->text, NULL);
	case SST_HOLD_TAG_CERT_FILE:
		return sst_settings_text(&set->cert_file, f->text, NULL);
	case SST_HOLD_TAG_CERT_DIR:
		return sst_settings_text(&set->cert_dir, f->text, NULL);
	default:
		return SST_OK;
	}
}

static int
decode_piece(const struct sst_hold_field *f, struct sst_hold_writer *lists)
{
	if (make_room(lists, f->len) < 0)
		return -1;
	put_bytes(lists, f->text, f->len);
	return 0;
}

int
sst_hold_decode(const uint8_t *data, size_t len, struct sst_hold_identity *id,
    struct sst_settings *set, struct sst_hold_field *f)
{
	struct sst_hold_writer lists = { .len = 0 };
	int rc;

	while ((rc = sst_hold_next(&data, &len, f)) > 0) {
		decode_number(f, id, set);
		if (decode_text(f, set) != SST_OK || (f->tag == SST_HOLD_TAG_LISTS &&
		    decode_piece(f, &lists) < 0)) {
			rc = -1;
			break;
		}
	}
	/* Without its lists a socket would accept whom they revoke. */
	if (rc == 0 && lists.len > 0 &&
	    sst_lists_with(NULL, lists.bytes, lists.len, &set->lists, NULL) != SST_OK)
		rc = -1;
	free(lists.bytes);
	return rc < 0 || id->cookie == 0 ||
	    (id->family != AF_INET && id->family != AF_INET6) ? -1 : 0;
}
