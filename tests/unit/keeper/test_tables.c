/* SPDX-License-Identifier: ISC */
/*
 * What the keeper remembers: sources, held listeners, waiting messages.
 */
#include "place.h"

#include "keeper/held.h"
#include "keeper/queue.h"
#include "keeper/sources.h"
#include "watch/table.h"
#include "watch/watch.h"

#include "base/wire.h"

#include "support/fds.h"
#include "support/starve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

static void
pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0, fds), 0);
}

static ino_t
inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void
a_table_finds_what_was_put_and_only_that(void **state)
{
	struct sst_table t = { 0 };
	struct sst_node nodes[1000];
	struct sst_place place = { 0 };
	size_t seen = 0;

	(void)state;
	assert_null(sst_table_get(&t, 1));
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(sst_table_put(&t, &nodes[i], i * 64), 0);
	for (uint32_t i = 0; i < 1000; i += 2)
		sst_table_take(&t, &nodes[i]);
	for (uint32_t i = 0; i < 1000; i++)
		assert_ptr_equal(sst_table_get(&t, i * 64),
		    i % 2 == 0 ? NULL : &nodes[i]);
	while (sst_table_next(&t, &place) != NULL)
		seen++;
	assert_int_equal(seen, 500);
	assert_int_equal(t.n, 500);
	sst_table_done(&t);
}

static void
a_held_listener_is_given_back_as_it_was_held_last(void **state)
{
	struct sst_held h = { 0 };
	struct sst_wire_head head;
	struct sst_queue q;
	char data[64];
	int ends[2], a[3] = { -1, -1, -1 }, b[3] = { -1, -1, -1 }, got[2];
	int none[3] = { -1, -1, -1 };
	ino_t ino[2];

	(void)state;
	pair(ends);
	pair(a);
	pair(b);
	ino[0] = inode(b[0]);
	ino[1] = inode(b[1]);
	assert_int_equal(sst_held_put(&h, 5, "first", 5, a), 0);
	assert_int_equal(a[0], -1);		/* taken */
	assert_int_equal(sst_held_put(&h, 5, "second", 6, b), 0);
	assert_int_equal(sst_held_put(&h, 5, "third!!", 7, none), 0);
	sst_queue_init(&q, ends[0]);
	assert_int_equal(sst_held_restore(&h, &q), 0);
	assert_int_equal(sst_wire_recv(ends[1], &head, data, sizeof(data), got, 2), 7);
	assert_int_equal(head.verb, SST_CHAN_RESTORE);
	assert_int_equal(head.id, 5);
	assert_memory_equal(data, "third!!", 7);
	assert_int_equal(inode(got[0]), ino[0]);
	assert_int_equal(inode(got[1]), ino[1]);
	(void)close(got[0]);
	(void)close(got[1]);
	/* Released: nothing comes, and its descriptors are closed. */
	sst_held_release(&h, 5);
	assert_int_equal(h.state, 0);
	assert_int_equal(sst_held_restore(&h, &q), 0);
	assert_int_equal(sst_wire_recv(ends[1], &head, data, sizeof(data), got, 2), -1);
	assert_int_equal(errno, EAGAIN);
	sst_held_done(&h);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* A memfd with these bytes. */
static int
file_with(const char *text, int seals)
{
	int fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void
a_long_state_is_a_file_that_can_change_no_more(void **state)
{
	const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	struct sst_held h = { 0 };
	struct sst_wire_head head;
	struct sst_queue q;
	char data[64];
	int ends[2], a[3], got[3];

	(void)state;
	pair(ends);
	sst_queue_init(&q, ends[0]);
	pair(a);
	for (int i = 0; i < 3; i++) {
		const int but[] = { F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE };

		a[2] = file_with("state", all & ~but[i]);
		assert_int_equal(sst_held_put(&h, 7, "", 0, a), -1);
		assert_int_equal(errno, EINVAL);
		(void)close(a[2]);
	}
	a[2] = file_with("state", all);
	assert_int_equal(sst_held_put(&h, 7, "", 0, a), 0);
	assert_int_equal(a[2], -1);
	assert_int_equal(h.state, 5);
	assert_int_equal(sst_held_restore(&h, &q), 0);
	assert_int_equal(sst_wire_recv(ends[1], &head, data, sizeof(data), got, 3), 0);
	assert_int_equal(pread(got[2], data, sizeof(data), 0), 5);
	assert_memory_equal(data, "state", 5);
	for (int i = 0; i < 3; i++)
		(void)close(got[i]);
	/* A short one takes its place. */
	pair(a);
	assert_int_equal(sst_held_put(&h, 7, "ab", 2, a), 0);
	assert_int_equal(h.state, 2);
	assert_int_equal(sst_held_restore(&h, &q), 0);
	assert_int_equal(sst_wire_recv(ends[1], &head, data, sizeof(data), got, 3), 2);
	assert_int_equal(got[2], -1);
	(void)close(got[0]);
	(void)close(got[1]);
	sst_held_done(&h);
	assert_int_equal(h.state, 0);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void
a_hold_without_descriptors_or_beyond_the_limit_is_refused(void **state)
{
	struct sst_held h = { 0 };
	static char big[SST_WIRE_DATA_MAX];
	int a[3] = { -1, -1, -1 }, none[3] = { -1, -1, -1 };
	uint32_t id;

	(void)state;
	assert_int_equal(sst_held_put(&h, 1, "x", 1, none), -1);
	assert_int_equal(errno, EINVAL);
	pair(a);
	none[0] = a[0];
	assert_int_equal(sst_held_put(&h, 1, "x", 1, none), -1);
	assert_int_equal(h.table.n, 0);
	assert_int_equal(sst_held_put(&h, 1, "x", 1, a), 0);
	none[0] = -1;
	h.state = SST_HELD_STATE_MAX;	/* as if others used it up */
	assert_int_equal(sst_held_put(&h, 1, "xy", 2, none), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(sst_held_put(&h, 1, "y", 1, none), 0);
	h.state = 1;
	for (id = 2; id < 10; id++) {
		pair(a);
		assert_int_equal(sst_held_put(&h, id, big, sizeof(big), a), 0);
	}
	assert_int_equal(h.state, 1 + 8 * sizeof(big));
	sst_held_done(&h);
	assert_int_equal(h.state, 0);
}

static void
messages_leave_in_order_when_the_other_side_was_busy(void **state)
{
	static char data[60000];
	struct sst_wire_head head;
	struct sst_queue q;
	int ends[2], file, got, bare;
	ino_t ino;

	(void)state;
	pair(ends);
	sst_queue_init(&q, ends[0]);
	for (uint32_t i = 0; i < 20; i++) {
		file = open("/dev/null", O_RDONLY | O_CLOEXEC);
		ino = inode(file);
		sst_wire_init(&head, SST_CHAN_FILE);
		head.id = i;
		assert_int_equal(sst_queue_send(&q, &head, data, sizeof(data), &file, 1),
		    0);
		(void)close(file);	/* the queue has its own */
	}
	assert_true(q.n > 0);
	assert_int_equal(sst_queue_count(&q, SST_CHAN_FILE, 19, &bare), 1);
	assert_false(bare);
	assert_int_equal(sst_queue_count(&q, SST_CHAN_FILE, 0, &bare), 0);
	assert_int_equal(sst_queue_count(&q, SST_CHAN_CHANGED, 19, &bare), 0);
	assert_int_equal(sst_queue_flush(&q), 0);
	/* There is room again, but others were first. */
	assert_int_equal(sst_wire_recv(ends[1], &head, data, sizeof(data), &got, 1),
	    (int)sizeof(data));
	assert_int_equal(head.id, 0);
	(void)close(got);
	sst_wire_init(&head, SST_CHAN_FILE);
	head.id = 20;
	assert_int_equal(sst_queue_send(&q, &head, NULL, 0, NULL, 0), 0);
	assert_int_equal(sst_queue_count(&q, SST_CHAN_FILE, 20, &bare), 1);
	assert_true(bare);
	for (uint32_t i = 1; i < 20; i++) {
		assert_int_equal(sst_wire_recv(ends[1], &head, data, sizeof(data),
		    &got, 1), (int)sizeof(data));
		assert_int_equal(head.id, i);
		assert_int_equal(inode(got), ino);
		(void)close(got);
		(void)sst_queue_flush(&q);
	}
	assert_int_equal(sst_wire_recv(ends[1], &head, data, sizeof(data), &got, 1), 0);
	assert_int_equal(head.id, 20);
	assert_int_equal(sst_queue_flush(&q), 1);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void
only_what_the_program_asked_waits_for_the_next_relay(void **state)
{
	struct sst_wire_head head;
	struct sst_queue old, waiting;
	int ends[2];

	(void)state;
	pair(ends);
	sst_queue_init(&old, -1);
	sst_queue_init(&waiting, -1);
	for (uint32_t i = 0; i < 6; i++) {
		sst_wire_init(&head, i % 2 == 0 ? SST_CHAN_FILE : SST_CHAN_CHANGED);
		head.id = i;
		assert_int_equal(sst_queue_send(&old, &head, NULL, 0, NULL, 0), 0);
	}
	sst_queue_drop(&old, SST_CHAN_FILE);
	assert_int_equal(old.n, 3);
	sst_queue_move(&waiting, &old);
	assert_int_equal(old.n, 0);
	sst_wire_init(&head, SST_CHAN_FILE);
	head.id = 6;
	assert_int_equal(sst_queue_send(&waiting, &head, NULL, 0, NULL, 0), 0);
	waiting.fd = ends[0];
	assert_int_equal(sst_queue_flush(&waiting), 1);
	for (uint32_t i = 0; i < 8; i += 2) {
		assert_int_equal(sst_wire_recv(ends[1], &head, NULL, 0, NULL, 0), 0);
		assert_int_equal(head.verb, SST_CHAN_FILE);
		assert_int_equal(head.id, i);
	}
	/* What nobody takes is freed. */
	waiting.fd = -1;
	assert_int_equal(sst_queue_send(&waiting, &head, "x", 1, ends, 2), 0);
	sst_queue_drop(&waiting, 0);
	assert_int_equal(waiting.n, 0);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

struct shelf {
	struct place	  *p;
	struct sst_sources t;
};

static int
shelf_open(void **state)
{
	struct shelf *s = calloc(1, sizeof(*s));
	void *p;

	if (s == NULL || place_open(&p) != 0)
		return -1;
	s->p = p;
	s->t.watch = sst_watch_new(&(struct sst_watch_plan){ .most = 100 }, 0);
	*state = s;
	return s->t.watch == NULL ? -1 : 0;
}

static int
shelf_close(void **state)
{
	struct shelf *s = *state;
	void *p = s->p;

	sst_sources_done(&s->t);
	sst_watch_free(s->t.watch);
	free(s);
	return place_close(&p);
}

static struct sst_source *
add(struct shelf *s, const char *name, const char *why, int64_t now)
{
	int fd = open(at(s->p, name), O_RDONLY | O_CLOEXEC);
	struct sst_source *src;

	assert_true(fd >= 0);
	src = sst_source_add(&s->t, at(s->p, name), why, fd, now);
	(void)close(fd);
	return src;
}

static void
a_source_that_nobody_keeps_is_dropped(void **state)
{
	struct shelf *s = *state;
	uint32_t kept, loose;

	put_file(s->p, "a", "text");
	kept = add(s, "a", NULL, 0)->node.key;
	loose = add(s, "a", NULL, 10)->node.key;
	assert_int_not_equal(kept, loose);
	sst_source_keep(&s->t, kept);
	sst_source_keep(&s->t, kept);
	assert_int_equal(sst_sources_due(&s->t), 10 + SST_SOURCE_PATIENCE_MS);
	sst_sources_expire(&s->t, 10 + SST_SOURCE_PATIENCE_MS - 1);
	assert_non_null(sst_source_get(&s->t, loose));
	sst_sources_expire(&s->t, 10 + SST_SOURCE_PATIENCE_MS);
	assert_null(sst_source_get(&s->t, loose));
	assert_non_null(sst_source_get(&s->t, kept));
	assert_true(sst_sources_due(&s->t) == INT64_MAX);
	sst_source_drop(&s->t, kept);
	assert_null(sst_source_get(&s->t, kept));
	assert_int_equal(s->t.n_provisional, 0);
}

static void
a_source_that_is_taken_waits_for_as_long_as_it_takes(void **state)
{
	struct shelf *s = *state;
	uint32_t taken, loose;

	put_file(s->p, "a", "text");
	taken = add(s, "a", NULL, 0)->node.key;
	loose = add(s, "a", NULL, 0)->node.key;
	sst_source_take(&s->t, taken);
	sst_source_take(&s->t, loose + 1);	/* there is none */
	assert_int_equal(sst_sources_due(&s->t), SST_SOURCE_PATIENCE_MS);
	sst_sources_expire(&s->t, INT64_MAX - 1);
	assert_null(sst_source_get(&s->t, loose));
	assert_non_null(sst_source_get(&s->t, taken));
	assert_true(sst_sources_due(&s->t) == INT64_MAX);
	assert_int_equal(s->t.n_provisional, 1);
}

static void
what_a_relay_took_and_did_not_keep_goes_with_it(void **state)
{
	struct shelf *s = *state;
	uint32_t taken, kept, loose;

	put_file(s->p, "a", "text");
	taken = add(s, "a", NULL, 0)->node.key;
	kept = add(s, "a", NULL, 0)->node.key;
	loose = add(s, "a", NULL, 0)->node.key;
	sst_source_take(&s->t, taken);
	sst_source_take(&s->t, kept);
	sst_source_keep(&s->t, kept);
	sst_sources_forsake(&s->t);
	assert_null(sst_source_get(&s->t, taken));
	assert_non_null(sst_source_get(&s->t, kept));
	/* nobody has seen it yet */
	assert_non_null(sst_source_get(&s->t, loose));
	assert_int_equal(s->t.n_provisional, 1);
}

static void
nobody_fills_the_table_by_asking(void **state)
{
	struct shelf *s = *state;
	uint32_t first;

	put_file(s->p, "a", "text");
	first = add(s, "a", "static", 0)->node.key;
	for (int i = 1; i < SST_SOURCES_PROVISIONAL; i++)
		assert_non_null(add(s, "a", "static", 0));
	assert_null(add(s, "a", "static", 0));
	assert_int_equal(errno, EAGAIN);
	sst_source_keep(&s->t, first);
	assert_non_null(add(s, "a", "static", 0));
}

static void
ignore(void *arg, uint32_t id, const struct sst_below *below)
{
	(void)arg;
	(void)id;
	(void)below;
}

static size_t
ask(struct shelf *s, uint16_t verb, uint32_t id, const char *path,
    struct sst_wire_head *ret, char *out, int *fd)
{
	struct sst_wire_head q;
	int fds[SST_WIRE_FDS];
	size_t len, n_fds;

	sst_wire_init(&q, verb);
	q.id = id;
	*fd = -1;
	len = sst_sources_answer(&s->t, &q, path, strlen(path) + 1, 0, ret, out, PATH_MAX,
	    fds, &n_fds);
	assert_true(n_fds <= 1);
	if (n_fds == 1)
		*fd = fds[0];
	return len;
}

static void
questions_are_answered_only_below_a_watched_source(void **state)
{
	struct shelf *s = *state;
	struct sst_wire_head r;
	char out[PATH_MAX];
	uint32_t id, fixed;
	int fd;

	put_dir(s->p, "tls");
	put_file(s->p, "tls/a", "text");
	put_file(s->p, "b", "beside");
	put_link(s->p, "tls/l", "a");
	id = add(s, "tls", NULL, 0)->node.key;
	fixed = add(s, "tls", "set by somebody else", 0)->node.key;
	(void)ask(s, SST_OPEN_PATH, id, at(s->p, "tls/a"), &r, out, &fd);
	assert_int_equal(r.verb, SST_WIRE_REPLY);
	assert_int_equal(r.a, 0);
	assert_text(fd, "text");
	assert_int_equal(ask(s, SST_OPEN_LINK, id, at(s->p, "tls/l"), &r, out, &fd), 2);
	assert_int_equal(r.a, 1);
	assert_string_equal(out, "a");
	(void)ask(s, SST_OPEN_EXPOSED, id, at(s->p, "tls/a"), &r, out, &fd);
	assert_int_equal(r.a, 0);	/* mkdtemp makes 0700 */
	assert_true(ask(s, SST_OPEN_PATH, id, at(s->p, "b"), &r, out, &fd) > 0);
	assert_int_equal(r.a, -1);
	assert_int_equal(r.b, EPERM);
	assert_int_equal(fd, -1);
	(void)ask(s, SST_OPEN_PATH, fixed, at(s->p, "tls/a"), &r, out, &fd);
	assert_int_equal(r.a, -1);
	assert_int_equal(r.b, EPERM);
	(void)ask(s, SST_OPEN_LINK, fixed, at(s->p, "tls/l"), &r, out, &fd);
	assert_int_equal(r.a, -1);
	(void)ask(s, SST_OPEN_EXPOSED, fixed, at(s->p, "tls"), &r, out, &fd);
	assert_int_equal(r.a, 0);	/* of what was passed */
	/* with what is asked next: it is a file, and its path is said again */
	assert_int_equal(ask(s, SST_OPEN_AHEAD, id, at(s->p, "tls/a"), &r, out, &fd),
	    1 + strlen(at(s->p, "tls/a")) + 1);
	assert_int_equal(r.a, 0);
	assert_string_equal(out + 1, at(s->p, "tls/a"));
	assert_text(fd, "text");
	put_dir(s->p, "tls/d");
	assert_int_equal(ask(s, SST_OPEN_AHEAD, id, at(s->p, "tls/d"), &r, out, &fd), 1);
	assert_int_equal(r.a, 1);
	(void)ask(s, SST_OPEN_AHEAD, fixed, at(s->p, "tls/a"), &r, out, &fd);
	assert_int_equal(r.a, -1);
	assert_int_equal(r.b, EPERM);
	(void)ask(s, SST_OPEN_AHEAD, id, at(s->p, "b"), &r, out, &fd);
	assert_int_equal(r.a, -1);
	assert_int_equal(r.b, EPERM);
	(void)ask(s, SST_OPEN_PATH, 99, at(s->p, "tls/a"), &r, out, &fd);
	assert_int_equal(r.b, ESTALE);
	(void)ask(s, SST_WIRE_PING, id, at(s->p, "tls/a"), &r, out, &fd);
	assert_int_equal(r.b, ENOSYS);
}

/* Whoever may write above a file that was named puts a directory in its place. */
static void
of_a_file_nothing_below_it_is_opened(void **state)
{
	static const uint16_t verbs[] = { SST_OPEN_PATH, SST_OPEN_AHEAD };
	struct shelf *s = *state;
	struct sst_wire_head r;
	char out[PATH_MAX];
	uint32_t id;
	int fd;

	put_file(s->p, "b", "text");
	id = add(s, "b", NULL, 0)->node.key;
	assert_int_equal(unlink(at(s->p, "b")), 0);
	put_dir(s->p, "b");
	put_file(s->p, "b/x", "another");
	for (int i = 0; i < 2; i++) {
		(void)ask(s, verbs[i], id, at(s->p, "b/x"), &r, out, &fd);
		assert_int_equal(r.a, -1);
		assert_int_equal(r.b, EPERM);
		assert_int_equal(fd, -1);
	}
}

static void
a_path_of_a_question_ends_where_its_only_nul_is(void **state)
{
	struct shelf *s = *state;
	struct sst_wire_head q, r;
	char out[PATH_MAX], data[PATH_MAX];
	int fds[SST_WIRE_FDS];
	size_t n_fds;

	put_file(s->p, "a", "text");
	sst_wire_init(&q, SST_OPEN_PATH);
	q.id = add(s, "a", NULL, 0)->node.key;
	(void)strcpy(data, at(s->p, "a"));
	for (size_t n = 0; n <= strlen(data) + 2; n++) {
		memset(data + strlen(data), 0, 3);
		(void)sst_sources_answer(&s->t, &q, data, n, 0, &r, out, sizeof(out), fds,
		    &n_fds);
		assert_int_equal(r.a, n == strlen(data) + 1 ? 0 : -1);
		assert_int_equal(n_fds, r.a == 0);
		if (n_fds == 1)
			(void)close(fds[0]);
		else
			assert_int_equal(r.b, EINVAL);
	}
}

static void
a_directory_is_watched_before_it_is_listed_and_soon_at_any_rate(void **state)
{
	struct shelf *s = *state;
	struct sst_wire_head r;
	uint32_t listed, served, hot;
	char out[PATH_MAX];
	int fd, watch;

	put_dir(s->p, "a");
	put_dir(s->p, "a/n");
	put_dir(s->p, "b");
	put_dir(s->p, "c");
	put_file(s->p, "f", "text");
	listed = add(s, "a", NULL, 0)->node.key;
	assert_int_equal(sst_sources_due(&s->t), SST_SOURCE_UNWATCHED_MS);
	served = add(s, "b", NULL, 10)->node.key;
	hot = add(s, "c", NULL, 0)->node.key;
	assert_int_equal(s->t.n_unwatched, 3);
	(void)add(s, "f", NULL, 0);	/* a file is watched at once */
	assert_int_equal(s->t.n_unwatched, 3);
	watch = sst_watch_fd(s->t.watch);
	assert_true(place_is_watched(watch, s->p->dir));
	/* the name of one who is served does not wait */
	(void)ask(s, SST_OPEN_LIST, listed, at(s->p, "a/n"), &r, out, &fd);
	assert_int_equal(r.a, 0);
	(void)close(fd);
	(void)ask(s, SST_OPEN_PATH, listed, at(s->p, "a"), &r, out, &fd);
	assert_int_equal(r.a, 0);
	(void)close(fd);
	(void)ask(s, SST_OPEN_EXPOSED, listed, at(s->p, "a"), &r, out, &fd);
	assert_false(place_is_watched(watch, at(s->p, "a")));
	(void)ask(s, SST_OPEN_LIST, listed, at(s->p, "a"), &r, out, &fd);
	assert_int_equal(r.a, 0);
	(void)close(fd);
	assert_true(place_is_watched(watch, at(s->p, "a")));
	sst_source_keep(&s->t, hot);
	assert_int_equal(sst_sources_hot(&s->t, hot, "n", 2, 0), 1);
	assert_true(place_is_watched(watch, at(s->p, "c")));
	assert_int_equal(sst_sources_due(&s->t), 10 + SST_SOURCE_UNWATCHED_MS);
	sst_sources_watch(&s->t, 10 + SST_SOURCE_UNWATCHED_MS - 1);
	assert_false(place_is_watched(watch, at(s->p, "b")));
	sst_sources_watch(&s->t, 10 + SST_SOURCE_UNWATCHED_MS);
	assert_true(place_is_watched(watch, at(s->p, "b")));
	assert_int_equal(sst_sources_due(&s->t), SST_SOURCE_PATIENCE_MS);
	sst_source_drop(&s->t, served);
	assert_false(place_is_watched(watch, at(s->p, "b")));
	/* one that goes before it is due counts no longer */
	served = add(s, "b", NULL, 0)->node.key;
	assert_int_equal(s->t.n_unwatched, 1);
	sst_source_drop(&s->t, served);
	assert_int_equal(s->t.n_unwatched, 0);
}

/* What is kept in use gets its watch as well, and what is not watched none. */
static void
a_directory_that_is_kept_is_watched_and_a_static_one_is_not(void **state)
{
	struct shelf *s = *state;
	struct sst_wire_head r;
	uint32_t fixed, kept;
	char out[PATH_MAX];
	int fd;

	put_dir(s->p, "a");
	put_dir(s->p, "b");
	fixed = add(s, "a", "set by somebody else", 0)->node.key;
	assert_int_equal(s->t.n_unwatched, 0);
	assert_int_equal(sst_sources_due(&s->t), SST_SOURCE_PATIENCE_MS);
	sst_source_keep(&s->t, fixed);
	assert_true(sst_sources_due(&s->t) == INT64_MAX);
	kept = add(s, "b", NULL, 0)->node.key;
	sst_source_keep(&s->t, kept);
	assert_int_equal(s->t.n_provisional, 0);
	assert_int_equal(sst_sources_due(&s->t), SST_SOURCE_UNWATCHED_MS);
	(void)ask(s, SST_OPEN_LIST, fixed, at(s->p, "a"), &r, out, &fd);
	assert_int_equal(r.a, -1);
	assert_int_equal(r.b, EPERM);
	assert_int_equal(s->t.n_unwatched, 1);
	sst_sources_watch_all(&s->t, 0);
	assert_true(place_is_watched(sst_watch_fd(s->t.watch), at(s->p, "b")));
	assert_false(place_is_watched(sst_watch_fd(s->t.watch), at(s->p, "a")));
	assert_true(sst_sources_due(&s->t) == INT64_MAX);
	sst_source_drop(&s->t, fixed);
	assert_true(place_is_watched(sst_watch_fd(s->t.watch), at(s->p, "b")));
}

/* Whoever joins paths may say it so. */
static void
a_directory_with_a_slash_behind_it_is_listed_as_well(void **state)
{
	struct shelf *s = *state;
	struct sst_wire_head r;
	char out[PATH_MAX];
	uint32_t id;
	int fd;

	put_dir(s->p, "a");
	put_dir(s->p, "a/n");
	id = add(s, "a", NULL, 0)->node.key;
	(void)ask(s, SST_OPEN_LIST, id, at(s->p, "a/n"), &r, out, &fd);
	assert_int_equal(r.a, 0);
	(void)close(fd);
	assert_int_equal(s->t.n_unwatched, 1);
	(void)ask(s, SST_OPEN_LIST, id, at(s->p, "a/"), &r, out, &fd);
	if (r.a == 0)
		(void)close(fd);
	assert_int_equal(s->t.n_unwatched, 0);
	assert_true(place_is_watched(sst_watch_fd(s->t.watch), at(s->p, "a")));
}

/* What happens in it from the listing on would not be noticed. */
static void
a_directory_is_not_listed_where_there_is_no_memory_for_its_watch(void **state)
{
	struct shelf *s = *state;
	struct sst_wire_head r;
	char out[PATH_MAX];
	int fd, failed = 0;

	put_dir(s->p, "a");
	for (int n = 1, hit = 1; hit; n++) {
		const uint32_t id = add(s, "a", NULL, 0)->node.key;

		starve_arm(n, STARVE_OURS);
		sst_sources_watch(&s->t, SST_SOURCE_UNWATCHED_MS);
		hit = starve_over();
		if (s->t.n_unwatched > 0) {
			failed++;
			/* soon again, and not at once */
			assert_int_equal(sst_sources_due(&s->t),
			    2 * SST_SOURCE_UNWATCHED_MS);
			starve_arm(1, STARVE_OURS);
			errno = 0;
			(void)ask(s, SST_OPEN_LIST, id, at(s->p, "a"), &r, out, &fd);
			assert_true(starve_over());
			assert_int_equal(r.a, -1);
			assert_int_equal(r.b, ENOMEM);
			assert_int_equal(fd, -1);
		}
		for (int i = 0; i < 2; i++) {
			(void)ask(s, SST_OPEN_LIST, id, at(s->p, "a"), &r, out, &fd);
			assert_int_equal(r.a, 0);
			(void)close(fd);
			assert_int_equal(s->t.n_unwatched, 0);
			assert_true(place_is_watched(sst_watch_fd(s->t.watch),
			    at(s->p, "a")));
		}
		sst_source_drop(&s->t, id);
		assert_int_equal(s->t.n_unwatched, 0);
		assert_false(place_is_watched(sst_watch_fd(s->t.watch), at(s->p, "a")));
	}
	assert_true(failed > 0);
}

static void
a_file_that_there_is_no_memory_for_leaves_nothing_behind(void **state)
{
	struct shelf *s = *state;
	int failed = 0, why = 0;

	put_file(s->p, "f", "text");
	sst_source_drop(&s->t, add(s, "f", NULL, 0)->node.key);
	for (int n = 1, hit = 1; hit; n++) {
		const struct sst_source *src;
		const int before = fds_open();

		starve_arm(n, STARVE_OURS);
		errno = 0;
		src = add(s, "f", NULL, 0);
		hit = starve_over();
		if (src == NULL) {
			failed++;
			assert_true(hit);
			why = errno;
			assert_null(sst_source_get(&s->t, s->t.last_id));
		} else {
			assert_true(place_is_watched(sst_watch_fd(s->t.watch), s->p->dir));
			sst_source_drop(&s->t, src->node.key);
		}
		assert_int_equal(s->t.n_provisional, 0);
		assert_int_equal(s->t.n_unwatched, 0);
		assert_true(sst_sources_due(&s->t) == INT64_MAX);
		assert_int_equal(fds_open(), before);
	}
	assert_true(failed > 1);
	/* the last was for its watch */
	assert_int_equal(why, ENOMEM);
}

static void
kept_sources_are_told_to_the_next_relay(void **state)
{
	struct shelf *s = *state;
	struct sst_wire_head head;
	struct sst_source *src;
	struct sst_queue q;
	char data[PATH_MAX + 300];
	int ends[2], got;

	pair(ends);
	sst_queue_init(&q, ends[0]);
	put_file(s->p, "a", "text");
	(void)add(s, "a", NULL, 0);
	src = add(s, "a", "because", 0);
	src->level = 282;
	src->option = 40;
	sst_source_keep(&s->t, src->node.key);
	assert_int_equal(sst_sources_restore(&s->t, &q), 0);
	assert_int_equal(sst_wire_recv(ends[1], &head, data, sizeof(data), &got, 1),
	    (int)(strlen(src->path) + 1 + sizeof("because")));
	assert_int_equal(head.verb, SST_CHAN_RESTORE_SOURCE);
	assert_int_equal(head.id, src->node.key);
	assert_int_equal(head.a, 282);
	assert_int_equal(head.b, 40);
	assert_int_equal(head.c, 0);
	assert_string_equal(data, src->path);
	assert_string_equal(data + strlen(data) + 1, "because");
	assert_text(got, "text");
	/* The provisional one is not. */
	assert_int_equal(sst_wire_recv(ends[1], &head, data, sizeof(data), &got, 1), -1);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void
what_is_served_is_taken_as_names_of_a_watched_source_and_as_nothing_else(void **state)
{
	static const struct {
		const char *data;
		size_t	    len;
		int	    taken;
	} v[] = {
		{ "a\0b", 4, 2 }, { "b", 2, 1 }, { "..data", 7, 1 }, { "nobody", 7, 1 },
		{ "", 0, -1 }, { "a", 1, -1 }, { "a\0b", 3, -1 }, { "", 1, -1 },
		{ "a\0", 3, -1 }, { ".", 2, -1 }, { "..", 3, -1 }, { "a/b", 4, -1 },
		{ "/", 2, -1 }, { "b\0../a", 7, -1 },
	};
	struct shelf *s = *state;
	char many[2 * (SST_HOT_MOST + 1)], long_name[NAME_MAX + 2];
	uint32_t id, fixed, file;
	int fd;

	sst_watch_free(s->t.watch);
	s->t.watch = sst_watch_new(&(struct sst_watch_plan){ .most = 4 }, 0);
	put_dir(s->p, "tls");
	put_dir(s->p, "tls/a");
	put_file(s->p, "f", "text");
	place_tick();
	id = add(s, "tls", NULL, 0)->node.key;
	file = add(s, "f", NULL, 0)->node.key;
	fixed = add(s, "tls", "because", 0)->node.key;
	sst_sources_watch(&s->t, SST_SOURCE_UNWATCHED_MS);
	for (int i = 0; i < 10; i++)
		sst_watch_step(s->t.watch, 0, ignore, NULL);
	fd = sst_watch_fd(s->t.watch);
	/* Which comes later finds no watch left. */
	put_dir(s->p, "tls/b");
	sst_watch_read(s->t.watch, 0);
	sst_watch_step(s->t.watch, SST_WATCH_QUIET_MS, ignore, NULL);
	assert_true(place_is_watched(fd, at(s->p, "tls/a")) !=
	    place_is_watched(fd, at(s->p, "tls/b")));
	/* Not of one that is not in use yet. */
	assert_int_equal(sst_sources_hot(&s->t, id, "a", 2, 0), -1);
	sst_source_keep(&s->t, id);
	sst_source_keep(&s->t, fixed);
	sst_source_keep(&s->t, file);
	for (int turn = 0; turn < 2; turn++) {
		const char *to = turn == 0 ? "a" : "b", *from = turn == 0 ? "b" : "a";

		assert_int_equal(sst_sources_hot(&s->t, id, to, 2, 0), 1);
		for (size_t i = 4; i < sizeof(v) / sizeof(v[0]); i++)
			assert_int_equal(sst_sources_hot(&s->t, id, v[i].data, v[i].len,
			    0), v[i].taken);
		assert_int_equal(sst_sources_hot(&s->t, fixed, from, 2, 0), -1);
		assert_int_equal(sst_sources_hot(&s->t, file, from, 2, 0), -1);
		assert_int_equal(sst_sources_hot(&s->t, 99, from, 2, 0), -1);
		assert_true(place_is_watched(fd, at(s->p, turn == 0 ? "tls/a" : "tls/b")));
		assert_false(place_is_watched(fd, at(s->p, turn == 0 ? "tls/b" : "tls/a")));
	}
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(sst_sources_hot(&s->t, id, v[i].data, v[i].len, 0),
		    v[i].taken);
	for (size_t i = 0; i < sizeof(many); i += 2)
		(void)memcpy(many + i, "x", 2);
	assert_int_equal(sst_sources_hot(&s->t, id, many, sizeof(many) - 2, 0),
	    SST_HOT_MOST);
	assert_int_equal(sst_sources_hot(&s->t, id, many, sizeof(many), 0), -1);
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_int_equal(sst_sources_hot(&s->t, id, long_name, sizeof(long_name), 0), -1);
	assert_int_equal(sst_sources_hot(&s->t, id, long_name + 1, sizeof(long_name) - 1,
	    0), 1);
}

#define SHELF(f)	cmocka_unit_test_setup_teardown(f, shelf_open, shelf_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_finds_what_was_put_and_only_that),
		cmocka_unit_test(a_held_listener_is_given_back_as_it_was_held_last),
		cmocka_unit_test(a_long_state_is_a_file_that_can_change_no_more),
		cmocka_unit_test(a_hold_without_descriptors_or_beyond_the_limit_is_refused),
		cmocka_unit_test(messages_leave_in_order_when_the_other_side_was_busy),
		cmocka_unit_test(only_what_the_program_asked_waits_for_the_next_relay),
		SHELF(a_source_that_nobody_keeps_is_dropped),
		SHELF(a_source_that_is_taken_waits_for_as_long_as_it_takes),
		SHELF(what_a_relay_took_and_did_not_keep_goes_with_it),
		SHELF(nobody_fills_the_table_by_asking),
		SHELF(questions_are_answered_only_below_a_watched_source),
		SHELF(of_a_file_nothing_below_it_is_opened),
		SHELF(a_path_of_a_question_ends_where_its_only_nul_is),
		SHELF(a_directory_is_watched_before_it_is_listed_and_soon_at_any_rate),
		SHELF(a_directory_that_is_kept_is_watched_and_a_static_one_is_not),
		SHELF(a_directory_with_a_slash_behind_it_is_listed_as_well),
		SHELF(a_directory_is_not_listed_where_there_is_no_memory_for_its_watch),
		SHELF(a_file_that_there_is_no_memory_for_leaves_nothing_behind),
		SHELF(kept_sources_are_told_to_the_next_relay),
		SHELF(what_is_served_is_taken_as_names_of_a_watched_source_and_as_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
