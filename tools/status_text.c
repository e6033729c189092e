/* SPDX-License-Identifier: ISC */
/* status_text - see status_text.h. */
#include "status_text.h"

#include <stdio.h>
#include <string.h>

#include "out.h"

#define DEPTH_MAX	4

static int
is_time(const char *key, const json_t *value)
{
	static const char *const marks[] = {
		"renewal", "expiry", "not_after", "started", "_at"
	};

	if (!json_is_integer(value) || json_integer_value(value) == 0)
		return 0;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strstr(key, marks[i]) != NULL)
			return 1;
	return 0;
}

static void
print_scalar(const char *key, const json_t *value)
{
	char text[1024];

	if (is_time(key, value))
		fputs(sst_out_time(text, json_integer_value(value)), stdout);
	else if (json_is_string(value))
		fputs(sst_out_clean(text, sizeof(text), json_string_value(value)),
		    stdout);
	else if (json_is_integer(value))
		printf("%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		printf("%g", json_real_value(value));
	else
		fputs(json_is_true(value) ? "yes" : json_is_false(value) ? "no" :
		    "-", stdout);
}

/* "last_renewal" reads as "last renewal". */
static void
print_key(const char *key)
{
	char text[128];

	sst_out_clean(text, sizeof(text), key);
	for (char *p = text; *p != '\0'; p++)
		if (*p == '_')
			*p = ' ';
	fputs(text, stdout);
}

static void	print_object(const json_t *object, int depth);

/* One object a block, its number of spaces saying how deep it is. */
static void
print_array(const char *key, const json_t *array, int depth)
{
	size_t i;
	json_t *value;

	json_array_foreach(array, i, value) {
		printf("%*s", depth * 2, "");
		print_key(key);
		fputs(": ", stdout);
		if (json_is_object(value)) {
			print_object(value, depth);
		} else {
			print_scalar(key, value);
			putchar('\n');
		}
	}
}

/* Scalars on the line that the caller began, then what is below them. */
static void
print_object(const json_t *object, int depth)
{
	const char *key, *separator = "";
	json_t *value;

	json_object_foreach((json_t *)object, key, value) {
		if (json_is_object(value) || json_is_array(value) ||
		    strcmp(key, "schema") == 0)
			continue;
		fputs(separator, stdout);
		print_key(key);
		putchar(' ');
		print_scalar(key, value);
		separator = "  ";
	}
	putchar('\n');
	if (depth == DEPTH_MAX)
		return;
	json_object_foreach((json_t *)object, key, value) {
		if (json_is_array(value)) {
			print_array(key, value, depth + 1);
		} else if (json_is_object(value) && json_object_size(value) > 0) {
			printf("%*s", (depth + 1) * 2, "");
			print_key(key);
			fputs(": ", stdout);
			print_object(value, depth + 1);
		}
	}
}

void
sst_status_print(const json_t *document)
{
	print_object(document, 0);
}
