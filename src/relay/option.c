/* SPDX-License-Identifier: ISC */
#include "option.h"

#include <errno.h>
#include <string.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>
#include <securesockets/certstore.h>

#include "base/fail.h"
#include "base/option.h"
#include "certs.h"
#include "core.h"
#include "door.h"
#include "fault.h"
#include "listener.h"
#include "option_revoke.h"
#include "settings.h"
#include "supply.h"
#include "tls/conf.h"
#include "tls/ticket_key.h"

#define TIMEOUT_MAX_MS	3600000

static int
set_remote(struct sst_settings *set, const char *text, struct sst_error *err)
{
	char folded[256];
	int rc;

	if (text[0] == '\0')
		return sst_settings_text(&set->remote, NULL, err);
	rc = sst_name_fold(text, folded, sizeof(folded), err);
	if (rc == SST_OK && folded[0] == '*')
		rc = sst_fail(err, SST_E_USAGE, "a pattern is no host to connect to");
	return rc != SST_OK ? rc : sst_settings_text(&set->remote, folded, err);
}

static int
set_hostname(struct sst_settings *set, const char *text, struct sst_error *err)
{
	if (text[0] == '\0') {
		sst_names_clear(&set->names);
		set->all_names = 0;
		return SST_OK;
	}
	return sst_names_add(&set->names, text, err);
}

static int
set_alpn(struct sst_settings *set, const char *text, struct sst_error *err)
{
	int rc = text[0] == '\0' ? SST_OK : sst_tls_alpn_check(text, err);

	return rc != SST_OK ? rc : sst_settings_text(&set->alpn, text, err);
}

/* One word of TLS_SNI_POLICY. */
static int
set_policy_word(struct sst_settings *set, const char *word, struct sst_error *err)
{
	char folded[256];
	int rc;

	if (strcmp(word, "lax") == 0 || strcmp(word, "strict") == 0) {
		set->strict = word[0] == 's';
		return SST_OK;
	}
	if (strncmp(word, "default=", 8) != 0)
		return sst_fail(err, SST_E_USAGE, "TLS_SNI_POLICY takes \"lax\", "
		    "\"strict\" and \"default=NAME\"");
	if (word[8] == '\0')
		return sst_settings_text(&set->default_name, NULL, err);
	rc = sst_name_fold(word + 8, folded, sizeof(folded), err);
	return rc != SST_OK ? rc : sst_settings_text(&set->default_name, folded, err);
}

static int
set_policy(struct sst_settings *set, const char *text, struct sst_error *err)
{
	char copy[600];
	char *word, *rest;
	int rc = SST_OK;
	int n = 0;

	if (strlen(text) >= sizeof(copy))
		return sst_fail(err, SST_E_USAGE, "TLS_SNI_POLICY is too long");
	(void)strcpy(copy, text);
	for (word = strtok_r(copy, ", ", &rest); word != NULL && rc == SST_OK;
	    word = strtok_r(NULL, ", ", &rest), n++)
		rc = set_policy_word(set, word, err);
	if (n == 0)
		return sst_fail(err, SST_E_USAGE, "TLS_SNI_POLICY is empty");
	return rc;
}

/* 0 to 3 and 0x0301 to 0x0304 mean the same. */
static int
set_version(struct sst_settings *set, int maximum, int v, struct sst_error *err)
{
	int min = set->version_min != 0 ? set->version_min : TLS_1_2;
	int max = set->version_max != 0 ? set->version_max : TLS_1_3;

	if (v >= 0 && v <= 3)
		v += TLS_1_0;
	if (v < TLS_1_0 || v > TLS_1_3)
		return sst_fail(err, SST_E_USAGE, "%d is no version of TLS", v);
	if (v < TLS_1_2)
		return sst_fail(err, SST_E_USAGE, "versions below TLS 1.2 are not "
		    "supported");
	if (maximum)
		max = v;
	else
		min = v;
	if (min > max)
		return sst_fail(err, SST_E_USAGE, "TLS_VERSION_MIN would be above "
		    "TLS_VERSION_MAX");
	set->version_min = (uint16_t)min;
	set->version_max = (uint16_t)max;
	return SST_OK;
}

static int
set_timeout(struct sst_settings *set, int ms, struct sst_error *err)
{
	if (ms < 0 || ms > TIMEOUT_MAX_MS)
		return sst_fail(err, SST_E_USAGE, "TLS_HANDSHAKE_TIMEOUT is 1 to %d "
		    "ms, or 0 for the default", TIMEOUT_MAX_MS);
	set->timeout_ms = ms;
	return SST_OK;
}

static int
set_key_permissions(struct sst_settings *set, int v, struct sst_error *err)
{
	if (v != TLS_KEY_PERMISSIONS_STRICT && v != TLS_KEY_PERMISSIONS_EVENT)
		return sst_fail(err, SST_E_USAGE, "TLS_KEY_PERMISSIONS is 0 or 1");
	set->key_event = v;
	if (set->certs != NULL)
		sst_certs_key_event(set->certs, v);
	return SST_OK;
}

static int
set_start_plain(struct sst_settings *set, int v, struct sst_error *err)
{
	if (v != 0 && v != 1)
		return sst_fail(err, SST_E_USAGE, "TLS_START_PLAIN is 0 or 1");
	set->start_plain = v;
	return SST_OK;
}

static int
set_reuse(struct sst_settings *set, int v, struct sst_error *err)
{
	if (v != 0 && v != 1)
		return sst_fail(err, SST_E_USAGE, "TLS_SESSION_REUSE is 0 or 1");
	set->no_reuse = !v;
	return SST_OK;
}

/* An int or a long: programs of either kind exist. */
static int
set_seconds(struct sst_settings *set, const struct sst_call *call, struct sst_error *err)
{
	int64_t wide = -1;
	int narrow;

	if (call->len == sizeof(narrow)) {
		memcpy(&narrow, call->data, sizeof(narrow));
		wide = narrow;
	} else if (call->len == sizeof(wide)) {
		memcpy(&wide, call->data, sizeof(wide));
	}
	if (wide < 0 || wide > SST_TICKET_LIFE_MAX_S)
		return sst_fail(err, SST_E_USAGE, "TLS_SESSION_TTL is an int or a long, 0 "
		    "to %d seconds", SST_TICKET_LIFE_MAX_S);
	set->session_ttl = (unsigned)wide;
	return SST_OK;
}

/* TLS_TICKET_KEY. */
static int
set_bytes(struct sst_settings *set, const struct sst_call *call, struct sst_error *err)
{
	struct sst_tickets *tickets = NULL;
	int rc = SST_OK;

	if (call->len > 0)
		rc = sst_tickets_new(call->data, call->len, 1, &tickets, err);
	if (rc != SST_OK)
		return rc;
	sst_tickets_unref(set->tickets);
	set->tickets = tickets;
	return SST_OK;
}

static int
set_text(struct sst_settings *set, int number, const char *text,
    struct sst_error *err)
{
	switch (number) {
	case TLS_REMOTE_HOSTNAME:
		return set_remote(set, text, err);
	case TLS_HOSTNAME:
		return set_hostname(set, text, err);
	case TLS_ALPN:
		return set_alpn(set, text, err);
	case TLS_SNI_POLICY:
		return set_policy(set, text, err);
	case TLS_REVOCATION_POLICY:
		return sst_revoke_set_policy(set, text, err);
	default:
		return sst_fail(err, SST_E_INTERNAL, "option %d", number);
	}
}

static int
set_int(struct sst_settings *set, int number, int v, struct sst_error *err)
{
	switch (number) {
	case TLS_VERSION_MIN:
		return set_version(set, 0, v, err);
	case TLS_VERSION_MAX:
		return set_version(set, 1, v, err);
	case TLS_HANDSHAKE_TIMEOUT:
		return set_timeout(set, v, err);
	case TLS_KEY_PERMISSIONS:
		return set_key_permissions(set, v, err);
	case TLS_START_PLAIN:
		return set_start_plain(set, v, err);
	case TLS_SESSION_REUSE:
		return set_reuse(set, v, err);
	default:
		return sst_revoke_set_int(set, number, v, err);
	}
}

static int
apply(struct sst_settings *set, const struct sst_option *o,
    const struct sst_call *call, struct sst_error *err)
{
	int v;

	if (o->type == SST_OPT_TEXT)
		return set_text(set, o->number, call->data, err);
	if (o->type == SST_OPT_BYTES)
		return set_bytes(set, call, err);
	if (o->type == SST_OPT_SECONDS)
		return set_seconds(set, call, err);
	if (call->len != sizeof(v))
		return sst_fail(err, SST_E_USAGE, "%s takes an int", o->name);
	memcpy(&v, call->data, sizeof(v));
	return set_int(set, o->number, v, err);
}

/* On a listener: all aside, then the change is one step. */
static int
apply_live(struct sst_record *r, const struct sst_option *o,
    const struct sst_call *call, struct sst_error *err)
{
	struct sst_settings *old = sst_settings_ref(r->set);
	int rc = sst_settings_own(&r->set, err);	/* a copy: two hold it */

	if (rc == SST_OK)
		rc = apply(r->set, o, call, err);
	/* A listener whose connections began plain may have no certificate. */
	if (rc == SST_OK && o->number == TLS_START_PLAIN &&
	    !sst_listener_is_plain(r->listener))
		rc = sst_settings_can_serve(r->set, err);
	if (rc == SST_OK && !r->listener->closed)
		rc = sst_listener_renew(r, err);
	if (rc != SST_OK) {
		sst_settings_unref(r->set);
		r->set = old;
		return rc;
	}
	sst_settings_unref(old);
	return SST_OK;
}

static void
set_tls(struct sst_call *call, struct sst_record *r)
{
	const struct sst_option *o = sst_option_find(call->head.b);
	struct sst_error err = { 0 };
	unsigned needs = r->state == SST_REC_LISTENING ? SST_OPT_SET_LISTEN :
	    SST_OPT_SET_NEW;
	int rc, late;

	if (o == NULL || (o->states & (SST_OPT_SET_NEW | SST_OPT_SET_LISTEN)) == 0 ||
	    o->type == SST_OPT_SOURCE) {
		sst_call_fail(call, ENOPROTOOPT, "no such option, or it is read only");
		return;
	}
	/* What source code of other systems sets there. */
	late = r->state == SST_REC_OPEN && (o->states & SST_OPT_SET_CONN) != 0;
	/* A plain connection may still be told what it is to be. */
	if (!late && ((r->state != SST_REC_FRESH && r->state != SST_REC_LISTENING &&
	    (r->state != SST_REC_OPEN || !r->plain)) || (o->states & needs) == 0)) {
		sst_call_fail(call, EOPNOTSUPP, r->state == SST_REC_LISTENING ?
		    "not on a listener" : "the socket is connected");
		return;
	}
	/* Its certificates are those of its listener. */
	if (o->number == TLS_KEY_PERMISSIONS && r->kind == SST_SOCKNAME_ACCEPTED &&
	    !r->own_certs) {
		sst_call_fail(call, EOPNOTSUPP, "set it on the listener");
		return;
	}
	if (o->number == TLS_CERTIFICATE_REMOVE) {
		sst_supply_remove(call, r, call->data);
		return;
	}
	if (r->state == SST_REC_LISTENING)
		rc = apply_live(r, o, call, &err);
	else {
		rc = sst_settings_own(&r->set, &err);
		if (rc == SST_OK)
			rc = apply(r->set, o, call, &err);
	}
	if (rc == SST_OK) {
		sst_call_answer(call, 0, NULL, 0, -1);
		return;
	}
	sst_record_say(r, err.text);
	sst_call_fail(call, sst_fault_call(&err), err.text);
}

void
sst_option_set(struct sst_call *call, struct sst_record *r)
{
	if (call->head.a == IPPROTO_TLS)
		set_tls(call, r);
	else
		sst_sockopt_set(call, r);
}

void
sst_option_get(struct sst_call *call, struct sst_record *r)
{
	if (call->head.a == IPPROTO_TLS)
		sst_option_get_tls(call, r);
	else
		sst_sockopt_get(call, r);
}

void
sst_option_names(struct sst_call *call, struct sst_record *r)
{
	struct sst_names names = { .n = 0 };
	struct sst_error err = { 0 };
	int rc = SST_OK;

	if (r->state != SST_REC_FRESH) {
		sst_call_fail(call, EOPNOTSUPP, "the socket is connected or listening");
		return;
	}
	/* The data ends in a NUL of our own, whatever was sent. */
	for (size_t at = 0; at < call->len && rc == SST_OK;
	    at += strlen(call->data + at) + 1) {
		rc = sst_names_add(&names, call->data + at, &err);
		if (rc == SST_OK && names.list[names.n - 1][0] == '*')
			rc = sst_fail(&err, SST_E_USAGE, "a pattern is no host to "
			    "connect to");
	}
	if (rc == SST_OK)
		rc = sst_settings_own(&r->set, &err);
	if (rc != SST_OK) {
		sst_names_clear(&names);
		sst_record_say(r, err.text);
		sst_call_fail(call, sst_fault_call(&err), err.text);
		return;
	}
	(void)sst_settings_text(&r->set->remote, NULL, NULL);
	sst_names_clear(&r->set->names);
	r->set->names = names;
	r->set->all_names = names.n > 0;
	sst_call_answer(call, 0, NULL, 0, -1);
}
