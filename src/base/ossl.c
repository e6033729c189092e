/* SPDX-License-Identifier: ISC */
#include "ossl.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local int starved;

int
sst_ossl_starved(void)
{
	const int was = starved;

	starved = 0;
	return was;
}

void
sst_ossl_starve(void)
{
	starved = 1;
}

void
sst_ossl_clear(void)
{
	unsigned long e;

	while ((e = ERR_get_error()) != 0)
		if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE)
			starved = 1;
}

int
sst_fail_ossl(struct sst_error *err, int code, const char *fmt, ...)
{
	unsigned long first = ERR_peek_error();
	const char *reason;
	size_t used;
	va_list ap;

	sst_ossl_clear();
	if (err == NULL || err->code != SST_OK)
		return code;
	err->code = code;
	err->sys_errno = 0;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	reason = first == 0 ? NULL : ERR_reason_error_string(first);
	if (reason == NULL)
		return code;
	used = strlen(err->text);
	(void)snprintf(err->text + used, sizeof(err->text) - used, ": %s", reason);
	return code;
}
