/* SPDX-License-Identifier: ISC */
/* arg - see arg.h. */
#include "arg.h"

#include <errno.h>
#include <stdlib.h>

int
sst_arg_time(const char *text, time_t *ret_when)
{
	struct tm tm = { 0 };
	long long seconds;
	char *end;

	end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (end != NULL && *end == '\0') {
		*ret_when = timegm(&tm);
		return 1;
	}
	errno = 0;
	seconds = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0)
		return 0;
	*ret_when = (time_t)seconds;
	return 1;
}

int
sst_arg_number(const char *text, unsigned long least, unsigned long most,
    unsigned long *ret)
{
	unsigned long n;
	char *end;

	if (*text < '0' || *text > '9')
		return 0;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || n < least || n > most)
		return 0;
	*ret = n;
	return 1;
}

int
sst_arg_duration(const char *text, long long *ret_seconds)
{
	static const struct {
		char		unit;
		long long	seconds;
	} units[] = { { '\0', 1 }, { 's', 1 }, { 'm', 60 }, { 'h', 3600 },
		{ 'd', 86400 }, { 'w', 7 * 86400 } };
	unsigned long n;
	char *end;

	if (*text < '0' || *text > '9')
		return 0;
	errno = 0;
	n = strtoul(text, &end, 10);
	/* 100 million weeks are still far from an overflow */
	if (errno != 0 || n > 100000000 || (*end != '\0' && end[1] != '\0'))
		return 0;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].unit == *end) {
			*ret_seconds = (long long)n * units[i].seconds;
			return 1;
		}
	return 0;
}
