/* SPDX-License-Identifier: ISC */
#include "name.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <securesockets/certstore.h>

#include "base/escape.h"
#include "base/fail.h"

#define LABEL_MAX	63
#define TEXT_MAX	255

static int
host_byte(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	    c == '_';
}

/* Copies `len` (<= TEXT_MAX) bytes in lower case and drops one last dot. */
static size_t
lower(char *out, const uint8_t *bytes, size_t len)
{
	if (len > 1 && bytes[len - 1] == '.')
		len--;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = bytes[i];

		out[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	out[len] = '\0';
	return len;
}

/* Whether every label is 1 to 63 host bytes. */
static int
labels_ok(const char *name)
{
	size_t label = 0;

	for (; *name != '\0'; name++) {
		if (*name == '.') {
			if (label == 0)
				return 0;
			label = 0;
			continue;
		}
		if (!host_byte((unsigned char)*name) || ++label > LABEL_MAX)
			return 0;
	}
	return label > 0;
}

/* Whether the text is an address; a v6 one may stand in brackets. */
static int
literal(const char *text, char *out)
{
	char inner[SST_NAME_SIZE];
	uint8_t bytes[16];
	size_t len = strlen(text);

	if (inet_pton(AF_INET, text, bytes) == 1)
		return sst_name_ip(bytes, 4, out);
	if (len > 2 && text[0] == '[' && text[len - 1] == ']' &&
	    len - 2 < sizeof(inner)) {
		memcpy(inner, text + 1, len - 2);
		inner[len - 2] = '\0';
		text = inner;
	}
	if (inet_pton(AF_INET6, text, bytes) == 1)
		return sst_name_ip(bytes, 16, out);
	return 0;
}

enum sst_asked
sst_name_asked(const uint8_t *bytes, size_t len, char *out)
{
	char ip[SST_NAME_SIZE];

	for (size_t i = 0; i < len; i++) {
		if (bytes[i] < 0x20 || bytes[i] >= 0x7f) {
			(void)sst_escape(out, SST_NAME_SIZE, bytes, len);
			return SST_ASKED_ILLEGAL;
		}
	}
	if (len > TEXT_MAX) {
		(void)sst_escape(out, SST_NAME_SIZE, bytes, len);
		return SST_ASKED_NOBODYS;
	}
	(void)lower(out, bytes, len);
	if (literal(out, ip))
		return SST_ASKED_LITERAL;
	return labels_ok(out) ? SST_ASKED_NAME : SST_ASKED_NOBODYS;
}

/*
 * Whether `rest` looks like a domain that many parties share. Only a warning
 * hangs on it, so the common shapes do: "com", "co.uk", "com.au".
 */
static int
shared_suffix(const char *rest)
{
	static const char *const seconds[] = {
		"ac", "co", "com", "edu", "gob", "gov", "ne", "net", "or", "org",
	};
	const char *dot = strchr(rest, '.');

	if (dot == NULL)
		return 1;
	if (strlen(dot + 1) != 2)
		return 0;
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		if (strlen(seconds[i]) == (size_t)(dot - rest) &&
		    strncmp(rest, seconds[i], (size_t)(dot - rest)) == 0)
			return 1;
	}
	return 0;
}

int
sst_name_san(const uint8_t *bytes, size_t len, char *out, const char **ret_warning)
{
	char ip[SST_NAME_SIZE];
	const char *rest;

	*ret_warning = NULL;
	out[0] = '\0';
	if (len == 0 || len > TEXT_MAX) {
		*ret_warning = "a name of impossible length is ignored";
		return 0;
	}
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] < 0x20 || bytes[i] >= 0x7f) {
			*ret_warning = "a name with bytes that are not ASCII is ignored"
			    " (names in certificates are A-labels)";
			return 0;
		}
	}
	(void)lower(out, bytes, len);
	rest = out[0] == '*' && out[1] == '.' ? out + 2 : out;
	if (literal(rest, ip)) {
		*ret_warning = "an address written as a DNS name is ignored";
		return 0;
	}
	if (!labels_ok(rest)) {
		*ret_warning = strchr(out, '*') != NULL ?
		    "a wildcard that is not one whole first label is ignored" :
		    "a name that is no host name is ignored";
		return 0;
	}
	if (rest != out && shared_suffix(rest))
		*ret_warning = "a wildcard covers a whole public suffix";
	return 1;
}

int
sst_name_ip(const uint8_t *bytes, size_t len, char *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char text[INET6_ADDRSTRLEN];

	if (len == 16 && memcmp(bytes, mapped, sizeof(mapped)) == 0) {
		bytes += sizeof(mapped);
		len = 4;
	}
	if (len != 4 && len != 16)
		return 0;
	(void)inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, text, sizeof(text));
	(void)snprintf(out, SST_NAME_SIZE, "ip:%s", text);
	return 1;
}

int
sst_name_sockaddr(const struct sockaddr *sa, char *out)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (sa == NULL)
		return 0;
	if (sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		return sst_name_ip((const uint8_t *)&v4.sin_addr, 4, out);
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		return sst_name_ip((const uint8_t *)&v6.sin6_addr, 16, out);
	}
	return 0;
}

int
sst_name_wild(const char *name, char *out)
{
	const char *dot = strchr(name, '.');
	size_t len;

	if (dot == NULL || dot == name || strncmp(name, "ip:", 3) == 0)
		return 0;
	len = strnlen(dot, SST_NAME_SIZE - 2);
	out[0] = '*';
	memcpy(out + 1, dot, len);
	out[1 + len] = '\0';
	return 1;
}

int
sst_name_match(const char *pattern, const char *name)
{
	const char *dot;

	if (strcmp(pattern, name) == 0)
		return 1;
	if (pattern[0] != '*' || strncmp(name, "ip:", 3) == 0)
		return 0;
	dot = strchr(name, '.');
	return dot != NULL && dot != name && name[0] != '*' &&
	    strcmp(pattern + 1, dot) == 0;
}

/* Whether there is nothing to translate: labels of ASCII letters, digits, '_' and,
 * inside, '-', none of which may be an A-label. */
static int
is_ascii_name(const char *text)
{
	const size_t len = strlen(text);
	size_t label = 0;

	for (size_t i = 0; i < len && len < TEXT_MAX - 1; i++) {
		const char c = text[i];

		if (c == '.' ? label == 0 || text[i - 1] == '-' :
		    c == '-' ? label == 0 || (label == 3 && text[i - 1] == '-') :
		    !host_byte((unsigned char)c) && (c < 'A' || c > 'Z'))
			return 0;
		label = c == '.' ? 0 : label + 1;
		if (label > LABEL_MAX)
			return 0;
	}
	return label > 0 && text[len - 1] != '-';
}

/* A-labels of a name in UTF-8. */
static int
to_a_labels(const char *text, const char *shown, char *out, struct sst_error *err)
{
	uint8_t *ascii = NULL;
	int rc;

	/* Most are, and the library's tables cost each connection. */
	if (is_ascii_name(text)) {
		(void)lower(out, (const uint8_t *)text, strlen(text));
		return SST_OK;
	}
	rc = idn2_lookup_u8((const uint8_t *)text, &ascii,
	    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (rc != IDN2_OK)
		return sst_fail(err, rc == IDN2_MALLOC ? SST_E_NOMEM : SST_E_USAGE,
		    "\"%s\" is not a host name: %s", shown, idn2_strerror(rc));
	if (strlen((const char *)ascii) > TEXT_MAX) {
		idn2_free(ascii);
		return sst_fail(err, SST_E_USAGE, "\"%s\" is longer than a host name",
		    shown);
	}
	(void)lower(out, ascii, strlen((const char *)ascii));
	idn2_free(ascii);
	if (!labels_ok(out))
		return sst_fail(err, SST_E_USAGE, "\"%s\" is not a host name", shown);
	return SST_OK;
}

int
sst_name_fold(const char *name, char *out, size_t size, struct sst_error *err)
{
	char shown[SST_NAME_SIZE], folded[SST_NAME_SIZE], tail[SST_NAME_SIZE];
	int wild = name[0] == '*' && name[1] == '.';
	int rc;

	(void)sst_escape(shown, sizeof(shown), name, strlen(name));
	if (size < SST_NAME_SIZE)
		return sst_fail(err, SST_E_USAGE, "the buffer for \"%s\" is too small",
		    shown);
	if (literal(name, folded)) {
		(void)snprintf(out, size, "%s", folded + strlen("ip:"));
		return SST_OK;
	}
	if (strlen(name) > 4 * (size_t)TEXT_MAX)
		return sst_fail(err, SST_E_USAGE, "\"%s\" is longer than a host name",
		    shown);
	rc = to_a_labels(wild ? name + 2 : name, shown, tail, err);
	if (rc < 0)
		return rc;
	if (strlen(tail) + (wild ? 2 : 0) > TEXT_MAX)
		return sst_fail(err, SST_E_USAGE, "\"%s\" is longer than a host name",
		    shown);
	if (literal(tail, folded)) {
		if (wild)
			return sst_fail(err, SST_E_USAGE,
			    "\"%s\" is a wildcard before an address", shown);
		(void)snprintf(out, size, "%s", folded + strlen("ip:"));
		return SST_OK;
	}
	(void)snprintf(out, size, "%s%.253s", wild ? "*." : "", tail);
	return SST_OK;
}
