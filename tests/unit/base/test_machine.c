/* SPDX-License-Identifier: ISC */
/* machine - the administrator's file: each key, each refusal, what may tighten. */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/machine.h"

/* A directory of its own for each test, and the paths in it. */
struct place {
	char	root[64], file[128], dir[128], other[128], user[128];
	struct sst_machine_paths paths;
};

static int
setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	(void)snprintf(p->root, sizeof(p->root), "/tmp/sst-machine-XXXXXX");
	assert_non_null(mkdtemp(p->root));
	(void)snprintf(p->file, sizeof(p->file), "%s/main.conf", p->root);
	(void)snprintf(p->dir, sizeof(p->dir), "%s/main.conf.d", p->root);
	(void)snprintf(p->other, sizeof(p->other), "%s/other.conf", p->root);
	(void)snprintf(p->user, sizeof(p->user), "%s/user.conf", p->root);
	p->paths = (struct sst_machine_paths){ p->file, p->dir, p->other, p->user };
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;
	char command[160];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", p->root);
	assert_int_equal(system(command), 0);
	free(p);
	return 0;
}

static void
put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
put_in(const struct place *p, const char *name, const char *text)
{
	char path[256];

	(void)mkdir(p->dir, 0700);
	(void)snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	put(path, text);
}

static struct sst_machine *
load(const struct place *p)
{
	struct sst_error err = { 0 };
	struct sst_machine *m = NULL;
	int rc = sst_machine_load(&p->paths, &m, &err);

	if (rc != SST_OK)
		fail_msg("%s", err.text);
	return m;
}

/* What lies at the paths is refused with `code`, and the text has both words. */
static void
refuses(const struct place *p, int code, const char *word, const char *other)
{
	struct sst_error err = { 0 };
	struct sst_machine *m = NULL;

	assert_int_equal(sst_machine_load(&p->paths, &m, &err), code);
	assert_null(m);
	assert_int_equal(err.code, code);
	if (strstr(err.text, word) == NULL || strstr(err.text, other) == NULL)
		fail_msg("'%s' is not about '%s' and '%s'", err.text, word, other);
}

static void
no_file_at_all_says_nothing(void **state)
{
	static const struct sst_revocation_policy nothing;
	struct place *p = *state;
	struct sst_machine *m;

	p->paths.other = NULL;
	m = load(p);
	assert_memory_equal(&m->revocation, &nothing, sizeof(nothing));
	assert_null(m->cache_dir);
	assert_null(m->allow);
	assert_null(m->proxy);
	for (int k = 0; k < SST_MACHINE_KEYS; k++)
		assert_null(m->origin[k]);
	sst_machine_unref(m);
	/* and a file that cannot be read is not no file */
	assert_int_equal(mkdir(p->file, 0700), 0);
	refuses(p, SST_E_USAGE, p->file, "not a file");
}

static void
every_key_has_its_effect_and_its_origin(void **state)
{
	struct place *p = *state;
	struct sst_machine *m;
	char where[160];

	put(p->file, "# comment\n"
	    "revocation: {\n"
	    " mode = \"hard\"; budget_ms = 250;\n"
	    " hard_chain = true; refuse_no_source = false;\n"
	    " exempt_short = true; max_age = 86400;\n"
	    " fetch = false; staple = false; ocsp = true; crl = false; cache = false;\n"
	    "};\n"
	    "cache: { dir = \"/srv/cache\"; size_mib = 7; };\n"
	    "fetch: { allow = [ \"10.0.0.0/8\", \"[::1]:80\" ]; nat64 = [ \"2a00::/96\" ];\n"
	    " proxy = \"http://proxy:3128\"; };\n");
	m = load(p);
	assert_int_equal(m->revocation.mode, SST_REVOCATION_HARD);
	assert_int_equal(m->revocation.budget_ms, 250);
	assert_int_equal(m->revocation.hard_chain, SST_SWITCH_ON);
	assert_int_equal(m->revocation.refuse_no_source, SST_SWITCH_OFF);
	assert_int_equal(m->revocation.exempt_short, SST_SWITCH_ON);
	assert_int_equal(m->revocation.max_age, 86400);
	assert_int_equal(m->revocation.fetch, SST_SWITCH_OFF);
	assert_int_equal(m->revocation.use_staples, SST_SWITCH_OFF);
	assert_int_equal(m->revocation.use_ocsp, SST_SWITCH_ON);
	assert_int_equal(m->revocation.use_crls, SST_SWITCH_OFF);
	assert_int_equal(m->revocation.use_cache, SST_SWITCH_OFF);
	assert_string_equal(m->cache_dir, "/srv/cache");
	assert_int_equal(m->cache_bytes, 7 * 1024 * 1024);
	assert_string_equal(m->allow[0], "10.0.0.0/8");
	assert_string_equal(m->allow[1], "[::1]:80");
	assert_null(m->allow[2]);
	assert_string_equal(m->nat64[0], "2a00::/96");
	assert_null(m->nat64[1]);
	assert_string_equal(m->proxy, "http://proxy:3128");
	for (int k = 0; k < SST_MACHINE_KEYS; k++)
		assert_non_null(m->origin[k]);
	(void)snprintf(where, sizeof(where), "%s:3", p->file);
	assert_string_equal(m->origin[SST_KEY_MODE], where);
	(void)snprintf(where, sizeof(where), "%s:10", p->file);
	assert_string_equal(m->origin[SST_KEY_PROXY], where);
	sst_machine_unref(m);
}

static void
every_mode_has_its_word(void **state)
{
	static const char *const words[] = { "off", "soft", "hard", "staple" };
	struct place *p = *state;
	struct sst_machine *m;
	char text[64];

	for (int i = 0; i < 4; i++) {
		(void)snprintf(text, sizeof(text), "revocation: { mode = \"%s\"; };",
		    words[i]);
		put(p->file, text);
		m = load(p);
		assert_int_equal(m->revocation.mode, SST_REVOCATION_OFF + i);
		sst_machine_unref(m);
	}
	put(p->file, "revocation: { mode = \"Hard\"; };");
	refuses(p, SST_E_USAGE, "main.conf:1", "revocation.mode wants one of");
}

static void
a_wrong_value_is_refused_with_file_and_line(void **state)
{
	static const struct { const char *text, *word; } wrong[] = {
		{ "revocation: { mode = 2; };", "revocation.mode wants one of" },
		{ "revocation: { budget_ms = 0; };", "from 1 to 60000" },
		{ "revocation: { budget_ms = 60001; };", "from 1 to 60000" },
		{ "revocation: { budget_ms = \"1\"; };", "from 1 to 60000" },
		{ "revocation: { budget_ms = 4294967297L; };", "from 1 to 60000" },
		{ "revocation: { max_age = 59; };", "from 60 to 31536000" },
		{ "revocation: { max_age = 31536001; };", "from 60 to 31536000" },
		{ "revocation: { hard_chain = 1; };", "wants true or false" },
		{ "revocation: { refuse_no_source = \"yes\"; };", "wants true or false" },
		{ "revocation: { exempt_short = 0; };", "wants true or false" },
		{ "revocation: { fetch = 1.0; };", "wants true or false" },
		{ "revocation: { staple = 1; };", "wants true or false" },
		{ "revocation: { ocsp = 1; };", "wants true or false" },
		{ "revocation: { crl = [ true ]; };", "wants true or false" },
		{ "revocation: { cache = { }; };", "wants true or false" },
		{ "cache: { dir = \"cache\"; };", "absolute path" },
		{ "cache: { dir = 1; };", "wants a string" },
		{ "cache: { dir = \"/a\\nb\"; };", "control character" },
		{ "cache: { size_mib = 0; };", "from 1 to 65536" },
		{ "cache: { size_mib = 65537; };", "from 1 to 65536" },
		{ "fetch: { allow = \"10.0.0.0/8\"; };", "wants a list" },
		{ "fetch: { allow = [ 10 ]; };", "wants a string" },
		{ "fetch: { nat64 = \"2a00::/96\"; };", "fetch.nat64 wants a list" },
		{ "fetch: { nat64 = [ 10 ]; };", "fetch.nat64 wants a string" },
		{ "fetch: { proxy = \"https://p:1\"; };", "http://HOST:PORT" },
		{ "fetch: { proxy = \"http://\"; };", "http://HOST:PORT" },
		{ "fetch: { proxy = \"http://u:p@h:1\"; };", "http://HOST:PORT" },
		{ "revocation: { mod = \"hard\"; };", "no key revocation.mod" },
		{ "cache: { mode = \"hard\"; };", "no key cache.mode" },
		{ "mode = \"hard\";", "no group mode" },
		{ "revoc: { };", "no group revoc" },
		{ "revocation = 3;", "wants a group" },
		{ "revocation: { mode = };", "syntax error" },
		{ "revocation: { ocsp = true; ocsp = false; };", "duplicate" },
		{ "@include \"x\"", "@include" },
	};
	struct place *p = *state;
	char text[128], where[160];
	struct sst_machine *m;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		(void)snprintf(text, sizeof(text), "\n\n%s\n", wrong[i].text);
		put(p->file, text);
		(void)snprintf(where, sizeof(where), "%s:3: ", p->file);
		refuses(p, strstr(wrong[i].word, "syntax") != NULL ||
		    strstr(wrong[i].word, "duplicate") != NULL ? SST_E_MALFORMED :
		    SST_E_USAGE, where, wrong[i].word);
	}
	/* the bounds themselves are within */
	put(p->file, "revocation: { budget_ms = 60000; max_age = 60; };\n"
	    "cache: { dir = \"\"; size_mib = 65536; }; fetch: { allow = []; };");
	m = load(p);
	assert_int_equal(m->revocation.budget_ms, 60000);
	assert_int_equal(m->revocation.max_age, 60);
	assert_true(m->cache_bytes == 65536ull * 1024 * 1024);
	assert_string_equal(m->cache_dir, "");
	assert_null(m->allow[0]);
	sst_machine_unref(m);
	put(p->file, "revocation: { max_age = 31536000L; };\ncache: { dir = \"/a b\"; };");
	m = load(p);
	assert_int_equal(m->revocation.max_age, 31536000);
	assert_string_equal(m->cache_dir, "/a b");
	sst_machine_unref(m);
}

/* A path of `len` octets; a list of `n` addresses. */
static void
put_large(const struct place *p, int len, int n)
{
	FILE *f = fopen(p->file, "w");

	assert_non_null(f);
	(void)fprintf(f, "cache: { dir = \"/%0*d\"; };\nfetch: { allow = [ ", len - 1, 0);
	for (int i = 0; i < n; i++)
		(void)fprintf(f, "%s\"10.0.0.1\"", i > 0 ? ", " : "");
	(void)fprintf(f, " ]; };\n");
	assert_int_equal(fclose(f), 0);
}

static void
strings_and_lists_have_a_largest_size(void **state)
{
	struct place *p = *state;
	struct sst_machine *m;

	put_large(p, 1024, 1024);
	m = load(p);
	assert_int_equal(strlen(m->cache_dir), 1024);
	assert_non_null(m->allow[1023]);
	assert_null(m->allow[1024]);
	sst_machine_unref(m);
	put_large(p, 1025, 1);
	refuses(p, SST_E_USAGE, "main.conf:1", "1024 octets");
	put_large(p, 1, 1025);
	refuses(p, SST_E_USAGE, "main.conf:2", "1024 strings");
}

static void
a_file_that_cannot_be_read_whole_is_refused(void **state)
{
	struct place *p = *state;
	FILE *f;

	put(p->file, "");
	sst_machine_unref(load(p));
	f = fopen(p->file, "w");
	assert_int_equal(fwrite("#\0", 1, 2, f), 2);
	assert_int_equal(fclose(f), 0);
	refuses(p, SST_E_MALFORMED, p->file, "NUL");
	f = fopen(p->file, "w");	/* a comment of the largest size */
	for (int i = 0; i < 1024 * 1024; i++)
		assert_true(fputc(i < 1024 * 1024 - 1 ? '#' : '\n', f) != EOF);
	assert_int_equal(fclose(f), 0);
	sst_machine_unref(load(p));
	assert_int_equal(truncate(p->file, 1024 * 1024 + 1), 0);
	refuses(p, SST_E_USAGE, p->file, "1 MiB");
	assert_int_equal(unlink(p->file), 0);
	assert_int_equal(symlink(p->file, p->file), 0);
	refuses(p, SST_E_SYSTEM, p->file, strerror(ELOOP));
}

static void
later_files_replace_keys_in_the_order_of_their_bytes(void **state)
{
	struct place *p = *state;
	struct sst_machine *m;

	put(p->file, "revocation: { mode = \"soft\"; budget_ms = 1; max_age = 100; };");
	put_in(p, "a.conf", "revocation: { budget_ms = 3; max_age = 300; };");
	put_in(p, "B.conf", "revocation: { budget_ms = 2; };");
	put_in(p, ".c.conf", "revocation: { budget_ms = 4; };");
	put_in(p, "d.conf~", "nonsense");
	put_in(p, "e.CONF", "nonsense");
	m = load(p);
	assert_int_equal(m->revocation.mode, SST_REVOCATION_SOFT);
	assert_int_equal(m->revocation.budget_ms, 3);
	assert_int_equal(m->revocation.max_age, 300);
	assert_non_null(strstr(m->origin[SST_KEY_BUDGET], "/a.conf:1"));
	assert_non_null(strstr(m->origin[SST_KEY_MODE], "/main.conf:1"));
	sst_machine_unref(m);
	put_in(p, "0.conf", "nonsense");
	refuses(p, SST_E_MALFORMED, "0.conf:1", "syntax");
}

static void
the_variables_file_counts_only_where_the_machine_has_none(void **state)
{
	struct place *p = *state;
	struct sst_machine *m;

	refuses(p, SST_E_NOT_FOUND, SST_MACHINE_VAR, "does not exist");
	put(p->other, "revocation: { mode = \"off\"; };");
	m = load(p);
	assert_int_equal(m->revocation.mode, SST_REVOCATION_OFF);
	sst_machine_unref(m);
	put_in(p, "a.conf", "");
	m = load(p);
	assert_int_equal(m->revocation.mode, SST_REVOCATION_DEFAULT);
	sst_machine_unref(m);
	put(p->file, "revocation: { mode = \"hard\"; };");
	m = load(p);
	assert_int_equal(m->revocation.mode, SST_REVOCATION_HARD);
	sst_machine_unref(m);
	assert_int_equal(unlink(p->file), 0);
	p->paths.dir = NULL;
	p->paths.other = "other.conf";
	refuses(p, SST_E_USAGE, SST_MACHINE_VAR, "absolute");
}

static void
a_users_file_may_only_tighten(void **state)
{
	struct place *p = *state;
	struct sst_machine *m;

	put(p->file, "revocation: { mode = \"soft\"; };\ncache: { size_mib = 100; };");
	put(p->user, "\nrevocation: { mode = \"hard\"; hard_chain = true; };\n"
	    "cache: { dir = \"/home/a\"; size_mib = 100; };");
	m = load(p);
	assert_int_equal(m->revocation.mode, SST_REVOCATION_HARD);
	assert_int_equal(m->revocation.hard_chain, SST_SWITCH_ON);
	assert_string_equal(m->cache_dir, "/home/a");
	assert_int_equal(m->cache_bytes, 100 * 1024 * 1024);
	assert_non_null(strstr(m->origin[SST_KEY_MODE], "user.conf:2"));
	sst_machine_unref(m);

	put(p->user, "\nrevocation: { mode = \"off\"; };");
	refuses(p, SST_E_REFUSED, "user.conf:2: ", "main.conf:1");
	put(p->user, "cache: { size_mib = 101; };");
	refuses(p, SST_E_REFUSED, "user.conf:1: ", "main.conf:2");
	put(p->user, "fetch: { allow = [ \"10.0.0.1\" ]; };");
	refuses(p, SST_E_REFUSED, "user.conf:1: ", "not for a user's");
	put(p->user, "fetch: { nat64 = [ \"2a00::/96\" ]; };");
	refuses(p, SST_E_REFUSED, "user.conf:1: ", "not for a user's");
	put(p->user, "fetch: { proxy = \"http://p:1\"; };");
	refuses(p, SST_E_REFUSED, "user.conf:1: ", "not for a user's");
	put(p->file, "cache: { dir = \"/srv\"; };");
	put(p->user, "cache: { dir = \"/home/a\"; };");
	refuses(p, SST_E_REFUSED, "user.conf:1: ", "main.conf:1");
	put(p->user, "cache: { size_mib = 3; };");
	m = load(p);
	assert_string_equal(m->cache_dir, "/srv");
	assert_int_equal(m->cache_bytes, 3 * 1024 * 1024);
	sst_machine_unref(m);
}

/* HOME of a program that gave its rights up is still its former user's. */
static void
somebody_elses_file_is_no_users_file(void **state)
{
	struct place *p = *state;
	struct sst_machine *m;

	put(p->file, "");
	put(p->user, "revocation: { mode = \"hard\"; };");
	m = load(p);
	assert_int_equal(m->revocation.mode, SST_REVOCATION_HARD);
	sst_machine_unref(m);
	if (geteuid() != 0)
		return;
	assert_int_equal(chown(p->user, 65533, 65533), 0);
	m = load(p);
	assert_int_equal(m->revocation.mode, SST_REVOCATION_DEFAULT);
	sst_machine_unref(m);
	/* root's counts for everybody */
	assert_int_equal(chmod(p->root, 0711), 0);
	assert_int_equal(chmod(p->file, 0644), 0);
	assert_int_equal(chmod(p->user, 0644), 0);
	assert_int_equal(chown(p->user, 0, 0), 0);
	assert_int_equal(seteuid(65534), 0);
	m = load(p);
	assert_int_equal(m->revocation.mode, SST_REVOCATION_HARD);
	sst_machine_unref(m);
	assert_int_equal(seteuid(0), 0);
	/* one that cannot even be looked at */
	assert_int_equal(chown(p->user, 65534, 65534), 0);
	assert_int_equal(mkdir(p->dir, 0755), 0);
	(void)snprintf(p->user, sizeof(p->user), "%s/closed/user.conf", p->root);
	(void)snprintf(p->other, sizeof(p->other), "%s/closed", p->root);
	assert_int_equal(mkdir(p->other, 0700), 0);
	put(p->user, "nonsense");
	assert_int_equal(seteuid(65534), 0);
	m = load(p);
	assert_int_equal(m->revocation.mode, SST_REVOCATION_DEFAULT);
	sst_machine_unref(m);
	assert_int_equal(seteuid(0), 0);
}

static struct sst_machine *
machine_of(struct place *p, const char *text)
{
	put(p->file, text);
	return load(p);
}

static int
tighten(const struct sst_machine *m, const struct sst_revocation_policy *wanted,
    struct sst_revocation_policy *ret, struct sst_error *err)
{
	memset(err, 0, sizeof(*err));
	*ret = *wanted;
	return sst_machine_tighten(m, ret, err);
}

static void
a_program_may_raise_the_mode_and_never_lower_it(void **state)
{
	static const char *const words[] = { "off", "soft", "hard", "staple" };
	struct sst_revocation_policy want = { 0 }, got;
	struct sst_error err;
	struct sst_machine *m;
	char text[64];

	for (int i = 0; i < 4; i++) {
		(void)snprintf(text, sizeof(text), "revocation: { mode = \"%s\"; };",
		    words[i]);
		m = machine_of(*state, text);
		for (int j = SST_REVOCATION_OFF; j <= SST_REVOCATION_STAPLE; j++) {
			want.mode = (enum sst_revocation_mode)j;
			assert_int_equal(tighten(m, &want, &got, &err),
			    j >= SST_REVOCATION_OFF + i ? SST_OK : SST_E_REFUSED);
			assert_int_equal(got.mode, j);
			if (j < SST_REVOCATION_OFF + i) {
				assert_non_null(strstr(err.text, "revocation.mode"));
				assert_non_null(strstr(err.text, "main.conf:1"));
			}
		}
		want.mode = SST_REVOCATION_DEFAULT;
		assert_int_equal(tighten(m, &want, &got, &err), SST_OK);
		assert_int_equal(got.mode, SST_REVOCATION_OFF + i);
		sst_machine_unref(m);
	}
	/* A machine that says nothing leaves everything to the program. */
	m = machine_of(*state, "");
	want = (struct sst_revocation_policy){ .mode = SST_REVOCATION_OFF,
	    .use_ocsp = SST_SWITCH_OFF, .exempt_short = SST_SWITCH_ON, .budget_ms = 1,
	    .max_age = 1u << 30 };
	assert_int_equal(tighten(m, &want, &got, &err), SST_OK);
	assert_memory_equal(&got, &want, sizeof(want));
	sst_machine_unref(m);
}

static enum sst_switch *
at(struct sst_revocation_policy *p, int i)
{
	enum sst_switch *const all[] = { &p->hard_chain, &p->refuse_no_source,
	    &p->exempt_short, &p->fetch, &p->use_staples, &p->use_ocsp, &p->use_crls,
	    &p->use_cache };

	return all[i];
}

/* What is set is kept in one direction, sources in both. */
static void
each_switch_may_be_turned_to_its_strict_side_alone(void **state)
{
	static const struct {
		const char *name;
		int	on_on, on_off, off_on, off_off;	/* file, program: allowed? */
		int	mode_on, mode_off;	/* the file sets mode = soft alone */
	} sw[] = {
		{ "hard_chain", 1, 0, 1, 1, 1, 1 },
		{ "refuse_no_source", 1, 0, 1, 1, 1, 1 },
		{ "exempt_short", 1, 1, 0, 1, 0, 1 },
		{ "fetch", 1, 0, 0, 1, 1, 0 },
		{ "staple", 1, 0, 0, 1, 1, 0 },
		{ "ocsp", 1, 0, 0, 1, 1, 0 },
		{ "crl", 1, 0, 0, 1, 1, 0 },
		{ "cache", 1, 0, 0, 1, 1, 0 },
	};
	struct sst_revocation_policy want, got;
	struct sst_error err;
	struct sst_machine *m;
	char text[96];

	for (int i = 0; i < 8; i++)
		for (int file = 0; file < 3; file++)
			for (int on = 0; on < 2; on++) {
				const int allowed[3][2] = {
					{ sw[i].off_off, sw[i].off_on },
					{ sw[i].on_off, sw[i].on_on },
					{ sw[i].mode_off, sw[i].mode_on },
				};

				if (file < 2)
					(void)snprintf(text, sizeof(text),
					    "revocation: { %s = %s; };", sw[i].name,
					    file ? "true" : "false");
				else
					(void)snprintf(text, sizeof(text),
					    "revocation: { mode = \"soft\"; };");
				m = machine_of(*state, text);
				memset(&want, 0, sizeof(want));
				*at(&want, i) = on ? SST_SWITCH_ON : SST_SWITCH_OFF;
				assert_int_equal(tighten(m, &want, &got, &err),
				    allowed[file][on] ? SST_OK : SST_E_REFUSED);
				assert_int_equal(*at(&got, i), *at(&want, i));
				if (!allowed[file][on]) {
					assert_non_null(strstr(err.text, sw[i].name));
					assert_non_null(strstr(err.text, "main.conf:1"));
				}
				*at(&want, i) = SST_SWITCH_DEFAULT;
				assert_int_equal(tighten(m, &want, &got, &err), SST_OK);
				assert_int_equal(*at(&got, i), file == 2 ?
				    SST_SWITCH_DEFAULT : file ? SST_SWITCH_ON :
				    SST_SWITCH_OFF);
				sst_machine_unref(m);
			}
}

static void
a_hard_machine_does_not_let_go_of_what_names_no_source(void **state)
{
	struct sst_revocation_policy want = { .refuse_no_source = SST_SWITCH_OFF }, got;
	struct sst_machine *m = machine_of(*state, "revocation: { mode = \"hard\"; };");
	struct sst_error err;

	assert_int_equal(tighten(m, &want, &got, &err), SST_E_REFUSED);
	assert_non_null(strstr(err.text, "revocation.refuse_no_source may not"));
	assert_non_null(strstr(err.text, "sets revocation.mode"));
	sst_machine_unref(m);
	m = machine_of(*state, "revocation: { mode = \"soft\"; };");
	assert_int_equal(tighten(m, &want, &got, &err), SST_OK);
	sst_machine_unref(m);
	m = machine_of(*state,
	    "revocation: { mode = \"hard\"; refuse_no_source = false; };");
	assert_int_equal(tighten(m, &want, &got, &err), SST_OK);
	sst_machine_unref(m);
}

static void
the_numbers_have_a_floor_and_a_ceiling(void **state)
{
	static const struct {
		const char *text;
		unsigned budget, age;
		int	allowed;
	} cases[] = {
		{ "revocation: { budget_ms = 500; };", 499, 0, 0 },
		{ "revocation: { budget_ms = 500; };", 500, 0, 1 },
		{ "revocation: { budget_ms = 500; };", 501, 0, 1 },
		{ "revocation: { max_age = 3600; };", 0, 3601, 0 },
		{ "revocation: { max_age = 3600; };", 0, 3600, 1 },
		{ "revocation: { mode = \"soft\"; };", 2999, 0, 0 },
		{ "revocation: { mode = \"soft\"; };", 3000, 0, 1 },
		{ "revocation: { mode = \"soft\"; };", 0, 864001, 0 },
		{ "revocation: { mode = \"soft\"; };", 0, 864000, 1 },
		{ "revocation: { mode = \"soft\"; budget_ms = 10; };", 10, 0, 1 },
		{ "revocation: { mode = \"off\"; };", 1, 1u << 30, 1 },
	};
	struct sst_revocation_policy want, got;
	struct sst_error err;
	struct sst_machine *m;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		m = machine_of(*state, cases[i].text);
		memset(&want, 0, sizeof(want));
		want.budget_ms = cases[i].budget;
		want.max_age = cases[i].age;
		assert_int_equal(tighten(m, &want, &got, &err),
		    cases[i].allowed ? SST_OK : SST_E_REFUSED);
		if (!cases[i].allowed)
			assert_non_null(strstr(err.text, cases[i].age != 0 ?
			    "revocation.max_age" : "revocation.budget_ms"));
		want.budget_ms = want.max_age = 0;
		assert_int_equal(tighten(m, &want, &got, &err), SST_OK);
		assert_int_equal(got.budget_ms, m->revocation.budget_ms);
		assert_int_equal(got.max_age, m->revocation.max_age);
		sst_machine_unref(m);
	}
}

static void
a_change_of_any_file_changes_the_stamp(void **state)
{
	struct place *p = *state;
	uint64_t was, is;

	was = sst_machine_stamp(&p->paths);
	assert_true(was == sst_machine_stamp(&p->paths));
	for (int i = 0; i < 4; i++) {
		if (i < 3)
			put(i == 0 ? p->file : i == 1 ? p->other : p->user, "#");
		else
			put_in(p, "x.conf", "#");
		is = sst_machine_stamp(&p->paths);
		assert_true(is != was);
		was = is;
	}
	put_in(p, "x.conf", "##");
	is = sst_machine_stamp(&p->paths);
	assert_true(is != was);
	assert_true(is == sst_machine_stamp(&p->paths));
	assert_int_equal(unlink(p->file), 0);
	assert_true(is != sst_machine_stamp(&p->paths));
}

static void
the_environment_names_the_files_but_not_a_users_to_root(void **state)
{
	struct sst_machine_paths paths;
	char room[4096];

	(void)state;
	assert_int_equal(setenv(SST_MACHINE_VAR, "/some/where", 1), 0);
	assert_int_equal(setenv("HOME", "/home/x", 1), 0);
	assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
	sst_machine_paths_of(&paths, room);
	assert_string_equal(paths.file, "/etc/securesockets.conf");
	assert_string_equal(paths.dir, "/etc/securesockets.conf.d");
	assert_string_equal(paths.other, "/some/where");
	if (geteuid() == 0) {
		assert_null(paths.user);
		if (seteuid(65534) != 0)
			return;
	}
	sst_machine_paths_of(&paths, room);
	assert_string_equal(paths.user, "/home/x/.config/securesockets.conf");
	assert_int_equal(setenv("XDG_CONFIG_HOME", "/conf", 1), 0);
	sst_machine_paths_of(&paths, room);
	assert_string_equal(paths.user, "/conf/securesockets.conf");
	assert_int_equal(setenv(SST_MACHINE_VAR, "", 1), 0);
	assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
	assert_int_equal(unsetenv("HOME"), 0);
	sst_machine_paths_of(&paths, room);
	assert_null(paths.other);
	assert_null(paths.user);
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
}

/* The rows of KEYS in securesockets.conf(5): type, range, default, meaning. */
static void
the_manual_says_what_the_table_says(void **state)
{
	char line[512], text[1024] = "", want[1024];
	FILE *f = fopen(CONF_PAGE, "r");
	int key = -1;

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (key >= 0 && line[0] == '.') {
			(void)snprintf(want, sizeof(want), "%s.",
			    sst_machine_keys[key].meaning);
			want[0] = (char)toupper((unsigned char)want[0]);
			assert_string_equal(text, want);
		}
		if (strncmp(line, ".It Ic ", 7) == 0) {
			const struct sst_machine_row *row = &sst_machine_keys[++key];

			assert_true(key < SST_MACHINE_KEYS);
			(void)snprintf(want, sizeof(want),
			    ".It Ic %s Pq %s%s%s; default %s", row->name,
			    sst_machine_type_name(row->type), row->range[0] ? ": " : "",
			    row->range, row->fallback);
			assert_string_equal(line, want);
			text[0] = '\0';
		} else if (key >= 0 && line[0] == '.') {
			break;
		} else if (key >= 0) {
			if (text[0] != '\0')
				strcat(text, " ");
			strcat(text, line);
		}
	}
	(void)fclose(f);
	assert_int_equal(key, SST_MACHINE_KEYS - 1);
}

#define EACH(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(no_file_at_all_says_nothing),
		EACH(every_key_has_its_effect_and_its_origin),
		EACH(every_mode_has_its_word),
		EACH(a_wrong_value_is_refused_with_file_and_line),
		EACH(strings_and_lists_have_a_largest_size),
		EACH(a_file_that_cannot_be_read_whole_is_refused),
		EACH(later_files_replace_keys_in_the_order_of_their_bytes),
		EACH(the_variables_file_counts_only_where_the_machine_has_none),
		EACH(a_users_file_may_only_tighten),
		EACH(somebody_elses_file_is_no_users_file),
		EACH(a_program_may_raise_the_mode_and_never_lower_it),
		EACH(each_switch_may_be_turned_to_its_strict_side_alone),
		EACH(a_hard_machine_does_not_let_go_of_what_names_no_source),
		EACH(the_numbers_have_a_floor_and_a_ceiling),
		EACH(a_change_of_any_file_changes_the_stamp),
		cmocka_unit_test(the_environment_names_the_files_but_not_a_users_to_root),
		cmocka_unit_test(the_manual_says_what_the_table_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
