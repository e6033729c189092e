/* SPDX-License-Identifier: ISC */
#include "text.h"
#include "sys.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* initial-exec: the first use in a thread must not allocate. */
static _Thread_local struct {
	char		text[SST_TEXT_SIZE];
	size_t		len;
	uint64_t	serial;
} last __attribute__((tls_model("initial-exec")));

static void
add(const char *text, size_t len)
{
	size_t room = sizeof(last.text) - 1 - last.len;

	if (len > room)
		len = room;
	memcpy(last.text + last.len, text, len);
	last.len += len;
	last.text[last.len] = '\0';
}

int
sst_debugging(void)
{
	const char *debug = secure_getenv("SECURESOCKETS_DEBUG");

	return debug != NULL && strcmp(debug, "1") == 0;
}

static void
print(void)
{
	static const char name[] = "securesockets: ";

	if (!sst_debugging())
		return;
	(void)SST_SYS(SYS_write, 2, name, sizeof(name) - 1);
	(void)SST_SYS(SYS_write, 2, last.text, last.len);
	(void)SST_SYS(SYS_write, 2, "\n", 1);
}

int
sst_say(int result, const char *part, ...)
{
	va_list ap;

	last.len = 0;
	last.serial = 0;
	va_start(ap, part);
	for (; part != NULL; part = va_arg(ap, const char *))
		add(part, strlen(part));
	va_end(ap);
	print();
	return result;
}

int
sst_say_bytes(int result, const char *text, size_t len)
{
	last.len = 0;
	last.serial = 0;
	add(text, strnlen(text, len));
	print();
	return result;
}

void
sst_say_about(uint64_t serial)
{
	last.serial = serial;
}

void
sst_say_forget(uint64_t serial)
{
	if (last.serial == serial)
		last.serial = 0;
}

size_t
sst_said(uint64_t serial, const char **ret_text)
{
	if (serial != 0 && last.serial != serial)
		return 0;
	*ret_text = last.text;
	return last.len;
}

const char *
sst_errno_text(int err)
{
	const char *text = strerrordesc_np(err);

	return text == NULL ? "unknown error" : text;
}
