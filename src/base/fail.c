/* SPDX-License-Identifier: ISC */
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
	"SST_OK", "SST_E_NOMEM", "SST_E_SYSTEM", "SST_E_USAGE", "SST_E_LIMIT",
	"SST_E_MALFORMED", "SST_E_MISMATCH", "SST_E_NOT_FOUND", "SST_E_REFUSED",
	"SST_E_STATE", "SST_E_TLS", "SST_E_TIMEOUT", "SST_E_PEER",
	"SST_E_UNSUPPORTED", "SST_E_INTERNAL",
};

const char *
sst_code_name(int code)
{
	if (code > 0 || -code >= (int)(sizeof(names) / sizeof(names[0])))
		return "unknown code";
	return names[-code];
}

int
sst_fail(struct sst_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL || err->code != SST_OK)
		return code;
	err->code = code;
	err->sys_errno = 0;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

int
sst_fail_errno(struct sst_error *err, int sys_errno, const char *fmt, ...)
{
	size_t used;
	va_list ap;

	if (err == NULL || err->code != SST_OK)
		return SST_E_SYSTEM;
	err->code = SST_E_SYSTEM;
	err->sys_errno = sys_errno;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	used = strlen(err->text);
	(void)snprintf(err->text + used, sizeof(err->text) - used, ": %s",
	    strerror(sys_errno));
	return SST_E_SYSTEM;
}

void
sst_error_clear(struct sst_error *err)
{
	if (err != NULL)
		*err = (struct sst_error){ .code = SST_OK };
}
