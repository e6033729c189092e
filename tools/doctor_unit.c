/* SPDX-License-Identifier: ISC */
/*
 * doctor_unit - the part of sstool doctor that judges the settings of a systemd
 * service; unit.h reads them.
 *
 * Always true:
 *   1. What a finding says to type is a line for [Service]; a last line says
 *      where to put it.
 */
#include <dlfcn.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "doctor.h"
#include "doctor_calls.h"
#include "out.h"
#include "unit.h"

#define PATH_SIZE	4096
#define FEW		500	/* connections at once */

struct judged {
	struct sst_doctor	*d;
	const struct sst_unit	*u;
	int			 root;	/* the service runs as root */
};

static int
same_word(const char *word, const void *what)
{
	return strcasecmp(word, what) == 0;
}

static int
allows(const struct judged *j, const char *key, const char *word)
{
	return sst_unit_allows(j->u, key, 0, same_word, word);
}

static void
judge_families(const struct judged *j)
{
	static const char key[] = "RestrictAddressFamilies";
	int v4, v6, all;

	/* "none" is a list that allows nothing. */
	all = sst_unit_last(j->u, key) != NULL &&
	    strcmp(sst_unit_last(j->u, key), "none") == 0;
	v4 = !all && allows(j, key, "AF_INET");
	v6 = !all && allows(j, key, "AF_INET6");
	if (all || !allows(j, key, "AF_UNIX"))
		sst_find(j->d, SST_FAIL, key, "RestrictAddressFamilies=AF_UNIX",
		    "no AF_UNIX: socket() of a TLS socket is EAFNOSUPPORT");
	if (!v4 && !v6)
		sst_find(j->d, SST_FAIL, key,
		    "RestrictAddressFamilies=AF_INET AF_INET6",
		    "neither AF_INET nor AF_INET6");
	else if (!v4 || !v6)
		sst_find(j->d, SST_WARN, key, v4 ?
		    "RestrictAddressFamilies=AF_INET6" :
		    "RestrictAddressFamilies=AF_INET",
		    "no %s: such TLS sockets cannot be made", v4 ? "AF_INET6" :
		    "AF_INET");
	else if (!all && allows(j, key, "AF_UNIX") &&
	    sst_unit_last(j->u, key) != NULL)
		sst_find(j->d, SST_FINE, key, NULL, "AF_UNIX, AF_INET, AF_INET6");
}

/* A word of SystemCallFilter= is a call or a group, maybe with ":errno". */
static int
is_call(const char *word, const void *what)
{
	const struct sst_doctor_call *call = what;
	size_t len = strcspn(word, ":");
	const char *groups = call->groups;
	char group[64];

	if (strlen(call->name) == len && strncmp(word, call->name, len) == 0)
		return 1;
	if (strcmp(word, "@known") == 0)
		return 1;
	while (sst_unit_word(&groups, group, sizeof(group)))
		if (strlen(group) == len && strncmp(word, group, len) == 0)
			return 1;
	return 0;
}

/* 1: a refused call kills. */
static int
filter_kills(const struct sst_unit *u)
{
	const char *number = sst_unit_last(u, "SystemCallErrorNumber");

	/* What systemctl shows for "kill" is no errno either. */
	return number == NULL || strcmp(number, "kill") == 0 ||
	    strcmp(number, "0") == 0 || strcmp(number, "2147483646") == 0;
}

static void
judge_calls(const struct judged *j)
{
	static const char key[] = "SystemCallFilter";
	char refused[900] = "", line[1000];
	size_t used = 0;
	int kills = filter_kills(j->u), denied, needed = 0;

	for (const struct sst_doctor_call *c = sst_doctor_calls; c->name != NULL; c++) {
		denied = !sst_unit_allows(j->u, key, 0, is_call, c);
		if (!denied || (c->use == SST_CALL_ROOTS && !j->root))
			continue;
		needed |= kills || c->use != SST_CALL_MADE;
		if (used + strlen(c->name) + 2 < sizeof(refused))
			used += (size_t)sprintf(refused + used, "%s%s",
			    used > 0 ? " " : "", c->name);
	}
	snprintf(line, sizeof(line), "SystemCallFilter=%s", refused);
	if (used > 0)
		sst_find(j->d, needed ? SST_FAIL : SST_WARN, key, line, "%s %s",
		    kills ? "the pair is killed (Bad system call) at:" :
		    needed ? "the pair cannot start without:" :
		    "the pair does without, but the status or renewals may not:",
		    refused);
	else if (sst_unit_last(j->u, key) != NULL)
		sst_find(j->d, SST_FINE, key, NULL, "every call of the pair");
}

/* How long the part of `path` is that `word` names, "/usr" of "/usr/lib". */
static size_t
covers(const char *word, const char *path)
{
	size_t len;

	while (*word == '-' || *word == '+')
		word++;
	len = strlen(word);
	while (len > 1 && word[len - 1] == '/')
		len--;
	if (len == 0 || strncmp(word, path, len) != 0)
		return 0;
	return len == 1 || path[len] == '/' || path[len] == '\0' ? len : 0;
}

/* The longest prefix of `path` that the lists of `key` name. */
static size_t
longest(const struct sst_unit *u, const char *key, const char *path)
{
	const char *value;
	char word[PATH_SIZE];
	size_t at = 0, most = 0, len;

	while ((value = sst_unit_each(u, key, &at)) != NULL) {
		if (*value == '\0')
			most = 0;
		while (sst_unit_word(&value, word, sizeof(word))) {
			len = covers(word, path);
			if (len > most)
				most = len;
		}
	}
	return most;
}

/* The directory of the libssl that this program runs with. */
static void
libssl_directory(char out[PATH_SIZE])
{
	Dl_info info = { .dli_fname = NULL };
	char *real;

	out[0] = '\0';
	if (dladdr(dlsym(RTLD_DEFAULT, "SSL_new"), &info) == 0 ||
	    (real = realpath(info.dli_fname, NULL)) == NULL)
		return;
	snprintf(out, PATH_SIZE, "%s", real);
	free(real);
	if (strrchr(out, '/') != NULL)
		*strrchr(out, '/') = '\0';
}

static void
judge_exec(const struct judged *j)
{
	char paths[2][PATH_SIZE], line[2 * PATH_SIZE + 32];

	snprintf(paths[0], PATH_SIZE, "%s", j->d->agent);
	libssl_directory(paths[1]);
	for (int i = 0; i < 2; i++) {
		size_t no = longest(j->u, "NoExecPaths", paths[i]);

		snprintf(line, sizeof(line), "ExecPaths=%s", paths[i]);
		if (no > 0 && longest(j->u, "ExecPaths", paths[i]) < no)
			sst_find(j->d, SST_FAIL, "NoExecPaths", line,
			    "%s may not be executed: socket() is EACCES or ENOBUFS",
			    paths[i]);
		else if (no > 0)
			sst_find(j->d, SST_FINE, "NoExecPaths", NULL,
			    "%s may be executed", paths[i]);
	}
	if (longest(j->u, "InaccessiblePaths", j->d->agent) > 0)
		sst_find(j->d, SST_FAIL, "InaccessiblePaths", "InaccessiblePaths=",
		    "%s cannot be reached", j->d->agent);
}

static void
judge_place(const struct judged *j)
{
	const char *root = sst_unit_last(j->u, "RootDirectory");
	const char *image = sst_unit_last(j->u, "RootImage");
	char path[2 * PATH_SIZE], line[2 * PATH_SIZE + 32], libs[PATH_SIZE];

	libssl_directory(libs);
	if (root != NULL && strcmp(root, "/") != 0) {
		snprintf(path, sizeof(path), "%s%s", root, j->d->agent);
		snprintf(line, sizeof(line), "BindReadOnlyPaths=%s %s", j->d->agent,
		    libs);
		if (access(path, X_OK) == 0)
			sst_find(j->d, SST_FINE, "RootDirectory", NULL,
			    "%s is there", path);
		else if (longest(j->u, "BindReadOnlyPaths", j->d->agent) > 0 ||
		    longest(j->u, "BindPaths", j->d->agent) > 0)
			sst_find(j->d, SST_FINE, "RootDirectory", NULL,
			    "%s is bound into it", j->d->agent);
		else
			sst_find(j->d, SST_FAIL, "RootDirectory", line,
			    "no %s: socket() is ENOBUFS", path);
	}
	if (image != NULL)
		sst_find(j->d, SST_WARN, "RootImage", NULL,
		    "%s was not looked into: it must hold %s", image, j->d->agent);
	if (sst_unit_yes(j->u, "PrivateNetwork"))
		sst_find(j->d, SST_WARN, "PrivateNetwork", "PrivateNetwork=no",
		    "only the loopback of its own: connect() is ENETUNREACH");
	if (sst_unit_last(j->u, "ProcSubset") != NULL &&
	    strcmp(sst_unit_last(j->u, "ProcSubset"), "pid") == 0)
		sst_find(j->d, SST_FINE, "ProcSubset", NULL, "the limit of watches "
		    "cannot be read: 2,048 directories are watched, more are "
		    "looked at every 10 s");
}

/* A capability that root's relay needs to give up root's rights. */
static void
judge_capabilities(const struct judged *j)
{
	static const char key[] = "CapabilityBoundingSet";
	int uid, gid;

	if (!j->root)
		return;
	uid = sst_unit_allows(j->u, key, 1, same_word, "CAP_SETUID");
	gid = sst_unit_allows(j->u, key, 1, same_word, "CAP_SETGID");
	if (!uid || !gid)
		sst_find(j->d, SST_FAIL, key,
		    "CapabilityBoundingSet=CAP_SETUID CAP_SETGID",
		    "root's relay cannot become _securesockets without CAP_SETUID "
		    "and CAP_SETGID: socket() is EACCES (or set User=)");
}

/* "1024", "64K", "infinity". */
static unsigned long
limit(const char *text)
{
	char *end;
	unsigned long n;

	if (strncmp(text, "infinity", 8) == 0)
		return 1UL << 30;
	n = strtoul(text, &end, 10);
	return *end == 'K' ? n << 10 : *end == 'M' ? n << 20 : n;
}

static void
judge_limits(const struct judged *j)
{
	const char *files = sst_unit_last(j->u, "LimitNOFILE");
	const char *soft = sst_unit_last(j->u, "LimitNOFILESoft");
	const char *tasks = sst_unit_last(j->u, "TasksMax");
	unsigned long high, low, room, few;
	char line[64];

	/* Where nothing says otherwise: systemd's own 1024 and 524288. */
	high = files == NULL ? 524288 : limit(strchr(files, ':') != NULL ?
	    strchr(files, ':') + 1 : files);
	low = soft != NULL ? limit(soft) : files == NULL ? 1024 : limit(files);
	room = sst_doctor_room(low, high);
	sst_find(j->d, high < SST_DOCTOR_PAIR_FILES ? SST_FAIL : room < FEW ?
	    SST_WARN : SST_FINE, "LimitNOFILE", room < FEW ?
	    "LimitNOFILE=65536:131072" : NULL,
	    "%lu connections at once: soft %lu (one each), hard %lu (two each in "
	    "the relay, and %d)", room, low, high, SST_DOCTOR_PAIR_FILES);
	if (tasks == NULL || strchr(tasks, '%') != NULL)
		return;
	high = limit(tasks);
	few = 2 * (1 + sst_doctor_tasks());
	snprintf(line, sizeof(line), "TasksMax=%lu", few);
	sst_find(j->d, high < few / 2 ? SST_FAIL : high < few ? SST_WARN : SST_FINE,
	    "TasksMax", high < few ? line : NULL, "%s: the program's own, and %lu "
	    "of the pair of each process that makes one", tasks, few / 2 - 1);
}

static void
judge_end(const struct judged *j)
{
	const char *mode = sst_unit_last(j->u, "KillMode");
	const char *signal = sst_unit_last(j->u, "KillSignal");

	if (mode == NULL || strcmp(mode, "control-group") == 0)
		sst_find(j->d, SST_FINE, "KillMode", NULL,
		    "control-group: the pair serves what exists and ends");
	else if (strcmp(mode, "mixed") == 0)
		sst_find(j->d, SST_WARN, "KillMode", "KillMode=control-group",
		    "mixed: the pair is killed once the program has ended, and "
		    "what was not sent yet is lost");
	else
		sst_find(j->d, SST_WARN, "KillMode", "KillMode=control-group",
		    "%s: the pair stays, up to 30 s after its last socket", mode);
	if (signal != NULL && (strcmp(signal, "SIGKILL") == 0 ||
	    strcmp(signal, "9") == 0))
		sst_find(j->d, SST_WARN, "KillSignal", "KillSignal=SIGTERM",
		    "SIGKILL: what was not sent yet is lost");
}

static void
judge_status(const struct judged *j)
{
	const char *user = sst_unit_last(j->u, "User");
	const char *system = sst_unit_last(j->u, "ProtectSystem");
	char line[300] = "";

	if (sst_unit_yes(j->u, "DynamicUser")) {
		sst_find(j->d, SST_WARN, "DynamicUser", NULL, "its user has no "
		    "/run/user: sstool status does not see the service");
	} else if (!j->root) {
		snprintf(line, sizeof(line), "loginctl enable-linger %s", user);
		sst_find(j->d, SST_WARN, "User", line, "%s has no /run/user while "
		    "not logged in: sstool status does not see the service", user);
	} else if (system != NULL && strcmp(system, "strict") == 0 &&
	    longest(j->u, "ReadWritePaths", "/run/securesockets") == 0) {
		sst_find(j->d, SST_WARN, "ProtectSystem", "ReadWritePaths=/run",
		    "strict: /run/securesockets cannot be made, sstool status "
		    "does not see the service");
	}
}

static void
judge_harmless(const struct judged *j)
{
	static const char *const keys[] = { "MemoryDenyWriteExecute",
	    "NoNewPrivileges", "PrivateTmp", "PrivateDevices", "PrivateUsers",
	    "ProtectHome", "ProtectKernelTunables", "ProtectProc",
	    "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID",
	    "LockPersonality", "SystemCallArchitectures" };
	char list[400] = "";
	const char *value;
	size_t used = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		value = sst_unit_last(j->u, keys[i]);
		if (value != NULL && strcmp(value, "no") != 0 &&
		    strcmp(value, "default") != 0)
			used += (size_t)snprintf(list + used, sizeof(list) - used,
			    "%s%s", used > 0 ? ", " : "", keys[i]);
	}
	if (used > 0)
		sst_find(j->d, SST_FINE, "harmless", NULL, "%s", list);
}

/* The variable of the service, when it sets one. */
static void
find_agent(const struct judged *j, char path[PATH_SIZE])
{
	static const char name[] = "SECURESOCKETS_AGENT=";
	const char *value;
	char word[PATH_SIZE];
	size_t at = 0;

	while ((value = sst_unit_each(j->u, "Environment", &at)) != NULL)
		while (sst_unit_word(&value, word, sizeof(word)))
			if (strncmp(word, name, sizeof(name) - 1) == 0) {
				snprintf(path, PATH_SIZE, "%s",
				    word + sizeof(name) - 1);
				j->d->agent = path;
			}
}

int
sst_doctor_unit(struct sst_doctor *d, const char *name)
{
	char from[PATH_SIZE], why[PATH_SIZE], agent[PATH_SIZE];
	struct sst_unit *u = NULL;
	struct judged j = { .d = d };
	const char *user;

	if (sst_unit_load(name, &u, from, sizeof(from), why, sizeof(why)) != 0) {
		sst_out_clean(agent, sizeof(agent), why);
		return sst_out_trouble(SST_EXIT_CANNOT_TELL, "doctor: %s", agent);
	}
	j.u = u;
	user = sst_unit_last(u, "User");
	j.root = !sst_unit_yes(u, "DynamicUser") && (user == NULL ||
	    strcmp(user, "root") == 0 || strcmp(user, "0") == 0);
	find_agent(&j, agent);
	sst_find(d, SST_FINE, "unit", NULL, "%s", from);
	judge_families(&j);
	judge_calls(&j);
	judge_exec(&j);
	judge_place(&j);
	judge_capabilities(&j);
	judge_limits(&j);
	judge_end(&j);
	judge_status(&j);
	if (!j.root && user != NULL)
		sst_doctor_access(d, u, user);
	judge_harmless(&j);
	if (!d->json && d->warns + d->fails > 0)
		printf("settings go under [Service] of: systemctl edit %s\n",
		    sst_out_clean(why, sizeof(why), name));
	sst_unit_free(u);
	return SST_EXIT_YES;
}
