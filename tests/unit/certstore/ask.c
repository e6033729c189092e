/* SPDX-License-Identifier: ISC */
#include "ask.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define KEPT	64

struct events events;

static struct sst_choice *kept[KEPT];
static size_t n_kept;

static const uint16_t all_sigalgs[] = { 0x0403, 0x0503, 0x0603, 0x0807, 0x0808,
	0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601 };
static const uint16_t usual_suites[] = { 0xc02b, 0xc02c, 0xc02f, 0xc030 };
static const uint16_t usual_groups[] = { 29, 23, 24 };

static struct sst_choice *
keep(struct sst_choice *c)
{
	assert_true(n_kept < KEPT);
	kept[n_kept++] = c;
	return c;
}

void
ask_reset(void)
{
	while (n_kept > 0)
		sst_choice_unref(kept[--n_kept]);
}

static struct sst_choice *
choose(struct sst_store *s, const struct sst_choose_policy *p,
    const struct sst_hello *h, time_t now)
{
	struct sst_error err = { .code = SST_OK };
	struct sst_choice *c = NULL;
	int rc = sst_store_choose(s, p, h, now, &c, &err);

	if (rc < 0)
		fail_msg("choose: %s", err.text);
	assert_int_equal(rc, sst_choice_count(c) > 0);
	assert_int_equal(sst_choice_alert(c) == 0, rc);
	return keep(c);
}

struct sst_choice *
ask(struct sst_store *s, const struct sst_choose_policy *p, const struct client *c)
{
	struct sockaddr_storage local = { 0 };
	struct sst_hello h = { .version = c->tls12 ? 0x0303 : 0x0304 };
	uint8_t ext[1024 + 5];
	size_t len;

	if (c->name != NULL) {
		len = c->name_len != 0 ? c->name_len : strlen(c->name);
		assert_true(len <= 1024);
		ext[0] = (uint8_t)((len + 3) >> 8);
		ext[1] = (uint8_t)(len + 3);
		ext[2] = 0;
		ext[3] = (uint8_t)(len >> 8);
		ext[4] = (uint8_t)len;
		memcpy(ext + 5, c->name, len);
		h.server_name = ext;
		h.server_name_len = len + 5;
		h.has_server_name = 1;
	}
	if (c->local != NULL && strchr(c->local, ':') != NULL) {
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

		assert_int_equal(inet_pton(AF_INET6, c->local, &v6.sin6_addr), 1);
		memcpy(&local, &v6, sizeof(v6));
		h.local = (const struct sockaddr *)&local;
	} else if (c->local != NULL) {
		struct sockaddr_in v4 = { .sin_family = AF_INET };

		assert_int_equal(inet_pton(AF_INET, c->local, &v4.sin_addr), 1);
		memcpy(&local, &v4, sizeof(v4));
		h.local = (const struct sockaddr *)&local;
	}
	h.sigalgs = c->sigalgs != NULL ? c->sigalgs : all_sigalgs;
	h.n_sigalgs = c->no_sigalgs ? 0 : c->sigalgs != NULL ? c->n_sigalgs :
	    sizeof(all_sigalgs) / 2;
	h.suites = c->suites != NULL ? c->suites : usual_suites;
	h.n_suites = c->suites != NULL ? c->n_suites : sizeof(usual_suites) / 2;
	h.groups = c->groups != NULL ? c->groups : usual_groups;
	h.n_groups = c->groups != NULL ? c->n_groups : sizeof(usual_groups) / 2;
	return choose(s, p, &h, c->now != 0 ? c->now : PKI_NOW);
}

struct sst_choice *
ask_raw(struct sst_store *s, const struct sst_choose_policy *p, const void *ext,
    size_t len)
{
	struct sst_hello h = { .version = 0x0304, .has_server_name = 1,
	    .server_name = ext, .server_name_len = len, .sigalgs = all_sigalgs,
	    .n_sigalgs = sizeof(all_sigalgs) / 2 };

	return choose(s, p, &h, PKI_NOW);
}

int
chose(const struct sst_choice *c, const struct pki_cert *cert)
{
	unsigned char digest[32];

	pki_digest(cert, digest);
	for (size_t i = 0; i < sst_choice_count(c); i++) {
		if (memcmp(sst_choice_digest(c, i), digest, 32) == 0)
			return 1;
	}
	return 0;
}

void
expect(const struct sst_choice *c, enum sst_tier tier, const struct pki_cert *cert)
{
	char text[1024];

	(void)sst_choice_text(c, text, sizeof(text));
	if (sst_choice_count(c) != 1 || !chose(c, cert) || sst_choice_tier(c) != tier)
		fail_msg("wanted one certificate by tier %d, got: %s", tier, text);
}

void
expect_alert(const struct sst_choice *c, int alert)
{
	char text[1024];

	(void)sst_choice_text(c, text, sizeof(text));
	if (sst_choice_alert(c) != alert || sst_choice_count(c) != 0)
		fail_msg("wanted alert %d, got: %s", alert, text);
}

void
ok(int rc, const struct sst_error *err)
{
	if (rc < 0)
		fail_msg("%s", err->text);
}

int
serves_in(struct sst_store *s, const char *name, const struct pki_cert *cert)
{
	struct sst_choice *c = ask(s, &(struct sst_choose_policy){ .strict = 1 },
	    &(struct client){ .name = name });
	int yes = sst_choice_count(c) == 1 && chose(c, cert);

	ask_reset();
	return yes;
}

static void
on_event(void *arg, const struct sst_store_event *e)
{
	(void)arg;
	events.count[e->kind]++;
	(void)snprintf(events.text, sizeof(events.text), "%s", e->text);
	(void)snprintf(events.source, sizeof(events.source), "%s", e->source);
	(void)snprintf(events.name, sizeof(events.name), "%s", e->name);
	events.has_leaf = e->leaf != NULL;
	if (e->leaf != NULL)
		memcpy(events.leaf, e->leaf, sizeof(events.leaf));
	events.not_after = e->not_after;
}

struct sst_store *
store_make(const struct sst_store_config *config)
{
	struct sst_store_config c = { 0 };
	struct sst_error err = { .code = SST_OK };
	struct sst_store *s = NULL;

	if (config != NULL)
		c = *config;
	c.on_event = on_event;
	events = (struct events){ 0 };
	if (sst_store_new(&c, &s, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

void
store_put(struct sst_store *s, const struct pki_cert *cert)
{
	struct sst_error err = { .code = SST_OK };
	struct pki_buf b = { 0 };

	pki_put_chain(&b, cert);
	pki_put_key(&b, cert);
	if (sst_store_add_bytes(s, b.data, b.len, &err) < 0)
		fail_msg("%s", err.text);
	pki_buf_free(&b);
}
