/* SPDX-License-Identifier: ISC */
/* see - what a case saw, as lines of text; see conformance.h. */
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "conformance.h"
#include "judge.h"

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR &&
    EPOLLHUP == POLLHUP && EPOLLRDHUP == POLLRDHUP && EPOLLPRI == POLLPRI,
    "poll and epoll name the same bits");

void
see_text(struct trial *t, const char *label, const char *fmt, ...)
{
	unsigned int i = atomic_fetch_add(&t->notes->n, 1);
	struct note *n = &t->notes->at[i];
	va_list ap;

	if (i >= NOTES_MAX)
		return;
	(void)snprintf(n->label, sizeof(n->label), "%s", label);
	va_start(ap, fmt);
	(void)vsnprintf(n->value, sizeof(n->value), fmt, ap);
	va_end(ap);
}

void
want_seen(const struct trial *t, const char *label, const char *value)
{
	unsigned int n = t->notes->n < NOTES_MAX ? t->notes->n : NOTES_MAX, found = 0;

	for (unsigned int i = 0; i < n; i++) {
		const struct note *note = &t->notes->at[i];

		if (strcmp(note->label, label) != 0)
			continue;
		found++;
		if (strcmp(note->value, value) != 0)
			world_fail(__FILE__, __LINE__, "%s: %s, not %s", label,
			    note->value, value);
	}
	want(found > 0);
}

void
see(struct trial *t, const char *label, long long value)
{
	see_text(t, label, "%lld", value);
}

void
see_errno(struct trial *t, const char *label, int err)
{
	const char *name = strerrorname_np(err);

	if (name == NULL)
		see_text(t, label, "errno %d", err);
	else
		see_text(t, label, "%s", name);
}

void
see_result(struct trial *t, const char *label, long long result, int err)
{
	const char *name = result < 0 ? strerrorname_np(err) : "";

	if (result < 0)
		see_text(t, label, "%lld %s", result, name != NULL ? name : "?");
	else
		see(t, label, result);
}

void
see_mask(struct trial *t, const char *label, unsigned int mask)
{
	static const struct {
		unsigned int	 bit;
		const char	*name;
	} bits[] = {
		{ POLLIN, "IN" }, { POLLPRI, "PRI" }, { POLLOUT, "OUT" },
		{ POLLERR, "ERR" }, { POLLHUP, "HUP" }, { POLLNVAL, "NVAL" },
		{ POLLRDNORM, "RDNORM" }, { POLLRDBAND, "RDBAND" },
		{ POLLWRNORM, "WRNORM" }, { POLLWRBAND, "WRBAND" },
		{ POLLRDHUP, "RDHUP" },
	};
	char text[NOTE_VALUE] = "";

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		size_t used = strlen(text);

		if ((mask & bits[i].bit) == 0)
			continue;
		mask &= ~bits[i].bit;
		(void)snprintf(text + used, sizeof(text) - used, "%s%s",
		    used > 0 ? "|" : "", bits[i].name);
	}
	if (mask != 0)
		see_text(t, label, "%s|0x%x", text, mask);
	else
		see_text(t, label, "%s", text[0] != '\0' ? text : "nothing");
}

/* FNV-1a: one byte more. */
static uint64_t
hash(uint64_t h, const unsigned char *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ at[i]) * 1099511628211u;
	return h;
}

#define HASH_START	14695981039346656037u

void
see_bytes(struct trial *t, const char *label, const void *bytes, size_t len)
{
	see_text(t, label, "%zu bytes, %016llx", len,
	    (unsigned long long)hash(HASH_START, bytes, len));
}

void
see_talk(struct trial *t, int fd, struct far *f)
{
	char text[5];

	ours_write(fd, "hello", 5);
	far_read_all(f, text, 5);
	see_bytes(t, "heard", text, 5);
	far_write(f, "world", 5);
	ours_read(fd, text, 5);
	see_bytes(t, "answer", text, 5);
}

void
see_far_rest(struct trial *t, const char *label, struct far *f)
{
	static _Thread_local unsigned char block[65536];
	uint64_t h = HASH_START;
	size_t total = 0;
	const char *end;
	ssize_t n;

	while ((n = far_read(f, block, sizeof(block))) > 0) {
		h = hash(h, block, (size_t)n);
		total += (size_t)n;
	}
	end = n == 0 ? "end" : errno == 0 ? "cut" : strerrorname_np(errno);
	see_text(t, label, "%zu bytes, %016llx, %s", total, (unsigned long long)h,
	    end != NULL ? end : "?");
}
