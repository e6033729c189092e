/* SPDX-License-Identifier: ISC */
/*
 * crl_index - see crl.h: buckets of compact records.
 *
 *	record = length (1), serial, revocation date (5, signed), reason (1)
 *
 * Eight octets an entry are held beside the list's bytes: its bucket and where it
 * begins. They are brought in order in place, and each bucket's records are made
 * from the bytes when it is handed over, so memory stays far below the list's own.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "crl_list.h"

#define NO_REASON	0xff

uint32_t
sst_crl_bucket(const struct sst_cert_key *key, unsigned bits)
{
	uint8_t hash[32];
	uint32_t top;

	if (bits == 0)
		return 0;
	sst_cert_key_hash(key, hash);
	top = (uint32_t)hash[0] << 24 | (uint32_t)hash[1] << 16 | (uint32_t)hash[2] << 8 |
	    hash[3];
	return top >> (32 - bits);
}

struct index {
	const struct sst_crl *crl;
	uint64_t	*places;	/* bucket << 32 | where the entry begins */
	size_t		 n;
	uint32_t	*ends;		/* of each bucket in places[] */
	uint8_t		*blob;
	size_t		 room;
};

/* All entries that some certificate of the issuer could be. */
static void
places_fill(struct index *x)
{
	struct sst_cert_key key = { .issuer = x->crl->head.issuer };
	struct sst_crl_walk walk = { .in = x->crl->entries };
	struct sst_crl_row row;
	uint32_t bucket, at;

	for (;;) {
		at = (uint32_t)(walk.in.p - x->crl->bytes);
		if (sst_crl_row(x->crl, &walk, &row) != 1)
			return;
		if (row.foreign || row.serial_len > SST_SERIAL_MAX)
			continue;
		key.serial_len = (uint8_t)row.serial_len;
		memcpy(key.serial, row.serial, row.serial_len);
		bucket = sst_crl_bucket(&key, x->crl->head.bits);
		x->places[x->n++] = (uint64_t)bucket << 32 | at;
		x->ends[bucket]++;
	}
}

/* Counts become ends, and each place is carried to its bucket (an "American flag"
 * sort): no second array. */
static void
places_sort(struct index *x, uint32_t *next)
{
	uint32_t buckets = (uint32_t)1 << x->crl->head.bits, sum = 0, to;
	uint64_t held, out;

	for (uint32_t b = 0; b < buckets; b++) {
		next[b] = sum;
		sum += x->ends[b];
		x->ends[b] = sum;
	}
	for (uint32_t b = 0; b < buckets; b++) {
		while (next[b] < x->ends[b]) {
			held = x->places[next[b]];
			while ((to = (uint32_t)(held >> 32)) != b) {
				out = x->places[next[to]];
				x->places[next[to]++] = held;
				held = out;
			}
			x->places[next[b]++] = held;
		}
	}
}

static void
row_at(const struct sst_crl *crl, uint64_t place, struct sst_crl_row *ret)
{
	struct sst_crl_walk walk = { .in = crl->entries };

	walk.in.p = crl->bytes + (uint32_t)place;
	(void)sst_crl_row(crl, &walk, ret);	/* it was read before */
}

/* The serial of an entry alone; entries were seen to parse. */
static const uint8_t *
serial_at(const struct sst_crl *crl, uint64_t place, size_t *ret_len)
{
	const uint8_t *p = crl->bytes + (uint32_t)place + 1;

	p += *p < 0x80 ? 1 : 1 + (*p & 0x7f);
	*ret_len = p[1];
	return p + 2;
}

static int
serial_cmp(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	if (a_len != b_len)
		return a_len < b_len ? -1 : 1;
	return memcmp(a, b, a_len);
}

/* Equal serials stay in the order of the list. */
static int
place_cmp(const void *a, const void *b, void *crl)
{
	uint64_t pa = *(const uint64_t *)a, pb = *(const uint64_t *)b;
	size_t a_len, b_len;
	const uint8_t *sa = serial_at(crl, pa, &a_len);
	const uint8_t *sb = serial_at(crl, pb, &b_len);
	int order = serial_cmp(sa, a_len, sb, b_len);

	return order != 0 ? order : (pa > pb) - (pa < pb);
}

static void
record_put(uint8_t *p, const struct sst_crl_row *row)
{
	uint64_t date = (uint64_t)row->entry.revoked_at;

	*p++ = (uint8_t)row->serial_len;
	memcpy(p, row->serial, row->serial_len);
	p += row->serial_len;
	for (int shift = 32; shift >= 0; shift -= 8)
		*p++ = (uint8_t)(date >> shift);
	*p = row->entry.reason < 0 ? NO_REASON : (uint8_t)row->entry.reason;
}

static int
room_make(struct index *x, size_t want)
{
	uint8_t *grown;

	if (want <= x->room)
		return 1;
	grown = realloc(x->blob, want * 2);
	if (grown == NULL)
		return 0;
	x->blob = grown;
	x->room = want * 2;
	return 1;
}

/* Makes the records of places[from .. to). Their length, or 0: out of memory. */
static size_t
bucket_make(struct index *x, size_t from, size_t to)
{
	struct sst_crl_row row, kept;
	size_t used = 0, at = 0;

	qsort_r(x->places + from, to - from, sizeof(x->places[0]), place_cmp,
	    (void *)(uintptr_t)x->crl);
	for (size_t i = from; i < to; i++) {
		row_at(x->crl, x->places[i], &row);
		if (i > from && serial_cmp(row.serial, row.serial_len, kept.serial,
		    kept.serial_len) == 0) {
			sst_crl_entry_merge(&kept.entry, &row.entry);
		} else {
			kept = row;
			at = used;
			used += 1 + row.serial_len + 6;
		}
		if (!room_make(x, used))
			return 0;
		record_put(x->blob + at, &kept);
	}
	return used;
}

static int
buckets_emit(struct index *x, int (*each)(void *, uint32_t, const void *, size_t), void *arg,
    struct sst_error *err)
{
	uint32_t buckets = (uint32_t)1 << x->crl->head.bits;
	size_t from = 0, len;
	int rc;

	for (uint32_t b = 0; b < buckets; from = x->ends[b], b++) {
		if (x->ends[b] == from)
			continue;
		len = bucket_make(x, from, x->ends[b]);
		if (len == 0)
			return sst_fail(err, SST_E_NOMEM, "out of memory");
		rc = each(arg, b, x->blob, len);
		if (rc != 0)
			return rc;
	}
	return SST_OK;
}

int
sst_crl_index(const struct sst_crl *crl,
    int (*each)(void *arg, uint32_t bucket, const void *blob, size_t len), void *arg,
    struct sst_error *err)
{
	size_t buckets = (size_t)1 << crl->head.bits;
	struct index x = { .crl = crl };
	uint32_t *next = NULL;
	int rc;

	if (crl->len > UINT32_MAX)
		return sst_fail(err, SST_E_LIMIT, "a CRL of %zu bytes cannot be indexed",
		    crl->len);
	if (crl->head.entries == 0)
		return SST_OK;
	x.places = malloc(crl->head.entries * sizeof(*x.places));
	x.ends = calloc(buckets, sizeof(*x.ends));
	next = malloc(buckets * sizeof(*next));
	if (x.places == NULL || x.ends == NULL || next == NULL) {
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
		goto out;
	}
	places_fill(&x);
	places_sort(&x, next);
	rc = buckets_emit(&x, each, arg, err);
out:
	free(x.blob);
	free(next);
	free(x.ends);
	free(x.places);
	return rc;
}

/* The record at p. Its length, or 0: damaged. */
static size_t
record_get(const uint8_t *p, size_t left, struct sst_crl_entry *ret)
{
	const uint8_t *date;
	uint64_t value = 0;

	if (left < 1 || p[0] == 0 || p[0] > SST_SERIAL_MAX || left < (size_t)1 + p[0] + 6)
		return 0;
	date = p + 1 + p[0];
	for (int i = 0; i < 5; i++)
		value = value << 8 | date[i];
	if ((value & ((uint64_t)1 << 39)) != 0)
		value |= ~(uint64_t)0 << 40;	/* before 1970 */
	ret->revoked_at = (int64_t)value;
	ret->reason = date[5] == NO_REASON ? -1 : date[5];
	return ret->reason > 10 ? 0 : (size_t)1 + p[0] + 6;
}

int
sst_crl_bucket_find(const void *blob, size_t len, const struct sst_cert_key *key,
    struct sst_crl_entry *ret)
{
	const uint8_t *p = blob, *end = p + len, *last = NULL;
	struct sst_crl_entry entry, hit = { 0 };
	int found = 0;
	size_t n;

	/* to the end although it was found: half a bucket would hide the others */
	for (; p < end; last = p, p += n) {
		n = record_get(p, (size_t)(end - p), &entry);
		if (n == 0 || (last != NULL &&
		    serial_cmp(last + 1, last[0], p + 1, p[0]) >= 0))
			return SST_E_MALFORMED;
		if (serial_cmp(p + 1, p[0], key->serial, key->serial_len) == 0) {
			hit = entry;
			found = 1;
		}
	}
	if (found)
		*ret = hit;
	return found;
}
