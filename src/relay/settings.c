/* SPDX-License-Identifier: ISC */
#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "certs.h"
#include "rules.h"
#include "tls/conf.h"
#include "tls/lists.h"
#include "tls/ours.h"
#include "tls/staple.h"
#include "tls/ticket_key.h"
#include "tls/trust.h"

struct sst_settings *
sst_settings_new(const char *cert_file, const char *cert_dir)
{
	struct sst_settings *set = calloc(1, sizeof(*set));

	if (set == NULL)
		return NULL;
	set->refs = 1;
	set->session_ttl = SST_TICKET_LIFE_S;
	if (sst_settings_text(&set->cert_file, cert_file, NULL) != SST_OK ||
	    sst_settings_text(&set->cert_dir, cert_dir, NULL) != SST_OK) {
		sst_settings_unref(set);
		return NULL;
	}
	return set;
}

struct sst_settings *
sst_settings_ref(struct sst_settings *set)
{
	set->refs++;
	return set;
}

void
sst_settings_unref(struct sst_settings *set)
{
	if (set == NULL || --set->refs > 0)
		return;
	sst_names_clear(&set->names);
	free(set->remote);
	free(set->alpn);
	free(set->default_name);
	free(set->cert_file);
	free(set->cert_dir);
	sst_trust_unref(set->trust);
	sst_certs_unref(set->certs);
	sst_rules_unref(set->rules);
	sst_lists_unref(set->lists);
	sst_staples_unref(set->staples);
	sst_tickets_unref(set->tickets);
	free(set);
}

int
sst_settings_text(char **member, const char *text, struct sst_error *err)
{
	char *copy = NULL;

	if (text != NULL && text[0] != '\0') {
		copy = strdup(text);
		if (copy == NULL)
			return sst_fail(err, SST_E_NOMEM, "out of memory");
	}
	free(*member);
	*member = copy;
	return SST_OK;
}

static void
copy_revocation(struct sst_settings *copy, const struct sst_settings *old)
{
	copy->revocation = old->revocation;
	copy->live = old->live;
	copy->no_stapling = old->no_stapling;
	if (old->rules != NULL)
		copy->rules = sst_rules_ref(old->rules);
	if (old->lists != NULL)
		copy->lists = sst_lists_ref(old->lists);
	if (old->staples != NULL)
		copy->staples = sst_staples_ref(old->staples);
}

int
sst_settings_own(struct sst_settings **set, struct sst_error *err)
{
	const struct sst_settings *old = *set;
	struct sst_settings *copy;

	if (old->refs == 1)
		return SST_OK;
	copy = sst_settings_new(old->cert_file, old->cert_dir);
	if (copy == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	if (sst_names_copy(&copy->names, &old->names, err) != SST_OK ||
	    sst_settings_text(&copy->remote, old->remote, err) != SST_OK ||
	    sst_settings_text(&copy->alpn, old->alpn, err) != SST_OK ||
	    sst_settings_text(&copy->default_name, old->default_name, err) != SST_OK) {
		sst_settings_unref(copy);
		return SST_E_NOMEM;
	}
	copy->version_min = old->version_min;
	copy->version_max = old->version_max;
	copy->all_names = old->all_names;
	copy->start_plain = old->start_plain;
	copy->strict = old->strict;
	copy->timeout_ms = old->timeout_ms;
	copy->key_event = old->key_event;
	copy->session_ttl = old->session_ttl;
	copy->no_reuse = old->no_reuse;
	if (old->tickets != NULL)
		copy->tickets = sst_tickets_ref(old->tickets);
	if (old->trust != NULL)
		copy->trust = sst_trust_ref(old->trust);
	if (old->certs != NULL)
		copy->certs = sst_certs_ref(old->certs);
	copy_revocation(copy, old);
	sst_settings_unref(*set);
	*set = copy;
	return SST_OK;
}

int
sst_settings_trust(const struct sst_settings *set, struct sst_trust **ret_trust,
    struct sst_error *err)
{
	if (set->trust == NULL)
		return sst_trust_system(set->cert_file, set->cert_dir, ret_trust, err);
	*ret_trust = sst_trust_ref(set->trust);
	return SST_OK;
}

int
sst_settings_client_conf(const struct sst_settings *set,
    struct sst_tls_conf **ret_conf, struct sst_error *err)
{
	struct sst_tls_settings tls = {
		.version_min = set->version_min,
		.version_max = set->version_max,
		.alpn = set->alpn,
	};
	int rc = sst_settings_trust(set, &tls.trust, err);

	if (rc != SST_OK)
		return rc;
	rc = sst_tls_conf_new(&tls, ret_conf, err);
	sst_trust_unref(tls.trust);
	return rc;
}

int
sst_settings_server_conf(const struct sst_settings *set,
    struct sst_tls_conf **ret_conf, struct sst_error *err)
{
	struct sst_ours *ours = sst_certs_ours(set->certs, NULL);
	struct sst_revocation_policy judged = { .mode = SST_REVOCATION_DEFAULT };
	struct sst_choose_policy policy = {
		.names = (const char *const *)set->names.list,
		.n_names = set->names.n,
		.default_name = set->default_name,
		.strict = set->strict,
	};
	const struct sst_tls_settings tls = {
		.server = 1,
		.version_min = set->version_min,
		.version_max = set->version_max,
		.alpn = set->alpn,
		.store = sst_certs_store(set->certs),
		.policy = &policy,
		.staples = set->no_stapling ? NULL : set->staples,
		.ours = ours,
		.tickets = set->no_reuse || set->session_ttl == 0 ? NULL :
		    set->tickets != NULL ? set->tickets : sst_certs_tickets(set->certs),
		.session_life = set->session_ttl,
	};
	int rc = sst_rules_policy(set, &judged, err);

	/* Who accepts no peer without proof does not show what is revoked. */
	policy.refuse_revoked = judged.mode >= SST_REVOCATION_HARD;
	if (rc == SST_OK)
		rc = sst_tls_conf_new(&tls, ret_conf, err);
	sst_ours_unref(ours);
	return rc;
}

int
sst_settings_host(const struct sst_settings *set, const char **ret_host,
    struct sst_error *err)
{
	if (set->remote != NULL)
		*ret_host = set->remote;
	else if (set->names.n == 0)
		*ret_host = NULL;
	else if (set->names.n == 1 || set->all_names)
		*ret_host = set->names.list[0];
	else
		return sst_fail(err, SST_E_USAGE, "%zu names are set with "
		    "TLS_HOSTNAME, and a client has one peer: set "
		    "TLS_REMOTE_HOSTNAME", set->names.n);
	return SST_OK;
}

int
sst_settings_can_serve(const struct sst_settings *set, struct sst_error *err)
{
	char source[300];

	if (set->certs == NULL || sst_certs_count(set->certs) == 0)
		return sst_fail(err, SST_E_USAGE, "no certificate was set: use "
		    "TLS_CERTIFICATE_CHAIN (and TLS_PRIVATE_KEY) first");
	if (sst_store_staged(sst_certs_store(set->certs), source, sizeof(source)))
		return sst_fail(err, SST_E_USAGE, "%s has no private key: set "
		    "TLS_PRIVATE_KEY", source);
	return SST_OK;
}
