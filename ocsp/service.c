/* SPDX-License-Identifier: ISC */
/*
 * service - the machine's cache service: who may not write the machine's cache asks
 * it for what the published snapshot does not know.
 *
 * The public call is in <securesockets/revocation.h>; `sstool cache serve` makes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "cache.h"
#include "checker.h"
#include "service_inside.h"

#define CONNS_MAX	1024
#define CONNS_SPARE	64	/* descriptors for everything else */
#define CONN_IDLE_MS	30000
#define USER_CONNS	64
#define USER_IN_FLIGHT	4
#define USER_FETCHES	60	/* a minute */
#define USER_ASKS	50	/* a second */
#define EVENTS		64

static void
conn_last(struct sst_service *s, struct sst_conn *c)
{
	c->next = NULL;
	c->prev = s->last;
	*(s->last != NULL ? &s->last->next : &s->first) = c;
	s->last = c;
}

static void
conn_unlink(struct sst_service *s, struct sst_conn *c)
{
	*(c->prev != NULL ? &c->prev->next : &s->first) = c->next;
	*(c->next != NULL ? &c->next->prev : &s->last) = c->prev;
}

static void
conn_close(struct sst_service *s, struct sst_conn *c)
{
	sst_service_forget(s, c);
	conn_unlink(s, c);
	sst_quota_left(c->user);
	s->n_conns--;
	(void)close(c->fd);
	free(c);
}

int
sst_service_tell(struct sst_service *s, struct sst_conn *c,
    const struct sst_service_answer *a, const struct sst_cert_key *key)
{
	size_t len = sst_service_answer_pack(a, key, s->out);

	/* who has not read what was told before is not waited for */
	return send(c->fd, s->out, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

/* Says why on a connection that is not taken. */
static void
turn_away(struct sst_service *s, int fd, const struct sst_error *err)
{
	struct sst_service_answer a = { .code = err->code };
	size_t len;

	(void)memcpy(a.text, err->text, sizeof(a.text) - 1);
	len = sst_service_answer_pack(&a, NULL, s->out);
	(void)!send(fd, s->out, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(fd);
}

/* When all places are taken: of the user with the most connections the one that was
 * silent longest and waits for nothing goes. */
static int
make_room(struct sst_service *s)
{
	struct sst_conn *goes = NULL;

	for (struct sst_conn *c = s->first; c != NULL; c = c->next)
		if (c->questions == 0 && (goes == NULL ||
		    sst_quota_connections(c->user) > sst_quota_connections(goes->user)))
			goes = c;
	if (goes == NULL)
		return 0;
	conn_close(s, goes);
	return 1;
}

static void
conn_open(struct sst_service *s, int fd, int64_t now_ms)
{
	struct sst_error err = { .code = SST_OK };
	struct sst_conn *c = calloc(1, sizeof(*c));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int rc = SST_OK;

	if (c == NULL)
		rc = sst_fail(&err, SST_E_NOMEM, "out of memory");
	else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		rc = sst_fail_errno(&err, errno, "who asks cannot be seen");
	else if (s->n_conns >= s->conns_max && !make_room(s))
		rc = sst_fail(&err, SST_E_LIMIT, "the cache service is busy");
	if (rc == SST_OK)
		rc = sst_quota_met(s->quota, peer.uid, now_ms, &c->user, &err);
	if (rc == SST_OK && epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		rc = sst_fail_errno(&err, errno, "the connection cannot be watched");
		sst_quota_left(c->user);
	}
	if (rc < 0) {
		free(c);
		turn_away(s, fd, &err);
		return;
	}
	c->fd = fd;
	c->heard_ms = now_ms;
	s->n_conns++;
	conn_last(s, c);
}

/* As many as wait. A table of descriptors that is full gives one up. */
static void
on_listen(struct sst_service *s, int64_t now_ms)
{
	for (int i = 0; i < EVENTS; i++) {
		int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE) && make_room(s))
			continue;
		if (fd < 0)
			return;
		conn_open(s, fd, now_ms);
	}
}

/* One packet a turn, so that nobody speaks alone. */
static void
on_conn(struct sst_service *s, struct sst_conn *c, int64_t now_ms)
{
	ssize_t n = recv(c->fd, s->in, sizeof(s->in), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(s, c);
		return;
	}
	c->heard_ms = now_ms;
	conn_unlink(s, c);
	conn_last(s, c);
	if (!sst_service_take(s, c, (size_t)n, now_ms))
		conn_close(s, c);
}

/* 1: nobody was here for as long as the service waits. */
static int
is_idle(struct sst_service *s, int64_t now_ms)
{
	if (s->n_conns > 0 || s->questions != NULL)
		s->busy_ms = now_ms;
	return s->idle_ms > 0 && now_ms - s->busy_ms >= s->idle_ms;
}

/* Closes who was silent for too long; returns for how long nothing is to be done. */
static int
idle_step(struct sst_service *s, int64_t now_ms)
{
	struct sst_conn *c = s->first, *next;
	int64_t until = now_ms + CONN_IDLE_MS;

	for (; c != NULL && now_ms - c->heard_ms >= CONN_IDLE_MS; c = next) {
		next = c->next;
		if (c->questions == 0)
			conn_close(s, c);
	}
	if (c != NULL && c->heard_ms + CONN_IDLE_MS < until)
		until = c->heard_ms + CONN_IDLE_MS;
	(void)is_idle(s, now_ms);
	if (s->idle_ms > 0 && s->busy_ms + s->idle_ms < until)
		until = s->busy_ms + s->idle_ms;
	return until > now_ms ? (int)(until - now_ms) : 0;
}

static void
drain_counter(int fd)
{
	uint64_t n;

	(void)!read(fd, &n, sizeof(n));
}

/* One event. 1: the service ends. What is closed here was not met before in this
 * turn: a connection that makes room for another goes with its later events. */
static int
on_event(struct sst_service *s, void *of, int64_t now_ms)
{
	if (of == &s->stop_fd)
		return 1;
	if (of == &s->over_fd) {
		drain_counter(s->over_fd);
		sst_service_answers(s);
	} else if (of != &s->listen_fd) {
		on_conn(s, of, now_ms);
	}
	return 0;
}

static int
loop(struct sst_service *s, struct sst_error *err)
{
	struct epoll_event events[EVENTS];
	int n, listens;

	s->busy_ms = sst_clock_ms();
	for (;;) {
		n = epoll_wait(s->epoll_fd, events, EVENTS, idle_step(s, sst_clock_ms()));
		if (n < 0 && errno != EINTR)
			return sst_fail_errno(err, errno, "waiting for questions");
		/* whoever is waiting to be let in was an event */
		if (n == 0 && is_idle(s, sst_clock_ms()))
			return SST_OK;
		listens = 0;
		for (int i = 0; i < n; i++) {
			listens |= events[i].data.ptr == &s->listen_fd;
			if (on_event(s, events[i].data.ptr, sst_clock_ms()))
				return SST_OK;
		}
		/* last: it may close connections, of which no event is left by then */
		if (listens)
			on_listen(s, sst_clock_ms());
	}
}

static int
watch(struct sst_service *s, int *fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = fd };

	return *fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, *fd, &event) == 0;
}

/* The connections that there may be: bounded by the table of descriptors. */
static unsigned
conns_allowed(unsigned wanted)
{
	struct rlimit limit;
	rlim_t most = wanted != 0 ? wanted : CONNS_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return CONNS_SPARE;
	if (limit.rlim_cur < most + CONNS_SPARE && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max < most + CONNS_SPARE ? limit.rlim_max :
		    most + CONNS_SPARE;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
		(void)getrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur >= most + CONNS_SPARE)
		return (unsigned)most;
	return limit.rlim_cur > 2 * CONNS_SPARE ?
	    (unsigned)limit.rlim_cur - CONNS_SPARE : CONNS_SPARE;
}

static int
service_init(struct sst_service *s, const struct sst_service_config *config,
    struct sst_error *err)
{
	const struct sst_quota_limits limits = { .asks = USER_ASKS,
	    .connections = USER_CONNS,
	    .fetches = config->fetches != 0 ? config->fetches : USER_FETCHES,
	    .in_flight = config->in_flight != 0 ? config->in_flight : USER_IN_FLIGHT };
	int rc;

	s->listen_fd = config->listen_fd;
	(void)fcntl(s->listen_fd, F_SETFD, FD_CLOEXEC);
	(void)fcntl(s->listen_fd, F_SETFL, O_NONBLOCK);
	s->stop_fd = config->stop_fd;
	s->epoll_fd = s->over_fd = -1;
	s->conns_max = conns_allowed(config->connections);
	s->idle_ms = config->idle_ms;
	(void)pthread_mutex_init(&s->mu, NULL);
	rc = sst_anchors_new(config->trust, &s->anchors, err);
	if (rc == SST_OK)
		rc = sst_quota_new(&limits, &s->quota, err);
	if (rc < 0)
		return rc;
	s->over_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->over_fd < 0 || s->epoll_fd < 0 || !watch(s, &s->listen_fd) ||
	    !watch(s, &s->stop_fd) || !watch(s, &s->over_fd))
		return sst_fail_errno(err, errno, "the cache service's sockets");
	return SST_OK;
}

static void
service_done(struct sst_service *s)
{
	sst_service_give_up(s);
	while (s->first != NULL)
		conn_close(s, s->first);
	if (s->epoll_fd >= 0)
		(void)close(s->epoll_fd);
	if (s->over_fd >= 0)
		(void)close(s->over_fd);
	sst_quota_free(s->quota);
	sst_anchors_free(s->anchors);
	(void)pthread_mutex_destroy(&s->mu);
	free(s);
}

/* Whether this process may be the machine's fetcher. */
static int
fitness(struct sst_checker *checker, struct sst_error *err)
{
	int rc;

	if (geteuid() == 0)
		return sst_fail(err, SST_E_REFUSED, "the cache service does not run as root: "
		    "start it as the owner of the cache");
	rc = sst_checker_settle(checker, err);
	if (rc < 0)
		return rc;
	if (sst_checker_work(checker) == NULL)
		return sst_fail(err, SST_E_USAGE, "the cache service has to fetch");
	if (sst_cache_mode(sst_checker_own(checker)) != SST_CACHE_WRITER)
		return sst_fail(err, SST_E_REFUSED, "the cache service has no cache to write: "
		    "%s", sst_checker_cache(checker));
	return SST_OK;
}

int
sst_service_run(struct sst_checker *checker, const struct sst_service_config *config,
    struct sst_error *err)
{
	struct sst_service *s;
	int rc = fitness(checker, err);

	if (rc < 0)
		return rc;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	s->checker = checker;
	rc = service_init(s, config, err);
	if (rc == SST_OK) {
		/* who reads the snapshot finds one, if an empty one */
		(void)sst_cache_publish(sst_checker_own(checker), 1, NULL);
		rc = loop(s, err);
	}
	service_done(s);
	(void)sst_cache_publish(sst_checker_own(checker), 1, NULL);
	return rc;
}
