/* SPDX-License-Identifier: ISC */
#include "forced.h"
#include "memo.h"
#include "real.h"
#include "sys.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

#include "base/clock.h"

/* "127.1" is an address for libc, too. */
static int
is_address(const char *host)
{
	char copy[64];
	struct in6_addr a;
	size_t len = strcspn(host, "%");	/* a scope */

	if (len >= sizeof(copy))
		return 0;
	memcpy(copy, host, len);
	copy[len] = '\0';
	return inet_aton(host, (struct in_addr *)(void *)&a) != 0 ||
	    inet_pton(AF_INET6, copy, &a) == 1;
}

static void
remember(const char *host, int family, const void *addr)
{
	union sst_inet a;
	uint8_t bytes[16];

	memset(&a, 0, sizeof(a));
	a.any.sa_family = (sa_family_t)family;
	if (family == AF_INET)
		memcpy(&a.v4.sin_addr, addr, sizeof(a.v4.sin_addr));
	else if (family == AF_INET6)
		memcpy(&a.v6.sin6_addr, addr, sizeof(a.v6.sin6_addr));
	if (sst_policy_address(&a, bytes) == 0)
		sst_memo_add(bytes, is_address(host) ? "" : host, sst_clock_ms());
}

static void
remember_entry(const char *host, const struct hostent *h)
{
	if (host == NULL || h == NULL || sst_forced_policy(NULL) == NULL)
		return;
	for (char **a = h->h_addr_list; *a != NULL; a++)
		remember(host, h->h_addrtype, *a);
}

SST_EXPORT int
getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
    struct addrinfo **ret_list)
{
	int r = SST_REAL(getaddrinfo)(host, service, hints, ret_list);

	if (r != 0 || host == NULL || sst_forced_policy(NULL) == NULL)
		return r;
	for (const struct addrinfo *ai = *ret_list; ai != NULL; ai = ai->ai_next)
		if (ai->ai_family == AF_INET)
			remember(host, AF_INET, &((const struct sockaddr_in *)
			    (const void *)ai->ai_addr)->sin_addr);
		else if (ai->ai_family == AF_INET6)
			remember(host, AF_INET6, &((const struct sockaddr_in6 *)
			    (const void *)ai->ai_addr)->sin6_addr);
	return r;
}

SST_EXPORT struct hostent *
gethostbyname(const char *host)
{
	struct hostent *h = SST_REAL(gethostbyname)(host);

	remember_entry(host, h);
	return h;
}

SST_EXPORT struct hostent *
gethostbyname2(const char *host, int family)
{
	struct hostent *h = SST_REAL(gethostbyname2)(host, family);

	remember_entry(host, h);
	return h;
}

SST_EXPORT int
gethostbyname_r(const char *host, struct hostent *ret, char *buf, size_t len,
    struct hostent **ret_found, int *ret_error)
{
	int r = SST_REAL(gethostbyname_r)(host, ret, buf, len, ret_found, ret_error);

	if (r == 0)
		remember_entry(host, *ret_found);
	return r;
}

SST_EXPORT int
gethostbyname2_r(const char *host, int family, struct hostent *ret, char *buf,
    size_t len, struct hostent **ret_found, int *ret_error)
{
	int r = SST_REAL(gethostbyname2_r)(host, family, ret, buf, len, ret_found,
	    ret_error);

	if (r == 0)
		remember_entry(host, *ret_found);
	return r;
}
