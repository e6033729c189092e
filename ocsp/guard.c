/* SPDX-License-Identifier: ISC */
#include "guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/escape.h"
#include "base/fail.h"

#define HTTP_PORT	80
#define ENTRY_MAX	128	/* octets of one entry's text */

/* Every address is 16 octets here: IPv4 is mapped, so that one rule compares. */
struct entry {
	uint8_t	 addr[16];
	unsigned bits;		/* of `addr` that count */
	uint16_t port;		/* 0: every port */
};

struct sst_guard {
	size_t		n;		/* that are allowed */
	size_t		n_nat64;	/* prefixes, behind them */
	struct entry	entry[];
};

struct range {
	uint8_t		 addr[16];
	unsigned	 bits;
	const char	*what;
};

#define V4(a, b, c, d)	{ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d }

static const uint8_t mapped[16] = V4(0, 0, 0, 0);
#define MAPPED_LEN	12	/* octets of it that every mapped address begins with */

/*
 * IANA's special-purpose registries, where "globally reachable" is not "true".
 * Of IPv6 only 2000::/3 is given out at all, so the table holds its exceptions.
 */
static const struct range special[] = {
	{ V4(0, 0, 0, 0), 96 + 8, "this network" },
	{ V4(10, 0, 0, 0), 96 + 8, "private" },
	{ V4(100, 64, 0, 0), 96 + 10, "shared by a carrier" },
	{ V4(127, 0, 0, 0), 96 + 8, "loopback" },
	{ V4(169, 254, 0, 0), 96 + 16, "link-local" },
	{ V4(172, 16, 0, 0), 96 + 12, "private" },
	{ V4(192, 0, 0, 0), 96 + 24, "of protocols" },
	{ V4(192, 0, 2, 0), 96 + 24, "for documentation" },
	{ V4(192, 88, 99, 0), 96 + 24, "a relay of 6to4" },
	{ V4(192, 168, 0, 0), 96 + 16, "private" },
	{ V4(198, 18, 0, 0), 96 + 15, "for benchmarks" },
	{ V4(198, 51, 100, 0), 96 + 24, "for documentation" },
	{ V4(203, 0, 113, 0), 96 + 24, "for documentation" },
	{ V4(224, 0, 0, 0), 96 + 4, "multicast" },
	{ V4(240, 0, 0, 0), 96 + 4, "reserved" },
	{ { 0x20, 0x01 }, 23, "of protocols" },
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32, "for documentation" },
	{ { 0x3f, 0xff }, 20, "for documentation" },
};

static int
prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return 0;
	return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static int
port_parse(const char *text, uint16_t *ret)
{
	unsigned long n = 0;
	size_t len = strlen(text);

	if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
		return 0;
	n = strtoul(text, NULL, 10);
	if (n == 0 || n > 65535)
		return 0;
	*ret = (uint16_t)n;
	return 1;
}

/* "/BITS" after an address of `width` bits; 0 where it does not parse. */
static int
bits_parse(const char *text, unsigned width, unsigned *ret)
{
	size_t len = strlen(text);
	unsigned long n;

	if (len == 0 || len > 3 || strspn(text, "0123456789") != len)
		return 0;
	n = strtoul(text, NULL, 10);
	if (n > width)
		return 0;
	*ret = (unsigned)n;
	return 1;
}

/* `addr` is an address, maybe with "/BITS"; it is changed. */
static int
address_parse(char *addr, int v6, struct entry *e)
{
	char *slash = strchr(addr, '/');
	unsigned width = v6 ? 128 : 32;
	unsigned bits = width;

	if (slash != NULL) {
		*slash = '\0';
		if (!bits_parse(slash + 1, width, &bits))
			return 0;
	}
	e->bits = v6 ? bits : bits + 96;
	if (v6)
		return inet_pton(AF_INET6, addr, e->addr) == 1;
	memcpy(e->addr, mapped, MAPPED_LEN);
	return inet_pton(AF_INET, addr, e->addr + 12) == 1;
}

static int
entry_parse(const char *text, struct entry *e)
{
	char copy[ENTRY_MAX];
	char *addr = copy, *port, *end;
	int v6 = 0;

	if (strlen(text) >= sizeof(copy))
		return 0;
	memcpy(copy, text, strlen(text) + 1);
	e->port = 0;
	if (copy[0] == '[') {
		v6 = 1;
		addr = copy + 1;
		end = strchr(addr, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return 0;
		port = end[1] == ':' ? end + 2 : NULL;
		*end = '\0';
	} else if (strchr(copy, ':') != strrchr(copy, ':')) {
		v6 = 1;		/* a bare IPv6 address: no port can follow */
		port = NULL;
	} else {
		port = strchr(copy, ':');
		if (port != NULL)
			*port++ = '\0';
	}
	if (port != NULL && !port_parse(port, &e->port))
		return 0;
	return address_parse(addr, v6, e);
}

/* RFC 6052 2.2: these lengths alone, and nothing in the octet between. */
static int
nat64_parse(const char *text, struct entry *e)
{
	char copy[ENTRY_MAX];

	if (strlen(text) >= sizeof(copy))
		return 0;
	memcpy(copy, text, strlen(text) + 1);
	e->port = 0;
	if (!address_parse(copy, 1, e))
		return 0;
	return e->bits == 96 ? e->addr[8] == 0 : e->bits == 64 || e->bits == 56 ||
	    e->bits == 48 || e->bits == 40 || e->bits == 32;
}

static size_t
count(const char *const *list)
{
	size_t n = 0;

	while (list != NULL && list[n] != NULL)
		n++;
	return n;
}

static int
refused_entry(const char *entry, const char *what, struct sst_error *err)
{
	char shown[160];

	return sst_fail(err, SST_E_USAGE, "\"%s\" is not %s",
	    sst_escape(shown, sizeof(shown), entry, strlen(entry)), what);
}

int
sst_guard_new(const char *const *allow, const char *const *nat64, struct sst_guard **ret,
    struct sst_error *err)
{
	const size_t n = count(allow), n_nat64 = count(nat64);
	struct sst_guard *g = calloc(1, sizeof(*g) + (n + n_nat64) * sizeof(g->entry[0]));
	int rc = SST_OK;

	if (g == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	for (; g->n < n && rc == SST_OK; g->n++)
		if (!entry_parse(allow[g->n], &g->entry[g->n]))
			rc = refused_entry(allow[g->n], "an address that may be fetched "
			    "from: write ADDRESS, ADDRESS/BITS, ADDRESS:PORT or "
			    "[IPV6/BITS]:PORT", err);
	for (; g->n_nat64 < n_nat64 && rc == SST_OK; g->n_nat64++)
		if (!nat64_parse(nat64[g->n_nat64], &g->entry[n + g->n_nat64]))
			rc = refused_entry(nat64[g->n_nat64], "a prefix of NAT64: write "
			    "IPV6/BITS, where BITS is 32, 40, 48, 56, 64 or 96", err);
	if (rc < 0) {
		sst_guard_free(g);
		return rc;
	}
	*ret = g;
	return SST_OK;
}

void
sst_guard_free(struct sst_guard *g)
{
	free(g);
}

static int
is_listed(const struct sst_guard *g, const uint8_t addr[16], uint16_t port)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct entry *e = &g->entry[i];

		if ((e->port == 0 || e->port == port) &&
		    prefix_equal(addr, e->addr, e->bits))
			return 1;
	}
	return 0;
}

/* The four octets that begin behind a prefix of that length, but for octet 8. */
static void
behind(const uint8_t in[16], unsigned bits, uint8_t out[4])
{
	unsigned at = bits / 8;

	for (int i = 0; i < 4; i++) {
		if (at == 8)
			at++;
		out[i] = in[at++];
	}
}

/* The same of the site's own prefixes; what is IPv4 is behind none. */
static int
site_embedded(const struct sst_guard *g, const uint8_t in[16], uint8_t out[4])
{
	for (size_t i = 0; i < g->n_nat64; i++) {
		const struct entry *e = &g->entry[g->n + i];

		if (memcmp(in, mapped, MAPPED_LEN) != 0 &&
		    prefix_equal(in, e->addr, e->bits)) {
			behind(in, e->bits, out);
			return 1;
		}
	}
	return 0;
}

/*
 * The IPv4 address inside `in`, mapped: of NAT64 (RFC 6052), 6to4 (RFC 3056) and
 * Teredo, where the client's address is inverted (RFC 4380). 0: none is in it.
 */
static int
embedded(const struct sst_guard *g, const uint8_t in[16], uint8_t out[16])
{
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	static const uint8_t teredo[4] = { 0x20, 0x01, 0x00, 0x00 };

	memcpy(out, mapped, MAPPED_LEN);
	if (site_embedded(g, in, out + MAPPED_LEN))
		return 1;
	if (memcmp(in, nat64, sizeof(nat64)) == 0) {
		memcpy(out + 12, in + 12, 4);
		return 1;
	}
	if (in[0] == 0x20 && in[1] == 0x02) {
		memcpy(out + 12, in + 2, 4);
		return 1;
	}
	if (memcmp(in, teredo, sizeof(teredo)) == 0) {
		for (int i = 0; i < 4; i++)
			out[12 + i] = in[12 + i] ^ 0xff;
		return 1;
	}
	return 0;
}

/* NULL: globally reachable; else what it is instead. */
static const char *
not_public(const uint8_t addr[16])
{
	if (memcmp(addr, mapped, MAPPED_LEN) != 0 && (addr[0] & 0xe0) != 0x20)
		return "not global unicast";
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (prefix_equal(addr, special[i].addr, special[i].bits))
			return special[i].what;
	return NULL;
}

static int
octets_of(const struct sockaddr *sa, socklen_t len, uint8_t addr[16], uint16_t *port)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (sa->sa_family == AF_INET && len >= (socklen_t)sizeof(in)) {
		memcpy(&in, sa, sizeof(in));
		memcpy(addr, mapped, MAPPED_LEN);
		memcpy(addr + 12, &in.sin_addr, 4);
		*port = ntohs(in.sin_port);
		return 1;
	}
	if (sa->sa_family == AF_INET6 && len >= (socklen_t)sizeof(in6)) {
		memcpy(&in6, sa, sizeof(in6));
		memcpy(addr, &in6.sin6_addr, 16);
		*port = ntohs(in6.sin6_port);
		return 1;
	}
	return 0;
}

static void
address_text(const uint8_t addr[16], uint16_t port, char *out, size_t size)
{
	char text[INET6_ADDRSTRLEN];

	if (memcmp(addr, mapped, MAPPED_LEN) == 0) {
		(void)inet_ntop(AF_INET, addr + 12, text, sizeof(text));
		(void)snprintf(out, size, "%s:%u", text, port);
		return;
	}
	(void)inet_ntop(AF_INET6, addr, text, sizeof(text));
	(void)snprintf(out, size, "[%s]:%u", text, port);
}

int
sst_guard_address(const struct sst_guard *g, const struct sockaddr *sa, socklen_t len,
    struct sst_error *err)
{
	uint8_t addr[16], inner[16];
	char text[INET6_ADDRSTRLEN + 16];
	const char *what;
	uint16_t port;

	if (!octets_of(sa, len, addr, &port)) {
		sst_fail(err, SST_E_REFUSED, "not an internet address");
		return 0;
	}
	if (is_listed(g, addr, port))
		return 1;
	address_text(addr, port, text, sizeof(text));
	if (embedded(g, addr, inner)) {
		if (is_listed(g, inner, port))
			return 1;
		what = not_public(inner);
	} else {
		what = not_public(addr);
	}
	if (what != NULL) {
		sst_fail(err, SST_E_REFUSED, "%s is not a public address (%s), and nobody "
		    "allowed it", text, what);
		return 0;
	}
	if (port != HTTP_PORT) {
		sst_fail(err, SST_E_REFUSED, "%s is not at port 80, and nobody allowed it",
		    text);
		return 0;
	}
	return 1;
}

static int
port_may_be(const struct sst_guard *g, uint16_t port)
{
	if (port == HTTP_PORT)
		return 1;
	for (size_t i = 0; i < g->n; i++)
		if (g->entry[i].port == 0 || g->entry[i].port == port)
			return 1;
	return 0;
}

/* The form of "HOST" or "HOST:PORT", `len` octets; *ret_port is 80 if none is
 * there. A stricter form than any URL parser's: what differs between two of them
 * does not pass here. */
static int
authority_ok(const char *s, size_t len, uint16_t *ret_port)
{
	const char *chars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	size_t host = 0;
	char port[8];

	if (len > 0 && s[0] == '[') {
		host = 1 + strspn(s + 1, "0123456789abcdefABCDEF:.");
		if (host < 4 || host >= len || s[host] != ']')
			return 0;
		host++;
	} else {
		host = strspn(s, chars);
		if (host == 0 || host > 253)
			return 0;
	}
	*ret_port = HTTP_PORT;
	if (host == len)
		return 1;
	if (host > len || s[host] != ':' || len - host - 1 >= sizeof(port))
		return 0;
	memcpy(port, s + host + 1, len - host - 1);
	port[len - host - 1] = '\0';
	return port_parse(port, ret_port);
}

int
sst_guard_url(const struct sst_guard *g, const char *url, struct sst_error *err)
{
	char shown[200];
	const char *why = NULL;
	uint16_t port = 0;
	size_t len = strlen(url);

	for (size_t i = 0; i < len; i++)
		if (url[i] <= ' ' || url[i] >= 0x7f || url[i] == '\\')
			why = "it holds a byte that no URL may hold";
	if (why != NULL)
		;
	else if (strncasecmp(url, "http://", 7) != 0)
		why = "only http is fetched";
	else if (!authority_ok(url + 7, strcspn(url + 7, "/?#"), &port))
		why = "its host or port has not a plain form";
	else if (!port_may_be(g, port))
		why = "it is not at port 80, and nobody allowed that";
	if (why == NULL)
		return 1;
	sst_escape(shown, sizeof(shown), url, len);
	sst_fail(err, SST_E_REFUSED, "\"%s\" is not fetched: %s", shown, why);
	return 0;
}

char *
sst_guard_host(const char *url)
{
	const char *from = url + strlen("http://");
	size_t len = strcspn(from, "/?#");
	char *host = malloc(len + sizeof(":80"));

	if (host == NULL)
		return NULL;
	for (size_t i = 0; i < len; i++)
		host[i] = from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] | 0x20) : from[i];
	host[len] = '\0';
	if (strrchr(host, ':') == NULL || host[len - 1] == ']')
		memcpy(host + len, ":80", sizeof(":80"));
	return host;
}
