/* SPDX-License-Identifier: ISC */
/* What outlives a relay, and what it says of itself. */
#include "agent.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>
#include <securesockets/certstore.h>

#include "base/clock.h"
#include "certstore/store.h"
#include "relay/certs.h"
#include "relay/hold.h"
#include "relay/listener.h"
#include "relay/settings.h"
#include "relay/status.h"
#include "relay/supply.h"
#include "tls/lists.h"
#include "tls/ticket_key.h"
#include "unit/ocsp/make_crl.h"

/* A sanitizer's malloc() has no such mapping. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEAP_IS_SEEN	0
#else
#define HEAP_IS_SEEN	1
#endif

static struct {
	struct pki_cert	*ca, *a, *b;
} w;

/* A relay with a listener, and the one that comes after it. */
struct scene {
	struct agent	 a, next;
	struct sockaddr_in at;
	int		 app;
	struct sst_wire_head head;
	char		 state[SST_WIRE_DATA_MAX];
	long		 len;
	int		 fds[3];
};

static int
world_make(void **state)
{
	(void)state;
	w.ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	w.a = pki_issue(w.ca, &(struct pki_spec){ .san = "a.example" });
	w.b = pki_issue(w.ca, &(struct pki_spec){ .san = "b.example" });
	return 0;
}

static int
world_free(void **state)
{
	(void)state;
	pki_free(w.a);
	pki_free(w.b);
	pki_free(w.ca);
	return 0;
}

static int
scene_make(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	agent_make(&s->a);
	agent_make(&s->next);
	s->a.trust = (struct sst_wire_new){ .cert_file = "/file", .cert_dir = "/dir" };
	s->app = agent_bound(&s->a, &s->at);
	assert_int_equal(agent_supply(&s->a, s->app, 1, w.a), 0);
	*state = s;
	return 0;
}

static void
close_held(struct scene *s)
{
	for (int i = 0; i < 3; i++) {
		if (s->fds[i] >= 0)
			(void)close(s->fds[i]);
		s->fds[i] = -1;
	}
}

static int
scene_free(void **state)
{
	struct scene *s = *state;

	(void)close(s->app);
	agent_free(&s->next);
	agent_free(&s->a);
	free(s);
	return 0;
}

static void
begin(struct scene *s, int backlog)
{
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LISTEN, backlog, 0, 0, NULL, 0,
	    s->app), 0);
}

/* What the keeper holds now. */
static void
held(struct scene *s, struct agent *a)
{
	s->len = agent_told(a, SST_CHAN_HOLD, &s->head, s->state, sizeof(s->state),
	    s->fds);
}

/* A source as the keeper gives it back. */
static void
give_source(struct scene *s, uint32_t id, const struct pki_cert *cert)
{
	struct sst_wire_head head;
	char path[] = "/tmp/hold-XXXXXX";
	struct pki_buf b = { 0 };
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	(void)unlink(path);
	pki_put_chain(&b, cert);
	pki_put_key(&b, cert);
	assert_int_equal(write(fd, b.data, b.len), b.len);
	pki_buf_free(&b);
	sst_wire_init(&head, SST_CHAN_RESTORE_SOURCE);
	head.id = id;
	head.a = IPPROTO_TLS;
	head.b = TLS_CERTIFICATE_CHAIN;
	sst_hold_source(s->next.relay, &head, "\0bytes", 7, fd);
}

/* The next relay takes what is held; its listener, or NULL. */
static struct sst_listener *
restore(struct scene *s)
{
	sst_hold_restore(s->next.relay, &s->head, (const uint8_t *)s->state,
	    (size_t)s->len, s->fds);
	for (int i = 0; i < 3; i++)
		assert_int_equal(s->fds[i], -1);
	sst_hold_restored(s->next.relay);
	if (s->next.relay->listeners == NULL)
		return NULL;
	for (int i = 0; i < 1000 && s->next.relay->listeners != NULL &&
	    s->next.relay->listeners->restoring; i++)
		agent_turn(&s->next, 10);
	if (s->next.relay->listeners == NULL)
		return NULL;
	assert_int_equal(s->next.relay->listeners->restoring, 0);
	return s->next.relay->listeners;
}

static void
every_setting_comes_back(void **state)
{
	struct scene *s = *state;
	const struct linger linger = { 1, 0 };
	const struct sst_settings *set;
	struct sst_listener *l;
	struct sst_record *old;
	int on = 1;

	old = sst_record_find(s->a.relay, sst_record_cookie(s->app));
	assert_int_equal(agent_set(&s->a, s->app, TLS_HOSTNAME, "a.example", 9), 0);
	assert_int_equal(agent_set(&s->a, s->app, TLS_HOSTNAME, "*.b.example", 11), 0);
	assert_int_equal(agent_set(&s->a, s->app, TLS_REMOTE_HOSTNAME, "r.example", 9),
	    0);
	assert_int_equal(agent_set(&s->a, s->app, TLS_ALPN, "h2,http/1.1", 11), 0);
	assert_int_equal(agent_set(&s->a, s->app, TLS_SNI_POLICY,
	    "strict,default=a.example", 24), 0);
	assert_int_equal(agent_set_int(&s->a, s->app, TLS_VERSION_MAX, TLS_1_2), 0);
	assert_int_equal(agent_set_int(&s->a, s->app, TLS_VERSION_MIN, TLS_1_2), 0);
	assert_int_equal(agent_set_int(&s->a, s->app, TLS_HANDSHAKE_TIMEOUT, 1234), 0);
	assert_int_equal(agent_set_int(&s->a, s->app, TLS_KEY_PERMISSIONS,
	    TLS_KEY_PERMISSIONS_EVENT), 0);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_SET, SOL_SOCKET, SO_LINGER, 0,
	    &linger, sizeof(linger), s->app), 0);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_SET, IPPROTO_TCP, 1 /* NODELAY */, 0,
	    &on, sizeof(on), s->app), 0);
	begin(s, 77);
	held(s, &s->a);
	assert_true(s->len > 0);
	assert_int_equal(s->fds[2], -1);
	give_source(s, 1, w.a);
	l = restore(s);
	assert_non_null(l);
	assert_int_equal(l->id, s->head.id);
	assert_int_equal(l->backlog, 77);
	assert_true(l->record->cookie == old->cookie && l->record->serial == old->serial);
	assert_int_equal(l->record->family, AF_INET);
	assert_int_equal(l->record->state, SST_REC_LISTENING);
	assert_int_equal(l->record->reset_on_close, 1);
	assert_int_equal(l->record->linger_on, 1);
	assert_int_equal(l->record->nodelay, 1);
	set = l->record->set;
	assert_int_equal(set->names.n, 2);
	assert_string_equal(set->names.list[0], "a.example");
	assert_string_equal(set->names.list[1], "*.b.example");
	assert_string_equal(set->remote, "r.example");
	assert_string_equal(set->alpn, "h2,http/1.1");
	assert_string_equal(set->default_name, "a.example");
	assert_string_equal(set->cert_file, "/file");
	assert_string_equal(set->cert_dir, "/dir");
	assert_int_equal(set->version_min, TLS_1_2);
	assert_int_equal(set->version_max, TLS_1_2);
	assert_int_equal(set->strict, 1);
	assert_int_equal(set->timeout_ms, 1234);
	assert_int_equal(set->key_event, 1);
	assert_int_equal(sst_certs_count(set->certs), 1);
	/* A new socket gets an id of its own. */
	assert_true(s->next.relay->next_id > l->id);
}

static void
a_linger_time_and_a_second_without_options_come_back(void **state)
{
	struct scene *s = *state;
	const struct linger linger = { 1, 30 };
	struct sst_listener *l;

	assert_int_equal(agent_verb(&s->a, SST_WIRE_SET, SOL_SOCKET, SO_LINGER, 0,
	    &linger, sizeof(linger), s->app), 0);
	begin(s, 5);
	held(s, &s->a);
	give_source(s, 1, w.a);
	l = restore(s);
	assert_non_null(l);
	assert_int_equal(l->record->linger_on, 1);
	assert_int_equal(l->record->linger_time, 30);
	assert_int_equal(l->record->reset_on_close, 0);
	assert_int_equal(l->record->nodelay, 0);
	assert_int_equal(l->record->set->strict, 0);
	assert_int_equal(l->record->set->key_event, 0);
	assert_null(l->record->set->remote);
}

static void
what_begins_plain_begins_plain_again_and_nothing_else(void **state)
{
	struct scene *s = *state;

	/* Each of the four alone. */
	for (int i = 0; i < 4; i++) {
		int app = agent_bound(&s->a, &s->at);
		struct sst_record *r = sst_record_find(s->a.relay,
		    sst_record_cookie(app));
		struct sst_listener *l;

		assert_int_equal(agent_supply(&s->a, app, 10 + (uint32_t)i, w.a), 0);
		if (i == 1)
			assert_int_equal(agent_set_int(&s->a, app, TLS_START_PLAIN, 1),
			    0);
		r->forced = i == 2;
		r->foreign = i == 3;
		assert_int_equal(agent_verb(&s->a, SST_WIRE_LISTEN, 1,
		    i == 0 ? SST_MODE_PLAIN : SST_MODE_TLS, 0, NULL, 0, app), 0);
		held(s, &s->a);
		assert_true(s->len > 0);
		give_source(s, 10 + (uint32_t)i, w.a);
		l = restore(s);
		assert_non_null(l);
		assert_int_equal(l->record->plain, i == 0);
		assert_int_equal(l->record->set->start_plain, i == 1);
		assert_int_equal(l->record->forced, i == 2);
		assert_int_equal(l->record->foreign, i == 3);
		assert_int_equal(sst_listener_is_plain(l), i < 2);
		(void)close(app);
	}
}

static void
sources_come_back_in_their_order_and_others_are_dropped(void **state)
{
	struct scene *s = *state;
	struct sst_certs_numbers n;
	struct sst_listener *l;
	struct sst_wire_head head;
	int fds[3];

	assert_int_equal(agent_supply(&s->a, s->app, 2, w.b), 0);
	begin(s, 5);
	held(s, &s->a);
	give_source(s, 2, w.b);
	give_source(s, 9, w.b);	/* of no listener */
	give_source(s, 1, w.a);
	l = restore(s);
	assert_non_null(l);
	sst_certs_numbers(l->record->set->certs, PKI_NOW, &n);
	assert_int_equal(n.loaded, 2);
	assert_int_equal(sst_certs_count(l->record->set->certs), 2);
	assert_true(sst_certs_has(l->record->set->certs, 1));
	assert_false(sst_certs_has(l->record->set->certs, 9));
	assert_int_equal(agent_told(&s->next, SST_CHAN_DROP, &head, s->state,
	    sizeof(s->state), fds), 0);
	assert_int_equal(head.id, 9);
}

/* Until the loader has nothing left to do. */
static void
all_is_read(struct scene *s, const struct sst_record *r)
{
	for (int i = 0; i < 200 && sst_supply_pending(r) > 0; i++)
		agent_turn(&s->a, 100);
	assert_int_equal(sst_supply_pending(r), 0);
}

static void
what_waits_to_be_read_again_is_read_once(void **state)
{
	struct scene *s = *state;
	const struct sst_record *r;

	assert_int_equal(agent_supply(&s->a, s->app, 2, w.b), 0);
	begin(s, 5);
	r = s->a.relay->listeners->record;
	all_is_read(s, r);
	/* The first is under way; the others say the same, or more of it. */
	sst_supply_changed(s->a.relay, 1, "one", 4);
	sst_supply_changed(s->a.relay, 1, "one", 4);
	sst_supply_changed(s->a.relay, 1, "two", 4);
	sst_supply_changed(s->a.relay, 1, NULL, 0);
	assert_int_equal(sst_supply_pending(r), 2);
	/* Another source is another matter, and one of nobody is none. */
	sst_supply_changed(s->a.relay, 2, "one", 4);
	sst_supply_changed(s->a.relay, 9, "one", 4);
	assert_int_equal(sst_supply_pending(r), 3);
	all_is_read(s, r);
	sst_supply_changed(s->a.relay, 1, "one", 4);
	assert_int_equal(sst_supply_pending(r), 1);
	all_is_read(s, r);
}

static uint64_t
generation(const struct sst_listener *l)
{
	return sst_store_generation(sst_certs_store(l->record->set->certs));
}

static void
the_generation_counts_on(void **state)
{
	struct scene *s = *state;
	struct sst_listener *l;
	uint64_t before;

	for (uint32_t id = 2; id < 12; id++)
		assert_int_equal(agent_supply(&s->a, s->app, id,
		    id % 2 == 0 ? w.b : w.a), 0);
	begin(s, 5);
	/* What changes later is told as well. */
	assert_int_equal(agent_set(&s->a, s->app, TLS_CERTIFICATE_REMOVE, "*", 1), 0);
	assert_int_equal(agent_supply(&s->a, s->app, 20, w.a), 0);
	before = generation(s->a.relay->listeners);
	assert_true(before >= 4);
	held(s, &s->a);
	give_source(s, 20, w.a);
	l = restore(s);
	assert_non_null(l);
	assert_true(generation(l) > before);
	/* And over another restart. */
	before = generation(l);
	held(s, &s->next);
	assert_true(s->len > 0);
	close_held(s);
}

static void
a_state_longer_than_a_message_comes_back(void **state)
{
	struct scene *s = *state;
	struct sst_listener *l;
	struct stat st;
	char name[100];
	int n;

	for (int i = 0; i < 3000; i++) {
		n = snprintf(name, sizeof(name),
		    "host-with-a-long-name-%06d.a-long-label-too.example", i);
		assert_int_equal(agent_set(&s->a, s->app, TLS_HOSTNAME, name,
		    (size_t)n), 0);
	}
	begin(s, 5);
	held(s, &s->a);
	assert_int_equal(s->len, 0);
	assert_true(s->fds[2] >= 0);
	assert_int_equal(fstat(s->fds[2], &st), 0);
	assert_true(st.st_size > SST_WIRE_DATA_MAX);
	assert_int_equal(ftruncate(s->fds[2], 0), -1);
	give_source(s, 1, w.a);
	l = restore(s);
	assert_non_null(l);
	assert_int_equal(l->record->set->names.n, 3000);
	assert_string_equal(l->record->set->names.list[2999], name);
}

/* How many of this process's mappings of a few MB and less have these bytes. */
static int
copies(const void *bytes, size_t len)
{
	unsigned long from, to;
	char line[512], mode[8];
	FILE *maps = fopen("/proc/self/maps", "r");
	int n = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL)
		if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3 &&
		    strncmp(mode, "rw-p", 4) == 0 && strstr(line, "[heap]") != NULL)
			n += memmem((const void *)from, to - from, bytes, len) != NULL;
	fclose(maps);
	return n;
}

/* In a sealed file, so that the keeper has no copy of its own, nor the old relay. */
static void
a_key_for_tickets_comes_back_and_leaves_no_copy(void **state)
{
	struct scene *s = *state;
	uint8_t key[100], out[SST_TICKET_MASTER_MAX];
	struct sst_listener *l;

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * i + 7 * i + 3);
	assert_int_equal(agent_set(&s->a, s->app, TLS_TICKET_KEY, key, sizeof(key)), 0);
	assert_int_equal(agent_set_int(&s->a, s->app, TLS_SESSION_TTL, 777), 0);
	assert_int_equal(agent_set_int(&s->a, s->app, TLS_SESSION_REUSE, 0), 0);
	begin(s, 5);
	held(s, &s->a);
	assert_int_equal(s->len, 0);
	assert_true(s->fds[2] >= 0);
	assert_int_equal(ftruncate(s->fds[2], 0), -1);
	give_source(s, 1, w.a);
	l = restore(s);
	assert_non_null(l);
	assert_int_equal(l->record->set->session_ttl, 777);
	assert_int_equal(l->record->set->no_reuse, 1);
	assert_non_null(l->record->set->tickets);
	assert_int_equal(sst_tickets_master(l->record->set->tickets, out), sizeof(key));
	assert_memory_equal(out, key, sizeof(key));
	assert_int_equal(copies(key, sizeof(key)), 0);
	/* it can be seen at all */
	l->record->text = malloc(sizeof(key));
	memcpy(l->record->text, key, sizeof(key));
	assert_int_equal(copies(key, sizeof(key)), HEAP_IS_SEEN);
	explicit_bzero(l->record->text, sizeof(key));
}

static void
without_a_key_sessions_come_back_as_they_were_set(void **state)
{
	struct scene *s = *state;
	struct sst_listener *l;

	begin(s, 5);
	held(s, &s->a);
	assert_int_equal(s->fds[2], -1);
	give_source(s, 1, w.a);
	l = restore(s);
	assert_non_null(l);
	assert_int_equal(l->record->set->session_ttl, SST_TICKET_LIFE_S);
	assert_int_equal(l->record->set->no_reuse, 0);
	assert_null(l->record->set->tickets);
}

/* --- lists that the program named --------------------------------------------- */
/* Listing `n` serials beside one of 1, `first`. */
static struct pki_buf
list_of(unsigned char first, size_t n)
{
	struct make_crl_row *rows = calloc(n + 1, sizeof(*rows));
	unsigned char (*serials)[16] = calloc(n + 1, sizeof(*serials));
	struct pki_buf der;

	for (size_t i = 0; i <= n; i++) {
		memset(serials[i], 1, sizeof(serials[i]));
		memcpy(serials[i] + 1, &i, sizeof(i));
		rows[i] = (struct make_crl_row){ .serial = serials[i], .serial_len = 16 };
	}
	rows[0] = (struct make_crl_row){ .serial = &first, .serial_len = 1 };
	der = make_crl(&(struct make_crl){ .issuer = w.ca, .rows = rows, .n_rows = n + 1 });
	free(serials);
	free(rows);
	return der;
}

static int
give_list(struct scene *s, const struct pki_buf *der)
{
	struct sst_wire_head head;
	int file = memfd_create("test", MFD_CLOEXEC), rc;

	assert_int_equal(write(file, der->data, der->len), der->len);
	sst_wire_init(&head, SST_CHAN_FILE);
	head.id = 40;
	head.a = IPPROTO_TLS;
	head.b = TLS_CRL_FILE;
	rc = agent_ask(&s->a, sst_supply_file, &head, "\0bytes", 7, s->app, file);
	(void)close(file);
	return rc;
}

/* One of two, each once. */
struct wanted {
	struct pki_buf	der[2];
	int		seen[2];
};

static int
is_wanted(void *arg, const void *der, size_t len)
{
	struct wanted *wanted = arg;

	for (int i = 0; i < 2; i++)
		if (len == wanted->der[i].len && memcmp(der, wanted->der[i].data, len) == 0)
			return wanted->seen[i]++;
	return -1;
}

static void
lists_come_back_whole_the_short_and_the_long(void **state)
{
	struct scene *s = *state;
	struct wanted wanted = { .der = { list_of(1, 0), list_of(2, 8000) } };
	struct sst_listener *l;

	assert_true(wanted.der[0].len < 1000);
	assert_true(wanted.der[1].len > 3 * UINT16_MAX);
	for (int i = 0; i < 2; i++)
		assert_int_equal(give_list(s, &wanted.der[i]), 0);
	begin(s, 5);
	held(s, &s->a);
	assert_true(s->fds[2] >= 0);
	give_source(s, 1, w.a);
	l = restore(s);
	assert_non_null(l);
	assert_int_equal(sst_lists_each_der(l->record->set->lists, is_wanted, &wanted), 0);
	assert_int_equal(wanted.seen[0] + wanted.seen[1], 2);
	/* what comes back is held for the next one */
	held(s, &s->next);
	assert_true(s->fds[2] >= 0);
	close_held(s);
	for (int i = 0; i < 2; i++)
		pki_buf_free(&wanted.der[i]);
}

/* It would accept whom they revoke. */
static void
a_listener_whose_lists_do_not_come_back_ends(void **state)
{
	struct scene *s = *state;
	struct pki_buf der = list_of(1, 0);
	struct sst_wire_head head;
	char none[8], *at;
	int fds[3];

	assert_int_equal(give_list(s, &der), 0);
	begin(s, 5);
	held(s, &s->a);
	assert_true(s->len > 0);
	at = memmem(s->state, (size_t)s->len, der.data, der.len);
	assert_non_null(at);
	at[0] = 0x31;
	give_source(s, 1, w.a);
	assert_null(restore(s));
	assert_int_equal(agent_told(&s->next, SST_CHAN_RELEASE, &head, none, sizeof(none),
	    fds), 0);
	assert_int_equal(head.id, s->head.id);
	pki_buf_free(&der);
}

/* The greatest that an option takes fits; what does not is held no more at all. */
static void
lists_that_cannot_be_handed_over_end_the_listener_with_its_relay(void **state)
{
	struct scene *s = *state;
	struct sst_settings *set;
	struct sst_listener *l;
	struct sst_wire_head head;
	unsigned char *big = calloc(1, SST_LISTS_MAX);
	char none[8];
	int fds[3];

	begin(s, 5);
	held(s, &s->a);
	close_held(s);
	l = s->a.relay->listeners;
	set = l->record->set;
	memcpy(big, "\x30\x84", 2);
	for (int i = 0; i < 4; i++)
		big[2 + i] = (unsigned char)((SST_LISTS_MAX - 6) >> (24 - 8 * i));
	assert_int_equal(sst_lists_with(NULL, big, SST_LISTS_MAX, &set->lists, NULL), 0);
	sst_hold_send(l);
	held(s, &s->a);
	assert_int_equal(s->len, 0);
	assert_true(s->fds[2] >= 0);
	give_source(s, 1, w.a);
	assert_non_null(restore(s));
	/* a name that is longer than a field, for whatever reason there is */
	set->remote = calloc(1, UINT16_MAX + 2);
	memset(set->remote, 'a', UINT16_MAX + 1);
	sst_hold_send(l);
	assert_int_equal(agent_told(&s->a, SST_CHAN_RELEASE, &head, none, sizeof(none), fds),
	    0);
	assert_int_equal(head.id, l->id);
	free(big);
}

/* Cut anywhere, or with any byte changed: refused, or a listener; no more. */
static void
a_state_that_is_none_is_refused_and_released(void **state)
{
	struct scene *s = *state;
	struct sst_wire_head head;
	static char whole[SST_WIRE_DATA_MAX];
	char none[8];
	long len;
	int fds[3], keep[2], refused = 0;

	begin(s, 5);
	held(s, &s->a);
	len = s->len;
	memcpy(whole, s->state, (size_t)len);
	for (int i = 0; i < 2; i++)
		keep[i] = s->fds[i];
	for (long cut = 0; cut < 2 * len; cut++) {
		memcpy(s->state, whole, (size_t)len);
		s->len = cut < len ? cut : len;
		if (cut >= len)
			s->state[cut - len] ^= 0x55;
		for (int i = 0; i < 2; i++)
			s->fds[i] = dup(keep[i]);
		if (restore(s) == NULL) {
			refused++;
			assert_int_equal(agent_told(&s->next, SST_CHAN_RELEASE, &head,
			    none, sizeof(none), fds), 0);
			assert_int_equal(head.id, s->head.id);
			continue;
		}
		agent_free(&s->next);
		agent_make(&s->next);
	}
	assert_true(refused > len / 4);
	/* One without its descriptors. */
	s->len = len;
	memcpy(s->state, whole, (size_t)len);
	assert_null(restore(s));
	for (int i = 0; i < 2; i++)
		(void)close(keep[i]);
}

/* Options on a listener hold from the next client on, and are held at once. */
static void
what_is_set_on_a_listener_is_held_or_refused_whole(void **state)
{
	struct scene *s = *state;
	struct sst_tls_conf *before;
	struct sst_listener *l;

	begin(s, 5);
	held(s, &s->a);
	close_held(s);
	l = s->a.relay->listeners;
	before = l->conf;
	assert_int_equal(agent_set(&s->a, s->app, TLS_SNI_POLICY, "strict", 6), 0);
	assert_true(l->conf != before);
	assert_int_equal(l->record->set->strict, 1);
	held(s, &s->a);
	assert_true(s->len > 0);
	close_held(s);
	assert_int_equal(agent_set(&s->a, s->app, TLS_SNI_POLICY, "lax", 3), 0);
	assert_int_equal(l->record->set->strict, 0);
	held(s, &s->a);
	close_held(s);
	before = l->conf;
	/* The first word is right, the second is not: nothing is changed. */
	assert_int_equal(agent_set(&s->a, s->app, TLS_SNI_POLICY, "strict,loose", 12),
	    EINVAL);
	assert_int_equal(l->record->set->strict, 0);
	assert_ptr_equal(l->conf, before);
	held(s, &s->a);
	assert_int_equal(s->len, -1);
	assert_int_equal(agent_set(&s->a, s->app, TLS_VERSION_MIN, "12345678", 8),
	    EINVAL);
	/* A listener that ended is held no more. */
	assert_int_equal(shutdown(s->app, SHUT_RD), 0);
	agent_settle(&s->a);
	assert_int_equal(agent_set(&s->a, s->app, TLS_SNI_POLICY, "strict", 6), 0);
	held(s, &s->a);
	assert_int_equal(s->len, -1);
}

/* The same listener twice, or one without its cookie, is one too many. */
static void
a_state_of_a_record_that_is_there_is_refused(void **state)
{
	struct scene *s = *state;
	struct sst_wire_head head;
	char none[8];
	int fds[3], again[3] = { -1, -1, -1 };

	begin(s, 5);
	held(s, &s->a);
	for (int i = 0; i < 2; i++)
		again[i] = dup(s->fds[i]);
	give_source(s, 1, w.a);
	assert_non_null(restore(s));
	(void)agent_told(&s->next, SST_CHAN_RELEASE, &head, none, sizeof(none), fds);
	for (int i = 0; i < 2; i++)
		s->fds[i] = again[i];
	s->head.id++;
	(void)restore(s);
	assert_int_equal(agent_told(&s->next, SST_CHAN_RELEASE, &head, none,
	    sizeof(none), fds), 0);
	assert_int_equal(head.id, s->head.id);
	assert_int_equal(s->next.relay->table.count, 1);
	/* A zero for a cookie would be found by every descriptor without one. */
	assert_null(sst_record_find(s->next.relay, 0));
}

/* --- status ------------------------------------------------------------------ */
static json_t *
status(struct agent *a)
{
	static char text[100000];
	json_error_t why;
	json_t *o;
	int sv[2];
	ssize_t n, len = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	sst_status_write(a->relay, sv[1]);
	while ((n = recv(sv[0], text + len, sizeof(text) - (size_t)len - 1, 0)) > 0)
		len += n;
	(void)close(sv[0]);
	assert_true(len > 0 && text[len - 1] == '\n');
	o = json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES, &why);
	assert_non_null(o);
	return o;
}

static void
the_status_is_json_and_says_what_is_there(void **state)
{
	struct scene *s = *state;
	char address[40];
	json_t *o, *l, *store;

	memcpy(s->a.relay->program, "bad\n\"\xff", 7);
	o = status(&s->a);
	assert_int_equal(json_integer_value(json_object_get(o, "schema")), 1);
	assert_int_equal(json_array_size(json_object_get(o, "listeners")), 0);
	assert_int_equal(json_array_size(json_object_get(o, "workers")), AGENT_WORKERS);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(o,
	    "workers"), 0)), 0);
	assert_null(strchr(json_string_value(json_object_get(o, "program")), '\n'));
	json_decref(o);
	begin(s, 66);
	s->a.relay->listeners->counts[SST_COUNT_OK] = 3;
	s->a.relay->listeners->counts[SST_COUNT_SILENT] = 4;
	s->a.relay->workers[1]->connections = 5;
	o = status(&s->a);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(o,
	    "workers"), 1)), 5);
	s->a.relay->workers[1]->connections = 0;
	assert_int_equal(json_array_size(json_object_get(o, "listeners")), 1);
	l = json_array_get(json_object_get(o, "listeners"), 0);
	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(s->at.sin_port));
	assert_string_equal(json_string_value(json_object_get(l, "address")), address);
	assert_int_equal(json_integer_value(json_object_get(l, "backlog")), 66);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(l,
	    "identities"), "usable")), 1);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(l,
	    "handshakes"), "ok")), 3);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(
	    json_object_get(l, "handshakes"), "failed"), "silent")), 4);
	assert_int_equal(json_object_size(json_object_get(json_object_get(l,
	    "handshakes"), "failed")), SST_COUNTS - 2);
	assert_true(json_integer_value(json_object_get(l, "generation")) > 0);
	assert_true(json_is_integer(json_object_get(l, "earliest_expiry")));
	store = json_object_get(l, "store");
	assert_true(json_integer_value(json_object_get(store, "names")) > 0);
	assert_true(json_integer_value(json_object_get(store, "index_bytes")) > 0);
	assert_string_equal(json_string_value(json_object_get(store, "index")), "memory");
	assert_int_equal(json_integer_value(json_object_get(store, "expired")), 0);
	assert_true(json_is_false(json_object_get(store, "warm")));
	assert_true(json_is_null(json_object_get(store, "scan")));
	assert_true(json_is_false(json_object_get(o, "draining")));
	json_decref(o);
}

static void
the_status_says_how_far_the_reading_of_a_directory_is(void **state)
{
	struct sst_reading reading = { .names = 1000, .since = 1700000000 };
	struct scene *s = *state;
	struct sst_store *store;
	const json_t *scan;
	json_t *o;

	begin(s, 66);
	store = sst_certs_store(s->a.relay->listeners->record->set->certs);
	reading.since_ms = sst_clock_ms() - 4000;
	for (unsigned read = 0; read <= 400; read += 400) {
		atomic_store(&reading.read, read);
		store->reading = &reading;
		o = status(&s->a);
		store->reading = NULL;
		scan = json_object_get(json_object_get(json_array_get(json_object_get(o,
		    "listeners"), 0), "store"), "scan");
		assert_int_equal(json_integer_value(json_object_get(scan, "names")), 1000);
		assert_int_equal(json_integer_value(json_object_get(scan, "read")), read);
		assert_int_equal(json_integer_value(json_object_get(scan, "since")),
		    1700000000);
		if (read == 0)
			assert_true(json_is_null(json_object_get(scan, "left")));
		else
			assert_in_range(json_integer_value(json_object_get(scan, "left")),
			    6, 60);
		json_decref(o);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scene_make, scene_free)
	const struct CMUnitTest tests[] = {
		T(every_setting_comes_back),
		T(a_linger_time_and_a_second_without_options_come_back),
		T(what_begins_plain_begins_plain_again_and_nothing_else),
		T(sources_come_back_in_their_order_and_others_are_dropped),
		T(what_waits_to_be_read_again_is_read_once),
		T(the_generation_counts_on),
		T(a_state_longer_than_a_message_comes_back),
		T(a_key_for_tickets_comes_back_and_leaves_no_copy),
		T(without_a_key_sessions_come_back_as_they_were_set),
		T(lists_come_back_whole_the_short_and_the_long),
		T(a_listener_whose_lists_do_not_come_back_ends),
		T(lists_that_cannot_be_handed_over_end_the_listener_with_its_relay),
		T(a_state_that_is_none_is_refused_and_released),
		T(what_is_set_on_a_listener_is_held_or_refused_whole),
		T(a_state_of_a_record_that_is_there_is_refused),
		T(the_status_is_json_and_says_what_is_there),
		T(the_status_says_how_far_the_reading_of_a_directory_is),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
