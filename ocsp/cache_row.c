/* SPDX-License-Identifier: ISC */
/*
 * cache_row - rows as bytes, and the digests that tell a damaged one.
 *
 * Numbers are little-endian, octet strings have their length (2 octets) in
 * front. Reading is strict: what has a length too many, a number out of its
 * range or an octet left over is not a row.
 *
 * Always true:
 *   1. What is packed is unpacked to the same value, or it is an error.
 *   2. Unpacking reads no octet beyond the row, whatever the row says.
 * Threads: pure, but for the digest, which uses its sst_db.
 */
#include <string.h>

#include "cache_inside.h"

#define ROW_FORM	1
#define LEVEL_FORM	2	/* what follows the form is a level: not the default */

struct pack {
	uint8_t	*p;
	size_t	 n, size;
};

struct unpack {
	const uint8_t *p;
	size_t	 n;
	int	 bad;
};

static void
put_int(struct pack *k, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		k->p[k->n++] = (uint8_t)(v >> 8 * i);
}

static void
put_octets(struct pack *k, const void *p, size_t n)
{
	k->p[k->n++] = (uint8_t)n;
	k->p[k->n++] = (uint8_t)(n >> 8);
	memcpy(k->p + k->n, p, n);
	k->n += n;
}

static void
put_text(struct pack *k, const char *text, size_t size)
{
	put_octets(k, text, strnlen(text, size - 1));
}

static uint64_t
get_int(struct unpack *u)
{
	uint64_t v = 0;

	if (u->n < 8) {
		u->bad = 1;
		u->n = 0;
		return 0;
	}
	for (int i = 0; i < 8; i++)
		v |= (uint64_t)u->p[i] << 8 * i;
	u->p += 8;
	u->n -= 8;
	return v;
}

/* A number from 0 to `max`. */
static unsigned
get_small(struct unpack *u, unsigned max)
{
	uint64_t v = get_int(u);

	if (v > max) {
		u->bad = 1;
		return 0;
	}
	return (unsigned)v;
}

/* From 0 (or `min`) to `size` octets; returns how many. */
static size_t
get_octets(struct unpack *u, void *out, size_t min, size_t size)
{
	size_t n;

	if (u->n < 2) {
		u->bad = 1;
		u->n = 0;
		return 0;
	}
	n = (size_t)u->p[0] | (size_t)u->p[1] << 8;
	if (n > u->n - 2 || n > size || n < min) {
		u->bad = 1;
		u->n = 0;
		return 0;
	}
	memcpy(out, u->p + 2, n);
	u->p += 2 + n;
	u->n -= 2 + n;
	return n;
}

static void
get_text(struct unpack *u, char *out, size_t size)
{
	size_t n = get_octets(u, out, 0, size - 1);

	out[n] = '\0';
	if (memchr(out, '\0', n) != NULL)
		u->bad = 1;
}

static void
put_form(struct pack *k, int level)
{
	put_int(k, level == 0 ? ROW_FORM : LEVEL_FORM);
	if (level != 0)
		put_int(k, (uint64_t)(level + SST_LEVEL_DEFAULT));
}

static int
get_form(struct unpack *u)
{
	uint64_t form = get_int(u);
	int level;

	if (form == ROW_FORM)
		return 0;
	level = (int)get_small(u, SST_LEVEL_MAX) - SST_LEVEL_DEFAULT;
	if (form != LEVEL_FORM || level == 0)
		u->bad = 1;
	return level;
}

int
sst_db_digest(struct sst_db *s, char tag, const int64_t *ints, size_t n_ints,
    const struct sst_span *spans, size_t n_spans, uint8_t ret[SST_DIGEST_LEN])
{
	uint8_t whole[EVP_MAX_MD_SIZE], head[8 * 8 + 1 + 8 * 8];
	struct pack k = { head, 0, sizeof(head) };
	int ok;

	k.p[k.n++] = (uint8_t)tag;
	for (size_t i = 0; i < n_ints; i++)
		put_int(&k, (uint64_t)ints[i]);
	for (size_t i = 0; i < n_spans; i++)
		put_int(&k, spans[i].n);
	ok = EVP_DigestInit_ex(s->ctx, s->md, NULL) == 1 &&
	    EVP_DigestUpdate(s->ctx, head, k.n) == 1;
	for (size_t i = 0; ok && i < n_spans; i++)
		ok = EVP_DigestUpdate(s->ctx, spans[i].p, spans[i].n) == 1;
	if (!ok || EVP_DigestFinal_ex(s->ctx, whole, NULL) != 1) {
		s->code = SQLITE_NOMEM;
		return SST_E_NOMEM;
	}
	memcpy(ret, whole, SST_DIGEST_LEN);
	return SST_OK;
}

int
sst_issuer_hash(struct sst_db *s, const struct sst_issuer_id *id, uint8_t ret[SST_ISSUER_LEN])
{
	const struct sst_span spans[] = { { id->dn, 32 }, { id->spki, 32 } };

	return sst_db_digest(s, 'I', NULL, 0, spans, 2, ret);
}

size_t
sst_evidence_pack(const struct sst_cert_key *key, const struct sst_evidence *e,
    uint8_t out[SST_ROW_MAX])
{
	struct pack k = { out, 0, SST_ROW_MAX };

	put_form(&k, e->level);
	put_octets(&k, key->issuer.dn, 32);
	put_octets(&k, key->issuer.spki, 32);
	put_octets(&k, key->serial, key->serial_len);
	put_int(&k, e->source);
	put_int(&k, e->status);
	put_int(&k, (uint64_t)(e->reason + 1));
	put_int(&k, e->not_issued != 0);
	put_int(&k, e->covered);
	put_int(&k, e->partial != 0);
	put_int(&k, (uint64_t)e->this_update);
	put_int(&k, (uint64_t)e->next_update);
	put_int(&k, (uint64_t)e->produced_at);
	put_int(&k, (uint64_t)e->until);
	put_int(&k, (uint64_t)e->revoked_at);
	put_int(&k, (uint64_t)e->fetched_at);
	put_octets(&k, e->signer, 32);
	put_text(&k, e->url, sizeof(e->url));
	put_text(&k, e->text, sizeof(e->text));
	return k.n;
}

int
sst_evidence_unpack(const void *row, size_t len, struct sst_cert_key *key,
    struct sst_evidence *e)
{
	struct unpack u = { row, len, 0 };

	memset(key, 0, sizeof(*key));
	memset(e, 0, sizeof(*e));
	e->level = get_form(&u);
	(void)get_octets(&u, key->issuer.dn, 32, 32);
	(void)get_octets(&u, key->issuer.spki, 32, 32);
	key->serial_len = (uint8_t)get_octets(&u, key->serial, 0, SST_SERIAL_MAX);
	e->source = get_small(&u, SST_SOURCE_LOCAL);
	e->status = get_small(&u, SST_EV_ERROR);
	e->reason = (int)get_small(&u, 256) - 1;
	e->not_issued = (int)get_small(&u, 1);
	e->covered = get_small(&u, UINT32_MAX);
	e->partial = (int)get_small(&u, 1);
	e->this_update = (int64_t)get_int(&u);
	e->next_update = (int64_t)get_int(&u);
	e->produced_at = (int64_t)get_int(&u);
	e->until = (int64_t)get_int(&u);
	e->revoked_at = (int64_t)get_int(&u);
	e->fetched_at = (int64_t)get_int(&u);
	(void)get_octets(&u, e->signer, 32, 32);
	get_text(&u, e->url, sizeof(e->url));
	get_text(&u, e->text, sizeof(e->text));
	return u.bad || u.n != 0 ? -1 : 0;
}

size_t
sst_head_pack(const struct sst_crl_head *h, uint8_t out[SST_HEAD_MAX])
{
	struct pack k = { out, 0, SST_HEAD_MAX };

	put_form(&k, h->level);
	put_octets(&k, h->issuer.dn, 32);
	put_octets(&k, h->issuer.spki, 32);
	put_int(&k, (uint64_t)h->this_update);
	put_int(&k, (uint64_t)h->next_update);
	put_int(&k, (uint64_t)h->until);
	put_int(&k, h->has_number != 0);
	put_octets(&k, h->number, sizeof(h->number));
	put_octets(&k, h->base, sizeof(h->base));
	put_int(&k, (uint64_t)h->is_delta | (uint64_t)h->indirect << 1 |
	    (uint64_t)h->only_user << 2 | (uint64_t)h->only_ca << 3 |
	    (uint64_t)h->only_attribute << 4 | (uint64_t)h->has_idp << 5 |
	    (uint64_t)h->bad_critical << 6);
	put_int(&k, h->reasons);
	put_octets(&k, h->idp, h->idp_len);
	put_octets(&k, h->sha256, 32);
	put_octets(&k, h->signer, 32);
	put_octets(&k, h->scope_key, 32);
	put_int(&k, h->size);
	put_int(&k, h->entries);
	put_int(&k, h->bits);
	return k.n;
}

int
sst_head_unpack(const void *row, size_t len, struct sst_crl_head *h)
{
	struct unpack u = { row, len, 0 };
	unsigned bits;

	memset(h, 0, sizeof(*h));
	h->level = get_form(&u);
	(void)get_octets(&u, h->issuer.dn, 32, 32);
	(void)get_octets(&u, h->issuer.spki, 32, 32);
	h->this_update = (int64_t)get_int(&u);
	h->next_update = (int64_t)get_int(&u);
	h->until = (int64_t)get_int(&u);
	h->has_number = (int)get_small(&u, 1);
	(void)get_octets(&u, h->number, sizeof(h->number), sizeof(h->number));
	(void)get_octets(&u, h->base, sizeof(h->base), sizeof(h->base));
	bits = get_small(&u, 127);
	h->is_delta = bits & 1;
	h->indirect = bits >> 1 & 1;
	h->only_user = bits >> 2 & 1;
	h->only_ca = bits >> 3 & 1;
	h->only_attribute = bits >> 4 & 1;
	h->has_idp = bits >> 5 & 1;
	h->bad_critical = bits >> 6 & 1;
	h->reasons = get_small(&u, UINT32_MAX);
	h->idp_len = get_octets(&u, h->idp, 0, sizeof(h->idp));
	(void)get_octets(&u, h->sha256, 32, 32);
	(void)get_octets(&u, h->signer, 32, 32);
	(void)get_octets(&u, h->scope_key, 32, 32);
	h->size = get_int(&u);
	h->entries = get_int(&u);
	h->bits = get_small(&u, SST_BUCKET_BITS);
	return u.bad || u.n != 0 ? -1 : 0;
}

size_t
sst_source_pack(const struct sst_source_state *s, uint8_t out[SST_ROW_MAX])
{
	struct pack k = { out, 0, SST_ROW_MAX };

	put_int(&k, ROW_FORM);
	put_int(&k, (uint64_t)s->last_try);
	put_int(&k, (uint64_t)s->next_try);
	put_int(&k, s->fail_count);
	put_int(&k, s->timeouts);
	put_int(&k, s->last_fault);
	put_int(&k, (uint64_t)s->http_status);
	put_int(&k, s->no_sha256 != 0);
	put_int(&k, s->no_get != 0);
	put_text(&k, s->etag, sizeof(s->etag));
	put_text(&k, s->last_modified, sizeof(s->last_modified));
	put_octets(&k, s->body_sha256, 32);
	put_int(&k, s->bytes);
	put_int(&k, s->ms);
	return k.n;
}

int
sst_source_unpack(const void *row, size_t len, struct sst_source_state *s)
{
	struct unpack u = { row, len, 0 };

	memset(s, 0, sizeof(*s));
	if (get_int(&u) != ROW_FORM)
		return -1;
	s->last_try = (int64_t)get_int(&u);
	s->next_try = (int64_t)get_int(&u);
	s->fail_count = get_small(&u, UINT32_MAX);
	s->timeouts = get_small(&u, UINT32_MAX);
	s->last_fault = get_small(&u, SST_FAULT_SIGNATURE);
	s->http_status = (int)get_small(&u, 999);
	s->no_sha256 = (int)get_small(&u, 1);
	s->no_get = (int)get_small(&u, 1);
	get_text(&u, s->etag, sizeof(s->etag));
	get_text(&u, s->last_modified, sizeof(s->last_modified));
	(void)get_octets(&u, s->body_sha256, 32, 32);
	s->bytes = get_int(&u);
	s->ms = get_small(&u, UINT32_MAX);
	return u.bad || u.n != 0 ? -1 : 0;
}
