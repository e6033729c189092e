/* SPDX-License-Identifier: ISC */
#include "supply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>
#include <securesockets/certstore.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/fail.h"
#include "base/option.h"
#include "certs.h"
#include "certstore/store.h"
#include "change.h"
#include "core.h"
#include "door.h"
#include "fault.h"
#include "listener.h"
#include "option_revoke.h"
#include "roots.h"
#include "settings.h"

#define DIRECTORY_MS	250

/* A directory that takes longer is loaded on behind the program's back. What came of it
 * is the loader's until it is done. */
static void
long_enough(struct sst_timer *t)
{
	struct sst_change *c = SST_HOLDER(t, struct sst_change, timer);

	if (c->call != NULL) {
		sst_change_promise(c);
		sst_call_answer(c->call, 0, NULL, 0, -1);
	}
	c->call = NULL;
}

static void
drop_one(void *relay, uint32_t id)
{
	sst_change_tell(relay, SST_CHAN_DROP, id);
}

int
sst_supply_certs(struct sst_relay *relay, int key_event, uint64_t generation,
    struct sst_certs **ret_certs, struct sst_error *err)
{
	int rc = sst_certs_new(&relay->files, &relay->log, key_event, generation,
	    sst_rules_index_dir(relay), ret_certs, err);

	if (rc == SST_OK)
		sst_certs_on_end(*ret_certs, drop_one, relay);
	return rc;
}

int
sst_supply_store(struct sst_record *r, struct sst_error *err)
{
	int inherited = r->kind == SST_SOCKNAME_ACCEPTED && !r->own_certs;
	struct sst_certs *certs = NULL;
	int rc = sst_settings_own(&r->set, err);

	if (rc != SST_OK || (r->set->certs != NULL && !inherited))
		return rc;
	rc = sst_supply_certs(r->relay, r->set->key_event, 0, &certs, err);
	if (rc != SST_OK)
		return rc;
	sst_certs_unref(r->set->certs);
	r->set->certs = certs;
	r->own_certs = 1;
	return SST_OK;
}

/* Takes the call's file. */
static struct sst_change *
load_change(struct sst_record *r, struct sst_call *call, const char *why,
    struct sst_error *err)
{
	struct sst_change *c;

	if (sst_supply_store(r, err) != SST_OK)
		return NULL;
	c = sst_change_new(r->relay, r->set->certs, r, SST_CHANGE_LOAD);
	if (c == NULL) {
		(void)sst_fail(err, SST_E_NOMEM, "out of memory");
		return NULL;
	}
	c->call = call;
	c->id = call->head.id;
	c->source = sst_cert_source_new(call->head.id, call->head.b, call->head.c != 0,
	    call->data, why, call->fds[1]);
	if (c->source == NULL || sst_names_copy(&c->names, &r->set->names, err) != SST_OK) {
		(void)sst_fail(err, SST_E_NOMEM, "out of memory");
		if (c->source != NULL)
			call->fds[1] = -1;
		sst_change_free(c);
		return NULL;
	}
	call->fds[1] = -1;
	return c;
}

static void
say_static(struct sst_relay *relay, const char *path, const char *why)
{
	char shown[300];

	sst_log_event(&relay->log, SST_LOG_STATIC, sst_clock_ms(),
	    "%s is not watched: %s", sst_escape(shown, sizeof(shown), path,
	    strlen(path)), why);
}

static void
refuse(struct sst_call *call, struct sst_record *r, int code, const char *text)
{
	sst_change_tell(call->relay, SST_CHAN_DROP, call->head.id);
	if (r != NULL)
		sst_record_say(r, text);
	sst_call_fail(call, code, text);
}

/* 0, or the errno of an option that cannot be set now. */
static int
state_fault(const struct sst_record *r, const struct sst_option *o)
{
	if (r->state == SST_REC_FRESH || (r->state == SST_REC_OPEN && r->plain))
		return (o->states & SST_OPT_SET_NEW) != 0 ? 0 : EOPNOTSUPP;
	if (r->state == SST_REC_LISTENING)
		return (o->states & SST_OPT_SET_LISTEN) != 0 ? 0 : EOPNOTSUPP;
	return EOPNOTSUPP;
}

static void
load(struct sst_call *call, struct sst_record *r, const char *why)
{
	struct sst_error err = { 0 };
	struct sst_loop *loop = &call->relay->loop;
	struct sst_change *c = load_change(r, call, why, &err);

	if (c == NULL) {
		refuse(call, r, sst_fault_call(&err), err.text);
		return;
	}
	if (why[0] != '\0' && call->data[0] != '\0')
		say_static(call->relay, call->data, why);
	c->is_dir = c->source->is_dir;
	if (c->is_dir)
		sst_loop_arm(loop, &c->timer, loop->now + DIRECTORY_MS, long_enough);
	if (c->is_dir && c->source->option != TLS_ACME_CHALLENGE) {
		/* it is set from then on, however long others are read before it */
		c->entered = c->source;
		c->source = NULL;
		c->rc = sst_certs_enter(c->certs, c->entered, NULL, &c->err);
	}
	sst_change_submit(c);
}

static int
read_now(struct sst_record *r, int number, const struct sst_call *call,
    struct sst_error *err)
{
	struct sst_settings *old;
	int rc;

	if (number == TLS_TRUSTED_PEER_CERTIFICATES)
		return sst_roots_add(r, call->fds[1], call->data, err);
	if (r->state != SST_REC_LISTENING)
		return sst_revoke_add(r, number, call->fds[1], call->data, err);
	/* On a listener: all aside, then the change is one step. */
	old = sst_settings_ref(r->set);
	rc = sst_revoke_add(r, number, call->fds[1], call->data, err);
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

void
sst_supply_file(struct sst_call *call)
{
	struct sst_record *r = sst_record_find(call->relay,
	    sst_record_cookie(call->fds[0]));
	const struct sst_option *o = sst_option_find(call->head.b);
	struct sst_error err = { 0 };
	const char *why = "";
	size_t path_len = strlen(call->data);
	int code;

	/* The data ends in a NUL of our own, whatever was sent. */
	if (path_len < call->len)
		why = call->data + path_len + 1;
	if (r == NULL || call->head.a != IPPROTO_TLS || o == NULL ||
	    o->type != SST_OPT_SOURCE || call->fds[1] < 0) {
		refuse(call, r, r == NULL ? ENOTCONN : ENOPROTOOPT, "not an option of "
		    "this socket that takes a file");
		return;
	}
	code = state_fault(r, o);
	if (code != 0) {
		refuse(call, r, code, "the socket is connected");
		return;
	}
	if (o->number == TLS_CERTIFICATE_CHAIN || o->number == TLS_PRIVATE_KEY ||
	    o->number == TLS_ACME_CHALLENGE) {
		load(call, r, why);
		return;
	}
	/* Read at once and kept in memory: the file is not needed again. */
	if (read_now(r, o->number, call, &err) != SST_OK) {
		refuse(call, r, sst_fault_call(&err), err.text);
		return;
	}
	sst_change_tell(call->relay, SST_CHAN_DROP, call->head.id);
	sst_call_answer(call, 0, NULL, 0, -1);
}

void
sst_supply_remove(struct sst_call *call, struct sst_record *r, const char *what)
{
	struct sst_change *c;

	if (r->set->certs == NULL ||
	    (r->kind == SST_SOCKNAME_ACCEPTED && !r->own_certs)) {
		sst_call_fail(call, ENOENT, "no certificate was set");
		return;
	}
	c = sst_change_new(r->relay, r->set->certs, r, SST_CHANGE_REMOVE);
	if (c == NULL || (c->what = strdup(what)) == NULL) {
		if (c != NULL)
			sst_change_free(c);
		sst_call_fail(call, ENOMEM, NULL);
		return;
	}
	c->call = call;
	sst_change_submit(c);
}

void
sst_supply_changed(struct sst_relay *relay, uint32_t id, const char *names, size_t len)
{
	struct sst_record *r;
	struct sst_change *c;

	for (size_t i = 0; i < SST_TABLE_BUCKETS; i++)
		for (r = relay->table.buckets[i]; r != NULL; r = r->next) {
			if (r->kind != SST_SOCKNAME_MADE || r->set == NULL ||
			    r->set->certs == NULL || !sst_certs_has(r->set->certs, id))
				continue;
			c = sst_change_waiting(r->set->certs, id);
			if (c != NULL) {
				sst_below_take(&c->below, names, len);
				continue;
			}
			c = sst_change_new(relay, r->set->certs, r, SST_CHANGE_RESCAN);
			if (c == NULL)
				return;
			c->id = id;
			sst_below_take(&c->below, names, len);
			sst_change_submit(c);
		}
}

/* Its index is left in the loader's thread, after what is being read. */
struct parting {
	struct sst_job	 job;		/* first */
	struct sst_certs *certs;
};

static void
part_work(struct sst_job *job)
{
	struct parting *p = SST_HOLDER(job, struct parting, job);

	sst_store_part(sst_certs_store(p->certs));
}

static void
part_done(struct sst_job *job)
{
	struct parting *p = SST_HOLDER(job, struct parting, job);

	sst_certs_unref(p->certs);
	free(p);
}

static void
part(struct sst_relay *relay, struct sst_certs *certs)
{
	struct parting *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return;		/* there is none for a copy of the index, either */
	p->job.work = part_work;
	p->job.done = part_done;
	p->certs = sst_certs_ref(certs);
	sst_loader_submit(&relay->loader, &p->job);
}

void
sst_supply_part(struct sst_relay *relay)
{
	for (const struct sst_listener *l = relay->listeners; l != NULL; l = l->next)
		if (l->record->set->certs != NULL)
			part(relay, l->record->set->certs);
	if (relay->listeners != NULL)
		sst_log_event(&relay->log, SST_LOG_WATCH, sst_clock_ms(), "the process that "
		    "opens and watches files has ended: what is renewed is served when the "
		    "program is started again");
}

void
sst_supply_again(struct sst_listener *l, struct sst_cert_source *source)
{
	struct sst_record *r = l->record;
	struct sst_change *c = sst_change_new(r->relay, r->set->certs, r, SST_CHANGE_LOAD);

	if (c == NULL) {
		sst_cert_source_free(source);
		return;
	}
	c->again = 1;
	c->is_dir = source->is_dir;
	c->id = source->id;
	c->source = source;
	sst_change_submit(c);
}

void
sst_supply_then_begin(struct sst_listener *l)
{
	struct sst_record *r = l->record;
	struct sst_change *c = sst_change_new(r->relay, r->set->certs, r, SST_CHANGE_BEGIN);

	if (c != NULL)
		sst_change_submit(c);
}

unsigned
sst_supply_pending(const struct sst_record *r)
{
	return r->n_jobs;
}
