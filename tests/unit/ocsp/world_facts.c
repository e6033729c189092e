/* SPDX-License-Identifier: ISC */
#include "world_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct pki_cert *ca;

int
facts_world_make(void **state)
{
	(void)state;
	ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	return 0;
}

int
facts_world_free(void **state)
{
	(void)state;
	pki_free(ca);
	return 0;
}

const struct sst_cert_facts *
facts_read(const struct pki_cert *c)
{
	const struct sst_cert_facts *f = NULL;
	struct sst_error err = { .code = SST_OK };
	int rc = sst_facts_of(c->cert, c->issuer != NULL ? c->issuer->cert : c->cert, &f, &err);

	if (rc < 0)
		print_error("%s\n", err.text);
	assert_int_equal(rc, SST_OK);
	return f;
}

void
facts_refused(const struct pki_spec *spec, int code, const char *word)
{
	struct pki_cert *c = pki_issue(ca, spec);
	const struct sst_cert_facts *f = NULL;
	struct sst_error err = { .code = SST_OK };

	if (sst_facts_of(c->cert, ca->cert, &f, &err) == SST_OK)
		print_error("read: %s\n", spec->extra);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.text, word));
	assert_null(f);
	pki_free(c);
}
