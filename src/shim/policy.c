/* SPDX-License-Identifier: ISC */
#include "policy.h"

#include <arpa/inet.h>
#include <string.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

/* Decimal digits and nothing else, at most `max`. 0 or -1. */
static int
number(const char *text, uint32_t max, uint32_t *ret_value)
{
	uint64_t v = 0;

	if (*text == '\0')
		return -1;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		v = v * 10 + (uint64_t)(*text - '0');
		if (v > max)
			return -1;
	}
	*ret_value = (uint32_t)v;
	return 0;
}

static int
parse_address(char *host, uint8_t addr[16])
{
	size_t len = strlen(host);

	memset(addr, 0, 16);
	if (strcmp(host, "*") == 0)
		return 0;
	if (host[0] == '[') {
		if (len < 3 || host[len - 1] != ']')
			return -1;
		host[len - 1] = '\0';
		return inet_pton(AF_INET6, host + 1, addr) == 1 ? 0 : -1;
	}
	memcpy(addr, mapped, sizeof(mapped));
	return inet_pton(AF_INET, host, addr + sizeof(mapped)) == 1 ? 0 : -1;
}

int
sst_policy_rule(struct sst_policy *p, const char *text, const char **ret_why)
{
	struct sst_policy_rule rule;
	const char *colon = strrchr(text, ':');
	char host[64];
	uint32_t port;

	memset(&rule, 0, sizeof(rule));
	if (p->n_rules == SST_POLICY_RULES) {
		*ret_why = "more than 64 ports";
		return -1;
	}
	if (strcmp(text, "any") != 0) {
		*ret_why = "a port is a number from 1 to 65535, *:PORT, "
		    "ADDRESS:PORT, [IPV6]:PORT, or any";
		if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
			return -1;
		memcpy(host, text, (size_t)(colon - text));
		host[colon - text] = '\0';
		if (parse_address(host, rule.addr) < 0 ||
		    number(colon + 1, 65535, &port) < 0 || port == 0)
			return -1;
		rule.port = (uint16_t)port;
	}
	p->rules[p->n_rules++] = rule;
	return 0;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "DOOR SECRET PID UID" */
static int
parse_pair(struct sst_policy *p, char *text)
{
	char *word[4];
	uint32_t pid, uid;

	word[0] = text;
	for (int i = 1; i < 4; i++) {
		word[i] = strchr(word[i - 1], ' ');
		if (word[i] == NULL)
			return -1;
		*word[i]++ = '\0';
	}
	if (strlen(word[0]) != sizeof(p->pair.door) ||
	    strlen(word[1]) != 2 * SST_SECRET_LEN ||
	    number(word[2], INT32_MAX, &pid) < 0 ||
	    number(word[3], UINT32_MAX, &uid) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(p->pair.door); i++)
		if (hex(word[0][i]) < 0)
			return -1;
	for (size_t i = 0; i < SST_SECRET_LEN; i++) {
		if (hex(word[1][2 * i]) < 0 || hex(word[1][2 * i + 1]) < 0)
			return -1;
		p->pair.secret[i] = (uint8_t)(hex(word[1][2 * i]) << 4 |
		    hex(word[1][2 * i + 1]));
	}
	memcpy(p->pair.door, word[0], sizeof(p->pair.door));
	p->pair.keeper_pid = (pid_t)pid;
	p->pair.uid = (uid_t)uid;
	p->has_pair = 1;
	return 0;
}

static int
add_file(const char **files, size_t *n, const char *path, const char **ret_why)
{
	*ret_why = path[0] == '/' ? "more than 16 files of a kind" :
	    "a path does not start with a slash";
	if (path[0] != '/' || *n == SST_POLICY_FILES)
		return -1;
	files[(*n)++] = path;
	return 0;
}

/* One of a kind. */
static int
set_once(const char **ret_value, const char *value, const char **ret_why)
{
	*ret_why = "a line that is empty, or twice there";
	if (*ret_value != NULL || value[0] == '\0')
		return -1;
	*ret_value = value;
	return 0;
}

static int
parse_line(struct sst_policy *p, const char *key, char *value, const char **ret_why)
{
	if (strcmp(key, "tls") == 0)
		return sst_policy_rule(p, value, ret_why);
	if (strcmp(key, "chain") == 0)
		return add_file(p->chains, &p->n_chains, value, ret_why);
	if (strcmp(key, "key") == 0)
		return add_file(p->keys, &p->n_keys, value, ret_why);
	if (strcmp(key, "trust") == 0)
		return value[0] == '/' ? set_once(&p->trust, value, ret_why) : -1;
	if (strcmp(key, "name") == 0)
		return set_once(&p->name, value, ret_why);
	if (strcmp(key, "nameless") == 0) {
		p->by_address = strcmp(value, "address") == 0;
		return p->by_address || strcmp(value, "refuse") == 0 ? 0 : -1;
	}
	if (strcmp(key, "pair") == 0)
		return p->has_pair ? -1 : parse_pair(p, value);
	return -1;
}

int
sst_policy_parse(const char *text, struct sst_policy *p, const char **ret_why)
{
	char *line = p->text;
	char *end, *value;
	int first = 1;

	memset(p, 0, sizeof(*p));
	*ret_why = "it is longer than 16383 bytes";
	if (strlen(text) >= sizeof(p->text))
		return -1;
	(void)strcpy(p->text, text);
	for (; *line != '\0'; line = end + 1, first = 0) {
		*ret_why = "a line that this release does not know";
		end = strchr(line, '\n');
		if (end == NULL)
			return -1;
		*end = '\0';
		if (first) {
			if (strcmp(line, "1") != 0)
				return -1;
			continue;
		}
		value = strchr(line, ' ');
		if (value == NULL)
			return -1;
		*value++ = '\0';
		if (parse_line(p, line, value, ret_why) < 0)
			return -1;
	}
	*ret_why = "it names no port";
	return p->n_rules == 0 ? -1 : 0;
}

int
sst_policy_address(const union sst_inet *a, uint8_t ret_addr[16])
{
	if (a->any.sa_family == AF_INET) {
		memcpy(ret_addr, mapped, sizeof(mapped));
		memcpy(ret_addr + sizeof(mapped), &a->v4.sin_addr, 4);
		return 0;
	}
	if (a->any.sa_family != AF_INET6)
		return -1;
	memcpy(ret_addr, &a->v6.sin6_addr, 16);
	return 0;
}

/* :: and 0.0.0.0, also as ::ffff:0.0.0.0. */
static int
is_wildcard(const uint8_t addr[16])
{
	static const uint8_t zero[16];

	return memcmp(addr, zero, 16) == 0 ||
	    (memcmp(addr, mapped, 12) == 0 && memcmp(addr + 12, zero, 4) == 0);
}

int
sst_policy_covers(const struct sst_policy *p, const union sst_inet *a)
{
	uint16_t port;
	uint8_t addr[16];

	if (sst_policy_address(a, addr) < 0)
		return 1;
	port = ntohs(a->any.sa_family == AF_INET ? a->v4.sin_port : a->v6.sin6_port);
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct sst_policy_rule *r = &p->rules[i];

		if (r->port != 0 && r->port != port)
			continue;
		if (is_wildcard(r->addr) || is_wildcard(addr) ||
		    memcmp(r->addr, addr, sizeof(addr)) == 0)
			return 1;
	}
	return 0;
}
