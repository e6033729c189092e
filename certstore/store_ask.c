/* SPDX-License-Identifier: ISC */
/* store_ask - the question that a ClientHello asks of the store (store_ask.h). */
#include <stdio.h>
#include <string.h>

#include "identity.h"
#include "store_ask.h"

#define POLICY_SEED	0xcbf29ce484222325u

uint64_t
sst_ask_mix(uint64_t h, const char *text)
{
	for (; *text != '\0'; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3u;
	return (h ^ 0xff) * 0x100000001b3u;
}

uint64_t
sst_ask_digest(const struct sst_choose_policy *p, int with_names)
{
	uint64_t h = POLICY_SEED + (p->strict ? 1 : 0) + (p->refuse_expired ? 2 : 0) +
	    (p->refuse_revoked ? 4 : 0) + (p->refuse_unstapled ? 8 : 0);

	if (p->default_name != NULL)
		h = sst_ask_mix(h, p->default_name);
	for (size_t i = 0; with_names && i < p->n_names; i++)
		h = sst_ask_mix(h, p->names[i]);
	return h;
}

int
sst_ask_allows(const struct sst_choose_policy *p, const char *name)
{
	const char *plain = strncmp(name, "ip:", 3) == 0 ? name + 3 : name;

	if (p->n_names == 0)
		return 1;
	for (size_t i = 0; i < p->n_names; i++) {
		if (plain != name ? strcmp(p->names[i], plain) == 0 :
		    sst_name_match(p->names[i], name))
			return 1;
	}
	return 0;
}

int
sst_ask_meets(const struct sst_choose_policy *p, const char *lines)
{
	char name[SST_NAME_SIZE];
	const char *line;
	size_t len;

	if (p->n_names == 0)
		return 1;
	for (size_t i = 0; lines != NULL && (line = sst_line(lines, i, &len)) != NULL;
	    i++) {
		(void)snprintf(name, sizeof(name), "%.*s", (int)len, line);
		if (sst_ask_allows(p, name))
			return 1;
		/* a wildcard of the certificate covers a listed name */
		for (size_t k = 0; name[0] == '*' && k < p->n_names; k++) {
			if (sst_name_match(name, p->names[k]))
				return 1;
		}
	}
	return 0;
}

int
sst_ask_read(struct sst_ask *a)
{
	const struct sst_hello *h = a->hello;
	const uint8_t *name = NULL;
	size_t len = 0;
	int alert;

	a->asked = SST_ASKED_LITERAL;
	if (h->has_server_name) {
		alert = sst_hello_name(h->server_name, h->server_name_len, &name, &len);
		if (alert != 0)
			return alert;
		a->named = 1;
		a->asked = sst_name_asked(name, len, a->name);
		if (a->asked == SST_ASKED_ILLEGAL)
			return SST_ALERT_ILLEGAL_PARAMETER;
	}
	if (h->n_sigalgs == 0 && h->version >= 0x0304)
		return SST_ALERT_MISSING_EXTENSION;
	if (a->asked == SST_ASKED_NAME)
		(void)sst_name_wild(a->name, a->wild);
	if (a->asked == SST_ASKED_LITERAL && a->named && a->policy->strict)
		return SST_ALERT_UNRECOGNIZED_NAME;
	if (a->asked == SST_ASKED_LITERAL)
		(void)sst_name_sockaddr(h->local, a->ip);
	a->kinds = sst_hello_kinds(h);
	return 0;
}

int
sst_ask_unknown(const struct sst_ask *a)
{
	if (!a->named && a->policy->strict && a->hello->version >= 0x0304)
		return SST_ALERT_MISSING_EXTENSION;
	return SST_ALERT_UNRECOGNIZED_NAME;
}
