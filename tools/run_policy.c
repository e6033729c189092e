/* SPDX-License-Identifier: ISC */
/*
 * run_policy - the options of `sstool run` as a policy of the library.
 *
 * Whether a value is right is the library's own parser to say; here files are
 * looked at, so that what is missing is said before the program starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "out.h"
#include "run.h"
#include "shim/policy.h"

#define VERB		"run"
#define FILE_MAX	(1 << 20)

int
sst_run_policy_begin(struct sst_run_policy *p)
{
	memset(p, 0, sizeof(*p));
	p->out = open_memstream(&p->text, &p->len);
	if (p->out == NULL)
		return sst_out_trouble(SST_EXIT_UNAVAILABLE, "run: no memory");
	fputs("1\n", p->out);
	return 0;
}

void
sst_run_policy_line(struct sst_run_policy *p, const char *line)
{
	fputs(line, p->out);
}

/* `value` as what follows "tls". */
static int
add_port(struct sst_run_policy *p, const char *option, const char *typed,
    const char *value)
{
	static struct sst_policy scratch;
	char shown[128];
	const char *why = "";

	scratch.n_rules = 0;
	if (strchr(value, '\n') != NULL ||
	    sst_policy_rule(&scratch, value, &why) < 0)
		return sst_out_usage(VERB, "%s %s: %s", option,
		    sst_out_clean(shown, sizeof(shown), typed), why);
	fprintf(p->out, "tls %s\n", value);
	p->ports++;
	return 0;
}

int
sst_run_policy_port(struct sst_run_policy *p, const char *value)
{
	char rule[64];

	if (strcmp(value, "any") == 0)
		return add_port(p, "--tls-port", value, value);
	if (strlen(value) >= sizeof(rule) - 2)
		value = "?";
	snprintf(rule, sizeof(rule), "*:%s", value);
	return add_port(p, "--tls-port", value, rule);
}

int
sst_run_policy_tls(struct sst_run_policy *p, const char *value)
{
	return add_port(p, "--tls", value, value);
}

/* As it will be opened: the program may go to another directory. */
static char *
absolute(const char *path)
{
	char *cwd, *full = NULL;

	if (path[0] == '/')
		return strdup(path);
	cwd = getcwd(NULL, 0);
	if (cwd != NULL && asprintf(&full, "%s%s%s", cwd,
	    strcmp(cwd, "/") == 0 ? "" : "/", path) < 0)
		full = NULL;
	free(cwd);
	return full;
}

/* 0, and the first part of the file in `text`; empty for a directory. */
static int
look(const char *option, const char *path, char *text, size_t size)
{
	char shown[512];
	struct stat st;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	sst_out_clean(shown, sizeof(shown), path);
	if (fd < 0 || fstat(fd, &st) < 0 ||
	    (!S_ISDIR(st.st_mode) && (n = read(fd, text, size - 1)) < 0)) {
		n = errno;
		if (fd >= 0)
			close(fd);
		return sst_out_trouble(SST_EXIT_CANNOT_TELL,
		    "run: %s %s cannot be read: %s", option, shown,
		    strerror((int)n));
	}
	close(fd);
	text[n] = '\0';
	if (strchr(path, '\n') != NULL)
		return sst_out_usage(VERB, "%s %s: a path with a line feed", option,
		    shown);
	return 0;
}

static int
add_path(struct sst_run_policy *p, const char *key, const char *path)
{
	char *full = absolute(path);

	if (full == NULL)
		return sst_out_trouble(SST_EXIT_UNAVAILABLE,
		    "run: the current directory is not known: %s",
		    strerror(errno));
	fprintf(p->out, "%s %s\n", key, full);
	free(full);
	return 0;
}

int
sst_run_policy_cert(struct sst_run_policy *p, const char *path)
{
	char *text = malloc(FILE_MAX);
	int has_key, has_cert;
	int rc;

	if (text == NULL)
		return sst_out_trouble(SST_EXIT_UNAVAILABLE, "run: no memory");
	rc = look("--cert", path, text, FILE_MAX);
	if (rc != 0)
		goto out;
	has_key = strstr(text, "PRIVATE KEY-----") != NULL;
	has_cert = strstr(text, "-----BEGIN CERTIFICATE-----") != NULL ||
	    strstr(text, "-----BEGIN TRUSTED CERTIFICATE-----") != NULL;
	if (has_key && !has_cert) {
		p->keys++;
		rc = add_path(p, "key", path);
		goto out;
	}
	p->certs++;
	if (has_cert && !has_key)
		sst_out_clean(p->lone, sizeof(p->lone), path);
	rc = add_path(p, "chain", path);
out:
	if (text != NULL)
		explicit_bzero(text, FILE_MAX);
	free(text);
	return rc;
}

int
sst_run_policy_trust(struct sst_run_policy *p, const char *path)
{
	char text[2];
	int rc = look("--trust", path, text, sizeof(text));

	return rc != 0 ? rc : add_path(p, "trust", path);
}

int
sst_run_policy_name(struct sst_run_policy *p, const char *name)
{
	char shown[300];

	if (*name == '\0' || strlen(name) > 254 || strpbrk(name, " \t\n:/*") != NULL)
		return sst_out_usage(VERB, "--name %s: not a host name",
		    sst_out_clean(shown, sizeof(shown), name));
	fprintf(p->out, "name %s\n", name);
	return 0;
}

int
sst_run_policy_end(struct sst_run_policy *p, struct sst_policy *ret_policy)
{
	const char *why;

	if (p->ports == 0)
		return sst_out_usage(VERB, "which port becomes TLS? --tls-port N, "
		    "--tls ADDRESS:PORT, or --tls-port any");
	if (p->lone[0] != '\0' && p->keys == 0)
		return sst_out_usage(VERB, "--cert %s has no private key in it: add "
		    "the key's file with another --cert", p->lone);
	if (p->certs == 0 && p->keys > 0)
		return sst_out_usage(VERB, "--cert names a private key alone: add "
		    "the certificate's file with another --cert");
	if (fflush(p->out) != 0)
		return sst_out_trouble(SST_EXIT_UNAVAILABLE, "run: no memory");
	if (sst_policy_parse(p->text, ret_policy, &why) < 0)
		return sst_out_usage(VERB, "%s", why);
	return 0;
}
