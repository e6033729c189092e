/* SPDX-License-Identifier: ISC */
#include "certs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <securesockets/certstore.h>

#include "base/clock.h"
#include "base/fail.h"
#include "certstore/store.h"
#include "cert_files.h"
#include "certs_inside.h"
#include "log.h"
#include "tls/conf.h"
#include "tls/ours.h"
#include "tls/ticket_key.h"


struct sst_cert_source *
sst_cert_source_new(uint32_t id, int option, int watched, const char *path,
    const char *why, int fd)
{
	struct sst_cert_source *s = calloc(1, sizeof(*s));
	struct stat st;

	if (s == NULL)
		return NULL;
	s->id = id;
	s->option = option;
	s->watched = watched;
	s->path = strdup(path);
	s->why = why == NULL || why[0] == '\0' ? NULL : strdup(why);
	s->fd = -1;
	if (s->path == NULL) {
		sst_cert_source_free(s);
		return NULL;
	}
	s->is_dir = fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
	s->fd = fd;
	return s;
}

void
sst_cert_source_free(struct sst_cert_source *s)
{
	if (s == NULL)
		return;
	if (s->fd >= 0)
		(void)close(s->fd);
	free(s->path);
	free(s->why);
	free(s->tag);
	free(s);
}

static enum sst_log_kind
kind_of(enum sst_store_event_kind kind)
{
	switch (kind) {
	case SST_STORE_RENEWED:
		return SST_LOG_CERT_RENEWED;
	case SST_STORE_ADDED:
		return SST_LOG_CERT_ADDED;
	case SST_STORE_REMOVED:
		return SST_LOG_CERT_REMOVED;
	case SST_STORE_REFUSED:
		return SST_LOG_CERT_REFUSED;
	case SST_STORE_KEPT:
		return SST_LOG_CERT_KEPT;
	case SST_STORE_DEGRADED:
		return SST_LOG_CERT_DEGRADED;
	case SST_STORE_REVOKED:
		return SST_LOG_CERT_REVOKED;
	case SST_STORE_EXPIRING:
		return SST_LOG_CERT_EXPIRING;
	case SST_STORE_EXPIRED:
		return SST_LOG_CERT_EXPIRED;
	case SST_STORE_READING:
		return SST_LOG_READING;
	}
	return SST_LOG_INTERNAL;
}

static void
on_event(void *arg, const struct sst_store_event *e)
{
	const struct sst_happening h = { .text = e->text, .source = e->source,
	    .name = e->name != NULL && e->name[0] != '\0' ? e->name : NULL,
	    .leaf = e->leaf, .not_after = (int64_t)e->not_after };
	struct sst_certs *certs = arg;

	if (e->kind == SST_STORE_RENEWED)
		atomic_store(&certs->renewed, (int64_t)sst_clock_wall());
	sst_log_happening(certs->log, kind_of(e->kind), sst_clock_ms(), &h);
}

int
sst_certs_new(struct sst_files *files, struct sst_log *log, int key_event,
    uint64_t generation, const char *index_dir, struct sst_certs **ret_certs,
    struct sst_error *err)
{
	struct sst_certs *certs = calloc(1, sizeof(*certs));
	const struct sst_store_config config = {
		.keys_may_be_open = key_event, .on_event = on_event, .event_arg = certs,
		.generation = generation, .index_dir = index_dir,
	};
	int rc;

	if (certs == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	certs->files = files;
	certs->log = log;
	certs->end = &certs->list;
	atomic_init(&certs->refs, 1);
	atomic_init(&certs->renewed, 0);
	atomic_init(&certs->keys_open, 0);
	(void)pthread_mutex_init(&certs->mu, NULL);
	rc = sst_store_new_from(&config, &sst_cert_files, certs, &certs->store, err);
	if (rc != SST_OK)
		certs->store = NULL;
	else
		rc = sst_tickets_new(NULL, 0, 1, &certs->tickets, err);
	if (rc != SST_OK) {
		sst_certs_unref(certs);
		return rc;
	}
	certs->canary = (struct sst_canary){ .level = SST_TLS_LEVEL,
	    .staple = sst_certs_staple, .arg = certs };
	sst_store_on_try(certs->store, sst_certs_try, certs);
	*ret_certs = certs;
	return SST_OK;
}

void
sst_certs_on_end(struct sst_certs *certs, void (*drop)(void *, uint32_t), void *arg)
{
	certs->drop = drop;
	certs->drop_arg = arg;
}

struct sst_certs *
sst_certs_ref(struct sst_certs *certs)
{
	(void)atomic_fetch_add(&certs->refs, 1);
	return certs;
}

void
sst_certs_unref(struct sst_certs *certs)
{
	struct sst_cert_source *s;
	uint32_t id;

	if (certs == NULL || atomic_fetch_sub(&certs->refs, 1) > 1)
		return;
	/* who serves from it may go on for a while */
	if (certs->ours != NULL)
		sst_ours_stop(certs->ours);
	sst_ours_unref(certs->ours);
	sst_store_unref(certs->store);
	sst_tickets_unref(certs->tickets);
	while (certs->drop != NULL && (id = sst_certs_dropped(certs)) != 0)
		certs->drop(certs->drop_arg, id);
	while ((s = certs->list) != NULL) {
		certs->list = s->next;
		if (certs->drop != NULL && s->id != 0)
			certs->drop(certs->drop_arg, s->id);
		sst_cert_source_free(s);
	}
	free(certs->dropped);
	(void)pthread_mutex_destroy(&certs->mu);
	free(certs);
}

int
sst_certs_is_left(const struct sst_certs *certs)
{
	return atomic_load(&certs->refs) == 1;
}

struct sst_lane *
sst_certs_lane(struct sst_certs *certs)
{
	return &certs->lane;
}

struct sst_store *
sst_certs_store(struct sst_certs *certs)
{
	return certs->store;
}

struct sst_tickets *
sst_certs_tickets(struct sst_certs *certs)
{
	return certs->tickets;
}

void
sst_certs_key_event(struct sst_certs *certs, int key_event)
{
	atomic_store(&certs->keys_open, key_event);
}

int64_t
sst_certs_renewed(struct sst_certs *certs)
{
	return atomic_load(&certs->renewed);
}

int
sst_certs_has(struct sst_certs *certs, uint32_t id)
{
	int has = 0;

	(void)pthread_mutex_lock(&certs->mu);
	for (const struct sst_cert_source *s = certs->list; s != NULL; s = s->next)
		has |= s->id == id;
	(void)pthread_mutex_unlock(&certs->mu);
	return has;
}

int
sst_certs_has_dir(struct sst_certs *certs, uint32_t id)
{
	int is_dir = 0;

	(void)pthread_mutex_lock(&certs->mu);
	for (const struct sst_cert_source *s = certs->list; s != NULL; s = s->next)
		is_dir |= id != 0 && s->id == id && s->is_dir;
	(void)pthread_mutex_unlock(&certs->mu);
	return is_dir;
}

int
sst_certs_is_unread(struct sst_certs *certs, uint32_t id)
{
	return sst_store_is_warm(certs->store) && sst_certs_has_dir(certs, id);
}

size_t
sst_certs_count(struct sst_certs *certs)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&certs->mu);
	for (const struct sst_cert_source *s = certs->list; s != NULL; s = s->next)
		n++;
	(void)pthread_mutex_unlock(&certs->mu);
	return n;
}

uint32_t
sst_certs_dropped(struct sst_certs *certs)
{
	uint32_t id = 0;

	(void)pthread_mutex_lock(&certs->mu);
	if (certs->n_dropped > 0)
		id = certs->dropped[--certs->n_dropped];
	(void)pthread_mutex_unlock(&certs->mu);
	return id;
}

int
sst_certs_each(struct sst_certs *certs,
    int (*each)(void *arg, const struct sst_cert_source *), void *arg)
{
	int rc = 0;

	(void)pthread_mutex_lock(&certs->mu);
	for (const struct sst_cert_source *s = certs->list; s != NULL && rc >= 0;
	    s = s->next)
		rc = each(arg, s);
	(void)pthread_mutex_unlock(&certs->mu);
	return rc;
}
