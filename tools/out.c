/* SPDX-License-Identifier: ISC */
/* out - see out.h. */
#include "out.h"

#include <errno.h>
#include <idn2.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <securesockets/error.h>

static char complaint[512];	/* of sst_out_usage() */

int
sst_out_trouble(int code, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("sstool: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

int
sst_out_usage(const char *verb, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(complaint, sizeof(complaint), fmt, ap);
	va_end(ap);
	fprintf(stderr, "sstool%s%s: %s; see sstool(1)\n", *verb ? " " : "", verb, complaint);
	return SST_EXIT_USAGE;
}

const char *
sst_out_complaint(void)
{
	return complaint;
}

int
sst_out_option(const char *verb, int c, char **argv)
{
	char word[64];

	sst_out_clean(word, sizeof(word), argv[optind - 1]);
	if (c == ':')
		return sst_out_usage(verb, "%s takes a value", word);
	return sst_out_usage(verb, "no option '%s'", word);
}

int
sst_out_error(const char *what, const struct sst_error *err)
{
	char name[1024], text[sizeof(err->text) * 2];
	int code = SST_EXIT_CANNOT_TELL;

	if (err->code == SST_E_USAGE)
		code = SST_EXIT_USAGE;
	else if (err->code == SST_E_NOMEM || err->code == SST_E_UNSUPPORTED)
		code = SST_EXIT_UNAVAILABLE;
	sst_out_clean(name, sizeof(name), what);
	sst_out_clean(text, sizeof(text), err->text);
	return sst_out_trouble(code, "%s: %s", name, *text ? text :
	    sst_code_name(err->code));
}

int
sst_out_finish(int code)
{
	int failed = fflush(stdout) != 0 || ferror(stdout);

	if (!failed)
		return code;
	if (errno == EPIPE)	/* the reader has enough */
		return code;
	return sst_out_trouble(SST_EXIT_UNAVAILABLE, "standard output: %s",
	    strerror(errno));
}

char *
sst_out_time(char out[32], time_t when)
{
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL ||
	    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(out, 32, "@%lld", (long long)when);
	return out;
}

char *
sst_out_hex(char out[65], const uint8_t digest[32])
{
	for (size_t i = 0; i < 32; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
	return out;
}

char *
sst_out_clean(char *out, size_t size, const char *text)
{
	size_t used = 0;

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		int plain = c >= 0x20 && c <= 0x7e;

		/* 8: the longest escape, "..." and the NUL */
		if (used + 8 > size) {
			memcpy(out + used, "...", 3);
			used += 3;
			break;
		}
		if (plain)
			out[used++] = (char)c;
		else
			used += (size_t)snprintf(out + used, 5, "\\x%02x", c);
	}
	out[used] = '\0';
	return out;
}

static int
utf8_terminal(void)
{
	return isatty(STDOUT_FILENO) &&
	    strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

char *
sst_out_name(char *out, size_t size, const char *name)
{
	char *unicode = NULL, *back = NULL;
	size_t used;

	sst_out_clean(out, size, name);
	if (strstr(name, "xn--") == NULL || !utf8_terminal())
		return out;
	/* The way back and forth shows that nothing but letters is in it. */
	if (idn2_to_unicode_8z8z(name, &unicode, 0) == IDN2_OK &&
	    idn2_to_ascii_8z(unicode, &back, IDN2_NONTRANSITIONAL) == IDN2_OK &&
	    strcasecmp(back, name) == 0) {
		used = strlen(out);
		if (used + strlen(unicode) + 4 <= size)
			snprintf(out + used, size - used, " [%s]", unicode);
	}
	idn2_free(back);
	idn2_free(unicode);
	return out;
}

json_t *
sst_out_object(void)
{
	json_t *object = json_pack("{si}", "schema", 1);

	if (object == NULL) {
		sst_out_trouble(0, "out of memory");
		exit(SST_EXIT_UNAVAILABLE);
	}
	return object;
}

json_t *
sst_out_string(const char *text)
{
	json_t *string;
	char *clean;
	size_t size;

	if (text == NULL)
		return json_null();
	size = strlen(text) * 4 + 8;
	clean = malloc(size);
	if (clean == NULL)
		return NULL;
	string = json_string(sst_out_clean(clean, size, text));
	free(clean);
	return string;
}

void
sst_out_json(json_t *object)
{
	if (json_dumpf(object, stdout, JSON_COMPACT | JSON_ENSURE_ASCII) == 0)
		putchar('\n');
	json_decref(object);
}

void
sst_out_count(int json, size_t shown, size_t all)
{
	json_t *object;

	if (!json) {
		printf("%zu of %zu\n", shown, all);
		return;
	}
	object = sst_out_object();
	json_object_set_new(object, "shown", json_integer((json_int_t)shown));
	json_object_set_new(object, "of", json_integer((json_int_t)all));
	sst_out_json(object);
}

size_t
sst_out_limit(const char *arg)
{
	char *end;
	unsigned long n;

	if (*arg < '0' || *arg > '9')
		return 0;
	errno = 0;
	n = strtoul(arg, &end, 10);
	return errno == 0 && *end == '\0' ? n : 0;
}

static struct {
	struct timespec	first, last;
	int		in_place;
} progress;

static double
since(const struct timespec *then, const struct timespec *now)
{
	return (double)(now->tv_sec - then->tv_sec) +
	    (double)(now->tv_nsec - then->tv_nsec) / 1e9;
}

void
sst_out_progress(const char *what, size_t n)
{
	struct timespec now;
	int terminal;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (progress.first.tv_sec == 0) {
		progress.first = progress.last = now;
		return;
	}
	terminal = isatty(STDERR_FILENO);
	if (since(&progress.first, &now) < 1 ||
	    since(&progress.last, &now) < (terminal ? 0.1 : 5))
		return;
	progress.last = now;
	if (terminal) {
		fprintf(stderr, "\r%zu %s", n, what);
		progress.in_place = 1;
	} else {
		fprintf(stderr, "%zu %s\n", n, what);
	}
}

void
sst_out_progress_end(void)
{
	if (progress.in_place)
		fputs("\r\033[K", stderr);
	progress.in_place = 0;
}
