/* SPDX-License-Identifier: ISC */
/* machine_key - the table of keys, and a value from a file into a machine. */
#include "machine_inside.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"

#define MIB		(1024ull * 1024)
#define LIST_MAX	1024	/* entries of fetch.allow, of fetch.nat64 */
#define TEXT_MAX	1024	/* octets of a path, a URL, an entry */
#define TEXT_OF(n)	TEXT_AS(n)
#define TEXT_AS(n)	#n

const struct sst_machine_row sst_machine_keys[] = {
	[SST_KEY_MODE] = { "revocation.mode", SST_MACHINE_WORD,
	    "off, soft, hard, staple", 0, 0, "soft", 1,
	    "what is refused: nothing; what is revoked or unknown to its issuer; "
	    "whatever is not known to be good; that, and a peer without a valid staple" },
	[SST_KEY_BUDGET] = { "revocation.budget_ms", SST_MACHINE_INT,
	    "1 to 60000", 1, 60000, TEXT_OF(SST_REVOCATION_BUDGET_MS), 1,
	    "how long a connection may wait for evidence that has to be fetched" },
	[SST_KEY_HARD_CHAIN] = { "revocation.hard_chain", SST_MACHINE_BOOL, "", 0, 0,
	    "false", 1, "hard holds for the certificates of CAs as well" },
	[SST_KEY_REFUSE_NO_SOURCE] = { "revocation.refuse_no_source", SST_MACHINE_BOOL,
	    "", 0, 0, "true in hard and staple", 1,
	    "refuse a certificate that names neither a list nor a responder" },
	[SST_KEY_EXEMPT_SHORT] = { "revocation.exempt_short", SST_MACHINE_BOOL, "", 0, 0,
	    "false", 1,
	    "accept a certificate that lives 7 days at most and names no source" },
	[SST_KEY_MAX_AGE] = { "revocation.max_age", SST_MACHINE_INT,
	    "60 to 31536000", 60, 31536000, "10 days, 35 for lists", 1,
	    "seconds after which evidence is too old, whatever it says of itself. What "
	    "announces no end lives 1 hour, a list 24, and no longer than this" },
	[SST_KEY_FETCH] = { "revocation.fetch", SST_MACHINE_BOOL, "", 0, 0, "true", 1,
	    "ask the network for evidence that is missing" },
	[SST_KEY_STAPLES] = { "revocation.staple", SST_MACHINE_BOOL, "", 0, 0, "true", 1,
	    "ask peers for a staple and believe it" },
	[SST_KEY_OCSP] = { "revocation.ocsp", SST_MACHINE_BOOL, "", 0, 0, "true", 1,
	    "use responses of OCSP responders" },
	[SST_KEY_CRL] = { "revocation.crl", SST_MACHINE_BOOL, "", 0, 0, "true", 1,
	    "use certificate revocation lists" },
	[SST_KEY_KEPT] = { "revocation.cache", SST_MACHINE_BOOL, "", 0, 0, "true", 1,
	    "use evidence that was kept from before" },
	[SST_KEY_CACHE_DIR] = { "cache.dir", SST_MACHINE_PATH, "", 0, 0,
	    "/var/cache/securesockets, or the user's", 1,
	    "where evidence is kept; an empty string: in memory alone" },
	[SST_KEY_CACHE_SIZE] = { "cache.size_mib", SST_MACHINE_INT, "1 to 65536", 1, 65536,
	    "256, 64 for a user's", 1, "how large the cache may grow, in MiB" },
	[SST_KEY_ALLOW] = { "fetch.allow", SST_MACHINE_LIST, "", 0, 0, "[]", 0,
	    "addresses that may be fetched from although they are not public: "
	    "\"10.1.0.0/16\", \"[::1]:8080\"" },
	[SST_KEY_NAT64] = { "fetch.nat64", SST_MACHINE_LIST, "", 0, 0, "[]", 0,
	    "prefixes of this site's NAT64, \"2001:db8:64::/96\": an address behind one "
	    "is judged by the IPv4 address in it" },
	[SST_KEY_PROXY] = { "fetch.proxy", SST_MACHINE_URL, "", 0, 0, "none", 0,
	    "HTTP proxy through which evidence is fetched" },
};

_Static_assert(sizeof(sst_machine_keys) / sizeof(sst_machine_keys[0]) == SST_MACHINE_KEYS,
    "every key has its row");

static const char *const modes[] = {
	[SST_REVOCATION_OFF] = "off", [SST_REVOCATION_SOFT] = "soft",
	[SST_REVOCATION_HARD] = "hard", [SST_REVOCATION_STAPLE] = "staple",
};

const char *
sst_machine_type_name(enum sst_machine_type type)
{
	static const char *const names[] = {
		[SST_MACHINE_WORD] = "word", [SST_MACHINE_BOOL] = "bool",
		[SST_MACHINE_INT] = "int", [SST_MACHINE_PATH] = "path",
		[SST_MACHINE_URL] = "url", [SST_MACHINE_LIST] = "list",
	};

	return names[type];
}

int
sst_machine_key_find(const char *group, const char *name)
{
	const size_t len = strlen(group);

	for (int k = 0; k < SST_MACHINE_KEYS; k++) {
		const char *full = sst_machine_keys[k].name;

		if (strncmp(full, group, len) == 0 && full[len] == '.' &&
		    strcmp(full + len + 1, name) == 0)
			return k;
	}
	return -1;
}

static enum sst_switch *
switch_of(struct sst_revocation_policy *p, enum sst_machine_key key)
{
	switch (key) {
	case SST_KEY_HARD_CHAIN:
		return &p->hard_chain;
	case SST_KEY_REFUSE_NO_SOURCE:
		return &p->refuse_no_source;
	case SST_KEY_EXEMPT_SHORT:
		return &p->exempt_short;
	case SST_KEY_FETCH:
		return &p->fetch;
	case SST_KEY_STAPLES:
		return &p->use_staples;
	case SST_KEY_OCSP:
		return &p->use_ocsp;
	case SST_KEY_CRL:
		return &p->use_crls;
	case SST_KEY_KEPT:
		return &p->use_cache;
	default:
		return NULL;
	}
}

static int
set_mode(struct sst_machine *m, const config_setting_t *s, struct sst_error *err)
{
	const char *word = config_setting_get_string(s);

	for (int i = SST_REVOCATION_OFF; word != NULL && i <= SST_REVOCATION_STAPLE; i++)
		if (strcmp(word, modes[i]) == 0) {
			m->revocation.mode = (enum sst_revocation_mode)i;
			return SST_OK;
		}
	return sst_fail(err, SST_E_USAGE, "%s wants one of \"off\", \"soft\", \"hard\", "
	    "\"staple\"", sst_machine_keys[SST_KEY_MODE].name);
}

static int
set_int(struct sst_machine *m, enum sst_machine_key key, const config_setting_t *s,
    struct sst_error *err)
{
	const struct sst_machine_row *row = &sst_machine_keys[key];
	const int type = config_setting_type(s);
	long long v = 0;

	if (type == CONFIG_TYPE_INT)
		v = config_setting_get_int(s);
	else if (type == CONFIG_TYPE_INT64)
		v = config_setting_get_int64(s);
	if ((type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) ||
	    v < row->min || v > row->max)
		return sst_fail(err, SST_E_USAGE, "%s wants a number from %lld to %lld",
		    row->name, row->min, row->max);
	if (key == SST_KEY_BUDGET)
		m->revocation.budget_ms = (unsigned)v;
	else if (key == SST_KEY_MAX_AGE)
		m->revocation.max_age = (unsigned)v;
	else
		m->cache_bytes = (uint64_t)v * MIB;
	return SST_OK;
}

/* A copy of a string that is plain printable text of a bearable length. */
static int
copy_text(const config_setting_t *s, const char *name, char **ret, struct sst_error *err)
{
	const char *text = config_setting_get_string(s);

	if (text == NULL || strlen(text) > TEXT_MAX)
		return sst_fail(err, SST_E_USAGE, "%s wants a string of at most %d octets",
		    name, TEXT_MAX);
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return sst_fail(err, SST_E_USAGE,
			    "%s holds a control character", name);
	*ret = strdup(text);
	return *ret != NULL ? SST_OK : sst_fail(err, SST_E_NOMEM, "out of memory");
}

static int
set_path(struct sst_machine *m, const config_setting_t *s, struct sst_error *err)
{
	const char *name = sst_machine_keys[SST_KEY_CACHE_DIR].name;
	char *path = NULL;
	int rc = copy_text(s, name, &path, err);

	if (rc < 0)
		return rc;
	if (path[0] != '\0' && path[0] != '/') {
		free(path);
		return sst_fail(err, SST_E_USAGE, "%s wants an absolute path, or \"\" "
		    "for memory alone", name);
	}
	free(m->cache_dir);
	m->cache_dir = path;
	return SST_OK;
}

static int
set_proxy(struct sst_machine *m, const config_setting_t *s, struct sst_error *err)
{
	const char *name = sst_machine_keys[SST_KEY_PROXY].name;
	char *url = NULL;
	int rc = copy_text(s, name, &url, err);

	if (rc < 0)
		return rc;
	if (strncmp(url, "http://", 7) != 0 || url[7] == '\0' ||
	    strpbrk(url + 7, "@ ?#\\\"") != NULL) {
		free(url);
		return sst_fail(err, SST_E_USAGE, "%s wants \"http://HOST:PORT\"", name);
	}
	free(m->proxy);
	m->proxy = url;
	return SST_OK;
}

void
sst_machine_list_free(char **list)
{
	for (char **p = list; p != NULL && *p != NULL; p++)
		free(*p);
	free(list);
}

/* The form of an entry is judged by who uses it; here it is text. */
static int
set_list(struct sst_machine *m, enum sst_machine_key key, const config_setting_t *s,
    struct sst_error *err)
{
	const char *name = sst_machine_keys[key].name;
	char ***at = key == SST_KEY_ALLOW ? &m->allow : &m->nat64;
	const int type = config_setting_type(s);
	const int n = config_setting_length(s);
	char **list;
	int rc = SST_OK;

	if ((type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST) || n > LIST_MAX)
		return sst_fail(err, SST_E_USAGE,
		    "%s wants a list of at most %d strings: [ \"%s\" ]", name, LIST_MAX,
		    key == SST_KEY_ALLOW ? "10.1.0.0/16" : "2001:db8:64::/96");
	list = calloc((size_t)n + 1, sizeof(*list));
	if (list == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	for (int i = 0; i < n && rc == SST_OK; i++)
		rc = copy_text(config_setting_get_elem(s, (unsigned)i), name, &list[i],
		    err);
	if (rc < 0) {
		sst_machine_list_free(list);
		return rc;
	}
	sst_machine_list_free(*at);
	*at = list;
	return SST_OK;
}

int
sst_machine_key_set(struct sst_machine *m, enum sst_machine_key key,
    const config_setting_t *s, struct sst_error *err)
{
	enum sst_switch *sw;

	switch (sst_machine_keys[key].type) {
	case SST_MACHINE_WORD:
		return set_mode(m, s, err);
	case SST_MACHINE_INT:
		return set_int(m, key, s, err);
	case SST_MACHINE_PATH:
		return set_path(m, s, err);
	case SST_MACHINE_URL:
		return set_proxy(m, s, err);
	case SST_MACHINE_LIST:
		return set_list(m, key, s, err);
	case SST_MACHINE_BOOL:
		break;
	}
	if (config_setting_type(s) != CONFIG_TYPE_BOOL)
		return sst_fail(err, SST_E_USAGE, "%s wants true or false",
		    sst_machine_keys[key].name);
	sw = switch_of(&m->revocation, key);
	*sw = config_setting_get_bool(s) ? SST_SWITCH_ON : SST_SWITCH_OFF;
	return SST_OK;
}
