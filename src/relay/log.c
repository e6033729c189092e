/* SPDX-License-Identifier: ISC */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/clock.h"

struct kind {
	const char	*name;
	int		 priority;
};

static const struct kind kinds[SST_LOG_KINDS] = {
	[SST_LOG_CERT_RENEWED] = { "renewed", LOG_INFO },
	[SST_LOG_CERT_ADDED] = { "added", LOG_INFO },
	[SST_LOG_CERT_REMOVED] = { "removed", LOG_INFO },
	[SST_LOG_CERT_REFUSED] = { "refused", LOG_WARNING },
	[SST_LOG_CERT_KEPT] = { "kept", LOG_WARNING },
	[SST_LOG_CERT_DEGRADED] = { "degraded", LOG_WARNING },
	[SST_LOG_CERT_REVOKED] = { "revoked", LOG_ERR },
	[SST_LOG_CERT_EXPIRING] = { "expiring", LOG_WARNING },
	[SST_LOG_CERT_EXPIRED] = { "expired", LOG_ERR },
	[SST_LOG_READING] = { "reading", LOG_INFO },
	[SST_LOG_DEPLOYED] = { "deployed", LOG_INFO },
	[SST_LOG_UNCOVERED] = { "uncovered", LOG_WARNING },
	[SST_LOG_STATIC] = { "static", LOG_NOTICE },
	[SST_LOG_WATCH] = { "watch", LOG_NOTICE },
	[SST_LOG_CONFIG] = { "config", LOG_WARNING },
	[SST_LOG_INTERNAL] = { "internal", LOG_ERR },
};

static void
to_syslog(int priority, const char *line)
{
	syslog(priority, "%s", line);
}

void
sst_log_init(struct sst_log *log)
{
	memset(log, 0, sizeof(*log));
	(void)pthread_mutex_init(&log->mu, NULL);
	log->write = to_syslog;
	openlog("securesocketsd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void
sst_log_done(struct sst_log *log)
{
	closelog();
	sst_ring_done(&log->ring);
	(void)pthread_mutex_destroy(&log->mu);
}

const char *
sst_log_kind_name(enum sst_log_kind kind)
{
	return kinds[kind].name;
}

/* Whether one more line may be said; *ret_left_out: how many of an earlier
 * second were not. */
static int
may_say_locked(struct sst_log_bucket *b, int64_t second, unsigned *ret_left_out)
{
	*ret_left_out = 0;
	if (b->second != second) {
		*ret_left_out = b->left_out;
		b->second = second;
		b->said = 0;
		b->left_out = 0;
	}
	if (b->said >= SST_LOG_RATE) {
		b->left_out++;
		return 0;
	}
	b->said++;
	return 1;
}

void
sst_log_happening(struct sst_log *log, enum sst_log_kind kind, int64_t now_ms,
    const struct sst_happening *about)
{
	const struct kind *k = &kinds[kind];
	struct sst_happening h = *about;
	char line[1100];
	unsigned left_out;
	int say;

	h.kind = (int)kind;
	h.at = (int64_t)sst_clock_wall();
	(void)pthread_mutex_lock(&log->mu);
	log->events[kind]++;
	sst_ring_add(&log->ring, &h);
	say = may_say_locked(&log->buckets[kind], now_ms / 1000, &left_out);
	(void)pthread_mutex_unlock(&log->mu);
	if (left_out > 0) {
		(void)snprintf(line, sizeof(line), "%s: %u more were left out",
		    k->name, left_out);
		log->write(k->priority, line);
	}
	if (!say)
		return;
	(void)snprintf(line, sizeof(line), "%s: %s%s%s", k->name,
	    h.source == NULL ? "" : h.source, h.source == NULL ? "" : ": ", h.text);
	log->write(k->priority, line);
}

void
sst_log_event(struct sst_log *log, enum sst_log_kind kind, int64_t now_ms,
    const char *fmt, ...)
{
	char text[700];
	const struct sst_happening said = { .text = text };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sst_log_happening(log, kind, now_ms, &said);
}

int
sst_log_each(struct sst_log *log, uint64_t since,
    int (*each)(void *, const struct sst_happening *), void *arg)
{
	int rc;

	(void)pthread_mutex_lock(&log->mu);
	rc = sst_ring_each(&log->ring, since, each, arg);
	(void)pthread_mutex_unlock(&log->mu);
	return rc;
}

uint64_t
sst_log_last(struct sst_log *log)
{
	uint64_t last;

	(void)pthread_mutex_lock(&log->mu);
	last = log->ring.last;
	(void)pthread_mutex_unlock(&log->mu);
	return last;
}
