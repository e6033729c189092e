/* SPDX-License-Identifier: ISC */
#include "forced.h"
#include "call.h"
#include "memo.h"
#include "sys.h"
#include "text.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* As many names as a certificate is compared with for one connection. */
#define NAMES_ROOM	(32 * SST_MEMO_NAME)

enum { UNREAD = 0, READING, NONE, IN_FORCE, BROKEN };

const char sst_forced_not_ours[] = "this TCP socket was not made under the policy "
    "of sstool run and would be a plain connection";

static _Atomic int state;
static struct sst_policy policy;	/* whole when the state is IN_FORCE */

static int
read_policy(void)
{
	const char *text = secure_getenv(SST_POLICY_VAR);
	const char *why;

	if (text == NULL)
		return NONE;
	if (sst_policy_parse(text, &policy, &why) == 0)
		return IN_FORCE;
	return sst_say(BROKEN, "the policy in " SST_POLICY_VAR " cannot be used: ",
	    why, "; start the program with sstool run", NULL);
}

static int
current_state(void)
{
	int seen = UNREAD;

	if (atomic_compare_exchange_strong(&state, &seen, READING)) {
		seen = read_policy();
		atomic_store(&state, seen);
	}
	while (seen == READING) {
		(void)SST_SYS(SYS_sched_yield);
		seen = atomic_load(&state);
	}
	return seen;
}

const struct sst_policy *
sst_forced_policy(int *ret_broken)
{
	int s = current_state();

	if (ret_broken != NULL)
		*ret_broken = s == BROKEN;
	return s == IN_FORCE ? &policy : NULL;
}

int
sst_is_forced(const struct sst_sockname *name)
{
	return name->kind == SST_SOCKNAME_MADE &&
	    (name->serial & SST_SERIAL_FORCED) != 0;
}

static int
set_file(int fd, const struct sst_sockname *name, int option, const char *path)
{
	return sst_set_source(fd, name, option, path, (socklen_t)strlen(path));
}

/* Replaces the names of an earlier attempt, none included. */
static int
set_names(int fd, const struct sst_sockname *name, const char *names, size_t len)
{
	struct sst_call c;

	sst_call_init(&c, SST_WIRE_NAMES, fd, name);
	c.data = names;
	c.len = len;
	return sst_call(&c);
}

static void
address_text(const union sst_inet *to, char out[INET6_ADDRSTRLEN])
{
	const void *addr = to->any.sa_family == AF_INET ?
	    (const void *)&to->v4.sin_addr : (const void *)&to->v6.sin6_addr;

	if (inet_ntop(to->any.sa_family, addr, out, INET6_ADDRSTRLEN) == NULL)
		(void)strcpy(out, "?");
}

static int
nameless(const struct sst_sockname *name, const union sst_inet *to)
{
	char text[INET6_ADDRSTRLEN];

	address_text(to, text);
	sst_say(0, "connect: which host ", text, " is meant to be is not known, so "
	    "its certificate cannot be checked: the program asked for no name in "
	    "the last minute; name it with sstool run --name HOST, or accept "
	    "certificates for the address itself with --name-from-address", NULL);
	sst_say_about(name->serial);
	return -EPROTO;
}

/* The names that the peer's certificate must have, each of them. */
static int
name_peer(int fd, const struct sst_sockname *name, const struct sst_policy *p,
    const union sst_inet *to)
{
	char names[NAMES_ROOM + INET6_ADDRSTRLEN];
	int by_address = 0;
	uint8_t addr[16];
	size_t len = 0;
	int n;

	if (p->name != NULL)
		return set_names(fd, name, p->name, strlen(p->name) + 1);
	if (sst_policy_address(to, addr) < 0)
		return sst_say_errno(name, "connect", EAFNOSUPPORT);
	n = sst_memo_use(addr, sst_clock_ms(), names, NAMES_ROOM, &len, &by_address);
	if (n < 0) {
		sst_say(0, "connect: the program asked for too many names that "
		    "share this address", NULL);
		sst_say_about(name->serial);
		return -EPROTO;
	}
	if (n == 0 && !p->by_address)
		return nameless(name, to);
	/* Asked for by a name and by the address: both must be right. */
	if (len > 0 && by_address) {
		address_text(to, names + len);
		len += strlen(names + len) + 1;
	}
	return set_names(fd, name, names, len);
}

static int
prepare_client(int fd, const struct sst_sockname *name,
    const struct sst_policy *p, const union sst_inet *to)
{
	int r = 0;

	if (p->trust != NULL)
		r = set_file(fd, name, TLS_TRUSTED_PEER_CERTIFICATES, p->trust);
	return r < 0 ? r : name_peer(fd, name, p, to);
}

/* The policy, or NULL with a sentence: the socket came from elsewhere. */
static const struct sst_policy *
policy_of(const struct sst_sockname *name)
{
	const struct sst_policy *p = sst_forced_policy(NULL);

	if (p == NULL) {
		sst_say(0, "this socket was made under a policy of sstool run, and "
		    "this program has none", NULL);
		sst_say_about(name->serial);
	}
	return p;
}

int
sst_forced_connect(int fd, const struct sst_sockname *name, enum sst_kind kind,
    const struct sockaddr_storage *addr)
{
	const struct sst_policy *p = policy_of(name);
	union sst_inet to;
	int r;

	if (p == NULL)
		return -EPERM;
	memcpy(&to, addr, sizeof(to));
	/* Another family is the relay's to refuse. */
	if (!sst_policy_covers(p, &to))
		return SST_MODE_PLAIN;
	if (kind != SST_KIND_FRESH)
		return SST_MODE_TLS;
	r = prepare_client(fd, name, p, &to);
	/* An attempt is under way or over: connect() itself says which. */
	return r == -EOPNOTSUPP || r >= 0 ? SST_MODE_TLS : r;
}

void
sst_forced_reached(const struct sockaddr_storage *addr)
{
	union sst_inet to;
	uint8_t bytes[16];

	memcpy(&to, addr, sizeof(to));
	if (sst_policy_address(&to, bytes) == 0)
		sst_memo_reached(bytes);
}

static int
set_certificates(int fd, const struct sst_sockname *name,
    const struct sst_policy *p)
{
	int r = 0;

	if (p->n_chains == 0) {
		sst_say(0, "listen: the policy makes this port TLS and has no "
		    "certificate; add --cert PATH to sstool run", NULL);
		sst_say_about(name->serial);
		return -EINVAL;
	}
	for (size_t i = 0; i < p->n_chains && r >= 0; i++)
		r = set_file(fd, name, TLS_CERTIFICATE_CHAIN, p->chains[i]);
	for (size_t i = 0; i < p->n_keys && r >= 0; i++)
		r = set_file(fd, name, TLS_PRIVATE_KEY, p->keys[i]);
	return r;
}

static int
local_address(int fd, const struct sst_sockname *name, union sst_inet *ret_local)
{
	struct sst_call c;
	int r;

	memset(ret_local, 0, sizeof(*ret_local));
	sst_call_init(&c, SST_WIRE_SOCKNAME, fd, name);
	c.reply = ret_local;
	c.room = sizeof(*ret_local);
	r = sst_call(&c);
	return r < 0 ? r : 0;
}

static int
has_port(const union sst_inet *a)
{
	return a->any.sa_family == AF_INET ? a->v4.sin_port != 0 :
	    a->v6.sin6_port != 0;
}

/* listen() would choose a port only after it was judged, and perhaps one that is
 * TLS: it is chosen now, as bind() to port 0 does. */
static int
choose_port(int fd, const struct sst_sockname *name, union sst_inet *local)
{
	int r = local_address(fd, name, local);

	if (r < 0 || has_port(local))
		return r;
	if (sst_bind(fd, &local->any, sst_inet_len(local)) < 0)
		return -errno;
	r = local_address(fd, name, local);
	/* Not even by bind(), with IP_BIND_ADDRESS_NO_PORT. */
	if (r == 0 && !has_port(local))
		r = sst_say_errno(name, "listen", EINVAL);
	return r;
}

int
sst_forced_listen(int fd, const struct sst_sockname *name, enum sst_kind kind)
{
	const struct sst_policy *p = policy_of(name);
	union sst_inet local;
	int r;

	if (p == NULL)
		return -EPERM;
	r = choose_port(fd, name, &local);
	if (r < 0)
		return r;
	if (!sst_policy_covers(p, &local))
		return SST_MODE_PLAIN;
	/* Listening already: only the backlog changes. */
	r = kind == SST_KIND_FRESH ? set_certificates(fd, name, p) : 0;
	return r < 0 ? r : SST_MODE_TLS;
}

int
sst_forced_foreign(int fd, int connecting)
{
	const struct sst_policy *p = sst_forced_policy(NULL);
	union sst_inet local;
	socklen_t len = sizeof(int);
	int protocol = 0;

	if (p == NULL || sst_sys_getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol,
	    &len) < 0 || (protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP))
		return 0;
	if (connecting)
		return 1;
	memset(&local, 0, sizeof(local));
	len = sizeof(local);
	return SST_SYS(SYS_getsockname, fd, &local, &len) == 0 &&
	    sst_policy_covers(p, &local);
}

/* The backlog that listen() was called with. */
static int
backlog_of(int tcp)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	(void)sst_sys_getsockopt(tcp, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_sacked > 0 ? (int)info.tcpi_sacked : SOMAXCONN;
}

int
sst_forced_adopt(int fd)
{
	int backlog = backlog_of(fd);
	struct sst_sockname name;
	int r = sst_adopt(fd, SST_NEW_FORCED, &name);

	if (r == 0)
		r = sst_forced_listen(fd, &name, SST_KIND_FRESH);
	if (r >= 0 && sst_listen(fd, backlog) < 0)
		r = -errno;
	return r < 0 ? r : 0;
}
