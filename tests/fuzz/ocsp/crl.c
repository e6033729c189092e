/* SPDX-License-Identifier: ISC */
/*
 * A list that nobody signed, read all the same: what is in the index is what a walk
 * finds, whatever is in scope says so twice, and a bucket of any bytes is an error
 * or an answer. What does not begin as a SEQUENCE is taken for a bucket.
 */
#include <stdlib.h>
#include <string.h>

#include "ocsp/crl_list.h"
#include "support/pki.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pki_cert *ca, *certs[5];
static const struct sst_cert_facts *facts[5];	/* of those */
static struct sst_limits limits;

static void
must(int ok)
{
	if (!ok)
		abort();
}

/* Certificates that name points in each way there is. */
static void
world_make(void)
{
	static const char *const points[] = { NULL, "crlDistributionPoints = URI:http://a/\n",
		"crlDistributionPoints = p,q\n[p]\nrelativename = r\nreasons = superseded\n"
		"[r]\nCN = a\n[q]\nfullname = URI:http://a/,dirName:d\n[d]\nCN = CA\n",
		"crlDistributionPoints = p\n[p]\nfullname = URI:http://a/\n"
		"CRLissuer = dirName:d\n[d]\nCN = CA\n",
		"issuerAltName = URI:http://a/\n" };

	ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		certs[i] = pki_issue(ca, &(struct pki_spec){ .cn = "c",
		    .extra = points[i], .ca = i == 4, .serial = (const unsigned char *)"\x11",
		    .serial_len = 1 });
		must(sst_facts_of(certs[i]->cert, ca->cert, &facts[i], NULL) == 0);
	}
	sst_limits_of(NULL, &limits);
}

struct seen {
	const struct sst_crl *crl;
	int64_t	 last;
};

/* Each record of a bucket is found in it, and by a walk. */
static int
bucket(void *arg, uint32_t number, const void *blob, size_t len)
{
	struct sst_crl_entry by_index, by_walk;
	struct sst_cert_key key = { 0 };
	struct seen *seen = arg;
	const uint8_t *p = blob;

	must((int64_t)number > seen->last && len > 0);
	seen->last = number;
	key.issuer = seen->crl->head.issuer;
	for (size_t at = 0; at < len; at += 1u + p[at] + 6u) {
		key.serial_len = p[at];
		memcpy(key.serial, p + at + 1, p[at]);
		must(sst_crl_bucket(&key, seen->crl->head.bits) == number);
		must(sst_crl_bucket_find(blob, len, &key, &by_index) == 1);
		must(sst_crl_find(seen->crl, &key, &by_walk) == 1);
		must(by_index.reason == by_walk.reason &&
		    by_index.revoked_at == by_walk.revoked_at);
	}
	return 0;
}

static void
judge(const struct sst_crl *crl)
{
	struct sst_crl_entry entry;
	struct sst_evidence e;
	const char *why;
	uint32_t covered;
	int found;

	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		found = sst_crl_find(crl, &facts[i]->key, &entry);
		sst_crl_evidence(&crl->head, facts[i], found == 1 ? &entry : NULL, PKI_NOW,
		    &limits, &e);
		must(e.text[0] != '\0');
		if (e.status != SST_EV_GOOD)
			continue;
		must(!found && !crl->head.is_delta && !crl->head.indirect &&
		    !crl->head.bad_critical);
		must(sst_crl_scope(&crl->head, facts[i], &covered, &why) == SST_SCOPE_FULL &&
		    covered == SST_REASONS_ALL);
	}
}

/* As sst_crl_open() goes on once the signature was verified. */
static void
list(struct sst_crl *crl)
{
	struct seen seen = { .crl = crl, .last = -1 };
	struct sst_crl_walk walk = { 0 };
	struct sst_crl_row row;
	int rc;

	if (sst_crl_read_frame(crl, NULL) < 0 || sst_crl_read_extensions(crl, NULL) < 0)
		return;
	walk.in = crl->entries;
	while ((rc = sst_crl_row(crl, &walk, &row)) == 1)
		crl->head.entries++;
	if (rc < 0)
		return;
	crl->head.bits = crl->head.entries > 4 ? 2 : 0;
	crl->head.indirect |= walk.named != 0;
	crl->head.until = crl->head.this_update + 86400;
	crl->head.issuer = facts[0]->key.issuer;
	must(sst_crl_index(crl, bucket, &seen, NULL) == 0);
	judge(crl);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sst_crl crl;
	struct sst_crl_signers who;
	struct sst_crl *opened = NULL;
	struct sst_crl_entry entry;
	enum sst_fault fault;

	if (ca == NULL)
		world_make();
	if (size == 0 || data[0] != SST_DER_SEQUENCE) {
		(void)sst_crl_bucket_find(data, size, &facts[0]->key, &entry);
		return 0;
	}
	/* nobody holds this key: nothing is ever opened */
	who = (struct sst_crl_signers){ .issuer = ca->cert };
	must(sst_crl_open(data, size, &who, PKI_NOW, &limits, &opened, &fault, NULL) < 0 &&
	    fault != SST_FAULT_NONE && opened == NULL);
	memset(&crl, 0, sizeof(crl));
	crl.bytes = data;
	crl.len = size;
	list(&crl);
	return 0;
}
