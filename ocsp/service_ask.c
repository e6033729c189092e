/* SPDX-License-Identifier: ISC */
/* service_ask - see service_ask.h. */
#include "service_ask.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "base/ossl.h"
#include "place.h"
#include "service_wire.h"

#define SLACK_MS	250	/* the way there and back, beyond the budget */
#define SEND_ROOM	(256 * 1024)

/* The connection, and how long anybody waits for it. */
struct line {
	int	fd, stop_fd;
	int64_t	until;
};

/* 0: readable (or writable), or at its end. */
static int
wait_for(const struct line *l, short events)
{
	struct pollfd p[] = { { .fd = l->fd, .events = events },
	    { .fd = l->stop_fd, .events = POLLIN } };
	int64_t left;
	int rc;

	do {
		left = l->until - sst_clock_ms();
		rc = poll(p, 2, left > 0 ? (int)left : 0);
	} while (rc < 0 && errno == EINTR);
	return rc > 0 && p[1].revents == 0 ? 0 : -1;
}

/* Whether who listens there is somebody whose word counts. */
static int
peer_check(int fd, struct sst_error *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	const char *why;
	uid_t owner;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return sst_fail_errno(err, errno, "the cache service");
	if (peer.uid == 0 || peer.uid == geteuid() ||
	    (sst_place_owner(SST_MACHINE_CACHE, &owner, &why) && peer.uid == owner))
		return SST_OK;
	return sst_fail(err, SST_E_MISMATCH, "user %u poses as the cache service",
	    (unsigned)peer.uid);
}

static int
connect_to(const char *path, int *ret_fd, struct sst_error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const int room = SEND_ROOM;
	int fd, rc = SST_OK;

	if (strlen(path) >= sizeof(addr.sun_path))
		return sst_fail(err, SST_E_USAGE, "the name of the cache service's socket is "
		    "too long");
	(void)strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return sst_fail_errno(err, errno, "a socket for the cache service");
	/* one packet holds three certificates */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		rc = errno == ENOENT || errno == ECONNREFUSED || errno == EACCES ?
		    SST_E_NOT_FOUND : SST_E_SYSTEM;
		rc = sst_fail(err, rc, "the cache service: %s", strerror(errno));
	}
	if (rc == SST_OK)
		rc = peer_check(fd, err);
	if (rc < 0) {
		(void)close(fd);
		return rc;
	}
	*ret_fd = fd;
	return SST_OK;
}

static int
pack_cert(X509 *cert, struct sst_service_ask *ask, int i, uint8_t **ret_owned)
{
	unsigned char *der = NULL;
	int len = cert != NULL ? i2d_X509(cert, &der) : 0;

	if (len < 0)
		return 0;
	*ret_owned = der;
	ask->part[i].der = der;
	ask->part[i].len = (size_t)len;
	return 1;
}

/* The question as a packet, which the caller frees. */
static int
question(const struct sst_work_ask *wanted, uint8_t **ret, size_t *ret_len,
    struct sst_error *err)
{
	struct sst_service_ask ask = { .id = 1, .budget_ms = wanted->budget_ms,
	    .bits = wanted->is_leaf ? SST_SERVICE_LEAF : 0 };
	uint8_t *der[SST_SERVICE_PARTS] = { NULL, NULL, NULL }, *packet;
	int rc = SST_OK;

	if (wanted->policy != NULL && wanted->policy->use_ocsp == SST_SWITCH_OFF)
		ask.bits |= SST_SERVICE_NO_OCSP;
	if (wanted->policy != NULL && wanted->policy->use_crls == SST_SWITCH_OFF)
		ask.bits |= SST_SERVICE_NO_CRL;
	packet = malloc(SST_SERVICE_ASK_MAX);
	if (packet == NULL || !pack_cert(wanted->cert, &ask, 0, &der[0]) ||
	    !pack_cert(wanted->issuer, &ask, 1, &der[1]) ||
	    !pack_cert(wanted->above, &ask, 2, &der[2]))
		rc = sst_fail_ossl(err, SST_E_NOMEM, "the question to the cache service");
	if (rc == SST_OK) {
		*ret_len = sst_service_ask_pack(&ask, packet, SST_SERVICE_ASK_MAX);
		if (*ret_len == 0)
			rc = sst_fail(err, SST_E_LIMIT, "a certificate is too large for the "
			    "cache service");
	}
	for (int i = 0; i < SST_SERVICE_PARTS; i++)
		OPENSSL_free(der[i]);
	if (rc < 0) {
		free(packet);
		return rc;
	}
	*ret = packet;
	return SST_OK;
}

static int
send_all(const struct line *l, const void *packet, size_t len, struct sst_error *err)
{
	ssize_t n;

	do {
		n = send(l->fd, packet, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN && wait_for(l, POLLOUT) < 0)
			return sst_fail(err, SST_E_TIMEOUT, "the cache service does not read");
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	/* turned away before it was read: the answer says why */
	if (n < 0 && errno != EPIPE && errno != ECONNRESET)
		return sst_fail_errno(err, errno, "the cache service");
	return SST_OK;
}

static int
receive(const struct line *l, const struct sst_cert_key *key,
    struct sst_service_answer *ret, struct sst_error *err)
{
	uint8_t packet[SST_SERVICE_ANSWER_MAX];
	int resets = 0;
	ssize_t n;

	/* a reset is told once, before the packet that was sent before it */
	do {
		if (wait_for(l, POLLIN) < 0)
			return sst_fail(err, SST_E_TIMEOUT, "the cache service did not answer "
			    "in time");
		n = recv(l->fd, packet, sizeof(packet), MSG_TRUNC);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR ||
	    (errno == ECONNRESET && resets++ == 0)));
	if (n < 0)
		return sst_fail_errno(err, errno, "the cache service");
	if (n == 0)
		return sst_fail(err, SST_E_PEER, "the cache service ended the connection");
	if ((size_t)n > sizeof(packet))
		return sst_fail(err, SST_E_LIMIT, "the cache service answered with %zd octets",
		    n);
	return sst_service_answer_unpack(packet, (size_t)n, key, ret, err);
}

int
sst_service_ask(const char *path, const struct sst_work_ask *wanted, int stop_fd,
    struct sst_evidence *list, size_t max, struct sst_error *err)
{
	struct line l = { .fd = -1, .stop_fd = stop_fd, .until = sst_clock_ms() + SLACK_MS +
	    (wanted->budget_ms > 0 ? wanted->budget_ms : 0) };
	const struct sst_cert_facts *facts;
	struct sst_service_answer answer;
	uint8_t *packet = NULL;
	size_t len = 0;
	int rc;

	rc = sst_facts_of(wanted->cert, wanted->issuer, &facts, err);
	if (rc == SST_OK)
		rc = connect_to(path, &l.fd, err);
	if (rc == SST_OK)
		rc = question(wanted, &packet, &len, err);
	if (rc == SST_OK)
		rc = send_all(&l, packet, len, err);
	if (rc == SST_OK)
		rc = receive(&l, &facts->key, &answer, err);
	if (rc == SST_OK && answer.code < 0)
		rc = sst_fail(err, answer.code, "%s", answer.text);
	if (rc == SST_OK) {
		rc = (int)(answer.n < max ? answer.n : max);
		memcpy(list, answer.list, (size_t)rc * sizeof(*list));
	}
	free(packet);
	if (l.fd >= 0)
		(void)close(l.fd);
	return rc;
}
