/* SPDX-License-Identifier: ISC */
/* What is served from a directory that is watched is told to the keeper: each name once,
 * and not more often than once a second. */
#include "clients.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>

#include "certstore/index_place.h"
#include "certstore/store.h"
#include "relay/certs.h"
#include "relay/listener.h"
#include "relay/settings.h"
#include "relay/supply.h"
#include "tls/ours_inside.h"

#define WATCHED_ID	7
#define STATIC_ID	8
#define OTHER_ID	9	/* watched as well */
#define MANY		(SST_HOT_MOST + 10)

static atomic_int lists;	/* directories that were to be listed */

/* The keeper: answers what is asked about files. */
static void *
answer(void *arg)
{
	const struct scene *s = arg;
	struct sst_wire_head head;
	char path[4096], out[4096];
	ssize_t len;
	int fd, opens;

	while (sst_wire_recv(s->a.files[1], &head, path, sizeof(path), NULL, 0) > 0) {
		opens = head.verb == SST_OPEN_PATH || head.verb == SST_OPEN_LIST;
		lists += head.verb == SST_OPEN_LIST;
		len = head.verb == SST_OPEN_LINK ? readlink(path, out, sizeof(out)) : 0;
		fd = opens ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		sst_wire_init(&head, SST_WIRE_REPLY);
		head.b = len < 0 || (opens && fd < 0) ? errno : 0;
		head.a = head.b != 0 ? -1 : 0;
		(void)sst_wire_send(s->a.files[1], &head, out, len > 0 ? (size_t)len : 0,
		    &fd, fd >= 0);
		if (fd >= 0)
			(void)close(fd);
	}
	return NULL;
}

static pthread_t keeper;

static int
open_scene(void **state)
{
	struct scene *s;

	if (scene_make(state) != 0)
		return -1;
	s = *state;
	return pthread_create(&keeper, NULL, answer, s);
}

static int
close_scene(void **state)
{
	struct scene *s = *state;

	(void)shutdown(s->a.files[1], SHUT_RDWR);
	(void)pthread_join(keeper, NULL);
	return scene_free(state);
}

/* So many from nFIRST on in a folder each, and flat.example in none. */
static char *
plant_from(int first, int n)
{
	char *dir = pki_dir_new(), san[32], name[64];
	struct pki_cert *c;

	for (int i = first; i < first + n; i++) {
		(void)snprintf(san, sizeof(san), "n%d.example", i);
		(void)snprintf(name, sizeof(name), "n%d", i);
		c = pki_issue(w.ca, &(struct pki_spec){ .san = san });
		pki_certbot(dir, name, c, 1);
		pki_free(c);
	}
	c = pki_issue(w.ca, &(struct pki_spec){ .san = "flat.example" });
	pki_write_pair(dir, "live/flat.pem", c);
	pki_free(c);
	return dir;
}

static char *
plant(int n)
{
	return plant_from(0, n);
}

static void
supply(struct scene *s, const char *dir, uint32_t id)
{
	const char *live = pki_path(dir, "live");
	int file = open(live, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sst_wire_head head;
	const int before = lists;

	assert_true(file >= 0);
	sst_wire_init(&head, SST_CHAN_FILE);
	head.id = id;
	head.a = IPPROTO_TLS;
	head.b = TLS_CERTIFICATE_CHAIN;
	head.c = id != STATIC_ID;
	assert_int_equal(agent_ask(&s->a, sst_supply_file, &head, live,
	    strlen(live) + 1, s->app, file), 0);
	(void)close(file);
	/* by then the keeper watches it */
	assert_true(lists > before || id == STATIC_ID);
}

/* A client asks for the name, and is served. */
static void
ask_for(struct scene *s, const char *name)
{
	struct client c = dial(s, 0, 1);
	struct sst_wire_accepted rec;
	int rc = 0, fd;

	c.ssl = SSL_new(w.ctx);
	assert_true(SSL_set_fd(c.ssl, c.fd));
	assert_true(SSL_set_tlsext_host_name(c.ssl, name));
	for (int i = 0; i < 20 && rc != 1; i++) {
		rc = SSL_connect(c.ssl);
		agent_settle(&s->a);
	}
	assert_int_equal(rc, 1);
	fd = take(s, &rec, 1);
	assert_true(fd >= 0);
	(void)close(fd);
	hang_up(s, &c);
}

/* The names that were told of since the last call, with a comma behind each; "" for
 * none. */
static const char *
told(struct scene *s, uint32_t wanted_id)
{
	static char text[8192];
	static char data[SST_WIRE_DATA_MAX];
	struct sst_wire_head head;
	size_t at = 0;
	long len;
	int fds[3];

	len = agent_told(&s->a, SST_CHAN_HOT, &head, data, sizeof(data), fds);
	text[0] = '\0';
	if (len < 0)
		return text;
	assert_int_equal(head.id, wanted_id);
	assert_true(len > 0 && data[len - 1] == '\0');
	for (long i = 0; i < len; i += (long)strlen(data + i) + 1)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s,", data + i);
	return text;
}

/* All messages since the last call: "ID:NAME,...;" each. */
static const char *
all_told(struct scene *s)
{
	struct pollfd p = { .fd = s->a.channel[1], .events = POLLIN };
	static char text[8192], data[SST_WIRE_DATA_MAX];
	struct sst_wire_head head;
	size_t at = 0;
	long len;
	int fds[3];

	text[0] = '\0';
	while (poll(&p, 1, 0) > 0) {
		len = sst_wire_recv(p.fd, &head, data, sizeof(data), fds, 3);
		assert_true(len >= 0);
		for (int i = 0; i < 3; i++)
			if (fds[i] >= 0)
				(void)close(fds[i]);
		if (head.verb != SST_CHAN_HOT)
			continue;
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%u:",
		    (unsigned)head.id);
		for (long i = 0; i < len; i += (long)strlen(data + i) + 1)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s,",
			    data + i);
		at += (size_t)snprintf(text + at, sizeof(text) - at, ";");
	}
	return text;
}

static void
what_is_served_is_told_once_and_at_most_once_a_second(void **state)
{
	struct scene *s = *state;
	char *dir = plant(3);

	supply(s, dir, WATCHED_ID);
	begin(s, 8);
	assert_string_equal(told(s, 0), "");
	ask_for(s, "n1.example");
	assert_string_equal(told(s, WATCHED_ID), "n1,");
	ask_for(s, "n2.example");
	ask_for(s, "n1.example");
	ask_for(s, "n0.example");
	assert_string_equal(told(s, 0), "");
	agent_later(&s->a, 999);
	assert_string_equal(told(s, 0), "");
	agent_later(&s->a, 1 + SST_LOOP_TICK);
	assert_string_equal(told(s, WATCHED_ID), "n2,n0,");
	/* What is in the cache is told no more, nor what is in no folder. */
	ask_for(s, "n1.example");
	ask_for(s, "flat.example");
	agent_later(&s->a, 2000);
	assert_string_equal(told(s, 0), "");
	pki_dir_free(dir);
}

static void
nothing_is_told_of_what_is_not_watched(void **state)
{
	struct scene *s = *state;
	char *dir = plant(2);

	supply(s, dir, STATIC_ID);
	begin(s, 8);
	ask_for(s, "n1.example");
	agent_later(&s->a, 2000);
	assert_string_equal(told(s, 0), "");
	pki_dir_free(dir);
}

static void
names_of_two_directories_are_told_of_their_own(void **state)
{
	struct scene *s = *state;
	char *dir = plant(4), *other = plant_from(10, 2), *unwatched = plant_from(20, 1);

	supply(s, dir, WATCHED_ID);
	supply(s, other, OTHER_ID);
	supply(s, unwatched, STATIC_ID);
	begin(s, 8);
	ask_for(s, "n0.example");
	assert_string_equal(all_told(s), "7:n0,;");
	ask_for(s, "n1.example");
	ask_for(s, "n20.example");	/* which divides nothing */
	ask_for(s, "n2.example");
	ask_for(s, "n11.example");
	ask_for(s, "n10.example");
	ask_for(s, "n3.example");
	agent_later(&s->a, 1000 + SST_LOOP_TICK);
	assert_string_equal(all_told(s), "7:n1,n2,;9:n11,n10,;7:n3,;");
	pki_dir_free(dir);
	pki_dir_free(other);
	pki_dir_free(unwatched);
}

static int
count_told(const char *text, const char *id)
{
	const char *at = strstr(text, id);
	int n = 0;

	for (; at != NULL && *at != ';'; at++)
		n += *at == ',';
	return n;
}

static void
two_listeners_have_the_same_share_of_what_is_told(void **state)
{
	enum { EACH = SST_HOT_MOST / 2 + 5 };
	struct scene *s = *state, second = *s;
	char *dir = plant(EACH), *other = plant_from(100, EACH), name[32];
	const char *text;

	supply(s, dir, WATCHED_ID);
	begin(s, 8);
	second.app = agent_bound(&s->a, &second.at);
	assert_int_equal(agent_supply(&s->a, second.app, 2, w.a), 0);
	/* The relay is one: only what is of the socket is swapped. */
	for (int i = 0; i < 2; i++) {
		const struct scene was = *s;

		s->app = second.app;
		s->at = second.at;
		s->l = second.l;
		second = was;
		if (i == 0) {
			supply(s, other, OTHER_ID);
			begin(s, 8);
			ask_for(s, "n100.example");
			assert_string_equal(all_told(s), "9:n100,;");
		}
		for (int k = 1; k < EACH; k++) {
			(void)snprintf(name, sizeof(name), "n%d.example",
			    i == 0 ? 100 + k : k);
			ask_for(s, name);
		}
	}
	agent_later(&s->a, 1000 + SST_LOOP_TICK);
	text = all_told(s);
	assert_int_equal(count_told(text, "7:"), SST_HOT_MOST / 2);
	assert_int_equal(count_told(text, "9:"), SST_HOT_MOST / 2);
	agent_later(&s->a, 1000 + SST_LOOP_TICK);
	text = all_told(s);
	assert_int_equal(count_told(text, "7:"), EACH - 1 - SST_HOT_MOST / 2);
	(void)close(second.app);
	pki_dir_free(dir);
	pki_dir_free(other);
}

static void
more_than_fit_are_told_a_second_later(void **state)
{
	struct scene *s = *state;
	char *dir = plant(MANY), name[32];
	int n = 0;

	supply(s, dir, WATCHED_ID);
	begin(s, 8);
	ask_for(s, "n0.example");
	assert_string_equal(told(s, WATCHED_ID), "n0,");
	for (int i = 1; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "n%d.example", i);
		ask_for(s, name);
	}
	assert_string_equal(told(s, 0), "");
	agent_later(&s->a, 1000 + SST_LOOP_TICK);
	for (const char *p = told(s, WATCHED_ID); (p = strchr(p, ',')) != NULL; p++)
		n++;
	assert_int_equal(n, SST_HOT_MOST);
	agent_later(&s->a, 1000 + SST_LOOP_TICK);
	for (const char *p = told(s, WATCHED_ID); (p = strchr(p, ',')) != NULL; p++)
		n++;
	assert_int_equal(n, MANY - 1);
	pki_dir_free(dir);
}

static void
a_keeper_that_reads_nothing_is_not_waited_for(void **state)
{
	struct scene *s = *state;
	char *dir = plant(3);
	static char junk[4096];

	supply(s, dir, WATCHED_ID);
	begin(s, 8);
	ask_for(s, "n0.example");
	assert_string_equal(told(s, WATCHED_ID), "n0,");
	while (send(s->a.relay->channel, junk, sizeof(junk), MSG_DONTWAIT) > 0)
		continue;
	assert_int_equal(errno, EAGAIN);
	ask_for(s, "n1.example");
	(void)alarm(20);
	agent_later(&s->a, 1000 + SST_LOOP_TICK);
	(void)alarm(0);
	while (recv(s->a.channel[1], junk, sizeof(junk), MSG_DONTWAIT) > 0)
		continue;
	/* and then it hears of it */
	ask_for(s, "n2.example");
	agent_later(&s->a, 1000 + SST_LOOP_TICK);
	assert_string_equal(told(s, WATCHED_ID), "n1,n2,");
	pki_dir_free(dir);
}

/* The loader's thread is at it until it is let go. */
struct busy {
	struct sst_job	 job;
	int		 fd;
	int		 done;
};

static void
busy_work(struct sst_job *job)
{
	char byte;

	(void)read(SST_HOLDER(job, struct busy, job)->fd, &byte, 1);
}

static void
busy_done(struct sst_job *job)
{
	SST_HOLDER(job, struct busy, job)->done++;
}

/* Its index is for others to write, who have a keeper; what it had it goes on to serve.
 * Leaving it takes its time, in which clients are served. */
static void
without_a_keeper_it_holds_nobody_up(void **state)
{
	struct scene *s = *state;
	char *dir = plant(SST_INDEX_WORTH), *cache = pki_dir_new();
	struct busy busy[2] = { { .fd = -1 }, { .fd = -1 } };
	struct sst_store_figures f;
	struct sst_store *store;
	int go[2];

	assert_int_equal(pipe(go), 0);
	for (int i = 0; i < 2; i++) {
		busy[i].job = (struct sst_job){ .work = busy_work, .done = busy_done };
		busy[i].fd = go[0];
	}
	assert_int_equal(setenv("XDG_CACHE_HOME", cache, 1), 0);
	/* what has something besides keeps no index */
	assert_int_equal(agent_set(&s->a, s->app, TLS_CERTIFICATE_REMOVE, "*", 1), 0);
	supply(s, dir, WATCHED_ID);
	begin(s, 8);
	ask_for(s, "n0.example");
	store = sst_certs_store(s->a.relay->listeners->record->set->certs);
	for (int i = 0; i < 3; i++) {
		if (i == 1) {
			sst_loader_submit(&s->a.relay->loader, &busy[0].job);
			sst_supply_part(s->a.relay);
			sst_loader_submit(&s->a.relay->loader, &busy[1].job);
		} else if (i == 2) {
			assert_int_equal(write(go[1], "xx", 2), 2);
			for (int k = 0; k < 1000 && !busy[1].done; k++)
				agent_turn(&s->a, 10);
		}
		assert_int_equal(busy[1].done, i == 2);
		assert_int_equal(sst_store_figures(store, PKI_NOW, &f, NULL), 0);
		assert_int_equal(f.index_kept, i < 2);
		assert_int_equal(f.index_writer, i < 2);
		assert_int_equal(f.usable, SST_INDEX_WORTH + 1);
	}
	(void)close(go[0]);
	(void)close(go[1]);
	assert_int_equal(atomic_load(&s->a.relay->log.events[SST_LOG_WATCH]), 1);
	ask_for(s, "n0.example");
	assert_int_equal(unsetenv("XDG_CACHE_HOME"), 0);
	pki_dir_free(cache);
	pki_dir_free(dir);
}

/* Something was not to be had for a moment; the store need not change again. */
static void
what_could_not_be_seen_of_a_change_is_seen_with_the_dates(void **state)
{
	struct scene *s = *state;
	char *dir = plant(1);
	struct sst_ours *ours;
	int n = 0;

	supply(s, dir, WATCHED_ID);
	begin(s, 8);
	ours = sst_certs_ours(s->l->record->set->certs, NULL);
	assert_non_null(ours);
	for (int i = 0; i < 1000 && !sst_ours_synced(ours); i++)
		agent_turn(&s->a, 10);
	assert_true(sst_ours_synced(ours));
	atomic_store(&ours->due, 1);
	agent_settle(&s->a);
	assert_true(sst_ours_wants_sync(ours));
	for (; n < 1000 && sst_ours_wants_sync(ours); n++)
		agent_later(&s->a, 1000 + SST_LOOP_TICK);
	assert_false(sst_ours_wants_sync(ours));
	/* what was not seen yet at all is for who listens */
	atomic_store(&ours->synced, 0);
	atomic_store(&ours->due, 1);
	for (int i = 0; i < 2 * n + 2; i++)
		agent_later(&s->a, 1000 + SST_LOOP_TICK);
	assert_true(sst_ours_wants_sync(ours));
	atomic_store(&ours->synced, 1);
	for (int i = 0; i < 1000 && sst_ours_wants_sync(ours); i++)
		agent_later(&s->a, 1000 + SST_LOOP_TICK);
	assert_false(sst_ours_wants_sync(ours));
	sst_ours_unref(ours);
	pki_dir_free(dir);
}

/* Whether the keeper is told of the listener's state when that name is told of. */
static int
is_held_anew(struct scene *s, const char *name)
{
	static char data[SST_WIRE_DATA_MAX];
	struct sst_wire_head head;
	int fds[3], is;

	sst_supply_changed(s->a.relay, WATCHED_ID, name, strlen(name) + 1);
	for (int i = 0; i < 1000 &&
	    sst_supply_pending(s->a.relay->listeners->record) > 0; i++)
		agent_turn(&s->a, 10);
	is = agent_told(&s->a, SST_CHAN_HOLD, &head, data, sizeof(data), fds) >= 0;
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	return is;
}

static void
what_is_read_again_is_held_anew_when_it_changed(void **state)
{
	struct pki_cert *renewed = pki_issue(w.ca, &(struct pki_spec){
	    .san = "n1.example" });
	struct scene *s = *state;
	char *dir = plant(3);

	supply(s, dir, WATCHED_ID);
	begin(s, 8);
	(void)is_held_anew(s, "n1");
	assert_false(is_held_anew(s, "n1"));
	pki_certbot(dir, "n1", renewed, 2);
	assert_true(is_held_anew(s, "n1"));
	assert_false(is_held_anew(s, "n1"));
	pki_free(renewed);
	pki_dir_free(dir);
}

/* Of which source the keeper is told that it is being read; 0: of none. */
static uint32_t
taken(struct scene *s)
{
	static char data[SST_WIRE_DATA_MAX];
	struct sst_wire_head head;
	int fds[3];

	return agent_told(&s->a, SST_CHAN_TAKE, &head, data, sizeof(data), fds) < 0 ? 0 :
	    head.id;
}

/* What is read again is kept already. */
static void
a_source_is_taken_when_it_comes_and_not_each_time_it_is_read(void **state)
{
	struct scene *s = *state;
	char *dir = plant(3);

	(void)taken(s);
	supply(s, dir, WATCHED_ID);
	assert_int_equal(taken(s), WATCHED_ID);
	begin(s, 8);
	assert_int_equal(taken(s), 0);
	sst_supply_changed(s->a.relay, WATCHED_ID, "n1", sizeof("n1"));
	for (int i = 0; i < 1000 &&
	    sst_supply_pending(s->a.relay->listeners->record) > 0; i++)
		agent_turn(&s->a, 10);
	assert_int_equal(taken(s), 0);
	pki_dir_free(dir);
}

int
main(void)
{
#define SCENE(f) cmocka_unit_test_setup_teardown(f, open_scene, close_scene)
	const struct CMUnitTest tests[] = {
		SCENE(what_is_served_is_told_once_and_at_most_once_a_second),
		SCENE(nothing_is_told_of_what_is_not_watched),
		SCENE(names_of_two_directories_are_told_of_their_own),
		SCENE(two_listeners_have_the_same_share_of_what_is_told),
		SCENE(more_than_fit_are_told_a_second_later),
		SCENE(a_keeper_that_reads_nothing_is_not_waited_for),
		SCENE(without_a_keeper_it_holds_nobody_up),
		SCENE(what_could_not_be_seen_of_a_change_is_seen_with_the_dates),
		SCENE(what_is_read_again_is_held_anew_when_it_changed),
		SCENE(a_source_is_taken_when_it_comes_and_not_each_time_it_is_read),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
