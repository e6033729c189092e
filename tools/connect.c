/* SPDX-License-Identifier: ISC */
/*
 * connect - sstool connect: what a server serves.
 *
 * A client like any other: it uses the POSIX calls with IPPROTO_TLS, so what
 * it accepts or refuses is what a program gets.
 */
#include <securesockets.h>

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain.h"
#include "out.h"
#include "verb.h"

#define VERB	"connect"

struct target {
	char		 host[256];
	char		 port[32];
	const char	*name;		/* --name; NULL: host */
	const char	*trust;		/* --trust, or NULL */
	const char	*alpn;		/* --alpn, or NULL */
	int		 json;
};

/* HOST:PORT or [v6]:PORT. 0, or -1. */
static int
parse_target(struct target *t, const char *text)
{
	const char *host = text, *colon = strrchr(text, ':');
	size_t len;

	if (colon == NULL || colon[1] == '\0' || colon == text)
		return -1;
	len = (size_t)(colon - text);
	if (text[0] == '[') {
		if (text[len - 1] != ']')
			return -1;
		host++;
		len -= 2;
	} else if (memchr(text, ':', len) != NULL) {
		return -1;
	}
	if (len == 0 || len >= sizeof(t->host) || strlen(colon + 1) >= sizeof(t->port))
		return -1;
	memcpy(t->host, host, len);
	t->host[len] = '\0';
	strcpy(t->port, colon + 1);
	return 0;
}

/* The text of an option, cleaned; "" when there is none. */
static char *
text_option(int fd, int option, char *out, size_t size)
{
	char value[4096] = "";
	socklen_t len = sizeof(value) - 1;

	out[0] = '\0';
	if (getsockopt(fd, IPPROTO_TLS, option, value, &len) < 0 || len == 0)
		return out;
	value[sizeof(value) - 1] = '\0';
	return sst_out_clean(out, size, value);
}

/* Says why a call failed: the library's sentence when it has one. */
static int
failed(int fd, int error, const char *what)
{
	char text[2048], name[2000];
	int code = SST_EXIT_UNAVAILABLE;

	if (error == EPROTO || error == EINVAL || error == EACCES)
		code = SST_EXIT_NO;
	if (error == ENOENT)
		code = SST_EXIT_CANNOT_TELL;
	text_option(fd, TLS_ERROR, text, sizeof(text));
	return sst_out_trouble(code, "%s: %s",
	    sst_out_clean(name, sizeof(name), what),
	    *text != '\0' ? text : strerror(error));
}

static json_t *
read_chain(int fd)
{
	socklen_t size = 1 << 16;
	char *pem = calloc(1, size);
	json_t *chain = NULL;

	if (pem != NULL && getsockopt(fd, IPPROTO_TLS,
	    TLS_PEER_CERTIFICATE_CHAIN, pem, &size) == 0)
		chain = sst_chain_read(pem);
	free(pem);
	return chain != NULL ? chain : json_array();
}

static const char *
version_name(int version)
{
	return version == TLS_1_3 ? "1.3" : version == TLS_1_2 ? "1.2" : "?";
}

static void
report(int fd, const struct target *t, const char *address)
{
	char cipher[128], alpn[512], name[600];
	json_t *chain = read_chain(fd), *o;
	int version = 0;
	socklen_t len = sizeof(version);

	getsockopt(fd, IPPROTO_TLS, TLS_VERSION_CONN, &version, &len);
	text_option(fd, TLS_CHOSEN_CIPHER, cipher, sizeof(cipher));
	text_option(fd, TLS_ALPN, alpn, sizeof(alpn));
	if (t->json) {
		o = sst_out_object();
		json_object_set_new(o, "name", sst_out_string(t->name));
		json_object_set_new(o, "address", sst_out_string(address));
		json_object_set_new(o, "port", sst_out_string(t->port));
		json_object_set_new(o, "version", json_string(version_name(version)));
		json_object_set_new(o, "cipher", json_string(cipher));
		json_object_set_new(o, "alpn", *alpn ? json_string(alpn) : json_null());
		json_object_set(o, "chain", chain);
		sst_out_json(o);
	} else {
		printf("server    %s at %s port %s\n",
		    sst_out_name(name, sizeof(name), t->name), address, t->port);
		printf("protocol  TLS %s  %s  ALPN %s\n", version_name(version),
		    cipher, *alpn ? alpn : "none");
		sst_chain_print(chain);
	}
	json_decref(chain);
}

static int
set_text(int fd, int option, const char *value)
{
	if (value == NULL)
		return 0;
	return setsockopt(fd, IPPROTO_TLS, option, value,
	    (socklen_t)strlen(value) + 1);
}

/* One address. *ret_next is set when another one may do better. */
static int
try_address(const struct target *t, const struct addrinfo *ai, int *ret_next)
{
	char address[NI_MAXHOST] = "?", what[1600];
	int fd, rc;

	*ret_next = 0;
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TLS);
	if (fd < 0)
		return failed(-1, errno, "socket");
	if (set_text(fd, TLS_REMOTE_HOSTNAME, t->name) < 0) {
		rc = failed(fd, errno, t->name);
		goto out;
	}
	if (set_text(fd, TLS_TRUSTED_PEER_CERTIFICATES, t->trust) < 0) {
		rc = failed(fd, errno, t->trust);
		goto out;
	}
	if (set_text(fd, TLS_ALPN, t->alpn) < 0) {
		rc = failed(fd, errno, "--alpn");
		goto out;
	}
	getnameinfo(ai->ai_addr, ai->ai_addrlen, address, sizeof(address), NULL,
	    0, NI_NUMERICHOST);
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
		*ret_next = errno != EPROTO;
		snprintf(what, sizeof(what), "%s at %s port %s", t->name, address,
		    t->port);
		rc = failed(fd, errno, what);
		goto out;
	}
	report(fd, t, address);
	rc = SST_EXIT_YES;
out:
	close(fd);
	return rc;
}

static int
reach(const struct target *t)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	char host[600];
	int next = 1, rc;

	rc = getaddrinfo(t->host, t->port, &hints, &list);
	if (rc != 0)
		return sst_out_trouble(rc == EAI_AGAIN ? SST_EXIT_TRY_LATER :
		    SST_EXIT_UNAVAILABLE, "%s port %s: %s",
		    sst_out_clean(host, sizeof(host), t->host), t->port,
		    gai_strerror(rc));
	rc = SST_EXIT_UNAVAILABLE;
	for (const struct addrinfo *ai = list; ai != NULL && next; ai = ai->ai_next)
		rc = try_address(t, ai, &next);
	freeaddrinfo(list);
	return rc;
}

int
sst_verb_connect(int argc, char **argv)
{
	static const struct option options[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "trust", required_argument, NULL, 't' },
		{ "alpn", required_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct target t = { .json = 0 };
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == 'n')
			t.name = optarg;
		else if (c == 't')
			t.trust = optarg;
		else if (c == 'a')
			t.alpn = optarg;
		else if (c == 'j')
			t.json = 1;
		else
			return sst_out_option(VERB, c, argv);
	}
	if (argc - optind != 1 || parse_target(&t, argv[optind]) < 0)
		return sst_out_usage(VERB, "one HOST:PORT, or [IPV6]:PORT");
	if (t.name == NULL)
		t.name = t.host;
	return reach(&t);
}
