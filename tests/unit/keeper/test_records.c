/* SPDX-License-Identifier: ISC */
/* What the kernel writes of a marked file system, whole, cut anywhere and with wrong
 * lengths; and the table of strangers. */
#include "watch/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>

#include <cmocka.h>

#define HANDLE	12u	/* octets of a handle, as of tmpfs */
#define INFO	(offsetof(struct fanotify_event_info_fid, handle) + \
		    sizeof(struct file_handle) + HANDLE)
#define EVENT	(sizeof(struct fanotify_event_metadata) + INFO)

struct met {
	int	 n;
	struct sst_record last;
	uint64_t print[8];
};

static void
note(void *arg, struct sst_record *r)
{
	struct met *m = arg;

	if (m->n < 8)
		m->print[m->n] = r->print;
	m->n++;
	m->last = *r;
}

/* Events one behind the other. */
struct text {
	char	 v[1024];
	size_t	 n;
};

static void
put(struct text *t, const void *bytes, size_t n)
{
	assert_true(n <= sizeof(t->v) - t->n);
	memcpy(t->v + t->n, bytes, n);
	t->n += n;
}

static void
put_event(struct text *t, uint64_t mask, size_t behind)
{
	const struct fanotify_event_metadata m = {
		.event_len = (uint32_t)(sizeof(m) + behind), .vers = 3,
		.metadata_len = sizeof(m), .mask = mask, .fd = FAN_NOFD };

	put(t, &m, sizeof(m));
}

/* Of the directory with this handle; `more` octets of it are said beyond its room. */
static void
put_info(struct text *t, unsigned char type, int fsid, unsigned char handle, size_t bytes,
    unsigned more)
{
	const struct fanotify_event_info_header h = { .info_type = type,
	    .len = (uint16_t)(INFO - HANDLE + bytes) };
	const int id[2] = { fsid, 2 };
	const struct file_handle f = { .handle_bytes = (unsigned)bytes + more,
	    .handle_type = 1 };

	put(t, &h, sizeof(h));
	put(t, id, sizeof(id));
	put(t, &f, sizeof(f));
	for (size_t i = 0; i < bytes; i++)
		put(t, &handle, 1);
}

/* Of a piece of memory that ends where it ends, so that a look behind it is seen. */
static struct met
read_all(const struct text *t, size_t n, int *ret_lost)
{
	char *copy = malloc(n == 0 ? 1 : n);
	struct met m = { 0 };

	assert_non_null(copy);
	memcpy(copy, t->v, n);
	*ret_lost = sst_records_each(copy, n, note, &m);
	free(copy);
	return m;
}

static void
the_directory_of_each_event_is_told(void **state)
{
	struct text t = { .n = 0 };
	struct met m;
	int lost;

	(void)state;
	put_event(&t, FAN_CREATE, INFO);
	put_info(&t, FAN_EVENT_INFO_TYPE_DFID, 1, 'a', HANDLE, 0);
	/* a file's: its directory, and itself */
	put_event(&t, FAN_CLOSE_WRITE, 2 * INFO);
	put_info(&t, FAN_EVENT_INFO_TYPE_DFID, 1, 'b', HANDLE, 0);
	put_info(&t, FAN_EVENT_INFO_TYPE_FID, 1, 'c', HANDLE, 0);
	m = read_all(&t, t.n, &lost);
	assert_int_equal(lost, 0);
	assert_int_equal(m.n, 3);
	assert_int_equal(m.last.id[0], 1);
	assert_int_equal(m.last.id[1], 2);
	assert_int_equal(m.last.handle.head.handle_bytes, HANDLE);
	assert_int_equal(m.last.handle.head.handle_type, 1);
	assert_memory_equal(m.last.handle.head.f_handle, "cccccccccccc", HANDLE);
	assert_int_equal(m.last.handle.head.f_handle[HANDLE], 0);
	assert_true(m.print[0] != m.print[1] && m.print[1] != m.print[2]);
}

/* The same one by another event has it; another's handle or file system has not. */
static void
a_print_is_of_handle_and_file_system(void **state)
{
	struct text t = { .n = 0 };
	struct met m;
	int lost;

	(void)state;
	put_event(&t, FAN_CREATE, INFO);
	put_info(&t, FAN_EVENT_INFO_TYPE_DFID, 1, 'a', HANDLE, 0);
	put_event(&t, FAN_DELETE, 3 * INFO);
	put_info(&t, FAN_EVENT_INFO_TYPE_FID, 1, 'a', HANDLE, 0);
	put_info(&t, FAN_EVENT_INFO_TYPE_DFID, 9, 'a', HANDLE, 0);
	put_info(&t, FAN_EVENT_INFO_TYPE_DFID, 1, 'b', HANDLE, 0);
	m = read_all(&t, t.n, &lost);
	assert_int_equal(m.n, 4);
	assert_true(m.print[0] == m.print[1]);
	assert_true(m.print[0] != m.print[2] && m.print[0] != m.print[3]);
	for (int i = 0; i < 4; i++)
		assert_int_equal(m.print[i] & 1, 1);
}

static void
records_of_other_kinds_are_passed_over(void **state)
{
	struct text t = { .n = 0 };
	struct met m;
	int lost;

	(void)state;
	put_event(&t, FAN_CREATE, 2 * INFO);
	put_info(&t, FAN_EVENT_INFO_TYPE_DFID_NAME, 1, 'a', HANDLE, 0);
	put_info(&t, FAN_EVENT_INFO_TYPE_DFID, 1, 'b', HANDLE, 0);
	m = read_all(&t, t.n, &lost);
	assert_int_equal(m.n, 1);
	assert_memory_equal(m.last.handle.head.f_handle, "bbbb", 4);
}

static void
what_the_kernel_lost_is_told_and_what_follows_is_read(void **state)
{
	struct text t = { .n = 0 };
	struct met m;
	int lost;

	(void)state;
	put_event(&t, FAN_Q_OVERFLOW, 0);
	put_event(&t, FAN_CREATE, INFO);
	put_info(&t, FAN_EVENT_INFO_TYPE_DFID, 1, 'a', HANDLE, 0);
	m = read_all(&t, t.n, &lost);
	assert_int_equal(lost, 1);
	assert_int_equal(m.n, 1);
	/* and as the last one */
	m = read_all(&t, t.n - EVENT, &lost);
	assert_int_equal(lost, 1);
	assert_int_equal(m.n, 0);
}

static void
what_is_cut_is_not_read(void **state)
{
	struct text t = { .n = 0 };
	struct met m;
	int lost;

	(void)state;
	put_event(&t, FAN_CREATE, INFO);
	put_info(&t, FAN_EVENT_INFO_TYPE_DFID, 1, 'a', HANDLE, 0);
	put_event(&t, FAN_CREATE | FAN_Q_OVERFLOW, INFO);
	put_info(&t, FAN_EVENT_INFO_TYPE_DFID, 1, 'b', HANDLE, 0);
	assert_int_equal(t.n, 2 * EVENT);
	for (size_t n = 0; n <= t.n; n++) {
		m = read_all(&t, n, &lost);
		assert_int_equal(m.n, n / EVENT);
		assert_int_equal(lost, n == t.n);
	}
}

/* Two events, the first with this length and one field of it written over. */
static int
met_with(size_t at, const void *bytes, size_t n)
{
	struct text t = { .n = 0 };
	int lost;

	put_event(&t, FAN_CREATE, INFO);
	put_info(&t, FAN_EVENT_INFO_TYPE_DFID, 1, 'a', HANDLE, 0);
	put_event(&t, FAN_CREATE, INFO);
	put_info(&t, FAN_EVENT_INFO_TYPE_DFID, 1, 'b', HANDLE, 0);
	memcpy(t.v + at, bytes, n);
	return read_all(&t, t.n, &lost).n;
}

static void
a_length_that_does_not_fit_ends_the_reading(void **state)
{
	const size_t event_len = offsetof(struct fanotify_event_metadata, event_len);
	const size_t metadata_len = offsetof(struct fanotify_event_metadata, metadata_len);
	const size_t meta = sizeof(struct fanotify_event_metadata);
	const size_t info_len = meta + offsetof(struct fanotify_event_info_header, len);
	const struct { size_t at; unsigned value; int size, met; } rows[] = {
		{ event_len, EVENT, 4, 2 },
		{ event_len, 0, 4, 0 },			/* it would never end */
		{ event_len, (unsigned)meta - 1, 4, 0 },
		{ event_len, 2 * EVENT, 4, 1 },		/* the second is in the first */
		{ event_len, 2 * EVENT + 1, 4, 0 },
		{ event_len, UINT32_MAX, 4, 0 },
		{ metadata_len, (unsigned)meta, 2, 2 },
		{ metadata_len, 0, 2, 0 },
		{ metadata_len, (unsigned)meta - 1, 2, 0 },
		{ metadata_len, EVENT, 2, 1 },		/* nothing stands behind it */
		{ metadata_len, EVENT + 1, 2, 0 },
		{ metadata_len, UINT16_MAX, 2, 0 },
		{ info_len, INFO, 2, 2 },
		{ info_len, 0, 2, 1 },			/* nor would this */
		{ info_len, 3, 2, 1 },
		{ info_len, INFO + 1, 2, 1 },
		{ info_len, UINT16_MAX, 2, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint16_t half = (uint16_t)rows[i].value;
		int met = met_with(rows[i].at, rows[i].size == 2 ? (const void *)&half :
		    &rows[i].value, (size_t)rows[i].size);

		if (met != rows[i].met)
			fail_msg("row %zu: %d", i, met);
	}
}

static void
a_handle_fits_its_record_and_what_a_handle_may_be(void **state)
{
	static const struct { size_t bytes; unsigned more; int met; } rows[] = {
		{ 0, 0, 0 }, { 4, 0, 1 }, { HANDLE, 0, 1 }, { HANDLE, 4, 0 },
		{ MAX_HANDLE_SZ, 0, 1 }, { MAX_HANDLE_SZ, 1, 0 },
		{ MAX_HANDLE_SZ + 4, 0, 0 }, { HANDLE, UINT32_MAX - HANDLE, 0 },
	};
	struct text t;
	int lost;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		t.n = 0;
		put_event(&t, FAN_CREATE, INFO - HANDLE + rows[i].bytes);
		put_info(&t, FAN_EVENT_INFO_TYPE_DFID, 1, 'a', rows[i].bytes, rows[i].more);
		if (read_all(&t, t.n, &lost).n != rows[i].met)
			fail_msg("row %zu", i);
	}
}

static void
a_stranger_is_known_until_another_has_its_place(void **state)
{
	static uint64_t table[SST_STRANGERS];
	const uint64_t one = 2 * 17 + 1, beside = one + 2;
	const uint64_t same_place = one + 2 * (uint64_t)SST_STRANGERS;

	(void)state;
	assert_false(sst_strangers_have(table, one));
	sst_strangers_put(table, one);
	assert_true(sst_strangers_have(table, one));
	assert_false(sst_strangers_have(table, beside));
	assert_false(sst_strangers_have(table, same_place));
	sst_strangers_put(table, beside);
	assert_true(sst_strangers_have(table, one));
	sst_strangers_put(table, same_place);
	assert_true(sst_strangers_have(table, same_place));
	assert_false(sst_strangers_have(table, one));
	assert_true(sst_strangers_have(table, beside));
	/* the last place is one of the table's */
	sst_strangers_put(table, UINT64_MAX);
	assert_true(table[SST_STRANGERS - 1] == UINT64_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_directory_of_each_event_is_told),
		cmocka_unit_test(a_print_is_of_handle_and_file_system),
		cmocka_unit_test(records_of_other_kinds_are_passed_over),
		cmocka_unit_test(what_the_kernel_lost_is_told_and_what_follows_is_read),
		cmocka_unit_test(what_is_cut_is_not_read),
		cmocka_unit_test(a_length_that_does_not_fit_ends_the_reading),
		cmocka_unit_test(a_handle_fits_its_record_and_what_a_handle_may_be),
		cmocka_unit_test(a_stranger_is_known_until_another_has_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
