/* SPDX-License-Identifier: ISC */
#include "supply.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>
#include <securesockets/certstore.h>

#include "base/below.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/fail.h"
#include "base/option.h"
#include "certs.h"
#include "core.h"
#include "door.h"
#include "fault.h"
#include "hold.h"
#include "listener.h"
#include "option_revoke.h"
#include "roots.h"
#include "settings.h"

#define DIRECTORY_MS	250
#define POLL_MS		5	/* while a staple is waited for */
#define LATER_MS	1000	/* what else a program sets as it starts goes before */

enum kind { LOAD, REMOVE, RESCAN, RETRY, BEGIN };

/* One thing for the loader. */
struct job {
	struct sst_job	   job;		/* first */
	struct sst_timer   timer;	/* a directory's answer */
	struct sst_relay  *relay;
	struct sst_call	  *call;	/* NULL: nobody waits */
	struct sst_certs  *certs;
	struct sst_cert_source *source;	/* LOAD, until the store has it: */
	struct sst_cert_source *entered;
	struct sst_await	   await;	/* the staples that it waits for */
	struct sst_timer   poll;	/* looks for them */
	int64_t		   until;	/* it waits no longer; 0: it has not begun to */
	int		   late;	/* it has waited for long enough */
	struct sst_names   names;
	char		  *what;	/* REMOVE */
	struct sst_below   below;	/* RESCAN */
	uint32_t	   id;		/* of the source; 0: none */
	uint64_t	   cookie;	/* of the socket */
	enum kind	   kind;
	int		   again;	/* a restored source: kept already */
	int64_t		   due;		/* ms until some folders are read again; -1: none */
	int		   rc;
	struct sst_error   err;
};

static struct job *job_new(struct sst_record *, struct sst_call *, enum kind);
static void	submit(struct sst_record *, struct job *);

static void
tell_keeper(struct sst_relay *relay, uint16_t verb, uint32_t id)
{
	struct sst_wire_head head;

	sst_wire_init(&head, verb);
	head.id = id;
	(void)sst_wire_send(relay->channel, &head, NULL, 0, NULL, 0);
}

static void
drop_old(struct sst_relay *relay, struct sst_certs *certs)
{
	uint32_t id;

	while ((id = sst_certs_dropped(certs)) != 0)
		tell_keeper(relay, SST_CHAN_DROP, id);
}

static void
job_free(struct job *j)
{
	sst_loop_disarm(&j->relay->loop, &j->timer);
	sst_loop_disarm(&j->relay->loop, &j->poll);
	sst_await_done(&j->await);
	sst_names_clear(&j->names);
	sst_cert_source_free(j->source);
	sst_certs_unref(j->certs);
	sst_below_done(&j->below);
	free(j->what);
	free(j);
}

static struct sst_record *
record_of(const struct job *j)
{
	return sst_record_find(j->relay, j->cookie);
}

static void
reply(struct job *j)
{
	struct sst_record *r = record_of(j);
	struct sst_call *call = j->call;

	j->call = NULL;
	if (call == NULL)
		return;
	if (j->rc == SST_OK) {
		sst_call_answer(call, 0, NULL, 0, -1);
		return;
	}
	if (r != NULL)
		sst_record_say(r, j->err.text);
	sst_call_fail(call, sst_fault_call(&j->err), j->err.text);
}

static void
load_work(struct job *j)
{
	struct sst_cert_source *source = j->source;

	if (source != NULL) {
		j->source = NULL;
		j->entered = source;
		j->rc = sst_certs_enter(j->certs, source, &j->names, &j->err);
	}
	if (j->rc == SST_OK)
		j->rc = sst_certs_load(j->certs, j->entered, &j->err);
}

static void
work(struct sst_job *job)
{
	struct job *j = SST_HOLDER(job, struct job, job);

	if (!j->late)
		sst_await_begin(j->certs, &j->await);
	switch (j->kind) {
	case LOAD:
		load_work(j);
		break;
	case REMOVE:
		j->rc = sst_certs_remove(j->certs, j->what, &j->err);
		break;
	case RESCAN:
		sst_certs_rescan(j->certs, j->id, &j->below);
		break;
	case RETRY:
		sst_certs_retry(j->certs);
		break;
	case BEGIN:
		break;
	}
	if (!j->late)
		(void)sst_await_end(&j->await);
	j->due = sst_certs_retry_due(j->certs);
}

/* The next change of the same store. */
static void
go_on(struct sst_relay *relay, struct sst_lane *lane)
{
	struct sst_job *next = lane->first;

	lane->busy = next != NULL;
	if (next == NULL)
		return;
	lane->first = next->next;
	sst_loader_submit(&relay->loader, next);
}

/* The staples are there, or the socket is gone, or they are not waited for longer. */
static void
poll(struct sst_timer *t)
{
	struct job *j = SST_HOLDER(t, struct job, poll);
	struct sst_loop *loop = &j->relay->loop;

	j->late = loop->now >= j->until || record_of(j) == NULL;
	if (!j->late && !sst_await_over(&j->await)) {
		sst_loop_arm(loop, &j->poll, loop->now + POLL_MS, poll);
		return;
	}
	sst_await_done(&j->await);
	sst_loader_submit(&j->relay->loader, &j->job);
}

/* What a kept index says is compared with the directory, when the rest is done. */
static void
read_now_then(struct sst_timer *t)
{
	struct job *j = SST_HOLDER(t, struct job, poll);
	struct sst_record *r = record_of(j);

	if (r == NULL)
		job_free(j);
	else
		submit(r, j);
}

static void
read_later(struct sst_record *r, uint32_t id)
{
	struct job *j = job_new(r, NULL, RESCAN);

	if (j == NULL)
		return;
	j->id = id;
	sst_below_add(&j->below, "");
	j->late = 1;	/* it is served already: no staple is waited for */
	sst_loop_arm(&r->relay->loop, &j->poll, r->relay->loop.now + LATER_MS,
	    read_now_then);
}

static void
retry_then(struct sst_timer *t)
{
	struct job *j = SST_HOLDER(t, struct job, poll);

	sst_certs_lane(j->certs)->retries = 0;
	read_now_then(t);
}

/* Folders that were found between two versions are read again when they are due; what
 * the watch tells of meanwhile goes on as ever. One such job a store. */
static void
retry_later(struct sst_record *r, struct sst_certs *certs, int64_t due)
{
	struct sst_lane *lane = sst_certs_lane(certs);
	struct job *j;

	if (due < 0 || lane->retries || r->set->certs != certs)
		return;
	j = job_new(r, NULL, RETRY);
	if (j == NULL)
		return;
	lane->retries = 1;
	sst_loop_arm(&r->relay->loop, &j->poll, r->relay->loop.now + due, retry_then);
}

static void
done(struct sst_job *job)
{
	struct job *j = SST_HOLDER(job, struct job, job);
	struct sst_record *r = record_of(j);

	if (j->await.n > 0) {
		if (j->until == 0)
			j->until = j->relay->loop.now + j->await.ms;
		poll(&j->poll);
		return;
	}
	if (j->kind == LOAD && !j->again)
		tell_keeper(j->relay, j->rc == SST_OK ? SST_CHAN_KEEP : SST_CHAN_DROP,
		    j->id);
	drop_old(j->relay, j->certs);
	if (r != NULL && j->rc == SST_OK && sst_certs_is_unread(j->certs, j->id))
		read_later(r, j->id);
	if (r != NULL)
		retry_later(r, j->certs, j->due);
	if (r != NULL) {
		r->n_jobs--;
		if (r->listener != NULL && r->state == SST_REC_LISTENING) {
			if (j->kind == BEGIN)
				(void)sst_listener_begin(r->listener);
			/* Also after a rescan: its generation is another. */
			if (j->rc == SST_OK && !j->again)
				sst_hold_send(r->listener);
		}
	}
	if (j->rc != SST_OK && j->call == NULL)
		sst_log_event(&j->relay->log, SST_LOG_CERT_REFUSED, sst_clock_ms(),
		    "%s", j->err.text);
	reply(j);
	go_on(j->relay, sst_certs_lane(j->certs));
	job_free(j);
}

static struct job *
job_new(struct sst_record *r, struct sst_call *call, enum kind kind)
{
	struct job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return NULL;
	j->job.work = work;
	j->job.done = done;
	j->relay = r->relay;
	j->kind = kind;
	j->call = call;
	j->cookie = r->cookie;
	j->certs = sst_certs_ref(r->set->certs);
	return j;
}

/* Changes of one store are made one after another, also where one of them waits;
 * others are not held up. */
static void
submit(struct sst_record *r, struct job *j)
{
	struct sst_lane *lane = sst_certs_lane(j->certs);

	r->n_jobs++;
	if (!lane->busy) {
		lane->busy = 1;
		sst_loader_submit(&j->relay->loader, &j->job);
		return;
	}
	if (lane->first == NULL)
		lane->end = &lane->first;
	j->job.next = NULL;
	*lane->end = &j->job;
	lane->end = &j->job.next;
}

/* A directory that takes longer is loaded on behind the program's back. What came of it
 * is the loader's until it is done. */
static void
long_enough(struct sst_timer *t)
{
	struct job *j = SST_HOLDER(t, struct job, timer);

	if (j->call != NULL)
		sst_call_answer(j->call, 0, NULL, 0, -1);
	j->call = NULL;
}

static void
drop_one(void *relay, uint32_t id)
{
	tell_keeper(relay, SST_CHAN_DROP, id);
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
static struct job *
load_job(struct sst_record *r, struct sst_call *call, const char *why,
    struct sst_error *err)
{
	struct job *j;

	if (sst_supply_store(r, err) != SST_OK)
		return NULL;
	j = job_new(r, call, LOAD);
	if (j == NULL) {
		(void)sst_fail(err, SST_E_NOMEM, "out of memory");
		return NULL;
	}
	j->id = call->head.id;
	j->source = sst_cert_source_new(call->head.id, call->head.b, call->head.c != 0,
	    call->data, why, call->fds[1]);
	if (j->source == NULL || sst_names_copy(&j->names, &r->set->names, err) != SST_OK) {
		(void)sst_fail(err, SST_E_NOMEM, "out of memory");
		if (j->source != NULL)
			call->fds[1] = -1;
		job_free(j);
		return NULL;
	}
	call->fds[1] = -1;
	return j;
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
	tell_keeper(call->relay, SST_CHAN_DROP, call->head.id);
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
	struct job *j = load_job(r, call, why, &err);

	if (j == NULL) {
		refuse(call, r, sst_fault_call(&err), err.text);
		return;
	}
	if (why[0] != '\0' && call->data[0] != '\0')
		say_static(call->relay, call->data, why);
	if (j->source->is_dir)
		sst_loop_arm(loop, &j->timer, loop->now + DIRECTORY_MS, long_enough);
	submit(r, j);
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
	tell_keeper(call->relay, SST_CHAN_DROP, call->head.id);
	sst_call_answer(call, 0, NULL, 0, -1);
}

void
sst_supply_remove(struct sst_call *call, struct sst_record *r, const char *what)
{
	struct job *j;

	if (r->set->certs == NULL ||
	    (r->kind == SST_SOCKNAME_ACCEPTED && !r->own_certs)) {
		sst_call_fail(call, ENOENT, "no certificate was set");
		return;
	}
	j = job_new(r, call, REMOVE);
	if (j == NULL || (j->what = strdup(what)) == NULL) {
		if (j != NULL)
			job_free(j);
		sst_call_fail(call, ENOMEM, NULL);
		return;
	}
	submit(r, j);
}

/* The job that will read this source again and has not begun to; or NULL. */
static struct job *
waiting_rescan(struct sst_certs *certs, uint32_t id)
{
	const struct sst_lane *lane = sst_certs_lane(certs);
	struct sst_job *at;
	struct job *j;

	for (at = lane->first; at != NULL; at = at->next) {
		j = SST_HOLDER(at, struct job, job);
		if (j->kind == RESCAN && j->id == id)
			return j;
	}
	return NULL;
}

void
sst_supply_changed(struct sst_relay *relay, uint32_t id, const char *names, size_t len)
{
	struct sst_record *r;
	struct job *j;

	for (size_t i = 0; i < SST_TABLE_BUCKETS; i++)
		for (r = relay->table.buckets[i]; r != NULL; r = r->next) {
			if (r->kind != SST_SOCKNAME_MADE || r->set == NULL ||
			    r->set->certs == NULL || !sst_certs_has(r->set->certs, id))
				continue;
			j = waiting_rescan(r->set->certs, id);
			if (j != NULL) {
				sst_below_take(&j->below, names, len);
				continue;
			}
			j = job_new(r, NULL, RESCAN);
			if (j == NULL)
				return;
			j->id = id;
			sst_below_take(&j->below, names, len);
			submit(r, j);
		}
}

void
sst_supply_again(struct sst_listener *l, struct sst_cert_source *source)
{
	struct job *j = job_new(l->record, NULL, LOAD);

	if (j == NULL) {
		sst_cert_source_free(source);
		return;
	}
	j->again = 1;
	j->id = source->id;
	j->source = source;
	submit(l->record, j);
}

void
sst_supply_then_begin(struct sst_listener *l)
{
	struct job *j = job_new(l->record, NULL, BEGIN);

	if (j != NULL)
		submit(l->record, j);
}

unsigned
sst_supply_pending(const struct sst_record *r)
{
	return r->n_jobs;
}
