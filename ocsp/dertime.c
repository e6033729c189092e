/* SPDX-License-Identifier: ISC */
/*
 * dertime - see dertime.h.
 */
#include "dertime.h"

#include <securesockets/error.h>

static int
digits(const uint8_t *p, unsigned n, unsigned *ret)
{
	unsigned value = 0;

	for (unsigned i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return 0;
		value = value * 10 + (unsigned)(p[i] - '0');
	}
	*ret = value;
	return 1;
}

static unsigned
days_of_month(unsigned year, unsigned month)
{
	static const uint8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar: years begin in
 * March, so that the leap day is a year's last. */
static int64_t
days_since_epoch(unsigned year, unsigned month, unsigned day)
{
	int64_t y = (int64_t)year - (month <= 2);
	int64_t m = month <= 2 ? month + 9 : month - 3;
	int64_t day_of_year = (153 * m + 2) / 5 + day - 1;

	return 365 * y + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

/* MMDDHHMMSSZ, eleven octets. */
static int
rest_of_year(unsigned year, const uint8_t *p, int64_t *ret)
{
	unsigned month, day, hour, minute, second;

	if (!digits(p, 2, &month) || !digits(p + 2, 2, &day) ||
	    !digits(p + 4, 2, &hour) || !digits(p + 6, 2, &minute) ||
	    !digits(p + 8, 2, &second) || p[10] != 'Z')
		return SST_E_MALFORMED;
	if (month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) ||
	    hour > 23 || minute > 59 || second > 59)
		return SST_E_MALFORMED;
	*ret = days_since_epoch(year, month, day) * 86400 +
	    (int64_t)hour * 3600 + (int64_t)minute * 60 + second;
	return SST_OK;
}

int
sst_dertime_generalized(const uint8_t *content, size_t len, int64_t *ret)
{
	unsigned year;

	if (len != 15 || !digits(content, 4, &year) || year == 0)
		return SST_E_MALFORMED;
	return rest_of_year(year, content + 4, ret);
}

int
sst_dertime_any(uint8_t tag, const uint8_t *content, size_t len, int64_t *ret)
{
	unsigned year;

	if (tag == SST_DER_GENERALIZEDTIME)
		return sst_dertime_generalized(content, len, ret);
	if (tag != SST_DER_UTCTIME || len != 13 || !digits(content, 2, &year))
		return SST_E_MALFORMED;
	return rest_of_year(year < 50 ? 2000 + year : 1900 + year, content + 2, ret);
}
